//! A hello function behind a gateway: ready time, first request, warm requests, memory.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::load::{Load, load};
use super::peers::Peers;
use crate::server::{Server, Start, free_port, successful};

const NODE_HANDLER: &str = "exports.hello = async () => ({ statusCode: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ message: 'hello' }) });\n";
const PYTHON_HANDLER: &str = "import json\n\ndef hello(event, context):\n    return {'statusCode': 200, 'headers': {'content-type': 'application/json'}, 'body': json.dumps({'message': 'hello'})}\n";
const RAW_NODE: &str = "require('node:http').createServer((request, reply) => { reply.setHeader('content-type', 'application/json'); reply.end(JSON.stringify({ message: 'hello' })); }).listen(Number(process.argv[1]));";
const FRAMEWORK_NODE: &str = "require('@google-cloud/functions-framework').http('hello', (request, reply) => reply.json({ message: 'hello' }));\n";
const FRAMEWORK_PYTHON: &str = "import functions_framework\n\n@functions_framework.http\ndef hello(request):\n    return {'message': 'hello'}\n";

/// One row.
struct Row {
    name: &'static str,
    ready: Duration,
    first: Duration,
    one: Load,
    many: Load,
    memory_mib: f64,
}

pub(super) fn measure(peers: &Peers, duration: Duration) -> Result<String> {
    let ours = cloudless(
        peers,
        "Cloudless, Node",
        "nodejs20.x",
        ("handler.js", NODE_HANDLER),
        duration,
    )?;
    let rows = vec![
        raw_node(peers, duration)?,
        cloudless(
            peers,
            "Cloudless, Python",
            "python3.11",
            ("handler.py", PYTHON_HANDLER),
            duration,
        )?,
        serverless_offline(peers, duration)?,
        framework_node(peers, duration)?,
        framework_python(peers, duration)?,
        ministack(peers, duration)?,
    ];
    let mut table = String::from(
        "### A hello function, warm\n\n| server | ready ms | first request ms | 1 conn: req/s | p50 / p99 ms | 32 conn: req/s | p50 / p99 ms | memory MiB | Cloudless Node ÷ it, 32 conn |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in std::iter::once(&ours).chain(&rows) {
        let Row {
            name,
            ready,
            first,
            one,
            many,
            memory_mib,
        } = row;
        let ratio = ours.many.per_second / many.per_second;
        writeln!(
            table,
            "| {name} | {} | {:.1} | {:.0} | {:.2} / {:.2} | {:.0} | {:.2} / {:.2} | {memory_mib:.0} | {ratio:.2} |",
            ready.as_millis(),
            first.as_secs_f64() * 1000.0,
            one.per_second,
            one.p50_ms,
            one.p99_ms,
            many.per_second,
            many.p50_ms,
            many.p99_ms
        )?;
    }
    table.push('\n');
    Ok(table)
}

/// A server that is up, and the request that is measured.
struct Subject<'a> {
    name: &'static str,
    server: Server,
    port: u16,
    path: &'a str,
    script: Option<&'a Path>,
}

impl<'a> Subject<'a> {
    /// One that is measured by a plain `GET`.
    fn asked(name: &'static str, server: Server, port: u16, path: &'a str) -> Self {
        Self {
            name,
            server,
            port,
            path,
            script: None,
        }
    }
}

fn start(
    peers: &Peers,
    log: &str,
    command: Command,
    port: u16,
    ready_path: &str,
) -> Result<Server> {
    let log = peers.work.join(log);
    Server::start(Start {
        command,
        log: &log,
        port,
        ready_path,
    })
}

fn row(subject: &Subject<'_>, duration: Duration) -> Result<Row> {
    let Subject {
        name,
        server,
        port,
        path,
        script,
    } = subject;
    let (method, headers): (&str, &[(&str, &str)]) = if script.is_some() {
        ("POST", AUTHORISED)
    } else {
        ("GET", &[])
    };
    let body = if script.is_some() { "{}" } else { "" };
    let first = successful(*port, method, path, headers, body)?;
    let url = format!("http://127.0.0.1:{port}{path}");
    load(&url, 32, Duration::from_secs(2), *script)?; // warm up
    let one = load(&url, 1, duration, *script)?;
    let many = load(&url, 32, duration, *script)?;
    Ok(Row {
        name,
        ready: server.ready,
        first,
        one,
        many,
        memory_mib: server.memory_mib(),
    })
}

const AUTHORISED: &[(&str, &str)] = &[(
    "Authorization",
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0",
)];

fn cloudless(
    peers: &Peers,
    name: &'static str,
    runtime: &str,
    handler: (&str, &str),
    duration: Duration,
) -> Result<Row> {
    let folder = peers.folder(&format!("cloudless-{runtime}"))?;
    std::fs::write(folder.join("serverless.yml"), manifest(runtime, ""))?;
    std::fs::write(folder.join(handler.0), handler.1)?;
    // The first start brings run-time packages into the cache; the second is what a developer sees every day.
    drop(dev(peers, &folder, runtime)?);
    let (server, port) = dev(peers, &folder, runtime)?;
    row(&Subject::asked(name, server, port, "/hello"), duration)
}

