//! Events of a stream, as a service sends them in one answer.
//!
//! Lives here: framing one of them.
//! Does not live here: which events there are (each service).
//!
//! Contract: "Amazon event stream encoding" (Smithy, `application/vnd.amazon.eventstream`): lengths of message and headers, their
//! CRC32, headers, payload, CRC32 of all.

use bytes::BufMut;

/// The media type of such an answer.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The type of a header's value: a text.
const TEXT: u8 = 7;
/// Two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;

/// Appends an event. Its type and its payload's are the service's own words: shorter than 64 KiB.
pub fn event(out: &mut impl BufMut, event_type: &str, content_type: &str, payload: &[u8]) {
    let mut headers = Vec::with_capacity(96);
    for (name, value) in [
        (":event-type", event_type),
        (":content-type", content_type),
        (":message-type", "event"),
    ] {
        headers.put_u8(u8::try_from(name.len()).unwrap_or_default());
        headers.put_slice(name.as_bytes());
        headers.put_u8(TEXT);
        headers.put_u16(u16::try_from(value.len()).unwrap_or_default());
        headers.put_slice(value.as_bytes());
    }
    let bytes = PRELUDE_BYTES + headers.len() + payload.len() + CHECKSUM_BYTES;
    let mut whole = Vec::with_capacity(bytes);
    // A payload is far below four gigabytes.
    whole.put_u32(u32::try_from(bytes).unwrap_or(u32::MAX));
    whole.put_u32(u32::try_from(headers.len()).unwrap_or(u32::MAX));
    let checksum = crc32fast::hash(&whole);
    whole.put_u32(checksum);
    whole.put_slice(&headers);
    whole.put_slice(payload);
    let checksum = crc32fast::hash(&whole);
    whole.put_u32(checksum);
    out.put_slice(&whole);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_framed_as_the_encoding_says() {
        let mut out = Vec::new();
        event(&mut out, "E", "t", b"p");
        let headers = b"\x0b:event-type\x07\0\x01E\x0d:content-type\x07\0\x01t\x0d:message-type\x07\0\x05event";
        let length = u32::try_from(12 + headers.len() + 1 + 4).unwrap();
        assert_eq!(out[..4], length.to_be_bytes());
        assert_eq!(
            out[4..8],
            u32::try_from(headers.len()).unwrap().to_be_bytes()
        );
        assert_eq!(out[8..12], crc32fast::hash(&out[..8]).to_be_bytes());
        assert_eq!(&out[12..12 + headers.len()], headers);
        assert_eq!(out[12 + headers.len()], b'p');
        let end = out.len() - 4;
        assert_eq!(out[end..], crc32fast::hash(&out[..end]).to_be_bytes());
    }
}
