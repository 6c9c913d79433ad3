//! Who may call a method of a REST API.
//!
//! Lives here: the short and long forms of `authorizer`, its resource, its permission.
//! Does not live here: asking an authorizer (`gateway`).

use cloudformation::node::{Kind, Node};
use model::problem::{Place, Problem};

use super::events::Event;
use super::permission_id;
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::Service;
use crate::serverless_framework::template::Draft;
use crate::serverless_framework::{naming, script};

/// How long an answer is kept when the manifest says something of the authorizer, but not this.
const RESULT_SECONDS_DEFAULT: u32 = 300;

/// An authorizer as the event describes it.
struct Authorizer {
    name: String,
    /// In upper case, if the manifest says.
    kind: Option<String>,
    arn: Node,
    /// The alias of a function of this manifest.
    alias: Option<String>,
    place: Place,
}

impl Authorizer {
    fn is_cognito(&self) -> bool {
        let is_pool = |arn: &str| arn.starts_with("arn:") && arn.contains(":cognito-idp");
        self.kind.as_deref() == Some("COGNITO_USER_POOLS") || self.arn.as_str().is_some_and(is_pool)
    }

    fn logical_id(&self) -> String {
        format!("{}ApiGatewayAuthorizer", naming::normalised(&self.name))
    }
}

/// Adds to a method who may call it.
pub(super) fn authorise(
    service: &Service<'_>,
    event: &Event<'_>,
    properties: Object,
    depends_on: &mut Vec<String>,
    draft: &mut Draft,
) -> Object {
    let Some(node) = event.option("authorizer") else {
        return properties.with("AuthorizationType", "NONE");
    };
    if is_signed(node) {
        return properties.with("AuthorizationType", "AWS_IAM");
    }
    let scopes = node
        .get("scopes")
        .filter(|scopes| scopes.as_sequence().is_none_or(|items| !items.is_empty()));
    if let Some((kind, id)) = existing(node) {
        let is_pool = kind == "COGNITO_USER_POOLS";
        let kind = match kind.as_str() {
            "TOKEN" | "REQUEST" => "CUSTOM".to_owned(),
            _named => script::text_of(node.get("type").unwrap_or(node)).unwrap_or(kind),
        };
        return properties
            .with("AuthorizationType", kind)
            .with("AuthorizerId", id)
            .with_some("AuthorizationScopes", scopes.filter(|_| is_pool));
    }
    match read(service, node) {
        Err(problem) => {
            draft.problems.push(*problem);
            // Nobody may call what its author meant to guard.
            properties.with("AuthorizationType", "AWS_IAM")
        }
        Ok(authorizer) => {
            let id = authorizer.logical_id();
            // The tool merges both lists by index, so the authorizer takes the permission's place.
            match depends_on.first_mut() {
                Some(first) => first.clone_from(&id),
                None => depends_on.push(id.clone()),
            }
            let is_pool = authorizer.is_cognito();
            let kind = if is_pool {
                "COGNITO_USER_POOLS"
            } else {
                "CUSTOM"
            };
            properties
                .with("AuthorizationType", kind)
                .with("AuthorizerId", build::reference(&id, &authorizer.place))
                .with_some("AuthorizationScopes", scopes.filter(|_| is_pool))
        }
    }
}

/// Writes the authorizer's resource, if the event describes one.
pub(super) fn write(service: &Service<'_>, event: &Event<'_>, draft: &mut Draft) {
    let Some((node, authorizer)) = described(service, event) else {
        return;
    };
    let place = &authorizer.place;
    let option = |key: &str| node.get(key);
    let seconds = node.as_mapping().map(|_| {
        let own = option("resultTtlInSeconds").filter(|own| own.kind != Kind::Null);
        own.cloned()
            .unwrap_or_else(|| build::Part::into_node(RESULT_SECONDS_DEFAULT, place))
    });
    let asks_whole_request = authorizer.kind.as_deref() == Some("REQUEST")
        && seconds
            .as_ref()
            .is_some_and(|seconds| !script::is_true(seconds));
    let default =
        (!asks_whole_request).then(|| Node::string("method.request.header.Authorization", place));
    let source = script::truthy(option("identitySource"))
        .cloned()
        .or(default);
    let expression = option("identityValidationExpression").filter(|node| node.as_str().is_some());
    let mut properties = Object::new(place)
        .with_some("AuthorizerResultTtlInSeconds", seconds)
        .with_some("IdentitySource", source)
        .with("Name", &authorizer.name)
        .with("RestApiId", service.rest_api_id(place))
        .with_some("IdentityValidationExpression", expression);
    if authorizer.is_cognito() {
        properties.set("Type", "COGNITO_USER_POOLS");
        properties.set("ProviderARNs", vec![authorizer.arn.clone()]);
    } else {
        let uri = build::invocation_uri(vec![authorizer.arn.clone()], place);
        properties.set("AuthorizerUri", uri);
        properties.set("Type", authorizer.kind.as_deref().unwrap_or("TOKEN"));
    }
    let id = authorizer.logical_id();
    let resource = build::resource("AWS::ApiGateway::Authorizer", properties)
        .with_some("DependsOn", authorizer.alias);
    // Events that share an authorizer's name share its resource: what they say is merged, the last one wins.
    let node = resource.node();
    match draft.resources.get_mut(&id) {
        Some(older) => build::merge(older, &node),
        None => draft.resources.set(&id, &node.place.clone(), node),
    }
}

