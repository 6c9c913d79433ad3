//! Whole builds, with tools that do as the test says, and with the real ones where that is what is promised.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use build::{Builder, BuilderConfig, Progress, Silent};
use model::artefact::{Artefact, ArtefactKind, Built, BuiltArtefacts, CodeSource};
use model::function::RuntimeName;
use model::ids::LogicalId;
use model::problem::{Place, Severity};

/// A Node that only knows its version.
const NODE_20: &str = "#!/bin/sh\necho v20.1.2\necho \"$0\"\n";
/// A Python that knows its version, and whose pip makes a module of each requirement.
const PYTHON_3_11: &str = r#"#!/bin/sh
if [ "$1" = -c ]; then echo 3.11.7; echo "$0"; exit 0; fi
echo "$@" >> "${0%/*}/pip.log"
while [ $# -gt 0 ]; do if [ "$1" = --target ]; then echo module > "$2/module.py"; fi; shift; done
"#;
/// An npm that makes an empty package.
const NPM: &str = r#"#!/bin/sh
echo "$@" >> "${0%/*}/npm.log"
/bin/mkdir -p node_modules/left-pad; echo '{}' > node_modules/left-pad/package.json
"#;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(tools: &[(&str, &str)], files: &[(&str, &str)]) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (name, script) in tools {
            bench.tool(name, script);
        }
        for (name, text) in files {
            bench.file(name, text);
        }
        bench
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn tool(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::create_dir_all(self.path("bin")).unwrap();
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.path("project").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn builder(&self) -> Builder {
        let path = self.path("bin").display().to_string();
        let environment = BTreeMap::from([("PATH".to_owned(), path)]);
        Builder::new(
            BuilderConfig::new(&self.path("cache"), &environment),
            Arc::new(Silent),
        )
    }

    async fn build(&self, runtime: &str, handler: &str) -> BuiltArtefacts {
        self.builder()
            .build(&self.path("project"), &[function(runtime, handler, ".")])
            .await
    }

    /// How often a tool was run.
    fn runs(&self, log: &str) -> usize {
        fs::read_to_string(self.path("bin").join(log))
            .unwrap_or_default()
            .lines()
            .count()
    }
}

fn runtime_place() -> Place {
    Place {
        line: 7,
        ..Place::start_of("serverless.yml")
    }
}

fn function(runtime: &str, handler: &str, folder: &str) -> Artefact {
    Artefact {
        logical_id: LogicalId::new("F"),
        name: "F".to_owned(),
        kind: ArtefactKind::Function {
            runtime: RuntimeName::parse(runtime).unwrap(),
            runtime_place: runtime_place(),
            handler: handler.to_owned(),
        },
        source: CodeSource::Folder(PathBuf::from(folder)),
        place: Place::start_of("serverless.yml"),
    }
}

fn only(built: &BuiltArtefacts) -> &Built {
    assert_eq!(built.problems, [], "no problem was expected");
    built.built.values().next().unwrap()
}

fn codes(built: &BuiltArtefacts) -> Vec<&'static str> {
    built.problems.iter().map(|problem| problem.code).collect()
}

#[tokio::test]
async fn a_function_without_dependencies_needs_an_interpreter_and_nothing_else() {
    let bench = Bench::new(
        &[("node", NODE_20), ("npm", NPM)],
        &[("handler.js", "exports.handler = 1")],
    );
    let built = bench.build("nodejs20.x", "handler.handler").await;
    let toolchain = only(&built).toolchain.as_ref().unwrap();
    assert_eq!(toolchain.interpreter, bench.path("bin/node"));
    assert_eq!(toolchain.version, "20.1.2");
    assert!(toolchain.sdk_paths.is_empty() && toolchain.dependency_paths.is_empty());
    assert_eq!(only(&built).code_root, bench.path("project"));
    assert_eq!(bench.runs("npm.log"), 0);
}

