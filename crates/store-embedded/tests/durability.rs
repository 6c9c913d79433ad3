//! What SQLite promises beyond the seam: files, restarts, full disks, sudden ends.
//!
//! Lives here: reopening, the folder's lock, a full disk, a few rounds of kill −9.
//! Does not live here: long crash loops (`cargo xtask crash`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use store::{Batch, CommitError, Direction, PageLimit, Range, Store};
use store_embedded::{OpenError, Options, Sqlite};

#[tokio::test]
async fn data_and_stamps_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = None;
    for turn in 0..3_u8 {
        let store = Sqlite::open(folder.path()).unwrap();
        for key in 0..turn {
            assert!(store.get(&[key]).await.unwrap().is_some());
        }
        let stamp = store.commit(Batch::new().put(vec![turn], vec![])).await;
        let stamp = Some(stamp.unwrap());
        assert!(last < stamp, "stamps go on where they were");
        last = stamp;
    }
}

#[tokio::test]
async fn nothing_is_left_in_the_files_of_what_was_sealed_since() {
    let folder = tempfile::tempdir().unwrap();
    let row = |number: u8, text: &str| {
        let value = [text.as_bytes(), &[number; 300]].concat();
        Batch::new().put(vec![number], value)
    };
    for text in ["TOP-SECRET", "sealed"] {
        let store = Sqlite::open(folder.path()).unwrap();
        for number in 0..100 {
            store.commit(row(number, text)).await.unwrap();
        }
    }
    let files = std::fs::read_dir(folder.path()).unwrap();
    for file in files.map(|file| file.unwrap().path()) {
        let bytes = std::fs::read(&file).unwrap();
        let is_left = bytes.windows(10).any(|it| it == b"TOP-SECRET");
        assert!(!is_left, "{}", file.display());
    }
}

#[test]
fn a_folder_in_use_is_refused_and_free_again_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let first = Sqlite::open(folder.path()).unwrap();
    let error = Sqlite::open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    let process = format!("(process {})", std::process::id());
    assert!(error.to_string().contains(&process), "{error}");
    drop(first);
    drop(Sqlite::open(folder.path()).unwrap());
}

#[test]
fn a_folder_whose_holder_is_just_ending_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let first = Sqlite::open(folder.path()).unwrap();
    let ending = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        drop(first);
    });
    drop(Sqlite::open(folder.path()).unwrap());
    ending.join().unwrap();
}

#[test]
fn a_foreign_or_broken_file_is_refused_with_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("store.sqlite"),
        "not a database at all, just text",
    )
    .unwrap();
    let error = Sqlite::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("store.sqlite"), "{error}");

    let file_in_the_way = folder.path().join("file");
    std::fs::write(&file_in_the_way, "").unwrap();
    let error = Sqlite::open(&file_in_the_way).unwrap_err();
    assert!(matches!(error, OpenError::Files { .. }), "{error:?}");
}

#[tokio::test]
async fn a_full_disk_refuses_commits_and_the_store_goes_on() {
    fill_the_disk(Options::default(), 300_000).await;
}

#[tokio::test]
async fn a_full_disk_refuses_those_who_are_alone_as_well() {
    let is_alone = || true;
    let others = Options::default();
    fill_the_disk(Options { is_alone, ..others }, 30_000).await;
}

async fn fill_the_disk(options: Options, value_bytes: usize) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        file_bytes_max: 2 * 1024 * 1024,
        ..options
    };
    let store = Sqlite::open_with(folder.path(), options).unwrap();
    let put = |key: u8| Batch::new().put(vec![key], vec![key; value_bytes]);
    let mut kept = Vec::new();
    let refused = loop {
        let key = u8::try_from(kept.len()).unwrap();
        match store.commit(put(key)).await {
            Ok(_) => kept.push(key),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, CommitError::DiskFull(_)), "{refused:?}");
    assert!(!kept.is_empty());
    for key in &kept {
        assert!(store.get(&[*key]).await.unwrap().is_some(), "{key}");
    }
    let delete = Batch::new().delete(vec![0]);
    store.commit(delete).await.unwrap();
    store.commit(put(0)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_queued_is_written_when_the_store_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(folder.path()).unwrap());
    let mut callers = tokio::task::JoinSet::new();
    for key in 0..200_u8 {
        let store = Arc::clone(&store);
        callers.spawn(async move { store.commit(Batch::new().put(vec![key], vec![])).await });
    }
    drop(store);
    for answer in callers.join_all().await {
        answer.unwrap();
    }
    let store = Sqlite::open(folder.path()).unwrap();
    for key in 0..200_u8 {
        assert!(store.get(&[key]).await.unwrap().is_some(), "{key}");
    }
}

