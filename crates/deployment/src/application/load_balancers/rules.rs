//! What rules of listeners say.
//!
//! Lives here: priorities, conditions, actions.
//! Does not live here: whether a request fulfils them (`gateway`).
//!
//! Contract: Elastic Load Balancing API Reference version 2015-12-01, `RuleCondition` and `Action`.

use std::collections::BTreeSet;

use model::load_balancer::{Action, Condition, FixedResponse, QueryPair, Redirect, Rule, Weighted};
use model::problem::{Place, Problem};
use serde_json::Value;

use super::super::integration::Refusal;
use super::super::refusals::not_served;
use super::super::view::{Resource, View, list_of};
use super::{Groups, RULE};
use crate::records::text_of;

/// The rules of a listener, in the order in which they are tried. One whose conditions are not understood is left out.
pub(super) fn of_listener(
    view: &View<'_>,
    listener: &str,
    groups: &Groups,
    problems: &mut Vec<Problem>,
) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut taken = BTreeSet::new();
    for resource in view.of_type(RULE) {
        if resource.text("ListenerArn").as_deref() != Some(listener) {
            continue;
        }
        match rule(resource, groups, problems) {
            Ok(rule) => {
                if !taken.insert(rule.priority) {
                    problems.push(in_use(resource, rule.priority));
                }
                rules.push(rule);
            }
            Err(refusal) => {
                let what = format!("rule `{}`", resource.logical_id);
                let place = resource.place_of(&["Conditions"]);
                problems.push(not_served(&what, &refusal, &place));
            }
        }
    }
    // Those of one priority stay in the order of the template.
    rules.sort_by_key(|rule| rule.priority);
    rules
}

fn in_use(resource: &Resource<'_>, priority: u32) -> Problem {
    let title = format!(
        "priority {priority} of rule `{}` is taken by another rule of its listener",
        resource.logical_id
    );
    Problem::warning("deployment::priority-in-use", title)
        .at(&resource.place_of(&["Priority"]))
        .because(
            "the cloud refuses the second one; here they are tried in the order of the manifest",
        )
        .help("give each rule of a listener a priority of its own")
}

fn rule(
    resource: &Resource<'_>,
    groups: &Groups,
    problems: &mut Vec<Problem>,
) -> Result<Rule, Refusal> {
    let written = resource.properties.get("Conditions");
    let mut conditions = Vec::new();
    for written in written.and_then(Value::as_array).into_iter().flatten() {
        conditions.push(condition(written)?);
    }
    if conditions.is_empty() {
        return Err(Refusal::new("it has no condition").help("a rule has at least one"));
    }
    for condition in &mut conditions {
        problems.extend(with_slash(resource, condition));
    }
    let place = resource.place_of(&["Actions"]);
    let what = format!("rule `{}`", resource.logical_id);
    let actions = resource.properties.get("Actions");
    Ok(Rule {
        priority: resource.whole("Priority").map_or(0, saturated),
        conditions,
        action: action(actions, groups, (&what, &place), problems),
        place: Some(resource.place.clone()),
    })
}

