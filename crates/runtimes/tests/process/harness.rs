//! What the tests of instances share: a function from its source, a runtime, the log.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::maker;
use bytes::Bytes;
use interfaces::clock::Clock;
use interfaces::log_sink::{LogLine, LogOrigin, LogSink};
use interfaces::principals::{Key, Principals};
use interfaces::runtime::{
    Completion, Event, Initialization, Instance, Runtime, StartError, Turn, Verdict,
};
use model::arn::Arn;
use model::function::{Function, RuntimeName, Starts, Toolchain};
use model::ids::{AccountId, FunctionName, LogicalId, Region, RequestId, RevisionId};
use model::principal::Credentials;
use runtimes::process::{
    LimitsKept, ProcessRuntime, ProcessRuntimeConfig, ProcessorTime, Walls, WallsConfig,
};
use sandbox::policy::Policy;
use test_kit::{CountingRandom, RunningClock};

#[derive(Default)]
pub struct Keys {
    pub issued: AtomicUsize,
    pub revoked: Mutex<Vec<String>>,
}

impl Keys {
    /// How many pairs have been issued and not revoked.
    pub fn valid(&self) -> usize {
        self.issued.load(Ordering::Relaxed) - self.revoked.lock().unwrap().len()
    }
}

impl Principals for Keys {
    fn find(&self, _access_key_id: &str) -> Key {
        Key::Unknown
    }

    fn issue(&self, function: &Function) -> Credentials {
        self.issued.fetch_add(1, Ordering::Relaxed);
        Credentials {
            access_key_id: format!("ASIA{}", function.name),
            secret_access_key: "secret".to_owned(),
            session_token: Some("token".to_owned()),
        }
    }

    fn revoke(&self, access_key_id: &str) {
        self.revoked.lock().unwrap().push(access_key_id.to_owned());
    }
}

#[derive(Default)]
pub struct Log(pub Mutex<Vec<LogLine>>);

impl LogSink for Log {
    fn write(&self, line: LogLine) {
        self.0.lock().unwrap().push(line);
    }
}

impl Log {
    /// The lines of one origin, as text.
    pub fn lines(&self, wanted: LogOrigin) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        lines
            .iter()
            .filter(|line| line.origin == wanted)
            .map(|line| String::from_utf8_lossy(&line.text).into_owned())
            .collect()
    }

    pub fn stdout(&self) -> Vec<String> {
        self.lines(LogOrigin::Stdout)
    }

    pub fn platform(&self) -> Vec<String> {
        self.lines(LogOrigin::Platform)
    }
}

/// A runtime and one function in a folder of its own.
pub struct Bench {
    pub log: Arc<Log>,
    pub keys: Arc<Keys>,
    pub folder: tempfile::TempDir,
    pub function: Function,
    runtime: ProcessRuntime,
    requests: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    Python,
    Node,
}

impl Lang {
    /// A function of one file with the handler `handler`.
    pub fn bench(self, source: &str) -> Bench {
        Bench::with_starts(self, source, crate::STARTS)
    }
}

impl Bench {
    pub fn new(language: Lang, handler: &str, files: &[(&str, &str)]) -> Self {
        Self::made(language, handler, files, crate::STARTS)
    }

    /// A function of one file, started in this way.
    pub fn with_starts(language: Lang, source: &str, starts: Starts) -> Self {
        let file = match language {
            Lang::Python => "app.py",
            Lang::Node => "app.js",
        };
        Self::made(language, "app.handler", &[(file, source)], starts)
    }

    fn made(language: Lang, handler: &str, files: &[(&str, &str)], starts: Starts) -> Self {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        Self::made_in(folder, language, (handler, files), starts)
    }

    /// As others, in a folder of the caller's.
    pub fn made_in(
        folder: tempfile::TempDir,
        language: Lang,
        (handler, files): (&str, &[(&str, &str)]),
        starts: Starts,
    ) -> Self {
        let code_root = folder.path().join("task");
        for (name, text) in files {
            write(&code_root.join(name), text);
        }
        std::fs::create_dir_all(&code_root).unwrap();
        let (interpreter, version) = interpreter(language);
        let runtime = match language {
            Lang::Python => format!("python{}", version.rsplit_once('.').unwrap().0),
            Lang::Node => format!("nodejs{}.x", version.split('.').next().unwrap()),
        };
        let mut function = function(code_root, handler, &runtime, (interpreter, version));
        function.starts = starts;
        Self::of(folder, function)
    }

