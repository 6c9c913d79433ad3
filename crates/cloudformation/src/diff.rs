//! What changed between two evaluated states.
//!
//! Lives here: paths of added, changed and removed values.
//! Does not live here: what a change takes (`ResourceProvider::plan_update`).

use serde_json::{Map, Value};

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The way to the value: names and indexes.
    pub path: Vec<String>,
    /// The value before; none: it was added.
    pub before: Option<Value>,
    /// The value now; none: it was removed.
    pub after: Option<Value>,
}

/// All differences, innermost values only, in the order of the old state and then of what is new.
#[must_use]
pub fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Difference> {
    let mut found = Vec::new();
    objects(&mut Vec::new(), before, after, &mut found);
    found
}

fn objects(
    path: &mut Vec<String>,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    for (key, old) in before {
        step(path, key.clone(), Some(old), after.get(key), found);
    }
    for (key, new) in after {
        if !before.contains_key(key) {
            step(path, key.clone(), None, Some(new), found);
        }
    }
}

fn step(
    path: &mut Vec<String>,
    key: String,
    before: Option<&Value>,
    after: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    path.push(key);
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            objects(path, before, after, found);
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for index in 0..before.len().max(after.len()) {
                step(
                    path,
                    index.to_string(),
                    before.get(index),
                    after.get(index),
                    found,
                );
            }
        }
        (before, after) if before == after => {}
        (before, after) => found.push(Difference {
            path: path.clone(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
    path.pop();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(before: Value, after: Value, expected: &[&str]) {
        let (Value::Object(before), Value::Object(after)) = (before, after) else {
            panic!("objects are compared");
        };
        let found: Vec<String> = differences(&before, &after)
            .iter()
            .map(|one| {
                let show =
                    |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
                format!(
                    "{}: {} > {}",
                    one.path.join("."),
                    show(&one.before),
                    show(&one.after)
                )
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn equal_states_have_no_difference() {
        check(
            json!({"a": [1, {"b": 2}]}),
            json!({"a": [1, {"b": 2}]}),
            &[],
        );
    }

    #[test]
    fn only_innermost_values_are_named() {
        check(
            json!({"a": {"b": 1, "c": 2}, "l": [1, 2]}),
            json!({"a": {"b": 9, "d": 3}, "l": [1], "n": null}),
            &[
                "a.b: 1 > 9",
                "a.c: 2 > -",
                "a.d: - > 3",
                "l.1: 2 > -",
                "n: - > null",
            ],
        );
    }
}
