//! Extensions: beside a function in any language, they start before it, hear of its events, and end after it.

use std::time::Duration;

use interfaces::runtime::{Instance, Verdict};
use serde_json::{Value, json};

use crate::bootstraps::put;
use crate::clients::{add_extension, python_bootstrap};
use crate::harness::{Bench, Lang, json as parsed, outside, text};

const ECHO: &str = "serve(lambda client, request, event: event)\n";

/// Notes each event in the log, and ends when it is told to.
const NOTES: &str = "\
client = Client()
identifier, _ = client.register(['INVOKE', 'SHUTDOWN'])
def note(text):
    print('note: ' + text, flush=True)
note('registered ' + str('_HANDLER' in os.environ) + ' ' + str('AWS_ACCESS_KEY_ID' in os.environ))
while True:
    event = client.extension_next(identifier)
    print('extension heard ' + event['eventType'], flush=True)
    note(' '.join([event['eventType'], event.get('requestId', ''), event.get('shutdownReason', '')]))
    if event['eventType'] == 'SHUTDOWN':
        break
";

fn noted(bench: &mut Bench) {
    add_extension(bench, "noting", NOTES);
}

fn notes(bench: &Bench) -> Vec<String> {
    let lines = bench.log.stdout();
    let noted = lines.iter().filter_map(|line| line.strip_prefix("note: "));
    noted.map(str::to_owned).collect()
}

/// A function in each language that there is.
fn benches() -> Vec<Bench> {
    vec![
        python_bootstrap(ECHO),
        Lang::Python.bench("def handler(event, context):\n    return event\n"),
        Lang::Node.bench("exports.handler = async (event) => event;\n"),
    ]
}

#[tokio::test]
async fn an_extension_hears_of_each_event_and_of_the_end() {
    for mut bench in benches() {
        noted(&mut bench);
        let mut instance = bench.start().await.unwrap();
        assert_eq!(notes(&bench), ["registered False True"]);
        for event in ["1", "2"] {
            let verdict = bench.invoke(&mut instance, event).await.verdict;
            assert_eq!(verdict, Verdict::Returned(event.to_owned().into()));
        }
        instance.stop().await;
        assert_eq!(
            notes(&bench),
            [
                "registered False True",
                "INVOKE request-1 ",
                "INVOKE request-2 ",
                "SHUTDOWN  spindown"
            ]
        );
        // What it writes is in the function's log.
        let heard = bench.log.stdout();
        assert!(
            heard.contains(&"extension heard INVOKE".to_owned()),
            "{heard:?}"
        );
        assert_eq!(
            bench.log.platform()[0].split(' ').next(),
            Some("INIT_START")
        );
        bench.retire();
        assert_eq!(bench.keys.valid(), 0);
    }
}

