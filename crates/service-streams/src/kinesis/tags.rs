//! Tags of streams and consumers.

use serde_json::{Value, json};

use super::{Context, StreamRef, nothing};
use crate::engine::rows::{Stream, Tags};
use crate::fault::{Answer, Fault};
use crate::fields::{self, ARN, Fields, Text, insert, judge_tags};

const KEY: Text = Text::long(1, 128);
const KEYS_MAX: usize = 50;

pub(super) async fn add_tags_to_stream(context: &Context<'_>, mut fields: Fields) -> Answer {
    let asked = StreamRef::take(context, &mut fields)?;
    let tags = take_tags(&mut fields)?;
    edit(context, &asked, &asked.arn(), |there| {
        there.extend(tags.clone())
    })
    .await
}

pub(super) async fn remove_tags_from_stream(context: &Context<'_>, mut fields: Fields) -> Answer {
    let asked = StreamRef::take(context, &mut fields)?;
    let keys = fields::required_texts(&mut fields, "TagKeys", 1, KEYS_MAX);
    fields.finish()?;
    edit(context, &asked, &asked.arn(), |there| {
        there.retain(|key, _| !keys.contains(key));
    })
    .await
}

pub(super) async fn list_tags_for_stream(context: &Context<'_>, mut fields: Fields) -> Answer {
    let asked = StreamRef::take(context, &mut fields)?;
    let after = fields.text("ExclusiveStartTagKey", &KEY);
    let limit = fields.limit("Limit", 50, KEYS_MAX);
    fields.finish()?;
    let stream = context.stream(&asked).await?;
    let is_later = |key: &&String| after.as_ref().is_none_or(|after| after < *key);
    let mut rest = stream.tags.iter().filter(|(key, _)| is_later(key));
    let listed: Tags = rest
        .by_ref()
        .take(limit)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let mut answer = json!({"Tags": shown(&listed)});
    insert(&mut answer, "HasMoreTags", rest.next().is_some());
    Ok(answer)
}

pub(super) async fn tag_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let (asked, arn) = take_resource(&mut fields)?;
    let tags = take_tags(&mut fields)?;
    edit(context, &asked, &arn, |there| there.extend(tags.clone())).await
}

pub(super) async fn untag_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let (asked, arn) = take_resource(&mut fields)?;
    let keys = fields::required_texts(&mut fields, "TagKeys", 1, KEYS_MAX);
    fields.finish()?;
    edit(context, &asked, &arn, |there| {
        there.retain(|key, _| !keys.contains(key));
    })
    .await
}

pub(super) async fn list_tags_for_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let (asked, arn) = take_resource(&mut fields)?;
    fields.finish()?;
    let mut stream = context.stream(&asked).await?;
    let tags = tags_of(&mut stream, &asked, &arn)?;
    Ok(json!({"Tags": shown(tags)}))
}

fn shown(tags: &Tags) -> Vec<Value> {
    tags.iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect()
}

fn take_resource(fields: &mut Fields) -> Result<(StreamRef, String), Fault> {
    let arn = fields.required("ResourceARN", &ARN);
    fields.finish()?;
    Ok((StreamRef::read_arn(&arn)?, arn))
}

fn take_tags(fields: &mut Fields) -> Result<Tags, Fault> {
    let tags = fields::tags(fields)?;
    if tags.is_none() {
        fields.violate(None, "tags", "not be null");
    }
    fields.finish()?;
    Ok(tags.unwrap_or_default())
}

async fn edit(
    context: &Context<'_>,
    asked: &StreamRef,
    arn: &str,
    change: impl Fn(&mut Tags),
) -> Answer {
    let done = context.change(asked, |stream| {
        let tags = tags_of(stream, asked, arn)?;
        change(tags);
        judge_tags(tags)
    });
    done.await.map(nothing)
}

/// The tags of the stream, or of the consumer with this ARN.
fn tags_of<'s>(
    stream: &'s mut Stream,
    asked: &StreamRef,
    arn: &str,
) -> Result<&'s mut Tags, Fault> {
    let stream_arn = asked.arn();
    if arn == stream_arn {
        return Ok(&mut stream.tags);
    }
    let mut consumers = stream.consumers.iter_mut();
    let found = consumers.find(|consumer| consumer.arn(&stream_arn) == arn);
    let found = found.ok_or_else(|| super::consumers::missing(arn))?;
    Ok(&mut found.tags)
}
