//! How a front end is asked, what it asks for in turn, and what it answers.
//!
//! Lives here: the data that goes in and out of every reader.
//! Does not live here: fetching answers (`cloudless::project`), the readers themselves.

use std::collections::BTreeMap;

use cloudformation::node::Node;
use cloudformation::template::Unbuilt;
use model::artefact::Artefact;
use model::ids::{AccountId, Region, StackName, StageName};
use model::problem::Problem;

/// What the user asked for.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// The manifest's file name, relative to the project's folder.
    pub manifest: String,
    /// The manifest's text.
    pub text: String,
    /// The name of the project's folder, for what takes its name from it.
    pub folder_name: String,
    /// `--stage`.
    pub stage: Option<String>,
    /// `--region`.
    pub region: Option<String>,
    /// `--param KEY=VALUE`: Serverless Framework parameters, or CloudFormation parameters.
    pub params: BTreeMap<String, String>,
    /// The account that everything is deployed into.
    pub account: AccountId,
    /// The time of this reading, for generated names (milliseconds since the epoch).
    pub now_ms: i64,
}

/// What a reader needs before it can go on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// The text of a file below (or beside) the project's folder, by a relative path.
    File(String),
    /// An environment variable of the user's.
    Environment(String),
    /// What a JavaScript or TypeScript module exports: run by Node, answered as JSON text.
    Module(String),
    /// A stored parameter: JSON with its `value`, and its `kind`, one of `text`, `list` and `secret`.
    Parameter {
        /// Its region.
        region: String,
        /// Its name, or a secret's behind `/aws/reference/secretsmanager/`.
        name: String,
    },
    /// An output of another stack: its value as JSON.
    Output {
        /// The stack's region.
        region: String,
        /// The stack.
        stack: String,
        /// The output.
        name: String,
    },
    /// The text of an object in a bucket.
    Object {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
}

/// What was found out so far; none: there is no such file or variable.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    answers: BTreeMap<Need, Option<String>>,
}

impl Answers {
    /// Adds an answer.
    pub fn insert(&mut self, need: Need, answer: Option<String>) {
        self.answers.insert(need, answer);
    }

    /// The answer to a need: the outer option says whether it was looked up.
    #[must_use]
    pub fn get(&self, need: &Need) -> Option<Option<&str>> {
        self.answers.get(need).map(Option::as_deref)
    }

    /// Everything that was asked for, for whoever watches files.
    pub fn needs(&self) -> impl Iterator<Item = &Need> {
        self.answers.keys()
    }
}

/// One round of reading.
#[derive(Debug, Clone)]
pub enum Step {
    /// Find these out, add them to the answers, and read again. Never empty, never what is answered already.
    Needs(Vec<Need>),
    /// Read.
    Done(Box<Reading>),
}

/// A manifest that was read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The stack's name, as the tool would call it.
    pub stack: StackName,
    /// The region.
    pub region: Region,
    /// The stage, when the front end knows stages.
    pub stage: Option<StageName>,
    /// The CloudFormation template, every node with the place that caused it. None when nothing could be read.
    pub template: Option<Node>,
    /// What the template lacks because it is not built here.
    pub unbuilt: Vec<Unbuilt>,
    /// Values for the template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// The code to build, functions and layers.
    pub artefacts: Vec<Artefact>,
    /// What is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}
