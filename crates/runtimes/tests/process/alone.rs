//! Tests that need a process of their own: they count what it holds, or take something from it.

use std::process::Command;

/// Says to a process that it is the test's own.
const VARIABLE: &str = "CLOUDLESS_TEST_ALONE";

/// Whether the caller, the test of this name, is alone in its process. If not, it has been run in one, and is done.
#[expect(
    clippy::disallowed_methods,
    reason = "one test process tells another what to do"
)]
pub fn is_alone(test: &str) -> bool {
    if std::env::var(VARIABLE).is_ok_and(|name| name == test) {
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let run = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(VARIABLE, test)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    let complaint = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{told}{complaint}");
    assert!(
        told.contains("1 passed"),
        "no test is called {test}: {told}"
    );
    false
}
