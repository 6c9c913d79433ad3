//! Handlers that write their reply in pieces: passed on at once, held back by a slow reader, ended by whatever ends them.

use std::time::Duration;

use interfaces::reply_stream::{self, HTTP_INTEGRATION_RESPONSE, PIECES_WAITING_MAX, ReplySource};
use interfaces::runtime::{Completion, Instance, Verdict};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::harness::{Bench, Lang, json};

const WAIT_MAX: Duration = Duration::from_secs(10);

type Ended = (Box<dyn Instance>, Completion);

fn streaming(body: &str) -> Bench {
    let source = format!(
        "const sleep = (ms) => new Promise((done) => setTimeout(done, ms));\n\
         exports.handler = awslambda.streamifyResponse(async (event, stream) => {{\n{body}\n}});\n"
    );
    Lang::Node.bench(&source)
}

/// Runs an event, whose reply comes out of the source.
async fn begin(bench: &mut Bench, payload: &str) -> (ReplySource, JoinHandle<Ended>) {
    let instance = bench.start().await.unwrap();
    begin_on(bench, instance, payload)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test awaits it, or ends with its runtime"
)]
fn begin_on(
    bench: &Bench,
    mut instance: Box<dyn Instance>,
    payload: &str,
) -> (ReplySource, JoinHandle<Ended>) {
    let (sink, source) = reply_stream::channel();
    let event = bench.event(payload);
    let running = tokio::spawn(async move {
        let completion = instance.invoke_streamed(event, sink).await;
        (instance, completion)
    });
    (source, running)
}

async fn begun(source: &mut ReplySource) -> Option<String> {
    tokio::time::timeout(WAIT_MAX, source.begun())
        .await
        .unwrap()
}

fn stream(source: ReplySource, content_type: &str) -> reply_stream::ReplyStream {
    let (_, end) = oneshot::channel();
    source.into_stream(content_type.to_owned(), end)
}

async fn all(source: ReplySource) -> Vec<u8> {
    let mut stream = stream(source, "any");
    let mut whole = Vec::new();
    while let Some(piece) = tokio::time::timeout(WAIT_MAX, stream.next()).await.unwrap() {
        whole.extend_from_slice(&piece);
    }
    whole
}

#[tokio::test]
async fn a_piece_is_passed_on_before_the_handler_ends() {
    let mut bench = streaming(
        "stream.setContentType('text/event-stream');\nstream.write('data: 1\\n\\n');\n\
         await sleep(60_000);\nstream.end();",
    );
    let (mut source, running) = begin(&mut bench, "{}").await;
    assert_eq!(
        begun(&mut source).await.as_deref(),
        Some("text/event-stream")
    );
    let mut stream = stream(source, "any");
    let piece = tokio::time::timeout(WAIT_MAX, stream.next()).await.unwrap();
    assert_eq!(piece.unwrap(), "data: 1\n\n");
    running.abort();
}

#[tokio::test]
async fn a_stream_ends_and_the_instance_goes_on() {
    let bench = streaming(
        "stream = awslambda.HttpResponseStream.from(stream, { statusCode: event });\n\
         stream.write({ an: 'object' });\nstream.write(new Uint8Array([33]));\nstream.end('end');",
    );
    let mut instance = bench.start().await.unwrap();
    for status in ["201", "202"] {
        let (mut source, running) = begin_on(&bench, instance, status);
        let content_type = begun(&mut source).await;
        assert_eq!(content_type.as_deref(), Some(HTTP_INTEGRATION_RESPONSE));
        let whole = all(source).await;
        let expected =
            format!("{{\"statusCode\":{status}}}\0\0\0\0\0\0\0\0{{\"an\":\"object\"}}!end");
        assert_eq!(String::from_utf8(whole).unwrap(), expected);
        let (freed, completion) = running.await.unwrap();
        assert_eq!(completion.verdict, Verdict::Returned("".into()));
        instance = freed;
    }
}

#[tokio::test]
async fn a_handler_that_does_not_stream_replies_whole() {
    let mut bench = Lang::Node.bench("exports.handler = async () => 'whole';\n");
    let (mut source, running) = begin(&mut bench, "{}").await;
    assert_eq!(begun(&mut source).await, None);
    let (_, completion) = running.await.unwrap();
    assert_eq!(completion.verdict, Verdict::Returned("\"whole\"".into()));
}

