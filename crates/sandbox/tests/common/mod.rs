//! What every test of a sandbox needs: a maker, a sandbox, a program in it and what it printed.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "each test file uses a part of it, and tests may read their environment and say what they did"
)]

use std::ffi::OsString;
use std::io::Read as _;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox::policy::Policy;
use sandbox::{
    Confinement, Egress, Ending, Landlock, Listen, Maker, MakerProgram, OutsideIds, Plan, Program,
    ResourceLimit, Sandbox, Shown, SocketKind, Supervision,
};

pub(crate) const SERVICES: u16 = 4566;

/// A folder of the build's, beside the test program.
pub(crate) fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    folder.join("examples").join(name)
}

/// As the product has it.
const PROCESSES_OF_TEMPLATE_MAX: u64 = 64 * 1_024;
/// What an ordinary user may have by default on a machine with 4 GiB.
const LIMITS_OF_USERS: [&str; 2] = ["--nproc=15000", "--sigpending=500"];

pub(crate) fn maker() -> Maker {
    Maker::start(&MakerProgram {
        path: built("maker"),
        arguments: Vec::new(),
    })
    .unwrap()
}

/// Runs all tests of this program once more as a user without any privilege, if this is root; `this` is the test that
/// does so. Where such a user cannot read the program, it says so.
pub(crate) fn again_as_an_ordinary_user(this: &str) {
    const NOBODY: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(home.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let nobody = NOBODY.to_string();
    let become_nobody = [
        "--reuid",
        &nobody,
        "--regid",
        &nobody,
        "--clear-groups",
        "--",
    ];
    let readable = std::process::Command::new("setpriv")
        .args(become_nobody)
        .arg("test")
        .arg("-r")
        .arg(std::env::current_exe().unwrap())
        .status();
    if !readable.is_ok_and(|status| status.success()) {
        println!("not done: an ordinary user cannot read this program, or there is no `setpriv`");
        return;
    }
    let output = std::process::Command::new("setpriv")
        .args(become_nobody)
        .arg("prlimit")
        .args(LIMITS_OF_USERS)
        .arg(std::env::current_exe().unwrap())
        .args(["--skip", this, "--test-threads=2"])
        .env("HOME", home.path())
        .env("TMPDIR", home.path())
        .current_dir(home.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{wrong}");
    println!("{said}");
}

pub(crate) fn attacks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks")
}

pub(crate) fn listen(address: &str, kind: SocketKind) -> Listen {
    Listen {
        address: address.parse::<SocketAddr>().unwrap(),
        kind,
    }
}

pub(crate) fn plan() -> Plan {
    let is_root = rustix::process::geteuid().is_root();
    Plan {
        name: "sandbox-under-test".to_owned(),
        shown: vec![Shown::at(attacks(), "/var/task")],
        tmp_bytes_max: 16 << 20,
        outside: is_root.then_some(OutsideIds {
            uid: 231_072,
            gid: 231_072,
        }),
        listeners: vec![
            listen("127.0.0.1:4566", SocketKind::Stream),
            listen("[::1]:4566", SocketKind::Stream),
            listen("127.0.0.1:53", SocketKind::Datagram),
            listen("127.0.0.1:53", SocketKind::Stream),
        ],
        own_names: Vec::new(),
    }
}

pub(crate) fn confinement() -> Confinement {
    confinement_of(200)
}

/// Of a template: its limit counts all of its instances together.
pub(crate) fn confinement_of_template() -> Confinement {
    confinement_of(PROCESSES_OF_TEMPLATE_MAX)
}

/// What the kernel has, or less of it where a test is to show what then holds.
pub(crate) fn landlock() -> Landlock {
    let version = std::env::var("SANDBOX_TEST_LANDLOCK").ok();
    let version = version.and_then(|version| version.parse().ok());
    Landlock::of_version(version.unwrap_or_else(sandbox::landlock_version))
}

fn confinement_of(processes_max: u64) -> Confinement {
    Confinement {
        limits: vec![
            (ResourceLimit::CoreBytes, 0),
            (ResourceLimit::OpenFiles, 1024),
            (ResourceLimit::Processes, processes_max),
            (ResourceLimit::LockedBytes, 64 << 10),
            (ResourceLimit::QueueBytes, 0),
            (ResourceLimit::PendingSignals, 1024),
        ],
        landlock: landlock(),
    }
}

/// A sandbox with all that belongs to it.
pub(crate) struct Box {
    pub(crate) sandbox: Sandbox,
    pub(crate) maker: Maker,
    pub(crate) supervision: Supervision,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) egress: Option<Arc<Egress>>,
}

impl Box {
    pub(crate) fn new() -> Self {
        Self::with(plan())
    }

    pub(crate) fn with(plan: Plan) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let maker = maker();
        let supervision = Supervision::start().unwrap();
        let sandbox = maker.make(plan, &supervision).unwrap();
        Self {
            sandbox,
            maker,
            supervision,
            runtime,
            egress: None,
        }
    }

    pub(crate) fn open(mut self, policy: Policy) -> Self {
        let served = self.sandbox.plan().listeners.clone();
        let egress = Egress::new(policy, served, self.runtime.handle().clone());
        self.sandbox.open_network(egress.clone());
        self.egress = Some(egress);
        self
    }

    /// Runs a program to its end: how it ended, and what it printed.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> (Option<Ending>, String) {
        let (mut output, theirs) = std::io::pipe().unwrap();
        let theirs = OwnedFd::from(theirs);
        let null = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let descriptors = [null, theirs.try_clone().unwrap(), theirs];
        let mut all = vec![OsString::from(program)];
        all.extend(arguments.iter().map(OsString::from));
        let program = Program {
            path: program.into(),
            arguments: all,
            variables: [
                "PATH=/usr/bin:/bin",
                "HOME=/tmp",
                "LANG=C.UTF-8",
                "PYTHONDONTWRITEBYTECODE=1",
            ]
            .map(OsString::from)
            .into(),
            directory: "/var/task".into(),
        };
        let running = self
            .sandbox
            .execute(&program, &confinement(), &descriptors, None)
            .unwrap();
        drop(descriptors);
        let mut text = Vec::new();
        output.read_to_end(&mut text).unwrap();
        (
            running.end.wait(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    pub(crate) fn python(&self, code: &str) -> String {
        let (ending, text) = self.run("/usr/bin/python3", &["-c", code]);
        assert_eq!(ending, Some(Ending::Status(0)), "{text}");
        text.trim_end().to_owned()
    }
}

/// Groups of the tests' own: those of the first version at their roots, where they can be had.
pub(crate) fn places() -> Option<sandbox::Places> {
    let folders =
        ["memory", "pids", "cpu"].map(|name| std::path::Path::new("/sys/fs/cgroup").join(name));
    let may = folders
        .iter()
        .all(|folder| rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok());
    let [memory, processes, processor] = folders;
    may.then(|| sandbox::Places::below(memory, processes, processor))
}
