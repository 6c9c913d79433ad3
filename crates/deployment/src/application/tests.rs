//! Tests of the assembly, from small sets of deployed resources.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use cloudformation::node::Node;
use interfaces::resource_provider::ResourceProvider;
use model::application::Application;
use model::artefact::Built;
use model::door::Callee;
use model::function::Toolchain;
use model::http_api::{HttpIntegration, RouteKey};
use model::ids::{AccountId, FunctionName, LogicalId, Region, RevisionId};
use model::limits::LAMBDA_CONCURRENT_EXECUTIONS;
use model::problem::{Place, Problem};
use model::rest_api::{Backend, CustomIntegration, RestIntegration};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

mod asynchronous;
mod authorizers;
mod domains;
mod event_sources;
mod function_urls;
mod keys;
mod load_balancers;
mod policies;
mod services;
mod stages;
mod triggers;
mod validation;
mod versions;
mod websockets;
mod words;

use super::functions::Surroundings;
use super::view::{Resource, View};
use super::{assemble_view, mock};
use crate::records::RecordProvider;

const URI_OF_HELLO: &str = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:000000000000:function:hello/invocations";

/// `(logical id, type, physical id, properties, attributes)`.
type Row = (&'static str, &'static str, &'static str, Value, Value);

/// What the borrowed views look at.
type Owned = (LogicalId, Map<String, Value>, Map<String, Value>, Node);

fn assemble(rows: &[Row]) -> (Application, Vec<Problem>) {
    assemble_with(rows, LAMBDA_CONCURRENT_EXECUTIONS)
}

fn assemble_with(rows: &[Row], concurrency: usize) -> (Application, Vec<Problem>) {
    let place = Place::start_of("template.yaml");
    let owned: Vec<Owned> = rows
        .iter()
        .map(|(logical_id, resource_type, _, properties, attributes)| {
            (
                LogicalId::new(*logical_id),
                properties.as_object().cloned().unwrap_or_default(),
                attributes.as_object().cloned().unwrap_or_default(),
                Node::from_json(
                    &json!({"Type": resource_type, "Properties": properties}),
                    &place,
                ),
            )
        })
        .collect();
    let resources = rows
        .iter()
        .zip(&owned)
        .map(
            |(row, (logical_id, properties, attributes, node))| Resource {
                logical_id,
                resource_type: row.1,
                physical_id: row.2,
                properties,
                attributes,
                place: &place,
                node,
            },
        )
        .collect();
    let built = Built {
        code_root: PathBuf::from("src"),
        toolchain: Some(Toolchain {
            interpreter: PathBuf::from("python3"),
            version: "3.12.1".to_owned(),
            dependency_paths: Vec::new(),
            sdk_paths: Vec::new(),
        }),
        digest: "d1".to_owned(),
    };
    let built = BTreeMap::from([
        (LogicalId::new("Hello"), built.clone()),
        (
            LogicalId::new("Deps"),
            Built {
                toolchain: None,
                code_root: PathBuf::from("deps"),
                ..built
            },
        ),
    ]);
    assemble_view(
        &View {
            resources,
            stood_in: &BTreeSet::from(["broken".to_owned()]),
        },
        Surroundings {
            revision: &RevisionId::new("r1"),
            account: &AccountId::development(),
            region: &Region::new("eu-west-1"),
            built: &built,
            concurrency,
        },
    )
}

fn hello(extra: Value) -> Row {
    let mut properties = json!({
        "Runtime": "python3.12", "Handler": "app.handler", "Role": "arn:aws:iam::000000000000:role/r",
    });
    properties
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    (
        "Hello",
        "AWS::Lambda::Function",
        "hello",
        properties,
        json!({}),
    )
}

fn rest_api(properties: Value) -> Row {
    (
        "Api",
        "AWS::ApiGateway::RestApi",
        "api1234567",
        properties,
        json!({"RootResourceId": "root"}),
    )
}

fn deployment() -> Row {
    (
        "Deployment",
        "AWS::ApiGateway::Deployment",
        "dep",
        json!({"RestApiId": "api1234567", "StageName": "dev"}),
        json!({}),
    )
}

fn method(resource: &str, http_method: &str, extra: Value) -> Row {
    let mut properties = json!({
        "RestApiId": "api1234567", "ResourceId": resource, "HttpMethod": http_method,
        "Integration": {"Type": "AWS_PROXY", "Uri": URI_OF_HELLO},
    });
    properties
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    (
        "Method",
        "AWS::ApiGateway::Method",
        "method",
        properties,
        json!({}),
    )
}

fn version() -> Row {
    (
        "Version",
        "AWS::Lambda::Version",
        "arn:aws:lambda:eu-west-1:000000000000:function:hello:1",
        json!({"FunctionName": "hello"}),
        json!({"Version": "1"}),
    )
}

fn alias(name: &str, extra: Value) -> Row {
    let mut properties = json!({"FunctionName": "hello", "Name": name});
    properties
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    (
        "Alias",
        "AWS::Lambda::Alias",
        "arn:of:alias",
        properties,
        json!({}),
    )
}

fn target(
    Callee {
        function,
        qualifier,
    }: &Callee,
) -> String {
    match qualifier {
        Some(qualifier) => format!("{function}:{qualifier}"),
        None => function.to_string(),
    }
}

fn custom_answer(custom: &CustomIntegration) -> String {
    let backend = match &custom.backend {
        Backend::Mock => "mock".to_owned(),
        Backend::Function(callee) => target(callee),
        Backend::Server { uri, .. } => uri.clone(),
        Backend::Service(called) => {
            let action = called.action.as_deref().unwrap_or(&called.path);
            format!("{} {action} as {}", called.service, called.role)
        }
    };
    let types: Vec<&String> = custom.request_templates.keys().collect();
    let replies = custom.responses.iter();
    let replies: Vec<String> = replies
        .map(|reply| {
            format!(
                "{}:{}",
                reply.status,
                reply.selection.as_deref().unwrap_or("*")
            )
        })
        .collect();
    format!("{backend} templates {types:?} replies {replies:?}")
}

/// One line a route, one line a problem.
fn show((application, problems): &(Application, Vec<Problem>)) -> String {
    let mut out = String::new();
    for api in &application.rest_apis {
        for method in &api.methods {
            let answer = match &method.integration {
                RestIntegration::LambdaProxy {
                    callee,
                    timeout,
                    is_streamed: _,
                } => format!("{} {}", target(callee), timeout.as_millis()),
                RestIntegration::HttpProxy(proxy) => proxy.uri.clone(),
                RestIntegration::Custom(custom) => custom_answer(custom),
                RestIntegration::Mock(reply) => format!(
                    "mock {} {:?} {:?}",
                    reply.status, reply.headers, reply.allowed_origins
                ),
                RestIntegration::NotServed { reason } => format!("not served: {reason}"),
            };
            writeln!(
                out,
                "{}/{} {} {} -> {answer}",
                api.id, api.stage, method.http_method, method.path
            )
            .unwrap();
        }
    }
    for api in &application.http_apis {
        for route in &api.routes {
            let key = match &route.key {
                RouteKey::Default => "$default".to_owned(),
                RouteKey::Path { http_method, path } => format!("{http_method} {path}"),
            };
            let answer = match &route.integration {
                HttpIntegration::Lambda {
                    callee,
                    payload_format,
                    timeout,
                } => {
                    let target = target(callee);
                    format!("{target} {payload_format:?} {}", timeout.as_millis())
                }
                HttpIntegration::HttpProxy(proxy) => proxy.uri.clone(),
                HttpIntegration::Service(called) => called.action.name().to_owned(),
                HttpIntegration::NotServed { reason } => format!("not served: {reason}"),
            };
            writeln!(out, "{}/{} {key} -> {answer}", api.id, api.stage).unwrap();
        }
    }
    for problem in problems {
        writeln!(
            out,
            "{:?}: {}: {}",
            problem.severity,
            problem.title,
            problem.cause.as_deref().unwrap_or_default()
        )
        .unwrap();
    }
    out
}

#[track_caller]
fn check(rows: &[Row], expected: &str) {
    let expected: String = expected
        .lines()
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    assert_eq!(show(&assemble(rows)), expected);
}

#[test]
fn a_function_has_what_its_properties_say() {
    let layer = (
        "Deps",
        "AWS::Lambda::LayerVersion",
        "arn:aws:lambda:eu-west-1:000000000000:layer:deps:1",
        json!({}),
        json!({}),
    );
    let (application, problems) = assemble(&[
        hello(json!({
            "Timeout": "30", "MemorySize": 256, "ReservedConcurrentExecutions": 2, "EphemeralStorage": {"Size": 1024},
            "Environment": {"Variables": {"PORT": 80, "DEBUG": true, "NAME": "x"}},
            "Layers": ["arn:aws:lambda:eu-west-1:000000000000:layer:deps:1"],
        })),
        layer,
    ]);
    assert_eq!(problems, []);
    let function = application.functions.values().next().unwrap();
    assert_eq!(function.timeout.as_secs(), 30);
    assert_eq!(
        (function.memory_mb, function.ephemeral_storage_mb),
        (256, 1024)
    );
    assert_eq!(function.reserved_concurrency, Some(2));
    assert_eq!(function.layers, [PathBuf::from("deps")]);
    assert_eq!(function.environment["PORT"], "80");
    assert_eq!(function.environment["DEBUG"], "true");
    assert_eq!(
        function.arn.to_string(),
        "arn:aws:lambda:eu-west-1:000000000000:function:hello"
    );
}

#[test]
fn a_fingerprint_changes_with_what_an_instance_could_notice() {
    let of = |extra: Value| {
        let (application, _) = assemble(&[hello(extra)]);
        application
            .functions
            .values()
            .next()
            .unwrap()
            .fingerprint
            .clone()
    };
    let plain = of(json!({}));
    assert_eq!(plain, of(json!({})));
    assert_eq!(
        plain,
        of(json!({"ReservedConcurrentExecutions": 3, "Tags": []}))
    );
    for changed in [
        json!({"Timeout": 4}),
        json!({"MemorySize": 256}),
        json!({"Handler": "app.other"}),
        json!({"Runtime": "python3.11"}),
        json!({"Environment": {"Variables": {"A": "b"}}}),
        json!({"Role": "arn:aws:iam::000000000000:role/other"}),
    ] {
        assert_ne!(plain, of(changed.clone()), "{changed}");
    }
}

#[test]
fn a_function_that_cannot_run_says_why() {
    let nobody = (
        "Nobody",
        "AWS::Lambda::Function",
        "nobody",
        hello(json!({})).3,
        json!({}),
    );
    // Its builder has said why.
    check(&[nobody], "");
    check(
        &[hello(json!({"Runtime": "java21"}))],
        "Error: function `Hello` does not run: runtime `java21` is not run here",
    );
    check(
        &[hello(json!({"Role": "r"}))],
        "Error: function `Hello` does not run: its role `r` is not an ARN",
    );
    check(
        &[hello(
            json!({"Layers": ["arn:aws:lambda:eu-west-1:123456789012:layer:pandas:7"]}),
        )],
        "Error: layer `arn:aws:lambda:eu-west-1:123456789012:layer:pandas:7` is not there: only layers of this project, and public ones of which it is known what is in them, can be used: others are not fetched from the cloud",
    );
}

#[test]
fn the_tree_of_resources_gives_the_paths() {
    let resource = |id: &'static str, parent: &str, part: &str| {
        (
            "Resource",
            "AWS::ApiGateway::Resource",
            id,
            json!({"RestApiId": "api1234567", "ParentId": parent, "PathPart": part}),
            json!({}),
        )
    };
    check(
        &[
            hello(json!({})),
            rest_api(json!({})),
            deployment(),
            // The child stands before its parent, and two go in a circle.
            resource("r2", "r1", "{id}"),
            resource("r1", "root", "pets"),
            resource("r3", "r4", "x"),
            resource("r4", "r3", "y"),
            method("root", "ANY", json!({})),
            method(
                "r2",
                "GET",
                json!({"Integration": {"Type": "AWS_PROXY", "Uri": URI_OF_HELLO, "TimeoutInMillis": 5000}}),
            ),
            method("r3", "GET", json!({})),
        ],
        "api1234567/dev ANY / -> hello 29000
         api1234567/dev GET /pets/{id} -> hello 5000
         Error: method `Method` is not served: its resource `r3` is not one of its API",
    );
}

