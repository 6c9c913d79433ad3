//! The APIs of a template, while functions add to them.
//!
//! Lives here: finding the API that an event belongs to, the two implicit ones, conditions of routes.
//! Does not live here: what is written for an API (`rest_api`, `http_api`).

use std::collections::{BTreeMap, BTreeSet};

use cloudformation::node::{Kind, Mapping, Node};
use model::problem::Place;

use super::context::{Context, Declared};
use super::definition;
use super::nodes::{list, mapping, only_if, text};

/// AWS CloudFormation, "Condition functions": `Fn::Or` takes at most ten conditions.
const OPERANDS_MAX: usize = 10;

/// The two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApiKind {
    /// `AWS::Serverless::Api`.
    Rest,
    /// `AWS::Serverless::HttpApi`.
    Http,
}

impl ApiKind {
    /// The type in the manifest.
    pub(super) fn resource_type(self) -> &'static str {
        match self {
            Self::Rest => "AWS::Serverless::Api",
            Self::Http => "AWS::Serverless::HttpApi",
        }
    }

    /// The API that is there when an event names none.
    pub(super) fn implicit(self) -> &'static str {
        match self {
            Self::Rest => "ServerlessRestApi",
            Self::Http => "ServerlessHttpApi",
        }
    }

    fn skeleton(self, place: &Place) -> Node {
        match self {
            Self::Rest => definition::skeleton("swagger", "2.0", place),
            Self::Http => definition::skeleton("openapi", "3.0.1", place),
        }
    }
}

/// Who writes an API's definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authorship {
    /// Its events.
    Events,
    /// The project.
    Project,
}

/// One API.
pub(super) struct Api<'n> {
    pub(super) kind: ApiKind,
    pub(super) declared: Declared<'n>,
    pub(super) authorship: Authorship,
    /// None: it stands in a bucket, or could not be read.
    pub(super) definition: Option<Node>,
    /// `DefinitionUri` in a bucket.
    pub(super) remote: Option<Node>,
    /// The conditions of the functions behind each path, by its events.
    pub(super) conditions: BTreeMap<String, Vec<Option<String>>>,
    /// Methods whose events want no API key, by path and key.
    pub(super) unkeyed: BTreeSet<(String, String)>,
    /// What events say of who may call them: path, key of the method, `ResourcePolicy`.
    pub(super) policies: Vec<(String, String, Node)>,
}

impl Api<'_> {
    /// What permissions for this API end with.
    pub(super) fn stage_suffix(&self) -> String {
        match self.declared.get("StageName").and_then(Node::as_str) {
            Some(name) => name.to_owned(),
            None => "Stage".to_owned(),
        }
    }
}

/// All APIs, by logical id.
pub(super) type Apis<'n> = BTreeMap<String, Api<'n>>;

/// An API that the template declares.
pub(super) fn declared<'n>(
    kind: ApiKind,
    declared: Declared<'n>,
    context: &mut Context<'_>,
) -> Api<'n> {
    let place = declared.place;
    let body = declared.get("DefinitionBody").cloned();
    let uri = declared.get("DefinitionUri").cloned();
    let mut api = Api {
        kind,
        declared,
        authorship: Authorship::Project,
        definition: None,
        remote: None,
        conditions: BTreeMap::new(),
        unkeyed: BTreeSet::new(),
        policies: Vec::new(),
    };
    match (body, uri) {
        (Some(body), _) => api.definition = included(body, context),
        (None, Some(uri)) => match (context.resolved_text(&uri), uri.as_mapping()) {
            (Some(path), _) if !path.starts_with("s3://") => {
                api.definition = context.file(&path, &uri.place);
            }
            (Some(address), _) => api.remote = bucket_of(&address, &uri.place),
            (None, Some(members)) => {
                let mut location = Mapping::default();
                for name in ["Bucket", "Key", "Version"] {
                    if let Some(value) = members.get(name) {
                        location.set(name, place, value.clone());
                    }
                }
                api.remote = Some(Node::new(Kind::Mapping(location), place));
            }
            (None, None) => context.invalid(
                "manifest::invalid-definition-uri",
                "`DefinitionUri` is a path, or a mapping of `Bucket` and `Key`",
                &uri.place,
            ),
        },
        (None, None) => {
            api.authorship = Authorship::Events;
            api.definition = Some(kind.skeleton(place));
        }
    }
    api
}

fn bucket_of(address: &str, place: &Place) -> Option<Node> {
    let (bucket, key) = address.strip_prefix("s3://")?.split_once('/')?;
    Some(mapping(
        [("Bucket", text(bucket, place)), ("Key", text(key, place))],
        place,
    ))
}

