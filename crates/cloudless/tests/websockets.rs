//! WebSocket APIs through the clients that people use: the npm package `ws`, boto3 inside functions and outside.
//!
//! Lives here: `examples/chat` from its first connection to its last, and what the commands say of it.
//! Does not live here: framing, limits and events one by one (`gateway`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::clients::{node_packages, python_tools, tool};
use support::{Dev, example, run, text};

#[test]
fn people_talk_to_each_other_and_are_written_to_from_outside() {
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(&example("chat"), state.path());
    let packages = node_packages("websocket-packages", &["ws@8"]);
    let script = packages.join("chat.mjs");
    std::fs::write(&script, include_str!("clients/chat.mjs")).unwrap();
    let mut people = Command::new("node");
    let address = format!("ws://localhost:{}/dev", dev.port);
    people.arg(&script).arg(address).stdout(Stdio::piped());
    let mut people = people.spawn().unwrap();
    let mut said = BufReader::new(people.stdout.take().unwrap()).lines();
    let mut next = || -> Value {
        let line = said.next().unwrap_or_else(|| panic!("{}", dev.log()));
        serde_json::from_str(&line.unwrap()).unwrap()
    };
    let mut first = next();
    let connection = first["you"].take();
    let hello = json!({"from": "ada", "text": "hello"});
    assert_eq!(
        first,
        json!({
            "refused": "Unexpected server response: 401",
            "heard": [hello, hello],
            "here": ["ada", "bob"],
            "message": "Forbidden",
            "left": ["bob"],
            "you": null,
        })
    );
    assert_eq!(dev.get("/dev").status, 404);
    dev.wait_for_log("the application has WebSocket APIs alone");
    let outside = state.path().join("connections.py");
    std::fs::write(&outside, include_str!("clients/connections.py")).unwrap();
    let mut python = tool(&python_tools(), "bin/python3");
    let endpoint = format!("http://localhost:{}/dev", dev.port);
    let python = python.arg(outside).arg(endpoint);
    let output = python.arg(connection.as_str().unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        seen,
        json!({
            "source": "127.0.0.1",
            "times": ["datetime", "datetime"],
            "large": "PayloadTooLargeException",
            "gone": "GoneException",
        })
    );
    let end = json!({"outside": "from outside", "closed": [1000, "Connection Closed Normally"]});
    assert_eq!(next(), end);
    assert!(people.wait().unwrap().success());
    let log = dev.log();
    assert!(
        log.contains(&format!("ws://localhost:{}/dev", dev.port)),
        "{log}"
    );
    assert!(log.contains("WS      /dev $connect 101"), "{log}");
    assert!(log.contains("WS      /dev say 200"), "{log}");
    dev.stop();
}

#[test]
fn the_routes_of_a_chat_are_listed() {
    let folder = example("chat");
    let listed = run(&["routes"], &folder);
    let listed = text(&listed.stdout);
    for line in ["WS      /dev $connect", "WS      /dev who"] {
        assert!(listed.contains(line), "{listed}");
    }
}
