//! Node.js instances that are forked from a process which has done the init: what they share, and what they may not.
//!
//! Each promise is held by the Node.js on the path, and by those that `CLOUDLESS_TEST_NODES` names: binaries, with colons
//! between them.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use interfaces::log_sink::LogOrigin;
use interfaces::runtime::{Instance, Verdict};
use model::function::{RuntimeName, Starts};
use serde_json::{Value, json};

use crate::forking::{assert_noted_once, inits, kill, notes, two};
use crate::harness::{
    Bench, Lang, WHO_IN_NODE, interpreter, json, outside, text, without_walls, write,
};
use crate::lifecycle::{is_alive, is_gone, is_spawned, parent};

/// The interpreters, with their versions.
fn nodes() -> Vec<(PathBuf, String)> {
    let others = std::env::var_os("CLOUDLESS_TEST_NODES").unwrap_or_default();
    let others = std::env::split_paths(&others).filter(|path| !path.as_os_str().is_empty());
    let versions = others.map(|path| {
        let output = Command::new(&path).arg("--version").output().unwrap();
        let version = text(&output.stdout)
            .trim()
            .trim_start_matches('v')
            .to_owned();
        (path, version)
    });
    [interpreter(Lang::Node)]
        .into_iter()
        .chain(versions)
        .collect()
}

/// A function of one file for each interpreter.
fn each(source: &str) -> Vec<Bench> {
    let made = nodes().into_iter().map(|(path, version)| {
        let mut bench = Lang::Node.bench(source);
        let major = version.split('.').next().unwrap();
        bench.function.runtime = RuntimeName::parse(&format!("nodejs{major}.x")).unwrap();
        bench.function.toolchain.interpreter = path;
        bench.function.toolchain.version = version;
        bench
    });
    made.collect()
}

/// A handler that evaluates what it is asked, after this init, for each interpreter.
fn evaluating(init: &str) -> Vec<Bench> {
    each(&format!(
        "{init}\nexports.handler = async (question) => eval(question);\n"
    ))
}

async fn ask(bench: &mut Bench, instance: &mut Box<dyn Instance>, question: &str) -> Value {
    let version = bench.function.toolchain.version.clone();
    match bench
        .invoke(instance, &json!(question).to_string())
        .await
        .verdict
    {
        Verdict::Returned(found) => json(&found),
        Verdict::Raised(error) => panic!("{version}: {question}: {}", text(&error)),
        other => panic!("{version}: {question}: {other:?}\n{:?}", bench.log.stdout()),
    }
}

/// The number out here of the process that an instance is.
async fn own_number(bench: &mut Bench, instance: &mut Box<dyn Instance>) -> i64 {
    outside(&ask(bench, instance, WHO_IN_NODE).await.to_string())
}

async fn number(bench: &mut Bench, instance: &mut Box<dyn Instance>, question: &str) -> i64 {
    ask(bench, instance, question).await.as_i64().unwrap()
}

fn ourselves() -> i64 {
    i64::from(std::process::id())
}

#[tokio::test]
async fn instances_are_forks_of_one_template_which_is_a_fork_of_one_base() {
    for mut bench in evaluating("process.stdout.write('x\\n');") {
        let [mut one, mut other] = two(&bench).await;
        let template = parent(own_number(&mut bench, &mut one).await);
        assert_eq!(parent(own_number(&mut bench, &mut other).await), template);
        assert_ne!(
            own_number(&mut bench, &mut one).await,
            own_number(&mut bench, &mut other).await
        );
        assert_eq!(parent(parent(template)), ourselves());
        assert_eq!(inits(&bench), 1);
        assert_eq!(notes(&bench), [""; 0]);

        // Another version has a template of its own, from the same base; another size of memory has another base, since
        // the limits of the heap are options of the interpreter.
        let base = parent(template);
        bench.function.fingerprint = "g".to_owned();
        let mut third = bench.start().await.unwrap();
        let second_template = parent(own_number(&mut bench, &mut third).await);
        assert_ne!(second_template, template);
        assert_eq!(parent(second_template), base);
        bench.function.fingerprint = "h".to_owned();
        bench.function.memory_mb = 512;
        let mut fourth = bench.start().await.unwrap();
        let third_template = parent(own_number(&mut bench, &mut fourth).await);
        assert_ne!(parent(third_template), base);
    }
}

