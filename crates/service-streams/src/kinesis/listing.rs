//! Listing streams and shards, and describing them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::shown;
use super::streams::SHARDS_MAX;
use super::{Context, StreamRef};
use crate::engine::keys::Place;
use crate::engine::rows::{Mode, Shard, Stream};
use crate::fault::{Answer, Fault};
use crate::fields::{self, Fields, NAME, TOKEN, Text, insert};

const STREAMS: usize = 100;
const SHARDS_DESCRIBED: usize = 100;
const SHARDS_LISTED: usize = 1_000;
/// How long a token can be used.
///
/// Contract: `ListShards`, `NextToken`: "Tokens expire after 300 seconds."
const TOKEN_VALID_FOR: Duration = Duration::from_secs(300);
const FILTERS: Text = Text::one_of(&[
    "AFTER_SHARD_ID",
    "AT_TRIM_HORIZON",
    "FROM_TRIM_HORIZON",
    "AT_LATEST",
    "AT_TIMESTAMP",
    "FROM_TIMESTAMP",
]);
const ON_DEMAND_STREAMS_MAX: u32 = 50;

/// Where a list of shards goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShardToken {
    /// The ARN of the stream.
    stream: String,
    after: u32,
    filter: Filter,
    issued_at: Timestamp,
}

/// Which shards are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Filter {
    /// All that have records, or may get some.
    #[default]
    All,
    After(String),
    Open,
    At(Timestamp),
    AtHorizon,
    From(Timestamp),
}

pub(super) async fn list_streams(context: &Context<'_>, mut fields: Fields) -> Answer {
    let limit = fields.limit("Limit", 10_000, STREAMS);
    let after = fields.text("ExclusiveStartStreamName", &NAME);
    let token = fields.text("NextToken", &TOKEN);
    fields.finish()?;
    let token = match token {
        Some(token) => Some(name_of_token(&token)?),
        None => None,
    };
    let after = token.or(after);
    let listed = context
        .catalogue
        .list(context.place, after.as_deref(), limit);
    let (streams, more) = listed.await?;
    let names: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
    let shown: Vec<Value> = streams
        .iter()
        .map(|stream| shown::stream(stream, context.place))
        .collect();
    let mut answer = json!({
        "StreamNames": names,
        "HasMoreStreams": more,
        "StreamSummaries": shown,
    });
    if let (true, Some(last)) = (more, names.last()) {
        insert(&mut answer, "NextToken", STANDARD.encode(last));
    }
    Ok(answer)
}

fn name_of_token(token: &str) -> Result<String, Fault> {
    let bytes = STANDARD.decode(token).ok();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| Fault::argument("NextToken is invalid."))
}

pub(super) async fn describe_stream(context: &Context<'_>, mut fields: Fields) -> Answer {
    let asked = StreamRef::take(context, &mut fields)?;
    let limit = fields.limit("Limit", 10_000, SHARDS_DESCRIBED);
    let after = fields.text("ExclusiveStartShardId", &NAME);
    fields.finish()?;
    let stream = context.stream(&asked).await?;
    let mut rest = stream
        .shards
        .iter()
        .filter(|shard| after.as_ref().is_none_or(|after| *after < shard.name()));
    let shards: Vec<Value> = rest.by_ref().take(limit).map(shown::shard).collect();
    let mut answer = shown::details(&stream, &asked.place);
    insert(&mut answer, "Shards", shards);
    insert(&mut answer, "HasMoreShards", rest.next().is_some());
    Ok(json!({"StreamDescription": answer}))
}

pub(super) async fn describe_stream_summary(context: &Context<'_>, mut fields: Fields) -> Answer {
    let asked = StreamRef::take(context, &mut fields)?;
    let stream = context.stream(&asked).await?;
    let mut answer = shown::details(&stream, &asked.place);
    insert(&mut answer, "OpenShardCount", stream.open().count());
    insert(&mut answer, "ConsumerCount", stream.consumers.len());
    insert(&mut answer, "MaxRecordSizeInKiB", 1_024);
    Ok(json!({"StreamDescriptionSummary": answer}))
}

pub(super) async fn describe_limits(context: &Context<'_>, fields: Fields) -> Answer {
    fields.finish()?;
    let mut open = 0;
    let mut on_demand = 0;
    let mut after: Option<String> = None;
    loop {
        let listed = context
            .catalogue
            .list(context.place, after.as_deref(), 1_000);
        let (streams, more) = listed.await?;
        for stream in &streams {
            match stream.mode {
                Mode::Provisioned => open += stream.open().count(),
                Mode::OnDemand => on_demand += 1,
            }
        }
        after = streams.into_iter().last().map(|stream| stream.name);
        if !more {
            break;
        }
    }
    Ok(json!({
        "ShardLimit": SHARDS_MAX,
        "OpenShardCount": open,
        "OnDemandStreamCount": on_demand,
        "OnDemandStreamCountLimit": ON_DEMAND_STREAMS_MAX,
    }))
}

