//! Instances that are forked from a process which has done the init: what they share, and what they may not.

use std::sync::Arc;
use std::time::Duration;

use interfaces::clock::Clock;
use interfaces::runtime::{Instance, StartError, Verdict};
use model::function::Starts;
use serde_json::{Value, json};
use test_kit::RunningClock;

use crate::harness::{
    Bench, Lang, WHO_IN_PYTHON, find_outside, interpreter, json, outside, text, without_walls,
    write,
};
use crate::lifecycle::{is_alive, is_gone, is_spawned, parent};

/// A handler that evaluates what it is asked, after this init.
pub fn evaluating(init: &str) -> Bench {
    Lang::Python.bench(&format!(
        "import os\n{init}\ndef handler(event, context):\n    return eval(event)\n"
    ))
}

pub async fn ask(bench: &mut Bench, instance: &mut Box<dyn Instance>, question: &str) -> Value {
    let event = json!(question).to_string();
    match bench.invoke(instance, &event).await.verdict {
        Verdict::Returned(found) => json(&found),
        other => panic!("{question}: {other:?}"),
    }
}

/// The number out here of the process that an instance of [`evaluating`] is.
pub async fn own_number(bench: &mut Bench, instance: &mut Box<dyn Instance>) -> i64 {
    outside(&ask(bench, instance, WHO_IN_PYTHON).await.to_string())
}

pub async fn two(bench: &Bench) -> [Box<dyn Instance>; 2] {
    [bench.start().await.unwrap(), bench.start().await.unwrap()]
}

/// How often a function has written `x`.
pub fn inits(bench: &Bench) -> usize {
    let said = bench.log.stdout();
    said.iter().filter(|line| *line == "x").count()
}