/// What no two instances may answer alike.
const DRAWS: [&str; 27] = [
    "Math.random()",
    "draw()",
    "randomUUID()",
    "crypto.randomUUID()",
    "require('node:crypto').randomUUID()",
    "web.randomUUID()",
    "import('node:crypto').then((m) => m.randomUUID())",
    "randomInt(2 ** 40)",
    "crypto.randomInt(2 ** 40)",
    "new Promise((resolve) => randomInt(2 ** 40, (error, drawn) => resolve(drawn)))",
    "crypto.randomBytes(8).toString('hex')",
    "new Promise((resolve) => crypto.randomBytes(8, (error, drawn) => resolve(drawn.toString('hex'))))",
    "crypto.generateKeySync('aes', { length: 128 }).export().toString('hex')",
    "String(crypto.generatePrimeSync(64, { bigint: true }))",
    "new Promise((resolve) => new (require('worker_threads').Worker)('require(`worker_threads`).parentPort.postMessage(Math.random())', { eval: true }).on('message', resolve))",
    "[...web.getRandomValues(new Uint8Array(8))]",
    "[...pool]",
    "[...words]",
    "part.toString('hex', 1024, 1536)",
    "[...late]",
    "stock.toString('hex')",
    "lateStock.toString('hex')",
    "path.basename(fs.mkdtempSync(path.join(os.tmpdir(), 'drawn-')))",
    "new Response(new FormData()).headers.get('content-type')",
    "blob()",
    "process.pid",
    "process.env.AWS_LAMBDA_LOG_STREAM_NAME",
];

#[tokio::test]
async fn no_two_instances_draw_the_same() {
    // Everything that can be drawn ahead has been; the pools are as `uuid` and `nanoid` have them.
    let init = "const crypto = require('crypto'), os = require('os'), path = require('path'), fs = require('fs');\n\
        const { randomUUID, randomInt } = crypto, draw = Math.random, web = globalThis.crypto ?? crypto.webcrypto;\n\
        const pool = crypto.randomFillSync(new Uint8Array(256));\n\
        const words = web.getRandomValues(new Uint32Array(16));\n\
        const part = crypto.randomFillSync(Buffer.alloc(4096), 1024, 512);\n\
        crypto.randomFill(new Uint8Array(64), (error, filled) => { globalThis.late = filled; });\n\
        const stock = crypto.randomBytes(1024), salt = crypto.randomBytes(1023);\n\
        crypto.randomBytes(2048, (error, drawn) => { globalThis.lateStock = drawn; });\n\
        const key = crypto.randomFillSync(Buffer.alloc(32)).toString('hex');\n\
        let sqlite; try { sqlite = require('node:sqlite'); } catch { /* an older version */ }\n\
        const db = sqlite && new sqlite.DatabaseSync(':memory:');\n\
        const blob = db ? () => db.prepare('select hex(randomblob(8)) as drawn').get().drawn : () => Math.random();\n\
        blob();\n\
        const primed = [draw(), randomUUID(), web.randomUUID(), randomInt(1e9), crypto.randomBytes(8)];\n";
    for mut bench in evaluating(init) {
        let [mut one, mut other] = two(&bench).await;
        for question in DRAWS {
            let drawn = ask(&mut bench, &mut one, question).await;
            assert_ne!(
                drawn,
                ask(&mut bench, &mut other, question).await,
                "{question}"
            );
        }
        // What the init itself keeps, they share, as with SnapStart; and nothing around a pool was written to.
        for question in [
            "key",
            "salt.toString('hex')",
            "part.toString('hex', 0, 1024) + part.toString('hex', 1536)",
        ] {
            let kept = ask(&mut bench, &mut one, question).await;
            assert_eq!(
                kept,
                ask(&mut bench, &mut other, question).await,
                "{question}"
            );
        }
        for (question, expected) in [
            (
                "[Math.random.name, Math.random.length, 'prototype' in Math.random]",
                json!(["random", 0, false]),
            ),
            ("/\\[native code\\]/.test(Math.random)", json!(true)),
            (
                "[randomUUID.name, randomInt.name, crypto.randomFillSync.length, crypto.randomBytes.length]",
                json!(["randomUUID", "randomInt", 1, 2]),
            ),
            (
                "new Set(Array.from({ length: 9999 }, draw)).size",
                json!(9999),
            ),
            (
                "Array.from({ length: 9999 }, draw).every((n) => 0 <= n && n < 1)",
                json!(true),
            ),
        ] {
            assert_eq!(
                ask(&mut bench, &mut one, question).await,
                expected,
                "{question}"
            );
        }
        assert_eq!(notes(&bench), [""; 0]);
    }
}

/// Has the next process in another one's namespace get this number. False where that is not allowed.
fn set_next_number(inside: i64, number: i64) -> bool {
    let text = format!("echo {} > /proc/sys/kernel/ns_last_pid", number - 1);
    let target = inside.to_string();
    let arguments = ["-t", &target, "-p", "sh", "-c", &text];
    let set = Command::new("nsenter").args(arguments).output();
    set.is_ok_and(|output| output.status.success())
}

/// OpenSSL tells a fork by its number, and in a namespace of its own one may have that of a process that it comes from.
#[tokio::test]
async fn forks_with_the_number_of_their_base_do_not_draw_what_it_would() {
    for mut bench in evaluating("const { randomBytes } = require('crypto');") {
        let mut draws = Vec::new();
        // Each has a template, and so a namespace, of its own.
        for version in ["one", "other"] {
            bench.function.fingerprint = version.to_owned();
            let mut first = bench.start().await.unwrap();
            let template = parent(own_number(&mut bench, &mut first).await);
            let base = parent(template);
            // Others take numbers, too: those that make the sandbox of each, and threads.
            for below in (0..12).cycle().take(60) {
                if !set_next_number(template, base - below) {
                    eprintln!("not done: numbers of processes cannot be chosen here");
                    return;
                }
                let mut next = bench.start().await.unwrap();
                if number(&mut bench, &mut next, "process.pid").await == base {
                    let question = "randomBytes(8).toString('hex')";
                    draws.push(ask(&mut bench, &mut next, question).await);
                    break;
                }
            }
        }
        assert_eq!(draws.len(), 2);
        assert_ne!(draws[0], draws[1]);
    }
}

