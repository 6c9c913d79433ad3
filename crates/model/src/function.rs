//! A function, as deployed: what to run, with what, under which limits.
//!
//! Lives here: the immutable description that gateway, invoker and runtimes share.
//! Does not live here: invocations (`interfaces::invoke`), instances (`runtimes`), installing dependencies (`build`).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::arn::Arn;
use crate::ids::{AccountId, FunctionName, LogicalId, Region, RevisionId};
use crate::problem::Place;
use crate::suggestion;

/// Names that a function's configuration may not set.
///
/// Contract: AWS Lambda Developer Guide, "Defined runtime environment variables", reserved ones.
pub const RESERVED_VARIABLES: [&str; 18] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// The languages that we run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// `python3.N`.
    Python,
    /// `nodejsN.x`.
    Node,
    /// `provided`, `provided.al2`, `provided.al2023`: the code brings the executable `bootstrap`, in whatever language.
    Provided,
    /// `go1.x`, which the cloud has retired: the handler names the executable.
    Go,
}

/// Who speaks with a function's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// A bootstrap of ours, inside an interpreter that this machine has.
    Bootstrap,
    /// The code itself, an executable, asks for its events over the Runtime API.
    RuntimeApi,
}

impl Language {
    /// Who speaks with code in this language.
    #[must_use]
    pub fn contact(self) -> Contact {
        match self {
            Self::Python | Self::Node => Contact::Bootstrap,
            Self::Provided | Self::Go => Contact::RuntimeApi,
        }
    }
}

/// A Lambda runtime identifier, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuntimeName {
    /// The language.
    pub language: Language,
    /// Python: 3. Node: the version asked for, as 20. Provided: the Amazon Linux asked for, as 2023. Go: 1.
    pub major: u32,
    /// Python: the version asked for, as 11. All others: 0.
    pub minor: u32,
}

/// No runtime of this name is run here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ParseRuntimeError {
    /// What was read.
    pub name: String,
}

impl ParseRuntimeError {
    /// The runtime that was probably meant.
    #[must_use]
    pub fn meant(&self) -> Option<&'static str> {
        suggestion::nearest(&self.name, CURRENT.iter().copied())
    }

    /// Whether it is a name as those of the languages that are run, but none of theirs.
    fn is_made_up(&self) -> bool {
        let name = self.name.as_str();
        let is_ours = ["python3", "nodejs", "provided", "go"]
            .iter()
            .any(|stem| name.starts_with(stem));
        is_ours && !NOT_RUN.contains(&name)
    }
}

impl fmt::Display for ParseRuntimeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_made_up() {
            "known"
        } else {
            "run here"
        };
        write!(out, "runtime `{}` is not {what}", self.name)
    }
}

/// The runtimes of the languages that are run, those first that are likelier to be meant.
///
/// Contract: AWS Lambda Developer Guide, "Lambda runtimes"; the enumeration `Runtime` of Lambda's API.
const CURRENT: &[&str] = &[
    "nodejs24.x",
    "nodejs22.x",
    "nodejs20.x",
    "nodejs18.x",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python3.9",
    "provided.al2023",
    "provided.al2",
];
/// Those that the cloud has given up.
const FORMER: &[&str] = &[
    "nodejs16.x",
    "nodejs14.x",
    "nodejs12.x",
    "nodejs10.x",
    "nodejs8.10",
    "nodejs6.10",
    "python3.8",
    "python3.7",
    "python3.6",
    "provided",
    "go1.x",
];
/// Those that were given up before anything here could run them.
const NOT_RUN: &[&str] = &["nodejs", "nodejs4.3", "nodejs4.3-edge"];

impl RuntimeName {
    /// Reads `python3.11`, `nodejs20.x`, `provided.al2023` or `go1.x`.
    ///
    /// # Errors
    /// [`ParseRuntimeError`] for every other text, those of languages that are not built yet included.
    ///
    /// Contract: AWS Lambda Developer Guide, "Lambda runtimes".
    pub fn parse(name: &str) -> Result<Self, ParseRuntimeError> {
        let number = |text: &str| -> Option<u32> {
            (!text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| text.parse().ok())
                .flatten()
        };
        let python = || {
            Some(Self {
                language: Language::Python,
                major: 3,
                minor: number(name.strip_prefix("python3.")?)?,
            })
        };
        let node = || {
            let version = name.strip_prefix("nodejs")?;
            let major = version
                .strip_suffix(".x")
                .or_else(|| version.strip_suffix(".10"))?;
            Some(Self {
                language: Language::Node,
                major: number(major)?,
                minor: 0,
            })
        };
        let executable = || {
            let (language, major) = match name {
                "provided" => (Language::Provided, 1),
                "provided.al2" => (Language::Provided, 2),
                "provided.al2023" => (Language::Provided, 2023),
                "go1.x" => (Language::Go, 1),
                _ => return None,
            };
            Some(Self {
                language,
                major,
                minor: 0,
            })
        };
        let is_known = CURRENT.contains(&name) || FORMER.contains(&name);
        python()
            .or_else(node)
            .or_else(executable)
            .filter(|_| is_known)
            .ok_or_else(|| ParseRuntimeError {
                name: name.to_owned(),
            })
    }
}

