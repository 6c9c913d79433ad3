//! Requests to services of the cloud: `AWS` integrations of `action/…` and `path/…`.
//!
//! Lives here: the call in each protocol, as the integration's role, and its answer; events that a function is sent without
//! waiting.
//! Does not live here: values (`request`), the JSON form of answers in XML (`json_form`), what a service does.
//!
//! Contract: Amazon API Gateway API Reference, `Integration`, `uri`; each service's own API reference; recorded exchanges: a
//! service is asked for JSON unless a mapping says otherwise, and its refusals are answers like others.

use std::sync::Arc;
use std::time::Duration;

use aws_wire::protocol::Protocol;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use interfaces::BoxFuture;
use interfaces::authorize::{ASSUME_ROLE, Authorize, Denied};
use interfaces::service::{
    BodyWanted, BrokenBody, CallBody, CallStream, CloudService, RequestHead, ServiceAnswer,
    ServiceCall,
};
use model::arn::Arn;
use model::door::Callee;
use model::ids::{Region, RequestId};
use model::principal::Principal;
use model::rest_api::CalledApi;
use percent_encoding::utf8_percent_encode;

use super::super::request::QUERY;
use super::super::service::{NotCalled, Services, acting_as, carried_out};
use super::super::target::{Piece, pieces};
use super::BadCustom;
use super::json_form;
use super::request::Asked;
use super::server::filled;
use crate::events::Exchange;
use crate::http::upstream::Answered;

/// The largest answer that is handed on.
const ANSWER_BYTES_MAX: usize = model::limits::GATEWAY_PAYLOAD_BYTES_MAX;
/// The services that speak JSON, with the prefix of their operations and the version of the protocol.
const JSON_SERVICES: [(&str, &str, &str); 7] = [
    ("dynamodb", "DynamoDB_20120810", "1.0"),
    ("events", "AWSEvents", "1.1"),
    ("kinesis", "Kinesis_20131202", "1.1"),
    ("kms", "TrentService", "1.1"),
    ("logs", "Logs_20140328", "1.1"),
    ("secretsmanager", "secretsmanager", "1.1"),
    ("ssm", "AmazonSSM", "1.1"),
];
const FORM: &str = "application/x-www-form-urlencoded";
const TARGET: &str = "X-Amz-Target";

/// A service's operation or path, compiled.
#[derive(Debug)]
pub(super) struct Api {
    service: String,
    region: Region,
    action: Option<String>,
    path: Vec<Piece>,
    query: Vec<Piece>,
    method: Option<Method>,
    role: Arn,
}

impl Api {
    pub(super) fn compile(called: &CalledApi) -> Result<Self, BadCustom> {
        let (path, query) = called.path.split_once('?').unwrap_or((&called.path, ""));
        let bad = || super::BadUri::Text(called.path.clone());
        Ok(Self {
            service: called.service.clone(),
            region: called.region.clone(),
            action: called.action.clone(),
            path: pieces(path).ok_or_else(bad)?,
            query: pieces(query).ok_or_else(bad)?,
            method: super::method(called.http_method.as_deref())?,
            role: called.role.clone(),
        })
    }

    /// Calls the service, and takes its answer.
    pub(super) async fn call(
        &self,
        exchange: &Exchange<'_>,
        asked: &Asked,
        (services, authorize): (&Services, &dyn Authorize),
        timeout: Duration,
    ) -> Result<Answered, NotCalled> {
        let mut call = self.request(exchange, asked);
        let protocol = Protocol::guess(Some(&self.service), &call.headers, query_of(&call));
        let wants_xml = asked
            .header("accept")
            .is_some_and(|accept| accept.contains("xml"));
        if let Some(service) = services.get(self.service.as_str()) {
            stream(service, &mut call);
        }
        let request_id = call.request_id.clone();
        let called = carried_out(&self.service, call, (services, authorize), timeout).await;
        let answered = match called {
            Ok(answer) => whole(answer).await,
            Err(NotCalled::Denied(denied)) if denied.action != ASSUME_ROLE => {
                self.refused(&denied, protocol, &request_id)
            }
            Err(other) => return Err(other),
        };
        if protocol == Protocol::Query && !wants_xml {
            return Ok(json_form::of(answered));
        }
        Ok(answered)
    }

