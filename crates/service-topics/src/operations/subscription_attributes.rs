//! Attributes of subscriptions.
//!
//! Lives here: which there are, their values, setting one.
//! Does not live here: what they do (`publishing`), filter policies themselves (`filter`).
//!
//! Contract: Amazon SNS API Reference, `Subscribe`, `SetSubscriptionAttributes`; transcripts of the service's answers.

use std::collections::BTreeMap;

use model::arn::Arn;
use serde_json::Value;

use super::{Answer, Call};
use crate::arns::SubscriptionArn;
use crate::filter::{FilterPolicy, Nesting};
use crate::form::required;
use crate::refusal::Refusal;
use crate::state::catalogue::Change;
use crate::state::delivery_policy;
use crate::state::subscription::{Protocol, Record, SCOPE_ATTRIBUTES, SCOPE_BODY, Status};
use crate::state::topic::Topic;

const FIFO_SUFFIX: &str = ".fifo";
/// Amazon SNS Developer Guide, "Filter policy constraints": 256 KB.
const POLICY_BYTES_MAX: usize = 256 * 1024;

/// For whom an attribute is set.
#[derive(Clone, Copy)]
pub(crate) struct Of<'s> {
    pub(crate) topic: &'s Topic,
    pub(crate) protocol: Protocol,
    pub(crate) endpoint: &'s str,
}

/// An attribute of a subscription that is there.
pub(crate) fn subscription_of<'s>(topic: &'s Topic, record: &'s Record) -> Of<'s> {
    Of {
        topic,
        protocol: record.protocol,
        endpoint: &record.endpoint,
    }
}

pub(super) async fn set(call: Call<'_>) -> Result<Answer, Refusal> {
    let text = required(call.form, "SubscriptionArn")?;
    let arn = SubscriptionArn::read(text, call.own_region())?;
    let name = required(call.form, "AttributeName")?;
    let value = call.form.text("AttributeValue").unwrap_or_default();
    let region = call.region_of(&arn.topic).await?;
    let _turn = region.turn.lock().await;
    let missing = || Refusal::not_found("Subscription");
    let topic = region.topic(&arn.topic.name).ok_or_else(missing)?;
    let subscription = region
        .subscription(&arn.topic.name, &arn.id)
        .filter(|one| one.record.status != Status::Ended)
        .ok_or_else(missing)?;
    let mut record = subscription.record.clone();
    let checked = checked(subscription_of(&topic, &record), name, value)?;
    match checked {
        Some(value) => record.attributes.insert(name.to_owned(), value),
        None => record.attributes.remove(name),
    };
    is_flat_where_it_must_be(&record.attributes)?;
    let change = Change::PutSubscription(Box::new(record));
    call.service
        .catalogue
        .change(&region, vec![change], &[])
        .await?;
    Ok(None)
}

/// The value as it is kept; none: the attribute is as if it was never set.
pub(crate) fn checked(of: Of<'_>, name: &str, value: &str) -> Result<Option<String>, Refusal> {
    match name {
        "RawMessageDelivery" => match value.to_ascii_lowercase().as_str() {
            "true" if !of.protocol.takes_raw_messages() => Err(Refusal::parameter(format!(
                "Delivery protocol [{}] does not support raw message delivery.",
                of.protocol.as_str()
            ))),
            flag @ ("true" | "false") => Ok(Some(flag.to_owned())),
            _ => Err(Refusal::parameter(format!(
                "RawMessageDelivery: Invalid value [{value}]. Must be true or false."
            ))),
        },
        "FilterPolicyScope" if value == SCOPE_ATTRIBUTES || value == SCOPE_BODY => {
            Ok(Some(value.to_owned()))
        }
        "FilterPolicyScope" => Err(Refusal::parameter(format!(
            "FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
        ))),
        "FilterPolicy" if value.is_empty() => Ok(None),
        "FilterPolicy" if POLICY_BYTES_MAX < value.len() => Err(Refusal::parameter(
            "FilterPolicy: Filter policy is too large",
        )),
        "FilterPolicy" => match FilterPolicy::parse(value) {
            Ok(policy) => Ok(policy.map(|_| value.to_owned())),
            Err(error) => Err(Refusal::parameter(format!("FilterPolicy: {error}"))),
        },
        "RedrivePolicy" if value.is_empty() => Ok(None),
        "RedrivePolicy" => redrive_policy(of, value),
        "DeliveryPolicy" if value.is_empty() => Ok(None),
        "DeliveryPolicy" if !of.protocol.is_http() => Err(Refusal::parameter(format!(
            "Delivery protocol [{}] does not support delivery policies.",
            of.protocol.as_str()
        ))),
        "DeliveryPolicy" => delivery_policy::of_subscription(value).map(Some),
        "ReplayPolicy" => Err(Refusal::not_implemented(
            "the attribute ReplayPolicy (archives of messages)",
        )),
        _ => Err(Refusal::parameter("AttributeName")),
    }
}

/// Attributes of messages have no fields within them.
pub(crate) fn is_flat_where_it_must_be(
    attributes: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    let is_of_body = attributes
        .get("FilterPolicyScope")
        .is_some_and(|scope| scope == SCOPE_BODY);
    let policy = attributes.get("FilterPolicy").filter(|_| !is_of_body);
    let policy = policy.and_then(|text| FilterPolicy::parse(text).ok().flatten());
    if policy.is_some_and(|policy| policy.nesting() == Nesting::Nested) {
        return Err(Refusal::parameter(
            "Filter policy scope MessageAttributes does not support nested filter policy",
        ));
    }
    Ok(())
}

fn redrive_policy(of: Of<'_>, text: &str) -> Result<Option<String>, Refusal> {
    let wrong = |what: String| Refusal::parameter(format!("RedrivePolicy: {what}"));
    let policy: Value = serde_json::from_str(text)
        .map_err(|error| wrong(format!("failed to parse JSON. {error}")))?;
    let members = policy.as_object();
    let members = members.ok_or_else(|| wrong("must be a JSON object".to_owned()))?;
    if members.is_empty() {
        return Ok(None);
    }
    if let Some(other) = members.keys().find(|name| *name != "deadLetterTargetArn") {
        return Err(wrong(format!("{other} is not a known field")));
    }
    let queue = members.get("deadLetterTargetArn").and_then(Value::as_str);
    let queue = queue.and_then(|queue| Arn::parse(queue).ok());
    let queue = queue.filter(|queue| queue.service == "sqs");
    let queue = queue.ok_or_else(|| wrong("deadLetterTargetArn is an invalid arn".to_owned()))?;
    if of.topic.is_fifo()
        && of.endpoint.ends_with(FIFO_SUFFIX)
        && !queue.resource.ends_with(FIFO_SUFFIX)
    {
        return Err(wrong(
            "must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.".to_owned(),
        ));
    }
    Ok(Some(text.to_owned()))
}
