//! `InvokeWithResponseStream`: a reply as a stream of events.
//!
//! Lives here: the events, and the body that is made of them while the function writes.
//! Does not live here: their framing (`aws_wire`), reading the request (`service`), running functions (`Invoke`).
//!
//! Contract: AWS Lambda API Reference, `InvokeWithResponseStream`: `PayloadChunk` events, then one `InvokeComplete`.

use std::task::{Context, Poll};

use aws_wire::event_stream::event;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use interfaces::invoke::{Answer, NotRun, Outcome, Reply};
use interfaces::reply_stream::{PIECE_BYTES_MAX, ReplyStream};
use interfaces::service::{Rest, RestPieces};
use serde::Serialize;

use crate::invoke::LogTail;

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
        event(out, "PayloadChunk", "application/octet-stream", &chunk);
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
    event(out, "InvokeComplete", "application/json", &payload);
}
