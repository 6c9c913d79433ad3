//! Asking addresses for their consent: to being subscribed, and to no longer being so.
//!
//! Lives here: what they are sent.
//! Does not live here: their answer (`operations::confirming`).

use model::delivery::{Attribute, Delivery, Message, Target};

use super::envelope::{Request, Seal};
use super::sending::{http_retries, sender};
use crate::refusal::Refusal;
use crate::service::Inner;
use crate::state::subscription::{Status, Subscription};
use crate::state::topic::Topic;
use crate::times::iso;

const CONTENT_TYPE: &str = "text/plain; charset=UTF-8";

/// What asks the endpoint of a subscription; none: it is not asked, or by mail, which is not sent.
pub(crate) fn ask(
    service: &Inner,
    topic: &Topic,
    subscription: &Subscription,
) -> Result<Option<Delivery>, Refusal> {
    let record = &subscription.record;
    let token = match &record.token {
        Some(token) if record.protocol.is_http() => token,
        Some(_) | None => return Ok(None),
    };
    let topic_arn = topic.arn.arn().to_string();
    let subscription_arn = subscription.arn(&topic.arn);
    let (kind, message) = match record.status {
        Status::Pending | Status::Confirmed => (
            "SubscriptionConfirmation",
            format!(
                "You have chosen to subscribe to the topic {topic_arn}.\nTo confirm the subscription, visit the SubscribeURL \
                 included in this message."
            ),
        ),
        Status::Ended => (
            "UnsubscribeConfirmation",
            format!(
                "You have chosen to deactivate subscription {subscription_arn}.\nTo cancel this operation and restore the \
                 subscription, visit the SubscribeURL included in this message."
            ),
        ),
    };
    let base = &service.base_url;
    let url = format!("{base}/?Action=ConfirmSubscription&TopicArn={topic_arn}&Token={token}");
    let now = service.clock.now();
    let id = service.random.request_id().to_string();
    let request = Request {
        kind,
        id: &id,
        topic_arn: &topic_arn,
        token,
        message: &message,
        subscribe_url: &url,
        timestamp: &iso(now),
    };
    let version = topic.signature_version();
    let seal = Seal::on(&request.to_be_signed(), version, &*service.notary, base)?;
    let of_subscription =
        Some(subscription_arn.as_str()).filter(|_| record.status == Status::Ended);
    let message = Message {
        body: request.to_json(&seal).into(),
        attributes: headers(kind, (&id, &topic_arn, of_subscription), CONTENT_TYPE),
        ..Message::default()
    };
    let (retries, retry_delays_s) = http_retries(topic, subscription);
    Ok(Some(Delivery {
        id: id.clone(),
        target: Target::Url(record.endpoint.clone()),
        sender: sender(topic),
        message: Message {
            retry_delays_s,
            ..message
        },
        retries,
        dead_letters: None,
        order: None,
        accepted_at: now,
    }))
}

/// The headers of what an address is sent.
pub(super) fn headers(
    kind: &str,
    (id, topic_arn, subscription_arn): (&str, &str, Option<&str>),
    content_type: &str,
) -> Vec<Attribute> {
    let mut headers = vec![
        ("x-amz-sns-message-type", kind),
        ("x-amz-sns-message-id", id),
        ("x-amz-sns-topic-arn", topic_arn),
    ];
    headers.extend(subscription_arn.map(|arn| ("x-amz-sns-subscription-arn", arn)));
    headers.extend([
        ("Content-Type", content_type),
        ("User-Agent", "Amazon Simple Notification Service Agent"),
        ("Accept-Encoding", "gzip,deflate"),
    ]);
    headers
        .into_iter()
        .map(|(name, value)| header(name, value))
        .collect()
}

pub(super) fn header(name: &str, value: &str) -> Attribute {
    Attribute {
        name: name.to_owned(),
        data_type: "String".to_owned(),
        value: value.to_owned(),
    }
}
