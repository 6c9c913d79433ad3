//! What can be asked of the value of a field.
//!
//! Lives here: exact values and comparison operators: reading them, and trying a value.
//! Does not live here: fields and alternatives (the crate's root).

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::PatternError;

/// Numbers that can be compared, as the service bounds them.
const NUMBER_MAX: f64 = 5.0e9;

/// One thing that is asked of a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// It is there, as a leaf.
    Exists,
    /// It is not there.
    Absent,
    /// One of its values passes this.
    Value(ValueTest),
}

/// One thing that is asked of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ValueTest {
    /// It is this text, boolean or null.
    Equals(Value),
    /// It is this number, written like this: `300` is not `300.0`.
    Number(String),
    /// It is a text of this shape.
    Text(TextTest),
    /// It lies within these bounds.
    Numeric(Vec<(Comparison, f64)>),
    /// It is an address within a block.
    Cidr(IpAddr, u8),
    /// It passes none of these.
    Not(Vec<ValueTest>),
}

/// What is asked of a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TextTest {
    Prefix(String, Case),
    Suffix(String, Case),
    IgnoringCase(String),
    /// Pieces between stars.
    Wildcard(Vec<String>),
}

/// Whether upper and lower case are told apart. Texts to compare without it are kept in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Matters,
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Test {
    pub(crate) fn read(field: &str, value: &Value) -> Result<Self, PatternError> {
        let Value::Object(members) = value else {
            return Ok(Self::Value(exact(field, value)?));
        };
        let (operator, operand) = single(field, members)?;
        match (operator, operand) {
            ("exists", Value::Bool(true)) => Ok(Self::Exists),
            ("exists", Value::Bool(false)) => Ok(Self::Absent),
            ("exists", _) => Err(wrong(field, "`exists` is true or false")),
            ("anything-but", operand) => Ok(Self::Value(anything_but(field, operand)?)),
            (operator, operand) => Ok(Self::Value(comparison(field, operator, operand)?)),
        }
    }

    /// Whether one of these values, which are all that the field has, passes.
    pub(crate) fn passes(&self, leaves: &[&Value]) -> bool {
        match self {
            Self::Exists => !leaves.is_empty(),
            Self::Absent => leaves.is_empty(),
            Self::Value(test) => leaves.iter().any(|leaf| test.passes(leaf)),
        }
    }
}

impl ValueTest {
    fn passes(&self, value: &Value) -> bool {
        match self {
            Self::Equals(wanted) => value == wanted,
            Self::Number(wanted) => {
                matches!(value, Value::Number(number) if number.to_string() == *wanted)
            }
            Self::Text(test) => value.as_str().is_some_and(|text| test.passes(text)),
            Self::Numeric(bounds) => {
                value.is_number()
                    && value.as_f64().is_some_and(|number| {
                        bounds
                            .iter()
                            .all(|(comparison, bound)| comparison.holds(number, *bound))
                    })
            }
            Self::Cidr(network, bits) => value
                .as_str()
                .and_then(|text| text.parse().ok())
                .is_some_and(|address| is_within(address, *network, *bits)),
            Self::Not(tests) => !tests.iter().any(|test| test.passes(value)),
        }
    }
}

impl TextTest {
    fn passes(&self, text: &str) -> bool {
        match self {
            Self::Prefix(start, Case::Matters) => text.starts_with(start),
            Self::Prefix(start, Case::Ignored) => text.to_lowercase().starts_with(start),
            Self::Suffix(end, Case::Matters) => text.ends_with(end),
            Self::Suffix(end, Case::Ignored) => text.to_lowercase().ends_with(end),
            Self::IgnoringCase(whole) => text.to_lowercase() == *whole,
            Self::Wildcard(pieces) => wildcard_matches(pieces, text),
        }
    }
}

impl Comparison {
    fn of(sign: &str) -> Option<Self> {
        Some(match sign {
            "=" => Self::Equal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            #[expect(clippy::float_cmp, reason = "both were read from decimal texts")]
            Self::Equal => number == bound,
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Greater => bound < number,
            Self::GreaterOrEqual => bound <= number,
        }
    }
}

fn wrong(field: &str, what: impl std::fmt::Display) -> PatternError {
    PatternError::new(format!("in `{field}`: {what}"))
}

fn single<'v>(
    field: &str,
    members: &'v Map<String, Value>,
) -> Result<(&'v str, &'v Value), PatternError> {
    let mut members = members.iter();
    match (members.next(), members.next()) {
        (Some((operator, operand)), None) => Ok((operator, operand)),
        (Some(_) | None, _) => Err(wrong(field, "an object in a list has one operator")),
    }
}

fn exact(field: &str, value: &Value) -> Result<ValueTest, PatternError> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(ValueTest::Equals(value.clone())),
        Value::Number(number) => Ok(ValueTest::Number(number.to_string())),
        Value::Array(_) | Value::Object(_) => Err(wrong(
            field,
            "a list of values holds no other list or object",
        )),
    }
}

fn comparison(field: &str, operator: &str, operand: &Value) -> Result<ValueTest, PatternError> {
    match operator {
        "prefix" | "suffix" => affix(field, operator, operand).map(ValueTest::Text),
        "equals-ignore-case" => {
            let text = text_of(field, operator, operand)?.to_lowercase();
            Ok(ValueTest::Text(TextTest::IgnoringCase(text)))
        }
        "wildcard" => {
            let pieces = wildcard(field, text_of(field, operator, operand)?)?;
            Ok(ValueTest::Text(TextTest::Wildcard(pieces)))
        }
        "numeric" => numeric(field, operand),
        "cidr" => cidr(field, text_of(field, operator, operand)?),
        _ => Err(wrong(field, format!("there is no operator `{operator}`"))),
    }
}

