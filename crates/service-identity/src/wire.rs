//! Requests and answers of IAM and STS.
//!
//! Lives here: parameters with their constraints, answers as trees, faults.
//! Does not live here: the query protocol itself (`aws_wire::query`), the operations (`iam`, `sts`).

use std::collections::BTreeMap;

use aws_wire::protocol::Protocol;
use aws_wire::query::{self, Form};
use aws_wire::xml::Xml;
use bytes::Bytes;
use http::StatusCode;
use interfaces::service::{ServiceAnswer, ServiceCall};
use model::ids::RequestId;
use model::time::Timestamp;
use store::{CommitError, ReadError};

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Text(String),
    List(Vec<Node>),
    /// Entries of a map: each has a `key` and a `value`.
    Map(Vec<Node>),
    Structure(Vec<(&'static str, Node)>),
}

/// What an operation answers; none: it says that it is done.
pub(crate) type Answer = Option<Node>;

/// Why an operation is refused, in the cloud's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationError", message)
    }

    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchEntity", message)
    }

    pub(crate) fn exists(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "EntityAlreadyExists", message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "DeleteConflict", message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "LimitExceeded", message)
    }

    pub(crate) fn not_carried_out(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "NotImplemented",
            format!("Cloudless does not carry out {what} yet"),
        )
    }
}

impl From<CommitError> for Fault {
    fn from(error: CommitError) -> Self {
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, "a change of identity could not be written");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "ServiceFailure", "The change could not be written.")
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, "what is kept of identity could not be read");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "ServiceFailure", "The state could not be read.")
    }
}

/// The form of a request: its body, or its query.
pub(crate) fn form(call: &ServiceCall) -> Form {
    let query = call.path_and_query.split_once('?').map(|(_, query)| query);
    match query {
        Some(query) if call.body.is_empty() => Form::parse(query),
        Some(_) | None => Form::parse(&String::from_utf8_lossy(&call.body)),
    }
}

/// Frames what an operation came to.
pub(crate) fn framed(
    operation: &str,
    namespace: &str,
    request_id: &RequestId,
    answered: Result<Answer, Fault>,
) -> ServiceAnswer {
    let id = request_id.as_str();
    match answered {
        Ok(answer) => {
            let write = answer.map(|node| move |xml: &mut Xml| node.write(xml));
            ServiceAnswer {
                status: 200,
                headers: vec![("content-type", Protocol::Query.content_type().to_owned())],
                body: Bytes::from(query::answer(operation, namespace, id, write)),
                rest: None,
            }
        }
        Err(fault) => {
            let error = Protocol::Query.error(fault.status, fault.code, &fault.message, id);
            ServiceAnswer {
                status: error.status.as_u16(),
                headers: error.headers,
                body: Bytes::from(error.body),
                rest: None,
            }
        }
    }
}

impl Node {
    pub(crate) fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    /// Tags, as lists show them.
    pub(crate) fn tags(tags: &BTreeMap<String, String>) -> Self {
        let pair = |(key, value)| {
            Self::Structure(vec![("Key", Self::text(key)), ("Value", Self::text(value))])
        };
        Self::List(tags.iter().map(pair).collect())
    }

    /// A point in time, to the second.
    pub(crate) fn time(at: Timestamp) -> Self {
        Self::Text(time(at))
    }

    /// The members without those that are not there.
    pub(crate) fn structure<const N: usize>(members: [(&'static str, Option<Self>); N]) -> Self {
        let there = members
            .into_iter()
            .filter_map(|(name, node)| Some((name, node?)));
        Self::Structure(there.collect())
    }

    fn write(self, xml: &mut Xml) {
        match self {
            Self::Text(text) => xml.characters(&text),
            Self::List(nodes) => {
                for node in nodes {
                    xml.element("member", |xml| node.write(xml));
                }
            }
            Self::Map(entries) => {
                for entry in entries {
                    xml.element("entry", |xml| entry.write(xml));
                }
            }
            Self::Structure(members) => {
                for (name, node) in members {
                    xml.element(name, |xml| node.write(xml));
                }
            }
        }
    }
}

/// `2026-11-21T10:00:00Z`.
pub(crate) fn time(at: Timestamp) -> String {
    let instant = jiff::Timestamp::from_second(at.epoch_s()).unwrap_or_default();
    instant.to_string()
}

/// A parameter that must be there.
pub(crate) fn required<'a>(form: &'a Form, name: &str) -> Result<&'a str, Fault> {
    form.text(name)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| {
            let path = lower_first(name);
            Fault::invalid(format!(
                "1 validation error detected: Value at '{path}' failed to satisfy constraint: Member must not be null"
            ))
        })
}

/// A name: letters, digits and `_+=,.@-`, so many at most.
pub(crate) fn name<'a>(form: &'a Form, parameter: &str, most: usize) -> Result<&'a str, Fault> {
    let text = required(form, parameter)?;
    check_name(parameter, text, most)?;
    Ok(text)
}

pub(crate) fn check_name(parameter: &str, text: &str, most: usize) -> Result<(), Fault> {
    let path = lower_first(parameter);
    let is_of_name = |letter: char| letter.is_alphanumeric() || "_+=,.@-".contains(letter);
    if most < text.chars().count() {
        return Err(Fault::invalid(format!(
            "1 validation error detected: Value '{text}' at '{path}' failed to satisfy constraint: Member must have length \
             less than or equal to {most}"
        )));
    }
    if !text.chars().all(is_of_name) {
        return Err(Fault::invalid(format!(
            "1 validation error detected: Value '{text}' at '{path}' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [\\w+=,.@-]*"
        )));
    }
    Ok(())
}

/// Refuses parameters that are not carried out by name, and with them whatever is not known.
pub(crate) fn only(form: &Form, known: &[&str]) -> Result<(), Fault> {
    let strange = form
        .names()
        .find(|name| !known.contains(name) && !FRAME.contains(name));
    match strange {
        Some(name) => Err(Fault::not_carried_out(&format!("the parameter `{name}`"))),
        None => Ok(()),
    }
}

/// Parameters that every request has, those of its signature included.
const FRAME: [&str; 9] = [
    "Action",
    "Version",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// The tags of a request.
pub(crate) fn tags(form: &Form) -> BTreeMap<String, String> {
    form.list("Tags")
        .into_iter()
        .filter_map(|tag| {
            let value = tag.text("Value").unwrap_or_default();
            Some((tag.text("Key")?.to_owned(), value.to_owned()))
        })
        .collect()
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
