//! What sandboxes give to functions, and keep from them.

use interfaces::runtime::Verdict;
use model::function::Starts;
use serde_json::{Value, json};

use crate::harness::{Bench, Lang, json as parsed, text};

const LANGUAGES: [Lang; 2] = [Lang::Python, Lang::Node];
const WAYS: [Starts; 2] = [Starts::Automatic, Starts::Spawned];

/// Every language, started in every way.
fn benches(python: &str, node: &str) -> Vec<Bench> {
    let pairs = LANGUAGES
        .into_iter()
        .flat_map(|language| WAYS.map(|starts| (language, starts)));
    pairs
        .map(|(language, starts)| {
            let source = match language {
                Lang::Python => python,
                Lang::Node => node,
            };
            Bench::with_starts(language, source, starts)
        })
        .collect()
}

#[tokio::test]
async fn the_code_is_at_its_place_and_the_host_is_not_there() {
    let python = "import os\ndef handler(event, context):\n    return [os.getcwd(), os.environ['LAMBDA_TASK_ROOT'], os.path.exists('/etc/shadow'), os.path.exists('/home'), os.getuid(), os.getpid() < 1000]\n";
    let node = "const fs = require('fs');\nexports.handler = async () => [process.cwd(), process.env.LAMBDA_TASK_ROOT, fs.existsSync('/etc/shadow'), fs.existsSync('/home'), process.getuid(), process.pid < 1000];\n";
    for mut bench in benches(python, node) {
        let found = bench.returned("{}").await;
        assert_eq!(
            found,
            json!(["/var/task", "/var/task", false, false, 1000, true])
        );
    }
}

#[tokio::test]
async fn every_instance_has_a_tmp_of_its_own_as_large_as_it_may_be() {
    let python = "import os\ndef handler(size, context):\n    seen = os.listdir('/tmp')\n    try:\n        with open('/tmp/file', 'wb') as file:\n            for _ in range(size): file.write(bytes(1 << 20))\n        return [seen, 'written']\n    except OSError as error:\n        return [seen, error.strerror]\n";
    let node = "const fs = require('fs');\nexports.handler = async (size) => {\n  const seen = fs.readdirSync('/tmp');\n  try {\n    const file = fs.openSync('/tmp/file', 'w');\n    for (let i = 0; i < size; i += 1) fs.writeSync(file, Buffer.alloc(1 << 20));\n    return [seen, 'written'];\n  } catch (error) {\n    return [seen, error.code === 'ENOSPC' ? 'No space left on device' : error.message];\n  }\n};\n";
    for mut bench in benches(python, node) {
        bench.function.ephemeral_storage_mb = 64;
        // Both live at once.
        let mut below = bench.start().await.unwrap();
        let mut above = bench.start().await.unwrap();
        for (instance, megabytes, expected) in [
            (&mut below, "63", "written"),
            (&mut above, "65", "No space left on device"),
        ] {
            let completion = bench.invoke(instance, megabytes).await;
            let Verdict::Returned(reply) = completion.verdict else {
                panic!("{:?}", completion.verdict)
            };
            assert_eq!(parsed(&reply), json!([[], expected]));
        }
    }
}

#[tokio::test]
async fn memory_above_the_functions_ends_it_with_the_clouds_error() {
    let python = "import time\ndef handler(size, context):\n    held = bytearray(size << 20)\n    for at in range(0, len(held), 4096): held[at] = 1\n    time.sleep(1)\n    return 'well'\n";
    let node = "exports.handler = async (size) => {\n  const held = Buffer.alloc(size << 20, 1);\n  await new Promise((done) => setTimeout(done, 1000));\n  return held.length > 0 ? 'well' : '';\n};\n";
    for mut bench in benches(python, node) {
        bench.function.memory_mb = 256;
        let completion = bench.once("100").await;
        assert!(
            matches!(&completion.verdict, Verdict::Returned(reply) if &reply[..] == b"\"well\""),
            "{:?}",
            completion.verdict
        );
        let completion = bench.once("300").await;
        let Verdict::Exited(error) = completion.verdict else {
            panic!("{:?}", completion.verdict)
        };
        let error: Value = parsed(&error);
        assert_eq!(error["errorType"], "Runtime.OutOfMemory");
        let message = error["errorMessage"].as_str().unwrap();
        assert!(
            message.ends_with(" Error: Runtime exited with error: signal: killed"),
            "{message}"
        );
        let log = text(&completion.log_tail);
        assert!(
            log.contains("Status: error\tError Type: Runtime.OutOfMemory"),
            "{log}"
        );
    }
}

#[tokio::test]
async fn processes_are_counted_for_each_instance() {
    let python = "import subprocess\ndef handler(count, context):\n    started = []\n    try:\n        for _ in range(count): started.append(subprocess.Popen(['sleep', '60']))\n    except OSError as error:\n        return error.strerror\n    finally:\n        for one in started: one.kill()\n    return 'well'\n";
    let mut bench = Lang::Python.bench(python);
    bench.function.timeout = std::time::Duration::from_secs(60);
    assert_eq!(bench.returned("1023").await, json!("well"));
    let refused = json!("Resource temporarily unavailable");
    assert_eq!(bench.returned("1024").await, refused);
}

