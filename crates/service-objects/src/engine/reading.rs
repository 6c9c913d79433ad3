//! Bytes on their way out.
//!
//! Lives here: ranges of the bytes of versions, read in pieces by a thread that is never far ahead of whoever takes them, or not read
//! at all where whoever sends them can do so from their file.
//! Does not live here: which version (`objects`), ranges in requests (`api::ranges`).

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use interfaces::BoxFuture;
use interfaces::service::{FileRun, Rest, RestPieces};
use store::{Direction, PageLimit, Store};
use tokio::sync::mpsc;

use super::blobs::{Blobs, Reading, failed};
use super::fault::{self, Fault};
use super::keys;
use super::receiving::Source;
use super::sealing::{CustomerKey, FRAME_BYTES, SEALED_FRAME_BYTES, Sealer, frame_offset};
use super::version::{Body, Part};

/// Bytes of one piece.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces that are read ahead.
const PIECES_AHEAD_MAX: usize = 4;

/// Bytes that are read.
pub(crate) enum Contents {
    Whole(Bytes),
    Streamed(Pieces),
}

/// The pieces of a range, as they are read.
pub(crate) struct Pieces {
    /// Where all of them are, until the first is asked for.
    file: Option<FileRun>,
    first: Option<Bytes>,
    receiver: mpsc::Receiver<Result<Bytes, Fault>>,
    _reading: Option<Reading>,
}

/// One run of bytes of a file, or bytes that are here already.
struct Segment {
    place: Place,
    start: u64,
    length: u64,
}

/// What it means that a file is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absence {
    /// The version was deleted or replaced.
    Gone,
    Fault,
}

enum Place {
    Here(Bytes),
    File(PathBuf, Option<Box<Sealer>>),
}

/// Reads the bytes of objects. Clones share everything.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Blobs,
}

impl Reader {
    /// The bytes from `start` on, so many; none: they are there no more, since the version was deleted or replaced.
    pub(crate) async fn read(
        &self,
        body: &Body,
        start: u64,
        length: u64,
        key: Option<&CustomerKey>,
    ) -> Result<Option<Contents>, Fault> {
        if length == 0 {
            return Ok(Some(Contents::Whole(Bytes::new())));
        }
        match body {
            Body::Empty => Ok(Some(Contents::Whole(Bytes::new()))),
            Body::Bytes(id) => Ok(self
                .small(id, key)
                .await?
                .map(|bytes| Contents::Whole(slice(&bytes, start, length)))),
            Body::Slot(slot) => {
                let bytes = self.blobs.slots().read(slot, start, length).await?;
                Ok(bytes.map(Contents::Whole))
            }
            Body::File(id) if key.is_none() && PIECE_BYTES as u64 <= length => {
                let file = opened(self.blobs.path(id)?).await?;
                let run = file.map(|file| FileRun {
                    file,
                    start,
                    length,
                });
                Ok(run.map(|run| Contents::Streamed(Pieces::of_file(run))))
            }
            Body::File(id) => {
                let segment = Segment {
                    place: Place::File(self.blobs.path(id)?, sealer(id, key)?),
                    start,
                    length,
                };
                // A file that is open stays readable when it is removed, so only before that may it be gone.
                started(vec![segment], length, Absence::Gone, None).await
            }
            Body::Parts(id) => {
                let reading = self.blobs.reading(id);
                let parts = self.parts(id).await?;
                if parts.is_empty() {
                    return Ok(None);
                }
                let segments = self.segments(&parts, start, length, key).await?;
                started(segments, length, Absence::Fault, Some(reading)).await
            }
        }
    }

    async fn small(&self, id: &str, key: Option<&CustomerKey>) -> Result<Option<Bytes>, Fault> {
        let Some(bytes) = self.store.get(&keys::bytes(id)).await? else {
            return Ok(None);
        };
        match sealer(id, key)? {
            Some(sealer) => Ok(Some(Bytes::from(sealer.open(0, bytes.to_vec())?))),
            None => Ok(Some(bytes)),
        }
    }

