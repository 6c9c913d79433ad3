//! Templates that are forked from a real Python base and enter a sandbox, and their instances.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod common;
#[path = "common/zygote.rs"]
mod zygote;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use common::Box;
use sandbox::{GroupLimits, Groups, Plan};
use serde_json::json;
use zygote::{Base, FORKED_AHEAD_MAX, shown};

fn sandboxed() -> Box {
    Box::with(Plan {
        shown: shown(),
        ..common::plan()
    })
}

#[test]
fn a_template_loads_the_function_inside_and_its_instances_are_inside() {
    let inside = sandboxed();
    let mut base = Base::start(&[]);
    let mut template = base.template(Some(&inside.sandbox), json!({"A": "1"}));
    let mut instance = template.instance(Some(&inside.sandbox));
    let result = instance.run(
        "import os; result = [os.getuid(), sorted({'boot', 'home', 'run', 'srv', 'sys'} & set(os.listdir('/'))), os.listdir('/tmp'), loaded_by == os.getppid(), os.getppid() < 10, os.environ['A']]",
    );
    assert_eq!(result, json!([1000, [], [], true, true, "1"]));
}

#[test]
fn every_instance_has_a_tmp_of_its_own_with_what_init_left() {
    let inside = sandboxed();
    let mut base = Base::start(&[]);
    let init = "import os; os.mkdir('/tmp/d'); open('/tmp/d/f', 'w').write('init'); os.symlink('d/f', '/tmp/l')";
    let mut template = base.template(Some(&inside.sandbox), json!({"INIT": init}));
    let code = "
import os
result = [sorted(os.listdir('/tmp')), open('/tmp/l').read()]
open('/tmp/mine', 'w').write('x')
open('/tmp/d/f', 'w').write('changed')
";
    for _ in 0..3 {
        let mut instance = template.instance(Some(&inside.sandbox));
        assert_eq!(instance.run(code), json!([["d", "l"], "init"]));
    }
}

#[test]
fn what_an_instance_leaves_behind_is_swept_away_and_its_siblings_go_on() {
    let inside = sandboxed();
    let mut base = Base::start(&[]);
    let mut template = base.template(Some(&inside.sandbox), json!({}));
    let mut leaver = template.instance(Some(&inside.sandbox));
    let mut sibling = template.instance(Some(&inside.sandbox));
    let code = "
import subprocess
subprocess.Popen(['/bin/sh', '-c', 'setsid sh -c \"(while :; do sleep 60 & sleep 0.001; done) & (sleep 600 &)\" &'], start_new_session=True).wait()
import time; time.sleep(0.1)
result = 'left'
";
    assert_eq!(leaver.run(code), json!("left"));
    let count = "import os; result = len([n for n in os.listdir('/proc') if n.isdigit()])";
    let before = sibling.run(count).as_i64().unwrap();
    rustix::process::pidfd_send_signal(&leaver.pidfd, rustix::process::Signal::KILL).unwrap();
    inside.sandbox.sweep(leaver.pid).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    let after = sibling.run(count).as_i64().unwrap();
    // The nanny, the template, the sibling, and those that are forked ahead.
    assert!(8 < before && after <= 6, "{before} {after}");
}

#[test]
fn an_instance_is_not_swept_away_for_one_that_ended_before_it() {
    let inside = sandboxed();
    let mut base = Base::start(&[]);
    let mut template = base.template(Some(&inside.sandbox), json!({}));
    let gone = template.instance(Some(&inside.sandbox));
    rustix::process::pidfd_send_signal(&gone.pidfd, rustix::process::Signal::KILL).unwrap();
    while std::path::Path::new(&format!("/proc/{}", gone.pid)).exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // The kernel gives the numbers of namespaces that have gone to the next ones.
    std::thread::sleep(std::time::Duration::from_millis(50));
    let later = (0..3).map(|_| template.instance(Some(&inside.sandbox)));
    let mut later: Vec<_> = later.collect();
    inside.sandbox.sweep(gone.pid).unwrap();
    for instance in &mut later {
        assert_eq!(instance.run("result = 1"), json!(1));
    }
}

