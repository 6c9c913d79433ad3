//! Filters of secrets.

use serde_json::Value;

use super::invalid_parameter;
use crate::engine::rows::Secret;
use crate::fault::Fault;
use crate::fields::Fields;

const KEYS: &[&str] = &[
    "all",
    "description",
    "name",
    "owning-service",
    "primary-region",
    "tag-key",
    "tag-value",
];
const FILTERS_MAX: usize = 10;

/// One filter.
pub(super) struct Filter {
    key: String,
    values: Vec<String>,
}

/// Takes `Filters`.
pub(super) fn take(fields: &mut Fields) -> Result<Option<Vec<Filter>>, Fault> {
    let Some(given) = fields.take("Filters") else {
        return Ok(None);
    };
    let mut filters = Vec::new();
    for filter in given.as_array().into_iter().flatten() {
        let key = filter
            .get("Key")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !KEYS.contains(&key) {
            return Err(invalid_parameter(format!(
                "{key} is not a key of a filter."
            )));
        }
        let values = filter.get("Values").and_then(Value::as_array);
        let texts = values.into_iter().flatten().filter_map(Value::as_str);
        filters.push(Filter {
            key: key.to_owned(),
            values: texts.map(str::to_owned).collect(),
        });
    }
    if FILTERS_MAX < filters.len() {
        return Err(invalid_parameter(format!(
            "There are {FILTERS_MAX} filters at most."
        )));
    }
    Ok(Some(filters))
}

/// Whether a secret is what all of them ask for.
pub(super) fn match_all(filters: &[Filter], secret: &Secret) -> bool {
    filters.iter().all(|filter| {
        filter
            .values
            .iter()
            .any(|value| match value.strip_prefix('!') {
                Some(value) => !matches(&filter.key, value, secret),
                None => matches(&filter.key, value, secret),
            })
    })
}

fn matches(key: &str, value: &str, secret: &Secret) -> bool {
    let tags = || secret.tags.iter().flatten();
    let description = secret.description.as_deref().unwrap_or_default();
    match key {
        "name" => secret.name.starts_with(value),
        "description" => has_words(description, value),
        "tag-key" => tags().any(|(name, _)| name.starts_with(value)),
        "tag-value" => tags().any(|(_, text)| text.starts_with(value)),
        "all" => {
            has_words(&secret.name, value)
                || has_words(description, value)
                || tags().any(|(name, text)| has_words(name, value) || has_words(text, value))
        }
        // No secret is a replica, or belongs to a service.
        _ => false,
    }
}

/// Whether each word that is asked for begins one of the text, in any case.
fn has_words(text: &str, wanted: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let lower = text.to_lowercase();
        let parts = lower.split(|character: char| !character.is_alphanumeric());
        parts
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let there = words(text);
    let mut wanted = words(wanted).into_iter();
    wanted.all(|word| there.iter().any(|one| one.starts_with(&word)))
}
