//! Requests of both protocols as one.
//!
//! Lives here: which operation is asked for, its members as JSON has them.
//! Does not live here: what members mean (`operations`).
//!
//! Contract: Smithy, "AWS JSON 1.0 protocol" and "AWS query protocol"; the service's model for the names of the latter's lists
//! and maps.

use aws_wire::json::skim;
use aws_wire::query::{self, Form};
use interfaces::service::ServiceCall;
use serde_json::{Map, Value};

use super::fault::{Fault, Kind};

/// The prefix of the header that names the operation.
const TARGET_PREFIX: &str = "AmazonSQS.";

/// The protocols that SQS speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// JSON 1.0.
    Json,
    /// Forms in, XML out.
    Query,
    /// Forms in, JSON out: for whoever sends `Accept: application/json`.
    QueryJson,
}

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    /// The protocol that it speaks.
    pub(crate) protocol: Protocol,
    /// The operation, as `SendMessage`.
    pub(crate) operation: String,
    /// Its members.
    pub(crate) input: Map<String, Value>,
}

/// How a query names the parts of a list or a map.
enum Part {
    /// A list of texts, each as `Name.1`.
    Texts(&'static str, &'static str),
    /// A map of texts: `Name.1.Key`, `Name.1.Value`.
    Map(&'static str, &'static str, (&'static str, &'static str)),
    /// Message attributes: `Name.1.Name`, `Name.1.Value.StringValue`.
    Attributes(&'static str, &'static str),
    /// Entries of a batch: `Name.1.Id`.
    Entries(&'static str),
}

const NAMED: (&str, &str) = ("Name", "Value");
const PARTS: &[Part] = &[
    Part::Texts("AttributeNames", "AttributeName"),
    Part::Texts("MessageSystemAttributeNames", "MessageSystemAttributeName"),
    Part::Texts("MessageAttributeNames", "MessageAttributeName"),
    Part::Texts("AWSAccountIds", "AWSAccountId"),
    Part::Texts("Actions", "ActionName"),
    Part::Texts("TagKeys", "TagKey"),
    Part::Map("Attributes", "Attribute", NAMED),
    Part::Map("Tags", "Tag", ("Key", "Value")),
    Part::Attributes("MessageAttributes", "MessageAttribute"),
    Part::Attributes("MessageSystemAttributes", "MessageSystemAttribute"),
    Part::Entries("SendMessageBatchRequestEntry"),
    Part::Entries("DeleteMessageBatchRequestEntry"),
    Part::Entries("ChangeMessageVisibilityBatchRequestEntry"),
];

/// Which operation a call names, and how; none: it names none.
pub(crate) fn named(call: &ServiceCall) -> (Protocol, Option<String>) {
    let target = call.headers.get("x-amz-target");
    if let Some(target) = target.and_then(|target| target.to_str().ok()) {
        let operation = target.strip_prefix(TARGET_PREFIX);
        return (Protocol::Json, operation.map(str::to_owned));
    }
    let accepts_json = call
        .headers
        .get(http::header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    let protocol = if accepts_json {
        Protocol::QueryJson
    } else {
        Protocol::Query
    };
    let in_query = query_of(call).and_then(action_in);
    let in_body = || std::str::from_utf8(&call.body).ok().and_then(action_in);
    (protocol, in_query.or_else(in_body))
}

/// The address of the queue that a call is about, without reading more of it than needed.
pub(crate) fn queue_url(call: &ServiceCall, protocol: Protocol) -> Option<String> {
    match protocol {
        Protocol::Json => {
            let skimmed = skim(&call.body, &["QueueUrl"]);
            skimmed.text("QueueUrl").map(str::to_owned)
        }
        Protocol::Query | Protocol::QueryJson => {
            member(call, "QueueUrl").or_else(|| path_address(call))
        }
    }
}

/// A member of a query, without reading more of it than needed.
pub(crate) fn member(call: &ServiceCall, name: &str) -> Option<String> {
    let body = std::str::from_utf8(&call.body).unwrap_or_default();
    query::skim(&[query_of(call).unwrap_or_default(), body], name)
}

/// Reads a call.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read(call: &ServiceCall) -> Result<Request, (Protocol, Fault)> {
    let (protocol, operation) = named(call);
    let refuse = |fault| (protocol, fault);
    let operation = operation.ok_or_else(|| {
        refuse(Fault::new(
            Kind::InvalidAction,
            "The action or operation requested is invalid. Verify that the action is typed correctly.",
        ))
    })?;
    let input = match protocol {
        Protocol::Json if call.body.is_empty() => Map::new(),
        Protocol::Json => serde_json::from_slice(&call.body).map_err(|_| {
            refuse(Fault::new(
                Kind::InvalidParameterValue,
                "The request body could not be read as JSON.",
            ))
        })?,
        Protocol::Query | Protocol::QueryJson => {
            let body = std::str::from_utf8(&call.body).unwrap_or_default();
            let query = query_of(call).unwrap_or_default();
            let form = Form::parse(&format!("{query}&{body}"));
            let mut input = members(&form);
            if !input.contains_key("QueueUrl")
                && let Some(address) = path_address(call)
            {
                input.insert("QueueUrl".to_owned(), address.into());
            }
            input
        }
    };
    Ok(Request {
        protocol,
        operation,
        input,
    })
}

fn query_of(call: &ServiceCall) -> Option<&str> {
    call.path_and_query.split_once('?').map(|(_, query)| query)
}

/// A query may be sent to a queue's own address, as `/000000000000/name`.
fn path_address(call: &ServiceCall) -> Option<String> {
    let path = call.path_and_query.split('?').next().unwrap_or_default();
    (path.trim_matches('/').contains('/')).then(|| path.to_owned())
}

fn action_in(text: &str) -> Option<String> {
    pair(text, "Action")
}

fn pair(text: &str, name: &str) -> Option<String> {
    let value = text.split('&').find_map(|pair| {
        let (found, value) = pair.split_once('=')?;
        (found == name).then_some(value)
    })?;
    let spaced = value.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy();
    Some(decoded.into_owned())
}

/// The members of a form, as JSON has them.
fn members(form: &Form) -> Map<String, Value> {
    let mut input = Map::new();
    for name in form.names() {
        if let Some(text) = form.text(name) {
            input.insert(name.to_owned(), text.into());
        }
    }
    for part in PARTS {
        let (name, value) = match part {
            Part::Texts(name, sent) => {
                let texts = form.texts(sent).into_iter().map(Value::from).collect();
                (*name, Value::Array(texts))
            }
            Part::Map(name, sent, (key, value)) => {
                let pairs = form.map(sent, key, value).into_iter();
                (
                    *name,
                    Value::Object(pairs.map(|(key, value)| (key, value.into())).collect()),
                )
            }
            Part::Attributes(name, sent) => {
                let entries = form.list(sent).into_iter().filter_map(|entry| {
                    let value = entry.member("Value").map(members).unwrap_or_default();
                    Some((entry.text("Name")?.to_owned(), Value::Object(value)))
                });
                (*name, Value::Object(entries.collect()))
            }
            Part::Entries(sent) => {
                let entries = form.list(sent).into_iter();
                let entries = entries.map(|entry| Value::Object(members(entry))).collect();
                ("Entries", Value::Array(entries))
            }
        };
        let is_there = match &value {
            Value::Array(items) => !items.is_empty(),
            Value::Object(members) => !members.is_empty(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        };
        if is_there {
            input.insert(name.to_owned(), value);
        }
    }
    input
}

/// Reading members.
pub(crate) trait Input {
    /// A text.
    fn text(&self, name: &str) -> Option<&str>;

    /// A text that must be there.
    ///
    /// # Errors
    /// It is not.
    fn required(&self, name: &str) -> Result<&str, Fault>;

    /// A whole number.
    ///
    /// # Errors
    /// It is something else.
    fn number(&self, name: &str) -> Result<Option<i64>, Fault>;

    /// Texts.
    fn texts(&self, name: &str) -> Vec<String>;

    /// A map of texts.
    fn map(&self, name: &str) -> Vec<(String, String)>;
}

impl Input for Map<String, Value> {
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    fn required(&self, name: &str) -> Result<&str, Fault> {
        self.text(name).ok_or_else(|| Fault::missing(name))
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Fault> {
        let value = match self.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value,
        };
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let shown = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        number
            .map(Some)
            .ok_or_else(|| Fault::value(&shown, name, "Must be an integer."))
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let items = self.get(name).and_then(Value::as_array);
        let items = items.into_iter().flatten();
        items
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    }

    fn map(&self, name: &str) -> Vec<(String, String)> {
        let members = self.get(name).and_then(Value::as_object);
        let members = members.into_iter().flatten();
        members
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }
}
