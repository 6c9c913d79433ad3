//! The members of a request.
//!
//! Lives here: taking them one by one, with the violations of their constraints in the cloud's words.
//! Does not live here: which operation has which members (`events`, `scheduler`).
//!
//! Contract: the service models of EventBridge and Scheduler; the words are those of the recorded answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

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

fn is_path_name(text: &str) -> bool {
    let allowed = |byte| byte == b'/' || is_name(char::from(byte).encode_utf8(&mut [0; 4]));
    !text.is_empty() && text.bytes().all(allowed)
}

/// Names of rules, connections, destinations; ids of targets.
pub(crate) const NAME: Text = Text::long(1, 64).shaped("[\\.\\-_A-Za-z0-9]+", is_name);
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

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.members.insert(name.to_owned(), value);
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

    /// Takes `Tags`.
    pub(crate) fn tags(&mut self) -> Result<Option<Tags>, Fault> {
        let Some(value) = self.take("Tags") else {
            return Ok(None);
        };
        let mut tags = Tags::new();
        for tag in value.as_array().into_iter().flatten() {
            let member = |name: &str| tag.get(name).and_then(Value::as_str);
            let (Some(key), Some(value)) = (member("Key"), member("Value")) else {
                return Err(Fault::validation("A tag has a Key and a Value."));
            };
            self.judge(key, "tags.1.member.key", &Text::long(1, 128));
            self.judge(value, "tags.1.member.value", &Text::long(0, 256));
            tags.insert(key.to_owned(), value.to_owned());
        }
        if TAGS_MAX < tags.len() {
            return Err(Fault::validation(format!(
                "A resource has {TAGS_MAX} tags at most."
            )));
        }
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

/// A scalar is taken for its text, as [`Fields::text`] does: whoever asks what a request is about must see what is carried out.
pub(crate) fn as_texts(body: &mut Value) {
    let members = body.as_object_mut();
    for value in members.into_iter().flat_map(|members| members.values_mut()) {
        if value.is_number() || value.is_boolean() {
            *value = Value::String(value.to_string());
        }
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

/// The answer that tells a page.
pub(crate) fn paged(name: &str, listed: Value, token: Option<String>) -> Value {
    let mut answer = Json::new();
    answer.insert(name.to_owned(), listed);
    if let Some(token) = token {
        answer.insert("NextToken".to_owned(), token.into());
    }
    Value::Object(answer)
}

/// Sets a member of what is an object.
pub(crate) fn insert(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value.into());
    }
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
