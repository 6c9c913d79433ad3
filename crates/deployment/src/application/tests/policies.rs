//! Tests of resource policies, and of what roles may do.

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

#[test]
fn a_role_has_its_own_policies_and_those_attached() {
    let document =
        |action: &str| json!({"Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}});
    let managed = "arn:aws:iam::000000000000:policy/shared";
    let (application, _) = assemble(&[
        (
            "Role",
            "AWS::IAM::Role",
            "pets",
            json!({
                "Policies": [{"PolicyName": "own", "PolicyDocument": document("a:own")}],
                "ManagedPolicyArns": [
                    managed,
                    "arn:aws:iam::aws:policy/AmazonAPIGatewayInvokeFullAccess",
                    "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
                ],
                "PermissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess",
            }),
            json!({"Arn": "arn:aws:iam::000000000000:role/pets", "RoleId": "AROA1"}),
        ),
        (
            "Attached",
            "AWS::IAM::Policy",
            "attached",
            json!({"PolicyName": "p", "Roles": ["pets"], "PolicyDocument": document("a:attached")}),
            json!({}),
        ),
        (
            "Elsewhere",
            "AWS::IAM::Policy",
            "elsewhere",
            json!({"PolicyName": "p", "Roles": ["toys"], "PolicyDocument": document("a:elsewhere")}),
            json!({}),
        ),
        (
            "Shared",
            "AWS::IAM::ManagedPolicy",
            managed,
            json!({"PolicyDocument": document("a:shared")}),
            json!({}),
        ),
    ]);
    let role = &application.roles["arn:aws:iam::000000000000:role/pets"];
    assert_eq!(role.id, "AROA1");
    let actions: Vec<String> = role
        .policies
        .iter()
        .map(|policy| {
            let policy: Value = serde_json::from_str(policy).unwrap();
            policy["Statement"]["Action"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(
        actions,
        ["a:own", "a:attached", "a:shared", "execute-api:*"]
    );
    assert_eq!(role.boundary.as_deref(), Some("{}"));
}
