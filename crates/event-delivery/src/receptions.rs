//! What would become of events before any is sent.
//!
//! Lives here: whom functions would let call them; whom a sink is asked about.
//! Does not live here: what becomes of events that were sent (`attempt`), policies of queues and topics (their services).

use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::event_sink::{Reception, Receptions, SinkError};
use model::delivery::{Sender, Target};
use tokio::sync::watch;

use crate::attempt::Served;
use crate::delivery::Parts;

/// Tells of targets by what is delivered to now.
pub(crate) struct Known {
    pub(crate) parts: Arc<Parts>,
    pub(crate) served: watch::Receiver<Option<Arc<Served>>>,
}

impl Receptions for Known {
    fn reception<'a>(
        &'a self,
        target: &'a Target,
        sender: &'a Sender,
    ) -> BoxFuture<'a, Result<Reception, SinkError>> {
        if let Some(arn) = target.arn().filter(|arn| arn.function().is_some()) {
            let served = self.served.borrow().clone();
            let reception = match served {
                Some(served) => {
                    let authorize = self.parts.authorize.as_ref();
                    match served.policies.check(authorize, sender, arn) {
                        Ok(()) => Reception::Taken,
                        Err(_) => Reception::Denied,
                    }
                }
                // Before the first application nobody knows its functions: deliveries wait for it, and are judged then.
                None => Reception::Taken,
            };
            return Box::pin(std::future::ready(Ok(reception)));
        }
        let mut sinks = self.parts.sinks.iter();
        match sinks.find(|sink| sink.serves(target)) {
            Some(sink) => sink.reception(target, sender),
            None => Box::pin(std::future::ready(Ok(Reception::Missing))),
        }
    }
}
