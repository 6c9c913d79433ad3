//! `.env` files: `KEY=VALUE`, line by line.
//!
//! Lives here: the notation of such a file, and `$NAME` in its values.
//! Does not live here: which file is read, and what wins (`serverless_framework`, or whoever reads an `--env-file`).
//!
//! Contract: the packages `dotenv` 16 and `dotenv-expand` 10, which the Serverless Framework 3 uses.

use std::collections::BTreeMap;

/// How deep values may refer to values.
const DEPTH_MAX: usize = 16;
/// How many references of one file are followed: values that refer to themselves grow without end.
const REFERENCES_MAX: usize = 1_000;
/// How much text the references of one file may bring in, in bytes.
const REPLACED_BYTES_MAX: usize = 1024 * 1024;

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dotenv {
    /// The variables, with values as they are written.
    pub variables: BTreeMap<String, String>,
    /// The lines, counted from 1, that are neither variables nor comments. The package goes on without a word.
    pub other_lines: Vec<u32>,
}

/// Reads a file, without expanding references.
#[must_use]
pub fn read(text: &str) -> Dotenv {
    let mut read = Dotenv::default();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    while !rest.is_empty() {
        let (entry, after) = entry(rest);
        let taken = rest.get(..rest.len() - after.len()).unwrap_or(rest);
        match entry {
            Some((name, value)) => {
                read.variables.insert(name, value);
            }
            None if taken.trim().is_empty() || taken.trim_start().starts_with('#') => {}
            None => read.other_lines.push(line),
        }
        line += u32::try_from(taken.matches('\n').count()).unwrap_or_default();
        rest = after;
    }
    read
}

/// The variables of a file, with references expanded. `outer` is the user's environment, which they see first.
pub(crate) fn expanded(
    text: &str,
    outer: &dyn Fn(&str) -> Option<String>,
) -> BTreeMap<String, String> {
    let raw = read(text).variables;
    let mut expander = Expander {
        raw: &raw,
        outer,
        references_left: REFERENCES_MAX,
        bytes_left: REPLACED_BYTES_MAX,
    };
    raw.iter()
        .map(|(name, value)| (name.clone(), expander.expand(value, DEPTH_MAX)))
        .collect()
}

/// Reads what the first line begins, and returns it with the text behind it.
fn entry(text: &str) -> (Option<(String, String)>, &str) {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    let declaration = line.trim_start();
    let declaration = declaration
        .strip_prefix("export ")
        .map_or(declaration, str::trim_start);
    let name_length = declaration
        .find(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-')))
        .unwrap_or(declaration.len());
    let (name, behind) = declaration.split_at(name_length);
    let Some(value) = behind.trim_start().strip_prefix('=') else {
        return (None, after);
    };
    if name.is_empty() {
        return (None, after);
    }
    let value = value.trim_start_matches([' ', '\t']);
    let quote = value.chars().next().filter(|first| "'\"`".contains(*first));
    if let Some(quote) = quote {
        // A quoted value may run over several lines.
        let start = text.len() - after.len() - usize::from(line.len() < text.len()) - value.len();
        let body = text.get(start + 1..).unwrap_or_default();
        if let Some(end) = closing_quote(body, quote) {
            let inner = body.get(..end).unwrap_or_default();
            let inner = if quote == '"' {
                inner.replace("\\n", "\n").replace("\\r", "\r")
            } else {
                inner.to_owned()
            };
            let behind = body.get(end + 1..).unwrap_or_default();
            let after = behind.split_once('\n').map_or("", |(_, after)| after);
            return (Some((name.to_owned(), inner)), after);
        }
    }
    let bare = value.split('#').next().unwrap_or_default().trim();
    (Some((name.to_owned(), bare.to_owned())), after)
}

fn closing_quote(body: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (index, letter) in body.char_indices() {
        if letter == quote && !is_escaped {
            return Some(index);
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    None
}

struct Expander<'a> {
    raw: &'a BTreeMap<String, String>,
    outer: &'a dyn Fn(&str) -> Option<String>,
    references_left: usize,
    bytes_left: usize,
}

impl Expander<'_> {
    /// Replaces `$NAME`, `${NAME}` and `${NAME:-default}`; `\$` is a dollar.
    fn expand(&mut self, value: &str, depth_left: usize) -> String {
        let mut result = String::new();
        let mut rest = value;
        while let Some(dollar) = rest.find('$') {
            let (before, at) = rest.split_at(dollar);
            let behind = at.get(1..).unwrap_or_default();
            if let Some(before) = before.strip_suffix('\\') {
                result.push_str(before);
                result.push('$');
                rest = behind;
                continue;
            }
            result.push_str(before);
            let Some((name, default, after)) = reference(behind) else {
                result.push('$');
                rest = behind;
                continue;
            };
            if depth_left == 0 || self.references_left == 0 || self.bytes_left == 0 {
                return result;
            }
            self.references_left -= 1;
            let found = (self.outer)(name).or_else(|| self.raw.get(name).cloned());
            let replacement = found.unwrap_or_else(|| default.to_owned());
            self.bytes_left = self.bytes_left.saturating_sub(replacement.len());
            result.push_str(&self.expand(&replacement, depth_left - 1));
            rest = after;
        }
        result.push_str(rest);
        result
    }
}

/// The name, the default and what follows, of the text behind a dollar.
fn reference(text: &str) -> Option<(&str, &str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (inside, after) = braced.split_once('}')?;
        let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
        return (!name.is_empty()).then_some((name, default, after));
    }
    let length = text
        .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
        .unwrap_or(text.len());
    let (name, after) = text.split_at(length);
    (!name.is_empty()).then_some((name, "", after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_variable_nor_comment_is_known_by_its_line() {
        let text = "\u{feff}# a\n\nA='one\ntwo'\nnonsense\n export B = $A # why\n=1\nC";
        let read = read(text);
        assert_eq!(read.other_lines, [5, 7, 8]);
        let variables = [("A", "one\ntwo"), ("B", "$A")];
        assert_eq!(
            read.variables,
            variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into()
        );
    }
}
