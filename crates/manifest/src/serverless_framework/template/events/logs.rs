//! `cloudwatchLog` events.
//!
//! Lives here: subscription filters of log groups.
//! Does not live here: what filter patterns match.

use std::collections::BTreeMap;

use cloudformation::node::Node;
use model::problem::Problem;

use super::permission;
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::template::Draft;
use crate::serverless_framework::{naming, script};

/// Subscription filters that a log group can have.
const FILTERS_A_GROUP_MAX: usize = 2;

pub(in crate::serverless_framework::template) fn write(service: &Service<'_>, draft: &mut Draft) {
    let mut filters: BTreeMap<String, usize> = BTreeMap::new();
    for function in service.functions() {
        let mut groups: Vec<String> = Vec::new();
        for event in function.events() {
            let Some(event) = script::truthy(event.get("cloudwatchLog")) else {
                continue;
            };
            let named = if event.as_mapping().is_some() {
                event.get("logGroup")
            } else {
                Some(event)
            };
            let Some(group) = named.and_then(Node::as_str).map(on_one_line) else {
                draft.problems.push(without_name(function, event));
                continue;
            };
            let count = filters.entry(group.clone()).or_default();
            *count += 1;
            if FILTERS_A_GROUP_MAX < *count {
                draft.problems.push(too_many(&group, event));
                continue;
            }
            groups.push(group);
            write_filter(function, event, &groups, draft);
        }
    }
}

/// A filter of the last of these groups; the permission is for all of them.
fn write_filter(function: Function<'_>, event: &Node, groups: &[String], draft: &mut Draft) {
    let place = &event.place;
    let normalised = naming::normalised(function.key);
    let permission_id = format!("{normalised}LambdaPermissionLogsSubscriptionFilterCloudWatchLog");
    let mut depends_on = vec![permission_id.clone()];
    depends_on.extend(function.alias().map(|alias| alias.logical_id));
    let properties = Object::new(place)
        .with_some("LogGroupName", groups.last())
        .with("FilterPattern", pattern(event))
        .with("DestinationArn", function.target(place));
    let resource =
        build::resource("AWS::Logs::SubscriptionFilter", properties).with("DependsOn", depends_on);
    let number = groups.len();
    draft.merge(
        &format!("{normalised}LogsSubscriptionFilterCloudWatchLog{number}"),
        resource,
    );
    let parts = |parts: &[&str]| build::arn_parts(parts, place);
    let principal = build::joined(
        "",
        parts(&["logs.", "AWS::Region", ".amazonaws.com"]),
        place,
    );
    let common = common_start(groups);
    let source = parts(&[
        "arn:",
        "AWS::Partition",
        ":logs:",
        "AWS::Region",
        ":",
        "AWS::AccountId",
        ":log-group:",
        &common,
        ":*",
    ]);
    let mut permission = permission(function, principal, build::joined("", source, place), place);
    if let Some(alias) = function.alias() {
        permission.set("DependsOn", vec![alias.logical_id]);
    }
    draft.merge(&permission_id, permission);
}

fn without_name(function: Function<'_>, event: &Node) -> Problem {
    Problem::error(
        "manifest::log-group-without-name",
        format!(
            "a `cloudwatchLog` of the function `{}` names no log group",
            function.key
        ),
    )
    .at(&event.place)
    .help("name the log group, as `cloudwatchLog: /aws/lambda/hello`")
}

fn too_many(group: &str, event: &Node) -> Problem {
    Problem::error(
        "manifest::too-many-log-filters",
        format!("the log group `{group}` has more than {FILTERS_A_GROUP_MAX} filters"),
    )
    .at(&event.place)
    .because("CloudWatch Logs takes no more")
    .help("let one function read the log group, and tell the others")
}

/// The filter, in which the first escaped quote makes all escapes those of a text in a text.
fn pattern(event: &Node) -> String {
    let filter = event.get("filter").and_then(Node::as_str);
    let filter = filter.map(on_one_line).unwrap_or_default();
    let is_escaped = match (filter.find('\\'), filter.find('"')) {
        (Some(slash), Some(quote)) => slash < quote,
        (_, _) => false,
    };
    if !is_escaped {
        return filter;
    }
    let mut text = String::with_capacity(filter.len());
    let mut letters = filter.chars().peekable();
    while let Some(letter) = letters.next() {
        let escaped = letters.next_if(|next| letter == '\\' && matches!(next, '"' | '\\' | '\''));
        text.push(escaped.unwrap_or(letter));
    }
    text
}

fn on_one_line(text: &str) -> String {
    text.replace("\r\n", "").replace('\n', "")
}

/// What the names of all groups begin with, and `*` for the rest of them.
fn common_start(groups: &[String]) -> String {
    let mut names = groups.iter();
    let mut common = names.next().cloned().unwrap_or_default();
    for name in names {
        let same = common
            .char_indices()
            .zip(name.chars())
            .take_while(|((_, one), other)| one == other);
        let end = same
            .last()
            .map_or(0, |((at, letter), _)| at + letter.len_utf8());
        common.truncate(end);
    }
    if 1 < groups.len() && !common.ends_with('*') {
        common.push('*');
    }
    common
}
