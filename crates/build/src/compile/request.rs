//! What a compiler is asked, and what its words mean.
//!
//! Lives here: entries, requests, complaints as problems with file, line and column; all of it without I/O but looking for files.
//! Does not live here: asking (`session`).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use model::artefact::{Compiler, Recipe};
use model::function::Language;
use model::problem::{Place, Problem};
use serde_json::{Map, Value, json};

use crate::code;

/// What a handler's source may end in, those first that win.
const EXTENSIONS: [&str; 8] = ["ts", "mts", "cts", "tsx", "js", "jsx", "mjs", "cjs"];
/// Files that configure compilers, beside the one that the manifest names.
const CONFIGURATIONS: [&str; 7] = [
    "tsconfig.json",
    "package.json",
    ".babelrc",
    ".babelrc.json",
    ".babelrc.js",
    "babel.config.js",
    "babel.config.json",
];
/// How much of a compiler's last words is shown.
const LINES_SHOWN_MAX: usize = 12;

/// One function's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The same for functions of the same code.
    pub(super) id: String,
    /// Output, without its extension → input.
    inputs: Map<String, Value>,
}

/// The files that a handler's code begins with; none: there is no such file.
pub(super) fn entry(root: &Path, recipe: &Recipe, handler: &str) -> Option<Entry> {
    if let Compiler::Esbuild { inputs, .. } = &recipe.compiler
        && !inputs.is_empty()
    {
        return named(root, inputs);
    }
    let module = code::module_of(Language::Node, handler);
    let module = module.trim_start_matches("./").to_owned();
    let input = source_of(root, &module)?;
    Some(Entry {
        id: module.clone(),
        inputs: Map::from_iter([(module, Value::String(input))]),
    })
}

/// Files that are named, each put out where esbuild puts it: below the folder that all of them share.
fn named(root: &Path, inputs: &[String]) -> Option<Entry> {
    let mut found = Vec::new();
    for input in inputs {
        let input = input.trim_start_matches("./");
        let is_there = root.join(input).is_file();
        found.push(if is_there {
            input.to_owned()
        } else {
            source_of(root, input)?
        });
    }
    let folder_of = |file: &String| {
        Path::new(file)
            .parent()
            .map(Path::to_path_buf)
            .unwrap_or_default()
    };
    let mut shared = folder_of(found.first()?);
    while !found
        .iter()
        .all(|file| folder_of(file).starts_with(&shared))
    {
        shared.pop();
    }
    let inputs = found.iter().map(|file| {
        let below = Path::new(file)
            .strip_prefix(&shared)
            .unwrap_or(Path::new(file));
        let output = below.with_extension("").display().to_string();
        (output, Value::String(file.clone()))
    });
    Some(Entry {
        id: found.join(" "),
        inputs: inputs.collect(),
    })
}

fn source_of(root: &Path, module: &str) -> Option<String> {
    let files = EXTENSIONS
        .iter()
        .map(|extension| format!("{module}.{extension}"));
    files.into_iter().find(|file| root.join(file).is_file())
}

/// The request as the driver reads it.
pub(super) fn write<'e>(
    recipe: &Recipe,
    root: &Path,
    out: &Path,
    modules: &[PathBuf],
    entries: impl Iterator<Item = &'e Entry>,
) -> Value {
    let mut distinct: Vec<&Entry> = Vec::new();
    for entry in entries {
        if !distinct.contains(&entry) {
            distinct.push(entry);
        }
    }
    let entries: Vec<Value> = distinct
        .into_iter()
        .map(|entry| json!({"id": entry.id, "inputs": entry.inputs}))
        .collect();
    let surroundings: Value = serde_json::from_str(&recipe.surroundings.0).unwrap_or_default();
    let (tool, own) = match &recipe.compiler {
        Compiler::Esbuild {
            options,
            plugins,
            exclude,
            inputs: _,
        } => {
            let options: Value = serde_json::from_str(options).unwrap_or_default();
            let own = json!({"options": options, "plugins": plugins, "exclude": exclude});
            ("esbuild", own)
        }
        Compiler::Webpack { config } => ("webpack", json!({"config": config})),
        Compiler::TypeScript | Compiler::Make { .. } => ("typescript", json!({})),
    };
    let common = json!({
        "tool": tool,
        "root": root,
        "out": out,
        "packages": modules,
        "entries": entries,
        "assets": recipe.assets,
    });
    let mut request = Map::new();
    for part in [common, own, surroundings] {
        if let Value::Object(members) = part {
            request.extend(members);
        }
    }
    Value::Object(request)
}

