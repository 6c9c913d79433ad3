//! Who holds a pair of keys, and handing keys out.

use model::function::Function;
use model::principal::{Credentials, Principal};

/// The access keys that are valid now.
pub trait Principals: Send + Sync {
    /// What is known of this access key.
    fn find(&self, access_key_id: &str) -> Key;

    /// A new pair of temporary keys for the execution role of a function. They hold until they are revoked.
    fn issue(&self, function: &Function) -> Credentials;

    /// Ends a pair that was issued; unknown keys are ignored.
    fn revoke(&self, access_key_id: &str);
}

/// What is known of an access key.
#[derive(Debug, Clone)]
pub enum Key {
    /// It is valid.
    Issued(Box<Holder>),
    /// It was issued once. It must not count as unknown: in development unknown keys act as the account's root, and
    /// what outlives its instance would gain rights by being revoked.
    Revoked,
    /// It belongs to a user, and was deleted or is inactive. It must not count as unknown either.
    Withdrawn,
    /// Nobody was issued it.
    Unknown,
}

/// Whoever holds a pair of keys, and what proves it.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Who it is.
    pub principal: Principal,
    /// The keys.
    pub credentials: Credentials,
}
