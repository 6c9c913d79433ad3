//! Code made of sources, by bundlers that do as the test says and by the real Node.js and make of the machine.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use build::{Builder, BuilderConfig, Silent};
use model::artefact::{
    Artefact, ArtefactKind, BuiltArtefacts, CodeSource, Compiler, Recipe, Surroundings, When,
};
use model::function::RuntimeName;
use model::ids::LogicalId;
use model::problem::Place;
use serde_json::Value;

/// An esbuild that takes types away and cannot take `!!`, at its line and column.
const ESBUILD: &str = r#"
const fs = require('node:fs'), path = require('node:path');
exports.context = async (options) => ({ rebuild: async () => {
  const outputFiles = [];
  for (const [out, input] of Object.entries(options.entryPoints)) {
    const text = fs.readFileSync(path.join(options.absWorkingDir, input), 'utf8');
    text.split('\n').forEach((line, index) => {
      const column = line.indexOf('!!');
      if (column >= 0) {
        const location = { file: input, line: index + 1, column, length: 2, lineText: line };
        throw Object.assign(new Error('no'), { errors: [{ text: 'Unexpected "!!"', location }], warnings: [] });
      }
    });
    const code = `// ${options.target}\n${text.replaceAll(': string', '')}`;
    outputFiles.push({ path: path.join(options.outdir, out + '.js'), contents: Buffer.from(code) });
  }
  return { outputFiles, warnings: [] };
} });
"#;
/// A webpack that puts out what its configuration says.
const WEBPACK: &str = r#"
const fs = require('node:fs'), path = require('node:path');
module.exports = (config) => ({ run: (done) => {
  const assets = {};
  fs.mkdirSync(config.output.path, { recursive: true });
  for (const [name, input] of Object.entries(config.entry)) {
    const file = path.join(config.output.path, name + '.js');
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, `// ${config.stage}\n` + fs.readFileSync(path.join(config.context, input)));
    assets[name + '.js'] = true;
  }
  const compilation = { errors: [], warnings: [], assets, outputOptions: config.output };
  done(null, { compilation, hasErrors: () => false });
} });
"#;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (name, text) in files {
            bench.file(name, text);
        }
        bench
    }

    fn project(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("project")
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.folder.path().join("project").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn builder(&self) -> Builder {
        let environment = std::env::vars().collect::<BTreeMap<_, _>>();
        let cache = self.folder.path().join("cache");
        Builder::new(BuilderConfig::new(&cache, &environment), Arc::new(Silent))
    }
}