#[test]
fn nobody_makes_namespaces_who_was_not_told_to() {
    let inside = sandboxed();
    let mut base = Base::start(&[]);
    let init = "
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
refused = []
refused.append(libc.unshare(0x18020000))
if not os.fork(): os._exit(0 if libc.unshare(0x18020000) else 1)
refused.append(os.wait()[1])
os.environ['REFUSED'] = str(refused)
";
    let mut template = base.template(Some(&inside.sandbox), json!({"INIT": init}));
    let mut instance = template.instance(Some(&inside.sandbox));
    let code = "
import os, ctypes
libc = ctypes.CDLL(None)
result = [os.environ['REFUSED'], libc.unshare(0x18020000), libc.unshare(0)]
";
    assert_eq!(instance.run(code), json!(["[-1, 0]", -1, -1]));
}

#[test]
fn a_template_has_as_many_instances_ahead_as_it_was_let_have_and_none_besides() {
    let inside = sandboxed();
    let mut base = Base::start(&[]);
    let mut template = base.template(Some(&inside.sandbox), json!({}));
    let asked = template.instance(Some(&inside.sandbox));
    // One at least of these was made ahead; and after all of them, the template has tried to make more.
    let more: Vec<_> = (0..3 * FORKED_AHEAD_MAX)
        .filter_map(|_| template.fork_instance())
        .collect();
    assert!(
        !more.is_empty() && more.len() <= FORKED_AHEAD_MAX,
        "{}",
        more.len()
    );
    // Another that is asked for is made all the same, once those that were refused have ended.
    inside.sandbox.expect_instance(template.pid).unwrap();
    let another = (0..500).find_map(|_| {
        let forked = template.fork_instance();
        if forked.is_none() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        forked
    });
    assert!(another.is_some());
    drop((asked, more, another));
}

/// Whether a process ends within some seconds.
fn ends(pidfd: &std::os::fd::OwnedFd) -> bool {
    let mut ready = [rustix::event::PollFd::new(
        pidfd,
        rustix::event::PollFlags::IN,
    )];
    let patience = rustix::event::Timespec {
        tv_sec: 5,
        tv_nsec: 0,
    };
    rustix::event::poll(&mut ready, Some(&patience)).unwrap();
    !ready[0].revents().is_empty()
}

#[test]
fn a_call_that_fails_on_the_way_in_is_named_and_nothing_is_run() {
    let refuse = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/refuse.py");
    let cases = [
        (libc::SYS_setns, "it could not join the namespaces"),
        (libc::SYS_capset, "it could not give up its privileges"),
        (
            libc::SYS_landlock_restrict_self,
            "Landlock refused its rules",
        ),
        (libc::SYS_seccomp, "the kernel refused the filter"),
        (libc::SYS_prlimit64, "a limit could not be set"),
    ];
    let inside = sandboxed();
    for (number, step) in cases {
        for (error, text) in [
            (libc::EAGAIN, "Resource temporarily unavailable"),
            (libc::ENOMEM, "Cannot allocate memory"),
        ] {
            let before = [
                "/usr/bin/python3".into(),
                refuse.clone().into_os_string(),
                number.to_string().into(),
                error.to_string().into(),
            ];
            let mut base = Base::start_by(&before, &[]);
            let refusal = base.refusal(&inside.sandbox, sandbox::SurplusDescriptors::Closed);
            assert!(
                refusal.contains(step) && refusal.contains(text),
                "{number}: {refusal}"
            );
        }
    }
    // The sandbox has not been harmed.
    let mut base = Base::start(&[]);
    let mut template = base.template(Some(&inside.sandbox), json!({}));
    assert_eq!(
        template.instance(Some(&inside.sandbox)).run("result = 1"),
        json!(1)
    );
}

