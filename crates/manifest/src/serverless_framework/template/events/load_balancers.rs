//! `alb` events.
//!
//! Lives here: the rule, the target group and the permissions of each event, users that are asked who they are.
//! Does not live here: listeners, which the manifest names (`deployment::application::load_balancers`).

use cloudformation::node::Node;
use md5::{Digest, Md5};
use model::problem::{Place, Problem};
use serde_json::json;

use super::of_type;
use crate::serverless_framework::build::{self, Object, Part};
use crate::serverless_framework::naming;
use crate::serverless_framework::script;
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::template::Draft;

/// Elastic Load Balancing: the longest name.
const NAME_LENGTH_MAX: usize = 32;
const PRINCIPAL: &str = "elasticloadbalancing.amazonaws.com";
const EXAMPLE: &str = "write the ARN of a listener, or `!Ref` of one under `resources`";

pub(in crate::serverless_framework::template) fn write(service: &Service<'_>, draft: &mut Draft) {
    for (function, _, event) in of_type(service, "alb") {
        if event.as_mapping().is_none() {
            continue;
        }
        match balancer_of(function, event) {
            Ok(balancer) => write_event(service, function, (event, &balancer), draft),
            Err(problem) => draft.problems.push(*problem),
        }
    }
}

/// What resources are named after: the id of the load balancer, or the logical id of the listener.
fn balancer_of(function: Function<'_>, event: &Node) -> Result<String, Box<Problem>> {
    let listener = script::present(event.get("listenerArn"));
    let referred = listener.and_then(|it| it.get("Ref")).and_then(Node::as_str);
    let in_arn = listener.and_then(Node::as_str).and_then(balancer_in);
    referred.or(in_arn).map(str::to_owned).ok_or_else(|| {
        let title = format!(
            "`listenerArn` of the function `{}` is no listener of an Application Load Balancer",
            function.key
        );
        let place = listener.map_or(&event.place, |it| &it.place);
        let problem = Problem::error("manifest::invalid-listener", title).at(place);
        let problem = problem.because("the tool names the target group after the load balancer");
        Box::new(problem.help(EXAMPLE))
    })
}

/// The load balancer's id in `arn:aws:elasticloadbalancing:…:listener/app/NAME/ID/ID`.
fn balancer_in(arn: &str) -> Option<&str> {
    let is_id = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-'))
    };
    let (before, path) = arn.rsplit_once(":listener/app/")?;
    let is_arn = before.starts_with("arn:aws") && before.contains(":elasticloadbalancing:");
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [name, id, listener] if is_arn && [name, id, listener].iter().all(|it| is_id(it)) => {
            Some(id)
        }
        _ => None,
    }
}

fn write_event(
    service: &Service<'_>,
    function: Function<'_>,
    (event, balancer): (&Node, &str),
    draft: &mut Draft,
) {
    let place = &event.place;
    let normalised = naming::normalised(function.key);
    let values = script::truthy(event.get("multiValueHeaders"));
    let several = if values.is_some() { "MultiValue" } else { "" };
    let group = format!("{normalised}Alb{several}TargetGroup{balancer}");
    let register = format!("{normalised}LambdaPermissionRegisterTarget");
    draft.add(
        &group,
        target_group(service, function, (event, balancer), &register),
    );
    let priority = event.get("priority").and_then(script::text_of);
    let priority = priority.as_deref().unwrap_or("undefined");
    let actions = actions(service, (event, &group), draft);
    let properties = Object::new(place)
        .with("Actions", actions)
        .with("Conditions", conditions(event))
        .with_some("ListenerArn", event.get("listenerArn"))
        .with_some("Priority", event.get("priority"));
    let rule = build::resource("AWS::ElasticLoadBalancingV2::ListenerRule", properties);
    draft.add(&format!("{normalised}AlbListenerRule{priority}"), rule);
    let source = build::reference(&group, place);
    let invoke = permission(function, Some(source), place);
    draft.merge(&format!("{normalised}LambdaPermissionAlb"), invoke);
    draft.merge(&register, permission(function, None, place));
}

/// That load balancers may call the function.
fn permission(function: Function<'_>, source: Option<Node>, place: &Place) -> Object {
    let properties = Object::new(place)
        .with("FunctionName", function.target(place))
        .with("Action", "lambda:InvokeFunction")
        .with("Principal", PRINCIPAL)
        .with_some("SourceArn", source);
    let awaited = function.alias().map(|alias| vec![alias.logical_id]);
    build::resource("AWS::Lambda::Permission", properties).with_some("DependsOn", awaited)
}