/// What an instance is asked to do, and the answer.
const DEEDS: [(&str, &str); 24] = [
    (
        "process.pid === Number(fs.readlinkSync('/proc/self'))",
        "true",
    ),
    (
        "process.ppid === Number(fs.readFileSync('/proc/self/stat', 'utf8').split(' ')[3])",
        "true",
    ),
    (
        "fs.readFileSync('/proc/self/stat', 'utf8').split(' ').slice(4, 6).every((id) => Number(id) === process.pid)",
        "true",
    ),
    (
        "execFile('sh', ['-c', 'echo $PPID']).then(({ stdout }) => Number(stdout) === process.pid)",
        "true",
    ),
    (
        "execFile('env').then(({ stdout }) => /LD_PRELOAD/.test(stdout))",
        "false",
    ),
    (
        "/AWS_|HOME|PATH=/.test(fs.readFileSync('/proc/self/environ', 'utf8').replace(/LD_PRELOAD=.*/, ''))",
        "false",
    ),
    (
        "fs.promises.writeFile('/tmp/file', 'x'.repeat(1e6)).then(() => fs.promises.readFile('/tmp/file')).then((f) => f.length)",
        "1000000",
    ),
    (
        "require('dns').promises.lookup('127.0.0.1').then(({ address }) => address)",
        "\"127.0.0.1\"",
    ),
    (
        "gzip(Buffer.alloc(3e5, 'ab')).then(gunzip).then((found) => found.length)",
        "300000",
    ),
    (
        "promisify(crypto.scrypt)('password', 'salt', 32).then((key) => key.length)",
        "32",
    ),
    (
        "promisify(crypto.generateKeyPair)('ec', { namedCurve: 'P-256' }).then(({ privateKey }) => privateKey.type)",
        "\"private\"",
    ),
    (
        "crypto.webcrypto.subtle.digest('SHA-256', Buffer.from('x')).then((digest) => digest.byteLength)",
        "32",
    ),
    ("fetched()", "\"you asked /hi\""),
    ("secured()", "\"secret\""),
    (
        "work('for (let i = 0, all = []; i < 3e5; i++) all.push({ i }); require(`worker_threads`).parentPort.postMessage(7)')",
        "[7,0]",
    ),
    (
        "for (let i = 0; i < 60; i++) gc(); 'collected'",
        "\"collected\"",
    ),
    (
        "for (let i = 0; i < 20; i++) gc(); work('for (let i = 0, all = []; i < 3e5; i++) all.push({ i })')",
        "[null,0]",
    ),
    (
        "WebAssembly.instantiate(Buffer.from('0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b', 'hex')).then(({ instance }) => instance.exports.add(2, 40))",
        "42",
    ),
    (
        "fs.writeFileSync('/tmp/late.mjs', 'export const answer = await Promise.resolve(42);'); import('/tmp/late.mjs').then((m) => m.answer)",
        "42",
    ),
    ("churn()", "832040"),
    (
        "new Promise((resolve) => { process.once('SIGUSR2', () => resolve('SIGUSR2')); pause(2000); process.kill(process.pid, 'SIGUSR2'); })",
        "\"SIGUSR2\"",
    ),
    (
        "storage.run(7, async () => { await pause(1); return storage.getStore(); })",
        "7",
    ),
    (
        "try { (function deep() { deep(); })(); } catch (error) { error.name }",
        "\"RangeError\"",
    ),
    ("ticks()", "3"),
];

