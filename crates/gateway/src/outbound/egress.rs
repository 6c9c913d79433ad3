//! Where requests may go that users name the addresses of.
//!
//! Lives here: the question, asked of the very address that is connected to.
//! Does not live here: the answer (whoever starts the server decides), addresses that are never called (`addresses`).

use std::net::SocketAddr;
use std::sync::Arc;

/// Says why an address is closed to what users have requests sent to: integrations of APIs, endpoints of topics, API
/// destinations. None: it is open.
#[derive(Clone)]
pub struct Egress(Arc<dyn Fn(SocketAddr) -> Option<String> + Send + Sync>);

impl Egress {
    /// This decides.
    pub fn new(why_closed: impl Fn(SocketAddr) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(why_closed))
    }

    /// Why this address is closed.
    pub(crate) fn why_closed(&self, address: SocketAddr) -> Option<String> {
        (self.0)(address)
    }
}

/// Everything is open.
impl Default for Egress {
    fn default() -> Self {
        Self::new(|_| None)
    }
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Egress(…)")
    }
}
