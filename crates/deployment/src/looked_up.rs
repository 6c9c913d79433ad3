//! What dynamic references gave, wherever it shows again.
//!
//! Lives here: secrets that no problem may repeat, and names that stand in for values that a check does not know.
//! Does not live here: looking values up (`references`).

use std::collections::BTreeSet;
use std::fmt;

use interfaces::stored_values::Kind;
use model::problem::Problem;
use serde_json::Value;

/// Shorter secrets would be found in words.
const SECRET_BYTES_MIN: usize = 4;
/// What problems say instead of a secret.
const HIDDEN: &str = "****";

/// Values that are not like others. They are never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LookedUp {
    secrets: BTreeSet<String>,
    stand_ins: BTreeSet<String>,
    has_secrets: bool,
}

impl fmt::Debug for LookedUp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LookedUp").finish_non_exhaustive()
    }
}

impl LookedUp {
    /// Notes a value that was looked up.
    pub fn note(&mut self, kind: Kind, value: &str) {
        self.has_secrets |= kind == Kind::Secret;
        match kind {
            Kind::Secret if SECRET_BYTES_MIN <= value.len() => {
                self.secrets.insert(value.to_owned());
            }
            Kind::StandIn if !value.is_empty() => {
                self.stand_ins.insert(value.to_owned());
            }
            Kind::Secret | Kind::StandIn | Kind::Text | Kind::List => {}
        }
    }

    /// Whether there was a secret. One that is too short to be hidden counts.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        self.has_secrets
    }

    /// Knows what another knows, too.
    pub fn add(&mut self, other: &Self) {
        self.secrets.extend(other.secrets.iter().cloned());
        self.stand_ins.extend(other.stand_ins.iter().cloned());
        self.has_secrets |= other.has_secrets;
    }

    /// Takes secrets out of what a problem says: terminals, logs and reports of builds show it.
    pub fn hide_in(&self, problem: &mut Problem) {
        // Longest first: one may be part of another.
        let mut secrets: Vec<&String> = self.secrets.iter().collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let texts = [&mut problem.cause, &mut problem.help];
        let texts = texts.into_iter().filter_map(Option::as_mut);
        for text in texts.chain([&mut problem.title]) {
            for secret in &secrets {
                if text.contains(secret.as_str()) {
                    *text = text.replace(secret.as_str(), HIDDEN);
                }
            }
        }
    }

    /// Whether a problem is about something that only stands in: its title says so between backticks.
    pub(crate) fn is_about_stand_in(&self, problem: &Problem) -> bool {
        let mut quoted = problem.title.split('`').skip(1).step_by(2);
        quoted.any(|quoted| self.stand_ins.contains(quoted))
    }

    /// Whether something in this value, or what `path` leads to in it, only stands in for what nobody knows yet.
    pub(crate) fn is_stood_in(&self, value: &Value, path: &[String]) -> bool {
        if self.stand_ins.is_empty() {
            return false;
        }
        let mut here = value;
        for part in path {
            let inner = if let Value::Array(items) = here {
                part.parse().ok().and_then(|at: usize| items.get(at))
            } else {
                here.get(part)
            };
            // A path may end in what is missing.
            let Some(inner) = inner else { break };
            here = inner;
        }
        self.holds_stand_in(here)
    }

    fn holds_stand_in(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.stand_ins.iter().any(|it| text.contains(it.as_str())),
            Value::Array(items) => items.iter().any(|item| self.holds_stand_in(item)),
            Value::Object(members) => members.values().any(|inner| self.holds_stand_in(inner)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
}
