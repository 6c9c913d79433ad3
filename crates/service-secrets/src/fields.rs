//! The members of a request.
//!
//! Lives here: taking them one by one, with the violations of their constraints in the cloud's words.
//! Does not live here: which operation has which members (`kms`, `secretsmanager`, `ssm`).
//!
//! Contract: the service models; the words are those of the recorded answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::time::Timestamp;
use serde_json::{Number, Value};

use crate::engine::rows::{Json, Tags};
use crate::fault::Fault;

/// Violations that are told at once.
const VIOLATIONS_MAX: usize = 10;
/// Tags of a resource.
pub(crate) const TAGS_MAX: usize = 50;

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

/// The members of one object of a request.
#[derive(Debug)]
pub(crate) struct Fields {
    members: Json,
    violations: Vec<String>,
}

impl Fields {
    /// The members of a body; an empty one has none.
    pub(crate) fn of_body(body: &[u8]) -> Result<Self, Fault> {
        let value = match body {
            [] => Value::Object(Json::new()),
            body => serde_json::from_slice(body)
                .map_err(|_| Fault::serialization("The body is not JSON"))?,
        };
        match value {
            Value::Object(members) => Ok(Self::of(members)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(Fault::serialization("The body is not an object")),
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
        let text = text_of(&value);
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

    /// Takes a flag.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name)?.as_bool()
    }

    /// Takes a list of texts; none when it is not there.
    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let value = self.take(name)?;
        let texts = value.as_array().into_iter().flatten();
        Some(
            texts
                .filter_map(|text| text.as_str().map(str::to_owned))
                .collect(),
        )
    }

    /// Takes bytes, which JSON tells in base64.
    pub(crate) fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let decoded = value.as_str().and_then(|text| STANDARD.decode(text).ok());
        match decoded {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(Fault::serialization("A blob is told in base64.")),
        }
    }

    /// Takes bytes that have to be there, and are not shown.
    pub(crate) fn required_bytes(&mut self, name: &str, most: usize) -> Result<Vec<u8>, Fault> {
        let Some(bytes) = self.bytes(name)? else {
            self.violate(None, &lower(name), "not be null");
            return Ok(Vec::new());
        };
        let mut hidden = |rule: String| {
            self.violations.push(format!(
                "Value at '{}' failed to satisfy constraint: Member must {rule}",
                lower(name)
            ));
        };
        if bytes.is_empty() {
            hidden("have length greater than or equal to 1".to_owned());
        }
        if most < bytes.len() {
            hidden(format!("have length less than or equal to {most}"));
        }
        Ok(bytes)
    }

    /// Takes `Tags`, whose members have these names; in their order, and twice if they come twice.
    pub(crate) fn tags(&mut self, key: &str, value: &str) -> Option<Vec<(String, String)>> {
        let list = self.take("Tags")?;
        let mut tags = Vec::new();
        let all = list.as_array().into_iter().flatten();
        for (tag, number) in all.zip(1..) {
            let member = |name: &str| tag.get(name).and_then(Value::as_str).unwrap_or_default();
            let path = |name: &str| format!("tags.{number}.member.{}", lower(name));
            self.judge(member(key), &path(key), &Text::long(1, 128));
            self.judge(member(value), &path(value), &Text::long(0, 256));
            tags.push((member(key).to_owned(), member(value).to_owned()));
        }
        Some(tags)
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

/// The members of a body as whoever checks a request sees them: each as [`Fields`] takes it, so that what is asked for is what
/// is carried out. A body that cannot be read has none.
#[derive(Debug)]
pub(crate) struct Asked(Json);

impl Asked {
    pub(crate) fn read(body: &[u8]) -> Self {
        Self(Fields::of_body(body).map_or_else(|_| Json::new(), |fields| fields.members))
    }

    /// A member as it is.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// As [`Fields::text`].
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(text_of)
    }

    /// A text that names something.
    pub(crate) fn named(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// As [`Fields::flag`].
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name)?.as_bool()
    }

    /// As [`Fields::texts`].
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let texts = self.get(name).and_then(Value::as_array);
        let texts = texts.into_iter().flatten();
        texts
            .filter_map(|text| text.as_str().map(str::to_owned))
            .collect()
    }

    /// As [`Fields::bytes`]; what cannot be read has none.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let text = self.get(name).and_then(Value::as_str);
        let bytes = text.and_then(|text| STANDARD.decode(text).ok());
        bytes.unwrap_or_default()
    }

    /// All of them.
    pub(crate) const fn members(&self) -> &Json {
        &self.0
    }
}

/// A scalar is taken for its text.
fn text_of(value: &Value) -> String {
    let text = value.as_str();
    text.map_or_else(|| value.to_string(), str::to_owned)
}

/// `AuthorizationType` is told as `authorizationType`.
fn lower(name: &str) -> String {
    let mut chars = name.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// A page of what is listed by its keys, and the token of the next. A token is nobody's to read: the last key in base64.
pub(crate) fn page<T>(
    all: impl Iterator<Item = (String, T)>,
    token: Option<&str>,
    limit: usize,
) -> (Vec<T>, Option<String>) {
    let after = token.map(|token| STANDARD.decode(token).unwrap_or_default());
    let is_later = |key: &str| {
        after
            .as_ref()
            .is_none_or(|after| after.as_slice() < key.as_bytes())
    };
    let mut rest = all.filter(|(key, _)| is_later(key));
    let mut listed = Vec::new();
    let mut last = None;
    for (key, one) in rest.by_ref().take(limit) {
        last = Some(STANDARD.encode(key));
        listed.push(one);
    }
    let token = rest.next().and(last);
    (listed, token)
}

/// Tags as the API tells them, under these names.
pub(crate) fn shown_tags(tags: &Tags, key: &str, value: &str) -> Vec<Value> {
    let shown = tags.iter().map(|(name, text)| {
        let mut tag = Json::new();
        tag.insert(key.to_owned(), name.as_str().into());
        tag.insert(value.to_owned(), text.as_str().into());
        Value::Object(tag)
    });
    shown.collect()
}

/// Sets a member of what is told, if there is one.
pub(crate) fn insert_some(told: &mut Json, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        told.insert(name.to_owned(), value.into());
    }
}

/// Seconds since the epoch, as JSON 1.1 tells times.
pub(crate) fn seconds(at: Timestamp) -> Value {
    let ms = Number::from(at.epoch_ms());
    let seconds = ms.as_f64().unwrap_or_default() / 1_000.0;
    seconds.into()
}
