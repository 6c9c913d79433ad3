//! The native half of forking Node.js, with the Node.js of this machine, in each of the ways that its version has.
//!
//! Lives here: what a parked process and its forks promise whoever asks for them.
//! Does not live here: functions and their instances (`process`).

#![cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub,
    reason = "these are tests"
)]

mod parked;

use std::process::{Command, Stdio};
use std::time::Duration;

use parked::{ADDON, Parked, Way, node, request, ways};

const SIGKILL: i32 = 9;

fn in_each_way(promise: impl Fn(Way)) {
    for way in ways() {
        promise(way);
    }
}

#[test]
fn a_fork_has_a_channel_an_output_and_a_number_of_its_own() {
    in_each_way(|way| {
        let mut parked = Parked::start(way);
        let (mut first, mut second) = (parked.fork(), parked.fork());
        for fork in [&mut first, &mut second] {
            assert_eq!(fork.run("return child.pid"), fork.number);
            assert_eq!(fork.run("return addon.pid()"), fork.number);
            fork.run("require('fs').writeSync(1, `written by ${child.pid}`)");
        }
        let text = format!("written by {}", first.number);
        first.tell("addon.exitNow(0)");
        assert_eq!(first.output(), text);
    });
}

#[test]
fn randomness_is_fresh_in_each_fork() {
    in_each_way(|way| {
        let mut parked = Parked::start(way);
        let mut draw = || {
            parked
                .fork()
                .run("return [child.random.byteLength, Buffer.from(child.random).toString('hex')]")
        };
        let (first, second) = (draw(), draw());
        assert_eq!(first[0], 16);
        assert_ne!(first[1], second[1]);
    });
}

#[test]
fn how_a_fork_ended_is_told() {
    in_each_way(|way| {
        let mut parked = Parked::start(way);
        for (body, how, value) in [
            ("addon.exitNow(7)", 0, 7),
            ("process.kill(child.pid, 'SIGTERM')", 1, 15),
            ("process.abort()", 1, 6),
        ] {
            let mut fork = parked.fork();
            fork.tell(body);
            assert_eq!(parked.channel.ended(), (fork.number, how, value), "{body}");
            assert!(fork.has_ended());
        }
    });
}

#[test]
fn what_a_fork_has_started_ends_with_it() {
    in_each_way(|way| {
        let mut parked = Parked::start(way);
        let mut fork = parked.fork();
        let started = fork.run("return require('child_process').spawn('sleep', ['1000']).pid");
        fork.tell("addon.exitNow(0)");
        assert_eq!(parked.channel.ended(), (fork.number, 0, 0));
        assert!(parked::ends(started.as_u64().unwrap()), "it goes on");
    });
}

/// Two forks that are well, one of which never comes back from what it does.
fn busy_and_idle(parked: &mut Parked) -> (parked::Fork, parked::Fork) {
    let (mut busy, mut idle) = (parked.fork(), parked.fork());
    assert_eq!(
        (busy.run("return 1"), idle.run("return 1")),
        (1.into(), 1.into())
    );
    busy.tell("for (;;);");
    (busy, idle)
}

#[test]
fn closing_the_channel_ends_the_process_and_its_forks() {
    in_each_way(|way| {
        let mut parked = Parked::start(way);
        let (busy, idle) = busy_and_idle(&mut parked);
        parked.channel.close();
        assert_eq!(parked.status(), Some(0));
        assert!(busy.has_ended() && idle.has_ended());
    });
}

#[test]
fn forks_end_with_the_process_that_was_killed() {
    in_each_way(|way| {
        let mut parked = Parked::start(way);
        let (busy, idle) = busy_and_idle(&mut parked);
        parked.process.kill().unwrap();
        assert!(busy.has_ended() && idle.has_ended());
    });
}

