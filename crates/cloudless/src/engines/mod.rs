//! Services that an engine elsewhere carries out: calls are verified and judged here, signed anew, and passed on.
//!
//! Lives here: standing in for a service of ours, answers of the engine as they arrive, what is said when it is away.
//! Does not live here: what is sent (`request`), its body (`body`), the connection (`gateway::outbound`), which engines there
//! are (`settings::engines`), looking up what manifests refer to (`values`).

mod body;
mod request;
mod values;

use std::sync::Arc;
use std::task::{Context, Poll};

use aws_wire::protocol::Protocol;
use bytes::{Bytes, BytesMut};
use gateway::outbound::{NotPassed, Outbound, Passed, PassedBody};
use http::{HeaderMap, Method, StatusCode};
use interfaces::BoxFuture;
use interfaces::authorize::Check;
use interfaces::clock::Clock;
use interfaces::service::{
    BodyWanted, CloudService, RequestHead, Rest, RestPieces, ServiceAnswer, ServiceCall,
};
use interfaces::stored_values::StoredValues;
use model::ids::AccountId;
use model::principal::Credentials;
use model::problem::Problem;

use crate::front;
use crate::settings::{self, Keys};
use crate::wiring::Config;
use request::Refused;

/// Answers up to this many bytes are read before they are passed back, and so are those that do not announce their length.
const WHOLE_BYTES_MAX: u64 = 256 * 1024;
/// The largest answer that does not announce its length, in bytes: nothing would say that it broke off.
const UNANNOUNCED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Services, and the values that they keep for manifests.
type Kept = (Vec<Arc<dyn CloudService>>, Arc<dyn StoredValues>);

/// A service of ours whose requests an engine carries out.
struct Engine {
    ours: Arc<dyn CloudService>,
    settings: settings::Engine,
    credentials: Credentials,
    outbound: Outbound,
    clock: Arc<dyn Clock>,
}

/// The services and the values that manifests refer to, with engines in place of those that have one.
///
/// # Errors
/// A problem when keys are to come from an environment that has none.
pub(crate) fn standing_in(
    (mut services, values): Kept,
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> Result<Kept, Box<Problem>> {
    for engine in &config.engines {
        let credentials = match &engine.keys {
            Keys::Given(credentials) => credentials.clone(),
            Keys::OfEnvironment => of_environment(engine, config)?,
        };
        for service in &mut services {
            if service.signing_name() == engine.service {
                *service = Arc::new(Engine {
                    ours: Arc::clone(service),
                    settings: engine.clone(),
                    credentials: credentials.clone(),
                    outbound: Outbound::new(front::roots(&config.environment)),
                    clock: Arc::clone(clock),
                });
            }
        }
    }
    let values = values::values(values, &services, &config.engines);
    Ok((services, values))
}

fn of_environment(engine: &settings::Engine, config: &Config) -> Result<Credentials, Box<Problem>> {
    let of = |name: &str| {
        let value = config.environment.get(name);
        value.filter(|value| !value.is_empty()).cloned()
    };
    let pair = of("AWS_ACCESS_KEY_ID").zip(of("AWS_SECRET_ACCESS_KEY"));
    let (access_key_id, secret_access_key) = pair.ok_or_else(|| {
        let title = format!(
            "`[services.{}]` takes its keys from an environment that has none",
            engine.service
        );
        let help = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where the server is started";
        Box::new(Problem::error("server::engine-keys", title).help(help))
    })?;
    Ok(Credentials {
        access_key_id,
        secret_access_key,
        session_token: of("AWS_SESSION_TOKEN"),
    })
}

impl Engine {
    async fn pass(&self, call: ServiceCall) -> ServiceAnswer {
        let query = call.path_and_query.split_once('?').map(|(_, query)| query);
        let protocol = Protocol::guess(Some(self.ours.signing_name()), &call.headers, query);
        let id = call.request_id.to_string();
        let method = call.method.clone();
        let call = match self.ours.proves(&call) {
            true => self.ours.proven(call).await,
            false => Ok(call),
        };
        let call = match call {
            Ok(call) => call,
            Err(refusal) => return refusal,
        };
        match self.answered(call).await {
            Ok(answer) => answer,
            Err(fault) => {
                let (status, code, message) = fault.words(self);
                let code = match protocol {
                    Protocol::Json10 | Protocol::Json11 | Protocol::RestJson => {
                        format!("{code}Exception")
                    }
                    Protocol::Query | Protocol::RestXml => code.to_owned(),
                };
                let answer = protocol.error(status, &code, &message, &id);
                let has_body = method != Method::HEAD;
                ServiceAnswer {
                    status: answer.status.as_u16(),
                    headers: answer.headers,
                    body: Bytes::from(if has_body { answer.body } else { Vec::new() }),
                    rest: None,
                }
            }
        }
    }

    async fn answered(&self, call: ServiceCall) -> Result<ServiceAnswer, Fault> {
        // An engine knows one account; resources of another one would be the same ones there.
        if call.account != AccountId::development() {
            return Err(Fault::OtherAccount(call.account));
        }
        let method = call.method.clone();
        let passing = request::passing(self, call).map_err(Fault::Refused)?;
        let passed = self
            .outbound
            .pass(passing)
            .await
            .map_err(Fault::NotPassed)?;
        answer(passed, &method).await.map_err(Fault::BrokenOff)
    }
}

/// The engine's answer: with the headers that are not the door's.
async fn answer(passed: Passed, method: &Method) -> Result<ServiceAnswer, String> {
    let mut headers = Vec::with_capacity(passed.headers.len());
    for (name, value) in &passed.headers {
        let name = name.as_str();
        // The door has its own.
        if !matches!(name, "x-amzn-requestid" | "x-amz-request-id" | "date") {
            let value = String::from_utf8_lossy(value.as_bytes());
            headers.push(("", format!("{name}: {value}")));
        }
    }
    let is_head = *method == Method::HEAD;
    let status = passed.status.as_u16();
    let mut pieces = passed.body;
    let announced = passed.bytes.filter(|bytes| WHOLE_BYTES_MAX < *bytes);
    if let Some(bytes) = announced.filter(|_| !is_head) {
        headers.push(("content-length", bytes.to_string()));
        return Ok(ServiceAnswer {
            status,
            headers,
            body: Bytes::new(),
            rest: Some(Rest::new(Following::Waiting(Some(pieces)))),
        });
    }
    if let Some(bytes) = passed.bytes.filter(|_| is_head) {
        headers.push(("content-length", bytes.to_string()));
    }
    let mut body = BytesMut::new();
    while let Some(piece) = pieces.next().await? {
        if UNANNOUNCED_BYTES_MAX < body.len() + piece.len() {
            return Err(format!(
                "an answer that does not announce its length is over {UNANNOUNCED_BYTES_MAX} bytes"
            ));
        }
        body.extend_from_slice(&piece);
    }
    Ok(ServiceAnswer {
        status,
        headers,
        body: body.freeze(),
        rest: None,
    })
}

/// The next piece, and where those behind it come from.
type Next = (PassedBody, Result<Option<Bytes>, String>);

/// The body of an answer. Its length is announced, so one that ends early is seen to have broken off.
enum Following {
    Waiting(Option<PassedBody>),
    Asking(BoxFuture<'static, Next>),
}

impl RestPieces for Following {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match self {
                Self::Waiting(pieces) => {
                    let Some(mut pieces) = pieces.take() else {
                        return Poll::Ready(None);
                    };
                    *self = Self::Asking(Box::pin(async move {
                        let next = pieces.next().await;
                        (pieces, next)
                    }));
                }
                Self::Asking(next) => {
                    let (pieces, next) = std::task::ready!(next.as_mut().poll(context));
                    let next = next.unwrap_or_else(|reason| {
                        tracing::warn!(reason, "an answer of an engine broke off");
                        None
                    });
                    *self = Self::Waiting(next.is_some().then_some(pieces));
                    return Poll::Ready(next);
                }
            }
        }
    }
}

