//! The members of a request.
//!
//! Lives here: taking them one by one, with the violations of their constraints in the cloud's words.
//! Does not live here: which operation has which members (`kinesis`).
//!
//! Contract: the service model of Kinesis.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::time::Timestamp;
use serde_json::Value;

use crate::cbor::{self, Wire};
use crate::engine::rows::{Json, Tags};
use crate::fault::Fault;

/// Violations that are told at once.
const VIOLATIONS_MAX: usize = 10;
/// Tags of a resource.
const TAGS_MAX: usize = 50;

/// A pattern as it is told, and whether a text has it.
type Shape = (&'static str, fn(&str) -> bool);

/// What a text has to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text {
    pub(crate) least: usize,
    pub(crate) most: usize,
    /// A pattern as it is told, and whether a text has it.
    pub(crate) shape: Option<Shape>,
    pub(crate) choices: &'static [&'static str],
}

impl Text {
    /// Of these lengths.
    pub(crate) const fn long(least: usize, most: usize) -> Self {
        Self {
            least,
            most,
            shape: None,
            choices: &[],
        }
    }

    /// Of this shape.
    pub(crate) const fn shaped(mut self, told: &'static str, holds: fn(&str) -> bool) -> Self {
        self.shape = Some((told, holds));
        self
    }

    /// One of these.
    pub(crate) const fn one_of(choices: &'static [&'static str]) -> Self {
        Self {
            least: 0,
            most: usize::MAX,
            shape: None,
            choices,
        }
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !text.is_empty() && text.bytes().all(allowed)
}

/// Names of streams, consumers and shards.
pub(crate) const NAME: Text = Text::long(1, 128).shaped("[a-zA-Z0-9_.-]+", is_name);
/// ARNs of streams.
pub(crate) const STREAM_ARN: Text = Text::long(1, 2_048)
    .shaped("arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+", |text| {
        text.starts_with("arn:aws") && text.contains(":stream/") && !text.ends_with('/')
    });
/// ARNs.
pub(crate) const ARN: Text = Text::long(1, 2_048);
/// Partition keys.
pub(crate) const PARTITION_KEY: Text = Text::long(1, 256);
/// Hashes.
pub(crate) const HASH_KEY: Text = Text::long(0, 64).shaped("0|([1-9]\\d{0,38})", |text| {
    is_number(text) && text.len() <= 39
});
/// Sequence numbers.
pub(crate) const SEQUENCE: Text = Text::long(0, 200).shaped("0|([1-9]\\d{0,128})", |text| {
    is_number(text) && text.len() <= 129
});
/// Tokens of further pages.
pub(crate) const TOKEN: Text = Text::long(1, 1_048_576);

fn is_number(text: &str) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0'))
}

/// The members of one object of a request.
#[derive(Debug)]
pub(crate) struct Fields {
    members: Json,
    violations: Vec<String>,
}

