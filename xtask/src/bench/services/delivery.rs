//! From a queue to a function: how long a message takes.
//!
//! Lives here: the application, the time from before the message is sent until its handler begins.
//! Does not live here: starting the server (`bench::hello`).

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Report;
use super::client::Client;
use crate::bench::goals::{Row, at_most};
use crate::bench::hello;
use crate::bench::peers::Peers;
use crate::http::{milliseconds, now, percentile};

/// Messages before those that are measured: the first ones start the function.
const WARM_UP: usize = 20;
/// How long it is quiet between two messages, so that each finds everything at rest.
const QUIET: Duration = Duration::from_millis(10);
const ACCOUNT: &str = "000000000000";

/// The handler says what the time was when it began; nobody waits for how it says so.
const HANDLER: &str = "import time
began = time.time_ns
import os, boto3
sqs = boto3.client('sqs')

def handler(event, context):
    now = began()
    for record in event['Records']:
        sqs.send_message(QueueUrl=os.environ['BEGUN'], MessageBody=f\"{record['body']} {now}\")
";

pub(super) fn measure(peers: &Peers, duration: Duration) -> Result<Report> {
    let folder = peers.folder("cloudless-delivery")?;
    std::fs::write(
        folder.join("template.yaml"),
        template(&peers.python_runtime()),
    )?;
    std::fs::write(folder.join("app.py"), HANDLER)?;
    let dev = hello::dev(peers, &folder)?;
    let mut client = Client::of_queues(dev.services_port)?;
    let mut times = Vec::new();
    let until = now() + duration;
    for number in 0.. {
        if WARM_UP < number && until < now() {
            break;
        }
        let took = journey(&mut client)?;
        if WARM_UP <= number {
            times.push(took);
        }
        std::thread::sleep(QUIET);
    }
    times.sort_unstable();
    let [p50, p99] = [0.5, 0.99].map(|share| milliseconds(percentile(&times, share)));
    Ok(Report {
        figures: String::new(),
        rows: vec![Row::new(
            "from sending a message until its function begins, one message now and then, p50",
            format!("{p50:.2} ms (p99 {p99:.2} ms)"),
            vec![(p50, at_most("time", Some(5.0), None, " ms"))],
        )],
    })
}

/// Sends a message and waits for its handler's word.
fn journey(client: &mut Client) -> Result<Duration> {
    let sent = wall_clock()?;
    let send = format!(
        r#"{{"QueueUrl":"{}","MessageBody":"{}"}}"#,
        url("jobs"),
        sent.as_nanos()
    );
    client.call("SendMessage", &send)?;
    let receive = format!(r#"{{"QueueUrl":"{}","WaitTimeSeconds":20}}"#, url("begun"));
    let received = client.call("ReceiveMessage", &receive)?;
    let text = |name: &str| {
        let found = received.pointer(&format!("/Messages/0/{name}"));
        found.and_then(Value::as_str).context("no handler began")
    };
    let (of, began) = text("Body")?.split_once(' ').context("two times")?;
    ensure!(
        of == sent.as_nanos().to_string(),
        "another message's handler began"
    );
    let delete = format!(
        r#"{{"QueueUrl":"{}","ReceiptHandle":"{}"}}"#,
        url("begun"),
        text("ReceiptHandle")?
    );
    client.call("DeleteMessage", &delete)?;
    let began = Duration::from_nanos(began.parse().context("a time in nanoseconds")?);
    Ok(began.saturating_sub(sent))
}

/// What the function's own clock says, too.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, here with another process"
)]
fn wall_clock() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?)
}

fn url(queue: &str) -> String {
    format!("http://127.0.0.1/{ACCOUNT}/{queue}")
}

fn template(runtime: &str) -> String {
    format!(
        "Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties: {{ QueueName: jobs }}
  Begun:
    Type: AWS::SQS::Queue
    Properties: {{ QueueName: begun }}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: {runtime}
      Handler: app.handler
      CodeUri: .
      Environment: {{ Variables: {{ BEGUN: !Ref Begun }} }}
      Policies:
        - Statement: {{ Effect: Allow, Action: 'sqs:*', Resource: '*' }}
      Events:
        Job:
          Type: SQS
          Properties: {{ Queue: !GetAtt Jobs.Arn, BatchSize: 1 }}
"
    )
}
