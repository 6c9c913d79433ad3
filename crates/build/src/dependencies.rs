//! Installs what a project itself asks for, beside the project and never inside it.
//!
//! Lives here: `requirements.txt` and `package.json`, by content, into the cache; what to do with other manifests.
//! Does not live here: SDKs that the runtimes bring along (`sdk`).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use model::artefact::{Artefact, CodeSource};
use model::function::Language;
use model::problem::{Place, Problem};
use serde_json::Value;

use crate::cache::{Draft, Entry, key_of};
use crate::interpreters::Interpreter;
use crate::node;
use crate::requirements::{is_blank, local_content, read_requirements};
use crate::sdk::{self, Installer};
use crate::tool::Tool;

/// A larger manifest is not one.
const MANIFEST_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Lock files of large repositories have some ten megabytes.
const LOCK_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Other ways to say what a Python project needs, which are not read.
const OTHER_PYTHON_MANIFESTS: [&str; 4] = ["poetry.lock", "Pipfile", "uv.lock", "pyproject.toml"];

/// Versions that are a place beside the project's folder.
const LOCAL_PACKAGES: [&str; 4] = ["file:", "link:", "workspace:", "portal:"];

/// What a code folder needs besides itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dependencies {
    /// Folders of modules.
    pub(crate) paths: Vec<PathBuf>,
    /// Packages that are in them, by the manifest.
    pub(crate) named: BTreeSet<String>,
    pub(crate) problems: Vec<Problem>,
}

impl Dependencies {
    /// What code brings that is complete, as the API's is: nothing is installed for it.
    pub(crate) fn given(artefact: &Artefact) -> Option<Self> {
        let CodeSource::Package {
            dependency_paths, ..
        } = &artefact.source
        else {
            return None;
        };
        Some(Self {
            paths: dependency_paths.clone(),
            ..Self::default()
        })
    }

    fn failed(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
            ..Self::default()
        }
    }

    fn installed(path: PathBuf) -> Self {
        Self {
            paths: vec![path],
            ..Self::default()
        }
    }
}

/// Makes sure that the dependencies of a code folder are there.
pub(crate) async fn of_folder(
    installer: &Installer<'_>,
    project: &Path,
    root: &Path,
    language: Language,
    interpreter: &Interpreter,
    place: &Place,
) -> Dependencies {
    match language {
        Language::Python => of_python(installer, project, root, interpreter, place).await,
        Language::Node => {
            of_node(
                installer,
                project,
                root,
                interpreter,
                place,
                Wanted::Running,
            )
            .await
        }
        Language::Provided | Language::Go => Dependencies::default(),
    }
}

/// Makes sure that all packages are there with which a Node project is built: those that only its developers need, too.
pub(crate) async fn for_building(
    installer: &Installer<'_>,
    project: &Path,
    root: &Path,
    node: &Interpreter,
    place: &Place,
) -> Dependencies {
    of_node(installer, project, root, node, place, Wanted::Building).await
}

/// Whether the project's own manifest of packages names this one, for running or for building.
pub(crate) fn names(project: &Path, root: &Path, package: &str) -> bool {
    let file = nearest(project, root, "package.json");
    let names = file.and_then(|file| dependencies_of(&file, Wanted::Building).ok());
    names.is_some_and(|names| names.iter().any(|(name, _)| name == package))
}

/// Which packages of a `package.json` are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// `dependencies`.
    Running,
    /// `devDependencies` too.
    Building,
}

/// Whether the project names packages of this language for a code folder.
pub(crate) fn are_named(project: &Path, root: &Path, language: Language) -> bool {
    let manifest = match language {
        Language::Python => "requirements.txt",
        Language::Node => "package.json",
        // They are in the executable.
        Language::Provided | Language::Go => return false,
    };
    nearest(project, root, manifest).is_some()
}

