//! What goes wrong below and beside the tables.
//!
//! Lives here: many writers of one item, a disk that is full, requests of hostile size and shape.
//! Does not live here: kills (`cargo xtask crash`), damaged bytes in the store (`engine::codec`).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use serde_json::{Value, json};
use store::{
    Batch, BoxFuture, CommitError, Direction, Page, PageLimit, Range, ReadError, Store,
    Versionstamp,
};
use store_embedded::{Memory, Options, Sqlite};
use tokio::task::JoinSet;

use crate::Server;

/// A store whose disk is full now and then.
struct Fickle {
    below: Arc<dyn Store>,
    commits: AtomicU64,
    /// Every commit of this number fails while `fails` is set.
    every: u64,
    fails: AtomicBool,
}

impl Store for Fickle {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Bytes>, ReadError>> {
        self.below.get(key)
    }

    fn scan<'a>(
        &'a self,
        range: &'a Range,
        direction: Direction,
        limit: PageLimit,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        self.below.scan(range, direction, limit)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Versionstamp, CommitError>> {
        let number = self.commits.fetch_add(1, Ordering::Relaxed);
        if self.fails.load(Ordering::Relaxed) && number.is_multiple_of(self.every) {
            return Box::pin(async {
                tokio::task::yield_now().await;
                let full = io::Error::from(io::ErrorKind::StorageFull);
                Err(CommitError::DiskFull(Arc::new(full)))
            });
        }
        self.below.commit(batch)
    }
}

impl Fickle {
    fn over(below: Arc<dyn Store>, every: u64) -> Arc<Self> {
        Arc::new(Self {
            below,
            commits: AtomicU64::new(1),
            every,
            fails: AtomicBool::new(false),
        })
    }
}

fn addition(condition: Option<&str>) -> Value {
    let mut request = json!({
        "TableName": "pets", "Key": {"id": {"S": "hot"}}, "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}}, "ReturnValues": "UPDATED_NEW",
    });
    if let Some(condition) = condition {
        request["ConditionExpression"] = condition.into();
    }
    request
}

async fn n_of_hot(server: &Server) -> u64 {
    let request = json!({"TableName": "pets", "Key": {"id": {"S": "hot"}}});
    let answer = server.ok("GetItem", request).await;
    answer["Item"]["n"]["N"]
        .as_str()
        .unwrap_or("0")
        .parse()
        .unwrap()
}

