//! Selection patterns of integration responses.
//!
//! Lives here: compiling them, with the one look ahead that tools write (`2(?!06)\d{2}`).
//! Does not live here: what they are matched against (`reply`).
//!
//! Contract: Amazon API Gateway API Reference, `IntegrationResponse`: patterns are Java's, and match as a whole.

use regex_lite::{Regex, RegexBuilder};

/// The size of a selection pattern when it is ready for use, in bytes.
const PATTERN_BYTES_MAX: usize = 256 * 1024;
const META: &str = r"\^$.|?*+()[]{}";

/// A pattern, compiled.
#[derive(Debug)]
pub(super) struct Pattern {
    whole: Regex,
    /// What a text that matches must not begin with.
    not: Option<Regex>,
}

impl Pattern {
    pub(super) fn compile(pattern: &str) -> Result<Self, regex_lite::Error> {
        // As a whole: Java's `matches`.
        let (whole, not) = match looking_ahead(pattern) {
            None => (format!("^(?:{pattern})$"), None),
            Some((before, refused, after)) => (
                format!("^{before}(?:{after})$"),
                Some(format!("^{before}(?:{refused})")),
            ),
        };
        let built = |pattern: &str| {
            let mut builder = RegexBuilder::new(pattern);
            builder.size_limit(PATTERN_BYTES_MAX).build()
        };
        Ok(Self {
            whole: built(&whole)?,
            not: not.as_deref().map(built).transpose()?,
        })
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.whole.is_match(text) && !self.not.as_ref().is_some_and(|not| not.is_match(text))
    }
}

/// A pattern that is plain text, one look ahead, and a rest: with text before it there is one place alone to look from, so
/// that both parts can be matched for themselves, in linear time. Any other look around is refused when it is compiled.
fn looking_ahead(pattern: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = pattern.split_once("(?!")?;
    let (refused, after) = rest.split_once(')')?;
    let is_simple = !before.contains(|letter| META.contains(letter))
        && !refused.contains(['(', '[', '\\'])
        && !after.contains(['|', '('])
        && !after.starts_with(['*', '+', '?', '{']);
    is_simple.then_some((before, refused, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_whole_and_look_ahead_behind_plain_text() {
        let matches = |pattern: &str, text: &str| {
            Pattern::compile(pattern).is_ok_and(|compiled| compiled.is_match(text))
        };
        for (pattern, text, expected) in [
            (r"2\d{2}", "200", true),
            (r"2\d{2}", "2000", false),
            (r"2(?!06)\d{2}", "200", true),
            (r"2(?!06)\d{2}", "206", false),
            (r"2(?!06|07)\d{2}", "207", false),
            (r"2(?!0)\d{2}", "210", true),
            (r"(?!Fine).*", "Fine, thanks", false),
            (r"(?!Fine).*", "Bad", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
        for refused in [r"a*(?!b).*", "a(?!b(c)).*", "(?<!a)b", "a(?!b)c|d"] {
            assert!(Pattern::compile(refused).is_err(), "{refused}");
        }
    }
}
