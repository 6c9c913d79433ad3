//! Tests of API keys and usage plans.

use model::door::ApiKeySource;
use serde_json::json;

use super::*;

fn key(logical_id: &'static str, id: &'static str, value: &str) -> Row {
    (
        logical_id,
        "AWS::ApiGateway::ApiKey",
        id,
        json!({"Enabled": true, "Name": logical_id, "Value": value}),
        json!({"(value)": value, "(name)": logical_id}),
    )
}

fn plan(properties: Value) -> Row {
    (
        "Plan",
        "AWS::ApiGateway::UsagePlan",
        "plan01",
        properties,
        json!({}),
    )
}

fn link(key: &str, plan: &str) -> Row {
    (
        "Link",
        "AWS::ApiGateway::UsagePlanKey",
        "link",
        json!({"KeyId": key, "KeyType": "API_KEY", "UsagePlanId": plan}),
        json!({}),
    )
}

#[test]
fn a_plan_has_its_keys_limits_and_stages() {
    let (application, problems) = assemble(&[
        hello(json!({})),
        rest_api(json!({})),
        deployment(),
        method("root", "GET", json!({"ApiKeyRequired": true})),
        key("Partner", "key1234567", "partner-key-0123456789abcdef"),
        plan(json!({
            "UsagePlanName": "basic",
            "Quota": {"Limit": "3", "Period": "DAY"},
            "Throttle": {"BurstLimit": 50, "RateLimit": 0.5},
            "ApiStages": [{
                "ApiId": "api1234567", "Stage": "dev",
                "Throttle": {"/pets/GET": {"BurstLimit": 1, "RateLimit": 2}},
            }],
        })),
        link("key1234567", "plan01"),
    ]);
    assert_eq!(problems, []);
    assert!(application.rest_apis[0].methods[0].guard.api_key_required);
    let key = &application.api_keys[0];
    assert_eq!(
        (key.id.as_str(), key.name.as_str(), key.is_enabled),
        ("key1234567", "Partner", true)
    );
    assert_eq!(key.value.reveal(), "partner-key-0123456789abcdef");
    let plan = &application.usage_plans[0];
    assert_eq!(
        format!("{:?} {:?} {:?}", plan.throttle, plan.quota, plan.keys),
        "Some(Rate { per_1000_s: 500, burst: 50 }) Some(Quota { limit: 3, offset: 0, period: Day }) {\"key1234567\"}"
    );
    assert_eq!(
        format!("{:?}", plan.stages),
        "[PlanStage { api: ApiId(\"api1234567\"), stage: StageName(\"dev\"), \
         methods: {\"/pets/GET\": Rate { per_1000_s: 2000, burst: 1 }} }]"
    );
}

#[test]
fn a_stage_that_a_key_lists_and_no_plan_opens_is_told() {
    let mut listing = key("Partner", "key1234567", "partner-key-0123456789abcdef");
    listing.3["StageKeys"] = json!([
        {"RestApiId": "api1234567", "StageName": "dev"},
        {"RestApiId": "api1234567", "StageName": "other"},
    ]);
    let (_, problems) = assemble(&[
        rest_api(json!({})),
        deployment(),
        listing,
        plan(json!({"ApiStages": [{"ApiId": "api1234567", "Stage": "dev"}]})),
        link("key1234567", "plan01"),
    ]);
    let told: Vec<&str> = problems.iter().map(|it| it.title.as_str()).collect();
    assert_eq!(told, ["API key `Partner` does not open the stage `other`"]);
}

#[test]
fn a_definition_asks_for_keys() {
    let integration = json!({"type": "aws_proxy", "uri": URI_OF_HELLO});
    let operation = |security: Value| json!({"security": security, "x-amazon-apigateway-integration": integration});
    let body = json!({
        "openapi": "3.0.1",
        "x-amazon-apigateway-api-key-source": "AUTHORIZER",
        "components": {"securitySchemes": {
            "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
            "own": {"type": "apiKey", "name": "x-api-key", "in": "header", "x-amazon-apigateway-authtype": "custom"},
        }},
        "security": [{"api_key": []}],
        "paths": {"/pets": {
            "get": {"x-amazon-apigateway-integration": integration},
            "put": operation(json!([])),
            "post": operation(json!([{"own": []}])),
        }},
    });
    let (application, problems) = assemble(&[
        hello(json!({})),
        rest_api(json!({"Body": body})),
        deployment(),
    ]);
    let api = &application.rest_apis[0];
    assert_eq!(api.api_key_source, ApiKeySource::Authorizer);
    let asks: Vec<(&str, bool)> = api
        .methods
        .iter()
        .map(|method| (method.http_method.as_str(), method.guard.api_key_required))
        .collect();
    assert_eq!(asks, [("GET", true), ("PUT", false), ("POST", false)]);
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn what_opens_nothing_is_reported() {
    let (application, problems) = assemble(&[
        key("One", "key1", "a-value-of-twenty-letters"),
        key("Two", "key2", "a-value-of-twenty-letters"),
        plan(json!({"ApiStages": [{"ApiId": "elsewhere", "Stage": "dev"}]})),
        link("key1", "broken"),
        link("key9", "plan01"),
    ]);
    assert_eq!(application.api_keys.len(), 1);
    let titles: Vec<&str> = problems.iter().map(|it| it.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "the value of API key `Two` is taken",
            "`Link` puts no key into a plan",
            "usage plan `Plan` opens an API that is not there",
        ]
    );
}
