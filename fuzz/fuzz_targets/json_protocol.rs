//! The JSON protocol and signatures: no panic, and nobody guesses a signature.
//!
//! The first line is the operation's header and the request's target, the rest an `Authorization` header.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(end);
    let Ok(line) = std::str::from_utf8(line) else {
        return;
    };
    let authorization = rest.strip_prefix(b"\n").unwrap_or(rest);
    let _target = aws_wire::json::parse_target(line);
    assert!(
        !aws_wire::sigv4::read_hostile(authorization, line),
        "nobody guesses a signature"
    );
});
