//! Statements of PartiQL: no panic, whatever stands in them; what is accepted makes an item that reads back.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    service_tables::dynamodb::fuzz::statement(text);
});
