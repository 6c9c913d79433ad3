//! Bytes on their way in.
//!
//! Lives here: small ones into memory, middling ones into a slot, larger ones into a file, hashed on the way; memory stays the same whatever comes.
//! Does not live here: what is made of them (`objects`, `multipart`), where they come from (`api`).

use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use interfaces::BoxFuture;
use md5::{Digest as _, Md5};

use super::blobs::{BlobWriter, Blobs, Unkept, failed};
use super::checksum::{Algorithm, Running};
use super::fault::{self, Fault};
use super::sealing::{CustomerKey, FRAME_BYTES, Sealer};
use super::slots::SLOT_BYTES_MAX;
use super::strand::{Strand, Work};
use super::version::Body;

/// Objects up to this size are kept in the store: one flush takes them, where a slot and what refers to it are two.
pub(crate) const SMALL_BYTES_MAX: usize = 32 * 1024;

/// Where bytes come from.
pub(crate) trait Source: Send {
    /// The next piece; none: that was all.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Fault>>;
}

/// What is wanted of bytes.
pub(crate) struct Wanted {
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) bytes_max: u64,
    pub(crate) key: Option<CustomerKey>,
}

/// Bytes that have come. They are forgotten unless they are kept.
pub(crate) struct Received {
    pub(crate) body: Body,
    /// Those of a small object, as they are kept.
    pub(crate) small: Option<Bytes>,
    pub(crate) size: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) checksums: Vec<(Algorithm, String)>,
    pub(crate) file: Option<Unkept>,
}

/// The MD5 of what comes.
struct Md5Work(Md5);

/// The checksums of what comes.
struct Sums(Vec<(Algorithm, Running)>);

impl Work for Md5Work {
    fn take(&mut self, piece: &[u8]) -> Result<(), Fault> {
        self.0.update(piece);
        Ok(())
    }
}

impl Sums {
    fn new(algorithms: &[Algorithm]) -> Self {
        let running = |algorithm: &Algorithm| (*algorithm, Running::new(*algorithm));
        Self(algorithms.iter().map(running).collect())
    }

    fn finish(self) -> Vec<(Algorithm, String)> {
        let finish = |(algorithm, running): (Algorithm, Running)| (algorithm, running.finish());
        self.0.into_iter().map(finish).collect()
    }
}

impl Work for Sums {
    fn take(&mut self, piece: &[u8]) -> Result<(), Fault> {
        for (_, running) in &mut self.0 {
            running.update(piece);
        }
        Ok(())
    }
}

/// Takes all that comes.
pub(crate) async fn receive(
    blobs: &Blobs,
    source: &mut dyn Source,
    wanted: Wanted,
) -> Result<Received, Fault> {
    // What is sealed lies in frames, which are no longer than it is for small ones and files alone.
    let first_max = if wanted.key.is_none() && blobs.slots().are_there() {
        SLOT_BYTES_MAX
    } else {
        SMALL_BYTES_MAX
    };
    let mut first = Vec::new();
    let mut bytes = 0;
    while let Some(piece) = source.next().await? {
        bytes += piece.len();
        first.push(piece);
        if first_max < bytes {
            return into_file(blobs, source, wanted, first).await;
        }
    }
    if bytes <= SMALL_BYTES_MAX {
        in_memory(blobs, joined(first), &wanted)
    } else {
        into_slot(blobs, first, bytes as u64, &wanted).await
    }
}

/// Small pieces as one; it is copied only if there are several.
fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() <= 1 {
        return pieces.pop().unwrap_or_default();
    }
    let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in &pieces {
        all.extend_from_slice(piece);
    }
    all.freeze()
}

/// Takes bytes that are all there.
pub(crate) fn in_memory(blobs: &Blobs, bytes: Bytes, wanted: &Wanted) -> Result<Received, Fault> {
    let size = bytes.len() as u64;
    if wanted.bytes_max < size {
        return Err(too_large(wanted.bytes_max));
    }
    let mut sums = Sums::new(&wanted.algorithms);
    sums.take(&bytes)?;
    let id = blobs.draw();
    let md5 = Md5::digest(&bytes).into();
    let kept = match &wanted.key {
        Some(key) if !bytes.is_empty() => {
            let mut frame = bytes.to_vec();
            Sealer::new(key, &id)?.seal(0, &mut frame)?;
            Bytes::from(frame)
        }
        Some(_) | None => bytes,
    };
    let body = if size == 0 {
        Body::Empty
    } else {
        Body::Bytes(id)
    };
    Ok(Received {
        small: (size != 0).then_some(kept),
        body,
        size,
        md5,
        checksums: sums.finish(),
        file: None,
    })
}