    fn refused(&self, denied: &Denied, protocol: Protocol, id: &RequestId) -> Answered {
        let service = Some(self.service.as_str());
        let answer =
            aws_wire::errors::access_denied(protocol, service, &denied.message, id.as_str());
        Answered {
            status: answer.status,
            headers: headers_of(answer.headers),
            body: Bytes::from(answer.body),
        }
    }

    fn request(&self, exchange: &Exchange<'_>, asked: &Asked) -> ServiceCall {
        let same = |value: String| value;
        let path = filled(&self.path, exchange, asked, same);
        let coded = |value: String| utf8_percent_encode(&value, QUERY).to_string();
        let mut query = filled(&self.query, exchange, asked, coded);
        let mut add = |name: &str, value: &str| {
            let joint = if query.is_empty() { "" } else { "&" };
            let name = utf8_percent_encode(name, QUERY);
            let value = utf8_percent_encode(value, QUERY);
            query.push_str(&format!("{joint}{name}={value}"));
        };
        let mut headers = header_map(&asked.headers);
        let json = JSON_SERVICES
            .iter()
            .find(|(service, _, _)| *service == self.service);
        let mut set = |name: &'static str, value: String| {
            if let (false, Ok(value)) = (headers.contains_key(name), HeaderValue::from_str(&value))
            {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        let mut body = asked.body.clone();
        match (&self.action, json) {
            (Some(action), Some((_, prefix, version))) => {
                set("x-amz-target", format!("{prefix}.{action}"));
                if asked.header(TARGET).is_none() || asked.header("content-type").is_none() {
                    set("content-type", format!("application/x-amz-json-{version}"));
                }
            }
            (action, None) if self.service != "s3" && asked.header(TARGET).is_none() => {
                if let Some(action) = action {
                    add("Action", action);
                }
                // Without a form the parameters are those of the query.
                let is_form = asked
                    .header("content-type")
                    .is_some_and(|content_type| content_type.starts_with(FORM));
                if !is_form {
                    body = Bytes::new();
                    headers.remove(http::header::CONTENT_TYPE);
                    let form = HeaderValue::from_static(FORM);
                    headers.insert(http::header::CONTENT_TYPE, form);
                }
            }
            (Some(_) | None, _) => {}
        }
        for (name, value) in &asked.query {
            add(name, value);
        }
        let method = self.method.clone();
        let own = || Method::from_bytes(exchange.method.as_bytes()).unwrap_or(Method::POST);
        let method = match self.action {
            Some(_) => Method::POST,
            None => method.unwrap_or_else(own),
        };
        let path_and_query = match query.as_str() {
            "" => path,
            query => format!("{path}?{query}"),
        };
        ServiceCall {
            request_id: RequestId::new(exchange.request_id),
            caller: acting_as(&self.role, exchange),
            account: exchange.account.clone(),
            region: self.region.clone(),
            method,
            path_and_query,
            headers,
            body,
            stream: None,
        }
    }
}

/// Sends a function an event, and does not wait for it: `X-Amz-Invocation-Type: Event`.
///
/// Functions of this project are invoked whatever the role, as when they are waited for.
pub(super) async fn send_event(
    callee: &Callee,
    exchange: &Exchange<'_>,
    asked: &Asked,
    (services, _): (&Services, &dyn Authorize),
    timeout: Duration,
) -> Result<Answered, NotCalled> {
    let service = services.get("lambda");
    let service = service.ok_or_else(|| NotCalled::NotServed("lambda".to_owned()))?;
    let function = utf8_percent_encode(callee.function.as_str(), QUERY);
    let qualifier = callee.qualifier.iter();
    let qualifier: String = qualifier
        .map(|qualifier| format!("?Qualifier={}", utf8_percent_encode(qualifier, QUERY)))
        .collect();
    let call = ServiceCall {
        request_id: RequestId::new(exchange.request_id),
        caller: Principal::Anonymous {
            account: exchange.account.clone(),
        },
        account: exchange.account.clone(),
        region: exchange.api.region.clone(),
        method: Method::POST,
        path_and_query: format!("/2015-03-31/functions/{function}/invocations{qualifier}"),
        headers: header_map(&asked.headers),
        body: asked.event(),
        stream: None,
    };
    let answer = tokio::time::timeout(timeout, service.execute(call)).await;
    Ok(whole(answer.map_err(|_| NotCalled::TooSlow)?).await)
}

impl Asked {
    /// The event of a function: an empty body is an empty object.
    pub(crate) fn event(&self) -> Bytes {
        if self.body.trim_ascii().is_empty() {
            return Bytes::from_static(b"{}");
        }
        self.body.clone()
    }

