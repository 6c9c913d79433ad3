//! A record as JSON.
//!
//! Lives here: the two shapes that it has: in answers of the API, and in events of functions.
//! Does not live here: reading records (`engine::streams`).
//!
//! Contract: Amazon DynamoDB Streams API Reference, `Record`; AWS Lambda Developer Guide, "Using AWS Lambda with Amazon
//! DynamoDB".

use model::ids::Region;

use crate::dynamodb::json_write;
use crate::engine::codec::{self, CorruptItem};
use crate::engine::consequences::Author;
use crate::engine::streams::log::Stream;
use crate::engine::streams::record::{Event, Logged};

/// The version of the shape of records.
const EVENT_VERSION: &str = "1.1";

/// For whom a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The answer of `GetRecords`.
    Api,
    /// The event of a function.
    Function,
}

/// Writes a record.
///
/// # Errors
/// [`CorruptItem`]; what was written by then is not JSON.
pub(super) fn write(
    out: &mut Vec<u8>,
    stream: &Stream,
    region: &Region,
    record: &Logged,
    shape: Shape,
) -> Result<(), CorruptItem> {
    let name = match record.event {
        Event::Insert => "INSERT",
        Event::Modify => "MODIFY",
        Event::Remove => "REMOVE",
    };
    out.extend_from_slice(b"{\"eventID\":");
    json_write::string(out, &event_id(stream, record));
    for (member, value) in [
        ("eventName", name),
        ("eventVersion", EVENT_VERSION),
        ("eventSource", "aws:dynamodb"),
        ("awsRegion", region.as_str()),
    ] {
        text_member(out, member, value);
    }
    let parts = [
        ("Keys", Some(&record.key)),
        ("NewImage", record.new_image.as_ref()),
        ("OldImage", record.old_image.as_ref()),
    ];
    let seconds = record.at.epoch_s();
    // Functions are told it as a floating-point number, recorded so.
    let fraction = match shape {
        Shape::Api => "",
        Shape::Function => ".0",
    };
    let head = format!(",\"dynamodb\":{{\"ApproximateCreationDateTime\":{seconds}{fraction}");
    out.extend_from_slice(head.as_bytes());
    let mut size = 0;
    for (member, item) in parts {
        let Some(item) = item else {
            continue;
        };
        size += codec::size_of(item)?;
        out.extend_from_slice(format!(",\"{member}\":").as_bytes());
        json_write::encoded_item(out, item)?;
    }
    text_member(out, "SequenceNumber", &record.place.sequence_number());
    out.extend_from_slice(format!(",\"SizeBytes\":{size}").as_bytes());
    text_member(out, "StreamViewType", stream.row.view_type.name());
    out.push(b'}');
    match (record.author, shape) {
        (Author::Caller, _) => {}
        (Author::TimeToLive, Shape::Api) => out.extend_from_slice(
            br#","userIdentity":{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}"#,
        ),
        (Author::TimeToLive, Shape::Function) => out.extend_from_slice(
            br#","userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"}"#,
        ),
    }
    match shape {
        Shape::Api => {}
        Shape::Function => text_member(out, "eventSourceARN", &stream.arn),
    }
    out.push(b'}');
    Ok(())
}

fn text_member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b',');
    json_write::string(out, name);
    out.push(b':');
    json_write::string(out, value);
}

/// The table's id is random, and a place is taken once: together they are unique, and the same whoever reads.
fn event_id(stream: &Stream, record: &Logged) -> String {
    let id = u128::from_be_bytes(stream.row.table_id.to_bytes());
    format!("{:032x}", id ^ record.place.number())
}