/// So many writers add to one item, each so often; how many additions were acknowledged, and which values they told.
async fn add(server: &Arc<Server>, writers: usize, times: usize) -> Vec<u64> {
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        let server = Arc::clone(server);
        tasks.spawn(async move {
            let mut told = Vec::new();
            for _ in 0..times {
                let (status, answer) = server.call("UpdateItem", &addition(None)).await;
                assert!(status == 200 || status == 500, "{answer}");
                if status == 200 {
                    let n = answer["Attributes"]["n"]["N"].as_str().unwrap();
                    told.push(n.parse().unwrap());
                }
            }
            told
        });
    }
    let mut told: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
    told.sort_unstable();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_of_one_item_are_served_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::over(Arc::new(Sqlite::open(folder.path()).unwrap())));
    server.create_table("pets", &[("id", "S")]).await;
    let told = add(&server, 32, 20).await;
    assert_eq!(
        told,
        (1..=640).collect::<Vec<_>>(),
        "each sees what the one before left"
    );
    assert_eq!(n_of_hot(&server).await, 640);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_acknowledged_write_survives_the_failure_of_one_that_it_was_decided_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = Fickle::over(Arc::new(Sqlite::open(folder.path()).unwrap()), 7);
    let server = Arc::new(Server::over(Arc::clone(&store) as Arc<dyn Store>));
    server.create_table("pets", &[("id", "S")]).await;
    store.fails.store(true, Ordering::Relaxed);
    let told = add(&server, 16, 20).await;
    assert!(told.len() < 320, "some failed");
    assert_eq!(told, (1..=told.len() as u64).collect::<Vec<_>>());
    assert_eq!(n_of_hot(&server).await, told.len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_with_one_condition_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::over(Arc::new(Sqlite::open(folder.path()).unwrap())));
    server.create_table("pets", &[("id", "S")]).await;
    for round in 0..20_u64 {
        let mut tasks = JoinSet::new();
        for _ in 0..16 {
            let server = Arc::clone(&server);
            let mut request = addition(Some("attribute_not_exists(n) OR n = :round"));
            request["ExpressionAttributeValues"][":round"] = json!({"N": round.to_string()});
            if round != 0 {
                request["ConditionExpression"] = "n = :round".into();
            } else {
                request["ConditionExpression"] = "attribute_not_exists(n)".into();
                request["ExpressionAttributeValues"] = json!({":one": {"N": "1"}});
            }
            tasks.spawn(async move { server.call("UpdateItem", &request).await.0 });
        }
        let statuses = tasks.join_all().await;
        let won = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!(won, 1, "round {round}: {statuses:?}");
    }
    assert_eq!(n_of_hot(&server).await, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transactions_see_all_of_each_other_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::over(Arc::new(Sqlite::open(folder.path()).unwrap())));
    server.create_table("pets", &[("id", "S")]).await;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let server = Arc::clone(&server);
        tasks.spawn(async move {
            let update = |id: &str| {
                json!({"Update": {
                    "TableName": "pets", "Key": {"id": {"S": id}}, "UpdateExpression": "ADD n :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}},
                }})
            };
            let get = |id: &str| json!({"Get": {"TableName": "pets", "Key": {"id": {"S": id}}}});
            for _ in 0..20 {
                let write = json!({"TransactItems": [update("left"), update("right")]});
                server.ok("TransactWriteItems", write).await;
                let read = json!({"TransactItems": [get("left"), get("right")]});
                let answer = server.ok("TransactGetItems", read).await;
                let n = |index: usize| answer["Responses"][index]["Item"]["n"].clone();
                assert_eq!(n(0), n(1));
            }
        });
    }
    tasks.join_all().await;
    let get = json!({"TableName": "pets", "Key": {"id": {"S": "left"}}});
    let answer = server.ok("GetItem", get).await;
    assert_eq!(answer["Item"]["n"], json!({"N": "160"}));
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_lets_reads_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        file_bytes_max: 1024 * 1024,
        ..Options::default()
    };
    let server = Server::over(Arc::new(Sqlite::open_with(folder.path(), options).unwrap()));
    server.create_table("pets", &[("id", "S")]).await;
    let put = |id: usize| json!({"TableName": "pets", "Item": {"id": {"S": id.to_string()}, "text": {"S": "x".repeat(20_000)}}});
    let key = |id: usize| json!({"TableName": "pets", "Key": {"id": {"S": id.to_string()}}});
    let mut written = 0;
    let refusal = loop {
        let (status, answer) = server.call("PutItem", &put(written)).await;
        if status != 200 {
            break (status, answer);
        }
        written += 1;
        assert!(written < 1_000, "the disk is never full");
    };
    assert_eq!(refusal.0, 500, "{refusal:?}");
    assert!(
        refusal.1["__type"]
            .as_str()
            .unwrap()
            .ends_with("#InternalServerError")
    );
    for id in 0..written {
        let answer = server.ok("GetItem", key(id)).await;
        assert_eq!(answer["Item"]["id"]["S"], json!(id.to_string()));
    }
    let answer = server
        .ok("Scan", json!({"TableName": "pets", "Select": "COUNT"}))
        .await;
    assert_eq!(answer["Count"], json!(written));
    // Whoever deletes makes room.
    for id in 0..written / 2 {
        server.ok("DeleteItem", key(id)).await;
    }
    server.ok("PutItem", put(written)).await;
}