fn function(runtime: &str, handler: &str, compiler: Compiler, assets: &[&str]) -> Artefact {
    Artefact {
        logical_id: LogicalId::new(handler),
        name: handler.to_owned(),
        kind: ArtefactKind::Function {
            runtime: RuntimeName::parse(runtime).unwrap(),
            runtime_place: Place::start_of("serverless.yml"),
            handler: handler.to_owned(),
        },
        source: CodeSource::Compiled {
            folder: PathBuf::from("."),
            recipe: Recipe {
                compiler,
                when: When::Always,
                assets: assets.iter().map(|&pattern| pattern.to_owned()).collect(),
                surroundings: Surroundings(r#"{"stage": "test", "service": {}}"#.into()),
            },
        },
        place: Place::start_of("serverless.yml"),
    }
}

fn esbuild() -> Compiler {
    Compiler::Esbuild {
        inputs: Vec::new(),
        options: r#"{"target": "node20"}"#.to_owned(),
        plugins: None,
        exclude: Vec::new(),
    }
}

/// The runtime of the Node.js that the tests run on: nothing is fetched for them.
fn runtime() -> String {
    let node = std::process::Command::new("node").arg("--version").output();
    let version = String::from_utf8(node.unwrap().stdout).unwrap();
    let major = version.trim_start_matches('v').split('.').next().unwrap();
    format!("nodejs{major}.x")
}

fn root(built: &BuiltArtefacts, handler: &str) -> PathBuf {
    let found = built.built.get(&LogicalId::new(handler));
    let Some(found) = found else {
        panic!("{:?}", built.problems);
    };
    found.code_root.clone()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_is_named_at_its_place_and_the_code_of_before_goes_on() {
    let bench = Bench::new(&[
        ("node_modules/esbuild/index.js", ESBUILD),
        ("node_modules/esbuild/package.json", "{}"),
        ("src/a.ts", "exports.get = (name: string) => name;\n"),
        ("views/page.html", "<p>"),
        ("views/draft.html", "<p>"),
    ]);
    let builder = bench.builder();
    let assets = ["views/**", "!views/draft.html"];
    let all = [function(&runtime(), "src/a.get", esbuild(), &assets)];
    let first = builder.build(&bench.project(), &all).await;
    assert_eq!(first.problems, []);
    let before = root(&first, "src/a.get");
    let text = read(&before.join("src/a.js"));
    assert_eq!(text, "// node20\nexports.get = (name) => name;\n");
    assert!(before.join("views/page.html").is_file());
    assert!(!before.join("views/draft.html").exists());
    assert!(!before.starts_with(bench.project()));

    bench.file("src/a.ts", "const a = 1;\nconst b = !!;\n");
    let broken = builder.build(&bench.project(), &all).await;
    assert_eq!(broken.problems.len(), 1);
    let place = broken.problems[0].place.as_ref().unwrap();
    assert_eq!(place.to_string(), "src/a.ts:2:11");
    assert_eq!(broken.problems[0].title, "esbuild: Unexpected \"!!\"");
    assert_eq!(root(&broken, "src/a.get"), before);

    bench.file("src/a.ts", "exports.get = () => 2;\n");
    let mended = builder.build(&bench.project(), &all).await;
    assert_eq!(mended.problems, []);
    assert_ne!(root(&mended, "src/a.get"), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_function_changes_and_the_other_keeps_its_digest() {
    let bench = Bench::new(&[
        ("node_modules/esbuild/index.js", ESBUILD),
        ("node_modules/esbuild/package.json", "{}"),
        ("a.ts", "exports.get = 1\n"),
        ("b.ts", "exports.get = 1\n"),
    ]);
    let builder = bench.builder();
    let all = ["a.get", "b.get"].map(|name| function(&runtime(), name, esbuild(), &[]));
    let first = builder.build(&bench.project(), &all).await;
    bench.file("b.ts", "exports.get = 2\n");
    let second = builder.build(&bench.project(), &all).await;
    let digest = |built: &BuiltArtefacts, name| built.built[&LogicalId::new(name)].digest.clone();
    assert_eq!(digest(&first, "a.get"), digest(&second, "a.get"));
    assert_ne!(digest(&first, "b.get"), digest(&second, "b.get"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webpack_is_the_projects_own_with_the_entries_and_the_stage_of_its_plugin() {
    let config = "
        const slsw = require('serverless-webpack');
        console.log('what configurations print is no reply');
        module.exports = { entry: slsw.lib.entries, stage: slsw.lib.options.stage };";
    let bench = Bench::new(&[
        ("node_modules/webpack/index.js", WEBPACK),
        ("node_modules/webpack/package.json", "{}"),
        ("webpack.config.js", config),
        ("src/a.js", "exports.get = 1\n"),
    ]);
    let compiler = Compiler::Webpack {
        config: "webpack.config.js".to_owned(),
    };
    let all = [function(&runtime(), "src/a.get", compiler, &[])];
    let built = bench.builder().build(&bench.project(), &all).await;
    let text = read(&root(&built, "src/a.get").join("src/a.js"));
    assert_eq!(text, "// test\nexports.get = 1\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn make_writes_into_the_cache_and_never_into_the_project() {
    let makefile = "build-F:\n\ttouch here\n\tcp bootstrap $(ARTIFACTS_DIR)/\n\nfail:\n\tfalse\n";
    let bench = Bench::new(&[("Makefile", makefile), ("bootstrap", "#!/bin/sh\n")]);
    fs::set_permissions(
        bench.project().join("bootstrap"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let made = |target: &str| {
        let target = target.to_owned();
        function(
            "provided.al2023",
            "bootstrap",
            Compiler::Make { target },
            &[],
        )
    };
    let builder = bench.builder();
    let built = builder.build(&bench.project(), &[made("build-F")]).await;
    assert_eq!(built.problems, []);
    assert!(root(&built, "bootstrap").join("bootstrap").is_file());
    assert!(!bench.project().join("here").exists());
    let failed = builder.build(&bench.project(), &[made("fail")]).await;
    assert_eq!(failed.problems[0].title, "`make fail` failed");
    assert!(failed.built.is_empty());
    fs::remove_file(bench.project().join("Makefile")).unwrap();
    let without = builder.build(&bench.project(), &[made("build-F")]).await;
    let title = "`make build-F` cannot be run: the code folder has no `Makefile`";
    assert_eq!(without.problems[0].title, title);
}

/// A compiler of types that says where it looks for them, and a webpack that asks it.
const TYPESCRIPT: &str = "
    exports.version = '5.6.3';
    exports.parseJsonConfigFileContent = (json) => ({ options: { ...json } });";
const ASKING_WEBPACK: &str = r#"
const fs = require('node:fs'), path = require('node:path');
module.exports = (config) => ({ run: (done) => {
  const { options } = require('typescript').parseJsonConfigFileContent({ paths: { '@own/*': ['./own/*'] } }, {}, '/project');
  fs.mkdirSync(config.output.path, { recursive: true });
  fs.writeFileSync(path.join(config.output.path, 'a.js'), JSON.stringify(options));
  done(null, { compilation: { errors: [{ message: '[tsl] ERROR in /project/a.ts(4,8)\n      TS2307: Cannot find it.' }], warnings: [],
    assets: { 'a.js': true }, outputOptions: config.output }, hasErrors: () => false });
} });
"#;

#[test]
fn types_of_packages_that_are_not_beside_the_sources_are_found_too() {
    let bench = Bench::new(&[
        ("packages/webpack/index.js", ASKING_WEBPACK),
        ("packages/typescript/index.js", TYPESCRIPT),
        (
            "webpack.config.js",
            "module.exports = { entry: { a: './a.ts' } };",
        ),
    ]);
    let packages = bench.project().join("packages");
    let request = serde_json::json!({
        "tool": "webpack", "root": bench.project(), "out": bench.folder.path().join("out"), "packages": [packages],
        "entries": [{"id": "a", "inputs": {"a": "a.ts"}}], "assets": [], "config": "webpack.config.js",
    });
    let mut driver = Command::new("node")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/compile/driver.cjs"
        ))
        .env("NODE_PATH", &packages)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(driver.stdin.take().unwrap(), "{request}").unwrap();
    let said = driver.wait_with_output().unwrap().stdout;
    let reply: Value = serde_json::from_slice(said.get(1..).unwrap()).unwrap();
    assert_eq!(reply["problems"][0]["text"], "TS2307: Cannot find it.");
    assert_eq!(reply["problems"][0]["line"], 4);
    let folder = reply["entries"]["a"]["folder"].as_str().unwrap();
    let options: Value = serde_json::from_str(&read(&Path::new(folder).join("a.js"))).unwrap();
    let packages = packages.display();
    assert_eq!(options["paths"]["@own/*"][0], "./own/*");
    assert_eq!(options["paths"]["*"][1], format!("{packages}/*"));
    assert_eq!(options["paths"]["*"][2], format!("{packages}/@types/*"));
    assert_eq!(options["typeRoots"][1], format!("{packages}/@types"));
}
