//! The members of a request.
//!
//! Lives here: taking them one by one, with the violations of their constraints in the cloud's words.
//! Does not live here: which operation has which members (`logs`).
//!
//! Contract: the service model of CloudWatch Logs; the words are those of the recorded answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::engine::rows::{Json, Tags};
use crate::fault::Fault;

/// Tags of a resource.
const TAGS_MAX: usize = 50;

/// The members of one object of a request.
#[derive(Debug)]
pub(crate) struct Fields {
    members: Json,
    violations: Vec<String>,
}

impl Fields {
    /// The members of a body; an empty one has none.
    pub(crate) fn of_body(body: &[u8]) -> Result<Self, Fault> {
        let malformed = || Fault::new("SerializationException", "The body is not a JSON object");
        let members = match body {
            [] => Map::new(),
            body => serde_json::from_slice(body).map_err(|_| malformed())?,
        };
        Ok(Self {
            members,
            violations: Vec::new(),
        })
    }

    /// Takes a member as it is.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a text of these lengths.
    pub(crate) fn text(&mut self, name: &str, least: usize, most: usize) -> Option<String> {
        let value = self.take(name)?;
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let length = text.chars().count();
        if length < least {
            self.violate(
                &format!("'{text}'"),
                name,
                &format!("have length greater than or equal to {least}"),
            );
        }
        if most < length {
            self.violate(
                &format!("'{text}'"),
                name,
                &format!("have length less than or equal to {most}"),
            );
        }
        Some(text)
    }

    /// Takes a text that has to be there.
    pub(crate) fn required(&mut self, name: &str, least: usize, most: usize) -> String {
        if let Some(text) = self.text(name, least, most) {
            return text;
        }
        self.violate("null", name, "not be null");
        String::new()
    }

    /// Takes a text that is one of these.
    pub(crate) fn choice(&mut self, name: &str, choices: &[&str]) -> Option<String> {
        let text = self.text(name, 0, usize::MAX)?;
        if !choices.contains(&text.as_str()) {
            let told = format!("satisfy enum value set: [{}]", choices.join(", "));
            self.violate(&format!("'{text}'"), name, &told);
        }
        Some(text)
    }

    /// Takes a whole number within bounds.
    pub(crate) fn whole(&mut self, name: &str, least: i64, most: i64) -> Option<i64> {
        let number = self.take(name)?.as_i64().unwrap_or(i64::MIN);
        let shown = format!("'{number}'");
        if number < least {
            self.violate(
                &shown,
                name,
                &format!("have value greater than or equal to {least}"),
            );
        }
        if most < number {
            self.violate(
                &shown,
                name,
                &format!("have value less than or equal to {most}"),
            );
        }
        Some(number)
    }

    /// How many are wanted at most.
    pub(crate) fn limit(&mut self, standard: usize, most: i64) -> usize {
        let limit = self
            .whole("limit", 1, most)
            .and_then(|limit| usize::try_from(limit).ok());
        limit.unwrap_or(standard)
    }

    pub(crate) fn flag(&mut self, name: &str) -> bool {
        self.take(name)
            .and_then(|value| value.as_bool())
            .unwrap_or(false)
    }

    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let value = self.take(name)?;
        let texts = value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        Some(texts.map(str::to_owned).collect())
    }

    /// Takes `tags`.
    pub(crate) fn tags(&mut self) -> Result<Option<Tags>, Fault> {
        let Some(value) = self.take("tags") else {
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

    pub(crate) fn violate(&mut self, value: &str, path: &str, rule: &str) {
        self.violations.push(format!(
            "Value {value} at '{path}' failed to satisfy constraint: Member must {rule}"
        ));
    }

    /// Refuses members that the service knows and we do not carry out.
    pub(crate) fn refuse(&self, operation: &str, names: &[&str]) -> Result<(), Fault> {
        let is_given = |name: &&&str| {
            let value = self.members.get(**name);
            value.is_some_and(|value| !value.is_null() && *value != Value::Bool(false))
        };
        match names.iter().find(is_given) {
            Some(name) => Err(Fault::not_implemented(&format!(
                "{operation} with the parameter {name}"
            ))),
            None => Ok(()),
        }
    }

    /// Tells the violations.
    pub(crate) fn finish(&self) -> Result<(), Fault> {
        match self.violations.len() {
            0 => Ok(()),
            count => {
                let plural = if count == 1 { "" } else { "s" };
                let told = self.violations.join("; ");
                let message = format!("{count} validation error{plural} detected: {told}");
                Err(Fault::parameter(message))
            }
        }
    }
}

/// Names of groups and streams. Contract: the recorded answers.
pub(crate) fn group_name(fields: &mut Fields, member: &str) -> Result<String, Fault> {
    let name = fields.required(member, 1, usize::MAX);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte);
    if 512 < name.len() {
        let message =
            "Invalid LogGroup or LogStream, both must have length less than or equal to 512.";
        return Err(Fault::parameter(message));
    }
    if !name.bytes().all(is_plain) {
        let rule = "satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+";
        fields.violate(&format!("'{name}'"), member, rule);
    }
    Ok(name)
}

pub(crate) fn stream_name(fields: &mut Fields, member: &str) -> Result<String, Fault> {
    let name = fields.required(member, 1, usize::MAX);
    if 512 < name.len() {
        let message =
            "Invalid LogGroup or LogStream, both must have length less than or equal to 512.";
        return Err(Fault::parameter(message));
    }
    if name.contains([':', '*']) {
        fields.violate(
            &format!("'{name}'"),
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
    let after = match token {
        Some(token) => {
            let decoded = STANDARD
                .decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            Some(decoded.ok_or_else(invalid_token)?)
        }
        None => None,
    };
    let is_later = |key: &str| after.as_deref().is_none_or(|after| after < key);
    let mut rest = all.filter(|(key, _)| is_later(key));
    let mut listed = Vec::new();
    let mut last = None;
    for (key, one) in rest.by_ref().take(limit) {
        last = Some(token_of(&key));
        listed.push(one);
    }
    let token = rest.next().and(last);
    Ok((listed, token))
}

/// The token of what follows this key.
pub(crate) fn token_of(key: &str) -> String {
    STANDARD.encode(key)
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