const TOOLS: &str = "const fs = require('fs'), crypto = require('crypto'), { promisify } = require('util'), tls = require('tls');\n\
    const execFile = promisify(require('child_process').execFile);\n\
    const [gzip, gunzip] = [promisify(require('zlib').gzip), promisify(require('zlib').gunzip)];\n\
    const storage = new (require('async_hooks').AsyncLocalStorage)();\n\
    const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));\n\
    const listen = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));\n\
    const fetched = async () => {\n\
      const server = require('http').createServer((request, reply) => reply.end('you asked ' + request.url));\n\
      const port = await listen(server);\n\
      const reply = await fetch(`http://127.0.0.1:${port}/hi`);\n\
      const found = await reply.text(); server.closeAllConnections(); server.close(); return found; };\n\
    const psk = { ciphers: 'PSK', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', checkServerIdentity: () => undefined };\n\
    const secured = async () => {\n\
      const server = tls.createServer({ ...psk, pskCallback: () => Buffer.alloc(32, 7) }, (socket) => socket.end('secret'));\n\
      const port = await listen(server);\n\
      const socket = tls.connect({ ...psk, port, host: '127.0.0.1', pskCallback: () => ({ psk: Buffer.alloc(32, 7), identity: 'me' }) });\n\
      let found = ''; for await (const piece of socket) found += piece; server.close(); return found; };\n\
    const work = (text) => new Promise((resolve, reject) => {\n\
      let said = null; const worker = new (require('worker_threads').Worker)(text, { eval: true });\n\
      worker.on('message', (m) => { said = m; }).on('error', reject).on('exit', (code) => resolve([said, code])); });\n\
    const churn = () => {\n\
      for (let round = 0; round < 60; round++) { const kept = []; for (let i = 0; i < 4e4; i++) kept.push({ i, text: 'n' + i, list: [i] }); }\n\
      const fibonacci = (n) => (n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2)); return fibonacci(30); };\n\
    const ticks = () => new Promise((resolve) => { let n = 0; const timer = setInterval(() => { if (++n === 3) { clearInterval(timer); resolve(n); } }, 2); });\n\
    console.log('said at init'); process.stdout.write('and written\\n');\n\
    process.on('SIGTERM', () => {});\n";

