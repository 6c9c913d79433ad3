//! Reading events.
//!
//! Contract: `GetLogEvents`, `FilterLogEvents`.

pub(super) mod put;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use store::Direction;

use super::Context;
use super::groups::{find, group_of};
use crate::engine::keys::Position;
use crate::engine::read::{Event, FIRST, LAST, Span, at};
use crate::engine::rows::Stream;
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, Text, invalid_token, paged, stream_name};
use crate::filter::Pattern;

const EVENTS_MAX: i64 = 10_000;

/// Where a reader of a stream stands.
enum Token {
    /// Behind this one.
    Forward(Position),
    /// Before this one.
    Backward(Position),
}

impl Token {
    fn read(text: &str) -> Option<Self> {
        let position = |text: &str| Position::read(text.strip_suffix("/s").unwrap_or(text));
        match text.split_once('/')? {
            ("f", rest) => Some(Self::Forward(position(rest)?)),
            ("b", rest) => Some(Self::Backward(position(rest)?)),
            _ => None,
        }
    }
}

pub(super) async fn get_log_events(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("GetLogEvents", &["unmask"])?;
    let limit = fields.limit("limit", EVENTS_MAX, 10_000);
    let from = fields.whole("startTime", 0, i64::MAX);
    let to = fields.whole("endTime", 0, i64::MAX);
    let is_from_head = fields.flag("startFromHead").unwrap_or(false);
    let token = fields.text("nextToken", &Text::long(1, usize::MAX));
    let name = stream_name(&mut fields, "logStreamName")?;
    let group = group_of(&mut fields, "logGroupName", "logGroupIdentifier")?;
    fields.finish()?;
    let token = match token {
        Some(token) => Some(Token::read(&token).ok_or_else(invalid_token)?),
        None => None,
    };
    let shelf = context.catalogue.shelf(context.place).await?;
    let stream = shelf.look(|state| {
        find(state, &group)?;
        state
            .stream(&group, &name)
            .cloned()
            .ok_or_else(Fault::no_stream)
    })?;
    let mut span = Span {
        from: from.map_or(FIRST, at),
        to: to.map_or(LAST, at),
    };
    // Where both tokens stand when there is nothing to read.
    let mut here = FIRST;
    let direction = match token {
        Some(Token::Forward(behind)) => {
            span.from = span.from.max(behind.next());
            here = behind;
            Direction::Forward
        }
        Some(Token::Backward(before)) => {
            span.to = span.to.min(before);
            here = before;
            Direction::Backward
        }
        None if is_from_head => Direction::Forward,
        None => Direction::Backward,
    };
    let events = context
        .catalogue
        .page(&stream, span, direction, limit)
        .await?;
    let first = events.first().map_or(here, |event| event.position);
    let last = events.last().map_or(here, |event| event.position);
    let shown: Vec<Value> = events.iter().map(in_stream).collect();
    Ok(json!({
        "events": shown,
        "nextForwardToken": format!("f/{}/s", last.shown()),
        "nextBackwardToken": format!("b/{}/s", first.shown()),
    }))
}

fn in_stream(event: &Event) -> Value {
    json!({
        "timestamp": event.position.at_ms,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
    })
}

pub(super) async fn filter_log_events(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("FilterLogEvents", &["unmask"])?;
    // Deprecated: results are interleaved always, as AWS does now.
    fields.take("interleaved");
    let limit = fields.limit("limit", EVENTS_MAX, 10_000);
    let from = fields.whole("startTime", 0, i64::MAX);
    let to = fields.whole("endTime", 0, i64::MAX);
    let pattern = fields
        .text("filterPattern", &Text::long(0, 1_024))
        .unwrap_or_default();
    let names = fields.texts("logStreamNames");
    let prefix = fields.text("logStreamNamePrefix", &Text::long(1, 512));
    let token = fields.text("nextToken", &Text::long(1, usize::MAX));
    let group = group_of(&mut fields, "logGroupName", "logGroupIdentifier")?;
    fields.finish()?;
    if names.is_some() && prefix.is_some() {
        let message = "Cannot specify both logStreamNames and logStreamNamePrefix.";
        return Err(Fault::parameter(message));
    }
    let pattern = Pattern::parse(&pattern).map_err(|error| Fault::parameter(error.reason))?;
    let mut span = Span {
        from: from.map_or(FIRST, at),
        to: to.map_or(LAST, |to| at(to.saturating_add(1))),
    };
    if let Some(token) = token {
        span.from = span.from.max(page_of(&token)?);
    }
    let shelf = context.catalogue.shelf(context.place).await?;
    let streams: Vec<Arc<Stream>> = shelf.look(|state| {
        find(state, &group)?;
        let is_named = |stream: &&Arc<Stream>| {
            names
                .as_ref()
                .is_none_or(|names| names.contains(&stream.name))
                && prefix
                    .as_ref()
                    .is_none_or(|prefix| stream.name.starts_with(prefix.as_str()))
        };
        let is_within = |stream: &&Arc<Stream>| {
            stream
                .last_ms
                .is_some_and(|last| span.from < at(last.saturating_add(1)))
                && stream.first_ms.is_some_and(|first| at(first) < span.to)
        };
        let named: Vec<&Arc<Stream>> = state.streams_of(&group).filter(is_named).collect();
        if named.is_empty() && names.is_some() {
            return Err(Fault::no_stream());
        }
        Ok(named.into_iter().filter(is_within).cloned().collect())
    })?;
    let (events, next) = context
        .catalogue
        .merged(&streams, span, &pattern, limit)
        .await?;
    let shown = events.iter().map(|(stream, event)| {
        json!({
            "logStreamName": stream.name,
            "timestamp": event.position.at_ms,
            "message": event.message,
            "ingestionTime": event.ingested_ms,
            "eventId": event.position.shown(),
        })
    });
    let token = next.map(|position| STANDARD.encode(position.shown()));
    let mut answer = paged("events", shown.collect(), token);
    if let Value::Object(members) = &mut answer {
        members.insert("searchedLogStreams".to_owned(), json!([]));
    }
    Ok(answer)
}

/// Where a page begins.
fn page_of(token: &str) -> Result<Position, Fault> {
    let decoded = STANDARD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    decoded
        .and_then(|text| Position::read(&text))
        .ok_or_else(invalid_token)
}