    /// A function whose code lies in this folder, or in one below it.
    pub fn of(folder: tempfile::TempDir, function: Function) -> Self {
        let log = Arc::new(Log::default());
        let keys = Arc::new(Keys::default());
        let mut runtime = new_runtime(&folder, &log, &keys);
        if HAS_WALLS.get() {
            runtime = runtime.within(walls(folder.path()));
        }
        Self {
            log,
            keys,
            folder,
            function,
            runtime,
            requests: 0,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Says that the function's version has gone.
    pub fn retire(&self) {
        self.runtime.retire(&self.function);
    }

    pub async fn start(&self) -> Result<Box<dyn Instance>, StartError> {
        let function = Arc::new(self.function.clone());
        let started = self.runtime.start(function, Initialization::OnDemand);
        Ok(started.await?.instance)
    }

    /// The error object and log tail of a start that must fail by the function's own fault.
    pub async fn init_failure(&self) -> (serde_json::Value, String) {
        match self.start().await {
            Err(StartError::Init { payload, log_tail }) => (json(&payload), text(&log_tail)),
            Err(StartError::Machine { reason }) => panic!("the machine failed: {reason}"),
            Ok(_) => panic!("the init succeeded"),
        }
    }

    pub async fn invoke(&mut self, instance: &mut Box<dyn Instance>, payload: &str) -> Completion {
        self.requests += 1;
        let event = self.event(payload);
        instance.invoke(event).await
    }

    pub fn event(&self, payload: &str) -> Event {
        Event {
            request_id: RequestId::new(format!("request-{}", self.requests)),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            invoked_arn: self.function.arn.to_string(),
            deadline: RunningClock.instant() + self.function.timeout,
            trace_id: "Root=1-5759e988-bd862e3fe1be46a994272793".to_owned(),
            client_context: None,
            init: None,
            turn: Turn::AtOnce,
        }
    }

    /// Starts, invokes once, and gives what came of it.
    pub async fn once(&mut self, payload: &str) -> Completion {
        let mut instance = self.start().await.unwrap();
        self.invoke(&mut instance, payload).await
    }

    /// The JSON that a handler returns for an event.
    pub async fn returned(&mut self, payload: &str) -> serde_json::Value {
        match self.once(payload).await.verdict {
            Verdict::Returned(payload) => json(&payload),
            other => panic!("{other:?}\n{:?}", self.log.stdout()),
        }
    }
}

fn new_runtime(folder: &tempfile::TempDir, log: &Arc<Log>, keys: &Arc<Keys>) -> ProcessRuntime {
    ProcessRuntime::new(ProcessRuntimeConfig {
        services_endpoint: "http://127.0.0.1:4566".to_owned(),
        principals: keys.clone(),
        logs: log.clone(),
        clock: Arc::new(RunningClock),
        random: Arc::new(CountingRandom::default()),
        cache_dir: folder.path().join("cache"),
    })
    .unwrap()
}

thread_local! {
    static HAS_WALLS: Cell<bool> = const { Cell::new(true) };
    static PROCESSOR_TIME: Cell<ProcessorTime> = const { Cell::new(ProcessorTime::Free) };
}

/// Has the functions of this test get only as much of the processors as comes with their memory. False where the kernel
/// cannot do that for us.
pub fn ration_processors() -> bool {
    PROCESSOR_TIME.set(ProcessorTime::Rationed);
    sandbox::Places::find().is_ok_and(|(_, missing)| missing.is_empty())
}

/// Has the functions of this test run as any program of this machine does: the test looks at their processes by the
/// numbers that they tell, which in a sandbox are others than out here, or at files beside their code.
pub fn without_walls() {
    HAS_WALLS.set(false);
}

/// By what Python says which process it is, in a sandbox or not: the inode of its process namespace, and its number there.
pub const WHO_IN_PYTHON: &str =
    "__import__('os').stat('/proc/self/ns/pid').st_ino, __import__('os').getpid()";
/// And Node.js.
pub const WHO_IN_NODE: &str = "[require('fs').statSync('/proc/self/ns/pid').ino, process.pid]";

/// The number out here of a process that says this of itself: as JSON, as a list, or as `4026531836:17`.
pub fn outside(told: &str) -> i64 {
    find_outside(told).unwrap_or_else(|| panic!("no process is {told}"))
}

/// As [`outside`]; none when there is no such process any more.
pub fn find_outside(told: &str) -> Option<i64> {
    let numbers = told.split(|one: char| !one.is_ascii_digit());
    let numbers: Vec<&str> = numbers.filter(|number| !number.is_empty()).collect();
    let [namespace, number] = numbers[..] else {
        panic!("nobody says of himself `{told}`")
    };
    let namespace: u64 = namespace.parse().unwrap();
    let found = std::fs::read_dir("/proc").unwrap().flatten().find(|entry| {
        let is_there = std::fs::metadata(entry.path().join("ns/pid"))
            .is_ok_and(|found| std::os::unix::fs::MetadataExt::ino(&found) == namespace);
        let status = std::fs::read_to_string(entry.path().join("status"));
        let numbers = status.as_deref().unwrap_or_default();
        let numbers = numbers.lines().find_map(|it| it.strip_prefix("NSpid:"));
        let own = numbers.and_then(|it| it.split_whitespace().last());
        is_there && own == Some(number)
    });
    let name = found?.file_name();
    name.to_str()?.parse().ok()
}

/// The usual: they run in sandboxes.
#[allow(dead_code, reason = "for who measures both ways")]
pub fn with_walls() {
    HAS_WALLS.set(true);
}

/// Where benches have their folders: as with users, not in `/tmp`.
pub fn scratch() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let folder = program.parent().unwrap().join("benches");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// What makes sandboxes, for one bench.
fn walls(folder: &Path) -> Walls {
    Walls::raise(WallsConfig {
        maker: maker::program(),
        policy: Policy::of_development(),
        processor_time: PROCESSOR_TIME.get(),
        limits: LimitsKept::AsCanBe,
        door: Arc::new(|listener| Box::pin(maker::answer(listener))),
        services_port: 4566,
        cloud: None,
        hidden: Vec::new(),
        cache_dir: folder.join("cache"),
    })
    .unwrap()
}

pub fn function(
    code_root: PathBuf,
    handler: &str,
    runtime: &str,
    (interpreter, version): (PathBuf, String),
) -> Function {
    let account = AccountId::development();
    let region = Region::new("eu-west-1");
    let name = FunctionName::new("shop-dev-hello");
    Function {
        logical_id: LogicalId::new("HelloLambdaFunction"),
        arn: Arn::of_function(&region, &account, &name),
        role: Arn::parse("arn:aws:iam::000000000000:role/hello").unwrap(),
        region,
        runtime: RuntimeName::parse(runtime).unwrap(),
        handler: handler.to_owned(),
        code_root,
        toolchain: Toolchain {
            interpreter,
            version,
            dependency_paths: Vec::new(),
            sdk_paths: Vec::new(),
        },
        memory_mb: 256,
        timeout: Duration::from_secs(20),
        fingerprint: "f".to_owned(),
        revision: RevisionId::new("1"),
        ..test_kit::function(name.as_str())
    }
}

pub fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

pub fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", text(bytes)))
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The real binary behind `python3` or `node` on the path, which may be a script, and its version. Both are
/// prerequisites of the project. `CLOUDLESS_TEST_PYTHON` names another Python.
pub fn interpreter(language: Lang) -> (PathBuf, String) {
    static PYTHON: OnceLock<(PathBuf, String)> = OnceLock::new();
    static NODE: OnceLock<(PathBuf, String)> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests names it")]
    let python = std::env::var("CLOUDLESS_TEST_PYTHON");
    let (cell, command, argument, program) = match language {
        Lang::Python => (
            &PYTHON,
            python.as_deref().unwrap_or("python3"),
            "-c",
            "import sys, platform; print(sys.executable); print(platform.python_version())",
        ),
        Lang::Node => (
            &NODE,
            "node",
            "-e",
            "console.log(process.execPath); console.log(process.versions.node)",
        ),
    };
    let found = cell.get_or_init(|| {
        let output = Command::new(command).args([argument, program]).output();
        let output = text(
            &output
                .unwrap_or_else(|error| panic!("{command}: {error}"))
                .stdout,
        );
        let mut lines = output.lines();
        (
            PathBuf::from(lines.next().unwrap()),
            lines.next().unwrap().to_owned(),
        )
    });
    found.clone()
}
