//! Starts applications, carries out their proofs, and counts.
//!
//! Lives here: the order of it all, several at a time, each within its time, and the table.
//! Does not live here: what comes before a start (`prepare`), what a proof consists of (`prove.py`).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use super::prepare::{self, Places};
use super::row::Row;
use super::{features, print};
use crate::http::now;
use crate::server::Dev;
use crate::tidy;

/// How long one proof may take.
const PROVED_WITHIN: Duration = Duration::from_secs(300);
/// Applications that are under proof at once unless the command line says otherwise.
const AT_ONCE_DEFAULT: usize = 2;
/// Letters of a reason that the table shows.
const REASON_LENGTH_MAX: usize = 200;
/// What is kept of the last run of each.
const LEDGER: &str = "conformance/yardstick.md";
/// The proofs' program, and what it is made of.
const PROGRAM: [(&str, &str); 6] = [
    ("application.py", include_str!("application.py")),
    ("proofs.py", include_str!("proofs.py")),
    ("prove.py", include_str!("prove.py")),
    ("service_steps.py", include_str!("service_steps.py")),
    ("socket_steps.py", include_str!("socket_steps.py")),
    ("steps.py", include_str!("steps.py")),
];

/// `cargo xtask yardstick run`.
#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The list: tab-separated, with `materialise.py` beside it.
    #[arg(long)]
    list: Option<PathBuf>,
    /// Only applications whose repository and path contain this.
    #[arg(long, default_value = "")]
    only: String,
    /// The folder of repositories, one a folder `owner+name`. Nothing is brought from elsewhere.
    #[arg(long)]
    mirror: Option<PathBuf>,
    /// The product to judge, in place of a release build of this tree.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Read each proof's own words alone, also where it is said exactly elsewhere.
    #[arg(long)]
    plain: bool,
    /// Also those whose features are not all built.
    #[arg(long)]
    all: bool,
    /// Also write what came of it to `conformance/yardstick.md`; what is not tried keeps its row there.
    #[arg(long)]
    ledger: bool,
    /// How many at once.
    #[arg(long, default_value_t = AT_ONCE_DEFAULT)]
    at_once: usize,
}

/// Which applications are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Built,
    All,
}

/// What became of an application.
#[derive(Debug, Clone)]
enum Verdict {
    Passed,
    Failed(String),
    CannotRun(String),
    /// Some of its features are not built, and nobody asked to try all the same.
    Outside(String),
}

struct Judged {
    row: Row,
    verdict: Verdict,
    took: Duration,
}

/// What all applications share.
struct Judge<'a> {
    places: Places<'a>,
    reading: &'static str,
    binary: PathBuf,
    python: PathBuf,
}

pub(super) fn run(arguments: &RunArguments) -> Result<()> {
    let beside = tidy::root().join("..");
    let list = arguments.list.clone();
    let list = list.unwrap_or_else(|| beside.join("shared/yardstick/visible.tsv"));
    let mirror = arguments.mirror.clone();
    let mirror = mirror.unwrap_or_else(|| beside.join(".mirror"));
    let work = tidy::target().join("yardstick");
    std::fs::create_dir_all(work.join("apps"))?;
    let mut all = Row::list(&list)?;
    all.retain(Row::is_aws);
    let names: Vec<String> = all.iter().map(Row::name).collect();
    let rows: Vec<Row> = all
        .into_iter()
        .filter(|row| row.name().contains(&arguments.only))
        .collect();
    ensure!(!rows.is_empty(), "the list has no such application of AWS");
    let judge = Judge {
        reading: if arguments.plain { "plain" } else { "exact" },
        binary: match &arguments.binary {
            Some(binary) => std::path::absolute(binary)?,
            None => super::product()?,
        },
        python: program(&work)?,
        places: Places {
            list: &list,
            mirror: &mirror,
            work: &work,
        },
    };
    let wanted = if arguments.all {
        Wanted::All
    } else {
        Wanted::Built
    };
    let waiting = Mutex::new(rows.into_iter());
    let judged = Mutex::new(Vec::new());
    let worker = || -> Result<()> {
        loop {
            let row = lock(&waiting).next();
            let Some(row) = row else { return Ok(()) };
            let one = judge.judge(row, wanted)?;
            print(&line(&one));
            lock(&judged).push(one);
        }
    };
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..arguments.at_once.max(1))
            .map(|_| scope.spawn(worker))
            .collect();
        for worker in workers {
            worker
                .join()
                .map_err(|_panic| anyhow::anyhow!("a worker panicked"))??;
        }
        Ok(())
    })?;
    let mut judged = judged
        .into_inner()
        .unwrap_or_else(|broken| broken.into_inner());
    judged.sort_by_key(|one| one.row.number);
    print(&table(&judged)?);
    if arguments.ledger {
        let file = tidy::root().join(LEDGER);
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        std::fs::write(file, ledger(&names, &judged, &kept)?)?;
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Writes the proofs' program, with an interpreter that has its packages.
fn program(work: &Path) -> Result<PathBuf> {
    for (name, text) in PROGRAM {
        std::fs::write(work.join(name), text)?;
    }
    let venv = work.join("venv");
    let python = venv.join("bin/python");
    // The last of what is installed, so that an environment of an older program is completed.
    if !venv.join("bin/websockets").exists() {
        let made = Command::new("python3")
            .args(["-m", "venv"])
            .arg(&venv)
            .status()?;
        ensure!(made.success(), "no environment for the proofs is made");
        let installed = Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "boto3",
                "awscli",
                "websockets",
            ])
            .status()?;
        ensure!(
            installed.success(),
            "the packages of the proofs are not installed"
        );
    }
    Ok(python)
}

