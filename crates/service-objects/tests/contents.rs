//! Objects that are files: whole as they came, or not there at all.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use interfaces::BoxFuture;
use interfaces::principals::{Key, Principals};
use interfaces::service::{
    BrokenBody, CallBody, CallStream, CloudService, ServiceAnswer, ServiceCall,
};
use model::function::Function;
use model::ids::{AccountId, Region, RequestId};
use model::principal::{Credentials, Principal};
use model::time::Timestamp;
use outbox::Outbox;
use service_objects::{NewBuckets, Parts, Service};
use store::Store;
use store_embedded::Memory;
use test_kit::{Allowing, FixedRandom, StoppedClock};

/// How long files may take to go that nobody refers to any more.
const GONE_WITHIN: Duration = Duration::from_secs(20);

struct Nobody;

impl Principals for Nobody {
    fn find(&self, _access_key_id: &str) -> Key {
        Key::Unknown
    }

    fn issue(&self, _function: &Function) -> Credentials {
        panic!("no function asks here")
    }

    fn revoke(&self, _access_key_id: &str) {}
}

/// The service of one run of the server; each run draws ids of its own.
fn service(store: &Arc<dyn Store>, folder: &Path, run: u8) -> Service {
    Service::new(Parts {
        outbox: Outbox::new(Arc::clone(store)),
        store: Arc::clone(store),
        folder: Some(folder.to_owned()),
        clock: Arc::new(StoppedClock::at(Timestamp::from_micros(
            1_700_000_000_000_000,
        ))),
        random: Arc::new(FixedRandom(run)),
        authorize: Arc::new(Allowing),
        principals: Arc::new(Nobody),
        buckets: NewBuckets::Guarded,
    })
}

/// A body in pieces of this size.
struct Body {
    left: Bytes,
    piece: usize,
    end: End,
}

/// What comes behind the last piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Broken,
}

impl CallBody for Body {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, BrokenBody>> {
        let bytes = self.piece.min(self.left.len());
        let piece = self.left.split_to(bytes);
        Box::pin(std::future::ready(match (piece.is_empty(), self.end) {
            (false, _) => Ok(Some(piece)),
            (true, End::Broken) => Err(BrokenBody::CutOff),
            (true, End::Whole) => Ok(None),
        }))
    }
}

async fn call(
    service: &Service,
    method: Method,
    target: &str,
    body: Option<Body>,
) -> ServiceAnswer {
    let account = AccountId::development();
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("localhost"));
    let length = body.as_ref().map_or(0, |body| body.left.len());
    headers.insert("content-length", HeaderValue::from(length));
    let known = policy::Context::default();
    let call = ServiceCall {
        request_id: RequestId::new("r"),
        caller: Principal::Root {
            account: account.clone(),
        },
        account,
        region: Region::new("us-east-1"),
        method,
        path_and_query: target.to_owned(),
        headers,
        body: Bytes::new(),
        stream: body.map(|body| CallStream(Box::new(body))),
    };
    service.execute_known(call, known).await
}

async fn put(service: &Service, bytes: &Bytes, piece: usize, end: End) -> u16 {
    let body = Body {
        left: bytes.clone(),
        piece,
        end,
    };
    let answer = call(service, Method::PUT, "/bucket/object", Some(body)).await;
    answer.status
}