impl fmt::Display for RuntimeName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.language {
            Language::Python => write!(out, "python{}.{}", self.major, self.minor),
            // The first ones named a minor version.
            Language::Node if self.major < 10 => write!(out, "nodejs{}.10", self.major),
            Language::Node => write!(out, "nodejs{}.x", self.major),
            Language::Provided if self.major == 1 => out.write_str("provided"),
            Language::Provided => write!(out, "provided.al{}", self.major),
            Language::Go => write!(out, "go{}.x", self.major),
        }
    }
}

/// What starts the function's processes on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Toolchain {
    /// The interpreter's binary; empty for code that is an executable itself.
    pub interpreter: PathBuf,
    /// Its version as it says itself, as `3.11.7` or `20.20.2`; of an executable, that of its surroundings, as `al2023`.
    pub version: String,
    /// Folders of modules that the project itself asked for; they win over `sdk_paths`.
    pub dependency_paths: Vec<PathBuf>,
    /// Folders of modules that the runtime brings along, as the AWS SDK; searched last.
    pub sdk_paths: Vec<PathBuf>,
}

/// How a function's instances come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Starts {
    /// Forked from a process that has done the function's init, where that init leaves nothing behind that a fork would
    /// break; otherwise spawned. As with Lambda SnapStart, one init then serves many instances.
    #[default]
    Automatic,
    /// Forked, whatever the init leaves behind: its owner knows better.
    Forked,
    /// Each is a process of its own from the beginning, and does the init itself.
    Spawned,
}

/// The version that every deployment changes, which runs when no other is asked for.
pub const LATEST: &str = "$LATEST";

/// One version of a function. Everything that an instance needs to know; it never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name in the template.
    pub logical_id: LogicalId,
    /// Its name in Lambda's API.
    pub name: FunctionName,
    /// Its unqualified ARN.
    pub arn: Arn,
    /// [`LATEST`], or a published version's number.
    pub version: String,
    /// The account that owns it.
    pub account: AccountId,
    /// The region that it lives in.
    pub region: Region,
    /// The runtime that its manifest names.
    pub runtime: RuntimeName,
    /// `module.function`, as its manifest says.
    pub handler: String,
    /// The folder that the function sees as `/var/task`.
    pub code_root: PathBuf,
    /// Layers in the order in which they are laid over one another under `/opt`.
    pub layers: Vec<PathBuf>,
    /// What runs it here.
    pub toolchain: Toolchain,
    /// The variables of its manifest; the reserved ones are added by the runtime.
    pub environment: BTreeMap<String, String>,
    /// Memory, in MB.
    pub memory_mb: u32,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// Size of `/tmp`, in MB.
    pub ephemeral_storage_mb: u32,
    /// Its execution role.
    pub role: Arn,
    /// How many instances it may have at most, when its manifest says so.
    pub reserved_concurrency: Option<usize>,
    /// How many instances are started ahead of any event, and kept.
    pub provisioned_concurrency: usize,
    /// The log group that it writes into; none: the one of its name.
    pub log_group: Option<String>,
    /// How its instances come to be.
    pub starts: Starts,
    /// Changes whenever anything changes that an instance could notice: code, configuration, toolchain.
    pub fingerprint: String,
    /// The revision in which it was deployed.
    pub revision: RevisionId,
    /// Where the manifest declares it.
    pub place: Option<Place>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtime_names_read_back_as_they_were_written() {
        for name in [
            "python3.8",
            "nodejs8.10",
            "python3.14",
            "nodejs20.x",
            "nodejs24.x",
            "provided",
            "provided.al2",
            "provided.al2023",
            "go1.x",
        ] {
            assert_eq!(RuntimeName::parse(name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn a_refused_name_is_told_with_the_one_that_was_meant() {
        for (name, said, meant) in [
            ("nodejs99.x", "known", Some("nodejs24.x")),
            ("nodejs22", "known", Some("nodejs22.x")),
            ("node20.x", "run here", Some("nodejs20.x")),
            ("python3.99", "known", Some("python3.9")),
            ("python2.7", "run here", Some("python3.9")),
            ("provided.al23", "known", Some("provided.al2")),
            ("nodejs4.3", "run here", Some("nodejs24.x")),
            ("java21", "run here", None),
            ("ruby3.3", "run here", None),
            ("", "run here", None),
        ] {
            let error = RuntimeName::parse(name).unwrap_err();
            assert_eq!(error.to_string(), format!("runtime `{name}` is not {said}"));
            assert_eq!(error.meant(), meant, "{name}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in [
            "",
            "python",
            "python3",
            "python3.",
            "python3.x",
            "node20",
            "nodejs20",
            "java21",
            "python3.99999",
            "python3.07",
            "nodejs020.x",
            "nodejs20.10",
            "nodejs99.x",
            "nodejs21.x",
            "nodejs4.3",
            "python3.99",
            "python3.5",
            "provided.al1",
            "provided.al",
            "go1",
            "ruby3.3",
            "dotnet8",
        ] {
            assert!(RuntimeName::parse(name).is_err(), "{name}");
        }
    }
}
