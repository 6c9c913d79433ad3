//! Events for queues.
//!
//! Lives here: an event as a message, whether its sender may send it.
//! Does not live here: keeping events and trying again (`event-delivery`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check, Denied};
use interfaces::event_sink::{EventSink, Reception, SinkError};
use model::arn::Arn;
use model::delivery::{Message as Event, Sender, Target};
use model::ids::AccountId;
use model::limits::SQS_MESSAGE_BYTES_MAX;
use model::principal::Principal;

use crate::engine::ask::AskError;
use crate::engine::catalogue::{Catalogue, Current};
use crate::engine::descriptor::Kind;
use crate::engine::duplicates::content_hash;
use crate::engine::hand_out::uuid;
use crate::engine::record::{Attribute, AttributeValue, Body, Message};
use crate::engine::request::Outgoing;

/// What a session of a role is called that a service acts as.
const SESSION: &str = "cloudless";

/// The queues, for whoever delivers events.
pub(crate) struct Sink {
    catalogue: Catalogue,
    authorize: Arc<dyn Authorize>,
}

impl Sink {
    pub(crate) fn new(catalogue: Catalogue, authorize: Arc<dyn Authorize>) -> Self {
        Self {
            catalogue,
            authorize,
        }
    }

    async fn send(&self, arn: &Arn, sender: &Sender, event: &Event) -> Result<(), SinkError> {
        let found = self.catalogue.find_arn(arn).await;
        let queue = found.map_err(|error| failed(&error.into()))?;
        let queue = queue.ok_or_else(|| failed(&AskError::Missing))?;
        let current = queue.current();
        let principal = sender.acting(SESSION);
        if let Some(principal) = &principal {
            let allowed = self.may_send(principal, arn, &current);
            allowed.map_err(|denied| permanent("AccessDenied", denied.message))?;
        }
        let sender_id = match &principal {
            Some(principal @ Principal::Session { .. }) => self.authorize.unique_id(principal),
            Some(_) | None => sender.account.to_string(),
        };
        let message = self.message(sender_id, event, &current)?;
        let outgoing = Outgoing {
            message,
            delay: None,
        };
        let sent = self.catalogue.send_messages(&queue, vec![outgoing]).await;
        sent.map(drop).map_err(|error| failed(&error))
    }

    fn may_send(&self, principal: &Principal, arn: &Arn, current: &Current) -> Result<(), Denied> {
        let account = AccountId::new(arn.account.as_str());
        let check = Check::new("sqs:SendMessage", arn.to_string(), &account)
            .with_policy(current.settings.policy.clone());
        self.authorize.authorize(principal, &[check])
    }

    async fn would_take(&self, arn: &Arn, sender: &Sender) -> Result<Reception, SinkError> {
        let found = self.catalogue.find_arn(arn).await;
        let Some(queue) = found.map_err(|error| failed(&error.into()))? else {
            return Ok(Reception::Missing);
        };
        let Some(principal) = sender.acting(SESSION) else {
            return Ok(Reception::Taken);
        };
        Ok(match self.may_send(&principal, arn, &queue.current()) {
            Ok(()) => Reception::Taken,
            Err(_) => Reception::Denied,
        })
    }

    fn message(
        &self,
        sender: String,
        event: &Event,
        current: &Current,
    ) -> Result<Message, SinkError> {
        let invalid = |message: &str| permanent("InvalidParameterValue", message.to_owned());
        let body = std::str::from_utf8(&event.body);
        let body =
            body.map_err(|_| permanent("InvalidMessageContents", "not a text".to_owned()))?;
        let bytes_max = current
            .settings
            .message_bytes_max
            .min(SQS_MESSAGE_BYTES_MAX);
        let attributes = event.attributes.iter();
        let attributes: Vec<_> = attributes.filter_map(attribute).collect();
        if bytes_max < body.len() + event.attributes.iter().map(size).sum::<usize>() {
            return Err(invalid(&format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {bytes_max} bytes."
            )));
        }
        let (group, deduplication) = match current.settings.kind {
            Kind::Standard => (event.group.clone(), None),
            Kind::Fifo { by_content, .. } => {
                let group = event.group.clone().ok_or_else(|| {
                    invalid("The request must contain the parameter MessageGroupId.")
                })?;
                let by_content = || by_content.then(|| content_hash(body));
                let id = event.deduplication.clone().or_else(by_content);
                let id = id.ok_or_else(|| invalid(
                    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                     explicitly",
                ))?;
                (Some(group), Some(id))
            }
        };
        let now = self.catalogue.now();
        Ok(Message {
            id: uuid(&**self.catalogue.random()),
            sent_at: now,
            due_us: now.epoch_us(),
            sender,
            group,
            deduplication,
            trace: event.trace.clone(),
            dead_letter_of: None,
            attributes,
            body: Body::Here(body.to_owned()),
        })
    }
}

impl EventSink for Sink {
    fn serves(&self, target: &Target) -> bool {
        target.arn().is_some_and(|arn| arn.service == "sqs")
    }

    fn take<'a>(
        &'a self,
        target: &'a Target,
        sender: &'a Sender,
        message: &'a Event,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            match target.arn() {
                Some(arn) => self.send(arn, sender, message).await,
                None => Err(failed(&AskError::Missing)),
            }
        })
    }

    fn reception<'a>(
        &'a self,
        target: &'a Target,
        sender: &'a Sender,
    ) -> BoxFuture<'a, Result<Reception, SinkError>> {
        Box::pin(async move {
            match target.arn() {
                Some(arn) => self.would_take(arn, sender).await,
                None => Ok(Reception::Missing),
            }
        })
    }
}

fn attribute(sent: &model::delivery::Attribute) -> Option<Attribute> {
    let value = match sent.data_type.split('.').next() {
        Some("Binary") => AttributeValue::Binary(STANDARD.decode(&sent.value).ok()?.into()),
        Some(_) | None => AttributeValue::Text(sent.value.clone()),
    };
    Some(Attribute {
        name: sent.name.clone(),
        data_type: sent.data_type.clone(),
        value,
    })
}

fn size(attribute: &model::delivery::Attribute) -> usize {
    attribute.name.len() + attribute.data_type.len() + attribute.value.len()
}

fn permanent(code: &str, message: String) -> SinkError {
    SinkError::Permanent {
        code: code.to_owned(),
        message,
    }
}

fn failed(error: &AskError) -> SinkError {
    match error {
        AskError::Missing => permanent(
            "AWS.SimpleQueueService.NonExistentQueue",
            "The specified queue does not exist.".to_owned(),
        ),
        AskError::OverLimit | AskError::Failed(_) | AskError::Catalogue(_) => {
            SinkError::Transient {
                code: "InternalError".to_owned(),
                message: error.to_string(),
            }
        }
    }
}
