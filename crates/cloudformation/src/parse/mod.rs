//! Text becomes a tree of nodes that know where they stand; never a panic, and never more than the limits below.
//!
//! Lives here: which reader takes which text, the dialects, the limits, what a reader hands back.
//! Does not live here: the readers themselves (`yaml`, `json`), what a template means (`crate::template`).

use model::problem::Problem;

use crate::node::Node;

mod faults;
mod indentation;
mod json;
mod lines;
mod mapping;
mod scalars;
mod tags;
#[cfg(test)]
mod tests;
mod yaml;

/// The longest text that is read, in bytes. CloudFormation itself stops at 1 MB of template in a bucket.
pub const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many nodes a tree may have, aliases and merges written out.
pub const NODES_MAX: usize = 500_000;
/// How much text a tree may hold, aliases and merges written out, in bytes.
pub const TREE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How deep a tree may be, so that every walk over it may recurse.
pub const DEPTH_MAX: usize = 100;
/// How many problems one file may give; what follows is not looked at.
pub const PROBLEMS_MAX: usize = 100;

/// How plain scalars are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// YAML 1.1, as CloudFormation, the SAM tools and `PyYAML` read it: `yes`, `no`, `on` and `off` are booleans,
    /// `012` is octal, `0b1` binary, `1_000` a thousand, `1e3` a text (a float has a point). Sexagesimal numbers
    /// (`10:30`) and dates stay texts, since no tool here wants them as numbers.
    ///
    /// Contract: AWS CloudFormation User Guide, "Template formats": "supports the YAML Version 1.1 specification
    /// with a few exceptions".
    /// Differs: aliases and merge keys are read, since the tools that send templates write them out beforehand.
    CloudFormation,
    /// YAML 1.2's core, as `js-yaml` 4 reads it for the Serverless Framework: only `true` and `false` are booleans
    /// (and their two other spellings), `0o14` is octal, `012` is twelve, `1e3` a number. Dates stay texts.
    ServerlessFramework,
}

/// What became of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The tree; none when the text is not well-formed. An empty file is a null.
    pub node: Option<Node>,
    /// What is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}

/// Reads YAML; `file` is the name that places carry.
#[must_use]
pub fn yaml(file: &str, text: &str, dialect: Dialect) -> Parsed {
    too_long(file, text).unwrap_or_else(|| yaml::read(file, text, dialect))
}

/// Reads JSON as RFC 8259 has it.
#[must_use]
pub fn json(file: &str, text: &str) -> Parsed {
    too_long(file, text).unwrap_or_else(|| json::read(file, text))
}

/// Reads what the file's name and first character promise: `.json` is JSON, and so is what opens with a brace and
/// is well-formed JSON under whatever name; all else is YAML.
#[must_use]
pub fn any(file: &str, text: &str, dialect: Dialect) -> Parsed {
    let suffix = file.rsplit('.').next().unwrap_or_default();
    if suffix.eq_ignore_ascii_case("json") {
        return json(file, text);
    }
    let first = text.trim_start_matches('\u{feff}').trim_start();
    if first.starts_with('{') {
        let parsed = json(file, text);
        // A flow mapping of YAML opens with a brace, too: only text that nobody takes for one gets JSON's errors.
        let is_yaml_by_name =
            suffix.eq_ignore_ascii_case("yml") || suffix.eq_ignore_ascii_case("yaml");
        let looks_like_json = first
            .trim_start_matches('{')
            .trim_start()
            .starts_with(['"', '}']);
        if parsed.node.is_some() || (looks_like_json && !is_yaml_by_name) {
            return parsed;
        }
    }
    yaml(file, text, dialect)
}

fn too_long(file: &str, text: &str) -> Option<Parsed> {
    if text.len() <= TEXT_BYTES_MAX {
        return None;
    }
    let problem = Problem::error(
        "parse::too-long",
        format!(
            "a file of {} bytes is over the limit of {TEXT_BYTES_MAX}",
            text.len()
        ),
    )
    .at(&model::problem::Place::start_of(file))
    .because("CloudFormation takes at most 1 MB of template")
    .help("split the template, or keep large data in files of its own");
    Some(Parsed {
        node: None,
        problems: vec![problem],
    })
}

/// Problems of one file, up to [`PROBLEMS_MAX`].
#[derive(Debug, Default)]
struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    fn push(&mut self, problem: Problem) {
        if self.list.len() < PROBLEMS_MAX {
            self.list.push(problem);
        }
    }

    fn into_list(self) -> Vec<Problem> {
        self.list
    }
}
