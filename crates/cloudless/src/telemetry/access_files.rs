//! The access logs that APIs ask for, as files: `access-logs/API.log` in the state's folder.
//!
//! Lives here: the thread that writes them, and when a file is begun anew.
//! Does not live here: the lines (`gateway`), what is shown on the terminal (`console`).

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use model::ids::ApiId;

/// Lines that wait to be written; those beyond are not kept, since a request waits for no disk.
const LINES_WAITING_MAX: usize = 10_000;
/// A file that has grown so large is kept once, as `API.log.1`, and begun anew.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Files that are open at once; an application has fewer APIs.
const FILES_OPEN_MAX: usize = 256;

/// Takes lines and writes them in their order. What has come is written when it is dropped.
#[derive(Debug)]
pub(super) struct AccessFiles {
    lines: Option<SyncSender<(ApiId, String)>>,
    thread: Option<JoinHandle<()>>,
}

impl AccessFiles {
    /// Begins; the folder is made with the first line.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(folder: PathBuf) -> io::Result<Self> {
        let (lines, coming) = sync_channel(LINES_WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("access-logs".to_owned())
            .spawn(move || write_all(&folder, &coming))?;
        Ok(Self {
            lines: Some(lines),
            thread: Some(thread),
        })
    }

    /// Takes a line.
    pub(super) fn write(&self, api: ApiId, line: String) {
        if let Some(lines) = &self.lines {
            // A full queue loses the line: see `LINES_WAITING_MAX`.
            let _lost = lines.try_send((api, line));
        }
    }
}

impl Drop for AccessFiles {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn write_all(folder: &Path, coming: &Receiver<(ApiId, String)>) {
    let mut files: HashMap<ApiId, (File, u64)> = HashMap::new();
    for (api, line) in coming {
        if FILES_OPEN_MAX <= files.len() && !files.contains_key(&api) {
            files.clear();
        }
        if let Err(error) = write(folder, &mut files, &api, &line) {
            tracing::warn!(%api, %error, "could not write an access log");
            files.remove(&api);
        }
    }
}

fn write(
    folder: &Path,
    files: &mut HashMap<ApiId, (File, u64)>,
    api: &ApiId,
    line: &str,
) -> io::Result<()> {
    // Ids are letters and digits, and no paths.
    let path = folder.join(format!("{api}.log"));
    if files
        .get(api)
        .is_some_and(|(_, bytes)| FILE_BYTES_MAX <= *bytes)
    {
        files.remove(api);
        fs::rename(&path, folder.join(format!("{api}.log.1")))?;
    }
    if !files.contains_key(api) {
        fs::create_dir_all(folder)?;
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        files.insert(api.clone(), (file, bytes));
    }
    if let Some((file, bytes)) = files.get_mut(api) {
        let mut whole = line.to_owned();
        whole.push('\n');
        file.write_all(whole.as_bytes())?;
        *bytes += whole.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_in_order_and_a_large_file_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let api = ApiId::new("api");
        fs::create_dir_all(&logs).unwrap();
        let large = File::create(logs.join("other.log")).unwrap();
        large.set_len(FILE_BYTES_MAX).unwrap();
        let files = AccessFiles::start(logs.clone()).unwrap();
        for line in ["one", "two"] {
            files.write(api.clone(), line.to_owned());
            files.write(ApiId::new("other"), line.to_owned());
        }
        drop(files);
        let read = |name: &str| fs::read_to_string(logs.join(name)).unwrap();
        assert_eq!(read("api.log"), "one\ntwo\n");
        assert_eq!(read("other.log"), "two\n");
        assert!(read("other.log.1").ends_with("one\n"));
    }
}
