//! Noticing that files of a project change.
//!
//! Lives here: which folders are watched, and gathering the events of one save.
//! Does not live here: what a change leads to (`super`).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::problem::Problem;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Editors write, rename and touch within this time; the reload waits until it has been quiet for so long.
const QUIET_FOR: Duration = Duration::from_millis(30);
/// But never longer than this, for a project that is written all the time.
const QUIET_WITHIN: Duration = Duration::from_millis(150);
/// Folders that are watched. A project with more is told that changes deeper down are not noticed.
const FOLDERS_MAX: usize = 8_192;
/// Events that wait; more of them say nothing new.
const EVENTS_WAITING_MAX: usize = 64;
/// Folders whose changes are nobody's source.
const NOT_SOURCES: &[&str] = &[
    "node_modules",
    ".git",
    ".cloudless",
    ".serverless",
    ".aws-sam",
    "__pycache__",
    ".venv",
    "venv",
    ".pytest_cache",
    ".mypy_cache",
];

/// Watches a project.
pub(super) struct Watcher {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    events: mpsc::Receiver<Vec<PathBuf>>,
    /// What is the server's own.
    ours: Vec<PathBuf>,
}

impl Watcher {
    /// Watches all folders below `root` that hold sources. The problem says what is not watched.
    pub(super) fn start(root: &Path, ours: &[PathBuf]) -> (Self, Option<Problem>) {
        let (sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Ok(event) = event
                && is_change(event.kind)
            {
                let _enough_wait_already = sender.try_send(event.paths);
            }
        });
        let (watcher, failed) = match watcher {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut this = Self {
            watcher,
            watched: BTreeSet::new(),
            events,
            ours: ours.to_vec(),
        };
        let problem = this.add_below(root).or(failed);
        (this, problem.map(not_all_watched))
    }

    /// Watches the folders of these files too, wherever they are.
    pub(super) fn follow(&mut self, files: &[PathBuf]) {
        for folder in files.iter().filter_map(|file| file.parent()) {
            if folder.is_dir() {
                let _told_at_the_start = self.add(folder);
            }
        }
    }

    /// Waits for the next change of a source. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        loop {
            // Without a watcher there is never a change.
            let Some(paths) = self.events.recv().await else {
                return std::future::pending().await;
            };
            if self.concerns_sources(&paths) {
                break;
            }
        }
        let gather = async {
            while let Ok(Some(paths)) = tokio::time::timeout(QUIET_FOR, self.events.recv()).await {
                self.concerns_sources(&paths);
            }
        };
        let _never_quiet = tokio::time::timeout(QUIET_WITHIN, gather).await;
    }

    /// Whether a path is a source; folders that are new are watched from now on.
    fn concerns_sources(&mut self, paths: &[PathBuf]) -> bool {
        let mut concerns = false;
        for path in paths {
            if !self.is_source(path) {
                continue;
            }
            concerns = true;
            if path.is_dir() {
                let _told_at_the_start = self.add_below(path);
            }
        }
        concerns
    }

    fn is_source(&self, path: &Path) -> bool {
        let in_other_folder = path.components().any(|part| {
            NOT_SOURCES
                .iter()
                .any(|name| part.as_os_str() == OsStr::new(name))
        });
        !in_other_folder
            && !self.ours.iter().any(|ours| path.starts_with(ours))
            && path.extension() != Some(OsStr::new("pyc"))
    }

    fn add_below(&mut self, folder: &Path) -> Option<String> {
        let mut waiting = vec![folder.to_path_buf()];
        while let Some(folder) = waiting.pop() {
            if let Some(reason) = self.add(&folder) {
                return Some(reason);
            }
            let entries = std::fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .filter_map(Result::ok);
            // Links are not followed: they may lead in circles.
            let folders = entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path());
            waiting.extend(folders.filter(|path| self.is_source(path)));
        }
        None
    }

    /// Watches one folder; the reason when that failed.
    fn add(&mut self, folder: &Path) -> Option<String> {
        let watcher = self.watcher.as_mut()?;
        if self.watched.contains(folder) {
            return None;
        }
        if self.watched.len() >= FOLDERS_MAX {
            return Some(format!("it has more than {FOLDERS_MAX} folders"));
        }
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            return Some(error.to_string());
        }
        self.watched.insert(folder.to_path_buf());
        None
    }
}

fn is_change(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_)
    )
}

fn not_all_watched(reason: String) -> Problem {
    Problem::warning("project::not-watched", "not every change of this project will be noticed")
        .because(reason)
        .help("restart `cloudless dev` after changes that it misses; on Linux, fs.inotify.max_user_watches may be too low")
}