/// Takes bytes that are all there into a slot: they are hashed while they are written, which may go on.
async fn into_slot(
    blobs: &Blobs,
    pieces: Vec<Bytes>,
    size: u64,
    wanted: &Wanted,
) -> Result<Received, Fault> {
    if wanted.bytes_max < size {
        return Err(too_large(wanted.bytes_max));
    }
    let (slot, unkept) = blobs.slots().begin(pieces.clone()).await?;
    let mut sums = Sums::new(&wanted.algorithms);
    let mut md5 = Md5::new();
    for piece in &pieces {
        md5.update(piece);
        sums.take(piece)?;
    }
    Ok(Received {
        body: Body::Slot(slot),
        small: None,
        size,
        md5: md5.finalize().into(),
        checksums: sums.finish(),
        file: Some(unkept),
    })
}

fn too_large(bytes_max: u64) -> Fault {
    Fault::from(fault::ENTITY_TOO_LARGE).with("MaxSizeAllowed", bytes_max.to_string())
}

/// Takes bytes of which not all are there: they are written, and hashed in two more ways, at the same time.
async fn into_file(
    blobs: &Blobs,
    source: &mut dyn Source,
    wanted: Wanted,
    first: Vec<Bytes>,
) -> Result<Received, Fault> {
    let id = blobs.draw();
    let sealer = match &wanted.key {
        Some(key) => Some(Sealer::new(key, &id)?),
        None => None,
    };
    let mut disk = Strand::new(Writing::new(blobs.path(&id)?, sealer));
    let mut md5 = Strand::new(Md5Work(Md5::new()));
    let mut sums = Strand::new(Sums::new(&wanted.algorithms));
    let mut size = 0_u64;
    let mut first = first.into_iter();
    loop {
        let piece = match first.next() {
            Some(piece) => piece,
            None => match source.next().await? {
                Some(piece) => piece,
                None => break,
            },
        };
        size += piece.len() as u64;
        if wanted.bytes_max < size {
            return Err(too_large(wanted.bytes_max));
        }
        md5.push(piece.clone()).await?;
        if !wanted.algorithms.is_empty() {
            sums.push(piece.clone()).await?;
        }
        disk.push(piece).await?;
    }
    let written = async {
        let writing = disk.finish().await?;
        let finished = tokio::task::spawn_blocking(move || writing.finish());
        finished.await.map_err(failed)?
    };
    let (file, md5, sums) = tokio::join!(written, md5.finish(), sums.finish());
    Ok(Received {
        file: Some(file?),
        body: Body::File(id),
        small: None,
        size,
        md5: md5?.0.finalize().into(),
        checksums: sums?.finish(),
    })
}

/// A file that is being written. It is removed again if it is dropped.
struct Writing {
    path: PathBuf,
    /// Those that are encrypted.
    frames: Option<Frames>,
    file: Option<BlobWriter>,
}

impl Writing {
    fn new(path: PathBuf, sealer: Option<Sealer>) -> Self {
        let frames = |sealer| Frames {
            sealer,
            open: Vec::new(),
            number: 0,
        };
        Self {
            path,
            frames: sealer.map(frames),
            file: None,
        }
    }

    fn file(&mut self) -> Result<(&mut BlobWriter, Option<&mut Frames>), Fault> {
        if self.file.is_none() {
            self.file = Some(BlobWriter::begin(&self.path)?);
        }
        let file = self.file.as_mut().ok_or(fault::INTERNAL)?;
        Ok((file, self.frames.as_mut()))
    }

    /// Makes it durable. It blocks.
    fn finish(mut self) -> Result<Unkept, Fault> {
        if let (file, Some(frames)) = self.file()? {
            frames.flush(file)?;
        }
        let file = self.file.ok_or(fault::INTERNAL)?;
        Ok(file.finish()?)
    }
}

impl Work for Writing {
    fn take(&mut self, piece: &[u8]) -> Result<(), Fault> {
        match self.file()? {
            (file, Some(frames)) => frames.write(file, piece),
            (file, None) => Ok(file.write(piece)?),
        }
    }
}

struct Frames {
    sealer: Sealer,
    open: Vec<u8>,
    number: u64,
}

impl Frames {
    fn write(&mut self, file: &mut BlobWriter, mut piece: &[u8]) -> Result<(), Fault> {
        let full = usize::try_from(FRAME_BYTES).unwrap_or(usize::MAX);
        while !piece.is_empty() {
            let (taken, rest) = piece.split_at(piece.len().min(full - self.open.len()));
            self.open.extend_from_slice(taken);
            piece = rest;
            if self.open.len() == full {
                self.flush(file)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, file: &mut BlobWriter) -> Result<(), Fault> {
        if !self.open.is_empty() {
            self.sealer.seal(self.number, &mut self.open)?;
            file.write(&self.open)?;
            self.number += 1;
            self.open.clear();
        }
        Ok(())
    }
}
