//! The API of Kinesis Data Streams.
//!
//! Lives here: which operation a request names, what each may be done by (`checks`), one file for each kind of thing.
//! Does not live here: what it is done to (`engine`).
//!
//! Contract: Amazon Kinesis Data Streams API Reference.

mod checks;
mod consumers;
mod listing;
mod policies;
mod reading;
mod resharding;
mod settings;
mod shown;
mod streams;
mod subscribing;
mod tags;
mod writing;

use model::arn::Arn;
use serde_json::Value;

use self::settings::Switch;
use crate::engine::catalogue::{Catalogue, Change};
use crate::engine::keys::Place;
use crate::engine::rows::Stream;
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, NAME, STREAM_ARN};

pub(crate) use checks::{Asked, checks, policy};
pub(crate) use consumers::register;
pub(crate) use policies::read_policy;
pub(crate) use streams::{RETENTION_HOURS, Wish, create};
pub(crate) use subscribing::subscribe_to_shard;
pub(crate) use writing::RECORD_BYTES_MAX;

/// The operations that are carried out.
pub(crate) const SUPPORTED: &[&str] = &[
    "AddTagsToStream",
    "CreateStream",
    "DecreaseStreamRetentionPeriod",
    "DeleteResourcePolicy",
    "DeleteStream",
    "DeregisterStreamConsumer",
    "DescribeLimits",
    "DescribeStream",
    "DescribeStreamConsumer",
    "DescribeStreamSummary",
    "DisableEnhancedMonitoring",
    "EnableEnhancedMonitoring",
    "GetRecords",
    "GetResourcePolicy",
    "GetShardIterator",
    "IncreaseStreamRetentionPeriod",
    "ListShards",
    "ListStreamConsumers",
    "ListStreams",
    "ListTagsForResource",
    "ListTagsForStream",
    "MergeShards",
    "PutRecord",
    "PutRecords",
    "PutResourcePolicy",
    "RegisterStreamConsumer",
    "RemoveTagsFromStream",
    "SplitShard",
    "StartStreamEncryption",
    "StopStreamEncryption",
    "SubscribeToShard",
    "TagResource",
    "UntagResource",
    "UpdateShardCount",
    "UpdateStreamMode",
];

/// Those that are refused by name.
pub(crate) const NOT_IMPLEMENTED: &[&str] = &[
    "AcknowledgeDeadLetterQueueRecords",
    "AcknowledgeQueueRecords",
    "CreateChannel",
    "CreateQueue",
    "DeleteChannel",
    "DeleteQueue",
    "DescribeAccountSettings",
    "DescribeChannel",
    "DescribeQueue",
    "ListChannels",
    "ListQueues",
    "ReceiveDeadLetterQueueRecords",
    "ReceiveQueueRecords",
    "RestoreDeadLetterQueueRecords",
    "UpdateAccountSettings",
    "UpdateChannel",
    "UpdateDeadLetterQueueRecordsVisibility",
    "UpdateMaxRecordSize",
    "UpdateQueue",
    "UpdateQueueRecordsVisibility",
    "UpdateStreamRecordDistributionStrategy",
    "UpdateStreamWarmThroughput",
];

/// Parameters that are carried out nowhere.
const REFUSED: [&str; 4] = [
    "DryRun",
    "RecordDistributionStrategy",
    "StreamId",
    "WarmThroughputMiBps",
];

/// The operation that answers with a stream of events.
pub(crate) const SUBSCRIBE: &str = "SubscribeToShard";

/// What an operation works with.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) catalogue: &'c Catalogue,
    pub(crate) place: &'c Place,
}

/// A stream by its account, region and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamRef {
    pub(crate) place: Place,
    pub(crate) name: String,
}

