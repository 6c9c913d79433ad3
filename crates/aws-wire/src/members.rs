//! The members of a request, as the protocols that speak JSON have them.
//!
//! Lives here: taking them one by one, with the violations of their constraints in the cloud's words; pages of what is
//! listed.
//! Does not live here: which operation has which members, and which error tells of a violation (the services).
//!
//! Contract: the service models; the words are those of recorded answers.

use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// Violations that are told at once.
const VIOLATIONS_MAX: usize = 10;

/// How a service refuses a request for its members.
pub trait MemberFault: Sized {
    /// The body, or a member, is not of the form that it must have.
    fn serialization(message: String) -> Self;

    /// Constraints are violated.
    fn violated(message: String) -> Self;

    /// The service knows this, and we do not carry it out.
    fn not_implemented(what: &str) -> Self;
}

/// A pattern as it is told, and whether a text has it.
type Shape = (&'static str, fn(&str) -> bool);

/// What a text has to be.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// Its characters, at least.
    pub least: usize,
    /// Its characters, at most.
    pub most: usize,
    shape: Option<Shape>,
    choices: &'static [&'static str],
}

impl Text {
    /// Of these lengths.
    #[must_use]
    pub const fn long(least: usize, most: usize) -> Self {
        Self {
            least,
            most,
            shape: None,
            choices: &[],
        }
    }

    /// Of this shape: a pattern as it is told, and whether a text has it.
    #[must_use]
    pub const fn shaped(mut self, told: &'static str, holds: fn(&str) -> bool) -> Self {
        self.shape = Some((told, holds));
        self
    }

    /// One of these.
    #[must_use]
    pub const fn one_of(choices: &'static [&'static str]) -> Self {
        Self {
            least: 0,
            most: usize::MAX,
            shape: None,
            choices,
        }
    }
}

/// The members of one object of a request that were not taken yet, and what was wrong with those that were.
#[derive(Debug)]
pub struct Members<F> {
    left: Map<String, Value>,
    violations: Vec<String>,
    fault: PhantomData<fn() -> F>,
}

impl<F: MemberFault> Members<F> {
    /// The members of a JSON body; an empty one has none.
    ///
    /// # Errors
    /// It is not JSON, or not an object.
    pub fn of_body(body: &[u8]) -> Result<Self, F> {
        match body {
            [] => Ok(Self::of(Map::new())),
            body => {
                let value = serde_json::from_slice(body);
                let value = value.map_err(|_| serialization::<F>("The body is not JSON"))?;
                Self::of_value(value)
            }
        }
    }

    /// The members of a body that was read.
    ///
    /// # Errors
    /// It is not an object.
    pub fn of_value(value: Value) -> Result<Self, F> {
        match value {
            Value::Object(members) => Ok(Self::of(members)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(serialization("The body is not an object")),
        }
    }

    /// These.
    #[must_use]
    pub fn of(members: Map<String, Value>) -> Self {
        Self {
            left: members,
            violations: Vec::new(),
            fault: PhantomData,
        }
    }

    /// Those that were not taken.
    #[must_use]
    pub fn left(self) -> Map<String, Value> {
        self.left
    }

    /// Takes a member as it is.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name).filter(|value| !value.is_null())
    }

    /// Puts a member in.
    pub fn set(&mut self, name: &str, value: Value) {
        self.left.insert(name.to_owned(), value);
    }

    /// Takes a text that has to keep to this.
    pub fn text(&mut self, name: &str, rule: &Text) -> Option<String> {
        let text = text_of(&self.take(name)?);
        self.judge(&text, &lower(name), rule);
        Some(text)
    }

    /// Takes a text that has to be there.
    pub fn required(&mut self, name: &str, rule: &Text) -> String {
        if let Some(text) = self.text(name, rule) {
            return text;
        }
        self.violate(None, &lower(name), "not be null");
        String::new()
    }

    /// Takes a whole number within bounds.
    pub fn whole(&mut self, name: &str, least: i64, most: i64) -> Option<i64> {
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
    pub fn required_whole(&mut self, name: &str, least: i64, most: i64) -> i64 {
        if let Some(number) = self.whole(name, least, most) {
            return number;
        }
        self.violate(None, &lower(name), "not be null");
        least
    }

    /// Takes a limit of what is listed.
    pub fn limit(&mut self, name: &str, most: i64, usual: usize) -> usize {
        let given = self.whole(name, 1, most);
        given.map_or(usual, |limit| usize::try_from(limit).unwrap_or(usual))
    }

    /// Takes a flag.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name)?.as_bool()
    }