fn target_group(
    service: &Service<'_>,
    function: Function<'_>,
    (event, balancer): (&Node, &str),
    register: &str,
) -> Object {
    let place = &event.place;
    let values = script::truthy(event.get("multiValueHeaders"));
    let tag = |several: &str| {
        let (name, stage) = (&service.name, &service.stage);
        format!("{name}-{}-{balancer}-{several}{stage}", function.key)
    };
    let several = if values.is_some() { "multi-value-" } else { "" };
    let prefix = service.setting_at(&["alb", "targetGroupPrefix"]);
    let prefix = prefix.and_then(Node::as_str).unwrap_or_default();
    let hash = hex::encode(Md5::digest(tag(several)));
    let made: String = format!("{prefix}{hash}")
        .chars()
        .take(NAME_LENGTH_MAX)
        .collect();
    let own = script::truthy(event.get("targetGroupName")).cloned();
    let name = Object::new(place)
        .with("Key", "Name")
        .with("Value", tag(""));
    let attribute = Object::new(place)
        .with("Key", "lambda.multi_value_headers.enabled")
        .with("Value", values.is_some());
    let target = Object::new(place).with("Id", function.target(place));
    let properties = Object::new(place)
        .with("TargetType", "lambda")
        .with("Targets", vec![target])
        .with("Name", own.unwrap_or_else(|| made.into_node(place)))
        .with("Tags", vec![name])
        .with("TargetGroupAttributes", vec![attribute]);
    let properties = with_health_check(properties, event);
    let mut awaited = vec![register.to_owned()];
    awaited.extend(function.alias().map(|alias| alias.logical_id));
    build::resource("AWS::ElasticLoadBalancingV2::TargetGroup", properties)
        .with("DependsOn", awaited)
}

/// Health is not checked unless the event says so.
fn with_health_check(properties: Object, event: &Node) -> Object {
    let Some(check) = script::truthy(event.get("healthCheck")) else {
        return properties.with("HealthCheckEnabled", false);
    };
    let setting = |key: &str, default: u32| {
        let own = script::present(check.get(key)).cloned();
        own.unwrap_or_else(|| default.into_node(&check.place))
    };
    let path = script::present(check.get("path")).cloned();
    let codes = script::truthy(check.at_path(["matcher", "httpCode"])).cloned();
    let codes = codes.unwrap_or_else(|| "200".into_node(&check.place));
    properties
        .with("HealthCheckEnabled", true)
        .with(
            "HealthCheckPath",
            path.unwrap_or_else(|| "/".into_node(&check.place)),
        )
        .with("HealthCheckIntervalSeconds", setting("intervalSeconds", 35))
        .with("HealthCheckTimeoutSeconds", setting("timeoutSeconds", 30))
        .with("HealthyThresholdCount", setting("healthyThresholdCount", 5))
        .with(
            "UnhealthyThresholdCount",
            setting("unhealthyThresholdCount", 5),
        )
        .with("Matcher", Object::new(&check.place).with("HttpCode", codes))
}

fn conditions(event: &Node) -> Vec<Object> {
    let place = &event.place;
    let Some(written) = event.get("conditions") else {
        return Vec::new();
    };
    let of = |key: &str| script::truthy(written.get(key));
    let condition = |field: &str, name: &str, config: Object| {
        Object::new(place).with("Field", field).with(name, config)
    };
    let valued = |field: &str, name: &str, values: &Node| {
        condition(
            field,
            name,
            Object::new(place).with("Values", listed(values)),
        )
    };
    let mut conditions = Vec::new();
    if let Some(paths) = of("path") {
        let field = Object::new(place).with("Field", "path-pattern");
        conditions.push(field.with("Values", listed(paths)));
    }
    conditions.extend(of("host").map(|it| valued("host-header", "HostHeaderConfig", it)));
    let method = "http-request-method";
    conditions.extend(of("method").map(|it| valued(method, "HttpRequestMethodConfig", it)));
    for header in of("header").map(listed).into_iter().flatten() {
        let config = Object::new(place)
            .with_some("HttpHeaderName", header.get("name"))
            .with_some("Values", header.get("values").map(listed));
        conditions.push(condition("http-header", "HttpHeaderConfig", config));
    }
    if let Some(pairs) = of("query").and_then(Node::as_mapping) {
        let pairs = pairs.iter().map(|entry| {
            Object::new(&entry.key_place)
                .with("Key", &entry.key)
                .with("Value", &entry.value)
        });
        let config = Object::new(place).with("Values", pairs.collect::<Vec<_>>());
        conditions.push(condition("query-string", "QueryStringConfig", config));
    }
    conditions.extend(of("ip").map(|it| valued("source-ip", "SourceIpConfig", it)));
    conditions
}

