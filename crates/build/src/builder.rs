//! Builds all artefacts of a project.
//!
//! Lives here: the order of the steps, what functions share, and collecting problems.
//! Does not live here: any of the steps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use model::artefact::{Artefact, ArtefactKind, Built, BuiltArtefacts, CodeSource};
use model::function::{Contact, Language, RuntimeName, Toolchain};
use model::problem::{Place, Problem, Severity, push_of};

use crate::cache::Cache;
use crate::compile::{self, Sessions};
use crate::config::BuilderConfig;
use crate::dependencies::{self, Dependencies};
use crate::interpreters::Interpreter;
use crate::node::Install;
use crate::progress::Progress;
use crate::scan::{self, Mentions};
use crate::sdk::Installer;
use crate::wanted_sdk::{Sdk, additional};
use crate::{code, digest, executables, node, public_layers, python};

/// The first Node.js for which the cloud brings version 3 of its SDK.
const NODE_WITH_SDK_V3: u32 = 18;

/// Builds what functions need before they can start.
///
/// Everything that is installed goes into the cache, under a key made of what it is made of; the project's own folder
/// is never written. Several builders, in several processes too, may share a cache.
pub struct Builder {
    config: BuilderConfig,
    cache: Cache,
    progress: Arc<dyn Progress>,
    not_fetched: Mutex<BTreeMap<u32, String>>,
    /// Compilers that stay between builds.
    sessions: tokio::sync::Mutex<Sessions>,
}

/// What has been found out so far, so that functions of one runtime or one folder find it out once.
struct Round<'a> {
    installer: &'a Installer<'a>,
    project: &'a Path,
    mentions: Mentions,
    has_layers: bool,
    interpreters: BTreeMap<RuntimeName, Option<Interpreter>>,
    dependencies: BTreeMap<(PathBuf, RuntimeName), Dependencies>,
    sdk_paths: BTreeMap<RuntimeName, Vec<PathBuf>>,
    digests: BTreeMap<PathBuf, String>,
    problems: Vec<Problem>,
}

impl Builder {
    /// A builder.
    #[must_use]
    pub fn new(config: BuilderConfig, progress: Arc<dyn Progress>) -> Self {
        let cache = Cache::new(&config.cache);
        Self {
            config,
            cache,
            progress,
            not_fetched: Mutex::default(),
            sessions: tokio::sync::Mutex::default(),
        }
    }

    /// Builds the artefacts, installing what is missing. What fails is named in the problems; the rest is built.
    /// When nothing has changed this takes milliseconds. Dropping the future ends the tools that it runs.
    pub async fn build(&self, project: &Path, artefacts: &[Artefact]) -> BuiltArtefacts {
        self.run(project, artefacts, Install::Allowed).await
    }

    /// Says what [`build`](Self::build) would come to, as far as can be told without installing anything: what would be
    /// is named in [`BuiltArtefacts::put_off`], and taken as installed.
    pub async fn check(&self, project: &Path, artefacts: &[Artefact]) -> BuiltArtefacts {
        self.run(project, artefacts, Install::Never).await
    }

    async fn run(
        &self,
        project: &Path,
        artefacts: &[Artefact],
        install: Install,
    ) -> BuiltArtefacts {
        let project = std::path::absolute(project).unwrap_or_else(|_| project.to_owned());
        let installer = self.installer(install);
        let mut round = Round {
            installer: &installer,
            project: &project,
            mentions: Mentions::default(),
            has_layers: artefacts.iter().any(|it| it.kind == ArtefactKind::Layer),
            interpreters: BTreeMap::new(),
            dependencies: BTreeMap::new(),
            sdk_paths: BTreeMap::new(),
            digests: BTreeMap::new(),
            problems: Vec::new(),
        };
        let roots = round.roots(artefacts).await;
        let roots = round.compile(&self.sessions, artefacts, roots).await;
        // Over all artefacts: a layer's module may be what mentions the SDK.
        let folders: BTreeSet<PathBuf> = roots.iter().flatten().cloned().collect();
        round.look_through(folders).await;
        round.find_dependencies(artefacts, &roots).await;
        let mut built = BTreeMap::new();
        for (artefact, root) in artefacts.iter().zip(roots) {
            if let Some(root) = root
                && let Some(done) = round.build_one(artefact, root).await
            {
                built.insert(artefact.logical_id.clone(), done);
            }
        }
        let mut problems: Vec<Problem> = Vec::new();
        for problem in round.problems {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        let put_off = installer.put_off.into_inner();
        BuiltArtefacts {
            built,
            problems,
            put_off: put_off.unwrap_or_else(PoisonError::into_inner),
        }
    }

    pub(crate) fn config(&self) -> &BuilderConfig {
        &self.config
    }

    pub(crate) fn installer(&self, install: Install) -> Installer<'_> {
        Installer {
            config: &self.config,
            cache: &self.cache,
            progress: self.progress.as_ref(),
            install,
            put_off: Mutex::default(),
            not_fetched: &self.not_fetched,
        }
    }
}

