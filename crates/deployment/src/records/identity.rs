//! Physical ids and attributes, as AWS forms them.
//!
//! Lives here: what `Ref` and `GetAtt` give for each type.
//! Does not live here: checking properties (`check`).
//!
//! Contract: AWS CloudFormation Template Reference, "Return values" of each type.

use interfaces::resource_provider::{Made, Properties, ResourceRequest};
use model::arn::{Arn, PARTITION};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use resource_types::text_of;

use super::load_balancing;

/// Lambda, IAM: the longest name that is generated.
const NAME_LENGTH_MAX: usize = 64;
/// What begins so is kept with a resource for `application`, and is no attribute: `GetAtt` does not find it.
pub(crate) const KEPT_BACK: char = '(';
/// The value of an API key.
pub(crate) const KEY_VALUE: &str = "(value)";
/// The name of an API key.
pub(crate) const KEY_NAME: &str = "(name)";
/// The id of a function URL.
pub(crate) const URL_ID: &str = "(id)";
/// AWS Lambda, `FunctionUrl`: letters and digits of its host's first label.
const URL_ID_LENGTH: usize = 32;
const LETTERS_AND_DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// What the resource is called, and what can be asked of it.
///
/// The same request always gives the same answer.
pub(super) fn identity(request: &ResourceRequest) -> Made {
    match request.resource_type.as_str() {
        "AWS::Lambda::Function" => function(request),
        "AWS::Lambda::Version" => version(request),
        "AWS::Lambda::Alias" => alias(request),
        "AWS::Lambda::Permission" => made(
            &request.generated_name,
            json!({"Id": request.generated_name}),
        ),
        "AWS::Lambda::Url" => function_url(request),
        "AWS::Lambda::LayerVersion" => layer_version(request),
        "AWS::Lambda::EventSourceMapping" => event_source_mapping(request),
        "AWS::ApiGateway::RestApi" => rest_api(request),
        "AWS::ApiGateway::Resource" => with_id(request, 6, "ResourceId"),
        "AWS::ApiGateway::Deployment" => with_id(request, 6, "DeploymentId"),
        "AWS::ApiGateway::Authorizer" => with_id(request, 6, "AuthorizerId"),
        "AWS::ApiGateway::RequestValidator" => with_id(request, 6, "RequestValidatorId"),
        "AWS::ApiGateway::Model" => made(
            &given(request, "Name").unwrap_or_else(|| id_of(request, 6)),
            json!({}),
        ),
        "AWS::ApiGateway::Stage" => {
            made(&given(request, "StageName").unwrap_or_default(), json!({}))
        }
        "AWS::ApiGateway::DomainName" | "AWS::ApiGatewayV2::DomainName" => domain(request),
        "AWS::ApiGateway::BasePathMapping" => base_path_mapping(request),
        "AWS::ApiGatewayV2::ApiMapping" => with_id(request, 6, "ApiMappingId"),
        "AWS::ApiGateway::ApiKey" => api_key(request),
        "AWS::ApiGateway::UsagePlan" => with_id(request, 6, "Id"),
        "AWS::ApiGateway::GatewayResponse" => with_id(request, 6, "Id"),
        "AWS::ApiGateway::UsagePlanKey" => usage_plan_key(request),
        "AWS::ElasticLoadBalancingV2::LoadBalancer" => load_balancing::load_balancer(request),
        "AWS::ElasticLoadBalancingV2::Listener" => load_balancing::listener(request),
        "AWS::ElasticLoadBalancingV2::ListenerRule" => load_balancing::rule(request),
        "AWS::ElasticLoadBalancingV2::TargetGroup" => load_balancing::target_group(request),
        "AWS::ApiGatewayV2::Stage" => {
            made(&given(request, "StageName").unwrap_or_default(), json!({}))
        }
        "AWS::ApiGatewayV2::Api" => http_api(request),
        "AWS::ApiGatewayV2::Route" => with_id(request, 7, "RouteId"),
        "AWS::ApiGatewayV2::Integration" => with_id(request, 7, "IntegrationId"),
        "AWS::ApiGatewayV2::Deployment" => with_id(request, 6, "DeploymentId"),
        "AWS::ApiGatewayV2::Authorizer" => with_id(request, 6, "AuthorizerId"),
        "AWS::ApiGatewayV2::RouteResponse" => with_id(request, 6, "RouteResponseId"),
        "AWS::ApiGatewayV2::IntegrationResponse" => with_id(request, 6, "IntegrationResponseId"),
        // `AWS::ApiGateway::Method` and `Account`: a name that means nothing.
        _ => made(
            &request.generated_name,
            json!({"Id": request.generated_name}),
        ),
    }
}