#[tokio::test]
async fn requirements_are_installed_once() {
    let bench = Bench::new(
        &[("python3.11", PYTHON_3_11)],
        &[("src/app.py", ""), ("requirements.txt", "left-pad==1\n")],
    );
    let artefacts = [function("python3.11", "app.handler", "src")];
    let first = bench
        .builder()
        .build(&bench.path("project"), &artefacts)
        .await;
    let paths = &only(&first).toolchain.as_ref().unwrap().dependency_paths;
    assert!(paths[0].join("module.py").is_file());
    let runs = bench.runs("pip.log");
    let second = bench
        .builder()
        .build(&bench.path("project"), &artefacts)
        .await;
    assert_eq!(only(&second), only(&first));
    assert_eq!(bench.runs("pip.log"), runs);
    bench.file("requirements.txt", "left-pad==2\n");
    bench
        .builder()
        .build(&bench.path("project"), &artefacts)
        .await;
    assert_eq!(bench.runs("pip.log"), runs + 1);
}

#[tokio::test]
async fn a_package_beside_the_project_is_installed_again_when_it_changes_and_only_then() {
    let bench = Bench::new(
        &[("python3.11", PYTHON_3_11)],
        &[
            ("app.py", ""),
            ("requirements.txt", "./shared\n"),
            ("shared/shared.py", "1"),
        ],
    );
    bench.build("python3.11", "app.handler").await;
    let runs = bench.runs("pip.log");
    bench.file("shared/build/lib/shared.py", "1");
    bench.file("shared/shared.egg-info/PKG-INFO", "1");
    bench.build("python3.11", "app.handler").await;
    assert_eq!(bench.runs("pip.log"), runs, "pip's own traces do not count");
    bench.file("shared/shared.py", "22");
    bench.build("python3.11", "app.handler").await;
    assert_eq!(bench.runs("pip.log"), runs + 1);
}

#[tokio::test]
async fn a_function_gets_the_sdk_whatever_functions_come_before_it() {
    let bench = Bench::new(
        &[("python3.11", PYTHON_3_11)],
        &[
            ("plain/app.py", ""),
            ("with/app.py", ""),
            ("with/requirements.txt", "brings-no-boto3-but-imports-it\n"),
        ],
    );
    let named = |name: &str, folder: &str| Artefact {
        logical_id: LogicalId::new(name),
        name: name.to_owned(),
        ..function("python3.11", "app.handler", folder)
    };
    let artefacts = [named("A", "plain"), named("B", "with")];
    let built = bench
        .builder()
        .build(&bench.path("project"), &artefacts)
        .await;
    assert_eq!(built.problems, []);
    let second = built.built[&LogicalId::new("B")].toolchain.as_ref();
    assert!(!second.unwrap().sdk_paths.is_empty());
}

#[tokio::test]
async fn packages_go_beside_the_project_and_not_into_it() {
    let manifest = r#"{"dependencies": {"left-pad": "1"}}"#;
    let bench = Bench::new(
        &[("node", NODE_20), ("npm", NPM)],
        &[
            ("h.js", ""),
            ("package.json", manifest),
            ("package-lock.json", "{}"),
        ],
    );
    let built = bench.build("nodejs20.x", "h.x").await;
    let paths = &only(&built).toolchain.as_ref().unwrap().dependency_paths;
    assert!(paths[0].ends_with("node_modules") && paths[0].join("left-pad").is_dir());
    assert!(!bench.path("project/node_modules").exists());
    let log = fs::read_to_string(bench.path("bin/npm.log")).unwrap();
    assert!(log.starts_with("ci "), "{log}");
}

#[tokio::test]
async fn packages_that_are_installed_already_are_used_as_they_are() {
    let manifest = r#"{"dependencies": {"left-pad": "1"}}"#;
    let bench = Bench::new(
        &[("node", NODE_20), ("npm", NPM)],
        &[
            ("h.js", ""),
            ("package.json", manifest),
            ("node_modules/left-pad/package.json", "{}"),
        ],
    );
    let built = bench.build("nodejs20.x", "h.x").await;
    assert!(
        only(&built)
            .toolchain
            .as_ref()
            .unwrap()
            .dependency_paths
            .is_empty()
    );
    assert_eq!(bench.runs("npm.log"), 0);
}

