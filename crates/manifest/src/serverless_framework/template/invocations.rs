//! How a function is called without an API, and where the results of asynchronous calls go.
//!
//! Lives here: function URLs, retries and destinations.
//! Does not live here: events (`rest_api`, `http_api`).

use cloudformation::node::{Kind, Node};
use model::function::LATEST;
use model::problem::{Place, Problem};

use super::Draft;
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::{naming, script};

/// Headers that browsers may send when the manifest names none.
const HEADERS_DEFAULT: &[&str] = &[
    "Content-Type",
    "X-Amz-Date",
    "Authorization",
    "X-Api-Key",
    "X-Amz-Security-Token",
    "X-Amzn-Trace-Id",
];

pub(super) fn write(service: &Service<'_>, function: Function<'_>, draft: &mut Draft) {
    if let Some(url) = script::truthy(function.node.get("url")) {
        write_url(function, url, draft);
    }
    write_invoke_config(service, function, draft);
}

fn write_url(function: Function<'_>, url: &Node, draft: &mut Draft) {
    let place = &url.place;
    let normalised = naming::normalised(function.key);
    let id = format!("{normalised}LambdaFunctionUrl");
    let is_signed = url.get("authorizer").and_then(Node::as_str) == Some("aws_iam");
    let auth = if is_signed { "AWS_IAM" } else { "NONE" };
    let alias = function.alias().map(|alias| alias.logical_id);
    let streams = url
        .get("invokeMode")
        .filter(|mode| mode.as_str() == Some("RESPONSE_STREAM"));
    let cors = script::truthy(url.get("cors")).map(url_cors);
    let properties = Object::new(place)
        .with("AuthType", auth)
        .with("TargetFunctionArn", function.target(place))
        .with_some("Cors", cors)
        .with_some("InvokeMode", streams);
    let resource =
        build::resource("AWS::Lambda::Url", properties).with_some("DependsOn", alias.clone());
    draft.add(&id, resource);
    let output = Object::new(place)
        .with("Description", "Lambda Function URL")
        .with("Value", build::attribute(&id, "FunctionUrl", place));
    draft.add_output(&id, output);
    if !is_signed {
        let properties = Object::new(place)
            .with("FunctionName", function.target(place))
            .with("Action", "lambda:InvokeFunctionUrl")
            .with("Principal", "*")
            .with("FunctionUrlAuthType", auth);
        let permission =
            build::resource("AWS::Lambda::Permission", properties).with_some("DependsOn", alias);
        draft.add(&format!("{normalised}LambdaPermissionFnUrl"), permission);
    }
}

fn url_cors(cors: &Node) -> Object {
    let place = &cors.place;
    // A null takes the default away.
    let list = |key: &str, default: &[&str]| match cors.get(key) {
        Some(Node {
            kind: Kind::Null, ..
        }) => None,
        Some(list) if script::is_true(list) => Some(unique(list)),
        Some(_) | None => Some(
            default
                .iter()
                .map(|text| Node::string(*text, place))
                .collect(),
        ),
    };
    let credentials = script::truthy(cors.get("allowCredentials")).map(|_| true);
    let exposed = script::truthy(cors.get("exposedResponseHeaders")).map(unique);
    Object::new(place)
        .with_some("AllowCredentials", credentials)
        .with_some("AllowHeaders", list("allowedHeaders", HEADERS_DEFAULT))
        .with_some("AllowMethods", list("allowedMethods", &["*"]))
        .with_some("AllowOrigins", list("allowedOrigins", &["*"]))
        .with_some("ExposeHeaders", exposed)
        .with_some("MaxAge", cors.get("maxAge"))
}

/// The items of a list, each once.
pub(super) fn unique(list: &Node) -> Vec<Node> {
    let single = std::slice::from_ref(list);
    let mut kept: Vec<Node> = Vec::new();
    for item in list.as_sequence().unwrap_or(single) {
        if kept.iter().all(|other| other.to_json() != item.to_json()) {
            kept.push(item.clone());
        }
    }
    kept
}