/// Whether Node finds this package from a folder, as it looks for it.
pub(crate) fn is_in_node_modules(from: &Path, package: &str) -> bool {
    from.ancestors().any(|folder| {
        folder
            .join("node_modules")
            .join(package)
            .join("package.json")
            .is_file()
    })
}

async fn of_python(
    installer: &Installer<'_>,
    project: &Path,
    root: &Path,
    python: &Interpreter,
    place: &Place,
) -> Dependencies {
    let Some(file) = nearest(project, root, "requirements.txt") else {
        let other = OTHER_PYTHON_MANIFESTS.iter().find_map(|name| {
            nearest(project, root, name)
                .filter(|path| names_dependencies(path))
                .map(|_| name)
        });
        return other.map_or_else(Dependencies::default, |name| Dependencies {
            problems: vec![not_read(name, place)],
            ..Dependencies::default()
        });
    };
    let mut content = Vec::new();
    read_requirements(&file, &mut content);
    let has_any = content
        .iter()
        .any(|text| text.lines().any(|line| !is_blank(line)));
    if !has_any {
        return Dependencies::default();
    }
    let version = python.major_and_minor();
    let version = format!("{}.{}", version.0, version.1);
    let beside = local_content(&file, &content, installer.config);
    let parts = content.iter().chain(&beside).map(String::as_bytes);
    let key = key_of(parts.chain([version.as_bytes(), std::env::consts::ARCH.as_bytes()]));
    let what = display(project, &file);
    let result = install(installer, "python", &key, &what, place, |draft: &Draft| {
        let mut arguments = sdk::pip_arguments(&["--requirement"]);
        arguments.push(file.clone().into());
        arguments.push("--target".into());
        arguments.push(draft.folder.clone().into());
        // In its own folder: what it names by a relative path stands beside it.
        Order {
            program: python.path.clone(),
            arguments,
            directory: file.parent().unwrap_or(project).to_owned(),
            environment: installer.config.environment.clone(),
        }
    });
    result
        .await
        .map_or_else(Dependencies::failed, Dependencies::installed)
}

async fn of_node(
    installer: &Installer<'_>,
    project: &Path,
    root: &Path,
    node: &Interpreter,
    place: &Place,
    wanted: Wanted,
) -> Dependencies {
    let package = match Package::read(project, root, place, wanted) {
        Ok(Some(package)) => package,
        Ok(None) => return Dependencies::default(),
        Err(problem) => return Dependencies::failed(*problem),
    };
    let what = &package.what;
    let Some(npm) = node::npm(installer.config) else {
        return Dependencies::failed(sdk::npm_missing(&format!("`{what}`"), place));
    };
    let (program, mut arguments) = node::npm_by_its_own_node(npm);
    arguments.extend(match wanted {
        Wanted::Running => sdk::npm_arguments(package.command),
        Wanted::Building => sdk::npm_arguments_for_building(package.command),
    });
    let environment = with_first_on_path(&installer.config.environment, &node.path);
    let key = package.key(node, wanted);
    let order = |draft: &Draft| {
        for (name, bytes) in &package.files {
            // A file that cannot be written makes npm fail, and npm says so. An `.npmrc` may hold a token.
            let path = draft.folder.join(name);
            let made = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path);
            drop(made.and_then(|mut file| file.write_all(bytes)));
        }
        Order {
            program,
            arguments,
            directory: draft.folder.clone(),
            environment,
        }
    };
    match install(installer, "node-modules", &key, what, place, order).await {
        Ok(folder) => Dependencies {
            named: package.named,
            ..Dependencies::installed(folder.join("node_modules"))
        },
        Err(problem) => Dependencies::failed(problem),
    }
}