#[tokio::test]
async fn an_invocation_lasts_until_its_extensions_have_done() {
    for mut bench in benches() {
        add_extension(
            &mut bench,
            "slow",
            "client = Client()\nidentifier, _ = client.register(['INVOKE'])\nwhile True:\n    client.extension_next(identifier)\n    time.sleep(0.3)\n",
        );
        let mut instance = bench.start().await.unwrap();
        let completion = bench.invoke(&mut instance, "1").await;
        assert_eq!(completion.verdict, Verdict::Returned("1".into()));
        assert!(
            Duration::from_millis(300) <= completion.handler,
            "{completion:?}"
        );
        // It wants no SHUTDOWN, so nobody waits for it.
        tokio::time::timeout(Duration::from_secs(1), instance.stop())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_extension_that_takes_too_long_is_the_functions_timeout() {
    for mut bench in benches() {
        noted(&mut bench);
        add_extension(
            &mut bench,
            "stuck",
            "client = Client()\nidentifier, _ = client.register(['INVOKE'])\nwhile True:\n    client.extension_next(identifier)\n    time.sleep(60)\n",
        );
        bench.function.timeout = Duration::from_secs(1);
        let completion = bench.once("1").await;
        assert!(
            matches!(completion.verdict, Verdict::TimedOut(_)),
            "{completion:?}"
        );
        assert_eq!(notes(&bench).last().unwrap(), "SHUTDOWN  timeout");
    }
}

async fn failed_init(extension: &str) -> Value {
    let mut bench = python_bootstrap(ECHO);
    add_extension(&mut bench, "broken", extension);
    let (payload, tail) = bench.init_failure().await;
    assert!(
        tail.contains("Phase: init\tStatus: error\tError Type: Extension."),
        "{tail}"
    );
    payload
}

#[tokio::test]
async fn an_extension_that_does_not_come_up_fails_the_init() {
    for (extension, expected) in [
        (
            "sys.exit(3)\n",
            json!({"errorType": "Extension.Crash", "errorMessage": "Error: exit status 3"}),
        ),
        (
            "sys.exit(0)\n",
            json!({"errorType": "Extension.Crash", "errorMessage": "Error: exit code 0"}),
        ),
        (
            "client = Client()\nidentifier, _ = client.register([])\n\
             client.send('POST', EXTENSION + '/init/error', '{}', {'Lambda-Extension-Identifier': identifier, 'Lambda-Extension-Function-Error-Type': 'Extension.NoTea'})\nsys.exit(4)\n",
            json!({"errorType": "Extension.InitError", "errorMessage": "Error: exit status 4"}),
        ),
    ] {
        assert_eq!(failed_init(extension).await, expected);
    }
    let mut bench = python_bootstrap(ECHO);
    let layer = bench.path("layer");
    put(&layer.join("extensions/text"), b"no program");
    bench.function.layers.push(layer);
    let (payload, _) = bench.init_failure().await;
    let message = "Error: fork/exec /opt/extensions/text: exec format error";
    assert_eq!(
        payload,
        json!({"errorType": "Extension.LaunchError", "errorMessage": message})
    );
}

#[tokio::test]
async fn an_extension_that_dies_takes_the_instance_along() {
    for mut bench in benches() {
        add_extension(
            &mut bench,
            "mortal",
            "client = Client()\nidentifier, _ = client.register(['INVOKE'])\nclient.extension_next(identifier)\nsys.exit(5)\n",
        );
        // In the middle of an event that goes on.
        let mut instance = bench.start().await.unwrap();
        let completion = bench.invoke(&mut instance, "1").await;
        let message = "RequestId: request-1 Error: exit status 5";
        match completion.verdict {
            Verdict::Exited(payload) => assert_eq!(
                parsed(&payload),
                json!({"errorType": "Extension.Crash", "errorMessage": message})
            ),
            other => panic!("{other:?}"),
        }
        let tail = text(&completion.log_tail);
        assert!(
            tail.contains(&format!("{message}\nExtension.Crash\nEND ")),
            "{tail}"
        );
    }
}

#[tokio::test]
async fn an_idle_instance_whose_extension_dies_is_lost() {
    let mut bench = python_bootstrap(ECHO);
    add_extension(
        &mut bench,
        "mortal",
        "client = Client()\nidentifier, _ = client.register([])\n\
         import threading\nthreading.Timer(0.3, lambda: os._exit(6)).start()\nclient.extension_next(identifier)\n",
    );
    let mut instance: Box<dyn Instance> = bench.start().await.unwrap();
    tokio::time::timeout(Duration::from_secs(3), instance.lost())
        .await
        .unwrap();
    let platform = bench.log.platform();
    assert!(
        platform.contains(&"[cloudless] Extension.Crash: exit status 6".to_owned()),
        "{platform:?}"
    );
}

#[tokio::test]
async fn an_extension_is_told_what_it_runs_beside() {
    let mut bench = python_bootstrap(ECHO);
    add_extension(
        &mut bench,
        "curious",
        "client = Client()\n\
         identifier, function = client.register(['INVOKE'], headers={'Lambda-Extension-Accept-Feature': 'accountId'})\n\
         found = [function, client.refusal('POST', EXTENSION + '/register', '{}', {'Lambda-Extension-Name': 'curious'})]\n\
         print(json.dumps(found), flush=True)\n\
         while True: print(json.dumps(client.extension_next(identifier)), flush=True)\n",
    );
    bench.returned("1").await;
    let told = bench.log.stdout();
    let found = parsed(told[0].as_bytes());
    let function = json!({"accountId": "000000000000", "functionName": "shop-dev-hello", "functionVersion": "$LATEST", "handler": "any"});
    let refusal = json!([
        403,
        "Extension.InvalidExtensionState",
        "State transition from Registered to Registered failed for extension curious. Error: State transition is not allowed"
    ]);
    assert_eq!(found, json!([function, refusal]));
    let event = parsed(told[1].as_bytes());
    assert_eq!(
        event["tracing"]["value"],
        "Root=1-5759e988-bd862e3fe1be46a994272793"
    );
    assert_eq!(event["invokedFunctionArn"], bench.function.arn.to_string());
    assert!(event["deadlineMs"].is_i64());
}

#[tokio::test]
async fn an_extension_shares_tmp_and_processes_with_its_runtime() {
    let mut bench = python_bootstrap(
        "def handle(client, request, event):\n    name, number = open('/tmp/note').read().split()\n    \
         return [name, name in open(f'/proc/{number}/cmdline').read()]\nserve(handle)\n",
    );
    add_extension(
        &mut bench,
        "sharing",
        "client = Client()\nidentifier, _ = client.register([])\n\
         with open('/tmp/note', 'w') as note: note.write(f'sharing {os.getpid()}')\nclient.extension_next(identifier)\n",
    );
    assert_eq!(bench.returned("1").await, json!(["sharing", true]));
}

#[tokio::test]
async fn a_runtime_may_register_extensions_of_its_own() {
    let mut bench = python_bootstrap(
        "import threading\nheard = []\n\
         def listen(client, identifier):\n    while True: heard.append(client.extension_next(identifier)['eventType'])\n\
         extension = Client()\nidentifier, _ = extension.register(['INVOKE'], name='inside')\n\
         threading.Thread(target=listen, args=(extension, identifier), daemon=True).start()\n\
         def handle(client, request, event):\n    while len(heard) < event: time.sleep(0.001)\n    return heard\n\
         serve(handle)\n",
    );
    let mut instance = bench.start().await.unwrap();
    for (count, expected) in [("1", json!(["INVOKE"])), ("2", json!(["INVOKE", "INVOKE"]))] {
        match bench.invoke(&mut instance, count).await.verdict {
            Verdict::Returned(payload) => assert_eq!(parsed(&payload), expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn nothing_is_left_of_an_extension_whose_instance_is_dropped() {
    let mut bench = python_bootstrap(ECHO);
    add_extension(
        &mut bench,
        "alive",
        "client = Client()\nprint(f\"{os.stat('/proc/self/ns/pid').st_ino}:{os.getpid()}\", flush=True)\nidentifier, _ = client.register(['SHUTDOWN'])\nclient.extension_next(identifier)\ntime.sleep(60)\n",
    );
    let instance = bench.start().await.unwrap();
    let pid = outside(&bench.log.stdout()[0]);
    let process = std::path::PathBuf::from(format!("/proc/{pid}"));
    assert!(process.exists());
    drop(instance);
    for _ in 0..100 {
        if !process.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the extension lives");
}

#[tokio::test]
async fn an_extension_that_does_not_end_is_ended_after_two_seconds() {
    let mut bench = python_bootstrap(ECHO);
    add_extension(
        &mut bench,
        "stubborn",
        "client = Client()\nidentifier, _ = client.register(['SHUTDOWN'])\nclient.extension_next(identifier)\ntime.sleep(60)\n",
    );
    let instance = bench.start().await.unwrap();
    let began_at = std::time::Duration::from_secs(3);
    tokio::time::timeout(began_at, instance.stop())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_extension_that_never_registers_is_an_init_that_takes_too_long() {
    let mut bench = python_bootstrap(ECHO);
    bench.function.timeout = Duration::from_secs(1);
    add_extension(&mut bench, "silent", "time.sleep(60)\n");
    let (payload, _) = bench.init_failure().await;
    assert_eq!(payload["errorType"], "Sandbox.Timedout");
}

#[tokio::test]
async fn an_extension_and_its_runtime_have_the_functions_memory_together() {
    if sandbox::Places::find().is_err() {
        return;
    }
    let hold = "client = Client()\nidentifier, _ = client.register(['INVOKE'])\nheld = bytearray(b'1') * (90 << 20)\nwhile True: client.extension_next(identifier)\n";
    let source = "def handler(size, context):\n    held = bytearray(b'1') * (size << 20)\n    import time; time.sleep(1)\n    return 'well'\n";
    let mut bench = Lang::Python.bench(source);
    bench.function.memory_mb = 256;
    add_extension(&mut bench, "holding", hold);
    let completion = bench.once("60").await;
    assert!(
        matches!(completion.verdict, Verdict::Returned(_)),
        "{:?}",
        completion.verdict
    );
    let log = text(&completion.log_tail);
    let (_, used) = log.split_once("Max Memory Used: ").unwrap();
    let used: u32 = used.split_once(' ').unwrap().0.parse().unwrap();
    assert!(150 < used, "{log}");
    // Each of them has less than the function may have.
    let completion = bench.once("180").await;
    assert!(
        matches!(completion.verdict, Verdict::Exited(_)),
        "{:?}",
        completion.verdict
    );
}
