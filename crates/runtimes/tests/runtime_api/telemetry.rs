//! The Telemetry API: what an extension that subscribed is told.

use serde_json::{Value, json};

use crate::clients::{add_extension, python_bootstrap};
use crate::harness::{Bench, json as parsed};

/// Subscribes, and tells at its end what it was told.
const SUBSCRIBER: &str = "\
import http.server, threading
batches = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        batches.append(body.decode())
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(('sandbox.localdomain', 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = Client()
identifier, _ = client.register(['INVOKE', 'SHUTDOWN'])
print('hello from the extension', flush=True)
status, _, body = client.send('PUT', '/2022-07-01/telemetry', json.dumps({
    'schemaVersion': '2022-12-13',
    'types': TYPES,
    'buffering': {'timeoutMs': 25},
    'destination': {'protocol': 'HTTP', 'URI': f'http://sandbox.localdomain:{server.server_port}'},
}), {'Lambda-Extension-Identifier': identifier})
assert (status, body) == (200, b'\"OK\"'), body
while client.extension_next(identifier)['eventType'] != 'SHUTDOWN': pass
for batch in batches: print('batch ' + batch, flush=True)
";

async fn told(types: &str) -> Vec<Value> {
    let mut bench: Bench = python_bootstrap(
        "def handle(client, request, event):\n    print('hello from the function', flush=True)\n    return event\nserve(handle)\n",
    );
    add_extension(&mut bench, "telling", &SUBSCRIBER.replace("TYPES", types));
    let mut instance = bench.start().await.unwrap();
    let mut event = bench.event("1");
    event.init = Some(std::time::Duration::from_millis(120));
    instance.invoke(event).await;
    instance.stop().await;
    let mut events = Vec::new();
    let lines = bench.log.stdout();
    for batch in lines.iter().filter_map(|line| line.strip_prefix("batch ")) {
        let batch = parsed(batch.as_bytes());
        events.extend(batch.as_array().unwrap().iter().cloned());
    }
    events
}

#[tokio::test]
async fn what_happens_to_an_instance_is_told_in_order() {
    let events = told("['platform', 'function', 'extension']").await;
    // A line is read when its pipe is looked at: among the platform's own events its place is not fixed.
    let kinds: Vec<&str> = events
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .filter(|kind| kind.starts_with("platform."))
        .collect();
    assert_eq!(
        kinds,
        [
            "platform.initStart",
            "platform.telemetrySubscription",
            "platform.extension",
            "platform.initRuntimeDone",
            "platform.initReport",
            "platform.start",
            "platform.runtimeDone",
            "platform.report",
        ],
        "{events:#?}"
    );
    let record = |kind: &str| {
        let found = events.iter().find(|it| it["type"] == kind);
        found.unwrap()["record"].clone()
    };
    assert_eq!(record("extension"), "hello from the extension");
    assert_eq!(record("function"), "hello from the function");
    assert_eq!(
        record("platform.extension"),
        json!({"name": "telling", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]})
    );
    assert_eq!(record("platform.start")["requestId"], "request-0");
    assert_eq!(record("platform.start")["version"], "$LATEST");
    let done = record("platform.runtimeDone");
    assert_eq!(done["status"], "success");
    assert_eq!(done["metrics"]["producedBytes"], 1);
    let report = record("platform.report");
    assert_eq!(report["metrics"]["memorySizeMB"], 256);
    let metric = |name: &str| report["metrics"][name].as_f64().unwrap();
    assert!(metric("durationMs") < 5_000.0);
    let (least, most) = (1.0, 256.0);
    let used = metric("maxMemoryUsedMB");
    assert!(least <= used && used <= most, "{report}");
    // The init is billed too.
    assert_eq!(metric("initDurationMs"), 120.0, "{report}");
    let billed = (metric("durationMs") + 120.0).ceil();
    assert!(
        (metric("billedDurationMs") - billed).abs() <= 1.0,
        "{report}"
    );
    let time = events[0]["time"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");
}

#[tokio::test]
async fn only_what_was_asked_for_is_told() {
    let events = told("['function']").await;
    let kinds: Vec<&str> = events
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["function"]);
}

#[tokio::test]
async fn an_extension_that_takes_no_telemetry_holds_up_nobody() {
    let mut bench: Bench = python_bootstrap(
        "def handle(client, request, event):\n    for _ in range(20000): print('x' * 100)\n    sys.stdout.flush()\n    return event\nserve(handle)\n",
    );
    add_extension(
        &mut bench,
        "deaf",
        "deaf = socket.socket()\ndeaf.bind(('127.0.0.1', 0))\ndeaf.listen()\n\
         client = Client()\nidentifier, _ = client.register(['INVOKE'])\n\
         body = {'schemaVersion': '2022-07-01', 'types': ['function'], 'destination': {'protocol': 'HTTP', 'URI': f'http://sandbox:{deaf.getsockname()[1]}'}}\n\
         status, _, _ = client.send('PUT', '/2022-07-01/telemetry', json.dumps(body), {'Lambda-Extension-Identifier': identifier})\n\
         assert status == 200\nwhile True: client.extension_next(identifier)\n",
    );
    let mut instance = bench.start().await.unwrap();
    for _ in 0..2 {
        let completion = bench.invoke(&mut instance, "1").await;
        assert!(completion.handler.as_secs() < 3, "{completion:?}");
    }
    instance.stop().await;
}

#[tokio::test]
async fn nobody_subscribes_after_the_init() {
    let mut bench: Bench = python_bootstrap("serve(lambda client, request, event: event)\n");
    add_extension(
        &mut bench,
        "late",
        "client = Client()\nidentifier, _ = client.register(['INVOKE'])\n\
         body = json.dumps({'schemaVersion': '2022-07-01', 'types': ['function'], 'destination': {'protocol': 'HTTP', 'URI': 'http://sandbox:1'}})\n\
         while True:\n    client.extension_next(identifier)\n    \
         said = client.refusal('PUT', '/2022-07-01/telemetry', body, {'Lambda-Extension-Identifier': identifier})\n    \
         print(json.dumps(said), flush=True)\n",
    );
    bench.returned("1").await;
    let said = parsed(bench.log.stdout()[0].as_bytes());
    let closed = "Telemetry API subscription is closed";
    assert_eq!(said, json!([403, "Telemetry.SubscriptionClosed", closed]));
}

#[tokio::test]
async fn whoever_subscribes_again_and_again_is_refused_at_some_time() {
    let bench: Bench = {
        let mut bench = python_bootstrap("serve(lambda client, request, event: event)\n");
        add_extension(
            &mut bench,
            "fickle",
            "deaf = socket.socket()\ndeaf.bind(('127.0.0.1', 0))\ndeaf.listen(100)\n\
             client = Client()\nidentifier, _ = client.register([])\n\
             body = json.dumps({'schemaVersion': '2022-07-01', 'types': ['platform'], 'destination': {'protocol': 'HTTP', 'URI': f'http://sandbox:{deaf.getsockname()[1]}'}})\n\
             said = [client.refusal('PUT', '/2022-07-01/telemetry', body, {'Lambda-Extension-Identifier': identifier})[1] for _ in range(50)]\n\
             print(said.count('Telemetry.TooManySubscriptions'), flush=True)\nclient.extension_next(identifier)\n",
        );
        bench
    };
    drop(bench.start().await.unwrap());
    assert_eq!(bench.log.stdout(), ["18"]);
}
