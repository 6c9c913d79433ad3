//! Who calls, as far as a request's steps have found out.
//!
//! Lives here: plain data that authorisation makes, and that limits, cache, events and logs read.
//! Does not live here: finding it out (`authorise`).

use std::sync::Arc;

use model::door::{ApiKey, UsagePlan};

/// What is known of a caller.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// The API key that was shown, where the route asks for one.
    pub(crate) key: Option<KeyInUse>,
}

/// A key, and the plan by which it opens the stage that was called.
#[derive(Debug, Clone)]
pub(crate) struct KeyInUse {
    pub(crate) key: Arc<ApiKey>,
    pub(crate) plan: Arc<UsagePlan>,
}
