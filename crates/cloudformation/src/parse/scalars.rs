//! What a plain scalar is: null, a boolean, a number or a text, as each dialect has it.
//!
//! Lives here: the implicit rules of YAML 1.1 and 1.2, and what `!!int` and its like force.
//! Does not live here: quoting, which makes everything a text (`yaml`).
//!
//! Contract: YAML 1.1, "Language-Independent Types"; `js-yaml` 4, `lib/type/{bool,int,float,null}.js`; `PyYAML`,
//! `resolver.py`.

use serde_json::Number;

use super::Dialect;
use crate::node::Kind;

/// What an unquoted scalar is.
pub(super) fn plain(text: &str, dialect: Dialect) -> Kind {
    if is_null(text) {
        return Kind::Null;
    }
    if let Some(value) = boolean(text, dialect) {
        return Kind::Bool(value);
    }
    number(text, dialect).unwrap_or_else(|| Kind::String(text.to_owned()))
}

pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

pub(super) fn boolean(text: &str, dialect: Dialect) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => return Some(true),
        "false" | "False" | "FALSE" => return Some(false),
        _others => {}
    }
    match (dialect, text) {
        (Dialect::CloudFormation, "yes" | "Yes" | "YES" | "on" | "On" | "ON") => Some(true),
        (Dialect::CloudFormation, "no" | "No" | "NO" | "off" | "Off" | "OFF") => Some(false),
        (Dialect::CloudFormation | Dialect::ServerlessFramework, _) => None,
    }
}

/// A number, if the text is one. Infinities and what is not a number have no JSON, and stay texts.
pub(super) fn number(text: &str, dialect: Dialect) -> Option<Kind> {
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    let value = integer(text, dialect).or_else(|| float(text, dialect))?;
    Some(Kind::Number {
        value,
        text: text.to_owned(),
    })
}

fn integer(text: &str, dialect: Dialect) -> Option<Number> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, text.get(1..)?),
        [b'+', ..] => (false, text.get(1..)?),
        _others => (false, text),
    };
    let (radix, digits) = radix(digits, dialect)?;
    let digits = without_underscores(digits)?;
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let Ok(magnitude) = i128::from_str_radix(&digits, radix) else {
        // Beyond every integer of JSON: the nearest float, while the text keeps all digits.
        return (radix == 10)
            .then(|| text.replace('_', "").parse::<f64>().ok())
            .flatten()
            .and_then(Number::from_f64);
    };
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value)
        .ok()
        .map(Number::from)
        .or_else(|| u64::try_from(value).ok().map(Number::from))
        .or_else(|| Number::from_f64(value.to_string().parse().ok()?))
}

/// In which base an integer without its sign is written, and its digits.
fn radix(digits: &str, dialect: Dialect) -> Option<(u32, &str)> {
    if let Some(rest) = digits.strip_prefix("0b") {
        return Some((2, rest));
    }
    if let Some(rest) = digits.strip_prefix("0x") {
        return Some((16, rest));
    }
    if let Some(rest) = digits.strip_prefix("0o") {
        // YAML 1.1 has no such prefix.
        return (dialect == Dialect::ServerlessFramework).then_some((8, rest));
    }
    match dialect {
        Dialect::CloudFormation if 1 < digits.len() && digits.starts_with('0') => {
            // All octal digits, or no number at all: `089` is a text.
            Some((8, digits))
        }
        Dialect::CloudFormation | Dialect::ServerlessFramework => Some((10, digits)),
    }
}

/// The digits alone; none when there are none, or an underscore stands first or last.
fn without_underscores(digits: &str) -> Option<String> {
    if digits.is_empty() || digits.starts_with('_') || digits.ends_with('_') {
        return None;
    }
    Some(digits.replace('_', ""))
}

fn float(text: &str, dialect: Dialect) -> Option<Number> {
    let unsigned = text.trim_start_matches(['+', '-']);
    if 1 < text.len() - unsigned.len() || text.ends_with('_') {
        return None;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    let has_digit = |part: &str| part.bytes().any(|byte| byte.is_ascii_digit());
    if !digits(whole)
        || !fraction.is_none_or(digits)
        || whole.starts_with('_')
        || !(has_digit(whole) || fraction.is_some_and(has_digit))
    {
        return None;
    }
    if let Some(exponent) = exponent {
        let signless = exponent.strip_prefix(['+', '-']);
        let all = signless.unwrap_or(exponent);
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // YAML 1.1 wants both a point and a signed exponent: `1e3` is a text there.
        if dialect == Dialect::CloudFormation && (signless.is_none() || fraction.is_none()) {
            return None;
        }
    } else if fraction.is_none() {
        return None;
    }
    Number::from_f64(text.replace('_', "").parse().ok()?)
}
