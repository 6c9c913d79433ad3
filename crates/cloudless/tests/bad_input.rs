//! Bad input: what people and attackers send gets a clear answer, and the server goes on.
//!
//! Lives here: broken manifests, broken user code, broken HTTP, through the real binary.
//! Does not live here: what correct input does (`semantics`), each parser's own corner cases (their crates).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure real time"
)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use support::{Dev, project, run, text};

const HEAD: &str = "service: app\nprovider: { name: aws, runtime: nodejs20.x }\n";
const HANDLER: &str = "exports.a = async () => 'a';\n";

/// A name as a sentence, the manifest's file and text, and what the output must hold.
type ManifestCase = (&'static str, &'static str, String, &'static [&'static str]);

fn under_head(text: &str) -> String {
    format!("{HEAD}{text}")
}

/// Nine to the power of eleven values, in half a kilobyte.
fn alias_bomb() -> String {
    let mut text = under_head("custom:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("  a{level}: &a{level} [{aliases}]\n"));
    }
    text
}

fn manifests_that_would_not_run() -> Vec<ManifestCase> {
    let sls = "serverless.yml";
    vec![
        (
            "a bracket that is never closed",
            sls,
            "service: app\nprovider: { name: aws\nfunctions:\n".to_owned(),
            &["error[parse::yaml]", "serverless.yml:3:10"],
        ),
        (
            "a tab that indents",
            sls,
            "service: app\nprovider:\n\tname: aws\n".to_owned(),
            &[
                "error[parse::tab]",
                "serverless.yml:3:",
                "help: indent with spaces",
            ],
        ),
        (
            "a key that stands twice",
            sls,
            under_head("functions:\n  a: { handler: handler.a }\n  a: { handler: handler.b }\n"),
            &[
                "the key `a` stands here twice",
                "serverless.yml:5:3",
                "serverless.yml:4:3",
            ],
        ),
        (
            "values of the wrong type",
            sls,
            under_head(
                "functions:\n  a:\n    handler: handler.a\n    memorySize: lots\n    timeout: [1]\n",
            ),
            &[
                "serverless.yml:6:17",
                "not a whole number",
                "serverless.yml:7:14",
                "not a number",
            ],
        ),
        (
            "a function that is a list",
            sls,
            under_head("functions:\n  a: [handler.a]\n"),
            &["error[", "serverless.yml:4:"],
        ),
        (
            "aliases that grow beyond all bounds",
            sls,
            alias_bomb(),
            &[
                "error[parse::too-large]",
                "serverless.yml:",
                "help: use fewer aliases",
            ],
        ),
        (
            "an alias of itself",
            sls,
            under_head("custom: &a [*a]\n"),
            &["error[parse::alias-of-itself]", "serverless.yml:3:"],
        ),
        (
            "a hundred thousand brackets",
            sls,
            under_head(&format!("custom: {}\n", "[".repeat(100_000))),
            &["error[parse::too-deep]", "serverless.yml:3:"],
        ),
    ]
}

fn manifests_with_wrong_contents() -> Vec<ManifestCase> {
    let sls = "serverless.yml";
    vec![
        (
            "variables in a circle",
            sls,
            under_head("custom:\n  a: ${self:custom.b}\n  b: ${self:custom.a}\n"),
            &["error[manifest::circular-variables]", "serverless.yml:"],
        ),
        (
            "an empty manifest",
            sls,
            String::new(),
            &["error[manifest::not-a-mapping]", "help: begin it with `service:`"],
        ),
        (
            "an unknown key with a typing mistake, in SAM",
            "template.yaml",
            "Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Handler: handler.a\n      Runtime: nodejs20.x\n      CodeUri: .\n      Tmeout: 3\n".to_owned(),
            &["`F` has no property `Tmeout`", "template.yaml:9:7", "help: did you mean `Timeout`?"],
        ),
        (
            "a type that does not exist, in CloudFormation",
            "template.yaml",
            "Resources:\n  F:\n    Type: AWS::Lambda::Funktion\n".to_owned(),
            &["error[", "AWS::Lambda::Funktion", "template.yaml:3:"],
        ),
        (
            "a module that ends its process instead of exporting",
            sls,
            under_head("custom: ${file(./quits.js):nothing}\nfuntions: {}\n"),
            &["`funtions`", "error[project::module-failed]", "`quits.js` could not be evaluated", "it ended with exit status: 4, and said nothing"],
        ),
        (
            "a handler file that is missing",
            sls,
            under_head("functions:\n  a: { handler: nothere.a }\n"),
            &["error[build::handler-missing]", "serverless.yml:4:3", "`nothere.js`"],
        ),
    ]
}

