//! The cloud's own interface client for Python against our API: a second opinion on what it says.
//!
//! Runs when `CLOUDLESS_TEST_RIC` names a folder with the package `awslambdaric` in it, as
//! `pip install --target FOLDER awslambdaric` makes it.

use interfaces::runtime::Verdict;
use serde_json::json;

use crate::bootstraps::{empty, put};
use crate::harness::{Bench, Lang, interpreter, json as parsed, write};

fn bench(source: &str) -> Option<Bench> {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests names it")]
    let Ok(folder) = std::env::var("CLOUDLESS_TEST_RIC") else {
        eprintln!("CLOUDLESS_TEST_RIC names no interface client: only our own clients were tested");
        return None;
    };
    let (python, _) = interpreter(Lang::Python);
    let bench = empty("provided.al2023", "app.handler");
    let script = format!(
        "#!/bin/sh\nexport PYTHONPATH={folder}:$LAMBDA_TASK_ROOT\nexec {} -m awslambdaric \"$_HANDLER\"\n",
        python.display()
    );
    put(&bench.path("task/bootstrap"), script.as_bytes());
    write(&bench.path("task/app.py"), source);
    Some(bench)
}

#[tokio::test]
async fn the_clouds_interface_client_runs_events_and_errors() {
    let source = "import os\ncount = 0\ndef handler(event, context):\n    global count\n    count += 1\n    print('said', count)\n    \
        if event == 'raise': raise ValueError('cold')\n    if event == 'exit': os._exit(3)\n    if isinstance(event, int): return 'x' * event\n    \
        return [event, count, context.aws_request_id, context.invoked_function_arn, context.client_context.custom, context.get_remaining_time_in_millis() > 15000]\n";
    let Some(mut bench) = bench(source) else {
        return;
    };
    let mut instance = bench.start().await.unwrap();
    let mut event = bench.event("{\"tea\": \"grün\"}");
    event.client_context = Some("{\"custom\": {\"a\": 1}}".into());
    match instance.invoke(event).await.verdict {
        Verdict::Returned(payload) => {
            let arn = bench.function.arn.to_string();
            let expected = json!([{"tea": "grün"}, 1, "request-0", arn, {"a": 1}, true]);
            assert_eq!(parsed(&payload), expected);
        }
        other => panic!("{other:?} {:?}", bench.log.stdout()),
    }
    match bench.invoke(&mut instance, "\"raise\"").await.verdict {
        Verdict::Raised(payload) => {
            let error = parsed(&payload);
            assert_eq!(
                (error["errorType"].as_str(), error["errorMessage"].as_str()),
                (Some("ValueError"), Some("cold"))
            );
        }
        other => panic!("{other:?}"),
    }
    let largest = 6 * 1024 * 1024 + 100 - 2;
    match bench
        .invoke(&mut instance, &largest.to_string())
        .await
        .verdict
    {
        Verdict::Returned(payload) => assert_eq!(payload.len(), largest + 2),
        other => panic!("{other:?}"),
    }
    let verdict = bench
        .invoke(&mut instance, &(largest + 1).to_string())
        .await
        .verdict;
    assert!(
        matches!(verdict, Verdict::ResponseTooLarge(_)),
        "{verdict:?}"
    );
    let completion = bench.invoke(&mut instance, "\"exit\"").await;
    assert!(
        matches!(completion.verdict, Verdict::Exited(_)),
        "{completion:?}"
    );
    assert!(bench.log.stdout().contains(&"said 1".to_owned()));
}

#[tokio::test]
async fn the_clouds_interface_client_says_that_its_init_failed() {
    let Some(bench) = bench("import nothing_of_this_name\n") else {
        return;
    };
    let (payload, tail) = bench.init_failure().await;
    assert_eq!(
        payload["errorType"], "Runtime.ImportModuleError",
        "{payload}"
    );
    assert!(
        tail.contains("Error Type: Runtime.ImportModuleError"),
        "{tail}"
    );
}
