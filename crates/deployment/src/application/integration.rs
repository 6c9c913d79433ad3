//! What answers a method or a route, from either of the two ways to write it down.
//!
//! Lives here: reading an integration from a resource's properties or from an OpenAPI extension, and finding the
//! function that it names.
//! Does not live here: `MOCK` replies (`mock`), routes (`rest`, `http`).
//!
//! Contract: Amazon API Gateway Developer Guide, "x-amazon-apigateway-integration object"; AWS CloudFormation Template
//! Reference, "AWS::ApiGateway::Method Integration" and "AWS::ApiGatewayV2::Integration".

use std::collections::BTreeMap;
use std::time::Duration;

use model::arn::Arn;
use model::door::Callee;
use model::ids::FunctionName;
use serde_json::Value;

use super::proxy;
use super::versions::Callable;
use super::view::{list_of, texts_of};
use crate::records::text_of;

/// What the URI of a function ends in whose reply streams.
const STREAMING: &str = "/response-streaming-invocations";

/// An integration, whichever way it was written.
#[derive(Debug, Clone, Default)]
pub(super) struct Integration {
    /// `AWS_PROXY`, `MOCK`, …, in capitals.
    pub(super) kind: String,
    /// What it calls.
    pub(super) uri: String,
    /// How long the gateway waits for it.
    pub(super) timeout: Option<Duration>,
    /// `PayloadFormatVersion`.
    pub(super) payload_format: Option<String>,
    /// A direct call of a service: `IntegrationSubtype`.
    pub(super) subtype: Option<String>,
    /// The role that the gateway calls a service as.
    pub(super) credentials: Option<String>,
    /// `ResponseTransferMode`.
    pub(super) transfer_mode: Option<String>,
    /// Whether requests or replies are rewritten on the way (HTTP APIs: parameter mapping).
    pub(super) mapping: Mapping,
    /// Texts by media type.
    pub(super) request_templates: BTreeMap<String, String>,
    /// The method that another server is called with.
    pub(super) http_method: Option<String>,
    /// `VPC_LINK`, or `INTERNET`.
    pub(super) connection: Option<String>,
    /// HTTP APIs: what is changed in another server's answer, by its status.
    pub(super) response_parameters: BTreeMap<String, BTreeMap<String, String>>,
    /// What is handed on, by where it goes, as `integration.request.header.X` from `method.request.…`.
    pub(super) request_parameters: BTreeMap<String, String>,
    /// What tells its replies apart in the cache, as `method.request.…`.
    pub(super) cache_key_parameters: Vec<String>,
    /// Whose replies it shares in the cache.
    pub(super) cache_namespace: Option<String>,
    /// `PassthroughBehavior`, in capitals.
    pub(super) passthrough: Option<String>,
    /// `ContentHandling`, in capitals.
    pub(super) content_handling: Option<String>,
    /// What is made of the answer.
    pub(super) responses: Vec<IntegrationResponse>,
}

/// Whether an HTTP API rewrites requests or replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mapping {
    /// It does not.
    #[default]
    Absent,
    /// It does.
    Present,
}

/// One of an integration's responses.
#[derive(Debug, Clone, Default)]
pub(super) struct IntegrationResponse {
    pub(super) status: String,
    /// Which answers it is for; none, or `default`: all others.
    pub(super) selection: Option<String>,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) templates: BTreeMap<String, String>,
    /// `ContentHandling`, in capitals.
    pub(super) content_handling: Option<String>,
}

/// Why something is not served, in one line, and what could be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) help: Option<String>,
}