/// Versions of one function, and those of one layer, are counted.
///
/// Contract: AWS Lambda Developer Guide, "Manage Lambda function versions": numbers are not used again, even when the
/// function is deleted and made anew. Differs: a version of code that has not changed gets a number of its own, and the
/// code of earlier versions is not kept.
pub(super) fn series(request: &ResourceRequest) -> Option<String> {
    match request.resource_type.as_str() {
        "AWS::Lambda::Version" => Some(format!("function:{}", function_in(request))),
        "AWS::Lambda::LayerVersion" => Some(format!("layer:{}", layer_in(request))),
        _ => None,
    }
}

/// The number of a version; an unnumbered request is that of the first.
fn number_of(request: &ResourceRequest) -> String {
    request.number.unwrap_or(1).to_string()
}

pub(super) fn made(physical_id: &str, attributes: Value) -> Made {
    Made {
        physical_id: physical_id.to_owned(),
        attributes: match attributes {
            Value::Object(members) => members,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Properties::new(),
        },
    }
}

fn given(request: &ResourceRequest, name: &str) -> Option<String> {
    request
        .properties
        .get(name)
        .and_then(text_of)
        .filter(|text| !text.is_empty())
}

/// The name in this property, or one made of stack, logical id and something random.
pub(super) fn name_of(request: &ResourceRequest, property: &str, length_max: usize) -> String {
    given(request, property).unwrap_or_else(|| shortened(&request.generated_name, length_max))
}

/// Keeps the end, where the random part is.
fn shortened(name: &str, length_max: usize) -> String {
    let surplus = name.chars().count().saturating_sub(length_max);
    let kept: String = name.chars().skip(surplus).collect();
    kept.trim_start_matches('-').to_owned()
}

fn digest_of(request: &ResourceRequest) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [
        request.account.as_str(),
        request.region.as_str(),
        &request.resource_type,
        &request.generated_name,
    ] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}

/// An id of lower-case letters and digits that begins with a letter; at most 32 of them.
fn id_of(request: &ResourceRequest, length: usize) -> String {
    let letters = |(index, byte): (usize, u8)| {
        let range = if index == 0 {
            26
        } else {
            LETTERS_AND_DIGITS.len()
        };
        LETTERS_AND_DIGITS
            .get(usize::from(byte) % range)
            .map_or('a', |letter| char::from(*letter))
    };
    digest_of(request)
        .into_iter()
        .enumerate()
        .map(letters)
        .take(length)
        .collect()
}

/// Sixteen hexadecimal digits.
pub(super) fn id_in_hex(request: &ResourceRequest) -> String {
    hex::encode(digest_of(request).get(..8).unwrap_or_default())
}

/// Up to ten decimal digits.
pub(super) fn digits_of(request: &ResourceRequest) -> u32 {
    let [.., a, b, c, d] = digest_of(request);
    u32::from_be_bytes([a, b, c, d])
}

fn with_id(request: &ResourceRequest, length: usize, attribute: &str) -> Made {
    let id = id_of(request, length);
    let mut made = made(&id, json!({}));
    made.attributes.insert(attribute.to_owned(), json!(id));
    made
}

fn lambda_arn(request: &ResourceRequest, resource: String) -> String {
    Arn::new("lambda", &request.region, &request.account, resource).to_string()
}

/// `FunctionName` may be a name, a partial ARN or an ARN, with or without a qualifier.
fn function_in(request: &ResourceRequest) -> String {
    let text = given(request, "FunctionName").unwrap_or_default();
    match text.split_once("function:") {
        Some((_, rest)) => rest.split(':').next().unwrap_or_default().to_owned(),
        None => text.split(':').next().unwrap_or_default().to_owned(),
    }
}

/// The ARN of what a function URL leads to; `TargetFunctionArn` may be a name or an ARN, with or without a qualifier.
fn url_target(request: &ResourceRequest) -> String {
    let text = given(request, "TargetFunctionArn").unwrap_or_default();
    let arn = if text.starts_with("arn:") {
        text
    } else {
        lambda_arn(request, format!("function:{text}"))
    };
    match given(request, "Qualifier") {
        Some(qualifier) => format!("{arn}:{qualifier}"),
        None => arn,
    }
}

fn function_url(request: &ResourceRequest) -> Made {
    let target = url_target(request);
    // Nothing random: `cloudless routes` tells the same address, and it stays when the state is thrown away.
    let steady = ResourceRequest {
        generated_name: format!("{}/{}", request.stack, request.logical_id),
        ..request.clone()
    };
    let id = id_of(&steady, URL_ID_LENGTH);
    made(
        &target,
        json!({
            "FunctionArn": target,
            "FunctionUrl": format!("https://{id}.lambda-url.{}.on.aws/", request.region),
            URL_ID: id,
        }),
    )
}

fn function(request: &ResourceRequest) -> Made {
    let name = match given(request, "FunctionName") {
        Some(_) => function_in(request),
        None => shortened(&request.generated_name, NAME_LENGTH_MAX),
    };
    let snap_start = request.properties.get("SnapStart");
    let snap_start = snap_start
        .and_then(|config| config.get("ApplyOn"))
        .and_then(text_of)
        .unwrap_or_else(|| "None".to_owned());
    made(
        &name,
        json!({
            "Arn": lambda_arn(request, format!("function:{name}")),
            "SnapStartResponse.ApplyOn": snap_start,
            "SnapStartResponse.OptimizationStatus": "Off",
        }),
    )
}

