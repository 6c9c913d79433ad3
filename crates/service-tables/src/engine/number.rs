//! Decimal numbers of up to 38 digits, exactly.
//!
//! Lives here: reading and writing them, the bytes that sort as the numbers do, what they weigh.
//! Does not live here: floating point; no number passes through it on its way in or out.
//!
//! # Encoding
//! One byte for the sign (`01` negative, `02` zero, `03` positive). Zero ends here. Then one byte for the exponent of
//! the first digit, plus 130; then the digits in pairs, each pair plus one (`01` to `64`), an odd last digit being
//! followed by a zero; then `00`. All bytes after the sign of a negative number are inverted. Each number has one
//! encoding, no encoding begins another, and they sort as bytes as the numbers do. The same bytes stand in items.
//!
//! Contract: Amazon DynamoDB Developer Guide, "Supported data types and naming rules", Number.

use std::cmp::Ordering;

/// Significant digits.
pub const DIGITS_MAX: usize = 38;
/// Exponent of the first digit of the largest numbers: 9.99…E+125.
pub const EXPONENT_MAX: i16 = 125;
/// Exponent of the first digit of the smallest numbers: 1E-130.
pub const EXPONENT_MIN: i16 = -130;

const SIGN_NEGATIVE: u8 = 0x01;
const SIGN_ZERO: u8 = 0x02;
const SIGN_POSITIVE: u8 = 0x03;
const END: u8 = 0x00;

/// A decimal number: `±d.ddd × 10^exponent`, without zeros at either end of its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    /// All digits as one integer; not divisible by ten. Zero only for the number zero.
    coefficient: u128,
    /// The power of ten of the first digit.
    exponent: i16,
}

/// A text is not a number that can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is no number at all.
    #[error("not a number")]
    Syntax,
    /// Larger than 9.99…E+125.
    #[error("number overflow")]
    Overflow,
    /// Smaller than 1E-130, and not zero.
    #[error("number underflow")]
    Underflow,
    /// More than 38 significant digits.
    #[error("more than 38 significant digits")]
    Precision,
}

/// The bytes are not the encoding of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not an encoded number")]
pub struct DecodeError;

impl Number {
    /// Zero.
    pub const ZERO: Self = Self {
        negative: false,
        coefficient: 0,
        exponent: 0,
    };