    /// Whether a function is sent its event without waiting.
    pub(crate) fn is_event(&self) -> bool {
        self.header("x-amz-invocation-type")
            .is_some_and(|kind| kind.eq_ignore_ascii_case("Event"))
    }
}

fn query_of(call: &ServiceCall) -> Option<&str> {
    call.path_and_query.split_once('?').map(|(_, query)| query)
}

fn header_map(headers: &[(String, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            map.append(name, value);
        }
    }
    map
}

fn headers_of(headers: Vec<(&'static str, String)>) -> Vec<(String, HeaderValue)> {
    let line = |(name, value): (&'static str, String)| {
        let (name, value) = match value.split_once(": ") {
            // A line: see `ServiceAnswer::headers`.
            Some((name, value)) if name.is_empty() => (name.to_owned(), value.to_owned()),
            Some(_) | None => (name.to_owned(), value),
        };
        Some((name, HeaderValue::from_str(&value).ok()?))
    };
    headers.into_iter().filter_map(line).collect()
}

/// Hands the body over as its service wants it.
fn stream(service: &Arc<dyn CloudService>, call: &mut ServiceCall) {
    if let Ok(length) = HeaderValue::from_str(&call.body.len().to_string()) {
        call.headers.insert(http::header::CONTENT_LENGTH, length);
    }
    let head = RequestHead {
        method: &call.method,
        path_and_query: &call.path_and_query,
        headers: &call.headers,
    };
    if service.body_wanted(&head) == BodyWanted::Streamed {
        let body = std::mem::take(&mut call.body);
        call.stream = Some(CallStream(Box::new(InOnePiece(Some(body)))));
    }
}

/// A body that is there already.
struct InOnePiece(Option<Bytes>);

impl CallBody for InOnePiece {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, BrokenBody>> {
        let piece = self.0.take().filter(|piece| !piece.is_empty());
        Box::pin(std::future::ready(Ok(piece)))
    }
}

/// The whole of an answer; one that is too large is told as such.
async fn whole(answer: ServiceAnswer) -> Answered {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut body = BytesMut::from(&answer.body[..]);
    if let Some(mut rest) = answer.rest {
        while let Some(piece) = std::future::poll_fn(|context| rest.poll_next(context)).await {
            if ANSWER_BYTES_MAX < body.len() + piece.len() {
                return Answered {
                    status: StatusCode::PAYLOAD_TOO_LARGE,
                    headers: Vec::new(),
                    body: Bytes::from_static(
                        b"{\"message\": \"the answer is over the limit of 10 MB\"}",
                    ),
                };
            }
            body.extend_from_slice(&piece);
        }
    }
    Answered {
        status,
        headers: headers_of(answer.headers),
        body: body.freeze(),
    }
}
