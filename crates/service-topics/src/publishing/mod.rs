//! Publishing.
//!
//! Lives here: `Publish` and `PublishBatch`, what subscribers receive.
//! Does not live here: delivering it (`event-delivery`), which messages a subscription wants (`filter`).
//!
//! Contract: Amazon SNS API Reference, `Publish`; transcripts of the service's answers.

mod attributes;
pub(crate) mod batch;
pub(crate) mod confirmation;
mod envelope;
mod message;
mod sending;

use interfaces::service::ServiceCall;
use model::arn::Arn;

use crate::arns::TopicArn;
use crate::operations::platform::read_endpoint;
use crate::operations::{Answer, Call, answer, sms};
use crate::refusal::Refusal;

pub(crate) use message::{Draft, digest};
pub(crate) use sending::{PRINCIPAL, send};

const TRACE_HEADER: &str = "x-amzn-trace-id";

/// `Publish`.
pub(crate) async fn publish(call: Call<'_>) -> Result<Answer, Refusal> {
    if let Some(number) = call.form.text("PhoneNumber") {
        return Err(to_number(number));
    }
    let (parameter, text) = target(call)?;
    if let Some(endpoint) = Arn::parse(text)
        .ok()
        .and_then(|arn| read_endpoint(&arn.resource))
    {
        return Err(to_endpoint(call, &endpoint).await);
    }
    let arn = TopicArn::read(parameter, text, Some(&call.call.region))?;
    let region = call.region_of(&arn).await?;
    let topic = region.topic(&arn.name);
    let topic = topic.ok_or_else(|| Refusal::not_found("Topic"))?;
    let draft = Draft::read(call.form, "messageAttributes", trace(call.call))?;
    draft.check_size(&topic)?;
    let drafts = [draft];
    let sent = send(call.service, &region, &topic, &drafts).await?;
    let sent = sent.into_iter().next().ok_or_else(Refusal::internal)?;
    answer(move |xml| {
        xml.text("MessageId", &sent.message_id);
        xml.optional("SequenceNumber", sent.sequence.as_deref());
    })
}

/// The parameter that names the target, and its value.
fn target(call: Call<'_>) -> Result<(&'static str, &str), Refusal> {
    for parameter in ["TopicArn", "TargetArn"] {
        if let Some(text) = call.form.text(parameter) {
            return Ok((parameter, text));
        }
    }
    Err(Refusal::parameter(
        "TopicArn or TargetArn Reason: no value for required parameter",
    ))
}

fn to_number(number: &str) -> Refusal {
    if number.starts_with('+') && sms::is_number(number) {
        return Refusal::not_implemented("publishing to a telephone number (text messages)");
    }
    Refusal::parameter(format!(
        "PhoneNumber Reason: {number} is not valid to publish to"
    ))
}

async fn to_endpoint(call: Call<'_>, (application, id): &(String, String)) -> Refusal {
    let region = match call.own().await {
        Ok(region) => region,
        Err(refusal) => return refusal,
    };
    let Some(endpoint) = region.endpoint(application, id) else {
        return Refusal::parameter(
            "TargetArn Reason: No endpoint found for the target arn specified",
        );
    };
    if endpoint.attributes.get("Enabled").map(String::as_str) == Some("false") {
        let status = http::StatusCode::BAD_REQUEST;
        return Refusal::new(status, "EndpointDisabled", "Endpoint is disabled");
    }
    Refusal::not_implemented("publishing to a platform endpoint (push notifications)")
}

pub(crate) fn trace(call: &ServiceCall) -> Option<String> {
    let value = call.headers.get(TRACE_HEADER)?.to_str().ok()?;
    Some(value.to_owned())
}
