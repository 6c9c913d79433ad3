//! Filter patterns of logs: no panic and no endless work, whatever they and the messages say.

#![no_main]

use service_logs::filter::Pattern;

libfuzzer_sys::fuzz_target!(|texts: (&str, &str)| {
    let (pattern, message) = texts;
    let Ok(pattern) = Pattern::parse(pattern) else {
        return;
    };
    let holds = pattern.holds(message);
    assert_eq!(holds, pattern.holds(message), "it is always the same");
    let _ = pattern.extract(message);
});
