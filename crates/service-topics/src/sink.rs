//! Taking deliveries: for topics, and for addresses.
//!
//! Lives here: who may publish by a delivery, what an answer of an address means.
//! Does not live here: trying again (`event-delivery`), publishing (`publishing`).
//!
//! Contract: Amazon SNS Developer Guide, "Amazon SNS message delivery retries": 5xx and 429 are tried again, other answers that are
//! no success are not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use interfaces::BoxFuture;
use interfaces::authorize::Check;
use interfaces::event_sink::{EventSink, Reception, SinkError};
use interfaces::http_client::{HttpClient, HttpRequest};
use model::delivery::{Message, Sender, SenderPrincipal, Target};

use crate::arns::TopicArn;
use crate::publishing::{Draft, send};
use crate::refusal::Refusal;
use crate::service::Inner;
use crate::state::catalogue::Region;
use crate::state::topic::Topic;

/// Amazon SNS Developer Guide, "HTTP/S endpoints": an endpoint answers within 15 seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Of an answer only the status counts.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The services whose deliveries the default policy of topics lets in.
const OWNERS: [&str; 1] = ["cloudwatch.amazonaws.com"];
const SESSION: &str = "delivery";

/// Takes deliveries for topics.
pub(crate) struct TopicSink(pub(crate) Arc<Inner>);

/// Takes deliveries for addresses.
pub(crate) struct AddressSink(pub(crate) Arc<dyn HttpClient>);

impl EventSink for TopicSink {
    fn serves(&self, target: &Target) -> bool {
        target.arn().is_some_and(|arn| arn.service == "sns")
    }

    fn take<'a>(
        &'a self,
        target: &'a Target,
        sender: &'a Sender,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            let taken = self.publish(target, sender, message).await;
            taken.map_err(|refusal| failed(&refusal))
        })
    }

    fn reception<'a>(
        &'a self,
        target: &'a Target,
        sender: &'a Sender,
    ) -> BoxFuture<'a, Result<Reception, SinkError>> {
        Box::pin(async move {
            match self.open_to(target, sender).await {
                Ok(_) => Ok(Reception::Taken),
                Err(refusal) if refusal.status.is_server_error() => Err(failed(&refusal)),
                Err(refusal) if refusal.status == StatusCode::FORBIDDEN => Ok(Reception::Denied),
                Err(_) => Ok(Reception::Missing),
            }
        })
    }
}

impl TopicSink {
    /// The topic, where the sender may publish to it.
    async fn open_to(
        &self,
        target: &Target,
        sender: &Sender,
    ) -> Result<(Arc<Region>, Arc<Topic>), Refusal> {
        let text = target.arn().map(ToString::to_string).unwrap_or_default();
        let arn = TopicArn::read("TopicArn", &text, None)?;
        let region = self.0.region_of(&arn).await?;
        let topic = region.topic(&arn.name);
        let topic = topic.ok_or_else(|| Refusal::not_found("Topic"))?;
        if let Some(principal) = sender.acting(SESSION) {
            let check = Check::new("sns:Publish", text, &arn.account);
            let mut check = check.with_policy(topic.policy.clone());
            with_source(&mut check, sender);
            let asked = self.0.authorize.authorize(&principal, &[check]);
            asked.map_err(|denied| Refusal::unauthorized(denied.message))?;
        }
        Ok((region, topic))
    }

    async fn publish(
        &self,
        target: &Target,
        sender: &Sender,
        message: &Message,
    ) -> Result<(), Refusal> {
        let (region, topic) = self.open_to(target, sender).await?;
        let body = String::from_utf8_lossy(&message.body).into_owned();
        if body.is_empty() {
            return Err(Refusal::parameter("Empty message"));
        }
        let draft = Draft {
            subject: message.subject.clone(),
            attributes: message.attributes.clone(),
            group: message.group.clone(),
            deduplication: message.deduplication.clone(),
            trace: message.trace.clone(),
            ..Draft::of_text(body)
        };
        send(&self.0, &region, &topic, &[draft]).await?;
        Ok(())
    }
}

fn with_source(check: &mut Check, sender: &Sender) {
    let account = sender.account.to_string();
    if let Some(source) = &sender.source {
        check.context.set("aws:SourceArn", source.to_string());
    }
    if let SenderPrincipal::Service(name) = &sender.principal
        && OWNERS.contains(&name.as_str())
    {
        check.context.set("aws:SourceOwner", account.clone());
    }
    check.context.set("aws:SourceAccount", account);
}

fn failed(refusal: &Refusal) -> SinkError {
    let code = refusal.code.to_owned();
    let message = refusal.message.clone();
    if refusal.status.is_server_error() {
        SinkError::Transient { code, message }
    } else {
        SinkError::Permanent { code, message }
    }
}

impl EventSink for AddressSink {
    fn serves(&self, target: &Target) -> bool {
        matches!(target, Target::Url(_))
    }

    fn take<'a>(
        &'a self,
        target: &'a Target,
        _sender: &'a Sender,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            let Target::Url(url) = target else {
                return Ok(());
            };
            let header = |one: &model::delivery::Attribute| (one.name.clone(), one.value.clone());
            let request = HttpRequest {
                method: Method::POST,
                url: url.clone(),
                headers: message.attributes.iter().map(header).collect(),
                body: Bytes::clone(&message.body),
                timeout: ANSWER_WITHIN,
                answer_bytes_max: ANSWER_BYTES_MAX,
            };
            match self.0.send(request).await {
                Ok(answer) => answered(answer.status, url),
                Err(error) => Err(SinkError::Transient {
                    code: "EndpointUnreachable".to_owned(),
                    message: error.reason,
                }),
            }
        })
    }
}

fn answered(status: u16, url: &str) -> Result<(), SinkError> {
    let code = status.to_string();
    let message = format!("`{url}` answered with status {status}");
    match status {
        200..=299 => Ok(()),
        429 | 500..=599 | 100..=199 => Err(SinkError::Transient { code, message }),
        _ => Err(SinkError::Permanent { code, message }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_whether_another_try_can_help() {
        for (status, is_transient) in [
            (429, true),
            (500, true),
            (503, true),
            (404, false),
            (301, false),
        ] {
            let error = answered(status, "http://x/").unwrap_err();
            assert_eq!(
                matches!(error, SinkError::Transient { .. }),
                is_transient,
                "{status}"
            );
        }
        assert!(answered(200, "http://x/").is_ok());
        assert!(answered(204, "http://x/").is_ok());
    }
}
