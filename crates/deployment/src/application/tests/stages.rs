//! Tests of what stages say of methods and routes.

use serde_json::json;

use super::*;

fn resource(id: &'static str, parent: &str, part: &str) -> Row {
    (
        "Resource",
        "AWS::ApiGateway::Resource",
        id,
        json!({"RestApiId": "api1234567", "ParentId": parent, "PathPart": part}),
        json!({}),
    )
}

fn stage(extra: Value) -> Row {
    let mut properties = json!({"RestApiId": "api1234567", "StageName": "dev"});
    let members = properties.as_object_mut().unwrap();
    members.extend(extra.as_object().unwrap().clone());
    (
        "Stage",
        "AWS::ApiGateway::Stage",
        "dev",
        properties,
        json!({}),
    )
}

/// One line a method: its rate, and how its replies are kept.
fn shown(stage: Row) -> Vec<String> {
    let keyed = json!({"Integration": {
        "Type": "AWS_PROXY", "Uri": URI_OF_HELLO, "CacheNamespace": "shared",
        "CacheKeyParameters": ["method.request.path.id", "integration.request.querystring.a"],
        "RequestParameters": {"integration.request.querystring.a": "method.request.header.A"},
    }});
    let unknown_key = json!({"Integration": {
        "Type": "AWS_PROXY", "Uri": URI_OF_HELLO, "CacheKeyParameters": ["integration.request.path.x"],
    }});
    let (application, problems) = assemble(&[
        hello(json!({})),
        rest_api(json!({})),
        stage,
        resource("pets", "root", "pets"),
        resource("pet", "pets", "{id}"),
        method("root", "GET", unknown_key),
        method("pets", "POST", json!({})),
        method("pet", "GET", keyed),
    ]);
    let api = &application.rest_apis[0];
    let told = problems.iter().map(|problem| problem.title.clone());
    api.methods
        .iter()
        .map(|method| {
            let rate = method.throttle.map(|rate| (rate.per_1000_s, rate.burst));
            let cache = method.cache.as_ref().map(|cache| {
                let keys = cache.key_parameters.iter();
                let keys: Vec<&str> = keys.map(|key| key.name.as_str()).collect();
                (cache.ttl.as_secs(), keys.join(","), cache.namespace.clone())
            });
            format!("{} {} {rate:?} {cache:?}", method.http_method, method.path)
        })
        .chain([format!("{:?}", api.cache_bytes)])
        .chain(told)
        .collect()
}

