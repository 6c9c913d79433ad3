//! What the values of a service proxy look like.
//!
//! Lives here: a check for each key, as the plugin's schema has it.
//! Does not live here: which keys there are (`read`).

use cloudformation::node::Node;
use model::problem::Place;

use super::Kind;
use crate::serverless_framework::{script, suggestion};

/// A value that the plugin refuses.
pub(super) struct Fault {
    pub(super) title: String,
    pub(super) place: Place,
    pub(super) help: String,
}

const METHODS: &[&str] = &[
    "get", "post", "put", "patch", "options", "head", "delete", "any",
];
const AUTHORIZATIONS: &[&str] = &["NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS"];
const PASS_THROUGH: &[&str] = &["WHEN_NO_MATCH", "NEVER", "WHEN_NO_TEMPLATES"];
const HANDLING: &[&str] = &["CONVERT_TO_BINARY", "CONVERT_TO_TEXT"];
const OBJECT: &str = "integration.request.path.object";

pub(super) fn faults(kind: Kind, options: &Node) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |fault: Option<Fault>| faults.extend(fault);
    let actions: &[&str] = match kind {
        Kind::Kinesis => &["PutRecord", "PutRecords"],
        Kind::Objects => &["GetObject", "PutObject", "DeleteObject"],
        Kind::Tables => &["PutItem", "GetItem", "DeleteItem"],
        Kind::Queues | Kind::Topics | Kind::Events => &[],
    };
    add(one_of(options, &["method"], METHODS));
    add(one_of(options, &["action"], actions));
    add(one_of(options, &["authorizationType"], AUTHORIZATIONS));
    add(one_of(options, &["request", "passThrough"], PASS_THROUGH));
    add(one_of(options, &["request", "contentHandling"], HANDLING));
    for key in ["path", "pathOverride", "condition"] {
        add(text(options, key));
    }
    add(target(kind, options));
    add(named(options, "roleArn", Some("Arn")));
    add(named(options, "authorizerId", None));
    add(authorizer(options));
    for key in ["acceptParameters", "requestParameters", "response"] {
        add(collection(options, key));
    }
    add(template(options));
    let places = ["pathParam", "queryStringParam", "bodyParam"];
    let [path, query, _] = places;
    match kind {
        Kind::Objects => {
            add(source(options, "key", &[path, query]));
            add(object_key(options));
        }
        Kind::Kinesis => add(source(options, "partitionKey", &places)),
        Kind::Tables => {
            for key in ["hashKey", "rangeKey"] {
                add(source(options, key, &[path, query]));
            }
        }
        Kind::Events => {
            add(source(options, "source", &places));
            add(source(options, "detailType", &places));
            let whole = options
                .get("detail")
                .filter(|detail| detail.as_mapping().is_none());
            add(whole.map(|detail| {
                fault(
                    "`detail` is no mapping".to_owned(),
                    detail,
                    "write `detail: {bodyParam: name}`, or leave it out",
                )
            }));
        }
        Kind::Queues | Kind::Topics => {}
    }
    add(cors(options));
    faults
}

fn fault(title: String, node: &Node, help: &str) -> Fault {
    Fault {
        title,
        place: node.place.clone(),
        help: help.to_owned(),
    }
}

fn one_of(options: &Node, way: &[&str], known: &[&str]) -> Option<Fault> {
    let node = options.at_path(way.iter().copied())?;
    let name = script::text_of(node).unwrap_or_default();
    // Methods alone may be in upper case.
    let lower = name.to_lowercase();
    let written = if known == METHODS { &lower } else { &name };
    let is_known = known.contains(&written.as_str());
    // A service without actions has no such key, which is a fault of its own.
    if is_known || known.is_empty() {
        return None;
    }
    let title = format!("`{name}` cannot be `{}`", way.join("."));
    Some(fault(title, node, &suggestion::help(&name, known)))
}

fn text(options: &Node, key: &str) -> Option<Fault> {
    let node = options.get(key)?;
    let is_text = node.as_mapping().is_none() && node.as_sequence().is_none();
    (!is_text).then(|| {
        fault(
            format!("`{key}` is {}", node.kind_name()),
            node,
            "write a text",
        )
    })
}

/// What is called: a text, or what a resource of this manifest is called.
fn target(kind: Kind, options: &Node) -> Option<Fault> {
    let attribute = match kind {
        Kind::Queues => Some("QueueName"),
        Kind::Topics => Some("TopicName"),
        Kind::Kinesis | Kind::Objects | Kind::Tables | Kind::Events => None,
    };
    named(options, kind.target(), attribute)
}

/// A text, or one function: the attribute of this name, or else `Ref`.
fn named(options: &Node, key: &str, attribute: Option<&str>) -> Option<Fault> {
    let node = options.get(key)?;
    let mapping = node.as_mapping();
    if mapping.is_none() && node.as_sequence().is_none() {
        return None;
    }
    let is_single = mapping.is_some_and(|mapping| mapping.iter().count() == 1);
    let is_fit = is_single
        && match attribute {
            None => node.get("Ref").is_some(),
            Some(wanted) => {
                let parts = node.get("Fn::GetAtt").and_then(Node::as_sequence);
                matches!(parts, Some([_, last]) if last.as_str() == Some(wanted))
            }
        };
    let help = match attribute {
        None => format!("write a name, or `{key}: {{Ref: Resource}}`"),
        Some(attribute) => {
            format!("write a name, or `{key}: {{'Fn::GetAtt': [Resource, {attribute}]}}`")
        }
    };
    let title = || format!("`{key}` is neither a text nor the function that it may be");
    (!is_fit).then(|| fault(title(), node, &help))
}