impl Round<'_> {
    async fn roots(&mut self, artefacts: &[Artefact]) -> Vec<Option<PathBuf>> {
        let mut roots = Vec::new();
        for artefact in artefacts {
            let language = match &artefact.kind {
                ArtefactKind::Function { runtime, .. } => Some(runtime.language),
                ArtefactKind::Layer => None,
            };
            let root = match &artefact.source {
                CodeSource::Packages { runtime, packages } => {
                    public_layers::root(self.installer, artefact, runtime, packages).await
                }
                CodeSource::Folder(_)
                | CodeSource::Archive(_)
                | CodeSource::Package { .. }
                | CodeSource::Inline(_)
                | CodeSource::Compiled { .. } => {
                    code::root_of(self.project, artefact, language, self.installer.cache).await
                }
            };
            roots.push(root.map_err(|problem| self.problems.push(problem)).ok());
        }
        roots
    }

    /// The same, with the code of what is compiled in place of its sources.
    async fn compile(
        &mut self,
        sessions: &tokio::sync::Mutex<Sessions>,
        artefacts: &[Artefact],
        mut roots: Vec<Option<PathBuf>>,
    ) -> Vec<Option<PathBuf>> {
        let (installer, project) = (self.installer, self.project);
        let compiling = compile::all(
            installer,
            sessions,
            project,
            artefacts,
            &roots,
            &mut self.problems,
        );
        let mut made = compiling.await;
        for (index, (artefact, root)) in artefacts.iter().zip(&mut roots).enumerate() {
            let Some(sources) = root.as_deref() else {
                continue;
            };
            if !compile::is_wanted(artefact, sources) {
                continue;
            }
            let Some(made) = made.remove(&index) else {
                *root = None;
                continue;
            };
            if let ArtefactKind::Function { runtime, .. } = &artefact.kind
                && runtime.language.contact() == Contact::Bootstrap
            {
                let key = (made.root.clone(), runtime.clone());
                self.dependencies.insert(key, made.dependencies);
            }
            *root = Some(made.root);
        }
        roots
    }

    /// Reads the sources and takes the digests, away from the tasks that wait for sockets.
    async fn look_through(&mut self, folders: BTreeSet<PathBuf>) {
        let left_out = self.installer.config.left_out.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let mut all = Mentions::default();
            let mut digests = BTreeMap::new();
            for folder in folders {
                all.add(scan::mentions(&folder));
                let digest = digest::of_folder(&folder, &left_out);
                digests.insert(folder, digest);
            }
            (all, digests)
        });
        if let Ok((mentions, digests)) = looking.await {
            self.mentions = mentions;
            self.digests = digests;
        }
    }

    /// Of all functions before any of them is built: which SDKs a runtime wants depends on what every one brings.
    async fn find_dependencies(&mut self, artefacts: &[Artefact], roots: &[Option<PathBuf>]) {
        for (artefact, root) in artefacts.iter().zip(roots) {
            let ArtefactKind::Function {
                runtime,
                runtime_place,
                ..
            } = &artefact.kind
            else {
                continue;
            };
            let Some(root) = root else { continue };
            if runtime.language.contact() == Contact::RuntimeApi {
                continue;
            }
            if let Some(given) = Dependencies::given(artefact) {
                let key = (root.clone(), runtime.clone());
                self.dependencies.insert(key, given);
                continue;
            }
            if let Some(interpreter) = self.interpreter(runtime, runtime_place).await {
                self.dependencies(root, runtime, &interpreter, &artefact.place)
                    .await;
            }
        }
    }

    async fn build_one(&mut self, artefact: &Artefact, root: PathBuf) -> Option<Built> {
        let code_digest = self.digests.get(&root).cloned().unwrap_or_default();
        let (runtime, runtime_place, handler) = match &artefact.kind {
            ArtefactKind::Layer => {
                return Some(Built {
                    code_root: root,
                    toolchain: None,
                    digest: code_digest,
                });
            }
            ArtefactKind::Function {
                runtime,
                runtime_place,
                handler,
            } => (runtime, runtime_place, handler),
        };
        if runtime.language.contact() == Contact::RuntimeApi {
            return self.with_executable(artefact, runtime, handler, root, &code_digest);
        }
        let interpreter = self.interpreter(runtime, runtime_place).await?;
        let dependency_paths = match &artefact.source {
            CodeSource::Package {
                dependency_paths, ..
            } => dependency_paths.clone(),
            CodeSource::Folder(_)
            | CodeSource::Archive(_)
            | CodeSource::Inline(_)
            | CodeSource::Compiled { .. }
            | CodeSource::Packages { .. } => {
                let place = &artefact.place;
                let found = self.dependencies(&root, runtime, &interpreter, place).await;
                if self.lacks_handler(artefact, runtime, handler, &root, &found.paths) {
                    return None;
                }
                found.paths
            }
        };
        let sdk_paths = self.sdk_paths(runtime, &interpreter, &artefact.place).await;
        let toolchain = Toolchain {
            interpreter: interpreter.path,
            version: interpreter.version,
            dependency_paths,
            sdk_paths,
        };
        let digest = digest::of_build(&code_digest, &toolchain);
        Some(Built {
            code_root: root,
            toolchain: Some(toolchain),
            digest,
        })
    }

    /// Code that is run as it is. Its executable may be in a layer, if the project has any.
    fn with_executable(
        &mut self,
        artefact: &Artefact,
        runtime: &RuntimeName,
        handler: &str,
        root: PathBuf,
        code_digest: &str,
    ) -> Option<Built> {
        if let Some(compiled) = executables::compiled(&root, runtime) {
            let digest = digest::of_folder(&compiled, &[]);
            return self.with_executable(artefact, runtime, handler, compiled, &digest);
        }
        let found = executables::not_startable(&root, artefact, runtime, handler);
        self.problems.extend(found);
        let missing = executables::missing(&root, artefact, runtime, handler);
        // Of what is complete, the first event tells: a layer may hold it.
        if let Some(mut problem) = missing.filter(|_| Dependencies::given(artefact).is_none()) {
            if self.has_layers {
                problem.severity = Severity::Warning;
            }
            push_of(&mut self.problems, problem, &artefact.name);
            if !self.has_layers {
                return None;
            }
        }
        let toolchain = executables::toolchain(runtime);
        let digest = digest::of_build(code_digest, &toolchain);
        Some(Built {
            code_root: root,
            toolchain: Some(toolchain),
            digest,
        })
    }

    async fn interpreter(&mut self, runtime: &RuntimeName, place: &Place) -> Option<Interpreter> {
        if let Some(known) = self.interpreters.get(runtime) {
            return known.clone();
        }
        let found = match runtime.language {
            Language::Python => python::find(self.installer, runtime, place).await,
            Language::Node => node::find(self.installer, runtime, place).await,
            Language::Provided | Language::Go => return None,
        };
        let interpreter = match found {
            Ok((interpreter, warning)) => {
                self.problems.extend(warning);
                Some(interpreter)
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        };
        self.interpreters
            .insert(runtime.clone(), interpreter.clone());
        interpreter
    }

    async fn dependencies(
        &mut self,
        root: &Path,
        runtime: &RuntimeName,
        interpreter: &Interpreter,
        place: &Place,
    ) -> Dependencies {
        let key = (root.to_owned(), runtime.clone());
        if let Some(known) = self.dependencies.get(&key) {
            return known.clone();
        }
        let found = dependencies::of_folder(
            self.installer,
            self.project,
            root,
            runtime.language,
            interpreter,
            place,
        )
        .await;
        self.problems.extend(found.problems.iter().cloned());
        self.dependencies.insert(key, found.clone());
        found
    }

    /// Notes the problem of a missing handler. It only warns where the file may be elsewhere: in a layer of the
    /// project or, in a check, among packages that are not installed yet.
    fn lacks_handler(
        &mut self,
        artefact: &Artefact,
        runtime: &RuntimeName,
        handler: &str,
        root: &Path,
        dependencies: &[PathBuf],
    ) -> bool {
        let Some(mut problem) =
            code::missing_handler(root, artefact, runtime, handler, dependencies)
        else {
            return false;
        };
        let is_to_be_installed = self.installer.install == Install::Never
            && dependencies::are_named(self.project, root, runtime.language)
            && !code::is_typescript(root, runtime, handler);
        let may_be_elsewhere = self.has_layers || is_to_be_installed;
        if may_be_elsewhere {
            problem.severity = Severity::Warning;
        }
        self.problems.push(problem);
        !may_be_elsewhere
    }

    async fn sdk_paths(
        &mut self,
        runtime: &RuntimeName,
        interpreter: &Interpreter,
        place: &Place,
    ) -> Vec<PathBuf> {
        if let Some(known) = self.sdk_paths.get(runtime) {
            return known.clone();
        }
        let mut paths = Vec::new();
        let installer = self.installer;
        for wanted in self.sdks_wanted(runtime) {
            let installed = match &wanted {
                Sdk::Python => installer.for_python(interpreter, place).await,
                Sdk::NodeV3 => installer.node_v3(place).await,
                Sdk::NodeV3Additional(packages) => {
                    installer.node_v3_additional(packages, place).await
                }
                Sdk::NodeV2 => installer.node_v2(place).await,
            };
            match installed {
                Ok(path) => paths.push(path),
                // A function that does not use it on its way still runs; one that does says what is missing.
                Err(problem) => self.problems.push(problem),
            }
        }
        self.sdk_paths.insert(runtime.clone(), paths.clone());
        paths
    }

    /// In doubt an SDK is wanted; a project that mentions none never waits for a download. Dependencies of a Python
    /// project may import boto3 without bringing it, since the cloud has it.
    fn sdks_wanted(&self, runtime: &RuntimeName) -> Vec<Sdk> {
        let Mentions {
            python_sdk,
            aws_sdk_v3,
            aws_sdk_v2,
            is_cut_off,
        } = &self.mentions;
        let mut wanted = Vec::new();
        match runtime.language {
            Language::Python => {
                let has_dependencies = self.dependencies.values().any(|it| !it.paths.is_empty());
                if *python_sdk || *is_cut_off || has_dependencies {
                    wanted.push(Sdk::Python);
                }
            }
            Language::Node => {
                let absent: BTreeSet<String> = aws_sdk_v3
                    .iter()
                    .filter(|package| !self.has_own(package))
                    .cloned()
                    .collect();
                if NODE_WITH_SDK_V3 <= runtime.major && (*is_cut_off || !absent.is_empty()) {
                    wanted.push(Sdk::NodeV3);
                    wanted.extend(additional(absent));
                }
                if *aws_sdk_v2 && !self.has_own("aws-sdk") {
                    wanted.push(Sdk::NodeV2);
                }
            }
            Language::Provided | Language::Go => {}
        }
        wanted
    }

    /// Whether every Node function has this package of its own, in its folder or among its installed dependencies.
    fn has_own(&self, package: &str) -> bool {
        let is_installed = |found: &Dependencies| {
            let mut paths = found.paths.iter();
            found.named.contains(package)
                || paths.any(|path| path.join(package).join("package.json").is_file())
        };
        self.dependencies
            .iter()
            .filter(|((_, runtime), _)| runtime.language == Language::Node)
            .all(|((root, _), found)| {
                is_installed(found) || dependencies::is_in_node_modules(root, package)
            })
    }
}
