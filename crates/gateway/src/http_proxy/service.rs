//! Integrations that call a service of the cloud: `SQS-SendMessage`, `EventBridge-PutEvents` and their like.
//!
//! Lives here: the request that is made of one, carried out in process as the integration's role.
//! Does not live here: what the service does with it, mapping expressions (`mapping`).
//!
//! Contract: Amazon API Gateway Developer Guide, "AWS service integrations" and "Integration subtype reference" of HTTP
//! APIs; the services' replies are handed on as they are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use interfaces::authorize::{Authorize, Denied};
use interfaces::service::{CloudService, ServiceAnswer, ServiceCall, demands};
use model::arn::Arn;
use model::door::{CalledService, ServiceAction};
use model::ids::{Region, RequestId};
use model::principal::Principal;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::Style;
use super::mapping::{BadMapping, Expression, Reading};
use crate::events::Exchange;
use crate::http::Response;

/// What API Gateway calls its session of a role.
const SESSION: &str = "BackplaneAssumeRoleSession";
/// As whom API Gateway asks roles to let it in.
const PRINCIPAL: &str = "apigateway.amazonaws.com";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/x-amz-json-1.1";

/// The services behind this gateway, by the names in credentials' scopes.
pub(crate) type Services = BTreeMap<&'static str, Arc<dyn CloudService>>;

/// An integration, compiled.
#[derive(Debug)]
pub(crate) struct Called {
    action: ServiceAction,
    parameters: Vec<(String, Expression)>,
    role: Arn,
    region: Option<Region>,
    timeout: Duration,
}

/// Why a service was not asked, or has not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotCalled {
    #[error("`{0}` is not served here")]
    NotServed(String),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("the service had not answered")]
    TooSlow,
}

impl Called {
    pub(crate) fn compile(
        called: &CalledService,
        stage_variables: &BTreeMap<String, String>,
    ) -> Result<Self, BadMapping> {
        let reading = Reading {
            style: Style::Http,
            stage_variables,
        };
        let parameters = called.parameters.iter();
        Ok(Self {
            action: called.action,
            parameters: parameters
                .map(|(name, text)| Ok((name.clone(), reading.expression(text)?)))
                .collect::<Result<_, BadMapping>>()?,
            role: called.role.clone(),
            region: called.region.clone(),
            timeout: called.timeout,
        })
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Calls the service, and hands its reply on.
    pub(crate) async fn call(
        &self,
        exchange: &Exchange<'_>,
        services: &Services,
        authorize: &dyn Authorize,
    ) -> Result<Response, NotCalled> {
        let name = match self.action {
            ServiceAction::SendMessage
            | ServiceAction::ReceiveMessage
            | ServiceAction::DeleteMessage
            | ServiceAction::PurgeQueue => "sqs",
            ServiceAction::PutEvents => "events",
        };
        let call = self.request(exchange);
        let means = (services, authorize);
        let answer = carried_out(name, call, means, self.timeout).await?;
        Ok(handed_on(answer))
    }

    fn request(&self, exchange: &Exchange<'_>) -> ServiceCall {
        let values = self.parameters.iter().filter_map(|(name, expression)| {
            let value = expression.value(exchange)?;
            Some((name.as_str(), value))
        });
        let values: Vec<(&str, String)> = values.collect();
        let query = |action| (FORM, None, form(action, &values));
        let (content_type, target, body) = match self.action {
            ServiceAction::SendMessage => query("SendMessage"),
            ServiceAction::ReceiveMessage => query("ReceiveMessage"),
            ServiceAction::DeleteMessage => query("DeleteMessage"),
            ServiceAction::PurgeQueue => query("PurgeQueue"),
            ServiceAction::PutEvents => (JSON, Some("AWSEvents.PutEvents"), events(&values)),
        };
        let mut headers = HeaderMap::new();
        headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static(content_type),
        );
        if let Some(target) = target {
            headers.insert("x-amz-target", HeaderValue::from_static(target));
        }
        let region = self.region.clone();
        let account = exchange.account.clone();
        ServiceCall {
            request_id: RequestId::new(exchange.request_id),
            caller: acting_as(&self.role, exchange),
            account,
            region: region.unwrap_or_else(|| exchange.api.region.clone()),
            method: Method::POST,
            path_and_query: "/".to_owned(),
            headers,
            body,
            stream: None,
        }
    }
}

