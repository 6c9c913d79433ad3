//! Expressions of schedules: no panic and no endless search, whatever they say, and time goes forward in every zone.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: (&str, &str, u32)| {
    let (text, zone, after_s) = input;
    service_buses::fuzz::expression(text, zone, after_s);
});
