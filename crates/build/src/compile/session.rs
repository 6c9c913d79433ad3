//! A compiler that stays: one process for each folder and recipe, which compiles again what has changed.
//!
//! Lives here: starting it, asking it, ending the one that was asked longest ago.
//! Does not live here: what it is asked (`compile`), what it does (`driver.cjs`).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::aside;
use super::kept::{self, Kept};
use crate::cache::key_of;

/// Compilers that stay at once.
const SESSIONS_MAX: usize = 8;
/// How long one compilation may take.
const COMPILED_WITHIN: Duration = Duration::from_secs(5 * 60);
/// The longest line of a reply: problems are short, and code is not in it.
const REPLY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// What replies begin with: anything else is what a configuration printed.
const MARK: u8 = 1;
/// What the folder of drivers and logs is called in the cache.
const COMPILERS: &str = "compilers";
const DRIVER: &str = include_str!("driver.cjs");

/// All compilers of a builder.
#[derive(Default)]
pub(crate) struct Sessions {
    open: BTreeMap<String, Session>,
    asked: u64,
    kept: Kept,
}

/// How a compiler is started.
pub(super) struct Start<'a> {
    pub(super) key: &'a str,
    pub(super) node: &'a Path,
    pub(super) root: &'a Path,
    /// Folders of modules besides those of the project.
    pub(super) modules: &'a [PathBuf],
    pub(super) cache: &'a Path,
    /// Where compiled code goes.
    pub(super) out: &'a Path,
    pub(super) environment: &'a BTreeMap<String, String>,
}

struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    asked: u64,
    /// What it made last of each function: it goes on running while a source has a mistake.
    made: BTreeMap<String, Value>,
}

impl Sessions {
    /// Compiles. The reply has `entries`, `problems` and perhaps a `failure`; entries that failed are those of the time
    /// before, if there was one.
    ///
    /// # Errors
    /// The compiler could not be started, or has ended.
    pub(super) async fn ask(&mut self, start: &Start<'_>, request: &Value) -> io::Result<Value> {
        self.asked += 1;
        // Taken out while it is asked: if this future is dropped, so is the compiler, whose reply would be taken for the next.
        let mut session = match self.open.remove(start.key) {
            Some(session) => session,
            None => {
                self.make_room();
                let session = Session::start(start)?;
                self.keep(start).await?;
                session
            }
        };
        session.asked = self.asked;
        let asking = tokio::time::timeout(COMPILED_WITHIN, session.ask(request)).await;
        let reply = asking.unwrap_or_else(|_elapsed| {
            let text = format!("it took longer than {} s", COMPILED_WITHIN.as_secs());
            Err(io::Error::other(text))
        });
        if reply.is_ok() {
            self.open.insert(start.key.to_owned(), session);
        }
        reply
    }

    /// Ends a compiler, so that the next question finds what has been installed since.
    pub(super) fn end(&mut self, key: &str) {
        self.open.remove(key);
    }

    /// Notes that this compiler's code is used, and lets go of what nobody used for long.
    async fn keep(&mut self, start: &Start<'_>) -> io::Result<()> {
        self.kept.hold(start.out).await?;
        let compilers = start.cache.join(COMPILERS);
        let compiled = start.out.parent().unwrap_or(start.out).to_owned();
        aside(move || {
            kept::prune(&compiled, &compilers);
            Ok(())
        })
        .await
    }

    fn make_room(&mut self) {
        if self.open.len() < SESSIONS_MAX {
            return;
        }
        let oldest = self.open.iter().min_by_key(|(_, session)| session.asked);
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            self.open.remove(&key);
        }
    }
}

impl Session {
    fn start(start: &Start<'_>) -> io::Result<Self> {
        let folder = start.cache.join(COMPILERS);
        fs::create_dir_all(&folder)?;
        let driver = folder.join(format!("{}.cjs", key_of([DRIVER.as_bytes()])));
        // Written each time: then it is not among those that nobody used for long.
        let draft = folder.join(format!("{}.partial", std::process::id()));
        fs::write(&draft, DRIVER)?;
        fs::rename(draft, &driver)?;
        let modules = std::env::join_paths(start.modules).unwrap_or_default();
        let mut child = Command::new(start.node)
            .arg(driver)
            .current_dir(start.root)
            .env_clear()
            .envs(start.environment)
            .env("NODE_PATH", modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join(format!("{}.log", start.key)))?)
            .kill_on_drop(true)
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
            asked: 0,
            made: BTreeMap::new(),
        })
    }

    async fn ask(&mut self, request: &Value) -> io::Result<Value> {
        let mut line = request.to_string();
        line.push('\n');
        self.input.write_all(line.as_bytes()).await?;
        self.input.flush().await?;
        let mut reply = loop {
            let mut line = Vec::new();
            let mut bounded = (&mut self.output).take(REPLY_BYTES_MAX);
            if bounded.read_until(b'\n', &mut line).await? == 0 {
                let status = self.child.wait().await?;
                return Err(io::Error::other(format!("it ended with {status}")));
            }
            if let Some(json) = line.strip_prefix(&[MARK]) {
                break serde_json::from_slice::<Value>(json).map_err(io::Error::other)?;
            }
        };
        self.keep_what_runs(&mut reply);
        Ok(reply)
    }

    fn keep_what_runs(&mut self, reply: &mut Value) {
        let Some(entries) = reply.get_mut("entries").and_then(Value::as_object_mut) else {
            return;
        };
        for (id, made) in entries.iter() {
            self.made.insert(id.clone(), made.clone());
        }
        for (id, made) in &self.made {
            if !entries.contains_key(id) {
                let mut made = made.clone();
                if let Some(made) = made.as_object_mut() {
                    made.insert("is_earlier".to_owned(), Value::Bool(true));
                }
                entries.insert(id.clone(), made);
            }
        }
    }
}