/// What people call the tool.
pub(super) fn name_of(recipe: &Recipe) -> &'static str {
    match recipe.compiler {
        Compiler::Esbuild { .. } => "esbuild",
        Compiler::Webpack { .. } => "webpack",
        Compiler::TypeScript => "TypeScript",
        Compiler::Make { .. } => "make",
    }
}

/// The state of the files that configure a compiler.
pub(super) fn configuration_of(root: &Path, recipe: &Recipe) -> String {
    let own = match &recipe.compiler {
        Compiler::Esbuild { plugins, .. } => plugins.as_deref(),
        Compiler::Webpack { config } => Some(config.as_str()),
        Compiler::TypeScript | Compiler::Make { .. } => None,
    };
    let files = CONFIGURATIONS.iter().copied().chain(own);
    let state = files.map(|name| {
        let changed = fs::metadata(root.join(name))
            .and_then(|found| found.modified())
            .ok();
        let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        format!("{name} {}", changed.map_or(0, |time| time.as_nanos()))
    });
    state.collect::<Vec<_>>().join("\n")
}

/// The last lines of what a compiler said.
pub(super) fn short(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let shown = lines.get(..LINES_SHOWN_MAX.min(lines.len()));
    shown.unwrap_or_default().join("\n")
}

/// A complaint of a compiler.
pub(super) fn problem(complaint: &Value, below: &Path, tool: &str, place: &Place) -> Problem {
    let text = |key: &str| complaint.get(key).and_then(Value::as_str);
    let number = |key: &str| {
        let number = complaint.get(key).and_then(Value::as_u64);
        number
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| 0 < *number)
    };
    let said = text("text").unwrap_or_default();
    let first = said
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("it gives no reason");
    let title = format!("{tool}: {first}");
    let problem = if text("severity") == Some("warning") {
        Problem::warning("build::compile-warning", title)
    } else {
        Problem::error("build::compile", title)
    };
    let at = match text("file") {
        Some(file) => Place {
            file: below.join(file).display().to_string().into(),
            line: number("line").unwrap_or(1),
            column: number("column").unwrap_or(1),
            width: number("width").unwrap_or(1),
        },
        None => place.clone(),
    };
    let problem = problem.at(&at);
    let rest = short(said);
    let problem = if rest.trim() == first {
        problem
    } else {
        problem.because(rest)
    };
    match text("note") {
        Some(note) => problem.help(note),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use model::artefact::{Surroundings, When};

    use super::*;

    fn recipe(inputs: &[&str]) -> Recipe {
        Recipe {
            compiler: Compiler::Esbuild {
                inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
                options: "{}".to_owned(),
                plugins: None,
                exclude: Vec::new(),
            },
            when: When::Always,
            assets: Vec::new(),
            surroundings: Surroundings::default(),
        }
    }

    fn inputs(files: &[&str], named: &[&str], handler: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let entry = entry(folder.path(), &recipe(named), handler)?;
        Some(Value::Object(entry.inputs).to_string())
    }

    #[test]
    fn a_handler_begins_with_its_source_and_typescript_wins() {
        let found = inputs(&["src/pets.js", "src/pets.ts"], &[], "src/pets.get");
        assert_eq!(found.unwrap(), r#"{"src/pets":"src/pets.ts"}"#);
        assert_eq!(inputs(&["src/pets.ts"], &[], "src/cats.get"), None);
    }

    #[test]
    fn named_files_are_put_out_below_the_folder_that_they_share() {
        let one = inputs(&["src/app.ts"], &["src/app"], "app.handler");
        assert_eq!(one.unwrap(), r#"{"app":"src/app.ts"}"#);
        let two = inputs(
            &["src/a.ts", "src/in/b.js"],
            &["src/a.ts", "src/in/b.js"],
            "a.x",
        );
        assert_eq!(two.unwrap(), r#"{"a":"src/a.ts","in/b":"src/in/b.js"}"#);
    }

    #[test]
    fn a_complaint_stands_where_the_compiler_says() {
        let complaint = json!({"severity": "error", "text": "Expected \";\"", "file": "src/a.ts", "line": 3, "column": 7});
        let place = Place::start_of("serverless.yml");
        let told = problem(&complaint, Path::new("api"), "esbuild", &place);
        assert_eq!(told.place.unwrap().to_string(), "api/src/a.ts:3:7");
        assert_eq!(told.title, "esbuild: Expected \";\"");
    }
}
