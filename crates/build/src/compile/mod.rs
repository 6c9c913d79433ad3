//! Makes code of sources: with esbuild, with the project's own webpack or TypeScript, or by its `Makefile`.
//!
//! Lives here: which functions are compiled at once, which packages the compiler gets, what its complaints mean.
//! Does not live here: which compiler a function wants (`manifest`), talking with it (`session`), calling tools in JavaScript
//! (`driver.cjs`), `make` (`make`), how much stays in the cache (`kept`).
//!
//! All output goes into the cache, one folder for each content; the project is never written.

mod kept;
mod make;
mod request;
mod session;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use model::artefact::{Artefact, ArtefactKind, CodeSource, Compiler, Recipe, When};
use model::function::{Language, RuntimeName};
use model::problem::{Place, Problem};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::cache::key_of;
use crate::dependencies::{self, Dependencies};
use crate::interpreters::Interpreter;
use crate::sdk::Installer;
use crate::{code, node};
use session::Start;

pub(crate) use session::Sessions;

/// What the folder of compiled code is called in the cache.
const COMPILED: &str = "compiled";
/// Complaints of one compilation that are told.
const PROBLEMS_MAX: usize = 50;

/// Compiled code of one artefact.
pub(crate) struct Made {
    /// The folder of the code.
    pub(crate) root: PathBuf,
    /// What it finds besides.
    pub(crate) dependencies: Dependencies,
}

/// Compiles what wants to be compiled: made code by the artefact's place in the list.
pub(crate) async fn all(
    installer: &Installer<'_>,
    sessions: &Mutex<Sessions>,
    project: &Path,
    artefacts: &[Artefact],
    roots: &[Option<PathBuf>],
    problems: &mut Vec<Problem>,
) -> BTreeMap<usize, Made> {
    let mut groups: BTreeMap<(&Path, &Recipe), Vec<usize>> = BTreeMap::new();
    for (index, artefact) in artefacts.iter().enumerate() {
        let root = roots.get(index).and_then(Option::as_deref);
        if let (CodeSource::Compiled { recipe, .. }, Some(root)) = (&artefact.source, root)
            && is_wanted(artefact, root)
        {
            groups.entry((root, recipe)).or_default().push(index);
        }
    }
    let mut made = BTreeMap::new();
    for ((root, recipe), members) in groups {
        let members: Vec<(usize, &Artefact)> = members
            .into_iter()
            .filter_map(|index| Some((index, artefacts.get(index)?)))
            .collect();
        let group = Group {
            installer,
            project,
            root,
            recipe,
            members: &members,
        };
        match &recipe.compiler {
            Compiler::Make { target } => made.extend(make::run(&group, target, problems).await),
            Compiler::Esbuild { .. } | Compiler::Webpack { .. } | Compiler::TypeScript => {
                made.extend(group.compiled(sessions, problems).await);
            }
        }
    }
    made
}

/// Whether an artefact's code is compiled, and does not run as it lies.
pub(crate) fn is_wanted(artefact: &Artefact, root: &Path) -> bool {
    let CodeSource::Compiled { recipe, .. } = &artefact.source else {
        return false;
    };
    match (recipe.when, &artefact.kind) {
        (When::Always, _) => true,
        (When::OfTypeScript, ArtefactKind::Layer) => false,
        (
            When::OfTypeScript,
            ArtefactKind::Function {
                runtime, handler, ..
            },
        ) => {
            code::is_typescript(root, runtime, handler)
                && code::missing_handler(root, artefact, runtime, handler, &[]).is_some()
        }
    }
}

/// Artefacts of one folder and one recipe.
struct Group<'a> {
    installer: &'a Installer<'a>,
    project: &'a Path,
    root: &'a Path,
    recipe: &'a Recipe,
    members: &'a [(usize, &'a Artefact)],
}

/// What one compilation is given.
struct Tools {
    node: Interpreter,
    /// Packages that are not in the project's folder.
    installed: Dependencies,
    /// Folders of modules that the compiler itself may come from.
    modules: Vec<PathBuf>,
}

