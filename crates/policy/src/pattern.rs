//! Texts with wildcards and policy variables.
//!
//! Lives here: `*`, `?`, `${variable}` and matching in time that no pattern can make exponential.
//! Does not live here: which parts of a document are such texts (`statement`, `condition`).
//!
//! Contract: IAM User Guide, "IAM policy elements: Variables and tags": `${aws:username}`, `${key, 'default'}`, and
//! `${*}`, `${?}`, `${$}` for the characters themselves.

use crate::context::Context;

/// A text, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
    /// What it is compared with, where no variable is to be filled in.
    atoms: Option<Vec<Atom>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    AnyOne,
    AnyRun,
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// What one text is compared with; never a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Atom {
    Byte(u8),
    AnyOne,
    AnyRun,
}

/// Whether texts may hold variables: documents of 2008 have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variables {
    Read,
    Literal,
}

/// Whether `*` and `?` stand for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wildcards {
    Read,
    Literal,
}

impl Pattern {
    pub(crate) fn read(text: &str, variables: Variables, wildcards: Wildcards) -> Self {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let variable = (variables == Variables::Read)
                .then(|| rest.strip_prefix("${")?.split_once('}'))
                .flatten();
            if let Some((inside, behind)) = variable {
                rest = behind;
                match inside {
                    "*" | "?" | "$" => literal.extend_from_slice(inside.as_bytes()),
                    _ => {
                        flush(&mut literal, &mut pieces);
                        pieces.push(read_variable(inside));
                    }
                }
                continue;
            }
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            match (first, wildcards) {
                ('*', Wildcards::Read) => {
                    flush(&mut literal, &mut pieces);
                    if pieces.last() != Some(&Piece::AnyRun) {
                        pieces.push(Piece::AnyRun);
                    }
                }
                ('?', Wildcards::Read) => {
                    flush(&mut literal, &mut pieces);
                    pieces.push(Piece::AnyOne);
                }
                (first, Wildcards::Read | Wildcards::Literal) => {
                    let mut buffer = [0; 4];
                    literal.extend_from_slice(first.encode_utf8(&mut buffer).as_bytes());
                }
            }
        }
        flush(&mut literal, &mut pieces);
        let has_variables = pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Variable { .. }));
        let nothing_known = Context::default();
        let atoms = (!has_variables).then(|| atoms_of(&pieces, &nothing_known));
        Self {
            atoms: atoms.flatten(),
            pieces,
        }
    }

    /// Whether the text is like this. A variable without a value makes it like nothing.
    pub(crate) fn matches(&self, text: &str, context: &Context) -> bool {
        let text = text.as_bytes();
        match self.pieces.as_slice() {
            [Piece::AnyRun] => true,
            [Piece::Literal(literal)] => literal == text,
            [Piece::Literal(literal), Piece::AnyRun] => text.starts_with(literal),
            [Piece::Literal(literal), ..] if !text.starts_with(literal) => false,
            pieces => match &self.atoms {
                Some(atoms) => atoms_match(atoms, text),
                None => atoms_of(pieces, context).is_some_and(|atoms| atoms_match(&atoms, text)),
            },
        }
    }

    /// The text itself, variables filled in; none when one has no value.
    pub(crate) fn text(&self, context: &Context) -> Option<String> {
        let bytes = atoms_of(&self.pieces, context)?.into_iter();
        let bytes = bytes.map(|atom| match atom {
            Atom::Byte(byte) => byte,
            Atom::AnyOne => b'?',
            Atom::AnyRun => b'*',
        });
        String::from_utf8(bytes.collect()).ok()
    }
}

/// With all variables filled in; none when one has no value.
fn atoms_of(pieces: &[Piece], context: &Context) -> Option<Vec<Atom>> {
    let mut atoms = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => atoms.extend(literal.iter().copied().map(Atom::Byte)),
            Piece::AnyOne => atoms.push(Atom::AnyOne),
            Piece::AnyRun => atoms.push(Atom::AnyRun),
            Piece::Variable { key, default } => {
                let value = context.only(key).or(default.as_deref())?;
                atoms.extend(value.bytes().map(Atom::Byte));
            }
        }
    }
    Some(atoms)
}

