//! Where code may lie: in folders that are closed to others, and in repositories of several packages.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use model::function::Starts;
use serde_json::json;

use crate::harness::{Bench, Lang, function, interpreter, write};

const WAYS: [Starts; 2] = [Starts::Automatic, Starts::Spawned];

const PYTHON: &str = "import os, inner.other, packaged, layered, linked\ndef handler(event, context):\n    return [inner.other.name, packaged.name, layered.name, linked.name, open('/var/task/text').read(), os.getuid()]\n";
const NODE: &str = "const fs = require('fs');\nexports.handler = async () => [require('./inner/other').name, require('packaged').name, require('layered').name, require('./linked').name, fs.readFileSync('/var/task/text', 'utf8'), process.getuid()];\n";

/// Nobody but the owner may look at anything in it.
fn close(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            close(&entry.path());
        } else if kind.is_file() {
            fs::set_permissions(entry.path(), Permissions::from_mode(0o600)).unwrap();
        }
    }
    fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
}

fn runtime_of((interpreter, version): &(std::path::PathBuf, String), language: Lang) -> String {
    assert!(interpreter.is_absolute());
    match language {
        Lang::Python => format!("python{}", version.rsplit_once('.').unwrap().0),
        Lang::Node => format!("nodejs{}.x", version.split('.').next().unwrap()),
    }
}

/// A function whose code lies in this folder of a bench's.
fn bench(
    files: &[(&str, &str)],
    links: &[(&str, &str)],
    (code, language, starts): (&str, Lang, Starts),
) -> Bench {
    let folder = tempfile::tempdir_in(crate::harness::scratch()).unwrap();
    for (name, text) in files {
        write(&folder.path().join(name), text);
    }
    for (link, target) in links {
        let link = folder.path().join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, link).unwrap();
    }
    let found = interpreter(language);
    let name = runtime_of(&found, language);
    let mut function = function(folder.path().join(code), "app.handler", &name, found);
    function.starts = starts;
    Bench::of(folder, function)
}

