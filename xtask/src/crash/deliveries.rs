//! The kill loop over deliveries: send from many connections to everything that calls functions, kill the server at a random
//! instant, start it again, and prove in the end that every event which was acknowledged was delivered.
//!
//! Lives here: the rounds, what is sent, and the proof.
//! Does not live here: how deliveries survive (`event-delivery`, `outbox`), the loop over tables (the parent).
//!
//! Functions note what they get in a file, in the order in which they get it. Something may come twice. What has an order must
//! keep it: messages of a group, changes of an item.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use super::say;
use crate::http::{self, Connection, now};
use crate::random::{Random, next};
use crate::server::{Dev, Server};

/// The shortest and the longest that a server lives, in milliseconds: functions have to start in it.
const LIFETIME_MS: (u64, u64) = (60, 600);
/// Rounds between two proofs.
const ROUNDS_PER_PROOF: u64 = 20;
/// How long everything that was acknowledged may take to be delivered, once nobody kills the server.
const DELIVERED_WITHIN: Duration = Duration::from_secs(120);
/// Objects of more than 64 KiB are files, whose commits must find them whole.
const PHOTO: &str = "a photo ";
const PHOTO_TIMES: usize = 12_000;
const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";

const TEMPLATE: &str = include_str!("deliveries/template.yaml");
const CODE: &str = include_str!("deliveries/app.py");

/// Whereby something is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// The Lambda API: `InvocationType: Event`.
    Asynchronous,
    /// A standard queue.
    Queue,
    /// A FIFO queue.
    Fifo,
    /// A table with a stream.
    Table,
    /// A topic whose subscriber is a function.
    Topic,
    /// A topic whose subscriber is a queue.
    Relay,
    /// An event bus.
    Bus,
    /// A bucket that tells a function of its objects.
    Bucket,
}

const WAYS: [Way; 8] = [
    Way::Asynchronous,
    Way::Queue,
    Way::Fifo,
    Way::Table,
    Way::Topic,
    Way::Relay,
    Way::Bus,
    Way::Bucket,
];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Asynchronous => "async",
            Self::Queue => "queue",
            Self::Fifo => "fifo",
            Self::Table => "table",
            Self::Topic => "topic",
            Self::Relay => "relay",
            Self::Bus => "bus",
            Self::Bucket => "bucket",
        }
    }

    /// Whether what one writer sends must be delivered in its order.
    fn has_order(self) -> bool {
        match self {
            Self::Fifo | Self::Table => true,
            Self::Asynchronous
            | Self::Queue
            | Self::Topic
            | Self::Relay
            | Self::Bus
            | Self::Bucket => false,
        }
    }

    fn request(self, writer: &str, id: &str) -> Vec<u8> {
        let arn =
            |service: &str, name: &str| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{name}");
        let queue = |name: &str| format!("http://127.0.0.1/{ACCOUNT}/{name}");
        match self {
            Self::Asynchronous => {
                let path = "/2015-03-31/functions/note/invocations";
                let headers = [("X-Amz-Invocation-Type", "Event")];
                signed("lambda", path, &headers, &json!({"id": id}).to_string())
            }
            Self::Queue => {
                let body = json!({"QueueUrl": queue("jobs"), "MessageBody": id});
                named("sqs", "AmazonSQS.SendMessage", &body)
            }
            Self::Fifo => {
                let body = json!({
                    "QueueUrl": queue("line.fifo"), "MessageBody": id, "MessageGroupId": writer,
                    "MessageDeduplicationId": id,
                });
                named("sqs", "AmazonSQS.SendMessage", &body)
            }
            Self::Table => {
                let item = json!({"who": {"S": writer}, "id": {"S": id}});
                let body = json!({"TableName": "things", "Item": item});
                named("dynamodb", "DynamoDB_20120810.PutItem", &body)
            }
            Self::Bucket => {
                let headers = [("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")];
                let path = format!("/crash-photos/{id}");
                signed_as("PUT", "s3", &path, &headers, &PHOTO.repeat(PHOTO_TIMES))
            }
            Self::Topic => publish(&arn("sns", "news"), id),
            Self::Relay => publish(&arn("sns", "relay"), id),
            Self::Bus => {
                let entry = json!({
                    "Source": "crash", "DetailType": "event", "Detail": json!({"id": id}).to_string(),
                });
                named(
                    "events",
                    "AWSEvents.PutEvents",
                    &json!({"Entries": [entry]}),
                )
            }
        }
    }
}