async fn get(service: &Service) -> Bytes {
    let mut answer = call(service, Method::GET, "/bucket/object", None).await;
    assert_eq!(answer.status, 200);
    let mut all = answer.body.to_vec();
    if let Some(rest) = &mut answer.rest {
        while let Some(piece) = std::future::poll_fn(|context| rest.poll_next(context)).await {
            all.extend_from_slice(&piece);
        }
    }
    Bytes::from(all)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let shelves = std::fs::read_dir(folder.join("objects"));
    let shelves = shelves.into_iter().flatten().flatten();
    let files = shelves.flat_map(|shelf| std::fs::read_dir(shelf.path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

/// Waits until so many files are left.
async fn left(folder: &Path, count: usize) {
    let waited = tokio::time::timeout(GONE_WITHIN, async {
        while files(folder).len() != count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "{:?}", files(folder));
}

fn contents(bytes: usize, seed: usize) -> Bytes {
    (0..bytes)
        .map(|at| ((at * 31 + seed) % 251) as u8)
        .collect()
}

#[tokio::test]
async fn an_object_comes_back_as_it_came_in_pieces_of_any_size_and_the_one_before_goes() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let service = service(&store, folder.path(), 1);
    assert_eq!(
        call(&service, Method::PUT, "/bucket", None).await.status,
        200
    );
    // More than what is flushed while more comes; a little more than what a slot holds; a small one.
    for (bytes, piece) in [
        (9_000_001, 300_000),
        (9_000_001, 9_000_001),
        (262_145, 999),
        (300_000, 65_536),
    ] {
        let bytes = contents(bytes, piece);
        assert_eq!(put(&service, &bytes, piece, End::Whole).await, 200);
        assert!(get(&service).await == bytes, "{piece}");
        left(folder.path(), 1).await;
    }
    let bytes = contents(1_000, 0);
    assert_eq!(put(&service, &bytes, 10, End::Whole).await, 200);
    assert!(get(&service).await == bytes);
    left(folder.path(), 0).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_the_object_as_it_was_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let service = service(&store, folder.path(), 1);
    call(&service, Method::PUT, "/bucket", None).await;
    let bytes = contents(300_000, 0);
    assert_eq!(put(&service, &bytes, 50_000, End::Whole).await, 200);
    for broken in [40_000, 100_000, 3_000_000, 9_000_000] {
        let status = put(&service, &contents(broken, 1), 70_000, End::Broken).await;
        assert_eq!(status, 400, "{broken}");
        assert!(get(&service).await == bytes, "{broken}");
        left(folder.path(), 1).await;
    }
}

/// A crash may come anywhere between the first byte of a file and the commit that names it.
#[tokio::test]
async fn the_next_run_removes_what_no_commit_names_and_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let bytes = contents(300_000, 0);
    {
        let service = service(&store, folder.path(), 1);
        call(&service, Method::PUT, "/bucket", None).await;
        assert_eq!(put(&service, &bytes, 50_000, End::Whole).await, 200);
    }
    let kept = files(folder.path());
    let shelf = kept.first().unwrap().parent().unwrap();
    // Half of one, and one of a version that wrote under another name first.
    std::fs::write(shelf.join("0101010101010101ffffffffffff"), &bytes[..777]).unwrap();
    std::fs::write(shelf.join("0101010101010101fffffffffffe.new"), b"half").unwrap();
    let service = service(&store, folder.path(), 2);
    let keeping = service.clone();
    let keeping = async move { keeping.keep().await };
    tokio::select! {
        never = keeping => match never {},
        () = left(folder.path(), 1) => {}
    }
    assert_eq!(files(folder.path()), kept);
    assert!(get(&service).await == bytes);
}

fn slots(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder.join("object-slots"));
    let files = files.into_iter().flatten().flatten();
    files.map(|file| file.path()).collect()
}

#[tokio::test]
async fn objects_of_middling_size_come_back_from_slots_which_are_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let service = service(&store, folder.path(), 1);
    call(&service, Method::PUT, "/bucket", None).await;
    for (bytes, piece) in [
        (32_769, 32_769),
        (65_536, 7_859),
        (65_537, 999),
        (262_144, 300_000),
    ] {
        for seed in 0..40 {
            let bytes = contents(bytes, seed);
            assert_eq!(put(&service, &bytes, piece, End::Whole).await, 200);
            assert!(get(&service).await == bytes, "{piece}");
        }
    }
    let files = slots(folder.path());
    assert_eq!(files.len(), 3, "one for each size of slots");
    for file in files {
        let bytes = std::fs::metadata(&file).unwrap().len();
        assert!(bytes < 6_000_000, "40 slots of {}: {bytes}", file.display());
    }
}

#[tokio::test]
async fn the_next_run_goes_on_with_the_slots_of_the_one_before_and_removes_those_of_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let bytes = contents(60_000, 0);
    {
        let service = service(&store, folder.path(), 1);
        call(&service, Method::PUT, "/bucket", None).await;
        assert_eq!(
            put(&service, &contents(60_000, 1), 50_000, End::Whole).await,
            200
        );
        assert_eq!(put(&service, &bytes, 50_000, End::Whole).await, 200);
    }
    let kept = slots(folder.path());
    let other = folder.path().join("object-slots/128k-ffff-0");
    std::fs::write(&other, b"of a crash").unwrap();
    {
        let service = service(&store, folder.path(), 2);
        assert!(get(&service).await == bytes, "before it is taken over");
        let keeping = service.clone();
        let keeping = async move { keeping.keep().await };
        let cleared = tokio::time::timeout(GONE_WITHIN, async {
            while other.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        tokio::select! {
            never = keeping => match never {},
            cleared = cleared => assert!(cleared.is_ok()),
        }
        assert!(get(&service).await == bytes);
        let newer = contents(65_000, 2);
        assert_eq!(put(&service, &newer, 50_000, End::Whole).await, 200);
        assert!(get(&service).await == newer);
        assert_eq!(
            slots(folder.path()),
            kept,
            "a slot of the run before was free"
        );
    }
    let service = service(&store, folder.path(), 3);
    assert!(get(&service).await == contents(65_000, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_reads_what_is_replaced_meanwhile_reads_one_version_or_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let service = service(&store, folder.path(), 1);
    call(&service, Method::PUT, "/bucket", None).await;
    let versions = [7, 8].map(|byte| Bytes::from(vec![byte; 65_000]));
    put(&service, &versions[0], 65_000, End::Whole).await;
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (service, versions) = (service.clone(), versions.clone());
        readers.spawn(async move {
            for _ in 0..300 {
                let read = get(&service).await;
                assert!(versions.contains(&read), "a mixture");
            }
        });
    }
    for turn in 0..300 {
        assert_eq!(
            put(&service, &versions[turn % 2], 65_000, End::Whole).await,
            200
        );
    }
    readers.join_all().await;
}