    /// Takes a list of texts; none when it is not there.
    pub fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let value = self.take(name)?;
        let texts = value.as_array().into_iter().flatten();
        let texts = texts.filter_map(|text| text.as_str().map(str::to_owned));
        Some(texts.collect())
    }

    /// Takes bytes, which JSON tells in base64.
    ///
    /// # Errors
    /// They are not.
    pub fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, F> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let decoded = value.as_str().and_then(|text| STANDARD.decode(text).ok());
        let refused = || F::serialization(format!("The member {name} is not in base64"));
        decoded.map(Some).ok_or_else(refused)
    }

    /// Notes what a text does not keep to.
    pub fn judge(&mut self, text: &str, path: &str, rule: &Text) {
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
        self.judge_length(length, (rule.least, rule.most), (Some(text), path));
    }

    /// Notes that something is too short or too long.
    pub fn judge_length(
        &mut self,
        length: usize,
        (least, most): (usize, usize),
        (shown, path): (Option<&str>, &str),
    ) {
        if length < least {
            let told = format!("have length greater than or equal to {least}");
            self.violate(shown, path, &told);
        }
        if most < length {
            let told = format!("have length less than or equal to {most}");
            self.violate(shown, path, &told);
        }
    }

    /// Notes that the value of a member does not keep to a rule.
    pub fn violate(&mut self, value: Option<&str>, path: &str, rule: &str) {
        let shown = value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
        self.violations.push(format!(
            "Value {shown} at '{path}' failed to satisfy constraint: Member must {rule}"
        ));
    }

    /// The same of a value that nobody may see.
    pub fn violate_hidden(&mut self, path: &str, rule: &str) {
        self.violations.push(format!(
            "Value at '{path}' failed to satisfy constraint: Member must {rule}"
        ));
    }

    /// Refuses members that the service knows and we do not carry out. What is `false` asks for nothing.
    ///
    /// # Errors
    /// One is there.
    pub fn refuse(&self, operation: &str, names: &[&str]) -> Result<(), F> {
        let is_given = |name: &&&str| {
            let value = self.left.get(**name);
            value.is_some_and(|value| !value.is_null() && *value != Value::Bool(false))
        };
        match names.iter().find(is_given) {
            Some(name) => Err(F::not_implemented(&format!(
                "{operation} with the parameter {name}"
            ))),
            None => Ok(()),
        }
    }

    /// Tells the violations.
    ///
    /// # Errors
    /// There are any.
    pub fn finish(&self) -> Result<(), F> {
        let count = self.violations.len();
        if count == 0 {
            return Ok(());
        }
        let plural = if count == 1 { "" } else { "s" };
        let told = self.violations.iter().take(VIOLATIONS_MAX);
        let told: Vec<&str> = told.map(String::as_str).collect();
        Err(F::violated(format!(
            "{count} validation error{plural} detected: {}",
            told.join("; ")
        )))
    }
}

fn serialization<F: MemberFault>(message: &str) -> F {
    F::serialization(message.to_owned())
}

/// A scalar is taken for its text.
#[must_use]
pub fn text_of(value: &Value) -> String {
    let text = value.as_str();
    text.map_or_else(|| value.to_string(), str::to_owned)
}

/// `AuthorizationType` is told as `authorizationType`.
#[must_use]
pub fn lower(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// The token of what follows this key: nobody's to read.
#[must_use]
pub fn token_of(key: &str) -> String {
    STANDARD.encode(key)
}

/// The key that a token stands for; none if it is none of ours.
#[must_use]
pub fn key_of(token: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(token).ok()?).ok()
}

/// The page of this token, of what is listed in the order of its keys, and the token of the next. One that is none of ours
/// is that of the first.
#[must_use]
pub fn page<T>(
    all: impl Iterator<Item = (String, T)>,
    token: Option<&str>,
    limit: usize,
) -> (Vec<T>, Option<String>) {
    let after = token.map(|token| key_of(token).unwrap_or_default());
    let is_later = |key: &str| after.as_deref().is_none_or(|after| after < key);
    let mut rest = all.filter(|(key, _)| is_later(key));
    let mut listed = Vec::new();
    let mut last = None;
    for (key, one) in rest.by_ref().take(limit) {
        last = Some(token_of(&key));
        listed.push(one);
    }
    let token = rest.next().and(last);
    (listed, token)
}

/// Sets a member of what is an object.
pub fn insert(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    impl MemberFault for String {
        fn serialization(message: String) -> Self {
            message
        }

        fn violated(message: String) -> Self {
            message
        }

        fn not_implemented(what: &str) -> Self {
            format!("{what} is not built")
        }
    }

    fn members(value: Value) -> Members<String> {
        Members::of_value(value).unwrap()
    }

    #[test]
    fn what_violates_its_constraints_is_told_in_the_clouds_words() {
        let name = Text::long(1, 3).shaped("[a-z]+", |text| {
            text.bytes().all(|b| b.is_ascii_lowercase())
        });
        let mut given = members(json!({"Name": "LONG", "Kind": "odd", "Count": 0}));
        given.required("Name", &name);
        given.text("Kind", &Text::one_of(&["even"]));
        given.whole("Count", 1, 10);
        given.required("Missing", &Text::long(1, 9));
        assert_eq!(
            given.finish().unwrap_err(),
            "5 validation errors detected: Value 'LONG' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+; \
             Value 'LONG' at 'name' failed to satisfy constraint: Member must have length less than or equal to 3; \
             Value 'odd' at 'kind' failed to satisfy constraint: Member must satisfy enum value set: [even]; \
             Value '0' at 'count' failed to satisfy constraint: Member must have value greater than or equal to 1; \
             Value null at 'missing' failed to satisfy constraint: Member must not be null"
        );
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        for (body, said) in [
            ("[1]", "The body is not an object"),
            ("{", "The body is not JSON"),
        ] {
            assert_eq!(
                Members::<String>::of_body(body.as_bytes()).unwrap_err(),
                said
            );
        }
        assert!(Members::<String>::of_body(b"").is_ok());
    }

    #[test]
    fn members_that_are_not_carried_out_are_refused_by_name() {
        let given = members(json!({"Encrypt": true, "Dry": false}));
        assert_eq!(given.refuse("Put", &["Dry"]), Ok(()));
        assert_eq!(
            given.refuse("Put", &["Dry", "Encrypt"]).unwrap_err(),
            "Put with the parameter Encrypt is not built"
        );
    }

    #[test]
    fn pages_follow_one_another_until_all_is_listed() {
        let all = || ["a", "b", "c"].map(|key| (key.to_owned(), key)).into_iter();
        let (first, token) = page(all(), None, 2);
        assert_eq!(first, ["a", "b"]);
        assert_eq!(page(all(), token.as_deref(), 2), (vec!["c"], None));
    }
}
