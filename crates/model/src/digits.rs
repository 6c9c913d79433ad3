//! Numbers as digits, behind a text that is being put together.
//!
//! Lives here: what every request writes many times, which is too often for a formatter and a text of its own each time.
//! Does not live here: what the texts say.

/// Digits of the largest number.
const DIGITS_MAX: usize = 20;

/// Adds a number.
pub fn push(text: &mut String, number: u64) {
    push_padded(text, number, 1);
}

/// Adds a number of so many digits at least: zeros stand before it.
pub fn push_padded(text: &mut String, number: u64, width: usize) {
    let mut digits = [b'0'; DIGITS_MAX];
    let mut left = number;
    let mut count = 0;
    for digit in digits.iter_mut().rev() {
        if left == 0 && width <= count {
            break;
        }
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
        count += 1;
    }
    push_ascii(text, digits.get(DIGITS_MAX - count..).unwrap_or_default());
}

/// Adds bytes, two hexadecimal digits each, in lower case.
pub fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    text.reserve(2 * bytes.len());
    for byte in bytes {
        push_ascii(text, &[digit(byte >> 4), digit(byte & 0x0f)]);
    }
}

fn push_ascii(text: &mut String, digits: &[u8]) {
    // Digits are ASCII, so none is lost.
    text.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_a_formatter_writes_them() {
        for number in [0, 7, 10, 99, 100, 12_345, u64::MAX] {
            let mut text = String::new();
            push(&mut text, number);
            push_padded(&mut text, number, 3);
            push_hex(&mut text, &number.to_be_bytes());
            assert_eq!(text, format!("{number}{number:03}{number:016x}"));
        }
    }
}
