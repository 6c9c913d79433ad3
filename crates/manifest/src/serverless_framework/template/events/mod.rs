//! Events that reach functions without an API: schedules, buckets, topics, rules, load balancers, log groups, queues.
//!
//! Lives here: what they have in common; one module a type of event.
//! Does not live here: APIs (`rest_api`, `http_api`), streams (`streams`), what delivers (`event-delivery`).
//!
//! Contract: `serverless package` of the Serverless Framework 3.40, recorded in `tests/serverless_framework/cases/events*`.

use cloudformation::node::Node;
use model::problem::{Place, Problem};

use super::Draft;
use crate::serverless_framework::build::{self, Object, Part};
use crate::serverless_framework::script;
use crate::serverless_framework::service::{Function, Service};

pub(super) mod buckets;
mod existing_buckets;
pub(super) mod load_balancers;
pub(super) mod logs;
pub(super) mod queues;
pub(super) mod rules;
pub(super) mod schedules;
pub(super) mod topics;

/// The events of a type, each with its function and its number among all events of that function, from 1.
fn of_type<'a>(
    service: &Service<'a>,
    kind: &'static str,
) -> impl Iterator<Item = (Function<'a>, usize, &'a Node)> {
    service.functions().flat_map(move |function| {
        let events = function.events().iter().enumerate();
        events.filter_map(move |(index, event)| {
            script::truthy(event.get(kind)).map(|node| (function, index + 1, node))
        })
    })
}

/// A resource that waits for the alias which the event calls, if the function has one.
fn behind_alias(function: Function<'_>, resource: Object) -> Object {
    resource.with_some("DependsOn", function.alias().map(|alias| alias.logical_id))
}

/// That a service may call the function, for this source.
fn permission(
    function: Function<'_>,
    principal: impl Part,
    source: impl Part,
    place: &Place,
) -> Object {
    let properties = Object::new(place)
        .with("FunctionName", function.target(place))
        .with("Action", "lambda:InvokeFunction")
        .with("Principal", principal)
        .with("SourceArn", source);
    behind_alias(
        function,
        build::resource("AWS::Lambda::Permission", properties),
    )
}

/// `ENABLED`, unless the event says that it is not.
fn state(event: &Node) -> &'static str {
    match event.get("enabled").and_then(Node::as_bool) {
        Some(false) => "DISABLED",
        Some(true) | None => "ENABLED",
    }
}

/// What takes the place of the event: a text of its own, a part of the event, or a text with such parts.
struct Input {
    constant: Option<String>,
    path: Option<Node>,
    transformer: Option<Object>,
}

impl Input {
    fn add_to(self, target: Object) -> Object {
        target
            .with_some("Input", self.constant)
            .with_some("InputPath", self.path)
            .with_some("InputTransformer", self.transformer)
    }
}

/// Reads `inputPath` and `inputTransformer`; `constant` is `input` as each type of event writes it. The tool takes one of
/// the three.
fn input(event: &Node, constant: Option<String>, draft: &mut Draft) -> Input {
    let path = script::truthy(event.get("inputPath"));
    let transformer = script::truthy(event.get("inputTransformer"));
    let count = [constant.is_some(), path.is_some(), transformer.is_some()];
    if 1 < count.iter().filter(|is_there| **is_there).count() {
        draft.problems.push(
            Problem::error(
                "manifest::several-inputs",
                "an event has more than one of `input`, `inputPath` and `inputTransformer`",
            )
            .at(&event.place)
            .because("the function gets one value, and each of these says another")
            .help("leave one of them"),
        );
    }
    let transformer = transformer.map(|transformer| {
        Object::new(&transformer.place)
            .with_some("InputTemplate", transformer.get("inputTemplate"))
            .with_some("InputPathsMap", transformer.get("inputPathsMap"))
    });
    Input {
        constant,
        path: path.cloned(),
        transformer,
    }
}

/// A text after it stood in a template of JSON with its quotes escaped, and nothing else of it.
fn through_json(text: &str) -> String {
    let quoted = format!("\"{}\"", text.replace('"', "\\\""));
    serde_json::from_str(&quoted).unwrap_or_else(|_not_json| text.to_owned())
}
