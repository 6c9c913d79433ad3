//! What is said of events once they were handled or given up.
//!
//! Lives here: dead letters and the records of destinations, as deliveries of their own.
//! Does not live here: when an event is given up (`asynchronous`, `dispatch`, `plan`).
//!
//! Contract: AWS Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations" and "Retain discarded
//! records"; Amazon EventBridge User Guide, "Using dead-letter queues to process undelivered events".

use std::time::Duration;

use bytes::Bytes;
use model::arn::Arn;
use model::delivery::{Attribute, Delivery, Message, Retries, Sender, SenderPrincipal, Target};
use model::function::Function;
use model::time::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// How often and how long dead letters and records are tried.
const OF_LETTERS: Retries = Retries {
    retries_max: 100,
    age_max: Duration::from_secs(6 * 3_600),
};
/// Characters of an error's words that a dead letter carries: its first kilobyte.
const ERROR_BYTES_MAX: usize = 1_024;

/// Why an event was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It never can be delivered.
    Refused,
    /// It was tried as often as allowed.
    RetriesExhausted,
    /// Its function may not run at all: nothing is reserved for it.
    NothingReserved,
    /// It became too old.
    AgeExceeded,
    /// It comes from a loop of its function.
    Recursive,
}

/// How an asynchronous invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Success,
    Failed(Ending),
}

/// The end of an asynchronous invocation.
pub(crate) struct Invoked<'a> {
    pub(crate) delivery: &'a Delivery,
    pub(crate) function: &'a Function,
    pub(crate) request_id: &'a str,
    pub(crate) condition: Condition,
    pub(crate) attempts: u32,
    pub(crate) now: Timestamp,
    /// What the last reply was, if there was one.
    pub(crate) reply: Option<Replied>,
    /// Why it failed, in words.
    pub(crate) reason: String,
}

/// What a function replied.
#[derive(Debug, Clone)]
pub(crate) struct Replied {
    pub(crate) payload: Bytes,
    pub(crate) executed_version: String,
    pub(crate) is_error: bool,
}

/// What a sender's dead letters get. None when it has no place for them.
pub(crate) fn of_sender(
    delivery: &Delivery,
    ending: Ending,
    (code, words): (&str, &str),
    attempts: u32,
    now: Timestamp,
) -> Option<Delivery> {
    let target = delivery.dead_letters.clone()?;
    let mut message = match delivery.message.dead_letter.as_deref() {
        Some(letter) => letter.clone(),
        None => Message {
            dead_letter: None,
            retry_delays_s: Vec::new(),
            ..delivery.message.clone()
        },
    };
    message
        .attributes
        .extend(attributes_of(delivery, ending, (code, words), attempts));
    Some(Delivery {
        id: delivery.id.clone(),
        target: Target::Resource(target),
        sender: delivery.sender.clone(),
        message,
        retries: OF_LETTERS,
        dead_letters: None,
        order: delivery.order.clone(),
        accepted_at: now,
    })
}

/// Rules and schedules say why; topics send what their subscriber would have got.
fn attributes_of(
    delivery: &Delivery,
    ending: Ending,
    (code, words): (&str, &str),
    attempts: u32,
) -> Vec<Attribute> {
    let source = delivery.sender.source.as_ref();
    let name = match source.map(|source| source.service.as_str()) {
        Some("events") => "RULE_ARN",
        Some("scheduler") => "SCHEDULE_ARN",
        Some(_) | None => return Vec::new(),
    };
    let target = delivery.target.arn().map(ToString::to_string);
    let mut attributes = vec![
        text(name, source.map(ToString::to_string).unwrap_or_default()),
        text("TARGET_ARN", target.unwrap_or_default()),
        text("ERROR_CODE", bus_code(code).to_owned()),
        text("ERROR_MESSAGE", cut(words).to_owned()),
    ];
    let condition = match ending {
        Ending::Refused | Ending::NothingReserved | Ending::Recursive => None,
        Ending::RetriesExhausted => Some("MaximumRetryAttempts"),
        Ending::AgeExceeded => Some("MaximumEventAgeInSeconds"),
    };
    if let Some(condition) = condition {
        let retries = attempts.saturating_sub(1).to_string();
        attributes.push(text("EXHAUSTED_RETRY_CONDITION", condition.to_owned()));
        attributes.push(text("RETRY_ATTEMPTS", retries));
    }
    attributes
}

