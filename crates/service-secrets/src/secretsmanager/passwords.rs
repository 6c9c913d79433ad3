//! Random passwords.

use interfaces::random::Random;
use serde_json::{Value, json};

use super::invalid_parameter;
use crate::fault::{Answer, Fault};
use crate::fields::Fields;
use crate::service::Context;

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
const LENGTH_MAX: i64 = 4_096;
const LENGTH: i64 = 32;

/// What a password has to be like.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) length: i64,
    pub(crate) excluded: String,
    /// Lower case, upper case, digits, punctuation, space.
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) of_each: bool,
}

impl Rules {
    /// What a request says, in members of these names.
    pub(crate) fn read(mut member: impl FnMut(&str) -> Option<Value>) -> Result<Self, Fault> {
        let length = member("PasswordLength").and_then(|length| match length {
            Value::String(text) => text.parse().ok(),
            other @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_)) => other.as_i64(),
        });
        let length = length.unwrap_or(LENGTH);
        if !(1..=LENGTH_MAX).contains(&length) {
            let message = format!("PasswordLength is 1 to {LENGTH_MAX}.");
            return Err(invalid_parameter(message));
        }
        let excluded = member("ExcludeCharacters");
        let excluded = excluded
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default();
        let mut flag = |name: &str| match member(name) {
            Some(Value::Bool(flag)) => Some(flag),
            Some(Value::String(text)) => Some(text == "true"),
            _ => None,
        };
        let mut kinds = Vec::new();
        let leaves_out = [
            ("ExcludeLowercase", LOWER),
            ("ExcludeUppercase", UPPER),
            ("ExcludeNumbers", DIGITS),
            ("ExcludePunctuation", PUNCTUATION),
        ];
        for (name, kind) in leaves_out {
            if flag(name) != Some(true) {
                kinds.push(kind);
            }
        }
        if flag("IncludeSpace") == Some(true) {
            kinds.push(" ");
        }
        Ok(Self {
            length,
            excluded: excluded.to_owned(),
            kinds,
            of_each: flag("RequireEachIncludedType").unwrap_or(true),
        })
    }
}

pub(super) fn get_random_password(context: &Context<'_>, mut fields: Fields) -> Answer {
    let rules = Rules::read(|name| fields.take(name))?;
    fields.finish()?;
    let password = password(&rules, &*context.catalogue.random)?;
    Ok(json!({"RandomPassword": password}))
}

/// Draws a password.
pub(crate) fn password(rules: &Rules, random: &dyn Random) -> Result<String, Fault> {
    let left = |kind: &&str| -> Vec<char> {
        let characters = kind.chars();
        characters
            .filter(|one| !rules.excluded.contains(*one))
            .collect()
    };
    let kinds: Vec<Vec<char>> = rules.kinds.iter().map(left).collect();
    let all: Vec<char> = kinds.iter().flatten().copied().collect();
    let length = usize::try_from(rules.length).unwrap_or(1);
    if all.is_empty() || rules.of_each && kinds.iter().any(Vec::is_empty) {
        let message = "The excluded characters leave nothing of a type that is to be there.";
        return Err(invalid_parameter(message));
    }
    if rules.of_each && length < kinds.len() {
        let message = "The password length is too short for one character of each type.";
        return Err(invalid_parameter(message));
    }
    let mut drawn = Vec::with_capacity(length);
    if rules.of_each {
        drawn.extend(kinds.iter().filter_map(|kind| pick(kind, random)));
    }
    while drawn.len() < length {
        drawn.extend(pick(&all, random));
    }
    for last in (1..drawn.len()).rev() {
        drawn.swap(last, below(last + 1, random));
    }
    Ok(drawn.into_iter().collect())
}

fn pick(from: &[char], random: &dyn Random) -> Option<char> {
    from.get(below(from.len(), random)).copied()
}

/// A number below this one. Of 64 bits no remainder is likelier than another, as far as anybody could tell.
fn below(count: usize, random: &dyn Random) -> usize {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    let count = u64::try_from(count).unwrap_or(1).max(1);
    usize::try_from(u64::from_be_bytes(bytes) % count).unwrap_or(0)
}