#[test]
fn a_process_that_brings_a_folder_or_a_socket_along_is_not_let_in() {
    let inside = sandboxed();
    for (code, expected) in [
        ("os.open('/', os.O_RDONLY)", "the process brought `/` along"),
        ("os.dup(3)", "the process brought `socket:["),
    ] {
        let init = format!(
            "exec \"$0\" -c \"import os, runpy, sys; sys.argv.pop(0); k = {code}; os.set_inheritable(k, True); os.execv(sys.argv[0], sys.argv)\" \"$@\""
        );
        let before = [
            "/bin/sh".into(),
            "-c".into(),
            init.into(),
            "/usr/bin/python3".into(),
        ];
        let mut base = Base::start_by(&before, &[]);
        let refusal = base.refusal(&inside.sandbox, sandbox::SurplusDescriptors::Checked);
        assert!(refusal.starts_with(expected), "{refusal}");
        // Closed, it does no harm.
        let mut template = base.template(Some(&inside.sandbox), json!({}));
        assert_eq!(
            template.instance(Some(&inside.sandbox)).run("result = 1"),
            json!(1)
        );
    }
}

#[test]
fn a_template_ends_with_its_base_and_all_end_with_the_sandbox() {
    let inside = sandboxed();
    let mut base = Base::start(&[]);
    let mut template = base.template(Some(&inside.sandbox), json!({}));
    let instance = template.instance(Some(&inside.sandbox));
    drop(base);
    assert!(ends(&template.pidfd) && ends(&instance.pidfd));
    let mut base = Base::start(&[]);
    let mut template = base.template(Some(&inside.sandbox), json!({}));
    let instance = template.instance(Some(&inside.sandbox));
    drop(inside.sandbox);
    assert!(ends(&template.pidfd) && ends(&instance.pidfd));
    // The base is in no sandbox, and goes on.
    let another = sandboxed();
    base.template(Some(&another.sandbox), json!({}));
}

#[test]
fn one_base_serves_many_sandboxes_that_share_nothing() {
    let (one, other) = (sandboxed(), sandboxed());
    let mut base = Base::start(&[]);
    let init =
        "import os; open('/tmp/mine', 'w').write(os.environ['WHO']); secret = os.environ['WHO']";
    let mut templates = [
        base.template(Some(&one.sandbox), json!({"INIT": init, "WHO": "one"})),
        base.template(Some(&other.sandbox), json!({"INIT": init, "WHO": "other"})),
    ];
    for (template, inside, who) in [(0, &one, "one"), (1, &other, "other")] {
        let code = "import os, gc; result = [open('/tmp/mine').read(), os.environ['WHO'], len([n for n in os.listdir('/proc') if n.isdigit()]) <= 6]";
        assert_eq!(
            templates[template]
                .instance(Some(&inside.sandbox))
                .run(code),
            json!([who, who, true])
        );
    }
}

#[test]
fn a_fork_that_is_made_now_and_one_that_was_kept_ahead_both_get_in() {
    let inside = sandboxed();
    let mut base = Base::start(&[]);
    for pause_ms in [0, 60, 0, 60, 60] {
        std::thread::sleep(std::time::Duration::from_millis(pause_ms));
        let mut template = base.template(Some(&inside.sandbox), json!({}));
        std::thread::sleep(std::time::Duration::from_millis(pause_ms));
        let mut instance = template.instance(Some(&inside.sandbox));
        let code = "import os; result = [os.getuid(), os.getppid() == loaded_by, os.path.exists('/proc/1/comm'), open('/proc/1/comm').read()]";
        assert_eq!(
            instance.run(code),
            json!([1000, true, true, "sandbox-nanny\n"])
        );
    }
}