#[test]
fn an_empty_policy_guards_nothing() {
    check(
        &[
            hello(json!({})),
            rest_api(json!({"Policy": ""})),
            deployment(),
            method("root", "GET", json!({})),
        ],
        "api1234567/dev GET / -> hello 29000",
    );
}

#[test]
fn requests_are_handed_on_to_other_servers() {
    let integration = json!({
        "Type": "HTTP_PROXY", "IntegrationHttpMethod": "ANY", "TimeoutInMillis": "900",
        "Uri": "https://${stageVariables.host}/in/{proxy}",
        "RequestParameters": {"integration.request.path.proxy": "method.request.path.proxy"},
    });
    let (application, problems) = assemble(&[
        hello(json!({})),
        rest_api(json!({})),
        (
            "Stage",
            "AWS::ApiGateway::Stage",
            "dev",
            json!({"RestApiId": "api1234567", "StageName": "dev", "Variables": {"host": "example.com"}}),
            json!({}),
        ),
        method("root", "GET", json!({"Integration": integration})),
    ]);
    assert_eq!(problems, []);
    let integration = &application.rest_apis[0].methods[0].integration;
    let RestIntegration::HttpProxy(proxy) = integration else {
        panic!("{integration:?}");
    };
    assert_eq!(proxy.uri, "https://example.com/in/{proxy}");
    assert_eq!(proxy.http_method.as_deref(), Some("ANY"));
    assert_eq!(proxy.timeout.as_millis(), 900);
    assert_eq!(proxy.request_parameters.len(), 1);
}

