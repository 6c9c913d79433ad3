//! Splitting and merging shards.

use serde_json::json;

use super::streams::{SHARDS_MAX, judge_count};
use super::{Context, StreamRef, nothing};
use crate::engine::rows::{Mode, Shard, Stream};
use crate::engine::shards;
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, HASH_KEY, NAME, Text};

/// Shards of a stream, with those that are closed and still have records.
const ALL_SHARDS_MAX: usize = 3_000;
const SCALING: Text = Text::one_of(&["UNIFORM_SCALING"]);

pub(super) async fn split_shard(context: &Context<'_>, mut fields: Fields) -> Answer {
    let asked = StreamRef::take(context, &mut fields)?;
    let name = fields.required("ShardToSplit", &NAME);
    let hash = fields.required("NewStartingHashKey", &HASH_KEY);
    fields.finish()?;
    let at: Option<u128> = hash.parse().ok();
    let now = context.catalogue.clock.now();
    context
        .change(&asked, |stream| {
            let shard = open_shard(stream, &asked, &name)?;
            let within = |at: &u128| shard.first < *at && *at <= shard.last;
            let at = at.filter(within).ok_or_else(|| {
                Fault::argument(format!(
                    "NewStartingHashKey {hash} used in SplitShard() on shard {name} in stream {} under account {} is not both \
                     greater than one plus the shard's StartingHashKey {} and less than the shard's EndingHashKey {}.",
                    asked.name, asked.place.account, shard.first, shard.last
                ))
            })?;
            judge_count(context, count(stream) + 1)?;
            shards::split(stream, shard.number, at, now);
            judge_all(stream)
        })
        .await
        .map(nothing)
}

pub(super) async fn merge_shards(context: &Context<'_>, mut fields: Fields) -> Answer {
    let asked = StreamRef::take(context, &mut fields)?;
    let name = fields.required("ShardToMerge", &NAME);
    let other = fields.required("AdjacentShardToMerge", &NAME);
    fields.finish()?;
    let now = context.catalogue.clock.now();
    context
        .change(&asked, |stream| {
            let one = open_shard(stream, &asked, &name)?;
            let two = open_shard(stream, &asked, &other)?;
            let touch = one.last.checked_add(1) == Some(two.first)
                || two.last.checked_add(1) == Some(one.first);
            if !touch {
                return Err(Fault::argument(format!(
                    "Shards {name} and {other} in stream {} under account {} are not an adjacent pair of shards eligible for \
                     merging",
                    asked.name, asked.place.account
                )));
            }
            shards::merge(stream, one.number, two.number, now);
            judge_all(stream)
        })
        .await
        .map(nothing)
}

pub(super) async fn update_shard_count(context: &Context<'_>, mut fields: Fields) -> Answer {
    let asked = StreamRef::take(context, &mut fields)?;
    let target = fields.required_whole("TargetShardCount", 1, 1_000_000);
    let _uniform = fields.required("ScalingType", &SCALING);
    fields.finish()?;
    let target = u32::try_from(target).unwrap_or(u32::MAX);
    let before = scale(context, &asked, target).await?;
    Ok(json!({
        "StreamName": asked.name,
        "CurrentShardCount": before,
        "TargetShardCount": target,
        "StreamARN": asked.arn(),
    }))
}

/// Makes it so many open shards, and says how many there were.
async fn scale(context: &Context<'_>, asked: &StreamRef, target: u32) -> Result<u32, Fault> {
    let now = context.catalogue.clock.now();
    context
        .change(asked, |stream| {
            if stream.mode == Mode::OnDemand {
                return Err(Fault::validation(format!(
                    "Request is invalid. Stream {} under account {} is in On-Demand mode.",
                    asked.name, asked.place.account
                )));
            }
            let there = count(stream);
            judge_change(there, target)?;
            judge_count(context, target)?;
            shards::scale(stream, target, now);
            judge_all(stream)?;
            Ok(there)
        })
        .await
}

/// Contract: `UpdateShardCount`: not to more than double the number of shards, nor below half of it.
fn judge_change(there: u32, target: u32) -> Result<(), Fault> {
    let (least, most) = (there.div_ceil(2), there.saturating_mul(2));
    if target < least {
        return Err(Fault::argument(format!(
            "UpdateShardCount cannot scale down below half your current shard count. The current count is {there}, the target \
             {target}."
        )));
    }
    if most < target {
        return Err(Fault::limit(format!(
            "UpdateShardCount cannot scale up over double your current open shard count. The current count is {there}, the \
             target {target}."
        )));
    }
    Ok(())
}

fn count(stream: &Stream) -> u32 {
    u32::try_from(stream.open().count()).unwrap_or(SHARDS_MAX)
}

fn open_shard(stream: &Stream, asked: &StreamRef, name: &str) -> Result<Shard, Fault> {
    let shard = stream
        .shard_called(name)
        .ok_or_else(|| Fault::no_shard(&asked.place, &asked.name, name))?;
    if !shard.is_open() {
        return Err(Fault::argument(format!(
            "Shard {name} in stream {} under account {} has already been merged or split, and thus is not eligible for merging \
             or splitting.",
            asked.name, asked.place.account
        )));
    }
    Ok(shard.clone())
}

fn judge_all(stream: &Stream) -> Result<(), Fault> {
    if stream.shards.len() <= ALL_SHARDS_MAX {
        return Ok(());
    }
    Err(Fault::limit(format!(
        "A stream has {ALL_SHARDS_MAX} shards at most, with those that are closed and still have records."
    )))
}
