//! Replies in both protocols.
//!
//! Lives here: results and refusals as JSON and as XML.
//! Does not live here: what is in a result (`operations`).

use aws_wire::protocol::ErrorAnswer;
use aws_wire::query::{self, Fault as Whose};
use aws_wire::xml::Xml;
use bytes::Bytes;
use http::StatusCode;
use interfaces::service::ServiceAnswer;
use serde_json::{Map, Value, json};

use super::fault::{Fault, Kind};
use super::request::Protocol;

const NAMESPACE: &str = "http://queue.amazonaws.com/doc/2012-11-05/";
const JSON: &str = "application/x-amz-json-1.0";
/// Operations whose result has no members: XML replies leave it out.
const WITHOUT_RESULT: &[&str] = &[
    "AddPermission",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "DeleteQueue",
    "PurgeQueue",
    "RemovePermission",
    "SetQueueAttributes",
    "TagQueue",
    "UntagQueue",
];

/// What a request came to, as its protocol shows it.
pub(crate) fn answer(
    protocol: Protocol,
    operation: &str,
    request_id: &str,
    outcome: Result<Map<String, Value>, Fault>,
) -> ServiceAnswer {
    match (protocol, outcome) {
        (Protocol::Json, Ok(result)) => framed(200, JSON, json_text(&result)),
        (Protocol::Query, Ok(result)) => {
            let write = |xml: &mut Xml| write_members(xml, operation, &result);
            let shown = (!WITHOUT_RESULT.contains(&operation)).then_some(write);
            let body = query::answer(operation, NAMESPACE, request_id, shown);
            framed(200, "text/xml", closed_if_empty(operation, &result, body))
        }
        (Protocol::QueryJson, Ok(result)) => {
            let body = json!({ format!("{operation}Response"): {
                format!("{operation}Result"): named_as_in_xml(operation, &result),
                "ResponseMetadata": { "RequestId": request_id },
            }});
            framed(200, "application/json", body.to_string().into_bytes())
        }
        (Protocol::Json, Err(fault)) => refused_json(&fault),
        (Protocol::Query | Protocol::QueryJson, Err(fault)) => refused_query(&fault, request_id),
    }
}

/// A result without members is one empty element.
fn closed_if_empty(operation: &str, result: &Map<String, Value>, body: Vec<u8>) -> Vec<u8> {
    if !result.is_empty() {
        return body;
    }
    let pair = format!("<{operation}Result></{operation}Result>");
    let text = String::from_utf8_lossy(&body);
    text.replace(&pair, &format!("<{operation}Result/>"))
        .into_bytes()
}

fn framed(status: u16, content_type: &str, body: Vec<u8>) -> ServiceAnswer {
    ServiceAnswer {
        status,
        headers: vec![("content-type", content_type.to_owned())],
        body: Bytes::from(body),
        rest: None,
    }
}

fn json_text(result: &Map<String, Value>) -> Vec<u8> {
    // Clients take a reply without members for one without a body.
    serde_json::to_vec(result).unwrap_or_default()
}

fn refused_json(fault: &Fault) -> ServiceAnswer {
    let (shape, code, status) = fault.kind.names();
    let whose = if fault.kind.is_senders() {
        "Sender"
    } else {
        "Receiver"
    };
    let body = json!({ "__type": shape, "message": fault.message });
    let mut answer = framed(status, JSON, body.to_string().into_bytes());
    answer
        .headers
        .push(("x-amzn-query-error", format!("{code};{whose}")));
    answer
}

fn refused_query(fault: &Fault, request_id: &str) -> ServiceAnswer {
    let (_, code, status) = fault.kind.names();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let whose = if fault.kind.is_senders() {
        Whose::Sender
    } else {
        Whose::Receiver
    };
    let message = if fault.kind == Kind::QueueDoesNotExist {
        "The specified queue does not exist for this wsdl version."
    } else {
        &fault.message
    };
    let frame = query::Frame {
        namespace: NAMESPACE,
        has_detail: true,
    };
    let ErrorAnswer {
        status,
        headers,
        body,
    } = query::error((status, whose), (&code, message), frame, request_id);
    ServiceAnswer {
        status: status.as_u16(),
        headers,
        body: Bytes::from(body),
        rest: None,
    }
}

/// The name that XML has for the items of a list or the entries of a map, and for key and value of the latter.
fn item_name(operation: &str, member: &str) -> (String, (&'static str, &'static str)) {
    let named = ("Name", "Value");
    match member {
        "QueueUrls" | "queueUrls" => ("QueueUrl".to_owned(), named),
        "Messages" => ("Message".to_owned(), named),
        "Attributes" => ("Attribute".to_owned(), named),
        "MessageAttributes" => ("MessageAttribute".to_owned(), named),
        "Tags" => ("Tag".to_owned(), ("Key", "Value")),
        "Failed" => ("BatchResultErrorEntry".to_owned(), named),
        "Successful" | "Results" => (format!("{operation}ResultEntry"), named),
        other => (other.to_owned(), named),
    }
}

fn write_members(xml: &mut Xml, operation: &str, members: &Map<String, Value>) {
    for (name, value) in members {
        let (part_name, (key_name, value_name)) = item_name(operation, name);
        if let Some(items) = value.as_array() {
            for item in items {
                write_value(xml, operation, &part_name, item);
            }
        } else if let Some(entries) = value.as_object() {
            for (key, value) in entries {
                xml.element(&part_name, |xml| {
                    xml.text(key_name, key);
                    write_value(xml, operation, value_name, value);
                });
            }
        } else {
            write_value(xml, operation, name, value);
        }
    }
}

/// One value: a structure, a text, or what is written like one.
fn write_value(xml: &mut Xml, operation: &str, name: &str, value: &Value) {
    if let Some(members) = value.as_object() {
        xml.element(name, |xml| write_members(xml, operation, members));
    } else if let Some(text) = value.as_str() {
        xml.text(name, text);
    } else if !value.is_null() {
        xml.text(name, &value.to_string());
    }
}

/// The members of a result as the query protocol's JSON has them: named as in XML, and a list of one as its item.
fn named_as_in_xml(operation: &str, members: &Map<String, Value>) -> Value {
    let mut named = Map::new();
    for (name, value) in members {
        let (part_name, (key_name, value_name)) = item_name(operation, name);
        if let Some(items) = value.as_array() {
            let shown = |item: &Value| {
                let members = item.as_object();
                members.map_or_else(
                    || item.clone(),
                    |members| named_as_in_xml(operation, members),
                )
            };
            let items: Vec<Value> = items.iter().map(shown).collect();
            let only = match <[Value; 1]>::try_from(items) {
                Ok([only]) => only,
                Err(items) => Value::Array(items),
            };
            named.insert(part_name, only);
        } else if let Some(entries) = value.as_object() {
            let entries = entries.iter();
            let entries = entries.map(|(key, value)| json!({ key_name: key, value_name: value }));
            named.insert(part_name, Value::Array(entries.collect()));
        } else {
            named.insert(name.clone(), value.clone());
        }
    }
    Value::Object(named)
}
