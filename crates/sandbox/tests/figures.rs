//! What a sandbox costs: run alone, optimised, with `--ignored --nocapture`. Not a promise, so not an ordinary test.
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

use std::time::{Duration, Instant};

use common::{Box, listen};
use sandbox::policy::{Network, Policy};
use sandbox::{Plan, Sandbox, Shown, SocketKind, Supervision};
use serde_json::json;
use zygote::{Base, shown};

fn report(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at =
        |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    println!(
        "{name:52} p50 {:8.3} ms   p99 {:8.3} ms   best {:8.3} ms",
        at(50),
        at(99),
        at(0)
    );
}

fn timed<T>(action: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let made = action();
    (start.elapsed(), made)
}

fn plan() -> Plan {
    let mut shown = shown();
    let sdk = std::env::var("SANDBOX_TEST_SDK").unwrap_or_default();
    shown.extend((!sdk.is_empty()).then(|| Shown::in_place(&sdk)));
    Plan {
        shown,
        ..common::plan()
    }
}

#[test]
#[ignore = "figures"]
fn making_a_sandbox() {
    let maker = common::maker();
    let supervision = Supervision::start().unwrap();
    let mut times = Vec::new();
    for _ in 0..100 {
        let (time, made) = timed(|| maker.make(plan(), &supervision).unwrap());
        times.push(time);
        drop(made);
    }
    report("a sandbox", times);
    let (time, all) = timed(|| {
        (0..100)
            .map(|_| maker.make(plan(), &supervision).unwrap())
            .collect::<Vec<_>>()
    });
    println!(
        "100 sandboxes that stay: {:.0} ms",
        time.as_secs_f64() * 1e3
    );
    drop(all);
}

fn templates_and_instances(
    init: &str,
    sandbox: Option<&Sandbox>,
    base: &mut Base,
) -> (Vec<Duration>, Vec<Duration>) {
    let (mut made, mut started) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        let (time, mut template) = timed(|| base.template(sandbox, json!({"INIT": init})));
        made.push(time);
        for _ in 0..6 {
            let (time, instance) = timed(|| {
                let mut instance = template.instance(sandbox);
                instance.run("result = 1");
                instance
            });
            started.push(time);
            drop(instance);
            std::thread::sleep(Duration::from_millis(15));
        }
    }
    (made, started)
}

#[test]
#[ignore = "figures"]
fn templates_and_cold_starts() {
    let sdk = std::env::var("SANDBOX_TEST_SDK").unwrap_or_default();
    let sdk_paths: Vec<&str> = if sdk.is_empty() {
        Vec::new()
    } else {
        vec![&sdk]
    };
    let init = if sdk.is_empty() {
        String::new()
    } else {
        format!(
            "import sys; sys.path.append({sdk:?}); import boto3; boto3.client('dynamodb', region_name='eu-west-1', aws_access_key_id='x', aws_secret_access_key='x')"
        )
    };
    let inside = Box::with(plan());
    let mut base = Base::start(&sdk_paths);
    for round in 0..2 {
        let (made, started) = templates_and_instances(&init, None, &mut base);
        report(&format!("template, no sandbox ({round})"), made);
        report(&format!("cold start, no sandbox ({round})"), started);
        let (made, started) = templates_and_instances(&init, Some(&inside.sandbox), &mut base);
        report(&format!("template, sandbox made before ({round})"), made);
        report(&format!("cold start, sandbox ({round})"), started);
    }
    let supervision = Supervision::start().unwrap();
    let maker = common::maker();
    let mut times = Vec::new();
    for _ in 0..20 {
        let (time, _kept) = timed(|| {
            let sandbox = maker.make(plan(), &supervision).unwrap();
            let template = base.template(Some(&sandbox), json!({"INIT": init}));
            (sandbox, template)
        });
        times.push(time);
    }
    report("sandbox and template", times);
}

const LATENCY: &str = "
import socket, time
def p(v, q): return sorted(v)[int(len(v) * q / 100)] * 1e6
def measure(name, address):
    connects, firsts = [], []
    for _ in range(1000):
        start = time.perf_counter(); s = socket.socket(); s.connect(address)
        connects.append(time.perf_counter() - start)
        s.sendall(b'ping'); s.recv(4); firsts.append(time.perf_counter() - start); s.close()
    s = socket.create_connection(address); s.setsockopt(6, 1, 1); kept = []
    for _ in range(3000):
        start = time.perf_counter(); s.sendall(b'ping'); s.recv(4); kept.append(time.perf_counter() - start)
    print(f'{name:24} connect p50 {p(connects, 50):.0f} p99 {p(connects, 99):.0f}  connect+request p50 {p(firsts, 50):.0f} p99 {p(firsts, 99):.0f}  kept p50 {p(kept, 50):.0f} p99 {p(kept, 99):.0f} us')
";

fn serve(listener: std::net::TcpListener) {
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.set_nodelay(true);
            std::thread::spawn(move || {
                let mut asked = [0; 4];
                while stream.read_exact(&mut asked).is_ok() && stream.write_all(b"host").is_ok() {}
            });
        }
    });
}

