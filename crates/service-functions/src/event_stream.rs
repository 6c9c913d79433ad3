//! `InvokeWithResponseStream`: a reply as a stream of events.
//!
//! Lives here: the events, their encoding, and the body that is made of them while the function writes.
//! Does not live here: reading the request (`service`), running functions (`Invoke`).
//!
//! Contract: AWS Lambda API Reference, `InvokeWithResponseStream`: `PayloadChunk` events, then one `InvokeComplete`;
//! "Amazon event stream encoding" (Smithy, `application/vnd.amazon.eventstream`): lengths of message and headers, their
//! CRC32, headers, payload, CRC32 of all.

use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use interfaces::invoke::{Answer, NotRun, Outcome, Reply};
use interfaces::reply_stream::{PIECE_BYTES_MAX, ReplyStream};
use interfaces::service::{Rest, RestPieces};
use serde::Serialize;

use crate::invoke::LogTail;

/// The media type of such a stream.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The type of a header's value: a text.
const TEXT: u8 = 7;
/// Two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct InvokeComplete {
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_details: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_result: Option<String>,
}

/// What is known of a reply at once, and the rest that follows while it is written.
pub(crate) fn encode(answer: Answer, tail: LogTail) -> (Bytes, Option<Rest>) {
    match answer {
        Answer::Whole(reply) => {
            let mut events = BytesMut::new();
            if let Outcome::Returned(payload) = &reply.outcome {
                chunks(&mut events, payload.clone());
            }
            complete(&mut events, &Ok(reply), tail);
            (events.freeze(), None)
        }
        Answer::Streamed(stream) => {
            let events = Events {
                stream,
                tail,
                is_complete: false,
            };
            (Bytes::new(), Some(Rest::new(events)))
        }
    }
}

struct Events {
    stream: ReplyStream,
    tail: LogTail,
    is_complete: bool,
}

impl RestPieces for Events {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.is_complete {
            return Poll::Ready(None);
        }
        let mut events = BytesMut::new();
        match std::task::ready!(self.stream.poll_next(context)) {
            Some(piece) => chunks(&mut events, piece),
            None => {
                let end = std::task::ready!(self.stream.poll_end(context));
                complete(&mut events, &end, self.tail);
                self.is_complete = true;
            }
        }
        Poll::Ready(Some(events.freeze()))
    }
}

fn chunks(out: &mut BytesMut, mut payload: Bytes) {
    while !payload.is_empty() {
        let chunk = payload.split_to(payload.len().min(PIECE_BYTES_MAX));
        message(out, "PayloadChunk", "application/octet-stream", &chunk);
    }
}

fn complete(out: &mut BytesMut, end: &Result<Reply, NotRun>, tail: LogTail) {
    let mut told = InvokeComplete::default();
    match end {
        Ok(reply) => {
            if let Outcome::Failed(error) = &reply.outcome {
                told.error_code = Some("Unhandled");
                told.error_details = Some(String::from_utf8_lossy(&error.payload).into_owned());
            }
            told.log_result = match tail {
                LogTail::Wanted => Some(STANDARD.encode(&reply.log_tail)),
                LogTail::Unwanted => None,
            };
        }
        Err(not_run) => {
            told.error_code = Some("ServiceException");
            told.error_details = Some(not_run.to_string());
        }
    }
    // Three texts always serialise.
    let payload = serde_json::to_vec(&told).unwrap_or_default();
    message(out, "InvokeComplete", "application/json", &payload);
}

fn message(out: &mut BytesMut, event_type: &str, content_type: &str, payload: &[u8]) {
    let mut headers = Vec::with_capacity(96);
    for (name, value) in [
        (":event-type", event_type),
        (":content-type", content_type),
        (":message-type", "event"),
    ] {
        // Our own words: all of them are shorter than their lengths can say.
        headers.put_u8(u8::try_from(name.len()).unwrap_or_default());
        headers.put_slice(name.as_bytes());
        headers.put_u8(TEXT);
        headers.put_u16(u16::try_from(value.len()).unwrap_or_default());
        headers.put_slice(value.as_bytes());
    }
    let bytes = PRELUDE_BYTES + headers.len() + payload.len() + CHECKSUM_BYTES;
    let mut whole = Vec::with_capacity(bytes);
    // A piece is far below four gigabytes.
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
        let mut out = BytesMut::new();
        message(&mut out, "E", "t", b"p");
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
