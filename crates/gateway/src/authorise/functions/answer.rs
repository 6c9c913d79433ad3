//! What a Lambda authorizer answers.
//!
//! Lives here: reading its two shapes, and what is no answer.
//! Does not live here: calling the function (`functions`), evaluating the policy (`policy`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Output from an API Gateway Lambda authorizer" and "Control access to
//! HTTP APIs with AWS Lambda authorizers", response format; "Quotas": 8 KB at most.

use std::sync::Arc;

use model::door::AuthorizerFormat;
use model::limits::AUTHORIZER_RESULT_BYTES_MAX;
use policy::Policy;
use serde_json::{Map, Value};

use crate::caller::Told;

/// An answer, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// Who may do what.
    pub(super) decision: Decision,
    /// What it says of the caller.
    pub(super) told: Arc<Told>,
    /// `usageIdentifierKey`: the caller's API key.
    pub(super) usage_key: Option<String>,
}

/// Who may do what.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decision {
    /// It depends on what is called.
    Policy(Policy),
    /// `isAuthorized: true`.
    Allowed,
    /// `isAuthorized: false`.
    Refused,
}

/// Why it is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadAnswer {
    #[error("it answered with {bytes} bytes; {AUTHORIZER_RESULT_BYTES_MAX} are the most")]
    TooLarge { bytes: usize },
    #[error("it answered with something that is not a JSON object")]
    NotAnObject,
    #[error("its answer has no `{member}`")]
    Missing { member: &'static str },
    #[error("`{member}` of its answer is not {wanted}")]
    Shape {
        member: String,
        wanted: &'static str,
    },
    #[error("the policy in its answer cannot be read: {error}")]
    Policy { error: policy::ReadError },
}

/// Whose rules an answer is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// A REST API's: a principal is asked for, and `context` holds plain values.
    Rest,
    /// An HTTP API's.
    Http(AuthorizerFormat),
}

/// Reads an answer.
pub(super) fn read(bytes: &[u8], rules: Rules) -> Result<Answer, BadAnswer> {
    if AUTHORIZER_RESULT_BYTES_MAX < bytes.len() {
        return Err(BadAnswer::TooLarge { bytes: bytes.len() });
    }
    let mut answer: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|_| BadAnswer::NotAnObject)?;
    let decision = match rules {
        Rules::Http(AuthorizerFormat::V2Simple) => simple(&answer)?,
        Rules::Rest | Rules::Http(AuthorizerFormat::V1 | AuthorizerFormat::V2Policy) => {
            let document = answer.get("policyDocument");
            let document = document.ok_or(BadAnswer::Missing {
                member: "policyDocument",
            })?;
            let policy = Policy::from_value(document);
            Decision::Policy(policy.map_err(|error| BadAnswer::Policy { error })?)
        }
    };
    let principal_id = text(&answer, "principalId")?;
    if rules == Rules::Rest && principal_id.is_none() {
        return Err(BadAnswer::Missing {
            member: "principalId",
        });
    }
    let usage_key = text(&answer, "usageIdentifierKey")?;
    let context = context(answer.remove("context"), rules)?;
    Ok(Answer {
        decision,
        told: Arc::new(Told {
            principal_id,
            context,
        }),
        usage_key,
    })
}

fn simple(answer: &Map<String, Value>) -> Result<Decision, BadAnswer> {
    let member = "isAuthorized";
    match answer.get(member) {
        Some(Value::Bool(true)) => Ok(Decision::Allowed),
        Some(Value::Bool(false)) => Ok(Decision::Refused),
        Some(_) => Err(BadAnswer::Shape {
            member: member.to_owned(),
            wanted: "true or false",
        }),
        None => Err(BadAnswer::Missing { member }),
    }
}

fn text(answer: &Map<String, Value>, member: &str) -> Result<Option<String>, BadAnswer> {
    match answer.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(BadAnswer::Shape {
                member: member.to_owned(),
                wanted: "a string",
            })
        }
    }
}