    /// Reads a number as DynamoDB takes it: digits with an optional sign, point and exponent.
    ///
    /// # Errors
    /// [`ParseError`]; what is wrong with the digits' count is told after what is wrong with their magnitude.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let scanned = Scanned::read(text).ok_or(ParseError::Syntax)?;
        if scanned.significant == 0 {
            return Ok(Self::ZERO);
        }
        if i64::from(EXPONENT_MAX) < scanned.exponent {
            return Err(ParseError::Overflow);
        }
        if scanned.exponent < i64::from(EXPONENT_MIN) {
            return Err(ParseError::Underflow);
        }
        if DIGITS_MAX < scanned.significant {
            return Err(ParseError::Precision);
        }
        Ok(Self {
            negative: scanned.negative,
            coefficient: scanned.coefficient,
            exponent: i16::try_from(scanned.exponent).map_err(|_| ParseError::Overflow)?,
        })
    }

    /// The number of so many things.
    #[must_use]
    pub fn of_count(count: usize) -> Self {
        Self::unsigned(count as u128, 0).unwrap_or(Self::ZERO)
    }

    /// The sum.
    ///
    /// # Errors
    /// [`ParseError`] when it cannot be stored exactly.
    pub fn plus(self, other: Self) -> Result<Self, ParseError> {
        if other.coefficient == 0 {
            return Ok(self);
        }
        if self.coefficient == 0 {
            return Ok(other);
        }
        // Both as integers times the smaller of the two powers of ten. Digits further apart than a number has
        // cannot come to a storable sum.
        let (low, high) = if self.scale() <= other.scale() {
            (self, other)
        } else {
            (other, self)
        };
        let shift = u32::try_from(high.scale() - low.scale()).map_err(|_| ParseError::Precision)?;
        let raised = 10_u128
            .checked_pow(shift)
            .and_then(|power| high.coefficient.checked_mul(power))
            .ok_or(ParseError::Precision)?;
        if low.negative == high.negative {
            let sum = raised
                .checked_add(low.coefficient)
                .ok_or(ParseError::Precision)?;
            return Ok(Self::unsigned(sum, low.scale())?.with_sign_of(low));
        }
        let larger = if low.coefficient < raised { high } else { low };
        let distance = Self::unsigned(raised.abs_diff(low.coefficient), low.scale())?;
        Ok(distance.with_sign_of(larger))
    }

    /// The same distance from zero on its other side.
    #[must_use]
    pub fn negated(self) -> Self {
        Self {
            negative: !self.negative && self.coefficient != 0,
            ..self
        }
    }

    /// What it weighs in an item, in bytes: a byte for each pair of digits and one more, and one for a minus.
    ///
    /// Contract: Amazon DynamoDB Developer Guide, "DynamoDB Item sizes and formats". Pairs begin at even powers.
    #[must_use]
    pub fn size(self) -> usize {
        if self.coefficient == 0 {
            return 1;
        }
        let digits = self.digits();
        let odd = !digits.is_multiple_of(2) || self.exponent.rem_euclid(2) == 1;
        1 + digits.div_ceil(2) + usize::from(!odd) + usize::from(self.negative)
    }

    /// Adds its encoding to these bytes.
    pub fn encode(self, out: &mut Vec<u8>) {
        if self.coefficient == 0 {
            out.push(SIGN_ZERO);
            return;
        }
        let (sign, mask) = if self.negative {
            (SIGN_NEGATIVE, 0xff)
        } else {
            (SIGN_POSITIVE, 0x00)
        };
        out.push(sign);
        let exponent = u8::try_from(self.exponent - EXPONENT_MIN).unwrap_or(u8::MAX);
        out.push(exponent ^ mask);
        let digits = self.digits();
        let mut rest = self.coefficient;
        if !digits.is_multiple_of(2) {
            rest *= 10;
        }
        let mut pairs = [0_u8; DIGITS_MAX / 2];
        let count = digits.div_ceil(2);
        for pair in pairs.iter_mut().take(count).rev() {
            *pair = u8::try_from(rest % 100).unwrap_or_default() + 1;
            rest /= 100;
        }
        out.extend(pairs.iter().take(count).map(|pair| pair ^ mask));
        out.push(END ^ mask);
    }

    /// Reads one encoded number from the beginning of these bytes; what follows it is given back.
    ///
    /// # Errors
    /// [`DecodeError`] when they do not begin with what [`Number::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (sign, rest) = bytes.split_first().ok_or(DecodeError)?;
        let mask = match *sign {
            SIGN_ZERO => return Ok((Self::ZERO, rest)),
            SIGN_NEGATIVE => 0xff,
            SIGN_POSITIVE => 0x00,
            _ => return Err(DecodeError),
        };
        let (exponent, rest) = rest.split_first().ok_or(DecodeError)?;
        let length = rest
            .iter()
            .position(|byte| byte ^ mask == END)
            .filter(|length| (1..=DIGITS_MAX / 2).contains(length))
            .ok_or(DecodeError)?;
        let (pairs, rest) = rest.split_at_checked(length).ok_or(DecodeError)?;
        let mut coefficient = 0_u128;
        for pair in pairs {
            let pair = (pair ^ mask) - 1;
            if 100 <= pair {
                return Err(DecodeError);
            }
            coefficient = coefficient * 100 + u128::from(pair);
        }
        let exponent = i16::from(exponent ^ mask) + EXPONENT_MIN;
        let (first, last) = pairs.first().zip(pairs.last()).ok_or(DecodeError)?;
        if first ^ mask <= 10 || last ^ mask == 1 {
            return Err(DecodeError);
        }
        if coefficient.is_multiple_of(10) {
            coefficient /= 10;
        }
        let number = Self {
            negative: mask != 0,
            coefficient,
            exponent,
        };
        let rest = rest.get(1..).ok_or(DecodeError)?;
        Ok((number, rest))
    }

    /// Adds its text to these bytes, without an exponent: `1E+3` is `1000`, as DynamoDB answers it.
    pub fn write(self, out: &mut Vec<u8>) {
        if self.coefficient == 0 {
            out.push(b'0');
            return;
        }
        if self.negative {
            out.push(b'-');
        }
        let mut buffer = [0_u8; DIGITS_MAX];
        let digits = self.digits();
        let mut rest = self.coefficient;
        for digit in buffer.iter_mut().take(digits).rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
        let digits = buffer.get(..digits).unwrap_or_default();
        // Digits that stand before the point; zero or fewer when the number is less than one.
        let Ok(whole) = usize::try_from(self.exponent + 1) else {
            return write_fraction(out, self.exponent, digits);
        };
        if whole == 0 {
            return write_fraction(out, self.exponent, digits);
        }
        match digits.split_at_checked(whole) {
            Some((whole, [])) => out.extend_from_slice(whole),
            Some((whole, fraction)) => {
                out.extend_from_slice(whole);
                out.push(b'.');
                out.extend_from_slice(fraction);
            }
            None => {
                out.extend_from_slice(digits);
                out.resize(out.len() + whole - digits.len(), b'0');
            }
        }
    }

    fn with_sign_of(self, other: Self) -> Self {
        Self {
            negative: other.negative && self.coefficient != 0,
            ..self
        }
    }

    /// `coefficient × 10^scale`.
    fn unsigned(coefficient: u128, scale: i32) -> Result<Self, ParseError> {
        if coefficient == 0 {
            return Ok(Self::ZERO);
        }
        let (mut coefficient, mut scale) = (coefficient, scale);
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            scale += 1;
        }
        let digits = count_digits(coefficient);
        let exponent = scale + i32::try_from(digits).unwrap_or(i32::MAX) - 1;
        if i32::from(EXPONENT_MAX) < exponent {
            return Err(ParseError::Overflow);
        }
        if exponent < i32::from(EXPONENT_MIN) {
            return Err(ParseError::Underflow);
        }
        if DIGITS_MAX < digits {
            return Err(ParseError::Precision);
        }
        Ok(Self {
            negative: false,
            coefficient,
            exponent: i16::try_from(exponent).map_err(|_| ParseError::Overflow)?,
        })
    }

    fn signum(self) -> i8 {
        match (self.coefficient, self.negative) {
            (0, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        }
    }

    /// The exponent, and the digits as if there were [`DIGITS_MAX`] of them; those fit, since 10^38 < 2^128.
    fn magnitude(self) -> (i16, u128) {
        let missing = u32::try_from(DIGITS_MAX - self.digits()).unwrap_or_default();
        (self.exponent, self.coefficient * 10_u128.pow(missing))
    }

    fn digits(self) -> usize {
        count_digits(self.coefficient)
    }

    /// The power of ten of the last digit.
    fn scale(self) -> i32 {
        i32::from(self.exponent) + 1 - i32::try_from(self.digits()).unwrap_or_default()
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.signum(), other.signum()) {
            (1, 1) => self.magnitude().cmp(&other.magnitude()),
            (-1, -1) => other.magnitude().cmp(&self.magnitude()),
            (left, right) => left.cmp(&right),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = Vec::new();
        self.write(&mut text);
        out.write_str(&String::from_utf8_lossy(&text))
    }
}