#[test]
fn integrations_with_templates_call_functions_servers_and_services() {
    let responses = json!([
        {"StatusCode": 200},
        {"StatusCode": "404", "SelectionPattern": ".*404.*", "ResponseTemplates": {"application/json": "{}"}},
    ]);
    let role = "arn:aws:iam::000000000000:role/gateway";
    for (written, expected) in [
        (
            json!({"Type": "AWS", "Uri": URI_OF_HELLO, "RequestTemplates": {"application/json": "{}"}}),
            "hello templates [\"application/json\"]",
        ),
        (
            json!({"Type": "HTTP", "Uri": "https://example.com/{id}"}),
            "https://example.com/{id} templates []",
        ),
        (
            json!({"Type": "AWS", "Uri": "arn:aws:apigateway:eu-west-1:sqs:path/000000000000/q", "Credentials": role}),
            "sqs /000000000000/q as arn:aws:iam::000000000000:role/gateway templates []",
        ),
        (
            json!({"Type": "AWS", "Uri": "arn:aws:apigateway:eu-west-1:dynamodb:action/PutItem", "Credentials": role}),
            "dynamodb PutItem as arn:aws:iam::000000000000:role/gateway templates []",
        ),
        (
            json!({"Type": "AWS", "Uri": "arn:aws:apigateway:eu-west-1:pets.s3:path/{key}", "Credentials": role}),
            "s3 /pets/{key} as arn:aws:iam::000000000000:role/gateway templates []",
        ),
        (
            json!({"Type": "MOCK", "RequestTemplates": {"application/json": "#set($a = 1){\"statusCode\": 200}"}}),
            "mock templates [\"application/json\"]",
        ),
    ] {
        let mut integration = written.clone();
        integration["IntegrationResponses"] = responses.clone();
        check(
            &[
                hello(json!({})),
                rest_api(json!({})),
                deployment(),
                method("root", "GET", json!({"Integration": integration})),
            ],
            &format!("api1234567/dev GET / -> {expected} replies [\"200:*\", \"404:.*404.*\"]"),
        );
    }
}

