//! Starting a server in a process group of its own, waiting for it, and ending all of it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::http::now;
use crate::processes;

const READY_WITHIN: Duration = Duration::from_secs(180);
/// How long what a killed server leaves behind is waited for.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// A server under test. Dropping it ends its whole process group.
pub(crate) struct Server {
    child: Child,
    /// From its start to its first answer on `ready`.
    pub(crate) ready: Duration,
}

/// How to start one.
pub(crate) struct Start<'a> {
    /// The command, its folder and environment set.
    pub(crate) command: Command,
    /// Where its output goes.
    pub(crate) log: &'a Path,
    /// The port that it will listen on, and a path that answers once it is ready.
    pub(crate) port: u16,
    /// The path, as `/health`.
    pub(crate) ready_path: &'a str,
}

/// `cloudless dev` on ports of its own, up.
pub(crate) struct Dev {
    pub(crate) server: Server,
    /// Where the application's APIs are.
    pub(crate) port: u16,
    /// Where the cloud services are.
    pub(crate) services_port: u16,
}

impl Dev {
    /// Serves the project in this folder. The command is the binary, with its environment set.
    pub(crate) fn start(mut command: Command, folder: &Path, log: &Path) -> Result<Self> {
        command.arg("dev");
        Self::start_server(free_port()?, command, folder, log)
    }

    /// The same, with the cloud services on this port.
    pub(crate) fn start_on(
        services_port: u16,
        mut command: Command,
        folder: &Path,
        log: &Path,
    ) -> Result<Self> {
        command.arg("dev");
        Self::start_server(services_port, command, folder, log)
    }

    /// The same, with options, and its state in a folder of its own.
    pub(crate) fn start_with(
        mut command: Command,
        options: &[String],
        folder: &Path,
        state: &Path,
        log: &Path,
    ) -> Result<Self> {
        command.arg("dev").arg("--state").arg(state).args(options);
        Self::start_server(free_port()?, command, folder, log)
    }

    fn start_server(
        services_port: u16,
        mut command: Command,
        folder: &Path,
        log: &Path,
    ) -> Result<Self> {
        let port = free_port()?;
        command.arg(folder);
        command.args(["--port", &port.to_string()]);
        command.args(["--services-port", &services_port.to_string()]);
        let server = Server::start(Start {
            command,
            log,
            port: services_port,
            ready_path: "/_cloudless/health",
        })?;
        Ok(Self {
            server,
            port,
            services_port,
        })
    }
}

impl Server {
    pub(crate) fn start(start: Start<'_>) -> Result<Self> {
        let Start {
            mut command,
            log,
            port,
            ready_path,
        } = start;
        let output = File::create(log)?;
        let began = now();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", name_of(&command)))?;
        let mut server = Self {
            child,
            ready: Duration::ZERO,
        };
        while began.elapsed() < READY_WITHIN {
            if let Some(status) = server.child.try_wait()? {
                bail!(
                    "{} ended with {status}: {}",
                    name_of(&command),
                    std::fs::read_to_string(log).unwrap_or_default()
                );
            }
            if request(port, "GET", ready_path, &[], "")
                .is_ok_and(|reply| !reply.starts_with("HTTP/1.1 503"))
            {
                server.ready = began.elapsed();
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!(
            "{} was not ready after {READY_WITHIN:?}: {}",
            name_of(&command),
            std::fs::read_to_string(log).unwrap_or_default()
        )
    }

    /// Its process, and the leader of its group.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end in order.
    pub(crate) fn ask_to_end(&self) -> Result<()> {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        kill_process(id.context("no process")?, Signal::TERM)?;
        Ok(())
    }

    /// Whether it has ended, which must be with success.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        let status = self.child.try_wait()?;
        if let Some(status) = status {
            ensure!(status.success(), "the server ended with {status}");
        }
        Ok(status.is_some())
    }

    /// Proportional memory of all its processes, in MiB.
    pub(crate) fn memory_mib(&self) -> f64 {
        let all = processes::tree(self.id());
        all.iter().map(|process| process.proportional_mib()).sum()
    }
}

impl Drop for Server {
    /// Returns when nothing of it is left: what comes next is not measured beside its end.
    fn drop(&mut self) {
        // The number of one that has been waited for may be another's by now.
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let all = processes::tree(self.id());
        let _gone = Command::new("kill")
            .args(["-KILL", "--", &format!("-{}", self.child.id())])
            .status();
        let _reaped = self.child.wait();
        let began = now();
        while began.elapsed() < GONE_WITHIN && all.iter().any(|process| process.lives()) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The program, without its folder and the environment that it is given.
fn name_of(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    name.to_string_lossy().into_owned()
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// One request on a connection of its own; the whole reply as text, of HTTP/1.0 too.
fn request(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    ensure!(
        reply.starts_with("HTTP/1."),
        "no HTTP reply from port {port}: {reply}"
    );
    Ok(reply)
}
