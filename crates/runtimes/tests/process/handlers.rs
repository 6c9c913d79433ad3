//! What handlers may be, take and give.

use interfaces::runtime::Verdict;

use crate::harness::{Bench, Lang, json};

#[tokio::test]
async fn a_handler_gets_its_event_and_its_result_comes_back() {
    for (language, source) in [
        (
            Lang::Python,
            "def handler(event, context):\n    return {'got': event}\n",
        ),
        (
            Lang::Node,
            "exports.handler = async (event) => ({ got: event });\n",
        ),
    ] {
        let mut bench = language.bench(source);
        let found = bench.returned(r#"{"a": [1, "é"]}"#).await;
        assert_eq!(
            found,
            json(r#"{"got": {"a": [1, "é"]}}"#.as_bytes()),
            "{language:?}"
        );
    }
}

#[tokio::test]
async fn one_instance_runs_one_event_after_another() {
    for (language, source) in [
        (
            Lang::Python,
            "n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return n\n",
        ),
        (
            Lang::Node,
            "let n = 0; exports.handler = async () => ++n;\n",
        ),
    ] {
        let mut bench = language.bench(source);
        let mut instance = bench.start().await.unwrap();
        for count in 1..=3 {
            let completion = bench.invoke(&mut instance, "{}").await;
            assert_eq!(
                completion.verdict,
                Verdict::Returned(count.to_string().into())
            );
        }
    }
}
#[allow(dead_code)]
fn unused(_: Bench) {}
