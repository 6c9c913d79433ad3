//! `@connections`: writing to connections, closing them, and what is known of them.
//!
//! Lives here: reading a request, who may make it, and the answers.
//! Does not live here: reading signatures (`aws_wire::sigv4`), what a connection does when it is told to (`session`).
//!
//! Contract: Amazon API Gateway Management API Reference; IAM, `execute-api:ManageConnections` on
//! `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/@connections/ID`.

use aws_wire::errors::AuthenticationError;
use aws_wire::sigv4::{Presented, SignedRequest};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use interfaces::authorize::Check;
use model::limits::WEBSOCKET_MESSAGE_BYTES_MAX;
use model::time::Timestamp;
use policy::Context;
use serde_json::{Value, json};

use super::connections::{Connection, NotTold, Order};
use crate::application::ApplicationHandler;
use crate::callers::NotProven;
use crate::http::{BodyError, Request, Response, Scheme};
use crate::routes::Api;

/// What its callers do.
const MANAGE: &str = "execute-api:ManageConnections";
/// The name in the scope of their signatures.
const SERVICE: &str = "execute-api";
/// The most that is read of the body of a request, so that one that is a little too large is told so.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Why a request is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NotDone {
    Forbidden(String),
    Gone,
    LimitExceeded,
    PayloadTooLarge,
    Method,
}

impl ApplicationHandler {
    /// Answers a request about a connection. `api` is whose it must be.
    pub(super) async fn manage(&self, api: Option<&Api>, id: &str, request: Request) -> Response {
        let done = self.carry_out(api, id, request).await;
        let response = done.unwrap_or_else(|not| refused(&not));
        let request_id = self.random.request_id();
        let request_id = crate::replies::headers::value_of(request_id.as_str());
        response.with_header("x-amzn-RequestId", request_id)
    }

    async fn carry_out(
        &self,
        api: Option<&Api>,
        id: &str,
        request: Request,
    ) -> Result<Response, NotDone> {
        let found = self.sockets.connections.find(id);
        // Whoever names no API means the connection's own; where there is none, nobody's policies allow anything.
        let (api_id, stage) = match (api, &found) {
            (Some(api), _) => (api.id.to_string(), api.stage.to_string()),
            (None, Some(found)) => (found.api.to_string(), found.stage.to_string()),
            (None, None) => ("*".to_owned(), "*".to_owned()),
        };
        let (method, target) = (request.method.clone(), request.target.clone());
        let headers = request.headers.to_map();
        let scheme = request.scheme;
        let peer = request.peer;
        let body = match request.body.collect(BODY_BYTES_MAX).await {
            Ok(body) => body,
            Err(BodyError::TooLarge { .. }) => return Err(NotDone::PayloadTooLarge),
            Err(bad) => return Err(NotDone::Forbidden(bad.to_string())),
        };
        let region = self.table_region();
        let mut check = Check::new(
            MANAGE,
            format!(
                "arn:aws:execute-api:{region}:{}:{api_id}/{stage}/{method}/@connections/{id}",
                self.account
            ),
            &self.account,
        );
        check.context = context(scheme, peer.ip().to_string(), &headers);
        self.prove(
            SignedRequest {
                method: &method,
                path_and_query: &target,
                headers: &headers,
                body: &body,
            },
            &check,
        )?;
        let found = found
            .filter(|found| api.is_none_or(|api| found.api == api.id && found.stage == api.stage));
        let found = found.ok_or(NotDone::Gone)?;
        match method {
            Method::POST => self.post(id, body),
            Method::GET => Ok(shown(&found)),
            Method::DELETE => {
                self.tell(id, Order::Close)?;
                Ok(Response::new(StatusCode::NO_CONTENT, Bytes::new()))
            }
            _ => Err(NotDone::Method),
        }
    }

    fn post(&self, id: &str, body: Bytes) -> Result<Response, NotDone> {
        if WEBSOCKET_MESSAGE_BYTES_MAX < body.len() {
            return Err(NotDone::PayloadTooLarge);
        }
        self.tell(id, Order::Send(body))?;
        Ok(Response::new(StatusCode::OK, Bytes::new()))
    }

