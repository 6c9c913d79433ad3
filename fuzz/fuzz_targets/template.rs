//! Templates and intrinsics: no panic and no endless work, whatever references say.

#![no_main]

use cloudformation::fuzz;

libfuzzer_sys::fuzz_target!(|text: &str| {
    fuzz::parse(text);
    fuzz::intrinsics(text);
});