    /// The parts of an object that has several.
    pub(crate) async fn parts(&self, id: &str) -> Result<Vec<Part>, Fault> {
        let mut parts = Vec::new();
        let mut range = keys::parts_rows(id);
        loop {
            let page = self
                .store
                .scan(&range, Direction::Forward, PageLimit::rows(16))
                .await?;
            for row in &page.rows {
                let some: Vec<Part> = serde_json::from_slice(&row.value)
                    .map_err(|error| fault::internal(&error, "a list of parts cannot be read"))?;
                parts.extend(some);
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                Some(_) | None => return Ok(parts),
            }
        }
    }

    async fn segments(
        &self,
        parts: &[Part],
        start: u64,
        length: u64,
        key: Option<&CustomerKey>,
    ) -> Result<Vec<Segment>, Fault> {
        let end = start + length;
        let mut begins = 0_u64;
        let mut segments = Vec::new();
        for part in parts {
            let ends = begins + part.size;
            let (from, to) = (start.max(begins), end.min(ends));
            if from < to {
                let place = match &part.body {
                    Body::Bytes(id) => {
                        let bytes = self.small(id, key).await?;
                        Place::Here(bytes.ok_or(fault::INTERNAL)?)
                    }
                    Body::Slot(slot) => {
                        let bytes = self.blobs.slots().read(slot, 0, part.size).await?;
                        Place::Here(bytes.ok_or(fault::INTERNAL)?)
                    }
                    Body::File(id) => Place::File(self.blobs.path(id)?, sealer(id, key)?),
                    Body::Empty | Body::Parts(_) => Place::Here(Bytes::new()),
                };
                segments.push(Segment {
                    place,
                    start: from - begins,
                    length: to - from,
                });
            }
            begins = ends;
        }
        Ok(segments)
    }
}

fn sealer(id: &str, key: Option<&CustomerKey>) -> Result<Option<Box<Sealer>>, Fault> {
    key.map(|key| Sealer::new(key, id).map(Box::new))
        .transpose()
}

fn slice(bytes: &Bytes, start: u64, length: u64) -> Bytes {
    let bound = |at: u64| usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
    let (from, to) = (bound(start), bound(start.saturating_add(length)));
    bytes.slice(from.min(to)..to)
}

/// Begins to read, and waits for the first piece; none: nothing is there any more.
async fn started(
    segments: Vec<Segment>,
    length: u64,
    absence: Absence,
    reading: Option<Reading>,
) -> Result<Option<Contents>, Fault> {
    let (sender, mut receiver) = mpsc::channel(PIECES_AHEAD_MAX);
    // It ends when it has read all, or nobody takes more.
    drop(tokio::task::spawn_blocking(move || {
        read_all(segments, absence, &sender);
    }));
    let first = match receiver.recv().await.transpose()? {
        Some(all) if all.len() as u64 == length => return Ok(Some(Contents::Whole(all))),
        Some(first) => first,
        None => return Ok(None),
    };
    Ok(Some(Contents::Streamed(Pieces {
        file: None,
        first: Some(first),
        receiver,
        _reading: reading,
    })))
}