/// A `package.json` whose dependencies have to be installed.
struct Package {
    /// Its path, for people.
    what: String,
    /// It, its lock file and npm's settings.
    files: Vec<(&'static str, Vec<u8>)>,
    named: BTreeSet<String>,
    command: &'static str,
}

impl Package {
    /// None: there is nothing to install.
    fn read(
        project: &Path,
        root: &Path,
        place: &Place,
        wanted: Wanted,
    ) -> Result<Option<Self>, Box<Problem>> {
        let Some(file) = nearest(project, root, "package.json") else {
            return Ok(None);
        };
        let what = display(project, &file);
        let folder = file.parent().unwrap_or(project);
        let unreadable = |what: &str, reason: String| {
            let title = format!("`{what}` cannot be read");
            let problem = Problem::error("build::package-json", title);
            Box::new(problem.at(&Place::start_of(what)).because(reason))
        };
        let names = dependencies_of(&file, wanted).map_err(|reason| unreadable(&what, reason))?;
        if names
            .iter()
            .all(|(name, _)| is_in_node_modules(folder, name))
        {
            return Ok(None);
        }
        let is_local = |version: &str| LOCAL_PACKAGES.iter().any(|it| version.starts_with(it));
        if let Some((name, _)) = names.iter().find(|(_, version)| is_local(version)) {
            let title = format!("package `{name}` of `{what}` lies beside the project");
            let help = format!("run `npm install` in `{}`", display(project, folder));
            let problem = Problem::error("build::local-package", title);
            return Err(Box::new(problem.at(place).help(help)));
        }
        let read = |name: &'static str| {
            let file = folder.join(name);
            match read_bounded(&file, LOCK_BYTES_MAX) {
                Ok(bytes) => Ok(Some((name, bytes))),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(unreadable(&display(project, &file), error.to_string())),
            }
        };
        let lock = match read("package-lock.json")? {
            Some(lock) => Some(lock),
            None => read("npm-shrinkwrap.json")?,
        };
        let command = if lock.is_some() { "ci" } else { "install" };
        let files = [read("package.json")?, lock, read(".npmrc")?];
        Ok(Some(Self {
            what,
            files: files.into_iter().flatten().collect(),
            named: names.into_iter().map(|(name, _)| name).collect(),
            command,
        }))
    }

    fn key(&self, node: &Interpreter, wanted: Wanted) -> String {
        let (major, _) = node.major_and_minor();
        let major = major.to_string();
        let files = self.files.iter();
        let parts = files.flat_map(|(name, bytes)| [name.as_bytes(), bytes.as_slice()]);
        let machine = [major.as_bytes(), std::env::consts::ARCH.as_bytes()];
        let building = (wanted == Wanted::Building).then_some("building".as_bytes());
        key_of(parts.chain(machine).chain(building))
    }
}

/// The environment in which scripts of packages find the interpreter that will load what they compile.
fn with_first_on_path(
    environment: &BTreeMap<String, String>,
    interpreter: &Path,
) -> BTreeMap<String, String> {
    let mut environment = environment.clone();
    let path = environment.get("PATH").cloned().unwrap_or_default();
    let folder = interpreter.parent().map(Path::display);
    let joined = folder.map_or_else(|| path.clone(), |folder| format!("{folder}:{path}"));
    environment.insert("PATH".to_owned(), joined);
    environment
}

/// How a tool fills a draft.
struct Order {
    program: PathBuf,
    arguments: Vec<OsString>,
    directory: PathBuf,
    environment: BTreeMap<String, String>,
}

async fn install(
    installer: &Installer<'_>,
    kind: &str,
    key: &str,
    what: &str,
    place: &Place,
    order: impl FnOnce(&Draft) -> Order,
) -> Result<PathBuf, Problem> {
    let unwritable = |error: std::io::Error| {
        Problem::error(
            "build::cache",
            format!("the cache for `{what}` cannot be written"),
        )
        .at(place)
        .because(error.to_string())
    };
    if let Some(folder) = installer.cache.find(kind, key) {
        return Ok(folder);
    }
    let shown = format!("packages of {what}");
    if installer.only_notes(&shown) {
        return Ok(installer.cache.place(kind, key));
    }
    let draft = match installer.cache.entry(kind, key).await.map_err(unwritable)? {
        Entry::Ready(folder) => return Ok(folder),
        Entry::Missing(draft) => draft,
    };
    let order = order(&draft);
    installer.progress.started(&shown);
    let tool = Tool {
        program: &order.program,
        arguments: order.arguments,
        directory: &order.directory,
        environment: &order.environment,
        log: &draft.log,
    };
    let result = tool.run(&shown, installer.progress).await;
    installer.progress.finished(&shown);
    result.map_err(|error| sdk::failed(&format!("what `{what}` asks for"), &error, place))?;
    draft.finish().map_err(unwritable)
}

