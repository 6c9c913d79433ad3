//! Replaces variables, property by property, each after what it depends on.
//!
//! Lives here: order, cycles, limits, joining texts, which alternative wins.
//! Does not live here: where the values come from (`sources`), the notation (`grammar`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use cloudformation::node::{Kind, Node};
use cloudformation::parse;
use model::problem::{Place, Problem};

use super::Resolved;
use super::faults::{
    self, CHAIN_LENGTH_MAX, RESOLVED_BYTES_MAX, RESULT_NESTING_MAX, Stop, VARIABLES_MAX, fault,
    not_text, syntax, too_large, too_nested,
};
use super::grammar::{Meaning, Source, Template, Text};
use super::tree::{self, Path};
use crate::reading::{Answers, Need, ReadRequest};
use crate::serverless_framework::script;

/// A text whose variables are not replaced yet.
#[derive(Debug, Clone)]
struct Pending {
    /// Parsed each on its own.
    pieces: Vec<String>,
    place: Place,
    nesting: usize,
}

/// The value of a text with variables.
struct Value {
    node: Node,
    /// Of a joined text: what it was joined from.
    pieces: Option<Vec<String>>,
}

pub(super) struct Resolver<'a> {
    pub(super) root: Node,
    pub(super) request: &'a ReadRequest,
    pub(super) answers: &'a Answers,
    /// Whether `.env` files are looked at: not before it is known whether they shall be.
    pub(super) dotenv: Option<BTreeMap<String, String>>,
    pub(super) needs: BTreeSet<Need>,
    pub(super) problems: Vec<Problem>,
    /// Files that were read, so that each is parsed and complained about once.
    pub(super) files: BTreeMap<String, Option<Node>>,
    pending: BTreeMap<Path, Pending>,
    stopped: BTreeMap<Path, bool>,
    in_progress: Vec<Path>,
    bytes_left: usize,
    variables_left: usize,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(root: Node, request: &'a ReadRequest, answers: &'a Answers) -> Self {
        let mut resolver = Self {
            root: script::exact_numbers(root),
            request,
            answers,
            dotenv: None,
            needs: BTreeSet::new(),
            problems: Vec::new(),
            files: BTreeMap::new(),
            pending: BTreeMap::new(),
            stopped: BTreeMap::new(),
            in_progress: Vec::new(),
            bytes_left: RESOLVED_BYTES_MAX,
            variables_left: VARIABLES_MAX,
        };
        let root = resolver.root.clone();
        resolver.register(&root, &Vec::new(), 0);
        resolver
    }

    pub(super) fn run(mut self) -> Resolved {
        let path = |steps: &[&str]| -> Path { steps.iter().map(ToString::to_string).collect() };
        // The stage and `useDotenv` say which `.env` file there is, so they are resolved without one.
        for steps in [&["provider"][..], &["provider", "stage"], &["useDotenv"]] {
            self.settle_all_at(&path(steps));
        }
        self.read_dotenv();
        // One pass is enough: what a value brings along is attempted when the value is settled.
        let mut last: Option<Path> = None;
        while let Some(path) = self.next_pending(last.as_ref()) {
            self.attempt(&path);
            last = Some(path);
        }
        // What has no value is left out, so that defaults apply and nobody is misled by the variable's text.
        for path in self.stopped.keys() {
            if let Some(place) = self.peek(path).map(|node| node.place.clone()) {
                tree::replace(&mut self.root, path, Node::new(Kind::Null, &place));
            }
        }
        Resolved {
            root: self.root,
            needs: self.needs,
            problems: self.problems,
        }
    }

    fn next_pending(&self, last: Option<&Path>) -> Option<Path> {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut paths = self.pending.range::<Path, _>((start, Bound::Unbounded));
        paths.next().map(|(path, _)| path.clone())
    }

    fn settle_all_at(&mut self, path: &Path) {
        if self.pending.contains_key(path) {
            self.attempt(path);
        }
    }

    /// Resolves a property and keeps what is wrong with it.
    fn attempt(&mut self, path: &Path) {
        match self.property(path) {
            Ok(()) | Err(Stop::Waiting | Stop::Reported) => {}
            Err(Stop::Fault(problem)) => self.problems.push(*problem),
        }
    }

    /// Replaces the variables of the text at this path, if it has any.
    pub(super) fn property(&mut self, path: &Path) -> Result<(), Stop> {
        let Some(pending) = self.pending.get(path).cloned() else {
            return Ok(());
        };
        if let Some(is_waiting) = self.stopped.get(path) {
            return Err(if *is_waiting {
                Stop::Waiting
            } else {
                Stop::Reported
            });
        }
        if self.in_progress.contains(path) {
            return Err(faults::circle(&self.in_progress, path));
        }
        if CHAIN_LENGTH_MAX <= self.in_progress.len() {
            return Err(fault(
                "manifest::variables-too-deep",
                format!("more than {CHAIN_LENGTH_MAX} properties refer to one another in a chain"),
            ));
        }
        self.in_progress.push(path.clone());
        let outcome = Template::of_pieces(&pending.pieces)
            .map_err(|error| syntax(&error))
            .and_then(|template| self.evaluate(&template, &pending.place))
            .and_then(|value| self.settle(path, value, &pending));
        self.in_progress.pop();
        outcome.map_err(|stop| self.stop(path, stop, &pending.place))
    }

    /// Notes that the property has no value; a fault is reported here, and only here.
    fn stop(&mut self, path: &Path, stop: Stop, place: &Place) -> Stop {
        match stop {
            Stop::Waiting => {
                self.stopped.insert(path.clone(), true);
                Stop::Waiting
            }
            Stop::Reported => {
                self.stopped.insert(path.clone(), false);
                Stop::Reported
            }
            Stop::Fault(problem) => {
                self.stopped.insert(path.clone(), false);
                let place = problem.place.clone().unwrap_or_else(|| place.clone());
                self.problems.push(problem.at(&place));
                Stop::Reported
            }
        }
    }

    /// Puts a value into the manifest, and resolves what variables it brought along.
    fn settle(&mut self, path: &Path, value: Value, pending: &Pending) -> Result<(), Stop> {
        let Value { node, pieces } = value;
        self.pay(&node, path.len())?;
        self.pending.remove(path);
        if let (Kind::String(text), place) = (&node.kind, node.place.clone()) {
            let pieces = pieces.unwrap_or_else(|| vec![text.clone()]);
            let template = Template::of_pieces(&pieces).map_err(|error| syntax(&error));
            let has_variables = !template?.variables.is_empty();
            tree::replace(&mut self.root, path, node.clone());
            if !has_variables {
                return Ok(());
            }
            if RESULT_NESTING_MAX <= pending.nesting {
                return Err(too_nested());
            }
            let next = Pending {
                pieces,
                place,
                nesting: pending.nesting + 1,
            };
            self.pending.insert(path.clone(), next.clone());
            let template = Template::of_pieces(&next.pieces).map_err(|error| syntax(&error))?;
            let value = self.evaluate(&template, &next.place)?;
            return self.settle(path, value, &next);
        }
        tree::replace(&mut self.root, path, node.clone());
        let inner = self.register(&node, path, pending.nesting + 1);
        if !inner.is_empty() && RESULT_NESTING_MAX <= pending.nesting {
            for path in &inner {
                self.pending.remove(path);
            }
            return Err(too_nested());
        }
        // They are on their own now: what is wrong with one of them is not wrong with this property.
        let own = self.in_progress.pop();
        for path in inner {
            self.attempt(&path);
        }
        self.in_progress.extend(own);
        Ok(())
    }

    /// Notes all texts with variables below a node. What cannot be understood is reported.
    fn register(&mut self, node: &Node, path: &Path, nesting: usize) -> Vec<Path> {
        let mut found = Vec::new();
        tree::texts_with_dollars(node, &mut path.clone(), &mut found);
        let mut registered = Vec::new();
        for (path, node) in found {
            let Kind::String(text) = node.kind else {
                continue;
            };
            match super::grammar::parse(&text) {
                Ok(variables) if variables.is_empty() => continue,
                Ok(_) => registered.push(path.clone()),
                Err(error) => {
                    if let Stop::Fault(problem) = syntax(&error) {
                        self.problems.push(problem.at(&node.place));
                    }
                    self.stopped.insert(path.clone(), false);
                }
            }
            let pending = Pending {
                pieces: vec![text],
                place: node.place,
                nesting,
            };
            self.pending.insert(path, pending);
        }
        registered
    }

    /// The value of a text: of a single variable as it is, of anything else a text.
    fn evaluate(&mut self, template: &Template, place: &Place) -> Result<Value, Stop> {
        let mut values = Vec::new();
        let mut first_stop = None;
        for variable in &template.variables {
            let value = match &variable.meaning {
                Meaning::Escape(text) => Ok(Node::string(text.clone(), place)),
                Meaning::Sources(sources) => self.alternatives(sources, place),
            };
            match value {
                Ok(value) => values.push((variable.span.clone(), value)),
                // Go on: what else is needed is asked for in the same round.
                Err(stop) => first_stop = first_stop.or(Some(stop)),
            }
        }
        if let Some(stop) = first_stop {
            return Err(stop);
        }
        if template.whole().is_some()
            && let Some((_, node)) = values.pop()
        {
            return Ok(Value { node, pieces: None });
        }
        let mut pieces = Vec::new();
        let mut end = 0;
        for (span, value) in values {
            let before = template.text.get(end..span.start).unwrap_or_default();
            pieces.push(before.to_owned());
            pieces.push(script::text_of(&value).ok_or_else(|| not_text(&value))?);
            end = span.end;
        }
        pieces.push(template.text.get(end..).unwrap_or_default().to_owned());
        let text = pieces.concat();
        if parse::TEXT_BYTES_MAX < text.len() {
            return Err(too_large());
        }
        Ok(Value {
            node: Node::string(text, place),
            pieces: Some(pieces),
        })
    }

    /// The first alternative that has a value.
    fn alternatives(&mut self, sources: &[Source], place: &Place) -> Result<Node, Stop> {
        self.variables_left = self.variables_left.saturating_sub(1);
        if self.variables_left == 0 {
            return Err(too_large());
        }
        let mut missing = None;
        for (index, source) in sources.iter().enumerate() {
            let has_fallback = index + 1 < sources.len();
            match source {
                Source::Literal(value) => return Ok(Node::from_json(value, place)),
                Source::Call {
                    kind,
                    params,
                    address,
                } => {
                    let mut values = Vec::new();
                    for param in params {
                        values.push(self.text(param, place)?);
                    }
                    let address = match address {
                        Some(address) => Some(self.text(address, place)?),
                        None => None,
                    };
                    let call = super::sources::Call {
                        kind,
                        params: values,
                        address,
                        has_fallback,
                        place,
                    };
                    match self.call(&call)? {
                        Ok(node) if node.kind != Kind::Null => return Ok(node),
                        Ok(_null) => missing = Some(super::sources::nothing_found(&call)),
                        Err(reason) => missing = Some(reason),
                    }
                }
            }
        }
        Err(Stop::Fault(missing.unwrap_or_else(|| {
            Box::new(Problem::error(
                "manifest::variable-without-value",
                "the variable has no source",
            ))
        })))
    }

    /// A parameter or an address, with its own variables replaced, and those of their values.
    fn text(&mut self, text: &Text, place: &Place) -> Result<Node, Stop> {
        match text {
            Text::Value(value) => Ok(Node::from_json(value, place)),
            Text::Template(template) => {
                let value = self.evaluate(template, place)?;
                self.again(value, place)
            }
        }
    }

    /// A text of the user's files, with its variables replaced.
    pub(super) fn text_in_file(&mut self, text: &str, place: &Place) -> Result<Node, Stop> {
        let value = Value {
            node: Node::string(text, place),
            pieces: Some(vec![text.to_owned()]),
        };
        self.again(value, place)
    }

    fn again(&mut self, mut value: Value, place: &Place) -> Result<Node, Stop> {
        for _ in 0..RESULT_NESTING_MAX {
            let Kind::String(text) = &value.node.kind else {
                return Ok(value.node);
            };
            let pieces = value.pieces.take().unwrap_or_else(|| vec![text.clone()]);
            let template = Template::of_pieces(&pieces).map_err(|error| syntax(&error))?;
            if template.variables.is_empty() {
                return Ok(value.node);
            }
            value = self.evaluate(&template, place)?;
        }
        Err(too_nested())
    }

    /// The value of another property, once everything in it is resolved.
    pub(super) fn reference(&mut self, steps: &[String]) -> Result<Option<Node>, Stop> {
        for length in 1..=steps.len() {
            let path: Path = steps.iter().take(length).cloned().collect();
            self.property(&path)?;
        }
        let Some(node) = self.peek(steps) else {
            return Ok(None);
        };
        if matches!(node.kind, Kind::Sequence(_) | Kind::Mapping(_)) {
            let below: Vec<Path> = self
                .pending
                .range(steps.to_vec()..)
                .map(|(path, _)| path)
                .take_while(|path| path.starts_with(steps))
                .cloned()
                .collect();
            let mut first_stop = None;
            for path in below {
                if let Err(stop) = self.property(&path) {
                    first_stop = first_stop.or(Some(stop));
                }
            }
            if let Some(stop) = first_stop {
                return Err(stop);
            }
        }
        let Some(node) = self.peek(steps).cloned() else {
            return Ok(None);
        };
        self.pay(&node, 0)?;
        Ok(Some(node))
    }

    /// What stands at a path now, resolved or not.
    pub(super) fn peek(&self, steps: &[String]) -> Option<&Node> {
        self.root.at_path(steps.iter().map(String::as_str))
    }

    /// Counts a copy against the limits.
    fn pay(&mut self, node: &Node, depth: usize) -> Result<(), Stop> {
        let weight = tree::weight(node);
        if parse::DEPTH_MAX < weight.height + depth {
            return Err(fault(
                "manifest::variables-too-deep",
                format!("variables nest values more than {} deep", parse::DEPTH_MAX),
            ));
        }
        self.bytes_left = self.bytes_left.saturating_sub(weight.bytes);
        if self.bytes_left == 0 {
            return Err(too_large());
        }
        Ok(())
    }
}
