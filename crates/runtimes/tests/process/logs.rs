//! What stands in a function's log.

use interfaces::log_sink::LogOrigin;

use crate::harness::{Bench, Lang, text};

#[tokio::test]
async fn lines_have_the_formats_of_the_managed_runtimes() {
    let mut bench = Lang::Python.bench(
        "import logging, sys\ndef handler(event, context):\n    print('plain')\n    logging.warning('several\\nlines %s', 1)\n    logging.getLogger().error('x')\n    logging.info('below the level')\n    print('aside', file=sys.stderr)\n    print('no end', end='')\n",
    );
    bench.once("{}").await;
    let lines = bench.log.stdout();
    assert_eq!(lines[0], "plain");
    assert!(lines[1].starts_with("[WARNING]\t20"), "{lines:?}");
    assert!(
        lines[1].ends_with("Z\trequest-1\tseveral\nlines 1"),
        "{lines:?}"
    );
    assert!(lines[2].ends_with("Z\trequest-1\tx"), "{lines:?}");
    assert_eq!(lines[3..], ["no end"]);
    assert_eq!(bench.log.lines(LogOrigin::Stderr), ["aside"]);

    let mut bench = Lang::Node.bench(
        "console.log('at init'); exports.handler = async () => { console.log('a %s', 'b', { c: 1 }); console.error('two\\nlines'); console.warn('w'); console.debug('d'); process.stdout.write('raw\\n'); process.stderr.write('aside\\n'); };\n",
    );
    bench.once("{}").await;
    let lines = bench.log.stdout();
    let after = |line: &str| line.split_once('\t').unwrap().1.to_owned();
    assert_eq!(after(&lines[0]), "undefined\tINFO\tat init");
    assert_eq!(after(&lines[1]), "request-1\tINFO\ta b { c: 1 }");
    assert_eq!(after(&lines[2]), "request-1\tERROR\ttwo\nlines");
    assert_eq!(after(&lines[3]), "request-1\tWARN\tw");
    assert_eq!(after(&lines[4]), "request-1\tDEBUG\td");
    assert_eq!(lines[5], "raw");
    assert_eq!(bench.log.lines(LogOrigin::Stderr), ["aside"]);
}

#[tokio::test]
async fn all_that_was_written_before_the_reply_stands_between_start_and_end() {
    for (language, source) in [
        (
            Lang::Python,
            "def handler(event, context):\n    for n in range(500): print('line', n)\n",
        ),
        (
            Lang::Node,
            "exports.handler = async () => { for (let n = 0; n < 500; n++) console.log('line', n); };\n",
        ),
    ] {
        let mut bench = language.bench(source);
        let mut instance = bench.start().await.unwrap();
        for _ in 0..3 {
            bench.log.0.lock().unwrap().clear();
            bench.invoke(&mut instance, "{}").await;
            let lines = bench.log.0.lock().unwrap();
            assert_eq!(lines.len(), 503, "{language:?}");
            assert!(lines[0].text.starts_with(b"START RequestId: request-"));
            assert!(lines[501].text.starts_with(b"END RequestId: request-"));
            assert!(lines[502].text.starts_with(b"REPORT RequestId: request-"));
            let request_id = lines[0].request_id.clone();
            assert!(request_id.is_some() && lines.iter().all(|line| line.request_id == request_id));
        }
    }
}

#[tokio::test]
async fn the_tail_holds_the_last_four_kilobytes() {
    let mut bench = Lang::Python
        .bench("def handler(event, context):\n    for n in range(event): print('line', n)\n");
    let mut instance = bench.start().await.unwrap();
    let long = text(&bench.invoke(&mut instance, "2000").await.log_tail);
    assert_eq!(long.len(), 4096);
    assert!(
        long.contains(
            "line 1999\nEND RequestId: request-1\nREPORT RequestId: request-1\tDuration: "
        ),
        "{long}"
    );
    let short = text(&bench.invoke(&mut instance, "1").await.log_tail);
    assert!(
        short.starts_with("START RequestId: request-2 Version: $LATEST\nline 0\nEND"),
        "{short}"
    );
    assert!(
        short.contains("\tMemory Size: 256 MB\tMax Memory Used: "),
        "{short}"
    );
    assert!(!short.contains("Max Memory Used: 0 MB"), "{short}");
}