#[test]
fn integrations_that_are_not_built_are_refused() {
    for (integration, reason) in [
        (
            json!({"Type": "HTTP_PROXY", "Uri": "https://example.com", "ConnectionType": "VPC_LINK"}),
            "its integration is private (`VPC_LINK`), which is not built yet",
        ),
        (
            json!({"Type": "AWS", "Uri": "arn:aws:apigateway:eu-west-1:sqs:path/q"}),
            "its integration calls a service, and names no role to act as",
        ),
        (
            json!({"Type": "AWS", "Uri": "arn:aws:apigateway:eu-west-1:states:action/StartExecution"}),
            "its integration calls the service `states`, which REST APIs do not call here",
        ),
        (
            json!({"Type": "AWS", "Uri": "arn:aws:apigateway:eu-west-1:dynamodb:path/x"}),
            "its integration calls a path of the service `dynamodb`, which is not built",
        ),
        (
            json!({"Type": "AWS", "Uri": URI_OF_HELLO}),
            "its integration has no response, so that none of its requests could be answered",
        ),
        (
            json!({"Type": "AWS_PROXY", "Uri": "nonsense"}),
            "`nonsense` does not name a function",
        ),
        (
            json!({"Type": "AWS_PROXY", "Uri": URI_OF_HELLO.replace("hello", "other")}),
            "no function is called `other`",
        ),
    ] {
        check(
            &[
                hello(json!({})),
                rest_api(json!({})),
                deployment(),
                method("root", "GET", json!({"Integration": integration})),
            ],
            &format!(
                "api1234567/dev GET / -> not served: {reason}\nError: method `GET /` is not served: {reason}"
            ),
        );
    }
}

