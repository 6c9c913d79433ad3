//! What handlers may be, take and give.

use bytes::Bytes;
use interfaces::runtime::Verdict;
use serde_json::json;

use crate::harness::{Bench, Lang, interpreter, json, text, write};

/// One promise: a handler's source, its event, and the bytes that it must return.
async fn check(language: Lang, promise: &str, source: &str, event: &str, expected: &str) {
    let mut bench = language.bench(source);
    let completion = bench.once(event).await;
    match completion.verdict {
        Verdict::Returned(found) => assert_eq!(text(&found), expected, "{promise}"),
        other => panic!("{promise}: {other:?}\n{}", text(&completion.log_tail)),
    }
}

#[tokio::test]
async fn python_returns_what_json_makes_of_the_result() {
    let (_, version) = interpreter(Lang::Python);
    let minor: u32 = version.split('.').nth(1).unwrap().parse().unwrap();
    let accented = if minor < 12 { r#""\u00e9""# } else { r#""é""# };
    let rows: &[(&str, &str, &str, &str)] = &[
        (
            "the event as it was",
            "return event",
            r#"{"a": [1, 2.5, null, true]}"#,
            r#"{"a": [1, 2.5, null, true]}"#,
        ),
        ("nothing is null", "pass", "{}", "null"),
        ("a text is a JSON text", "return 'hi'", "{}", r#""hi""#),
        (
            "characters beyond ASCII by version",
            "return 'é'",
            "{}",
            accented,
        ),
        (
            "a decimal is a number",
            "import decimal; return {'n': decimal.Decimal('1.10'), 'm': [decimal.Decimal('2')]}",
            "{}",
            r#"{"n": 1.10, "m": [2]}"#,
        ),
        (
            "a named tuple is an object",
            "import collections; return [collections.namedtuple('P', 'a b')(1, 2)]",
            "{}",
            r#"[{"a": 1, "b": 2}]"#,
        ),
        (
            "bytes inside are text",
            "return {'a': b'x', b'k': (1, 2)}",
            "{}",
            r#"{"a": "x", "k": [1, 2]}"#,
        ),
        (
            "bytes alone go out as they are",
            "return b'<raw>'",
            "{}",
            "<raw>",
        ),
        (
            "not a number is written as such",
            "return float('nan')",
            "{}",
            "NaN",
        ),
        (
            "keys become texts",
            "return {1: 2, None: 3}",
            "{}",
            r#"{"1": 2, "null": 3}"#,
        ),
    ];
    for (promise, body, event, expected) in rows {
        let source = format!("def handler(event, context):\n    {body}\n");
        check(Lang::Python, promise, &source, event, expected).await;
    }
}

#[expect(clippy::too_many_lines, reason = "one table")]
#[tokio::test]
async fn node_replies_in_every_way_that_the_managed_runtime_knows() {
    let rows: &[(&str, &str, &str)] = &[
        ("a promise", "async () => ({ a: 1 })", r#"{"a":1}"#),
        (
            "an async handler without a result",
            "async () => {}",
            "null",
        ),
        (
            "a callback",
            "(e, c, callback) => callback(null, 'x')",
            r#""x""#,
        ),
        (
            "a callback that comes later",
            "(e, c, callback) => { setTimeout(() => callback(null, 2), 5); }",
            "2",
        ),
        (
            "a result without a promise does not count",
            "() => 'lost'",
            "null",
        ),
        (
            "a handler that never calls back, once the loop is empty",
            "(e, c, callback) => {}",
            "null",
        ),
        (
            "a promise that never settles, once the loop is empty",
            "() => new Promise(() => {})",
            "null",
        ),
        (
            "succeed",
            "(e, context) => context.succeed({ b: 2 })",
            r#"{"b":2}"#,
        ),
        ("done", "(e, context) => context.done(null, 3)", "3"),
        (
            "the first reply counts",
            "(e, context) => { context.succeed(1); context.succeed(2); }",
            "1",
        ),
        (
            "a foreign promise",
            "() => ({ then: (resolve) => resolve(7) })",
            "7",
        ),
        (
            "what JSON leaves out",
            "async () => ({ f() {}, u: undefined, n: NaN, d: new Date(0) })",
            r#"{"n":null,"d":"1970-01-01T00:00:00.000Z"}"#,
        ),
        ("a function is nothing", "async () => () => {}", "null"),
        (
            "a stream",
            "awslambda.streamifyResponse(async (e, stream) => { stream.write('a'); stream.end('b'); })",
            "ab",
        ),
        (
            "a stream with a head",
            "awslambda.streamifyResponse(async (e, s) => { s = awslambda.HttpResponseStream.from(s, { statusCode: 201 }); s.write('b'); s.end(); })",
            "{\"statusCode\":201}\0\0\0\0\0\0\0\0b",
        ),
    ];
    for (promise, handler, expected) in rows {
        let mut bench = Lang::Node.bench(&format!("exports.handler = {handler};\n"));
        // The callbacks end with Node.js 22.
        bench.function.runtime.major = 22;
        let completion = bench.once("{}").await;
        match completion.verdict {
            Verdict::Returned(found) => assert_eq!(text(&found), *expected, "{promise}"),
            other => panic!("{promise}: {other:?}\n{}", text(&completion.log_tail)),
        }
    }
}

#[tokio::test]
async fn from_node_24_on_results_count_and_callbacks_are_refused() {
    let mut bench = Lang::Node.bench("exports.handler = () => 'kept';\n");
    bench.function.runtime.major = 24;
    assert_eq!(bench.returned("{}").await, json!("kept"));

    let mut bench = Lang::Node.bench("exports.handler = (e, c, callback) => callback(null, 1);\n");
    bench.function.runtime.major = 24;
    let (error, _) = bench.init_failure().await;
    assert_eq!(error["errorType"], "Runtime.CallbackHandlerDeprecated");
}

#[tokio::test]
async fn a_callback_waits_for_an_empty_event_loop_unless_told_otherwise() {
    let source = |wait: &str| {
        format!(
            "let late = 'no'; exports.handler = (event, context, callback) => {{\n\
               context.callbackWaitsForEmptyEventLoop = {wait};\n\
               const seen = late;\n\
               setTimeout(() => {{ late = 'yes'; }}, 30);\n\
               callback(null, {{ get seen() {{ return [seen, late]; }} }});\n}};\n"
        )
    };
    let mut bench = Lang::Node.bench(&source("true"));
    bench.function.runtime.major = 20;
    assert_eq!(bench.returned("{}").await, json!({"seen": ["no", "yes"]}));

    let mut bench = Lang::Node.bench(&source("false"));
    bench.function.runtime.major = 20;
    let mut instance = bench.start().await.unwrap();
    let first = bench.invoke(&mut instance, "{}").await;
    assert_eq!(
        first.verdict,
        Verdict::Returned(Bytes::from_static(br#"{"seen":["no","no"]}"#))
    );
}

#[tokio::test]
async fn timers_left_over_run_during_the_next_invocation() {
    let source = "const fired = []; exports.handler = async (event) => {\n\
        if (event.first) { setTimeout(() => fired.push('late'), 20); return 'first'; }\n\
        const before = [...fired]; await new Promise((r) => setTimeout(r, 5)); return [before, fired]; };\n";
    let mut bench = Lang::Node.bench(source);
    let mut instance = bench.start().await.unwrap();
    bench.invoke(&mut instance, r#"{"first": true}"#).await;
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    let second = bench.invoke(&mut instance, "{}").await;
    assert_eq!(
        second.verdict,
        Verdict::Returned(Bytes::from_static(br#"[[],["late"]]"#))
    );
}

#[tokio::test]
async fn handlers_are_found_where_their_names_say() {
    let python = "def f(event, context):\n    return __name__\n";
    let node = |word: &str| {
        format!("exports.f = async () => '{word}'; exports.a = {{ b: {{ c: exports.f }} }};\n")
    };
    let rows: &[(Lang, &str, &str, &str, &str)] = &[
        (
            Lang::Python,
            "in a package",
            "src.app.f",
            "src/app.py",
            "src.app",
        ),
        (
            Lang::Python,
            "in a folder",
            "src/deep/app.f",
            "src/deep/app.py",
            "src.deep.app",
        ),
        (
            Lang::Python,
            "in a package's init",
            "pkg.f",
            "pkg/__init__.py",
            "pkg",
        ),
        (
            Lang::Node,
            "in a folder",
            "src/app.f",
            "src/app.js",
            "found",
        ),
        (
            Lang::Node,
            "inside an export",
            "app.a.b.c",
            "app.js",
            "found",
        ),
        (Lang::Node, "in a .cjs file", "app.f", "app.cjs", "found"),
        (
            Lang::Node,
            "in a file without an ending",
            "app.f",
            "app",
            "found",
        ),
        (
            Lang::Node,
            "in a package",
            "pkg.f",
            "node_modules/pkg/index.js",
            "found",
        ),
    ];
    for (language, promise, handler, file, expected) in rows {
        let source = match language {
            Lang::Python => python.to_owned(),
            Lang::Node => node("found"),
        };
        let mut bench = Bench::new(*language, handler, &[(file, &source)]);
        assert_eq!(bench.returned("{}").await, json!(expected), "{promise}");
    }
}

#[tokio::test]
async fn es_modules_load_with_top_level_await() {
    let module =
        "const word = await Promise.resolve('esm');\nexport const handler = async () => word;\n";
    let rows: &[&[(&str, &str)]] = &[
        &[("app.mjs", module)],
        &[
            ("app.js", module),
            ("package.json", r#"{"type": "module"}"#),
        ],
    ];
    for files in rows {
        let mut bench = Bench::new(Lang::Node, "app.handler", files);
        assert_eq!(bench.returned("{}").await, json!("esm"));
    }
}

#[tokio::test]
async fn the_projects_own_modules_win_over_layers_and_those_over_ours() {
    for (language, files) in [
        (
            Lang::Python,
            [
                ("one.py", "name = 'WHERE'\n"),
                ("two.py", "name = 'WHERE'\n"),
                ("three.py", "name = 'WHERE'\n"),
            ],
        ),
        (
            Lang::Node,
            [
                ("one/index.js", "module.exports = 'WHERE';\n"),
                ("two/index.js", "module.exports = 'WHERE';\n"),
                ("three/index.js", "module.exports = 'WHERE';\n"),
            ],
        ),
    ] {
        let sources = match language {
            Lang::Python => vec![(
                "app.py",
                "import one, two, three\ndef handler(event, context):\n    return [one.name, two.name, three.name]\n",
            )],
            Lang::Node => vec![
                (
                    "app.js",
                    "exports.handler = async () => ['one', 'two', 'three'].map((n) => require(n));\n",
                ),
                (
                    "esm.mjs",
                    "import one from 'one'; import two from 'two'; import three from 'three';\nexport const handler = async () => [one, two, three];\n",
                ),
            ],
        };
        let mut bench = Bench::new(language, "app.handler", &sources);
        let layer_modules = match language {
            Lang::Python => "layer/python",
            Lang::Node => "layer/nodejs/node_modules",
        };
        for (place, count) in [
            ("own/node_modules", 1),
            (layer_modules, 2),
            ("sdk/node_modules", 3),
        ] {
            for (name, source) in &files[..count] {
                write(
                    &bench.path(place).join(name),
                    &source.replace("WHERE", place.split('/').next().unwrap()),
                );
            }
        }
        bench.function.layers = vec![bench.path("layer")];
        bench.function.toolchain.dependency_paths = vec![bench.path("own/node_modules")];
        bench.function.toolchain.sdk_paths = vec![bench.path("sdk/node_modules")];
        assert_eq!(
            bench.returned("{}").await,
            json!(["own", "layer", "sdk"]),
            "{language:?}"
        );
        if language == Lang::Node {
            bench.function.handler = "esm.handler".to_owned();
            assert_eq!(
                bench.returned("{}").await,
                json!(["own", "layer", "sdk"]),
                "an ES module"
            );
        }
    }
}

#[tokio::test]
async fn the_context_is_complete() {
    let python = "def handler(event, c):\n    left = c.get_remaining_time_in_millis()\n    return [c.function_name, c.function_version, c.invoked_function_arn, c.memory_limit_in_mb, c.aws_request_id,\n        c.log_group_name, c.log_stream_name[10:20], c.client_context.custom, c.client_context.client.app_title,\n        c.identity.cognito_identity_id, c.tenant_id, 15000 < left <= 20000]\n";
    let node = "exports.handler = async (event, c) => { const left = c.getRemainingTimeInMillis();\n    return [c.functionName, c.functionVersion, c.invokedFunctionArn, c.memoryLimitInMB, c.awsRequestId,\n        c.logGroupName, c.logStreamName.slice(10, 20), c.clientContext.custom, c.clientContext.client.app_title,\n        c.identity ?? null, c.tenantId ?? null, 15000 < left && left <= 20000]; };\n";
    for (language, source) in [(Lang::Python, python), (Lang::Node, node)] {
        let bench = language.bench(source);
        let mut instance = bench.start().await.unwrap();
        let mut event = bench.event("{}");
        event.client_context = Some(Bytes::from_static(
            br#"{"custom": {"k": "v"}, "client": {"app_title": "Shop"}}"#,
        ));
        let Verdict::Returned(found) = instance.invoke(event).await.verdict else {
            panic!("{language:?}: {:?}", bench.log.stdout());
        };
        let expected = json!([
            "shop-dev-hello", "$LATEST", "arn:aws:lambda:eu-west-1:000000000000:function:shop-dev-hello", "256",
            "request-0", "/aws/lambda/shop-dev-hello", "/[$LATEST]", {"k": "v"}, "Shop", null, null, true
        ]);
        assert_eq!(json(&found), expected, "{language:?}");
    }
}

#[tokio::test]
async fn payloads_pass_untouched_up_to_the_limit() {
    // With the quotes and the digits: one below, exactly, and one above what is passed on.
    let limit = 6 * 1024 * 1024 + 100;
    for (language, source) in [
        (
            Lang::Python,
            "def handler(event, context):\n    return 'x' * event\n",
        ),
        (
            Lang::Node,
            "exports.handler = async (event) => 'x'.repeat(event);\n",
        ),
    ] {
        let mut bench = language.bench(source);
        let mut instance = bench.start().await.unwrap();
        for bytes in [limit - 1, limit] {
            let completion = bench.invoke(&mut instance, &(bytes - 2).to_string()).await;
            let Verdict::Returned(found) = completion.verdict else {
                panic!("{language:?} {bytes}")
            };
            assert_eq!(found.len(), bytes);
        }
        let completion = bench.invoke(&mut instance, &(limit - 1).to_string()).await;
        let Verdict::ResponseTooLarge(error) = completion.verdict else {
            panic!("{language:?}")
        };
        assert_eq!(json(&error)["errorType"], "Function.ResponseSizeTooLarge");
        // The instance lives on, and takes a large event too.
        let event = format!("{}3", " ".repeat(6 * 1024 * 1024 - 1));
        let completion = bench.invoke(&mut instance, &event).await;
        assert_eq!(
            completion.verdict,
            Verdict::Returned(Bytes::from_static(br#""xxx""#))
        );
    }
}