impl Group<'_> {
    async fn compiled(
        &self,
        sessions: &Mutex<Sessions>,
        problems: &mut Vec<Problem>,
    ) -> BTreeMap<usize, Made> {
        let Some(place) = self.members.first().map(|(_, first)| &first.place) else {
            return BTreeMap::new();
        };
        let entries = self.entries(problems);
        if entries.is_empty() {
            return BTreeMap::new();
        }
        let (recipe, warning) = self.recipe_here(place);
        problems.extend(warning);
        let tools = match self.tools(&recipe, place, Packages::ToRun).await {
            Ok(tools) => tools,
            Err(problem) => {
                problems.push(problem);
                return BTreeMap::new();
            }
        };
        let mut reply = self.ask(sessions, &recipe, &tools, &entries).await;
        let mut tools = tools;
        if self.wants_more(&reply) {
            // Packages that are bundled are often listed among those that only developers need.
            match self.tools(&recipe, place, Packages::ToBuild).await {
                Ok(more) if more.modules != tools.modules => {
                    sessions.lock().await.end(&self.key(&recipe, &tools));
                    reply = self.ask(sessions, &recipe, &more, &entries).await;
                    tools = more;
                }
                Ok(_) => {}
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(self.complaints(&recipe, &reply, place));
        self.members
            .iter()
            .filter_map(|(index, artefact)| {
                let id = entries.get(index)?;
                let folder = reply.pointer(&format!("/entries/{}/folder", pointer(&id.id)))?;
                let root = PathBuf::from(folder.as_str()?);
                let dependencies = self.at_run_time(artefact, &tools);
                Some((*index, Made { root, dependencies }))
            })
            .collect()
    }

    /// The files that each function's code begins with. What is not there is named.
    fn entries(&self, problems: &mut Vec<Problem>) -> BTreeMap<usize, request::Entry> {
        let mut entries = BTreeMap::new();
        for (index, artefact) in self.members {
            let ArtefactKind::Function {
                runtime, handler, ..
            } = &artefact.kind
            else {
                continue;
            };
            match request::entry(self.root, self.recipe, handler) {
                Some(entry) => {
                    entries.insert(*index, entry);
                }
                None => {
                    let missing = code::missing_handler(self.root, artefact, runtime, handler, &[]);
                    problems.extend(missing);
                }
            }
        }
        entries
    }

    /// The recipe, or the one that stands in for a tool that the project does not have.
    fn recipe_here(&self, place: &Place) -> (Recipe, Option<Problem>) {
        let lacks = |package: &str| {
            !dependencies::is_in_node_modules(self.root, package)
                && !dependencies::names(self.project, self.root, package)
        };
        match &self.recipe.compiler {
            Compiler::Webpack { .. } if lacks("webpack") => {
                let title = "the project has no webpack of its own: esbuild bundles its functions";
                let warning = Problem::warning("build::bundler-stand-in", title)
                    .at(place)
                    .because("what only its configuration of webpack does is missing")
                    .help("add it: `npm install --save-dev webpack`");
                let compiler = Compiler::Esbuild {
                    inputs: Vec::new(),
                    options: r#"{"sourcemap":"linked"}"#.to_owned(),
                    plugins: None,
                    exclude: vec!["aws-sdk".to_owned(), "@aws-sdk/*".to_owned()],
                };
                let recipe = Recipe {
                    compiler,
                    ..self.recipe.clone()
                };
                (recipe, Some(warning))
            }
            Compiler::Webpack { .. }
            | Compiler::Esbuild { .. }
            | Compiler::TypeScript
            | Compiler::Make { .. } => (self.recipe.clone(), None),
        }
    }

    async fn tools(
        &self,
        recipe: &Recipe,
        place: &Place,
        packages: Packages,
    ) -> Result<Tools, Problem> {
        let installer = self.installer;
        let node = node::for_tools(installer, place).await?;
        let is_webpack = matches!(recipe.compiler, Compiler::Webpack { .. });
        let needs_more = packages == Packages::ToBuild
            || (is_webpack && !dependencies::is_in_node_modules(self.root, "webpack"));
        let installed = if needs_more {
            dependencies::for_building(installer, self.project, self.root, &node, place).await
        } else {
            let (project, root) = (self.project, self.root);
            dependencies::of_folder(installer, project, root, Language::Node, &node, place).await
        };
        if let Some(problem) = installed.problems.first() {
            return Err(problem.clone());
        }
        let mut modules = installed.paths.clone();
        let has = |package: &str| {
            dependencies::is_in_node_modules(self.root, package)
                || modules.iter().any(|folder| folder.join(package).is_dir())
        };
        let has_own = match recipe.compiler {
            Compiler::Esbuild { .. } => has("esbuild"),
            Compiler::TypeScript => has("typescript"),
            Compiler::Webpack { .. } | Compiler::Make { .. } => true,
        };
        if !has_own {
            modules.push(installer.compiler(place).await?);
        }
        Ok(Tools {
            node,
            installed,
            modules,
        })
    }

    async fn ask(
        &self,
        sessions: &Mutex<Sessions>,
        recipe: &Recipe,
        tools: &Tools,
        entries: &BTreeMap<usize, request::Entry>,
    ) -> Value {
        if tools.modules.iter().any(|folder| !folder.is_dir()) {
            // In a check: what is to be installed is not there, and was noted.
            return Value::Null;
        }
        let key = self.key(recipe, tools);
        let out = self.installer.config.cache.join(COMPILED).join(&key);
        let request = request::write(recipe, self.root, &out, &tools.modules, entries.values());
        let start = Start {
            key: &key,
            node: &tools.node.path,
            root: self.root,
            modules: &tools.modules,
            cache: &self.installer.config.cache,
            out: &out,
            environment: &self.installer.config.environment,
        };
        let mut sessions = sessions.lock().await;
        let reply = sessions.ask(&start, &request).await;
        reply.unwrap_or_else(|error| serde_json::json!({"failure": error.to_string()}))
    }

    /// What a compiler is for. It reads its configuration once, so another one's is another compiler's.
    fn key(&self, recipe: &Recipe, tools: &Tools) -> String {
        let parts = [
            self.root.display().to_string(),
            format!("{:?} {:?}", recipe.compiler, recipe.assets),
            recipe.surroundings.0.to_string(),
            format!("{:?} {}", tools.modules, tools.node.version),
            request::configuration_of(self.root, recipe),
        ];
        let inputs = self
            .members
            .iter()
            .map(|(_, artefact)| match &artefact.kind {
                ArtefactKind::Function { handler, .. } => handler.as_bytes(),
                ArtefactKind::Layer => b"",
            });
        key_of(parts.iter().map(String::as_bytes).chain(inputs))
    }

    /// Whether packages are missing that only the project's developers have.
    fn wants_more(&self, reply: &Value) -> bool {
        let texts = reply.get("problems").and_then(Value::as_array);
        let texts = texts.into_iter().flatten();
        let has_unresolved = texts
            .filter_map(|problem| problem.get("text")?.as_str())
            .any(|text| {
                ["Could not resolve", "Can't resolve", "Cannot find module"]
                    .iter()
                    .any(|words| text.contains(words))
            });
        has_unresolved || reply.get("missing").is_some_and(Value::is_string)
    }

    fn complaints(&self, recipe: &Recipe, reply: &Value, place: &Place) -> Vec<Problem> {
        let below = self
            .root
            .strip_prefix(self.project)
            .unwrap_or(Path::new(""));
        let tool = request::name_of(recipe);
        let mut problems = Vec::new();
        if let Some(failure) = reply.get("failure").and_then(Value::as_str) {
            let problem = Problem::error("build::compiler", format!("{tool} failed")).at(place);
            let problem = problem.because(request::short(failure));
            problems.push(match reply.get("missing").and_then(Value::as_str) {
                Some(package) => {
                    problem.help(format!("install it: `npm install --save-dev {package}`"))
                }
                None => problem,
            });
        }
        let told = reply.get("problems").and_then(Value::as_array);
        let told = told.into_iter().flatten().take(PROBLEMS_MAX);
        let entries = reply.get("entries").and_then(Value::as_object);
        let goes_on = entries.is_some_and(|entries| {
            entries
                .values()
                .any(|made| made.get("is_earlier").is_some())
        });
        for complaint in told {
            let problem = request::problem(complaint, below, tool, place);
            if !problems.contains(&problem) {
                problems.push(if goes_on && problem.help.is_none() {
                    problem.help("until it is mended, the code of before goes on running")
                } else {
                    problem
                });
            }
        }
        problems
    }

    /// Modules that are not in the code: packages that stay outside of it.
    fn at_run_time(&self, artefact: &Artefact, tools: &Tools) -> Dependencies {
        let is_node = |runtime: &RuntimeName| runtime.language == Language::Node;
        if !matches!(&artefact.kind, ArtefactKind::Function { runtime, .. } if is_node(runtime)) {
            return Dependencies::default();
        }
        let folders = self.root.ancestors();
        let folders = folders.take_while(|folder| folder.starts_with(self.project));
        let own = folders.map(|folder| folder.join("node_modules"));
        let own = own.filter(|folder| folder.is_dir());
        Dependencies {
            paths: own.chain(tools.installed.paths.iter().cloned()).collect(),
            named: tools.installed.named.clone(),
            problems: Vec::new(),
        }
    }
}

/// Which packages a compilation gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packages {
    ToRun,
    ToBuild,
}

/// A key as JSON pointers have it.
fn pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Works on whole folders, and waits for locks, away from the tasks that wait for sockets.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)?
}
