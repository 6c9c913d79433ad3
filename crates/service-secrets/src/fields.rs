//! The members of a request.
//!
//! Lives here: those that are not shown, tags, and what whoever checks a request sees of them.
//! Does not live here: taking them one by one (`aws_wire::members`), which operation has which members (`kms`, `secretsmanager`, `ssm`).
//!
//! Contract: the service models; the words are those of the recorded answers.

use aws_wire::members::{MemberFault, Members, lower, text_of};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::time::Timestamp;
use serde_json::{Number, Value};

use crate::engine::rows::{Json, Tags};
use crate::fault::Fault;

pub(crate) use aws_wire::members::{Text, page};

/// Tags of a resource.
pub(crate) const TAGS_MAX: usize = 50;

/// The members of one object of a request.
pub(crate) type Fields = Members<Fault>;

impl MemberFault for Fault {
    fn serialization(message: String) -> Self {
        Self::new("SerializationException", message)
    }

    fn violated(message: String) -> Self {
        Self::validation(message)
    }

    fn not_implemented(what: &str) -> Self {
        Self::not_implemented(what)
    }
}

/// Takes bytes that have to be there, and are not shown.
pub(crate) fn required_bytes(
    fields: &mut Fields,
    name: &str,
    most: usize,
) -> Result<Vec<u8>, Fault> {
    let Some(bytes) = fields.bytes(name)? else {
        fields.violate(None, &lower(name), "not be null");
        return Ok(Vec::new());
    };
    if bytes.is_empty() {
        fields.violate_hidden(&lower(name), "have length greater than or equal to 1");
    }
    if most < bytes.len() {
        let rule = format!("have length less than or equal to {most}");
        fields.violate_hidden(&lower(name), &rule);
    }
    Ok(bytes)
}

/// Takes `Tags`, whose members have these names; in their order, and twice if they come twice.
pub(crate) fn tags(fields: &mut Fields, key: &str, value: &str) -> Option<Vec<(String, String)>> {
    let list = fields.take("Tags")?;
    let mut tags = Vec::new();
    let all = list.as_array().into_iter().flatten();
    for (tag, number) in all.zip(1..) {
        let member = |name: &str| tag.get(name).and_then(Value::as_str).unwrap_or_default();
        let path = |name: &str| format!("tags.{number}.member.{}", lower(name));
        fields.judge(member(key), &path(key), &Text::long(1, 128));
        fields.judge(member(value), &path(value), &Text::long(0, 256));
        tags.push((member(key).to_owned(), member(value).to_owned()));
    }
    Some(tags)
}

/// The members of a body as whoever checks a request sees them: each as [`Fields`] takes it, so that what is asked for is what
/// is carried out. A body that cannot be read has none.
#[derive(Debug)]
pub(crate) struct Asked(Json);

impl Asked {
    pub(crate) fn read(body: &[u8]) -> Self {
        Self(Fields::of_body(body).map_or_else(|_| Json::new(), Fields::left))
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
