//! The members of a request.
//!
//! Lives here: the constraints that several have, tags, the answer that tells a page.
//! Does not live here: taking them one by one (`aws_wire::members`), which operation has which members (`events`, `scheduler`).
//!
//! Contract: the service models of EventBridge and Scheduler; the words are those of the recorded answers.

use aws_wire::members::{MemberFault, Members};
use serde_json::Value;

use crate::engine::rows::{Json, Tags};
use crate::fault::Fault;

pub(crate) use aws_wire::members::{Text, insert, page};

/// Tags of a resource.
const TAGS_MAX: usize = 50;

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_path_name(text: &str) -> bool {
    let allowed = |byte| byte == b'/' || is_name(char::from(byte).encode_utf8(&mut [0; 4]));
    !text.is_empty() && text.bytes().all(allowed)
}

/// Names of rules, connections, destinations; ids of targets.
pub(crate) const NAME: Text = Text::long(1, 64).shaped("[\\.\\-_A-Za-z0-9]+", is_name);
/// Names of archives and replays, which are shorter or longer.
pub(crate) const fn short_name(chars_max: usize) -> Text {
    Text::long(1, chars_max).shaped("[\\.\\-_A-Za-z0-9]+", is_name)
}
/// Names of buses.
pub(crate) const BUS_NAME: Text = Text::long(1, 256).shaped("[/\\.\\-_A-Za-z0-9]+", is_path_name);
/// Names or ARNs of buses.
pub(crate) const BUS: Text = Text::long(1, 1_600).shaped(
    "(arn:aws[\\w-]*:events:[a-z]+-[a-z]+-[\\w-]+:[0-9]{12}:event-bus\\/)?[/\\.\\-_A-Za-z0-9]+",
    |text| {
        let name = text.split(":event-bus/").last().unwrap_or(text);
        is_path_name(name) && (name == text || text.starts_with("arn:aws"))
    },
);
/// Names of schedules and groups.
pub(crate) const SCHEDULE_NAME: Text = Text::long(1, 64).shaped("^[0-9a-zA-Z-_.]+$", is_name);
/// ARNs.
pub(crate) const ARN: Text = Text::long(1, 1_600);
/// Descriptions.
pub(crate) const DESCRIPTION: Text = Text::long(0, 512);

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

/// Takes `Tags`.
pub(crate) fn tags(fields: &mut Fields) -> Result<Option<Tags>, Fault> {
    let Some(value) = fields.take("Tags") else {
        return Ok(None);
    };
    let mut tags = Tags::new();
    for tag in value.as_array().into_iter().flatten() {
        let member = |name: &str| tag.get(name).and_then(Value::as_str);
        let (Some(key), Some(value)) = (member("Key"), member("Value")) else {
            return Err(Fault::validation("A tag has a Key and a Value."));
        };
        fields.judge(key, "tags.1.member.key", &Text::long(1, 128));
        fields.judge(value, "tags.1.member.value", &Text::long(0, 256));
        tags.insert(key.to_owned(), value.to_owned());
    }
    if TAGS_MAX < tags.len() {
        return Err(Fault::validation(format!(
            "A resource has {TAGS_MAX} tags at most."
        )));
    }
    Ok(Some(tags))
}

/// A scalar is taken for its text, as [`Fields::text`] does: whoever asks what a request is about must see what is carried out.
pub(crate) fn as_texts(body: &mut Value) {
    let members = body.as_object_mut();
    for value in members.into_iter().flat_map(|members| members.values_mut()) {
        if value.is_number() || value.is_boolean() {
            *value = Value::String(value.to_string());
        }
    }
}

/// The answer that tells a page.
pub(crate) fn paged(name: &str, listed: Value, token: Option<String>) -> Value {
    let mut answer = Json::new();
    answer.insert(name.to_owned(), listed);
    if let Some(token) = token {
        answer.insert("NextToken".to_owned(), token.into());
    }
    Value::Object(answer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_judged_is_what_is_taken() {
        let mut judged = json!({"Name": 5, "Rule": true, "EventBusName": "a", "ARN": 1.5});
        let mut taken = Fields::of_body(judged.to_string().as_bytes()).unwrap();
        as_texts(&mut judged);
        for name in ["Name", "Rule", "EventBusName", "ARN"] {
            let told = judged.get(name).and_then(Value::as_str).map(str::to_owned);
            assert_eq!(told, taken.text(name, &ARN), "{name}");
            assert!(told.is_some(), "{name}");
        }
    }
}
