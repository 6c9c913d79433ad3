//! Texts as Java has them: patterns, replacements, pieces, letters in escapes.
//!
//! Lives here: what the methods of texts do that is more than one call.
//! Does not live here: which methods there are (`render::methods`).
//!
//! Contract: Java SE 8, `java.util.regex.Pattern`, `Matcher.appendReplacement`, `String.split`.

use regex_lite::{Captures, Regex, RegexBuilder};

use crate::PATTERN_BYTES_MAX;

/// The size up to which a pattern weighs 1, as `[a-z]` does; one that is larger weighs as many times more as it may be larger. At
/// each place of a text as much may be looked at.
const LIGHT_PATTERN_BYTES: usize = 128;
/// The least that a place in a pattern takes: it reads one character.
const PLACE_BYTES_MIN: usize = 16;
/// Bytes that are searched for a pattern of weight 1 for the work of one step.
const SEARCHED_A_STEP: usize = 16;

/// The steps of searching so many bytes for a pattern of this weight.
pub(crate) fn steps_of_search(bytes: usize, weight: usize) -> u64 {
    let steps = bytes.saturating_mul(weight) / SEARCHED_A_STEP;
    u64::try_from(steps).unwrap_or(u64::MAX)
}

/// How far behind what fits a search may look, so that the next one reads it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// So many bytes.
    Short(usize),
    /// To the end of the text.
    Far,
}

/// How far searches for a pattern reach.
///
/// What is repeated without end is part of what fits, or something must follow it: no place behind what fits that was read for
/// that can fit, and it is read once more at most. Where it is one of several alternatives, or in something that is itself
/// repeated or may be left out, it may be read in vain anew for each place that fits, as in `[a-z].*x|[a-z]`.
pub(crate) fn reach(pattern: &str, weight: usize) -> Reach {
    let (mut is_endless, mut is_doubtful) = (false, false);
    let (mut is_counted, mut is_optional) = (false, false);
    let mut letters = pattern.chars();
    let mut before = None;
    // What stands in brackets, and is no sign there, is taken for one: that is too much at worst.
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            '*' | '+' => is_endless = true,
            '{' => {
                is_counted = true;
                let counts = letters.as_str().split_once('}').unwrap_or_default().0;
                is_endless |= counts.trim_end().ends_with(',');
            }
            '|' => is_doubtful = true,
            // Flags and names may hide what follows.
            '?' if before == Some('(') => is_doubtful |= !letters.as_str().starts_with(':'),
            '?' => is_optional = true,
            _ => {}
        }
        is_doubtful |= before == Some(')') && "*+?{".contains(letter);
        before = Some(letter);
    }
    if is_endless && is_doubtful {
        Reach::Far
    } else if is_counted {
        Reach::Short(LIGHT_PATTERN_BYTES * weight / PLACE_BYTES_MIN)
    } else if is_doubtful || is_optional {
        Reach::Short(pattern.len())
    } else {
        Reach::Short(1)
    }
}

/// A pattern, ready for use, and its weight: searching a text takes as many times longer.
pub(crate) fn pattern(text: &str) -> Result<(Regex, usize), String> {
    let readable = readable(text);
    let build = |weight: usize| {
        let size = LIGHT_PATTERN_BYTES * weight;
        let built = RegexBuilder::new(&readable).size_limit(size).build();
        built.map(|pattern| (pattern, weight))
    };
    let mut weight = 1;
    let mut built = build(weight);
    while built.is_err() && LIGHT_PATTERN_BYTES * weight < PATTERN_BYTES_MAX {
        weight *= 2;
        built = build(weight);
    }
    built.map_err(|error| {
        format!(
            "the pattern `{text}` cannot be used: {error}; patterns do without looking around and without references to \
             groups"
        )
    })
}

/// Java takes any escaped character that is no letter for itself, and `\/` is common.
fn readable(text: &str) -> String {
    let mut readable = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            readable.push(letter);
            continue;
        }
        match letters.next() {
            Some(next) if !next.is_ascii_alphanumeric() && !next.is_ascii_punctuation() => {
                readable.push(next);
            }
            // Of punctuation these alone need no backslash, and must have none.
            Some(next) if "/'\"<>:;=@`,!%_".contains(next) => readable.push(next),
            Some(next) => {
                readable.push('\\');
                readable.push(next);
            }
            None => readable.push('\\'),
        }
    }
    readable
}

/// The pattern that a text fits when all of it fits this one.
pub(crate) fn whole(pattern: &str) -> String {
    format!("^(?:{pattern})$")
}

/// How much is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    All,
    First,
}

/// In a replacement `$1` is a group and `\x` is `x`.
pub(crate) fn replaced(
    text: &str,
    pattern: &Regex,
    replacement: &str,
    extent: Extent,
) -> Result<String, String> {
    let pieces = replacement_pieces(replacement)?;
    if let Some(group) = pieces.iter().find_map(|piece| match piece {
        Piece::Group(group) if pattern.captures_len() <= *group => Some(group),
        Piece::Group(_) | Piece::Text(_) => None,
    }) {
        return Err(format!("the pattern has no group {group}"));
    }
    let fill = |captures: &Captures<'_>| {
        let parts = pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Group(group) => captures.get(*group).map_or("", |group| group.as_str()),
        });
        parts.collect::<String>()
    };
    let limit = match extent {
        Extent::All => 0,
        Extent::First => 1,
    };
    Ok(pattern.replacen(text, limit, fill).into_owned())
}

enum Piece {
    Text(String),
    Group(usize),
}

fn replacement_pieces(replacement: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut letters = replacement.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.push(
                letters
                    .next()
                    .ok_or("the replacement ends in a backslash")?,
            ),
            '$' => {
                let digit = letters.next().and_then(|digit| digit.to_digit(10));
                let group = digit.ok_or("a `$` in the replacement names no group")?;
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Group(usize::try_from(group).unwrap_or(0)));
            }
            other => plain.push(other),
        }
    }
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}

/// The pieces between what fits. Empty ones at the end are left out, unless a limit says how many there are.
pub(crate) fn split<'t>(text: &'t str, pattern: &Regex, limit: i64) -> Vec<&'t str> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    let limit_reached = |pieces: &Vec<&str>| {
        usize::try_from(limit).is_ok_and(|limit| 0 < limit && limit <= pieces.len() + 1)
    };
    for found in pattern.find_iter(text) {
        if limit_reached(&pieces) {
            break;
        }
        // An empty match at the beginning makes no piece.
        if found.end() == 0 {
            continue;
        }
        if found.is_empty() && found.start() == text.len() {
            continue;
        }
        pieces.push(text.get(begin..found.start()).unwrap_or_default());
        begin = found.end();
    }
    pieces.push(text.get(begin..).unwrap_or_default());
    if limit == 0 {
        while 1 < pieces.len() && pieces.last().is_some_and(|piece| piece.is_empty()) {
            pieces.pop();
        }
    }
    pieces
}

/// `\u00e9` becomes its letter; what is no such escape stays.
pub(crate) fn with_letters(text: &str) -> String {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\\u") {
        done.push_str(before);
        let digits = behind
            .get(..4)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let letter = digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32);
        match letter {
            Some(letter) => {
                done.push(letter);
                rest = behind.get(4..).unwrap_or_default();
            }
            None => {
                done.push_str("\\u");
                rest = behind;
            }
        }
    }
    done.push_str(rest);
    done
}
