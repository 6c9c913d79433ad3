//! Problems in people's files: what is wrong, where, what it means, and what to do about it.
//!
//! Lives here: the plain data that readers, checkers and resource providers collect.
//! Does not live here: how a problem is drawn on a terminal (`cloudless::commands`).

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A position in one of the user's files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, relative to the project's folder, with `/` between its parts.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// How many characters the marked text has; at least 1, and never past the end of the line.
    pub width: u32,
}

impl Place {
    /// The first character of a file: for what concerns the file as a whole.
    #[must_use]
    pub fn start_of(file: &str) -> Self {
        Self {
            file: file.into(),
            line: 1,
            column: 1,
            width: 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// How much of the application a problem takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// What was written is not carried out. What does not depend on it still runs.
    Error,
    /// All is carried out, but probably not as its author meant it.
    Warning,
}

/// Adds a problem of `name`, with which its title ends. What several have at the same place, as a setting that they share, is
/// told once, with all names.
pub fn push_of(problems: &mut Vec<Problem>, problem: Problem, name: &str) {
    let is_same = |known: &Problem| {
        known.title.starts_with(&problem.title)
            && known.code == problem.code
            && known.severity == problem.severity
            && known.place == problem.place
            && known.cause == problem.cause
            && known.help == problem.help
    };
    match problems.iter_mut().find(|known| is_same(known)) {
        Some(known) => known.title = format!("{}, `{name}`", known.title),
        None => problems.push(Problem {
            title: format!("{} `{name}`", problem.title),
            ..problem
        }),
    }
}

/// One problem. Problems are collected, never thrown: a reader mends ten mistakes in one go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A stable name, as `area::what-is-wrong`; `docs/errors/` explains each.
    pub code: &'static str,
    /// How much it takes away.
    pub severity: Severity,
    /// What is wrong, in one lower-case line without a full stop; names are in backticks.
    pub title: String,
    /// Where; none when no file is to blame (a port, a missing tool).
    pub place: Option<Place>,
    /// Why it is a problem: what the cloud would do with it, or what is not built yet.
    pub cause: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem that keeps what it stands on from running.
    #[must_use]
    pub fn error(code: &'static str, title: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, title.into())
    }

    /// A problem that lets everything run.
    #[must_use]
    pub fn warning(code: &'static str, title: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, title.into())
    }

    fn new(code: &'static str, severity: Severity, title: String) -> Self {
        Self {
            code,
            severity,
            title,
            place: None,
            cause: None,
            help: None,
        }
    }

    /// The same problem, at a place.
    #[must_use]
    pub fn at(mut self, place: &Place) -> Self {
        self.place = Some(place.clone());
        self
    }

    /// The same problem, with its cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The same problem, with its remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Whether any of these keeps something from running.
#[must_use]
pub fn any_error(problems: &[Problem]) -> bool {
    problems
        .iter()
        .any(|problem| problem.severity == Severity::Error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_have_at_one_place_is_told_once() {
        let at = |line| Place {
            line,
            ..Place::start_of("a.yml")
        };
        let mut problems = Vec::new();
        for (name, line) in [("a", 1), ("b", 1), ("c", 2)] {
            push_of(
                &mut problems,
                Problem::error("x::y", "no code for").at(&at(line)),
                name,
            );
        }
        let titles: Vec<&str> = problems.iter().map(|it| it.title.as_str()).collect();
        assert_eq!(titles, ["no code for `a`, `b`", "no code for `c`"]);
    }
}
