//! A parked Node.js, and its forks, as whoever asks for them has them.
//!
//! Lives here: the program that parks, the frames, what a fork is told to do.
//! Does not live here: what is promised (`main`).
//!
//! The channel is descriptor 0: that is one which a child can be given without a line of unsafe code. A fork runs each line
//! of JavaScript that it gets over its channel, and answers with a line of JSON.

use std::fs;
use std::io::{BufRead, BufReader, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

pub const ADDON: &str = concat!(env!("OUT_DIR"), "/cloudless.node");

/// Whatever is waited for comes within this time, or the test fails.
const WAIT_MAX: Duration = Duration::from_secs(20);

const PROGRAM: &str = r#"
const addon = require(process.argv[1]);
const fs = require('node:fs');
const v8 = require('node:v8');
v8.setFlagsFromString('--expose-gc');
const collect = require('node:vm').runInNewContext('gc');
const sleep = length => new Promise(resolve => setTimeout(resolve, length));
const AsyncFunction = (async () => {}).constructor;
function park(ready) {
  const child = addon.park(0, 16, Buffer.from(ready));
  child.woken = addon.wakeThreads();
  return child;
}
function line() {
  const bytes = Buffer.alloc(1);
  let text = '';
  for (;;) {
    if (fs.readSync(0, bytes) === 0) addon.exitNow(0);
    if (bytes[0] === 10) return text;
    text += String.fromCharCode(bytes[0]);
  }
}
async function live(child) {
  const names = ['child', 'addon', 'require', 'collect', 'sleep', 'again'];
  const again = async () => live(park('again'));
  for (;;) {
    const body = new AsyncFunction(...names, line());
    let answer;
    try {
      answer = { answer: (await body(child, addon, require, collect, sleep, again)) ?? null };
    } catch (error) {
      answer = { error: String(error?.stack ?? error) };
    }
    fs.writeSync(0, JSON.stringify(answer) + '\n');
  }
}
setImmediate(async () => {
  const before = process.argv[2];
  if (before) await new AsyncFunction('addon', 'require', before)(addon, require);
  live(park('{}'));
});
"#;

/// How Node.js is made to survive a fork.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Condition variables and threads that survive.
    Preload,
    /// V8 uses no threads of its own.
    SingleThread,
}

/// The ways that the version of Node.js on the path has.
pub fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    if cfg!(target_arch = "x86_64") {
        ways.push(Way::Preload);
    }
    if 22 <= node_version() {
        ways.push(Way::SingleThread);
    }
    assert!(!ways.is_empty(), "this Node.js has no way to be forked");
    ways
}

fn node_version() -> u32 {
    let output = Command::new("node").arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let major = text.trim_start_matches('v').split('.').next().unwrap();
    major.parse().unwrap()
}

pub fn node(way: Way) -> Command {
    let mut command = Command::new("node");
    match way {
        Way::Preload => command.env("LD_PRELOAD", ADDON),
        Way::SingleThread => command.arg("--single-threaded"),
    };
    command
}

/// A parked process.
pub struct Parked {
    pub process: Child,
    pub channel: Channel,
    last_number: u32,
}

/// A fork of it.
pub struct Fork {
    pub number: u32,
    pub pidfd: OwnedFd,
    pub channel: BufReader<UnixStream>,
    pub stdout: OwnedFd,
}

impl Parked {
    /// Waits until it is ready.
    pub fn start(way: Way) -> Self {
        Self::start_command(node(way), "")
    }

    /// `before` is JavaScript that runs before it parks.
    pub fn start_command(command: Command, before: &str) -> Self {
        let parked = Self::start_without_waiting(command, before);
        let (frame, _) = parked.channel.receive();
        assert_eq!(frame, (16, b"{}".to_vec()));
        parked
    }

    pub fn start_without_waiting(mut command: Command, before: &str) -> Self {
        let (channel, theirs) = Channel::pair();
        command
            .args(["-e", PROGRAM, ADDON, before])
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        Self {
            process: command.spawn().unwrap(),
            channel,
            last_number: 0,
        }
    }

    pub fn fork(&mut self) -> Fork {
        self.try_fork()
            .unwrap_or_else(|code| panic!("it did not fork: {code}"))
    }

    /// The system's error where it cannot.
    pub fn try_fork(&mut self) -> Result<Fork, i32> {
        self.last_number += 1;
        self.channel.fork(self.last_number)
    }

