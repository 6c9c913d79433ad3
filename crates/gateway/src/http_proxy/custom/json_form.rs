//! Answers of the query protocol, as JSON.
//!
//! Lives here: turning our own services' XML into what the cloud's services answer whoever accepts JSON.
//! Does not live here: the answers themselves (each service).
//!
//! Contract: recorded answers of Amazon SQS and Amazon SNS to `Accept: application/json`: elements become members, below the
//! name of the answer; received messages are a list by the name `messages`.
//! Differs: numbers and truths are texts; members that have no value are left out.

use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Map, Value};

use crate::http::upstream::Answered;

/// Elements inside one another.
const DEPTH_MAX: usize = 32;

/// The answer with its body as JSON; one that is no XML stays as it is.
pub(super) fn of(mut answered: Answered) -> Answered {
    let text = String::from_utf8_lossy(&answered.body).into_owned();
    let Some(json) = converted(&text) else {
        return answered;
    };
    answered.body = Bytes::from(json.to_string());
    answered
        .headers
        .retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    let json = HeaderValue::from_static("application/json");
    answered.headers.push(("Content-Type".to_owned(), json));
    answered
}

fn converted(text: &str) -> Option<Value> {
    let mut rest = text.trim_start();
    if rest.starts_with("<?") {
        rest = rest.split_once("?>")?.1.trim_start();
    }
    let mut reader = Reader { rest };
    let (name, value) = reader.element(0)?;
    // An error is not below the name of its answer.
    if name == "ErrorResponse" {
        return Some(value);
    }
    Some(Value::Object(Map::from_iter([(name, value)])))
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn element(&mut self, depth: usize) -> Option<(String, Value)> {
        if DEPTH_MAX < depth {
            return None;
        }
        let (tag, behind) = self.rest.strip_prefix('<')?.split_once('>')?;
        self.rest = behind;
        let name = tag
            .trim_end_matches('/')
            .split_whitespace()
            .next()?
            .to_owned();
        if tag.ends_with('/') {
            return Some((name, Value::Null));
        }
        let mut members: Vec<(String, Value)> = Vec::new();
        let mut text = String::new();
        loop {
            let (plain, _) = self.rest.split_once('<')?;
            text.push_str(plain);
            self.rest = self.rest.get(plain.len()..)?;
            if let Some(behind) = self.rest.strip_prefix("</") {
                let (closed, behind) = behind.split_once('>')?;
                self.rest = behind;
                if closed.trim() != name {
                    return None;
                }
                break;
            }
            members.push(self.element(depth + 1)?);
        }
        let value = if name == "ReceiveMessageResult" {
            messages(members)
        } else if members.is_empty() {
            Value::from(plain(&text))
        } else {
            joined(members)
        };
        Some((name, value))
    }
}

fn messages(members: Vec<(String, Value)>) -> Value {
    let messages: Vec<Value> = members.into_iter().map(|(_, value)| value).collect();
    let messages = if messages.is_empty() {
        Value::Null
    } else {
        Value::Array(messages)
    };
    Value::Object(Map::from_iter([("messages".to_owned(), messages)]))
}

/// Members of one name are a list, and those called `member` nothing else.
fn joined(members: Vec<(String, Value)>) -> Value {
    if members.iter().all(|(name, _)| name == "member") {
        return members.into_iter().map(|(_, value)| value).collect();
    }
    let mut object = Map::new();
    for (name, value) in members {
        match object.get_mut(&name) {
            Some(Value::Array(items)) => items.push(value),
            Some(known) => *known = Value::Array(vec![known.take(), value]),
            None => {
                object.insert(name, value);
            }
        }
    }
    Value::Object(object)
}

fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        plain.push_str(before);
        let entity = behind.split_once(';');
        let letter = entity.and_then(|(name, _)| match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            name => {
                let number = name.strip_prefix('#')?;
                let number = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(number)
            }
        });
        match (letter, entity) {
            (Some(letter), Some((_, behind))) => {
                plain.push(letter);
                rest = behind;
            }
            _ => {
                plain.push('&');
                rest = behind;
            }
        }
    }
    plain.push_str(rest);
    plain
}