/// `EventBridge`'s own word for a target's error.
fn bus_code(code: &str) -> &'static str {
    let code = code.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| code.contains(word));
    if says(&["denied", "authoriz", "forbidden"]) {
        "NO_PERMISSIONS"
    } else if says(&["nonexistent", "notfound", "nosuch"]) {
        "NO_RESOURCE"
    } else if says(&["throttl", "toomany"]) {
        "THROTTLING"
    } else {
        "ERROR_FROM_TARGET"
    }
}

/// What the dead letters of a function get: the event, and why.
pub(crate) fn of_function(target: &Arn, invoked: &Invoked<'_>) -> Delivery {
    let status = match &invoked.condition {
        _ if invoked.reply.is_some() => "200",
        Condition::Failed(Ending::Recursive) => "400",
        Condition::Success | Condition::Failed(_) => "429",
    };
    let attributes = vec![
        text("RequestID", invoked.request_id.to_owned()),
        Attribute {
            name: "ErrorCode".to_owned(),
            data_type: "Number".to_owned(),
            value: status.to_owned(),
        },
        text("ErrorMessage", error_message(invoked)),
    ];
    let message = Message {
        body: invoked.delivery.message.body.clone(),
        attributes,
        ..Message::default()
    };
    letter(
        target,
        invoked.function,
        invoked.request_id,
        message,
        invoked.now,
    )
}

/// The message of the function's error, or why it was never called.
fn error_message(invoked: &Invoked<'_>) -> String {
    let payload = invoked.reply.as_ref().map(|reply| &reply.payload);
    let read: Option<Value> = payload.and_then(|payload| serde_json::from_slice(payload).ok());
    let message = read
        .as_ref()
        .and_then(|error| error.get("errorMessage")?.as_str());
    cut(message.unwrap_or(&invoked.reason)).to_owned()
}

/// What Lambda calls an ending.
fn words_for(condition: &Condition) -> &'static str {
    match condition {
        Condition::Success => "Success",
        Condition::Failed(Ending::AgeExceeded) => "EventAgeExceeded",
        Condition::Failed(Ending::NothingReserved) => "ZeroReservedConcurrency",
        // No document names it.
        Condition::Failed(Ending::Recursive) => "RecursiveInvocation",
        Condition::Failed(Ending::RetriesExhausted | Ending::Refused) => "RetriesExhausted",
    }
}

/// What a destination gets.
pub(crate) fn of_destination(target: &Arn, invoked: &Invoked<'_>) -> Delivery {
    let version = invoked
        .reply
        .as_ref()
        .map(|reply| reply.executed_version.as_str());
    let qualifier = invoked.delivery.target.arn().and_then(Arn::function);
    let qualifier = qualifier.and_then(|(_, qualifier)| qualifier);
    let qualifier = qualifier.as_deref().or(version).unwrap_or("$LATEST");
    let function_arn = format!("{}:{qualifier}", invoked.function.arn);
    let condition = words_for(&invoked.condition);
    let mut context = Map::new();
    if let Some(reply) = &invoked.reply {
        context.insert("statusCode".to_owned(), json!(200));
        context.insert("executedVersion".to_owned(), json!(reply.executed_version));
        if reply.is_error {
            context.insert("functionError".to_owned(), json!("Unhandled"));
        }
    }
    let head = [
        ("version", json!("1.0")),
        ("timestamp", json!(iso_ms(invoked.now))),
        (
            "requestContext",
            json!({
                "requestId": invoked.request_id,
                "functionArn": function_arn,
                "condition": condition,
                "approximateInvokeCount": invoked.attempts,
            }),
        ),
    ];
    let mut record = String::from("{");
    for (name, value) in head {
        record.push_str(&format!("\"{name}\":{value},"));
    }
    record.push_str("\"requestPayload\":");
    record.push_str(&as_json(&invoked.delivery.message.body));
    if let Some(reply) = &invoked.reply {
        record.push_str(&format!(",\"responseContext\":{}", Value::Object(context)));
        record.push_str(",\"responsePayload\":");
        record.push_str(&as_json(&reply.payload));
    }
    record.push('}');
    let mut message = Message {
        body: record.into(),
        ..Message::default()
    };
    if target.service == "events" {
        let said = match invoked.condition {
            Condition::Success => "Success",
            Condition::Failed(_) => "Failure",
        };
        let entry = json!({
            "source": "lambda",
            "detail-type": format!("Lambda Function Invocation Result - {said}"),
            "time": iso_s(invoked.now),
            "resources": [target.to_string(), function_arn],
        });
        message.entry = Some(entry.to_string());
    }
    letter(
        target,
        invoked.function,
        invoked.request_id,
        message,
        invoked.now,
    )
}

