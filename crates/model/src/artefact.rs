//! What has to be built before a function or a layer can run.
//!
//! Lives here: what a front end hands to `build`, and what `build` hands back.
//! Does not live here: how it is built (`build`), where the manifest says so (`manifest`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::function::{RuntimeName, Toolchain};
use crate::ids::LogicalId;
use crate::problem::{Place, Problem};

/// The code of one function or layer, as the project has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    /// The resource in the template that it belongs to.
    pub logical_id: LogicalId,
    /// What its manifest calls it.
    pub name: String,
    /// Function or layer.
    pub kind: ArtefactKind,
    /// Where the code is; paths are relative to the project's folder.
    pub source: CodeSource,
    /// Where the manifest says so.
    pub place: Place,
}

/// What is built.
#[expect(
    clippy::module_name_repetitions,
    reason = "used far from here, where `Kind` would say nothing"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtefactKind {
    /// A function's code.
    Function {
        /// Its runtime.
        runtime: RuntimeName,
        /// Where the manifest says so.
        runtime_place: Place,
        /// Its handler, as the manifest says.
        handler: String,
    },
    /// A layer's content.
    Layer,
}

/// Where code comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeSource {
    /// A folder, run where it lies.
    Folder(PathBuf),
    /// A `.zip` or `.jar`.
    Archive(PathBuf),
    /// A `.zip` that is complete: nothing is installed for it, and whatever its handler names is looked for when it runs.
    Package {
        /// The archive.
        archive: PathBuf,
        /// Its SHA-256, in hexadecimal digits.
        digest: String,
        /// Folders of modules besides.
        dependency_paths: Vec<PathBuf>,
    },
    /// Text in the template (`ZipFile`, `InlineCode`): the file `index` of the runtime's language.
    Inline(String),
    /// A layer that others publish: packages of a registry, for functions of a runtime.
    Packages {
        /// The runtime.
        runtime: RuntimeName,
        /// What its language's installer is asked for.
        packages: Vec<String>,
    },
    /// A folder of sources, of which a tool makes the code that runs.
    Compiled {
        /// The folder.
        folder: PathBuf,
        /// What makes code of it. Functions of one folder and one recipe are made at once.
        recipe: Recipe,
    },
}

impl CodeSource {
    /// What a layer that others publish is called among what was built, for functions of a runtime.
    #[must_use]
    pub fn public_layer(arn: &str, runtime: &str) -> LogicalId {
        LogicalId::new(format!("{arn} {runtime}"))
    }
}

/// How code is made of sources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipe {
    /// The tool.
    pub compiler: Compiler,
    /// Which functions it is for.
    pub when: When,
    /// Patterns of files that go with the code; those that begin with `!` leave files out, and the last that fits counts.
    pub assets: Vec<String>,
    /// What configurations written in JavaScript may ask of the manifest.
    pub surroundings: Surroundings,
}

/// Which functions a recipe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// All that have it.
    Always,
    /// Those whose handler is written in TypeScript; others run as they lie.
    OfTypeScript,
}

/// A tool that makes code of sources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compiler {
    /// esbuild: the file of each handler and all that it imports become one file.
    Esbuild {
        /// Files to begin with in place of the handler's.
        inputs: Vec<String>,
        /// Options as esbuild's own interface takes them: a JSON object.
        options: String,
        /// A module that exports plugins of esbuild.
        plugins: Option<String>,
        /// Packages that are left out, since the runtime has them.
        exclude: Vec<String>,
    },
    /// The project's own webpack, by its own configuration.
    Webpack {
        /// The configuration's file.
        config: String,
    },
    /// Every file by itself: types go, the rest stays as it lies.
    TypeScript,
    /// `make`, with `ARTIFACTS_DIR` in its environment.
    Make {
        /// The target.
        target: String,
    },
}

/// The manifest as JSON, for configurations that ask for it. It may hold secrets, so it is never shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Surroundings(pub Arc<str>);

impl fmt::Debug for Surroundings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Surroundings")
    }
}

impl Default for Surroundings {
    fn default() -> Self {
        Self("{}".into())
    }
}

/// A built artefact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The folder that becomes `/var/task`, or a part of `/opt`.
    pub code_root: PathBuf,
    /// What runs it; layers have none.
    pub toolchain: Option<Toolchain>,
    /// Changes whenever a file below `code_root`, or a dependency, does.
    pub digest: String,
}

/// All that was built of a project.
#[derive(Debug, Clone, Default)]
pub struct BuiltArtefacts {
    /// By the resource that it belongs to. What failed is missing here and named in `problems`.
    pub built: BTreeMap<LogicalId, Built>,
    /// What failed or deserves a warning.
    pub problems: Vec<Problem>,
    /// What a check did not install and a build would, as `Node.js 22`.
    pub put_off: BTreeSet<String>,
}
