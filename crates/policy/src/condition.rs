//! Conditions of a statement.
//!
//! Lives here: the operators, their set forms and `IfExists`, and what an absent key means to each.
//! Does not live here: patterns (`pattern`), the values of keys (`context`).
//!
//! Contract: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set operators for multivalued context
//! keys". A key with several values under an operator without `ForAllValues` or `ForAnyValue` is read as under
//! `ForAnyValue`; the cloud leaves that case open.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::address::AddressRange;
use crate::context::Context;
use crate::pattern::{Pattern, Variables, Wildcards};

/// One operator with one key, and the values that it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    key: String,
    quantifier: Quantifier,
    is_met_by_absence: bool,
    is_negated: bool,
    test: Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    Any,
    All,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// Met by any of these.
    Texts(Comparison, Vec<Pattern>),
    Numbers(Order, Vec<f64>),
    Dates(Order, Vec<jiff::Timestamp>),
    Flag(Vec<bool>),
    Bytes(Vec<Vec<u8>>),
    Addresses(Vec<AddressRange>),
    Arns(Vec<[Pattern; 6]>),
    /// `Null`: whether the key is absent.
    Absent(Vec<bool>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Exact,
    WithoutCase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Why a condition cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// There is no such operator.
    #[error("there is no condition operator `{0}`")]
    Operator(String),
    /// A value is not what the operator compares.
    #[error("`{value}` is not a value for `{operator}`")]
    Value {
        /// The operator.
        operator: String,
        /// The value.
        value: String,
    },
}

