//! What happens to us: no more processes, and kills at any moment, of anything.

use std::collections::VecDeque;
use std::time::Duration;

use interfaces::runtime::{Instance, StartError, Verdict};
use model::function::Starts;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, Uid, getrlimit, kill_process, prlimit, setrlimit,
};
use rustix::thread::{CapabilitySet, set_thread_res_uid};

use crate::alone::is_alone;
use crate::forking::{ask, evaluating, kill};
use crate::harness::{Bench, Lang, interpreter, outside, text, without_walls};
use crate::lifecycle::{descendants, is_alive, parent};

const NO_MORE: &str = "the limit of processes is reached, that of the user (`ulimit -u`) or of the container (`pids.max`): Resource temporarily unavailable (os error 11)";

/// As many forks as a template keeps ahead.
const AHEAD_MAX: usize = 3;

/// A user who is not the administrator.
const NOBODY: u32 = 65_534;

async fn refusal(bench: &Bench) -> String {
    match bench.start().await {
        Err(StartError::Machine { reason }) => reason,
        Err(StartError::Init { .. }) => panic!("the function was blamed"),
        Ok(_) => panic!("it started"),
    }
}

fn no_process(before: Rlimit) -> Rlimit {
    Rlimit {
        current: Some(0),
        maximum: before.maximum,
    }
}

/// Gives another process this limit; what it was before. Whoever is not the process's own user may not do that, not even
/// the administrator in most containers.
fn limit_processes(pid: i64, limit: Rlimit) -> Rlimit {
    let pid = Pid::from_raw(pid.try_into().unwrap());
    let set = move || {
        if rustix::process::getuid().is_root() {
            let nobody = Uid::from_raw(NOBODY);
            set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        prlimit(pid, Resource::Nproc, limit).unwrap()
    };
    std::thread::spawn(set).join().unwrap()
}

/// Functions whose processes are not the administrator's any more, for whom no limit holds.
const LIMITED: [(Lang, &str); 2] = [
    (
        Lang::Python,
        "import os\nif os.getuid() == 0: os.setresuid(65534, 65534, 65534)\ndef handler(event, context):\n    return [os.stat('/proc/self/ns/pid').st_ino, os.getpid()]\n",
    ),
    (
        Lang::Node,
        "if (process.getuid() === 0) process.setuid(65534);\nexports.handler = async () => [require('fs').statSync('/proc/self/ns/pid').ino, process.pid];\n",
    ),
];

#[tokio::test]
async fn a_template_that_may_not_fork_is_the_machines_fault_and_it_forks_again_when_it_may() {
    // Who limits another process must be its user, which in a sandbox is nobody of this machine.
    without_walls();
    for (language, source) in LIMITED {
        let mut bench = language.bench(source);
        let mut first = bench.start().await.unwrap();
        let template = who(&mut bench, &mut first).await.1;
        let before = limit_processes(template, no_process(getrlimit(Resource::Nproc)));
        // Some may have been forked before the limit was there.
        let mut ahead = Vec::new();
        while ahead.len() < AHEAD_MAX
            && let Ok(instance) = bench.start().await
        {
            ahead.push(instance);
        }
        for _ in 0..3 {
            let reason = refusal(&bench).await;
            assert_eq!(reason, format!("could not fork a new process: {NO_MORE}"));
        }
        assert_eq!(who(&mut bench, &mut first).await.1, template);
        limit_processes(template, before);
        let mut next = bench.start().await.unwrap();
        let parent = who(&mut bench, &mut next).await.1;
        assert_eq!(parent, template, "the template lived");
        drop(ahead);
    }
}

/// Makes the process limit hold for this thread and those that it starts, also when it is the administrator's.
fn give_up_unlimited_processes() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    set_thread_res_uid(Uid::from_raw(NOBODY), Uid::ROOT, Uid::ROOT).unwrap();
    let mut sets = rustix::thread::capabilities(None).unwrap();
    sets.effective
        .remove(CapabilitySet::SYS_RESOURCE | CapabilitySet::SYS_ADMIN);
    rustix::thread::set_capabilities(None, sets).unwrap();
}

