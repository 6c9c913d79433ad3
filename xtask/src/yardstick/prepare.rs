//! What has to be done before an application starts, as its proof says: installs and builds.
//!
//! Lives here: bringing the application out of the mirror, and running what `PREP` names.
//! Does not live here: what the product does by itself (`pip install -r requirements.txt`, SDKs of runtimes).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::row::Row;
use crate::http::now;

/// How long one install or build may take.
const PREPARED_WITHIN: Duration = Duration::from_secs(420);
/// How deep below an application its packages are looked for.
const PACKAGES_DEPTH_MAX: usize = 3;

/// Where applications come from, and where they are put.
pub(super) struct Places<'a> {
    pub(super) list: &'a Path,
    pub(super) mirror: &'a Path,
    pub(super) work: &'a Path,
}

const NPM_INSTALL: [&str; 5] = [
    "npm",
    "install",
    "--no-audit",
    "--no-fund",
    "--legacy-peer-deps",
];

const YARN_INSTALL: [&str; 6] = [
    "npx",
    "--yes",
    "yarn@1",
    "install",
    "--frozen-lockfile",
    // Tools of that time name the versions of Node.js that there were.
    "--ignore-engines",
];

/// Builds that a proof can name, and the command that each is.
const BUILDS: [(&str, &[&str]); 3] = [
    ("make build", &["make", "build"]),
    ("mvn package", &["mvn", "-q", "-DskipTests", "package"]),
    ("bundle install", &["bundle", "install"]),
];

/// Puts the application on disk, and says where; or why it cannot be had here.
pub(super) fn bring(row: &Row, places: &Places<'_>) -> Result<Result<PathBuf, String>> {
    let script = places.list.with_file_name("materialise.py");
    let output = Command::new("python3")
        .arg(&script)
        .arg(places.list)
        .arg(places.work.join("apps"))
        .arg("--mirror")
        .arg(places.mirror)
        .args(["--only", &row.name().replace("/.", "")])
        .output()
        .context("python3 does not run")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let apps = places.work.join("apps");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&apps)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| number_of(path) == Some(row.number))
        .collect();
    let Some(folder) = folders.pop() else {
        let why = said
            .lines()
            .find(|line| line.starts_with("MISSING") || line.starts_with("FAILED"));
        let why = why.unwrap_or("its repository is not in the mirror");
        return Ok(Err(format!("not here: {why}")));
    };
    let Some(stack) = row.stack() else {
        return Ok(Ok(folder));
    };
    // The folder's name is the stack's.
    let named = places
        .work
        .join("stacks")
        .join(row.number.to_string())
        .join(stack);
    if !named.exists() {
        std::fs::create_dir_all(named.parent().unwrap_or(&named))?;
        let copied = Command::new("cp")
            .arg("-r")
            .args([&folder, &named])
            .status()?;
        anyhow::ensure!(copied.success(), "{} is not copied", folder.display());
    }
    Ok(Ok(named))
}

fn number_of(folder: &Path) -> Option<usize> {
    let name = folder.file_name()?.to_str()?;
    name.split_once('-')?.0.parse().ok()
}

/// Does what `PREP` names; or says why that cannot be done here.
pub(super) fn prepare(row: &Row, folder: &Path, log: &Path) -> Result<Result<(), String>> {
    let says = |what: &str| row.proof.contains(what);
    if says("npm install") || says("yarn install") {
        for package in packages(folder, PACKAGES_DEPTH_MAX) {
            if package.join("node_modules").exists() {
                continue;
            }
            // With yarn, the versions are those of its own lock file.
            let install: &[&str] = if package.join("yarn.lock").exists() {
                &YARN_INSTALL
            } else {
                &NPM_INSTALL
            };
            if carry_out(install, &package, log)?.is_err()
                && let Err(why) = install_what_runs(&package, log)?
            {
                return Ok(Err(why));
            }
        }
    }
    for (named, command) in BUILDS {
        if says(named)
            && let Err(why) = carry_out(command, folder, log)?
        {
            return Ok(Err(why));
        }
    }
    if says("cargo lambda build") {
        return build_rust(folder, log);
    }
    Ok(Ok(()))
}

/// Installs what functions load, and not what a project needs to be developed: of that, versions may be gone from the
/// registry, and one that is gone stops all of it.
fn install_what_runs(package: &Path, log: &Path) -> Result<Result<(), String>> {
    let text = std::fs::read_to_string(package.join("package.json"))?;
    let whole: Value = serde_json::from_str(&text)?;
    let needed = whole.get("dependencies").cloned().unwrap_or_default();
    let folder = tempfile::tempdir_in(package)?;
    let short = serde_json::json!({"private": true, "dependencies": needed});
    std::fs::write(folder.path().join("package.json"), short.to_string())?;
    if let Err(why) = carry_out(&NPM_INSTALL, folder.path(), log)? {
        return Ok(Err(why));
    }
    let made = folder.path().join("node_modules");
    if made.exists() {
        std::fs::rename(made, package.join("node_modules"))?;
    }
    Ok(Ok(()))
}

/// What `cargo lambda build` makes, for this machine: an executable in a folder of its own.
fn build_rust(folder: &Path, log: &Path) -> Result<Result<(), String>> {
    let target = folder.join("target");
    let folder_of = target.to_string_lossy().into_owned();
    let build = ["cargo", "build", "--release", "--target-dir", &folder_of];
    if let Err(why) = carry_out(&build, folder, log)? {
        return Ok(Err(why));
    }
    for entry in std::fs::read_dir(target.join("release"))? {
        let made = entry?.path();
        let is_executable = made.is_file() && made.extension().is_none();
        let Some(name) = made.file_name().filter(|_| is_executable) else {
            continue;
        };
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        let own = target.join("lambda").join(name);
        std::fs::create_dir_all(&own)?;
        std::fs::copy(&made, own.join("bootstrap"))?;
    }
    Ok(Ok(()))
}

/// Folders with a `package.json`, the application's own first.
fn packages(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if folder.join("package.json").exists() {
        found.push(folder.to_owned());
    }
    let Some(depth) = depth.checked_sub(1) else {
        return found;
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let folders = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir() && !path.ends_with("node_modules"));
    found.extend(folders.flat_map(|path| packages(&path, depth)));
    found
}

fn carry_out(command: &[&str], folder: &Path, log: &Path) -> Result<Result<(), String>> {
    let shown = command.join(" ");
    let Some((program, arguments)) = command.split_first() else {
        return Ok(Ok(()));
    };
    let output = std::fs::File::create(log)?;
    let child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn();
    let Ok(mut child) = child else {
        return Ok(Err(format!("cannot build here: there is no `{program}`")));
    };
    let began = now();
    loop {
        if let Some(status) = child.try_wait()? {
            let last = last_line(log);
            return Ok(if status.success() {
                Ok(())
            } else {
                Err(format!("cannot build here: `{shown}` failed: {last}"))
            });
        }
        if PREPARED_WITHIN < began.elapsed() {
            child.kill()?;
            child.wait()?;
            return Ok(Err(format!("cannot build here: `{shown}` took too long")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn last_line(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or_default().trim().to_owned()
}