#[tokio::test]
async fn writes_go_on_when_there_is_space_again() {
    let store = Fickle::over(Arc::new(Memory::new()), 1);
    let server = Server::over(Arc::clone(&store) as Arc<dyn Store>);
    server.create_table("pets", &[("id", "S")]).await;
    let put = json!({"TableName": "pets", "Item": {"id": {"S": "a"}}});
    let transaction = json!({"TransactItems": [{"Put": put}]});
    let requests = [
        ("PutItem", put.clone()),
        ("UpdateItem", addition(None)),
        ("TransactWriteItems", transaction),
    ];
    store.fails.store(true, Ordering::Relaxed);
    for (operation, body) in &requests {
        let (status, answer) = server.call(operation, body).await;
        assert_eq!(status, 500, "{operation}: {answer}");
    }
    let scan = json!({"TableName": "pets"});
    assert_eq!(server.ok("Scan", scan).await["Count"], json!(0));
    store.fails.store(false, Ordering::Relaxed);
    for (operation, body) in requests {
        server.ok(operation, body).await;
    }
    assert_eq!(n_of_hot(&server).await, 1);
}

#[tokio::test]
async fn what_kills_or_hangs_others_is_answered_here() {
    let server = Server::with_tables().await;
    server
        .ok("PutItem", json!({"TableName": "pets", "Item": {"id": {"S": "a"}, "x": {"N": "1"}, "y": {"N": "2"}}}))
        .await;
    let two_attributes = json!({"TableName": "pets", "FilterExpression": "x < y"});
    assert_eq!(server.ok("Scan", two_attributes).await["Count"], json!(1));
    for deep in [
        format!("{}x = y{}", "(".repeat(1_000), ")".repeat(1_000)),
        format!("{}x = y", "NOT ".repeat(1_000)),
        "size(".repeat(800),
    ] {
        let body = json!({"TableName": "pets", "FilterExpression": deep});
        assert_eq!(server.call("Scan", &body).await.0, 400);
    }
    let deep_item = format!(
        r#"{{"TableName":"pets","Item":{{"id":{{"S":"a"}},"l":{}{{"NULL":true}}{}}}}}"#,
        r#"{"L":["#.repeat(1_000),
        "]}".repeat(1_000)
    );
    assert_eq!(server.send("PutItem", deep_item).await.0, 400);
    for cut in [
        r#"{"TableName":"pets","#,
        r#"{"TableName":"pets","Item":{"id":{"S":"a"#,
        "",
        "[",
        "\u{feff}",
    ] {
        assert_eq!(server.send("PutItem", cut).await.0, 400, "{cut}");
    }
}

#[tokio::test]
async fn a_hundred_thousand_names_are_read_and_refused() {
    let server = Server::with_tables().await;
    let names: serde_json::Map<_, _> = (0..100_000)
        .map(|number| (format!("#n{number}"), json!("x")))
        .collect();
    let body = json!({"TableName": "pets", "Key": {"id": {"S": "a"}}, "ProjectionExpression": "#n0", "ExpressionAttributeNames": names});
    assert_eq!(server.call("GetItem", &body).await.0, 400);
    let attributes: serde_json::Map<_, _> = std::iter::once(("id".to_owned(), json!({"S": "a"})))
        .chain((0..100_000).map(|number| (format!("n{number}"), json!({"N": "1"}))))
        .collect();
    let body = json!({"TableName": "pets", "Item": attributes});
    assert_eq!(server.call("PutItem", &body).await.0, 400);
}

#[tokio::test]
async fn keys_may_hold_every_byte() {
    use base64::Engine as _;
    let server = Server::new();
    server
        .create_table("bytes", &[("p", "B"), ("s", "B")])
        .await;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut all: Vec<Vec<u8>> = (0..=255_u8).map(|byte| vec![byte]).collect();
    all.extend((0..=255_u8).map(|byte| vec![0, byte, 0xff, byte]));
    all.push((0..=255_u8).collect());
    for key in &all {
        let item = json!({"p": {"B": "AA=="}, "s": {"B": encode(key)}});
        server
            .ok("PutItem", json!({"TableName": "bytes", "Item": item}))
            .await;
    }
    let query = json!({
        "TableName": "bytes", "KeyConditionExpression": "p = :p",
        "ExpressionAttributeValues": {":p": {"B": "AA=="}},
    });
    let answer = server.ok("Query", query).await;
    let found: Vec<String> = answer["Items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["s"]["B"].as_str().unwrap().to_owned())
        .collect();
    all.sort();
    let expected: Vec<String> = all.iter().map(|key| encode(key)).collect();
    assert_eq!(found, expected);
}
