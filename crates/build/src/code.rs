//! Finds the code of an artefact, and the file of its handler.
//!
//! Lives here: folders, archives and inline text; whether the handler's file is there, and what may have been meant.
//! Does not live here: dependencies, interpreters; loading the handler (`runtimes`).

use std::fs;
use std::path::{Path, PathBuf};

use model::artefact::{Artefact, CodeSource};
use model::function::{Language, RuntimeName};
use model::problem::Problem;

use crate::archive::{self, ArchiveError};
use crate::cache::{Cache, Entry, key_of};

/// Extensions of files that Node's bootstrap loads, as the cloud's does.
const NODE_EXTENSIONS: [&str; 4] = ["js", "mjs", "cjs", ""];
const TYPESCRIPT_EXTENSIONS: [&str; 3] = ["ts", "mts", "cts"];

/// The folder of an artefact's code.
///
/// # Errors
/// A problem at the artefact's place: it is not there, or cannot be unpacked.
pub(crate) async fn root_of(
    project: &Path,
    artefact: &Artefact,
    language: Option<Language>,
    cache: &Cache,
) -> Result<PathBuf, Problem> {
    match &artefact.source {
        CodeSource::Folder(folder) | CodeSource::Compiled { folder, .. } => {
            folder_of(project, folder, artefact).map_err(|problem| *problem)
        }
        CodeSource::Archive(path) => {
            let archive = project.join(path);
            unpacked(&archive, cache).await.map_err(|error| {
                not_found(artefact, &format!("archive `{}`", path.display()))
                    .because(error.to_string())
            })
        }
        CodeSource::Package {
            archive, digest, ..
        } => package(archive, digest, cache).await.map_err(|error| {
            not_found(artefact, &format!("archive `{}`", archive.display()))
                .because(error.to_string())
        }),
        // Packages are installed (`public_layers`), and lie in no project.
        CodeSource::Packages { .. } => Err(not_found(artefact, "layer")),
        CodeSource::Inline(text) => inline(text, language, cache).await.map_err(|error| {
            Problem::error(
                "build::cache",
                format!("the code of `{}` cannot be written", artefact.name),
            )
            .at(&artefact.place)
            .because(error.to_string())
        }),
    }
}

/// A problem when the file that the handler names is not there; `dependencies` are searched too.
pub(crate) fn missing_handler(
    root: &Path,
    artefact: &Artefact,
    runtime: &RuntimeName,
    handler: &str,
    dependencies: &[PathBuf],
) -> Option<Problem> {
    let module = module_of(runtime.language, handler);
    if module.starts_with('/') {
        // In a layer, as `/opt/nodejs/wrapper.handler`: known only when all is laid together.
        return None;
    }
    let found =
        |folder: &Path| files_of(runtime.language, &module).any(|it| folder.join(it).is_file());
    if found(root) || dependencies.iter().any(|folder| found(folder)) {
        return None;
    }
    let title = format!(
        "there is no file for handler `{handler}` of `{}`",
        artefact.name
    );
    let problem = Problem::error("build::handler-missing", title).at(&artefact.place);
    if let Some(file) = typescript(root, runtime.language, &module) {
        return Some(
            problem
                .because(format!(
                    "`{file}` is TypeScript, and nothing in the manifest says that it is compiled"
                ))
                .help(
                    "in a SAM template, add `Metadata: {BuildMethod: esbuild}` to the function; or compile it and let the \
                     handler name the JavaScript file",
                ),
        );
    }
    let expected = files_of(runtime.language, &module)
        .next()
        .unwrap_or_default();
    let problem = problem.because(format!("`{expected}` is not in its code folder"));
    Some(match alike(root, Path::new(&expected)) {
        Some(other) => problem.help(format!("did you mean `{}`?", other.display())),
        None => {
            problem.help("the handler is written as `path/to/file.function`, from the code folder")
        }
    })
}

/// Whether the handler's file is there, in TypeScript: then it is nowhere else.
pub(crate) fn is_typescript(root: &Path, runtime: &RuntimeName, handler: &str) -> bool {
    let module = module_of(runtime.language, handler);
    typescript(root, runtime.language, &module).is_some()
}

fn typescript(root: &Path, language: Language, module: &str) -> Option<String> {
    let mut files = TYPESCRIPT_EXTENSIONS
        .iter()
        .map(|extension| format!("{module}.{extension}"));
    let found = files.find(|file| root.join(file).is_file());
    found.filter(|_| language == Language::Node)
}

fn folder_of(project: &Path, folder: &Path, artefact: &Artefact) -> Result<PathBuf, Box<Problem>> {
    let root = project.join(folder);
    // A `.` in the middle goes; links stay, so that what is below one is named as its author names it.
    let root: PathBuf = root.components().collect();
    let problem = not_found(artefact, &format!("folder `{}`", folder.display()));
    if root.is_dir() {
        return std::path::absolute(&root)
            .map_err(|error| Box::new(problem.because(error.to_string())));
    }
    let problem = problem.because("there is no such folder");
    Err(Box::new(match alike(project, folder) {
        Some(other) => problem.help(format!("did you mean `{}`?", other.display())),
        None => problem,
    }))
}

fn not_found(artefact: &Artefact, what: &str) -> Problem {
    let title = format!("{what} of `{}` cannot be used", artefact.name);
    Problem::error("build::code-missing", title).at(&artefact.place)
}

