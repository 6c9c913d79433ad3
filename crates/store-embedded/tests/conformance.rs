//! Both stores against the suite of the seam.
//!
//! Lives here: one test a store.
//! Does not live here: the promises (`store::suite`), what only SQLite promises (`durability`).

use std::sync::{Arc, Mutex};

use store::Store;
use store_embedded::{Memory, Sqlite};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_every_promise() {
    store::suite::run(&|| Arc::new(Memory::new()) as Arc<dyn Store>).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_every_promise() {
    let folders = Mutex::new(Vec::new());
    store::suite::run(&|| {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Sqlite::open(folder.path()).unwrap());
        folders.lock().unwrap().push(folder);
        store as Arc<dyn Store>
    })
    .await;
}