#[test]
fn a_setting_of_one_method_goes_before_one_of_all() {
    let settings = json!({"MethodSettings": [
        {"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 10},
        {"HttpMethod": "GET", "ResourcePath": "/~1pets~1{id}", "ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 0.5},
    ]});
    assert_eq!(
        shown(stage(settings)),
        [
            "GET / Some((10000, 5)) None",
            "POST /pets Some((10000, 5)) None",
            "GET /pets/{id} Some((500, 1)) None",
            "None",
        ]
    );
}

#[test]
fn a_cache_keeps_what_is_got_unless_a_method_says_otherwise() {
    let settings = json!({"CacheClusterEnabled": true, "CacheClusterSize": "1.6", "MethodSettings": [
        {"HttpMethod": "*", "ResourcePath": "/*", "CachingEnabled": true},
        {"HttpMethod": "GET", "ResourcePath": "/~1pets~1{id}", "CacheTtlInSeconds": 60},
    ]});
    assert_eq!(
        shown(stage(settings)),
        [
            "GET / None None",
            "POST /pets None None",
            "GET /pets/{id} None Some((60, \"id,A\", Some(\"shared\")))",
            "Some(1717986918)",
            "replies of `GET /` are not kept",
        ]
    );
    let settings = json!({"CacheClusterEnabled": "true", "MethodSettings": [
        {"HttpMethod": "POST", "ResourcePath": "/~1pets", "CachingEnabled": true},
        {"HttpMethod": "GET", "ResourcePath": "/~1pets~1{id}", "CachingEnabled": true, "CacheTtlInSeconds": 0},
    ]});
    assert_eq!(
        shown(stage(settings)),
        [
            "GET / None None",
            "POST /pets None Some((300, \"\", None))",
            "GET /pets/{id} None None",
            "Some(536870912)",
        ]
    );
}

#[test]
fn without_a_cluster_nothing_is_kept() {
    let settings = json!({"MethodSettings": [
        {"HttpMethod": "*", "ResourcePath": "/*", "CachingEnabled": true},
    ]});
    assert_eq!(shown(stage(settings))[2], "GET /pets/{id} None None");
}

#[test]
fn a_deployments_description_says_what_a_stage_would() {
    let (application, problems) = assemble(&[
        hello(json!({})),
        rest_api(json!({})),
        (
            "Deployment",
            "AWS::ApiGateway::Deployment",
            "dep",
            json!({"RestApiId": "api1234567", "StageName": "dev", "StageDescription": {
                "Variables": {"a": "b"}, "ThrottlingRateLimit": 2, "ThrottlingBurstLimit": 3,
                "AccessLogSetting": {"DestinationArn": "arn:log", "Format": "$context.requestId"},
            }}),
            json!({}),
        ),
        method("root", "GET", json!({})),
    ]);
    assert_eq!(problems, []);
    let api = &application.rest_apis[0];
    assert_eq!(api.stage_variables["a"], "b");
    let rate = api.methods[0].throttle.unwrap();
    assert_eq!((rate.per_1000_s, rate.burst), (2_000, 3));
    assert_eq!(
        api.access_log.as_ref().unwrap().format,
        "$context.requestId"
    );
}

#[test]
fn a_route_has_its_own_rate_or_that_of_all_routes() {
    let route =
        |key: &str| json!({"ApiId": "web1234567", "RouteKey": key, "Target": "integrations/int"});
    let (application, problems) = assemble(&[
        hello(json!({})),
        (
            "Web",
            "AWS::ApiGatewayV2::Api",
            "web1234567",
            json!({"Name": "web", "ProtocolType": "HTTP"}),
            json!({}),
        ),
        (
            "Stage",
            "AWS::ApiGatewayV2::Stage",
            "$default",
            json!({
                "ApiId": "web1234567", "StageName": "$default",
                "DefaultRouteSettings": {"ThrottlingRateLimit": 10, "ThrottlingBurstLimit": 20},
                "RouteSettings": {"GET /pets": {"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 2}, "GET /toys": {}},
                "AccessLogSettings": {"DestinationArn": "arn:log", "Format": "{}"},
            }),
            json!({}),
        ),
        (
            "Integration",
            "AWS::ApiGatewayV2::Integration",
            "int",
            json!({"ApiId": "web1234567", "IntegrationType": "AWS_PROXY", "IntegrationUri": URI_OF_HELLO, "PayloadFormatVersion": "2.0"}),
            json!({}),
        ),
        (
            "Pets",
            "AWS::ApiGatewayV2::Route",
            "r1",
            route("GET /pets"),
            json!({}),
        ),
        (
            "Toys",
            "AWS::ApiGatewayV2::Route",
            "r2",
            route("GET /toys"),
            json!({}),
        ),
        (
            "Rest",
            "AWS::ApiGatewayV2::Route",
            "r3",
            route("$default"),
            json!({}),
        ),
    ]);
    assert_eq!(problems, []);
    let bursts: Vec<u64> = application.http_apis[0]
        .routes
        .iter()
        .map(|route| route.throttle.unwrap().burst)
        .collect();
    assert_eq!(bursts, [2, 20, 20]);
    assert!(application.http_apis[0].access_log.is_some());
}

#[test]
fn a_stage_says_what_becomes_of_those_who_want_a_reply_anew_and_a_method_for_all_keeps_get() {
    use model::door::Invalidation;
    for (written, expected) in [
        (json!({}), Invalidation::ElseWarned),
        (
            json!({"RequireAuthorizationForCacheControl": false}),
            Invalidation::Open,
        ),
        (
            json!({"UnauthorizedCacheControlHeaderStrategy": "FAIL_WITH_403"}),
            Invalidation::ElseForbidden,
        ),
        (
            json!({"UnauthorizedCacheControlHeaderStrategy": "SUCCEED_WITHOUT_RESPONSE_HEADER"}),
            Invalidation::ElseIgnored,
        ),
    ] {
        let mut setting =
            json!({"ResourcePath": "/~1", "HttpMethod": "GET", "CachingEnabled": true});
        let members = setting.as_object_mut().unwrap();
        members.extend(written.as_object().unwrap().clone());
        let (application, problems) = assemble(&[
            hello(json!({})),
            rest_api(json!({})),
            stage(json!({"CacheClusterEnabled": true, "MethodSettings": [setting]})),
            method("root", "ANY", json!({})),
        ]);
        assert_eq!(problems, []);
        let cache = application.rest_apis[0].methods[0].cache.as_ref().unwrap();
        assert_eq!(cache.invalidation, expected, "{written}");
    }
}
