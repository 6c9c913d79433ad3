//! Which slots are given out, and what is read from them.

use std::io::Error;

use store::{Batch, CommitError};
use store_embedded::Memory;

use super::*;

fn pieces(byte: u8) -> Vec<Bytes> {
    vec![Bytes::from(vec![byte; 40_000]); 2]
}

async fn written(slots: &Slots, byte: u8) -> Slot {
    let (slot, unkept) = slots.begin(pieces(byte)).await.unwrap();
    let kept = Unkept::kept_by([unkept], async { Ok(()) });
    kept.await.unwrap();
    slot
}

#[tokio::test]
async fn a_slot_that_nobody_keeps_is_given_out_again_and_not_read_as_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let slots = Slots::new(Some(folder.path().join("slots")), [1; 8]);
    let (given_up, unkept) = slots.begin(pieces(1)).await.unwrap();
    drop(unkept);
    let failed = async { Err::<(), _>(CommitError::CheckFailed { index: 0 }) };
    let (refused, unkept) = slots.begin(pieces(2)).await.unwrap();
    assert!(Unkept::kept_by([unkept], failed).await.is_err());
    let kept = written(&slots, 3).await;
    let other = written(&slots, 4).await;
    assert_eq!(
        [given_up.number, refused.number, kept.number, other.number],
        [0, 0, 0, 1]
    );
    for (slot, expected) in [(&given_up, None), (&refused, None), (&kept, Some(3))] {
        let read = slots.read(slot, 79_000, 1_000).await.unwrap();
        assert_eq!(read, expected.map(|byte| Bytes::from(vec![byte; 1_000])));
    }
    // Twice, and of one who is not in it any more.
    slots.free(&other);
    slots.free(&other);
    slots.free(&given_up);
    assert_eq!(written(&slots, 5).await.number, 1);
    assert_eq!(written(&slots, 6).await.number, 2);
    assert!(slots.read(&kept, 0, 80_000).await.unwrap().is_some());
}

#[test]
fn whoever_comes_while_a_file_is_made_waits_for_it_and_nobody_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let slots = Slots::new(Some(folder.path().join("slots")), [1; 8]);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        // Only one thread waits for disks, and another has it.
        let (disk_is_ready, disk) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || disk.recv());
        let mut taking = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let places = Arc::clone(&slots.places);
            taking.spawn(async move { places.take(70_000).await });
        }
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        assert!(taking.try_join_next().is_none());
        disk_is_ready.send(()).unwrap();
        busy.await.unwrap().unwrap();
        let taken = taking.join_all().await;
        let mut numbers: Vec<u32> = taken.iter().flatten().map(|it| it.slot.number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..8).collect::<Vec<_>>());
    });
    let files = folder.path().join("slots").read_dir().unwrap();
    assert_eq!(files.count(), 1);
}

#[tokio::test]
async fn a_slot_that_may_be_marked_is_not_given_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let slots = Slots::new(Some(folder.path().join("slots")), [1; 8]);
    let broken = || Arc::new(Error::other("broken"));
    for (error, is_open) in [
        (CommitError::Medium(broken()), true),
        (CommitError::Closed, true),
        (CommitError::DiskFull(broken()), false),
    ] {
        let (slot, unkept) = slots.begin(pieces(1)).await.unwrap();
        let failed = std::future::ready(Err::<(), _>(error));
        assert!(Unkept::kept_by([unkept], failed).await.is_err());
        let next = written(&slots, 2).await;
        assert_eq!(next.number != slot.number, is_open);
        let read = slots.read(&slot, 0, 1_000).await.unwrap();
        let expected = is_open.then(|| Bytes::from(vec![1; 1_000]));
        assert_eq!(read, expected);
    }
}

#[tokio::test]
async fn a_file_that_is_given_up_is_read_as_before_and_written_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let slots = Slots::new(Some(folder.path().join("slots")), [1; 8]);
    let before = written(&slots, 1).await;
    slots.free(&before);
    let kept = written(&slots, 2).await;
    let freed = written(&slots, 3).await;
    assert_eq!([before.number, kept.number, freed.number], [0, 0, 1]);
    slots.places.give_up(&kept.file);
    slots.free(&freed);
    for (slot, expected) in [(&before, None), (&kept, Some(2)), (&freed, None)] {
        let read = slots.read(slot, 0, 1_000).await.unwrap();
        assert_eq!(read, expected.map(|byte| Bytes::from(vec![byte; 1_000])));
    }
    assert_ne!(written(&slots, 4).await.file, kept.file);
}

#[tokio::test]
async fn what_is_marked_stays_and_what_is_not_is_free_for_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Some(folder.path().join("slots"));
    let store = Memory::new();
    let mut kept = Vec::new();
    {
        let slots = Slots::new(folder.clone(), [1; 8]);
        for byte in 0..5 {
            kept.push(written(&slots, byte).await);
        }
    }
    for marked in [1, 3] {
        let key = keys::slot(&kept[marked]);
        store.commit(Batch::new().put(key, vec![])).await.unwrap();
    }
    let slots = Slots::new(folder, [2; 8]);
    slots.take_over(&store).await.unwrap();
    assert_eq!(slots.read(&kept[4], 0, 1).await.unwrap(), None, "cut off");
    let mut numbers = Vec::new();
    for byte in 10..13 {
        let slot = written(&slots, byte).await;
        numbers.push((slot.file == kept[0].file, slot.number));
    }
    assert_eq!(numbers, [(true, 2), (true, 0), (false, 0)]);
    for (slot, byte) in [(&kept[1], 1), (&kept[3], 3)] {
        let read = slots.read(slot, 0, 80_000).await.unwrap();
        assert_eq!(read, Some(Bytes::from(vec![byte; 80_000])));
    }
}