pub(super) async fn list_shards(context: &Context<'_>, mut fields: Fields) -> Answer {
    let given = fields.text("NextToken", &TOKEN);
    let asked = StreamRef::take_if_there(context, &mut fields)?;
    let after = fields.text("ExclusiveStartShardId", &NAME);
    let limit = fields.limit("MaxResults", 10_000, SHARDS_LISTED);
    let created_at = fields::time(&mut fields, "StreamCreationTimestamp");
    let filter = take_filter(&mut fields)?;
    fields.finish()?;
    let now = context.catalogue.clock.now();
    let (asked, after, filter) = match (given, asked) {
        (Some(_), Some(_)) => {
            return Err(Fault::argument(
                "NextToken and StreamName cannot be provided together.",
            ));
        }
        (Some(token), None) => {
            let token =
                ShardToken::read(&token).ok_or_else(|| Fault::argument("NextToken is invalid."))?;
            if TOKEN_VALID_FOR < now.since(token.issued_at) {
                return Err(Fault::new(
                    "ExpiredNextTokenException",
                    "NextToken has expired: it can be used for 300 seconds.",
                ));
            }
            let after = format!("shardId-{:012}", token.after);
            (token.stream(context.place), Some(after), token.filter)
        }
        (None, Some(asked)) => (asked, after, filter),
        (None, None) => {
            return Err(Fault::argument(
                "Either NextToken or StreamName should be provided.",
            ));
        }
    };
    let stream = context.stream(&asked).await?;
    if created_at.is_some_and(|at| at.epoch_s() != stream.created_at.epoch_s()) {
        return Err(Fault::no_stream(&asked.place, &asked.name));
    }
    let mut rest = stream
        .shards
        .iter()
        .filter(|shard| after.as_ref().is_none_or(|after| *after < shard.name()))
        .filter(|shard| filter.wants(&stream, shard, now));
    let listed: Vec<&Shard> = rest.by_ref().take(limit).collect();
    let shown: Vec<Value> = listed.iter().copied().map(shown::shard).collect();
    let mut answer = json!({"Shards": shown});
    if let (Some(_), Some(last)) = (rest.next(), listed.last()) {
        let token = ShardToken {
            stream: asked.arn(),
            after: last.number,
            filter,
            issued_at: now,
        };
        insert(&mut answer, "NextToken", token.to_text());
    }
    Ok(answer)
}

fn take_filter(fields: &mut Fields) -> Result<Filter, Fault> {
    let Some(Value::Object(members)) = fields.take("ShardFilter") else {
        return Ok(Filter::All);
    };
    let mut inner = Fields::of(members);
    let kind = inner.required("Type", &FILTERS);
    let shard = inner.text("ShardId", &NAME);
    let at = fields::time(&mut inner, "Timestamp");
    inner.finish()?;
    let missing = |what: &str| {
        Fault::argument(format!(
            "{what} must be specified in the ShardFilter when its type is {kind}."
        ))
    };
    Ok(match kind.as_str() {
        "AFTER_SHARD_ID" => Filter::After(shard.ok_or_else(|| missing("ShardId"))?),
        "AT_LATEST" => Filter::Open,
        "AT_TRIM_HORIZON" => Filter::AtHorizon,
        "AT_TIMESTAMP" => Filter::At(at.ok_or_else(|| missing("Timestamp"))?),
        "FROM_TIMESTAMP" => Filter::From(at.ok_or_else(|| missing("Timestamp"))?),
        _ => Filter::All,
    })
}

impl Filter {
    fn wants(&self, stream: &Stream, shard: &Shard, now: Timestamp) -> bool {
        let was_open_at = |at: Timestamp| {
            let is_later = shard.closed_at.is_none_or(|closed| at < closed);
            shard.opened_at <= at && is_later
        };
        match self {
            Self::All => true,
            Self::After(after) => *after < shard.name(),
            Self::Open => shard.is_open(),
            Self::At(at) => was_open_at((*at).max(stream.created_at)),
            Self::AtHorizon => was_open_at(horizon(stream, now)),
            Self::From(at) => shard.closed_at.is_none_or(|closed| *at <= closed),
        }
    }
}

/// Since when a stream has all its records.
fn horizon(stream: &Stream, now: Timestamp) -> Timestamp {
    let kept_us = i64::try_from(stream.retention().as_micros()).unwrap_or(i64::MAX);
    let oldest = Timestamp::from_micros(now.epoch_us().saturating_sub(kept_us));
    oldest.max(stream.created_at)
}

impl ShardToken {
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()
    }

    fn to_text(&self) -> String {
        STANDARD.encode(json!(self).to_string())
    }

    pub(super) fn stream(&self, place: &Place) -> StreamRef {
        StreamRef::of_arn(&self.stream).unwrap_or_else(|| StreamRef {
            place: place.clone(),
            name: self.stream.clone(),
        })
    }
}
