//! The plugin `serverless-apigateway-service-proxy`: methods that call services of the cloud, with no function between.
//!
//! Lives here: what the services differ in, the methods, and the roles that they act as.
//! Does not live here: reading the settings (`read`), what services are sent (`requests`) and answer (`responses`).
//!
//! Contract: the plugin itself, 2.2, recorded in `tests/serverless_framework/cases/service-proxies`.

use cloudformation::node::Node;
use model::problem::Place;
use serde_json::json;

use super::cors;
use super::events::Event;
use super::paths::Paths;
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::Service;
use crate::serverless_framework::template::Draft;
use crate::serverless_framework::{naming, script};

mod read;
mod requests;
mod responses;
mod shapes;

/// A service that methods can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kinesis,
    Queues,
    Objects,
    Topics,
    Tables,
    Events,
}

/// In the order in which the plugin writes their methods.
const KINDS: [Kind; 6] = [
    Kind::Kinesis,
    Kind::Queues,
    Kind::Objects,
    Kind::Topics,
    Kind::Tables,
    Kind::Events,
];

impl Kind {
    /// What proxies of it are called in the manifest.
    fn name(self) -> &'static str {
        match self {
            Self::Kinesis => "kinesis",
            Self::Queues => "sqs",
            Self::Objects => "s3",
            Self::Topics => "sns",
            Self::Tables => "dynamodb",
            Self::Events => "eventbridge",
        }
    }

    /// The key that says what is called.
    fn target(self) -> &'static str {
        match self {
            Self::Kinesis => "streamName",
            Self::Queues => "queueName",
            Self::Objects => "bucket",
            Self::Topics => "topicName",
            Self::Tables => "tableName",
            Self::Events => "eventBusName",
        }
    }

    fn role(self) -> &'static str {
        match self {
            Self::Kinesis => "ApigatewayToKinesisRole",
            Self::Queues => "ApigatewayToSqsRole",
            Self::Objects => "ApigatewayToS3Role",
            Self::Topics => "ApigatewayToSnsRole",
            Self::Tables => "ApigatewayToDynamodbRole",
            Self::Events => "ApigatewayToEventBridgeRole",
        }
    }

    /// An ARN of what is called, its name as a variable.
    fn arn(self) -> String {
        let resource = match self {
            Self::Objects => return "arn:${AWS::Partition}:s3:::${bucket}".to_owned(),
            Self::Kinesis => "kinesis:${AWS::Region}:${AWS::AccountId}:stream/",
            Self::Queues => "sqs:${AWS::Region}:${AWS::AccountId}:",
            Self::Topics => "sns:${AWS::Region}:${AWS::AccountId}:",
            Self::Tables => "dynamodb:${AWS::Region}:${AWS::AccountId}:table/",
            Self::Events => "events:${AWS::Region}:${AWS::AccountId}:event-bus/",
        };
        format!("arn:${{AWS::Partition}}:{resource}${{{}}}", self.target())
    }
}

/// One item of `custom.apiGatewayServiceProxies`.
pub(super) struct Proxy<'a> {
    kind: Kind,
    options: &'a Node,
    /// Without slashes around it.
    pub(super) path: String,
    /// In upper case.
    pub(super) method: String,
    pub(super) place: Place,
}

impl<'a> Proxy<'a> {
    fn option(&self, key: &str) -> Option<&'a Node> {
        script::truthy(self.options.get(key))
    }

    fn text(&self, key: &str) -> Option<String> {
        self.option(key).and_then(script::text_of)
    }

    pub(super) fn cors(&self) -> Option<&'a Node> {
        self.option("cors")
    }

    /// What is called, in an expression with its ARN or another text.
    fn with_target(&self, text: &str) -> Node {
        let key = self.kind.target();
        let target = Object::new(&self.place).with_some(key, self.options.get(key));
        substituted(text, target, &self.place)
    }

    /// The role that the method acts as.
    fn role(&self) -> Node {
        // Of tables, the plugin looks at no role of the proxy's own; `read` says so.
        let own = self.option("roleArn").filter(|_| self.kind != Kind::Tables);
        own.cloned()
            .unwrap_or_else(|| build::attribute(self.kind.role(), "Arn", &self.place))
    }
}

pub(super) fn read<'a>(
    service: &Service<'a>,
    events: &[Event<'_>],
    draft: &mut Draft,
) -> Vec<Proxy<'a>> {
    read::all(service, events, &mut draft.problems)
}