impl Fields {
    /// The members of a body; an empty one has none.
    pub(crate) fn of_body(body: &[u8], wire: Wire) -> Result<Self, Fault> {
        let value = match body {
            [] => Value::Object(Json::new()),
            body if wire == Wire::Cbor => cbor::decode(body)
                .map_err(|_| Fault::new("SerializationException", "The body is not CBOR"))?,
            body => serde_json::from_slice(body)
                .map_err(|_| Fault::new("SerializationException", "The body is not JSON"))?,
        };
        match value {
            Value::Object(members) => Ok(Self::of(members)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(Fault::new(
                "SerializationException",
                "The body is not an object",
            )),
        }
    }

    pub(crate) fn of(members: Json) -> Self {
        Self {
            members,
            violations: Vec::new(),
        }
    }

    /// Takes a member as it is.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a text that has to keep to this.
    pub(crate) fn text(&mut self, name: &str, rule: &Text) -> Option<String> {
        let value = self.take(name)?;
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        self.judge(&text, &lower(name), rule);
        Some(text)
    }

    /// Takes a text that has to be there.
    pub(crate) fn required(&mut self, name: &str, rule: &Text) -> String {
        match self.text(name, rule) {
            Some(text) => text,
            None => {
                self.violate(None, &lower(name), "not be null");
                String::new()
            }
        }
    }

    /// Takes a whole number within bounds.
    pub(crate) fn whole(&mut self, name: &str, least: i64, most: i64) -> Option<i64> {
        let number = self.take(name)?.as_i64().unwrap_or(i64::MIN);
        let shown = number.to_string();
        if number < least {
            let rule = format!("have value greater than or equal to {least}");
            self.violate(Some(&shown), &lower(name), &rule);
        }
        if most < number {
            let rule = format!("have value less than or equal to {most}");
            self.violate(Some(&shown), &lower(name), &rule);
        }
        Some(number)
    }

    /// Takes a whole number that has to be there.
    pub(crate) fn required_whole(&mut self, name: &str, least: i64, most: i64) -> i64 {
        if let Some(number) = self.whole(name, least, most) {
            return number;
        }
        self.violate(None, &lower(name), "not be null");
        least
    }

    /// Takes a limit of what is listed.
    pub(crate) fn limit(&mut self, name: &str, most: i64, usual: usize) -> usize {
        let given = self.whole(name, 1, most);
        given.map_or(usual, |limit| usize::try_from(limit).unwrap_or(usual))
    }

    /// Takes a time.
    pub(crate) fn time(&mut self, name: &str) -> Option<Timestamp> {
        let seconds = self.take(name)?.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "times beyond that are the last one"
        )]
        let ms = (seconds * 1_000.0).round() as i64;
        Some(Timestamp::from_micros(ms.saturating_mul(1_000)))
    }

    /// Takes bytes.
    pub(crate) fn blob(&mut self, name: &str) -> Result<Option<Bytes>, Fault> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let read = value.as_str().and_then(|text| STANDARD.decode(text).ok());
        let bytes = read.ok_or_else(|| {
            let message = format!("The member {name} is not in base64");
            Fault::new("SerializationException", message)
        })?;
        Ok(Some(bytes.into()))
    }

    /// Takes texts.
    pub(crate) fn texts(&mut self, name: &str, least: usize, most: usize) -> Vec<String> {
        let Some(value) = self.take(name) else {
            self.violate(None, &lower(name), "not be null");
            return Vec::new();
        };
        let listed = value.as_array().into_iter().flatten();
        let texts: Vec<String> = listed
            .filter_map(|text| text.as_str().map(str::to_owned))
            .collect();
        let shown = format!("[{}]", texts.join(", "));
        if texts.len() < least {
            let rule = format!("have length greater than or equal to {least}");
            self.violate(Some(&shown), &lower(name), &rule);
        }
        if most < texts.len() {
            let rule = format!("have length less than or equal to {most}");
            self.violate(Some(&shown), &lower(name), &rule);
        }
        texts
    }

    /// Takes `Tags`, an object of texts.
    pub(crate) fn tags(&mut self) -> Result<Option<Tags>, Fault> {
        let Some(value) = self.take("Tags") else {
            return Ok(None);
        };
        let mut tags = Tags::new();
        for (key, value) in value.as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            self.judge(key, "tags", &Text::long(1, 128));
            self.judge(value, "tags", &Text::long(0, 256));
            tags.insert(key.clone(), value.to_owned());
        }
        judge_tags(&tags)?;
        Ok(Some(tags))
    }

    /// Notes what a text does not keep to.
    pub(crate) fn judge(&mut self, text: &str, path: &str, rule: &Text) {
        if let Some((told, holds)) = rule.shape
            && !holds(text)
        {
            let told = format!("satisfy regular expression pattern: {told}");
            self.violate(Some(text), path, &told);
        }
        if !rule.choices.is_empty() && !rule.choices.contains(&text) {
            let told = format!("satisfy enum value set: [{}]", rule.choices.join(", "));
            self.violate(Some(text), path, &told);
        }
        let length = text.chars().count();
        if length < rule.least {
            let told = format!("have length greater than or equal to {}", rule.least);
            self.violate(Some(text), path, &told);
        }
        if rule.most < length {
            let told = format!("have length less than or equal to {}", rule.most);
            self.violate(Some(text), path, &told);
        }
    }

    pub(crate) fn violate(&mut self, value: Option<&str>, path: &str, rule: &str) {
        let shown = value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
        self.violations.push(format!(
            "Value {shown} at '{path}' failed to satisfy constraint: Member must {rule}"
        ));
    }

    /// Refuses members that the service knows and we do not carry out.
    pub(crate) fn refuse(&self, operation: &str, names: &[&str]) -> Result<(), Fault> {
        let given = names.iter().find(|name| {
            self.members
                .get(**name)
                .is_some_and(|value| !value.is_null())
        });
        match given {
            Some(name) => {
                let what = format!("{operation} with the parameter {name}");
                Err(Fault::not_implemented(&what))
            }
            None => Ok(()),
        }
    }

    /// Tells the violations.
    pub(crate) fn finish(&self) -> Result<(), Fault> {
        let count = self.violations.len();
        if count == 0 {
            return Ok(());
        }
        let plural = if count == 1 { "" } else { "s" };
        let told: Vec<&str> = self
            .violations
            .iter()
            .take(VIOLATIONS_MAX)
            .map(String::as_str)
            .collect();
        Err(Fault::validation(format!(
            "{count} validation error{plural} detected: {}",
            told.join("; ")
        )))
    }
}

/// `AuthorizationType` is told as `authorizationType`.
fn lower(name: &str) -> String {
    let mut chars = name.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// A resource has so many tags at most.
pub(crate) fn judge_tags(tags: &Tags) -> Result<(), Fault> {
    if TAGS_MAX < tags.len() {
        let message = format!("A resource has {TAGS_MAX} tags at most.");
        return Err(Fault::argument(message));
    }
    Ok(())
}

/// Sets a member of what is an object.
pub(crate) fn insert(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value.into());
    }
}