fn write_invoke_config(service: &Service<'_>, function: Function<'_>, draft: &mut Draft) {
    let own = |key: &str| function.own(key);
    let destinations = script::truthy(function.node.get("destinations"));
    let age = script::truthy(function.node.get("maximumEventAge"));
    let attempts = own("maximumRetryAttempts");
    let Some(cause) = destinations.or(age).or(attempts) else {
        return;
    };
    let place = &cause.place;
    let mut config = Object::new(place);
    for (key, name) in [("onSuccess", "OnSuccess"), ("onFailure", "OnFailure")] {
        let target = script::truthy(destinations.and_then(|both| both.get(key)));
        if let Some(target) = target {
            match destination(service, target) {
                Ok(arn) => {
                    config.set(name, Object::new(&target.place).with("Destination", arn));
                    if function.role(service).is_none() {
                        allow_destination(service, target, draft);
                    }
                }
                Err(problem) => draft.problems.push(*problem),
            }
        }
    }
    let alias = function.alias();
    let qualifier = alias.as_ref().map_or(LATEST, |alias| alias.name);
    let properties = Object::new(place)
        .with(
            "FunctionName",
            build::reference(&function.logical_id(), place),
        )
        .with("DestinationConfig", config)
        .with("Qualifier", qualifier)
        .with_some("MaximumEventAgeInSeconds", age)
        .with_some("MaximumRetryAttempts", attempts);
    let resource = build::resource("AWS::Lambda::EventInvokeConfig", properties)
        .with_some("DependsOn", alias.map(|alias| alias.logical_id));
    let id = format!("{}LambdaEvConf", naming::normalised(function.key));
    draft.add(&id, resource);
}

fn destination(service: &Service<'_>, target: &Node) -> Result<Node, Box<Problem>> {
    if let Some(arn) = target.get("arn") {
        return Ok(arn.clone());
    }
    let text = target.as_str().unwrap_or_default();
    if text.starts_with("arn:") {
        return Ok(target.clone());
    }
    let function = service.function(text).ok_or_else(|| {
        Box::new(
            Problem::error(
                "manifest::unknown-function",
                format!("no function is called `{text}`"),
            )
            .at(&target.place)
            .help("name a function of this manifest, or an ARN"),
        )
    })?;
    Ok(function.target(&target.place))
}

fn allow_destination(service: &Service<'_>, target: &Node, draft: &mut Draft) {
    let text = target.as_str().unwrap_or_default();
    let kind = target.get("type").and_then(Node::as_str);
    let is = |name: &str, part: &str| kind == Some(name) || text.contains(part);
    let is_own = !text.is_empty() && !text.starts_with("arn:");
    let action = if is_own || is("function", ":function:") {
        "lambda:InvokeFunction"
    } else if is("sqs", ":sqs:") {
        "sqs:SendMessage"
    } else if is("sns", ":sns:") {
        "sns:Publish"
    } else if is("eventBus", ":event-bus/") {
        "events:PutEvents"
    } else {
        draft.problems.push(
            Problem::error(
                "manifest::unknown-destination",
                format!("`{text}` is no destination"),
            )
            .at(&target.place)
            .help("a function, a queue, a topic or an event bus can be one"),
        );
        return;
    };
    let statement = Object::new(&target.place)
        .with("Effect", "Allow")
        .with("Action", action)
        .with("Resource", destination_arn(service, target, &target.place))
        .node();
    // A text that several functions name is allowed once, an object each time.
    if text.is_empty() {
        draft.allow(statement);
    } else {
        draft.allow_once(statement);
    }
}

/// A function's ARN is glued together: its resource refers to the role, so the role cannot refer to it.
fn destination_arn(service: &Service<'_>, target: &Node, place: &Place) -> Node {
    if let Some(arn) = target.get("arn") {
        return arn.clone();
    }
    match target.as_str().and_then(|name| service.function(name)) {
        None => target.clone(),
        Some(function) => {
            let name = script::text_of(&function.name(service)).unwrap_or_default();
            let arn = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:";
            build::substituted(&format!("{arn}{name}"), place)
        }
    }
}
