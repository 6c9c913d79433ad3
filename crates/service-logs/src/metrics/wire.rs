//! The protocols of CloudWatch: forms, JSON and CBOR in; XML, JSON and CBOR out.
//!
//! Lives here: the frames, and values in one shape for all of them.
//! Does not live here: operations.
//!
//! Contract: Smithy, "AWS Query", "AWS JSON 1.0", "Smithy RPC v2 CBOR", "AWS query compatible".

use std::io::Read as _;

use aws_wire::query::{self, Form};
use aws_wire::xml::Xml;
use flate2::read::GzDecoder;
use http::StatusCode;
use interfaces::service::{ServiceAnswer, ServiceCall};
use serde_json::{Map, Value, json};

use super::cbor::{self, Of};

const NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";
const ERRORS: &str = "com.amazonaws.cloudwatch.v2010_08_01#";
const TARGET_PREFIX: &str = "GraniteServiceVersion20100801.";
const PATH_PREFIX: &str = "/service/GraniteServiceVersion20100801/operation/";
/// A body that was zipped, when it is not any more. Contract: `PutMetricData`, 1 MB.
const BODY_BYTES_MAX: u64 = 1024 * 1024;
const DEPTH_MAX: usize = 32;

/// How a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    Form,
    Json,
    Cbor,
}

/// A request.
pub(super) struct Asked {
    pub(super) speech: Speech,
    pub(super) operation: String,
    /// None: it cannot be read.
    pub(super) members: Option<Map<String, Value>>,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct MetricFault {
    /// As the query protocol names it.
    pub(crate) code: &'static str,
    /// As the others do.
    pub(crate) name: &'static str,
    pub(crate) message: String,
    pub(crate) status: u16,
}

impl MetricFault {
    pub(super) fn new(code: &'static str, name: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            name,
            message: message.into(),
            status: 400,
        }
    }

    pub(super) fn value(message: impl Into<String>) -> Self {
        Self::new(
            "InvalidParameterValue",
            "InvalidParameterValueException",
            message,
        )
    }

    pub(super) fn combination(message: impl Into<String>) -> Self {
        Self::new(
            "InvalidParameterCombination",
            "InvalidParameterCombinationException",
            message,
        )
    }

    pub(super) fn missing(name: &str) -> Self {
        let message = format!("The parameter {name} is required.");
        Self::new(
            "MissingParameter",
            "MissingRequiredParameterException",
            message,
        )
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", "ValidationException", message)
    }

    /// CloudWatch knows this, and we do not carry it out.
    pub(super) fn not_implemented(what: &str) -> Self {
        Self::validation(format!("{what} is not implemented by Cloudless yet"))
    }
}

impl From<crate::engine::catalogue::Error> for MetricFault {
    fn from(error: crate::engine::catalogue::Error) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a request to metrics failed"
        );
        Self {
            status: 500,
            ..Self::new(
                "InternalFailure",
                "InternalServiceFault",
                "The request failed.",
            )
        }
    }
}

/// Reads a request, whichever way it speaks.
pub(super) fn read(call: &ServiceCall) -> Asked {
    let header = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok());
    let body = match header("content-encoding") {
        Some("gzip") => {
            let mut plain = Vec::new();
            let mut zipped = GzDecoder::new(&*call.body).take(BODY_BYTES_MAX + 1);
            let read = zipped.read_to_end(&mut plain).is_ok();
            (read && u64::try_from(plain.len()).is_ok_and(|length| length <= BODY_BYTES_MAX))
                .then_some(plain)
        }
        Some(_) | None => Some(call.body.to_vec()),
    };
    let path = call.path_and_query.split('?').next().unwrap_or_default();
    if let Some(operation) = path.strip_prefix(PATH_PREFIX) {
        let value = body.and_then(|body| match body.as_slice() {
            [] => Some(json!({})),
            body => cbor::read(body),
        });
        return asked(Speech::Cbor, operation, value);
    }
    if let Some(target) = header("x-amz-target") {
        let operation = target.strip_prefix(TARGET_PREFIX).unwrap_or_default();
        let value = body.and_then(|body| match body.as_slice() {
            [] => Some(json!({})),
            body => serde_json::from_slice(body).ok(),
        });
        return asked(Speech::Json, operation, value);
    }
    let body = body.unwrap_or_default();
    let text = match body.as_slice() {
        [] => call
            .path_and_query
            .split_once('?')
            .map_or("", |(_, query)| query)
            .to_owned(),
        body => String::from_utf8_lossy(body).into_owned(),
    };
    let form = Form::parse(&text);
    let operation = form.text("Action").unwrap_or_default().to_owned();
    asked(Speech::Form, &operation, Some(of_form(&form, 0)))
}

fn asked(speech: Speech, operation: &str, value: Option<Value>) -> Asked {
    Asked {
        speech,
        operation: operation.to_owned(),
        members: value.and_then(|value| match value {
            Value::Object(members) => Some(members),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => None,
        }),
    }
}

