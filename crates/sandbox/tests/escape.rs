//! The escape suite: what hostile code tries, in an instance of a template, each in one of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod common;
#[path = "common/zygote.rs"]
mod zygote;

use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

use common::{Box, attacks};
use sandbox::policy::{Network, Policy};
use sandbox::{Plan, Shown};
use serde_json::json;
use zygote::{Base, Instance, Template, shown};

/// What must not be reached, on the host and in a neighbouring sandbox.
struct Host {
    folder: tempfile::TempDir,
    secret_port: u16,
    outside_port: u16,
    abstract_name: String,
    /// Of shared memory that everybody may use.
    memory_key: i32,
}

impl Drop for Host {
    fn drop(&mut self) {
        shared_memory(
            self.memory_key,
            "libc.shmctl(libc.shmget(key, 0, 0), 0, None)",
        );
    }
}

/// Does something with the shared memory of a key, as a process of the host.
fn shared_memory(key: i32, code: &str) -> bool {
    let code = format!("import ctypes; libc = ctypes.CDLL(None); key = {key}; exit({code} < 0)");
    let done = std::process::Command::new("/usr/bin/python3")
        .args(["-c", &code])
        .status();
    done.unwrap().success()
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "the host's secret").unwrap();
        let serve = |address: &str, says: &'static [u8]| {
            let listener = TcpListener::bind(address).unwrap();
            let at = listener.local_addr().unwrap();
            let datagrams = UdpSocket::bind(at).unwrap();
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let _ = stream.unwrap().write_all(says);
                }
            });
            std::thread::spawn(move || {
                let mut buffer = [0; 100];
                while let Ok((_, from)) = datagrams.recv_from(&mut buffer) {
                    let _ = datagrams.send_to(says, from);
                }
            });
            at.port()
        };
        let secret_port = serve("127.0.0.1:0", b"the host's secret");
        let outside_port = serve("127.0.0.2:0", b"outside");
        let abstract_name = format!("sandbox-test-{}", folder.path().display());
        let listen_for_ever = |listener: UnixListener| {
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let _ = stream.unwrap().write_all(b"the host's secret");
                }
            });
        };
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        listen_for_ever(UnixListener::bind_addr(&address).unwrap());
        listen_for_ever(UnixListener::bind(folder.path().join("socket")).unwrap());
        let shown = folder.path().join("shown");
        std::fs::create_dir(&shown).unwrap();
        listen_for_ever(UnixListener::bind(shown.join("socket")).unwrap());
        // Open to all, so that only the sandbox keeps anybody from it.
        let all = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(shown.join("socket"), all(0o777)).unwrap();
        std::fs::set_permissions(&shown, all(0o755)).unwrap();
        let memory_key = i32::from(secret_port) | 0x5a_0000;
        assert!(shared_memory(memory_key, "libc.shmget(key, 4096, 0o1666)"));
        Self {
            folder,
            secret_port,
            outside_port,
            abstract_name,
            memory_key,
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

fn sandboxed(host: &Host) -> Box {
    let opened = vec![Network {
        address: "127.0.0.2".parse().unwrap(),
        prefix_bits: 32,
        port: None,
    }];
    let mut plan = Plan {
        shown: shown(),
        ..common::plan()
    };
    plan.shown.push(Shown::at(attacks(), "/opt"));
    plan.shown
        .push(Shown::at(host.folder.path().join("shown"), "/mnt/shown"));
    Box::with(plan).open(Policy {
        opened,
        ..Policy::of_server()
    })
}

/// A template with the attempts loaded.
fn template(
    base: &mut Base,
    inside: &Box,
    host: &Host,
    (neighbour, sibling): (i32, Option<i64>),
) -> Template {
    let variables = json!({
        "INIT": "import sys; sys.path.append('/opt'); import attempts",
        "SECRET_FILE": host.path("secret"),
        "SOCKET_FILE": host.path("socket"),
        "SHOWN_SOCKET": "/mnt/shown/socket",
        "SECRET_PORT": host.secret_port.to_string(),
        "OUTSIDE_HOST": "127.0.0.2",
        "OUTSIDE_PORT": host.outside_port.to_string(),
        "ABSTRACT": host.abstract_name,
        "SHM_KEY": host.memory_key.to_string(),
        "HOST_PID": std::process::id().to_string(),
        "NEIGHBOUR_PID": neighbour.to_string(),
        "SIBLING": sibling.map_or_else(|| "1".to_owned(), |pid| pid.to_string()),
    });
    base.template(Some(&inside.sandbox), variables)
}

fn names() -> Vec<String> {
    let text = std::fs::read_to_string(attacks().join("attempts.py")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let names = lines
        .windows(2)
        .filter(|pair| pair[0] == "@attempting")
        .map(|pair| {
            pair[1]
                .trim_start_matches("def ")
                .split('(')
                .next()
                .unwrap()
                .to_owned()
        });
    names.collect()
}

#[test]
fn nothing_that_is_tried_gets_out() {
    let host = Host::new();
    let inside = sandboxed(&host);
    let mut base = Base::start(&[]);
    let beside = sandboxed(&host);
    let neighbour = template(&mut base, &beside, &host, (1, None));
    let mut first = template(&mut base, &inside, &host, (neighbour.pid, None));
    let mut sibling: Instance = first.instance(Some(&inside.sandbox));
    let pid = sibling.run("import os; result = os.getpid()").as_i64();
    assert!(pid.is_some());
    let mut template = template(&mut base, &inside, &host, (neighbour.pid, pid));
    let mut escaped = Vec::new();
    let only = std::env::var("ONLY").unwrap_or_default();
    let names: Vec<String> = names()
        .into_iter()
        .filter(|name| name.contains(&only))
        .collect();
    for name in &names {
        let mut instance = template.instance(Some(&inside.sandbox));
        let said = instance.run(&format!(
            "import attempts; result = attempts.attempt({name:?})"
        ));
        println!("{name:50} {said}");
        if !said.as_str().is_some_and(|said| said.starts_with("held")) {
            escaped.push(format!("{name}: {said}"));
        }
        // It is dropped, as by the runtime: killed, with its group.
        let _ = rustix::process::pidfd_send_signal(&instance.pidfd, rustix::process::Signal::KILL);
    }
    assert!(escaped.is_empty(), "{escaped:#?}");
    assert!(
        !only.is_empty() || 40 <= names.len(),
        "{} attempts",
        names.len()
    );
    assert_eq!(
        sibling.run("result = 'well'"),
        json!("well"),
        "the neighbour goes on"
    );
    assert!(Path::new(&host.path("secret")).exists());
}

#[test]
fn shared_memory_goes_with_the_instance_that_made_it() {
    let host = Host::new();
    let inside = sandboxed(&host);
    let mut base = Base::start(&[]);
    let mut template = template(&mut base, &inside, &host, (1, None));
    let ask =
        |flags| format!("import ctypes; result = ctypes.CDLL(None).shmget(77, 4096, {flags}) < 0");
    let mut first: Instance = template.instance(Some(&inside.sandbox));
    assert_eq!(first.run(&ask("0o1600")), json!(false), "it is made");
    let mut second = template.instance(Some(&inside.sandbox));
    assert_eq!(second.run(&ask("0")), json!(true), "no sibling finds it");
}

#[test]
fn whoever_holds_its_memory_up_holds_no_neighbour_up() {
    // While what is mapped changes, nobody reads memory: not even whoever is to say whether a call may go on.
    const HOLDS_UP: &str = "
import ctypes, socket, threading, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
size, stop = 6 << 30, time.time() + 6
at = ctypes.c_void_p(libc.mmap(None, ctypes.c_size_t(size), 1, 0x4022, -1, ctypes.c_long(0)))
libc.madvise(at, ctypes.c_size_t(size), 15)
libc.madvise(at, ctypes.c_size_t(size), 22)
def change():
    while time.time() < stop:
        libc.mprotect(at, ctypes.c_size_t(size), 0)
        libc.mprotect(at, ctypes.c_size_t(size), 1)
def connect():
    while time.time() < stop:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 53))
for body in (change, connect, connect):
    threading.Thread(target=body).start()
";
    const CONNECTS: &str = "
import socket, time
took, stop = [], time.time() + 3
time.sleep(1.5)
while time.time() < stop:
    began = time.perf_counter()
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 53))
    took.append(time.perf_counter() - began)
    time.sleep(0.005)