impl Refusal {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            help: None,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

fn has_members(value: Option<&Value>) -> Mapping {
    match value.and_then(Value::as_object) {
        Some(members) if !members.is_empty() => Mapping::Present,
        Some(_) | None => Mapping::Absent,
    }
}

fn milliseconds(value: Option<&Value>) -> Option<Duration> {
    value
        .and_then(text_of)?
        .parse()
        .ok()
        .map(Duration::from_millis)
}

impl Integration {
    /// From the `Integration` of an `AWS::ApiGateway::Method`.
    pub(super) fn of_method(value: &Value) -> Self {
        let text = |name: &str| value.get(name).and_then(text_of);
        let responses = value.get("IntegrationResponses").and_then(Value::as_array);
        Self {
            kind: text("Type").unwrap_or_default().to_ascii_uppercase(),
            uri: text("Uri").unwrap_or_default(),
            timeout: milliseconds(value.get("TimeoutInMillis")),
            payload_format: None,
            subtype: None,
            credentials: text("Credentials"),
            transfer_mode: text("ResponseTransferMode"),
            mapping: Mapping::Absent,
            http_method: text("IntegrationHttpMethod"),
            connection: text("ConnectionType"),
            response_parameters: BTreeMap::new(),
            request_parameters: texts_of(value.get("RequestParameters")),
            cache_key_parameters: list_of(value.get("CacheKeyParameters")),
            cache_namespace: text("CacheNamespace"),
            passthrough: text("PassthroughBehavior").map(|said| said.to_ascii_uppercase()),
            request_templates: texts_of(value.get("RequestTemplates")),
            content_handling: text("ContentHandling").map(|said| said.to_ascii_uppercase()),
            responses: responses
                .into_iter()
                .flatten()
                .map(|response| IntegrationResponse {
                    status: response
                        .get("StatusCode")
                        .and_then(text_of)
                        .unwrap_or_default(),
                    selection: response.get("SelectionPattern").and_then(text_of),
                    parameters: texts_of(response.get("ResponseParameters")),
                    templates: texts_of(response.get("ResponseTemplates")),
                    content_handling: response
                        .get("ContentHandling")
                        .and_then(text_of)
                        .map(|said| said.to_ascii_uppercase()),
                })
                .collect(),
        }
    }

    /// From the properties of an `AWS::ApiGatewayV2::Integration`.
    pub(super) fn of_route(properties: &serde_json::Map<String, Value>) -> Self {
        let text = |name: &str| properties.get(name).and_then(text_of);
        let mapped = [
            has_members(properties.get("RequestParameters")),
            has_members(properties.get("ResponseParameters")),
        ];
        Self {
            kind: text("IntegrationType")
                .unwrap_or_default()
                .to_ascii_uppercase(),
            uri: text("IntegrationUri").unwrap_or_default(),
            timeout: milliseconds(properties.get("TimeoutInMillis")),
            payload_format: text("PayloadFormatVersion"),
            subtype: text("IntegrationSubtype"),
            credentials: text("CredentialsArn"),
            mapping: present_in(&mapped),
            http_method: text("IntegrationMethod"),
            connection: text("ConnectionType"),
            request_parameters: texts_of(properties.get("RequestParameters")),
            response_parameters: proxy::response_parameters(properties.get("ResponseParameters")),
            ..Self::default()
        }
    }

    /// From `x-amazon-apigateway-integration`.
    pub(super) fn of_operation(value: &Value) -> Self {
        let text = |name: &str| value.get(name).and_then(text_of);
        let responses = value.get("responses").and_then(Value::as_object);
        let mapped = [
            has_members(value.get("requestParameters")),
            has_members(value.get("responseParameters")),
        ];
        Self {
            kind: text("type").unwrap_or_default().to_ascii_uppercase(),
            uri: text("uri").unwrap_or_default(),
            timeout: milliseconds(value.get("timeoutInMillis")),
            payload_format: text("payloadFormatVersion"),
            subtype: text("integrationSubtype"),
            credentials: text("credentials"),
            transfer_mode: text("responseTransferMode"),
            mapping: present_in(&mapped),
            http_method: text("httpMethod"),
            connection: text("connectionType").map(|text| text.to_ascii_uppercase()),
            response_parameters: proxy::response_parameters(value.get("responseParameters")),
            request_parameters: texts_of(value.get("requestParameters")),
            cache_key_parameters: list_of(value.get("cacheKeyParameters")),
            cache_namespace: text("cacheNamespace"),
            passthrough: text("passthroughBehavior").map(|said| said.to_ascii_uppercase()),
            request_templates: texts_of(value.get("requestTemplates")),
            content_handling: text("contentHandling").map(|said| said.to_ascii_uppercase()),
            responses: responses
                .into_iter()
                .flatten()
                .map(|(pattern, response)| IntegrationResponse {
                    status: response
                        .get("statusCode")
                        .and_then(text_of)
                        .unwrap_or_default(),
                    selection: Some(pattern.clone()),
                    parameters: texts_of(response.get("responseParameters")),
                    templates: texts_of(response.get("responseTemplates")),
                    content_handling: response
                        .get("contentHandling")
                        .and_then(text_of)
                        .map(|said| said.to_ascii_uppercase()),
                })
                .collect(),
        }
    }