    fn tell(&self, id: &str, order: Order) -> Result<(), NotDone> {
        let told = self.sockets.connections.tell(id, order);
        told.map_err(|not| match not {
            NotTold::Gone => NotDone::Gone,
            NotTold::Full => NotDone::LimitExceeded,
        })
    }

    /// Who asks, and whether they may.
    fn prove(&self, signed: SignedRequest<'_>, check: &Check) -> Result<(), NotDone> {
        let forbidden = |error: AuthenticationError| NotDone::Forbidden(error.gateway_words().1);
        let presented =
            Presented::find(signed.path_and_query, signed.headers).map_err(forbidden)?;
        if presented.scope.service != SERVICE {
            return Err(NotDone::Forbidden(format!(
                "Credential should be scoped to correct service: '{SERVICE}'."
            )));
        }
        let caller = self.callers.identify(&presented, signed.headers);
        let caller = caller.map_err(|not| match not {
            NotProven::Signature(error) => forbidden(error),
            NotProven::WebPage | NotProven::Service | NotProven::ForeignHost(_) => {
                NotDone::Forbidden(not.to_string())
            }
        })?;
        let caller = self.callers.verify(caller, &presented, signed);
        let caller = caller.map_err(forbidden)?;
        let judged = self
            .callers
            .authorize()
            .authorize(&caller, std::slice::from_ref(check));
        judged.map_err(|denied| {
            tracing::debug!(arn = %caller.arn(), "a call of @connections was refused");
            NotDone::Forbidden(denied.to_string())
        })
    }

    fn table_region(&self) -> String {
        self.table().region.to_string()
    }
}

fn context(scheme: Scheme, source_ip: String, headers: &HeaderMap) -> Context {
    let mut context = Context::default();
    context.set("aws:SourceIp", source_ip);
    context.set("aws:SecureTransport", (scheme == Scheme::Https).to_string());
    if let Some(agent) = headers.get("user-agent").and_then(|it| it.to_str().ok()) {
        context.set("aws:UserAgent", agent);
    }
    context
}

fn shown(connection: &Connection) -> Response {
    let mut identity = serde_json::Map::new();
    let source_ip = connection.source_ip.to_string();
    identity.insert("sourceIp".to_owned(), Value::from(source_ip));
    let user_agent = connection.user_agent.clone().unwrap_or_default();
    identity.insert("userAgent".to_owned(), Value::from(user_agent));
    let body = json!({
        "connectedAt": iso8601(connection.connected_at),
        "identity": identity,
        "lastActiveAt": iso8601(connection.active_at()),
    });
    as_json(StatusCode::OK, &body)
}

fn iso8601(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.epoch_ms());
    at.unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
        .to_string()
}

fn refused(not: &NotDone) -> Response {
    let too_long =
        format!("Message length exceeds the limit of {WEBSOCKET_MESSAGE_BYTES_MAX} bytes");
    let (status, kind, message) = match not {
        NotDone::Forbidden(message) => (
            StatusCode::FORBIDDEN,
            "ForbiddenException",
            Some(message.as_str()),
        ),
        NotDone::Gone => (StatusCode::GONE, "GoneException", None),
        NotDone::LimitExceeded => (
            StatusCode::TOO_MANY_REQUESTS,
            "LimitExceededException",
            None,
        ),
        NotDone::PayloadTooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "PayloadTooLargeException",
            Some(too_long.as_str()),
        ),
        NotDone::Method => (
            StatusCode::FORBIDDEN,
            "ForbiddenException",
            Some("connections are written to by POST, looked at by GET, and closed by DELETE"),
        ),
    };
    let body = message.map_or_else(|| json!({}), |message| json!({ "message": message }));
    as_json(status, &body).with_header("x-amzn-ErrorType", HeaderValue::from_static(kind))
}

fn as_json(status: StatusCode, body: &Value) -> Response {
    Response::new(status, body.to_string())
        .with_header("Content-Type", HeaderValue::from_static("application/json"))
}