async fn unpacked(archive: &Path, cache: &Cache) -> Result<PathBuf, ArchiveError> {
    let archive = archive.to_owned();
    let read = tokio::task::spawn_blocking(move || archive::read(&archive));
    let bytes = read.await.map_err(std::io::Error::other)??;
    let draft = match cache.entry("archives", &key_of([bytes.as_slice()])).await? {
        Entry::Ready(folder) => return Ok(folder),
        Entry::Missing(draft) => draft,
    };
    let folder = draft.folder.clone();
    let unpacking = tokio::task::spawn_blocking(move || archive::unpack(&bytes, &folder));
    unpacking.await.map_err(std::io::Error::other)??;
    Ok(draft.finish()?)
}

/// The folder of an archive whose digest is known: it is not read again when it was unpacked before.
pub(crate) async fn package(
    archive: &Path,
    digest: &str,
    cache: &Cache,
) -> Result<PathBuf, ArchiveError> {
    let draft = match cache.entry("packages", digest).await? {
        Entry::Ready(folder) => return Ok(folder),
        Entry::Missing(draft) => draft,
    };
    let archive = archive.to_owned();
    let folder = draft.folder.clone();
    let unpacking =
        tokio::task::spawn_blocking(move || archive::unpack(&archive::read(&archive)?, &folder));
    unpacking.await.map_err(std::io::Error::other)??;
    Ok(draft.finish()?)
}

/// Contract: AWS CloudFormation, `AWS::Lambda::Function Code`, `ZipFile`: the file is called `index`.
async fn inline(text: &str, language: Option<Language>, cache: &Cache) -> std::io::Result<PathBuf> {
    let name = match language {
        Some(Language::Python) => "index.py",
        Some(Language::Node) | None => "index.js",
        // Text is no executable: the missing one is named later.
        Some(Language::Provided | Language::Go) => "index",
    };
    match cache
        .entry("inline", &key_of([name.as_bytes(), text.as_bytes()]))
        .await?
    {
        Entry::Ready(folder) => Ok(folder),
        Entry::Missing(draft) => {
            fs::write(draft.folder.join(name), text)?;
            draft.finish()
        }
    }
}

/// `src/pets.handler` is `src/pets`; Python takes dots for folders too, Node ends at the first dot of the name.
pub(crate) fn module_of(language: Language, handler: &str) -> String {
    match language {
        Language::Python => {
            let module = handler
                .rsplit_once('.')
                .map_or(handler, |(module, _)| module);
            module.replace('.', "/")
        }
        Language::Node => {
            let (folder, name) = match handler.rsplit_once('/') {
                Some((folder, name)) => (Some(folder), name),
                None => (None, handler),
            };
            let name = name.split('.').next().unwrap_or(name);
            folder.map_or_else(|| name.to_owned(), |folder| format!("{folder}/{name}"))
        }
        Language::Provided | Language::Go => handler.to_owned(),
    }
}

fn files_of(language: Language, module: &str) -> impl Iterator<Item = String> {
    let files = match language {
        Language::Python => vec![
            format!("{module}.py"),
            format!("{module}/__init__.py"),
            format!("{module}.pyc"),
        ],
        Language::Node => NODE_EXTENSIONS
            .iter()
            .map(|extension| match *extension {
                "" => module.to_owned(),
                extension => format!("{module}.{extension}"),
            })
            .collect(),
        Language::Provided | Language::Go => vec![module.to_owned()],
    };
    files.into_iter()
}

/// A path below `root` that differs from the wanted one in the case of letters only.
fn alike(root: &Path, wanted: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    for part in wanted.components() {
        let part = part.as_os_str().to_str()?;
        let entries = fs::read_dir(root.join(&found)).ok()?;
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let name = names
            .filter(|name| name.eq_ignore_ascii_case(part))
            .min_by_key(|name| name != part)?;
        found.push(name);
    }
    (found != wanted).then_some(found)
}

#[cfg(test)]
mod tests {
    use model::artefact::ArtefactKind;
    use model::ids::LogicalId;
    use model::problem::Place;

    use super::*;

    fn check(runtime: &str, handler: &str, files: &[&str], expected: Option<&str>) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let runtime = RuntimeName::parse(runtime).unwrap();
        let artefact = Artefact {
            logical_id: LogicalId::new("F"),
            name: "F".to_owned(),
            kind: ArtefactKind::Layer,
            source: CodeSource::Folder(PathBuf::from(".")),
            place: Place::start_of("serverless.yml"),
        };
        let problem = missing_handler(folder.path(), &artefact, &runtime, handler, &[]);
        assert_eq!(
            problem.and_then(|it| it.help).as_deref(),
            expected,
            "{handler}"
        );
    }

    #[test]
    fn handlers_are_found_as_the_cloud_finds_them() {
        check("python3.11", "src/pets.handler", &["src/pets.py"], None);
        check("python3.11", "src.pets.handler", &["src/pets.py"], None);
        check("python3.11", "app.handler", &["app/__init__.py"], None);
        check("nodejs20.x", "src/pets.handler", &["src/pets.mjs"], None);
        check("nodejs20.x", "src/pets.api.get", &["src/pets.js"], None);
        check("nodejs20.x", "./pets.get", &["pets.js"], None);
        check("nodejs20.x", "/opt/nodejs/wrap.get", &[], None);
    }

    #[test]
    fn a_letter_of_another_case_is_pointed_out() {
        check(
            "python3.11",
            "src/Pets.handler",
            &["src/pets.py"],
            Some("did you mean `src/pets.py`?"),
        );
    }

    #[test]
    fn typescript_is_named() {
        let help = "in a SAM template, add `Metadata: {BuildMethod: esbuild}` to the function; or compile it and let the \
                    handler name the JavaScript file";
        check(
            "nodejs20.x",
            "src/pets.handler",
            &["src/pets.ts"],
            Some(help),
        );
    }
}