fn dev(peers: &Peers, folder: &Path, runtime: &str) -> Result<(Server, u16)> {
    let (port, services) = (free_port()?, free_port()?);
    let mut command = Command::new(&peers.cloudless);
    command.arg("dev").arg(folder);
    command.args([
        "--port",
        &port.to_string(),
        "--services-port",
        &services.to_string(),
    ]);
    let log = format!("cloudless-{runtime}.log");
    Ok((
        start(peers, &log, command, services, "/_cloudless/health")?,
        port,
    ))
}

fn manifest(runtime: &str, plugins: &str) -> String {
    format!(
        "service: hello\nprovider: {{ name: aws, runtime: {runtime} }}\n{plugins}functions:\n  hello:\n    handler: handler.hello\n    events:\n      - httpApi: GET /hello\n"
    )
}

fn raw_node(peers: &Peers, duration: Duration) -> Result<Row> {
    let port = free_port()?;
    let mut command = Command::new("node");
    command.args(["-e", RAW_NODE, &port.to_string()]);
    let server = start(peers, "raw-node.log", command, port, "/")?;
    row(
        &Subject::asked("raw `node:http`", server, port, "/"),
        duration,
    )
}

fn serverless_offline(peers: &Peers, duration: Duration) -> Result<Row> {
    let folder = peers.folder("serverless-offline")?;
    std::fs::write(
        folder.join("serverless.yml"),
        manifest(
            "nodejs20.x",
            "frameworkVersion: '3'\nplugins: [serverless-offline]\n",
        ),
    )?;
    std::fs::write(folder.join("handler.js"), NODE_HANDLER)?;
    let _kept = std::os::unix::fs::symlink(peers.node_modules(), folder.join("node_modules"));
    let (port, lambda_port) = (free_port()?, free_port()?);
    let mut command = peers.npm("serverless");
    command.args([
        "offline",
        "--httpPort",
        &port.to_string(),
        "--lambdaPort",
        &lambda_port.to_string(),
    ]);
    command
        .current_dir(&folder)
        .env("SLS_TELEMETRY_DISABLED", "1")
        .env("SLS_NOTIFICATIONS_MODE", "off");
    let server = start(peers, "serverless-offline.log", command, port, "/nothing")?;
    row(
        &Subject::asked("serverless-offline 13", server, port, "/hello"),
        duration,
    )
}

fn framework_node(peers: &Peers, duration: Duration) -> Result<Row> {
    let folder = peers.folder("framework-node")?;
    std::fs::write(folder.join("index.js"), FRAMEWORK_NODE)?;
    let _kept = std::os::unix::fs::symlink(peers.node_modules(), folder.join("node_modules"));
    let port = free_port()?;
    let mut command = peers.npm("functions-framework");
    command
        .args(["--target=hello", &format!("--port={port}")])
        .current_dir(&folder)
        .env("NODE_ENV", "production");
    let server = start(peers, "framework-node.log", command, port, "/")?;
    row(
        &Subject::asked("functions-framework, Node", server, port, "/"),
        duration,
    )
}

fn framework_python(peers: &Peers, duration: Duration) -> Result<Row> {
    let folder = peers.folder("framework-python")?;
    std::fs::write(folder.join("main.py"), FRAMEWORK_PYTHON)?;
    let port = free_port()?;
    let mut command = peers.python("functions-framework");
    command
        .args(["--target=hello", &format!("--port={port}")])
        .current_dir(&folder);
    let server = start(peers, "framework-python.log", command, port, "/")?;
    row(
        &Subject::asked("functions-framework, Python", server, port, "/"),
        duration,
    )
}

/// Its gateway needs many calls to set up, so its Lambda is invoked directly: less work than the others do.
fn ministack(peers: &Peers, duration: Duration) -> Result<Row> {
    const CREATE: &str = "
import boto3, io, sys, zipfile
archive = io.BytesIO()
with zipfile.ZipFile(archive, 'w') as z: z.writestr('handler.js', sys.argv[2])
boto3.client('lambda', endpoint_url='http://127.0.0.1:' + sys.argv[1], region_name='us-east-1', aws_access_key_id='test', aws_secret_access_key='test').create_function(
    FunctionName='hello', Runtime='nodejs20.x', Role='arn:aws:iam::000000000000:role/r', Handler='handler.hello', Code={'ZipFile': archive.getvalue()})
";
    const INVOKE: &str = "wrk.method = 'POST'\nwrk.body = '{}'\nwrk.headers['Authorization'] = 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0'\n";
    let folder = peers.folder("ministack")?;
    let script = folder.join("invoke.lua");
    std::fs::write(&script, INVOKE)?;
    let port = free_port()?;
    let mut command = peers.python("ministack");
    command
        .env("GATEWAY_PORT", port.to_string())
        .current_dir(&folder);
    let server = start(peers, "ministack.log", command, port, "/_ministack/health")?;
    let created = peers
        .python("python")
        .args(["-c", CREATE, &port.to_string(), NODE_HANDLER])
        .status()?;
    anyhow::ensure!(created.success(), "ministack did not take the function");
    let path = "/2015-03-31/functions/hello/invocations";
    row(
        &Subject {
            name: "ministack, Lambda `Invoke`",
            server,
            port,
            path,
            script: Some(&script),
        },
        duration,
    )
}
