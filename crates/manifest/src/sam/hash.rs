//! The hash in the logical ids that the SAM transform generates.
//!
//! Lives here: SHA-1, and the JSON text that is hashed. SHA-1 names things here and protects nothing.
//! Does not live here: what is hashed for which resource (`function`, `layer`, `rest_api`).
//!
//! Contract: SAM transform, logical id generator; FIPS 180-4, "SHA-1".

use std::fmt::Write as _;

use serde_json::Value;

/// How many hexadecimal digits a logical id ends with.
pub(super) const DIGITS: usize = 10;

/// The prefix, and the first digits of the hash of this text; the prefix alone when there is no text.
pub(super) fn logical_id(prefix: &str, text: &str) -> String {
    if text.is_empty() {
        return prefix.to_owned();
    }
    let digits: String = sha1_hex(text.as_bytes()).chars().take(DIGITS).collect();
    format!("{prefix}{digits}")
}

/// JSON with sorted keys, without spaces, all beyond ASCII escaped: as Python's `json.dumps` writes it.
pub(super) fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index != 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                if index != 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write_canonical(member, out);
            }
            out.push('}');
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    for letter in Value::from(text).to_string().chars() {
        if letter.is_ascii() {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
}

/// The SHA-1 of these bytes, as 40 hexadecimal digits.
pub(super) fn sha1_hex(bytes: &[u8]) -> String {
    let mut state: [u32; 5] = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    let bits = u64::try_from(bytes.len())
        .unwrap_or(u64::MAX)
        .wrapping_mul(8);
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&bits.to_be_bytes());
    for block in padded.chunks_exact(64) {
        compress(&mut state, block);
    }
    hex::encode(state.map(u32::to_be_bytes).concat())
}

fn compress(state: &mut [u32; 5], block: &[u8]) {
    let mut words: Vec<u32> = block
        .chunks_exact(4)
        .map(|bytes| {
            bytes
                .iter()
                .fold(0, |word, byte| (word << 8) | u32::from(*byte))
        })
        .collect();
    for index in 16..80 {
        let back = |steps: usize| words.get(index - steps).copied().unwrap_or_default();
        let mixed = back(3) ^ back(8) ^ back(14) ^ back(16);
        words.push(mixed.rotate_left(1));
    }
    let [mut first, mut second, mut third, mut fourth, mut fifth] = *state;
    for (index, word) in words.iter().enumerate() {
        let (chosen, constant) = match index {
            0..20 => ((second & third) | (!second & fourth), 0x5a82_7999),
            20..40 => (second ^ third ^ fourth, 0x6ed9_eba1),
            40..60 => (
                (second & third) | (second & fourth) | (third & fourth),
                0x8f1b_bcdc,
            ),
            _ => (second ^ third ^ fourth, 0xca62_c1d6_u32),
        };
        let next = first
            .rotate_left(5)
            .wrapping_add(chosen)
            .wrapping_add(fifth)
            .wrapping_add(constant)
            .wrapping_add(*word);
        (fifth, fourth, third, second, first) =
            (fourth, third, second.rotate_left(30), first, next);
    }
    for (sum, part) in state.iter_mut().zip([first, second, third, fourth, fifth]) {
        *sum = sum.wrapping_add(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_have_their_known_hashes() {
        for (text, hash) in [
            ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
        ] {
            assert_eq!(sha1_hex(text.as_bytes()), hash);
        }
    }

    #[test]
    fn json_is_sorted_and_escaped() {
        let value = serde_json::json!({"b": [1, "é😀"], "a": null});
        assert_eq!(
            canonical_json(&value),
            r#"{"a":null,"b":[1,"\u00e9\ud83d\ude00"]}"#
        );
    }
}
