//! What functions see and reach from their sandboxes, as their author meets it.
//!
//! Lives here: the cloud's own host names inside, what a server demands, what is opened, machines that cannot enforce it.
//! Does not live here: attempts to get out (`sandbox`), limits of instances (`runtimes`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure real time"
)]

mod support;

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::{Dev, Reply, cloudless, eventually, project, run, text};

const MANIFEST: &str = "
service: app
provider:
  name: aws
  runtime: python3.11
  region: eu-west-1
  timeout: 20
  iam: { role: { statements: [{ Effect: Allow, Action: 'dynamodb:ListTables', Resource: '*' }] } }
functions:
  python:
    handler: handler.python
    events:
      - httpApi: GET /python
      - httpApi: GET /hello
  node:
    runtime: nodejs20.x
    handler: handler.node
    events:
      - httpApi: GET /node
";
/// Connects to addresses, asks the cloud's services by their names, and its own API.
const PYTHON: &str = "
import errno, json, os, socket, urllib.error, urllib.request
def connect(address):
    host, port = address.rsplit(':', 1)
    with socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET) as s:
        s.settimeout(10)
        code = s.connect_ex((host, int(port)))
        if code: return errno.errorcode[code]
        try: return s.recv(100).decode() or 'closed'
        except OSError as error: return errno.errorcode[error.errno]
def fetch(url):
    try:
        with urllib.request.urlopen(url) as reply: return [reply.status, reply.read().decode()]
    except urllib.error.HTTPError as error: return [error.code, error.read().decode()]
    except urllib.error.URLError as error: return str(error.reason)
def sdk():
    endpoint = os.environ.pop('AWS_ENDPOINT_URL')
    try:
        import boto3
        return boto3.client('dynamodb').list_tables()['TableNames']
    except ImportError: return 'no SDK'
    finally: os.environ['AWS_ENDPOINT_URL'] = endpoint
def python(event, context):
    if event['rawPath'] == '/hello': return 'hello'
    query = event.get('queryStringParameters') or {}
    if 'connect' in query: return [connect(address) for address in query['connect'].split(',')]
    if 'sdk' in query: return sdk()
    if 'name' in query: return socket.gethostbyname(query['name'])
    return fetch(query['fetch'].replace('API', event['requestContext']['apiId']))
";
const NODE: &str = "
exports.node = async (event) => {
  const url = event.queryStringParameters.fetch.replace('API', event.requestContext.apiId);
  try {
    const reply = await fetch(url);
    return [reply.status, await reply.text()];
  } catch (error) { return String(error.cause ? error.cause.code : error); }
};
";

fn app() -> tempfile::TempDir {
    project(&[
        ("serverless.yml", MANIFEST),
        ("handler.py", PYTHON),
        ("handler.js", NODE),
        ("event.json", "{\"rawPath\": \"/hello\"}"),
    ])
}

fn start(folder: &Path, settings: &str) -> Dev {
    std::fs::write(folder.join("cloudless.toml"), settings).unwrap();
    Dev::start(folder, &folder.join("state"))
}

fn json_of(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_str(&reply.body).unwrap_or_else(|_| json!(reply.body))
}

/// A server on the host that says "host" to whoever connects.
fn host(address: &str) -> u16 {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _gone = stream.unwrap().write_all(b"host");
        }
    });
    port
}

#[test]
fn the_clouds_own_names_lead_to_the_services_and_apis_here() {
    let folder = app();
    let dev = start(folder.path(), "");
    for language in ["python", "node"] {
        let fetch = |url: &str| json_of(&dev.get(&format!("/{language}?fetch={url}")));
        for name in ["dynamodb", "sqs"] {
            let found = fetch(&format!("https://{name}.eu-west-1.amazonaws.com/"));
            assert!(
                found[0].as_u64().is_some_and(|status| 400 <= status),
                "{language}: {found}"
            );
        }
        let hello = json!([200, "hello"]);
        for scheme in ["https", "http"] {
            let url = format!("{scheme}://API.execute-api.eu-west-1.amazonaws.com/hello");
            assert_eq!(fetch(&url), hello, "{language} {scheme}");
        }
        // Nobody listens at other ports, on the host neither.
        let port = host("127.0.0.1:0");
        let found = fetch(&format!("http://sqs.eu-west-1.amazonaws.com:{port}/"));
        assert!(
            found
                .as_str()
                .is_some_and(|why| why.contains("refused") || why == "ECONNREFUSED"),
            "{language}: {found}"
        );
    }
    let found = json_of(&dev.get("/python?sdk=1"));
    assert!(found == json!([]) || found == json!("no SDK"), "{found}");
    dev.stop();
}

