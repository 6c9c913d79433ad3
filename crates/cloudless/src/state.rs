//! The folder that holds the state of a server.
//!
//! Lives here: opening it, and noticing that it is gone.
//! Does not live here: what is in it (`store`, `store_embedded`).

use std::error::Error;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;
use std::time::Duration;

use model::problem::Problem;
use store_embedded::sqlite::FILE_NAME;
use store_embedded::{OpenError, Options, Sqlite};

use crate::processors;

/// How often it is looked whether the state is still there.
const LOOK_AFTER_STATE_EVERY: Duration = Duration::from_secs(1);

/// Waits until the file that holds the state is removed or replaced while it is used.
pub(crate) async fn lost(folder: &Path) -> Box<Problem> {
    let file = folder.join(FILE_NAME);
    let inode = || std::fs::metadata(&file).map(|metadata| metadata.ino()).ok();
    let opened = inode();
    while inode() == opened {
        tokio::time::sleep(LOOK_AFTER_STATE_EVERY).await;
    }
    let title = format!("the state in `{}` was removed", folder.display());
    Box::new(
        Problem::error("server::state-removed", title)
            .because("what is written from now on would be lost when the server ends")
            .help("start again for a new state; stop the server before its folder is removed"),
    )
}

/// The state was opened, and cannot be read.
pub(crate) fn unreadable(error: &dyn Error) -> Box<Problem> {
    let problem = Problem::error("server::state", "the state cannot be read");
    Box::new(problem.because(error.to_string()))
}

/// Opens the state's folder; one that it makes is for this user alone, and git ignores it.
pub(crate) fn open(folder: &Path) -> Result<Sqlite, Box<Problem>> {
    const NOT_WRITABLE: &str =
        "make it a folder that you may write to, or name another: --state DIR";
    const IN_USE: &str = "only one `cloudless dev` can serve a project: stop the other, or give this one --state DIR";
    const FULL: &str = "the disk is full: make room on it and start again, nothing of the state is lost; or name another: --state DIR";
    let failed = |error: &dyn Error, help: &str| {
        let title = format!("the state in `{}` cannot be opened", folder.display());
        let cause = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        let problem = Problem::error("server::state", title).because(cause);
        Box::new(problem.help(help))
    };
    // Only in a folder of our own making: in any other, git would lose sight of somebody else's files.
    if !folder.exists() {
        // Items and functions' variables are in it: nobody else's to read.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .and_then(|()| std::fs::write(folder.join(".gitignore"), "*\n"))
            .map_err(|error| failed(&error, NOT_WRITABLE))?;
    }
    let options = Options {
        is_alone: || gateway::http::is_alone() && processors::is_idle(),
        may_flush: gateway::http::may_flush,
        ..Options::default()
    };
    Sqlite::open_with(folder, options).map_err(|error| {
        let help = match error {
            _ if error.is_full_disk() => FULL,
            OpenError::InUse { .. } => IN_USE,
            OpenError::Files { .. } => NOT_WRITABLE,
            OpenError::Database { .. } => {
                "if its data can go, remove the folder; or name another: --state DIR"
            }
            OpenError::UnsafeVersion { .. } => "use a build with the bundled SQLite",
            OpenError::Format { .. } => {
                "use the version that wrote it, or name another folder: --state DIR"
            }
        };
        failed(&error, help)
    })
}
