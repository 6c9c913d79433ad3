//! Reading `custom.apiGatewayServiceProxies`.
//!
//! Lives here: the list, which keys an item may and must have, and keys that do nothing.
//! Does not live here: what values look like (`shapes`), what becomes of them (`requests`, `responses`).
//!
//! Contract: the plugin's own schema, which stops its tool at the first mistake.

use cloudformation::node::{Entry, Node};
use model::problem::{Place, Problem, Severity};

use super::shapes::{self, Fault};
use super::{KINDS, Kind, Proxy};
use crate::serverless_framework::service::Service;
use crate::serverless_framework::template::rest_api::events::{self, Event};
use crate::serverless_framework::{plugins, script, suggestion};

const PLUGIN: &str = "serverless-apigateway-service-proxy";

/// Keys of all proxies.
const SHARED: [&str; 10] = [
    "path",
    "pathOverride",
    "method",
    "cors",
    "private",
    "authorizationType",
    "authorizerId",
    "authorizationScopes",
    "roleArn",
    "acceptParameters",
];

impl Kind {
    /// Its other keys, what is called first.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Kinesis => &[
                "streamName",
                "action",
                "partitionKey",
                "request",
                "response",
            ],
            Self::Queues => &["queueName", "requestParameters", "request", "response"],
            Self::Objects => &[
                "bucket",
                "action",
                "key",
                "requestParameters",
                "request",
                "response",
            ],
            Self::Topics => &["topicName", "request", "response"],
            Self::Tables => &[
                "tableName",
                "action",
                "condition",
                "hashKey",
                "rangeKey",
                "requestParameters",
                "request",
                "response",
            ],
            Self::Events => &["eventBusName", "source", "detailType", "detail", "request"],
        }
    }

    fn required(self) -> &'static [&'static str] {
        match self {
            Self::Objects => &["path", "method", "bucket", "action"],
            Self::Tables => &["path", "method", "tableName", "action", "hashKey"],
            Self::Events => &["path", "method", "eventBusName", "source"],
            Self::Kinesis => &["path", "method", "streamName"],
            Self::Queues => &["path", "method", "queueName"],
            Self::Topics => &["path", "method", "topicName"],
        }
    }

    /// Keys that the plugin takes and never looks at.
    fn unread(self) -> &'static [&'static str] {
        match self {
            Self::Topics => &["pathOverride"],
            Self::Objects => &["request.passThrough", "request.contentHandling"],
            Self::Tables => &[
                "pathOverride",
                "roleArn",
                "request.passThrough",
                "request.contentHandling",
            ],
            Self::Kinesis | Self::Queues | Self::Events => &[
                "pathOverride",
                "request.passThrough",
                "request.contentHandling",
            ],
        }
    }
}

pub(super) fn all<'a>(
    service: &Service<'a>,
    events: &[Event<'_>],
    problems: &mut Vec<Problem>,
) -> Vec<Proxy<'a>> {
    let mut named = plugins::named(service.root);
    let list = service.root.at_path(["custom", "apiGatewayServiceProxies"]);
    let list = script::truthy(list).filter(|_| named.any(|name| name.as_str() == Some(PLUGIN)));
    let Some(list) = list else { return Vec::new() };
    let Some(items) = list.as_sequence() else {
        let title = format!("`apiGatewayServiceProxies` is {}", list.kind_name());
        problems.push(invalid(
            title,
            &list.place,
            "make it a list: one item for each method",
        ));
        return Vec::new();
    };
    let mut proxies: Vec<Proxy<'a>> = Vec::new();
    for item in items {
        let before = problems.len();
        let read = one(item, problems);
        let is_wrong = problems
            .iter()
            .skip(before)
            .any(|problem| problem.severity == Severity::Error);
        proxies.extend(read.filter(|_| !is_wrong));
    }
    check_unique(&proxies, events, problems);
    proxies
}

fn invalid(title: String, place: &Place, help: &str) -> Problem {
    Problem::error("manifest::invalid-service-proxy", title)
        .at(place)
        .because("the plugin `serverless-apigateway-service-proxy` refuses this, too")
        .help(help)
}