#[tokio::test]
async fn a_package_that_cannot_be_installed_is_named() {
    let failing = "#!/bin/sh\nif [ \"$1\" = -c ]; then echo 3.11.7; echo \"$0\"; exit 0; fi\n\
                   echo 'ERROR: No matching distribution found for nope==9' >&2; exit 1\n";
    let bench = Bench::new(
        &[("python3.11", failing)],
        &[("app.py", ""), ("requirements.txt", "nope==9")],
    );
    let built = bench.build("python3.11", "app.handler").await;
    assert_eq!(
        built.problems[0].title,
        "package `nope==9` could not be installed"
    );
    assert!(built.problems[0].because_contains("No matching distribution"));
    // What failed halfway is not taken for whole the next time.
    bench.tool("python3.11", PYTHON_3_11);
    let again = bench.build("python3.11", "app.handler").await;
    assert_eq!(
        only(&again)
            .toolchain
            .as_ref()
            .unwrap()
            .dependency_paths
            .len(),
        1
    );
}

trait Contains {
    fn because_contains(&self, text: &str) -> bool;
}

impl Contains for model::problem::Problem {
    fn because_contains(&self, text: &str) -> bool {
        self.cause
            .as_deref()
            .is_some_and(|cause| cause.contains(text))
    }
}

#[tokio::test]
async fn a_missing_pip_says_what_to_install() {
    let without = "#!/bin/sh\nif [ \"$1\" = -c ]; then echo 3.11.7; echo \"$0\"; exit 0; fi\n\
                   echo \"$0: No module named pip\" >&2; exit 1\n";
    let bench = Bench::new(
        &[("python3.11", without)],
        &[("app.py", ""), ("requirements.txt", "a==9")],
    );
    let built = bench.build("python3.11", "app.handler").await;
    assert!(
        built.problems[0]
            .help
            .as_deref()
            .unwrap()
            .contains("ensurepip")
    );
}

#[tokio::test]
async fn the_nearest_python_is_taken_with_a_warning() {
    let bench = Bench::new(&[("python3.11", PYTHON_3_11)], &[("app.py", "")]);
    let built = bench.build("python3.13", "app.handler").await;
    assert_eq!(codes(&built), ["build::interpreter-nearest"]);
    assert_eq!(built.problems[0].place, Some(runtime_place()));
    assert_eq!(built.problems[0].severity, Severity::Warning);
    assert_eq!(built.built.len(), 1);
}

