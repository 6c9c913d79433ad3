//! Bodies of CBOR: no panic and no endless memory, whatever they say, and what was written is read again.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    service_streams::fuzz::cbor(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        service_streams::fuzz::sequence(text);
    }
});
