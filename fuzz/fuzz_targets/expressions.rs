//! DynamoDB's expressions, of every kind: no panic, whatever stands in them.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    service_tables::dynamodb::fuzz::condition(text);
});
