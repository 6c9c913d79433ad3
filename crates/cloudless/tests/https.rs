//! HTTPS and trusted proxies, as `curl` and functions see them.
//!
//! Lives here: `dev --https`, `[tls]` and `trusted_proxies` of `cloudless.toml`.
//! Does not live here: the handshake and the versions of HTTP above it (`gateway`), settings one by one (`settings`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{Dev, cloudless, project, run, text};

const SERVERLESS: &str = "\
service: pets
provider: {name: aws, runtime: python3.11}
functions:
  pets:
    handler: handler.run
    events: [{httpApi: 'GET /pets'}]
";

const HANDLER: &str = "\
import json
def run(event, context):
    return {'statusCode': 200, 'body': json.dumps({'headers': event['headers'], 'http': event['requestContext']['http']})}
";

fn files(settings: &str) -> [(&str, &str); 3] {
    [
        ("serverless.yml", SERVERLESS),
        ("handler.py", HANDLER),
        ("cloudless.toml", settings),
    ]
}

/// What curl gets from this host of the server, trusting this authority.
fn curl(authority: &Path, host: &str, port: u16) -> Result<Value, String> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--cacert"])
        .arg(authority)
        .args(["--resolve", &format!("{host}:{port}:127.0.0.1")])
        .arg(format!("https://{host}:{port}/pets"))
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).map_err(|_| text(&output.stderr))
}

#[test]
fn https_comes_with_a_certificate_that_only_localhost_can_have() {
    let folder = project(&files(""));
    let (state, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut command = cloudless();
    command
        .env("XDG_CACHE_HOME", cache.path())
        .arg("dev")
        .arg(folder.path())
        .args(["--https", "--port", "0", "--services-port", "0", "--state"])
        .arg(state.path());
    let dev = Dev::start_command(&mut command);
    let authority = cache
        .path()
        .join("cloudless/localhost-authority/authority.pem");
    let log = dev.wait_for_log("Trust");
    assert!(
        log.contains(&format!("https://localhost:{}", dev.port)),
        "{log}"
    );
    assert!(log.contains(authority.to_str().unwrap()), "{log}");
    for host in ["localhost", "api.localhost"] {
        let event = curl(&authority, host, dev.port).unwrap();
        assert_eq!(event["headers"]["x-forwarded-proto"], "https");
        assert_eq!(event["headers"]["x-forwarded-port"], dev.port.to_string());
        assert_eq!(event["http"]["protocol"], "HTTP/2.0");
    }
    assert!(curl(&authority, "example.com", dev.port).is_err());
    let plain = dev.get("/pets");
    assert_eq!(plain.status, 400);
    assert!(
        plain.body.contains("this port speaks HTTPS"),
        "{}",
        plain.body
    );
}

#[test]
fn certificates_of_files_are_shown_by_the_name_that_is_asked_for() {
    let certificates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/tests/certificates");
    let of = |name: &str| certificates.join(name).canonicalize().unwrap();
    let settings = format!(
        "[tls]\ncertificate = [{:?}, {:?}]\nkey = [{:?}, {:?}]\n",
        of("api.pem"),
        of("shop.pem"),
        of("api.key.pem"),
        of("shop.key.pem")
    );
    let folder = project(&files(&settings));
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), state.path());
    assert!(curl(&of("api.pem"), "api.example", dev.port).is_ok());
    assert!(curl(&of("shop.pem"), "www.shop.example", dev.port).is_ok());
    assert!(curl(&of("api.pem"), "shop.example", dev.port).is_err());
    drop(dev);
    for (settings, said) in [
        (
            "[tls]\ncertificate = 'none.pem'\n",
            "each certificate needs its key",
        ),
        (
            "[tls]\ncertificate = 'none.pem'\nkey = 'none.pem'\n",
            "`none.pem` cannot be shown",
        ),
        (
            "[tls]\ncertificate = 'handler.py'\nkey = 'handler.py'\n",
            "there is none in it",
        ),
    ] {
        let folder = project(&files(settings));
        let output = run(
            &["dev", "--port", "0", "--services-port", "0"],
            folder.path(),
        );
        let stderr = text(&output.stderr);
        assert!(!output.status.success());
        assert!(
            stderr.contains("server::tls") && stderr.contains(said),
            "{stderr}"
        );
    }
}

#[test]
fn the_source_of_a_request_is_what_a_trusted_proxy_says_and_nobody_else() {
    let sent = [
        ("X-Forwarded-For", "198.51.100.7"),
        ("X-Forwarded-Proto", "https"),
    ];
    for (settings, source, scheme) in [
        (
            "[server]\ntrusted_proxies = ['127.0.0.0/8']\n",
            "198.51.100.7",
            "https",
        ),
        (
            "[server]\ntrusted_proxies = ['10.0.0.0/8']\n",
            "127.0.0.1",
            "http",
        ),
    ] {
        let folder = project(&files(settings));
        let state = tempfile::tempdir().unwrap();
        let dev = Dev::start(folder.path(), state.path());
        let event = dev.send("GET", "/pets", &sent, "").json();
        assert_eq!(event["http"]["sourceIp"], source);
        assert_eq!(event["headers"]["x-forwarded-proto"], scheme);
    }
}
