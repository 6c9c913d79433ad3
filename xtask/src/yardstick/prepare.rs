//! What has to be done before an application starts, as its proof says: installs and builds.
//!
//! Lives here: bringing the application out of the mirror, and running what `PREP` names.
//! Does not live here: what the product does by itself (`pip install -r requirements.txt`, SDKs of runtimes).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

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

/// Builds that a proof can name, and the command that each is.
const BUILDS: [(&str, &[&str]); 4] = [
    ("make build", &["make", "build"]),
    (
        "cargo lambda build",
        &["cargo", "lambda", "build", "--release"],
    ),
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
            let install = [
                "npm",
                "install",
                "--no-audit",
                "--no-fund",
                "--legacy-peer-deps",
            ];
            if let Err(why) = carry_out(&install, &package, log)? {
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
    Ok(Ok(()))
}

/// Folders with a `package.json` of their own, none below another.
fn packages(folder: &Path, depth: usize) -> Vec<PathBuf> {
    if folder.join("package.json").exists() {
        return vec![folder.to_owned()];
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let folders = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir() && !path.ends_with("node_modules"));
    folders.flat_map(|path| packages(&path, depth)).collect()
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
