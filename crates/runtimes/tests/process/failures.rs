//! Errors as the cloud shows them: of an init, of a handler.

use interfaces::runtime::{StartError, Verdict};
use serde_json::{Value, json};

use crate::harness::{Bench, Lang, json, text};

#[expect(clippy::too_many_lines, reason = "one table")]
#[tokio::test]
async fn an_init_fails_with_the_clouds_error() {
    let rows: &[(Lang, &str, &str, &str, &str, &str)] = &[
        (
            Lang::Python,
            "a handler without a dot",
            "app",
            "",
            "Runtime.MalformedHandlerName",
            "Bad handler 'app': not enough values to unpack (expected 2, got 1)",
        ),
        (
            Lang::Python,
            "a missing module",
            "gone.handler",
            "",
            "Runtime.ImportModuleError",
            "Unable to import module 'gone': No module named 'gone'",
        ),
        (
            Lang::Python,
            "a missing dependency",
            "app.handler",
            "import nowhere_to_be_found\n",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nowhere_to_be_found'",
        ),
        (
            Lang::Python,
            "a missing function",
            "app.gone",
            "x = 1\n",
            "Runtime.HandlerNotFound",
            "Handler 'gone' missing on module 'app'",
        ),
        (
            Lang::Python,
            "a built-in module",
            "sys.exit",
            "",
            "Runtime.BuiltInModuleConflict",
            "Cannot use built-in module sys as a handler module",
        ),
        (
            Lang::Python,
            "code that throws",
            "app.handler",
            "raise ValueError('broken')\n",
            "ValueError",
            "broken",
        ),
        (
            Lang::Node,
            "a handler without a dot",
            "app",
            "",
            "Runtime.MalformedHandlerName",
            "Bad handler",
        ),
        (
            Lang::Node,
            "a handler that climbs",
            "../app.handler",
            "",
            "Runtime.MalformedHandlerName",
            "'../app.handler' is not a valid handler name. Use absolute paths when specifying root directories in handler names.",
        ),
        (
            Lang::Node,
            "a missing function",
            "app.gone",
            "exports.x = 1;\n",
            "Runtime.HandlerNotFound",
            "app.gone is undefined or not exported",
        ),
        (
            Lang::Node,
            "what is no function",
            "app.x",
            "exports.x = 1;\n",
            "Runtime.HandlerNotFound",
            "app.x is not a function",
        ),
        (
            Lang::Node,
            "code that throws",
            "app.handler",
            "throw new TypeError('broken');\n",
            "TypeError",
            "broken",
        ),
        (
            Lang::Node,
            "a rejection at init",
            "app.handler",
            "exports.handler = async () => {}; Promise.reject(new Error('stray'));\n",
            "Runtime.UnhandledPromiseRejection",
            "Error: stray",
        ),
    ];
    for (language, promise, handler, source, error_type, message) in rows {
        let file = match language {
            Lang::Python => "app.py",
            Lang::Node => "app.js",
        };
        let bench = Bench::new(*language, handler, &[(file, source)]);
        let (error, tail) = bench.init_failure().await;
        assert_eq!(error["errorType"], *error_type, "{promise}");
        assert_eq!(error["errorMessage"], *message, "{promise}");
        let trace = match language {
            Lang::Python => &error["stackTrace"],
            Lang::Node => &error["trace"],
        };
        assert!(trace.is_array(), "{promise}");
        assert!(
            tail.contains(&format!(
                "Phase: init\tStatus: error\tError Type: {error_type}"
            )),
            "{tail}"
        );
    }
}

#[tokio::test]
async fn a_missing_module_of_node_says_who_required_it() {
    let bench = Lang::Node.bench("require('nowhere');\n");
    let (error, _) = bench.init_failure().await;
    assert_eq!(error["errorType"], "Runtime.ImportModuleError");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(
        message.starts_with("Error: Cannot find module 'nowhere'\nRequire stack:\n- "),
        "{message}"
    );
    assert!(message.contains("task/app.js"), "{message}");
}

