//! Bytes on their way in.
//!
//! Lives here: small ones into memory, larger ones into a file, hashed on the way; memory stays the same whatever comes.
//! Does not live here: what is made of them (`objects`, `multipart`), where they come from (`api`).

use std::io::Write as _;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use interfaces::BoxFuture;
use md5::{Digest as _, Md5};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::blobs::{Blobs, Unkept, failed};
use super::checksum::{Algorithm, Running};
use super::fault::{self, Fault};
use super::sealing::{CustomerKey, FRAME_BYTES, Sealer};
use super::version::Body;

/// Objects up to this size are kept in the store.
pub(crate) const SMALL_BYTES_MAX: usize = 64 * 1024;
/// Pieces that wait for the disk, or to be hashed.
const PIECES_WAITING_MAX: usize = 8;

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

struct Hashes {
    md5: Md5,
    running: Vec<(Algorithm, Running)>,
}

/// The MD5, and the checksums that were wanted.
type Hashed = ([u8; 16], Vec<(Algorithm, String)>);

impl Hashes {
    fn new(algorithms: &[Algorithm]) -> Self {
        Self {
            md5: Md5::new(),
            running: algorithms
                .iter()
                .map(|algorithm| (*algorithm, Running::new(*algorithm)))
                .collect(),
        }
    }

    fn update(&mut self, piece: &[u8]) {
        self.md5.update(piece);
        for (_, running) in &mut self.running {
            running.update(piece);
        }
    }

    fn finish(self) -> Hashed {
        let checksums = self
            .running
            .into_iter()
            .map(|(algorithm, running)| (algorithm, running.finish()))
            .collect();
        (self.md5.finalize().into(), checksums)
    }
}

/// Takes all that comes.
pub(crate) async fn receive(
    blobs: &Blobs,
    source: &mut dyn Source,
    wanted: Wanted,
) -> Result<Received, Fault> {
    let mut small = BytesMut::new();
    loop {
        match source.next().await? {
            None => return in_memory(blobs, small.freeze(), &wanted),
            Some(piece) if small.len() + piece.len() <= SMALL_BYTES_MAX => {
                small.extend_from_slice(&piece);
            }
            Some(piece) => return into_file(blobs, source, wanted, small.freeze(), piece).await,
        }
    }
}

/// Takes bytes that are all there.
pub(crate) fn in_memory(blobs: &Blobs, bytes: Bytes, wanted: &Wanted) -> Result<Received, Fault> {
    let size = bytes.len() as u64;
    if wanted.bytes_max < size {
        return Err(too_large(wanted.bytes_max));
    }
    let mut hashes = Hashes::new(&wanted.algorithms);
    hashes.update(&bytes);
    let (md5, checksums) = hashes.finish();
    let id = blobs.draw();
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
        checksums,
        file: None,
    })
}

fn too_large(bytes_max: u64) -> Fault {
    Fault::from(fault::ENTITY_TOO_LARGE).with("MaxSizeAllowed", bytes_max.to_string())
}

async fn into_file(
    blobs: &Blobs,
    source: &mut dyn Source,
    wanted: Wanted,
    first: Bytes,
    second: Bytes,
) -> Result<Received, Fault> {
    let id = blobs.draw();
    let path = blobs.path(&id)?;
    let sealer = match &wanted.key {
        Some(key) => Some(Sealer::new(key, &id)?),
        None => None,
    };
    let (to_disk, disk) = mpsc::channel(PIECES_WAITING_MAX);
    let (to_hashes, hashes) = mpsc::channel(PIECES_WAITING_MAX);
    let written: JoinHandle<Result<Unkept, Fault>> =
        tokio::task::spawn_blocking(move || write(path, sealer, disk));
    let running = Hashes::new(&wanted.algorithms);
    let hashed = tokio::task::spawn_blocking(move || hash(running, hashes));
    let mut size = 0_u64;
    let mut waiting = [first, second].into_iter();
    let broken = loop {
        let piece = match waiting.next() {
            Some(piece) => piece,
            None => match source.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break None,
                Err(fault) => break Some(fault),
            },
        };
        size += piece.len() as u64;
        if wanted.bytes_max < size {
            break Some(too_large(wanted.bytes_max));
        }
        let sent =
            to_hashes.send(piece.clone()).await.is_ok() && to_disk.send(Some(piece)).await.is_ok();
        if !sent {
            // The disk says below what is wrong.
            break None;
        }
    };
    if broken.is_none() {
        // Without this the file is not finished.
        let _ = to_disk.send(None).await;
    }
    drop((to_disk, to_hashes));
    let written = written.await.map_err(failed)?;
    let (md5, checksums) = hashed.await.map_err(failed)?;
    if let Some(fault) = broken {
        return Err(fault);
    }
    Ok(Received {
        body: Body::File(id),
        small: None,
        size,
        md5,
        checksums,
        file: Some(written?),
    })
}

fn hash(mut hashes: Hashes, mut pieces: mpsc::Receiver<Bytes>) -> Hashed {
    while let Some(piece) = pieces.blocking_recv() {
        hashes.update(&piece);
    }
    hashes.finish()
}

/// Writes what comes; finishes the file when it is told so, and removes it when nobody does.
fn write(
    path: PathBuf,
    sealer: Option<Sealer>,
    mut pieces: mpsc::Receiver<Option<Bytes>>,
) -> Result<Unkept, Fault> {
    let (mut file, unfinished) = Blobs::begin(&path)?;
    let _removed = Unfinished(&unfinished);
    let mut frames = sealer.map(|sealer| Frames {
        sealer,
        open: Vec::new(),
        number: 0,
    });
    while let Some(piece) = pieces.blocking_recv() {
        match (&mut frames, piece) {
            (None, Some(piece)) => file.write_all(&piece)?,
            (Some(frames), Some(piece)) => frames.write(&mut file, &piece)?,
            (frames, None) => {
                if let Some(frames) = frames {
                    frames.flush(&mut file)?;
                }
                return Ok(Blobs::finish(&file, &unfinished, &path)?);
            }
        }
    }
    Err(fault::INCOMPLETE_BODY.into())
}

struct Unfinished<'a>(&'a std::path::Path);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // When the file was finished, nothing of this name is there.
        let _ = std::fs::remove_file(self.0);
    }
}

struct Frames {
    sealer: Sealer,
    open: Vec<u8>,
    number: u64,
}

impl Frames {
    fn write(&mut self, file: &mut std::fs::File, mut piece: &[u8]) -> Result<(), Fault> {
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

    fn flush(&mut self, file: &mut std::fs::File) -> Result<(), Fault> {
        if !self.open.is_empty() {
            self.sealer.seal(self.number, &mut self.open)?;
            file.write_all(&self.open)?;
            self.number += 1;
            self.open.clear();
        }
        Ok(())
    }
}