/// Lets the API call the authorizer.
pub(super) fn write_permission(service: &Service<'_>, event: &Event<'_>, draft: &mut Draft) {
    let Some((node, authorizer)) = described(service, event) else {
        return;
    };
    let id = permission_id(&authorizer.name);
    let is_foreign = script::truthy(node.get("managedExternally")).is_some();
    if authorizer.is_cognito() || is_foreign || draft.resources.get(&id).is_some() {
        return;
    }
    let place = &authorizer.place;
    let function = match &authorizer.alias {
        Some(alias) => build::reference(alias, place),
        None => authorizer.arn.clone(),
    };
    let properties = Object::new(place)
        .with("FunctionName", function)
        .with("Action", "lambda:InvokeFunction")
        .with("Principal", "apigateway.amazonaws.com")
        .with(
            "SourceArn",
            build::api_source_arn(service.rest_api_id(place), "/*/*", place),
        );
    draft.add(&id, build::resource("AWS::Lambda::Permission", properties));
}

fn described<'a>(service: &Service<'a>, event: &Event<'a>) -> Option<(&'a Node, Authorizer)> {
    let node = event.option("authorizer")?;
    if is_signed(node) || existing(node).is_some() {
        return None;
    }
    // What is wrong with it was said when the method was written.
    read(service, node)
        .ok()
        .map(|authorizer| (node, authorizer))
}

fn is_signed(node: &Node) -> bool {
    let name = node.as_str().or_else(|| node.get("type")?.as_str());
    existing(node).is_none() && name.is_some_and(|name| name.eq_ignore_ascii_case("aws_iam"))
}

/// An authorizer that was made elsewhere: its type in upper case, and its id.
fn existing(node: &Node) -> Option<(String, &Node)> {
    let kind = script::truthy(node.get("type")).and_then(script::text_of)?;
    let id = script::truthy(node.get("authorizerId"))?;
    Some((kind.to_uppercase(), id))
}

fn read(service: &Service<'_>, node: &Node) -> Result<Authorizer, Box<Problem>> {
    let place = &node.place;
    let kind = script::truthy(node.get("type")).and_then(script::text_of);
    let kind = kind.map(|kind| kind.to_uppercase());
    let own_name = node.get("name").and_then(Node::as_str);
    let arn = match node.as_str() {
        Some(text) => Some(node).filter(|_| text.contains(':')),
        None => script::truthy(node.get("arn")),
    };
    if let Some(arn) = arn {
        let name = own_name.map(str::to_owned).or_else(|| {
            let text = arn.as_str()?;
            let last = text.rsplit(':').next().unwrap_or(text);
            Some(last.rsplit('-').next().unwrap_or(last).to_owned())
        });
        let name = name.ok_or_else(|| {
            Box::new(
                Problem::error(
                    "manifest::invalid-authorizer",
                    "the authorizer needs a name",
                )
                .at(place)
                .because("its ARN is computed, so no name can be taken from it")
                .help("set `name`"),
            )
        })?;
        return Ok(Authorizer {
            name,
            kind,
            arn: arn.clone(),
            alias: None,
            place: place.clone(),
        });
    }
    let name = node.as_str().or(own_name).ok_or_else(|| {
        Box::new(
            Problem::error(
                "manifest::invalid-authorizer",
                "the authorizer has neither a name nor an ARN",
            )
            .at(place)
            .help("set `name` to a function of this manifest, or `arn`"),
        )
    })?;
    let function = service.function(name).ok_or_else(|| {
        Box::new(
            Problem::error(
                "manifest::unknown-function",
                format!("no function is called `{name}`"),
            )
            .at(place)
            .because("an authorizer without an ARN is a function of this manifest")
            .help("name one of the functions, or an ARN"),
        )
    })?;
    Ok(Authorizer {
        name: name.to_owned(),
        kind,
        arn: function.target(place),
        alias: function.alias().map(|alias| alias.logical_id),
        place: place.clone(),
    })
}
