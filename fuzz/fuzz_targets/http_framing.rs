//! The strict framing reader: no panic, and pieces do not matter.

#![no_main]

use gateway::http::{HostForm, ServerLimits, dissect};

libfuzzer_sys::fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let limits = ServerLimits::default();
    let whole = dissect([bytes], &limits, HostForm::Authority);
    let (first, second) = bytes.split_at(usize::from(cut).min(bytes.len()));
    assert_eq!(dissect([first, second], &limits, HostForm::Authority), whole);
});
