//! Queues: messages that are sent, received and deleted; messages that wait.
//!
//! Lives here: the journey of a message, how many a second, what a waiting one costs in memory.
//! Does not live here: starting servers (`super`).

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::client::{Client, create_queue};
use super::{Report, Subject, at_least};
use crate::bench::goals::{Row, at_most};
use crate::bench::peers::Peers;
use crate::http::{milliseconds, now, percentile};

/// Connections that send at the same time, in the two loads.
const CONNECTIONS: [usize; 2] = [1, 32];
/// How long each load is warmed up.
const WARM_UP: Duration = Duration::from_secs(1);
/// Bytes of a message's body.
const BODY_BYTES: usize = 200;
/// Waiting messages whose memory is compared.
const WAITING: [usize; 2] = [1_000, 100_000];
/// Messages of a batch.
const BATCH: usize = 10;

/// How often a message is asked for before its load has failed: there is one for everybody, sooner or later.
const RECEIVES_MAX: usize = 1_000;

/// What a load came to.
struct Load {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

pub(super) fn measure(peers: &Peers, duration: Duration) -> Result<Report> {
    let ours = super::cloudless(peers, "cloudless-queues")?;
    let (waiting, mine) = (waiting(&ours)?, loads(&ours, duration)?);
    let ministack = super::ministack(peers, "ministack-queues")?;
    let theirs = loads(&ministack, duration)?;
    let moto = super::moto(peers, "moto-queues.log")?;
    let motos = loads(&moto, duration)?;
    let mut figures = format!(
        "Journeys of a message of {BODY_BYTES} bytes a second (p50 / p99 ms): sent, received, deleted.\n\n\
         | server | 1 connection | 32 connections |\n| --- | --- | --- |\n"
    );
    let all = [(&ours, &mine), (&ministack, &theirs), (&moto, &motos)];
    for (subject, loads) in all {
        let [one, most] = loads.each_ref().map(cell);
        writeln!(figures, "| {} | {one} | {most} |", subject.name)?;
    }
    let mut rows = Vec::new();
    for (index, connections) in CONNECTIONS.iter().enumerate() {
        let of = |loads: &[Load; 2]| loads.get(index).map_or(0.0, |load| load.per_second);
        let ministack = of(&mine) / of(&theirs);
        let moto = of(&mine) / of(&motos);
        rows.push(Row::new(
            &format!("SQS send, receive, delete, {connections} connections"),
            format!("{ministack:.1}× ministack, {moto:.1}× moto"),
            vec![
                (ministack, at_least("ministack", 5.0)),
                (moto, at_least("moto", 20.0)),
            ],
        ));
    }
    let [few, many] = waiting;
    let goal = at_most("memory", Some(1.2), None, "× that of 1,000");
    rows.push(Row::new(
        "memory with 100,000 waiting messages",
        format!("{many:.0} MiB to {few:.0} with 1,000"),
        vec![(many / few, goal)],
    ));
    Ok(Report { figures, rows })
}

/// Ours without the peers.
pub(super) fn measure_alone(peers: &Peers, duration: Duration) -> Result<String> {
    let ours = super::cloudless(peers, "cloudless-queues")?;
    let [one, most] = loads(&ours, duration)?.each_ref().map(cell);
    Ok(format!("Journeys: {one} from 1 connection, {most} from 32"))
}

fn cell(load: &Load) -> String {
    format!(
        "{:.0} ({:.2} / {:.2})",
        load.per_second, load.p50_ms, load.p99_ms
    )
}

/// Memory with so many waiting messages.
fn waiting(subject: &Subject) -> Result<[f64; 2]> {
    let mut client = Client::of_queues(subject.port)?;
    let url = create_queue(&mut client, "waiting")?;
    let entries: Vec<String> = (0..BATCH)
        .map(|id| format!(r#"{{"Id":"{id}","MessageBody":"{}"}}"#, body()))
        .collect();
    let batch = format!(
        r#"{{"QueueUrl":"{url}","Entries":[{}]}}"#,
        entries.join(",")
    );
    let mut sent = 0;
    let mut found = [0.0; 2];
    for (memory, wanted) in found.iter_mut().zip(WAITING) {
        while sent < wanted {
            client.call("SendMessageBatch", &batch)?;
            sent += BATCH;
        }
        std::thread::sleep(WARM_UP);
        *memory = subject.server.memory_mib();
    }
    Ok(found)
}

fn loads(subject: &Subject, duration: Duration) -> Result<[Load; 2]> {
    let url = create_queue(&mut Client::of_queues(subject.port)?, "bench")?;
    let [one, most] = CONNECTIONS;
    load(subject.port, &url, most, WARM_UP)?;
    Ok([
        load(subject.port, &url, one, duration)?,
        load(subject.port, &url, most, duration)?,
    ])
}

fn load(port: u16, url: &str, connections: usize, duration: Duration) -> Result<Load> {
    let began = now();
    let until = began + duration;
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..connections)
            .map(|_| scope.spawn(|| journeys(port, url, until)))
            .collect();
        running.into_iter().map(|thread| thread.join()).collect()
    });
    let took = began.elapsed();
    let mut times = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(these) => times.extend(these?),
            Err(_) => bail!("a thread of the load panicked"),
        }
    }
    times.sort_unstable();
    ensure!(!times.is_empty(), "no message made its journey");
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of messages is far below 2^52"
    )]
    let per_second = times.len() as f64 / took.as_secs_f64();
    Ok(Load {
        per_second,
        p50_ms: milliseconds(percentile(&times, 0.5)),
        p99_ms: milliseconds(percentile(&times, 0.99)),
    })
}

/// Sends a message, receives one and deletes it, again and again. Another connection may have taken the one that was sent; as
/// each takes what it sends, there is one for everybody.
fn journeys(port: u16, url: &str, until: Instant) -> Result<Vec<Duration>> {
    let mut client = Client::of_queues(port)?;
    let send = format!(r#"{{"QueueUrl":"{url}","MessageBody":"{}"}}"#, body());
    let receive = format!(r#"{{"QueueUrl":"{url}","WaitTimeSeconds":0}}"#);
    let mut times = Vec::new();
    while now() < until {
        let began = now();
        client.call("SendMessage", &send)?;
        let mut handle = None;
        for _ in 0..RECEIVES_MAX {
            let received = client.call("ReceiveMessage", &receive)?;
            let found = received.pointer("/Messages/0/ReceiptHandle");
            handle = found.and_then(Value::as_str).map(str::to_owned);
            if handle.is_some() {
                break;
            }
        }
        let handle = handle.context("no message came")?;
        let delete = format!(r#"{{"QueueUrl":"{url}","ReceiptHandle":"{handle}"}}"#);
        client.call("DeleteMessage", &delete)?;
        times.push(began.elapsed());
    }
    Ok(times)
}

fn body() -> String {
    "x".repeat(BODY_BYTES)
}
