//! Which manifest a folder has.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use manifest::serverless_framework::FILE_NAMES;
use model::problem::Problem;

/// A project's folder and its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The folder, absolute.
    pub root: PathBuf,
    /// The manifest's file name in it.
    pub manifest: String,
    /// Who reads it.
    pub front_end: FrontEnd,
}

/// The tools whose manifests are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrontEnd {
    /// `serverless.yml`.
    ServerlessFramework,
    /// A SAM or CloudFormation template.
    CloudFormation,
}

const TEMPLATES: &[&str] = &["template.yaml", "template.yml", "template.json"];

/// Manifests of tools that are not read yet, and what they are called.
const NOT_YET: &[(&str, &str)] = &[
    ("wrangler.toml", "Cloudflare Workers"),
    ("wrangler.jsonc", "Cloudflare Workers"),
    ("wrangler.json", "Cloudflare Workers"),
    ("host.json", "Azure Functions"),
    ("cdk.json", "the AWS CDK"),
];

/// Entries of a folder that are looked through for what may have been meant.
const CANDIDATES_MAX: usize = 200;
/// Where a template says that it is one.
const BEGINNING_BYTES_MAX: u64 = 4 * 1024;

/// Finds the manifest of a folder, or takes the one that is named.
///
/// # Errors
/// A problem when there is none, or more than one.
pub fn locate(dir: &Path) -> Result<Located, Box<Problem>> {
    let dir = dir.canonicalize().map_err(|error| {
        Problem::error(
            "project::no-folder",
            format!("cannot open `{}`", dir.display()),
        )
        .because(error.to_string())
        .help("give the folder that holds serverless.yml or template.yaml")
    })?;
    if dir.is_file() {
        return named(&dir);
    }
    let found: Vec<(&str, FrontEnd)> = FILE_NAMES
        .iter()
        .map(|name| (*name, FrontEnd::ServerlessFramework))
        .chain(
            TEMPLATES
                .iter()
                .map(|name| (*name, FrontEnd::CloudFormation)),
        )
        .filter(|(name, _)| dir.join(name).is_file())
        .collect();
    match found.as_slice() {
        [(manifest, front_end)] => Ok(Located {
            manifest: (*manifest).to_owned(),
            front_end: *front_end,
            root: dir,
        }),
        [] => Err(Box::new(none(&dir))),
        [(first, _), ..] => {
            let names: Vec<String> = found.iter().map(|(name, _)| format!("`{name}`")).collect();
            let command = format!("cloudless dev {}", dir.join(first).display());
            let title = format!("this folder has several manifests: {}", names.join(", "));
            Err(Box::new(
                Problem::error("project::several-manifests", title)
                    .because("each describes an application of its own")
                    .help(format!("name the one that you mean: {command}")),
            ))
        }
    }
}

fn named(path: &Path) -> Result<Located, Box<Problem>> {
    let manifest = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let root = path.parent().unwrap_or(path).to_path_buf();
    if let Some((_, tool)) = NOT_YET.iter().find(|(name, _)| *name == manifest) {
        return Err(Box::new(not_yet(&manifest, tool)));
    }
    let is_serverless =
        FILE_NAMES.contains(&manifest.as_str()) || manifest.starts_with("serverless");
    let front_end = if is_serverless {
        FrontEnd::ServerlessFramework
    } else {
        FrontEnd::CloudFormation
    };
    Ok(Located {
        root,
        manifest,
        front_end,
    })
}

fn none(dir: &Path) -> Problem {
    if let Some((name, tool)) = NOT_YET.iter().find(|(name, _)| dir.join(name).is_file()) {
        return not_yet(name, tool);
    }
    let candidate = match candidate(dir) {
        Ok(candidate) => candidate,
        Err(error) => return unreadable(dir, &error),
    };
    Problem::error("project::no-manifest", format!("no manifest in `{}`", dir.display()))
        .because("a project is a folder with serverless.yml (Serverless Framework) or template.yaml (SAM, CloudFormation)")
        .help(match candidate {
            Some(path) => format!("name the one that you mean: cloudless dev {}", path.display()),
            None => "go to the project's folder, or name it: cloudless dev path/to/project".to_owned(),
        })
}

fn unreadable(dir: &Path, error: &io::Error) -> Problem {
    Problem::error(
        "project::no-folder",
        format!("cannot read `{}`", dir.display()),
    )
    .because(error.to_string())
    .help("let the user that runs `cloudless` read the folder, and what is in it")
}

