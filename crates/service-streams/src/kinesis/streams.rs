//! Making and deleting streams.

use model::time::Timestamp;
use serde_json::Value;

use super::{Context, StreamRef, nothing};
use crate::engine::catalogue::Change;
use crate::engine::rows::{Mode, Stream, Tags};
use crate::engine::shards;
use crate::fault::{Answer, Fault};
use crate::fields::{self, Fields, NAME, Text};

/// Shards of a stream that are open at once.
pub(super) const SHARDS_MAX: u32 = 500;
/// Shards that a stream on demand begins with.
///
/// Contract: Developer Guide, "On-demand mode": "4 MB/s write capacity", which is four shards.
pub(super) const ON_DEMAND_SHARDS: u32 = 4;
/// How long records are kept, unless it is said.
pub(crate) const RETENTION_HOURS: u32 = 24;
const RECORD_SIZE_KIB: i64 = 1_024;
const MODES: Text = Text::one_of(&["PROVISIONED", "ON_DEMAND"]);

/// A stream that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) name: String,
    pub(crate) mode: Mode,
    pub(crate) shards: Option<u32>,
    pub(crate) tags: Tags,
    pub(crate) owner: Option<String>,
}

pub(super) async fn create_stream(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("StreamName", &NAME);
    let count = fields.whole("ShardCount", 1, 1_000_000);
    let mode = take_mode(&mut fields);
    let size = fields.whole("MaxRecordSizeInKiB", RECORD_SIZE_KIB, 10_240);
    let tags = fields::tags(&mut fields)?.unwrap_or_default();
    fields.finish()?;
    if size.is_some_and(|size| size != RECORD_SIZE_KIB) {
        return Err(Fault::not_implemented(
            "CreateStream with a MaxRecordSizeInKiB other than 1024",
        ));
    }
    let shards = count.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let wish = Wish {
        name,
        // As the recorded answers have it: without a mode and a count, four shards.
        mode: mode.unwrap_or(match shards {
            Some(_) => Mode::Provisioned,
            None => Mode::OnDemand,
        }),
        shards,
        tags,
        owner: None,
    };
    create(context, wish).await.map(nothing)
}

/// Makes a stream; one that this resource of a stack has made already is no error.
pub(crate) async fn create(context: &Context<'_>, wish: Wish) -> Result<Stream, Fault> {
    let shards = match (wish.mode, wish.shards) {
        (Mode::OnDemand, None) => ON_DEMAND_SHARDS,
        (Mode::OnDemand, Some(_)) => {
            return Err(Fault::validation(
                "ShardCount must not be given for a stream with the mode ON_DEMAND.",
            ));
        }
        (Mode::Provisioned, None) => {
            return Err(Fault::validation(
                "ShardCount must be given for a stream with the mode PROVISIONED.",
            ));
        }
        (Mode::Provisioned, Some(count)) => count,
    };
    judge_count(context, shards)?;
    let now = context.catalogue.clock.now();
    let mut id = [0; 8];
    context.catalogue.random.fill(&mut id);
    let stream = made(wish, u64::from_be_bytes(id), shards, now);
    let name = stream.name.clone();
    context
        .catalogue
        .change(context.place, &name, |there| match there {
            Some(there) if there.owner.is_some() && there.owner == stream.owner => {
                Ok((there.clone(), Change::Nothing))
            }
            Some(_) => Err(Fault::in_use(format!(
                "Stream {name} under account {} already exists.",
                context.place.account
            ))),
            None => Ok((stream.clone(), Change::Put(Box::new(stream.clone())))),
        })
        .await
}

fn made(wish: Wish, id: u64, shards: u32, now: Timestamp) -> Stream {
    Stream {
        name: wish.name,
        id,
        generation: 1,
        created_at: now,
        mode: wish.mode,
        shards: shards::new(shards, now),
        next_shard: shards,
        retention_hours: RETENTION_HOURS,
        tags: wish.tags,
        metrics: std::collections::BTreeSet::new(),
        key: None,
        consumers: Vec::new(),
        policy: None,
        owner: wish.owner,
    }
}

/// A stream has so many shards at most.
pub(super) fn judge_count(context: &Context<'_>, count: u32) -> Result<(), Fault> {
    if count <= SHARDS_MAX {
        return Ok(());
    }
    Err(Fault::limit(format!(
        "This request would exceed the shard limit for the account {} in {}. A stream has {SHARDS_MAX} shards at most.",
        context.place.account, context.place.region
    )))
}

/// Takes `StreamModeDetails`.
pub(super) fn take_mode(fields: &mut Fields) -> Option<Mode> {
    let details = fields.take("StreamModeDetails")?;
    let name = details.get("StreamMode").and_then(Value::as_str);
    match name {
        Some(name) => {
            fields.judge(name, "streamModeDetails.streamMode", &MODES);
            Mode::called(name)
        }
        None => {
            fields.violate(None, "streamModeDetails.streamMode", "not be null");
            None
        }
    }
}

pub(super) async fn delete_stream(context: &Context<'_>, mut fields: Fields) -> Answer {
    let asked = StreamRef::take(context, &mut fields)?;
    let with_consumers = fields.take("EnforceConsumerDeletion") == Some(Value::Bool(true));
    context
        .catalogue
        .change(&asked.place, &asked.name, |there| {
            let there = there.ok_or_else(|| Fault::no_stream(&asked.place, &asked.name))?;
            if !there.consumers.is_empty() && !with_consumers {
                return Err(Fault::in_use(format!(
                    "Stream {} under account {} has consumers registered. Deregister them, or set EnforceConsumerDeletion.",
                    asked.name, asked.place.account
                )));
            }
            Ok((Value::Null, Change::Delete))
        })
        .await
}