fn count_digits(coefficient: u128) -> usize {
    coefficient
        .checked_ilog10()
        .map_or(0, |power| power as usize + 1)
}

fn write_fraction(out: &mut Vec<u8>, exponent: i16, digits: &[u8]) {
    out.extend_from_slice(b"0.");
    let zeros = usize::from(exponent.unsigned_abs()).saturating_sub(1);
    out.resize(out.len() + zeros, b'0');
    out.extend_from_slice(digits);
}

/// The parts of a number's text, of any length.
struct Scanned {
    negative: bool,
    /// Significant digits: from the first to the last that is not zero.
    significant: usize,
    /// Those digits as an integer; meaningless when there are more than [`DIGITS_MAX`].
    coefficient: u128,
    /// The power of ten of the first significant digit.
    exponent: i64,
}

impl Scanned {
    fn read(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, bytes) = match bytes.split_first()? {
            (b'-', rest) => (true, rest),
            (b'+', rest) => (false, rest),
            _ => (false, bytes),
        };
        let split = bytes.iter().position(|byte| matches!(byte, b'e' | b'E'));
        let (mantissa, power) = match split {
            Some(at) => (bytes.get(..at)?, read_power(bytes.get(at + 1..)?)?),
            None => (bytes, 0),
        };
        let mut scanned = Self {
            negative,
            significant: 0,
            coefficient: 0,
            exponent: 0,
        };
        scanned.read_mantissa(mantissa)?;
        scanned.exponent = scanned.exponent.saturating_add(power);
        Some(scanned)
    }

    fn read_mantissa(&mut self, mantissa: &[u8]) -> Option<()> {
        let mut digits = 0_usize;
        let mut point = None;
        // Zeros that are significant only if another digit follows.
        let mut zeros = 0_usize;
        for byte in mantissa {
            match byte {
                b'.' if point.is_none() => {
                    point = Some(digits);
                    continue;
                }
                b'0' if self.significant == 0 => {}
                b'0' => zeros += 1,
                b'1'..=b'9' => {
                    if self.significant == 0 {
                        self.exponent = i64::try_from(digits).ok()?;
                    }
                    self.significant += zeros + 1;
                    if self.significant <= DIGITS_MAX {
                        let power = 10_u128.pow(u32::try_from(zeros + 1).ok()?);
                        self.coefficient = self.coefficient * power + u128::from(byte - b'0');
                    }
                    zeros = 0;
                }
                _ => return None,
            }
            digits += 1;
        }
        // So far the exponent counts from the left; the point says where the ones are.
        let ones = i64::try_from(point.unwrap_or(digits)).ok()? - 1;
        self.exponent = ones - self.exponent;
        (0 < digits).then_some(())
    }
}

/// The exponent; one that is beyond all bounds stays beyond them.
fn read_power(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let power = digits.iter().fold(0_i64, |power, digit| {
        power
            .saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
    });
    // Far from the ends of the type, so that adding the digits' own exponent cannot overflow.
    let power = power.min(i64::MAX / 4);
    Some(if negative { -power } else { power })
}

#[cfg(test)]
mod tests;