#[test]
fn whatever_is_no_request_to_fork_ends_the_process() {
    let way = ways()[0];
    let nowhere = || std::fs::File::open("/dev/null").unwrap().into();
    let [another_type, longer] = [[0, 0, 0, 4, 2, 0, 0, 0, 1], [0, 0, 0, 9, 3, 0, 0, 0, 1]];
    for (frame, descriptors) in [
        (another_type, 3),
        (longer, 3),
        ([0xff; 9], 3),
        (request(1).try_into().unwrap(), 0),
        (request(1).try_into().unwrap(), 2),
        (request(1).try_into().unwrap(), 5),
        (request(1).try_into().unwrap(), 8),
    ] {
        let mut parked = Parked::start(way);
        let fork = parked.fork();
        let descriptors: Vec<_> = (0..descriptors).map(|_| nowhere()).collect();
        let descriptors: Vec<_> = descriptors.iter().collect();
        parked.channel.send(&frame, &descriptors);
        assert_eq!(parked.status(), Some(0), "{frame:?} {}", descriptors.len());
        assert!(fork.has_ended());
    }
}

#[test]
fn a_request_may_come_in_pieces() {
    let parked = Parked::start(ways()[0]);
    let frame = request(9);
    let nowhere = || std::fs::File::open("/dev/null").unwrap().into();
    parked
        .channel
        .send(&frame[..3], &[&nowhere(), &nowhere(), &nowhere()]);
    std::thread::sleep(Duration::from_millis(20));
    parked.channel.send(&frame[3..], &[]);
    let ((frame_type, body), pidfd) = parked.channel.receive();
    assert_eq!((frame_type, &body[..4]), (32, &9_u32.to_be_bytes()[..]));
    assert!(pidfd.is_some());
}

#[test]
fn a_process_that_may_hold_no_more_descriptors_says_so_and_goes_on() {
    const EMFILE: i32 = 24;
    // The shell is a program that is not Node.js, and hands the library on.
    let mut command = Command::new("sh");
    let limited = r#"ulimit -n 64; exec node "$@""#;
    match ways()[0] {
        Way::Preload => command
            .args(["-c", limited, "node"])
            .env("LD_PRELOAD", ADDON),
        Way::SingleThread => command.args(["-c", limited, "node", "--single-threaded"]),
    };
    let mut parked = Parked::start_command(command, "");
    let mut forks = Vec::new();
    let refused = loop {
        match parked.try_fork() {
            Ok(fork) => forks.push(fork),
            Err(code) => break code,
        }
    };
    assert_eq!(refused, EMFILE);
    assert!(10 < forks.len() && forks.len() < 64);
    assert_eq!(parked.try_fork().err(), Some(EMFILE));
    let mut last = forks.pop().unwrap();
    last.tell("addon.exitNow(0)");
    assert_eq!(parked.channel.ended(), (last.number, 0, 0));
    assert_eq!(parked.fork().run("return 1"), 1);
}

#[test]
fn a_fork_holds_nothing_of_its_brothers_or_its_parents() {
    in_each_way(|way| {
        let mut parked = Parked::start(way);
        let parent = parked::descriptors(parked.process.id());
        let mut first = parked.fork();
        first.run("return 1");
        let mut forks: Vec<_> = (0..5).map(|_| parked.fork()).collect();
        let last = forks.last_mut().unwrap();
        last.run("return 1");
        assert_eq!(last.descriptors().len(), first.descriptors().len());
        let brothers: Vec<_> = first.descriptors();
        // The channel, the standard output, the standard error.
        for (number, own) in last.descriptors().iter().enumerate().take(3) {
            assert_ne!(own, &parent[number]);
            assert_ne!(own, &brothers[number]);
        }
        let inherited = |fd: &&String| fd.starts_with("socket:") && **fd == parent[0];
        assert_eq!(last.descriptors().iter().find(inherited), None);
        let pidfds = |fd: &&String| fd.contains("pidfd");
        assert_eq!(last.descriptors().iter().find(pidfds), None);
    });
}

#[test]
fn a_parked_process_keeps_nothing_of_forks_that_have_ended() {
    in_each_way(|way| {
        let mut parked = Parked::start(way);
        let end_one = |parked: &mut Parked| {
            let mut fork = parked.fork();
            fork.tell("addon.exitNow(0)");
            parked.channel.ended();
            // It is held here for longer than the parked process holds it.
            fork
        };
        let mut ended = vec![end_one(&mut parked)];
        let before = parked::descriptors(parked.process.id());
        for _ in 0..10 {
            ended.push(end_one(&mut parked));
        }
        assert_eq!(parked::descriptors(parked.process.id()), before);
        // It would be woken again and again by a pidfd that it forgot to stop waiting for.
        let worked = parked.cpu_ticks();
        std::thread::sleep(Duration::from_millis(200));
        assert!(parked.cpu_ticks() < worked + 5);
    });
}