print(sorted(took)[len(took) * 9 // 10] * 1000)
";
    let mean = Box::new().open(Policy::of_server());
    let plan = common::plan();
    let beside = mean.maker.make(plan, &mean.supervision).unwrap();
    let beside = Box {
        sandbox: beside,
        ..Box::new()
    }
    .open(Policy::of_server());
    let took = std::thread::scope(|scope| {
        scope.spawn(|| mean.python(HOLDS_UP));
        beside.python(CONNECTS)
    });
    let took: f64 = took.parse().unwrap();
    assert!(took < 20.0, "one in ten took longer than {took} ms");
}

#[test]
fn nothing_that_node_tries_gets_out() {
    let node = Path::new("/usr/bin/node");
    if !node.exists() {
        return;
    }
    let host = Host::new();
    let mut inside = sandboxed(&host);
    let datagrams = inside
        .sandbox
        .take_listener(common::listen(
            "127.0.0.1:53",
            sandbox::SocketKind::Datagram,
        ))
        .unwrap();
    let connections = inside
        .sandbox
        .take_listener(common::listen("127.0.0.1:53", sandbox::SocketKind::Stream))
        .unwrap();
    let resolver = sandbox::Resolver::new(["amazonaws.com".to_owned()], None);
    let serving = inside.runtime.spawn(resolver.serve(datagrams, connections));
    let variables = [
        ("SECRET_FILE", host.path("secret")),
        ("SOCKET_FILE", host.path("socket")),
        ("SHOWN_SOCKET", "/mnt/shown/socket".to_owned()),
        ("SECRET_PORT", host.secret_port.to_string()),
        ("ABSTRACT", host.abstract_name.clone()),
        ("HOST_PID", std::process::id().to_string()),
    ];
    let mut arguments = vec![];
    arguments.extend(variables.map(|(name, value)| format!("{name}={value}")));
    arguments.extend(["/usr/bin/node".to_owned(), "/opt/attempts.mjs".to_owned()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (ending, text) = inside.run("/usr/bin/env", &arguments);
    serving.abort();
    println!("{text}");
    assert_eq!(ending, Some(sandbox::Ending::Status(0)), "{text}");
    let escaped: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains(" held: "))
        .collect();
    assert!(escaped.is_empty(), "{escaped:#?}");
    assert!(40 <= text.lines().count(), "{text}");
}

#[test]
fn all_of_it_holds_for_an_ordinary_user_too() {
    common::again_as_an_ordinary_user("all_of_it_holds_for_an_ordinary_user_too");
}
