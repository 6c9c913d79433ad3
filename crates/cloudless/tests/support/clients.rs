//! Clients that are installed for tests: the AWS CLI and boto3, packages for Node.js.
//!
//! Lives here: installing each once, running it against a server without the developer's own configuration.
//! Does not live here: what a client does (the scripts in `clients`).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::{Dev, project, text};

/// What a client of a running server prints: JSON.
pub fn with_server(files: &[(&str, &str)], run: impl FnOnce(&Dev, &Path) -> Output) -> Value {
    let folder = project(files);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    let output = run(&dev, folder.path());
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", dev.log());
    dev.stop();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A script in Node.js, beside the packages in this folder.
pub fn node(dev: &Dev, packages: &Path, name: &str, script: &str) -> Output {
    let file = packages.join(name);
    std::fs::write(&file, script).unwrap();
    let mut command = Command::new("node");
    command.arg(&file).env_clear().env("PATH", path());
    with_keys(&mut command, dev)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE", "1")
        .output()
        .unwrap()
}

/// Keys that nobody was issued, and where the services are.
pub fn with_keys<'a>(command: &'a mut Command, dev: &Dev) -> &'a mut Command {
    let endpoint = format!("http://localhost:{}", dev.services_port);
    command
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", "anything")
        .env("AWS_SECRET_ACCESS_KEY", "at-all")
}

/// What the AWS CLI prints for these arguments, which it must succeed with.
pub fn aws(dev: &Dev, arguments: &str) -> Output {
    let mut command = tool(&python_tools(), "bin/aws");
    let command = command.args(arguments.split_whitespace());
    let command = with_keys(command, dev).env("AWS_DEFAULT_REGION", "us-east-1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

/// A tool with an environment of its own: no configuration of the developer's.
pub fn tool(folder: &Path, name: &str) -> Command {
    let mut command = Command::new(folder.join(name));
    command.env_clear().env("PATH", path()).env("HOME", folder);
    command
}

fn path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// The folder with the AWS CLI and boto3; the first of all tests installs them.
pub fn python_tools() -> PathBuf {
    python_with("python-tools", &["awscli", "boto3"])
}

/// A virtual environment of Python with these packages, in a folder that all runs share.
pub fn python_with(name: &str, packages: &[&str]) -> PathBuf {
    installed(name, "", |folder| {
        let mut venv = Command::new("python3");
        succeed(venv.args(["-m", "venv", "--clear"]).arg(folder));
        let mut pip = Command::new(folder.join("bin/pip"));
        let quietly = ["install", "--quiet", "--disable-pip-version-check"];
        succeed(pip.args(quietly).args(packages));
    })
}

/// The folder with these packages of Node.js; the first test of a file installs them.
pub fn node_packages(name: &str, packages: &[&str]) -> PathBuf {
    installed(name, &packages.join(" "), |folder| {
        let mut npm = Command::new("npm");
        let quietly = ["install", "--no-audit", "--no-fund", "--prefix"];
        succeed(npm.args(quietly).arg(folder).args(packages));
    })
}

/// Installs what is wanted unless it is there; tests of one file come at the same time.
fn installed(name: &str, wanted: &str, install: impl FnOnce(&Path)) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let complete = folder.join("complete");
    if !std::fs::read_to_string(&complete).is_ok_and(|done| done == wanted) {
        std::fs::create_dir_all(&folder).unwrap();
        install(&folder);
        std::fs::write(complete, wanted).unwrap();
    }
    folder
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}