impl Condition {
    pub(crate) fn read(
        operator: &str,
        key: &str,
        values: &[String],
        variables: Variables,
    ) -> Result<Self, ConditionError> {
        let (quantifier, rest) = match operator.split_once(':') {
            Some(("ForAllValues", rest)) => (Quantifier::All, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
            Some(_) => return Err(ConditionError::Operator(operator.to_owned())),
            None => (Quantifier::Any, operator),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let unknown = || ConditionError::Operator(operator.to_owned());
        let (operand, is_negated) = operand(name).ok_or_else(unknown)?;
        let test = operand.test(values, variables);
        let test = test.map_err(|value| ConditionError::Value {
            operator: operator.to_owned(),
            value: value.to_owned(),
        })?;
        // What must not be so is so of a key that is not there; and all of no values are anything.
        let is_met_by_absence = if_exists || is_negated || quantifier == Quantifier::All;
        Ok(Self {
            key: key.to_ascii_lowercase(),
            quantifier,
            // `ForAnyValue` of nothing holds for nothing, also when it is negated.
            is_met_by_absence: is_met_by_absence
                && (if_exists || !operator.starts_with("ForAnyValue:")),
            is_negated,
            test,
        })
    }

    pub(crate) fn holds(&self, context: &Context) -> bool {
        let values = context.values(&self.key);
        if let Test::Absent(wanted) = &self.test {
            return wanted.contains(&values.is_none_or(<[String]>::is_empty));
        }
        match values {
            None | Some([]) => self.is_met_by_absence,
            Some(values) => {
                let mut each = values
                    .iter()
                    .map(|value| self.test.matches(value, context) != self.is_negated);
                match self.quantifier {
                    Quantifier::Any => each.any(|holds| holds),
                    Quantifier::All => each.all(|holds| holds),
                }
            }
        }
    }
}

/// What an operator compares, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operand {
    Text(Comparison, Wildcards),
    Number(Order),
    Date(Order),
    Flag,
    Bytes,
    Address,
    Arn,
    Absent,
}

/// What the operator of this name compares, and whether it is negated.
fn operand(name: &str) -> Option<(Operand, bool)> {
    use Comparison::{Exact, WithoutCase};
    use Operand::{Absent, Address, Arn, Bytes, Date, Flag, Number, Text};
    Some(match name {
        "StringEquals" => (Text(Exact, Wildcards::Literal), false),
        "StringNotEquals" => (Text(Exact, Wildcards::Literal), true),
        "StringEqualsIgnoreCase" => (Text(WithoutCase, Wildcards::Literal), false),
        "StringNotEqualsIgnoreCase" => (Text(WithoutCase, Wildcards::Literal), true),
        "StringLike" => (Text(Exact, Wildcards::Read), false),
        "StringNotLike" => (Text(Exact, Wildcards::Read), true),
        "NumericEquals" => (Number(Order::Equal), false),
        "NumericNotEquals" => (Number(Order::Equal), true),
        "NumericLessThan" => (Number(Order::Less), false),
        "NumericLessThanEquals" => (Number(Order::LessOrEqual), false),
        "NumericGreaterThan" => (Number(Order::Greater), false),
        "NumericGreaterThanEquals" => (Number(Order::GreaterOrEqual), false),
        "DateEquals" => (Date(Order::Equal), false),
        "DateNotEquals" => (Date(Order::Equal), true),
        "DateLessThan" => (Date(Order::Less), false),
        "DateLessThanEquals" => (Date(Order::LessOrEqual), false),
        "DateGreaterThan" => (Date(Order::Greater), false),
        "DateGreaterThanEquals" => (Date(Order::GreaterOrEqual), false),
        "Bool" => (Flag, false),
        "BinaryEquals" => (Bytes, false),
        "IpAddress" => (Address, false),
        "NotIpAddress" => (Address, true),
        "ArnEquals" | "ArnLike" => (Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Arn, true),
        "Null" => (Absent, false),
        _ => return None,
    })
}

impl Operand {
    /// The test against these values, or the value that cannot be compared.
    fn test(self, values: &[String], variables: Variables) -> Result<Test, &str> {
        let flag = |value: &str| value.to_ascii_lowercase().parse().ok();
        Ok(match self {
            Self::Text(comparison, wildcards) => {
                let read = |value: &String| Pattern::read(value, variables, wildcards);
                Test::Texts(comparison, values.iter().map(read).collect())
            }
            Self::Number(order) => Test::Numbers(order, all(values, |value| value.parse().ok())?),
            Self::Date(order) => Test::Dates(order, all(values, read_date)?),
            Self::Flag => Test::Flag(all(values, flag)?),
            Self::Bytes => Test::Bytes(all(values, |value| STANDARD.decode(value).ok())?),
            Self::Address => Test::Addresses(all(values, AddressRange::read)?),
            Self::Arn => Test::Arns(all(values, |value| read_arn(value, variables))?),
            Self::Absent => Test::Absent(all(values, flag)?),
        })
    }
}

/// All values, read; or the first that cannot be.
fn all<T>(values: &[String], read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, &str> {
    let each = values.iter().map(|value| read(value).ok_or(value.as_str()));
    each.collect()
}

impl Test {
    fn matches(&self, value: &str, context: &Context) -> bool {
        match self {
            Self::Texts(Comparison::Exact, patterns) => patterns
                .iter()
                .any(|pattern| pattern.matches(value, context)),
            Self::Texts(Comparison::WithoutCase, patterns) => {
                let value = value.to_lowercase();
                patterns.iter().any(|pattern| {
                    // A variable's value has its own case.
                    pattern
                        .text(context)
                        .is_some_and(|text| text.to_lowercase() == value)
                })
            }
            Self::Numbers(order, numbers) => value
                .parse::<f64>()
                .is_ok_and(|value| numbers.iter().any(|number| order.holds(&value, number))),
            Self::Dates(order, dates) => read_date(value)
                .is_some_and(|value| dates.iter().any(|date| order.holds(&value, date))),
            Self::Flag(flags) => value
                .to_ascii_lowercase()
                .parse()
                .is_ok_and(|value| flags.contains(&value)),
            Self::Bytes(wanted) => STANDARD
                .decode(value)
                .is_ok_and(|value| wanted.contains(&value)),
            Self::Addresses(ranges) => value
                .parse::<IpAddr>()
                .is_ok_and(|address| ranges.iter().any(|range| range.holds(address))),
            Self::Arns(arns) => {
                let parts: Vec<&str> = value.splitn(6, ':').collect();
                arns.iter().any(|arn| {
                    parts.len() == arn.len()
                        && arn
                            .iter()
                            .zip(&parts)
                            .all(|(pattern, part)| pattern.matches(part, context))
                })
            }
            Self::Absent(_) => false,
        }
    }
}

impl Order {
    fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// ISO 8601, a date alone included, or seconds since 1970.
fn read_date(text: &str) -> Option<jiff::Timestamp> {
    if let Ok(seconds) = text.parse() {
        return jiff::Timestamp::from_second(seconds).ok();
    }
    if let Ok(instant) = text.parse() {
        return Some(instant);
    }
    let date: jiff::civil::Date = text.parse().ok()?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(midnight.timestamp())
}

/// Each of the six parts is compared by itself, so that no `*` reaches over a colon into the next.
fn read_arn(text: &str, variables: Variables) -> Option<[Pattern; 6]> {
    let part = |text: &str| Pattern::read(text, variables, Wildcards::Read);
    if text == "*" {
        return Some(std::array::from_fn(|_| part("*")));
    }
    // A variable may hold colons of its own in its name.
    let mut parts = Vec::new();
    let mut depth = 0_u32;
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && parts.len() < 5 => {
                parts.push(part(text.get(from..at)?));
                from = at + 1;
            }
            _ => {}
        }
    }
    let last = text.get(from..)?;
    parts.push(part(last));
    // `arn:aws:s3*` is short for what has anything in the parts that it leaves out.
    let filler = part(if last.ends_with('*') { "*" } else { "" });
    parts.resize(6, filler);
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        let mut context = Context::default();
        context.set("aws:SourceIp", "203.0.113.9");
        context.set("aws:username", "Ada");
        context.set("aws:SecureTransport", "false");
        context.set("s3:max-keys", "10");
        context.set("aws:CurrentTime", "2026-11-21T10:00:00Z");
        context.set("aws:SourceArn", "arn:aws:sns:us-east-1:000000000000:topic");
        context.set_all(
            "dynamodb:Attributes",
            vec!["id".to_owned(), "name".to_owned()],
        );
        context.set_all("empty", Vec::new());
        context
    }

