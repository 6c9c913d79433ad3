//! DynamoDB's items, numbers and key conditions: what is accepted reads back.

#![no_main]

use service_tables::dynamodb::fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::item_json(bytes);
    fuzz::item_bytes(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        fuzz::number(text);
    }
});
