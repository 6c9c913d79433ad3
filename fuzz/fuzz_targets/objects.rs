//! Documents and forms that clients of buckets send, and bodies in chunks.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = service_objects::hostile::document(bytes);
    let _ = service_objects::hostile::form("B", bytes);
    let _ = aws_wire::sigv4::chunks::read_hostile(bytes);
});
