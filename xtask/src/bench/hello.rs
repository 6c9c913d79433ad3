//! Servers that say hello: ours, the peers, and nothing but Node's own.
//!
//! Lives here: their code, and how each is started.
//! Does not live here: measuring them (`functions`, `cold::warm`), installing them (`peers`).

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use super::peers::Peers;
use crate::http;
use crate::server::{Dev, Server, Start, free_port};

const NODE_HANDLER: &str = "exports.hello = async () => ({ statusCode: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ message: 'hello' }) });\n";
const PYTHON_HANDLER: &str = "import json\n\ndef hello(event, context):\n    return {'statusCode': 200, 'headers': {'content-type': 'application/json'}, 'body': json.dumps({'message': 'hello'})}\n";
const RAW_NODE: &str = "require('node:http').createServer((request, reply) => { reply.setHeader('content-type', 'application/json'); reply.end(JSON.stringify({ message: 'hello' })); }).listen(Number(process.argv[1]));";
const FRAMEWORK_NODE: &str = "require('@google-cloud/functions-framework').http('hello', (request, reply) => reply.json({ message: 'hello' }));\n";
const FRAMEWORK_PYTHON: &str = "import functions_framework\n\n@functions_framework.http\ndef hello(request):\n    return {'message': 'hello'}\n";

/// A server that is up, and the request that is measured.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) server: Server,
    pub(super) port: u16,
    pub(super) request: Vec<u8>,
}

pub(super) fn cloudless_node(peers: &Peers) -> Result<Subject> {
    let handler = ("handler.js", NODE_HANDLER);
    cloudless(peers, "Cloudless, Node", &peers.node_runtime(), handler)
}

pub(super) fn cloudless_python(peers: &Peers) -> Result<Subject> {
    let handler = ("handler.py", PYTHON_HANDLER);
    cloudless(peers, "Cloudless, Python", &peers.python_runtime(), handler)
}

fn cloudless(
    peers: &Peers,
    name: &'static str,
    runtime: &str,
    handler: (&str, &str),
) -> Result<Subject> {
    let folder = peers.folder(&format!("cloudless-{runtime}"))?;
    std::fs::write(folder.join("serverless.yml"), manifest(runtime, ""))?;
    std::fs::write(folder.join(handler.0), handler.1)?;
    // The first start brings run-time packages into the cache; the second is what a developer sees every day.
    drop(dev(peers, &folder)?);
    let dev = dev(peers, &folder)?;
    Ok(Subject {
        name,
        server: dev.server,
        port: dev.port,
        request: http::get("/hello"),
    })
}

/// Our own server, up.
pub(super) fn dev(peers: &Peers, folder: &Path) -> Result<Dev> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let log = peers.work.join(format!("{name}.log"));
    Dev::start(peers.command(&peers.cloudless), folder, &log)
}

fn manifest(runtime: &str, plugins: &str) -> String {
    format!(
        "service: hello\nprovider: {{ name: aws, runtime: {runtime} }}\n{plugins}functions:\n  hello:\n    handler: handler.hello\n    events:\n      - httpApi: GET /hello\n"
    )
}

pub(super) fn raw_node(peers: &Peers) -> Result<Subject> {
    let port = free_port()?;
    let mut command = peers.npm("node");
    command.args(["-e", RAW_NODE, &port.to_string()]);
    Ok(Subject {
        name: "raw `node:http`",
        server: start(peers, "raw-node.log", command, port, "/")?,
        port,
        request: http::get("/"),
    })
}

