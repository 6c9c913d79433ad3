//! Our own project: an HTTP API that hands requests on, and a REST API with a cache and keys.
//!
//! Lives here: its template.
//! Does not live here: measuring it (`gateway`).

use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::super::peers::Peers;
use super::token::{AUDIENCE, ISSUER};
use super::{ROUTES, Subject};
use crate::server::Dev;

/// The key of the plan.
pub(super) const KEY: &str = "bench-key-0123456789abcdef";

/// It is up.
pub(super) struct Ours {
    pub(super) subject: Subject,
    pub(super) services_port: u16,
    pub(super) folder: PathBuf,
}

/// Serves it, with so many routes of which the last is asked for.
pub(super) fn start(peers: &Peers, raw: u16, routes: usize) -> Result<Ours> {
    let name = format!("cloudless-{routes}");
    let folder = peers.folder(&name)?;
    let template = serde_json::to_string(&template(raw, routes))?;
    std::fs::write(folder.join("template.yaml"), template)?;
    let log = peers.work.join(format!("{name}.log"));
    let dev = Dev::start(peers.command(&peers.cloudless), &folder, &log)?;
    Ok(Ours {
        services_port: dev.services_port,
        subject: Subject {
            server: dev.server,
            port: dev.port,
        },
        folder,
    })
}

fn template(raw: u16, routes: usize) -> Value {
    let server = format!("http://127.0.0.1:{raw}/");
    let of_http = json!({
        "type": "http_proxy", "httpMethod": "ANY", "uri": server, "payloadFormatVersion": "1.0",
    });
    let mut paths = Map::new();
    let mut add = |path: String| {
        let operation = json!({"get": {"x-amazon-apigateway-integration": of_http}});
        paths.insert(path, operation);
    };
    add("/proxy".to_owned());
    let with_token = json!({"get": {
        "x-amazon-apigateway-integration": of_http, "security": [{"users": []}],
    }});
    for number in ROUTES - routes..ROUTES {
        add(format!("/r{number}/{{id}}"));
    }
    paths.insert("/users".to_owned(), with_token);
    let users = json!({"type": "oauth2", "x-amazon-apigateway-authorizer": {
        "type": "jwt", "identitySource": "$request.header.Authorization",
        "jwtConfiguration": {"issuer": ISSUER, "audience": [AUDIENCE]},
    }});
    let of_rest = json!({"type": "http_proxy", "httpMethod": "GET", "uri": server});
    let of_cached = json!({
        "type": "http_proxy", "httpMethod": "GET", "uri": server,
        "cacheKeyParameters": ["method.request.querystring.q"],
    });
    let cached = json!({"get": {"x-amazon-apigateway-integration": of_cached}});
    let keyed = json!({"get": {
        "x-amazon-apigateway-integration": of_rest, "security": [{"key": []}],
    }});
    json!({"Resources": {
        "Http": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {
            "Body": {
                "openapi": "3.0.1", "info": {"title": "http"}, "paths": paths,
                "components": {"securitySchemes": {"users": users}},
            },
        }},
        "HttpStage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": {
            "ApiId": {"Ref": "Http"}, "StageName": "v2", "AutoDeploy": true,
            "RouteSettings": {"GET /users": {
                "ThrottlingRateLimit": 1_000_000, "ThrottlingBurstLimit": 1_000_000,
            }},
        }},
        "Rest": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Body": {
            "swagger": "2.0", "info": {"title": "rest"},
            "securityDefinitions": {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}},
            "paths": {"/cached": cached, "/keyed": keyed},
        }}},
        "RestDeployment": {"Type": "AWS::ApiGateway::Deployment", "Properties": {
            "RestApiId": {"Ref": "Rest"},
        }},
        "RestStage": {"Type": "AWS::ApiGateway::Stage", "Properties": {
            "RestApiId": {"Ref": "Rest"}, "DeploymentId": {"Ref": "RestDeployment"}, "StageName": "dev",
            "CacheClusterEnabled": true, "CacheClusterSize": "0.5",
            "MethodSettings": [{
                "ResourcePath": "/~1cached", "HttpMethod": "GET", "CachingEnabled": true, "CacheTtlInSeconds": 3600,
            }],
        }},
        "Key": {"Type": "AWS::ApiGateway::ApiKey", "Properties": {"Enabled": true, "Value": KEY}},
        "Plan": {"Type": "AWS::ApiGateway::UsagePlan", "Properties": {
            "ApiStages": [{"ApiId": {"Ref": "Rest"}, "Stage": {"Ref": "RestStage"}}],
            "Throttle": {"RateLimit": 1_000_000, "BurstLimit": 1_000_000},
            "Quota": {"Limit": 2_000_000_000, "Period": "DAY"},
        }},
        "PlanKey": {"Type": "AWS::ApiGateway::UsagePlanKey", "Properties": {
            "KeyId": {"Ref": "Key"}, "KeyType": "API_KEY", "UsagePlanId": {"Ref": "Plan"},
        }},
    }})
}