fn of_form(form: &Form, depth: usize) -> Value {
    if let Some(text) = form.value() {
        return text.into();
    }
    if DEPTH_MAX < depth {
        return Value::Null;
    }
    if form
        .member("member")
        .is_some_and(|members| members.value().is_none())
    {
        // A list is read by the name above it, so it is hung under one.
        let members = form.member("member").into_iter().flat_map(|members| {
            let mut numbered: Vec<(u64, &Form)> = members
                .names()
                .filter_map(|name| Some((name.parse().ok()?, members.member(name)?)))
                .collect();
            numbered.sort_by_key(|(number, _)| *number);
            numbered
                .into_iter()
                .map(|(_, member)| of_form(member, depth + 1))
                .collect::<Vec<_>>()
        });
        return members.collect();
    }
    let members = form
        .names()
        .filter_map(|name| Some((name.to_owned(), of_form(form.member(name)?, depth + 1))));
    Value::Object(members.collect())
}

/// Members of answers that are times.
fn is_time(name: &str) -> bool {
    name.ends_with("Timestamp") || name == "Timestamps"
}

/// The answer to what an operation came to; `Null`: it has none.
pub(super) fn answer(
    asked: &Asked,
    request_id: &str,
    result: Result<Value, MetricFault>,
) -> ServiceAnswer {
    match (asked.speech, result) {
        (Speech::Form, Ok(value)) => {
            let write = |xml: &mut Xml| members(xml, &value);
            let write = (!value.is_null()).then_some(write);
            let body = query::answer(&asked.operation, NAMESPACE, request_id, write);
            framed(200, "text/xml", body, None)
        }
        (Speech::Form, Err(fault)) => {
            let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::BAD_REQUEST);
            let whose = match status.is_server_error() {
                true => query::Fault::Receiver,
                false => query::Fault::Sender,
            };
            let told = query::error(
                (status, whose),
                (fault.code, &fault.message),
                query::Frame {
                    namespace: NAMESPACE,
                    has_detail: false,
                },
                request_id,
            );
            framed(fault.status, "text/xml", told.body, None)
        }
        (speech, Ok(value)) => {
            let value = if value.is_null() { json!({}) } else { value };
            framed(200, content_type(speech), encode(speech, &value), None)
        }
        (speech, Err(fault)) => {
            let shape = match fault.name {
                "ValidationException" => format!("com.amazon.coral.validate#{}", fault.name),
                name => format!("{ERRORS}{name}"),
            };
            let mut body = json!({"__type": shape});
            if let (false, Value::Object(members)) = (fault.message.is_empty(), &mut body) {
                members.insert("message".to_owned(), fault.message.as_str().into());
            }
            let whose = if fault.status < 500 {
                "Sender"
            } else {
                "Receiver"
            };
            let compatible = Some(format!("{};{whose}", fault.code));
            framed(
                fault.status,
                content_type(speech),
                encode(speech, &body),
                compatible,
            )
        }
    }
}

fn content_type(speech: Speech) -> &'static str {
    match speech {
        Speech::Form => "text/xml",
        Speech::Json => "application/x-amz-json-1.0",
        Speech::Cbor => "application/cbor",
    }
}

fn encode(speech: Speech, value: &Value) -> Vec<u8> {
    match speech {
        Speech::Cbor => cbor::write(value, &is_time),
        Speech::Form | Speech::Json => value.to_string().into_bytes(),
    }
}

fn framed(
    status: u16,
    content_type: &str,
    body: Vec<u8>,
    compatible: Option<String>,
) -> ServiceAnswer {
    let mut headers = vec![("content-type", content_type.to_owned())];
    if content_type == "application/cbor" {
        headers.push(("smithy-protocol", "rpc-v2-cbor".to_owned()));
    }
    if let Some(compatible) = compatible {
        headers.push(("x-amzn-query-error", compatible));
    }
    ServiceAnswer {
        status,
        headers,
        body: body.into(),
        rest: None,
    }
}

fn members(xml: &mut Xml, value: &Value) {
    for (name, value) in value.as_object().into_iter().flatten() {
        element(xml, name, value, Of::member(name, &is_time));
    }
}

fn element(xml: &mut Xml, name: &str, value: &Value, of: Of) {
    match value {
        Value::Null => {}
        Value::Array(items) if items.is_empty() => xml.empty(name),
        Value::Array(items) => xml.element(name, |xml| {
            for item in items {
                element(xml, "member", item, of);
            }
        }),
        Value::Object(_) => xml.element(name, |xml| members(xml, value)),
        Value::String(text) => xml.text(name, text),
        Value::Number(number) if of == Of::Time => {
            xml.text(name, &iso(number.as_f64().unwrap_or(0.0)))
        }
        Value::Number(number) => xml.text(name, &number.to_string()),
        Value::Bool(flag) => xml.text(name, &flag.to_string()),
    }
}

/// Seconds since the epoch as ISO 8601.
fn iso(seconds: f64) -> String {
    let at = jiff::SignedDuration::try_from_secs_f64(seconds).ok();
    let at = at.and_then(|at| jiff::Timestamp::from_duration(at).ok());
    at.unwrap_or_default()
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}