#[test]
#[ignore = "figures"]
fn connections() {
    let server = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    let port = server.local_addr().unwrap().port();
    serve(server);
    let opened = vec![Network {
        address: "127.0.0.2".parse().unwrap(),
        prefix_bits: 32,
        port: None,
    }];
    let mut inside = Box::new().open(Policy {
        opened,
        ..Policy::of_server()
    });
    let service = inside
        .sandbox
        .take_listener(listen("127.0.0.1:4566", SocketKind::Stream))
        .unwrap();
    let service = std::net::TcpListener::from(service);
    service.set_nonblocking(false).unwrap();
    serve(service);
    let plain = format!("{LATENCY}\nmeasure('plain', ('127.0.0.2', {port}))");
    let outside = std::process::Command::new("/usr/bin/python3")
        .args(["-c", &plain])
        .output()
        .unwrap();
    print!("{}", String::from_utf8_lossy(&outside.stdout));
    println!(
        "{}",
        inside.python(&format!(
            "{LATENCY}\nmeasure('service', ('127.0.0.1', 4566))"
        ))
    );
    println!(
        "{}",
        inside.python(&format!(
            "{LATENCY}\nmeasure('outside, relayed', ('127.0.0.2', {port}))"
        ))
    );
}

#[test]
#[ignore = "figures"]
fn a_thousand_instances_in_a_hundred_sandboxes() {
    let (maker, supervision) = (common::maker(), Supervision::start().unwrap());
    let mut base = Base::start(&[]);
    let (time, all) = timed(|| {
        let mut all = Vec::new();
        for _ in 0..100 {
            let sandbox = maker.make(plan(), &supervision).unwrap();
            let mut template = base.template(Some(&sandbox), json!({}));
            let instances: Vec<_> = (0..10).map(|_| template.instance(Some(&sandbox))).collect();
            all.push((sandbox, template, instances));
        }
        all
    });
    println!(
        "100 sandboxes, 100 templates, 1,000 instances: {:.0} ms",
        time.as_secs_f64() * 1e3
    );
    let mut all = all;
    let mut times = Vec::new();
    for (_, _, instances) in &mut all {
        for instance in instances {
            times.push(timed(|| instance.run("result = 1")).0);
        }
    }
    report("a first call of each of them", times);
    let (time, ()) = timed(|| drop(all));
    println!("their end: {:.0} ms", time.as_secs_f64() * 1e3);
}

const FLOOD: &str = "
import socket, threading, time
end = time.monotonic() + 4
def flood(n):
    while time.monotonic() < end:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if n % 2 else socket.SOCK_STREAM)
        try:
            s.settimeout(0.01); s.connect((f'127.0.{n % 250}.{int(time.monotonic() * 1000) % 250 + 2}', 1 + n)); s.send(b'x')
        except OSError: pass
        s.close()
[threading.Thread(target=flood, args=(n,)).start() for n in range(20)]
";

#[test]
#[ignore = "figures"]
fn a_neighbour_that_floods_the_network() {
    let server = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    let port = server.local_addr().unwrap().port();
    serve(server);
    let calm = Box::new().open(Policy::of_development());
    let wild = calm.maker.make(common::plan(), &calm.supervision).unwrap();
    wild.open_network(sandbox::Egress::new(
        Policy::of_development(),
        [],
        calm.runtime.handle().clone(),
    ));
    let measure = format!("{LATENCY}\nmeasure('outside, relayed', ('127.0.0.2', {port}))");
    println!("alone   {}", calm.python(&measure));
    let program = sandbox::Program {
        path: "/usr/bin/python3".into(),
        arguments: ["python3", "-c", FLOOD].map(Into::into).into(),
        variables: Vec::new(),
        directory: "/tmp".into(),
    };
    let null = || {
        std::os::fd::OwnedFd::from(
            std::fs::File::options()
                .read(true)
                .write(true)
                .open("/dev/null")
                .unwrap(),
        )
    };
    let _running = wild
        .execute(
            &program,
            &common::confinement(),
            &[null(), null(), null()],
            None,
        )
        .unwrap();
    println!("beside  {}", calm.python(&measure));
}

#[test]
#[ignore = "figures"]
fn instances_without_a_pause() {
    let (maker, supervision) = (common::maker(), Supervision::start().unwrap());
    let mut base = Base::start(&[]);
    for round in 0..2 {
        for is_sandboxed in [false, true] {
            let mut times = Vec::new();
            let mut kept = Vec::new();
            for _ in 0..10 {
                let sandbox = is_sandboxed.then(|| maker.make(plan(), &supervision).unwrap());
                let mut template = base.template(sandbox.as_ref(), json!({}));
                for _ in 0..20 {
                    let (time, instance) = timed(|| template.instance(sandbox.as_ref()));
                    times.push(time);
                    kept.push(instance);
                }
                kept.clear();
                drop(template);
            }
            report(
                &format!("instance, forked when asked, sandboxed {is_sandboxed} ({round})"),
                times,
            );
        }
    }
}
