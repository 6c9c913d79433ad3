//! Events that are put on buses.

use model::time::Timestamp;
use serde_json::{Value, json};

use super::{BusRef, Context};
use crate::engine::publish::{About, Sent, text};
use crate::engine::rows::Json;
use crate::fault::{Answer, Fault};
use crate::fields::Fields;
use crate::times;

const ENTRIES_MAX: usize = 10;
/// Bytes of all entries of a request.
const BYTES_MAX: usize = 256 * 1024;
/// Contract: `PutEventsRequestEntry`, `TraceHeader`.
const TRACE_LETTERS_MAX: usize = 500;
/// What a time counts for.
const TIME_BYTES: usize = 14;

pub(super) async fn put_events(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("PutEvents", &["EndpointId"])?;
    let entries = match fields.take("Entries") {
        Some(Value::Array(entries)) => entries,
        Some(_) | None => {
            fields.violate(None, "entries", "not be null");
            Vec::new()
        }
    };
    if ENTRIES_MAX < entries.len() {
        let shown: Vec<String> = entries.iter().map(shown).collect();
        let shown = format!("[{}]", shown.join(", "));
        fields.violate(
            Some(&shown),
            "entries",
            "have length less than or equal to 10",
        );
    }
    for (number, entry) in (1..).zip(&entries) {
        let trace = entry.get("TraceHeader").and_then(Value::as_str);
        if let Some(trace) = trace.filter(|trace| TRACE_LETTERS_MAX < trace.chars().count()) {
            let member = format!("entries.{number}.member.traceHeader");
            let rule = format!("have length less than or equal to {TRACE_LETTERS_MAX}");
            fields.violate(Some(trace), &member, &rule);
        }
    }
    fields.finish()?;
    if BYTES_MAX < entries.iter().map(size).sum() {
        return Err(Fault::validation(
            "Total size of the entries in the request is over the limit.",
        ));
    }
    let now = context.catalogue.clock.now();
    let random = &*context.catalogue.random;
    let (mut answers, mut deliveries, mut failed) = (Vec::new(), Vec::new(), 0);
    let mut archived = Vec::new();
    for entry in &entries {
        let empty = Json::new();
        let entry = entry.as_object().unwrap_or(&empty);
        match read(context, entry, now) {
            Ok(sent) => {
                let bus = BusRef::read(text(entry, "EventBusName"), context.place);
                // Contract: an event for a bus that is not there is accepted, and nobody gets it.
                let shelf = context.catalogue.shelf(&bus.place).await?;
                shelf.look(|state| {
                    deliveries.extend(sent.on_bus(state, &bus.name, random));
                    archived.extend(sent.to_archives(state, &bus.name));
                });
                answers.push(json!({"EventId": sent.about.id}));
            }
            Err((code, message)) => {
                failed += 1;
                answers.push(json!({"ErrorCode": code, "ErrorMessage": message}));
            }
        }
    }
    let keeping = context.catalogue.send_and_keep(&deliveries, archived);
    keeping.await?;
    Ok(json!({"FailedEntryCount": failed, "Entries": answers}))
}

/// Contract: `PutEventsResultEntry`, `ErrorCode`.
fn read(
    context: &Context<'_>,
    entry: &Json,
    now: Timestamp,
) -> Result<Sent, (&'static str, String)> {
    let required = |name: &str| {
        let given = text(entry, name).filter(|text| !text.is_empty());
        given.ok_or_else(|| {
            let message =
                format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
            ("InvalidArgument", message)
        })
    };
    let source = required("Source")?;
    let detail_type = required("DetailType")?;
    let detail = required("Detail")?;
    if source.starts_with("aws.") {
        let message = "Not authorized for the source.".to_owned();
        return Err(("NotAuthorizedForSourceException", message));
    }
    let is_object = serde_json::from_str::<Value>(detail).is_ok_and(|detail| detail.is_object());
    if !is_object {
        return Err(("MalformedDetail", "Detail is malformed.".to_owned()));
    }
    let resources = entry.get("Resources").and_then(Value::as_array);
    let resources = resources.into_iter().flatten().filter_map(Value::as_str);
    let trace = text(entry, "TraceHeader").or(context.trace);
    if trace.is_some_and(|trace| {
        trace
            .chars()
            .any(|letter| letter.is_control() && letter != '\t')
    }) {
        // It becomes a variable of functions, which takes no NUL, and a header.
        let message =
            "Parameter TraceHeader is not valid. Reason: TraceHeader is a header of one line.";
        return Err(("InvalidArgument", message.to_owned()));
    }
    Ok(Sent {
        about: About {
            id: context.catalogue.random.request_id().to_string(),
            detail_type: detail_type.to_owned(),
            source: source.to_owned(),
            account: context.place.account.to_string(),
            time: times::iso(entry.get("Time").and_then(time).unwrap_or(now)),
            region: context.place.region.to_string(),
            resources: resources.map(str::to_owned).collect(),
            hops: 0,
            events_max: None,
            replay_name: None,
        },
        detail: detail.to_owned(),
        // Loops that lead through a bus are none that Lambda follows.
        trace: trace.map(model::lineage::without),
        ingested_at: now,
    })
}

pub(super) fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => times::parse_iso(text),
        Value::Number(seconds) => {
            let ms = seconds.as_f64()? * 1_000.0;
            let is_within = ms.abs() < 1e15;
            #[expect(clippy::cast_possible_truncation, reason = "it was bounded just now")]
            let us = is_within.then_some(ms as i64)?.checked_mul(1_000)?;
            Some(Timestamp::from_micros(us))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Contract: Amazon EventBridge User Guide, "Calculating `PutEvents` event entry size".
fn size(entry: &Value) -> usize {
    let length = |name: &str| entry.get(name).and_then(Value::as_str).map_or(0, str::len);
    let resources = entry.get("Resources").and_then(Value::as_array);
    let resources = resources.into_iter().flatten().filter_map(Value::as_str);
    let time = entry.get("Time").map_or(0, |_| TIME_BYTES);
    let texts = length("Source") + length("DetailType") + length("Detail");
    time + texts + resources.map(str::len).sum::<usize>()
}

/// An entry as the cloud prints it when there are too many.
fn shown(entry: &Value) -> String {
    let member = |name: &str| match entry.get(name) {
        None | Some(Value::Null) => "null".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => {
            let texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            format!("[{}]", texts.join(", "))
        }
        Some(other) => other.to_string(),
    };
    format!(
        "PutEventsRequestEntry(time={}, source={}, resources={}, detailType={}, detail={}, eventBusName={}, traceHeader={}, kmsKeyIdentifier=null, internalMetadata=null)",
        member("Time"),
        member("Source"),
        member("Resources"),
        member("DetailType"),
        member("Detail"),
        member("EventBusName"),
        member("TraceHeader"),
    )
}