#[tokio::test]
async fn a_full_process_table_refuses_each_start_and_nothing_else_until_there_is_room() {
    // What fails with sandboxes is making these, step by step: `sandbox` tests that.
    without_walls();
    if !is_alone(
        "faults::a_full_process_table_refuses_each_start_and_nothing_else_until_there_is_room",
    ) {
        return;
    }
    // What is found on the path may be a script, and its shell takes no other's rights: it could not read ours.
    for language in [Lang::Python, Lang::Node] {
        interpreter(language);
    }
    give_up_unlimited_processes();
    let before = getrlimit(Resource::Nproc);
    for (language, source) in KILLABLE {
        for starts in [Starts::Spawned, Starts::Automatic] {
            let mut bench = Bench::with_starts(language, source, starts);
            let held = Held::without_descendants().await;
            setrlimit(Resource::Nproc, no_process(before)).unwrap();
            for _ in 0..10 {
                let reason = refusal(&bench).await;
                assert!(reason.starts_with("could not start `"), "{reason}");
                assert!(reason.ends_with(NO_MORE), "{reason}");
            }
            assert!(
                held.is_back().await,
                "{language:?} {starts:?}: {held:?} became {:?}",
                Held::now()
            );
            setrlimit(Resource::Nproc, before).unwrap();
            let mut instance = bench.start().await.unwrap();
            let completion = bench.invoke(&mut instance, "\"who\"").await;
            assert!(matches!(completion.verdict, Verdict::Returned(_)));
        }
    }
}

/// Handlers that say who they are, or end at once.
const KILLABLE: [(Lang, &str); 2] = [
    (
        Lang::Python,
        "import os\ndef handler(event, context):\n    if event == 'end': os.kill(os.getpid(), 9)\n    return [os.stat('/proc/self/ns/pid').st_ino, os.getpid()]\n",
    ),
    (
        Lang::Node,
        "exports.handler = async (event) => { if (event === 'end') { process.kill(process.pid, 'SIGKILL'); for (;;); } return [require('fs').statSync('/proc/self/ns/pid').ino, process.pid]; };\n",
    ),
];

/// What this process holds of the system's.
#[derive(Debug)]
struct Held {
    descriptors: usize,
    /// Of any generation, zombies too.
    descendants: usize,
}

impl Held {
    fn now() -> Self {
        Self {
            descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
            descendants: descendants(i64::from(std::process::id())).len(),
        }
    }

