//! The members of a request, taken one by one.
//!
//! Lives here: reading a body, taking members by name and type, the constraints that DynamoDB tells in one message.
//! Does not live here: attribute values (`values`), what an operation makes of its members (`operations`).
//!
//! An operation takes every member that it carries out; [`Fields::finish`] refuses what is left by name. DynamoDB itself
//! ignores members that it does not know.
//! Differs: here they are refused too, since a member that is new in the service must not be accepted and ignored.

mod structures;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::arn::Arn;
use sha2::{Digest as _, Sha256};

use super::fault::Fault;
use super::json_read::Json;
use super::values::{self, Judged};
use crate::engine::value::{Attributes, Value};

/// Constraints that one message tells; the service stops there, too.
const VIOLATIONS_MAX: usize = 10;

/// The members of a request that were not taken yet.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    operation: &'static str,
    /// What stands before the paths of violations: where a structure is in its request.
    place: String,
    members: Vec<(std::borrow::Cow<'a, str>, Json<'a>)>,
    violations: Vec<String>,
}

impl<'a> Fields<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// A serialization fault when it is not a JSON object.
    pub(crate) fn read(operation: &'static str, body: &'a [u8]) -> Result<Self, Fault> {
        match serde_json::from_slice(body) {
            Ok(Json::Map(members)) => Ok(Self::of(operation, members)),
            Ok(
                Json::Null
                | Json::Bool(_)
                | Json::Integer(_)
                | Json::Decimal(_)
                | Json::Text(_)
                | Json::List(_),
            )
            | Err(_) => Err(Fault::serialization("")),
        }
    }

    /// Takes a member of any type; null is none.
    pub(crate) fn take(&mut self, name: &str) -> Option<Json<'a>> {
        let mut found = None;
        // Of two members with one name the last holds, as with most readers of JSON.
        self.members.retain_mut(|(other, json)| {
            let matches = other == name;
            if matches {
                found = Some(std::mem::replace(json, Json::Null));
            }
            !matches
        });
        found.filter(|json| *json != Json::Null)
    }

    /// A member as it stands.
    pub(crate) fn peek(&self, name: &str) -> Option<&Json<'a>> {
        let found = self.members.iter().rev().find(|(other, _)| other == name);
        found.map(|(_, json)| json)
    }

    /// A hash of what a member says, whatever the order in which its maps were written.
    #[must_use]
    pub(crate) fn fingerprint(&self, name: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (_, json) in self.members.iter().filter(|(other, _)| other == name) {
            json.hash_into(&mut hash);
        }
        hash.finalize().into()
    }

    /// Takes a text.
    ///
    /// # Errors
    /// A serialization fault, as for all that follow.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        let Some(json) = self.take(name) else {
            return Ok(None);
        };
        Ok(Some(values::read_text(json)?.into_owned()))
    }

    /// Takes a boolean.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        self.take(name)
            .map(|json| values::read_boolean(&json))
            .transpose()
    }

    /// Takes an integer; fractions are cut off.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Integer(number)) => Ok(Some(number)),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "fractions are to be cut off"
            )]
            Some(Json::Decimal(number)) => Ok(Some(number as i64)),
            Some(other) => Err(values::misfit(&other, "Integer", "class java.lang.Integer")),
        }
    }

    /// Takes attribute values by name.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn attributes(&mut self, name: &str) -> Result<Option<Judged<Attributes>>, Fault> {
        self.take(name).map(values::read_attributes).transpose()
    }

    /// Takes a list of attribute values by name, as `Keys`.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn attribute_maps(
        &mut self,
        name: &str,
    ) -> Result<Option<Vec<Judged<Attributes>>>, Fault> {
        let Some(json) = self.take(name) else {
            return Ok(None);
        };
        let members = values::read_list(json)?.into_iter();
        members
            .map(values::read_attributes)
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Takes an attribute value.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<Judged<Value>>, Fault> {
        self.take(name).map(values::read_value).transpose()
    }

    /// Takes a list of attribute values.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn values(&mut self, name: &str) -> Result<Option<Judged<Vec<Value>>>, Fault> {
        self.take(name).map(values::read_values).transpose()
    }

    /// Takes a list of texts.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        let Some(json) = self.take(name) else {
            return Ok(None);
        };
        values::read_list(json)?
            .into_iter()
            .map(|member| Ok(values::read_text(member)?.into_owned()))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Takes texts by name.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn texts_by_name(
        &mut self,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Fault> {
        let members = match self.take(name) {
            None => return Ok(None),
            Some(Json::Map(members)) => members,
            Some(Json::List(_)) => {
                return Err(Fault::serialization(
                    "Unrecognized collection type java.util.Map<java.lang.String, java.lang.String>",
                ));
            }
            Some(
                Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) | Json::Text(_),
            ) => {
                return Err(Fault::serialization("Unexpected field type"));
            }
        };
        members
            .into_iter()
            .map(|(name, json)| Ok((name.into_owned(), values::read_text(json)?.into_owned())))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Notes that a member breaks a constraint. `value` is as the service prints it; none prints `null`.
    pub(crate) fn violation(&mut self, value: Option<&str>, path: &str, constraint: &str) {
        self.violated(value, path, &format!("Member must {constraint}"));
    }

    /// As [`Fields::violation`], where it is not the member itself that must do something.
    pub(crate) fn violated(&mut self, value: Option<&str>, path: &str, constraint: &str) {
        let mut text = "Value ".to_owned();
        // Writing to a text cannot fail.
        let _ = match value {
            Some(value) => write!(text, "'{value}'"),
            None => write!(text, "null"),
        };
        let _ = write!(
            text,
            " at '{}{path}' failed to satisfy constraint: {constraint}",
            self.place
        );
        self.violations.push(text);
    }

    /// Notes that a member breaks a constraint, as the service tells it of a few: by the member's own name, without its value.
    pub(crate) fn violation_by_name(&mut self, path: &str, constraint: &str) {
        let text =
            format!("Value at '{path}' failed to satisfy constraint: Member must {constraint}");
        self.violations.push(text);
    }

    /// Takes a text that is one of these.
    ///
    /// # Errors
    /// A serialization fault; a text that is none of them is a violation.
    pub(crate) fn one_of(
        &mut self,
        name: &str,
        path: &str,
        allowed: &[&'static str],
    ) -> Result<Option<&'static str>, Fault> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let known = allowed.iter().find(|known| **known == text).copied();
        if known.is_none() {
            let set = allowed.join(", ");
            self.violation(
                Some(&text),
                path,
                &format!("satisfy enum value set: [{set}]"),
            );
        }
        Ok(known)
    }

    /// Takes an integer that is within bounds.
    ///
    /// # Errors
    /// A serialization fault; a number out of bounds is a violation.
    pub(crate) fn integer_within(
        &mut self,
        name: &str,
        path: &str,
        least: i64,
        most: i64,
    ) -> Result<Option<i64>, Fault> {
        let number = self.integer(name)?;
        if let Some(number) = number.filter(|number| *number < least) {
            let constraint = format!("have value greater than or equal to {least}");
            self.violation(Some(&number.to_string()), path, &constraint);
        }
        if let Some(number) = number.filter(|number| most < *number) {
            let constraint = format!("have value less than or equal to {most}");
            self.violation(Some(&number.to_string()), path, &constraint);
        }
        Ok(number)
    }

    /// Takes the table's name of an operation on items; empty when it is missing, which is a violation.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn table_name(&mut self) -> Result<String, Fault> {
        let name = self.text("TableName")?;
        self.judge_table_name(name.as_deref(), "tableName");
        Ok(name.unwrap_or_default())
    }

    /// Notes what is wrong with a name of a table.
    pub(crate) fn judge_table_name(&mut self, name: Option<&str>, path: &str) {
        let Some(name) = name else {
            return self.violation(None, path, "not be null");
        };
        if table_of_arn(name).is_some() {
            return;
        }
        if name.is_empty() {
            return self.violation(Some(name), path, "have length greater than or equal to 1");
        }
        if !is_table_name(name) {
            let constraint = "satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
            self.violation(Some(name), path, constraint);
        }
        if name.chars().count() < TABLE_NAME_CHARS_MIN {
            self.violation(Some(name), path, "have length greater than or equal to 3");
        }
        if TABLE_NAME_CHARS_MAX < name.chars().count() {
            self.violation(Some(name), path, "have length less than or equal to 255");
        }
    }

    /// Whether no member has broken a constraint so far.
    #[must_use]
    pub(crate) const fn has_no_violation(&self) -> bool {
        self.violations.is_empty()
    }

    /// Refuses members that nobody took.
    ///
    /// # Errors
    /// A validation fault that names the member.
    pub(crate) fn nothing_left(&self) -> Result<(), Fault> {
        match self.members.iter().find(|(_, json)| *json != Json::Null) {
            Some((name, _)) => Err(Fault::not_implemented(self.operation, name)),
            None => Ok(()),
        }
    }

    /// Refuses members that nobody took, then tells the violations.
    ///
    /// # Errors
    /// A validation fault.
    pub(crate) fn finish(mut self) -> Result<(), Fault> {
        self.nothing_left()?;
        self.violations.truncate(VIOLATIONS_MAX);
        let count = self.violations.len();
        if count == 0 {
            return Ok(());
        }
        let plural = if count == 1 { "" } else { "s" };
        Err(Fault::validation(format!(
            "{count} validation error{plural} detected: {}",
            self.violations.join("; ")
        )))
    }
}

/// Characters of a table's name.
pub(crate) const TABLE_NAME_CHARS_MIN: usize = 3;
/// Characters of a table's name.
pub(crate) const TABLE_NAME_CHARS_MAX: usize = 255;

/// The table that an ARN names, and the ARN. Wherever the API takes a table's name, it takes its ARN as well.
#[must_use]
pub(crate) fn table_of_arn(text: &str) -> Option<(&str, Arn)> {
    let name = text.strip_prefix("arn:")?.rsplit_once(":table/")?.1;
    let arn = Arn::parse(text).ok()?;
    let fits = arn.service == "dynamodb"
        && is_table_name(name)
        && (TABLE_NAME_CHARS_MIN..=TABLE_NAME_CHARS_MAX).contains(&name.len());
    fits.then_some((name, arn))
}

/// Whether a table's name has only the characters that it may have, and at least one.
#[must_use]
pub(crate) fn is_table_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}