/// Something that Lambda sends for a function, with the rights of its role.
pub(crate) fn letter(
    target: &Arn,
    function: &Function,
    id: &str,
    message: Message,
    now: Timestamp,
) -> Delivery {
    Delivery {
        id: id.to_owned(),
        target: Target::Resource(target.clone()),
        sender: Sender {
            principal: SenderPrincipal::Role(function.role.clone()),
            source: Some(function.arn.clone()),
            account: function.account.clone(),
        },
        message,
        retries: OF_LETTERS,
        dead_letters: None,
        order: None,
        accepted_at: now,
    }
}

/// JSON as it is, and anything else as a text.
fn as_json(bytes: &Bytes) -> String {
    if bytes.is_empty() {
        return "null".to_owned();
    }
    match serde_json::from_slice::<&RawValue>(bytes) {
        Ok(raw) => raw.get().to_owned(),
        Err(_) => Value::from(String::from_utf8_lossy(bytes).into_owned()).to_string(),
    }
}

fn text(name: &str, value: String) -> Attribute {
    Attribute {
        name: name.to_owned(),
        data_type: "String".to_owned(),
        value,
    }
}

fn cut(words: &str) -> &str {
    let mut end = words.len().min(ERROR_BYTES_MAX);
    while !words.is_char_boundary(end) {
        end -= 1;
    }
    words.get(..end).unwrap_or_default()
}

/// `2019-11-14T18:16:05.568Z`.
pub(crate) fn iso_ms(time: Timestamp) -> String {
    let ms = time.epoch_ms().rem_euclid(1_000);
    format!("{}.{ms:03}Z", date_and_time(time))
}

/// `2019-11-14T18:16:05Z`.
pub(crate) fn iso_s(time: Timestamp) -> String {
    format!("{}Z", date_and_time(time))
}

/// The proleptic Gregorian calendar, by Howard Hinnant's `civil_from_days`.
fn date_and_time(time: Timestamp) -> String {
    let seconds = time.epoch_s();
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_cloud_does() {
        for (us, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_573_755_365_568_000, "2019-11-14T18:16:05.568Z"),
            (1_709_164_800_000_000, "2024-02-29T00:00:00.000Z"),
        ] {
            assert_eq!(iso_ms(Timestamp::from_micros(us)), text);
        }
    }

    #[test]
    fn a_bus_gets_an_entry_and_the_record_as_its_detail() {
        let function = test_kit::function("work");
        let bus = Arn::parse("arn:aws:events:us-east-1:000000000000:event-bus/b").unwrap();
        let event = letter(
            &function.arn,
            &function,
            "r",
            Message::default(),
            Timestamp::from_micros(0),
        );
        let invoked = Invoked {
            delivery: &event,
            function: &function,
            request_id: "r",
            condition: Condition::Failed(Ending::AgeExceeded),
            attempts: 0,
            now: Timestamp::from_micros(1_573_755_365_568_000),
            reply: None,
            reason: String::new(),
        };
        let told = of_destination(&bus, &invoked);
        let entry: Value = serde_json::from_str(&told.message.entry.unwrap()).unwrap();
        assert_eq!(
            entry,
            json!({
                "source": "lambda",
                "detail-type": "Lambda Function Invocation Result - Failure",
                "time": "2019-11-14T18:16:05Z",
                "resources": [bus.to_string(), format!("{}:$LATEST", function.arn)],
            })
        );
        let detail: Value = serde_json::from_slice(&told.message.body).unwrap();
        assert_eq!(
            detail,
            json!({
                "version": "1.0",
                "timestamp": "2019-11-14T18:16:05.568Z",
                "requestContext": {
                    "requestId": "r",
                    "functionArn": format!("{}:$LATEST", function.arn),
                    "condition": "EventAgeExceeded",
                    "approximateInvokeCount": 0,
                },
                "requestPayload": null,
            })
        );
    }

    #[test]
    fn an_errors_words_are_cut_between_characters() {
        let long = "é".repeat(ERROR_BYTES_MAX);
        assert_eq!(cut(&long).len(), ERROR_BYTES_MAX);
        assert_eq!(cut(&format!("a{long}")).len(), ERROR_BYTES_MAX - 1);
        assert_eq!(cut("short"), "short");
    }
}