/// Carries out what answers at once: all but [`SUBSCRIBE`].
pub(crate) async fn run(context: &Context<'_>, operation: &str, fields: Fields) -> Answer {
    fields.refuse(operation, &REFUSED)?;
    match operation {
        "CreateStream" => streams::create_stream(context, fields).await,
        "DeleteStream" => streams::delete_stream(context, fields).await,
        "DescribeStream" => listing::describe_stream(context, fields).await,
        "DescribeStreamSummary" => listing::describe_stream_summary(context, fields).await,
        "DescribeLimits" => listing::describe_limits(context, fields).await,
        "ListStreams" => listing::list_streams(context, fields).await,
        "ListShards" => listing::list_shards(context, fields).await,
        "PutRecord" => writing::put_record(context, fields).await,
        "PutRecords" => writing::put_records(context, fields).await,
        "GetShardIterator" => reading::get_shard_iterator(context, fields).await,
        "GetRecords" => reading::get_records(context, fields).await,
        "SplitShard" => resharding::split_shard(context, fields).await,
        "MergeShards" => resharding::merge_shards(context, fields).await,
        "UpdateShardCount" => resharding::update_shard_count(context, fields).await,
        "IncreaseStreamRetentionPeriod" => settings::increase_retention(context, fields).await,
        "DecreaseStreamRetentionPeriod" => settings::decrease_retention(context, fields).await,
        "EnableEnhancedMonitoring" => settings::monitor(context, fields, Switch::On).await,
        "DisableEnhancedMonitoring" => settings::monitor(context, fields, Switch::Off).await,
        "StartStreamEncryption" => settings::encrypt(context, fields, Switch::On).await,
        "StopStreamEncryption" => settings::encrypt(context, fields, Switch::Off).await,
        "UpdateStreamMode" => settings::update_stream_mode(context, fields).await,
        "AddTagsToStream" => tags::add_tags_to_stream(context, fields).await,
        "RemoveTagsFromStream" => tags::remove_tags_from_stream(context, fields).await,
        "ListTagsForStream" => tags::list_tags_for_stream(context, fields).await,
        "TagResource" => tags::tag_resource(context, fields).await,
        "UntagResource" => tags::untag_resource(context, fields).await,
        "ListTagsForResource" => tags::list_tags_for_resource(context, fields).await,
        "RegisterStreamConsumer" => consumers::register_stream_consumer(context, fields).await,
        "DeregisterStreamConsumer" => consumers::deregister_stream_consumer(context, fields).await,
        "DescribeStreamConsumer" => consumers::describe_stream_consumer(context, fields).await,
        "ListStreamConsumers" => consumers::list_stream_consumers(context, fields).await,
        "PutResourcePolicy" => policies::put_resource_policy(context, fields).await,
        "GetResourcePolicy" => policies::get_resource_policy(context, fields).await,
        "DeleteResourcePolicy" => policies::delete_resource_policy(context, fields).await,
        name if NOT_IMPLEMENTED.contains(&name) => {
            Err(Fault::not_implemented(&format!("the operation {name}")))
        }
        name => Err(Fault::new(
            "UnknownOperationException",
            format!("The operation {name} is not known."),
        )),
    }
}

impl Context<'_> {
    /// The stream that a request names.
    async fn stream(&self, asked: &StreamRef) -> Result<Stream, Fault> {
        let found = self.catalogue.find(&asked.place, &asked.name).await?;
        found.ok_or_else(|| Fault::no_stream(&asked.place, &asked.name))
    }

    /// Changes a stream.
    async fn change<T>(
        &self,
        asked: &StreamRef,
        mut decide: impl FnMut(&mut Stream) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.catalogue
            .change(&asked.place, &asked.name, |there| {
                let there = there.ok_or_else(|| Fault::no_stream(&asked.place, &asked.name))?;
                let mut stream = there.clone();
                let answer = decide(&mut stream)?;
                let change = if stream == *there {
                    Change::Nothing
                } else {
                    Change::Put(Box::new(stream))
                };
                Ok((answer, change))
            })
            .await
    }
}

impl StreamRef {
    pub(crate) fn arn(&self) -> String {
        self.place.stream_arn(&self.name)
    }

    /// The stream of an ARN, which may be that of one of its consumers.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let arn = Arn::parse(arn)
            .ok()
            .filter(|arn| arn.service == "kinesis")?;
        let name = arn.resource.strip_prefix("stream/")?;
        let name = name.split('/').next().filter(|name| !name.is_empty())?;
        Some(Self {
            place: Place::of_arn(&arn),
            name: name.to_owned(),
        })
    }

    /// Takes `StreamName` and `StreamARN`.
    fn take(context: &Context<'_>, fields: &mut Fields) -> Result<Self, Fault> {
        Self::take_if_there(context, fields)?.ok_or_else(|| {
            Fault::argument("One of the parameters StreamName and StreamARN must be given.")
        })
    }

    fn take_if_there(context: &Context<'_>, fields: &mut Fields) -> Result<Option<Self>, Fault> {
        let name = fields.text("StreamName", &NAME);
        let arn = fields.text("StreamARN", &STREAM_ARN);
        fields.finish()?;
        let of_arn = match &arn {
            Some(arn) => Some(Self::read_arn(arn)?),
            None => None,
        };
        match (name, of_arn) {
            (Some(name), Some(of_arn)) if name != of_arn.name => Err(Fault::argument(format!(
                "StreamARN does not match StreamName {name}."
            ))),
            (_, Some(of_arn)) => Ok(Some(of_arn)),
            (Some(name), None) => Ok(Some(Self {
                place: context.place.clone(),
                name,
            })),
            (None, None) => Ok(None),
        }
    }

    fn read_arn(arn: &str) -> Result<Self, Fault> {
        Self::of_arn(arn).ok_or_else(|| Fault::argument(format!("{arn} is no ARN of a stream.")))
    }
}

/// The answer of what answers nothing.
fn nothing<T>(_: T) -> Value {
    Value::Null
}
