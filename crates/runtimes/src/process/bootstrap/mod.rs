//! The programs that run inside instances, carried in our binary and unpacked at the start.
//!
//! Lives here: the embedded files, where they are unpacked.
//! Does not live here: the environment in which they run (`environment`), the frames that they speak (`link`).

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use model::function::Language;

use super::ProcessRuntimeError;
use super::files::write_whole;

mod native;

type Embedded = (&'static str, &'static [u8]);

const PYTHON: &[Embedded] = &[
    ("cloudless_entry.so", native::ENTRY),
    ("__main__.py", include_bytes!("python/__main__.py")),
    (
        "_cloudless_context.py",
        include_bytes!("python/_cloudless_context.py"),
    ),
    (
        "_cloudless_endpoint.py",
        include_bytes!("python/_cloudless_endpoint.py"),
    ),
    (
        "_cloudless_fitness.py",
        include_bytes!("python/_cloudless_fitness.py"),
    ),
    (
        "_cloudless_fork.py",
        include_bytes!("python/_cloudless_fork.py"),
    ),
    (
        "_cloudless_fresh.py",
        include_bytes!("python/_cloudless_fresh.py"),
    ),
    (
        "_cloudless_frames.py",
        include_bytes!("python/_cloudless_frames.py"),
    ),
    (
        "_cloudless_json.py",
        include_bytes!("python/_cloudless_json.py"),
    ),
    (
        "_cloudless_logging.py",
        include_bytes!("python/_cloudless_logging.py"),
    ),
    (
        "_cloudless_zygote.py",
        include_bytes!("python/_cloudless_zygote.py"),
    ),
];

const NODE: &[Embedded] = &[
    ("cloudless.node", native::ADDON),
    ("main.cjs", include_bytes!("node/main.cjs")),
    ("channel.cjs", include_bytes!("node/channel.cjs")),
    ("errors.cjs", include_bytes!("node/errors.cjs")),
    ("fitness.cjs", include_bytes!("node/fitness.cjs")),
    ("fresh.cjs", include_bytes!("node/fresh.cjs")),
    ("instance.cjs", include_bytes!("node/instance.cjs")),
    ("invocation.cjs", include_bytes!("node/invocation.cjs")),
    ("loader.cjs", include_bytes!("node/loader.cjs")),
    ("logging.cjs", include_bytes!("node/logging.cjs")),
    ("modules.cjs", include_bytes!("node/modules.cjs")),
    ("sdk.cjs", include_bytes!("node/sdk.cjs")),
    ("streaming.cjs", include_bytes!("node/streaming.cjs")),
    ("warming.cjs", include_bytes!("node/warming.cjs")),
    ("zygote.cjs", include_bytes!("node/zygote.cjs")),
];

/// Where the bootstraps are.
pub(super) struct Bootstraps {
    python: PathBuf,
    node: PathBuf,
}

impl Bootstraps {
    /// Writes the bootstraps below `cache_dir`, in folders named after their content, so that two versions of the
    /// product never share one.
    pub(super) fn unpack(cache_dir: &Path) -> Result<Self, ProcessRuntimeError> {
        let cache_dir =
            std::path::absolute(cache_dir).map_err(|source| ProcessRuntimeError::Unpack {
                path: cache_dir.to_owned(),
                source,
            })?;
        Ok(Self {
            python: unpack_one(&cache_dir, "python", PYTHON)?,
            node: unpack_one(&cache_dir, "node", NODE)?,
        })
    }

    /// The folder of a language's bootstrap; none when the code brings its own.
    pub(super) fn folder(&self, language: Language) -> Option<&Path> {
        match language {
            Language::Python => Some(&self.python),
            Language::Node => Some(&self.node),
            Language::Provided | Language::Go => None,
        }
    }
}

/// Files that are there already are compared, not trusted: a folder half written by a process that was killed, or
/// edited by somebody, is put right.
fn unpack_one(
    cache_dir: &Path,
    language: &str,
    files: &[Embedded],
) -> Result<PathBuf, ProcessRuntimeError> {
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    let folder = cache_dir
        .join("bootstrap")
        .join(format!("{language}-{:016x}", hasher.finish()));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ProcessRuntimeError::Unpack { path, source }
    };
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    for (name, content) in files {
        let path = folder.join(name);
        // The addon is empty where it cannot be used: its absence says so.
        if content.is_empty() || fs::read(&path).is_ok_and(|found| found == *content) {
            continue;
        }
        write_whole(&path, content).map_err(failed(&path))?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_bootstrap_is_put_right_at_the_next_start() {
        let cache = tempfile::tempdir().unwrap();
        let first = Bootstraps::unpack(cache.path()).unwrap();
        let main = first.folder(Language::Node).unwrap().join("main.cjs");
        fs::write(&main, "damaged").unwrap();
        let second = Bootstraps::unpack(cache.path()).unwrap();
        assert_eq!(second.folder(Language::Node), first.folder(Language::Node));
        assert_eq!(
            fs::read_to_string(main).unwrap(),
            include_str!("node/main.cjs")
        );
    }
}
