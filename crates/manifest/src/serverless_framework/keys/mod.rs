//! Every key of the tool's schema: whether it is carried out, does nothing here, or is refused.
//!
//! Lives here: the kinds of rows, and checking a manifest against them.
//! Does not live here: the rows themselves (`service_rows`, `provider_rows`, `function_rows`, `event_rows`).
//!
//! Contract: the JSON schema of the Serverless Framework 3.40, which `configValidationMode` is about.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cloudformation::node::{Kind, Node};
use model::problem::{Place, Problem, Severity};
use model::suggestion::nearest;

use super::{script, severity_of_schema};

mod event_rows;
mod function_rows;
mod provider_rows;
mod service_rows;
mod shapes;
#[cfg(test)]
mod tests;

pub use shapes::Shape;

/// A key that manifests may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The way to it; `*` is any key, `[]` each item of a list.
    pub path: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// What becomes of it.
    pub status: Status,
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is carried out: the template is what the tool would write.
    Done,
    /// Without effect here, for this reason.
    NoEffect(&'static str),
    /// Not implemented yet: this is what is missing.
    Refused(&'static str),
}

/// All keys, for checks and documents.
pub fn all() -> impl Iterator<Item = &'static Key> {
    [
        service_rows::ROWS,
        provider_rows::ROWS,
        function_rows::ROWS,
        event_rows::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// Makes values what the schema says they are (`'10'` becomes a number where a number is due, as the tool does),
/// and names what nobody knows, what is refused, and what has the wrong type.
pub(super) fn check(root: &mut Node, problems: &mut Vec<Problem>) {
    let plugins = super::plugins::named(root);
    let plugins = plugins
        .filter_map(Node::as_str)
        .map(str::to_owned)
        .collect();
    let mut checker = Checker {
        plugins,
        severity: severity_of_schema(root),
        index: &INDEX,
        problems,
    };
    checker.walk(root, &Way::default());
}

const fn done(path: &'static str, shape: Shape) -> Key {
    Key {
        path,
        shape,
        status: Status::Done,
    }
}

const fn no_effect(path: &'static str, shape: Shape, reason: &'static str) -> Key {
    Key {
        path,
        shape,
        status: Status::NoEffect(reason),
    }
}

const fn refused(path: &'static str, shape: Shape, missing: &'static str) -> Key {
    Key {
        path,
        shape,
        status: Status::Refused(missing),
    }
}

/// Keys of the manifest that plugins read.
const PLUGIN_KEYS: [(&str, &str); 3] = [
    ("appSync", "serverless-appsync-plugin"),
    ("constructs", "serverless-lift"),
    ("stepFunctions", "serverless-step-functions"),
];

static INDEX: LazyLock<Index> = LazyLock::new(Index::new);

struct Index {
    rows: BTreeMap<&'static str, &'static Key>,
    /// What may stand below each path that is known in full.
    children: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Index {
    fn new() -> Self {
        let mut rows = BTreeMap::new();
        let mut children: BTreeMap<&'static str, Vec<&'static str>> = BTreeMap::new();
        for key in all() {
            rows.insert(key.path, key);
            let (parent, child) = match key.path.strip_suffix("[]") {
                Some(list) => (list, "[]"),
                None => key.path.rsplit_once('.').unwrap_or(("", key.path)),
            };
            children.entry(parent).or_default().push(child);
        }
        Self { rows, children }
    }
}

struct Checker<'a> {
    /// The plugins that the manifest names.
    plugins: Vec<String>,
    /// None: the manifest asks not to hear of it.
    severity: Option<Severity>,
    index: &'a Index,
    problems: &'a mut Vec<Problem>,
}

/// How the checker came to a value.
#[derive(Debug, Clone, Default)]
struct Way {
    /// As the table has it: `functions.*.events[]`.
    path: String,
    /// As the manifest has it: `functions.hello.events[0]`.
    shown: String,
}

impl Way {
    fn to_key(&self, known: &str, key: &str) -> Self {
        Self {
            path: joined(&self.path, known),
            shown: joined(&self.shown, key),
        }
    }

    fn to_item(&self, index: usize) -> Self {
        Self {
            path: format!("{}[]", self.path),
            shown: format!("{}[{index}]", self.shown),
        }
    }

    /// Whether this is what a function is called by.
    fn is_event(&self) -> bool {
        let event = self.path.strip_prefix(event_rows::PREFIX);
        event.is_some_and(|event| !event.contains('.'))
    }
}

impl Checker<'_> {
    fn walk(&mut self, node: &mut Node, way: &Way) {
        if let Some(key) = self.index.rows.get(way.path.as_str()).copied() {
            self.check_value(node, key, way);
        }
        let Some(children) = self.index.children.get(way.path.as_str()) else {
            return;
        };
        if shapes::is_function(node) {
            return;
        }
        match &mut node.kind {
            Kind::Mapping(mapping) => {
                let keys: Vec<(String, Place)> = mapping
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.key_place.clone()))
                    .collect();
                for (key, place) in keys {
                    let known = [key.as_str(), "*"]
                        .into_iter()
                        .find(|known| children.contains(known));
                    match (known, mapping.get_mut(&key)) {
                        (Some(known), Some(value)) => {
                            let way = way.to_key(known, &key);
                            self.refuse(value, &way, &key, &place);
                            self.walk(value, &way);
                        }
                        (None, Some(_)) => self.unknown(&key, &place, way, children),
                        (_, None) => {}
                    }
                }
            }
            Kind::Sequence(items) if children.contains(&"[]") => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.walk(item, &way.to_item(index));
                }
            }
            Kind::Null
            | Kind::Bool(_)
            | Kind::Number { .. }
            | Kind::String(_)
            | Kind::Sequence(_) => {}
        }
    }

    fn check_value(&mut self, node: &mut Node, key: &Key, way: &Way) {
        let is_empty_event = way.is_event() && node.kind == Kind::Null;
        let expected = match shapes::coerce(node, key.shape) {
            Ok(()) if is_empty_event => "what calls the function, indented further than this key",
            Ok(()) => return,
            Err(expected) => expected,
        };
        let problem = |severity, cause: &str| {
            let title = format!("`{}` is {}", way.shown, node.kind_name());
            let problem = Problem::warning("manifest::wrong-type", title)
                .at(&node.place)
                .because(cause)
                .help(format!("it should be {expected}"));
            Problem {
                severity,
                ..problem
            }
        };
        let problem = if key.shape == Shape::Mapping || is_empty_event {
            Some(problem(Severity::Error, "nothing can be read from it"))
        } else {
            let cause = "the Serverless Framework warns of it, and hands it on as it is";
            self.severity.map(|severity| problem(severity, cause))
        };
        self.problems.extend(problem);
    }

    fn refuse(&mut self, value: &Node, way: &Way, key: &str, place: &Place) {
        let row = self.index.rows.get(way.path.as_str());
        let Some(Status::Refused(missing)) = row.map(|key| key.status) else {
            return;
        };
        if !script::is_true(value) {
            return;
        }
        let problem = if way.is_event() {
            Problem::error(
                "manifest::event-not-implemented",
                format!("events of the type `{key}` are not implemented yet"),
            )
            .help("the function itself is deployed, and its other events reach it")
        } else {
            Problem::error(
                "manifest::key-not-implemented",
                format!("`{}` is not implemented yet", way.shown),
            )
            .help("the rest of the project runs without it")
        };
        self.problems.push(problem.at(place).because(missing));
    }

    fn unknown(&mut self, key: &str, place: &Place, way: &Way, children: &[&str]) {
        let Some(severity) = self.severity else {
            return;
        };
        let section = if way.shown.is_empty() {
            "the manifest".to_owned()
        } else {
            format!("`{}`", way.shown)
        };
        let plugin = PLUGIN_KEYS
            .iter()
            .find(|(known, _)| way.shown.is_empty() && *known == key);
        if let Some((_, plugin)) = plugin
            && self.plugins.iter().any(|named| named == plugin)
        {
            // What it does is missing, and that is told at its name.
            return;
        }
        let mut problem = Problem::warning(
            "manifest::unknown-key",
            format!("{section} has no key `{key}`"),
        )
        .at(place)
        .because("the Serverless Framework warns of it, and does nothing with it");
        problem = match (plugin, nearest(key, children.iter().copied())) {
            (Some((_, plugin)), _) => problem.help(format!(
                "remove it, or name the plugin that knows it: `{plugin}`"
            )),
            (None, Some(meant)) => problem.help(format!("did you mean `{meant}`?")),
            (None, None) if self.plugins.is_empty() => {
                problem.help("remove it, or name the plugin that knows it")
            }
            (None, None) => problem.help("remove it, unless one of the plugins knows it"),
        };
        self.problems.push(Problem {
            severity,
            ..problem
        });
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
