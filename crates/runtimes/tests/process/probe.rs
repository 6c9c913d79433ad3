//! Finding out whether an interpreter can be forked on this machine, and what follows from it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use interfaces::runtime::{Initialization, Runtime, StartError, StartWay};
use model::function::{Function, Language, Starts};
use runtimes::process::probe::{Interpreter, Outcome, Prober};
use runtimes::process::{ProcessRuntime, ProcessRuntimeConfig};
use test_kit::{CountingRandom, RunningClock};

use crate::harness::{self, Keys, Lang, Log, interpreter, write};

/// A Python whose generators are the same after each fork, as with a library that seeds them there.
const FORKS_BADLY: &str = "\
import os, random, runpy, sys
os.register_at_fork(after_in_child=lambda: random.seed(1))
runpy.run_path(sys.argv[-1], run_name='__main__')
";

fn prober(cache: &Path) -> Prober {
    let random = Arc::new(CountingRandom::default());
    Prober::new(cache, Arc::new(RunningClock), random)
}

fn of(language: Lang) -> Interpreter {
    let (path, version) = interpreter(language);
    Interpreter {
        language: match language {
            Lang::Python => Language::Python,
            Lang::Node => Language::Node,
        },
        path,
        version,
    }
}

/// An interpreter like the machine's Python, only that its forks are no good.
fn bad_python(folder: &Path) -> Interpreter {
    let good = of(Lang::Python);
    let path = folder.join("python3");
    write(&path, &format!("#!{}\n{FORKS_BADLY}", good.path.display()));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Interpreter { path, ..good }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).collect()
}

#[tokio::test]
async fn the_verdict_on_an_interpreter_is_found_by_forking_it_and_kept() {
    for language in [Lang::Python, Lang::Node] {
        let cache = tempfile::tempdir().unwrap();
        let interpreter = of(language);
        let prober = prober(cache.path());
        assert_eq!(prober.known(&interpreter).unwrap(), None);
        let verdict = prober.probe(&interpreter).await.unwrap();
        match &verdict.outcome {
            Outcome::Works { start } => assert!(*start < verdict.took, "{verdict:?}"),
            // This machine may have a version that nobody has looked at yet.
            Outcome::Fails { reasons } => {
                assert!(reasons[0].contains("it is not known"), "{verdict:?}");
            }
        }
        assert_eq!(prober.known(&interpreter).unwrap(), Some(verdict));

        let kept = files(&cache.path().join("forking"));
        assert_eq!(kept.len(), 1, "{kept:?}");
        std::fs::write(&kept[0], "{").unwrap();
        assert_eq!(prober.known(&interpreter).unwrap(), None);
    }
}

#[tokio::test]
async fn an_interpreter_whose_forks_are_alike_fails() {
    let folder = tempfile::tempdir().unwrap();
    let bad = bad_python(folder.path());
    let prober = prober(&folder.path().join("cache"));
    let verdict = prober.probe(&bad).await.unwrap();
    let Outcome::Fails { reasons } = &verdict.outcome else {
        panic!("{verdict:?}");
    };
    assert!(
        reasons[0].starts_with("randomness: two processes drew the same value"),
        "{reasons:?}"
    );
    assert_eq!(prober.known(&bad).unwrap(), Some(verdict));
}

#[tokio::test]
async fn an_interpreter_that_has_gone_says_nothing_of_forking() {
    let cache = tempfile::tempdir().unwrap();
    let gone = Interpreter {
        path: cache.path().join("python3"),
        ..of(Lang::Python)
    };
    let error = prober(cache.path()).probe(&gone).await.unwrap_err();
    assert!(matches!(error, StartError::Machine { .. }), "{error:?}");
}

/// A runtime that probes, and a function of this interpreter.
struct Probing {
    runtime: ProcessRuntime,
    function: Arc<Function>,
    log: Arc<Log>,
}

impl Probing {
    fn new(folder: &Path, python: &Interpreter) -> Self {
        let code_root = folder.join("task");
        let source = "def handler(event, context):\n    return 1\n";
        write(&code_root.join("app.py"), source);
        let version = python.version.rsplit_once('.').unwrap().0;
        let function = harness::function(
            code_root,
            "app.handler",
            &format!("python{version}"),
            (python.path.clone(), python.version.clone()),
        );
        let cache = folder.join("cache");
        let log = Arc::new(Log::default());
        let runtime = ProcessRuntime::new(ProcessRuntimeConfig {
            services_endpoint: "http://127.0.0.1:4566".to_owned(),
            principals: Arc::new(Keys::default()),
            logs: log.clone(),
            clock: Arc::new(RunningClock),
            random: Arc::new(CountingRandom::default()),
            cache_dir: cache.clone(),
        });
        Self {
            runtime: runtime.unwrap().probing(prober(&cache)),
            function: Arc::new(function),
            log,
        }
    }

    async fn start(&self) -> StartWay {
        let function = self.function.clone();
        let start = self.runtime.start(function, Initialization::OnDemand);
        start.await.unwrap().way
    }

    fn notes(&self) -> Vec<String> {
        let mut said = self.log.platform();
        said.retain(|line| line.contains("cannot be forked"));
        said
    }
}

#[tokio::test]
async fn functions_of_an_interpreter_that_fails_are_spawned_and_told_why_once() {
    let folder = tempfile::tempdir().unwrap();
    let bad = bad_python(folder.path());
    let probing = Probing::new(folder.path(), &bad);
    for _ in 0..2 {
        assert_eq!(probing.start().await, StartWay::Spawned);
    }
    let notes = probing.notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].contains("(randomness: ") && notes[0].contains("cloudless doctor"),
        "{notes:?}"
    );
    let kept = prober(&folder.path().join("cache")).known(&bad).unwrap();
    assert!(kept.is_some());
}

#[tokio::test]
async fn what_was_found_of_an_interpreter_is_known_of_the_functions_that_would_be_forked() {
    let folder = tempfile::tempdir().unwrap();
    let bad = bad_python(folder.path());
    let probing = Probing::new(folder.path(), &bad);
    let prober = prober(&folder.path().join("cache"));
    let mut function = Function::clone(&probing.function);
    assert_eq!(prober.known_obstacle(&function), None, "nobody has tried");
    probing.start().await;
    for (starts, is_told) in [
        (Starts::Automatic, true),
        (Starts::Forked, true),
        (Starts::Spawned, false),
    ] {
        function.starts = starts;
        let told = prober.known_obstacle(&function);
        assert_eq!(told.is_some(), is_told, "{starts:?}");
        let note = &probing.notes()[0];
        assert!(told.is_none_or(|why| note.ends_with(&why)), "{note}");
    }
    let good = Probing::new(folder.path(), &of(Lang::Python));
    assert_eq!(good.start().await, StartWay::Forked);
    assert_eq!(prober.known_obstacle(&good.function), None);
}

#[tokio::test]
async fn functions_of_an_interpreter_that_passes_are_forked() {
    let folder = tempfile::tempdir().unwrap();
    let probing = Probing::new(folder.path(), &of(Lang::Python));
    assert_eq!(probing.start().await, StartWay::Forked);
    assert_eq!(probing.notes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_probe_that_cannot_be_made_keeps_no_function_from_running() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("cache/forking"), "in the way");
    let probing = Probing::new(folder.path(), &of(Lang::Python));
    assert_eq!(probing.start().await, StartWay::Spawned);
    assert_eq!(probing.notes().len(), 1);
}
