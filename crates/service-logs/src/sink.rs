//! Events that others send to log groups.
//!
//! Lives here: what a log group makes of a delivery, and whether the sender may.
//! Does not live here: trying again (`event-delivery`), writing (`engine::append`).
//!
//! Contract: Amazon EventBridge User Guide, "Using resource-based policies": log groups let `events.amazonaws.com` in by a
//! resource policy; each event is a log event of a stream of its own, named by the event's id.

use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check};
use interfaces::event_sink::{EventSink, SinkError};
use model::arn::Arn;
use model::delivery::{Message, Sender, Target};
use model::ids::{AccountId, Region};
use serde_json::Value;

use crate::engine::append::{Appending, Incoming, Lot};
use crate::engine::catalogue::{Catalogue, Error};
use crate::engine::keys::Place;
use crate::engine::state::State;
use crate::logs::groups::name_in;
use crate::logs::{policies, streams};

/// What a session of a role is called that events are sent as.
const SESSION: &str = "events";

/// The longest message of an event. Contract: CloudWatch Logs quotas.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1_024 * 1_024 - 26;

/// Log groups.
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
        sender: &Sender,
        message: &Message,
    ) -> Result<(), SinkError> {
        let place = Place {
            account: AccountId::new(arn.account.as_str()),
            region: Region::new(arn.region.as_str()),
        };
        let text = arn.to_string();
        let group = name_in(&text);
        let shelf = self
            .catalogue
            .shelf(&place)
            .await
            .map_err(|error| failed(&error))?;
        let policies = shelf.look(policies::all);
        let body = String::from_utf8_lossy(&message.body).into_owned();
        let stream = stream_of(&body, self.catalogue.random.request_id().as_ref());
        for action in ["logs:CreateLogStream", "logs:PutLogEvents"] {
            let resource = match action {
                "logs:PutLogEvents" => place.stream_arn(group, &stream).to_string(),
                _ => format!("{}:*", place.group_arn(group)),
            };
            self.may(sender, action, resource, &place.account, &policies)?;
        }
        if MESSAGE_BYTES_MAX < body.len() {
            return Err(refused("InvalidParameterException", "Log event too large."));
        }
        let event = Incoming {
            at_ms: self.catalogue.now_ms(),
            message: body,
        };
        let missing = "The specified log group does not exist.";
        let written = self.write(&place, group, &stream, event).await;
        match written.map_err(|error| failed(&error))? {
            true => Ok(()),
            false => Err(refused("ResourceNotFoundException", missing)),
        }
    }

    async fn write(
        &self,
        place: &Place,
        group: &str,
        stream: &str,
        event: Incoming,
    ) -> Result<bool, Error> {
        let decide = |state: &State| {
            let mut appending = Appending::new(&self.catalogue, place, state);
            let Some(kept) = state.groups.get(group) else {
                return Ok((false, appending.finish()));
            };
            let there = state.stream(group, stream).cloned();
            let lot = Lot {
                stream: there
                    .unwrap_or_else(|| Arc::new(streams::fresh(&self.catalogue, group, stream))),
                events: vec![event],
            };
            appending.add(kept, &lot);
            Ok((true, appending.finish()))
        };
        self.catalogue.change(place, decide).await
    }

    fn may(
        &self,
        sender: &Sender,
        action: &str,
        resource: String,
        account: &AccountId,
        policies: &[Arc<policy::Policy>],
    ) -> Result<(), SinkError> {
        let Some(principal) = sender.acting(SESSION) else {
            return Ok(());
        };
        // One policy that allows it is enough, unless another one denies it.
        let check = |policy| Check::new(action, resource.clone(), account).with_policy(policy);
        let asked = match policies {
            [] => vec![self.authorize.authorize(&principal, &[check(None)])],
            policies => {
                let all = policies
                    .iter()
                    .map(|policy| check(Some(Arc::clone(policy))));
                all.map(|check| self.authorize.authorize(&principal, &[check]))
                    .collect()
            }
        };
        let denied = asked.iter().filter_map(|answer| answer.as_ref().err());
        let explicit = denied
            .clone()
            .find(|denied| denied.message.contains("explicit deny"));
        let is_allowed = asked.iter().any(Result::is_ok);
        match explicit.or_else(|| denied.clone().next().filter(|_| !is_allowed)) {
            Some(denied) => Err(refused("AccessDeniedException", &denied.message)),
            None => Ok(()),
        }
    }
}

/// The stream of an event: its id, and a second one as AWS adds it.
fn stream_of(event: &str, otherwise: &str) -> String {
    let read: Option<Value> = serde_json::from_str(event).ok();
    let id = read.as_ref().and_then(|event| event.get("id")?.as_str());
    let id = id.filter(|id| !id.is_empty() && id.len() <= 64 && !id.contains([':', '*']));
    id.unwrap_or(otherwise).to_owned()
}

impl EventSink for Sink {
    fn serves(&self, target: &Target) -> bool {
        target
            .arn()
            .is_some_and(|arn| arn.service == "logs" && arn.resource.starts_with("log-group:"))
    }

    fn take<'a>(
        &'a self,
        target: &'a Target,
        sender: &'a Sender,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            match target {
                Target::Resource(arn) => self.deliver(arn, sender, message).await,
                Target::Url(_) => Err(refused("ResourceNotFoundException", "No such log group.")),
            }
        })
    }
}

fn refused(code: &str, message: &str) -> SinkError {
    SinkError::Permanent {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

fn failed(error: &Error) -> SinkError {
    SinkError::Transient {
        code: "ServiceUnavailableException".to_owned(),
        message: error.to_string(),
    }
}
