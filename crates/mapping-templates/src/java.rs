//! What Java and its libraries write: numbers, escapes, encodings.
//!
//! Lives here: numbers as texts, `$util`'s encodings.
//! Does not live here: JSON (`json`), patterns (`text`).
//!
//! Contract: Java SE 8, `Double.toString`, `URLEncoder`, `URLDecoder`; Apache Commons Lang, `escapeJavaScript`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a form leaves as it is; a blank becomes a plus sign.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'*')
    .remove(b' ');

/// Takes padding or none.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// At least one digit behind the point; very small and very large ones with an exponent.
pub(crate) fn decimal(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "NaN".to_owned()
        } else if number < 0.0 {
            "-Infinity".to_owned()
        } else {
            "Infinity".to_owned()
        };
    }
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let written = format!("{number:e}");
    let (digits, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

/// Quotes of both kinds, backslashes and slashes behind a backslash; other letters than ASCII's as `\u00E9`.
pub(crate) fn escape_java_script(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '\'' | '"' | '\\' | '/' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            '\u{8}' => escaped.push_str("\\b"),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            '\u{c}' => escaped.push_str("\\f"),
            '\r' => escaped.push_str("\\r"),
            ' '..='~' => escaped.push(letter),
            _ => push_units(&mut escaped, letter),
        }
    }
    escaped
}

/// A letter in the units of UTF-16, each as `\u00E9`.
pub(crate) fn push_units(text: &mut String, letter: char) {
    let mut units = [0; 2];
    for unit in letter.encode_utf16(&mut units) {
        // Writing into memory does not fail.
        let _ = write!(text, "\\u{unit:04X}");
    }
}

pub(crate) fn url_encode(text: &str) -> String {
    utf8_percent_encode(text, FORM)
        .to_string()
        .replace(' ', "+")
}

pub(crate) fn url_decode(text: &str) -> Result<String, String> {
    let mut parts = text.split('%');
    parts.next();
    for part in parts {
        let digits = part.as_bytes().get(..2).unwrap_or_default();
        if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err("a `%` is not followed by two hexadecimal digits".to_owned());
        }
    }
    let plain = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&plain);
    Ok(decoded.decode_utf8_lossy().into_owned())
}

pub(crate) fn base64_encode(text: &str) -> String {
    LENIENT.encode(text)
}

/// Characters that are none of base64 are passed over, and both alphabets are read.
pub(crate) fn base64_decode(text: &str) -> String {
    let known = text.chars().filter_map(|letter| match letter {
        '-' => Some('+'),
        '_' => Some('/'),
        '+' | '/' => Some(letter),
        _ if letter.is_ascii_alphanumeric() => Some(letter),
        _ => None,
    });
    let mut known: String = known.collect();
    if known.len() % 4 == 1 {
        known.pop();
    }
    let bytes = LENIENT.decode(known).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