#[tokio::test]
async fn errors_come_instead_of_a_stream_or_behind_its_pieces() {
    for (body, before) in [
        ("throw new TypeError('cold');", None),
        (
            "stream.write('half'); throw new TypeError('cold');",
            Some("half"),
        ),
        (
            "stream.write('half'); await sleep(20); stream.destroy(new TypeError('cold')); await sleep(20);",
            Some("half"),
        ),
    ] {
        let mut bench = streaming(body);
        let (mut source, running) = begin(&mut bench, "{}").await;
        let content_type = begun(&mut source).await;
        assert_eq!(content_type.is_some(), before.is_some(), "{body}");
        let whole = all(source).await;
        assert_eq!(
            String::from_utf8(whole).unwrap(),
            before.unwrap_or_default()
        );
        let (_, completion) = running.await.unwrap();
        match completion.verdict {
            Verdict::Raised(payload) => assert_eq!(json(&payload)["errorMessage"], "cold"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_content_type_comes_too_late_behind_the_first_piece() {
    let mut bench = streaming("stream.write('a'); stream.setContentType('text/plain');");
    let (source, running) = begin(&mut bench, "{}").await;
    assert_eq!(all(source).await, b"a");
    let (_, completion) = running.await.unwrap();
    match completion.verdict {
        Verdict::Raised(payload) => assert_eq!(
            json(&payload)["errorType"],
            "Runtime.InvalidStreamingOperation"
        ),
        other => panic!("{other:?}"),
    }
}

/// What is written and not taken: in the socket, in the sink, and in the handler's own buffer.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

#[tokio::test]
async fn a_slow_reader_holds_the_handler_back_and_not_its_event_loop() {
    let mut bench = streaming(
        "let written = 0, turns = 0;\nconst timer = setInterval(() => { turns += 1; }, 10);\n\
         const piece = Buffer.alloc(64 * 1024);\nconst until = Date.now() + 600;\n\
         while (Date.now() < until) {\n  written += piece.length;\n\
         if (!stream.write(piece)) await Promise.race([new Promise((done) => stream.once('drain', done)), sleep(100)]);\n\
         if (stream.writableNeedDrain) await sleep(10);\n\
         if (stream.writableNeedDrain && turns > 20) break;\n}\nclearInterval(timer);\n\
         console.log(JSON.stringify({ written, turns }));\nstream.end();",
    );
    let (mut source, running) = begin(&mut bench, "{}").await;
    assert!(begun(&mut source).await.is_some());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let taken = all(source).await.len();
    running.await.unwrap();
    let said = bench.log.stdout().concat();
    let said: serde_json::Value =
        serde_json::from_str(said.split('\t').next_back().unwrap()).unwrap();
    assert_eq!(said["written"], taken);
    assert!(taken < HELD_BYTES_MAX, "{said}");
    assert!(PIECES_WAITING_MAX * 64 * 1024 <= taken, "{said}");
    assert!(20 < said["turns"].as_u64().unwrap(), "{said}");
}

#[tokio::test]
async fn a_reader_that_goes_does_not_stop_the_handler() {
    let mut bench = streaming(
        "for (let count = 0; count < 200; count += 1) {\n\
         if (!stream.write(Buffer.alloc(64 * 1024))) await new Promise((done) => stream.once('drain', done));\n}\n\
         stream.end();\nconsole.log('done');",
    );
    let (source, running) = begin(&mut bench, "{}").await;
    drop(source);
    let (_, completion) = tokio::time::timeout(WAIT_MAX, running)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(completion.verdict, Verdict::Returned("".into()));
    assert!(bench.log.stdout().concat().contains("done"));
}

#[tokio::test]
async fn a_timeout_and_an_exit_end_a_stream_where_it_is() {
    for (body, timeout, expected) in [
        (
            "stream.write('half'); await sleep(60_000);",
            1,
            "Task timed out after 1.00 seconds",
        ),
        (
            "stream.write('half'); await sleep(50); process.exit(3);",
            20,
            "exit status 3",
        ),
        (
            "stream.write('half'); await sleep(50); setTimeout(() => { throw new Error('loose'); }); await sleep(60_000);",
            20,
            "loose",
        ),
    ] {
        let mut bench = streaming(body);
        bench.function.timeout = Duration::from_secs(timeout);
        let (source, running) = begin(&mut bench, "{}").await;
        assert_eq!(all(source).await, b"half", "{body}");
        let (_, completion) = running.await.unwrap();
        match completion.verdict {
            Verdict::TimedOut(payload) | Verdict::Exited(payload) => {
                let said = json(&payload)["errorMessage"].to_string();
                assert!(said.contains(expected), "{said}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn whoever_wants_a_whole_reply_waits_for_all_pieces() {
    let mut bench = streaming("stream.write('a'); await sleep(20); stream.end('b');");
    let completion = bench.once("{}").await;
    assert_eq!(completion.verdict, Verdict::Returned("ab".into()));
    let mut bench = streaming(
        "for (let count = 0; count < 7; count += 1) stream.write(Buffer.alloc(1024 * 1024));\nstream.end();",
    );
    let completion = bench.once("{}").await;
    assert!(matches!(completion.verdict, Verdict::ResponseTooLarge(_)));
}

#[tokio::test]
async fn a_stream_that_is_ended_without_a_write_has_no_head() {
    let mut bench = streaming(
        "stream = awslambda.HttpResponseStream.from(stream, { statusCode: 204 }); stream.end();",
    );
    let (mut source, running) = begin(&mut bench, "{}").await;
    let content_type = begun(&mut source).await;
    assert_eq!(content_type.as_deref(), Some(HTTP_INTEGRATION_RESPONSE));
    assert!(all(source).await.is_empty());
    let (_, completion) = running.await.unwrap();
    assert_eq!(completion.verdict, Verdict::Returned("".into()));
}