#[test]
fn check_explains_every_broken_manifest_with_its_place_and_exits_with_one() {
    let cases = manifests_that_would_not_run().into_iter();
    for (name, file, manifest, expected) in cases.chain(manifests_with_wrong_contents()) {
        let folder = project(&[
            (file, &manifest),
            ("handler.js", HANDLER),
            ("quits.js", "process.exit(4);\n"),
        ]);
        let began = Instant::now();
        let output = run(&["check"], folder.path());
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{name}:\n{said}");
        for part in expected {
            assert!(said.contains(part), "{name}: `{part}` is not in\n{said}");
        }
        assert!(said.len() < 10_000, "{name}: too long an answer");
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{name}: took {:?}",
            began.elapsed()
        );
    }
}

#[test]
fn a_key_that_the_serverless_framework_only_warns_of_is_named_and_the_rest_runs() {
    let manifest = under_head("functions:\n  a:\n    handler: handler.a\n    memry: 128\n");
    let folder = project(&[("serverless.yml", &manifest), ("handler.js", HANDLER)]);
    let output = run(&["check"], folder.path());
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    for part in ["`functions.a` has no key `memry`", "serverless.yml:6:5"] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}

#[test]
fn a_manifest_that_is_not_text_or_not_a_file_is_refused() {
    let folder = project(&[]);
    std::fs::write(folder.path().join("serverless.yml"), b"service: \xff\xfe\n").unwrap();
    let output = run(&["check"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot read `serverless.yml`"));

    let folder = project(&[("serverless.yml/inside", "")]);
    let output = run(&["check"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("error[project::"));
}

#[test]
fn a_manifest_that_becomes_a_folder_a_pipe_or_endless_is_explained_and_the_last_good_one_goes_on() {
    let (folder, dev) = echo_server();
    let manifest = folder.path().join("serverless.yml");
    let explained = |cause: &str| {
        dev.wait_for_log(cause);
        assert_eq!(dev.get("/plain").status, 200, "after {cause}");
    };
    std::fs::remove_file(&manifest).unwrap();
    std::fs::create_dir(&manifest).unwrap();
    explained("cannot read `serverless.yml`");
    std::fs::remove_dir(&manifest).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&manifest).status();
    assert!(made.unwrap().success());
    std::thread::sleep(Duration::from_millis(500));
    std::fs::remove_file(&manifest).unwrap();
    std::fs::File::create(&manifest)
        .unwrap()
        .set_len(8 << 30)
        .unwrap();
    explained("it is larger than");
    let good = ECHO_MANIFEST.replace("ANY /rest", "ANY /again");
    std::fs::write(&manifest, good).unwrap();
    support::eventually(|| (dev.get("/dev/again").status == 200).then_some(()))
        .unwrap_or_else(|| panic!("the new manifest is read:\n{}", dev.log()));
    dev.stop();
}

#[test]
fn a_state_that_cannot_be_kept_is_explained() {
    let manifest = under_head("functions: { a: { handler: handler.a } }\n");
    let folder = project(&[
        ("serverless.yml", &manifest),
        ("handler.js", HANDLER),
        ("broken/store.sqlite", &"no database".repeat(500)),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("taken"));
    for (state, cause, help) in [
        ("handler.js", "File exists", "or name another: --state DIR"),
        (
            "handler.js/inside",
            "Not a directory",
            "or name another: --state DIR",
        ),
        (
            "broken",
            "file is not a database",
            "if its data can go, remove the folder",
        ),
        ("/proc/none", "No such file", "or name another: --state DIR"),
        (
            "taken",
            "is in use by another process",
            "stop the other, or give this one --state DIR",
        ),
    ] {
        let arguments = [
            "dev",
            "--port",
            "0",
            "--services-port",
            "0",
            "--state",
            state,
        ];
        let output = run(&arguments, folder.path());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{state}: {said}");
        for part in ["cannot be opened", cause, help] {
            assert!(said.contains(part), "{state}: `{part}` is not in\n{said}");
        }
    }
    dev.stop();
}

#[test]
fn an_event_that_no_function_could_get_is_explained() {
    let manifest = under_head("functions: { a: { handler: handler.a } }\n");
    let large = format!("\"{}\"", "x".repeat(7 << 20));
    let folder = project(&[
        ("serverless.yml", &manifest),
        ("handler.js", HANDLER),
        ("broken.json", "{ name: 1 }"),
        ("large.json", &large),
    ]);
    for (event, cause) in [
        (
            "broken.json",
            "it is not JSON: key must be a string at line 1 column 3",
        ),
        ("large.json", "it is over Lambda's limit of 6291456 bytes"),
        ("none.json", "No such file"),
        (".", "Is a directory"),
    ] {
        let output = run(&["invoke", "a", "--event", event], folder.path());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{event}: {said}");
        for part in [&format!("cannot read the event `{event}`"), cause] {
            assert!(said.contains(part), "{event}: `{part}` is not in\n{said}");
        }
    }
}

const HOSTILE_MANIFEST: &str = "
service: hostile
provider: { name: aws, runtime: nodejs20.x }
functions:
  fine: { handler: node.fine, events: [{ httpApi: GET /node/fine }] }
  missing: { handler: nothere.x, events: [{ httpApi: GET /node/missing }] }
  noexport: { handler: node.nope, events: [{ httpApi: GET /node/noexport }] }
  syntax: { handler: broken.x, events: [{ httpApi: GET /node/syntax }] }
  exits: { handler: node.exits, events: [{ httpApi: GET /node/exits }] }
  floods: { handler: node.floods, timeout: 28, events: [{ httpApi: GET /node/floods }] }
  large: { handler: node.large, events: [{ httpApi: GET /node/large }] }
  cycle: { handler: node.cycle, events: [{ httpApi: GET /node/cycle }] }
  never: { handler: node.never, timeout: 1, events: [{ httpApi: GET /node/never }] }
  spins: { handler: node.spins, timeout: 1, events: [{ httpApi: GET /node/spins }] }
  forges: { handler: node.forges, timeout: 5, events: [{ httpApi: GET /node/forges }] }
  pythonfine: { runtime: python3.11, handler: snake.fine, events: [{ httpApi: GET /python/fine }] }
  pythonmissing: { runtime: python3.11, handler: nothere.x, events: [{ httpApi: GET /python/missing }] }
  pythonnoexport: { runtime: python3.11, handler: snake.nope, events: [{ httpApi: GET /python/noexport }] }
  pythonsyntax: { runtime: python3.11, handler: crushed.x, events: [{ httpApi: GET /python/syntax }] }
  pythonexits: { runtime: python3.11, handler: snake.exits, events: [{ httpApi: GET /python/exits }] }
  pythonfloods: { runtime: python3.11, handler: snake.floods, timeout: 28, events: [{ httpApi: GET /python/floods }] }
  pythonlarge: { runtime: python3.11, handler: snake.large, events: [{ httpApi: GET /python/large }] }
  pythoncycle: { runtime: python3.11, handler: snake.cycle, events: [{ httpApi: GET /python/cycle }] }
  pythonnever: { runtime: python3.11, handler: snake.never, timeout: 1, events: [{ httpApi: GET /python/never }] }
  pythonforges: { runtime: python3.11, handler: snake.forges, timeout: 5, events: [{ httpApi: GET /python/forges }] }
";
const HOSTILE_NODE: &str = r"
const fs = require('fs');
exports.fine = async () => 'fine';
exports.exits = async () => { process.exit(3); };
exports.floods = async () => { for (let i = 0; i < 120000; i++) console.log('flood', i); return 'flooded'; };
exports.large = async () => 'x'.repeat(7 * 1024 * 1024);
exports.cycle = async () => { const all = {}; all.all = all; return all; };
exports.never = () => new Promise(() => { setInterval(() => {}, 1000); });
exports.spins = async () => { for (;;) {} };
exports.forges = async () => {
  for (let fd = 3; fd < 64; fd++) { try { fs.writeSync(fd, '\x00\x00\x00\x05hello'); } catch {} }
  return 'forged';
};
";
const HOSTILE_PYTHON: &str = r"
import os, sys, time

def fine(event, context):
    return 'fine'

def exits(event, context):
    sys.exit(3)

def floods(event, context):
    for number in range(120000):
        print('flood', number)
    return 'flooded'

def large(event, context):
    return 'x' * (7 * 1024 * 1024)

def cycle(event, context):
    everything = {}
    everything['everything'] = everything
    return everything

def never(event, context):
    while True:
        time.sleep(1)

def forges(event, context):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b'\x00\x00\x00\x05hello')
        except OSError:
            pass
    return 'forged'
";

/// Path, status, and what the terminal must show.
const USER_CODE: &[(&str, u16, &str)] = &[
    (
        "/node/missing",
        500,
        "`nothere.js` is not in its code folder",
    ),
    (
        "/python/missing",
        500,
        "`nothere.py` is not in its code folder",
    ),
    (
        "/node/noexport",
        500,
        "node.nope is undefined or not exported",
    ),
    (
        "/python/noexport",
        500,
        "Handler 'nope' missing on module 'snake'",
    ),
    ("/node/syntax", 500, "broken.js:2"),
    ("/python/syntax", 500, "(crushed.py, line 2)"),
    (
        "/node/exits",
        500,
        "Runtime exited with error: exit status 3",
    ),
    (
        "/python/exits",
        500,
        "Runtime exited with error: exit status 3",
    ),
    ("/node/floods", 200, "/node/floods 200"),
    ("/python/floods", 200, "/python/floods 200"),
    (
        "/node/large",
        500,
        "is over Lambda's limit of 6291456 bytes",
    ),
    (
        "/python/large",
        500,
        "is over Lambda's limit of 6291456 bytes",
    ),
    ("/node/cycle", 500, "Unable to stringify response body"),
    ("/python/cycle", 500, "Circular reference detected"),
    ("/node/never", 500, "Task timed out after 1.00 seconds"),
    ("/node/spins", 500, "Task timed out after 1.00 seconds"),
    ("/python/never", 500, "Task timed out after 1.00 seconds"),
    ("/node/forges", 500, "so it was killed"),
    ("/python/forges", 500, "so it was killed"),
];

#[test]
fn broken_user_code_is_answered_and_explained_and_the_server_goes_on() {
    let folder = project(&[
        ("serverless.yml", HOSTILE_MANIFEST),
        ("node.js", HOSTILE_NODE),
        (
            "broken.js",
            "exports.x = async () => {\n  const a = ;\n};\n",
        ),
        ("snake.py", HOSTILE_PYTHON),
        ("crushed.py", "def x(event, context):\n    return (\n"),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    for (path, status, shown) in USER_CODE {
        let before = if path.ends_with("/missing") {
            0
        } else {
            dev.log().len()
        };
        let began = Instant::now();
        let reply = dev.get(path);
        assert_eq!(reply.status, *status, "{path}: {reply:?}");
        assert!(reply.body.len() < 1_000, "{path}: too long an answer");
        if *status == 500 {
            assert_eq!(
                reply.body, r#"{"message":"Internal Server Error"}"#,
                "{path}"
            );
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{path}: {:?}",
            began.elapsed()
        );
        let said = support::eventually(|| {
            let log = dev.log();
            let new = log.get(before..).unwrap_or_default().to_owned();
            new.contains(shown).then_some(())
        });
        assert!(said.is_some(), "{path}: `{shown}` is not in\n{}", dev.log());
        for fine in ["/node/fine", "/python/fine"] {
            assert_eq!(dev.get(fine).body, "fine", "after {path}");
        }
    }
    dev.stop();
}

#[test]
fn a_syntax_error_is_shown_with_its_line_of_code_on_lines_of_its_own() {
    let folder = project(&[
        ("serverless.yml", HOSTILE_MANIFEST),
        (
            "broken.js",
            "exports.x = async () => {\n  const a = ;\n};\n",
        ),
        ("crushed.py", "def x(event, context):\n    return (\n"),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    dev.get("/node/syntax");
    dev.get("/python/syntax");
    let log = dev.stop();
    for expected in [
        "broken.js:2\n          const a = ;",
        "crushed.py\" Line 2\n",
    ] {
        assert!(log.contains(expected), "`{expected}` is not in\n{log}");
    }
    let outdented = log.lines().find(|line| line.starts_with("Traceback"));
    assert_eq!(outdented, None, "lines of a log are indented:\n{log}");
}

const ECHO_MANIFEST: &str = "
service: echo
provider: { name: aws, runtime: nodejs20.x }
functions:
  echo:
    handler: handler.echo
    events:
      - httpApi: '*'
      - http: ANY /rest
      - http: ANY /files/{proxy+}
";
const ECHO: &str = "
exports.echo = async (event) => ({
  statusCode: 200,
  body: JSON.stringify([event.rawPath ?? event.path, event.pathParameters ?? null, (event.body ?? '').length]),
});
";

fn echo_server() -> (tempfile::TempDir, Dev) {
    let folder = project(&[("serverless.yml", ECHO_MANIFEST), ("handler.js", ECHO)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    (folder, dev)
}

/// What the client does after its bytes.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// It waits for the answer.
    Waits,
    /// It closes its side.
    Cut,
}

/// Sends, ends, and reads to the end. The server may answer before it has read all.
fn exchange(port: u16, bytes: &[u8], end: End) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(40)))
        .unwrap();
    let _answered_early = stream.write_all(bytes);
    if end == End::Cut {
        let _gone = stream.shutdown(Shutdown::Write);
    }
    let mut reply = Vec::new();
    let _reset = stream.read_to_end(&mut reply);
    text(&reply)
}

fn goes_on(dev: &Dev, after: &str) {
    for path in ["/plain", "/dev/rest"] {
        assert_eq!(dev.get(path).status, 200, "{path} after {after}");
    }
}

#[test]
fn hostile_paths_are_refused_or_handed_on_as_they_are_and_open_no_file() {
    // What the function sees, or none: 400.
    const CASES: &[(&str, Option<&str>)] = &[
        ("/plain%zz", None),
        ("/plain%", None),
        ("/dev/rest%2", None),
        ("/a%00b", None),
        ("/dev/files/a%00b", None),
        ("/dev/files/../../etc/passwd", Some("../../etc/passwd")),
        (
            "/dev/files/%2e%2e/%2e%2e/etc/passwd",
            Some("%2e%2e/%2e%2e/etc/passwd"),
        ),
        (
            "/dev/files/..%2f..%2fetc%2fpasswd",
            Some("..%2f..%2fetc%2fpasswd"),
        ),
        ("/../../etc/passwd", Some("/../../etc/passwd")),
        ("/plain?a=%zz&b=%00&c=%ff", Some("/plain")),
        ("/dev/rest?a=%zz&b=%00&c=%ff", Some("/rest")),
    ];
    let (_folder, dev) = echo_server();
    for (path, seen) in CASES {
        let reply = dev.get(path);
        match seen {
            None => {
                assert_eq!(reply.status, 400, "{path}: {reply:?}");
                assert!(reply.body.contains("Bad Request"), "{path}: {reply:?}");
            }
            Some(seen) => {
                assert_eq!(reply.status, 200, "{path}: {reply:?}");
                assert!(
                    reply.body.contains(&format!("\"{seen}\"")),
                    "{path}: {reply:?}"
                );
            }
        }
        assert!(!reply.body.contains("root:"), "{path}: {reply:?}");
        goes_on(&dev, path);
    }
    dev.stop();
}

/// Each head, and what the answer says. Behind each stands a second request that must not be answered.
const AMBIGUOUS: &[(&str, &str, &str)] = &[
    (
        "Content-Length and Transfer-Encoding",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "exclude one another",
    ),
    (
        "two lengths that differ",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "not one plain number",
    ),
    (
        "two lengths that agree",
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "not one plain number",
    ),
    (
        "a list of lengths",
        "Content-Length: 3, 3\r\n",
        "not one plain number",
    ),
    (
        "a length with a sign",
        "Content-Length: +3\r\n",
        "not one plain number",
    ),
    (
        "a length beyond all numbers",
        "Content-Length: 99999999999999999999999\r\n",
        "not one plain number",
    ),
    (
        "an unknown coding",
        "Transfer-Encoding: xchunked\r\n",
        "not `chunked` alone",
    ),
    (
        "two codings",
        "Transfer-Encoding: gzip, chunked\r\n",
        "not `chunked` alone",
    ),
    (
        "a line that ends in LF alone",
        "X-One: a\nX-Two: b\r\n",
        "does not end in CR LF",
    ),
    (
        "a CR inside of a value",
        "X-One: a\rX-Two: b\r\n",
        "control characters",
    ),
    (
        "a NUL inside of a value",
        "X-One: a\0b\r\n",
        "control characters",
    ),
    (
        "a space before the colon",
        "Content-Length : 3\r\n",
        "header's name",
    ),
    (
        "a folded header",
        "X-One: a\r\n b\r\n",
        "continues on a second line",
    ),
    (
        "a second host",
        "Host: elsewhere\r\n",
        "exactly one valid Host",
    ),
];

#[test]
fn ambiguous_framing_is_refused_once_and_nothing_behind_it_is_read() {
    let (_folder, dev) = echo_server();
    for port in [dev.port, dev.services_port] {
        for (name, header, answer) in AMBIGUOUS {
            let bytes = format!(
                "POST /plain HTTP/1.1\r\nHost: localhost\r\n{header}\r\n0\r\n\r\nGET /behind HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            );
            let reply = exchange(port, bytes.as_bytes(), End::Waits);
            assert!(
                reply.starts_with("HTTP/1.1 400 Bad Request\r\n"),
                "{name}: {reply}"
            );
            assert!(reply.contains(answer), "{name}: {reply}");
            assert_eq!(reply.matches("HTTP/1.1 ").count(), 1, "{name}: {reply}");
        }
        goes_on(&dev, "ambiguous framing");
    }
    assert!(!dev.stop().contains("/behind"));
}

/// A name, the request, what the client does then, and the status.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn out_of_bounds() -> Vec<(&'static str, String, End, &'static str)> {
    let post = |headers: &str, body: &str| {
        format!(
            "POST /plain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n{body}"
        )
    };
    let eleven_mb = "x".repeat(11 << 20);
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(0x10_0000));
    vec![
        (
            "a header of 1 MB",
            post(&format!("X-Large: {}\r\n", "a".repeat(1 << 20)), ""),
            End::Waits,
            "431",
        ),
        (
            "a header of 11 kB",
            post(
                &format!("X-Large: {}\r\nContent-Length: 0\r\n", "a".repeat(11_000)),
                "",
            ),
            End::Waits,
            "431",
        ),
        (
            "three thousand headers",
            post(&"X-Many: a\r\n".repeat(3_000), ""),
            End::Waits,
            "431",
        ),
        (
            "a target of 70 kB",
            format!(
                "GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "a".repeat(70_000)
            ),
            End::Waits,
            "414",
        ),
        (
            "a body cut off",
            post("Content-Length: 100\r\n", "abc"),
            End::Cut,
            "400",
        ),
        (
            "a chunk cut off",
            post("Transfer-Encoding: chunked\r\n", "5\r\nab"),
            End::Cut,
            "400",
        ),
        (
            "a chunk without a size",
            post("Transfer-Encoding: chunked\r\n", "zz\r\nab"),
            End::Waits,
            "400",
        ),
        (
            "a body of 11 MB",
            post(
                &format!("Content-Length: {}\r\n", eleven_mb.len()),
                &eleven_mb,
            ),
            End::Waits,
            "413",
        ),
        (
            "a body of 11 MB in chunks",
            post(
                "Transfer-Encoding: chunked\r\n",
                &(chunk.repeat(11) + "0\r\n\r\n"),
            ),
            End::Waits,
            "413",
        ),
        (
            "a body of 7 MB, more than Lambda takes",
            post(
                &format!("Content-Length: {}\r\n", 7 << 20),
                &eleven_mb[..7 << 20],
            ),
            End::Waits,
            "413",
        ),
        (
            "HTTP/0.9",
            "GET /plain\r\n\r\n".to_owned(),
            End::Waits,
            "400",
        ),
        (
            "HTTP/3.0 on the wire",
            "GET /plain HTTP/3.0\r\nHost: localhost\r\n\r\n".to_owned(),
            End::Waits,
            "505",
        ),
        (
            "CONNECT",
            "CONNECT elsewhere:80 HTTP/1.1\r\nHost: elsewhere:80\r\n\r\n".to_owned(),
            End::Waits,
            "501",
        ),
    ]
}

#[test]
fn heads_and_bodies_out_of_bounds_get_their_status() {
    let (_folder, dev) = echo_server();
    for (name, bytes, end, status) in &out_of_bounds() {
        let reply = exchange(dev.port, bytes.as_bytes(), *end);
        assert!(
            reply.starts_with(&format!("HTTP/1.1 {status} ")),
            "{name}: {reply:.300}"
        );
        goes_on(&dev, name);
    }
    // A client that speaks TLS or nothing at all gets no answer, and costs nobody else one.
    let silent: Vec<TcpStream> = (0..200)
        .map(|_| TcpStream::connect(("127.0.0.1", dev.port)).unwrap())
        .collect();
    let _nothing = exchange(
        dev.port,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        End::Cut,
    );
    goes_on(&dev, "silent clients");
    drop(silent);
    dev.stop();
}
