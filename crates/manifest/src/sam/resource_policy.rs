//! `ResourcePolicy` of REST APIs and of their events: the policy's statements.
//!
//! Lives here: lists of addresses, accounts and networks, as statements about each path.
//! Does not live here: what statements mean (`policy`, by the gateway).
//!
//! Contract: AWS SAM Developer Guide, "ResourcePolicyStatement"; the SAM transform's output.

use cloudformation::node::{Kind, Mapping, Node};
use model::problem::Place;

use super::apis::Api;
use super::definition::{self, ANY_METHOD};
use super::nodes::{json, list, mapping, text};
use serde_json::json;

const POLICY: &str = "x-amazon-apigateway-policy";

/// Lists of accounts: who is meant, and what becomes of them.
const ACCOUNTS: [(&str, &str); 2] = [
    ("AwsAccountWhitelist", "Allow"),
    ("AwsAccountBlacklist", "Deny"),
];

/// Lists of where a request comes from: whoever meets the condition is refused.
const ORIGINS: [(&str, &str, &str); 8] = [
    ("IpRangeWhitelist", "NotIpAddress", "aws:SourceIp"),
    ("IpRangeBlacklist", "IpAddress", "aws:SourceIp"),
    ("IntrinsicVpcWhitelist", "StringNotEquals", "aws:SourceVpc"),
    ("IntrinsicVpcBlacklist", "StringEquals", "aws:SourceVpc"),
    (
        "IntrinsicVpceWhitelist",
        "StringNotEquals",
        "aws:SourceVpce",
    ),
    ("IntrinsicVpceBlacklist", "StringEquals", "aws:SourceVpce"),
    ("SourceVpcWhitelist", "StringNotEquals", "aws:SourceVpc"),
    ("SourceVpcBlacklist", "StringEquals", "aws:SourceVpc"),
];

/// Writes the policy of an API, and what its events add to it.
pub(super) fn apply(api: &mut Api<'_>, policy: Option<&Node>, place: &Place) {
    let stage = api.declared.get("StageName").cloned();
    let stage = stage.unwrap_or_else(|| text("Stage", place));
    let mut statements = Vec::new();
    for (path, method, policy) in std::mem::take(&mut api.policies) {
        let resources = vec![resource(&path, &method, &stage, place)];
        statements.extend(statements_of(&policy, &resources));
    }
    let Some(definition) = &mut api.definition else {
        return;
    };
    if let Some(policy) = policy {
        for resources in resources_by_path(definition, &stage, place) {
            statements.extend(statements_of(policy, &resources));
        }
        if let Some(custom) = policy.get("CustomStatements") {
            let many = custom.as_sequence();
            statements.extend_from_slice(many.unwrap_or(std::slice::from_ref(custom)));
        }
    }
    if statements.is_empty() {
        return;
    }
    if let Some(top) = definition::top(definition) {
        let written = mapping(
            [
                ("Version", text("2012-10-17", place)),
                ("Statement", list(statements, place)),
            ],
            place,
        );
        top.set(POLICY, place, written);
    }
}

/// The methods of each path, as resources of a policy.
fn resources_by_path(definition: &mut Node, stage: &Node, place: &Place) -> Vec<Vec<Node>> {
    let mut by_path: Vec<(String, Vec<Node>)> = Vec::new();
    definition::each_method(definition, &mut |path, method, _| {
        let resource = resource(path, method, stage, place);
        match by_path.iter_mut().find(|(known, _)| known == path) {
            Some((_, resources)) => resources.push(resource),
            None => by_path.push((path.to_owned(), vec![resource])),
        }
    });
    by_path
        .into_iter()
        .map(|(_, resources)| resources)
        .collect()
}

/// `execute-api:/STAGE/METHOD/PATH`, with a star for each parameter.
fn resource(path: &str, method: &str, stage: &Node, place: &Place) -> Node {
    let method = if method == ANY_METHOD {
        "*".to_owned()
    } else {
        method.to_ascii_uppercase()
    };
    let segments = path.split('/').map(|segment| {
        if segment.starts_with('{') && segment.ends_with('}') {
            "*"
        } else {
            segment
        }
    });
    let path = segments.collect::<Vec<_>>().join("/");
    let template = format!("execute-api:/${{__Stage__}}/{method}{path}");
    let variables = mapping([("__Stage__", stage.clone())], place);
    let parts = list(vec![text(template, place), variables], place);
    mapping([("Fn::Sub", parts)], place)
}

fn statements_of(policy: &Node, resources: &[Node]) -> Vec<Node> {
    let place = &policy.place;
    let mut statements = Vec::new();
    for (name, effect) in ACCOUNTS {
        if let Some(accounts) = policy.get(name) {
            let principal = mapping([("AWS", accounts.clone())], place);
            statements.push(statement(effect, principal, resources, None, place));
        }
    }
    let any = || json(&json!("*"), place);
    let origins: Vec<_> = ORIGINS
        .into_iter()
        .filter_map(|(name, test, key)| Some((test, key, policy.get(name)?)))
        .collect();
    if !origins.is_empty() {
        statements.push(statement("Allow", any(), resources, None, place));
    }
    for (test, key, values) in origins {
        let condition = mapping([(key, values.clone())], place);
        let condition = mapping([(test, condition)], place);
        statements.push(statement("Deny", any(), resources, Some(condition), place));
    }
    statements
}

fn statement(
    effect: &str,
    principal: Node,
    resources: &[Node],
    condition: Option<Node>,
    place: &Place,
) -> Node {
    let mut statement = Mapping::default();
    statement.set("Effect", place, text(effect, place));
    statement.set("Action", place, text("execute-api:Invoke", place));
    statement.set("Resource", place, list(resources.to_vec(), place));
    statement.set("Principal", place, principal);
    if let Some(condition) = condition {
        statement.set("Condition", place, condition);
    }
    Node::new(Kind::Mapping(statement), place)
}
