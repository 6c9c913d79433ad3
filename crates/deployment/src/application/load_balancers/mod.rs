//! Listeners of Application Load Balancers, from deployed resources.
//!
//! Lives here: which listeners there are, whose rules they have, the target groups and their functions.
//! Does not live here: what rules say (`rules`), answering requests (`gateway`).
//!
//! Contract: User Guide for Application Load Balancers, "Listeners" and "Lambda functions as targets".

mod rules;

use std::collections::BTreeMap;

use model::arn::Arn;
use model::load_balancer::{
    DefaultAction, ForwardedFor, Listener, Protocol, Target, TargetGroup, Values,
};
use model::problem::{Place, Problem};
use serde_json::Value;

use super::integration::Refusal;
use super::refusals::not_served;
use super::versions::Callable;
use super::view::{Resource, View};
use crate::records::text_of;

const LOAD_BALANCER: &str = "AWS::ElasticLoadBalancingV2::LoadBalancer";
const LISTENER: &str = "AWS::ElasticLoadBalancingV2::Listener";
const RULE: &str = "AWS::ElasticLoadBalancingV2::ListenerRule";
const TARGET_GROUP: &str = "AWS::ElasticLoadBalancingV2::TargetGroup";
/// Who calls the function.
const PRINCIPAL: &str = "elasticloadbalancing.amazonaws.com";

/// The target groups by their ARNs.
type Groups = BTreeMap<String, TargetGroup>;

/// All listeners: those of the project first, then those that rules of the project name.
pub(super) fn listeners(
    view: &View<'_>,
    callable: &Callable,
    problems: &mut Vec<Problem>,
) -> Vec<Listener> {
    let groups = groups(view, callable, problems);
    let mut listeners = Vec::new();
    for resource in view.of_type(LISTENER) {
        match listener(view, resource, &groups, problems) {
            Ok(listener) => listeners.push(listener),
            Err(refusal) => {
                let what = format!("listener `{}`", resource.logical_id);
                problems.push(not_served(&what, &refusal, resource.place));
            }
        }
    }
    let declared: Vec<&str> = view.of_type(LISTENER).map(|it| it.physical_id).collect();
    for rule in view.of_type(RULE) {
        let arn = rule.text("ListenerArn").unwrap_or_default();
        let is_known = listeners.iter().any(|it: &Listener| it.arn == arn)
            || declared.contains(&arn.as_str())
            || view.stood_in.contains(&arn);
        if !is_known {
            listeners.push(elsewhere(arn));
        }
    }
    for listener in &mut listeners {
        listener.rules = rules::of_listener(view, &listener.arn, &groups, problems);
    }
    listeners
}

fn listener(
    view: &View<'_>,
    resource: &Resource<'_>,
    groups: &Groups,
    problems: &mut Vec<Problem>,
) -> Result<Listener, Refusal> {
    let arn = resource.text("LoadBalancerArn").unwrap_or_default();
    let load_balancer = view
        .of_type(LOAD_BALANCER)
        .find(|it| it.physical_id == arn.as_str());
    let kind = load_balancer.and_then(|it| it.text("Type"));
    if let Some(kind) = kind.filter(|kind| kind != "application") {
        return Err(Refusal::new(format!(
            "load balancers of type `{kind}` have no functions behind them"
        )));
    }
    let protocol = match resource.text("Protocol").as_deref() {
        Some("HTTP") => Protocol::Http,
        Some("HTTPS") => Protocol::Https,
        other => {
            let shown = other.unwrap_or("(none)");
            let reason = format!("an Application Load Balancer speaks no `{shown}`");
            return Err(Refusal::new(reason).help("use `Protocol: HTTP` or `HTTPS`"));
        }
    };
    let place = resource.place_of(&["DefaultActions"]);
    let what = format!("the default action of listener `{}`", resource.logical_id);
    let actions = resource.properties.get("DefaultActions");
    let default = rules::action(actions, groups, (&what, &place), problems);
    Ok(Listener {
        arn: resource.physical_id.to_owned(),
        name: name_in(&arn),
        load_balancer: load_balancer.map(|it| it.physical_id.to_owned()),
        protocol,
        port: port(resource).unwrap_or(match protocol {
            Protocol::Http => 80,
            Protocol::Https => 443,
        }),
        rules: Vec::new(),
        default: DefaultAction::Declared(default),
        forwarded_for: load_balancer.map_or(ForwardedFor::Append, forwarded_for),
        place: Some(resource.place.clone()),
    })
}

