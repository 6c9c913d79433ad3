//! Every example of the repository runs, as its README says.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use serde_json::json;
use support::{Dev, example};

#[test]
fn the_petstore_keeps_its_pets_over_kill_minus_nine() {
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(&example("petstore"), state.path());
    assert_eq!(dev.get("/dev/pets").json(), json!({ "pets": [] }));
    let made = dev.post(
        "/dev/pets",
        r#"{"name": "Rex", "species": "dog", "weight_kg": 7.25}"#,
    );
    assert_eq!(made.status, 201);
    assert_eq!(made.header("access-control-allow-origin"), Some("*"));
    let id = made.json()["id"].as_str().unwrap().to_owned();
    dev.kill();

    let dev = Dev::start(&example("petstore"), state.path());
    let read = dev.get(&format!("/pets/{id}"));
    assert_eq!(
        (read.status, &read.json()["weight_kg"]),
        (200, &json!(7.25))
    );
    assert_eq!(
        dev.send("DELETE", &format!("/dev/pets/{id}"), &[], "")
            .status,
        204
    );
    assert_eq!(dev.get(&format!("/dev/pets/{id}")).status, 404);
    assert_eq!(
        dev.post("/dev/pets", "{not json").json(),
        json!({ "error": "the body is not JSON" })
    );
    dev.stop();
}

#[test]
fn the_sam_petstore_runs_on_the_node_sdk() {
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(&example("petstore-sam"), state.path());
    assert_eq!(
        dev.send("PUT", "/Prod/pets/7", &[], r#"{"name": "Mia"}"#)
            .json(),
        json!({ "name": "Mia", "id": "7" })
    );
    assert_eq!(
        dev.get("/Prod/pets/7").json(),
        json!({ "id": "7", "name": "Mia" })
    );
    assert_eq!(dev.get("/pets").json()["pets"][0]["name"], "Mia");
    assert_eq!(dev.get("/Prod/pets/8").status, 404);
    dev.stop();
}

#[test]
fn the_node_function_answers_with_a_bare_object() {
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(&example("hello-node"), state.path());
    let reply = dev.get("/hello/Ada");
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({ "message": "Hello, Ada!" }))
    );
    assert!(
        reply.header("server-timing").unwrap().contains("handler"),
        "{reply:?}"
    );
    assert_eq!(
        dev.get("/nothing").json(),
        json!({ "message": "Not Found" })
    );
    dev.stop();
}