/// An authorizer needs to be told of which kind it is.
fn authorizer(options: &Node) -> Option<Fault> {
    let kind = options.get("authorizationType").and_then(script::text_of);
    let kind = kind.as_deref();
    let (key, fit): (_, &[&str]) = if options.get("authorizerId").is_some() {
        ("authorizerId", &["CUSTOM", "COGNITO_USER_POOLS"])
    } else {
        ("authorizationScopes", &["COGNITO_USER_POOLS"])
    };
    let node = options.get(key)?;
    let is_fit = kind.is_some_and(|kind| fit.contains(&kind));
    let title = || format!("`{key}` needs an `authorizationType`");
    let help = format!("write `authorizationType: {}`", fit.join("` or `"));
    (!is_fit).then(|| fault(title(), node, &help))
}

fn collection(options: &Node, key: &str) -> Option<Fault> {
    let node = options.get(key)?;
    let is_fit = node.as_mapping().is_some() || (key == "response" && node.as_sequence().is_some());
    (!is_fit).then(|| {
        fault(
            format!("`{key}` is {}", node.kind_name()),
            node,
            "make it a mapping",
        )
    })
}

fn template(options: &Node) -> Option<Fault> {
    let request = options.get("request")?;
    let template = request.get("template").and_then(Node::as_mapping);
    template.is_none().then(|| {
        let help = "write `request: {template: {application/json: …}}`";
        fault("`request` has no `template`".to_owned(), request, help)
    })
}

/// A text, or the one place of the request that it comes from; a key of a table says its type, too.
fn source(options: &Node, key: &str, places: &[&str]) -> Option<Fault> {
    let node = options.get(key)?;
    let is_typed = matches!(key, "hashKey" | "rangeKey");
    let list = places.join("`, `");
    let help = format!("name one of `{list}`");
    let Some(mapping) = node.as_mapping() else {
        let is_text = node.as_sequence().is_none() && !is_typed;
        let title = || format!("`{key}` is {}", node.kind_name());
        return (!is_text).then(|| fault(title(), node, &help));
    };
    let known = |name: &str| places.contains(&name) || (is_typed && name == "attributeType");
    if let Some(other) = mapping.iter().find(|entry| !known(&entry.key)) {
        let title = format!("`{key}` has no key `{}`", other.key);
        return Some(fault(title, &other.value, &help));
    }
    if places
        .iter()
        .filter(|place| node.get(place).is_some())
        .count()
        != 1
    {
        let title = format!("`{key}` does not come from one place of the request");
        return Some(fault(title, node, &help));
    }
    let is_untyped = is_typed && node.get("attributeType").is_none();
    is_untyped.then(|| {
        let help = "add `attributeType: S`, or `N` or `B`: as the table has it";
        fault(format!("`{key}` has no `attributeType`"), node, help)
    })
}

/// Which object is meant: by `key`, by a parameter, or by whatever a template does.
fn object_key(options: &Node) -> Option<Fault> {
    let mapped = options.at_path(["requestParameters", OBJECT]).is_some();
    match options.get("key") {
        _ if options.get("request").is_some() => None,
        None if !mapped => {
            let help = format!("add `key`, or `requestParameters` with `{OBJECT}`");
            Some(fault(
                "the proxy of `s3` names no object".to_owned(),
                options,
                &help,
            ))
        }
        Some(key) if mapped => {
            let title = "the proxy of `s3` names its object twice".to_owned();
            Some(fault(title, key, &format!("remove `key`, or `{OBJECT}`")))
        }
        None | Some(_) => None,
    }
}

fn cors(options: &Node) -> Option<Fault> {
    let cors = options.get("cors")?;
    let help = "write `cors: true`, or a mapping with `origin` or `origins`";
    let Some(mapping) = cors.as_mapping() else {
        let is_flag = script::text_of(cors).is_some_and(|text| text == "true" || text == "false");
        return (!is_flag).then(|| fault(format!("`cors` is {}", cors.kind_name()), cors, help));
    };
    let known = [
        "headers",
        "origin",
        "origins",
        "methods",
        "maxAge",
        "cacheControl",
        "allowCredentials",
    ];
    if let Some(other) = mapping
        .iter()
        .find(|entry| !known.contains(&entry.key.as_str()))
    {
        let title = format!("`cors` has no key `{}`", other.key);
        return Some(fault(
            title,
            &other.value,
            &suggestion::help(&other.key, &known),
        ));
    }
    let both = cors.get("origin").is_some() && cors.get("origins").is_some();
    both.then(|| {
        fault(
            "`cors` has both `origin` and `origins`".to_owned(),
            cors,
            "keep one of them",
        )
    })
}
