//! Publishing several messages at once.
//!
//! Lives here: the rules of a batch; what one entry is refused for alone.
//! Does not live here: messages (`message`), sending them (`sending`).
//!
//! Contract: Amazon SNS API Reference, `PublishBatch`; transcripts of the service's answers.

use aws_wire::query::Form;

use super::message::Draft;
use super::{send, trace};
use crate::operations::{Answer, Call, answer, message_bytes_max};
use crate::refusal::Refusal;
use crate::state::topic::Topic;

const ENTRIES_MAX: usize = 10;
const ID_CHARS_MAX: usize = 80;

/// `PublishBatch`.
pub(crate) async fn publish(call: Call<'_>) -> Result<Answer, Refusal> {
    let (region, topic) = call.topic("TopicArn").await?;
    let entries = call.form.list("PublishBatchRequestEntries");
    let ids = check(&entries)?;
    let (mut drafts, mut failed) = (Vec::new(), Vec::new());
    for ((entry, id), number) in entries.into_iter().zip(ids).zip(1..) {
        let path = format!("publishBatchRequestEntries.{number}.member.messageAttributes");
        match Draft::read(entry, &path, trace(call.call)) {
            Ok(draft) => drafts.push((id, draft)),
            Err(refusal) if is_of_one(&refusal) => failed.push((id, refusal)),
            Err(refusal) => return Err(refusal),
        }
    }
    check_size(&topic, &drafts)?;
    let (ids, drafts): (Vec<_>, Vec<_>) = drafts.into_iter().unzip();
    let sent = send(call.service, &region, &topic, &drafts).await?;
    answer(move |xml| {
        xml.element("Successful", |xml| {
            for (id, sent) in ids.iter().zip(&sent) {
                xml.element("member", |xml| {
                    xml.text("Id", id);
                    xml.text("MessageId", &sent.message_id);
                    xml.optional("SequenceNumber", sent.sequence.as_deref());
                });
            }
        });
        xml.element("Failed", |xml| {
            for (id, refusal) in &failed {
                xml.element("member", |xml| {
                    xml.text("Id", id);
                    xml.text("Code", refusal.code);
                    xml.text("Message", &refusal.message);
                    xml.text("SenderFault", "true");
                });
            }
        });
    })
}

/// The ids of a batch that can be one.
fn check(entries: &[&Form]) -> Result<Vec<String>, Refusal> {
    let refuse = |code: &'static str, message: String| {
        Err(Refusal::new(http::StatusCode::BAD_REQUEST, code, message))
    };
    if entries.is_empty() {
        let message = "The batch request doesn't contain any entries.";
        return refuse("EmptyBatchRequest", message.to_owned());
    }
    if ENTRIES_MAX < entries.len() {
        let message = "The batch request contains more entries than permissible.";
        return refuse("TooManyEntriesInBatchRequest", message.to_owned());
    }
    let mut ids: Vec<String> = Vec::new();
    for entry in entries {
        let id = entry.text("Id").unwrap_or_default();
        if ids.iter().any(|other| other == id) {
            let message = "Two or more batch entries in the request have the same Id.";
            return refuse("BatchEntryIdsNotDistinct", message.to_owned());
        }
        ids.push(id.to_owned());
    }
    for id in &ids {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let why = if ID_CHARS_MAX < id.len() {
            "is too long"
        } else if id.is_empty() || !id.bytes().all(allowed) {
            "contains an impermissible character"
        } else {
            continue;
        };
        let message = format!("The Id of a batch entry in the batch request {why}: {id}");
        return refuse("InvalidBatchEntryId", message);
    }
    Ok(ids)
}

fn check_size(topic: &Topic, drafts: &[(String, Draft)]) -> Result<(), Refusal> {
    let all: usize = drafts.iter().map(|(_, draft)| draft.size).sum();
    if all <= message_bytes_max(topic) {
        return Ok(());
    }
    let message = "The length of all the messages put together is more than the limit.";
    let status = http::StatusCode::BAD_REQUEST;
    Err(Refusal::new(status, "BatchRequestTooLong", message))
}

/// What is wrong with a text or a subject fails one entry; the rest of what is checked fails the batch.
fn is_of_one(refusal: &Refusal) -> bool {
    [
        "Invalid parameter: Empty message",
        "Invalid parameter: Subject",
    ]
    .contains(&refusal.message.as_str())
}