#[tokio::test]
async fn the_init_is_logged_and_reported_once() {
    let bench = Lang::Node.bench("console.log('loading'); exports.handler = async () => {};\n");
    let mut instance = bench.start().await.unwrap();
    let mut event = bench.event("{}");
    event.init = Some(std::time::Duration::from_millis(120));
    instance.invoke(event).await;
    let lines = bench.log.platform();
    assert!(
        lines[0].starts_with("INIT_START Runtime Version: nodejs:"),
        "{lines:?}"
    );
    assert!(lines[3].contains("\tInit Duration: 120.00 ms"), "{lines:?}");
    assert!(bench.log.0.lock().unwrap()[1].request_id.is_none());
}

#[tokio::test]
async fn a_flood_is_cut_off_and_its_log_says_so() {
    for (language, source) in [
        (
            Lang::Python,
            "def handler(event, context):\n    for n in range(60000): print('x' * 499)\n    return 'done'\n",
        ),
        (
            Lang::Node,
            "exports.handler = async () => { const line = 'x'.repeat(299) + '\\n'; const fs = require('fs'); for (let n = 0; n < 1000; n++) fs.writeSync(1, line.repeat(100)); return 'done'; };\n",
        ),
    ] {
        let mut bench = language.bench(source);
        assert_eq!(bench.returned("{}").await, "done");
        let kept: usize = bench.log.stdout().iter().map(|line| line.len() + 1).sum();
        assert!(kept <= 16 * 1024 * 1024, "{kept}");
        assert!(15 * 1024 * 1024 < kept, "{kept}");
        assert!(bench.log.stdout().len() <= 100_000);
        let notes = bench.log.platform();
        let notes: Vec<_> = notes
            .iter()
            .filter(|line| line.starts_with("[cloudless] more than 16 MB"))
            .collect();
        assert_eq!(notes.len(), 1);
    }
}

#[tokio::test]
async fn any_bytes_may_be_written() {
    let mut bench = Lang::Python.bench(
        "import os\ndef handler(event, context):\n    os.write(1, b'\\x00\\xff\\xfe\\n')\n    os.write(1, b'x' * 600000)\n",
    );
    bench.once("{}").await;
    let lines = bench.log.0.lock().unwrap();
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| line.origin == LogOrigin::Stdout)
        .collect();
    assert_eq!(lines[0].text.as_ref(), b"\x00\xff\xfe");
    // A line without an end comes in pieces of the largest size.
    assert_eq!(lines[1].text.len(), 256 * 1024);
    assert_eq!(
        lines[1..].iter().map(|line| line.text.len()).sum::<usize>(),
        600_000
    );
}

#[tokio::test]
async fn what_is_written_between_two_events_belongs_to_neither() {
    let mut bench: Bench = Lang::Python.bench(
        "import threading, time\ndef late():\n    time.sleep(0.05)\n    print('late')\ndef handler(event, context):\n    threading.Thread(target=late).start()\n",
    );
    let mut instance = bench.start().await.unwrap();
    bench.invoke(&mut instance, "{}").await;
    let idle = std::time::Duration::from_millis(300);
    assert!(tokio::time::timeout(idle, instance.lost()).await.is_err());
    let lines = bench.log.0.lock().unwrap();
    let late = lines
        .iter()
        .find(|line| line.text.as_ref() == b"late")
        .unwrap();
    assert_eq!(late.request_id, None);
}

#[tokio::test]
async fn a_child_that_writes_on_after_the_reply_is_held_up_at_the_limit() {
    let mut bench = Lang::Python.bench(
        "import subprocess\ndef handler(event, context):\n    if event: subprocess.Popen(['yes'])\n    return 'well'\n",
    );
    let mut instance = bench.start().await.unwrap();
    bench.invoke(&mut instance, "1").await;
    let idle = std::time::Duration::from_secs(2);
    assert!(tokio::time::timeout(idle, instance.lost()).await.is_err());
    assert!(bench.log.stdout().len() <= 100_000);
    let completion = bench.invoke(&mut instance, "0").await;
    assert_eq!(
        completion.verdict,
        interfaces::runtime::Verdict::Returned(r#""well""#.into())
    );
}
