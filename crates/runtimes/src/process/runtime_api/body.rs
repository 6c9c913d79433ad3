//! Reading the body of a request.
//!
//! Lives here: how much is kept, how much is thrown away, trailers.
//! Does not live here: what a body means (`routes`).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

/// How much of a body over its limit is read and thrown away, so that its sender comes to read the refusal. A sender of
/// more finds its connection closed.
const EXCESS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How much is thrown away of a body that nobody wants to read, and for how long: a client that is still sending would
/// find its connection closed instead of the answer.
const UNWANTED_BYTES_MAX: usize = 256 * 1024;
const UNWANTED_WAIT_MAX: Duration = Duration::from_secs(1);

/// A body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is over the limit.
    TooLarge,
    /// Its end did not come.
    CutOff,
}

/// A whole body.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    pub(super) trailers: HeaderMap,
}

/// Reads a body of at most so many bytes.
pub(super) async fn read(body: &mut Incoming, bytes_max: usize) -> Result<Whole, BodyError> {
    let mut kept = BytesMut::new();
    let mut trailers = HeaderMap::new();
    let mut count = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::CutOff)?;
        match frame.into_data() {
            Ok(data) => {
                count = count.saturating_add(data.len());
                if bytes_max < count {
                    // What was kept is of no use any more.
                    kept = BytesMut::new();
                    if bytes_max.saturating_add(EXCESS_BYTES_MAX) < count {
                        return Err(BodyError::TooLarge);
                    }
                } else {
                    kept.extend_from_slice(&data);
                }
            }
            Err(frame) => {
                if let Ok(found) = frame.into_trailers() {
                    trailers = found;
                }
            }
        }
    }
    if bytes_max < count {
        return Err(BodyError::TooLarge);
    }
    Ok(Whole {
        bytes: kept.freeze(),
        trailers,
    })
}

/// Throws away what is left of a body, as far as that is worth the while.
pub(super) async fn discard(body: &mut Incoming) {
    if body.is_end_stream() {
        return;
    }
    let discarding = async {
        let mut count = 0;
        while let Some(Ok(frame)) = body.frame().await {
            count += frame.data_ref().map_or(0, Bytes::len);
            if UNWANTED_BYTES_MAX < count {
                return;
            }
        }
    };
    // Its sender loses the answer, and nobody else anything.
    let _ = tokio::time::timeout(UNWANTED_WAIT_MAX, discarding).await;
}