#[test]
fn a_qualifier_and_a_stage_variable_are_understood() {
    let uri = URI_OF_HELLO.replace("function:hello", "function:${stageVariables.name}:live");
    let stage = (
        "Stage",
        "AWS::ApiGateway::Stage",
        "v1",
        json!({"RestApiId": "api1234567", "StageName": "v1", "Variables": {"name": "hello"}}),
        json!({}),
    );
    check(
        &[
            hello(json!({})),
            version(),
            alias("live", json!({"FunctionVersion": "1"})),
            rest_api(json!({})),
            deployment(),
            stage,
            method(
                "root",
                "GET",
                json!({"Integration": {"Type": "AWS_PROXY", "Uri": uri}}),
            ),
        ],
        "api1234567/v1 GET / -> hello:live 29000",
    );
}

#[test]
fn a_route_to_a_version_or_alias_that_is_not_declared_is_not_served() {
    let uri = URI_OF_HELLO.replace("function:hello", "function:hello:live");
    let reason = "function `hello` has no version or alias `live`";
    check(
        &[
            hello(json!({})),
            version(),
            rest_api(json!({})),
            deployment(),
            method(
                "root",
                "GET",
                json!({"Integration": {"Type": "AWS_PROXY", "Uri": uri}}),
            ),
        ],
        &format!(
            "api1234567/dev GET / -> not served: {reason}\nError: method `GET /` is not served: {reason}"
        ),
    );
}

fn preflight(template: &str) -> Value {
    json!({"Integration": {
        "Type": "MOCK",
        "RequestTemplates": {"application/json": "{statusCode:200}"},
        "IntegrationResponses": [{
            "StatusCode": "200",
            "ResponseParameters": {"method.response.header.Access-Control-Allow-Origin": "'*'"},
            "ResponseTemplates": {"application/json": template},
        }],
    }})
}

