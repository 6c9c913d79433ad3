//! `SendMessage` and `SendMessageBatch`.
//!
//! Lives here: what a message may be.
//! Does not live here: keeping it (`engine`).

use std::time::Duration;

use model::limits::SQS_MESSAGE_BYTES_MAX;

use super::batch::{self, Outcomes};
use super::fault::{Fault, Kind};
use super::message_attributes;
use super::operations::{Context, Members, Outcome};
use super::request::Input as _;
use crate::engine::catalogue::Current;
use crate::engine::descriptor::Kind as QueueKind;
use crate::engine::duplicates::content_hash;
use crate::engine::hand_out::uuid;
use crate::engine::record::{Attribute, AttributeValue, Body, Message};
use crate::engine::request::{Outgoing, Sent};
use crate::message;

const DELAY_S_MAX: i64 = 900;
const ID_CHARACTERS_MAX: usize = 128;

/// A message that was read, and what its reply says of it.
struct Prepared {
    outgoing: Outgoing,
    size: usize,
    body_digest: String,
    attributes_digest: Option<String>,
    system_digest: Option<String>,
}

/// How a message is sent: the words for one that is too large differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Alone,
    InBatch,
}

pub(super) async fn send(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let current = queue.current();
    let prepared = prepare(context, context.input, &current, Way::Alone)?;
    let Prepared { outgoing, .. } = &prepared;
    let sent = context
        .catalogue
        .send_messages(&queue, vec![outgoing.clone()])
        .await?;
    let sent = sent.first().ok_or_else(Fault::no_queue)?;
    Ok(result(&prepared, sent))
}

pub(super) async fn send_batch(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let current = queue.current();
    let entries = batch::entries(context)?;
    let mut outcomes = Outcomes::default();
    let mut prepared = Vec::new();
    let mut size = 0;
    for (id, entry) in entries {
        match prepare(context, entry, &current, Way::InBatch) {
            Ok(message) => {
                size += message.size;
                prepared.push((id, message));
            }
            // Without these no message of a FIFO queue has a place, so the whole batch is refused.
            Err(fault) if is_fatal(&fault, &current) => return Err(fault),
            Err(fault) => {
                size += entry.text("MessageBody").map_or(0, str::len);
                outcomes.failed(id, &fault);
            }
        }
    }
    if SQS_MESSAGE_BYTES_MAX < size {
        return Err(Fault::new(
            Kind::BatchRequestTooLong,
            format!(
                "Batch requests cannot be longer than {SQS_MESSAGE_BYTES_MAX} bytes. You have sent {size} bytes."
            ),
        ));
    }
    let outgoing: Vec<_> = prepared
        .iter()
        .map(|(_, message)| message.outgoing.clone())
        .collect();
    if !outgoing.is_empty() {
        let sent = context.catalogue.send_messages(&queue, outgoing).await?;
        for ((id, prepared), sent) in prepared.iter().zip(&sent) {
            outcomes.done(id, result(prepared, sent));
        }
    }
    Ok(outcomes.into_members())
}

fn is_fatal(fault: &Fault, current: &Current) -> bool {
    current.descriptor.is_fifo() && (fault.message == NO_DEDUPLICATION || fault.message == NO_GROUP)
}

const NO_DEDUPLICATION: &str = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly";
const NO_GROUP: &str = "The request must contain the parameter MessageGroupId.";

fn prepare(
    context: &Context<'_>,
    input: &Members,
    current: &Current,
    way: Way,
) -> Result<Prepared, Fault> {
    let body = input.text("MessageBody").unwrap_or_default();
    if body.is_empty() {
        return Err(Fault::missing("MessageBody"));
    }
    if !message_attributes::is_allowed(body) {
        return Err(Fault::new(
            Kind::InvalidMessageContents,
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
        ));
    }
    let attributes = message_attributes::read(input)?;
    let trace = message_attributes::read_system(input)?;
    let size = body.len() + message_attributes::size(&attributes);
    check_size(size, current, way)?;
    let (group, deduplication) = ordering(input, body, current, way)?;
    let delay = delay(input, current)?;
    let now = context.catalogue.now();
    let trace_text = trace.as_ref().and_then(|trace| match &trace.value {
        AttributeValue::Text(text) => Some(text.clone()),
        AttributeValue::Binary(_) => None,
    });
    // Whoever traces the request itself need not say so again.
    let header = context.call.headers.get("x-amzn-trace-id");
    let header = header.and_then(|header| header.to_str().ok());
    let trace_text = trace_text.or_else(|| header.map(str::to_owned));
    Ok(Prepared {
        size,
        body_digest: message::body_digest(body),
        attributes_digest: message::attributes_digest(&attributes),
        system_digest: message::attributes_digest(trace.iter()),
        outgoing: Outgoing {
            delay,
            message: new_message(
                context,
                now,
                group,
                deduplication,
                trace_text,
                attributes,
                body,
            ),
        },
    })
}