    fn holds(operator: &str, key: &str, values: &[&str]) -> bool {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        let condition = Condition::read(operator, key, &values, Variables::Read).unwrap();
        condition.holds(&context())
    }

    #[test]
    fn each_operator_compares_as_documented() {
        for (operator, key, values, expected) in [
            ("StringEquals", "AWS:UserName", &["Ada"][..], true),
            ("StringEquals", "aws:username", &["ada"], false),
            ("StringEquals", "aws:username", &["A*"], false),
            ("StringEquals", "aws:username", &["Bob", "Ada"], true),
            ("StringNotEquals", "aws:username", &["Bob", "Ada"], false),
            ("StringNotEquals", "nothing", &["Ada"], true),
            ("StringEquals", "nothing", &["Ada"], false),
            ("StringEqualsIfExists", "nothing", &["Ada"], true),
            ("StringEqualsIgnoreCase", "aws:username", &["aDA"], true),
            (
                "StringEqualsIgnoreCase",
                "aws:username",
                &["${aws:UserName}"],
                true,
            ),
            ("StringLike", "aws:username", &["A*"], true),
            ("StringNotLike", "aws:username", &["A*"], false),
            ("NumericLessThanEquals", "s3:max-keys", &["10"], true),
            ("NumericLessThan", "s3:max-keys", &["10"], false),
            ("NumericEquals", "aws:username", &["10"], false),
            ("DateLessThan", "aws:CurrentTime", &["2026-11-22"], true),
            ("DateGreaterThan", "aws:CurrentTime", &["1793000000"], true),
            ("Bool", "aws:SecureTransport", &["False"], true),
            ("Bool", "aws:MultiFactorAuthPresent", &["false"], false),
            (
                "BoolIfExists",
                "aws:MultiFactorAuthPresent",
                &["false"],
                true,
            ),
            ("IpAddress", "aws:SourceIp", &["203.0.113.0/24"], true),
            ("NotIpAddress", "aws:SourceIp", &["203.0.113.0/24"], false),
            ("ArnLike", "aws:SourceArn", &["arn:aws:sns:*:*:topic"], true),
            ("ArnLike", "aws:SourceArn", &["arn:aws:sns:*:topic"], false),
            (
                "ArnEquals",
                "aws:SourceArn",
                &["arn:aws:sns:us-*:${nobody, '000000000000'}:t*"],
                true,
            ),
            ("Null", "nothing", &["true"], true),
            ("Null", "aws:username", &["true"], false),
            ("Null", "aws:username", &["false"], true),
        ] {
            assert_eq!(
                holds(operator, key, values),
                expected,
                "{operator} {key} {values:?}"
            );
        }
    }

    #[test]
    fn set_operators_hold_for_all_or_any_of_the_values() {
        for (operator, key, values, expected) in [
            (
                "ForAllValues:StringEquals",
                "dynamodb:Attributes",
                &["id", "name", "age"][..],
                true,
            ),
            (
                "ForAllValues:StringEquals",
                "dynamodb:Attributes",
                &["id"],
                false,
            ),
            (
                "ForAnyValue:StringEquals",
                "dynamodb:Attributes",
                &["id"],
                true,
            ),
            (
                "ForAnyValue:StringEquals",
                "dynamodb:Attributes",
                &["age"],
                false,
            ),
            (
                "ForAllValues:StringNotEquals",
                "dynamodb:Attributes",
                &["id"],
                false,
            ),
            (
                "ForAnyValue:StringNotEquals",
                "dynamodb:Attributes",
                &["id"],
                true,
            ),
            ("ForAllValues:StringEquals", "nothing", &["id"], true),
            ("ForAnyValue:StringEquals", "nothing", &["id"], false),
            ("ForAnyValue:StringNotEquals", "nothing", &["id"], false),
            ("ForAllValues:StringEquals", "empty", &["id"], true),
        ] {
            assert_eq!(
                holds(operator, key, values),
                expected,
                "{operator} {key} {values:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused_when_it_is_read() {
        for (operator, value) in [
            ("StringEqual", "a"),
            ("ForSomeValues:StringEquals", "a"),
            ("NumericEquals", "ten"),
            ("DateEquals", "soon"),
            ("Bool", "yes"),
            ("IpAddress", "localhost"),
            ("BinaryEquals", "%"),
        ] {
            let read = Condition::read(operator, "k", &[value.to_owned()], Variables::Read);
            assert!(read.is_err(), "{operator} {value}");
        }
    }
}