#[test]
fn a_preflight_has_fixed_headers_and_perhaps_origins() {
    let origins = "#set($origin = $input.params(\"Origin\"))\n#if($origin == \"\") #set($origin = $input.params(\"origin\")) #end\n#if($origin.matches(\"https://a[.]example[.]com\") || $origin.matches(\"https://.+[.]b[.]org\")) #set($context.responseOverride.header.Access-Control-Allow-Origin = $origin) #end";
    for (template, expected) in [
        ("", "[]"),
        (origins, r#"["https://a.example.com", "https://*.b.org"]"#),
    ] {
        check(
            &[
                rest_api(json!({})),
                deployment(),
                method("root", "OPTIONS", preflight(template)),
            ],
            &format!(
                "api1234567/dev OPTIONS / -> mock 200 [(\"Access-Control-Allow-Origin\", \"*\")] {expected}"
            ),
        );
    }
}

#[test]
fn other_templates_are_refused() {
    for template in [
        "$input.body",
        "#set($x = 1)",
        "#if($origin.matches(\"[a-z]+\")) #end",
    ] {
        let integration =
            super::integration::Integration::of_method(&preflight(template)["Integration"]);
        assert!(mock::reply(&integration).is_none(), "{template}");
    }
}

#[test]
fn a_definition_gives_methods_and_media_types() {
    let body = json!({
        "swagger": "2.0", "info": {"title": "Pets"},
        "x-amazon-apigateway-binary-media-types": ["image/png"],
        "paths": {
            "/pets/{id}": {
                "parameters": [],
                "get": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": URI_OF_HELLO}},
                "put": {"security": [{"key": []}], "x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": URI_OF_HELLO}},
                "options": {"x-amazon-apigateway-integration": {"type": "mock",
                    "requestTemplates": {"application/json": "{\n  \"statusCode\" : 200\n}\n"},
                    "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": "{}\n"},
                        "responseParameters": {"method.response.header.Access-Control-Allow-Origin": "'*'"}}}}},
            },
            "/{proxy+}": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": URI_OF_HELLO}}},
            "/none/": {"get": {}},
        },
    });
    let outcome = assemble(&[
        hello(json!({})),
        rest_api(json!({"Body": body})),
        deployment(),
    ]);
    assert_eq!(outcome.0.rest_apis[0].binary_media_types, ["image/png"]);
    assert_eq!(outcome.0.rest_apis[0].name, "Pets");
    let shown = show(&outcome);
    for line in [
        "GET /pets/{id} -> hello 29000",
        "OPTIONS /pets/{id} -> mock 200",
        "ANY /{proxy+} -> hello 29000",
        "PUT /pets/{id} -> not served: the security scheme `key` guards it",
        "GET /none -> not served: it has no `x-amazon-apigateway-integration`",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
}

fn http_api(properties: Value) -> Row {
    (
        "Web",
        "AWS::ApiGatewayV2::Api",
        "web1234567",
        properties,
        json!({}),
    )
}

#[test]
fn an_http_api_has_routes_to_integrations() {
    let arn = "arn:aws:lambda:eu-west-1:000000000000:function:hello";
    let stage = (
        "WebStage",
        "AWS::ApiGatewayV2::Stage",
        "$default",
        json!({"ApiId": "web1234567", "StageName": "$default"}),
        json!({}),
    );
    let integration = |id: &'static str, extra: Value| {
        let mut properties = json!({"ApiId": "web1234567", "IntegrationType": "AWS_PROXY", "IntegrationUri": arn, "PayloadFormatVersion": "2.0"});
        properties
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        (
            "Integration",
            "AWS::ApiGatewayV2::Integration",
            id,
            properties,
            json!({}),
        )
    };
    let route = |key: &str, target: &str, extra: Value| {
        let mut properties = json!({"ApiId": "web1234567", "RouteKey": key, "Target": format!("integrations/{target}")});
        properties
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        (
            "Route",
            "AWS::ApiGatewayV2::Route",
            "route",
            properties,
            json!({}),
        )
    };
    check(
        &[
            hello(json!({})), http_api(json!({"ProtocolType": "HTTP"})), stage,
            integration("i1", json!({})),
            integration("i2", json!({"PayloadFormatVersion": "1.0", "TimeoutInMillis": 1000})),
            integration("i3", json!({"PayloadFormatVersion": null})),
            route("$default", "i1", json!({})),
            route("get /pets", "i2", json!({})),
            route("GET /odd", "i3", json!({})),
            route("GET /lost", "i9", json!({})),
            route("GET /admin", "i1", json!({"AuthorizationType": "JWT"})),
            route("nonsense", "i1", json!({})),
        ],
        "web1234567/$default $default -> hello V2 30000
         web1234567/$default GET /pets -> hello V1 1000
         web1234567/$default GET /odd -> not served: PayloadFormatVersion is a required parameter for integration
         web1234567/$default GET /lost -> not served: its target `integrations/i9` is not an integration of its API
         web1234567/$default GET /admin -> not served: its authorization type is `JWT`, and it names no authorizer
         Error: route `GET /odd` is not served: PayloadFormatVersion is a required parameter for integration
         Error: route `GET /lost` is not served: its target `integrations/i9` is not an integration of its API
         Error: route `GET /admin` is not served: its authorization type is `JWT`, and it names no authorizer
         Error: route `nonsense` is not served: a route key is `$default`, or a method and a path, as `GET /pets`",
    );
}