#[tokio::test]
async fn a_project_that_is_closed_to_others_is_run_with_its_packages_and_layers() {
    let python = [
        ("task/app.py", PYTHON),
        ("task/inner/other.py", "name = 'other'\n"),
        ("task/text", "tea"),
        ("home/cache/packages/packaged.py", "name = 'packaged'\n"),
        ("layer/python/layered.py", "name = 'layered'\n"),
    ];
    let node = [
        ("task/app.js", NODE),
        ("task/inner/other.js", "exports.name = 'other';\n"),
        ("task/text", "tea"),
        (
            "home/cache/node_modules/packaged/index.js",
            "exports.name = 'packaged';\n",
        ),
        (
            "layer/nodejs/node_modules/layered/index.js",
            "exports.name = 'layered';\n",
        ),
    ];
    for starts in WAYS {
        for (language, files, packages, link) in [
            (
                Lang::Python,
                python,
                "home/cache/packages",
                ("task/linked.py", "inner/other.py"),
            ),
            (
                Lang::Node,
                node,
                "home/cache/node_modules",
                ("task/linked.js", "inner/other.js"),
            ),
        ] {
            let mut bench = bench(&files, &[link], ("task", language, starts));
            write(&bench.path("second/text"), "of a second layer");
            for folder in ["task", "home", "layer", "second"] {
                close(&bench.path(folder));
            }
            bench.function.toolchain.dependency_paths = vec![bench.path(packages)];
            bench.function.layers = vec![bench.path("layer"), bench.path("second")];
            let expected = json!(["other", "packaged", "layered", "other", "tea", 1000]);
            for _ in 0..2 {
                assert_eq!(
                    bench.returned("{}").await,
                    expected,
                    "{language:?} {starts:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_links_lead_to_in_the_repository_is_found_and_nothing_beside_it() {
    let python = "import os, shared.names\ndef handler(event, context):\n    return [shared.names.name, os.path.exists(os.path.realpath('shared') + '/../secret')]\n";
    let node = "const fs = require('fs'), path = require('path');\nexports.handler = async () => {\n  const tea = require('@shop/tea');\n  return [tea.name, fs.existsSync(path.join(fs.realpathSync('node_modules/@shop/tea'), '../secret'))];\n};\n";
    for starts in WAYS {
        let files = [
            (".git/HEAD", ""),
            ("packages/secret", ""),
            ("packages/shared/names.py", "name = 'shared'\n"),
            ("services/shop/app.py", python),
        ];
        let links = [("services/shop/shared", "../../packages/shared")];
        let mut in_python = bench(&files, &links, ("services/shop", Lang::Python, starts));
        close(&in_python.path("packages"));
        assert_eq!(in_python.returned("{}").await, json!(["shared", false]));
        // As pnpm lays packages out: all of them are links into one folder, also those of packages of one's own.
        let files = [
            ("pnpm-workspace.yaml", "packages: ['*/*']\n"),
            ("packages/secret", ""),
            (
                "packages/tea/index.js",
                "exports.name = require('leaf').name;\n",
            ),
            (
                "node_modules/.pnpm/leaf@1/node_modules/leaf/index.js",
                "exports.name = require('deep').name;\n",
            ),
            (
                "node_modules/.pnpm/deep@1/node_modules/deep/index.js",
                "exports.name = 'deep';\n",
            ),
            ("services/shop/app.js", node),
        ];
        let links = [
            (
                "services/shop/node_modules/@shop/tea",
                "../../../../packages/tea",
            ),
            (
                "packages/tea/node_modules/leaf",
                "../../../node_modules/.pnpm/leaf@1/node_modules/leaf",
            ),
            (
                "node_modules/.pnpm/leaf@1/node_modules/deep",
                "../../deep@1/node_modules/deep",
            ),
        ];
        let mut in_node = bench(&files, &links, ("services/shop", Lang::Node, starts));
        assert_eq!(in_node.returned("{}").await, json!(["deep", false]));
    }
}

#[tokio::test]
async fn packages_of_a_workspace_are_found_above_the_code_and_those_of_others_are_not() {
    let source = "const fs = require('fs'), path = require('path');\nexports.handler = async () => {\n  const top = path.join(process.cwd(), '../..');\n  return [require('tea').name, fs.existsSync(path.join(top, 'packages/other/index.js')), fs.existsSync(path.join(top, '.env')), fs.existsSync('/var/task/app.js')];\n};\n";
    let files = [
        (
            "package.json",
            "{\"workspaces\": [\"packages/*\", \"services/*\"]}",
        ),
        (".env", "SECRET=1"),
        ("services/shop/app.js", source),
        (
            "services/shop/package.json",
            "{\"dependencies\": {\"tea\": \"1\"}}",
        ),
        (
            "packages/tea/package.json",
            "{\"dependencies\": {\"leaf\": \"1\", \"cup\": \"1\"}}",
        ),
        (
            "packages/tea/index.js",
            "exports.name = require('leaf').name + require('cup').name;\n",
        ),
        ("packages/cup/index.js", "exports.name = ' in a cup';\n"),
        ("packages/other/index.js", ""),
        ("node_modules/leaf/index.js", "exports.name = 'leaf';\n"),
    ];
    let links = [
        ("node_modules/tea", "../packages/tea"),
        ("node_modules/cup", "../packages/cup"),
        ("node_modules/other", "../packages/other"),
    ];
    for starts in WAYS {
        let mut bench = bench(&files, &links, ("services/shop", Lang::Node, starts));
        let expected = json!(["leaf in a cup", false, false, true]);
        assert_eq!(bench.returned("{}").await, expected);
    }
}

#[tokio::test]
async fn a_link_out_of_the_repository_leads_nowhere() {
    let python = "import os\ndef handler(event, context):\n    return [os.path.lexists('outside'), os.path.exists('outside'), os.path.exists('hidden'), os.getcwd()]\n";
    let files = [
        ("outside", "secret"),
        ("repository/.git/HEAD", ""),
        ("repository/.cache/secret", "secret"),
        ("repository/task/app.py", python),
    ];
    let links = [
        ("repository/task/outside", "../../outside"),
        ("repository/task/hidden", "../.cache/secret"),
        ("repository/task/all", ".."),
    ];
    let mut bench = bench(
        &files,
        &links,
        ("repository/task", Lang::Python, Starts::Automatic),
    );
    let expected = json!([true, false, false, "/var/task"]);
    assert_eq!(bench.returned("{}").await, expected);
}
