//! Instances of many events, whose events and replies go through pipes.

use interfaces::reply_stream;
use interfaces::runtime::{Instance, Verdict};
use serde_json::{Value, json};

use crate::harness::{Bench, Lang, json};

/// More than an instance has before it is given pipes.
const EVENTS: usize = 40;
/// More than a pipe takes at once, twenty times.
const LARGE_BYTES: usize = 20 * 64 * 1024 + 7;

const SOURCE_IN_NODE: &str = "
const fs = require('node:fs');
process.on('SIGTERM', () => console.log('asked to stop'));
exports.handler = async (event, context) => ({
  way: fs.readlinkSync('/proc/self/fd/3').split(':')[0],
  id: context.awsRequestId,
  trace: process.env._X_AMZN_TRACE_ID,
  length: event.text.length,
  back: 'y'.repeat(event.text.length),
});
";

const SOURCE_IN_PYTHON: &str = "
import os, signal
def stop(number, frame):
    print('asked to stop')
signal.signal(signal.SIGTERM, stop)
def handler(event, context):
    return {
        'way': os.readlink('/proc/self/fd/3').split(':')[0],
        'id': context.aws_request_id,
        'trace': os.environ['_X_AMZN_TRACE_ID'],
        'length': len(event['text']),
        'back': 'y' * len(event['text']),
    }
";

async fn ask(bench: &mut Bench, instance: &mut Box<dyn Instance>, text: &str) -> Value {
    let payload = json!({"text": text}).to_string();
    match bench.invoke(instance, &payload).await.verdict {
        Verdict::Returned(found) => json(&found),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn after_some_events_an_instance_goes_on_through_pipes_whatever_their_size() {
    for (language, source) in [
        (Lang::Node, SOURCE_IN_NODE),
        (Lang::Python, SOURCE_IN_PYTHON),
    ] {
        goes_on_through_pipes(language.bench(source)).await;
    }
}

async fn goes_on_through_pipes(mut bench: Bench) {
    let mut instance = bench.start().await.unwrap();
    let mut ways = Vec::new();
    for number in 1..=EVENTS {
        let found = ask(&mut bench, &mut instance, "grüße").await;
        assert_eq!(found["id"], format!("request-{number}"));
        assert_eq!(found["trace"], "Root=1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!(found["back"], "yyyyy");
        ways.push(found["way"].as_str().unwrap().to_owned());
    }
    assert_eq!(ways[0], "socket");
    assert_eq!(ways[EVENTS - 1], "pipe");
    ways.dedup();
    assert_eq!(ways.len(), 2);
    for length in [LARGE_BYTES, 1, LARGE_BYTES] {
        let found = ask(&mut bench, &mut instance, &"x".repeat(length)).await;
        assert_eq!(found["length"], length);
        assert_eq!(found["back"].as_str().unwrap().len(), length);
    }
    instance.stop().await;
    let told = bench.log.stdout();
    assert!(told.iter().any(|line| line.contains("asked to stop")));
}

#[tokio::test]
async fn what_an_instance_says_through_its_pipes_out_of_turn_ends_it() {
    let mut bench = Lang::Node.bench(
        "const fs = require('node:fs');
         exports.handler = async (event) => {
           if (event.all) for (let to = 4; to < 64; to += 1) {
             let target = '';
             try { target = fs.readlinkSync('/proc/self/fd/' + to); } catch {}
             // The end that can only be written to is that of the replies.
             if (target.startsWith('pipe')) try { fs.writeSync(to, 'nonsense'); } catch {}
           }
         };",
    );
    let mut instance = bench.start().await.unwrap();
    for _ in 0..EVENTS {
        let verdict = bench.invoke(&mut instance, "{}").await.verdict;
        assert!(matches!(verdict, Verdict::Returned(_)), "{verdict:?}");
    }
    let verdict = bench.invoke(&mut instance, r#"{"all": 1}"#).await.verdict;
    assert!(!matches!(verdict, Verdict::Returned(_)), "{verdict:?}");
    instance.lost().await;
}

#[tokio::test]
async fn a_reply_in_pieces_comes_through_pipes_as_well() {
    let bench = Lang::Node.bench(
        "exports.handler = awslambda.streamifyResponse(async (event, stream) => {
           stream.write('a'.repeat(200_000));
           stream.end('b');
         });",
    );
    let mut instance = bench.start().await.unwrap();
    for _ in 0..EVENTS {
        let (sink, source) = reply_stream::channel();
        let event = bench.event("{}");
        let reading = async {
            let mut source = source;
            let content_type = source.begun().await.unwrap();
            let (_, end) = tokio::sync::oneshot::channel();
            let mut stream = source.into_stream(content_type, end);
            let mut bytes = 0;
            while let Some(piece) = stream.next().await {
                bytes += piece.len();
            }
            bytes
        };
        let (completion, bytes) = tokio::join!(instance.invoke_streamed(event, sink), reading);
        assert!(matches!(completion.verdict, Verdict::Returned(_)));
        assert_eq!(bytes, 200_001);
    }
}