#[test]
fn an_http_api_can_be_made_quickly() {
    check(
        &[
            hello(json!({})),
            http_api(json!({"Target": "arn:aws:lambda:eu-west-1:000000000000:function:hello"})),
        ],
        "web1234567/$default $default -> hello V2 30000",
    );
    check(
        &[http_api(json!({"Target": "https://example.com"}))],
        "web1234567/$default $default -> https://example.com",
    );
}

#[test]
fn apis_of_other_kinds_are_reported_and_left_out() {
    check(
        &[http_api(json!({"ProtocolType": "WEBSOCKET"}))],
        "Error: API `Web` is not served: it has no `RouteSelectionExpression`",
    );
    for row in [rest_api, http_api] {
        let (application, problems) = assemble(&[
            row(json!({"BodyS3Location": {"Bucket": "b"}})),
            deployment(),
        ]);
        assert!(application.rest_apis.is_empty() && application.http_apis.is_empty());
        assert_eq!(problems[0].code, "deployment::not-served");
    }
}

#[test]
fn an_http_api_reads_its_definition() {
    let stage = (
        "WebStage",
        "AWS::ApiGatewayV2::Stage",
        "$default",
        json!({"ApiId": "web1234567", "StageName": "$default"}),
        json!({}),
    );
    let body = json!({
        "openapi": "3.0.1",
        "x-amazon-apigateway-cors": {"allowOrigins": ["*"], "maxAge": 60, "allowCredentials": false},
        "paths": {
            "/$default": {"x-amazon-apigateway-any-method": {"isDefaultRoute": true, "x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": URI_OF_HELLO, "payloadFormatVersion": "2.0"}}},
            "/pets": {"get": {"x-amazon-apigateway-integration": {"$ref": "#/components/x-amazon-apigateway-integrations/one"}}},
        },
        "components": {"x-amazon-apigateway-integrations": {"one": {"type": "AWS_PROXY", "uri": URI_OF_HELLO, "payloadFormatVersion": "1.0"}}},
    });
    let outcome = assemble(&[hello(json!({})), http_api(json!({"Body": body})), stage]);
    let cors = outcome.0.http_apis[0].cors.clone().unwrap();
    assert_eq!(
        (cors.allow_origins, cors.max_age_s),
        (vec!["*".to_owned()], Some(60))
    );
    let shown = show(&outcome);
    assert!(
        shown.contains("$default -> hello V2 30000")
            && shown.contains("GET /pets -> hello V1 30000"),
        "{shown}"
    );
}

/// JSON with the words that the assembly looks for.
fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "paths",
        "get",
        "/x",
        "x-amazon-apigateway-integration",
        "x-amazon-apigateway-any-method",
        "security",
        "uri",
        "type",
        "MOCK",
        "AWS_PROXY",
        "Integration",
        "Uri",
        "Type",
        "RestApiId",
        "api1234567",
        "ParentId",
        "root",
        "PathPart",
        "ResourceId",
        "HttpMethod",
        "StageName",
        "Layers",
        "Environment",
        "Variables",
        "$ref",
        "#/paths",
        "IntegrationResponses",
        "ResponseParameters",
        "Body",
        "RouteKey",
        "GET /x",
        "Target",
        "integrations/",
        "é{",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        words.clone().prop_map(Value::from),
        Just(Value::from(URI_OF_HELLO)),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((words.clone(), inner), 0..6).prop_map(|members| {
                Value::Object(
                    members
                        .into_iter()
                        .map(|(key, value)| (key.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_properties_make_the_assembly_or_the_checks_panic(
        kind in prop::sample::select(RecordProvider::new().resource_types().to_vec()),
        properties in any_json(),
        body in any_json(),
    ) {
        if let Some(properties) = properties.as_object() {
            let _ = RecordProvider::new().check(kind, properties);
        }
        let stage = ("Web", "AWS::ApiGatewayV2::Stage", "v", json!({"ApiId": "web1234567", "StageName": "v"}), json!({}));
        let _ = assemble(&[
            hello(json!({})), rest_api(json!({"Body": body})), http_api(json!({"Body": body})), deployment(), stage,
            ("Any", kind, "any", properties, json!({})),
        ]);
    }
}
