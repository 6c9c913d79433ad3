//! Which interpreter a runtime gets, on machines that have this and that.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use build::{Builder, BuilderConfig, Origin, Served, Silent};
use model::artefact::{Artefact, ArtefactKind, BuiltArtefacts, CodeSource};
use model::function::{Language, RuntimeName};
use model::ids::LogicalId;
use model::problem::{Place, Severity};

/// A machine with interpreters that know their version and nothing else.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new(binaries: &[(&str, &str)]) -> Self {
        let machine = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(machine.path("project")).unwrap();
        for (path, version) in binaries {
            machine.program(path, &format!("#!/bin/sh\necho {version}\necho \"$0\"\n"));
        }
        machine
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn program(&self, path: &str, script: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn builder(&self) -> Builder {
        let said = |path: &str| self.path(path).display().to_string();
        let environment = BTreeMap::from([
            ("PATH".to_owned(), said("bin")),
            ("HOME".to_owned(), said("home")),
        ]);
        let config = BuilderConfig::new(&self.path("cache"), &environment);
        Builder::new(config, Arc::new(Silent))
    }

    async fn serving(&self, runtime: &str) -> Served {
        self.builder()
            .serving(&RuntimeName::parse(runtime).unwrap())
            .await
    }

    fn artefact(&self, runtime: &str, handler: &str) -> Artefact {
        for name in ["app.py", "app.js"] {
            fs::write(self.path("project").join(name), "").unwrap();
        }
        Artefact {
            logical_id: LogicalId::new("F"),
            name: "F".to_owned(),
            kind: ArtefactKind::Function {
                runtime: RuntimeName::parse(runtime).unwrap(),
                runtime_place: Place::start_of("serverless.yml"),
                handler: handler.to_owned(),
            },
            source: CodeSource::Folder(PathBuf::from(".")),
            place: Place::start_of("serverless.yml"),
        }
    }

    async fn build(&self, builder: &Builder, runtime: &str) -> BuiltArtefacts {
        let artefact = self.artefact(runtime, "app.handler");
        builder.build(&self.path("project"), &[artefact]).await
    }
}

