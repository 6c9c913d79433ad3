//! Tests of resource policies.

use serde_json::json;

use super::*;

fn statement(condition: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*",
        "Condition": condition,
    }]})
}

fn policy_of(properties: Value) -> (Option<String>, String) {
    let (application, problems) = assemble(&[rest_api(properties), deployment()]);
    let policy = application
        .rest_apis
        .first()
        .and_then(|api| api.policy.clone());
    let titles: Vec<String> = problems
        .iter()
        .map(|problem| problem.cause.clone().unwrap_or_default())
        .collect();
    (policy.map(|policy| policy.to_string()), titles.join(", "))
}

#[test]
fn an_api_has_the_policy_of_its_property_or_its_definition() {
    let here = || statement(json!({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}));
    let there = || statement(json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}));
    let none = String::new();
    let defined = || json!({"x-amazon-apigateway-policy": there(), "paths": {}});
    for (properties, expected) in [
        (json!({"Policy": here()}), Some(here().to_string())),
        (
            json!({"Policy": here().to_string()}),
            Some(here().to_string()),
        ),
        (json!({"Body": defined()}), Some(there().to_string())),
        (
            json!({"Body": defined(), "Policy": here()}),
            Some(here().to_string()),
        ),
        (json!({}), None),
    ] {
        assert_eq!(policy_of(properties), (expected, none.clone()));
    }
}

#[test]
fn a_policy_that_depends_on_private_networks_keeps_its_api_shut() {
    let policy = statement(json!({"StringEquals": {"aws:SourceVpce": "vpce-1"}}));
    let (policy, why) = policy_of(json!({"Policy": policy}));
    assert_eq!(policy, None);
    assert_eq!(
        why,
        "its resource policy has a condition on `aws:sourcevpce`, and there are no private networks here"
    );
}
