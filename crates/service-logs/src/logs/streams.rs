//! Log streams.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Context;
use super::groups::{find, group_of};
use crate::engine::catalogue::{Catalogue, Change};
use crate::engine::rows::Stream;
use crate::engine::state::{State, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, Text, group_name, page, paged, set, stream_name};

pub(super) async fn create_log_stream(context: &Context<'_>, mut fields: Fields) -> Answer {
    let group = group_name(&mut fields, "logGroupName")?;
    let name = stream_name(&mut fields, "logStreamName")?;
    fields.finish()?;
    create(context, &group, &name).await?;
    Ok(Value::Null)
}

pub(crate) async fn create(context: &Context<'_>, group: &str, name: &str) -> Result<(), Fault> {
    let decide = |state: &State| {
        find(state, group)?;
        if state.stream(group, name).is_some() {
            return Err(Fault::exists("The specified log stream already exists"));
        }
        let stream = fresh(context.catalogue, group, name);
        Ok(((), Change::one(Step::PutStream(stream))))
    };
    context.catalogue.change(context.place, decide).await
}

/// A stream that is not there yet.
pub(crate) fn fresh(catalogue: &Catalogue, group: &str, name: &str) -> Stream {
    Stream {
        group: group.to_owned(),
        name: name.to_owned(),
        id: catalogue.fresh_id(),
        created_ms: catalogue.now_ms(),
        first_ms: None,
        last_ms: None,
        ingested_ms: None,
        bytes: 0,
        number: 0,
    }
}

pub(super) async fn delete_log_stream(context: &Context<'_>, mut fields: Fields) -> Answer {
    let group = group_name(&mut fields, "logGroupName")?;
    let name = stream_name(&mut fields, "logStreamName")?;
    fields.finish()?;
    delete(context, &group, &name).await?;
    Ok(Value::Null)
}

pub(crate) async fn delete(context: &Context<'_>, group: &str, name: &str) -> Result<(), Fault> {
    let decide = |state: &State| {
        find(state, group)?;
        let stream = state.stream(group, name).ok_or_else(Fault::no_stream)?;
        let change = Change {
            doomed: vec![stream.id],
            ..Change::one(Step::DropStream(group.to_owned(), name.to_owned()))
        };
        Ok(((), change))
    };
    context.catalogue.change(context.place, decide).await
}

pub(super) async fn describe_log_streams(context: &Context<'_>, mut fields: Fields) -> Answer {
    let prefix = fields.text("logStreamNamePrefix", &Text::long(1, 512));
    let order = fields.text(
        "orderBy",
        &Text::one_of(&["LogStreamName", "LastEventTime"]),
    );
    let is_descending = fields.flag("descending").unwrap_or(false);
    let limit = fields.limit("limit", 50, 50);
    let token = fields.text("nextToken", &Text::long(1, usize::MAX));
    let group = group_of(&mut fields, "logGroupName", "logGroupIdentifier")?;
    fields.finish()?;
    let by_time = order.as_deref() == Some("LastEventTime");
    if by_time && prefix.is_some() {
        let message = "Cannot order by LastEventTime with a logStreamNamePrefix.";
        return Err(Fault::parameter(message));
    }
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        find(state, &group)?;
        let is_meant = |stream: &&Arc<Stream>| {
            prefix
                .as_ref()
                .is_none_or(|prefix| stream.name.starts_with(prefix.as_str()))
        };
        let time = |stream: &Stream| {
            if by_time {
                stream.last_ms.unwrap_or(0)
            } else {
                0
            }
        };
        let mut streams: Vec<&Arc<Stream>> = state.streams_of(&group).filter(is_meant).collect();
        streams.sort_by_key(|stream| (time(stream), &stream.name));
        if is_descending {
            streams.reverse();
        }
        // Tokens are sorted by, so each stream's is its place in this order, with its name behind it.
        let keyed = streams.into_iter().map(|stream| {
            let time = time(stream);
            let place = if is_descending { i64::MAX - time } else { time };
            (place, stream)
        });
        let token = token.as_deref();
        let shown = keyed.map(|(place, stream)| {
            let name = match is_descending {
                true => inverted(&stream.name),
                false => stream.name.clone(),
            };
            (format!("{place:020}/{name}"), shown(context, stream))
        });
        let (listed, token) = page(shown, limit, token)?;
        Ok(paged("logStreams", listed, token))
    })
}

/// A text that sorts the other way round.
fn inverted(name: &str) -> String {
    let bytes = name.bytes().map(|byte| format!("{:03}", u8::MAX - byte));
    bytes.chain(std::iter::once("~".to_owned())).collect()
}

fn shown(context: &Context<'_>, stream: &Stream) -> Value {
    set(json!({
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "firstEventTimestamp": stream.first_ms,
        "lastEventTimestamp": stream.last_ms,
        "lastIngestionTime": stream.ingested_ms,
        "uploadSequenceToken": stream.ingested_ms.map(|_| sequence_token(stream)),
        "arn": context.place.stream_arn(&stream.group, &stream.name).to_string(),
        "storedBytes": 0,
    }))
}

/// Nobody has to send it any more; AWS still tells one.
pub(super) fn sequence_token(stream: &Stream) -> String {
    format!("{:056}", stream.number)
}
