//! The rules of load balancers, as people are shown them.
//!
//! Lives here: one row a rule and path, in the order in which they are tried.
//! Does not live here: other routes (`listing`), which rule takes a request (`load_balancer`).

use model::load_balancer::{
    Action, Condition, DefaultAction, Listener, QueryPair, Rule, Target, Weighted,
};

use super::listing::{AnsweredBy, ApiKind, RouteRow};

/// The rules of a listener, and its default action if it is known.
pub(super) fn rows(listener: &Listener) -> Vec<RouteRow> {
    let of_rule = |rule: &Rule| {
        let methods = of(rule, |it| match it {
            Condition::Method(names) => Some(names.clone()),
            Condition::Host(_)
            | Condition::Path(_)
            | Condition::Header { .. }
            | Condition::Query(_)
            | Condition::SourceIp(_) => None,
        });
        let paths = of(rule, |it| match it {
            Condition::Path(patterns) => Some(patterns.clone()),
            Condition::Host(_)
            | Condition::Method(_)
            | Condition::Header { .. }
            | Condition::Query(_)
            | Condition::SourceIp(_) => None,
        });
        let others = rule
            .conditions
            .iter()
            .filter_map(other)
            .map(|it| format!(", {it}"));
        let others: String = others.collect();
        let conditions = format!(
            "ALB {}:{}, {}{others}",
            listener.name, listener.port, rule.priority
        );
        let row = |path: String| RouteRow {
            method: methods
                .clone()
                .map_or_else(|| "ANY".to_owned(), |names| names.join("|")),
            path,
            answered_by: answered_by(&rule.action),
            kind: ApiKind::LoadBalancer,
            authorizer: None,
            throttle: None,
            cache: None,
            conditions: Some(conditions.clone()),
            place: rule.place.clone(),
        };
        let paths = paths.unwrap_or_else(|| vec!["*".to_owned()]);
        paths.into_iter().map(row).collect::<Vec<_>>()
    };
    let mut rows: Vec<RouteRow> = listener.rules.iter().flat_map(of_rule).collect();
    if let DefaultAction::Declared(action) = &listener.default {
        rows.push(RouteRow {
            method: "ANY".to_owned(),
            path: "*".to_owned(),
            answered_by: answered_by(action),
            kind: ApiKind::LoadBalancer,
            authorizer: None,
            throttle: None,
            cache: None,
            conditions: Some(format!("ALB {}:{}, default", listener.name, listener.port)),
            place: listener.place.clone(),
        });
    }
    rows
}

fn of(rule: &Rule, wanted: impl Fn(&Condition) -> Option<Vec<String>>) -> Option<Vec<String>> {
    rule.conditions.iter().find_map(wanted)
}

/// What has no column of its own.
fn other(condition: &Condition) -> Option<String> {
    let pair = |pair: &QueryPair| match &pair.key {
        Some(key) => format!("{key}={}", pair.value),
        None => pair.value.clone(),
    };
    match condition {
        Condition::Path(_) | Condition::Method(_) => None,
        Condition::Host(values) => Some(format!("host {}", values.join("|"))),
        Condition::Header { name, values } => Some(format!("{name}: {}", values.join("|"))),
        Condition::Query(pairs) => {
            let pairs: Vec<String> = pairs.iter().map(pair).collect();
            Some(format!("?{}", pairs.join("|")))
        }
        Condition::SourceIp(ranges) => Some(format!("from {}", ranges.join("|"))),
    }
}

fn answered_by(action: &Action) -> AnsweredBy {
    match action {
        Action::Forward(groups) => match groups.as_slice() {
            [only] => match &only.group.target {
                Target::Function(callee) => AnsweredBy::Function(callee.function.clone()),
                Target::Nobody => AnsweredBy::Nobody {
                    reason: "its target group has no target".to_owned(),
                },
                Target::NotServed { reason } => AnsweredBy::Nobody {
                    reason: reason.clone(),
                },
            },
            several => {
                let shown: Vec<String> = several.iter().map(share).collect();
                AnsweredBy::LoadBalancer {
                    does: shown.join(", "),
                }
            }
        },
        Action::Redirect(redirect) => AnsweredBy::LoadBalancer {
            does: format!("(redirect {})", redirect.status),
        },
        Action::FixedResponse(fixed) => AnsweredBy::LoadBalancer {
            does: format!("(fixed response {})", fixed.status),
        },
        Action::NotServed { reason } => AnsweredBy::Nobody {
            reason: reason.clone(),
        },
    }
}

fn share(weighted: &Weighted) -> String {
    let name = match &weighted.group.target {
        Target::Function(callee) => callee.function.as_str(),
        Target::Nobody | Target::NotServed { .. } => "nobody",
    };
    format!("{name} ({})", weighted.weight)
}
