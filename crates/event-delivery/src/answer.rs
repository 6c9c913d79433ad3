//! What a function says of a batch.
//!
//! Lives here: reading `batchItemFailures`.
//! Does not live here: what follows from it (`plan`).
//!
//! Contract: AWS Lambda Developer Guide, "Configuring partial batch response with DynamoDB and Lambda".

use std::collections::BTreeSet;

use model::event_source::Answers;
use serde_json::Value;

/// What a function made of its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All of it is done.
    Done,
    /// Those before this one are done; it and those after it are to be tried again.
    FailedFrom(usize),
    /// None of it is done.
    Failed(String),
    /// The function never saw it.
    NotRun(String),
}

/// Reads what a function returned, given the numbers of the records that it was called with.
pub(crate) fn read(answers: Answers, returned: &[u8], sequence_numbers: &[&str]) -> Verdict {
    match answers {
        Answers::Ignored => Verdict::Done,
        Answers::BatchItemFailures => failures(returned, sequence_numbers),
    }
}

/// Which messages of a queue failed, by their places in the batch.
///
/// # Errors
/// Why all of them count as failed.
pub(crate) fn failed_messages(
    answers: Answers,
    returned: &[u8],
    ids: &[&str],
) -> Result<BTreeSet<usize>, String> {
    match answers {
        Answers::Ignored => Ok(BTreeSet::new()),
        Answers::BatchItemFailures => listed(returned, ids),
    }
}

fn failures(returned: &[u8], sequence_numbers: &[&str]) -> Verdict {
    match listed(returned, sequence_numbers) {
        Err(reason) => Verdict::Failed(reason),
        Ok(failed) => failed
            .first()
            .map_or(Verdict::Done, |first| Verdict::FailedFrom(*first)),
    }
}

/// The places of what `batchItemFailures` lists.
fn listed(returned: &[u8], identifiers: &[&str]) -> Result<BTreeSet<usize>, String> {
    let answer: Value = match serde_json::from_slice(returned) {
        Ok(answer) => answer,
        // A function may return nothing at all.
        Err(_) if returned.is_empty() => return Ok(BTreeSet::new()),
        Err(_) => return Err("its answer is not JSON".to_owned()),
    };
    let listed = match &answer {
        Value::Null => return Ok(BTreeSet::new()),
        // Recorded so: an empty list names no failure, either.
        Value::Array(items) if items.is_empty() => return Ok(BTreeSet::new()),
        Value::Object(members) => match members.get("batchItemFailures") {
            None | Some(Value::Null) => return Ok(BTreeSet::new()),
            Some(Value::Array(listed)) => listed,
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                return Err("`batchItemFailures` of its answer is no list".to_owned());
            }
        },
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err("its answer has no `batchItemFailures`".to_owned());
        }
    };
    let place_of = |failure: &Value| {
        let identifier = failure.get("itemIdentifier").and_then(Value::as_str);
        let found = identifiers
            .iter()
            .position(|known| Some(*known) == identifier);
        found.ok_or_else(|| {
            let shown = identifier.unwrap_or("(none)");
            format!(
                "its answer names `{shown}` as an `itemIdentifier`, which is no record of the batch"
            )
        })
    };
    listed.iter().map(place_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(returned: &str, expected: &Verdict) {
        let read = read(
            Answers::BatchItemFailures,
            returned.as_bytes(),
            &["1", "2", "3"],
        );
        match (&read, expected) {
            (Verdict::Failed(_), Verdict::Failed(_)) => {}
            _ => assert_eq!(read, *expected, "{returned}"),
        }
    }

    #[test]
    fn what_names_no_failure_is_a_success() {
        for returned in [
            "",
            "null",
            "{}",
            "[]",
            r#"{"batchItemFailures":[]}"#,
            r#"{"batchItemFailures":null}"#,
        ] {
            check(returned, &Verdict::Done);
        }
    }

    #[test]
    fn the_first_failure_counts_wherever_it_is_listed() {
        let returned = r#"{"batchItemFailures":[{"itemIdentifier":"3"},{"itemIdentifier":"2"}]}"#;
        check(returned, &Verdict::FailedFrom(1));
    }

    #[test]
    fn what_cannot_be_understood_fails_as_a_whole() {
        for returned in [
            "{",
            "\"ok\"",
            "[1]",
            r#"{"batchItemFailures":"1"}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"id":"1"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"4"}]}"#,
        ] {
            check(returned, &Verdict::Failed(String::new()));
        }
    }

    #[test]
    fn answers_that_nobody_asked_for_mean_nothing() {
        assert_eq!(read(Answers::Ignored, b"{", &["1"]), Verdict::Done);
    }
}
