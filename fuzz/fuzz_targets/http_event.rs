//! From a request's bytes to a function's event: no panic, and the event is JSON.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(event) = gateway::application::sample::event_of_raw(bytes) {
        serde_json::from_slice::<serde_json::Value>(&event).expect("an event is JSON");
    }
});
