//! Where the executable is looked for, and what is said when it cannot be started.

use serde_json::json;

use crate::bootstraps::{empty, program, put};
use crate::harness::Bench;

async fn check(bench: &Bench, expected: &str) {
    let (payload, tail) = bench.init_failure().await;
    assert_eq!(
        payload,
        json!({"errorType": "Runtime.InvalidEntrypoint", "errorMessage": format!("Error: {expected}")})
    );
    assert!(tail.starts_with("INIT_START "), "{tail}");
    assert!(
        tail.contains("\tPhase: init\tStatus: error\tError Type: Runtime.InvalidEntrypoint"),
        "{tail}"
    );
}

#[tokio::test]
async fn code_without_a_bootstrap_is_refused_in_the_clouds_words() {
    let bench = empty("provided.al2", "any");
    check(
        &bench,
        "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
    )
    .await;
}

#[tokio::test]
async fn a_bootstrap_that_cannot_be_started_is_refused_in_the_clouds_words() {
    let not_executable = empty("provided", "any");
    std::fs::write(not_executable.path("task/bootstrap"), "#!/bin/sh\n").unwrap();
    check(
        &not_executable,
        "fork/exec /var/task/bootstrap: permission denied",
    )
    .await;

    for (content, reason) in [
        (&b"echo no interpreter\n"[..], "exec format error"),
        (
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x08\0",
            "exec format error",
        ),
        (b"#!/nowhere/at/all\n", "no such file or directory"),
        // As an editor on Windows leaves it.
        (b"#!/bin/sh\r\nexit 0\r\n", "no such file or directory"),
    ] {
        let bench = empty("provided.al2023", "any");
        put(&bench.path("task/bootstrap"), content);
        check(&bench, &format!("fork/exec /var/task/bootstrap: {reason}")).await;
    }
}

#[tokio::test]
async fn a_layer_may_bring_the_bootstrap_and_the_last_one_wins() {
    let script = |name: &str| format!("#!/bin/sh\necho from {name} && exit 9\n");
    let mut bench = empty("provided.al2023", "any");
    for name in ["one", "two"] {
        put(
            &bench.path(&format!("{name}/bootstrap")),
            script(name).as_bytes(),
        );
        bench.function.layers.push(bench.path(name));
    }
    let (payload, tail) = bench.init_failure().await;
    assert_eq!(payload["errorType"], "Runtime.ExitError");
    assert!(tail.contains("\nfrom two\n"), "{tail}");

    put(&bench.path("task/bootstrap"), script("the code").as_bytes());
    let (_, tail) = bench.init_failure().await;
    assert!(tail.contains("\nfrom the code\n"), "{tail}");
}

#[tokio::test]
async fn the_handler_of_go_names_the_executable() {
    let mut bench = empty("go1.x", "bin/hello");
    check(
        &bench,
        "fork/exec /var/task/bin/hello: no such file or directory",
    )
    .await;
    put(
        &bench.path("task/bin/hello"),
        &std::fs::read(program()).unwrap(),
    );
    assert_eq!(bench.returned("[1]").await, json!([1]));
}