/// The file of this name in the code's folder or, failing that, above it as far as the project's folder.
fn nearest(project: &Path, root: &Path, name: &str) -> Option<PathBuf> {
    let is_inside = root.starts_with(project);
    let folders = root
        .ancestors()
        .take_while(|folder| folder.starts_with(project));
    let beside = (!is_inside).then_some(root);
    beside
        .into_iter()
        .chain(folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Names and versions of a manifest's dependencies.
fn dependencies_of(file: &Path, wanted: Wanted) -> Result<Vec<(String, String)>, String> {
    let text = read_text(file).map_err(|error| error.to_string())?;
    let manifest: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let sections: &[&str] = match wanted {
        Wanted::Running => &["dependencies"],
        Wanted::Building => &["dependencies", "devDependencies"],
    };
    let sections = sections.iter();
    let entries = sections
        .filter_map(|section| manifest.get(section).and_then(Value::as_object))
        .flatten();
    Ok(entries
        .map(|(name, version)| {
            (
                name.clone(),
                version.as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect())
}

/// A `pyproject.toml` may only configure tools; then nothing is missing.
fn names_dependencies(file: &Path) -> bool {
    if file
        .file_name()
        .is_some_and(|name| name != "pyproject.toml")
    {
        return true;
    }
    read_text(file).is_ok_and(|text| text.contains("dependencies"))
}

pub(crate) fn read_text(file: &Path) -> io::Result<String> {
    String::from_utf8(read_bounded(file, MANIFEST_BYTES_MAX)?).map_err(io::Error::other)
}

/// A file's bytes. Devices and pipes, which may have no end, are no manifests.
fn read_bounded(file: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(file)?
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)?;
    if bytes_max < bytes.len() as u64 {
        let what = format!("it is larger than {bytes_max} bytes");
        return Err(io::Error::other(what));
    }
    Ok(bytes)
}

fn not_read(name: &str, place: &Place) -> Problem {
    Problem::warning("build::other-manifest", format!("dependencies in `{name}` are not installed"))
        .at(place)
        .because("of the manifests of Python packages, only `requirements.txt` is read")
        .help("write a `requirements.txt` beside it (`poetry export`, `pipenv requirements`, `uv export`)")
}

fn display(project: &Path, file: &Path) -> String {
    file.strip_prefix(project)
        .unwrap_or(file)
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_without_end_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::start_of("serverless.yml");
        let package = || Package::read(folder.path(), folder.path(), &place, Wanted::Running);
        let grow = |name: &str, length: u64| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_len(length + 1).unwrap();
        };
        grow("package.json", MANIFEST_BYTES_MAX);
        let refused = package().err().unwrap();
        assert_eq!(refused.code, "build::package-json");
        assert!(refused.cause.unwrap().contains("larger than"));
        fs::write(
            folder.path().join("package.json"),
            r#"{"dependencies": {"a": "1"}}"#,
        )
        .unwrap();
        assert!(package().unwrap().is_some());
        grow("package-lock.json", LOCK_BYTES_MAX);
        assert!(package().err().unwrap().title.contains("package-lock.json"));
        grow("pyproject.toml", MANIFEST_BYTES_MAX);
        assert!(!names_dependencies(&folder.path().join("pyproject.toml")));
    }
}
