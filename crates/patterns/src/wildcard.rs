//! Texts with stars.
//!
//! Lives here: reading one, trying a text, how complex those of a pattern may be.
//! Does not live here: the other operators (`operators`).
//!
//! Contract: Amazon EventBridge User Guide, "Comparison operators", "Matching using wildcards": no two stars in a row, `\*` and
//! `\\` stand for a star and a backslash; a pattern whose wildcards could be at too many of their places at once is refused.

use std::collections::{BTreeSet, HashSet, VecDeque};

use crate::operators::{Test, ValueTest};
use crate::{PatternError, Way};

/// At how many places at once the wildcards of a field may be while a text is read. The recorded answers lie on both sides: six
/// stars with the same character after each come to ten and are refused, one star before five repetitions comes to seven.
const COMPLEXITY_MAX: usize = 9;
/// Sets of places that are looked at before a pattern counts as too complex.
const SETS_MAX: usize = 4_096;

/// A text with stars, in pieces between them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wildcard {
    pieces: Vec<Box<str>>,
}

impl Wildcard {
    /// Reads one.
    ///
    /// # Errors
    /// EventBridge's words. It counts from the quote before the text.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut piece = String::new();
        let mut chars = text.char_indices().peekable();
        while let Some((at, char)) = chars.next() {
            match char {
                '*' => {
                    if chars.peek().is_some_and(|(_, next)| *next == '*') {
                        return Err(format!("Consecutive wildcard characters at pos {}", at + 1));
                    }
                    pieces.push(std::mem::take(&mut piece).into_boxed_str());
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('*' | '\\'))) => piece.push(escaped),
                    Some(_) | None => {
                        return Err(format!("Invalid escape character at pos {}", at + 1));
                    }
                },
                other => piece.push(other),
            }
        }
        pieces.push(piece.into_boxed_str());
        Ok(Self { pieces })
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            return self.pieces.first().is_some_and(|whole| **whole == *text);
        };
        let Some(rest) = text.strip_prefix(&**first) else {
            return false;
        };
        let Some(mut rest) = rest.strip_suffix(&**last) else {
            return false;
        };
        // The earliest place of each piece leaves the most for those after it.
        for piece in middle {
            let Some(at) = rest.find(&**piece) else {
                return false;
            };
            rest = rest.get(at + piece.len()..).unwrap_or_default();
        }
        true
    }

    /// Its bytes; none for a star.
    fn steps(&self) -> Vec<Option<u8>> {
        let mut steps = Vec::new();
        for (number, piece) in self.pieces.iter().enumerate() {
            if number != 0 {
                steps.push(None);
            }
            steps.extend(piece.bytes().map(Some));
        }
        steps
    }
}

/// Refuses patterns whose wildcards are too complex.
pub(crate) fn judge_complexity(ways: &[Way]) -> Result<(), PatternError> {
    let mut judged = HashSet::new();
    for tests in ways.iter().flat_map(Way::values) {
        if !judged.insert(tests.as_ptr()) {
            continue;
        }
        let wildcards: Vec<Vec<Option<u8>>> = tests.iter().flat_map(wildcards_of).collect();
        let has_star = wildcards.iter().flatten().any(Option::is_none);
        if has_star && is_too_complex(&wildcards) {
            return Err(PatternError::without_place(
                "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character",
            ));
        }
    }
    Ok(())
}

fn wildcards_of(test: &Test) -> Vec<Vec<Option<u8>>> {
    let steps = |test: &ValueTest| {
        let ValueTest::Wildcard(wildcard) = test else {
            return None;
        };
        Some(wildcard.steps())
    };
    match test {
        Test::Value(ValueTest::Not(tests)) => tests.iter().filter_map(steps).collect(),
        Test::Value(test) => steps(test).into_iter().collect(),
        Test::Exists | Test::Absent => Vec::new(),
    }
}

/// A place in a wildcard: which wildcard, how many of its steps are done, whether its star has taken something.
type Place = (usize, usize, bool);

/// Follows every text at once, byte by byte, as a set of places that a wildcard can be at.
fn is_too_complex(wildcards: &[Vec<Option<u8>>]) -> bool {
    let bytes: BTreeSet<u8> = wildcards.iter().flatten().flatten().copied().collect();
    // One byte that no wildcard names stands for all such.
    let other = (0..=u8::MAX).find(|byte| !bytes.contains(byte));
    let alphabet: Vec<u8> = bytes.into_iter().chain(other).collect();
    let first: BTreeSet<Place> = (0..wildcards.len())
        .map(|which| (which, 0, false))
        .collect();
    let mut seen = HashSet::from([first.clone()]);
    let mut waiting = VecDeque::from([first]);
    while let Some(places) = waiting.pop_front() {
        for byte in &alphabet {
            let next = after(wildcards, &places, *byte);
            if COMPLEXITY_MAX < next.len() {
                return true;
            }
            if !next.is_empty() && seen.insert(next.clone()) {
                if SETS_MAX < seen.len() {
                    return true;
                }
                waiting.push_back(next);
            }
        }
    }
    false
}

fn after(wildcards: &[Vec<Option<u8>>], places: &BTreeSet<Place>, byte: u8) -> BTreeSet<Place> {
    let mut next = BTreeSet::new();
    for (which, done, _) in places {
        let Some(steps) = wildcards.get(*which) else {
            continue;
        };
        match steps.get(*done) {
            Some(Some(wanted)) if *wanted == byte => {
                next.insert((*which, done + 1, false));
            }
            Some(None) => {
                next.insert((*which, *done, true));
                if steps.get(done + 1) == Some(&Some(byte)) {
                    next.insert((*which, done + 2, false));
                }
            }
            Some(Some(_)) | None => {}
        }
    }
    next
}
