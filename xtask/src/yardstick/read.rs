//! How many public applications read without a problem, and what the others miss, most frequent first.
//!
//! Lives here: running `cloudless check` over folders, and counting.
//! Does not live here: bringing the applications (they are not ours to keep).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Rows of the table of what is missing.
const MISSING_SHOWN_MAX: usize = 60;

pub(super) fn run(dir: &Path) -> Result<()> {
    let binary = super::product()?;
    let mut folders: Vec<PathBuf> = std::fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    folders.sort();
    let mut tally = Tally::default();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let problems = check(&binary, folder).with_context(|| format!("{}", folder.display()))?;
        tally.add(folder, &problems);
    }
    super::print(&tally.table()?);
    Ok(())
}

/// The problems of one application; none when its manifest is of a tool that is not read yet.
fn check(binary: &Path, folder: &Path) -> Result<Option<Vec<Value>>> {
    let output = Command::new(binary)
        .args(["check", "--json"])
        .arg(folder)
        .output()?;
    ensure!(
        matches!(output.status.code(), Some(0 | 1)),
        "check ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let report: Value =
        serde_json::from_slice(&output.stdout).context("check --json printed no JSON")?;
    let problems = report
        .get("problems")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let unread = problems.iter().any(|problem| {
        let code = problem
            .get("code")
            .and_then(Value::as_str)
            .unwrap_or_default();
        matches!(
            code,
            "project::no-manifest"
                | "project::front-end-not-implemented"
                | "project::several-manifests"
        )
    });
    Ok((!unread).then_some(problems))
}

#[derive(Default)]
struct Tally {
    clean: usize,
    with_warnings: usize,
    with_errors: usize,
    unread: Vec<String>,
    /// What is missing → the applications that miss it.
    missing: BTreeMap<String, Vec<String>>,
}

impl Tally {
    fn add(&mut self, folder: &Path, problems: &Option<Vec<Value>>) {
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let Some(problems) = problems else {
            self.unread.push(name);
            return;
        };
        let errors: Vec<&Value> = problems
            .iter()
            .filter(|problem| problem.get("severity").and_then(Value::as_str) == Some("error"))
            .collect();
        match (problems.is_empty(), errors.is_empty()) {
            (true, _) => self.clean += 1,
            (false, true) => self.with_warnings += 1,
            (false, false) => self.with_errors += 1,
        }
        for problem in errors {
            let text = |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or_default();
            let users = self
                .missing
                .entry(format!("{}: {}", text("code"), text("title")))
                .or_default();
            if users.last() != Some(&name) {
                users.push(name.clone());
            }
        }
    }

    fn table(&self) -> Result<String> {
        let mut table = String::new();
        let read = self.clean + self.with_warnings + self.with_errors;
        writeln!(
            table,
            "{read} applications read: {} without a problem, {} with warnings only, {} with errors",
            self.clean, self.with_warnings, self.with_errors
        )?;
        writeln!(
            table,
            "{} have a manifest of a tool that is not read yet, several, or none: {}\n",
            self.unread.len(),
            self.unread.join(", ")
        )?;
        writeln!(table, "| applications | what is missing |\n| --- | --- |")?;
        let mut rows: Vec<(&String, usize)> = self
            .missing
            .iter()
            .map(|(what, users)| (what, users.len()))
            .collect();
        rows.sort_by_key(|(what, users)| (std::cmp::Reverse(*users), (*what).clone()));
        for (what, users) in rows.iter().take(MISSING_SHOWN_MAX) {
            writeln!(table, "| {users} | {what} |")?;
        }
        Ok(table)
    }
}