    /// Waits until all processes are gone, as they go when nobody needs them any more.
    async fn without_descendants() -> Self {
        for _ in 0..500 {
            let held = Self::now();
            if held.descendants == 0 {
                return held;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("processes stay: {:?}", Self::now());
    }

    /// Waits until no more is held than this.
    async fn is_back(&self) -> bool {
        for _ in 0..500 {
            let now = Self::now();
            if now.descriptors <= self.descriptors && now.descendants <= self.descendants {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

/// The memory of a process that is its own, in KiB.
fn own_memory_kb(pid: i64) -> i64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let amount = line.unwrap().trim().trim_end_matches(" kB");
    amount.parse().unwrap()
}

/// An instance's number out here, and that of what it was forked from.
async fn who(bench: &mut Bench, instance: &mut Box<dyn Instance>) -> (i64, i64) {
    match bench.invoke(instance, "\"who\"").await.verdict {
        Verdict::Returned(found) => {
            let own = outside(&text(&found));
            (own, parent(own))
        }
        other => panic!("{other:?}"),
    }
}

/// One round of an instance's life, which ends in one of five ways.
async fn live(bench: &mut Bench, round: usize, staying: &mut VecDeque<Box<dyn Instance>>) {
    let mut instance = bench.start().await.unwrap();
    let (pid, _) = who(bench, &mut instance).await;
    match round % 5 {
        0 => instance.stop().await,
        1 => drop(instance),
        2 => {
            kill(pid);
            instance.lost().await;
        }
        3 => {
            let completion = bench.invoke(&mut instance, "\"end\"").await;
            assert!(matches!(completion.verdict, Verdict::Exited(_)));
        }
        _ => staying.push_back(instance),
    }
    if 8 < staying.len() {
        staying.pop_front();
    }
}

/// The processes that an instance was forked from, youngest first; none when it was started.
fn zygotes(parent_of_instance: i64) -> Vec<i64> {
    let us = i64::from(std::process::id());
    std::iter::successors(Some(parent_of_instance), |&pid| Some(parent(pid)))
        .take_while(|&pid| pid != us)
        .collect()
}

async fn churn(language: Lang, source: &str) {
    const ROUNDS: usize = 120;
    const GROWTH_KB_MAX: i64 = 4 * 1024;
    // Also the first process of all makes this one hold something for good: the event loop's own descriptors.
    drop(language.bench(source).start().await.unwrap());
    let before = Held::without_descendants().await;
    let mut bench = language.bench(source);
    let mut staying = VecDeque::new();
    let mut memory_kb: Vec<(i64, i64)> = Vec::new();
    for round in 0..ROUNDS {
        live(&mut bench, round, &mut staying).await;
        bench.log.0.lock().unwrap().clear();
        let mut probe = bench.start().await.unwrap();
        let above = zygotes(who(&mut bench, &mut probe).await.1);
        if round == ROUNDS / 4 || round == ROUNDS / 2 {
            // The template, then the base: with it goes all that came from it.
            let killed = above.get(usize::from(round == ROUNDS / 2)).copied();
            if let Some(killed) = killed {
                kill(killed);
                while is_alive(killed) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
        if round == ROUNDS * 2 / 3 {
            memory_kb = above.iter().map(|&pid| (pid, own_memory_kb(pid))).collect();
        }
    }
    for (pid, earlier_kb) in memory_kb {
        assert!(
            is_alive(pid),
            "what instances come from was made anew without need"
        );
        let grown_kb = own_memory_kb(pid) - earlier_kb;
        assert!(
            grown_kb < GROWTH_KB_MAX,
            "{language:?}: {grown_kb} KiB more"
        );
    }
    drop(staying);
    drop(bench);
    assert!(
        before.is_back().await,
        "{before:?} became {:?}",
        Held::now()
    );
}

#[tokio::test]
async fn a_spare_that_dies_while_nobody_asks_is_replaced() {
    for (language, source) in KILLABLE {
        let mut bench = language.bench(source);
        let mut first = bench.start().await.unwrap();
        let (pid, template) = who(&mut bench, &mut first).await;
        let mut known = vec![pid];
        for _ in 0..2 {
            known.push(spare_but(&known, template).await);
            // Until it waits.
            tokio::time::sleep(Duration::from_millis(100)).await;
            if known.len() == 2 {
                kill(known[1]);
            }
        }
        let mut second = bench.start().await.unwrap();
        assert_eq!(who(&mut bench, &mut second).await, (known[2], template));
    }
}

/// Waits for a child of a template's besides these.
async fn spare_but(known: &[i64], template: i64) -> i64 {
    for _ in 0..500 {
        let children = descendants(template);
        if let Some(found) = children.into_iter().find(|child| !known.contains(child)) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the template keeps no fork ahead")
}

#[tokio::test]
async fn a_spare_that_dies_while_it_is_asked_for_is_no_concern_of_anybody() {
    for (language, source) in KILLABLE {
        let mut bench = language.bench(source);
        let mut first = bench.start().await.unwrap();
        let (pid, template) = who(&mut bench, &mut first).await;
        let spare = spare_but(&[pid], template).await;
        let process = Pid::from_raw(template.try_into().unwrap()).unwrap();
        kill_process(process, Signal::STOP).unwrap();
        let dying = async {
            // By then the template has been asked, and has not seen it.
            tokio::time::sleep(Duration::from_millis(100)).await;
            kill(spare);
            while is_alive(spare) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            kill_process(process, Signal::CONT).unwrap();
        };
        let (second, ()) = tokio::join!(bench.start(), dying);
        let mut second = second.unwrap();
        assert_eq!(who(&mut bench, &mut second).await.1, template);
        // A template that spoke of more children than were asked for would not be believed any more.
        first.stop().await;
        second.stop().await;
        let mut third = bench.start().await.unwrap();
        assert_eq!(who(&mut bench, &mut third).await.1, template);
    }
}

#[tokio::test]
async fn a_spare_that_is_killed_right_after_it_was_given_out_is_no_concern_of_anybody() {
    for (language, source) in KILLABLE {
        let mut bench = language.bench(source);
        let mut first = bench.start().await.unwrap();
        let (pid, template) = who(&mut bench, &mut first).await;
        let spare = spare_but(&[pid], template).await;
        let process = Pid::from_raw(spare.try_into().unwrap()).unwrap();
        kill_process(process, Signal::STOP).unwrap();
        let dying = async {
            // By then it is the one that shall serve, and does not say that it does.
            tokio::time::sleep(Duration::from_millis(100)).await;
            kill(spare);
        };
        let (second, ()) = tokio::join!(bench.start(), dying);
        let (other, its_template) = who(&mut bench, &mut second.unwrap()).await;
        assert!(other != spare && its_template == template);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_instances_that_come_and_go_and_are_killed_leave_nothing_behind() {
    if is_alone("faults::python_instances_that_come_and_go_and_are_killed_leave_nothing_behind") {
        churn(KILLABLE[0].0, KILLABLE[0].1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_instances_that_come_and_go_and_are_killed_leave_nothing_behind() {
    if is_alone("faults::node_instances_that_come_and_go_and_are_killed_leave_nothing_behind") {
        churn(KILLABLE[1].0, KILLABLE[1].1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptors_that_a_template_adds_to_what_it_says_do_not_stay_with_us() {
    if !is_alone("faults::descriptors_that_a_template_adds_to_what_it_says_do_not_stay_with_us") {
        return;
    }
    let mut bench = evaluating(
        "import _cloudless_frames as frames\ndef add(through, frame, descriptors, send=frames.send_with_descriptors):\n    nowhere = os.open('/dev/null', os.O_RDONLY)\n    try: send(through, frame, descriptors + [nowhere] * 20 if len(descriptors) == 1 else descriptors)\n    finally: os.close(nowhere)\nframes.send_with_descriptors = add",
    );
    const STARTS: usize = 50;
    drop(bench.start().await.unwrap());
    let held = std::fs::read_dir("/proc/self/fd").unwrap().count();
    for _ in 0..STARTS {
        let mut instance = bench.start().await.unwrap();
        assert_eq!(ask(&mut bench, &mut instance, "1").await, 1);
    }
    let held_now = std::fs::read_dir("/proc/self/fd").unwrap().count();
    // What is made ahead meanwhile, and what just ended, holds some; a descriptor kept of each start would be more.
    assert!(held_now < held + STARTS, "{held} became {held_now}");
}

#[tokio::test]
async fn a_process_that_may_open_no_more_files_says_so_and_recovers() {
    if !is_alone("faults::a_process_that_may_open_no_more_files_says_so_and_recovers") {
        return;
    }
    let before = getrlimit(Resource::Nofile);
    for starts in [Starts::Spawned, Starts::Automatic] {
        let mut bench = Bench::with_starts(KILLABLE[0].0, KILLABLE[0].1, starts);
        let mut first = bench.start().await.unwrap();
        let open = std::fs::read_dir("/proc/self/fd").unwrap().count();
        let few = Rlimit {
            current: Some(u64::try_from(open).unwrap() + 2),
            ..before
        };
        setrlimit(Resource::Nofile, few).unwrap();
        // What was started ahead needs none.
        let ahead = bench.start().await.ok();
        let reason = refusal(&bench).await;
        let limit = "the limit of open files is reached (`ulimit -n`)";
        assert!(reason.contains(limit), "{reason}");
        let completion = bench.invoke(&mut first, "\"who\"").await;
        assert!(matches!(completion.verdict, Verdict::Returned(_)));
        setrlimit(Resource::Nofile, before).unwrap();
        let mut next = bench.start().await.unwrap();
        who(&mut bench, &mut next).await;
        drop(ahead);
    }
}