/// What may have been meant by a folder without a manifest: a template of another name, or a project in a folder of it.
fn candidate(dir: &Path) -> io::Result<Option<PathBuf>> {
    let entries = std::fs::read_dir(dir)?.filter_map(Result::ok);
    let mut paths: Vec<PathBuf> = entries
        .take(CANDIDATES_MAX)
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let holds_manifest = |folder: &PathBuf| {
        let mut names = FILE_NAMES.iter().chain(TEMPLATES);
        names.any(|name| folder.join(name).is_file())
    };
    let mut by_likelihood = paths
        .iter()
        .filter(|path| is_template(path))
        .chain(paths.iter().filter(|path| holds_manifest(path)));
    Ok(by_likelihood.next().cloned())
}

/// Whether the file's beginning is that of a template.
fn is_template(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    if !["yaml", "yml", "json"].iter().any(|it| extension == *it) || !path.is_file() {
        return false;
    }
    let mut beginning = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(BEGINNING_BYTES_MAX).read_to_end(&mut beginning));
    read.is_ok() && String::from_utf8_lossy(&beginning).contains("AWSTemplateFormatVersion")
}

fn not_yet(manifest: &str, tool: &str) -> Problem {
    Problem::error(
        "project::front-end-not-implemented",
        format!("`{manifest}`: projects of {tool} are not implemented yet"),
    )
    .because("Serverless Framework, SAM and CloudFormation projects are")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[&str]) -> Result<(String, FrontEnd), &'static str> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        locate(folder.path())
            .map(|located| (located.manifest, located.front_end))
            .map_err(|problem| problem.code)
    }

    #[test]
    fn who_names_a_folder_without_a_manifest_is_told_what_may_be_meant() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let help = || locate(&root).unwrap_err().help.unwrap_or_default();
        let meant = |name: &str| {
            let path = root.join(name);
            format!(
                "name the one that you mean: cloudless dev {}",
                path.display()
            )
        };
        std::fs::write(root.join("values.yaml"), "a: b").unwrap();
        assert_eq!(
            help(),
            "go to the project's folder, or name it: cloudless dev path/to/project"
        );
        std::fs::create_dir(root.join("shop")).unwrap();
        std::fs::write(root.join("shop/serverless.yml"), "").unwrap();
        assert_eq!(help(), meant("shop"));
        let template = "AWSTemplateFormatVersion: '2010-09-09'";
        std::fs::write(root.join("stack.yaml"), template).unwrap();
        assert_eq!(help(), meant("stack.yaml"));
    }

    #[test]
    fn the_only_manifest_is_taken() {
        assert_eq!(
            check(&["serverless.yml", "a.js"]),
            Ok(("serverless.yml".to_owned(), FrontEnd::ServerlessFramework))
        );
        assert_eq!(
            check(&["serverless.mjs"]),
            Ok(("serverless.mjs".to_owned(), FrontEnd::ServerlessFramework))
        );
        assert_eq!(
            check(&["template.yaml"]),
            Ok(("template.yaml".to_owned(), FrontEnd::CloudFormation))
        );
    }

    #[test]
    fn no_manifest_or_several_are_told_apart() {
        assert_eq!(check(&["a.js"]), Err("project::no-manifest"));
        assert_eq!(
            check(&["serverless.yml", "template.yaml"]),
            Err("project::several-manifests")
        );
        assert_eq!(
            check(&["wrangler.toml"]),
            Err("project::front-end-not-implemented")
        );
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_not_called_empty() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.js");
        std::fs::write(&file, "").unwrap();
        for (dir, code) in [
            (folder.path(), "project::no-manifest"),
            // Not permitted is told in the same way; but whoever may do everything never meets it.
            (file.as_path(), "project::no-folder"),
        ] {
            assert_eq!(none(dir).code, code);
        }
        let denied = unreadable(folder.path(), &io::ErrorKind::PermissionDenied.into());
        assert_eq!(denied.cause.as_deref(), Some("permission denied"));
    }

    #[test]
    fn a_manifest_can_be_named() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["serverless.yml", "serverless.admin.yml", "pipeline.yaml"] {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        let front_end = |name: &str| locate(&folder.path().join(name)).unwrap().front_end;
        assert_eq!(
            front_end("serverless.admin.yml"),
            FrontEnd::ServerlessFramework
        );
        assert_eq!(front_end("pipeline.yaml"), FrontEnd::CloudFormation);
    }
}