#[test]
fn a_fork_outlives_many_collections_and_ends_its_workers() {
    in_each_way(|way| {
        let mut parked = Parked::start(way);
        let mut fork = parked.fork();
        let woken = fork.run("return child.woken");
        assert_eq!(woken, if way == Way::Preload { 4 } else { 0 });
        fork.run("for (let i = 0; i < 30; i++) collect()");
        let status = fork.run(
            "const { Worker } = require('worker_threads');
             return new Promise((resolve, reject) => {
               new Worker('for (let i = 0, a = []; i < 3e5; i++) a.push({ i });', { eval: true })
                 .once('exit', resolve).once('error', reject);
             })",
        );
        assert_eq!(status, 0);
        fork.run("for (let i = 0; i < 5; i++) collect()");
    });
}

#[test]
fn a_fork_compiles_and_reads_files_and_starts_programs() {
    in_each_way(|way| {
        let mut parked = Parked::start(way);
        let mut fork = parked.fork();
        let sum = fork.run(
            "const bytes = Buffer.from('0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b', 'hex');
             const { instance } = await WebAssembly.instantiate(bytes);
             return instance.exports.add(2, 40)",
        );
        assert_eq!(sum, 42);
        let fibonacci = "const f = n => n < 2 ? n : f(n - 1) + f(n - 2); return f(24)";
        assert_eq!(fork.run(fibonacci), 46368);
        let size = "return (await require('fs').promises.readFile('/proc/self/stat')).length > 9";
        assert_eq!(fork.run(size), true);
        let said = fork.run(
            "const { execFile } = require('child_process');
             return (await require('util').promisify(execFile)('sh', ['-c', 'echo $PPID $LD_PRELOAD'])).stdout",
        );
        assert_eq!(said, format!("{}\n", fork.number));
    });
}

#[test]
fn the_time_that_a_process_was_parked_is_not_taken_off_timers() {
    in_each_way(|way| {
        let mut parked = Parked::start(way);
        std::thread::sleep(Duration::from_millis(150));
        let took = parked.fork().run(
            "const from = performance.now(); await sleep(100); return performance.now() - from",
        );
        assert!(99.0 <= took.as_f64().unwrap(), "{took}");
    });
}

#[test]
fn a_fork_can_park_and_be_forked() {
    in_each_way(|way| {
        let mut parked = Parked::start(way);
        let mut template = parked.fork();
        template.run("globalThis.loaded = { by: child.pid }; collect()");
        template.tell("return again()");
        let number = template.number;
        let channel = template.into_channel();
        assert_eq!(channel.receive().0, (16, b"again".to_vec()));
        let mut instances = [channel.fork(1).unwrap(), channel.fork(2).unwrap()];
        for instance in &mut instances {
            assert_eq!(instance.run("return loaded.by"), number);
            assert_eq!(instance.run("return child.pid"), instance.number);
            let woken = instance.run("return child.woken");
            assert_eq!(woken, if way == Way::Preload { 4 } else { 0 });
            instance.run("for (let i = 0; i < 20; i++) collect()");
            let status = instance.run(
                "return new Promise(resolve => new (require('worker_threads').Worker)('1', { eval: true }).once('exit', resolve))",
            );
            assert_eq!(status, 0);
        }
        instances[0].tell("process.kill(child.pid, 'SIGKILL')");
        assert_eq!(channel.ended(), (instances[0].number, 1, SIGKILL));
        assert!(instances[1].is_alive());
        channel.close();
        assert_eq!(parked.channel.ended(), (number, 0, 0));
        assert!(instances[1].has_ended());
    });
}

