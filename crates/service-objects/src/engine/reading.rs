//! Bytes on their way out.
//!
//! Lives here: ranges of the bytes of versions, read in pieces, never far ahead of whoever takes them, or not read at all where whoever sends them can do so from their file.
//! Does not live here: which version (`objects`), ranges in requests (`api::ranges`).

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use interfaces::BoxFuture;
use interfaces::service::{FileRun, Rest, RestPieces};
use store::{Direction, PageLimit, Store};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

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
    /// What reads them, as long as somebody takes them.
    task: JoinSet<()>,
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
    let (mut receiver, task) = Run::of(segments, absence).begin();
    let first = match receiver.recv().await.transpose()? {
        Some(all) if all.len() as u64 == length => return Ok(Some(Contents::Whole(all))),
        Some(first) => first,
        None => return Ok(None),
    };
    Ok(Some(Contents::Streamed(Pieces {
        file: None,
        first: Some(first),
        receiver,
        task,
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

/// What is still to be read.
struct Run {
    segments: VecDeque<Segment>,
    /// The file of the first one, once it is open.
    file: Option<File>,
    absence: Absence,
}

type Sender = mpsc::Sender<Result<Bytes, Fault>>;

impl Run {
    fn of(segments: Vec<Segment>, absence: Absence) -> Self {
        Self {
            segments: segments.into(),
            file: None,
            absence,
        }
    }

    fn of_file(run: FileRun) -> Self {
        let segment = Segment {
            place: Place::File(PathBuf::new(), None),
            start: run.start,
            length: run.length,
        };
        Self {
            file: Some(run.file),
            ..Self::of(vec![segment], Absence::Fault)
        }
    }

    /// Has its pieces read, never far ahead of whoever takes them.
    fn begin(self) -> (mpsc::Receiver<Result<Bytes, Fault>>, JoinSet<()>) {
        let (sender, receiver) = mpsc::channel(PIECES_AHEAD_MAX);
        let mut task = JoinSet::new();
        task.spawn(self.read(sender));
        (receiver, task)
    }

    /// Threads are few: none waits for somebody who takes his time.
    async fn read(mut self, mut sender: Sender) {
        let mut goes_on = true;
        while goes_on && sender.reserve().await.is_ok() {
            let filled = tokio::task::spawn_blocking(move || {
                let goes_on = self.fill(&sender);
                (self, sender, goes_on)
            });
            match filled.await {
                Ok(given_back) => (self, sender, goes_on) = given_back,
                // The server stops, or reading has panicked, which was said.
                Err(_) => return,
            }
        }
    }

    /// Reads as many pieces as there is room for; whether there are more.
    fn fill(&mut self, sender: &Sender) -> bool {
        while 0 < sender.capacity() {
            let (piece, goes_on) = match self.next() {
                Ok(None) => return false,
                Ok(Some(piece)) => (Ok(piece), true),
                Err(fault) => (Err(fault), false),
            };
            // Nobody may be there to take it.
            if sender.try_send(piece).is_err() || !goes_on {
                return false;
            }
        }
        true
    }

    /// The next piece; none: that was all of it, or it is gone.
    fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let Some(segment) = self.segments.front_mut() else {
            return Ok(None);
        };
        let piece = match &segment.place {
            Place::Here(bytes) => slice(bytes, segment.start, segment.length),
            Place::File(path, sealer) => {
                let opened = self.file.take().map_or_else(|| File::open(path), Ok);
                let file = match opened {
                    Err(error)
                        if self.absence == Absence::Gone && error.kind() == ErrorKind::NotFound =>
                    {
                        return Ok(None);
                    }
                    file => self.file.insert(file?),
                };
                match sealer {
                    None => plain(file, segment)?,
                    Some(sealer) => sealed(file, sealer, segment)?,
                }
            }
        };
        if piece.is_empty() {
            return Err(fault::INTERNAL.into());
        }
        let bytes = piece.len() as u64;
        segment.start += bytes;
        segment.length = segment.length.saturating_sub(bytes);
        if segment.length == 0 {
            self.segments.pop_front();
            self.file = None;
        }
        Ok(Some(piece))
    }
}

fn plain(file: &mut File, segment: &Segment) -> Result<Bytes, Fault> {
    let wanted = segment.length.min(PIECE_BYTES as u64);
    Ok(Bytes::from(read_from(file, segment.start, wanted)?))
}

fn sealed(file: &mut File, sealer: &Sealer, segment: &Segment) -> Result<Bytes, Fault> {
    let number = segment.start / FRAME_BYTES;
    let frame = read_from(file, frame_offset(number), SEALED_FRAME_BYTES as u64)?;
    let bytes = Bytes::from(sealer.open(number, frame)?);
    Ok(slice(&bytes, segment.start % FRAME_BYTES, segment.length))
}

/// So many bytes, or as many as there are.
fn read_from(file: &mut File, start: u64, wanted: u64) -> Result<Vec<u8>, Fault> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or(PIECE_BYTES));
    file.take(wanted).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Err(fault::INTERNAL.into());
    }
    Ok(bytes)
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
            task: JoinSet::new(),
            _reading: None,
        }
    }

    /// Has a file read whose pieces are asked for.
    fn begin(&mut self) {
        if let Some(run) = self.file.take() {
            (self.receiver, self.task) = Run::of_file(run).begin();
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    const LENGTH: u64 = 8 * PIECE_BYTES as u64;

    async fn reading(path: &std::path::Path, start: u64) -> Pieces {
        let half = (LENGTH - start) / 2;
        let run = |start, length| Segment {
            place: Place::File(path.to_owned(), None),
            start,
            length,
        };
        let segments = vec![run(start, half), run(start + half, LENGTH - start - half)];
        match started(segments, LENGTH - start, Absence::Gone, None).await {
            Ok(Some(Contents::Streamed(pieces))) => pieces,
            _ => panic!("nothing is read"),
        }
    }

    #[test]
    fn whoever_takes_his_time_holds_no_thread() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let contents: Vec<u8> = (0..LENGTH).map(|at| (at % 251) as u8).collect();
        std::fs::write(file.path(), &contents).unwrap();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().max_blocking_threads(2).build();
        runtime.unwrap().block_on(async {
            let mut slow = Vec::new();
            for start in 0..4 {
                slow.push((start, reading(file.path(), start).await));
            }
            let other = tokio::task::spawn_blocking(|| ());
            let other = tokio::time::timeout(Duration::from_secs(10), other).await;
            other.unwrap().unwrap();
            for (start, mut pieces) in slow {
                let mut read = Vec::new();
                while let Some(piece) = poll_fn(|context| pieces.poll_next(context)).await {
                    read.extend_from_slice(&piece);
                }
                assert!(contents.get(start as usize..) == Some(&read));
            }
        });
    }
}
