//! Keys of items and tokens of pages: encoded keys order as their values do, and what a token says reads back.
//!
//! The first line is one value, the rest another.

#![no_main]

use service_tables::dynamodb::fuzz;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (left, right) = text.split_once('\n').unwrap_or((text, ""));
    fuzz::keys(left, right);
    fuzz::token(text);
});