#[tokio::test]
async fn a_syntax_error_shows_the_users_file_and_line() {
    for (language, file, source) in [
        (
            Lang::Python,
            "app.py",
            "x = 1\ndef handler(event context):\n    pass\n",
        ),
        (
            Lang::Node,
            "app.js",
            "const x = 1;\nexports.handler = async (event context) => {};\n",
        ),
        (
            Lang::Node,
            "app.mjs",
            "const x = 1;\nexport const handler = async (event context) => {};\n",
        ),
    ] {
        let bench = Bench::new(language, "app.handler", &[(file, source)]);
        let (error, _) = bench.init_failure().await;
        assert_eq!(
            error["errorType"],
            "Runtime.UserCodeSyntaxError",
            "{file} {error} {:?}",
            bench.log.stdout()
        );
        let shown = error.to_string();
        assert!(shown.contains(file), "{shown}");
        assert!(
            shown.contains("ine 2") || shown.contains(&format!("{file}:2")),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_process_that_ends_in_its_init_says_how() {
    for (language, source, message) in [
        (
            Lang::Python,
            "import os\nos._exit(3)\n",
            "Error: Runtime exited with error: exit status 3",
        ),
        (
            Lang::Python,
            "import sys\nsys.exit(1)\n",
            "Error: Runtime exited with error: exit status 1",
        ),
        (
            Lang::Node,
            "process.exit(0);\n",
            "Error: Runtime exited without providing a reason",
        ),
        (
            Lang::Node,
            "process.kill(process.pid, 'SIGKILL'); for (;;);\n",
            "Error: Runtime exited with error: signal: killed",
        ),
    ] {
        let (error, _) = language.bench(source).init_failure().await;
        assert_eq!(
            error,
            json!({"errorType": "Runtime.ExitError", "errorMessage": message})
        );
    }
}

#[tokio::test]
async fn a_missing_interpreter_is_the_machines_fault() {
    let mut bench = Lang::Python.bench("");
    bench.function.toolchain.interpreter = "/nowhere/python3".into();
    let Err(StartError::Machine { reason }) = bench.start().await else {
        panic!("it started")
    };
    assert!(
        reason.starts_with("no interpreter is at `/nowhere/python3`"),
        "{reason}"
    );
}

async fn raised(bench: &mut Bench) -> (Value, String) {
    let mut instance = bench.start().await.unwrap();
    let completion = bench.invoke(&mut instance, "{}").await;
    let Verdict::Raised(error) = completion.verdict else {
        panic!("{:?}", completion.verdict)
    };
    // A handler that threw leaves its instance well.
    let again = bench.invoke(&mut instance, "{}").await;
    assert!(matches!(again.verdict, Verdict::Raised(_)));
    (json(&error), text(&completion.log_tail))
}

#[tokio::test]
async fn python_errors_carry_type_message_request_and_stack() {
    let mut bench = Lang::Python.bench(
        "def inner():\n    raise KeyError('id')\ndef handler(event, context):\n    inner()\n",
    );
    let (error, tail) = raised(&mut bench).await;
    let file = "/var/task/app.py";
    assert_eq!(error["errorType"], "KeyError");
    assert_eq!(error["errorMessage"], "'id'");
    assert_eq!(error["requestId"], "request-1");
    let stack = error["stackTrace"].as_array().unwrap();
    assert_eq!(stack.len(), 2);
    assert_eq!(
        stack[0],
        format!("  File \"{file}\", line 4, in handler\n    inner()\n")
    );
    assert!(
        tail.contains("[ERROR] KeyError: 'id'\nTraceback (most recent call last):\n"),
        "{tail}"
    );
}

#[tokio::test]
async fn python_results_that_json_cannot_hold_are_marshal_errors() {
    let rows = [
        (
            "return object()",
            "Unable to marshal response: Object of type object is not JSON serializable",
        ),
        (
            "return {1, 2}",
            "Unable to marshal response: Object of type set is not JSON serializable",
        ),
        (
            "a = []; a.append(a); return a",
            "Unable to marshal response: Circular reference detected",
        ),
        (
            "a = {}; a['t'] = (a,); return a",
            "Unable to marshal response: Circular reference detected",
        ),
        (
            "return {'a': b'\\xff'}",
            "Unable to marshal response: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        ),
    ];
    for (body, message) in rows {
        let mut bench = Lang::Python.bench(&format!("def handler(event, context):\n    {body}\n"));
        let (error, _) = raised(&mut bench).await;
        assert_eq!(error["errorType"], "Runtime.MarshalError", "{body}");
        assert_eq!(error["errorMessage"], message, "{body}");
        assert_eq!(error["stackTrace"], json!([]));
    }
}

#[tokio::test]
async fn node_errors_carry_type_message_and_trace() {
    let rows: &[(&str, &str, &str)] = &[
        (
            "async () => { throw new TypeError('no'); }",
            "TypeError",
            "no",
        ),
        (
            "() => { throw new RangeError('sync'); }",
            "RangeError",
            "sync",
        ),
        (
            "(e, c, callback) => callback(new Error('called back'))",
            "Error",
            "called back",
        ),
        ("(e, c, callback) => callback('plain')", "string", "plain"),
        (
            "(e, context) => context.fail({})",
            "object",
            "[object Object]",
        ),
        ("(e, context) => context.fail()", "string", "handled"),
        ("(e, context) => context.done(new Error('d'))", "Error", "d"),
        ("async () => { throw 'text'; }", "string", "text"),
        (
            "async () => { const e = new Error('n'); e.name = 'NotFound'; throw e; }",
            "NotFound",
            "n",
        ),
        (
            "async () => { const a = {}; a.a = a; return a; }",
            "Error",
            "Unable to stringify response body",
        ),
        (
            "async () => 10n",
            "Error",
            "Unable to stringify response body",
        ),
    ];
    for (handler, error_type, message) in rows {
        let mut bench = Lang::Node.bench(&format!("exports.handler = {handler};\n"));
        bench.function.runtime.major = 20;
        let (error, tail) = raised(&mut bench).await;
        assert_eq!(error["errorType"], *error_type, "{handler}");
        assert_eq!(error["errorMessage"], *message, "{handler}");
        assert!(error["trace"].is_array(), "{handler}");
        assert!(
            tail.contains("\trequest-1\tERROR\tInvoke Error \t{\"errorType\":"),
            "{tail}"
        );
    }
}

#[tokio::test]
async fn errors_that_nobody_catches_end_the_process() {
    let rows: &[(&str, &str, &str)] = &[
        (
            "() => { setTimeout(() => { throw new Error('later'); }, 1); }",
            "Error",
            "later",
        ),
        (
            "() => new Promise(() => { Promise.reject(new Error('stray')); setTimeout(() => {}, 5000); })",
            "Runtime.UnhandledPromiseRejection",
            "Error: stray",
        ),
    ];
    for (handler, error_type, message) in rows {
        let mut bench = Lang::Node.bench(&format!("exports.handler = {handler};\n"));
        bench.function.runtime.major = 20;
        let mut instance = bench.start().await.unwrap();
        let completion = bench.invoke(&mut instance, "{}").await;
        let Verdict::Exited(error) = completion.verdict else {
            panic!("{:?}", completion.verdict)
        };
        assert_eq!(json(&error)["errorType"], *error_type);
        assert_eq!(json(&error)["errorMessage"], *message);
        instance.lost().await;
    }
}

#[tokio::test]
async fn an_invalid_event_is_the_functions_error() {
    for (language, source, error_type) in [
        (
            Lang::Python,
            "def handler(event, context):\n    pass\n",
            "Runtime.UnmarshalError",
        ),
        (
            Lang::Node,
            "exports.handler = async () => {};\n",
            "SyntaxError",
        ),
    ] {
        let mut bench = language.bench(source);
        let completion = bench.once("{no json").await;
        let Verdict::Raised(error) = completion.verdict else {
            panic!("{language:?}")
        };
        assert_eq!(json(&error)["errorType"], error_type);
    }
}
