//! Paths that come together in one expression.
//!
//! Lives here: whether two of them get in each other's way, how they are printed.
//! Does not live here: reading paths (`parser`), resolving them (`placeholders`).

use super::placeholders::PathStep;

/// Refuses paths of which one is another or leads into it, and paths that take one document for a list and for a map.
///
/// # Errors
/// The text that stands after `Invalid …Expression: `.
pub(super) fn judge(paths: &[&[PathStep]]) -> Result<(), String> {
    for (index, first) in paths.iter().enumerate() {
        for second in paths.iter().skip(index + 1) {
            let how = match first.iter().zip(*second).find(|(a, b)| a != b) {
                None => "overlap",
                Some(
                    (PathStep::Name(_), PathStep::Index(_))
                    | (PathStep::Index(_), PathStep::Name(_)),
                ) => "conflict",
                Some(_) => continue,
            };
            return Err(format!(
                "Two document paths {how} with each other; must remove or rewrite one of these paths; path one: {}, path two: {}",
                text_of(first),
                text_of(second)
            ));
        }
    }
    Ok(())
}

/// A path as the service prints it: `[a, [0], b]`.
pub(super) fn text_of(path: &[PathStep]) -> String {
    let steps: Vec<_> = path
        .iter()
        .map(|step| match step {
            PathStep::Name(name) => name.clone(),
            PathStep::Index(index) => format!("[{index}]"),
        })
        .collect();
    format!("[{}]", steps.join(", "))
}
