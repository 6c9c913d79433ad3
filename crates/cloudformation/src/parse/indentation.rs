//! Indentation where it means nothing: between brackets and within quotes.
//!
//! Lives here: which lines are indented further so that the scanner takes them.
//! Does not live here: the places of what stands on them (`lines`).
//!
//! `PyYAML` and `js-yaml` do not care there, and JSON pasted into a template often closes its brackets further left
//! than the block around it. The scanner insists on YAML's letter, so a line that it refuses for this is indented,
//! and the text is read again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::ScanError;

/// How many lines are indented further for the scanner's sake, at most, and in texts of at most how many bytes:
/// each takes another reading of the text.
const LINES_INDENTED_MAX: usize = 64;
const INDENTED_TEXT_BYTES_MAX: usize = 512 * 1024;
/// By how much: more than any block that people write.
const INDENTATION_ADDED: usize = 256;

/// Notes the line that the scanner refused for its indentation. False: that was not the reason, or it happens too
/// often.
pub(super) fn add_line(indented: &mut BTreeMap<u32, usize>, error: &ScanError, text: &str) -> bool {
    let may_try_again =
        indented.len() < LINES_INDENTED_MAX && text.len() <= INDENTED_TEXT_BYTES_MAX;
    match line_to_indent(error, indented) {
        Some(line) if may_try_again => {
            indented.insert(line, INDENTATION_ADDED);
            true
        }
        Some(_) | None => false,
    }
}

/// The text with its lines indented as noted.
pub(super) fn added<'t>(text: &'t str, indented: &BTreeMap<u32, usize>) -> Cow<'t, str> {
    if indented.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut scanned = String::with_capacity(text.len() + indented.len() * INDENTATION_ADDED);
    for (number, line) in (1_u32..).zip(text.split_inclusive('\n')) {
        if let Some(spaces) = indented.get(&number) {
            scanned.extend(std::iter::repeat_n(' ', *spaces));
        }
        scanned.push_str(line);
    }
    Cow::Owned(scanned)
}

/// The line whose indentation is the only thing that the scanner has against it.
fn line_to_indent(error: &ScanError, indented: &BTreeMap<u32, usize>) -> Option<u32> {
    let line = u32::try_from(error.marker().line()).ok()?;
    match error.info() {
        "invalid indentation" | "invalid indentation in flow construct" => {
            (!indented.contains_key(&line)).then_some(line)
        }
        // Marked where the quote opens: the lines after it are tried one after another, all within the quotes.
        "invalid indentation in quoted scalar" => {
            (line.checked_add(1)?..).find(|next| !indented.contains_key(next))
        }
        _other => None,
    }
}
