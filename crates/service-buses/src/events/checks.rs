//! What a request would do, and to what.
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for Amazon EventBridge".

use std::collections::BTreeSet;

use interfaces::authorize::Check;
use model::arn::Arn;
use serde_json::Value;

use super::{BusRef, FIRE};
use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::engine::publish::PRINCIPAL;
use crate::fields;

pub(super) async fn checks(
    catalogue: &Catalogue,
    place: &Place,
    operation: &str,
    body: &[u8],
) -> Vec<Check> {
    let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
    fields::as_texts(&mut body);
    let member = |name: &str| body.get(name).and_then(Value::as_str);
    if operation == "PutEvents" {
        return put_events(catalogue, place, &body).await;
    }
    if operation == FIRE {
        let everything = place.arn("events", "rule/*".to_owned()).to_string();
        return vec![Check::new("cloudless:Fire", everything, &place.account)];
    }
    let Some(resource) = resource(operation, place, member) else {
        return Vec::new();
    };
    let bus = BusRef::read(member("EventBusName"), place);
    let policy = if operation == "PutRule" || bus.place != *place {
        policy_of(catalogue, &bus).await
    } else {
        None
    };
    let action = format!("events:{operation}");
    let mut checks = vec![Check::new(action, resource, &bus.place.account).with_policy(policy)];
    let targets = body.get("Targets").and_then(Value::as_array);
    let of_targets = targets.into_iter().flatten();
    let roles = of_targets.filter_map(|target| target.get("RoleArn").and_then(Value::as_str));
    let passed = roles.chain(member("RoleArn"));
    checks.extend(
        passed
            .collect::<BTreeSet<_>>()
            .into_iter()
            .filter_map(|role| Arn::parse(role).ok())
            .map(|role| Check::pass_role(&role, PRINCIPAL)),
    );
    checks
}

async fn put_events(catalogue: &Catalogue, place: &Place, body: &Value) -> Vec<Check> {
    let entries = body.get("Entries").and_then(Value::as_array);
    let mut buses: Vec<BusRef> = Vec::new();
    for entry in entries.into_iter().flatten() {
        let name = entry.get("EventBusName").and_then(Value::as_str);
        let bus = BusRef::read(name, place);
        if !buses.contains(&bus) {
            buses.push(bus);
        }
    }
    let mut checks = Vec::new();
    for bus in buses {
        let policy = policy_of(catalogue, &bus).await;
        let check = Check::new("events:PutEvents", bus.arn(), &bus.place.account);
        checks.push(check.with_policy(policy));
    }
    checks
}

async fn policy_of(catalogue: &Catalogue, bus: &BusRef) -> Option<std::sync::Arc<policy::Policy>> {
    let shelf = catalogue.shelf(&bus.place).await.ok()?;
    shelf.look(|state| state.buses.get(&bus.name)?.policy.clone())
}

/// The ARN that an operation is about; none for one that is not known.
pub(super) fn resource<'m>(
    operation: &str,
    place: &Place,
    member: impl Fn(&str) -> Option<&'m str>,
) -> Option<String> {
    let named = |name: &str| member(name).unwrap_or_default();
    let bus = || BusRef::read(member("EventBusName"), place);
    let rule = |name: &str| {
        let bus = bus();
        bus.place.rule_arn(&bus.name, named(name)).to_string()
    };
    let of = |kind: &str, name: &str| place.arn("events", format!("{kind}/{name}")).to_string();
    Some(match operation {
        "CreateEventBus" | "UpdateEventBus" | "DeleteEventBus" | "DescribeEventBus" => {
            BusRef::read(member("Name"), place).arn()
        }
        "PutPermission" | "RemovePermission" => bus().arn(),
        "PutRule" | "DeleteRule" | "DescribeRule" | "EnableRule" | "DisableRule" => rule("Name"),
        "PutTargets" | "RemoveTargets" | "ListTargetsByRule" => rule("Rule"),
        "ListRules" => {
            let bus = bus();
            bus.place.rule_arn(&bus.name, "*").to_string()
        }
        "ListEventBuses"
        | "ListRuleNamesByTarget"
        | "TestEventPattern"
        | "ListConnections"
        | "ListArchives"
        | "ListReplays"
        | "ListApiDestinations" => "*".to_owned(),
        "TagResource" | "UntagResource" | "ListTagsForResource" => named("ResourceARN").to_owned(),
        "CreateConnection"
        | "UpdateConnection"
        | "DeleteConnection"
        | "DescribeConnection"
        | "DeauthorizeConnection" => of("connection", &format!("{}/*", named("Name"))),
        "CreateApiDestination"
        | "UpdateApiDestination"
        | "DeleteApiDestination"
        | "DescribeApiDestination" => of("api-destination", &format!("{}/*", named("Name"))),
        "CreateArchive" | "UpdateArchive" | "DeleteArchive" | "DescribeArchive" => {
            of("archive", named("ArchiveName"))
        }
        "StartReplay" | "CancelReplay" | "DescribeReplay" => of("replay", named("ReplayName")),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use model::ids::{AccountId, Region};

    use super::*;

    #[test]
    fn every_operation_names_what_it_is_about() {
        let place = Place {
            account: AccountId::development(),
            region: Region::new("us-east-1"),
        };
        for operation in super::super::SUPPORTED {
            let named = resource(operation, &place, |_| Some("x"));
            assert!(named.is_some() || *operation == "PutEvents", "{operation}");
        }
        let rule = resource("PutTargets", &place, |name| (name == "Rule").then_some("r"));
        assert_eq!(
            rule.as_deref(),
            Some("arn:aws:events:us-east-1:000000000000:rule/r")
        );
    }
}