#[test]
fn the_c_library_of_a_template_knows_its_thread_by_its_new_number() {
    let inside = sandboxed();
    let mut base = Base::start(&[]);
    let init = "
import ctypes, os, signal, subprocess, threading
libc = ctypes.CDLL(None)
mutex, kind = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
libc.pthread_mutexattr_init(kind); libc.pthread_mutexattr_settype(kind, 1)
libc.pthread_mutex_init(mutex, kind); libc.pthread_mutex_lock(mutex)
owner = int.from_bytes(mutex[8:12], 'little')
done = []
threads = [threading.Thread(target=lambda: done.append(1)) for _ in range(20)]
[t.start() for t in threads]; [t.join() for t in threads]
blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
os.environ['FOUND'] = str([owner == os.getpid() == threading.get_native_id(), len(done), subprocess.run(['/bin/echo', 'x'], capture_output=True).stdout, signal.SIGTERM in blocked])
";
    for pause_ms in [0, 60] {
        std::thread::sleep(std::time::Duration::from_millis(pause_ms));
        let mut template = base.template(Some(&inside.sandbox), json!({"INIT": init}));
        let found = template
            .instance(Some(&inside.sandbox))
            .run("import os; result = os.environ['FOUND']");
        assert_eq!(found, json!("[True, 20, b'x\\n', False]"));
    }
}

/// Which groups of ours a process is in, one for each hierarchy.
fn groups_of(pid: i32) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let ours = text.lines().filter(|line| line.contains("/cloudless-"));
    let names = ours.map(|line| line.rsplit('/').next().unwrap().to_owned());
    names.collect()
}

#[test]
fn whoever_gets_in_is_in_its_group_before_any_code_of_its_own_runs() {
    let Some(groups) = common::places().and_then(|places| Groups::open(&places).ok()) else {
        return;
    };
    let limits = GroupLimits {
        memory_bytes_max: 1 << 30,
        processes_max: 100,
        processor_thousandths: None,
        is_restrained: false,
    };
    let inside = sandboxed();
    let (groups, made) = (Arc::new(groups), Arc::new(Mutex::new(HashMap::new())));
    let mut base = Base::start(&[]);
    let group = groups.make("template", &limits).unwrap();
    let mut template = base.template_in(
        Some(&inside.sandbox),
        json!({"INIT": "import os; os.environ['LOADED_IN'] = open('/proc/self/cgroup').read()"}),
        Some(&group.entrance()),
    );
    assert_eq!(groups_of(template.pid), ["template"; 3]);
    inside.sandbox.meet_instances(std::boxed::Box::new({
        let (groups, made) = (groups.clone(), made.clone());
        move |pid| {
            let group = groups.make(&format!("instance-{pid}"), &limits).unwrap();
            let entrance = group.entrance();
            made.lock().unwrap().insert(pid, group);
            Ok(Some(entrance))
        }
    }));
    for pause_ms in [0, 0, 60, 60] {
        std::thread::sleep(std::time::Duration::from_millis(pause_ms));
        let mut instance = template.instance(Some(&inside.sandbox));
        let name = format!("instance-{}", instance.pid);
        assert_eq!(groups_of(instance.pid), [name.as_str(); 3]);
        let code = "import os; result = [os.environ['LOADED_IN'].count('/template'), sorted(map(int, os.listdir('/proc/self/fd')))[:4], any('cgroup' in os.readlink(f'/proc/self/fd/{n}') or 'tasks' in os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{n}'))]";
        assert_eq!(instance.run(code), json!([3, [0, 1, 2, 3], false]));
    }
}

#[test]
fn a_process_that_does_not_go_into_its_group_by_itself_is_put_there() {
    let Some(groups) = common::places().and_then(|places| Groups::open(&places).ok()) else {
        return;
    };
    let limits = GroupLimits {
        memory_bytes_max: 1 << 30,
        processes_max: 100,
        processor_thousandths: None,
        is_restrained: false,
    };
    let group = groups.make("lazy", &limits).unwrap();
    let mut process = std::process::Command::new("/bin/sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let pid = process.id() as i32;
    assert!(groups_of(pid).is_empty());
    group.entrance().ensure(pid).unwrap();
    assert_eq!(groups_of(pid), ["lazy"; 3]);
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(group.entrance().ensure(pid).is_err());
}

#[test]
fn all_of_it_holds_for_an_ordinary_user_too() {
    common::again_as_an_ordinary_user("all_of_it_holds_for_an_ordinary_user_too");
}
