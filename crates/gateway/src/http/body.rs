//! The body of a request, on its way in.
//!
//! Lives here: reading it with a limit, and what can go wrong on the way.
//! Does not live here: where it ends on the wire (`framing`).

use bytes::Bytes;

/// A body that has not been read yet. Dropping it unread is allowed.
#[derive(Debug)]
pub struct Body {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Whole(Bytes),
}

/// A body did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than its reader takes. HTTP: 413.
    #[error("the body is over the limit of {bytes_max} bytes")]
    TooLarge {
        /// The most that its reader takes, in bytes.
        bytes_max: usize,
    },
    /// The connection ended before the body did. Nobody is there to read an answer.
    #[error("the body was cut off")]
    CutOff,
    /// It made no progress for too long. HTTP: 408.
    #[error("the body arrived too slowly")]
    TooSlow,
    /// Its framing is broken. The server answers 400 and closes, whatever the handler says.
    #[error("the framing of the body is broken")]
    Malformed,
}

impl Body {
    /// A body that is all there.
    #[must_use]
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self {
            source: Source::Whole(bytes.into()),
        }
    }

    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// Each case of [`BodyError`]. After any of them the connection is closed behind the response.
    pub async fn collect(self, bytes_max: usize) -> Result<Bytes, BodyError> {
        match self.source {
            Source::Whole(bytes) if bytes.len() <= bytes_max => Ok(bytes),
            Source::Whole(_) => Err(BodyError::TooLarge { bytes_max }),
        }
    }
}