fn new_message(
    context: &Context<'_>,
    now: model::time::Timestamp,
    group: Option<String>,
    deduplication: Option<String>,
    trace: Option<String>,
    attributes: Vec<Attribute>,
    body: &str,
) -> Message {
    Message {
        id: uuid(&**context.catalogue.random()),
        sent_at: now,
        due_us: now.epoch_us(),
        sender: context.sender.to_owned(),
        group,
        deduplication,
        trace,
        dead_letter_of: None,
        attributes,
        body: Body::Here(body.to_owned()),
    }
}

fn check_size(size: usize, current: &Current, way: Way) -> Result<(), Fault> {
    let bytes_max = current.settings.message_bytes_max;
    let message = match way {
        Way::Alone => format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {bytes_max} bytes."
        ),
        Way::InBatch => format!(
            "One or more parameters cannot be validated. Reason: Message must be shorter than {bytes_max} bytes."
        ),
    };
    if size <= bytes_max {
        return Ok(());
    }
    Err(Fault::new(Kind::InvalidParameterValue, message))
}

/// Group and deduplication id.
fn ordering(
    input: &Members,
    body: &str,
    current: &Current,
    way: Way,
) -> Result<(Option<String>, Option<String>), Fault> {
    let id = |name: &str| match input.text(name) {
        None => Ok(None),
        Some(text) => {
            let is_allowed = text.bytes().all(|byte| byte.is_ascii_graphic());
            match is_allowed && (1..=ID_CHARACTERS_MAX).contains(&text.len()) {
                true => Ok(Some(text.to_owned())),
                false => Err(Fault::value(
                    text,
                    name,
                    &format!(
                        "{name} can only include alphanumeric and punctuation characters. 1 to 128 in length."
                    ),
                )),
            }
        }
    };
    let group = id("MessageGroupId")?;
    let by_content = match current.settings.kind {
        QueueKind::Standard => {
            if let Some(text) = input.text("MessageDeduplicationId") {
                return Err(Fault::value(
                    text,
                    "MessageDeduplicationId",
                    "The request include parameter that is not valid for this queue type",
                ));
            }
            return Ok((group, None));
        }
        QueueKind::Fifo { by_content, .. } => by_content,
    };
    if group.is_none() {
        return Err(match way {
            Way::Alone => Fault::missing("MessageGroupId"),
            Way::InBatch => Fault::new(Kind::InvalidParameterValue, NO_GROUP),
        });
    }
    let deduplication = match id("MessageDeduplicationId")? {
        Some(deduplication) => deduplication,
        None if by_content => content_hash(body),
        None => return Err(Fault::new(Kind::InvalidParameterValue, NO_DEDUPLICATION)),
    };
    Ok((group, Some(deduplication)))
}

fn delay(input: &Members, current: &Current) -> Result<Option<Duration>, Fault> {
    let Some(seconds) = input.number("DelaySeconds")? else {
        return Ok(None);
    };
    let refuse = |reason: &str| Fault::value(&seconds.to_string(), "DelaySeconds", reason);
    match current.settings.kind {
        QueueKind::Fifo { .. } if seconds == 0 => return Ok(None),
        QueueKind::Fifo { .. } => {
            return Err(refuse(
                "The request include parameter that is not valid for this queue type.",
            ));
        }
        QueueKind::Standard => {}
    }
    if !(0..=DELAY_S_MAX).contains(&seconds) {
        return Err(refuse("DelaySeconds must be >= 0 and <= 900."));
    }
    Ok(u64::try_from(seconds).ok().map(Duration::from_secs))
}

fn result(prepared: &Prepared, sent: &Sent) -> Members {
    let optional = [
        ("MD5OfMessageAttributes", &prepared.attributes_digest),
        ("MD5OfMessageSystemAttributes", &prepared.system_digest),
        ("SequenceNumber", &sent.sequence),
    ];
    let mut result = super::queues::members([
        ("MD5OfMessageBody", prepared.body_digest.clone()),
        ("MessageId", message::id_text(&sent.id)),
    ]);
    for (name, value) in optional {
        if let Some(value) = value {
            result.insert(name.to_owned(), value.clone().into());
        }
    }
    result
}
