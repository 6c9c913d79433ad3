//! The cloud's own interface clients against our API: a second opinion on what it says.
//!
//! That for Python is installed by the first test that needs it; `CLOUDLESS_TEST_RIC` names another folder with it, as
//! `pip install --target FOLDER awslambdaric` makes it. That for Node.js is compiled when it is installed, which takes a
//! minute: `CLOUDLESS_TEST_RIC_NODE` names a folder in which `npm install aws-lambda-ric` has been run.
//! The function has that folder as a layer: nothing else of the machine is seen from its sandbox.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use interfaces::runtime::Verdict;
use serde_json::json;

use crate::bootstraps::{empty, put};
use crate::clients::show_interpreter;
use crate::harness::{Bench, Lang, interpreter, json as parsed, write};

/// None: the machine has no such client.
fn bench(language: Lang, source: &str) -> Option<Bench> {
    let (variable, file) = match language {
        Lang::Python => ("CLOUDLESS_TEST_RIC", "app.py"),
        Lang::Node => ("CLOUDLESS_TEST_RIC_NODE", "app.js"),
    };
    let named = std::env::var_os(variable).map(PathBuf::from);
    let folder = match (named, language) {
        (Some(folder), _) => Some(folder),
        (None, Lang::Python) => installed_for_python().clone(),
        (None, Lang::Node) => None,
    };
    let Some(folder) = folder else {
        eprintln!("{variable} names no interface client: only our own clients were tested");
        return None;
    };
    let (program, _) = interpreter(language);
    let program = program.display();
    let command = match language {
        Lang::Python => format!(
            "export PYTHONPATH=/opt:$LAMBDA_TASK_ROOT\nexec {program} -m awslambdaric \"$_HANDLER\""
        ),
        Lang::Node => {
            format!("exec {program} /opt/node_modules/aws-lambda-ric/bin/index.mjs \"$_HANDLER\"")
        }
    };
    let mut bench = empty("provided.al2023", "app.handler");
    bench.function.layers.push(folder);
    show_interpreter(&mut bench, language);
    let script = format!("#!/bin/sh\n{command}\n");
    put(&bench.path("task/bootstrap"), script.as_bytes());
    write(&bench.path("task").join(file), source);
    Some(bench)
}

/// None: there is none for this Python that is compiled, or no way to get it.
fn installed_for_python() -> &'static Option<PathBuf> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let (python, version) = interpreter(Lang::Python);
        let name = format!("interface-client-{version}");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if folder.join("complete").exists() {
            return Some(folder);
        }
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--quiet", "--upgrade"])
            .args(["--disable-pip-version-check", "--root-user-action=ignore"])
            .args(["--only-binary", ":all:", "awslambdaric", "--target"]);
        let is_installed = pip.arg(&folder).status().ok()?.success();
        let is_kept = is_installed && std::fs::write(folder.join("complete"), "").is_ok();
        is_kept.then_some(folder)
    })
}

/// An event, one that raises, the largest reply, one that is too large, and an end in the middle.
async fn hold_events_and_errors(bench: &mut Bench, error_type: &str) {
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
                (Some(error_type), Some("cold"))
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
}

#[tokio::test]
async fn the_clouds_client_for_python_runs_events_and_errors() {
    let source = "import os\ncount = 0\ndef handler(event, context):\n    global count\n    count += 1\n    print('said', count)\n    \
        if event == 'raise': raise ValueError('cold')\n    if event == 'exit': os._exit(3)\n    if isinstance(event, int): return 'x' * event\n    \
        return [event, count, context.aws_request_id, context.invoked_function_arn, context.client_context.custom, context.get_remaining_time_in_millis() > 15000]\n";
    let Some(mut bench) = bench(Lang::Python, source) else {
        return;
    };
    hold_events_and_errors(&mut bench, "ValueError").await;
    assert!(bench.log.stdout().contains(&"said 1".to_owned()));
}

#[tokio::test]
async fn the_clouds_client_for_python_says_that_its_init_failed() {
    let Some(bench) = bench(Lang::Python, "import nothing_of_this_name\n") else {
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

#[tokio::test]
async fn the_clouds_client_for_node_runs_events_and_errors() {
    let source = "let count = 0;\nexports.handler = async (event, context) => {\n  count += 1;\n  console.log('said', count);\n  \
        if (event === 'raise') throw new TypeError('cold');\n  if (event === 'exit') process.exit(3);\n  if (Number.isInteger(event)) return 'x'.repeat(event);\n  \
        return [event, count, context.awsRequestId, context.invokedFunctionArn, context.clientContext.custom, context.getRemainingTimeInMillis() > 15000];\n};\n";
    let Some(mut bench) = bench(Lang::Node, source) else {
        return;
    };
    hold_events_and_errors(&mut bench, "TypeError").await;
}

#[tokio::test]
async fn the_clouds_client_for_node_streams_and_breaks_off() {
    let source = "exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n  \
        stream.write('{\"one\":');\n  await new Promise((done) => setTimeout(done, 50));\n  \
        if (event) throw new TypeError('cut');\n  stream.end('1}');\n});\n";
    let Some(mut bench) = bench(Lang::Node, source) else {
        return;
    };
    let mut instance = bench.start().await.unwrap();
    let whole = bench.invoke(&mut instance, "false").await.verdict;
    assert_eq!(whole, Verdict::Returned("{\"one\":1}".into()));
    match bench.invoke(&mut instance, "true").await.verdict {
        Verdict::Raised(payload) => assert_eq!(parsed(&payload)["errorMessage"], "cut"),
        other => panic!("{other:?} {:?}", bench.log.stdout()),
    }
}

#[tokio::test]
async fn the_clouds_client_for_node_says_that_its_init_failed() {
    let Some(bench) = bench(Lang::Node, "throw new RangeError('early');\n") else {
        return;
    };
    let (payload, _) = bench.init_failure().await;
    assert_eq!(payload["errorType"], "RangeError", "{payload}");
}
