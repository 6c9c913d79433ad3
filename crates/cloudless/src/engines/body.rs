//! Bodies on their way to an engine.
//!
//! Lives here: keeping the end of a body back until its signature holds, S3's own chunks with what follows them.
//! Does not live here: HTTP's framing (`gateway::outbound`), taking a body out of the chunks that it came in (the door).

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use interfaces::BoxFuture;
use interfaces::service::{BrokenBody, CallBody, CallStream};

/// The least that stands in a chunk which is not the last, in bytes: S3 takes none of less than 8 KiB.
const CHUNK_BYTES: usize = 64 * 1024;
/// Proves the trailers of chunks that were signed; the body goes on without those signatures.
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// A body whose last piece is given only when all of it was found to be as it was signed: before, the engine cannot take it
/// for whole.
pub(super) struct HeldBack {
    body: CallStream,
    held: Option<Bytes>,
    is_over: bool,
}

impl HeldBack {
    pub(super) fn new(body: CallStream) -> Self {
        Self {
            body,
            held: None,
            is_over: false,
        }
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, BrokenBody> {
        while !self.is_over {
            match self.body.0.next().await? {
                Some(piece) if piece.is_empty() => {}
                Some(piece) => {
                    if let Some(before) = self.held.replace(piece) {
                        return Ok(Some(before));
                    }
                }
                None => self.is_over = true,
            }
        }
        Ok(self.held.take())
    }
}

impl CallBody for HeldBack {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, BrokenBody>> {
        Box::pin(self.next_piece())
    }

    fn trailers(&self) -> &[(String, String)] {
        self.body.0.trailers()
    }
}

/// The same in chunks that are not signed, with the trailers behind it.
///
/// Contract: Amazon S3 User Guide, "Using trailing checksums" (`STREAMING-UNSIGNED-PAYLOAD-TRAILER`).
pub(super) struct Chunks {
    body: HeldBack,
    collected: BytesMut,
    is_over: bool,
}

impl Chunks {
    pub(super) fn new(body: HeldBack) -> Self {
        Self {
            body,
            collected: BytesMut::new(),
            is_over: false,
        }
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, BrokenBody> {
        if self.is_over {
            return Ok(None);
        }
        while self.collected.len() < CHUNK_BYTES {
            match self.body.next_piece().await? {
                Some(piece) => self.collected.extend_from_slice(&piece),
                None => {
                    self.is_over = true;
                    break;
                }
            }
        }
        let data = self.collected.split();
        let mut chunk = BytesMut::new();
        if !data.is_empty() {
            chunk.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
            chunk.extend_from_slice(&data);
            chunk.extend_from_slice(b"\r\n");
        }
        if self.is_over {
            let mut end = "0\r\n".to_owned();
            let trailers = self.body.trailers().iter();
            for (name, value) in trailers.filter(|(name, _)| name != TRAILER_SIGNATURE) {
                // Writing to a text cannot fail.
                let _ = write!(end, "{name}:{value}\r\n");
            }
            end.push_str("\r\n");
            chunk.extend_from_slice(end.as_bytes());
        }
        Ok(Some(chunk.freeze()))
    }
}

impl CallBody for Chunks {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, BrokenBody>> {
        Box::pin(self.next_piece())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    struct Given {
        pieces: VecDeque<Result<Bytes, BrokenBody>>,
        trailers: Vec<(String, String)>,
    }

    impl CallBody for Given {
        fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, BrokenBody>> {
            let next = self.pieces.pop_front().transpose();
            Box::pin(std::future::ready(next))
        }

        fn trailers(&self) -> &[(String, String)] {
            &self.trailers
        }
    }

    fn given(pieces: Vec<Result<&'static str, BrokenBody>>) -> HeldBack {
        let pieces = pieces.into_iter();
        let trailer = |name: &str| (name.to_owned(), "v".to_owned());
        HeldBack::new(CallStream(Box::new(Given {
            pieces: pieces
                .map(|piece| piece.map(|text| Bytes::from_static(text.as_bytes())))
                .collect(),
            trailers: vec![trailer("x-amz-checksum-crc32"), trailer(TRAILER_SIGNATURE)],
        })))
    }

    #[tokio::test]
    async fn the_end_is_given_only_when_the_signature_holds() {
        let mut whole = given(vec![Ok("a"), Ok(""), Ok("b")]);
        let mut seen = Vec::new();
        while let Some(piece) = whole.next().await.unwrap() {
            seen.push(piece);
        }
        assert_eq!(seen, ["a", "b"]);
        let mut broken = given(vec![Ok("a"), Ok("b"), Err(BrokenBody::NotAsSigned)]);
        assert_eq!(broken.next().await.unwrap().unwrap(), "a");
        assert_eq!(broken.next().await, Err(BrokenBody::NotAsSigned));
    }

    #[tokio::test]
    async fn chunks_end_with_the_trailers() {
        for (pieces, expected) in [
            (
                vec![Ok("ab"), Ok("c")],
                "3\r\nabc\r\n0\r\nx-amz-checksum-crc32:v\r\n\r\n",
            ),
            (vec![], "0\r\nx-amz-checksum-crc32:v\r\n\r\n"),
        ] {
            let mut chunks = Chunks::new(given(pieces));
            assert_eq!(chunks.next().await.unwrap().unwrap(), expected);
            assert_eq!(chunks.next().await, Ok(None));
        }
    }
}