    /// How long it has worked, in ticks of 10 ms.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<&str> = fields.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Waits for it to end by itself.
    pub fn status(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.process);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
        assert!(has_ended(&pidfd, WAIT_MAX), "it did not end");
        self.process.wait().unwrap().code()
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whoever asks has this end of it.
pub struct Channel(UnixStream);

impl Channel {
    fn pair() -> (Self, OwnedFd) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(WAIT_MAX)).unwrap();
        (Self(ours), OwnedFd::from(theirs))
    }

    /// Nobody will ask any more.
    pub fn close(&self) {
        self.0.shutdown(std::net::Shutdown::Both).unwrap();
    }

    pub fn fork(&self, number: u32) -> Result<Fork, i32> {
        let (ours, theirs) = Self::pair();
        let (stdout, write_end) = rustix::pipe::pipe().unwrap();
        let request = request(number);
        self.send(&request, &[&theirs, &write_end, &write_end]);
        drop((theirs, write_end));
        let ((frame_type, body), pidfd) = self.receive();
        let (for_number, value) = body.split_at(4);
        assert_eq!(for_number, number.to_be_bytes());
        let value = u32::from_be_bytes(value.try_into().unwrap());
        match frame_type {
            32 => Ok(Fork {
                number: value,
                pidfd: pidfd.expect("a fork comes with its pidfd"),
                channel: BufReader::new(ours.0),
                stdout,
            }),
            33 => Err(i32::from_be_bytes(value.to_be_bytes())),
            other => panic!("an answer of type {other}"),
        }
    }

    pub fn send(&self, bytes: &[u8], descriptors: &[&OwnedFd]) {
        let descriptors: Vec<_> = descriptors.iter().map(|one| one.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            rights.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let slices = [IoSlice::new(bytes)];
        let sent = rustix::net::sendmsg(&self.0, &slices, &mut rights, SendFlags::NOSIGNAL);
        assert_eq!(sent.unwrap(), bytes.len());
    }

    /// A frame as its type and its body, and the descriptor with it.
    pub fn receive(&self) -> ((u8, Vec<u8>), Option<OwnedFd>) {
        let mut header = [0; 5];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut header)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
        let count = rustix::net::recvmsg(&self.0, &mut slices, &mut rights, flags).unwrap();
        assert_eq!(count.bytes, 5, "the parked process has ended");
        let descriptor = rights.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let [a, b, c, d, frame_type] = header;
        let mut body = vec![0; u32::from_be_bytes([a, b, c, d]) as usize];
        (&self.0).read_exact(&mut body).unwrap();
        ((frame_type, body), descriptor)
    }

    /// The next that it says: that a child has ended, how, and with what.
    pub fn ended(&self) -> (u32, u8, i32) {
        let ((frame_type, body), _) = self.receive();
        assert_eq!((frame_type, body.len()), (34, 9));
        let number = u32::from_be_bytes(body[..4].try_into().unwrap());
        let value = i32::from_be_bytes(body[5..].try_into().unwrap());
        (number, body[4], value)
    }
}

pub fn request(number: u32) -> Vec<u8> {
    [&[0, 0, 0, 4, 3][..], &number.to_be_bytes()].concat()
}

impl Fork {
    /// Has it run JavaScript that ends with `return`, and gives its answer.
    pub fn run(&mut self, body: &str) -> serde_json::Value {
        self.tell(body);
        let mut line = String::new();
        self.channel.read_line(&mut line).unwrap();
        let mut answer: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("the fork ended at: {body}"));
        assert_eq!(answer.get("error"), None, "{body}");
        answer["answer"].take()
    }

    /// Has it run JavaScript whose answer nobody waits for.
    pub fn tell(&mut self, body: &str) {
        let line = body.replace('\n', " ") + "\n";
        self.channel.get_mut().write_all(line.as_bytes()).unwrap();
    }

    pub fn has_ended(&self) -> bool {
        has_ended(&self.pidfd, WAIT_MAX)
    }

    pub fn is_alive(&self) -> bool {
        !has_ended(&self.pidfd, Duration::ZERO)
    }

    /// All that it wrote, once it has ended.
    pub fn output(self) -> String {
        let mut text = String::new();
        fs::File::from(self.stdout)
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    /// What its descriptors stand for, in the order of their numbers.
    pub fn descriptors(&self) -> Vec<String> {
        descriptors(self.number)
    }

    /// Its channel as that of a process that is parked again.
    pub fn into_channel(self) -> Channel {
        Channel(self.channel.into_inner())
    }
}

pub fn descriptors(pid: u32) -> Vec<String> {
    let folder = Path::new("/proc").join(pid.to_string()).join("fd");
    let entries = fs::read_dir(folder).unwrap();
    let mut found: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let number: u32 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            (number, fs::read_link(&path).unwrap())
        })
        .collect();
    found.sort();
    let text = |(_, target): (u32, std::path::PathBuf)| target.to_string_lossy().into_owned();
    found.into_iter().map(text).collect()
}

/// Whether a process that was killed ends, whoever its parent is.
pub fn ends(pid: u64) -> bool {
    let ended = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z") || stat.contains(") X")
    };
    (0..1_000).any(|_| {
        std::thread::sleep(Duration::from_millis(2));
        ended()
    })
}

fn has_ended(pidfd: &OwnedFd, wait_max: Duration) -> bool {
    let mut asked = [PollFd::new(pidfd, PollFlags::IN)];
    let wait_max = Timespec::try_from(wait_max).unwrap();
    poll(&mut asked, Some(&wait_max)).unwrap() == 1
}