#[test]
fn a_process_with_a_busy_thread_does_not_park() {
    let busy = "const { Worker } = require('worker_threads');
        const worker = new Worker('require(\"worker_threads\").parentPort.postMessage(1); for (;;);', { eval: true });
        await new Promise(resolve => worker.once('message', resolve));
        try { addon.park(0, 16, Buffer.from('{}')); } catch (error) { addon.park = null; console.log(error.message); }
        addon.exitNow(3);";
    let mut command = node(ways()[0]);
    command.stdout(Stdio::piped());
    let mut parked = Parked::start_without_waiting(command, busy);
    assert_eq!(parked.status(), Some(3));
    let said = std::io::read_to_string(parked.process.stdout.take().unwrap()).unwrap();
    assert_eq!(said, "another thread was still busy after 2s\n");
}

#[test]
fn a_worker_does_not_park() {
    let program = "const { Worker } = require('worker_threads');
        new Worker(`try { require(${JSON.stringify(process.argv[1])}).park(0, 16, Buffer.from('{}')) } catch (error) { console.log(error.message) }`, { eval: true })";
    let output = Command::new("node")
        .args(["-e", program, ADDON])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "only the main thread can be forked\n"
    );
}

#[test]
fn required_alone_the_library_changes_nothing() {
    let program = "const addon = require(process.argv[1]);
        console.log(addon.hasPreload(), addon.wakeThreads(), addon.pid() === process.pid, addon.reseedOpenssl())";
    let output = Command::new("node")
        .args(["-e", program, ADDON])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "false 0 true true\n"
    );
}

#[cfg(target_arch = "x86_64")]
#[test]
fn preloaded_it_says_so_and_is_not_inherited() {
    let program = "const addon = require(process.argv[1]);
        console.log(addon.hasPreload(), addon.wakeThreads(), process.env.LD_PRELOAD)";
    let mut node = node(Way::Preload);
    let output = node.args(["-e", program, ADDON]).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "true 0 undefined\n"
    );
}

#[test]
fn arguments_of_another_kind_are_refused() {
    let program = "const addon = require(process.argv[1]);
        for (const given of [[], ['0', 16, Buffer.alloc(0)], [0, 16, 'text'], [0, 256, Buffer.alloc(0)], [99, 16, Buffer.alloc(0)]]) {
          try { addon.park(...given); } catch (error) { console.log(error.message.split(' (')[0]); }
        }";
    let output = Command::new("node")
        .args(["-e", program, ADDON])
        .output()
        .unwrap();
    let another_type = "an argument has another type than the addon takes\n".repeat(3);
    let rest = "the type of a frame is a number up to 255\nthe channel cannot be used: Bad file descriptor\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), another_type + rest);
}

#[test]
fn a_pair_of_sockets_is_connected() {
    let program = "const addon = require(process.argv[1]), fs = require('fs');
        const [one, other] = addon.socketPair(), into = Buffer.alloc(9);
        fs.writeSync(one, 'through');
        console.log(into.toString('utf8', 0, fs.readSync(other, into)))";
    let output = Command::new("node")
        .args(["-e", program, ADDON])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "through\n");
}

#[test]
fn short_frames_are_written_whole_and_longer_ones_are_refused() {
    let program = "const addon = require(process.argv[1]), fs = require('fs');
        const [one, other] = addon.socketPair(), into = Buffer.alloc(4096);
        for (const text of ['', 'ab', '\u{20ac}'.repeat(1024)]) {
          addon.send(one, 18, text);
          const count = fs.readSync(other, into);
          const whole = Buffer.concat([Buffer.from([0, 0, 0, 0, 18]), Buffer.from(text)]);
          whole.writeUInt32BE(whole.length - 5, 0);
          console.log(count, into.subarray(0, count).equals(whole));
        }
        for (const long of ['x'.repeat(3073), '\u{20ac}'.repeat(2000), '\u{1f600}'.repeat(769)]) {
          try { addon.send(one, 18, long); } catch (error) { console.log(error.message); }
        }";
    let output = Command::new("node")
        .args(["-e", program, ADDON])
        .output()
        .unwrap();
    let refused = "the body of a short frame has 1024 characters at most\n".repeat(3);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("5 true\n7 true\n3077 true\n{refused}")
    );
}
