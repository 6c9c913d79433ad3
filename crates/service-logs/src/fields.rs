//! The members of a request.
//!
//! Lives here: names of groups and streams, tags, pages.
//! Does not live here: taking them one by one (`aws_wire::members`), which operation has which members (`logs`).
//!
//! Contract: the service model of CloudWatch Logs; the words are those of the recorded answers.

use aws_wire::members::{self, MemberFault, Members, key_of};
use serde_json::Value;

use crate::engine::rows::{Json, Tags};
use crate::fault::Fault;

pub(crate) use aws_wire::members::{Text, token_of};

/// Tags of a resource.
const TAGS_MAX: usize = 50;

/// The members of one object of a request.
pub(crate) type Fields = Members<Fault>;

impl MemberFault for Fault {
    fn serialization(message: String) -> Self {
        Self::new("SerializationException", message)
    }

    fn violated(message: String) -> Self {
        Self::parameter(message)
    }

    fn not_implemented(what: &str) -> Self {
        Self::not_implemented(what)
    }
}

/// Takes `tags`.
pub(crate) fn tags(fields: &mut Fields) -> Result<Option<Tags>, Fault> {
    let Some(value) = fields.take("tags") else {
        return Ok(None);
    };
    let pairs = value.as_object().into_iter().flatten();
    let tags: Tags = pairs
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    let is_short =
        |text: &str, least: usize, most: usize| (least..=most).contains(&text.chars().count());
    if !tags
        .iter()
        .all(|(key, value)| is_short(key, 1, 128) && is_short(value, 0, 256))
    {
        return Err(Fault::parameter(
            "A tag has a key of 1 to 128 and a value of up to 256 characters.",
        ));
    }
    match tags.len() <= TAGS_MAX {
        true => Ok(Some(tags)),
        false => Err(Fault::new(
            "TooManyTagsException",
            "A resource has 50 tags at most.",
        )),
    }
}

/// Names of groups and streams. Contract: the recorded answers.
pub(crate) fn group_name(fields: &mut Fields, member: &str) -> Result<String, Fault> {
    let name = fields.required(member, &Text::long(1, usize::MAX));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte);
    if 512 < name.len() {
        let message =
            "Invalid LogGroup or LogStream, both must have length less than or equal to 512.";
        return Err(Fault::parameter(message));
    }
    if !name.bytes().all(is_plain) {
        let rule = "satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+";
        fields.violate(Some(&name), member, rule);
    }
    Ok(name)
}

pub(crate) fn stream_name(fields: &mut Fields, member: &str) -> Result<String, Fault> {
    let name = fields.required(member, &Text::long(1, usize::MAX));
    if 512 < name.len() {
        let message =
            "Invalid LogGroup or LogStream, both must have length less than or equal to 512.";
        return Err(Fault::parameter(message));
    }
    if name.contains([':', '*']) {
        fields.violate(
            Some(&name),
            member,
            "satisfy regular expression pattern: [^:*]*",
        );
    }
    Ok(name)
}

/// A page of what is listed in the order of its keys: those behind the token's.
pub(crate) fn page<T>(
    all: impl Iterator<Item = (String, T)>,
    limit: usize,
    token: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Fault> {
    if token.is_some_and(|token| key_of(token).is_none()) {
        return Err(invalid_token());
    }
    Ok(members::page(all, token, limit))
}

pub(crate) fn invalid_token() -> Fault {
    Fault::parameter("The specified nextToken is invalid.")
}

/// The answer that tells a page.
pub(crate) fn paged(name: &str, listed: Vec<Value>, token: Option<String>) -> Value {
    let mut answer = Json::new();
    answer.insert(name.to_owned(), listed.into());
    if let Some(token) = token {
        answer.insert("nextToken".to_owned(), token.into());
    }
    Value::Object(answer)
}

/// Without what is not set.
pub(crate) fn set(mut value: Value) -> Value {
    if let Value::Object(members) = &mut value {
        members.retain(|_, value| !value.is_null());
    }
    value
}
