//! `ReceiveMessage`.
//!
//! Lives here: what can be asked for, and how a message is shown.
//! Does not live here: which messages these are (`engine`).

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::fault::{Fault, Kind};
use super::message_attributes;
use super::operations::{Context, Members, Outcome};
use super::polls::{OF_ONE_CALLER_MAX, WAITING_MAX};
use super::request::Input as _;
use crate::engine::book::Order;
use crate::engine::request::{Received, Wish};
use crate::message;

/// Contract: Amazon SQS API Reference, `ReceiveMessage`.
const MESSAGES_MAX: i64 = 10;
const WAIT_S_MAX: i64 = 20;
const VISIBILITY_S_MAX: i64 = 43_200;
const ATTEMPT_CHARACTERS_MAX: usize = 128;

/// System attributes that can be asked for.
const SYSTEM_ATTRIBUTES: &[&str] = &[
    "All",
    "AWSTraceHeader",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

pub(super) async fn receive(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let input = context.input;
    let order = queue.current().settings.kind.order();
    let wish = wish(input, order)?;
    let wished = Wished {
        system: system_names(input)?,
        own: input.texts("MessageAttributeNames"),
    };
    let waits = wish.wait.unwrap_or(queue.current().settings.wait);
    let poll = match waits.is_zero() {
        true => None,
        false => Some(context.polls.begin(&context.call.caller).ok_or_else(busy)?),
    };
    let received = context.catalogue.receive(&queue, wish).await?;
    drop(poll);
    let mut result = Members::new();
    if !received.is_empty() {
        let messages = received.iter().map(|one| show(one, &wished, order));
        result.insert("Messages".to_owned(), messages.collect());
    }
    Ok(result)
}

/// SDKs try again, later.
fn busy() -> Fault {
    Fault::new(
        Kind::RequestThrottled,
        format!(
            "The request was denied due to request throttling: {WAITING_MAX} calls of ReceiveMessage may wait for messages \
             at a time, {OF_ONE_CALLER_MAX} of one caller."
        ),
    )
}

/// Which attributes are wished for.
struct Wished {
    system: Vec<String>,
    own: Vec<String>,
}

fn wish(input: &Members, order: Order) -> Result<Wish, Fault> {
    let messages_max = input.number("MaxNumberOfMessages")?.unwrap_or(1);
    if !(1..=MESSAGES_MAX).contains(&messages_max) {
        return Err(Fault::value(
            &messages_max.to_string(),
            "MaxNumberOfMessages",
            "Must be between 1 and 10, if provided.",
        ));
    }
    let seconds = |name: &str, seconds_max: i64| match input.number(name)? {
        None => Ok(None),
        Some(seconds) => match u64::try_from(seconds) {
            Ok(unsigned) if seconds <= seconds_max => Ok(Some(Duration::from_secs(unsigned))),
            Ok(_) | Err(_) => Err(Fault::value(
                &seconds.to_string(),
                name,
                &format!("Must be >= 0 and <= {seconds_max}, if provided."),
            )),
        },
    };
    let attempt = input
        .text("ReceiveRequestAttemptId")
        .filter(|text| !text.is_empty());
    let is_allowed = |text: &str| {
        text.len() <= ATTEMPT_CHARACTERS_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if let Some(text) = attempt.filter(|text| !is_allowed(text)) {
        return Err(Fault::value(
            text,
            "ReceiveRequestAttemptId",
            "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length.",
        ));
    }
    if let Some(text) = attempt.filter(|_| order == Order::None) {
        return Err(Fault::value(
            text,
            "ReceiveRequestAttemptId",
            "The request include parameter that is not valid for this queue type.",
        ));
    }
    Ok(Wish {
        messages_max: usize::try_from(messages_max).unwrap_or(1),
        visibility: seconds("VisibilityTimeout", VISIBILITY_S_MAX)?,
        wait: seconds("WaitTimeSeconds", WAIT_S_MAX)?,
        attempt: attempt.map(str::to_owned),
    })
}

/// Two members name them: an older and a newer one.
fn system_names(input: &Members) -> Result<Vec<String>, Fault> {
    let names = [
        input.texts("AttributeNames"),
        input.texts("MessageSystemAttributeNames"),
    ]
    .concat();
    match names
        .iter()
        .find(|name| !SYSTEM_ATTRIBUTES.contains(&name.as_str()))
    {
        None => Ok(names),
        Some(unknown) => Err(Fault::new(
            Kind::InvalidAttributeName,
            format!("Unknown Attribute {unknown}."),
        )),
    }
}

fn show(received: &Received, wished: &Wished, order: Order) -> Value {
    let message = &received.message;
    let mut shown = json!({
        "MessageId": message::id_text(&message.id),
        "ReceiptHandle": received.receipt.to_text(),
        "MD5OfBody": message::body_digest(&received.body),
        "Body": received.body,
    });
    let Some(members) = shown.as_object_mut() else {
        return shown;
    };
    let all = wished.system.iter().any(|name| name == "All");
    let system: Map<String, Value> = message::system_attributes(received, order)
        .into_iter()
        .filter(|(name, _)| all || wished.system.iter().any(|wish| wish == name))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    if !system.is_empty() {
        members.insert("Attributes".to_owned(), Value::Object(system));
    }
    let own: Vec<_> = message
        .attributes
        .iter()
        .filter(|attribute| message_attributes::is_wished(&attribute.name, &wished.own))
        .collect();
    if let Some(digest) = message::attributes_digest(own.iter().copied()) {
        members.insert("MD5OfMessageAttributes".to_owned(), digest.into());
        let own = own.into_iter();
        let own = own.map(|one| (one.name.clone(), message_attributes::show(one)));
        members.insert("MessageAttributes".to_owned(), Value::Object(own.collect()));
    }
    shown
}
