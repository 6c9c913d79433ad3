//! Labels of versions.

use serde_json::json;

use super::{NAME, ParameterRef, not_found};
use crate::engine::rows::Parameter;
use crate::engine::state::{KeptParameter, Step};
use crate::fault::{Answer, Fault};
use crate::fields::Fields;
use crate::service::Context;

/// Labels of a version.
const LABELS_MAX: usize = 10;
const LENGTH_MAX: usize = 100;

fn is_label(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let reserved = lower.starts_with("aws") || lower.starts_with("ssm");
    let starts_with_digit = label
        .bytes()
        .next()
        .is_none_or(|byte| byte.is_ascii_digit());
    label.len() <= LENGTH_MAX && label.bytes().all(allowed) && !reserved && !starts_with_digit
}

fn version_of(kept: &KeptParameter, number: Option<i64>) -> Result<u64, Fault> {
    let number = match number {
        Some(number) => u64::try_from(number).unwrap_or(0),
        None => kept.row.newest,
    };
    if kept.versions.contains_key(&number) {
        return Ok(number);
    }
    let name = &kept.row.name;
    let message = format!(
        "Systems Manager could not find version {number} of {name}. Verify the version and try again."
    );
    Err(Fault::new("ParameterVersionNotFound", message))
}

pub(super) async fn label_parameter_version(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &NAME);
    let number = fields.whole("ParameterVersion", 1, i64::MAX);
    let labels = fields.texts("Labels").unwrap_or_default();
    fields.finish()?;
    let wanted = ParameterRef::read(&name, context.place);
    wanted.judge()?;
    context
        .catalogue
        .change(&wanted.place, |state| {
            let kept = wanted.find(state).ok_or_else(not_found)?;
            let number = version_of(kept, number)?;
            let (good, invalid): (Vec<String>, Vec<String>) =
                labels.into_iter().partition(|label| is_label(label));
            let mut row: Parameter = kept.row.clone();
            for label in good {
                row.labels.insert(label, number);
            }
            if LABELS_MAX < row.labels.values().filter(|on| **on == number).count() {
                let message = format!("An error occurred (ParameterVersionLabelLimitExceeded) when calling the LabelParameterVersion operation: A parameter version can have maximum {LABELS_MAX} labels.Move one or more labels to another version and try again.");
                return Err(Fault::new("ParameterVersionLabelLimitExceeded", message));
            }
            let answer = json!({"InvalidLabels": invalid, "ParameterVersion": number});
            Ok((answer, vec![Step::PutParameter(row)]))
        })
        .await
}

pub(super) async fn unlabel_parameter_version(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &NAME);
    let number = fields.whole("ParameterVersion", 1, i64::MAX);
    let labels = fields.texts("Labels").unwrap_or_default();
    fields.finish()?;
    let wanted = ParameterRef::read(&name, context.place);
    wanted.judge()?;
    context
        .catalogue
        .change(&wanted.place, |state| {
            let kept = wanted.find(state).ok_or_else(not_found)?;
            let number = version_of(kept, number)?;
            let mut row: Parameter = kept.row.clone();
            let (removed, invalid): (Vec<String>, Vec<String>) = labels
                .into_iter()
                .partition(|label| row.labels.get(label) == Some(&number));
            row.labels.retain(|label, _| !removed.contains(label));
            let answer = json!({"RemovedLabels": removed, "InvalidLabels": invalid});
            Ok((answer, vec![Step::PutParameter(row)]))
        })
        .await
}