#[tokio::test]
async fn the_log_is_carried_over_into_the_database_before_it_is_long() {
    const MIB: u64 = 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path()).unwrap();
    for key in 0..120_u8 {
        let batch = Batch::new().put(vec![key], vec![key; 900_000]);
        store.commit(batch).await.unwrap();
    }
    let log = folder.path().join("store.sqlite-wal");
    let length = std::fs::metadata(log).unwrap().len();
    assert!(length < 40 * MIB, "{length} of some {} bytes", 100 * MIB);
}

#[tokio::test]
async fn the_log_has_room_ahead_and_reads_back_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path()).unwrap();
    for key in 0..200_u8 {
        store
            .commit(Batch::new().put(vec![key], vec![]))
            .await
            .unwrap();
    }
    // As a sudden end would leave it.
    let left = tempfile::tempdir().unwrap();
    for name in ["store.sqlite", "store.sqlite-wal"] {
        std::fs::copy(folder.path().join(name), left.path().join(name)).unwrap();
    }
    let log = std::fs::read(left.path().join("store.sqlite-wal")).unwrap();
    assert!(log.ends_with(&[0; 64 * 1024]), "{} bytes", log.len());
    let store = Sqlite::open(left.path()).unwrap();
    for key in 0..200_u8 {
        assert!(store.get(&[key]).await.unwrap().is_some(), "{key}");
    }
    store
        .commit(Batch::new().put(vec![200], vec![]))
        .await
        .unwrap();
}

// Kill −9. The test starts this very test binary again, with a variable that turns the next test into the victim.

const VICTIM_FOLDER: &str = "STORE_EMBEDDED_VICTIM_FOLDER";
/// `alone` if its writers are to take themselves for alone, each of them.
const VICTIM_COMPANY: &str = "STORE_EMBEDDED_VICTIM_COMPANY";
const ROUNDS: usize = 4;
const WRITERS: usize = 16;

#[test]
fn the_victim_writes_until_it_is_killed() {
    if let Some(folder) = std::env::var_os(VICTIM_FOLDER) {
        write_for_ever(Path::new(&folder));
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        let company = if round % 2 == 0 { "many" } else { "alone" };
        acknowledged.extend(run_victim(folder.path(), company, 150 + 170 * round));
        let store = Sqlite::open(folder.path()).unwrap();
        let found = keys(&store, b"a/").await;
        assert_eq!(found, keys(&store, b"b/").await, "no batch was torn");
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "round {round} lost {lost:?}");
    }
    assert!(ROUNDS * 100 < acknowledged.len());
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn write_for_ever(folder: &Path) {
    let options = Options {
        is_alone: || std::env::var_os(VICTIM_COMPANY).is_some_and(|company| company == "alone"),
        ..Options::default()
    };
    let store = Arc::new(Sqlite::open_with(folder, options).unwrap());
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        let life = std::process::id();
        writers.spawn(async move {
            for turn in 0.. {
                let name = format!("{life}.{writer}.{turn}");
                let batch = Batch::new()
                    .put(format!("a/{name}"), name.clone())
                    .put(format!("b/{name}"), name.clone());
                store.commit(batch).await.unwrap();
                // One write call a line, past the test harness.
                let mut out = std::io::stdout().lock();
                out.write_all(format!("ack {name}\n").as_bytes()).unwrap();
            }
        });
    }
    writers.join_all().await;
}

/// The names that were acknowledged before the victim was killed, at the given one or soon after it.
fn run_victim(folder: &Path, company: &str, acknowledgements: usize) -> BTreeSet<String> {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "the_victim_writes_until_it_is_killed",
            "--nocapture",
        ])
        .env(VICTIM_FOLDER, folder)
        .env(VICTIM_COMPANY, company)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut names = BTreeSet::new();
    for line in BufReader::new(victim.stdout.take().unwrap()).split(b'\n') {
        let line = String::from_utf8(line.unwrap()).unwrap();
        if let Some(name) = line.strip_prefix("ack ") {
            names.insert(name.to_owned());
        }
        if names.len() == acknowledgements {
            // SIGKILL on Unix. What it wrote before is still in the pipe, and counts.
            victim.kill().unwrap();
        }
    }
    victim.wait().unwrap();
    names
}

async fn keys(store: &Sqlite, prefix: &[u8]) -> BTreeSet<String> {
    let range = Range::of_prefix(prefix.to_vec());
    let page = store
        .scan(&range, Direction::Forward, PageLimit::rows(usize::MAX))
        .await
        .unwrap();
    assert!(!page.more, "the victims write less than a page");
    let names = page.rows.iter().map(|row| row.key[prefix.len()..].to_vec());
    names.map(|name| String::from_utf8(name).unwrap()).collect()
}
