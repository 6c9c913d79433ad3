//! One model: a JSON schema of draft 4, compiled.
//!
//! Lives here: everything that is known of the crate `jsonschema`.
//! Does not live here: which model a request is held to (`validate`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Data models for REST APIs": models are written in JSON schema draft 4.
//! Regular expressions run in time that is linear in their text: those that need more (looking around, references to
//! groups) are refused. Nothing is fetched.

use std::fmt;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use crate::replies::shorten;

/// Amazon API Gateway, "Quotas for configuring and running a REST API": size of a model, in bytes.
const MODEL_BYTES_MAX: usize = 400 * 1024;
/// What the compiled form of one regular expression may take, and as much for what it learns while it runs, in bytes.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// How deep a body may be for it to be told where it does not fit a model that refers to itself or to others. Whether a
/// body fits is found out once for each of its parts; where it does not, once for each way to them, and of those there
/// may be twice as many with each level.
const EXPLAINED_DEPTH_MAX: usize = 4;

/// A compiled model.
pub(crate) struct Schema {
    validator: Validator,
    /// Whether there is a `$ref` in it.
    has_references: bool,
}

/// Why a text is no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSchema {
    #[error("it has {bytes} bytes; a model has {MODEL_BYTES_MAX} at most")]
    TooLarge { bytes: usize },
    #[error("it is not JSON: {0}")]
    NotJson(String),
    #[error("{0}")]
    Refused(String),
}

impl Schema {
    pub(crate) fn compile(text: &str) -> Result<Self, BadSchema> {
        if MODEL_BYTES_MAX < text.len() {
            return Err(BadSchema::TooLarge { bytes: text.len() });
        }
        let schema: Value =
            serde_json::from_str(text).map_err(|error| BadSchema::NotJson(error.to_string()))?;
        let patterns = PatternOptions::regex()
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX);
        let validator = jsonschema::options()
            .with_draft(Draft::Draft4)
            .with_pattern_options(patterns)
            .offline()
            .build(&schema)
            .map_err(|error| BadSchema::Refused(error.to_string()))?;
        Ok(Self {
            validator,
            has_references: has_references(&schema),
        })
    }

    /// What keeps a body from fitting, without its values; none: it fits.
    pub(crate) fn misfit(&self, body: &Value) -> Option<String> {
        if self.validator.is_valid(body) {
            return None;
        }
        if self.has_references && EXPLAINED_DEPTH_MAX < depth(body) {
            return Some("it does not fit, and is too deep to say where".to_owned());
        }
        let error = self.validator.validate(body).err()?;
        let at = error.instance_path().to_string();
        let place = if at.is_empty() { "/" } else { &at };
        Some(shorten(&format!("at `{place}`, {}", error.masked())))
    }
}

fn has_references(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.contains_key("$ref") || members.values().any(has_references)
        }
        Value::Array(elements) => elements.iter().any(has_references),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Levels of arrays and objects; what reads JSON allows no more than 128.
fn depth(value: &Value) -> usize {
    let within = match value {
        Value::Object(members) => members.values().map(depth).max(),
        Value::Array(elements) => elements.iter().map(depth).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
    };
    1 + within.unwrap_or(0)
}

impl fmt::Debug for Schema {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Schema(…)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_model_is_refused_and_says_why() {
        for (text, why) in [
            ("{", "it is not JSON"),
            (r#"{"type": "strin"}"#, "\"strin\" is not valid"),
            (r#"{"required": true}"#, "true is not of type \"array\""),
            (r#"{"pattern": "(?=a)b"}"#, "is not a \"regex\""),
            (r#"{"pattern": "(a)\\1"}"#, "is not a \"regex\""),
            (r#"{"pattern": "a{100000}"}"#, "is not a \"regex\""),
            (
                r#"{"$ref": "http://127.0.0.1:1/x"}"#,
                "Retrieval is disabled",
            ),
            (r#"{"$ref": "file:///etc/passwd"}"#, "Retrieval is disabled"),
        ] {
            let refused = Schema::compile(text).unwrap_err().to_string();
            assert!(refused.contains(why), "{text}: {refused}");
        }
        let long = format!(r#"{{"title": "{}"}}"#, "a".repeat(MODEL_BYTES_MAX));
        assert!(matches!(
            Schema::compile(&long),
            Err(BadSchema::TooLarge { .. })
        ));
    }

    #[test]
    fn a_body_fits_or_is_told_where_it_does_not_and_never_its_values() {
        let schema = Schema::compile(
            r##"{"$schema": "http://json-schema.org/draft-04/schema#", "type": "object", "required": ["name"],
                "properties": {"name": {"type": "string", "pattern": "^(a+)+$"}, "next": {"$ref": "#"},
                               "age": {"minimum": 0, "exclusiveMinimum": true}}}"##,
        )
        .unwrap();
        assert_eq!(
            schema.misfit(&json!({"name": "a", "next": {"name": "a"}, "age": 1})),
            None
        );
        for (body, why) in [
            (json!([]), "at `/`, value is not of type"),
            (json!({}), "at `/`, \"name\" is a required property"),
            (
                json!({"name": "a", "age": 0}),
                "at `/age`, value is less than or equal to",
            ),
            (
                json!({"name": "a", "next": {"name": 1}}),
                "at `/next/name`, value is not of type",
            ),
            (
                json!({"name": format!("{}!", "a".repeat(100_000))}),
                "at `/name`, value does not match",
            ),
        ] {
            let misfit = schema.misfit(&body).unwrap();
            assert!(misfit.starts_with(why), "{misfit}");
        }
    }

    #[test]
    fn a_model_that_is_only_itself_ends() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"anyOf": [{"$ref": "#"}]}),
            json!({"not": {"$ref": "#"}}),
        ] {
            let schema = Schema::compile(&schema.to_string()).unwrap();
            let _ends = schema.misfit(&json!([1]));
        }
    }

    #[test]
    fn a_deep_body_costs_no_more_than_it_is_large_where_a_model_branches_into_itself() {
        for word in ["anyOf", "oneOf", "allOf"] {
            let branch = |kind: &str| json!({"properties": {"kind": {"enum": [kind]}, "in": {"$ref": "#/definitions/node"}}});
            let schema = json!({
                "definitions": {"node": {"type": "object", word: [branch("and"), branch("or")]}},
                "$ref": "#/definitions/node"
            });
            let schema = Schema::compile(&schema.to_string()).unwrap();
            let body = |innermost: serde_json::Value| {
                (0..120).fold(innermost, |body, _| json!({"kind": "and", "in": body}))
            };
            let _ends = schema.misfit(&body(json!({"kind": "and"})));
            let misfit = schema.misfit(&body(json!(7)));
            assert_eq!(
                misfit.as_deref(),
                Some("it does not fit, and is too deep to say where"),
                "{word}"
            );
        }
    }
}