/// An npm that fetches a Node of the version that it is asked for, and keeps count.
const NPM: &str = r#"#!/bin/sh
echo "$@" >> "${0%/*}/npm.log"
while [ $# -gt 0 ]; do
  case "$1" in
    --prefix) folder=$2 ;;
    node-*@*) package=${1%@*} version=${1##*@} ;;
  esac
  shift
done
binary=$folder/node_modules/$package/bin/node
/bin/mkdir -p "${binary%/*}"
printf '#!/bin/sh\necho v%s.1.0\necho "$0"\n' "$version" > "$binary"
/bin/chmod +x "$binary"
"#;

#[tokio::test]
async fn interpreters_of_version_managers_serve_what_the_path_lacks() {
    let machine = Machine::new(&[
        ("bin/node", "v20.1.0"),
        ("home/.nvm/versions/node/v22.9.0/bin/node", "v22.9.0"),
        ("home/.nvm/versions/node/v22.10.0/bin/node", "v22.10.0"),
        (
            "home/.local/share/fnm/node-versions/v24.1.0/installation/bin/node",
            "v24.1.0",
        ),
        ("home/.volta/tools/image/node/18.2.0/bin/node", "v18.2.0"),
        ("home/.asdf/installs/nodejs/16.2.0/bin/node", "v16.2.0"),
        ("home/.pyenv/versions/3.12.1/bin/python3.12", "3.12.1"),
        (
            "home/.local/share/uv/python/cpython-3.13.2-linux-x86_64-gnu/bin/python3.13",
            "3.13.2",
        ),
    ]);
    for (runtime, version, origin) in [
        ("nodejs20.x", "20.1.0", Origin::SearchPath),
        ("nodejs22.x", "22.10.0", Origin::Manager("nvm")),
        ("nodejs24.x", "24.1.0", Origin::Manager("fnm")),
        ("nodejs18.x", "18.2.0", Origin::Manager("volta")),
        ("nodejs16.x", "16.2.0", Origin::Manager("asdf")),
        ("python3.12", "3.12.1", Origin::Manager("pyenv")),
        ("python3.13", "3.13.2", Origin::Manager("uv")),
    ] {
        let Served::Exactly(found) = machine.serving(runtime).await else {
            panic!("{runtime} is not served");
        };
        assert_eq!((found.version.as_str(), found.origin), (version, origin));
    }
}

#[tokio::test]
async fn a_missing_node_is_fetched_once_and_only_by_a_build() {
    let machine = Machine::new(&[("bin/node", "v20.1.0")]);
    machine.program("bin/npm", NPM);
    let builder = machine.builder();
    let artefact = machine.artefact("nodejs22.x", "app.handler");
    let checked = builder.check(&machine.path("project"), &[artefact]).await;
    assert_eq!(checked.problems, []);
    assert_eq!(
        checked.put_off.into_iter().collect::<Vec<_>>(),
        ["Node.js 22"]
    );
    assert!(!machine.path("bin/npm.log").exists());
    for _ in 0..2 {
        let built = machine.build(&machine.builder(), "nodejs22.x").await;
        assert_eq!(built.problems, []);
        let toolchain = built.built[&LogicalId::new("F")].toolchain.clone();
        assert_eq!(toolchain.unwrap().version, "22.1.0");
    }
    let log = fs::read_to_string(machine.path("bin/npm.log")).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    let Served::Exactly(found) = machine.serving("nodejs22.x").await else {
        panic!("it is in the cache");
    };
    assert_eq!(found.origin, Origin::Cache);
    let all = machine.builder().interpreters().await;
    assert!(all.iter().any(|it| it.version == "22.1.0"), "{all:?}");
}

#[tokio::test]
async fn without_a_network_the_nearest_node_runs_with_a_warning_and_npm_is_asked_once() {
    let machine = Machine::new(&[("bin/node", "v20.1.0"), ("bin/node24", "v24.1.0")]);
    let failing =
        "#!/bin/sh\necho x >> \"${0%/*}/npm.log\"\necho 'npm error network' >&2\nexit 1\n";
    machine.program("bin/npm", failing);
    let builder = machine.builder();
    for _ in 0..2 {
        let built = machine.build(&builder, "nodejs22.x").await;
        let [warning] = built.problems.as_slice() else {
            panic!("{:?}", built.problems);
        };
        assert_eq!(warning.code, "build::interpreter-nearest");
        assert_eq!(warning.severity, Severity::Warning);
        assert_eq!(warning.place, Some(Place::start_of("serverless.yml")));
        assert!(
            warning
                .cause
                .as_deref()
                .unwrap()
                .contains("npm error network")
        );
        assert!(warning.help.as_deref().unwrap().contains("network"));
        let toolchain = built.built[&LogicalId::new("F")].toolchain.clone();
        assert_eq!(toolchain.unwrap().version, "24.1.0");
    }
    let log = fs::read_to_string(machine.path("bin/npm.log")).unwrap();
    assert_eq!(log.lines().count(), 1);
}

#[tokio::test]
async fn retired_runtimes_run_on_the_nearest_newer_version_with_a_warning() {
    let machine = Machine::new(&[
        ("bin/node", "v12.1.0"),
        ("bin/node18", "v18.1.0"),
        ("bin/node22", "v22.1.0"),
        ("bin/python3.7", "3.7.1"),
        ("bin/python3.9", "3.9.1"),
        ("bin/python3.12", "3.12.1"),
    ]);
    machine.program("bin/npm", NPM);
    for (runtime, version) in [
        ("nodejs6.10", "18.1.0"),
        ("nodejs8.10", "18.1.0"),
        ("nodejs12.x", "18.1.0"),
        ("python3.6", "3.9.1"),
        ("python3.7", "3.9.1"),
    ] {
        let built = machine.build(&machine.builder(), runtime).await;
        let [warning] = built.problems.as_slice() else {
            panic!("{runtime}: {:?}", built.problems);
        };
        assert_eq!(warning.code, "build::interpreter-nearest");
        let toolchain = built.built[&LogicalId::new("F")].toolchain.clone();
        assert_eq!(toolchain.unwrap().version, version, "{runtime}");
    }
    assert!(!machine.path("bin/npm.log").exists());
}

#[tokio::test]
async fn the_nearest_newer_version_may_be_one_that_npm_brought() {
    let machine = Machine::new(&[("bin/node", "v20.1.0")]);
    machine.program("bin/npm", NPM);
    let version = async |runtime| {
        let built = machine.build(&machine.builder(), runtime).await;
        let toolchain = built.built[&LogicalId::new("F")].toolchain.clone();
        toolchain.unwrap().version
    };
    assert_eq!(version("nodejs14.x").await, "20.1.0");
    let brought = version("nodejs16.x").await;
    assert!(brought.starts_with("16."), "{brought}");
    assert_eq!(version("nodejs14.x").await, brought);
}

#[tokio::test]
async fn the_sdk_follows_the_runtime_of_the_manifest_and_not_the_interpreter() {
    let machine = Machine::new(&[("bin/node", "v20.1.0")]);
    machine.program("bin/npm", NPM);
    let artefact = machine.artefact("nodejs12.x", "app.handler");
    let source = "require('aws-sdk'); require('@aws-sdk/client-s3')";
    fs::write(machine.path("project/app.js"), source).unwrap();
    let checked = machine
        .builder()
        .check(&machine.path("project"), &[artefact])
        .await;
    let put_off: Vec<&str> = checked.put_off.iter().map(String::as_str).collect();
    assert_eq!(put_off, ["AWS SDK for JavaScript v2"]);
}

#[tokio::test]
async fn pythons_have_pip_or_not() {
    let machine = Machine::new(&[("bin/python3.11", "3.11.1")]);
    let builder = machine.builder();
    let [python] = builder.interpreters().await.try_into().unwrap();
    assert_eq!(python.language, Language::Python);
    assert!(builder.has_pip(&python).await);
    fs::write(machine.path("bin/python3.11"), "#!/bin/sh\nexit 1\n").unwrap();
    assert!(!builder.has_pip(&python).await);
}

#[tokio::test]
async fn functions_made_by_the_api_get_the_sdk_that_they_mention() {
    let machine = Machine::new(&[("bin/node", "v20.1.0")]);
    machine.program("bin/npm", NPM);
    fs::write(
        machine.path("app.mjs"),
        "import { SQSClient } from '@aws-sdk/client-sqs'",
    )
    .unwrap();
    let zipped = Command::new("python3")
        .args(["-m", "zipfile", "-c", "code.zip", "app.mjs"])
        .current_dir(machine.path(""))
        .status();
    assert!(zipped.unwrap().success());
    let artefact = Artefact {
        source: CodeSource::Package {
            archive: machine.path("code.zip"),
            digest: "0".repeat(64),
            dependency_paths: Vec::new(),
        },
        ..machine.artefact("nodejs20.x", "app.handler")
    };
    let checked = machine
        .builder()
        .check(&machine.path("project"), &[artefact])
        .await;
    let put_off: Vec<&str> = checked.put_off.iter().map(String::as_str).collect();
    assert_eq!(put_off, ["AWS SDK for JavaScript v3"]);
}
