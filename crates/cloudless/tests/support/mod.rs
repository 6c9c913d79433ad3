//! Running the product as a user does: the binary, in a folder, over HTTP.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, measure real time, and each file uses its part"
)]

pub mod clients;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// The first start may install run-time packages.
const READY_WITHIN: Duration = Duration::from_secs(300);
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// A folder with these files.
pub fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// An example of the repository.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
}

/// The binary, with an environment that a test can rely on.
pub fn cloudless() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudless"));
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub fn run(arguments: &[&str], folder: &Path) -> Output {
    cloudless()
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// The output with what varies taken out.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running `cloudless dev`.
pub struct Dev {
    child: Child,
    pub port: u16,
    pub services_port: u16,
    log: PathBuf,
    _log_folder: tempfile::TempDir,
}

/// A reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl Dev {
    pub fn start(folder: &Path, state: &Path) -> Self {
        Self::start_with(folder, state, &[])
    }

    pub fn start_with(folder: &Path, state: &Path, arguments: &[&str]) -> Self {
        let mut command = cloudless();
        command
            .arg("dev")
            .arg(folder)
            .args(["--port", "0", "--services-port", "0", "--state"])
            .arg(state)
            .args(arguments);
        Self::start_command(&mut command)
    }

    pub fn start_command(command: &mut Command) -> Self {
        let log_folder = tempfile::tempdir().unwrap();
        let log = log_folder.path().join("log");
        let file = std::fs::File::create(&log).unwrap();
        let child = command
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut dev = Self {
            child,
            port: 0,
            services_port: 0,
            log,
            _log_folder: log_folder,
        };
        let began = Instant::now();
        while began.elapsed() < READY_WITHIN {
            if let Some(status) = dev.child.try_wait().unwrap() {
                panic!("it ended with {status}:\n{}", dev.log());
            }
            if let Some(ports) = ports_in(&dev.log()) {
                (dev.port, dev.services_port) = ports;
                let health = try_request(ports.1, "GET", "/_cloudless/health", &[], b"");
                if health.is_some_and(|reply| reply.status == 200) {
                    return dev;
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("not ready:\n{}", dev.log());
    }

    /// What it printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has printed this.
    pub fn wait_for_log(&self, wanted: &str) -> String {
        eventually(|| Some(self.log()).filter(|log| log.contains(wanted)))
            .unwrap_or_else(|| panic!("`{wanted}` was not printed:\n{}", self.log()))
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, &[("Content-Type", "application/json")], body)
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        try_request(self.port, method, path, headers, body.as_bytes())
            .unwrap_or_else(|| panic!("no reply to {method} {path}:\n{}", self.log()))
    }

    /// A call of a JSON service with keys that nobody issued.
    pub fn service(&self, target: &str, body: &str) -> Reply {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature={}",
            "0".repeat(64)
        );
        let headers = [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", target),
            ("X-Amz-Date", "20260101T000000Z"),
            ("Authorization", authorization.as_str()),
        ];
        try_request(self.services_port, "POST", "/", &headers, body.as_bytes()).unwrap()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// kill -9, as often as a power cut.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn terminate(&self) {
        Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .unwrap();
    }

    /// Waits for its end after `terminate`.
    pub fn ended(&mut self) -> ExitStatus {
        eventually(|| self.child.try_wait().unwrap())
            .unwrap_or_else(|| panic!("it did not end:\n{}", self.log()))
    }

    pub fn stop(mut self) -> String {
        self.terminate();
        let status = self.ended();
        assert!(
            status.success(),
            "SIGTERM ended it with {status}:\n{}",
            self.log()
        );
        self.log()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Tries until there is a value, for as long as a server may take to end.
pub fn eventually<T>(mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        let found = probe();
        if found.is_some() || began.elapsed() > ENDS_WITHIN {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The number out here of a process that knows itself by another one, in the process namespace of this name.
pub fn number_outside(namespace: &str, number: u64) -> Option<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let is_it = |folder: &Path| {
        let found = std::fs::read_link(folder.join("ns/pid")).ok()?;
        let status = std::fs::read_to_string(folder.join("status")).ok()?;
        let numbers = status
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:"))?;
        let own = numbers.split_whitespace().last()?.parse().ok();
        Some(found.to_str() == Some(namespace) && own == Some(number))
    };
    entries
        .filter(|entry| is_it(&entry.path()) == Some(true))
        .find_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The ports of APIs and services that a server says it took. Choosing them beforehand would be a race with other tests.
pub fn ports_in(log: &str) -> Option<(u16, u16)> {
    let port_after = |name: &str| {
        let (_, rest) = log.split_once(name)?;
        let (line, _) = rest.split_once('\n')?;
        line.rsplit_once(':')?.1.trim().parse().ok()
    };
    Some((port_after("  APIs ")?, port_after("  Services ")?))
}

/// One request on a connection of its own; none when nobody answers.
pub fn try_request(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Reply> {
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut bytes = request.into_bytes();
    bytes.extend_from_slice(body);
    raw(port, &bytes).and_then(|reply| parse(&reply))
}

/// Bytes in, bytes out, until the server closes.
pub fn raw(port: u16, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(90)))
        .unwrap();
    stream.write_all(bytes).ok()?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).ok()?;
    Some(reply)
}

fn parse(reply: &[u8]) -> Option<Reply> {
    let text = String::from_utf8_lossy(reply);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Some(Reply {
        status,
        headers,
        body: body.to_owned(),
    })
}