/// A listener that is kept somewhere else. Nothing is known of it but its rules that are here.
fn elsewhere(arn: String) -> Listener {
    Listener {
        name: name_in(&arn),
        arn,
        load_balancer: None,
        protocol: Protocol::Http,
        port: 80,
        rules: Vec::new(),
        default: DefaultAction::Unknown,
        forwarded_for: ForwardedFor::Append,
        place: None,
    }
}

/// The load balancer's name in an ARN as `…:listener/app/NAME/ID/ID`.
fn name_in(arn: &str) -> String {
    let mut parts = arn.split('/').skip(2);
    parts.next().unwrap_or(arn).to_owned()
}

fn port(resource: &Resource<'_>) -> Option<u16> {
    u16::try_from(resource.whole("Port")?).ok()
}

fn forwarded_for(load_balancer: &Resource<'_>) -> ForwardedFor {
    let key = "routing.http.xff_header_processing.mode";
    match attribute(load_balancer, "LoadBalancerAttributes", key).as_deref() {
        Some("preserve") => ForwardedFor::Preserve,
        Some("remove") => ForwardedFor::Remove,
        Some(_) | None => ForwardedFor::Append,
    }
}

fn attribute(resource: &Resource<'_>, list: &str, key: &str) -> Option<String> {
    let attributes = resource.properties.get(list)?.as_array()?;
    let is_it = |it: &&Value| it.get("Key").and_then(text_of).as_deref() == Some(key);
    attributes
        .iter()
        .find(is_it)?
        .get("Value")
        .and_then(text_of)
}

fn groups(view: &View<'_>, callable: &Callable, problems: &mut Vec<Problem>) -> Groups {
    let mut groups = Groups::new();
    for resource in view.of_type(TARGET_GROUP) {
        let key = "lambda.multi_value_headers.enabled";
        let are_all = attribute(resource, "TargetGroupAttributes", key).as_deref() == Some("true");
        let target = target(resource, callable).unwrap_or_else(|refusal| {
            let what = format!("target group `{}`", resource.logical_id);
            let place = resource.place_of(&["Targets"]);
            problems.push(not_served(&what, &refusal, &place));
            Target::NotServed {
                reason: refusal.reason,
            }
        });
        problems.extend(closed(view, resource, &target));
        let group = TargetGroup {
            arn: resource.physical_id.to_owned(),
            target,
            values: if are_all { Values::All } else { Values::Last },
        };
        groups.insert(group.arn.clone(), group);
    }
    groups
}

fn target(resource: &Resource<'_>, callable: &Callable) -> Result<Target, Refusal> {
    let kind = resource.text("TargetType");
    let kind = kind.as_deref().unwrap_or("instance");
    if kind != "lambda" {
        let reason = format!("targets of type `{kind}` are machines of a network that is not here");
        return Err(Refusal::new(reason).help("functions can be targets: `TargetType: lambda`"));
    }
    let targets = resource.properties.get("Targets").and_then(Value::as_array);
    let ids: Vec<String> = targets
        .into_iter()
        .flatten()
        .filter_map(|target| target.get("Id").and_then(text_of))
        .collect();
    match ids.as_slice() {
        [] => Ok(Target::Nobody),
        [id] => {
            let named = Arn::parse(id).ok().and_then(|arn| arn.function());
            let Some((name, qualifier)) = named else {
                let reason = format!("`{id}` is no ARN of a function");
                return Err(Refusal::new(reason));
            };
            callable.find(name, qualifier).map(Target::Function)
        }
        [_, _, ..] => Err(Refusal::new("a target group takes one function")
            .help("give each function a target group of its own")),
    }
}

/// The cloud refuses to register a function that the load balancer may not call.
fn closed(view: &View<'_>, group: &Resource<'_>, target: &Target) -> Option<Problem> {
    let Target::Function(callee) = target else {
        return None;
    };
    let is_opened = view.of_type("AWS::Lambda::Permission").any(|permission| {
        let text = |name| permission.text(name).unwrap_or_default();
        let action = text("Action");
        text("Principal") == PRINCIPAL
            && matches!(action.as_str(), "lambda:InvokeFunction" | "lambda:*" | "*")
            && super::versions::function_named(&text("FunctionName")) == callee.function
    });
    if is_opened {
        return None;
    }
    let title = format!(
        "the load balancer may not call the function of target group `{}`",
        group.logical_id
    );
    Some(
        Problem::warning("deployment::target-without-permission", title)
            .at(&place_of_targets(group))
            .because("the cloud refuses to register a function whose policy does not let it be called")
            .help(format!(
                "add an `AWS::Lambda::Permission` for the function with `Action: lambda:InvokeFunction` and \
                 `Principal: {PRINCIPAL}`, and let the target group depend on it"
            )),
    )
}

fn place_of_targets(group: &Resource<'_>) -> Place {
    group.place_of(&["Targets"])
}