pub fn kill(pid: i64) {
    let status = std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

pub fn notes(bench: &Bench) -> Vec<String> {
    let mut lines = bench.log.platform();
    lines.retain(|line| line.starts_with("[cloudless]"));
    lines
}

/// Asserts that the log says one thing about how instances start, in these words and for this reason.
pub fn assert_noted_once(bench: &Bench, words: &str, reason: &str, case: &str) {
    let notes = notes(bench);
    assert_eq!(notes.len(), 1, "{case}: {notes:?}");
    assert!(
        notes[0].contains(words) && notes[0].contains(reason),
        "{case}: {notes:?}"
    );
}

#[tokio::test]
async fn instances_are_forks_of_one_template_which_is_a_fork_of_one_base() {
    let mut bench = evaluating("print('x', flush=True)");
    let [mut one, mut other] = two(&bench).await;
    let template = parent(own_number(&mut bench, &mut one).await);
    assert_eq!(parent(own_number(&mut bench, &mut other).await), template);
    let pids = [
        own_number(&mut bench, &mut one).await,
        own_number(&mut bench, &mut other).await,
    ];
    assert_ne!(pids[0], pids[1]);
    assert_eq!(parent(parent(template)), i64::from(std::process::id()));
    assert_eq!(inits(&bench), 1);
    assert_eq!(notes(&bench), [""; 0]);

    // Another version has a template of its own, from the same base.
    let base = parent(template);
    bench.function.fingerprint = "g".to_owned();
    let mut third = bench.start().await.unwrap();
    let second_template = parent(own_number(&mut bench, &mut third).await);
    assert_ne!(second_template, template);
    assert_eq!(parent(second_template), base);
}

#[tokio::test]
async fn no_two_instances_draw_the_same() {
    let mut bench = evaluating(
        "import random, sqlite3, uuid, secrets, ssl, tempfile, multiprocessing, numpy.random\ndb = sqlite3.connect(':memory:')\ndef blob(): return db.execute('select hex(randomblob(8))').fetchone()[0]\nrandom.seed(7)\nmine = random.Random()\nseeded = random.Random(7)\nclass Kind(random.Random):\n    def seed(self, a, *rest): super().seed(a)\nkind = Kind(1)\ntheirs = numpy.random.Generator()\nprimed = [blob(), random.random(), mine.random(), uuid.uuid4(), uuid.uuid1(), secrets.token_hex(8), ssl.RAND_bytes(8), tempfile.mktemp()]\n",
    );
    // A stand-in with the structure that the real one has.
    write(&bench.path("task/numpy/__init__.py"), "");
    write(
        &bench.path("task/numpy/random.py"),
        "import os\nclass Bits:\n    def __init__(self): self.state = os.urandom(8)\nclass Generator:\n    def __init__(self): self.bit_generator = Bits()\nclass BitGenerator: pass\nclass RandomState:\n    def __init__(self): self.seed()\n    def seed(self): self.state = os.urandom(8)\n_hidden = RandomState()\nseed = _hidden.seed\n",
    );
    let [mut one, mut other] = two(&bench).await;
    for question in [
        "random.random()",
        "random.sample(range(10**6), 3)",
        "mine.random()",
        "seeded.random()",
        "kind.random()",
        "str(uuid.uuid4())",
        "str(uuid.uuid1())",
        "[uuid.uuid1().clock_seq for _ in range(4)]",
        "secrets.token_hex(8)",
        "os.urandom(8).hex()",
        "ssl.RAND_bytes(8).hex()",
        "blob()",
        "os.path.basename(tempfile.mktemp())",
        "multiprocessing.current_process().authkey.hex()",
        "numpy.random._hidden.state.hex()",
        "theirs.bit_generator.state.hex()",
        "os.getpid()",
        "os.environ['AWS_LAMBDA_LOG_STREAM_NAME']",
    ] {
        let drawn = ask(&mut bench, &mut one, question).await;
        assert_ne!(
            drawn,
            ask(&mut bench, &mut other, question).await,
            "{question}"
        );
    }
    assert_eq!(notes(&bench), [""; 0]);
}

/// The folder with numpy, of this machine's Python or of `PYTHONPATH`.
fn numpy_folder() -> Option<std::path::PathBuf> {
    let (python, _) = interpreter(Lang::Python);
    let program = "import numpy, os; print(os.path.dirname(os.path.dirname(numpy.__file__)))";
    let found = std::process::Command::new(python)
        .args(["-c", program])
        .output();
    let folder = text(&found.unwrap().stdout).trim().to_owned();
    (!folder.is_empty()).then(|| folder.into())
}

#[tokio::test]
async fn no_two_instances_draw_the_same_from_the_real_numpy() {
    let Some(folder) = numpy_folder() else {
        eprintln!("this Python has no numpy: only the stand-in with its structure was tested");
        return;
    };
    let mut bench = evaluating(
        "import numpy, numpy.random as library\nmany = numpy.ones((300, 300))\nmany @ many\nnumpy.random.seed(7)\nclass Kept: pass\nkept = Kept()\nkept.seeded = library.default_rng(7)\nlegacy = library.RandomState(7)\nbits = [library.MT19937(7)]\ndef drawing(rng=library.default_rng(8)): return rng.random()",
    );
    bench.function.toolchain.dependency_paths = vec![folder];
    let [mut one, mut other] = two(&bench).await;
    for question in [
        "library.rand()",
        "kept.seeded.random()",
        "legacy.rand()",
        "float(bits[0].random_raw())",
        "drawing()",
        "library.default_rng().random()",
        "float((many @ many).sum()) + os.getpid()",
    ] {
        let drawn = ask(&mut bench, &mut one, question).await;
        let drawn_by_other = ask(&mut bench, &mut other, question).await;
        assert_ne!(drawn, drawn_by_other, "{question}");
    }
    assert_eq!(notes(&bench), [""; 0]);
}

#[tokio::test]
async fn what_is_the_same_in_all_instances_is_what_the_guide_says() {
    let mut bench = evaluating("import secrets\ntoken = secrets.token_hex(8)");
    let [mut one, mut other] = two(&bench).await;
    for question in ["token", "hash('text')", "id(token)"] {
        let found = ask(&mut bench, &mut one, question).await;
        assert_eq!(
            found,
            ask(&mut bench, &mut other, question).await,
            "{question}"
        );
    }
}

#[tokio::test]
async fn an_instance_knows_itself_and_its_event() {
    let mut bench = Lang::Python.bench(
        "import logging, os, threading, time\nforks = []\nos.register_at_fork(after_in_child=lambda: forks.append(os.getpid()))\ndef handler(event, context):\n    logging.error('heard')\n    return [context.aws_request_id, context.log_stream_name == os.environ['AWS_LAMBDA_LOG_STREAM_NAME'], threading.main_thread().native_id == os.getpid(), forks == [os.getpid()], 0 < context.get_remaining_time_in_millis() <= 20000, time.time()]\n",
    );
    for _ in 0..2 {
        // The first is forked when it is asked for; the second was kept ahead meanwhile.
        let mut instance = bench.start().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        for _ in 0..2 {
            let Verdict::Returned(found) = bench.invoke(&mut instance, "{}").await.verdict else {
                panic!("no reply")
            };
            let found = json(&found);
            let lines = bench.log.stdout();
            let id = found[0].as_str().unwrap();
            assert!(
                lines.last().unwrap().contains(&format!("\t{id}\theard")),
                "{lines:?}"
            );
            assert_eq!(
                found.as_array().unwrap()[1..5],
                [true, true, true, true].map(Value::from)
            );
            let off = RunningClock.now().epoch_ms() as f64 / 1000.0 - found[5].as_f64().unwrap();
            assert!((-1.0..5.0).contains(&off), "{off}");
        }
    }
}

/// The children of a process.
fn children(pid: i64) -> Vec<i64> {
    let found = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    found
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

/// Waits until a template has forked the instance that is kept ahead, beside this many others.
async fn forked_ahead(template: i64, others: &[i64]) -> i64 {
    for _ in 0..1_000 {
        let ahead: Vec<i64> = children(template)
            .into_iter()
            .filter(|pid| !others.contains(pid))
            .collect();
        if let [ahead] = ahead[..] {
            return ahead;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("none is kept ahead");
}

#[tokio::test]
async fn one_instance_is_forked_ahead_and_serves_the_next_start() {
    let mut bench = evaluating("");
    let mut first = bench.start().await.unwrap();
    let first_pid = own_number(&mut bench, &mut first).await;
    let template = parent(first_pid);
    let ahead = forked_ahead(template, &[first_pid]).await;
    let nowhere = std::path::Path::new("/dev/null");
    for descriptor in [0, 1, 2] {
        let target = std::fs::read_link(format!("/proc/{ahead}/fd/{descriptor}")).unwrap();
        assert_eq!(target, nowhere);
    }
    let mut second = bench.start().await.unwrap();
    assert_eq!(own_number(&mut bench, &mut second).await, ahead);
    assert_eq!(
        ask(&mut bench, &mut second, "print('heard')").await,
        Value::Null
    );
    assert_eq!(bench.log.stdout(), ["heard"]);

    // One that dies is missed by nobody, and one that is not needed goes with its template.
    let next = forked_ahead(template, &[first_pid, ahead]).await;
    kill(next);
    assert!(is_gone(next).await);
    let mut third = bench.start().await.unwrap();
    let third_pid = own_number(&mut bench, &mut third).await;
    let last = forked_ahead(template, &[first_pid, ahead, third_pid]).await;
    bench.retire();
    drop([first, second, third]);
    for gone in [first_pid, ahead, third_pid, last, template] {
        assert!(is_gone(gone).await);
    }
    assert_eq!(notes(&bench), [""; 0]);
}

#[tokio::test]
async fn signals_are_handled_by_instances_as_the_init_said_and_not_by_their_template() {
    let mut bench = evaluating(
        "import signal, subprocess\nseen = []\nsignal.signal(signal.SIGCHLD, lambda *_: seen.append(os.getpid()))\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])\ndef masked(): return [int(one) for one in signal.pthread_sigmask(signal.SIG_BLOCK, [])]",
    );
    let [mut one, other] = two(&bench).await;
    drop(other);
    let _third = bench.start().await.unwrap();
    assert_eq!(ask(&mut bench, &mut one, "seen").await, json!([]));
    assert_eq!(ask(&mut bench, &mut one, "masked()").await, json!([12]));
    let question = "subprocess.run(['true']).returncode";
    assert_eq!(ask(&mut bench, &mut one, question).await, 0);
    assert_eq!(
        ask(&mut bench, &mut one, "seen == [os.getpid()]").await,
        true
    );
}

#[tokio::test]
async fn a_function_that_asks_to_be_forked_may_leave_a_child_behind() {
    let mut bench = Bench::with_starts(
        Lang::Python,
        "import os, subprocess\nheld = subprocess.Popen(['sleep', '0.3'])\nfor _ in range(20): subprocess.Popen(['true'])\ndef handler(event, context):\n    return os.getppid()\n",
        Starts::Forked,
    );
    let template = bench.returned("{}").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(
        bench.returned("{}").await,
        template,
        "its end was no end of an instance"
    );
}

#[tokio::test]
async fn how_an_instance_ended_is_known_also_of_one_forked_beside_threads() {
    let mut bench = Bench::with_starts(
        Lang::Python,
        "import os, threading, time\nfor _ in range(8): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\ndef handler(event, context):\n    os._exit(7)\n",
        Starts::Forked,
    );
    for _ in 0..5 {
        let completion = bench.once("{}").await;
        let Verdict::Exited(error) = completion.verdict else {
            panic!("{completion:?}")
        };
        let message = json(&error)["errorMessage"].to_string();
        assert!(message.contains("exit status 7"), "{message}");
    }
}

#[tokio::test]
async fn a_pool_of_processes_is_one_of_an_instances_own() {
    // As in the cloud, nobody has the shared memory in a sandbox that its locks need.
    without_walls();
    let mut bench = evaluating(
        "import multiprocessing\ndef square(n): return n * n\ndef processes():\n    with multiprocessing.get_context('fork').Pool(2) as p: return p.map(square, range(4))",
    );
    let mut instance = bench.start().await.unwrap();
    let found = ask(&mut bench, &mut instance, "processes()").await;
    assert_eq!(found, json!([0, 1, 4, 9]));
}

#[tokio::test]
async fn an_instance_is_a_whole_process() {
    let mut bench = evaluating(
        "import asyncio, concurrent.futures, gc, hashlib, queue, sqlite3, ssl, subprocess, sys, threading, time\ndef square(n): return n * n\ndef threads():\n    out = []\n    made = [threading.Thread(target=out.append, args=(n,)) for n in range(8)]\n    for t in made: t.start()\n    for t in made: t.join(5)\n    return sorted(out)\ndef pool():\n    with concurrent.futures.ThreadPoolExecutor(4) as p: return list(p.map(square, range(4)))\nasync def work(n):\n    await asyncio.sleep(0.01)\n    return n\nasync def several():\n    process = await asyncio.create_subprocess_exec('true')\n    return [await process.wait(), *await asyncio.gather(*map(work, range(3)))]\ndef database():\n    db = sqlite3.connect(':memory:')\n    db.execute('create table t(n)')\n    db.execute('insert into t values (7)')\n    return db.execute('select n from t').fetchone()[0]\ndef collected():\n    for _ in range(20):\n        keep = [{'me': []} for _ in range(20000)]\n        for one in keep: one['me'].append(one)\n    del keep\n    return 0 <= gc.collect()\ndef connected():\n    import http.server, urllib.request\n    server = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n    threading.Thread(target=server.handle_request, daemon=True).start()\n    return urllib.request.urlopen(f'http://127.0.0.1:{server.server_port}/').status",
    );
    let mut instance = bench.start().await.unwrap();
    for (question, expected) in [
        ("threads()", json!([0, 1, 2, 3, 4, 5, 6, 7])),
        ("pool()", json!([0, 1, 4, 9])),
        (
            "threading.current_thread() is threading.main_thread()",
            json!(true),
        ),
        ("asyncio.run(several())", json!([0, 0, 1, 2])),
        (
            "int(subprocess.check_output(['sh', '-c', 'echo $PPID'])) == os.getpid()",
            json!(true),
        ),
        ("os.getpid() == int(os.readlink('/proc/self'))", json!(true)),
        (
            "0 < len(ssl.create_default_context().get_ciphers())",
            json!(true),
        ),
        (
            "len(hashlib.scrypt(b'p', salt=b's', n=1024, r=8, p=1))",
            json!(64),
        ),
        ("database()", json!(7)),
        ("collected()", json!(true)),
        ("connected()", json!(200)),
        ("open('/proc/self/environ').read()", json!("")),
        ("os.getpgid(0) == os.getsid(0) == os.getpid()", json!(true)),
    ] {
        assert_eq!(
            ask(&mut bench, &mut instance, question).await,
            expected,
            "{question}"
        );
    }
    assert_eq!(notes(&bench), [""; 0]);
}

#[tokio::test]
async fn time_is_now_and_timers_start_anew() {
    let mut bench = evaluating("import time\nat_init = time.monotonic()");
    let first = bench.start().await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut second = bench.start().await.unwrap();
    let since = ask(&mut bench, &mut second, "time.monotonic() - at_init").await;
    assert!(0.3 <= since.as_f64().unwrap(), "{since}");
    let since = ask(&mut bench, &mut second, "time.process_time()").await;
    assert!(since.as_f64().unwrap() < 0.3, "{since}");
    drop(first);

    let zone = "Asia/Tokyo".to_owned();
    bench.function.environment.insert("TZ".to_owned(), zone);
    bench.function.fingerprint = "elsewhere".to_owned();
    let mut elsewhere = bench.start().await.unwrap();
    let question = "time.strftime('%H %Z', time.localtime(0))";
    assert_eq!(ask(&mut bench, &mut elsewhere, question).await, "09 JST");
}

#[tokio::test]
async fn instances_of_a_template_have_one_pair_of_keys_revoked_with_it() {
    let mut bench = evaluating("seen = os.environ['AWS_SECRET_ACCESS_KEY']");
    let [mut one, other] = two(&bench).await;
    let question = "seen == os.environ['AWS_SECRET_ACCESS_KEY']";
    assert_eq!(ask(&mut bench, &mut one, question).await, true);
    drop(other);
    bench.retire();
    assert_eq!(bench.keys.revoked.lock().unwrap().len(), 0, "one is in use");
    assert_eq!(ask(&mut bench, &mut one, question).await, true);
    let template = parent(own_number(&mut bench, &mut one).await);
    one.stop().await;
    assert!(is_gone(template).await);
    assert_eq!(bench.keys.revoked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_forked_is_started_one_by_one_and_the_log_says_so_once() {
    let rows = [
        (
            "import socket\nheld = socket.create_server(('127.0.0.1', 0))",
            "an open socket",
        ),
        ("held = os.pipe()", "2 open pipes"),
        (
            "import socket\nheld = [open('/tmp/log', 'w'), *socket.socketpair(), socket.socket()]",
            "log, open for writing, 3 open sockets",
        ),
        ("import select\nheld = select.epoll()", "an open eventpoll"),
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
            "1 running thread",
        ),
        (
            "import subprocess\nheld = subprocess.Popen(['sleep', '600'])",
            "a child process",
        ),
        (
            "import signal\nsignal.setitimer(signal.ITIMER_REAL, 600)",
            "a running timer",
        ),
        ("held = open('/tmp/log', 'w')", "open for writing"),
        (
            "import mmap\nheld = mmap.mmap(-1, 4096)",
            "memory shared with others",
        ),
        ("os.dup(3)", "an open socket"),
        (
            "import asyncio\nheld = asyncio.new_event_loop()",
            "an open eventpoll",
        ),
        (
            "import ctypes\nheld = ctypes.CDLL(None).inotify_init1(0)",
            "an open inotify",
        ),
        (
            "import fcntl\nheld = open(__file__)\nfcntl.flock(held, fcntl.LOCK_SH)",
            "a lock on the file",
        ),
        (
            "import ctypes\nheld = ctypes.c_void_p()\nctypes.CDLL(None).timer_create(1, None, ctypes.byref(held))",
            "a running timer",
        ),
        (
            "import subprocess\nsubprocess.run(['sh', '-c', 'sleep 600 &'], start_new_session=True)",
            "a child process",
        ),
    ];
    for (init, reason) in rows {
        assert_unfit(init, reason).await;
    }
}

/// Asserts that the second instance of a function with this init is not forked, and that the log says why.
async fn assert_unfit(init: &str, reason: &str) {
    let mut bench = evaluating(init);
    let [mut one, mut other] = two(&bench).await;
    assert_eq!(ask(&mut bench, &mut one, "1").await, 1, "{init}");
    let other = own_number(&mut bench, &mut other).await;
    assert!(is_spawned(other), "{init}");
    assert_noted_once(&bench, "started one by one", reason, init);
}

#[tokio::test]
async fn modules_that_a_function_has_forbidden_are_not_looked_for() {
    let mut bench = evaluating(
        "import sys\nfor name in ['random', 'uuid', 'threading', 'tempfile', '_ssl', '_sqlite3']: sys.modules[name] = None",
    );
    let [mut one, mut other] = two(&bench).await;
    assert_ne!(
        ask(&mut bench, &mut one, "os.getpid()").await,
        ask(&mut bench, &mut other, "os.getpid()").await
    );
    assert_eq!(notes(&bench), [""; 0]);
}

#[tokio::test]
async fn devices_are_shared_only_if_they_remember_nothing() {
    // Nobody is shown others in a sandbox.
    without_walls();
    assert_unfit("held = os.openpty()", "/dev/pts").await;
    let bench = evaluating("held = [open('/dev/null', 'w'), open('/dev/urandom', 'rb')]");
    two(&bench).await;
    assert_eq!(notes(&bench), [""; 0]);
}

#[tokio::test]
async fn what_an_interpreter_reads_when_it_starts_gets_it_a_process_of_its_own() {
    let mut bench = evaluating("import sys");
    let libraries = "../libraries".to_owned();
    bench
        .function
        .environment
        .insert("PYTHONPATH".to_owned(), libraries);
    let mut instance = bench.start().await.unwrap();
    let question = "any(path.endswith('libraries') for path in sys.path)";
    assert_eq!(ask(&mut bench, &mut instance, question).await, true);
    assert!(is_spawned(own_number(&mut bench, &mut instance).await));
    let why = "[cloudless] instances of this function are started one by one instead of being forked: `PYTHONPATH` is read when a process starts";
    assert_eq!(notes(&bench), [why]);
}

#[tokio::test]
async fn files_opened_at_init_are_read_by_each_instance_for_itself() {
    let mut bench = evaluating(
        "held = open('lines.txt', buffering=1, opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW))\nfirst = os.read(held.fileno(), 4).decode()",
    );
    write(&bench.path("task/lines.txt"), "one\ntwo\nsix\n");
    let [mut one, mut other] = two(&bench).await;
    for instance in [&mut one, &mut other] {
        assert_eq!(
            ask(&mut bench, instance, "os.read(held.fileno(), 4).decode()").await,
            "two\n"
        );
    }
    assert_eq!(notes(&bench), [""; 0]);
}

#[tokio::test]
async fn the_sdk_is_loaded_once_unless_the_function_brings_its_own() {
    let mut bench = evaluating("import boto3, colorsys");
    let source = "import os, colorsys\ntry:\n    with open(os.path.join(os.path.dirname(__file__), 'loads'), 'a') as f: f.write('x')\nexcept OSError: print('loaded inside')\nname = 'ours'\n";
    write(&bench.path("sdk/boto3/__init__.py"), source);
    // The name of a module of the standard library that the SDK has loaded.
    bench.function.toolchain.sdk_paths = vec![bench.path("sdk")];
    let [mut one, _] = two(&bench).await;
    assert_eq!(ask(&mut bench, &mut one, "boto3.name").await, "ours");
    assert_eq!(
        std::fs::read_to_string(bench.path("sdk/boto3/loads")).unwrap(),
        "x"
    );
    assert_eq!(bench.log.stdout(), [""; 0]);
    for (file, text, question) in [
        ("task/colorsys.py", "name = 'mine'\n", "colorsys.name"),
        ("task/boto3.py", "name = 'mine'\n", "boto3.name"),
    ] {
        write(&bench.path(file), text);
        bench.function.fingerprint = file.to_owned();
        let mut instance = bench.start().await.unwrap();
        assert_eq!(ask(&mut bench, &mut instance, question).await, "mine");
    }
    assert_eq!(notes(&bench), [""; 0]);
}

/// The library that functions register hooks with, as far as its users and its runtime see it.
const HOOKS: &str = "before, after = [], []\ndef register_before_snapshot(f, *a, **k): before.append((f, a, k)); return f\ndef register_after_restore(f, *a, **k): after.append((f, a, k)); return f\ndef get_before_snapshot(): return before\ndef get_after_restore(): return after\n";

#[tokio::test]
async fn snapshot_hooks_run_as_with_snap_start() {
    let mut bench = evaluating(
        "import snapshot_restore_py as hooks, socket\nseen = []\nheld = socket.socket()\nhooks.register_before_snapshot(seen.append, 'second')\nhooks.register_before_snapshot(seen.append, 'first')\nhooks.register_before_snapshot(held.close)\nhooks.register_after_restore(lambda name: seen.append(name), name='third')\nhooks.register_after_restore(lambda: seen.append(os.getpid()))",
    );
    write(&bench.path("task/snapshot_restore_py.py"), HOOKS);
    let [mut one, mut other] = two(&bench).await;
    for instance in [&mut one, &mut other] {
        let found = ask(
            &mut bench,
            instance,
            "seen[:3] + [seen[3] == os.getpid(), len(seen)]",
        )
        .await;
        assert_eq!(found, json!(["first", "second", "third", true, 4]));
    }
    assert_eq!(notes(&bench), [""; 0]);

    for (when, template_ends) in [("before_snapshot", true), ("after_restore", false)] {
        let bench = evaluating(&format!(
            "import snapshot_restore_py as hooks\n@hooks.register_{when}\ndef fail(): raise ValueError('{when}')"
        ));
        write(&bench.path("task/snapshot_restore_py.py"), HOOKS);
        for _ in 0..2 {
            let (error, _) = bench.init_failure().await;
            assert_eq!(error["errorMessage"], when);
        }
        let revoked = bench.keys.revoked.lock().unwrap().len();
        assert_eq!(revoked == 2, template_ends);
    }
}

#[tokio::test]
async fn snapshot_hooks_run_in_each_instance_that_is_not_forked() {
    let hooked = "import snapshot_restore_py as hooks, socket\nseen = []\nhooks.register_before_snapshot(seen.append, 'second')\nhooks.register_before_snapshot(seen.append, 'first')\nhooks.register_after_restore(lambda: seen.append(os.getpid()))";
    let unfit = format!("{hooked}\nheld = socket.socket()");
    for (init, variable, starts) in [
        (unfit.as_str(), "OF_ITS_OWN", Starts::Automatic),
        (hooked, "PYTHONPATH", Starts::Automatic),
        (hooked, "OF_ITS_OWN", Starts::Spawned),
    ] {
        let mut bench = evaluating(init);
        bench.function.starts = starts;
        let environment = &mut bench.function.environment;
        environment.insert(variable.to_owned(), "nowhere".to_owned());
        // The cloud's runtimes bring it along.
        write(&bench.path("sdk/snapshot_restore_py.py"), HOOKS);
        bench.function.toolchain.sdk_paths = vec![bench.path("sdk")];
        for _ in 0..3 {
            let mut instance = bench.start().await.unwrap();
            let question = "seen[:2] + [seen[2] == os.getpid(), len(seen)]";
            let found = ask(&mut bench, &mut instance, question).await;
            assert_eq!(found, json!(["first", "second", true, 3]), "{variable}");
        }
    }
    for when in ["before_snapshot", "after_restore"] {
        let mut bench = evaluating(&format!(
            "import snapshot_restore_py as hooks\n@hooks.register_{when}\ndef fail(): raise ValueError('{when}')"
        ));
        bench.function.starts = Starts::Spawned;
        write(&bench.path("task/snapshot_restore_py.py"), HOOKS);
        let (error, _) = bench.init_failure().await;
        assert_eq!(error["errorMessage"], when);
    }
}

#[tokio::test]
async fn simultaneous_first_starts_share_one_init_be_it_good_or_bad() {
    for (rest, is_good) in [("", true), ("raise ValueError('broken')", false)] {
        let bench = evaluating(&format!(
            "import time\nprint('x', flush=True)\ntime.sleep(0.3)\n{rest}"
        ));
        let bench = Arc::new(bench);
        let mut starts = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let bench = bench.clone();
            starts.spawn(async move { bench.start().await.is_ok() });
        }
        assert_eq!(starts.join_all().await, [is_good; 20]);
        assert_eq!(inits(&bench), 1);
        // A later start tries again.
        assert_eq!(bench.start().await.is_ok(), is_good);
        let again = if is_good { 1 } else { 2 };
        assert_eq!(inits(&bench), again);
    }
}

#[tokio::test]
async fn an_instance_that_is_killed_at_work_is_answered_for_and_replaced() {
    let mut bench = evaluating("");
    let mut instance = bench.start().await.unwrap();
    let completion = bench
        .invoke(&mut instance, "\"os.kill(os.getpid(), 9)\"")
        .await;
    let Verdict::Exited(error) = completion.verdict else {
        panic!("{completion:?}")
    };
    let message = "RequestId: request-1 Error: Runtime exited with error: signal: killed";
    assert_eq!(json(&error)["errorMessage"], message);
    let mut next = bench.start().await.unwrap();
    assert_eq!(ask(&mut bench, &mut next, "1").await, 1);
}

#[tokio::test]
async fn a_template_or_base_that_is_killed_is_made_anew_at_the_next_start() {
    for kills_base in [false, true] {
        let mut bench = evaluating("print('x', flush=True)");
        let mut instance = bench.start().await.unwrap();
        let pid = own_number(&mut bench, &mut instance).await;
        let template = parent(pid);
        let killed = if kills_base {
            parent(template)
        } else {
            template
        };
        kill(killed);
        tokio::time::timeout(Duration::from_secs(3), instance.lost())
            .await
            .unwrap();
        assert!(!is_alive(pid));
        // Also when nobody asks for another one.
        assert!(is_gone(killed).await, "{kills_base}");
        let mut next = bench.start().await.unwrap();
        assert_eq!(ask(&mut bench, &mut next, "1").await, 1, "{kills_base}");
        assert_eq!(inits(&bench), 2);
        // Also when it dies unnoticed: nothing else runs on this thread meanwhile.
        let pid = own_number(&mut bench, &mut next).await;
        kill(if kills_base {
            parent(parent(pid))
        } else {
            parent(pid)
        });
        std::thread::sleep(Duration::from_millis(200));
        let mut third = bench.start().await.unwrap();
        assert_eq!(ask(&mut bench, &mut third, "1").await, 1, "{kills_base}");
    }
}

#[tokio::test]
async fn a_fork_that_the_system_refuses_is_the_machines_fault_and_the_next_one_is_well() {
    let rows = [
        (
            "11, 'no more processes'",
            "the limit of processes is reached, that of the user (`ulimit -u`) or of the container (`pids.max`): Resource temporarily unavailable (os error 11)",
        ),
        (
            "12, 'no more memory'",
            "this machine has no memory left for it: Cannot allocate memory (os error 12)",
        ),
    ];
    for (error, expected) in rows {
        let bench = evaluating(&format!(
            "import _cloudless_fork as zygote\ndef refuse(fork=zygote.fork):\n    if os.path.exists(os.environ['LAMBDA_TASK_ROOT'] + '/full'): raise OSError({error})\n    return fork()\nzygote.fork = refuse"
        ));
        write(&bench.path("task/full"), "");
        let Err(StartError::Machine { reason }) = bench.start().await else {
            panic!("it started")
        };
        assert_eq!(reason, format!("could not fork a new process: {expected}"));
        std::fs::remove_file(bench.path("task/full")).unwrap();
        bench.start().await.unwrap();
    }
}

#[tokio::test]
async fn a_template_that_talks_nonsense_or_lies_is_ended() {
    let frames = [
        ("garbage", r"b'\xff' * 100"),
        (
            "a flood of ends",
            r"b'\x00\x00\x00\x09\x22\x00\x00\x00\x07\x00\x00\x00\x00\x00' * 100",
        ),
        (
            "a child that nobody asked for",
            r"b'\x00\x00\x00\x08\x20' + b'\x00\x00\x00\x63' + b'\x00\x00\x00\x01'",
        ),
        (
            "somebody else's process",
            r"b'\x00\x00\x00\x08\x20' + b'\x00\x00\x00\x01' + b'\x00\x00\x00\x01'",
        ),
    ];
    for (what, frame) in frames {
        let bench = evaluating(&format!(
            "import socket, array, _cloudless_fork as zygote\ndef lie():\n    socket.socket(fileno=os.dup(3)).sendmsg([{frame}], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [os.pidfd_open(1)]))])\n    os.kill(os.getpid(), 19)\nzygote.fork = lie"
        ));
        let Err(StartError::Machine { reason }) = bench.start().await else {
            panic!("{what} was believed")
        };
        assert!(reason.contains("end again and again"), "{reason}");
    }
}

#[tokio::test]
async fn an_init_that_succeeds_one_time_in_two_fails_only_the_other_time() {
    // The inits count themselves in a file, and share none in sandboxes.
    without_walls();
    let mut bench = evaluating(
        "with open('../inits', 'a') as inits: inits.write('x')\nif os.stat('../inits').st_size % 2: os.kill(os.getpid(), 9)",
    );
    for _ in 0..3 {
        let (error, _) = bench.init_failure().await;
        let message = "Error: Runtime exited with error: signal: killed";
        assert_eq!(error["errorMessage"], message);
        let mut instance = bench.start().await.unwrap();
        assert_eq!(ask(&mut bench, &mut instance, "1").await, 1);
        // Its template is there now, and has to go for the next init to happen.
        let template = parent(own_number(&mut bench, &mut instance).await);
        kill(template);
        assert!(is_gone(template).await);
    }
}

#[tokio::test]
async fn an_init_that_hangs_every_time_fails_every_time_and_leaves_nothing() {
    let mut bench = evaluating(&format!(
        "import time\nprint({WHO_IN_PYTHON}, flush=True)\ntime.sleep(600)"
    ));
    bench.function.timeout = Duration::from_secs(1);
    let (error, tail) = bench.init_failure().await;
    assert_eq!(error["errorType"], "Sandbox.Timedout");
    assert!(tail.contains("Phase: invoke\tStatus: timeout"), "{tail}");
    let told = bench.log.stdout();
    assert_eq!(
        told.len(),
        2,
        "once within ten seconds, once within its timeout"
    );
    for _ in 0..200 {
        if told.iter().all(|one| find_outside(one).is_none()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(told.iter().all(|one| find_outside(one).is_none()));
    assert_eq!(bench.keys.valid(), 0);
}

#[tokio::test]
async fn an_init_that_crashes_every_time_fails_every_time() {
    let bench = evaluating("import os; os.kill(os.getpid(), 11)");
    for _ in 0..3 {
        let (error, tail) = bench.init_failure().await;
        assert_eq!(
            error["errorMessage"],
            "Error: Runtime exited with error: signal: segmentation fault"
        );
        assert!(tail.contains("Phase: init\tStatus: error"), "{tail}");
    }
}

#[tokio::test]
async fn an_orderly_end_runs_what_was_registered_for_it() {
    let mut bench =
        evaluating("import atexit, sys\natexit.register(lambda: print('x', flush=True))");
    let [mut one, mut other] = two(&bench).await;
    let completion = bench.invoke(&mut one, "\"sys.exit(3)\"").await;
    assert!(matches!(completion.verdict, Verdict::Exited(_)));
    assert_eq!(inits(&bench), 1);
    // What the others were forked from has no end of the function's.
    let template = parent(own_number(&mut bench, &mut other).await);
    bench.retire();
    drop([one, other]);
    assert!(is_gone(template).await);
    assert_eq!(inits(&bench), 1);
}

#[tokio::test]
async fn instances_that_come_and_go_leave_nothing_in_their_template() {
    let mut bench = evaluating("");
    let mut instance = bench.start().await.unwrap();
    let pid = own_number(&mut bench, &mut instance).await;
    let template = parent(pid);
    let held = || {
        let children =
            std::fs::read_to_string(format!("/proc/{template}/task/{template}/children"));
        let descriptors = std::fs::read_dir(format!("/proc/{template}/fd")).unwrap();
        (
            children.unwrap().split_whitespace().count(),
            descriptors.count(),
        )
    };
    // The instance, and the one that is kept ahead.
    for _ in 0..1_000 {
        if held().0 == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = held();
    for round in 0..100 {
        let mut passing = bench.start().await.unwrap();
        if round % 2 == 0 {
            ask(&mut bench, &mut passing, "1").await;
            passing.stop().await;
        }
    }
    for _ in 0..100 {
        let (children, descriptors) = held();
        if children <= before.0 && descriptors <= before.1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{before:?} became {:?}", held());
}

#[tokio::test]
async fn nothing_is_left_when_the_runtime_goes() {
    let mut bench = evaluating("");
    let [mut one, other] = two(&bench).await;
    let pid = own_number(&mut bench, &mut one).await;
    let (template, base) = (parent(pid), parent(parent(pid)));
    drop(other);
    drop(bench);
    // An instance at work keeps what it came from.
    assert!(is_alive(template) && is_alive(base));
    drop(one);
    for gone in [pid, template, base] {
        assert!(is_gone(gone).await);
    }
}