#[tokio::test]
async fn the_services_answer_inside_at_their_place() {
    let python = "import os, urllib.request\ndef handler(event, context):\n    return urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL']).read().decode()\n";
    let node =
        "exports.handler = async () => (await fetch(process.env.AWS_ENDPOINT_URL)).text();\n";
    for mut bench in benches(python, node) {
        assert_eq!(bench.returned("{}").await, json!("here"));
    }
}

#[tokio::test]
async fn layers_are_one_folder_in_which_a_later_one_wins() {
    let python = "import os\ndef handler(event, context):\n    files = sorted(os.path.join(folder, name) for folder, _, names in os.walk('/opt') for name in names)\n    return [[name, open(name).read()] for name in files]\n";
    let mut bench = Lang::Python.bench(python);
    for (name, content) in [
        ("one/python/a.txt", "one"),
        ("one/both/x.txt", "one"),
        ("two/python/a.txt", "two"),
        ("two/python/b.txt", "two"),
    ] {
        crate::harness::write(&bench.path(name), content);
    }
    bench.function.layers = vec![bench.path("one"), bench.path("two")];
    let expected = json!([
        ["/opt/both/x.txt", "one"],
        ["/opt/python/a.txt", "two"],
        ["/opt/python/b.txt", "two"],
    ]);
    assert_eq!(bench.returned("{}").await, expected);
}

#[tokio::test]
async fn code_and_cache_may_lie_in_tmp() {
    let python = (
        "app.py",
        "import os, other\ndef handler(event, context):\n    open('/tmp/own', 'w').close()\n    return [other.name, os.path.dirname(__file__), sorted(os.listdir('/tmp'))[-1]]\n",
    );
    let other = ("other.py", "name = 'other'\n");
    let node = (
        "app.js",
        "const fs = require('fs');\nexports.handler = async () => {\n  fs.writeFileSync('/tmp/own', '');\n  return [require('./other').name, __dirname, fs.readdirSync('/tmp').sort().pop()];\n};\n",
    );
    let node_other = ("other.js", "exports.name = 'other';\n");
    for (language, files) in [
        (Lang::Python, [python, other]),
        (Lang::Node, [node, node_other]),
    ] {
        for starts in WAYS {
            let folder = tempfile::tempdir_in("/tmp").unwrap();
            let parts = ("app.handler", &files[..]);
            let mut bench = Bench::made_in(folder, language, parts, starts);
            for _ in 0..3 {
                let found = bench.returned("{}").await;
                assert_eq!(found, json!(["other", "/var/task", "own"]), "{starts:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_on_this_machine_is_reached_and_so_is_one_of_the_functions_own() {
    let python = "import socket, threading\ndef ask(family, address):\n    with socket.socket(family) as client:\n        client.connect(address)\n        return client.makefile().readline()\ndef handler(port, context):\n    own = socket.socket(socket.AF_UNIX)\n    own.bind('/tmp/own.socket')\n    own.listen()\n    threading.Thread(target=lambda: own.accept()[0].sendall(b'own\\n')).start()\n    return [ask(socket.AF_INET, ('127.0.0.1', port)), ask(socket.AF_UNIX, '/tmp/own.socket')]\n";
    let node = "const net = require('net');\nconst ask = (to) => new Promise((done, failed) => net.connect(to, function () { this.once('data', (data) => done(String(data))); }).on('error', failed));\nexports.handler = async (port) => {\n  const own = net.createServer((client) => client.end('own\\n')).listen('/tmp/own.socket');\n  await new Promise((done) => own.once('listening', done));\n  const said = [await ask({host: '127.0.0.1', port}), await ask({path: '/tmp/own.socket'})];\n  own.close();\n  return said;\n};\n";
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in server.incoming() {
            // The first connection may be one that only looks whether somebody listens.
            let _ = std::io::Write::write_all(&mut client.unwrap(), b"rows\n");
        }
    });
    for mut bench in benches(python, node) {
        let found = bench.returned(&port.to_string()).await;
        assert_eq!(found, json!(["rows\n", "own\n"]));
    }
}

#[tokio::test]
async fn what_an_instance_leaves_behind_is_gone_when_it_is() {
    let python = "import os, subprocess\ndef handler(event, context):\n    if event == 'leave':\n        subprocess.Popen(['sleep', '4711'], start_new_session=True)\n        return None\n    found = []\n    for number in filter(str.isdigit, os.listdir('/proc')):\n        try:\n            found.append(open(f'/proc/{number}/cmdline').read())\n        except OSError:\n            pass\n    return sum('4711' in one for one in found)\n";
    let mut bench = Lang::Python.bench(python);
    let mut leaver = bench.start().await.unwrap();
    let mut sibling = bench.start().await.unwrap();
    bench.invoke(&mut leaver, "\"leave\"").await;
    let count = bench.invoke(&mut sibling, "\"count\"").await.verdict;
    assert!(
        matches!(&count, Verdict::Returned(reply) if &reply[..] == b"1"),
        "{count:?}"
    );
    leaver.stop().await;
    for _ in 0..100 {
        let count = bench.invoke(&mut sibling, "\"count\"").await.verdict;
        if matches!(&count, Verdict::Returned(reply) if &reply[..] == b"0") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it is still there");
}
