//! A real Python base, templates in sandboxes, and instances: what the product does, as briefly as a test can.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "each test file uses a part of it, and tests may read their environment"
)]

use std::io::{IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use sandbox::{Entered, Entrance, Sandbox, Shown};
use serde_json::{Value, json};

pub(crate) const READY: u8 = 16;
const ORDER: u8 = 1;
const EVENT: u8 = 2;
const FORK: u8 = 3;
const FORKED: u8 = 32;

/// As the product lets a template have.
pub(crate) const FORKED_AHEAD_MAX: usize = 3;

pub(crate) fn interpreter() -> PathBuf {
    std::env::var_os("SANDBOX_TEST_PYTHON").map_or_else(|| "/usr/bin/python3".into(), PathBuf::from)
}

pub(crate) fn bootstrap() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../runtimes/src/process/bootstrap/python")
        .canonicalize()
        .unwrap()
}

pub(crate) fn task() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/base/task")
}

pub(crate) fn shown() -> Vec<Shown> {
    // What an interpreter outside of the system's own folders needs.
    let prefix = std::env::var_os("SANDBOX_TEST_PREFIX").map(Shown::in_place);
    let own = [Shown::at(task(), "/var/task"), Shown::in_place(bootstrap())];
    own.into_iter().chain(prefix).collect()
}

/// One end of a process's channel.
pub(crate) struct Channel(pub(crate) UnixStream);

impl Channel {
    pub(crate) fn pair() -> (Self, OwnedFd) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        (Self(ours), theirs.into())
    }

    pub(crate) fn send(&mut self, kind: u8, body: &[u8]) {
        self.try_send(kind, body).unwrap();
    }

    fn try_send(&mut self, kind: u8, body: &[u8]) -> std::io::Result<()> {
        let mut frame = (body.len() as u32).to_be_bytes().to_vec();
        frame.push(kind);
        frame.extend(body);
        self.0.write_all(&frame)
    }

    pub(crate) fn receive(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut header = [0; 5];
        self.0.read_exact(&mut header)?;
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        let mut body = vec![0; length as usize];
        self.0.read_exact(&mut body)?;
        Ok((header[4], body))
    }

    /// Asks a zygote for a fork: its number as the zygote has it, and a pidfd.
    pub(crate) fn fork(&mut self, descriptors: &[BorrowedFd<'_>]) -> Option<(u32, OwnedFd)> {
        let mut frame = 4u32.to_be_bytes().to_vec();
        frame.push(FORK);
        frame.extend(1u32.to_be_bytes());
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        assert!(rights.push(SendAncillaryMessage::ScmRights(descriptors)));
        rustix::net::sendmsg(
            &self.0,
            &[IoSlice::new(&frame)],
            &mut rights,
            SendFlags::NOSIGNAL,
        )
        .unwrap();
        loop {
            let (mut bytes, mut found) = ([0; 64], None);
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut rights = RecvAncillaryBuffer::new(&mut space);
            let mut buffers = [IoSliceMut::new(&mut bytes[..5])];
            let count =
                rustix::net::recvmsg(&self.0, &mut buffers, &mut rights, RecvFlags::CMSG_CLOEXEC)
                    .ok()?
                    .bytes;
            for one in rights.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = one {
                    found = received.into_iter().next();
                }
            }
            if count != 5 {
                return None;
            }
            let length = bytes[3] as usize;
            let kind = bytes[4];
            self.0.read_exact(&mut bytes[5..5 + length]).unwrap();
            if kind == FORKED {
                return Some((
                    u32::from_be_bytes([bytes[9], bytes[10], bytes[11], bytes[12]]),
                    found?,
                ));
            }
            if kind == 33 {
                return None;
            }
        }
    }
}

fn nowhere() -> OwnedFd {
    std::fs::File::options()
        .write(true)
        .open("/dev/null")
        .unwrap()
        .into()
}

/// Where a process's output goes: to the test's own, which shows it when the test fails. By a pipe, since that may be a
/// file, and no process brings one along.
fn output() -> OwnedFd {
    let Ok((mut output, theirs)) = std::io::pipe() else {
        return nowhere();
    };
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::stderr()));
    theirs.into()
}

pub(crate) struct Base {
    pub(crate) channel: Channel,
    pub(crate) process: Child,
}

impl Base {
    pub(crate) fn start(sdk_paths: &[&str]) -> Self {
        Self::start_by(&[], sdk_paths)
    }

    /// By a program and its arguments, which run the interpreter.
    pub(crate) fn start_by(before: &[std::ffi::OsString], sdk_paths: &[&str]) -> Self {
        let (mut channel, theirs) = Channel::pair();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/base/base.py");
        let process = Command::new("/bin/sh")
            .args(["-c", "exec \"$@\" 3<&0 0</dev/null", "sh"])
            .args(before)
            .arg(interpreter())
            .args(["-s", "-S", "-B"])
            .arg(script)
            .arg(bootstrap())
            .arg(super::common::built("libentry.so"))
            .arg(super::common::landlock().scoped.to_string())
            .env_clear()
            .env("LANG", "en_US.UTF-8")
            .current_dir("/")
            .stdin(theirs)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        channel.send(
            ORDER,
            &serde_json::to_vec(&json!({"kind": "base", "sdkPaths": sdk_paths})).unwrap(),
        );
        assert_eq!(channel.receive().unwrap().0, READY);
        Self { channel, process }
    }

