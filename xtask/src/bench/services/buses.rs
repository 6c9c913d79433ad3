//! Rules of a bus: what many of them cost.
//!
//! Lives here: memory and the time of `PutEvents` with few rules and with many.
//! Does not live here: starting the server (`super`).

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::client::{Client, create_queue};
use super::{Report, Subject};
use crate::bench::goals::{Row, at_most};
use crate::bench::peers::Peers;
use crate::http::{milliseconds, now, percentile};

/// Rules that are compared.
const RULES: [usize; 2] = [10, 1_000];
/// How long the server is left alone before its memory is read.
const REST: Duration = Duration::from_secs(1);
/// Events before those that are measured.
const WARM_UP: usize = 50;

/// What a number of rules costs.
struct Cost {
    memory_mib: f64,
    p50_ms: f64,
}

pub(super) fn measure(peers: &Peers, duration: Duration) -> Result<Report> {
    let ours = super::cloudless(peers, "cloudless-buses")?;
    let [few, many] = costs(&ours, duration)?;
    let memory = at_most("memory", Some(1.2), None, "× that of 10");
    let time = at_most("time", Some(1.2), None, "× that of 10");
    Ok(Report {
        figures: String::new(),
        rows: vec![
            Row::new(
                "memory with 1,000 rules",
                format!(
                    "{:.0} MiB to {:.0} with 10",
                    many.memory_mib, few.memory_mib
                ),
                vec![(many.memory_mib / few.memory_mib, memory)],
            ),
            Row::new(
                "`PutEvents` of an event that one of 1,000 rules matches, 1 connection, p50",
                format!("{:.2} ms to {:.2} with 10", many.p50_ms, few.p50_ms),
                vec![(many.p50_ms / few.p50_ms, time)],
            ),
        ],
    })
}

fn costs(subject: &Subject, duration: Duration) -> Result<[Cost; 2]> {
    create_queue(&mut Client::of_queues(subject.port)?, "events")?;
    let mut client = Client::of_buses(subject.port)?;
    let mut made = 0;
    let mut cost = |wanted: usize| -> Result<Cost> {
        while made < wanted {
            add_rule(&mut client, made)?;
            made += 1;
        }
        let p50_ms = put_events(&mut client, wanted, duration)?;
        std::thread::sleep(REST);
        Ok(Cost {
            memory_mib: subject.server.memory_mib(),
            p50_ms,
        })
    };
    let [few, many] = RULES;
    Ok([cost(few)?, cost(many)?])
}

/// A rule as applications have them, with a queue as its target.
fn add_rule(client: &mut Client, number: usize) -> Result<()> {
    let pattern = format!(
        r#"{{\"source\":[\"shop.orders\"],\"detail-type\":[\"order-{number}\"],\"detail\":{{\"total\":[{{\"numeric\":[\">\",{number}]}}],\"country\":[{{\"prefix\":\"D\"}}]}}}}"#
    );
    client.call(
        "PutRule",
        &format!(r#"{{"Name":"rule-{number}","EventPattern":"{pattern}"}}"#),
    )?;
    let put = client.call(
        "PutTargets",
        &format!(
            r#"{{"Rule":"rule-{number}","Targets":[{{"Id":"queue","Arn":"arn:aws:sqs:us-east-1:000000000000:events"}}]}}"#
        ),
    )?;
    ensure!(
        put.get("FailedEntryCount").and_then(Value::as_u64) == Some(0),
        "a target was not taken: {put}"
    );
    Ok(())
}

/// The median time of events each of which matches one of so many rules, another each time.
fn put_events(client: &mut Client, rules: usize, duration: Duration) -> Result<f64> {
    let mut times = Vec::new();
    let until = now() + duration;
    for number in 0.. {
        if until < now() {
            break;
        }
        let body = format!(
            r#"{{"Entries":[{{"Source":"shop.orders","DetailType":"order-{}","Detail":"{{\"total\":5000,\"country\":\"DE\"}}"}}]}}"#,
            number % rules
        );
        let began = now();
        let put = client.call("PutEvents", &body)?;
        let took = began.elapsed();
        ensure!(
            put.get("FailedEntryCount").and_then(Value::as_u64) == Some(0),
            "an event was not taken: {put}"
        );
        if WARM_UP <= number {
            times.push(took);
        }
    }
    times.sort_unstable();
    Ok(milliseconds(percentile(&times, 0.5)))
}
