//! Tests of the records, as tables of cases.

use interfaces::resource_provider::{ResourceProvider, ResourceRequest, UpdatePlan};
use model::ids::{AccountId, LogicalId, Region, StackName};
use serde_json::{Value, json};

use super::RecordProvider;
use resource_types::{Property, Shape};

fn request(resource_type: &str, properties: Value) -> ResourceRequest {
    ResourceRequest {
        account: AccountId::development(),
        region: Region::new("eu-west-1"),
        stack: StackName::new("shop"),
        logical_id: LogicalId::new("Thing"),
        resource_type: resource_type.to_owned(),
        properties: properties.as_object().unwrap().clone(),
        generated_name: "shop-Thing-1A2B3C4D5E6F".to_owned(),
        number: None,
    }
}

#[track_caller]
fn check(resource_type: &str, properties: Value, expected: &[&str]) {
    let problems = RecordProvider::new().check(resource_type, properties.as_object().unwrap());
    let shown: Vec<String> = problems
        .iter()
        .map(|problem| {
            let help = problem
                .help
                .as_ref()
                .map_or(String::new(), |help| format!(" ({help})"));
            format!(
                "{:?} {}: {}{help}",
                problem.severity,
                problem.path.join("."),
                problem.title
            )
        })
        .collect();
    assert_eq!(shown, expected);
}