fn text_of<'v>(field: &str, operator: &str, operand: &'v Value) -> Result<&'v str, PatternError> {
    let text = operand.as_str();
    text.ok_or_else(|| wrong(field, format!("`{operator}` takes a text")))
}

fn affix(field: &str, operator: &str, operand: &Value) -> Result<TextTest, PatternError> {
    let (text, case) = match operand {
        Value::Object(members) => match single(field, members)? {
            ("equals-ignore-case", inner) => {
                let text = text_of(field, "equals-ignore-case", inner)?;
                (text.to_lowercase(), Case::Ignored)
            }
            (other, _) => {
                return Err(wrong(field, format!("`{operator}` knows no `{other}`")));
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            (text_of(field, operator, operand)?.to_owned(), Case::Matters)
        }
    };
    if text.is_empty() {
        return Err(wrong(
            field,
            format!("`{operator}` needs at least one character"),
        ));
    }
    Ok(if operator == "prefix" {
        TextTest::Prefix(text, case)
    } else {
        TextTest::Suffix(text, case)
    })
}

fn anything_but(field: &str, operand: &Value) -> Result<ValueTest, PatternError> {
    let tests: Result<Vec<_>, _> = match operand {
        Value::Object(members) => {
            let (operator, inner) = single(field, members)?;
            if !["prefix", "suffix", "equals-ignore-case", "wildcard"].contains(&operator) {
                let what = format!("`anything-but` knows no `{operator}`");
                return Err(wrong(field, what));
            }
            let inner = one_or_many(inner).iter();
            inner.map(|one| comparison(field, operator, one)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            one_or_many(operand)
                .iter()
                .map(|one| exact(field, one))
                .collect()
        }
    };
    let tests = tests?;
    if tests.is_empty() {
        return Err(wrong(field, "`anything-but` lists no value"));
    }
    Ok(ValueTest::Not(tests))
}

fn one_or_many(value: &Value) -> &[Value] {
    let many = value.as_array().map(Vec::as_slice);
    many.unwrap_or(std::slice::from_ref(value))
}

fn numeric(field: &str, operand: &Value) -> Result<ValueTest, PatternError> {
    let shape = || wrong(field, "`numeric` lists a sign and a number, once or twice");
    let parts = operand.as_array().ok_or_else(shape)?;
    if parts.len() != 2 && parts.len() != 4 {
        return Err(shape());
    }
    let mut bounds = Vec::new();
    for pair in parts.chunks(2) {
        let [sign, number] = pair else {
            return Err(shape());
        };
        let comparison = sign.as_str().and_then(Comparison::of).ok_or_else(shape)?;
        let number = number.as_f64().ok_or_else(shape)?;
        if NUMBER_MAX < number.abs() {
            return Err(wrong(field, "numbers lie between -5.0e9 and 5.0e9"));
        }
        bounds.push((comparison, number));
    }
    if let [(first, low), (second, high)] = bounds.as_slice() {
        let opens = matches!(first, Comparison::Greater | Comparison::GreaterOrEqual);
        let closes = matches!(second, Comparison::Less | Comparison::LessOrEqual);
        if !opens || !closes || high <= low {
            return Err(wrong(
                field,
                "a range is its lower bound, then its upper one",
            ));
        }
    }
    Ok(ValueTest::Numeric(bounds))
}

fn cidr(field: &str, text: &str) -> Result<ValueTest, PatternError> {
    let read = || {
        let (network, bits) = text.split_once('/')?;
        let network: IpAddr = network.parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        let bits_max = if network.is_ipv4() { 32 } else { 128 };
        (bits <= bits_max).then_some(ValueTest::Cidr(network, bits))
    };
    read().ok_or_else(|| wrong(field, format!("`{text}` is no block of addresses")))
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let as_number = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 4),
        IpAddr::V6(address) => (address.to_bits(), 6),
    };
    let ((address, kind), (network, network_kind)) = (as_number(address), as_number(network));
    // A shift by all bits is none at all: everything is within a block of no bits.
    let differing = (address ^ network)
        .checked_shr(128 - u32::from(bits))
        .unwrap_or(0);
    kind == network_kind && differing == 0
}

/// Takes a wildcard apart at its stars; a backslash takes the meaning from a star or a backslash.
fn wildcard(field: &str, text: &str) -> Result<Vec<String>, PatternError> {
    let mut pieces = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let literal = match char {
            '*' => {
                if chars.peek() == Some(&'*') {
                    return Err(wrong(field, "a wildcard has no two stars in a row"));
                }
                pieces.push(String::new());
                continue;
            }
            '\\' => match chars.next() {
                Some(escaped @ ('*' | '\\')) => escaped,
                Some(_) | None => {
                    return Err(wrong(
                        field,
                        "a backslash in a wildcard stands before `*` or `\\`",
                    ));
                }
            },
            other => other,
        };
        if let Some(piece) = pieces.last_mut() {
            piece.push(literal);
        }
    }
    Ok(pieces)
}

fn wildcard_matches(pieces: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = pieces else {
        return pieces.first().is_some_and(|whole| whole == text);
    };
    let Some(rest) = text.strip_prefix(first.as_str()) else {
        return false;
    };
    let Some(mut rest) = rest.strip_suffix(last.as_str()) else {
        return false;
    };
    // The earliest place of each piece leaves the most for those after it.
    for piece in middle {
        let Some(at) = rest.find(piece.as_str()) else {
            return false;
        };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    true
}
