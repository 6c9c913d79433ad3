//! Which requests fulfil a condition.
//!
//! Lives here: patterns with `*` and `?`, comparing each part of a request with them.
//! Does not live here: the order of rules (`table`), what becomes of a request then (`actions`).
//!
//! Contract: User Guide for Application Load Balancers, "Rule condition types": hosts, values of headers and query strings are
//! compared whatever their case, paths and methods as they are; Elastic Load Balancing API Reference,
//! `QueryStringConditionConfig`: there a backslash takes its meaning from `*` and `?`.

use std::net::IpAddr;

use model::load_balancer::Condition;
use policy::AddressRange;

use super::query;
use crate::application::Head;
use crate::events::header_text;

/// A condition that is ready to be compared.
#[derive(Debug)]
pub(super) enum Test {
    Host(Vec<Pattern>),
    Path(Vec<Pattern>),
    Method(Vec<String>),
    Header(String, Vec<Pattern>),
    Query(Vec<(Option<Pattern>, Pattern)>),
    SourceIp(Vec<AddressRange>),
}

/// A text with `*`, which stands for any characters, and `?`, which stands for one.
#[derive(Debug)]
pub(super) struct Pattern {
    parts: Vec<Part>,
    case: Case,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Byte(u8),
    One,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Kept,
    Ignored,
}

impl Test {
    pub(super) fn new(condition: &Condition) -> Self {
        let ignoring = |values: &[String]| -> Vec<Pattern> {
            values
                .iter()
                .map(|it| Pattern::of(it, Case::Ignored))
                .collect()
        };
        match condition {
            Condition::Host(values) => Self::Host(ignoring(values)),
            Condition::Path(values) => Self::Path(
                values
                    .iter()
                    .map(|it| Pattern::of(it, Case::Kept))
                    .collect(),
            ),
            Condition::Method(values) => Self::Method(values.clone()),
            Condition::Header { name, values } => Self::Header(name.clone(), ignoring(values)),
            Condition::Query(pairs) => Self::Query(
                pairs
                    .iter()
                    .map(|pair| {
                        let key = pair.key.as_deref().map(Pattern::of_query);
                        (key, Pattern::of_query(&pair.value))
                    })
                    .collect(),
            ),
            // What is no range holds nobody.
            Condition::SourceIp(values) => Self::SourceIp(
                values
                    .iter()
                    .filter_map(|it| AddressRange::read(it))
                    .collect(),
            ),
        }
    }

    pub(super) fn holds(&self, request: &Head, path: &str, source: IpAddr) -> bool {
        match self {
            Self::Host(patterns) => {
                let host = without_port(request.headers.text("host").unwrap_or_default());
                patterns.iter().any(|pattern| pattern.matches(host))
            }
            Self::Path(patterns) => patterns.iter().any(|pattern| pattern.matches(path)),
            Self::Method(names) => names.iter().any(|name| name == request.method.as_str()),
            Self::Header(name, patterns) => request.headers.get_all(name).any(|value| {
                let value = header_text(value);
                patterns.iter().any(|pattern| pattern.matches(&value))
            }),
            Self::Query(pairs) => query::pairs(request.query()).any(|(name, value)| {
                pairs.iter().any(|(key, wanted)| {
                    key.as_ref().is_none_or(|key| key.matches(name)) && wanted.matches(value)
                })
            }),
            Self::SourceIp(ranges) => ranges.iter().any(|range| range.holds(source)),
        }
    }
}

/// The host without the port behind it.
pub(super) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

impl Pattern {
    fn of(text: &str, case: Case) -> Self {
        let part = |byte| match byte {
            b'*' => Part::Any,
            b'?' => Part::One,
            byte => Part::Byte(byte),
        };
        Self {
            parts: text.bytes().map(part).collect(),
            case,
        }
    }

    fn of_query(text: &str) -> Self {
        let mut pattern = Self::of("", Case::Ignored);
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            let escaped =
                bytes.next_if(|next| byte == b'\\' && matches!(next, b'*' | b'?' | b'\\'));
            pattern.parts.push(match (escaped, byte) {
                (Some(escaped), _) => Part::Byte(escaped),
                (None, b'*') => Part::Any,
                (None, b'?') => Part::One,
                (None, byte) => Part::Byte(byte),
            });
        }
        pattern
    }

    /// Compares the whole text. What an `Any` takes is only ever widened at the last one: earlier ones need not be, which
    /// keeps this from growing with the number of them.
    fn matches(&self, text: &str) -> bool {
        let text = text.as_bytes();
        let (mut part, mut at) = (0, 0);
        let mut widened: Option<(usize, usize)> = None;
        while at < text.len() {
            let byte = text.get(at).copied().unwrap_or_default();
            match self.parts.get(part) {
                Some(Part::Any) => {
                    widened = Some((part, at));
                    part += 1;
                }
                Some(Part::One) => (part, at) = (part + 1, at + 1),
                Some(Part::Byte(wanted)) if self.is_same(*wanted, byte) => {
                    (part, at) = (part + 1, at + 1);
                }
                Some(Part::Byte(_)) | None => {
                    let Some((any, taken)) = widened else {
                        return false;
                    };
                    widened = Some((any, taken + 1));
                    (part, at) = (any + 1, taken + 1);
                }
            }
        }
        let rest = self.parts.get(part..).unwrap_or_default();
        rest.iter().all(|part| *part == Part::Any)
    }

    fn is_same(&self, wanted: u8, byte: u8) -> bool {
        match self.case {
            Case::Kept => wanted == byte,
            Case::Ignored => wanted.eq_ignore_ascii_case(&byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_takes_any_and_a_question_mark_one_character() {
        for (pattern, text, expected) in [
            ("/img/*", "/img/", true),
            ("/img/*", "/img/a/b.png", true),
            ("/img/*", "/images/a", false),
            ("/img/*/pics", "/img/a/b/pics", true),
            ("/img/*/pics", "/img/pics", false),
            ("/v?/*", "/v1/a", true),
            ("/v?/*", "/v12/a", false),
            ("/v?", "/v", false),
            ("*.png", "/a.PNG", false),
            ("*.png", "/a.png.png", true),
            ("/a", "/a/", false),
            ("**", "", true),
            ("*a*b*a*", "xxaxxbxxa", true),
            ("*a*b*c*", "xxaxxbxxa", false),
            ("", "/", false),
        ] {
            let found = Pattern::of(pattern, Case::Kept).matches(text);
            assert_eq!(found, expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_backslash_takes_its_meaning_from_a_star_in_queries_alone() {
        for (pattern, text, expected) in [
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
            (r"a\?b", "a?b", true),
            (r"a\\*", r"a\bc", true),
            (r"a\b", r"A\B", true),
        ] {
            let found = Pattern::of_query(pattern).matches(text);
            assert_eq!(found, expected, "{pattern} {text}");
        }
        assert!(Pattern::of(r"a\*", Case::Kept).matches(r"a\b"));
    }

    #[test]
    fn a_port_is_no_part_of_a_host() {
        for (host, expected) in [
            ("localhost:3003", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:80", "[::1]"),
            ("a.example:x", "a.example:x"),
        ] {
            assert_eq!(without_port(host), expected);
        }
    }
}
