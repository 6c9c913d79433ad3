//! Code that a `Makefile` of the project makes, as `sam build` has it made.
//!
//! Lives here: a copy of the sources to run in, the target's environment, keeping what came of it.
//! Does not live here: what the target does.
//!
//! Contract: AWS SAM Developer Guide, "Building Lambda functions with custom runtimes": `BuildMethod: makefile`, `ARTIFACTS_DIR`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use model::problem::{Place, Problem};

use super::{Group, Made, aside};
use crate::cache::{Entry, key_of};
use crate::dependencies::Dependencies;
use crate::sdk::Installer;
use crate::tool::Tool;
use crate::{digest, scan, sdk};

/// Outputs of one target that are kept: instances of earlier ones may still load from them.
const KEPT_MAX: usize = 8;
const MAKEFILE: &str = "Makefile";
const OUTPUT: &str = "artifacts";
const SOURCES: &str = "sources";

pub(super) async fn run(
    group: &Group<'_>,
    target: &str,
    problems: &mut Vec<Problem>,
) -> BTreeMap<usize, Made> {
    match made(group, target).await {
        Ok(Some(root)) => {
            let made = |index: &usize| {
                let made = Made {
                    root: root.clone(),
                    dependencies: Dependencies::default(),
                };
                (*index, made)
            };
            group.members.iter().map(|(index, _)| made(index)).collect()
        }
        Ok(None) => BTreeMap::new(),
        Err(problem) => {
            problems.push(*problem);
            BTreeMap::new()
        }
    }
}

fn has_makefile(root: &Path, target: &str, place: &Place) -> Result<(), Box<Problem>> {
    if root.join(MAKEFILE).is_file() {
        return Ok(());
    }
    let title = format!("`make {target}` cannot be run: the code folder has no `{MAKEFILE}`");
    let problem = Problem::error("build::compile", title).at(place);
    Err(Box::new(
        problem.help(format!("add one, with a target `{target}`")),
    ))
}

/// None: nothing may be made now.
async fn made(group: &Group<'_>, target: &str) -> Result<Option<PathBuf>, Box<Problem>> {
    let installer = group.installer;
    let Some(place) = group.members.first().map(|(_, first)| &first.place) else {
        return Ok(None);
    };
    let failed = |error: &io::Error| {
        let problem = Problem::error(
            "build::cache",
            format!("the output of `make {target}` cannot be written"),
        );
        Box::new(problem.at(place).because(error.to_string()))
    };
    let root = group.root.display().to_string();
    let kind = format!("made/{}", key_of([root.as_bytes(), target.as_bytes()]));
    let (sources_of, left_out) = (group.root.to_owned(), installer.config.left_out.clone());
    let state = aside(move || Ok(digest::of_folder(&sources_of, &left_out))).await;
    let state = state.map_err(|error| failed(&error))?;
    let key = key_of([state.as_bytes()]);
    if let Some(folder) = installer.cache.find(&kind, &key) {
        return Ok(Some(folder.join(OUTPUT)));
    }
    let what = format!("make {target}");
    has_makefile(group.root, target, place)?;
    if installer.only_notes(&what) {
        return Ok(None);
    }
    let program = program(installer, target, place)?;
    let entry = installer.cache.entry(&kind, &key).await;
    let draft = match entry.map_err(|error| failed(&error))? {
        Entry::Ready(folder) => return Ok(Some(folder.join(OUTPUT))),
        Entry::Missing(draft) => draft,
    };
    let (sources, output) = (draft.folder.join(SOURCES), draft.folder.join(OUTPUT));
    let (from, to, artifacts) = (group.root.to_owned(), sources.clone(), output.clone());
    let copied = aside(move || copy(&from, &to).and_then(|()| fs::create_dir(artifacts))).await;
    copied.map_err(|error| failed(&error))?;
    let mut environment = installer.config.environment.clone();
    environment.insert("ARTIFACTS_DIR".to_owned(), output.display().to_string());
    installer.progress.started(&what);
    let tool = Tool {
        program: &program,
        arguments: vec![target.into()],
        directory: &sources,
        environment: &environment,
        log: &draft.log,
    };
    let result = tool.run(&what, installer.progress).await;
    installer.progress.finished(&what);
    result.map_err(|error| {
        let mut problem = sdk::failed(&format!("what `{what}` makes"), &error, place);
        problem.code = "build::compile";
        problem.title = format!("`{what}` failed");
        Box::new(problem)
    })?;
    let removed = aside(move || fs::remove_dir_all(sources)).await;
    removed.map_err(|error| failed(&error))?;
    let folder = draft.finish().map_err(|error| failed(&error))?;
    prune(&installer.cache.entries(&kind), &folder);
    Ok(Some(folder.join(OUTPUT)))
}

fn program(
    installer: &Installer<'_>,
    target: &str,
    place: &Place,
) -> Result<PathBuf, Box<Problem>> {
    let folders = installer.config.search_path.iter();
    let found = folders
        .map(|folder| folder.join("make"))
        .find(|path| path.is_file());
    found.ok_or_else(|| {
        let problem = Problem::error(
            "build::tool-missing",
            format!("`make {target}` cannot be run: there is no `make` on PATH"),
        );
        Box::new(problem.at(place).help("install make"))
    })
}

/// The project's own files; its packages as they lie, since they are not changed.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut failed = None;
    fs::create_dir(to)?;
    scan::walk(from, &mut |path, metadata| {
        let target = to.join(path.strip_prefix(from).unwrap_or(path));
        let copied = fs::create_dir_all(target.parent().unwrap_or(to)).and_then(|()| {
            if metadata.is_symlink() {
                symlink(fs::read_link(path)?, &target)
            } else {
                fs::copy(path, &target).map(drop)
            }
        });
        if let Err(error) = copied {
            failed.get_or_insert(error);
        }
    });
    let packages = from.join("node_modules");
    if packages.is_dir() {
        symlink(packages, to.join("node_modules"))?;
    }
    failed.map_or(Ok(()), Err)
}

fn prune(entries: &[PathBuf], newest: &Path) {
    let changed = |path: &PathBuf| fs::metadata(path).and_then(|found| found.modified()).ok();
    let mut others: Vec<&PathBuf> = entries.iter().filter(|path| *path != newest).collect();
    others.sort_by_key(|path| std::cmp::Reverse(changed(path)));
    for old in others.into_iter().skip(KEPT_MAX - 1) {
        // What cannot be removed now is tried for the next time.
        let _ = fs::remove_dir_all(old);
    }
}
