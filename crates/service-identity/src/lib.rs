//! Who may do what: AWS IAM and STS, the keys of functions.
//!
//! Lives here: the policies of principals, and judging by them.
//! Does not live here: evaluating a policy (`policy`), policies of resources (their services), signatures (`aws-wire`).

use std::sync::Arc;

use interfaces::authorize::{Authorize, Check, Denied};
use model::principal::Principal;
use store::Store;

/// IAM and STS. Clones share everything.
#[derive(Clone)]
pub struct Service {
    _store: Arc<dyn Store>,
}

impl Service {
    /// Identity over this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { _store: store }
    }
}

impl Authorize for Service {
    fn authorize(&self, _principal: &Principal, _checks: &[Check]) -> Result<(), Denied> {
        Ok(())
    }
}
