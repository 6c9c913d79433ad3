//! Who holds a pair of keys, and handing keys out.

use model::function::Function;
use model::principal::{Credentials, Principal};

/// The access keys that are valid now.
pub trait Principals: Send + Sync {
    /// The holder of this access key; none: nobody was issued it.
    fn holder(&self, access_key_id: &str) -> Option<Holder>;

    /// A new pair of temporary keys for the execution role of a function. They hold until they are revoked.
    fn issue(&self, function: &Function) -> Credentials;

    /// Ends a pair that was issued; unknown keys are ignored.
    fn revoke(&self, access_key_id: &str);
}

/// Whoever holds a pair of keys, and what proves it.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Who it is.
    pub principal: Principal,
    /// The keys.
    pub credentials: Credentials,
}