fn publish(topic: &str, message: &str) -> Vec<u8> {
    let topic = topic.replace(':', "%3A");
    let body = format!("Action=Publish&Version=2010-03-31&TopicArn={topic}&Message={message}");
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    signed("sns", "/", &headers, &body)
}

fn named(service: &str, target: &str, body: &serde_json::Value) -> Vec<u8> {
    let headers = [
        ("Content-Type", "application/x-amz-json-1.0"),
        ("X-Amz-Target", target),
    ];
    signed(service, "/", &headers, &body.to_string())
}

fn signed(service: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    signed_as("POST", service, path, headers, body)
}

/// With a signature that no server of a run verifies.
fn signed_as(
    method: &str,
    service: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Vec<u8> {
    let authorisation = format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host;x-amz-date, \
         Signature={:064}",
        0
    );
    let mut all = vec![
        ("X-Amz-Date", "20260101T000000Z"),
        ("Authorization", authorisation.as_str()),
    ];
    all.extend_from_slice(headers);
    http::request(method, path, &all, body)
}

/// What one writer sent.
struct Writer {
    name: String,
    count: u64,
    /// By way: what was acknowledged, in order.
    acknowledged: BTreeMap<Way, Vec<String>>,
}

impl Writer {
    /// Sends until the connection is gone.
    fn send(&mut self, port: u16, seed: u64) -> Result<()> {
        let Ok(mut connection) = Connection::open(port) else {
            return Ok(());
        };
        let mut random = Random::new(seed);
        loop {
            let way = *random.pick(&WAYS).context("there are ways")?;
            let id = format!("{}-{}-{:08}", way.name(), self.name, self.count);
            self.count += 1;
            let request = way.request(&self.name, &id);
            let Ok((reply, _)) = connection.exchange(&request) else {
                return Ok(());
            };
            let failed = reply.body.contains("\"FailedEntryCount\":1");
            ensure!(
                reply.is_success() && !failed,
                "{way:?}: {} {}",
                reply.status,
                reply.body
            );
            self.acknowledged.entry(way).or_default().push(id);
            // Functions are to have some of the machine too.
            std::thread::sleep(Duration::from_millis(random.below(6)));
        }
    }
}

pub(super) fn run(binary: &Path, rounds: u64, writers: usize, seed: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let notes = folder.path().join("notes");
    let project = folder.path().join("project");
    write_project(&project, &notes)?;
    let state = folder.path().join("state");
    let log = folder.path().join("server.log");
    let mut writers: Vec<Writer> = (0..writers)
        .map(|index| Writer {
            name: format!("w{index}"),
            count: 0,
            acknowledged: BTreeMap::new(),
        })
        .collect();
    let mut random = seed;
    for round in 1..=rounds {
        let dev = start(binary, (&project, &state), &log)?;
        random = next(random);
        let (least, most) = LIFETIME_MS;
        let lifetime = Duration::from_millis(least + random % (most - least));
        send_until_killed(
            dev.server,
            dev.services_port,
            &mut writers,
            random,
            lifetime,
        )
        .with_context(|| format!("round {round}, seed {seed}"))?;
        if round % ROUNDS_PER_PROOF == 0 || round == rounds {
            let dev = start(binary, (&project, &state), &log)?;
            let seen = delivered(&notes, &writers)
                .with_context(|| format!("round {round}, seed {seed}, log:\n{}", tail(&log)))?;
            drop(dev);
            in_order(&seen, &writers).with_context(|| format!("round {round}, seed {seed}"))?;
            say(&format!("{round} rounds, {}", words(&seen, &writers)));
        }
    }
    Ok(())
}