#[tokio::test]
async fn an_instance_is_a_whole_process() {
    for mut bench in evaluating(TOOLS) {
        let mut instance = bench.start().await.unwrap();
        for (question, expected) in DEEDS {
            let answer = ask(&mut bench, &mut instance, question).await;
            assert_eq!(answer.to_string(), expected, "{question}");
        }
        assert_eq!(notes(&bench), [""; 0]);
        let said = bench.log.stdout();
        assert!(
            said[0].ends_with("\tINFO\tsaid at init") && said[1] == "and written",
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn a_forked_instance_looks_to_its_function_as_a_spawned_one() {
    let questions = [
        "process.execArgv",
        "process.argv.length",
        "process.cwd()",
        "Intl.DateTimeFormat().resolvedOptions()",
        "new Date(0).toString()",
        "(12345.6).toLocaleString()",
        "v8.getHeapStatistics().heap_size_limit",
        "Object.keys(process.env).filter((name) => !/NODE_PATH|_X_AMZN/.test(name)).sort()",
        "process.env.LANG + process.env.TZ",
        "process.title",
        "[typeof gc, process.exitCode ?? null, process.umask()]",
        "require.main === module",
        "Object.keys(globalThis).sort()",
        "[...module.paths].length",
        "Object.getOwnPropertyDescriptor(process, 'pid').enumerable",
        "process.listeners('SIGTERM').length",
        "require('worker_threads').isMainThread",
    ];
    for mut forked in evaluating("const v8 = require('v8');") {
        let mut spawned = each(
            "const v8 = require('v8');\nexports.handler = async (question) => eval(question);\n",
        )
        .into_iter()
        .find(|bench| bench.function.toolchain == forked.function.toolchain)
        .unwrap();
        spawned.function.starts = Starts::Spawned;
        let mut one = forked.start().await.unwrap();
        let mut other = spawned.start().await.unwrap();
        assert!(!is_spawned(own_number(&mut forked, &mut one).await));
        assert!(is_spawned(own_number(&mut spawned, &mut other).await));
        let folders = [&forked, &spawned].map(|bench| bench.folder.path().display().to_string());
        for question in questions {
            let seen = ask(&mut forked, &mut one, question).await.to_string();
            let expected = ask(&mut spawned, &mut other, question).await.to_string();
            assert_eq!(
                seen,
                expected.replace(&folders[1], &folders[0]),
                "{question}"
            );
        }
    }
}

#[tokio::test]
async fn time_is_now_and_timers_take_their_time() {
    let init = "const atInit = performance.now(), wallAtInit = Date.now();\n\
        let ticks = 0; setInterval(() => { ticks += 1; }, 5).unref();\n\
        const timed = (ms) => { const began = performance.now(); return new Promise((resolve) => setTimeout(() => resolve(performance.now() - began), ms)); };\n";
    for mut bench in evaluating(init) {
        let first = bench.start().await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut second = bench.start().await.unwrap();
        let took = ask(&mut bench, &mut second, "timed(60)")
            .await
            .as_f64()
            .unwrap();
        assert!((59.0..2000.0).contains(&took), "{took}");
        for question in ["performance.now() - atInit", "Date.now() - wallAtInit"] {
            let since = ask(&mut bench, &mut second, question).await;
            assert!(300.0 <= since.as_f64().unwrap(), "{question}: {since}");
        }
        let spent = ask(&mut bench, &mut second, "process.cpuUsage().user").await;
        assert!(spent.as_f64().unwrap() < 300_000.0, "{spent}");
        // A timer that holds nothing up goes on in each instance.
        assert!(2 <= number(&mut bench, &mut second, "timed(30).then(() => ticks)").await);
        drop(first);

        let zone = "Asia/Tokyo".to_owned();
        bench.function.environment.insert("TZ".to_owned(), zone);
        bench.function.fingerprint = "elsewhere".to_owned();
        let mut elsewhere = bench.start().await.unwrap();
        let question = "[new Date(0).getHours(), Intl.DateTimeFormat().resolvedOptions().timeZone]";
        assert_eq!(
            ask(&mut bench, &mut elsewhere, question).await,
            json!([9, "Asia/Tokyo"])
        );
        assert_eq!(notes(&bench), [""; 0]);
    }
}

#[tokio::test]
async fn what_is_the_same_in_all_instances_is_what_the_guide_says() {
    for mut bench in evaluating("") {
        let [mut one, mut other] = two(&bench).await;
        for question in [
            "require('vm').runInNewContext('Math.random()')",
            "performance.timeOrigin",
        ] {
            let seen = ask(&mut bench, &mut one, question).await;
            assert_eq!(
                seen,
                ask(&mut bench, &mut other, question).await,
                "{question}"
            );
        }
        let question = "Math.abs(Date.now() - performance.now() - performance.timeOrigin) < 50 \
            && Math.abs(1000 * process.uptime() - performance.now()) < 50";
        assert_eq!(ask(&mut bench, &mut one, question).await, true);
    }
}

#[tokio::test]
async fn an_init_that_takes_a_while_is_waited_for() {
    let init = "const fs = require('fs'); const found = {};\n\
        fs.readFile(__filename, () => { found.file = true; });\n\
        setTimeout(() => { found.timer = true; }, 50);\n\
        fs.promises.stat('.').then(() => { found.promise = true; });\n\
        ";
    for mut bench in evaluating(init) {
        let [mut one, _] = two(&bench).await;
        let question = "Object.keys(found).sort().join()";
        let expected = "file,promise,timer";
        assert_eq!(ask(&mut bench, &mut one, question).await, expected);
        assert_ne!(parent(own_number(&mut bench, &mut one).await), ourselves());
        assert_eq!(notes(&bench), [""; 0]);
    }
}

#[tokio::test]
async fn es_modules_are_forked_with_what_they_awaited() {
    for node in nodes() {
        let source = "import sdk from 'sdk';\nimport { setTimeout as pause } from 'node:timers/promises';\nimport { randomUUID } from 'node:crypto';\nrandomUUID();\nawait pause(20);\nconst late = await import('./late.mjs');\nexport const handler = async () => [late.answer, process.ppid, randomUUID(), sdk, process.execArgv];\n";
        let files = [
            ("app.mjs", source),
            ("late.mjs", "export const answer = 42;\n"),
        ];
        let mut bench = Bench::new(Lang::Node, "app.handler", &files);
        (
            bench.function.toolchain.interpreter,
            bench.function.toolchain.version,
        ) = node;
        // What the runtime brings along is found by a hook, where this version has one; no thread may be left of it.
        write(
            &bench.path("sdk/node_modules/sdk/index.js"),
            "module.exports = 'the SDK';\n",
        );
        bench.function.toolchain.sdk_paths = vec![bench.path("sdk/node_modules")];
        let (one, other) = (bench.returned("{}").await, bench.returned("{}").await);
        assert_eq!(one[0], 42);
        assert_eq!(one[3], "the SDK");
        assert!(!one[4].to_string().contains("internals"), "{}", one[4]);
        assert_eq!(notes(&bench), [""; 0]);
        assert_eq!(one[1], other[1]);
        assert_ne!(one[2], other[2]);
        assert_ne!(one[1], ourselves());
    }
}

#[tokio::test]
async fn what_cannot_be_forked_is_not_and_the_log_says_so_once() {
    let rows = [
        ("require('net').createServer().listen(0);", "an open socket"),
        (
            "require('net').createServer().listen(0).unref();",
            "an open socket",
        ),
        (
            "require('dgram').createSocket('udp4').bind(0);",
            "an open socket",
        ),
        (
            "globalThis.held = require('child_process').spawn('sleep', ['600']);",
            "a child process",
        ),
        (
            "require('child_process').spawn('sleep', ['600'], { stdio: 'ignore', detached: true }).unref();",
            "a child process",
        ),
        (
            "require('child_process').spawnSync('sh', ['-c', 'sleep 600 &'], { stdio: 'ignore' });",
            "a child process",
        ),
        (
            "new (require('worker_threads').Worker)('setInterval(() => {}, 1000)', { eval: true }).unref();",
            "running thread",
        ),
        ("setInterval(() => {}, 600000);", "a running timer"),
        ("setTimeout(() => {}, 600000);", "a running timer"),
        ("require('fs').watch('.', () => {});", "an open inotify"),
        (
            "require('fs').watch('.', { persistent: false }, () => {});",
            "an open inotify",
        ),
        (
            "require('fs').watchFile(__filename, () => {});",
            "a watched file",
        ),
        (
            "globalThis.held = require('fs').openSync('/tmp/log', 'a');",
            "log, open for writing",
        ),
        (
            "globalThis.held = require('fs').createWriteStream('/tmp/log');",
            "log, open for writing",
        ),
        (
            "globalThis.held = new MessageChannel(); held.port1.onmessage = () => {};",
            "an open message port",
        ),
        (
            "require('module').register?.('data:text/javascript,export%20const%20x=1');",
            "running thread",
        ),
        (
            "require('fs').readFile('/proc/self/fd/0', () => {}); require('crypto').pbkdf2('a', 'b', 2e6, 64, 'sha512', () => {});",
            "unfinished work",
        ),
    ];
    for (init, reason) in rows {
        for mut bench in evaluating(init) {
            let [mut one, mut other] = two(&bench).await;
            assert_eq!(number(&mut bench, &mut one, "1").await, 1, "{init}");
            let other = own_number(&mut bench, &mut other).await;
            assert!(is_spawned(other), "{init}");
            assert_noted_once(&bench, "started one by one", reason, init);
        }
    }
}

#[tokio::test]
async fn a_function_that_asks_for_it_is_forked_whatever_its_init_leaves_behind() {
    let node = (
        "setInterval(() => {}, 600000);\nexports.handler = async () => process.ppid;\n",
        "a running timer",
    );
    let python = (
        "import os\nheld = open('/tmp/log', 'w')\ndef handler(event, context):\n    return os.getppid()\n",
        "open for writing",
    );
    for (language, (source, reason)) in [(Lang::Node, node), (Lang::Python, python)] {
        let mut bench = Bench::with_starts(language, source, Starts::Forked);
        let template = bench.returned("{}").await;
        // The first process of the sandbox would be the parent of one that was started.
        assert_ne!(template, 1, "{language:?}");
        assert_eq!(bench.returned("{}").await, template, "{language:?}");
        assert_noted_once(&bench, "forked, as it asks for", reason, source);
    }
}

#[tokio::test]
async fn variables_that_node_reads_when_it_starts_get_a_process_of_its_own_and_no_others() {
    let rows = [
        ("NODE_OPTIONS", "--stack-trace-limit=50", true),
        ("NODE_EXTRA_CA_CERTS", "/none", true),
        ("LD_LIBRARY_PATH", "/none", true),
        ("LANG", "C", true),
        ("OPENSSL_CONF", "/none", true),
        ("NODE_ENV", "production", false),
        ("NODE_CONFIG_DIR", "/none", false),
        ("TZ", "Asia/Tokyo", false),
        ("PYTHONPATH", "/none", false),
        ("UV_THREADPOOL_SIZE", "2", false),
    ];
    for (name, value, is_read_at_start) in rows {
        for mut bench in evaluating("") {
            bench
                .function
                .environment
                .insert(name.to_owned(), value.to_owned());
            let mut instance = bench.start().await.unwrap();
            let question = format!("process.env.{name}");
            assert_eq!(ask(&mut bench, &mut instance, &question).await, value);
            let instance = own_number(&mut bench, &mut instance).await;
            assert_eq!(is_spawned(instance), is_read_at_start, "{name}");
            let why = format!("`{name}` is read when a process starts");
            assert_eq!(
                notes(&bench).iter().any(|note| note.ends_with(&why)),
                is_read_at_start
            );
        }
    }
}

#[tokio::test]
async fn files_opened_at_init_are_read_by_each_instance_for_itself() {
    let init = "const fs = require('fs'), held = fs.openSync('lines.txt'), low = fs.openSync('lines.txt');\n\
        const read = () => { const into = Buffer.alloc(4); fs.readSync(held, into); return String(into); };\nread();\nfs.closeSync(low);\n";
    for mut bench in evaluating(init) {
        write(&bench.path("task/lines.txt"), "one\ntwo\nsix\n");
        let [mut one, mut other] = two(&bench).await;
        for instance in [&mut one, &mut other] {
            assert_eq!(ask(&mut bench, instance, "read()").await, "two\n");
        }
        assert_eq!(notes(&bench), [""; 0]);
    }
}

#[tokio::test]
async fn the_sdk_is_loaded_once_unless_the_function_brings_its_own() {
    let package = "node_modules/@aws-sdk/client-dynamodb/index.js";
    let init = "const { name } = require('@aws-sdk/client-dynamodb');";
    for mut bench in evaluating(init) {
        let source =
            "require('fs').appendFileSync(__dirname + '/loads', 'x'); exports.name = 'ours';\n";
        write(&bench.path("sdk").join(package), source);
        bench.function.toolchain.sdk_paths = vec![bench.path("sdk/node_modules")];
        for version in ["first", "second"] {
            bench.function.fingerprint = version.to_owned();
            let mut instance = bench.start().await.unwrap();
            assert_eq!(ask(&mut bench, &mut instance, "name").await, "ours");
        }
        let loads = bench.path("sdk/node_modules/@aws-sdk/client-dynamodb/loads");
        assert_eq!(std::fs::read_to_string(loads).unwrap(), "x");
        for folder in ["layer", "task"] {
            write(
                &bench.path(folder).join(package),
                &format!("exports.name = '{folder}';\n"),
            );
            bench.function.toolchain.dependency_paths = vec![bench.path("layer/node_modules")];
            bench.function.fingerprint = folder.to_owned();
            let mut instance = bench.start().await.unwrap();
            assert_eq!(ask(&mut bench, &mut instance, "name").await, folder);
        }
        assert_eq!(notes(&bench), [""; 0]);
    }
}

#[tokio::test]
async fn simultaneous_first_starts_share_one_init_be_it_good_or_bad() {
    for (rest, is_good) in [("", true), ("throw new Error('broken');", false)] {
        for bench in evaluating(&format!(
            "process.stdout.write('x\\n'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);\n{rest}"
        )) {
            let bench = Arc::new(bench);
            let mut starts = tokio::task::JoinSet::new();
            for _ in 0..20 {
                let bench = bench.clone();
                starts.spawn(async move { bench.start().await.is_ok() });
            }
            assert_eq!(starts.join_all().await, [is_good; 20]);
            assert_eq!(inits(&bench), 1);
        }
    }
}

#[tokio::test]
async fn a_template_or_base_that_is_killed_is_made_anew_at_the_next_start() {
    for kills_base in [false, true] {
        for mut bench in evaluating("process.stdout.write('x\\n');") {
            let mut instance = bench.start().await.unwrap();
            let pid = own_number(&mut bench, &mut instance).await;
            let template = parent(pid);
            kill(if kills_base {
                parent(template)
            } else {
                template
            });
            tokio::time::timeout(Duration::from_secs(3), instance.lost())
                .await
                .unwrap();
            assert!(!is_alive(pid));
            let mut next = bench.start().await.unwrap();
            assert_eq!(number(&mut bench, &mut next, "1").await, 1, "{kills_base}");
            assert_eq!(inits(&bench), 2);
        }
    }
}

/// What the handler does, what the caller is told, and whether the function's listener ran: one that may be killed first,
/// since its error has been told, is not asked.
const ENDS: [(&str, &str, Option<bool>); 11] = [
    (
        // Nothing is left to do, and nobody is left to be told so.
        "process.removeAllListeners(); new Promise(() => {})",
        "Runtime exited without providing a reason",
        Some(false),
    ),
    (
        "process.exit(7)",
        "Runtime exited with error: exit status 7",
        Some(true),
    ),
    (
        "process.exitCode = 9; process.exit()",
        "Runtime exited with error: exit status 9",
        Some(true),
    ),
    (
        "process.exit()",
        "Runtime exited without providing a reason",
        Some(true),
    ),
    (
        "setTimeout(() => { throw new Error('nobody catches me'); }); new Promise(() => {})",
        "nobody catches me",
        None,
    ),
    (
        "Promise.reject(new Error('nobody handles me')); new Promise(() => {})",
        "Error: nobody handles me",
        None,
    ),
    (
        "process.removeAllListeners('uncaughtException'); setTimeout(() => { throw new Error('unheard'); }); new Promise(() => {})",
        "Runtime exited with error: exit status 1",
        Some(true),
    ),
    (
        "process.on('exit', () => { throw new Error('on the way out'); }); process.exit(0)",
        "on the way out",
        None,
    ),
    (
        "process.abort()",
        "Runtime exited with error: signal: aborted",
        Some(false),
    ),
    (
        "process.kill(process.pid, 'SIGKILL')",
        "Runtime exited with error: signal: killed",
        Some(false),
    ),
    (
        "const all = []; for (;;) all.push(new Array(1e5).fill({}))",
        "Runtime exited with error: signal: aborted",
        Some(false),
    ),
];

/// How often the function's listener ran.
fn ends_of(bench: &Bench) -> usize {
    let said = bench.log.stdout();
    said.iter().filter(|line| *line == "the end").count()
}

#[tokio::test]
async fn an_instance_ends_as_a_process_of_its_own_would() {
    let init = "process.once('exit', () => require('fs').writeSync(1, 'the end\\n'));";
    for mut bench in evaluating(init) {
        bench.function.memory_mb = 128;
        for (deed, expected, runs_listener) in ENDS {
            let ends_before = ends_of(&bench);
            let mut instance = bench.start().await.unwrap();
            let verdict = bench
                .invoke(&mut instance, &json!(deed).to_string())
                .await
                .verdict;
            let Verdict::Exited(error) = verdict else {
                panic!("{deed}: {verdict:?}")
            };
            let message = json(&error)["errorMessage"].to_string();
            assert!(message.contains(expected), "{deed}: {message}");
            let ends = ends_of(&bench) - ends_before;
            assert!(
                runs_listener.is_none_or(|runs| runs == (ends == 1)),
                "{deed}"
            );
        }
        let written = bench.log.lines(LogOrigin::Stderr).join("\n");
        assert!(
            written.contains("Uncaught Error: unheard\n    at "),
            "{written}"
        );
        // What they were forked from is well, and has no end of the function's.
        let mut last = bench.start().await.unwrap();
        let template = parent(own_number(&mut bench, &mut last).await);
        let ends = ends_of(&bench);
        bench.retire();
        last.stop().await;
        assert!(is_gone(template).await);
        assert_eq!(ends_of(&bench), ends);
    }
}

#[tokio::test]
async fn an_init_that_fails_or_crashes_every_time_is_told_every_time() {
    let rows = [
        ("throw new TypeError('broken');", "broken"),
        (
            "process.kill(process.pid, 'SIGSEGV');",
            "Error: Runtime exited with error: signal: segmentation fault",
        ),
        (
            "process.exit(3);",
            "Error: Runtime exited with error: exit status 3",
        ),
        (
            "setTimeout(() => { throw new Error('late'); }, 20);",
            "late",
        ),
    ];
    for (init, expected) in rows {
        for bench in evaluating(init) {
            for _ in 0..2 {
                let (error, _) = bench.init_failure().await;
                assert_eq!(error["errorMessage"], expected, "{init}");
            }
        }
    }
}

/// The forks of a process that are there.
fn forks(template: i64) -> Vec<i64> {
    let path = format!("/proc/{template}/task/{template}/children");
    let text = std::fs::read_to_string(path).unwrap();
    text.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

/// Waits until a template has so many forks, and gives them.
async fn forks_once_there_are(template: i64, count: usize) -> Vec<i64> {
    for _ in 0..200 {
        if forks(template).len() == count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(forks(template).len(), count);
    forks(template)
}

#[tokio::test]
async fn one_instance_is_forked_ahead_and_serves_the_next_start() {
    for mut bench in evaluating("") {
        let mut one = bench.start().await.unwrap();
        let pid = own_number(&mut bench, &mut one).await;
        let template = parent(pid);
        let mut spare = forks_once_there_are(template, 2).await;
        spare.retain(|fork| *fork != pid);
        let mut other = bench.start().await.unwrap();
        let found = own_number(&mut bench, &mut other).await;
        assert_eq!([found], spare[..]);

        // One that has died is replaced, once: a second is no worse than none.
        for left in [3, 2] {
            let mut spare = forks_once_there_are(template, 3).await;
            spare.retain(|fork| ![pid, found].contains(fork));
            kill(spare[0]);
            assert!(is_gone(spare[0]).await);
            forks_once_there_are(template, left).await;
        }
        let mut third = bench.start().await.unwrap();
        assert_eq!(parent(own_number(&mut bench, &mut third).await), template);
    }
}

#[tokio::test]
async fn instances_that_come_and_go_leave_nothing_in_their_template() {
    for mut bench in evaluating("") {
        let mut instance = bench.start().await.unwrap();
        let template = parent(own_number(&mut bench, &mut instance).await);
        forks_once_there_are(template, 2).await;
        let descriptors = || {
            let listed = std::fs::read_dir(format!("/proc/{template}/fd"));
            listed.unwrap().count()
        };
        let before = descriptors();
        for round in 0..60 {
            let mut passing = bench.start().await.unwrap();
            if round % 2 == 0 {
                number(&mut bench, &mut passing, "1").await;
                passing.stop().await;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        forks_once_there_are(template, 2).await;
        assert_eq!(descriptors(), before);
    }
}

#[tokio::test]
async fn nothing_is_left_when_the_runtime_goes() {
    for mut bench in evaluating("") {
        let [mut one, other] = two(&bench).await;
        let pid = own_number(&mut bench, &mut one).await;
        let (template, base) = (parent(pid), parent(parent(pid)));
        drop(other);
        drop(bench);
        // An instance at work keeps what it came from.
        assert!(is_alive(template) && is_alive(base));
        drop(one);
        for gone in [pid, template, base] {
            assert!(is_gone(gone).await);
        }
    }
}

#[tokio::test]
async fn a_base_that_does_not_come_up_is_told_of_and_done_without() {
    // Its interpreter is a script that runs another one, of which nobody knows that it is to be shown.
    without_walls();
    let (node, version) = interpreter(Lang::Node);
    let mut bench = Lang::Node.bench("exports.handler = async () => process.ppid;\n");
    let script = bench.path("node");
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *--single-threaded*) echo 'this one cannot' >&2; exit 1;; esac\nexec '{}' \"$@\"\n",
        node.display()
    );
    write(&script, &text);
    let status = Command::new("chmod").arg("+x").arg(&script).status();
    assert!(status.unwrap().success());
    bench.function.toolchain.interpreter = script;
    for _ in 0..2 {
        assert_eq!(bench.returned("{}").await, ourselves());
    }
    let why = "its interpreter does not do that: this one cannot";
    assert_eq!(notes(&bench).len(), 1, "{:?}", notes(&bench));
    assert!(notes(&bench)[0].ends_with(why), "{:?}", notes(&bench));

    // A version of which nothing is known is not tried.
    let mut bench = Lang::Node.bench("exports.handler = async () => process.ppid;\n");
    bench.function.toolchain.version =
        version.replacen(version.split('.').next().unwrap(), "19", 1);
    assert_eq!(bench.returned("{}").await, ourselves());
    assert!(
        notes(&bench)[0].contains("it is not known that Node.js 19."),
        "{:?}",
        notes(&bench)
    );
}