fn function_with(extra: Value) -> Value {
    let mut function = json!({
        "Code": {"ZipFile": ""}, "Role": "arn:aws:iam::000000000000:role/r",
        "Runtime": "python3.12", "Handler": "index.handler",
    });
    let members = function.as_object_mut().unwrap();
    members.extend(extra.as_object().unwrap().clone());
    function
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn ids_and_attributes_are_formed_as_in_the_cloud() {
    let cases = [
        (
            "AWS::Lambda::Function",
            json!({"FunctionName": "f"}),
            "f",
            "Arn",
            "arn:aws:lambda:eu-west-1:000000000000:function:f",
        ),
        (
            "AWS::Lambda::Function",
            json!({}),
            "shop-Thing-1A2B3C4D5E6F",
            "Arn",
            "arn:aws:lambda:eu-west-1:000000000000:function:shop-Thing-1A2B3C4D5E6F",
        ),
        (
            "AWS::Lambda::Version",
            json!({"FunctionName": "f"}),
            "arn:aws:lambda:eu-west-1:000000000000:function:f:1",
            "Version",
            "1",
        ),
        (
            "AWS::Lambda::Version",
            json!({"FunctionName": "arn:aws:lambda:eu-west-1:000000000000:function:f"}),
            "arn:aws:lambda:eu-west-1:000000000000:function:f:1",
            "Version",
            "1",
        ),
        (
            "AWS::Lambda::Alias",
            json!({"FunctionName": "f", "Name": "live"}),
            "arn:aws:lambda:eu-west-1:000000000000:function:f:live",
            "AliasArn",
            "arn:aws:lambda:eu-west-1:000000000000:function:f:live",
        ),
        (
            "AWS::Lambda::LayerVersion",
            json!({"LayerName": "deps"}),
            "arn:aws:lambda:eu-west-1:000000000000:layer:deps:1",
            "LayerVersionArn",
            "arn:aws:lambda:eu-west-1:000000000000:layer:deps:1",
        ),
        (
            "AWS::ApiGateway::Stage",
            json!({"StageName": "dev"}),
            "dev",
            "",
            "",
        ),
        (
            "AWS::ApiGateway::UsagePlanKey",
            json!({"KeyId": "k", "KeyType": "API_KEY", "UsagePlanId": "p"}),
            "k:p",
            "Id",
            "k:p",
        ),
        (
            "AWS::ApiGatewayV2::Stage",
            json!({"StageName": "$default"}),
            "$default",
            "",
            "",
        ),
    ];
    for (resource_type, properties, physical_id, attribute, value) in cases {
        let made = super::identity::identity(&request(resource_type, properties));
        assert_eq!(made.physical_id, physical_id, "{resource_type}");
        if !attribute.is_empty() {
            assert_eq!(
                made.attributes[attribute], value,
                "{resource_type}.{attribute}"
            );
        }
    }
}

#[test]
fn generated_ids_have_their_length_and_are_the_same_each_time() {
    for (resource_type, length) in [
        ("AWS::ApiGateway::RestApi", 10),
        ("AWS::ApiGateway::Resource", 6),
        ("AWS::ApiGateway::ApiKey", 10),
        ("AWS::ApiGateway::UsagePlan", 6),
        ("AWS::ApiGatewayV2::Api", 10),
        ("AWS::ApiGatewayV2::Route", 7),
    ] {
        let provider = RecordProvider::new();
        let wanted = request(resource_type, json!({}));
        let id = provider.physical_id(&wanted);
        assert_eq!(id.len(), length, "{resource_type}");
        assert!(
            id.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        );
        assert_eq!(id, provider.physical_id(&wanted));
        let other = ResourceRequest {
            generated_name: "other".to_owned(),
            ..wanted
        };
        assert_ne!(id, provider.physical_id(&other));
    }
}

#[test]
fn versions_of_functions_and_layers_have_the_number_that_was_drawn() {
    for (resource_type, properties, series, physical_id) in [
        (
            "AWS::Lambda::Version",
            json!({"FunctionName": "arn:aws:lambda:eu-west-1:000000000000:function:f"}),
            "function:f",
            "arn:aws:lambda:eu-west-1:000000000000:function:f:7",
        ),
        (
            "AWS::Lambda::LayerVersion",
            json!({"LayerName": "l"}),
            "layer:l",
            "arn:aws:lambda:eu-west-1:000000000000:layer:l:7",
        ),
    ] {
        let provider = RecordProvider::new();
        let request = ResourceRequest {
            number: Some(7),
            ..request(resource_type, properties)
        };
        assert_eq!(provider.series(&request).as_deref(), Some(series));
        assert_eq!(provider.physical_id(&request), physical_id);
    }
}

#[test]
fn an_api_key_without_a_value_is_given_one_that_stays() {
    let made =
        |properties| super::identity::identity(&request("AWS::ApiGateway::ApiKey", properties));
    let drawn = made(json!({}));
    let value = drawn.attributes[super::KEY_VALUE].as_str().unwrap();
    assert_eq!(value.len(), 40);
    assert_eq!(drawn.attributes, made(json!({"Enabled": true})).attributes);
    let given = made(json!({"Value": "a-value-of-twenty-letters"}));
    assert_eq!(
        given.attributes[super::KEY_VALUE],
        "a-value-of-twenty-letters"
    );
}

#[test]
fn an_api_key_that_is_easily_guessed_is_refused() {
    check(
        "AWS::ApiGateway::ApiKey",
        json!({"Value": "short"}),
        &["Error Value: the value of an API key has 5 characters"],
    );
}

#[test]
fn limits_of_a_plan_are_numbers() {
    check(
        "AWS::ApiGateway::UsagePlan",
        json!({
            "Throttle": {"BurstLimit": "x", "RateLimit": -1},
            "ApiStages": [{"Throttle": {"/GET": {"RateLimit": 0.5, "Rate": 1}}}],
            "Quota": {"Period": "YEAR"},
        }),
        &[
            "Error Throttle.BurstLimit: `BurstLimit` is not of type Integer",
            "Error Throttle.RateLimit: `RateLimit` is not a number that is not negative",
            "Error ApiStages.0.Throttle./GET.Rate: there is no property `Rate`",
            "Error Quota.Period: `YEAR` is no value of `Period`",
        ],
    );
}

#[test]
fn a_complete_function_has_no_problem() {
    check(
        "AWS::Lambda::Function",
        function_with(json!({
            "MemorySize": "512", "Timeout": 30, "Architectures": ["arm64"], "Tags": [],
            "Environment": {"Variables": {"PORT": 80, "DEBUG": true}},
        })),
        &[],
    );
}

#[test]
fn every_fault_is_named_at_once() {
    check(
        "AWS::Lambda::Function",
        json!({
            "Code": "src", "Timout": 3, "MemorySize": 64, "Role": "r", "Layers": "one",
            "Environment": {"Variables": {"AWS_REGION": "x", "1A": "y"}},
            "VpcConfig": {"SubnetIds": []}, "TracingConfig": {"Mode": "Active"},
        }),
        &[
            "Error Code: `Code` is not an object",
            "Error Timout: there is no property `Timout` (did you mean `Timeout`?)",
            "Error Layers: `Layers` is not of type List",
            "Warning VpcConfig: `VpcConfig` is not carried out",
            "Warning TracingConfig.Mode: `Mode: Active` is not carried out",
            "Error MemorySize: `MemorySize` is 64, but may be 128 to 10240",
            "Error Environment.Variables.AWS_REGION: the variable `AWS_REGION` is reserved",
            "Error Environment.Variables.1A: `1A` cannot be a variable's name",
            "Error : the function has no `Runtime`",
            "Error : the function has no `Handler`",
        ],
    );
}

#[test]
fn memory_and_timeout_have_their_bounds() {
    for (name, least, most) in [("MemorySize", 128, 10_240), ("Timeout", 1, 900)] {
        for good in [least, most] {
            check(
                "AWS::Lambda::Function",
                function_with(json!({name: good})),
                &[],
            );
        }
        for bad in [least - 1, most + 1] {
            check(
                "AWS::Lambda::Function",
                function_with(json!({name: bad})),
                &[&format!(
                    "Error {name}: `{name}` is {bad}, but may be {least} to {most}"
                )],
            );
        }
    }
}

#[test]
fn what_the_application_reports_is_not_reported_here() {
    check(
        "AWS::Lambda::Function",
        json!({"Code": {"ImageUri": "repository:tag"}, "Role": "r", "PackageType": "Image"}),
        &[],
    );
    check(
        "AWS::ApiGateway::Method",
        json!({
            "HttpMethod": "GET", "ResourceId": "r", "RestApiId": "a",
            "AuthorizationType": "AWS_IAM", "ApiKeyRequired": true,
        }),
        &[],
    );
    check(
        "AWS::ApiGatewayV2::Api",
        json!({"ProtocolType": "WEBSOCKET"}),
        &[],
    );
}

#[test]
fn a_choice_has_its_values() {
    check(
        "AWS::ApiGateway::Method",
        json!({"HttpMethod": "GET", "ResourceId": "r", "RestApiId": "a", "AuthorizationType": "SECRET"}),
        &["Error AuthorizationType: `SECRET` is no value of `AuthorizationType`"],
    );
}

#[test]
fn a_change_replaces_updates_or_does_nothing() {
    let plan = |resource_type: &str, old: Value, new: Value| {
        RecordProvider::new().plan_update(
            resource_type,
            old.as_object().unwrap(),
            new.as_object().unwrap(),
        )
    };
    assert_eq!(
        plan(
            "AWS::Lambda::Function",
            json!({"Timeout": 3}),
            json!({"Timeout": 3})
        ),
        UpdatePlan::Nothing
    );
    assert_eq!(
        plan(
            "AWS::Lambda::Function",
            json!({"Timeout": 3}),
            json!({"Timeout": 4})
        ),
        UpdatePlan::InPlace
    );
    assert_eq!(
        plan(
            "AWS::Lambda::Function",
            json!({"FunctionName": "a"}),
            json!({})
        ),
        UpdatePlan::Replace
    );
    assert_eq!(
        plan(
            "AWS::Lambda::Version",
            json!({"CodeSha256": "a"}),
            json!({"CodeSha256": "b"})
        ),
        UpdatePlan::Replace
    );
}

#[test]
fn tables_name_each_property_once_and_in_order() {
    fn check_order(properties: &[Property]) {
        for pair in properties.windows(2) {
            assert!(
                pair[0].name < pair[1].name,
                "{} before {}",
                pair[0].name,
                pair[1].name
            );
        }
        for property in properties {
            check_shape(property.shape);
        }
    }
    fn check_shape(shape: Shape) {
        match shape {
            Shape::Object(properties) => check_order(properties),
            Shape::List(item) | Shape::Map(item) => check_shape(*item),
            Shape::Any
            | Shape::Text
            | Shape::Whole(..)
            | Shape::Number
            | Shape::Flag
            | Shape::Choice(_)
            | Shape::TextMap => {}
        }
    }
    for table in super::TABLES.iter().flat_map(|types| types.iter()) {
        check_order(table.properties);
    }
}