/// A single value is a list of one.
fn listed(node: &Node) -> Vec<Node> {
    match node.as_sequence() {
        Some(items) => items.to_vec(),
        None => vec![node.clone()],
    }
}

/// Users are asked who they are first; then the function is called.
fn actions(service: &Service<'_>, (event, group): (&Node, &str), draft: &mut Draft) -> Vec<Object> {
    let place = &event.place;
    let mut actions = Vec::new();
    let names = script::truthy(event.get("authorizer")).map(listed);
    for (index, name) in names.into_iter().flatten().enumerate() {
        let key = name.as_str().unwrap_or_default();
        let known = service.setting_at(&["alb", "authorizers"]);
        let Some(authorizer) = known.and_then(|all| all.get(key)) else {
            draft.problems.push(unknown_authorizer(&name, key));
            // Its rule stays shut.
            actions.push(asking(&name, json!(index + 1)));
            continue;
        };
        let order = json!(index + 1);
        actions.push(asking(authorizer, order));
    }
    let forward = Object::new(place)
        .with("Type", "forward")
        .with("TargetGroupArn", build::reference(group, place));
    let order = (!actions.is_empty()).then(|| json!(actions.len() + 1));
    actions.push(forward.with_some("Order", order));
    actions
}

fn asking(authorizer: &Node, order: serde_json::Value) -> Object {
    let place = &authorizer.place;
    let of = |key: &str| authorizer.get(key);
    let denied = "deny".into_node(place);
    let unknown = script::truthy(of("onUnauthenticatedRequest")).unwrap_or(&denied);
    let shared = |config: Object| {
        config
            .with("OnUnauthenticatedRequest", unknown)
            .with_some("AuthenticationRequestExtraParams", of("requestExtraParams"))
            .with_some("Scope", of("scope"))
            .with_some("SessionCookieName", of("sessionCookieName"))
            .with_some("SessionTimeout", of("sessionTimeout"))
    };
    let action = Object::new(place).with("Order", order);
    let config = Object::new(place);
    if of("type").and_then(Node::as_str) == Some("cognito") {
        let config = config
            .with_some("UserPoolArn", of("userPoolArn"))
            .with_some("UserPoolClientId", of("userPoolClientId"))
            .with_some("UserPoolDomain", of("userPoolDomain"));
        return action
            .with("Type", "authenticate-cognito")
            .with("AuthenticateCognitoConfig", shared(config));
    }
    let config = config
        .with_some("AuthorizationEndpoint", of("authorizationEndpoint"))
        .with_some("ClientId", of("clientId"))
        .with_some("Issuer", of("issuer"))
        .with_some("TokenEndpoint", of("tokenEndpoint"))
        .with_some("UserInfoEndpoint", of("userInfoEndpoint"));
    let config = match script::truthy(of("clientSecret")) {
        Some(secret) => config.with("ClientSecret", secret),
        None => config.with("UseExistingClientSecret", true),
    };
    action
        .with("Type", "authenticate-oidc")
        .with("AuthenticateOidcConfig", shared(config))
}

fn unknown_authorizer(name: &Node, key: &str) -> Problem {
    let title = format!("no authorizer of load balancers is called `{key}`");
    Problem::error("manifest::unknown-authorizer", title)
        .at(&name.place)
        .help("describe it under `provider.alb.authorizers`, or mend the name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_balancer_is_told_by_its_listener() {
        let arn = |rest: &str| format!("arn:aws:elasticloadbalancing:us-east-1:1:{rest}");
        for (arn, expected) in [
            (arn("listener/app/shop/50dc/a1"), Some("50dc")),
            (arn("listener/net/shop/50dc/a1"), None),
            (arn("listener/app/shop/50dc"), None),
            (arn("listener/app/shop//a1"), None),
            ("listener/app/shop/50dc/a1".to_owned(), None),
        ] {
            assert_eq!(balancer_in(&arn), expected, "{arn}");
        }
    }
}