#[test]
fn without_an_authority_the_clouds_names_never_lead_to_the_real_cloud() {
    let manifest = "
service: app
provider: { name: aws, runtime: python3.11 }
functions:
  ask: { handler: handler.ask }
";
    let handler = "
import socket
def ask(event, context):
    name = 'sqs.eu-west-1.amazonaws.com'
    with socket.socket() as s: return [socket.gethostbyname(name), s.connect_ex((name, 443))]
";
    let folder = project(&[
        ("serverless.yml", manifest),
        ("handler.py", handler),
        ("cache/cloudless/authority", "a file where a folder belongs"),
    ]);
    let output = cloudless()
        .args(["invoke", "ask"])
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(
        text(&output.stdout).trim_end(),
        "[\"192.0.2.1\", 111]",
        "{said}"
    );
    assert!(
        said.contains("cannot reach the services by the cloud's own host names"),
        "{said}"
    );
}

#[test]
fn development_reaches_the_hosts_loopback_and_never_our_own_ports_nor_those_of_another_server() {
    let folder = app();
    let dev = start(folder.path(), "");
    let other_folder = app();
    let other = start(other_folder.path(), "");
    let port = host("127.0.0.1:0");
    let all = format!(
        "127.0.0.1:{port},127.0.0.1:{},127.8.8.8:{},169.254.169.254:80,::1:{},127.0.0.1:{}",
        dev.port, dev.services_port, dev.port, other.services_port
    );
    let found = json_of(&dev.get(&format!("/python?connect={all}")));
    let refused = "ECONNREFUSED";
    assert_eq!(
        found,
        json!(["host", refused, refused, refused, refused, refused])
    );
    other.stop();
    dev.stop();
}

#[test]
fn a_server_closes_the_hosts_networks_and_opens_what_it_is_told() {
    if !can_limit() {
        return;
    }
    let folder = app();
    let (open, closed) = (host("127.0.0.1:0"), host("127.0.0.1:0"));
    let settings = format!("[sandbox]\ndemands = 'server'\nopen = ['127.0.0.1:{open}']\n");
    let dev = start(folder.path(), &settings);
    let all = format!(
        "127.0.0.1:{open},127.0.0.1:{closed},127.0.0.2:{open},127.0.0.1:{},10.0.0.1:80,169.254.169.254:80",
        dev.port
    );
    let found = json_of(&dev.get(&format!("/python?connect={all}")));
    let refused = "ECONNREFUSED";
    assert_eq!(
        found,
        json!(["host", refused, refused, refused, refused, refused])
    );
    // A name of the host that leads to its loopback gains nothing.
    assert_eq!(
        json_of(&dev.get("/python?name=localhost")),
        json!("127.0.0.1")
    );
    dev.stop();
}

#[test]
fn a_server_does_not_start_where_the_kernel_keeps_no_limits_unless_it_is_told() {
    let folder = app();
    let write = |text: &str| std::fs::write(folder.path().join("cloudless.toml"), text).unwrap();
    write("[sandbox]\ndemands = 'server'\n");
    let invoke = ["invoke", "python", "--event", "event.json"];
    let output = without_groups(&invoke, folder.path());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for expected in [
        "error[server::not-enforced]",
        "the kernel does not limit what functions take of this machine",
        "limits = \"watched\"",
    ] {
        assert!(said.contains(expected), "`{expected}` is not in:\n{said}");
    }
    write("[sandbox]\ndemands = 'server'\nlimits = 'watched'\n");
    let output = without_groups(&invoke, folder.path());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(text(&output.stdout).contains("hello"), "{said}");
}

