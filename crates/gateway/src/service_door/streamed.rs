//! Bodies of calls that services take as they arrive.
//!
//! Lives here: taking them out of their own chunks, and holding them against what was signed.
//! Does not live here: chunks and their signatures themselves (`aws_wire::sigv4::chunks`), HTTP's framing (`http`).

use aws_wire::sigv4::PayloadClaim;
use aws_wire::sigv4::chunks::{ChunkError, ChunkReader, Proof, Step};
use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::service::{BrokenBody, CallBody, CallStream};
use model::ids::AccountId;
use sha2::{Digest, Sha256};

use crate::http::{Body, BodyError};

/// The body of a call whose head claims this of it. Without a proof, signatures of chunks are not verified: nobody knows the
/// secret of keys that nobody issued.
pub(super) fn streamed(
    body: Body,
    claim: PayloadClaim,
    proof: Option<Proof>,
    unknown_keys: Option<AccountId>,
) -> CallStream {
    let form = match claim {
        PayloadClaim::Unsigned => Form::Plain,
        PayloadClaim::Hash(wanted) => Form::Hashed {
            wanted,
            hash: Sha256::new(),
        },
        PayloadClaim::SignedChunks { .. } | PayloadClaim::UnsignedChunks => {
            Form::Chunks(Box::new(ChunkReader::new(claim, proof)))
        }
    };
    CallStream(Box::new(Streamed {
        body: tokio::sync::Mutex::new(body),
        form,
        unknown_keys,
    }))
}

struct Streamed {
    // Bodies can be sent to another thread, but not shared by two.
    body: tokio::sync::Mutex<Body>,
    form: Form,
    unknown_keys: Option<AccountId>,
}

enum Form {
    Plain,
    Hashed { wanted: [u8; 32], hash: Sha256 },
    Chunks(Box<ChunkReader>),
}

impl Streamed {
    async fn next_piece(&mut self) -> Result<Option<Bytes>, BrokenBody> {
        let body = self.body.get_mut();
        match &mut self.form {
            Form::Plain => body.next().await.map_err(broken),
            Form::Hashed { wanted, hash } => match body.next().await.map_err(broken)? {
                Some(piece) => {
                    hash.update(&piece);
                    Ok(Some(piece))
                }
                None if hash.clone().finalize().as_slice() == wanted.as_slice() => Ok(None),
                None => Err(BrokenBody::NotAsSigned),
            },
            Form::Chunks(reader) => loop {
                match reader.step().map_err(misread)? {
                    Step::Data(piece) => return Ok(Some(piece)),
                    Step::More => match body.next().await.map_err(broken)? {
                        Some(piece) => reader.push(piece),
                        None => return Err(BrokenBody::CutOff),
                    },
                    // What follows the last chunk is read too, or the connection could not be used again.
                    Step::Done => match body.next().await.map_err(broken)? {
                        None if !reader.has_more_than_all() => return Ok(None),
                        None | Some(_) => {
                            return Err(BrokenBody::Malformed {
                                reason: "more follows the last chunk".to_owned(),
                            });
                        }
                    },
                }
            },
        }
    }
}

impl CallBody for Streamed {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, BrokenBody>> {
        Box::pin(self.next_piece())
    }

    fn trailers(&self) -> &[(String, String)] {
        match &self.form {
            Form::Plain | Form::Hashed { .. } => &[],
            Form::Chunks(reader) => reader.trailers(),
        }
    }

    fn unknown_keys_act_as(&self) -> Option<&AccountId> {
        self.unknown_keys.as_ref()
    }
}

fn broken(error: BodyError) -> BrokenBody {
    match error {
        BodyError::CutOff | BodyError::TooSlow => BrokenBody::CutOff,
        BodyError::TooLarge { .. } | BodyError::Malformed => BrokenBody::Malformed {
            reason: error.to_string(),
        },
    }
}

fn misread(error: ChunkError) -> BrokenBody {
    match error {
        ChunkError::NotAsSigned => BrokenBody::NotAsSigned,
        ChunkError::Malformed(reason) => BrokenBody::Malformed {
            reason: reason.to_owned(),
        },
    }
}
