//! What a function finds around it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::harness::{Bench, Lang, write};

const PYTHON: &str =
    "import os\ndef handler(event, context):\n    return [dict(os.environ), os.getcwd()]\n";
const NODE: &str = "exports.handler = async () => [process.env, process.cwd()];\n";

async fn seen(bench: &mut Bench) -> (Value, Value) {
    let mut found = bench.returned("{}").await;
    (found[0].take(), found[1].take())
}

#[tokio::test]
async fn the_environment_is_the_clouds_and_nothing_of_ours() {
    for (language, source) in [(Lang::Python, PYTHON), (Lang::Node, NODE)] {
        let mut bench = language.bench(source);
        bench
            .function
            .environment
            .insert("TABLE".to_owned(), "pets".to_owned());
        bench
            .function
            .environment
            .insert("AWS_REGION".to_owned(), "moon".to_owned());
        bench
            .function
            .environment
            .insert("TZ".to_owned(), "Europe/Rome".to_owned());
        let (variables, directory) = seen(&mut bench).await;
        let task = "/var/task";
        assert_eq!(directory, json!(task));
        let runtime = bench.function.runtime.to_string();
        let expected = json!({
            "TABLE": "pets",
            "TZ": "Europe/Rome",
            "LANG": "en_US.UTF-8",
            "_HANDLER": "app.handler",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_EXECUTION_ENV": format!("AWS_Lambda_{runtime}"),
            "AWS_LAMBDA_FUNCTION_NAME": "shop-dev-hello",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/shop-dev-hello",
            "AWS_ACCESS_KEY_ID": "ASIAshop-dev-hello",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "LAMBDA_TASK_ROOT": task,
            "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793",
        });
        let mut found = variables.as_object().unwrap().clone();
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(
                found.remove(name).as_ref(),
                Some(value),
                "{language:?} {name}"
            );
        }
        // Set too, with values of this machine. LC_CTYPE is Python's own doing.
        found.remove("LC_CTYPE");
        let mut left: Vec<_> = found.keys().map(String::as_str).collect();
        left.sort_unstable();
        let names = [
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "LAMBDA_RUNTIME_DIR",
            "LD_LIBRARY_PATH",
            "PATH",
        ];
        assert_eq!(left, names, "{language:?}");
    }
}

#[tokio::test]
async fn only_the_channel_and_the_standard_streams_are_open() {
    let mut bench = Lang::Python.bench(
        "import os, subprocess\ndef handler(event, context):\n    own = sorted(int(n) for n in os.listdir('/proc/self/fd'))\n    child = subprocess.run(['ls', '/proc/self/fd'], capture_output=True, text=True, close_fds=False).stdout.split()\n    return [own[:4], len(own), len(child)]\n",
    );
    // The listing itself holds one more open.
    assert_eq!(bench.returned("{}").await, json!([[0, 1, 2, 3], 5, 4]));
    let mut bench = Lang::Node.bench(
        "const { execFileSync } = require('child_process'); exports.handler = async () => execFileSync('ls', ['/proc/self/fd'], { stdio: ['inherit', 'pipe', 'inherit'] }).toString().split('\\n').length - 1;\n",
    );
    assert_eq!(bench.returned("{}").await, json!(4));
}

#[tokio::test]
async fn node_gets_its_heap_from_the_functions_memory_unless_it_says_otherwise() {
    let source =
        "exports.handler = async () => process.execArgv.filter((a) => a.includes('space'));\n";
    let mut bench = Lang::Node.bench(source);
    let expected = json!(["--max-semi-space-size=12", "--max-old-space-size=231"]);
    assert_eq!(bench.returned("{}").await, expected);
    let options = "--max_old_space_size=99".to_owned();
    bench
        .function
        .environment
        .insert("NODE_OPTIONS".to_owned(), options);
    bench.function.fingerprint = "another version".to_owned();
    assert_eq!(bench.returned("{}").await, json!([]));
}

#[tokio::test]
async fn the_bootstraps_leave_nothing_in_the_project() {
    let mut bench = Bench::new(
        Lang::Python,
        "pkg.app.handler",
        &[
            (
                "pkg/app.py",
                "import pkg.other\ndef handler(event, context):\n    return 1\n",
            ),
            ("pkg/other.py", ""),
        ],
    );
    bench.returned("{}").await;
    let files = std::fs::read_dir(bench.path("task/pkg")).unwrap().count();
    assert_eq!(files, 2);
}

#[tokio::test]
async fn old_sdks_are_taught_the_endpoint() {
    // Stand-ins with the old SDKs' own structure: their entry points and where these meet.
    let mut bench = Lang::Node.bench(
        "const AWS = require('aws-sdk'); const Dynamo = require('aws-sdk/clients/dynamodb');\nexports.handler = async () => [AWS.config, Dynamo.config];\n",
    );
    let sdk = bench.path("sdk/node_modules/aws-sdk");
    let core = "module.exports = { config: { update(o) { Object.assign(this, o); } } };\n";
    write(&sdk.join("lib/core.js"), core);
    write(&sdk.join("lib/node_loader.js"), "require('./core');\n");
    write(
        &sdk.join("lib/aws.js"),
        "require('./node_loader'); module.exports = require('./core');\n",
    );
    write(
        &sdk.join("clients/dynamodb.js"),
        "require('../lib/node_loader'); module.exports = require('../lib/core');\n",
    );
    write(&sdk.join("package.json"), r#"{"main": "lib/aws.js"}"#);
    bench.function.toolchain.sdk_paths = vec![bench.path("sdk/node_modules")];
    let config = json!({"endpoint": "http://127.0.0.1:4566", "s3ForcePathStyle": true, "hostPrefixEnabled": false});
    assert_eq!(bench.returned("{}").await, json!([config, config]));

    let session = "class Session:\n    def create_client(self, service_name, region_name=None, endpoint_url=None, **rest):\n        return endpoint_url\n";
    for (version, expected) in [
        ("1.29.165", json!(["http://127.0.0.1:4566", "http://mine"])),
        ("1.31.0", json!([null, "http://mine"])),
    ] {
        let mut bench = Lang::Python.bench(
            "import botocore.session\ndef handler(event, context):\n    s = botocore.session.Session()\n    return [s.create_client('s3'), s.create_client('s3', endpoint_url='http://mine')]\n",
        );
        write(
            &bench.path("sdk/botocore/__init__.py"),
            &format!("__version__ = '{version}'\n"),
        );
        write(&bench.path("sdk/botocore/session.py"), session);
        bench.function.toolchain.sdk_paths = vec![bench.path("sdk")];
        assert_eq!(bench.returned("{}").await, expected, "{version}");
    }
}

#[tokio::test]
async fn a_wrapper_starts_the_runtime_in_its_own_way() {
    for (language, source) in [(Lang::Python, PYTHON), (Lang::Node, NODE)] {
        let mut bench = language.bench(source);
        let wrapper = bench.function.code_root.join("wrapper");
        write(
            &wrapper,
            "#!/bin/sh\nexport WRAPPED=\"$AWS_REGION\"\nexec \"$@\"\n",
        );
        std::fs::set_permissions(&wrapper, Permissions::from_mode(0o755)).unwrap();
        bench.function.environment.insert(
            "AWS_LAMBDA_EXEC_WRAPPER".to_owned(),
            "/var/task/wrapper".to_owned(),
        );
        let (variables, _) = seen(&mut bench).await;
        assert_eq!(variables["WRAPPED"], "eu-west-1");
    }
}
