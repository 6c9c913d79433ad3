//! "Did you mean …?"
//!
//! Lives here: the remedy for a key, a plugin or a resource that nobody knows.
//! Does not live here: which name is nearest (`model::suggestion`).

use model::suggestion::nearest;

/// The remedy for a name that nobody knows: the one that was probably meant, or all there are.
pub(super) fn help(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => {
            let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("known are {}", names.join(", "))
        }
    }
}
