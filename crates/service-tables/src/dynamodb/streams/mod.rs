//! The streams of tables, as their API shows them.
//!
//! Lives here: the operations of DynamoDB Streams, what they share in reading ARNs and in refusing.
//! Does not live here: how records are kept (`engine::streams`), switching streams on (`operations`).
//!
//! Contract: Amazon DynamoDB Streams API Reference, version 2012-08-10.

mod describe_stream;
mod get_records;
mod iterators;
mod list_streams;
mod record_json;
pub(super) mod source;

pub(super) use iterators::try_any as try_iterator;

use interfaces::clock::Clock;
use model::arn::Arn;
use model::ids::{AccountId, Region};

use super::fault::{Fault, Kind};
use super::fields::Fields;
use crate::engine::streams::log::{Stream, StreamError, Streams};

/// What stands before the name of an operation of streams.
pub(super) const TARGET_PREFIX: &str = "DynamoDBStreams_20120810.";

/// Characters of a stream's ARN.
const ARN_CHARS: (usize, usize) = (37, 1_024);
/// Characters of a shard's name.
const SHARD_CHARS: (usize, usize) = (28, 65);

/// What an operation works with.
pub(super) struct Context<'a> {
    pub(super) streams: &'a Streams,
    pub(super) clock: &'a dyn Clock,
    pub(super) account: &'a AccountId,
    pub(super) region: &'a Region,
}

/// Runs an operation; none when there is no such one.
pub(super) async fn run(
    context: &Context<'_>,
    operation: &str,
    body: &[u8],
) -> Option<Result<Vec<u8>, Fault>> {
    dispatch!(operation, context, body, {
        "ListStreams" => list_streams::run,
        "DescribeStream" => describe_stream::run,
        "GetShardIterator" => iterators::run,
        "GetRecords" => get_records::run,
    })
}

/// The table and the label in a stream's ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
struct StreamName {
    table_name: String,
    label: String,
}

impl StreamName {
    /// Reads the ARN of a stream of this account and region.
    fn parse(context: &Context<'_>, text: &str) -> Option<Self> {
        let arn = Arn::parse(text).ok()?;
        let is_here = arn.service == "dynamodb"
            && arn.account == context.account.as_str()
            && arn.region == context.region.as_str();
        let (table_name, label) = in_resource(&arn.resource).filter(|_| is_here)?;
        Some(Self {
            table_name: table_name.to_owned(),
            label: label.to_owned(),
        })
    }
}

/// Table and label in `table/NAME/stream/LABEL`.
fn in_resource(resource: &str) -> Option<(&str, &str)> {
    let (table_name, label) = resource.strip_prefix("table/")?.split_once("/stream/")?;
    (!table_name.is_empty() && !label.is_empty() && !label.contains('/'))
        .then_some((table_name, label))
}

impl Context<'_> {
    /// The stream with this ARN.
    async fn stream(&self, arn: &str) -> Result<Stream, Fault> {
        let name = StreamName::parse(self, arn).ok_or_else(invalid_arn)?;
        let found = self
            .streams
            .find(self.account, self.region, &name.table_name, &name.label)
            .await?;
        found.ok_or_else(|| not_found(&format!("Stream: {arn} not found")))
    }
}

fn invalid_arn() -> Fault {
    Fault::validation("Invalid StreamArn")
}

fn not_found(what: &str) -> Fault {
    Fault {
        kind: Kind::ResourceNotFound,
        message: format!("Requested resource not found: {what}"),
        ..Fault::no_table()
    }
}

/// Takes a text that must be there and have so many characters.
fn take_text(
    fields: &mut Fields<'_>,
    name: &str,
    path: &str,
    chars: (usize, usize),
) -> Result<String, Fault> {
    let text = take_optional_text(fields, name, path, chars)?;
    if text.is_none() {
        fields.violation(None, path, "not be null");
    }
    Ok(text.unwrap_or_default())
}

/// Takes a text that may be left out.
fn take_optional_text(
    fields: &mut Fields<'_>,
    name: &str,
    path: &str,
    (least, most): (usize, usize),
) -> Result<Option<String>, Fault> {
    let text = fields.text(name)?;
    if let Some(text) = &text {
        let length = text.chars().count();
        if length < least {
            let constraint = format!("have length greater than or equal to {least}");
            fields.violation(Some(text), path, &constraint);
        }
        if most < length {
            let constraint = format!("have length less than or equal to {most}");
            fields.violation(Some(text), path, &constraint);
        }
    }
    Ok(text)
}

impl From<StreamError> for Fault {
    fn from(error: StreamError) -> Self {
        Self::internal(&error)
    }
}