#[test]
fn a_machine_without_namespaces_runs_functions_in_development_and_not_on_a_server() {
    let folder = app();
    let write = |text: &str| std::fs::write(folder.path().join("cloudless.toml"), text).unwrap();
    let invoke = ["invoke", "python", "--event", "event.json"];
    write("[sandbox]\ndemands = 'server'\nlimits = 'watched'\n");
    let output = without_namespaces(&invoke, folder.path());
    let said = text(&output.stderr);
    if said.contains("unshare:") {
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error[server::not-enforced]"), "{said}");
    write("");
    let output = without_namespaces(&invoke, folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("hello"));
    let output = without_namespaces(&["doctor"], folder.path());
    let said = text(&output.stdout);
    let line = said
        .lines()
        .find(|line| line.contains("functions are locked in"));
    assert!(line.is_some_and(|line| line.contains("no")), "{said}");
}

#[test]
fn development_on_a_machine_without_namespaces_says_so_in_one_line_and_runs() {
    let folder = app();
    if text(&without_namespaces(&["--version"], folder.path()).stderr).contains("unshare:") {
        return;
    }
    let mut command = in_place_of(
        no_namespaces(),
        &["dev", "--port", "0", "--services-port", "0"],
        folder.path(),
    );
    let dev = Dev::start_command(&mut command);
    assert_eq!(dev.get("/hello").body, "hello");
    let said = dev.stop();
    let lines = said.lines().filter(|line| line.contains("locked in"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(
        lines[0].contains("Functions are not locked in on this machine: "),
        "{said}"
    );
}

#[test]
fn nothing_is_left_of_a_server_that_was_killed_once_another_has_started() {
    let folder = app();
    let dev = start(folder.path(), "");
    assert_eq!(dev.get("/hello").body, "hello");
    let (id, mounts) = (dev.id(), mounts());
    assert_eq!(groups_of(id).is_empty(), !can_limit());
    let inside = processes_with(folder.path());
    assert!(!inside.is_empty());
    dev.kill();
    let gone = eventually(|| processes_with(folder.path()).is_empty().then_some(()));
    assert!(gone.is_some(), "{:?}", processes_with(folder.path()));
    let again = start(folder.path(), "");
    assert_eq!(again.get("/hello").body, "hello");
    assert_eq!(groups_of(id), Vec::<PathBuf>::new());
    assert_eq!(self::mounts(), mounts);
    let id = again.id();
    again.stop();
    assert_eq!(groups_of(id), Vec::<PathBuf>::new());
}

#[test]
fn a_folder_that_is_closed_to_others_runs() {
    let folder = app();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(folder.path(), closed).unwrap();
    let output = run(
        &["invoke", "python", "--event", "event.json"],
        folder.path(),
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn doctor_names_what_is_enforced() {
    let folder = app();
    let output = run(&["doctor"], folder.path());
    let said = text(&output.stdout);
    for expected in ["functions are locked in", "control groups", "Landlock"] {
        assert!(said.contains(expected), "`{expected}` is not in:\n{said}");
    }
}

/// The control groups that a process has made.
fn groups_of(id: u32) -> Vec<PathBuf> {
    fn below(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                found.push(path);
            } else if 0 < depth && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                below(&path, prefix, depth - 1, found);
            }
        }
    }
    let mut found = Vec::new();
    below(
        Path::new("/sys/fs/cgroup"),
        &format!("cloudless-{id}-"),
        6,
        &mut found,
    );
    found
}

/// Processes in a sandbox whose code is in this folder: it is mounted there.
fn processes_with(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().into_string().ok());
    let shows = |number: &String| {
        let text = std::fs::read_to_string(format!("/proc/{number}/mountinfo"));
        text.is_ok_and(|text| text.lines().any(|line| line.contains(folder)))
    };
    numbers.filter(shows).collect()
}

fn mounts() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap()
}

/// Whether the kernel limits for us what functions take.
fn can_limit() -> bool {
    sandbox::Places::find().is_ok_and(|(_, missing)| missing.is_empty())
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

/// The product where no control groups are to be had.
fn without_groups(arguments: &[&str], folder: &Path) -> std::process::Output {
    if !is_root() {
        return run(arguments, folder);
    }
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "sh",
        "-c",
        "umount -R -l /sys/fs/cgroup && exec \"$@\"",
        "sh",
    ]);
    in_place_of(command, arguments, folder).output().unwrap()
}

/// The product where no namespace can be made: in one in which none may be.
fn without_namespaces(arguments: &[&str], folder: &Path) -> std::process::Output {
    in_place_of(no_namespaces(), arguments, folder)
        .output()
        .unwrap()
}

fn no_namespaces() -> Command {
    let mut command = Command::new("unshare");
    let deny = "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$@\"";
    command.args(["--user", "--map-root-user", "sh", "-c", deny, "sh"]);
    command
}

fn in_place_of(mut command: Command, arguments: &[&str], folder: &Path) -> Command {
    command
        .arg(cloudless().get_program())
        .args(arguments)
        .env("NO_COLOR", "1")
        .current_dir(folder);
    command
}