impl Judge<'_> {
    fn judge(&self, row: Row, wanted: Wanted) -> Result<Judged> {
        let began = now();
        let missing = features::missing(&row);
        let verdict = if missing.is_empty() || wanted == Wanted::All {
            self.prove(&row)?
        } else {
            Verdict::Outside(missing.join(", "))
        };
        Ok(Judged {
            row,
            verdict,
            took: began.elapsed(),
        })
    }

    fn prove(&self, row: &Row) -> Result<Verdict> {
        let folder = match prepare::bring(row, &self.places)? {
            Ok(folder) => folder,
            Err(why) => return Ok(Verdict::CannotRun(why)),
        };
        let work = self.places.work.join("runs").join(row.number.to_string());
        if work.exists() {
            std::fs::remove_dir_all(&work)?;
        }
        std::fs::create_dir_all(&work)?;
        if let Err(why) = prepare::prepare(row, &folder, &work.join("prepare.log"))? {
            return Ok(Verdict::CannotRun(why));
        }
        let project = row
            .manifest()
            .map_or_else(|| folder.clone(), |file| folder.join(file));
        let log = work.join("dev.log");
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        let state = work.join("state");
        let dev = match Dev::start_with(command, &row.options(), &project, &state, &log) {
            Ok(dev) => dev,
            Err(_not_ready) => {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let shown: Vec<&str> = text.lines().map(str::trim).collect();
                return Ok(Verdict::Failed(format!(
                    "it does not start: {}",
                    shown.join(" ")
                )));
            }
        };
        self.carry_out(row, &folder, &dev, &work)
    }

    fn carry_out(&self, row: &Row, folder: &Path, dev: &Dev, work: &Path) -> Result<Verdict> {
        let answer = work.join("proof.json");
        let mut child = Command::new(&self.python)
            .arg(self.places.work.join("prove.py"))
            .arg(serde_json::to_string(row)?)
            .arg(folder)
            .args([dev.port.to_string(), dev.services_port.to_string()])
            .arg(work.join("dev.log"))
            .arg(self.reading)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&answer)?)
            .stderr(std::fs::File::create(work.join("proof.err"))?)
            .spawn()?;
        let began = now();
        while child.try_wait()?.is_none() {
            if PROVED_WITHIN < began.elapsed() {
                child.kill()?;
                child.wait()?;
                return Ok(Verdict::Failed("its proof took too long".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let said = std::fs::read_to_string(&answer)?;
        let said: Value = serde_json::from_str(&said).with_context(|| {
            let error = std::fs::read_to_string(work.join("proof.err")).unwrap_or_default();
            format!("the proof of {} said nothing: {error}", row.name())
        })?;
        let text = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default();
        let reason = text("reason").to_owned();
        Ok(match text("verdict") {
            "passed" => Verdict::Passed,
            "cannot run" => Verdict::CannotRun(reason),
            _failed => Verdict::Failed(reason),
        })
    }
}

fn line(one: &Judged) -> String {
    let (word, reason) = words(&one.verdict);
    let name = one.row.name();
    format!("{:>3} {word:<10} {name}  {reason}", one.row.number)
}

fn words(verdict: &Verdict) -> (&'static str, String) {
    let (word, reason) = match verdict {
        Verdict::Passed => ("passed", ""),
        Verdict::Failed(why) => ("failed", why.as_str()),
        Verdict::CannotRun(why) => ("cannot run", why.as_str()),
        Verdict::Outside(features) => ("not built", features.as_str()),
    };
    let reason: String = reason.chars().take(REASON_LENGTH_MAX).collect();
    (word, reason.replace(['|', '\n'], " "))
}

/// A row of the table as it is kept: name, verdict, reason.
type Kept = (String, String, String);

/// The table as it is kept: without times, which are the machine's. Applications that were not run keep their rows.
fn ledger(names: &[String], judged: &[Judged], kept: &str) -> Result<String> {
    let mut page = String::from(
        "# Public applications\n\n\
         <!-- Written by `cargo xtask yardstick run --ledger`. -->\n\n\
         Applications of AWS that others wrote, run unmodified by `cloudless dev`, with a proof each: requests, invocations and calls of\n\
         SDKs that show that they work. **not built**: it needs what the last column names. **cannot run**: this machine lacks a tool that\n\
         it is built with, or the proof cannot be carried out by a program.\n\n\
         | application | verdict | reason |\n| --- | --- | --- |\n",
    );
    let kept: Vec<Kept> = kept.lines().filter_map(kept_row).collect();
    let fresh = |name: &String| {
        let one = judged.iter().find(|one| one.row.name() == *name)?;
        let (word, reason) = words(&one.verdict);
        Some((name.clone(), word.to_owned(), reason))
    };
    let old = |name: &String| kept.iter().find(|(known, _, _)| known == name).cloned();
    let rows = names
        .iter()
        .filter_map(|name| fresh(name).or_else(|| old(name)));
    let rows: Vec<Kept> = rows.collect();
    for (name, word, reason) in &rows {
        writeln!(page, "| {name} | {word} | {reason} |")?;
    }
    let verdicts: Vec<&str> = rows.iter().map(|(_, word, _)| word.as_str()).collect();
    writeln!(page, "{}", sum(&verdicts))?;
    Ok(page)
}

fn kept_row(line: &str) -> Option<Kept> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let ["", name, word, reason, ""] = cells.as_slice() else {
        return None;
    };
    Some(((*name).to_owned(), (*word).to_owned(), (*reason).to_owned()))
}

fn table(judged: &[Judged]) -> Result<String> {
    let mut table = String::from(
        "\n| # | application | verdict | s | reason |\n| --- | --- | --- | --- | --- |\n",
    );
    for one in judged {
        let (word, reason) = words(&one.verdict);
        let seconds = one.took.as_secs();
        let name = one.row.name();
        writeln!(
            table,
            "| {} | {name} | {word} | {seconds} | {reason} |",
            one.row.number
        )?;
    }
    let verdicts: Vec<&str> = judged.iter().map(|one| words(&one.verdict).0).collect();
    writeln!(table, "{}", sum(&verdicts))?;
    Ok(table)
}

fn sum(verdicts: &[&str]) -> String {
    let count = |wanted: &str| verdicts.iter().filter(|word| **word == wanted).count();
    let (passed, failed) = (count("passed"), count("failed"));
    let (cannot, outside) = (count("cannot run"), count("not built"));
    let within = passed + failed + cannot;
    let percent = (100 * passed).checked_div(within).unwrap_or_default();
    let of_run = (100 * passed)
        .checked_div(passed + failed)
        .unwrap_or_default();
    format!(
        "\nAWS applications whose features lie within what is built: {passed} of {within} passed ({percent}%), {failed} failed, \
         {cannot} cannot run here ({of_run}% of those that can). {outside} more need what is not built."
    )
}