    /// Whether its replies are handed on while they are written.
    pub(super) fn is_streamed(&self) -> bool {
        self.transfer_mode.as_deref() == Some("STREAM")
    }

    /// The function that an `AWS_PROXY` integration names, and the qualifier by which it does.
    ///
    /// # Errors
    /// [`Refusal`]: it is another kind of integration, or its function is not one of these.
    pub(super) fn callee(
        &self,
        callable: &Callable,
        stage_variables: &BTreeMap<String, String>,
    ) -> Result<Callee, Refusal> {
        let kind = self.kind.as_str();
        if kind != "AWS_PROXY" && kind != "AWS" {
            let shown = if kind.is_empty() { "(none)" } else { kind };
            return Err(
                Refusal::new(format!("`{shown}` is no type of an integration"))
                    .help("use a Lambda proxy integration, `AWS_PROXY`"),
            );
        }
        if let Some(subtype) = &self.subtype {
            return Err(Refusal::new(format!(
                "its integration calls the service `{subtype}` directly, which is not built yet"
            )));
        }
        let uri = with_stage_variables(&self.uri, stage_variables);
        if self.is_streamed() != uri.ends_with(STREAMING) {
            return Err(Refusal::new(format!(
                "`ResponseTransferMode: STREAM` and a `Uri` that ends in `{STREAMING}` go together, and one is missing"
            ))
            .help(format!(
                "a reply that streams: `arn:aws:apigateway:REGION:lambda:path/2021-11-15/functions/FUNCTION-ARN{STREAMING}`; \
                 one that is sent whole: `…/2015-03-31/functions/FUNCTION-ARN/invocations`"
            )));
        }
        let (name, qualifier) = function_of_uri(&uri)
            .ok_or_else(|| Refusal::new(format!("`{uri}` does not name a function")))?;
        callable.find(name, qualifier)
    }
}

fn present_in(mappings: &[Mapping]) -> Mapping {
    if mappings.contains(&Mapping::Present) {
        Mapping::Present
    } else {
        Mapping::Absent
    }
}

/// `arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/FUNCTION/invocations`, or the function's ARN itself.
pub(super) fn function_of_uri(uri: &str) -> Option<(FunctionName, Option<String>)> {
    let arn = Arn::parse(uri).ok()?;
    if arn.service == "lambda" {
        return arn.function();
    }
    let (_, rest) = arn.resource.split_once("/functions/")?;
    let streaming = rest.strip_suffix(STREAMING);
    let function = streaming.or_else(|| rest.strip_suffix("/invocations"))?;
    (arn.service == "apigateway" && arn.account == "lambda")
        .then(|| Arn::parse(function).ok()?.function())
        .flatten()
}

/// A URI with the values of a stage's variables.
pub(super) fn with_stage_variables(
    uri: &str,
    stage_variables: &BTreeMap<String, String>,
) -> String {
    stage_variables
        .iter()
        .fold(uri.to_owned(), |uri, (name, value)| {
            uri.replace(&format!("${{stageVariables.{name}}}"), value)
        })
}