/// Opens a file; none: it is there no more.
async fn opened(path: PathBuf) -> Result<Option<File>, Fault> {
    let opened = tokio::task::spawn_blocking(move || File::open(path)).await;
    match opened.map_err(failed)? {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

fn read_all(segments: Vec<Segment>, absence: Absence, sender: &mpsc::Sender<Result<Bytes, Fault>>) {
    for segment in segments {
        let read = match &segment.place {
            Place::Here(bytes) => {
                let piece = slice(bytes, segment.start, segment.length);
                sender.blocking_send(Ok(piece)).map_err(|_| None)
            }
            Place::File(path, sealer) => match (File::open(path), sealer) {
                (Err(error), _)
                    if absence == Absence::Gone && error.kind() == std::io::ErrorKind::NotFound =>
                {
                    return;
                }
                (Err(error), _) => Err(Some(error.into())),
                (Ok(file), None) => plain(file, segment.start, segment.length, sender),
                (Ok(file), Some(sealer)) => sealed(file, sealer, &segment, sender),
            },
        };
        match read {
            Ok(()) => {}
            Err(None) => return,
            Err(Some(fault)) => {
                // Nobody may be there to hear it.
                let _ = sender.blocking_send(Err(fault));
                return;
            }
        }
    }
}

/// A fault, or nothing when nobody takes more.
type Ended = Result<(), Option<Fault>>;

fn plain(
    mut file: File,
    start: u64,
    length: u64,
    sender: &mpsc::Sender<Result<Bytes, Fault>>,
) -> Ended {
    let io = |error: std::io::Error| Some(Fault::from(error));
    file.seek(SeekFrom::Start(start)).map_err(io)?;
    let mut left = length;
    while 0 < left {
        let wanted = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        let mut piece = Vec::with_capacity(wanted);
        let read = (&mut file)
            .take(wanted as u64)
            .read_to_end(&mut piece)
            .map_err(io)?;
        if read == 0 {
            return Err(Some(fault::INTERNAL.into()));
        }
        left -= read as u64;
        sender
            .blocking_send(Ok(Bytes::from(piece)))
            .map_err(|_| None)?;
    }
    Ok(())
}

fn sealed(
    mut file: File,
    sealer: &Sealer,
    segment: &Segment,
    sender: &mpsc::Sender<Result<Bytes, Fault>>,
) -> Ended {
    let io = |error: std::io::Error| Some(Fault::from(error));
    let mut number = segment.start / FRAME_BYTES;
    file.seek(SeekFrom::Start(frame_offset(number)))
        .map_err(io)?;
    let mut skipped = segment.start % FRAME_BYTES;
    let mut left = segment.length;
    while 0 < left {
        let mut frame = Vec::with_capacity(SEALED_FRAME_BYTES);
        let read = (&mut file)
            .take(SEALED_FRAME_BYTES as u64)
            .read_to_end(&mut frame)
            .map_err(io)?;
        if read == 0 {
            return Err(Some(fault::INTERNAL.into()));
        }
        let bytes = Bytes::from(sealer.open(number, frame).map_err(Some)?);
        let piece = slice(&bytes, skipped, left);
        left -= piece.len() as u64;
        skipped = 0;
        number += 1;
        sender.blocking_send(Ok(piece)).map_err(|_| None)?;
    }
    Ok(())
}

impl Contents {
    /// As an answer sends it.
    pub(crate) fn answer(self) -> (Bytes, Option<Rest>) {
        match self {
            Self::Whole(bytes) => (bytes, None),
            Self::Streamed(pieces) => (Bytes::new(), Some(Rest::new(pieces))),
        }
    }

    /// All of it.
    pub(crate) async fn collect(mut self) -> Result<Bytes, Fault> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

impl Source for Contents {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Fault>> {
        Box::pin(async move {
            match self {
                Self::Whole(bytes) if bytes.is_empty() => Ok(None),
                Self::Whole(bytes) => Ok(Some(std::mem::take(bytes))),
                Self::Streamed(pieces) => {
                    pieces.begin();
                    match pieces.first.take() {
                        Some(first) => Ok(Some(first)),
                        None => pieces.receiver.recv().await.transpose(),
                    }
                }
            }
        })
    }
}

impl Pieces {
    /// Those of a file, which is not read before the first is asked for.
    fn of_file(run: FileRun) -> Self {
        let (_, receiver) = mpsc::channel(1);
        Self {
            file: Some(run),
            first: None,
            receiver,
            _reading: None,
        }
    }

    /// Has a file read whose pieces are asked for.
    fn begin(&mut self) {
        if let Some(run) = self.file.take() {
            let (sender, receiver) = mpsc::channel(PIECES_AHEAD_MAX);
            self.receiver = receiver;
            // It ends when it has read all, or nobody takes more.
            drop(tokio::task::spawn_blocking(move || {
                if let Err(Some(fault)) = plain(run.file, run.start, run.length, &sender) {
                    // Nobody may be there to hear it.
                    let _ = sender.blocking_send(Err(fault));
                }
            }));
        }
    }
}

impl RestPieces for Pieces {
    fn take_file(&mut self) -> Option<FileRun> {
        self.file.take()
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.begin();
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        // A body that ends before its announced length breaks off: that is how its client learns of a fault.
        self.receiver.poll_recv(context).map(|piece| piece?.ok())
    }
}