pub(super) fn serverless_offline(peers: &Peers) -> Result<Subject> {
    let folder = peers.folder("serverless-offline")?;
    let plugins = "frameworkVersion: '3'\nplugins: [serverless-offline]\n";
    // It knows runtimes by a list of names; which one is written changes nothing, since it runs the code itself.
    std::fs::write(
        folder.join("serverless.yml"),
        manifest("nodejs20.x", plugins),
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
    Ok(Subject {
        name: "serverless-offline 13",
        server: start(peers, "serverless-offline.log", command, port, "/nothing")?,
        port,
        request: http::get("/hello"),
    })
}

pub(super) fn framework_node(peers: &Peers) -> Result<Subject> {
    let folder = peers.folder("framework-node")?;
    std::fs::write(folder.join("index.js"), FRAMEWORK_NODE)?;
    let _kept = std::os::unix::fs::symlink(peers.node_modules(), folder.join("node_modules"));
    let port = free_port()?;
    let mut command = peers.npm("functions-framework");
    command
        .args(["--target=hello", &format!("--port={port}")])
        .current_dir(&folder)
        .env("NODE_ENV", "production");
    Ok(Subject {
        name: "functions-framework, Node",
        server: start(peers, "framework-node.log", command, port, "/")?,
        port,
        request: http::get("/"),
    })
}

pub(super) fn framework_python(peers: &Peers) -> Result<Subject> {
    let folder = peers.folder("framework-python")?;
    std::fs::write(folder.join("main.py"), FRAMEWORK_PYTHON)?;
    let port = free_port()?;
    let mut command = peers.python("functions-framework");
    command
        .args(["--target=hello", &format!("--port={port}")])
        .current_dir(&folder);
    Ok(Subject {
        name: "functions-framework, Python",
        server: start(peers, "framework-python.log", command, port, "/")?,
        port,
        request: http::get("/"),
    })
}

/// Its gateway needs many calls to set up, so its Lambda is invoked directly: less work than the others do.
pub(super) fn ministack_node(peers: &Peers) -> Result<Subject> {
    let (server, port) = ministack(peers, "ministack")?;
    ministack_function(
        peers,
        port,
        "hello",
        &peers.node_runtime(),
        ("handler.js", NODE_HANDLER),
        "hello",
    )?;
    Ok(Subject {
        name: "ministack, Lambda `Invoke`",
        server,
        port,
        request: http::invoke("hello", "{}"),
    })
}

/// A ministack that is up, as it comes: functions run in processes of the machine.
pub(super) fn ministack(peers: &Peers, name: &str) -> Result<(Server, u16)> {
    let port = free_port()?;
    let folder = peers.folder(name)?;
    let mut command = peers.python("ministack");
    command
        .env("GATEWAY_PORT", port.to_string())
        .env("NODE_PATH", peers.node_modules())
        // It unpacks functions there, and leaves them when it is killed.
        .env("TMPDIR", &folder)
        .current_dir(&folder);
    let log = format!("{name}.log");
    let server = start(peers, &log, command, port, "/_ministack/health")?;
    Ok((server, port))
}

/// Makes a function of one file; its handler is `file.handler`.
pub(super) fn ministack_function(
    peers: &Peers,
    port: u16,
    name: &str,
    runtime: &str,
    (file, code): (&str, &str),
    handler: &str,
) -> Result<()> {
    const CREATE: &str = "
import boto3, io, sys, zipfile
port, name, runtime, file, code, handler = sys.argv[1:]
archive = io.BytesIO()
with zipfile.ZipFile(archive, 'w') as z: z.writestr(file, code)
boto3.client('lambda', endpoint_url='http://127.0.0.1:' + port, region_name='us-east-1', aws_access_key_id='test', aws_secret_access_key='test').create_function(
    FunctionName=name, Runtime=runtime, Role='arn:aws:iam::000000000000:role/r', Handler=file.split('.')[0] + '.' + handler, Timeout=300, Code={'ZipFile': archive.getvalue()})
";
    let arguments = [&port.to_string(), name, runtime, file, code, handler];
    let created = peers
        .python("python")
        .args(["-c", CREATE])
        .args(arguments)
        .status()?;
    ensure!(created.success(), "ministack did not take the function");
    Ok(())
}

/// Starts a server whose output goes into a file of the run.
pub(super) fn start(
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