fn one<'a>(item: &'a Node, problems: &mut Vec<Problem>) -> Option<Proxy<'a>> {
    let entries: Vec<&'a Entry> = item.as_mapping().into_iter().flatten().collect();
    let names = KINDS.map(Kind::name);
    let [entry] = entries.as_slice() else {
        let help = format!("name one service alone: {}", names.join(", "));
        let title = "a service proxy is a mapping with one key".to_owned();
        problems.push(invalid(title, &item.place, &help));
        return None;
    };
    let Some(kind) = KINDS.into_iter().find(|kind| kind.name() == entry.key) else {
        let title = format!("service proxies call no service `{}`", entry.key);
        let help = suggestion::help(&entry.key, &names);
        problems.push(invalid(title, &entry.key_place, &help));
        return None;
    };
    let options = &entry.value;
    let Some(mapping) = options.as_mapping() else {
        let title = format!("the proxy of `{}` is {}", entry.key, options.kind_name());
        problems.push(invalid(
            title,
            &options.place,
            "give it `path`, `method` and what it calls",
        ));
        return None;
    };
    let known: Vec<&str> = SHARED.iter().chain(kind.keys()).copied().collect();
    for option in mapping {
        if known.contains(&option.key.as_str()) {
            continue;
        }
        let title = format!("a proxy of `{}` has no key `{}`", kind.name(), option.key);
        let help = suggestion::help(&option.key, &known);
        problems.push(invalid(title, &option.key_place, &help));
    }
    for key in kind.required() {
        if script::truthy(options.get(key)).is_none() {
            let title = format!("the proxy of `{}` has no `{key}`", kind.name());
            problems.push(invalid(
                title,
                &entry.key_place,
                &format!("give it `{key}`"),
            ));
        }
    }
    let faults = shapes::faults(kind, options);
    problems.extend(faults.into_iter().map(|fault| {
        let Fault { title, place, help } = fault;
        invalid(title, &place, &help)
    }));
    problems.extend(without_effect(kind, options));
    let text = |key: &str| {
        options
            .get(key)
            .and_then(script::text_of)
            .unwrap_or_default()
    };
    let path = text("path");
    let path = path.strip_prefix('/').unwrap_or(&path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if let Err(why) = events::check_length(path) {
        problems.push(invalid(why, &options.place, events::SHORTER_PATH));
    }
    Some(Proxy {
        kind,
        options,
        path: path.to_owned(),
        method: text("method").to_uppercase(),
        place: entry.key_place.clone(),
    })
}

/// What the plugin takes in silence, and does nothing with.
fn without_effect(kind: Kind, options: &Node) -> Vec<Problem> {
    let mut found: Vec<(String, &Node)> = Vec::new();
    for way in kind.unread() {
        found.extend(
            options
                .at_path(way.split('.'))
                .map(|node| ((*way).to_owned(), node)),
        );
    }
    let response = options.get("response");
    let short = response.and_then(|response| response.get("template"));
    let is_long = response.is_some_and(|response| response.as_sequence().is_some());
    if kind == Kind::Objects && is_long {
        found.extend(response.map(|node| ("response".to_owned(), node)));
    }
    if matches!(kind, Kind::Queues | Kind::Topics | Kind::Tables)
        && let Some(short) = short
        && script::truthy(short.get("success")).is_none()
    {
        found.push(("response.template".to_owned(), short));
    }
    let mut problems: Vec<Problem> = found
        .into_iter()
        .map(|(key, node)| unread(kind, &key, node))
        .collect();
    let cors = options
        .get("cors")
        .filter(|cors| cors.as_mapping().is_some());
    if let Some(cors) = cors
        && cors.get("origin").or_else(|| cors.get("origins")).is_none()
    {
        problems.push(
            Problem::warning(
                "manifest::service-proxy-without-effect",
                "`cors` names no origin, so that replies allow none",
            )
            .at(&cors.place)
            .because("the plugin sends `Access-Control-Allow-Origin: undefined` then, here as in the cloud")
            .help("add `origin: '*'`, or the origins that may call"),
        );
    }
    problems
}

fn unread(kind: Kind, key: &str, node: &Node) -> Problem {
    let name = kind.name();
    let (why, help) = match key {
        "roleArn" => (
            "the plugin gives proxies of tables a role of its own, which may do what they say",
            "remove it",
        ),
        "response.template" => (
            "the plugin looks at no template of a reply unless there is one for `success`",
            "add `success`",
        ),
        "response" => (
            "of buckets, the plugin reads the short form of `response` alone",
            "write `response: {template: {success, clientError, serverError}}`",
        ),
        _others => ("the plugin never looks at it", "remove it"),
    };
    Problem::warning(
        "manifest::service-proxy-without-effect",
        format!("`{key}` has no effect on a proxy of `{name}`"),
    )
    .at(&node.place)
    .because(why)
    .help(help)
}

/// The plugin merges a second method of a path into the first.
fn check_unique(proxies: &[Proxy<'_>], events: &[Event<'_>], problems: &mut Vec<Problem>) {
    let events = events
        .iter()
        .map(|event| (&event.path, &event.method, &event.place));
    let mut seen: Vec<(&String, &String, &Place)> = events.collect();
    for proxy in proxies {
        let first = seen
            .iter()
            .find(|(path, method, _)| **path == proxy.path && **method == proxy.method);
        if let Some((_, _, first)) = first {
            problems.push(
                Problem::error(
                    "manifest::duplicate-route",
                    format!(
                        "`{} /{}` stands here a second time",
                        proxy.method, proxy.path
                    ),
                )
                .at(&proxy.place)
                .because(format!(
                    "it is at {first} already, and both are merged into one method"
                ))
                .help("remove one of them"),
            );
        }
        seen.push((&proxy.path, &proxy.method, &proxy.place));
    }
}