fn version(request: &ResourceRequest) -> Made {
    let number = number_of(request);
    let arn = lambda_arn(
        request,
        format!("function:{}:{number}", function_in(request)),
    );
    made(&arn, json!({"Version": number, "FunctionArn": arn}))
}

fn alias(request: &ResourceRequest) -> Made {
    let name = given(request, "Name").unwrap_or_default();
    let arn = lambda_arn(request, format!("function:{}:{name}", function_in(request)));
    made(&arn, json!({"AliasArn": arn}))
}

/// A UUID of version 4: what `Ref` gives, and what the mapping's place in its source is kept under.
fn event_source_mapping(request: &ResourceRequest) -> Made {
    let digest = digest_of(request);
    let drawn = digest
        .iter()
        .take(16)
        .fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let marked = (drawn & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let part = |shift: u32, bits: u32| (marked >> shift) & ((1 << bits) - 1);
    let id = format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        part(96, 32),
        part(80, 16),
        part(64, 16),
        part(48, 16),
        part(0, 48)
    );
    let arn = lambda_arn(request, format!("event-source-mapping:{id}"));
    made(&id, json!({"Id": id, "EventSourceMappingArn": arn}))
}

fn layer_in(request: &ResourceRequest) -> String {
    name_of(request, "LayerName", NAME_LENGTH_MAX)
}

fn layer_version(request: &ResourceRequest) -> Made {
    let resource = format!("layer:{}:{}", layer_in(request), number_of(request));
    let arn = lambda_arn(request, resource);
    made(&arn, json!({"LayerVersionArn": arn}))
}

fn rest_api(request: &ResourceRequest) -> Made {
    let id = id_of(request, 10);
    let root = ResourceRequest {
        generated_name: format!("{}/", request.generated_name),
        ..request.clone()
    };
    made(
        &id,
        json!({"RestApiId": id, "RootResourceId": id_of(&root, 10)}),
    )
}

/// How long a value is that nobody chose; the cloud draws as many characters.
const KEY_VALUE_LENGTH: usize = 40;

/// A key without a value is given one that stays the same as long as the key does.
fn api_key(request: &ResourceRequest) -> Made {
    let id = id_of(request, 10);
    let drawn = |part: &str| {
        let seed = ResourceRequest {
            generated_name: format!("{}{part}", request.generated_name),
            ..request.clone()
        };
        id_of(&seed, KEY_VALUE_LENGTH / 2)
    };
    let value = given(request, "Value").unwrap_or_else(|| drawn("/1") + &drawn("/2"));
    let name = given(request, "Name").unwrap_or_else(|| request.generated_name.clone());
    made(
        &id,
        json!({"APIKeyId": id, KEY_VALUE: value, KEY_NAME: name}),
    )
}

/// The hosted zones in which the cloud keeps the names of its endpoints, of `us-east-1` and of `CloudFront`: nothing
/// resolves them here.
const REGIONAL_ZONE: &str = "Z1UJRXOUMOOFQ8";
const DISTRIBUTION_ZONE: &str = "Z2FDTNDATAQYW2";

fn domain(request: &ResourceRequest) -> Made {
    let name = given(request, "DomainName").unwrap_or_default();
    let id = id_of(request, 10);
    let region = &request.region;
    made(
        &name,
        json!({
            "DistributionDomainName": format!("d{id}.cloudfront.net"),
            "DistributionHostedZoneId": DISTRIBUTION_ZONE,
            "DomainNameArn": format!("arn:{PARTITION}:apigateway:{region}::/domainnames/{name}"),
            "RegionalDomainName": format!("d-{id}.execute-api.{region}.amazonaws.com"),
            "RegionalHostedZoneId": REGIONAL_ZONE,
        }),
    )
}

fn base_path_mapping(request: &ResourceRequest) -> Made {
    let part = |name: &str| given(request, name).unwrap_or_default();
    made(
        &format!("{}|{}", part("DomainName"), part("BasePath")),
        json!({}),
    )
}

fn usage_plan_key(request: &ResourceRequest) -> Made {
    let part = |name: &str| given(request, name).unwrap_or_default();
    let id = format!("{}:{}", part("KeyId"), part("UsagePlanId"));
    made(&id, json!({"Id": id}))
}

fn http_api(request: &ResourceRequest) -> Made {
    let id = id_of(request, 10);
    let scheme = match given(request, "ProtocolType").as_deref() {
        Some("WEBSOCKET") => "wss",
        Some(_) | None => "https",
    };
    let endpoint = format!(
        "{scheme}://{id}.execute-api.{}.amazonaws.com",
        request.region
    );
    made(&id, json!({"ApiId": id, "ApiEndpoint": endpoint}))
}
