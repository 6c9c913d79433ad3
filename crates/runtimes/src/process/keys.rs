//! The keys of a function's role, for as long as a process of it lives.
//!
//! Lives here: issuing and revoking a pair.
//! Does not live here: where the process finds it (`environment`), what it may do (`Principals`).

use std::sync::Arc;

use interfaces::principals::Principals;
use model::function::Function;
use model::principal::Credentials;

/// A pair of keys that is revoked when the last process that was given it goes.
pub(super) struct IssuedKeys {
    principals: Arc<dyn Principals>,
    credentials: Credentials,
}

impl IssuedKeys {
    pub(super) fn issue(principals: &Arc<dyn Principals>, function: &Function) -> Self {
        Self {
            principals: principals.clone(),
            credentials: principals.issue(function),
        }
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }
}

impl Drop for IssuedKeys {
    fn drop(&mut self) {
        self.principals.revoke(&self.credentials.access_key_id);
    }
}
