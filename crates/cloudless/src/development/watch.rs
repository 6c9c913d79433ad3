//! Noticing that files of a project change.
//!
//! Lives here: which folders are watched, and gathering the events of one save.
//! Does not live here: what a change leads to (`super`).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use build::NOT_SOURCES;
use model::problem::Problem;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Editors write, rename and touch within this time; the reload waits until it has been quiet for so long.
const QUIET_FOR: Duration = Duration::from_millis(30);
/// But never longer than this, for a project that is written all the time.
const QUIET_WITHIN: Duration = Duration::from_millis(150);
/// Folders that are watched. A project with more is told that changes deeper down are not noticed.
const FOLDERS_MAX: usize = 8_192;
/// Events that wait. When there are more, all folders are looked through instead: one of them may be new.
const EVENTS_WAITING_MAX: usize = 64;

/// Watches a project.
pub(super) struct Watcher {
    root: PathBuf,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    events: mpsc::Receiver<Vec<PathBuf>>,
    /// Events were lost, here or in the kernel.
    has_lost_some: Arc<AtomicBool>,
    /// What is the server's own.
    ours: Vec<PathBuf>,
    /// A change was noticed, and more of it may follow.
    is_gathering: bool,
}

impl Watcher {
    /// Watches all folders below `root` that hold sources. The problem says what is not watched.
    pub(super) fn start(root: &Path, ours: &[PathBuf]) -> (Self, Option<Problem>) {
        let (sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
        let has_lost_some = Arc::new(AtomicBool::new(false));
        let (lost, anywhere) = (Arc::clone(&has_lost_some), root.to_path_buf());
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let paths = match event {
                Ok(event) if event.need_rescan() => vec![anywhere.clone()],
                Ok(event) if is_change(event.kind) => event.paths,
                Ok(_) | Err(_) => return,
            };
            if sender.try_send(paths).is_err() {
                lost.store(true, Ordering::Relaxed);
            }
        });
        let (watcher, failed) = match watcher {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut this = Self {
            root: root.to_path_buf(),
            watcher,
            watched: BTreeSet::new(),
            events,
            has_lost_some,
            ours: ours.to_vec(),
            is_gathering: false,
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
        while !self.is_gathering {
            // Without a watcher there is never a change.
            let Some(paths) = self.events.recv().await else {
                return std::future::pending().await;
            };
            // A change that was noticed is told, also when the wait for more of it is given up.
            self.is_gathering = self.concerns_sources(&paths);
        }
        let gather = async {
            while let Ok(Some(paths)) = tokio::time::timeout(QUIET_FOR, self.events.recv()).await {
                self.concerns_sources(&paths);
            }
        };
        let _never_quiet = tokio::time::timeout(QUIET_WITHIN, gather).await;
        if self.has_lost_some.swap(false, Ordering::Relaxed) {
            let root = self.root.clone();
            self.concerns_sources(&[root]);
        }
        self.is_gathering = false;
    }

    /// Whether a path is a source; folders that are new are watched from now on.
    fn concerns_sources(&mut self, paths: &[PathBuf]) -> bool {
        let mut concerns = false;
        for path in paths {
            if !self.is_source(path) {
                continue;
            }
            concerns = true;
            // A folder that went and came back under its name, as when a branch is changed, is another one, and the
            // watch went with the first.
            self.watched.retain(|watched| !watched.starts_with(path));
            if path.is_dir() {
                let _told_at_the_start = self.add_below(path);
            }
        }
        concerns
    }

    fn is_source(&self, path: &Path) -> bool {
        // Only what is below the project counts: the project itself may lie in a folder of any name.
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        let in_other_folder = below.components().any(|part| {
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOTICED_WITHIN: Duration = Duration::from_secs(5);
    const NOTHING_WITHIN: Duration = Duration::from_millis(300);

    /// A project in a folder whose own name is one that is left out below it.
    fn project() -> (tempfile::TempDir, PathBuf, Watcher) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("venv");
        std::fs::create_dir_all(root.join("src")).unwrap();
        std::fs::create_dir_all(root.join("node_modules/a")).unwrap();
        let (watcher, problem) = Watcher::start(&root, &[root.join("state")]);
        assert_eq!(problem, None);
        (folder, root, watcher)
    }

    async fn is_noticed(watcher: &mut Watcher, within: Duration) -> bool {
        tokio::time::timeout(within, watcher.changed())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn a_saved_source_is_noticed_and_what_is_installed_or_ours_is_not() {
        let (_folder, root, mut watcher) = project();
        std::fs::write(root.join("src/a.js"), "1").unwrap();
        assert!(is_noticed(&mut watcher, NOTICED_WITHIN).await);
        std::fs::write(root.join("node_modules/a/index.js"), "1").unwrap();
        std::fs::create_dir(root.join("state")).unwrap();
        std::fs::write(root.join("state/store"), "1").unwrap();
        assert!(!is_noticed(&mut watcher, NOTHING_WITHIN).await);
    }

    #[tokio::test]
    async fn a_folder_that_went_and_came_back_is_watched_again() {
        let (_folder, root, mut watcher) = project();
        std::fs::remove_dir(root.join("src")).unwrap();
        assert!(is_noticed(&mut watcher, NOTICED_WITHIN).await);
        std::fs::create_dir(root.join("src")).unwrap();
        assert!(is_noticed(&mut watcher, NOTICED_WITHIN).await);
        std::fs::write(root.join("src/a.js"), "1").unwrap();
        assert!(is_noticed(&mut watcher, NOTICED_WITHIN).await);
    }

    #[tokio::test]
    async fn folders_that_are_made_while_nobody_listens_are_watched_however_many() {
        let (_folder, root, mut watcher) = project();
        for number in 0..3 * EVENTS_WAITING_MAX {
            std::fs::create_dir(root.join(format!("src/{number}"))).unwrap();
        }
        std::thread::sleep(NOTHING_WITHIN);
        while is_noticed(&mut watcher, NOTHING_WITHIN).await {}
        let last = 3 * EVENTS_WAITING_MAX - 1;
        std::fs::write(root.join(format!("src/{last}/a.js")), "1").unwrap();
        assert!(is_noticed(&mut watcher, NOTICED_WITHIN).await);
    }

    #[tokio::test]
    async fn an_archive_beside_the_project_is_noticed() {
        let (folder, root, mut watcher) = project();
        let beside = folder.path().join("dist");
        std::fs::create_dir(&beside).unwrap();
        watcher.follow(&[root.join("../dist/code.zip")]);
        std::fs::write(beside.join("code.zip"), "1").unwrap();
        assert!(is_noticed(&mut watcher, NOTICED_WITHIN).await);
    }
}