/// A REST API's context holds strings, numbers and booleans; `claims` is reserved in payload 1.0 of HTTP APIs.
fn context(value: Option<Value>, rules: Rules) -> Result<Option<Map<String, Value>>, BadAnswer> {
    let bad = |member: &str, wanted| BadAnswer::Shape {
        member: member.to_owned(),
        wanted,
    };
    let context = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(context)) => context,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return Err(bad("context", "an object"));
        }
    };
    for (name, value) in &context {
        let is_plain = value.is_string() || value.is_number() || value.is_boolean();
        if rules == Rules::Rest && !is_plain {
            let member = format!("context.{name}");
            return Err(bad(&member, "a string, a number or a boolean"));
        }
        if rules == Rules::Http(AuthorizerFormat::V1) && name == "claims" {
            return Err(bad(
                "context.claims",
                "a name that may be used: it is reserved",
            ));
        }
    }
    Ok(Some(context))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_a_function_answers_is_read_or_refused(bytes in any::<Vec<u8>>(), member in "[a-zA-Z]{1,18}", value in any::<i64>()) {
            let json = format!(r#"{{"policyDocument": {{"Statement": {{"{member}": {value}}}}}, "{member}": {value}}}"#);
            for rules in [Rules::Rest, Rules::Http(AuthorizerFormat::V1), Rules::Http(AuthorizerFormat::V2Simple)] {
                let _read = read(&bytes, rules);
                let _read = read(json.as_bytes(), rules);
            }
        }
    }

    const OPEN: &str = r#""policyDocument": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

    fn check(rules: Rules, json: &str, expected: &str) {
        let read = match read(json.as_bytes(), rules) {
            Ok(_) => "read".to_owned(),
            Err(bad) => bad.to_string(),
        };
        assert_eq!(read, expected, "{json}");
    }

    #[test]
    fn a_rest_api_is_told_a_principal_and_plain_context() {
        for (rest, expected) in [
            (r#""principalId": "ada""#, "read"),
            (
                r#""principalId": "ada", "context": {"a": "1", "b": 2, "c": true}"#,
                "read",
            ),
            (r#""context": {}"#, "its answer has no `principalId`"),
            (
                r#""principalId": 7"#,
                "`principalId` of its answer is not a string",
            ),
            (
                r#""principalId": "ada", "context": {"a": []}"#,
                "`context.a` of its answer is not a string, a number or a boolean",
            ),
            (
                r#""principalId": "ada", "context": {"a": {"b": 1}}"#,
                "`context.a` of its answer is not a string, a number or a boolean",
            ),
            (
                r#""principalId": "ada", "context": "a""#,
                "`context` of its answer is not an object",
            ),
        ] {
            check(Rules::Rest, &format!("{{{OPEN}, {rest}}}"), expected);
        }
        check(
            Rules::Rest,
            "[]",
            "it answered with something that is not a JSON object",
        );
        check(
            Rules::Rest,
            r#"{"principalId": "ada"}"#,
            "its answer has no `policyDocument`",
        );
        check(
            Rules::Rest,
            r#"{"principalId": "ada", "policyDocument": {"Statement": {"Effect": "Maybe"}}}"#,
            "the policy in its answer cannot be read: `Effect` of statement 1 cannot be read",
        );
    }

    #[test]
    fn an_http_api_takes_any_context_and_needs_no_principal() {
        let policy = Rules::Http(AuthorizerFormat::V2Policy);
        check(
            policy,
            &format!(r#"{{{OPEN}, "context": {{"a": [1, {{}}]}}}}"#),
            "read",
        );
        let simple = Rules::Http(AuthorizerFormat::V2Simple);
        check(simple, r#"{"isAuthorized": true}"#, "read");
        check(
            simple,
            r#"{"isAuthorized": "true"}"#,
            "`isAuthorized` of its answer is not true or false",
        );
        check(simple, "{}", "its answer has no `isAuthorized`");
        check(
            Rules::Http(AuthorizerFormat::V1),
            &format!(r#"{{{OPEN}, "context": {{"claims": "a"}}}}"#),
            "`context.claims` of its answer is not a name that may be used: it is reserved",
        );
    }

    #[test]
    fn an_answer_over_the_limit_is_none() {
        let long = "a".repeat(AUTHORIZER_RESULT_BYTES_MAX);
        check(
            Rules::Rest,
            &format!(r#"{{{OPEN}, "principalId": "{long}"}}"#),
            &format!(
                "it answered with {} bytes; 8192 are the most",
                OPEN.len() + long.len() + 21
            ),
        );
    }
}