/// `Fn::Transform: AWS::Include` of a file in the project is read, as `sam package` would send it.
fn included(body: Node, context: &mut Context<'_>) -> Option<Node> {
    let include = body
        .get("Fn::Transform")
        .filter(|transform| transform.get("Name").and_then(Node::as_str) == Some("AWS::Include"));
    let Some(location) = include.and_then(|include| include.at_path(["Parameters", "Location"]))
    else {
        return Some(body);
    };
    match context.resolved_text(location) {
        Some(path) if !path.starts_with("s3://") => context.file(&path, &location.place),
        Some(_) | None => Some(body),
    }
}

/// The implicit API stays when a function behind it does.
pub(super) fn keep_with(api: &mut Api<'_>, function: &Declared<'_>) {
    if api.declared.logical_id != api.kind.implicit() {
        return;
    }
    for (name, strengths) in [
        ("DeletionPolicy", ["Delete", "Retain", "Retain"]),
        ("UpdateReplacePolicy", ["Delete", "Snapshot", "Retain"]),
    ] {
        let strength = |resource: &Mapping| {
            let policy = resource.get(name).and_then(Node::as_str)?;
            strengths.iter().position(|strength| *strength == policy)
        };
        let given = strength(&function.resource);
        if strength(&api.declared.resource) < given
            && let Some(policy) = function.resource.get(name)
        {
            let place = api.declared.place;
            api.declared.resource.set(name, place, policy.clone());
        }
    }
}

/// The API that is there when an event names none.
pub(super) fn implicit<'n>(kind: ApiKind, properties: Mapping, place: &'n Place) -> Api<'n> {
    Api {
        kind,
        declared: Declared {
            logical_id: kind.implicit(),
            properties,
            resource: Mapping::default(),
            place,
        },
        authorship: Authorship::Events,
        definition: Some(kind.skeleton(place)),
        remote: None,
        conditions: BTreeMap::new(),
        unkeyed: BTreeSet::new(),
        policies: Vec::new(),
    }
}

/// Gives paths, and the implicit API itself, the conditions that all functions behind them have.
pub(super) fn apply_conditions(api: &mut Api<'_>, context: &mut Context<'_>) {
    if api.authorship == Authorship::Project {
        return;
    }
    let place = api.declared.place;
    let id = api.declared.logical_id;
    let mut all: Vec<Option<String>> = Vec::new();
    for (path, conditions) in &api.conditions {
        all.extend(conditions.iter().cloned());
        let name = format!("{id}{}PathCondition", path_letters(path));
        let Some(condition) = common(conditions, &name, place, context) else {
            continue;
        };
        let item = api
            .definition
            .as_mut()
            .and_then(definition::top)
            .and_then(|top| top.get_mut("paths"))
            .and_then(|paths| match &mut paths.kind {
                Kind::Mapping(paths) => paths.get_mut(path),
                Kind::Null
                | Kind::Bool(_)
                | Kind::Number { .. }
                | Kind::String(_)
                | Kind::Sequence(_) => None,
            });
        if let Some(item) = item {
            *item = only_if(&condition, item.clone(), place);
        }
    }
    if id == api.kind.implicit()
        && let Some(condition) = common(&all, &format!("{id}Condition"), place, context)
    {
        api.declared
            .resource
            .set("Condition", place, text(condition, place));
    }
}

/// A path in the letters that a condition's name may have.
fn path_letters(path: &str) -> String {
    let spelt = path
        .replace('/', "SLASH")
        .replace('{', "OB")
        .replace('}', "CB");
    spelt.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The condition that holds when any of these does; none when one is without.
fn common(
    conditions: &[Option<String>],
    name: &str,
    place: &Place,
    context: &mut Context<'_>,
) -> Option<String> {
    let known: Option<BTreeSet<&str>> = conditions.iter().map(Option::as_deref).collect();
    let known = known?;
    let first = known.first()?;
    if known.len() == 1 {
        return Some((*first).to_owned());
    }
    let known: Vec<&str> = known.into_iter().collect();
    let groups: Vec<&[&str]> = known.chunks(OPERANDS_MAX).collect();
    if let [group] = groups.as_slice() {
        write_any(name, group, place, context);
        return Some(name.to_owned());
    }
    let mut names = Vec::new();
    for (index, group) in groups.into_iter().enumerate() {
        let part = format!("{name}{}", index + 1);
        match group {
            [single] => names.push((*single).to_owned()),
            several => {
                write_any(&part, several, place, context);
                names.push(part);
            }
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    write_any(name, &names, place, context);
    Some(name.to_owned())
}

/// A condition that holds when any of these does.
fn write_any(name: &str, conditions: &[&str], place: &Place, context: &mut Context<'_>) {
    let any = conditions
        .iter()
        .map(|condition| mapping([("Condition", text(*condition, place))], place))
        .collect();
    let node = mapping([("Fn::Or", list(any, place))], place);
    context.conditions.set(name, place, node);
}