fn flush(literal: &mut Vec<u8>, pieces: &mut Vec<Piece>) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal)));
    }
}

/// `key` or `key, 'default'`.
fn read_variable(inside: &str) -> Piece {
    let (key, default) = match inside.split_once(',') {
        Some((key, default)) => {
            let default = default.trim();
            let quoted = default
                .strip_prefix('\'')
                .and_then(|rest| rest.strip_suffix('\''));
            (key, quoted.map(str::to_owned))
        }
        None => (inside, None),
    };
    Piece::Variable {
        key: key.trim().to_ascii_lowercase(),
        default,
    }
}

/// Greedy, going back to the last run alone: at most the product of both lengths.
fn atoms_match(atoms: &[Atom], text: &[u8]) -> bool {
    let (mut atom, mut byte) = (0, 0);
    let mut last_run: Option<(usize, usize)> = None;
    while byte < text.len() {
        let step = match (atoms.get(atom), text.get(byte)) {
            (Some(Atom::AnyRun), _) => {
                last_run = Some((atom, byte));
                atom += 1;
                continue;
            }
            (Some(Atom::Byte(wanted)), Some(found)) if wanted == found => Some(1),
            (Some(Atom::AnyOne), Some(_)) => Some(character_bytes(text, byte)),
            _ => None,
        };
        match (step, &mut last_run) {
            (Some(bytes), _) => {
                atom += 1;
                byte += bytes;
            }
            (None, Some((run, taken))) => {
                *taken += 1;
                atom = *run + 1;
                byte = *taken;
            }
            (None, None) => return false,
        }
    }
    let rest = atoms.get(atom..).unwrap_or_default();
    rest.iter().all(|atom| *atom == Atom::AnyRun)
}

/// Bytes of the character that begins here.
fn character_bytes(text: &[u8], at: usize) -> usize {
    let behind = text.get(at + 1..).unwrap_or_default();
    let more = behind.iter().take_while(|byte| **byte & 0xc0 == 0x80);
    1 + more.count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str, context: &[(&str, &str)]) -> bool {
        let mut known = Context::default();
        for (key, value) in context {
            known.set(key, *value);
        }
        Pattern::read(pattern, Variables::Read, Wildcards::Read).matches(text, &known)
    }

    #[test]
    fn wildcards_and_variables_match_as_documented() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("a?c", "aüc", true),
            ("a?c", "ac", false),
            ("*b*d*", "abcd", true),
            ("*b*d*e", "abcd", false),
            (
                "arn:aws:s3:::b/${aws:username}/*",
                "arn:aws:s3:::b/ada/x",
                true,
            ),
            (
                "arn:aws:s3:::b/${aws:username}/*",
                "arn:aws:s3:::b/bob/x",
                false,
            ),
            ("b/${aws:nobody}/*", "b//x", false),
            ("b/${aws:nobody, 'all'}/*", "b/all/x", true),
            ("${*}", "*", true),
            ("${*}", "a", false),
            ("a${", "a${", true),
            // A value's own characters are never wildcards.
            ("${wild}", "abc", false),
            ("${wild}", "a*", true),
        ] {
            let context = [("aws:UserName", "ada"), ("wild", "a*")];
            assert_eq!(
                matches(pattern, text, &context),
                expected,
                "{pattern} {text}"
            );
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            fn defined(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern.split_first(), text.split_first()) {
                    (None, None) => true,
                    (Some((b'*', rest)), _) => {
                        defined(rest, text) || text.split_first().is_some_and(|(_, behind)| defined(pattern, behind))
                    }
                    (Some((b'?', rest)), Some((_, behind))) => defined(rest, behind),
                    (Some((wanted, rest)), Some((found, behind))) => wanted == found && defined(rest, behind),
                    _ => false,
                }
            }
            prop_assert_eq!(matches(&pattern, &text, &[]), defined(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
