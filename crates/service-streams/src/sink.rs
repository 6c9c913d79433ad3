//! Events for streams.
//!
//! Lives here: an event as a record, whether its sender may put it.
//! Does not live here: keeping events and trying again (`event-delivery`).

use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check};
use interfaces::event_sink::{EventSink, SinkError};
use model::arn::Arn;
use model::delivery::{Message, Sender, Target};

use crate::engine::catalogue::{Catalogue, Error};
use crate::engine::keys::Place;
use crate::engine::log::{Fresh, hash};
use crate::kinesis::{RECORD_BYTES_MAX, policy};

/// What a session of a role is called that a service acts as.
const SESSION: &str = "cloudless";
const PARTITION_KEY_CHARS_MAX: usize = 256;

/// The streams, for whoever delivers events.
pub(crate) struct Sink {
    catalogue: Arc<Catalogue>,
    authorize: Arc<dyn Authorize>,
}

impl Sink {
    pub(crate) fn new(catalogue: Arc<Catalogue>, authorize: Arc<dyn Authorize>) -> Self {
        Self {
            catalogue,
            authorize,
        }
    }

    async fn deliver(
        &self,
        arn: &Arn,
        name: &str,
        sender: &Sender,
        message: &Message,
    ) -> Result<(), SinkError> {
        let place = Place::of_arn(arn);
        let found = self.catalogue.find(&place, name).await;
        let stream = found.map_err(later)?.ok_or_else(|| missing(&place, name))?;
        if let Some(principal) = sender.acting(SESSION) {
            let arn = arn.to_string();
            let check = Check::new("kinesis:PutRecord", arn.as_str(), &place.account)
                .with_policy(policy(&stream, &arn, &arn));
            let allowed = self.authorize.authorize(&principal, &[check]);
            allowed.map_err(|denied| refused("AccessDeniedException", denied.message))?;
        }
        let partition_key = self.partition_key(message);
        if RECORD_BYTES_MAX < message.body.len() + partition_key.len() {
            let message = format!("A record has {RECORD_BYTES_MAX} bytes at most.");
            return Err(refused("ValidationException", message));
        }
        let record = Fresh {
            hash: hash(&partition_key),
            partition_key,
            data: message.body.clone(),
        };
        let put = self.catalogue.put(&place, name, &[record]).await;
        let put = put.map_err(later)?;
        put.map(drop).ok_or_else(|| missing(&place, name))
    }

    /// What the message is grouped by; else something of its own, so that all shards get some.
    fn partition_key(&self, message: &Message) -> String {
        let group = message.group.as_deref().filter(|group| !group.is_empty());
        match group {
            Some(group) => group.chars().take(PARTITION_KEY_CHARS_MAX).collect(),
            None => self.catalogue.random.request_id().to_string(),
        }
    }
}

impl EventSink for Sink {
    fn serves(&self, target: &Target) -> bool {
        target.arn().is_some_and(|arn| name_in(arn).is_some())
    }

    fn take<'a>(
        &'a self,
        target: &'a Target,
        sender: &'a Sender,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            match target.arn().and_then(|arn| Some((arn, name_in(arn)?))) {
                Some((arn, name)) => self.deliver(arn, name, sender, message).await,
                None => Err(refused(
                    "ResourceNotFoundException",
                    "No such stream.".to_owned(),
                )),
            }
        })
    }
}

fn name_in(arn: &Arn) -> Option<&str> {
    let name = arn.resource.strip_prefix("stream/")?;
    (arn.service == "kinesis" && !name.contains('/')).then_some(name)
}

fn missing(place: &Place, name: &str) -> SinkError {
    let account = &place.account;
    let message = format!("Stream {name} under account {account} not found.");
    refused("ResourceNotFoundException", message)
}

fn refused(code: &str, message: String) -> SinkError {
    SinkError::Permanent {
        code: code.to_owned(),
        message,
    }
}

fn later(error: Error) -> SinkError {
    SinkError::Transient {
        code: "InternalFailure".to_owned(),
        message: error.to_string(),
    }
}