/// Writes the methods with their roles, and returns the logical ids of methods.
pub(super) fn write(
    service: &Service<'_>,
    proxies: &[Proxy<'_>],
    paths: &Paths,
    draft: &mut Draft,
) -> Vec<String> {
    let mut ids = cors::write_for_proxies(service, proxies, paths, draft);
    for kind in KINDS {
        let own: Vec<&Proxy<'_>> = proxies.iter().filter(|proxy| proxy.kind == kind).collect();
        write_role(kind, &own, draft);
        for proxy in own {
            let id = naming::rest_method(&proxy.path, &proxy.method);
            draft.merge(&id, method(service, proxy, paths));
            ids.push(id);
        }
    }
    ids
}

fn method(service: &Service<'_>, proxy: &Proxy<'_>, paths: &Paths) -> Object {
    let place = &proxy.place;
    let mut parameters = Object::new(place);
    let accepted = proxy.option("acceptParameters").and_then(Node::as_mapping);
    for entry in accepted.into_iter().flatten() {
        parameters.set(&entry.key, &entry.value);
    }
    let sent = requests::parameters(proxy);
    if proxy.kind == Kind::Objects {
        // What requests to the bucket are made of has to be declared.
        for value in sent.iter().filter_map(|(_, value)| value.as_str()) {
            if value.starts_with("method.") {
                parameters.set(value, true);
            }
        }
    }
    let answers = responses::of(proxy);
    let kind = proxy.text("authorizationType");
    let integration = requests::integration(proxy, &sent)
        .with("IntegrationResponses", responses::written(&answers, place));
    let properties = Object::new(place)
        .with("HttpMethod", &proxy.method)
        .with("RequestParameters", parameters)
        .with(
            "AuthorizationType",
            kind.unwrap_or_else(|| "NONE".to_owned()),
        )
        .with_some(
            "AuthorizationScopes",
            script::present(proxy.options.get("authorizationScopes")),
        )
        .with_some(
            "AuthorizerId",
            script::present(proxy.options.get("authorizerId")),
        )
        .with("ApiKeyRequired", proxy.option("private").is_some())
        .with("ResourceId", paths.id(&proxy.path))
        .with("RestApiId", service.rest_api_id(place))
        .with("Integration", integration)
        .with("MethodResponses", responses::declared(proxy, &answers));
    build::resource("AWS::ApiGateway::Method", properties)
}

/// The role of all proxies of a service that name none of their own.
fn write_role(kind: Kind, proxies: &[&Proxy<'_>], draft: &mut Draft) {
    let Some(first) = proxies
        .iter()
        .find(|proxy| kind == Kind::Tables || proxy.option("roleArn").is_none())
    else {
        return;
    };
    let place = &first.place;
    let logs = json!({
        "Effect": "Allow",
        "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": "*",
    });
    let mut statements = vec![Node::from_json(&logs, place)];
    statements.extend(allowed(kind, proxies, place));
    let document = Object::new(place)
        .with("Version", "2012-10-17")
        .with("Statement", statements);
    let name = format!("apigatewayto{}", kind.name());
    let policy = Object::new(place)
        .with("PolicyName", name)
        .with("PolicyDocument", document);
    let properties = Object::new(place)
        .with(
            "AssumeRolePolicyDocument",
            json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": {"Service": "apigateway.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }]}),
        )
        .with("Policies", vec![policy]);
    draft.merge(kind.role(), build::resource("AWS::IAM::Role", properties));
}

/// What the role may do: of buckets and tables, each proxy's own action.
fn allowed(kind: Kind, proxies: &[&Proxy<'_>], place: &Place) -> Vec<Node> {
    let statement = |actions: Node, resource: Node| {
        Object::new(place)
            .with("Effect", "Allow")
            .with("Action", actions)
            .with("Resource", resource)
            .node()
    };
    let actions: &[&str] = match kind {
        Kind::Kinesis => &["kinesis:PutRecord", "kinesis:PutRecords"],
        Kind::Queues => &["sqs:SendMessage"],
        Kind::Topics => &["sns:Publish"],
        Kind::Events => &["events:PutEvents"],
        Kind::Objects | Kind::Tables => {
            let each = proxies.iter().map(|proxy| {
                let action = proxy.text("action").unwrap_or_default();
                if kind == Kind::Tables {
                    let action = Node::string(format!("dynamodb:{action}"), place);
                    return statement(action, proxy.with_target(&kind.arn()));
                }
                let made_here = proxy.options.at_path(["bucket", "Ref"]);
                let bucket = match made_here.and_then(Node::as_str) {
                    Some(id) => build::attribute(id, "Arn", &proxy.place),
                    None => proxy.with_target(&kind.arn()),
                };
                let objects =
                    build::joined("", vec![bucket, Node::string("/*", place)], &proxy.place);
                statement(Node::string(format!("s3:{action}*"), place), objects)
            });
            return each.collect();
        }
    };
    let targets = proxies.iter().map(|proxy| proxy.with_target(&kind.arn()));
    let targets = build::Part::into_node(targets.collect::<Vec<_>>(), place);
    vec![statement(
        build::Part::into_node(actions.to_vec(), place),
        targets,
    )]
}

/// `{"Fn::Sub": [text, variables]}`.
fn substituted(text: &str, variables: Object, place: &Place) -> Node {
    let parts = vec![Node::string(text, place), variables.node()];
    Object::new(place).with("Fn::Sub", parts).node()
}