fn start(binary: &Path, (project, state): (&Path, &Path), log: &Path) -> Result<Dev> {
    Dev::start_with(Command::new(binary), &[], project, state, log)
}

fn write_project(project: &Path, notes: &Path) -> Result<()> {
    std::fs::create_dir_all(project)?;
    let template = TEMPLATE.replace("@NOTES@", &notes.display().to_string());
    std::fs::write(project.join("template.yaml"), template)?;
    std::fs::write(project.join("app.py"), CODE)?;
    // The file of notes is the machine's: a function in a sandbox would not reach it.
    let settings = "[sandbox]\ndemands = \"none\"\n";
    Ok(std::fs::write(project.join("cloudless.toml"), settings)?)
}

fn send_until_killed(
    server: Server,
    port: u16,
    writers: &mut [Writer],
    seed: u64,
    lifetime: Duration,
) -> Result<()> {
    let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
        let sending: Vec<_> = (0_u64..)
            .zip(writers)
            .map(|(index, writer)| {
                let seed = next(seed ^ index);
                scope.spawn(move || writer.send(port, seed))
            })
            .collect();
        std::thread::sleep(lifetime);
        drop(server); // kill -9 of the whole group
        sending
            .into_iter()
            .map(|writer| {
                let panicked = |_| Err(anyhow::anyhow!("a writer panicked"));
                writer.join().unwrap_or_else(panicked)
            })
            .collect()
    });
    outcomes.into_iter().collect()
}

/// Waits until everything that was acknowledged is noted; all notes then.
fn delivered(notes: &PathBuf, writers: &[Writer]) -> Result<Vec<String>> {
    let began = now();
    loop {
        let text = std::fs::read_to_string(notes).unwrap_or_default();
        // A function that is killed while it writes leaves half a line; its event comes again.
        let seen: Vec<String> = text.lines().map(str::to_owned).collect();
        let known: BTreeSet<&str> = seen.iter().map(String::as_str).collect();
        let all = writers
            .iter()
            .flat_map(|writer| writer.acknowledged.values());
        let missing: Vec<&String> = all
            .flatten()
            .filter(|id| !known.contains(id.as_str()))
            .collect();
        if missing.is_empty() {
            return Ok(seen);
        }
        if DELIVERED_WITHIN < began.elapsed() {
            let few: Vec<&&String> = missing.iter().take(10).collect();
            bail!("{} events were lost, as {few:?}", missing.len());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What was seen first of each writer, by ways that have an order, must be in the order in which it was sent.
fn in_order(seen: &[String], writers: &[Writer]) -> Result<()> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, id) in seen.iter().enumerate() {
        places.entry(id).or_insert(place);
    }
    for writer in writers {
        let ordered = writer
            .acknowledged
            .iter()
            .filter(|(way, _)| way.has_order());
        for (way, ids) in ordered {
            let found: Vec<usize> = ids
                .iter()
                .filter_map(|id| places.get(id.as_str()).copied())
                .collect();
            ensure!(
                found.is_sorted(),
                "{way:?}: what {} sent came in another order",
                writer.name
            );
        }
    }
    Ok(())
}

fn words(seen: &[String], writers: &[Writer]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for writer in writers {
        for (way, ids) in &writer.acknowledged {
            *counts.entry(way.name()).or_default() += ids.len();
        }
    }
    let sum: usize = counts.values().sum();
    let distinct: BTreeSet<&String> = seen.iter().collect();
    format!(
        "{sum} acknowledged events were all delivered, {} of them more than once ({})",
        seen.len() - distinct.len(),
        counts
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect::<Vec<String>>()
            .join(", ")
    )
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(40);
    lines.get(from..).unwrap_or_default().join("\n")
}
