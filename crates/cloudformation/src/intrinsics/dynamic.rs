//! Dynamic references: `{{resolve:ssm:name}}` in texts.
//!
//! Lives here: finding them, and putting their values in.
//! Does not live here: looking them up (`Scope`).

use model::problem::Place;
use serde_json::Value;

use super::functions::text_of;
use super::{Evaluator, Lookup, Outcome, problem};

/// Resolves every dynamic reference of a text. What their values hold is not looked at again.
pub(super) fn resolve(evaluator: &Evaluator<'_>, text: &str, place: &Place) -> Outcome {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{resolve:") {
        let Some((reference, behind)) = after.split_once("}}") else {
            break;
        };
        result.push_str(before);
        let (service, key) = reference.split_once(':').unwrap_or((reference, ""));
        if !matches!(service, "ssm" | "ssm-secure" | "secretsmanager") || key.is_empty() {
            return evaluator.fail(
                problem(&format!("`{{{{resolve:{reference}}}}}` names nothing to resolve"), place)
                    .help("write {{resolve:ssm:name}}, {{resolve:ssm-secure:name}} or {{resolve:secretsmanager:id:SecretString:key}}"),
            );
        }
        match evaluator.scope.dynamic(service, key) {
            Lookup::Found(value) => {
                let value = text_of(&value).unwrap_or_else(|| Value::to_string(&value));
                if !evaluator.spend(value.len(), place) {
                    return Outcome::Failed;
                }
                result.push_str(&value);
            }
            Lookup::Missing(cause) => {
                let title = format!("`{{{{resolve:{service}:{key}}}}}` has no value");
                return evaluator.fail(
                    problem(&title, place)
                        .because(cause)
                        .help(remedy(service, key)),
                );
            }
            Lookup::Silent => return evaluator.fail_silently(),
        }
        rest = behind;
    }
    result.push_str(rest);
    Outcome::Value(Value::String(result))
}

/// The command that makes what is missing.
pub(crate) fn remedy(service: &str, key: &str) -> String {
    let made = match service {
        "secretsmanager" => {
            let id = key.split(":SecretString").next().unwrap_or(key);
            let name = id.rsplit(':').next().unwrap_or(id);
            format!("secretsmanager create-secret --name {name} --secret-string …")
        }
        _parameters => {
            let name = match key.rsplit_once(':') {
                Some((name, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => name,
                Some(_) | None => key,
            };
            let kind = if service == "ssm" {
                "String"
            } else {
                "SecureString"
            };
            format!("ssm put-parameter --name {name} --type {kind} --value …")
        }
    };
    format!(
        "make it, and save the template again: `aws --endpoint-url http://127.0.0.1:4566 {made}`"
    )
}