/// Why a call has no answer of the engine's.
enum Fault {
    Refused(Refused),
    OtherAccount(AccountId),
    NotPassed(NotPassed),
    BrokenOff(String),
}

impl Fault {
    fn words(&self, engine: &Engine) -> (StatusCode, &'static str, String) {
        let (service, endpoint) = (engine.settings.service, &engine.settings.endpoint);
        let away = |reason: &str| {
            tracing::warn!(service, %endpoint, reason, "the engine of a service gave no answer");
            let message = format!("The engine of {service} at {endpoint} gave no answer: {reason}");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                message,
            )
        };
        let bad = |code, message| (StatusCode::BAD_REQUEST, code, message);
        match self {
            Self::Refused(refused) => bad(refused.code(), refused.to_string()),
            Self::OtherAccount(account) => (
                StatusCode::FORBIDDEN,
                "AccessDenied",
                format!(
                    "The engine of {service} knows the account {} alone; this call is for {account}",
                    AccountId::development()
                ),
            ),
            Self::NotPassed(NotPassed::Unanswered(reason)) | Self::BrokenOff(reason) => {
                away(reason)
            }
            Self::NotPassed(NotPassed::Body(broken)) => bad("IncompleteBody", broken.to_string()),
            Self::NotPassed(NotPassed::Unsendable) => {
                bad("InvalidRequest", NotPassed::Unsendable.to_string())
            }
        }
    }
}

impl CloudService for Engine {
    fn signing_name(&self) -> &'static str {
        self.ours.signing_name()
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        Box::pin(async move {
            if self.asks_nothing(call) {
                return Vec::new();
            }
            self.ours.checks_elsewhere(call).await
        })
    }

    /// A browser asks before a request, and is told nothing that is kept. Whom the service proves is asked about then. What
    /// is refused here by its name may be carried out there.
    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        call.method == Method::OPTIONS || self.ours.proves(call)
    }

    fn action_prefix(&self) -> &'static str {
        self.ours.action_prefix()
    }

    fn body_wanted(&self, head: &RequestHead<'_>) -> BodyWanted {
        self.ours.body_wanted(head)
    }

    fn body_bytes_max(&self) -> usize {
        self.ours.body_bytes_max()
    }

    fn takes_unsigned(&self, head: &RequestHead<'_>) -> bool {
        self.ours.takes_unsigned(head)
    }

    fn takes_anybody(&self, head: &RequestHead<'_>) -> bool {
        self.ours.takes_anybody(head)
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(self.pass(call))
    }
}

/// The host that an engine is called by.
fn authority(engine: &settings::Engine) -> &str {
    engine.endpoint.authority().map_or("", |it| it.as_str())
}

/// Puts a header that is made of texts read from headers and settings.
fn put(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), Refused> {
    let value = http::HeaderValue::from_str(value).map_err(|_| Refused::Unreadable)?;
    headers.insert(name, value);
    Ok(())
}
