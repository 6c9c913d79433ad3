//! Policy documents as they arrive.
//!
//! Lives here: the size of a document, what is wrong with one, and in which words it is refused.
//! Does not live here: reading them (`policy`).
//!
//! Contract: IAM API Reference, `MalformedPolicyDocument`; IAM User Guide, "Grammar of the IAM JSON policy language".

use std::sync::Arc;

use policy::Policy;
use serde_json::Value;

/// What a document is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// Of a user, a group or a role: it names nobody.
    Identity,
    /// Of a role that is to be assumed: it names somebody, and no resource.
    Trust,
}

/// Reads a document; or why the cloud refuses it.
pub(crate) fn read(of: Of, text: &str) -> Result<Arc<str>, String> {
    let value: Value = serde_json::from_str(text).map_err(|_| match of {
        Of::Trust => "This policy contains invalid Json".to_owned(),
        Of::Identity => "Syntax errors in policy.".to_owned(),
    })?;
    from_value(of, &value)?;
    Ok(text.into())
}

/// The same, of a document that has been parsed: those of templates. A document in a text is a document too.
pub(crate) fn from_template(of: Of, value: &Value) -> Result<Arc<str>, String> {
    match value.as_str() {
        Some(text) => read(of, text),
        None => {
            from_value(of, value)?;
            Ok(value.to_string().into())
        }
    }
}

fn from_value(of: Of, value: &Value) -> Result<(), String> {
    let document = value
        .as_object()
        .ok_or_else(|| "Syntax errors in policy.".to_owned())?;
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) if statements.is_empty() => {
            return Err("Policy statement must contain actions.".to_owned());
        }
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => return Err("Syntax errors in policy.".to_owned()),
    };
    for statement in statements {
        let has = |names: [&str; 2]| names.iter().any(|name| statement.get(name).is_some());
        if !has(["Action", "NotAction"]) {
            return Err("Policy statement must contain actions.".to_owned());
        }
        let (names, concerns) = (
            has(["Principal", "NotPrincipal"]),
            has(["Resource", "NotResource"]),
        );
        match of {
            Of::Identity if names => {
                return Err("Policy document should not specify a principal.".to_owned());
            }
            Of::Identity if !concerns => {
                return Err("Policy statement must contain resources.".to_owned());
            }
            Of::Trust if concerns => {
                return Err("Has prohibited field Resource".to_owned());
            }
            Of::Trust if !names => {
                return Err("Missing required field Principal".to_owned());
            }
            Of::Identity | Of::Trust => {}
        }
        if let Some(wrong) = actions(statement).find(|action| !is_action(action)) {
            return Err(match wrong.contains(':') {
                true => format!("Actions/Condition can contain only one colon. ({wrong})"),
                false => {
                    "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
                        .to_owned()
                }
            });
        }
    }
    Policy::from_value(value)
        .map(drop)
        .map_err(|error| format!("Syntax errors in policy: {error}."))
}

fn actions(statement: &Value) -> impl Iterator<Item = &str> {
    let written = [statement.get("Action"), statement.get("NotAction")];
    written.into_iter().flatten().flat_map(|actions| {
        let many = actions.as_array().map(Vec::as_slice);
        let each = many.unwrap_or(std::slice::from_ref(actions)).iter();
        each.filter_map(Value::as_str)
    })
}

fn is_action(action: &str) -> bool {
    action == "*" || action.split(':').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_refused_as_the_cloud_refuses_them() {
        let allow = |rest: &str| {
            format!(r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow"{rest}}}}}"#)
        };
        for (of, text, expected) in [
            (
                Of::Identity,
                allow(r#", "Action": "s3:*", "Resource": "*""#),
                None,
            ),
            (
                Of::Identity,
                allow(r#", "Action": "s3:*""#),
                Some("Policy statement must contain resources."),
            ),
            (
                Of::Identity,
                allow(r#", "Resource": "*""#),
                Some("Policy statement must contain actions."),
            ),
            (
                Of::Identity,
                allow(r#", "Action": "everything", "Resource": "*""#),
                Some("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
            ),
            (
                Of::Identity,
                allow(r#", "Action": "s3:*", "Resource": "*", "Principal": "*""#),
                Some("Policy document should not specify a principal."),
            ),
            (
                Of::Trust,
                allow(
                    r#", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}"#,
                ),
                None,
            ),
            (
                Of::Trust,
                allow(r#", "Action": "sts:AssumeRole", "Principal": "*", "Resource": "*""#),
                Some("Has prohibited field Resource"),
            ),
            (
                Of::Trust,
                allow(r#", "Action": "sts:AssumeRole""#),
                Some("Missing required field Principal"),
            ),
            (
                Of::Identity,
                "{".to_owned(),
                Some("Syntax errors in policy."),
            ),
        ] {
            let refused = read(of, &text).err();
            assert_eq!(refused.as_deref(), expected, "{text}");
        }
    }
}