fn saturated(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Paths of requests begin with a slash, so a pattern without one is meant to have it.
fn with_slash(resource: &Resource<'_>, condition: &mut Condition) -> Option<Problem> {
    let Condition::Path(patterns) = condition else {
        return None;
    };
    let mut bare = Vec::new();
    for pattern in patterns {
        if !pattern.starts_with(['/', '*', '?']) {
            bare.push(format!("`{pattern}`"));
            pattern.insert(0, '/');
        }
    }
    if bare.is_empty() {
        return None;
    }
    let bare = bare.join(", ");
    let title = format!(
        "the path {bare} of rule `{}` begins with no slash",
        resource.logical_id
    );
    Some(
        Problem::warning("deployment::path-without-slash", title)
            .at(&resource.place_of(&["Conditions"]))
            .because("paths of requests do, so that the cloud takes none for it; here the slash is added")
            .help("write the slash"),
    )
}

fn condition(written: &Value) -> Result<Condition, Refusal> {
    let field = written.get("Field").and_then(text_of).unwrap_or_default();
    let member = |config: &str, name: &str| written.get(config).and_then(|it| it.get(name));
    let configs = ["HostHeaderConfig", "PathPatternConfig", "HttpHeaderConfig"];
    let of_config = configs.iter().filter_map(|it| member(it, "RegexValues"));
    if written
        .get("RegexValues")
        .into_iter()
        .chain(of_config)
        .next()
        .is_some()
    {
        return Err(Refusal::new("it has a regular expression as a condition")
            .help("use patterns with `*` and `?` in `Values`"));
    }
    let values = |config: &str| list_of(member(config, "Values").or_else(|| written.get("Values")));
    let condition = match field.as_str() {
        "host-header" => Condition::Host(values("HostHeaderConfig")),
        "path-pattern" => Condition::Path(values("PathPatternConfig")),
        "http-request-method" => Condition::Method(values("HttpRequestMethodConfig")),
        "source-ip" => Condition::SourceIp(values("SourceIpConfig")),
        "http-header" => Condition::Header {
            name: member("HttpHeaderConfig", "HttpHeaderName")
                .and_then(text_of)
                .unwrap_or_default(),
            values: values("HttpHeaderConfig"),
        },
        "query-string" => Condition::Query(pairs(member("QueryStringConfig", "Values"))),
        other => {
            let reason = format!("there is no condition on `{other}`");
            return Err(Refusal::new(reason));
        }
    };
    if is_empty(&condition) {
        return Err(Refusal::new(format!(
            "its condition `{field}` has no value"
        )));
    }
    Ok(condition)
}

fn is_empty(condition: &Condition) -> bool {
    match condition {
        Condition::Host(values)
        | Condition::Path(values)
        | Condition::Method(values)
        | Condition::SourceIp(values)
        | Condition::Header { values, .. } => values.is_empty(),
        Condition::Query(pairs) => pairs.is_empty(),
    }
}

fn pairs(values: Option<&Value>) -> Vec<QueryPair> {
    let values = values.and_then(Value::as_array).into_iter().flatten();
    let text = |pair: &Value, name: &str| pair.get(name).and_then(text_of);
    values
        .map(|pair| QueryPair {
            key: text(pair, "Key"),
            value: text(pair, "Value").unwrap_or_default(),
        })
        .collect()
}

/// What is done with a request. What is not done is reported, and its requests fail.
pub(super) fn action(
    actions: Option<&Value>,
    groups: &Groups,
    (what, place): (&str, &Place),
    problems: &mut Vec<Problem>,
) -> Action {
    let actions = actions.and_then(Value::as_array);
    let mut actions: Vec<&Value> = actions.into_iter().flatten().collect();
    actions.sort_by_key(|action| order(action));
    let before = actions.iter().rev().skip(1).find_map(|it| kind(it));
    let resolved = match (before, actions.last()) {
        (Some(kind), _) => Err(not_built(&kind)),
        (None, Some(last)) => last_action(last, groups),
        (None, None) => Err(Refusal::new("it has no action")),
    };
    resolved.unwrap_or_else(|refusal| {
        problems.push(not_served(what, &refusal, place));
        Action::NotServed {
            reason: refusal.reason,
        }
    })
}

/// The action without an order is the last one, as tools write it.
fn order(action: &Value) -> u64 {
    let order = action.get("Order").and_then(text_of);
    order.and_then(|it| it.parse().ok()).unwrap_or(u64::MAX)
}

fn kind(action: &Value) -> Option<String> {
    action.get("Type").and_then(text_of)
}

fn not_built(kind: &str) -> Refusal {
    match kind {
        "authenticate-cognito" | "authenticate-oidc" | "jwt-validation" => {
            let reason = format!("nobody is asked who they are: `{kind}` is not built");
            Refusal::new(reason).help("let the function ask, or leave the action out here")
        }
        "forward" | "redirect" | "fixed-response" => {
            Refusal::new(format!("an action of type `{kind}` must be the last one"))
        }
        other => Refusal::new(format!("there is no action of type `{other}`")),
    }
}

fn last_action(action: &Value, groups: &Groups) -> Result<Action, Refusal> {
    let kind = kind(action).unwrap_or_default();
    match kind.as_str() {
        "forward" => forward(action, groups).map(Action::Forward),
        "redirect" => Ok(Action::Redirect(redirect(action.get("RedirectConfig")))),
        "fixed-response" => {
            let config = action.get("FixedResponseConfig");
            Ok(Action::FixedResponse(fixed_response(config)))
        }
        other => Err(not_built(other)),
    }
}

fn forward(action: &Value, groups: &Groups) -> Result<Vec<Weighted>, Refusal> {
    let of_config = action.get("ForwardConfig");
    let of_config = of_config.and_then(|config| config.get("TargetGroups"));
    let of_config = of_config.and_then(Value::as_array).into_iter().flatten();
    let mut named: Vec<(String, u32)> = of_config
        .map(|group| {
            let text = |name: &str| group.get(name).and_then(text_of);
            let weight = text("Weight").and_then(|weight| weight.parse().ok());
            (
                text("TargetGroupArn").unwrap_or_default(),
                weight.unwrap_or(1),
            )
        })
        .collect();
    if named.is_empty() {
        named.extend(
            action
                .get("TargetGroupArn")
                .and_then(text_of)
                .map(|arn| (arn, 1)),
        );
    }
    if named.is_empty() {
        return Err(Refusal::new("it forwards to no target group"));
    }
    let weighted = named.into_iter().map(|(arn, weight)| {
        let group = groups.get(&arn).cloned().ok_or_else(|| {
            Refusal::new(format!(
                "its target group `{arn}` is not one of this project"
            ))
        })?;
        Ok(Weighted { group, weight })
    });
    weighted.collect()
}

/// What is not said, stays.
fn redirect(config: Option<&Value>) -> Redirect {
    let text = |name: &str| config.and_then(|it| it.get(name)).and_then(text_of);
    let or = |name: &str, kept: &str| text(name).unwrap_or_else(|| kept.to_owned());
    Redirect {
        protocol: or("Protocol", "#{protocol}"),
        host: or("Host", "#{host}"),
        port: or("Port", "#{port}"),
        path: or("Path", "/#{path}"),
        query: or("Query", "#{query}"),
        status: match text("StatusCode").as_deref() {
            Some("HTTP_301") => 301,
            Some(_) | None => 302,
        },
    }
}

fn fixed_response(config: Option<&Value>) -> FixedResponse {
    let text = |name: &str| config.and_then(|it| it.get(name)).and_then(text_of);
    FixedResponse {
        status: text("StatusCode")
            .and_then(|status| status.parse().ok())
            .unwrap_or(200),
        content_type: text("ContentType"),
        body: text("MessageBody").unwrap_or_default(),
    }
}
