//! Who may use a key: its policy together with its grants.
//!
//! Lives here: grants as statements of a policy, which is what they come to.
//! Does not live here: making grants (`kms::grants`), judging (`policy`).

use policy::Policy;
use serde_json::{Map, Value, json};

use super::rows::{Grant, Key};

/// What a constraint on the encryption context is about.
const CRYPTOGRAPHIC: &[&str] = &[
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
];

/// The policy of a key, and a statement or two for each of its grants.
pub(crate) fn policy_of(key: &Key) -> Policy {
    let mut document: Value = serde_json::from_str(&key.policy).unwrap_or_default();
    let statements = document.get_mut("Statement").map(Value::take);
    let mut statements = match statements {
        Some(Value::Array(statements)) => statements,
        Some(Value::Object(single)) => vec![Value::Object(single)],
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
            Vec::new()
        }
    };
    statements.extend(key.grants.iter().flat_map(statements_of));
    if let Value::Object(members) = &mut document {
        members.insert("Statement".to_owned(), Value::Array(statements));
    }
    Policy::from_value(&document).unwrap_or_default()
}

/// The policy that lets the retiring principal of this grant retire it.
pub(crate) fn retiring_policy(key: &Key, grant: &Grant) -> Policy {
    let mut with = key.clone();
    if let Some(principal) = &grant.retiring {
        with.grants.push(Grant {
            grantee: principal.clone(),
            operations: vec!["RetireGrant".to_owned()],
            constraints: None,
            ..grant.clone()
        });
    }
    policy_of(&with)
}

fn statements_of(grant: &Grant) -> Vec<Value> {
    let (bound, free): (Vec<&str>, Vec<&str>) = grant
        .operations
        .iter()
        .map(String::as_str)
        .partition(|name| CRYPTOGRAPHIC.contains(name));
    let statement = |operations: &[&str], condition: Value| {
        let actions: Vec<String> = operations
            .iter()
            .map(|name| format!("kms:{name}"))
            .collect();
        json!({
            "Effect": "Allow",
            "Principal": {"AWS": grant.grantee},
            "Action": actions,
            "Resource": "*",
            "Condition": condition,
        })
    };
    let mut statements = Vec::new();
    if !bound.is_empty() {
        statements.push(statement(&bound, condition(grant)));
    }
    if !free.is_empty() {
        statements.push(statement(&free, json!({})));
    }
    statements
}

fn condition(grant: &Grant) -> Value {
    let constraint = |name: &str| {
        let constraints = grant.constraints.as_ref()?;
        constraints.get(name)?.as_object()
    };
    let subset = constraint("EncryptionContextSubset");
    let whole = constraint("EncryptionContextEquals");
    let mut equal = Map::new();
    for (key, value) in subset.into_iter().chain(whole).flatten() {
        equal.insert(format!("kms:EncryptionContext:{key}"), value.clone());
    }
    let mut condition = Map::new();
    if !equal.is_empty() {
        condition.insert("StringEquals".to_owned(), Value::Object(equal));
    }
    if let Some(whole) = whole {
        let names: Vec<&String> = whole.keys().collect();
        condition.insert(
            "ForAllValues:StringEquals".to_owned(),
            json!({"kms:EncryptionContextKeys": names}),
        );
    }
    Value::Object(condition)
}
