//! Numbers of versions, drawn outside of a deployment.
//!
//! Lives here: the same series that templates draw from, for Lambda's API.
//! Does not live here: which series there are (`records::identity`, `service-functions`).

use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::packages::Numbers;
use model::ids::{AccountId, Region, StackName};
use store::Store;

use crate::state::StackState;

/// Draws numbers from the series of the deployments in a store.
pub struct Series {
    store: Arc<dyn Store>,
    /// Whoever failed to draw one, in errors.
    api: StackName,
}

impl Series {
    /// The series of this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            api: StackName::new("(Lambda API)"),
        }
    }
}

impl Numbers for Series {
    fn next<'a>(
        &'a self,
        account: &'a AccountId,
        region: &'a Region,
        series: &'a str,
    ) -> BoxFuture<'a, Result<u64, String>> {
        Box::pin(async move {
            let state = StackState::new(self.store.as_ref(), account, region, &self.api, None);
            let drawn = state.draw_number(series).await;
            drawn.map_err(|error| error.to_string())
        })
    }
}
