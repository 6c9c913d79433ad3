//! Which records and messages a mapping is about.
//!
//! Lives here: what a pattern is matched with, for each kind of source.
//! Does not live here: patterns themselves (`patterns`).
//!
//! Contract: AWS Lambda Developer Guide, "Control which events Lambda sends to your function": of a queue's message `body` is
//! matched as JSON where the pattern asks for members of it, as a text where it asks for texts, and a message whose body is
//! of the other kind is not wanted. Of a Kinesis record `data` is matched, decoded, likewise.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::event_source::Mapping;
use patterns::Pattern;
use serde_json::Value;

/// The patterns of a mapping.
pub(crate) struct Filters {
    filters: Vec<Filter>,
    source: Source,
}

struct Filter {
    pattern: Pattern,
    /// Whether it asks for members of the body.
    wants_members: bool,
}

/// What a pattern is matched with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A record as it is.
    Table,
    /// A message, its body read as JSON where it is asked for.
    Queue,
    /// What `kinesis` holds, its data decoded.
    Stream,
}

impl Filters {
    /// Whoever made the mapping has refused patterns that cannot be read.
    pub(crate) fn of(mapping: &Mapping) -> Self {
        let source = match mapping.source.service.as_str() {
            "sqs" => Source::Queue,
            "kinesis" => Source::Stream,
            _ => Source::Table,
        };
        let filters = mapping.filters.iter().filter_map(|text| {
            let written: Value = serde_json::from_str(text).ok()?;
            Some(Filter {
                pattern: Pattern::read(&written).ok()?,
                wants_members: written.get(source.body()).is_some_and(Value::is_object),
            })
        });
        Self {
            filters: filters.collect(),
            source,
        }
    }

    /// Whether this element of `Records` is to be delivered.
    pub(crate) fn want(&self, payload: &[u8]) -> bool {
        if self.filters.is_empty() {
            return true;
        }
        // A source writes JSON; what is none matches nothing.
        let Ok(event) = serde_json::from_slice::<Value>(payload) else {
            return false;
        };
        match self.source {
            Source::Table => self.any(&event, None),
            Source::Queue => {
                let read = event.get("body").and_then(Value::as_str);
                let read = read.and_then(|body| serde_json::from_str(body).ok());
                self.any(&event, read)
            }
            Source::Stream => {
                let mut record = event.get("kinesis").cloned().unwrap_or(Value::Null);
                let data = record.get("data").and_then(Value::as_str);
                let data = data.and_then(|data| STANDARD.decode(data).ok());
                let text = data
                    .as_deref()
                    .and_then(|data| std::str::from_utf8(data).ok());
                let read = text.and_then(|text| serde_json::from_str(text).ok());
                let text = text.map(Value::from);
                if let (Some(members), Some(text)) = (record.as_object_mut(), text) {
                    members.insert("data".to_owned(), text);
                }
                self.any(&record, read)
            }
        }
    }

    /// `read` is the body as JSON, when it is JSON.
    fn any(&self, event: &Value, read: Option<Value>) -> bool {
        let mut with_members = event.clone();
        let has_members = read.as_ref().is_some_and(Value::is_object);
        if let (Some(members), Some(read)) = (with_members.as_object_mut(), read) {
            members.insert(self.source.body().to_owned(), read);
        }
        self.filters.iter().any(|filter| {
            if !filter.wants_members {
                return filter.pattern.matches(event);
            }
            let is_readable = has_members || self.source == Source::Table;
            is_readable && filter.pattern.matches(&with_members)
        })
    }
}

impl Source {
    fn body(self) -> &'static str {
        match self {
            Self::Queue => "body",
            Self::Stream => "data",
            // No member of a record of a table is called so: its records are matched as they are.
            Self::Table => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use model::arn::Arn;
    use serde_json::json;

    use super::*;

    fn wants(service: &str, pattern: &Value, record: &Value) -> bool {
        let mapping = Mapping {
            source: Arn::parse(&format!("arn:aws:{service}:us-east-1:000000000000:it")).unwrap(),
            filters: vec![pattern.to_string()],
            ..crate::tests::mapping()
        };
        Filters::of(&mapping).want(record.to_string().as_bytes())
    }

    #[test]
    fn bodies_of_messages_are_matched_as_what_the_pattern_asks_for() {
        let members = json!({"body": {"kind": ["order"]}});
        let texts = json!({"body": ["order"]});
        for (pattern, body, wanted) in [
            (&members, r#"{"kind": "order"}"#, true),
            (&members, r#"{"kind": "other"}"#, false),
            (&members, "order", false),
            (&texts, "order", true),
            (&texts, r#"{"kind": "order"}"#, false),
        ] {
            let message = json!({"messageId": "1", "body": body});
            assert_eq!(wants("sqs", pattern, &message), wanted, "{pattern} {body}");
        }
        let attribute = json!({"messageAttributes": {"a": {"stringValue": ["1"]}}});
        let message = json!({"body": "x", "messageAttributes": {"a": {"stringValue": "1"}}});
        assert!(wants("sqs", &attribute, &message));
    }

    #[test]
    fn data_of_streams_is_decoded_before_it_is_matched() {
        let record = |data: &str| {
            let data = STANDARD.encode(data);
            json!({"kinesis": {"partitionKey": "k", "data": data}, "eventName": "aws:kinesis:record"})
        };
        let members = json!({"data": {"kind": ["order"]}});
        assert!(wants("kinesis", &members, &record(r#"{"kind":"order"}"#)));
        assert!(!wants("kinesis", &members, &record("order")));
        assert!(wants(
            "kinesis",
            &json!({"data": ["order"]}),
            &record("order")
        ));
        assert!(wants(
            "kinesis",
            &json!({"partitionKey": ["k"]}),
            &record("order")
        ));
    }

    #[test]
    fn without_patterns_everything_is_wanted() {
        let mapping = crate::tests::mapping();
        assert!(Filters::of(&mapping).want(b"{"));
    }
}
