//! The JSON protocol and signatures: no panic.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: (&str, &[u8])| {
    let (target, bytes) = input;
    let _target = aws_wire::json::parse_target(target);
    assert!(!aws_wire::sigv4::read_hostile(bytes, target), "nobody guesses a signature");
});
