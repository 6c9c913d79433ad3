//! What a function's code uses that lies beside it: packages of a repository with several.
//!
//! Lives here: which folders links lead to, and in which folders above Node.js finds packages.
//! Does not live here: what else is shown (`shown`).
//!
//! In such a repository packages are links to one another (`node_modules/tea` is `../../packages/tea`), or lie above all of
//! them. Whoever packages code for the cloud follows these links. Here code lies where it does on disk, so what they lead
//! to is shown there as well, and the code is run at its own place: from `/var/task` a link that climbs would lead
//! elsewhere.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use model::function::{Function, Language};

/// Folders that are shown besides the code's.
pub(super) const FOLDERS_MAX: usize = 200;
/// Names that are looked at for links.
const NAMES_MAX: usize = 20_000;
/// How deep below the code's folder links are looked for.
const DEPTH_MAX: usize = 6;
const PACKAGES: &str = "node_modules";
const PACKAGE: &str = "package.json";
/// What is at the top of a repository.
const TOPS: [&str; 5] = [
    ".git",
    ".hg",
    "pnpm-workspace.yaml",
    "lerna.json",
    "nx.json",
];

/// What lies beside a function's code, and is used by it.
pub(super) struct Beyond {
    /// The code's own folder, with no link on the way.
    pub(super) code: PathBuf,
    /// Folders and files. None lies in another, nor in the code's.
    pub(super) others: BTreeSet<PathBuf>,
    /// There are more.
    pub(super) is_cut_off: bool,
}

/// Nothing for code that uses only what is below its own folder.
pub(super) fn beyond(function: &Function) -> Option<Beyond> {
    let code = function.code_root.canonicalize().ok()?;
    let top = top_of(&code)?;
    let mut search = Search {
        top: &top,
        code: &code,
        names: 0,
        manifests: Vec::new(),
        waiting: VecDeque::new(),
        others: BTreeSet::new(),
    };
    search.links_below(&code, DEPTH_MAX);
    search.read_manifest(&code);
    let is_node = function.runtime.language == Language::Node;
    let above: Vec<PathBuf> = code
        .ancestors()
        .skip(1)
        .take_while(|folder| folder.starts_with(&top))
        .map(|folder| folder.join(PACKAGES))
        .filter(|folder| is_node && folder.is_dir())
        .collect();
    for folder in &above {
        search.others.insert(folder.clone());
    }
    loop {
        while let Some(next) = search.waiting.pop_front() {
            search.add(next);
        }
        for folder in &above {
            search.named_in(folder);
        }
        if search.waiting.is_empty() || FOLDERS_MAX < search.others.len() {
            break;
        }
    }
    let is_cut_off = FOLDERS_MAX < search.others.len() || NAMES_MAX < search.names;
    let all = search.others;
    let others: BTreeSet<PathBuf> = all
        .iter()
        .filter(|one| !one.ancestors().skip(1).any(|above| all.contains(above)))
        .cloned()
        .collect();
    (!others.is_empty()).then_some(Beyond {
        code,
        others,
        is_cut_off,
    })
}

/// The folder that a repository begins at. Nothing for code in one that is not the authors' own, as an unpacked archive in
/// a cache: what lies beside it belongs to others.
fn top_of(code: &Path) -> Option<PathBuf> {
    let is_top = |folder: &&Path| {
        TOPS.iter().any(|name| folder.join(name).exists())
            || fs::read_to_string(folder.join(PACKAGE))
                .is_ok_and(|text| text.contains("\"workspaces\""))
    };
    let top = code.ancestors().find(is_top)?;
    is_of_authors(code, top).then(|| top.to_owned())
}

fn is_of_authors(path: &Path, top: &Path) -> bool {
    let below = path.strip_prefix(top);
    below.is_ok_and(|below| {
        let mut names = below.iter();
        names.all(|name| !name.as_encoded_bytes().starts_with(b"."))
    })
}

struct Search<'a> {
    top: &'a Path,
    code: &'a Path,
    names: usize,
    manifests: Vec<String>,
    /// What links lead to.
    waiting: VecDeque<PathBuf>,
    others: BTreeSet<PathBuf>,
}

impl Search<'_> {
    /// Notes where links in this folder and those below lead.
    fn links_below(&mut self, folder: &Path, depth: usize) {
        let is_packages = |name: &std::ffi::OsStr| name == PACKAGES;
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            self.names += 1;
            if NAMES_MAX < self.names {
                return;
            }
            let (name, path) = (entry.file_name(), entry.path());
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let in_packages = folder.file_name().is_some_and(is_packages);
            let is_scope = name.as_encoded_bytes().starts_with(b"@");
            if kind.is_symlink() {
                self.follow(&path);
            } else if kind.is_dir()
                && 0 < depth
                && !name.as_encoded_bytes().starts_with(b".")
                && (!in_packages || is_scope)
            {
                self.links_below(&path, depth - 1);
            }
        }
    }

    /// Notes where a link leads, if that is to be shown.
    fn follow(&mut self, link: &Path) {
        // One that leads nowhere out here leads nowhere inside.
        let Ok(target) = link.canonicalize() else {
            return;
        };
        let is_beside = !target.starts_with(self.code) && !self.code.starts_with(&target);
        if !is_beside || !target.starts_with(self.top) || target == self.top {
            return;
        }
        // Packages that are kept together find one another there.
        let packages = target
            .ancestors()
            .filter(|it| it.ends_with(PACKAGES))
            .last();
        let shown = packages.map_or_else(|| target.clone(), Path::to_owned);
        if is_of_authors(&shown, self.top) && !self.others.contains(&shown) {
            self.waiting.push_back(shown);
        }
    }

    fn add(&mut self, path: PathBuf) {
        let is_packages = path.ends_with(PACKAGES);
        if FOLDERS_MAX < self.others.len() || !self.others.insert(path.clone()) {
            return;
        }
        if path.is_dir() && !is_packages {
            self.links_below(&path, DEPTH_MAX);
            self.read_manifest(&path);
        }
    }

    fn read_manifest(&mut self, folder: &Path) {
        if let Ok(text) = fs::read_to_string(folder.join(PACKAGE)) {
            self.manifests.push(text);
        }
    }

    /// Of packages above, those links that somebody's manifest names: all others are other people's.
    fn named_in(&mut self, packages: &Path) {
        let list = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
        let mut links = Vec::new();
        for entry in list(packages) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('@') {
                links.push((name, entry));
                continue;
            }
            for inner in list(&entry.path()) {
                let inner_name = inner.file_name();
                links.push((format!("{name}/{}", inner_name.to_string_lossy()), inner));
            }
        }
        for (name, entry) in links {
            let quoted = format!("\"{name}\"");
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if is_link && self.manifests.iter().any(|text| text.contains(&quoted)) {
                self.follow(&entry.path());
            }
        }
    }
}
