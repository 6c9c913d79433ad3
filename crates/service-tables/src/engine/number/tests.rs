//! Numbers against oracles that share no code with them.
//!
//! Lives here: tables of texts, and properties of the encoding.
//! Does not live here: anything that runs outside of tests.

use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Number {
    Number::parse(text).unwrap()
}

fn encoded(number: Number) -> Vec<u8> {
    let mut bytes = Vec::new();
    number.encode(&mut bytes);
    bytes
}

#[test]
fn numbers_are_answered_without_exponents_and_needless_zeros() {
    for (text, expected) in [
        ("0", "0"),
        ("-0", "0"),
        ("0.000", "0"),
        ("0e999", "0"),
        ("1", "1"),
        ("+1", "1"),
        ("007", "7"),
        ("1.50", "1.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-12.75", "-12.75"),
        ("1e3", "1000"),
        ("1E+3", "1000"),
        ("12e-3", "0.012"),
        ("120", "120"),
        ("100.001", "100.001"),
        ("0.1e126", &format!("1{}", "0".repeat(125))),
        ("1e-130", &format!("0.{}1", "0".repeat(129))),
        (
            "31415926535897932384626433832795028841e-37",
            "3.1415926535897932384626433832795028841",
        ),
    ] {
        assert_eq!(parsed(text).to_string(), expected, "{text}");
    }
}

#[test]
fn what_is_no_number_or_too_large_small_or_long_is_refused() {
    use ParseError::{Overflow, Precision, Syntax, Underflow};
    for (text, expected) in [
        ("", Syntax),
        ("-", Syntax),
        (".", Syntax),
        ("e5", Syntax),
        ("1e", Syntax),
        ("1e+", Syntax),
        ("1.2.3", Syntax),
        (" 1", Syntax),
        ("1 ", Syntax),
        ("0x10", Syntax),
        ("NaN", Syntax),
        ("Infinity", Syntax),
        ("-dog", Syntax),
        ("1_000", Syntax),
        ("1e126", Overflow),
        ("-11e125", Overflow),
        ("1e100000000000000000000000", Overflow),
        ("1e-131", Underflow),
        ("0.9e-130", Underflow),
        ("-1e-99999999999999999999999", Underflow),
        ("123456789012345678901234567890123456789", Precision),
        ("314159265358979323846.264338327950288419", Precision),
    ] {
        assert_eq!(Number::parse(text), Err(expected), "{text}");
    }
    assert!(Number::parse("12345678901234567890123456789012345678").is_ok());
    assert!(Number::parse(&format!("{}1", "0".repeat(5_000))).is_ok());
    assert!(Number::parse(&format!("1{}e-5000", "0".repeat(5_000))).is_ok());
}

#[test]
fn sizes_are_as_dynamodb_counts_them() {
    for (text, size) in [
        ("0", 1),
        ("1", 2),
        ("-1", 3),
        ("12", 2),
        ("120", 3),
        ("123", 3),
        ("1234", 3),
        ("-1234", 4),
        ("0.1", 2),
        ("12345678901234567890123456789012345678", 20),
    ] {
        assert_eq!(parsed(text).size(), size, "{text}");
    }
}

#[test]
fn sums_are_exact_or_refused() {
    for (left, right, sum) in [
        ("1", "10000000000000000000000", "10000000000000000000001"),
        ("5", "-5", "0"),
        ("0.1", "0.2", "0.3"),
        ("-1.5", "0.5", "-1"),
        ("0", "7", "7"),
        ("1e100", "0", &parsed("1e100").to_string()),
        ("99", "1", "100"),
    ] {
        assert_eq!(parsed(left).plus(parsed(right)).unwrap(), parsed(sum));
        assert_eq!(parsed(right).plus(parsed(left)).unwrap(), parsed(sum));
    }
    let fails = |left, right| parsed(left).plus(parsed(right)).unwrap_err();
    assert_eq!(fails("9e125", "9e125"), ParseError::Overflow);
    assert_eq!(fails("1e100", "1"), ParseError::Precision);
    assert_eq!(fails("1e125", "1e-130"), ParseError::Precision);
}

/// The value of a decimal text as digits around a point, compared as a person would: an oracle that shares no code.
fn compare_texts(left: &str, right: &str) -> Ordering {
    let value = |text: &str| {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole:0>140}{fraction:0<180}");
        let negative = negative && digits.chars().any(|digit| digit != '0');
        (negative, digits)
    };
    match (value(left), value(right)) {
        ((false, left), (false, right)) => left.cmp(&right),
        ((true, left), (true, right)) => right.cmp(&left),
        ((true, _), (false, _)) => Ordering::Less,
        ((false, _), (true, _)) => Ordering::Greater,
    }
}

/// Plain decimals with few distinct digits, so that near misses are common.
fn decimal() -> impl Strategy<Value = String> {
    let digits = |range| prop::collection::vec(prop::sample::select(vec!['0', '1', '9']), range);
    (any::<bool>(), digits(1..19), digits(0..19)).prop_map(|(negative, whole, fraction)| {
        let sign = if negative { "-" } else { "" };
        let whole: String = whole.into_iter().collect();
        let fraction: String = fraction.into_iter().collect();
        if fraction.is_empty() {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{fraction}")
        }
    })
}

proptest! {
    #[test]
    fn encodings_sort_as_the_numbers_do(left in decimal(), right in decimal()) {
        let order = compare_texts(&left, &right);
        prop_assert_eq!(encoded(parsed(&left)).cmp(&encoded(parsed(&right))), order);
        prop_assert_eq!(parsed(&left).cmp(&parsed(&right)), order);
    }

    #[test]
    fn encodings_sort_across_all_magnitudes(
        left in (-999_i32..=999, -132_i32..=120),
        right in (-999_i32..=999, -132_i32..=120),
    ) {
        let text = |(digits, power): (i32, i32)| format!("{digits}e{power}");
        let (Ok(left), Ok(right)) = (Number::parse(&text(left)), Number::parse(&text(right))) else {
            return Ok(());
        };
        let order = compare_texts(&left.to_string(), &right.to_string());
        prop_assert_eq!(encoded(left).cmp(&encoded(right)), order);
    }

    #[test]
    fn encodings_and_texts_read_back(text in decimal(), power in -100_i32..=90, rest in any::<[u8; 3]>()) {
        let number = parsed(&format!("{text}e{power}"));
        prop_assert_eq!(parsed(&number.to_string()), number);
        let mut bytes = encoded(number);
        bytes.extend_from_slice(&rest);
        prop_assert_eq!(Number::decode(&bytes), Ok((number, &rest[..])));
    }

    #[test]
    fn sums_agree_with_integers(left in -1_000_000_000_000_i64..1_000_000_000_000, right in any::<i32>()) {
        let sum = parsed(&left.to_string()).plus(parsed(&right.to_string())).unwrap();
        prop_assert_eq!(sum.to_string(), (left + i64::from(right)).to_string());
    }

    #[test]
    fn no_text_and_no_bytes_make_it_panic(text in ".{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = Number::parse(&text);
        if let Ok((number, rest)) = Number::decode(&bytes) {
            let used = &bytes[..bytes.len() - rest.len()];
            prop_assert_eq!(encoded(number), used, "each number has one encoding");
        }
    }
}
