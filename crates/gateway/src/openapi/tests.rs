//! Documents of APIs that a test writes down.

use std::sync::Arc;
use std::time::Duration;

use model::door::{
    Authorization, Authorizer, AuthorizerKind, Callee, IdentitySource, Parameter, ParameterLocation,
};
use model::http_api::{HttpRoute, PayloadFormat};
use model::ids::{ApiId, FunctionName, LogicalId, StageName};
use model::rest_api::{MockReply, RestMethod};

use super::*;

fn rest() -> RestApi {
    RestApi::new(
        LogicalId::new("ApiGatewayRestApi"),
        ApiId::new("abc"),
        StageName::new("dev"),
    )
}

fn to_function() -> RestIntegration {
    RestIntegration::LambdaProxy {
        callee: Callee::unqualified(FunctionName::new("pets")),
        timeout: Duration::from_secs(29),
        is_streamed: false,
    }
}

#[test]
fn any_is_every_method_that_no_other_route_of_its_path_has() {
    let mut api = rest();
    api.methods = vec![
        RestMethod::new("/pets/{id}", "ANY", to_function()),
        RestMethod::new("/pets/{id}", "GET", to_function()),
        RestMethod::new("/{proxy+}", "POST", to_function()),
    ];
    let document = document(Api::Rest(&api), "http://localhost:3000");
    assert_eq!(document["servers"][0]["url"], "http://localhost:3000/dev");
    let item = document["paths"]["/pets/{id}"].as_object().unwrap();
    assert_eq!(item.len(), METHODS.len());
    assert_eq!(item["get"]["parameters"][0]["name"], "id");
    let ids: BTreeSet<_> = item
        .values()
        .map(|one| one["operationId"].as_str())
        .collect();
    assert_eq!(ids.len(), METHODS.len());
    let greedy = &document["paths"]["/{proxy}"]["post"]["parameters"][0];
    assert_eq!(greedy["name"], "proxy");
    assert!(document.get("components").is_none());
}

#[test]
fn preflights_are_left_to_browsers() {
    let mut api = rest();
    let preflight = RestIntegration::Mock(MockReply {
        status: 204,
        headers: Vec::new(),
        body: String::new(),
        allowed_origins: Vec::new(),
    });
    api.methods = vec![
        RestMethod::new("/", "OPTIONS", preflight),
        RestMethod::new("/", "GET", to_function()),
    ];
    let document = document(Api::Rest(&api), "");
    let item = document["paths"]["/"].as_object().unwrap();
    assert_eq!(item.keys().collect::<Vec<_>>(), ["get"]);
}

#[test]
fn guards_validation_and_keys_are_said() {
    let mut method = RestMethod::new("/pets", "POST", to_function());
    method.guard = Guard {
        authorization: Authorization::Iam,
        api_key_required: true,
    };
    method.validation.required = vec![Parameter {
        location: ParameterLocation::Query,
        name: "kind".to_owned(),
    }];
    let model = r#"{"type": "object"}"#.into();
    let models = &mut method.validation.models;
    models.insert("application/json".to_owned(), model);
    let mut api = rest();
    api.methods = vec![method];
    let document = document(Api::Rest(&api), "");
    let post = &document["paths"]["/pets"]["post"];
    assert_eq!(post["security"], json!([{ "iam": [], "apiKey": [] }]));
    assert_eq!(post["parameters"][0]["in"], "query");
    let schema = &post["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-04/schema#");
    for status in ["400", "401", "403", "429", "default"] {
        assert!(post["responses"].get(status).is_some(), "{status}");
    }
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(schemes["apiKey"]["name"], "x-api-key");
}

#[test]
fn tokens_of_http_apis_are_bearers_with_scopes() {
    let authorizer = Authorizer {
        id: "a".to_owned(),
        name: "the users".to_owned(),
        kind: AuthorizerKind::Jwt {
            issuer: "https://issuer.example".to_owned(),
            audience: vec!["pets".to_owned()],
            identity_source: IdentitySource::Header("Authorization".to_owned()),
        },
        place: None,
    };
    let integration = HttpIntegration::Lambda {
        callee: Callee::unqualified(FunctionName::new("pets")),
        payload_format: PayloadFormat::V2,
        timeout: Duration::from_secs(30),
    };
    let mut route = HttpRoute::new(RouteKey::Default, integration);
    route.guard.authorization = Authorization::Authorizer {
        authorizer: Arc::new(authorizer),
        scopes: vec!["pets.read".to_owned()],
    };
    let mut api = HttpApi::new(
        LogicalId::new("HttpApi"),
        ApiId::new("abc"),
        StageName::new("$default"),
    );
    api.routes = vec![route];
    let document = document(Api::Http(&api), "http://localhost:3000");
    assert_eq!(document["servers"][0]["url"], "http://localhost:3000");
    let get = &document["paths"]["/{proxy}"]["get"];
    assert_eq!(get["security"], json!([{ "the_users": ["pets.read"] }]));
    let scheme = &document["components"]["securitySchemes"]["the_users"];
    assert_eq!(scheme["scheme"], "bearer");
}

#[test]
fn definitions_of_models_are_components() {
    let method = |path: &str, name: &str| {
        let model = json!({
            "definitions": {
                "Pet": {"type": "object", "properties": {name: {"$ref": "#/definitions/-"}}},
                "-": {"type": "string"},
            },
            "$ref": "#/definitions/Pet",
        });
        let mut method = RestMethod::new(path, "POST", to_function());
        let models = &mut method.validation.models;
        models.insert("application/json".to_owned(), model.to_string().into());
        method
    };
    let mut api = rest();
    api.methods = vec![
        method("/a", "kind"),
        method("/b", "kind"),
        method("/c", "name"),
    ];
    let document = document(Api::Rest(&api), "");
    let schema = |path: &str| {
        let content = &document["paths"][path]["post"]["requestBody"]["content"];
        content["application/json"]["schema"].clone()
    };
    assert_eq!(schema("/a"), json!({"$ref": "#/components/schemas/Pet"}));
    assert_eq!(schema("/b"), schema("/a"));
    assert_eq!(schema("/c"), json!({"$ref": "#/components/schemas/Pet2"}));
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let names: Vec<_> = schemas.keys().map(String::as_str).collect();
    assert_eq!(names, ["Model", "Pet", "Pet2"]);
    let kind = &schemas["Pet"]["properties"]["kind"];
    assert_eq!(kind["$ref"], "#/components/schemas/Model");
}
