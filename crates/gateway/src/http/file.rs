//! Bodies of responses that lie in files.
//!
//! Lives here: reading them where they are written, without waiting for a disk on a thread that serves connections.
//! Does not live here: other bodies (`stream`), which files there are (services).
//!
//! `sendfile` would copy once less. It hands the socket pages of 4 KiB, though, which are cold for whoever takes them: on one machine
//! 2,000 MiB a second, to 4,000 of large pieces through one buffer that stays in the processor's cache.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use interfaces::service::FileRun;
use rustix::io::ReadWriteFlags;

use super::wire::{Wire, WriteError};

/// Bytes that are read at once. Each response that its client takes slowly holds as many.
const PIECE_BYTES: usize = 256 * 1024;

/// Sends a head that announces so many bytes, and a run of a file behind it. A client that takes nothing for so long is cut off.
pub(super) async fn send(
    wire: &mut Wire,
    mut head: &[u8],
    (run, bytes): (FileRun, u64),
    stall_max: Duration,
) -> Result<(), WriteError> {
    // More would be taken for the next response, and less be filled up by it.
    if run.length != bytes {
        return Err(WriteError);
    }
    let file = Arc::new(run.file);
    let mut room = Vec::new();
    let (mut offset, mut left) = (run.start, run.length);
    while 0 < left {
        let wanted = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        room.resize(wanted, 0);
        let (filled, read) = filled(&file, room, offset).await.map_err(|_| WriteError)?;
        room = filled;
        let piece = room.get(..read).unwrap_or_default();
        // A file that is shorter than it was leaves the client without an end.
        if piece.is_empty() {
            return Err(WriteError);
        }
        wire.write(head, piece, stall_max).await?;
        head = &[];
        offset += read as u64;
        left -= read as u64;
    }
    // The head of nothing.
    wire.write(head, &[], stall_max).await
}

/// Reads what the room holds, or less; with how much.
async fn filled(file: &Arc<File>, mut room: Vec<u8>, offset: u64) -> io::Result<(Vec<u8>, usize)> {
    // What is in memory is read here, since asking another thread would take longer.
    let mut slices = [IoSliceMut::new(&mut room)];
    if let Ok(read @ 1..) = rustix::io::preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT) {
        return Ok((room, read));
    }
    let file = Arc::clone(file);
    let read = tokio::task::spawn_blocking(move || {
        let read = file.read_at(&mut room, offset)?;
        Ok((room, read))
    });
    read.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::io::AsyncReadExt as _;

    use super::super::ServerLimits;
    use super::*;

    const STALL_MAX: Duration = Duration::from_secs(1);

    async fn sent(start: u64, length: u64, announced: u64) -> (Result<(), WriteError>, Vec<u8>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&contents()).unwrap();
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let mut wire = Wire::new(Box::new(ours), &ServerLimits::default());
        let run = FileRun {
            file,
            start,
            length,
        };
        let mut read = Vec::new();
        let sending = async move { send(&mut wire, b"head ", (run, announced), STALL_MAX).await };
        let (result, _) = tokio::join!(sending, theirs.read_to_end(&mut read));
        (result, read)
    }

    fn contents() -> Vec<u8> {
        (0..3_000_000_u32).map(|at| (at % 251) as u8).collect()
    }

    #[tokio::test]
    async fn a_run_follows_its_head() {
        for (start, length) in [(0, 3_000_000), (7, 1_048_577), (2_999_999, 1), (0, 0)] {
            let (result, read) = sent(start, length, length).await;
            let run = &contents()[start as usize..][..length as usize];
            assert_eq!(result, Ok(()));
            assert!(read == [b"head ", run].concat(), "{start} {length}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_as_announced_ends_the_connection() {
        let (result, read) = sent(0, 10, 11).await;
        assert_eq!((result, read), (Err(WriteError), Vec::new()));
        let (result, read) = sent(2_000_000, 2_000_000, 2_000_000).await;
        assert_eq!((result, read.len()), (Err(WriteError), 1_000_005));
    }
}
