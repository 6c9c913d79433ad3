//! One application of a list.
//!
//! Lives here: the list's columns, and what else its proof says of how to start it.
//! Does not live here: its features (`features`), the steps of the proof (`steps.py`).

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// What a list says of an application.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    /// Its number in the list, from 1.
    pub(super) number: usize,
    pub(super) repo: String,
    pub(super) commit: String,
    pub(super) path: String,
    pub(super) kind: String,
    pub(super) runtime: String,
    pub(super) features: Vec<String>,
    pub(super) proof: String,
}

const COLUMNS: [&str; 7] = [
    "repo", "commit", "path", "kind", "runtime", "features", "proof",
];

/// Parameters with another value than their proofs say, by paths of applications.
const OTHER_PARAMETERS: [(&str, &str, &str); 1] = [
    // Of two places where the proof looks for its message, the table of tests filters for a type that this message has
    // not, and takes all that is in the queue meanwhile, here as in the cloud. The queue keeps it where that table is not.
    (
        "python-test-samples/apigw-sqs-lambda-sqs",
        "EnvType",
        "prod",
    ),
];

impl Row {
    /// Reads a list.
    pub(super) fn list(file: &Path) -> Result<Vec<Self>> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("the list {} cannot be read", file.display()))?;
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
        let column = |name: &str| {
            let index = header.iter().position(|column| *column == name);
            index.with_context(|| format!("the list has no column `{name}`"))
        };
        let columns: Vec<usize> = COLUMNS.into_iter().map(column).collect::<Result<_>>()?;
        let rows = lines.filter(|line| !line.trim().is_empty());
        Ok(rows
            .enumerate()
            .map(|(index, line)| Self::read(index + 1, line, &columns))
            .collect())
    }

    fn read(number: usize, line: &str, columns: &[usize]) -> Self {
        let cells: Vec<&str> = line.split('\t').collect();
        let mut cells = columns
            .iter()
            .map(|column| cells.get(*column).copied().unwrap_or_default().to_owned());
        let mut next = || cells.next().unwrap_or_default();
        Self {
            number,
            repo: next(),
            commit: next(),
            path: next(),
            kind: next(),
            runtime: next(),
            features: next().split(',').map(str::to_owned).collect(),
            proof: next(),
        }
    }

    /// How tables call it.
    pub(super) fn name(&self) -> String {
        if self.path == "." {
            self.repo.clone()
        } else {
            format!("{}/{}", self.repo, self.path)
        }
    }

    /// Whether it is made for AWS.
    pub(super) fn is_aws(&self) -> bool {
        matches!(self.kind.as_str(), "sls" | "sam" | "cfn")
    }

    /// The manifest that the proof names, when the folder has several.
    pub(super) fn manifest(&self) -> Option<&str> {
        let named = self
            .proof
            .split(['(', ' ', ',', ';'])
            .zip(self.proof.split(['(', ' ', ',', ';']).skip(1));
        let mut named = named.filter(|(before, _)| *before == "use");
        let (_, file) = named.next()?;
        [".yml", ".yaml", ".json"]
            .iter()
            .any(|extension| file.ends_with(extension))
            .then_some(file)
    }

    /// Options of `cloudless dev` that the proof names: `stage option test`, `parameter Name=value`.
    pub(super) fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        let word = |rest: &str| -> String {
            let end = [' ', ';', ',', ')'];
            rest.split(end).next().unwrap_or_default().to_owned()
        };
        if let Some((_, rest)) = self.proof.split_once("stage option ") {
            options.extend(["--stage".to_owned(), word(rest)]);
        }
        let steps = self.proof.split("; ");
        let named = steps.filter_map(|step| step.strip_prefix("parameter "));
        for given in named.map(word) {
            let Some((name, value)) = given.split_once('=') else {
                continue;
            };
            let other = OTHER_PARAMETERS
                .iter()
                .find(|(path, known, _)| *path == self.path && *known == name);
            let value = other.map_or(value, |(_, _, value)| value);
            options.extend(["--param".to_owned(), format!("{name}={value}")]);
        }
        options
    }

    /// The stack's name, when the proof chooses one.
    pub(super) fn stack(&self) -> Option<&str> {
        let (_, rest) = self.proof.split_once("stack ")?;
        let name: &str = rest.split([';', ',', ' ']).next()?;
        let is_name = name.len() < 4 && name.starts_with(|first: char| first.is_ascii_lowercase());
        is_name.then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_says_which_manifest_and_stack() {
        let row = |proof: &str| Row {
            number: 1,
            repo: "a/b".to_owned(),
            commit: String::new(),
            path: ".".to_owned(),
            kind: "sam".to_owned(),
            runtime: String::new(),
            features: Vec::new(),
            proof: proof.to_owned(),
        };
        let one = row("PREP use template.yaml (the other is for CI); GET / -> 200");
        assert_eq!(one.manifest(), Some("template.yaml"));
        assert_eq!(one.stack(), None);
        assert!(one.options().is_empty());
        let with_options = row("parameter A=b (default); GET / (stage option test) -> 200");
        assert_eq!(
            with_options.options(),
            ["--stage", "test", "--param", "A=b"]
        );
        let other = row("PREP a layer; stack t1; GET / -> 200");
        assert_eq!(other.manifest(), None);
        assert_eq!(other.stack(), Some("t1"));
    }
}