/// Who calls, when the gateway acts as a role.
pub(super) fn acting_as(role: &Arn, exchange: &Exchange<'_>) -> Principal {
    Principal::Acting {
        account: exchange.account.clone(),
        role: role.clone(),
        name: SESSION.to_owned(),
        service: PRINCIPAL.to_owned(),
        source: Some(Box::new(source(exchange))),
    }
}

/// What trust policies see as `aws:SourceArn`: what permissions of functions see, since no document says.
fn source(exchange: &Exchange<'_>) -> Arn {
    let api = exchange.api;
    let method = format!(
        "{}/{}/{}{}",
        api.id,
        api.stage,
        exchange.method,
        api.matched(exchange.path)
    );
    Arn::new("execute-api", &api.region, exchange.account, method)
}

/// Calls a service in process, if the caller may.
pub(super) async fn carried_out(
    name: &str,
    call: ServiceCall,
    (services, authorize): (&Services, &dyn Authorize),
    timeout: Duration,
) -> Result<ServiceAnswer, NotCalled> {
    let service = services.get(name);
    let service = service.ok_or_else(|| NotCalled::NotServed(name.to_owned()))?;
    let answering = async {
        let checks = demands(&**service, &call).await;
        authorize.authorize(&call.caller, &checks)?;
        Ok(service.execute(call).await)
    };
    let answer = tokio::time::timeout(timeout, answering).await;
    answer.unwrap_or(Err(NotCalled::TooSlow))
}

/// The parameters of an action of the query protocol. Attributes of a message come as JSON, and go as numbered members.
fn form(action: &str, values: &[(&str, String)]) -> Bytes {
    let mut pairs = vec![
        ("Action".to_owned(), action.to_owned()),
        ("Version".to_owned(), "2012-11-05".to_owned()),
    ];
    for (name, value) in values {
        let attributes = match *name {
            "MessageAttributes" => serde_json::from_str::<Map<String, Value>>(value).ok(),
            _ => None,
        };
        let Some(attributes) = attributes else {
            pairs.push(((*name).to_owned(), value.clone()));
            continue;
        };
        for (index, (attribute, parts)) in attributes.iter().enumerate() {
            let prefix = format!("MessageAttribute.{}", index + 1);
            pairs.push((format!("{prefix}.Name"), attribute.clone()));
            for (part, value) in parts.as_object().into_iter().flatten() {
                let value = value.as_str().unwrap_or_default();
                pairs.push((format!("{prefix}.Value.{part}"), value.to_owned()));
            }
        }
    }
    let coded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", coded(name), coded(value)))
        .collect();
    Bytes::from(pairs.join("&"))
}

/// One entry. Resources are a list, in JSON.
fn events(values: &[(&str, String)]) -> Bytes {
    let entry: Map<String, Value> = values
        .iter()
        .map(|(name, value)| {
            let value = match *name {
                "Resources" => serde_json::from_str(value).unwrap_or(Value::Null),
                _ => Value::from(value.as_str()),
            };
            ((*name).to_owned(), value)
        })
        .collect();
    Bytes::from(serde_json::json!({"Entries": [entry]}).to_string())
}

fn handed_on(answer: ServiceAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = Response::new(status, answer.body);
    let content_type = answer
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if let Some(value) = content_type.and_then(|(_, value)| HeaderValue::from_str(value).ok()) {
        response = response.with_header("Content-Type", value);
    }
    response
}