    /// Why a fork of the base does not get into a sandbox.
    pub(crate) fn refusal(
        &mut self,
        sandbox: &Sandbox,
        surplus: sandbox::SurplusDescriptors,
    ) -> String {
        let (mut channel, theirs) = Channel::pair();
        let (out, error) = (output(), output());
        let ticket = sandbox
            .ticket(&super::common::confinement_of_template(), surplus, None)
            .unwrap();
        let descriptors = [
            theirs.as_fd(),
            out.as_fd(),
            error.as_fd(),
            ticket.theirs.as_fd(),
        ];
        let forked = self.channel.fork(&descriptors);
        drop(theirs);
        drop(ticket.theirs);
        let refused = match ticket.admission.admit() {
            Ok(_) => "admitted".to_owned(),
            Err(error) => match std::error::Error::source(&error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            },
        };
        drop(forked);
        assert!(channel.receive().is_err(), "it has run nothing, and ended");
        refused
    }

    /// A template, in a sandbox or not, with the function loaded.
    pub(crate) fn template(&mut self, sandbox: Option<&Sandbox>, variables: Value) -> Template {
        self.template_in(sandbox, variables, None)
    }

    /// The same, in a group.
    pub(crate) fn template_in(
        &mut self,
        sandbox: Option<&Sandbox>,
        variables: Value,
        group: Option<&Entrance>,
    ) -> Template {
        let (mut channel, theirs) = Channel::pair();
        let (out, error) = (output(), output());
        let ticket = sandbox.map(|sandbox| {
            sandbox
                .ticket(
                    &super::common::confinement_of_template(),
                    sandbox::SurplusDescriptors::Closed,
                    group,
                )
                .unwrap()
        });
        let mut descriptors = vec![theirs.as_fd(), out.as_fd(), error.as_fd()];
        descriptors.extend(ticket.iter().map(|ticket| ticket.theirs.as_fd()));
        let (number, pidfd) = self.channel.fork(&descriptors).expect("the base forks");
        drop(theirs);
        let entered = ticket.map(|ticket| {
            drop(ticket.theirs);
            ticket.admission.admit().unwrap()
        });
        if let Some(entered) = &entered {
            assert_eq!(
                entered.pid, number as i32,
                "the base knows the template by the same number"
            );
        }
        let code_root = if sandbox.is_some() {
            PathBuf::from("/var/task")
        } else {
            task()
        };
        let sdk_paths: Vec<String> = Vec::new();
        let order = json!({
            "kind": "template", "handler": "handler.handle", "codeRoot": code_root, "modulePaths": [], "sdkPaths": sdk_paths,
            "runtimeMajor": 3, "runtimeMinor": 11, "variables": variables, "isForkedAnyway": true,
        });
        channel.send(ORDER, &serde_json::to_vec(&order).unwrap());
        let (kind, body) = channel.receive().unwrap();
        assert_eq!(kind, READY, "{}", String::from_utf8_lossy(&body));
        if let Some(sandbox) = sandbox {
            // Some more than are asked for are forked ahead.
            for _ in 0..FORKED_AHEAD_MAX {
                sandbox.expect_instance(number as i32).unwrap();
            }
        }
        Template {
            channel,
            entered,
            pid: number as i32,
            pidfd,
        }
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) struct Template {
    pub(crate) channel: Channel,
    pub(crate) entered: Option<Entered>,
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
}

impl Template {
    pub(crate) fn instance(&mut self, sandbox: Option<&Sandbox>) -> Instance {
        self.try_instance(sandbox).expect("the template forks")
    }

    pub(crate) fn try_instance(&mut self, sandbox: Option<&Sandbox>) -> Option<Instance> {
        if let Some(sandbox) = sandbox {
            sandbox.expect_instance(self.pid).unwrap();
        }
        self.fork_instance()
    }

    /// One that nobody was told to expect, unless somebody was.
    pub(crate) fn fork_instance(&mut self) -> Option<Instance> {
        let (mut channel, theirs) = Channel::pair();
        let (out, error) = (output(), output());
        let (_, pidfd) = self
            .channel
            .fork(&[theirs.as_fd(), out.as_fd(), error.as_fd()])?;
        drop(theirs);
        // One that was not let in may have ended.
        let order = serde_json::to_vec(&json!({"variables": {}})).unwrap();
        channel.try_send(ORDER, &order).ok()?;
        let (kind, _) = channel.receive().ok()?;
        let pid = host_number(&pidfd);
        (kind == READY).then_some(Instance {
            channel,
            pidfd,
            pid,
        })
    }
}

fn host_number(pidfd: &OwnedFd) -> i32 {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("Pid:"))
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

pub(crate) struct Instance {
    pub(crate) channel: Channel,
    /// Out here.
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
}

impl Instance {
    /// Runs code in the handler, and gives what it left in `result`.
    pub(crate) fn run(&mut self, code: &str) -> Value {
        // The deadline; then four texts behind their lengths: the request, the ARN, the trace, and no client context.
        let mut body = 4_000_000_000_000_i64.to_be_bytes().to_vec();
        body.extend([0, 0, 0, 1, b'1']);
        body.extend([0; 8]);
        body.extend([0xff; 4]);
        body.extend(serde_json::to_vec(&json!({"code": code})).unwrap());
        self.channel.send(EVENT, &body);
        match self.channel.receive() {
            Ok((_, body)) => serde_json::from_slice(&body).unwrap(),
            Err(error) => json!({"gone": error.to_string()}),
        }
    }
}
