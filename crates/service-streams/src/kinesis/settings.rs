//! Retention, monitoring, encryption, mode.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::streams::take_mode;
use super::{Context, StreamRef, nothing};
use crate::fault::{Answer, Fault};
use crate::fields::{self, Fields, STREAM_ARN, Text};

/// Hours that records are kept.
///
/// Contract: `IncreaseStreamRetentionPeriod`: "Minimum: 24 hours. Maximum: 8760 hours."
const HOURS: (i64, i64) = (24, 8_760);
const ALL: &str = "ALL";
const METRICS: [&str; 7] = [
    "IncomingBytes",
    "IncomingRecords",
    "OutgoingBytes",
    "OutgoingRecords",
    "WriteProvisionedThroughputExceeded",
    "ReadProvisionedThroughputExceeded",
    "IteratorAgeMilliseconds",
];
const ENCRYPTION: Text = Text::one_of(&["NONE", "KMS"]);
const KEY: Text = Text::long(1, 2_048);

pub(super) async fn increase_retention(context: &Context<'_>, mut fields: Fields) -> Answer {
    let (asked, hours) = take_hours(context, &mut fields)?;
    let done = context.change(&asked, |stream| {
        if hours < stream.retention_hours {
            return Err(Fault::argument(format!(
                "Requested retention period ({hours} hours) for stream {} can not be shorter than existing retention period \
                 ({} hours). Use DecreaseRetentionPeriod API.",
                asked.name, stream.retention_hours
            )));
        }
        stream.retention_hours = hours;
        Ok(())
    });
    done.await.map(nothing)
}

pub(super) async fn decrease_retention(context: &Context<'_>, mut fields: Fields) -> Answer {
    let (asked, hours) = take_hours(context, &mut fields)?;
    let done = context.change(&asked, |stream| {
        if stream.retention_hours < hours {
            return Err(Fault::argument(format!(
                "Requested retention period ({hours} hours) for stream {} can not be longer than existing retention period ({} \
                 hours). Use IncreaseRetentionPeriod API.",
                asked.name, stream.retention_hours
            )));
        }
        stream.retention_hours = hours;
        Ok(())
    });
    done.await?;
    context.catalogue.trim(&asked.place, &asked.name).await?;
    Ok(Value::Null)
}

fn take_hours(context: &Context<'_>, fields: &mut Fields) -> Result<(StreamRef, u32), Fault> {
    let asked = StreamRef::take(context, fields)?;
    let hours = fields.required_whole("RetentionPeriodHours", i64::MIN, i64::MAX);
    fields.finish()?;
    let (least, most) = HOURS;
    if hours < least {
        return Err(Fault::argument(format!(
            "Minimum allowed retention period is {least} hours. Requested retention period ({hours} hours) is too short."
        )));
    }
    if most < hours {
        return Err(Fault::argument(format!(
            "Maximum allowed retention period is {most} hours. Requested retention period ({hours} hours) is too long."
        )));
    }
    Ok((asked, u32::try_from(hours).unwrap_or(u32::MAX)))
}

/// What is done to a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    On,
    Off,
}

/// Keeps which metrics are wanted: none are counted.
pub(super) async fn monitor(context: &Context<'_>, mut fields: Fields, switch: Switch) -> Answer {
    let asked = StreamRef::take(context, &mut fields)?;
    let named = fields::required_texts(&mut fields, "ShardLevelMetrics", 1, METRICS.len());
    for name in named.iter().filter(|name| *name != ALL) {
        fields.judge(name, "shardLevelMetrics", &Text::one_of(&METRICS));
    }
    fields.finish()?;
    let named: BTreeSet<String> = if named.iter().any(|name| name == ALL) {
        METRICS.iter().map(|name| (*name).to_owned()).collect()
    } else {
        named.into_iter().collect()
    };
    let (before, after) = context
        .change(&asked, |stream| {
            let before = stream.metrics.clone();
            if switch == Switch::On {
                stream.metrics.extend(named.iter().cloned());
            } else {
                stream.metrics.retain(|name| !named.contains(name));
            }
            Ok((before, stream.metrics.clone()))
        })
        .await?;
    Ok(json!({
        "StreamName": asked.name,
        "CurrentShardLevelMetrics": before,
        "DesiredShardLevelMetrics": after,
        "StreamARN": asked.arn(),
    }))
}

/// Keeps which key is named: nothing is encrypted with it.
pub(super) async fn encrypt(context: &Context<'_>, mut fields: Fields, switch: Switch) -> Answer {
    let asked = StreamRef::take(context, &mut fields)?;
    let _kind = fields.required("EncryptionType", &ENCRYPTION);
    let key = fields.required("KeyId", &KEY);
    fields.finish()?;
    let done = context.change(&asked, |stream| {
        stream.key = (switch == Switch::On).then(|| key.clone());
        Ok(())
    });
    done.await.map(nothing)
}

pub(super) async fn update_stream_mode(context: &Context<'_>, mut fields: Fields) -> Answer {
    let arn = fields.required("StreamARN", &STREAM_ARN);
    let mode = take_mode(&mut fields);
    if mode.is_none() {
        fields.violate(None, "streamModeDetails", "not be null");
    }
    fields.finish()?;
    let asked = StreamRef::read_arn(&arn)?;
    let done = context.change(&asked, |stream| {
        stream.mode = mode.unwrap_or(stream.mode);
        Ok(())
    });
    done.await.map(nothing)
}