/// The function's own Node.js may be older than the machine's npm takes.
#[tokio::test]
async fn npm_is_run_by_the_node_that_it_came_with() {
    let node =
        "#!/bin/sh\nif [ -f \"$1\" ]; then exec /bin/sh \"$@\"; fi\necho v20.1.2\necho \"$0\"\n";
    let older = "#!/bin/sh\nif [ -f \"$1\" ]; then exit 1; fi\necho v16.1.0\necho \"$0\"\n";
    let bench = Bench::new(
        &[("node", node), ("npm-cli.js", NPM), ("node16", older)],
        &[
            ("handler.js", ""),
            ("package.json", r#"{"dependencies": {"left-pad": "1"}}"#),
        ],
    );
    std::os::unix::fs::symlink("npm-cli.js", bench.path("bin/npm")).unwrap();
    let built = bench.build("nodejs16.x", "handler.handler").await;
    let toolchain = only(&built).toolchain.as_ref().unwrap();
    assert_eq!(toolchain.version, "16.1.0");
    assert_eq!(bench.runs("npm.log"), 1);
}

#[tokio::test]
async fn a_handler_in_typescript_is_expected_of_no_package() {
    let bench = Bench::new(
        &[("node", NODE_20), ("npm", NPM)],
        &[
            ("typed.ts", ""),
            ("package.json", r#"{"dependencies": {"left-pad": "1"}}"#),
        ],
    );
    for (handler, severity) in [
        ("typed.handler", Severity::Error),
        ("packaged.handler", Severity::Warning),
    ] {
        let artefact = function("nodejs20.x", handler, ".");
        let checked = bench
            .builder()
            .check(&bench.path("project"), &[artefact])
            .await;
        let found: Vec<_> = checked.problems.iter().map(|it| it.severity).collect();
        assert_eq!(found, [severity], "{handler}");
    }
}

#[tokio::test]
async fn without_any_interpreter_the_error_says_what_to_install() {
    let bench = Bench::new(&[], &[("app.py", ""), ("h.js", "")]);
    for (runtime, handler, help) in [
        ("python3.11", "app.h", "Python 3.11"),
        ("nodejs20.x", "h.x", "Node.js 20"),
    ] {
        let built = bench.build(runtime, handler).await;
        assert_eq!(codes(&built), ["build::interpreter-missing"]);
        assert!(built.problems[0].help.as_deref().unwrap().contains(help));
    }
}

#[tokio::test]
async fn a_missing_handler_or_folder_does_not_keep_others_from_being_built() {
    let bench = Bench::new(&[("node", NODE_20)], &[("src/h.js", "")]);
    let named = |id: &str, handler: &str, folder: &str| Artefact {
        logical_id: LogicalId::new(id),
        name: id.to_owned(),
        ..function("nodejs20.x", handler, folder)
    };
    let artefacts = [
        named("Good", "h.x", "src"),
        named("NoFile", "H.x", "src"),
        named("NoFolder", "h.x", "Src"),
    ];
    let built = bench
        .builder()
        .build(&bench.path("project"), &artefacts)
        .await;
    assert_eq!(
        codes(&built),
        ["build::code-missing", "build::handler-missing"]
    );
    let helps: Vec<_> = built
        .problems
        .iter()
        .filter_map(|it| it.help.as_deref())
        .collect();
    assert_eq!(helps, ["did you mean `src`?", "did you mean `h.js`?"]);
    assert_eq!(
        built
            .built
            .keys()
            .map(LogicalId::as_str)
            .collect::<Vec<_>>(),
        ["Good"]
    );
}

#[tokio::test]
async fn inline_code_becomes_a_file() {
    let bench = Bench::new(&[("node", NODE_20)], &[("x", "")]);
    let artefact = Artefact {
        source: CodeSource::Inline("exports.handler = 1".to_owned()),
        ..function("nodejs20.x", "index.handler", ".")
    };
    let built = bench
        .builder()
        .build(&bench.path("project"), &[artefact])
        .await;
    let text = fs::read_to_string(only(&built).code_root.join("index.js")).unwrap();
    assert_eq!(text, "exports.handler = 1");
}

#[tokio::test]
async fn the_digest_follows_the_code() {
    let bench = Bench::new(&[("node", NODE_20)], &[("h.js", "1")]);
    let digest = |built: &BuiltArtefacts| only(built).digest.clone();
    let first = digest(&bench.build("nodejs20.x", "h.x").await);
    assert_eq!(digest(&bench.build("nodejs20.x", "h.x").await), first);
    bench.file("h.js", "22");
    assert_ne!(digest(&bench.build("nodejs20.x", "h.x").await), first);
}

#[tokio::test]
async fn a_check_installs_nothing() {
    let bench = Bench::new(
        &[("node", NODE_20), ("npm", NPM)],
        &[
            ("h.js", "require('@aws-sdk/client-s3')"),
            ("package.json", r#"{"dependencies": {"left-pad": "1"}}"#),
        ],
    );
    let artefacts = [
        function("nodejs20.x", "h.x", "."),
        function("nodejs22.x", "h.x", "."),
    ];
    let built = bench
        .builder()
        .check(&bench.path("project"), &artefacts)
        .await;
    assert_eq!(built.problems, []);
    assert_eq!(bench.runs("npm.log"), 0);
}

#[tokio::test]
async fn a_check_only_warns_of_a_handler_that_a_package_may_bring() {
    let bench = Bench::new(
        &[("python3.11", PYTHON_3_11)],
        &[("app.py", ""), ("requirements.txt", "left-pad==1")],
    );
    let artefacts = [function("python3.11", "module.handler", ".")];
    let checked = bench
        .builder()
        .check(&bench.path("project"), &artefacts)
        .await;
    assert_eq!(checked.problems[0].severity, Severity::Warning);
    let built = bench
        .builder()
        .build(&bench.path("project"), &artefacts)
        .await;
    assert_eq!(only(&built).digest.len(), 32);
}

#[tokio::test]
async fn other_manifests_of_python_packages_are_named() {
    let bench = Bench::new(
        &[("python3.11", PYTHON_3_11)],
        &[("app.py", ""), ("Pipfile", "[packages]")],
    );
    assert_eq!(
        codes(&bench.build("python3.11", "app.handler").await),
        ["build::other-manifest"]
    );
}

/// Remembers what was said.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Progress for Recorder {
    fn started(&self, what: &str) {
        self.0.lock().unwrap().push(format!("started {what}"));
    }

    fn advanced(&self, _what: &str, _note: &str) {}

    fn finished(&self, what: &str) {
        self.0.lock().unwrap().push(format!("finished {what}"));
    }
}

fn real(cache: &Path, progress: Arc<dyn Progress>) -> Builder {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    Builder::new(BuilderConfig::new(cache, &environment), progress)
}

#[tokio::test]
async fn what_python_comes_with_is_installed_from_our_lock_file_by_the_real_pip() {
    let bench = Bench::new(
        &[],
        &[
            ("app.py", "import boto3, snapshot_restore_py"),
            ("requirements.txt", "iniconfig==2.0.0"),
        ],
    );
    let recorder = Arc::new(Recorder::default());
    let builder = real(&bench.path("cache"), Arc::clone(&recorder) as _);
    let built = builder
        .build(
            &bench.path("project"),
            &[function("python3.11", "app.handler", ".")],
        )
        .await;
    let built = built.built.values().next().unwrap();
    let toolchain = built.toolchain.as_ref().unwrap();
    for module in ["boto3/__init__.py", "snapshot_restore_py.py"] {
        assert!(toolchain.sdk_paths[0].join(module).is_file(), "{module}");
    }
    assert!(
        toolchain.dependency_paths[0]
            .join("iniconfig/__init__.py")
            .is_file()
    );
    assert_eq!(recorder.0.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn the_sdk_for_javascript_comes_from_our_lock_file_by_the_real_npm() {
    let bench = Bench::new(
        &[],
        &[(
            "h.js",
            "require('@aws-sdk/client-dynamodb'); require('@aws-sdk/client-sso')",
        )],
    );
    let builder = real(&bench.path("cache"), Arc::new(Silent));
    let built = builder
        .build(
            &bench.path("project"),
            &[function("nodejs20.x", "h.x", ".")],
        )
        .await;
    assert!(
        !model::problem::any_error(&built.problems),
        "{:?}",
        built.problems
    );
    let built = built.built.values().next().unwrap();
    let toolchain = built.toolchain.as_ref().unwrap();
    assert!(
        toolchain.sdk_paths[0]
            .join("@aws-sdk/client-dynamodb/package.json")
            .is_file()
    );
}

#[tokio::test]
async fn a_node_that_the_machine_lacks_comes_from_npm() {
    let bench = Bench::new(&[], &[("h.js", "")]);
    let builder = real(&bench.path("cache"), Arc::new(Silent));
    let built = builder
        .build(
            &bench.path("project"),
            &[function("nodejs22.x", "h.x", ".")],
        )
        .await;
    let toolchain = only(&built).toolchain.as_ref().unwrap();
    assert!(
        toolchain.version.starts_with("22."),
        "{}",
        toolchain.version
    );
}

#[tokio::test]
async fn an_executable_is_run_as_it_is_by_nothing_that_this_machine_must_have() {
    let bench = Bench::new(
        &[],
        &[("bootstrap", "#!/bin/sh\n"), ("requirements.txt", "x")],
    );
    let path = bench.path("project/bootstrap");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let built = bench.build("provided.al2023", "any").await;
    let found = only(&built);
    assert_eq!(found.code_root, bench.path("project"));
    let toolchain = found.toolchain.as_ref().unwrap();
    assert_eq!(toolchain.version, "al2023");
    assert!(toolchain.dependency_paths.is_empty());
    bench.file("bootstrap", "#!/bin/sh\nexit\n");
    let changed = bench.build("provided.al2023", "any").await;
    assert_ne!(only(&changed).digest, found.digest);
}

#[tokio::test]
async fn a_missing_executable_is_named_with_what_would_make_it() {
    for (runtime, file, help) in [
        ("provided.al2023", "Cargo.toml", "cargo lambda build"),
        ("provided.al2", "go.mod", "go build"),
        ("provided", "Makefile", "sam build"),
        ("go1.x", "readme", "put an executable"),
    ] {
        let bench = Bench::new(&[], &[(file, "")]);
        let built = bench.build(runtime, "main").await;
        assert_eq!(codes(&built), ["build::bootstrap-missing"]);
        assert!(built.built.is_empty());
        let found = built.problems[0].help.as_deref().unwrap();
        assert!(found.contains(help), "{found}");
    }
}

#[tokio::test]
async fn what_cargo_lambda_compiled_is_found_beside_its_sources() {
    let (one, other) = (
        "target/lambda/one/bootstrap",
        "target/lambda/other/bootstrap",
    );
    let bench = Bench::new(&[], &[("Cargo.toml", ""), (one, "#!/bin/sh\n")]);
    fs::set_permissions(
        bench.path("project").join(one),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    let built = bench.build("provided.al2023", "any").await;
    let found = only(&built);
    assert_eq!(found.code_root, bench.path("project/target/lambda/one"));
    bench.file(other, "#!/bin/sh\n");
    let built = bench.build("provided.al2023", "any").await;
    assert_eq!(codes(&built), ["build::bootstrap-missing"], "which of two?");
}

#[tokio::test]
async fn an_executable_that_nobody_may_execute_is_warned_of() {
    let bench = Bench::new(&[], &[("main", "#!/bin/sh\n")]);
    let built = bench.build("go1.x", "main").await;
    assert_eq!(codes(&built), ["build::bootstrap-not-executable"]);
    assert_eq!(built.built.len(), 1);
}

#[tokio::test]
async fn functions_of_one_folder_miss_its_executable_together() {
    let bench = Bench::new(&[], &[("code/notes", "")]);
    let named = |id: &str| Artefact {
        logical_id: LogicalId::new(id),
        name: id.to_owned(),
        ..function("provided.al2023", "any", "code")
    };
    let project = bench.path("project");
    let built = bench
        .builder()
        .build(&project, &[named("A"), named("B")])
        .await;
    assert_eq!(codes(&built), ["build::bootstrap-missing"]);
    assert_eq!(
        built.problems[0].title,
        "there is no executable for `A`, `B`"
    );
}

#[tokio::test]
async fn a_layer_may_bring_the_executable() {
    let bench = Bench::new(&[], &[("code/notes", ""), ("layer/bootstrap", "")]);
    let layer = Artefact {
        logical_id: LogicalId::new("L"),
        name: "L".to_owned(),
        kind: ArtefactKind::Layer,
        source: CodeSource::Folder(PathBuf::from("layer")),
        place: Place::start_of("serverless.yml"),
    };
    let artefacts = [function("provided.al2023", "any", "code"), layer];
    let project = bench.path("project");
    let built = bench.builder().build(&project, &artefacts).await;
    assert_eq!(codes(&built), ["build::bootstrap-missing"]);
    assert_eq!(built.problems[0].severity, Severity::Warning);
    assert_eq!(built.built.len(), 2);
}
