//! From a request to what becomes of it.
//!
//! Lives here: paths, headers and bodies of the Runtime API and the Extensions API.
//! Does not live here: what may follow what (`state`), the texts of answers (`answers`), the Telemetry API's bodies
//! (`telemetry`).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Serialize;

use super::answers::{self, Answer, Refusal};
use super::body::{self, BodyError};
use super::extension::Registration;
use super::reply;
use super::session::Session;
use super::state::{Current, RuntimeState};
use super::telemetry::subscription;
use crate::process::failure::REPLY_BYTES_MAX;

/// The body of a registration, a subscription, an extension's error, or the error of an init. Replies alone may be larger,
/// and of those only one is read at a time.
const SMALL_BODY_BYTES_MAX: usize = 256 * 1024;
/// Extensions choose their names; a longer one is refused.
const NAME_BYTES_MAX: usize = 255;

const EXTENSION_NAME: &str = "lambda-extension-name";
const EXTENSION_IDENTIFIER: &str = "lambda-extension-identifier";
const EXTENSION_FEATURES: &str = "lambda-extension-accept-feature";
const EXTENSION_ERROR_TYPE: &str = "Lambda-Extension-Function-Error-Type";

/// Answers one request.
pub(super) async fn answer(session: &Arc<Session>, request: Request<Incoming>) -> Answer {
    let (head, mut body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let path: Vec<&str> = path.trim_matches('/').split('/').collect();
    let wanted = match path.as_slice() {
        ["2018-06-01", "ping"] => Wanted::Ping,
        ["2018-06-01", "runtime", rest @ ..] if session.look(|state| state.has_runtime()) => {
            match rest {
                ["invocation", "next"] => Wanted::Next,
                ["invocation", id, "response"] => Wanted::Reply((*id).to_owned()),
                ["invocation", id, "error"] => Wanted::Error((*id).to_owned()),
                ["init", "error"] => Wanted::InitError,
                _ => Wanted::Nothing,
            }
        }
        ["2020-01-01", "extension", "register"] => Wanted::Register,
        ["2020-01-01", "extension", "event", "next"] => Wanted::ExtensionNext,
        ["2020-01-01", "extension", "init", "error"] => Wanted::ExtensionInitError,
        ["2020-01-01", "extension", "exit", "error"] => Wanted::ExtensionExitError,
        ["2022-07-01", "telemetry"] => Wanted::Telemetry,
        ["2020-08-15", "logs"] => Wanted::Logs,
        _ => Wanted::Nothing,
    };
    let answer = if head.method == wanted.method() || matches!(wanted, Wanted::Nothing) {
        let carried_out = carry_out(session, wanted, &head.headers, &mut body).await;
        carried_out.unwrap_or_else(|refusal| refusal.answer())
    } else {
        answers::plain(StatusCode::METHOD_NOT_ALLOWED, "")
    };
    body::discard(&mut body).await;
    answer
}

enum Wanted {
    Ping,
    Next,
    /// To the request of this id.
    Reply(String),
    Error(String),
    InitError,
    Register,
    ExtensionNext,
    ExtensionInitError,
    ExtensionExitError,
    Telemetry,
    Logs,
    Nothing,
}

impl Wanted {
    fn method(&self) -> Method {
        match self {
            Self::Ping | Self::Next | Self::ExtensionNext | Self::Nothing => Method::GET,
            Self::Reply(_)
            | Self::Error(_)
            | Self::InitError
            | Self::Register
            | Self::ExtensionInitError
            | Self::ExtensionExitError => Method::POST,
            Self::Telemetry | Self::Logs => Method::PUT,
        }
    }
}

async fn carry_out(
    session: &Arc<Session>,
    wanted: Wanted,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<Answer, Refusal> {
    match wanted {
        Wanted::Ping => Ok(answers::plain(StatusCode::OK, "pong")),
        Wanted::Next => next(session).await,
        Wanted::Reply(id) => {
            session.change(|state| state.begin_reply(&id, RuntimeState::InvocationResponse))?;
            let intake = session.look(|state| state.intake());
            let (message, answered) = match intake.filter(|it| reply::is_for(it, headers)) {
                Some(intake) => reply::of_stream(headers, body, &intake).await,
                None => reply::of_handler(headers, body::read(body, REPLY_BYTES_MAX).await),
            };
            session.change(|state| state.finish_reply(message));
            answered
        }
        Wanted::Error(id) => {
            let wanted = RuntimeState::InvocationErrorResponse;
            session.change(|state| state.begin_reply(&id, wanted))?;
            let read = body::read(body, REPLY_BYTES_MAX).await;
            let (message, answered) = reply::of_error(headers, read);
            session.change(|state| state.finish_reply(message));
            answered
        }
        Wanted::InitError => {
            let body = small(body, SMALL_BODY_BYTES_MAX).await?;
            let payload = reply::error_object(headers, body);
            session.change(|state| state.init_failed(payload))?;
            Ok(answers::accepted())
        }
        Wanted::Register => register(session, headers, body).await,
        Wanted::ExtensionNext => extension_next(session, headers).await,
        Wanted::ExtensionInitError => extension_error(session, headers, body, Phase::Init).await,
        Wanted::ExtensionExitError => extension_error(session, headers, body, Phase::Exit).await,
        Wanted::Telemetry => {
            let identifier = identifier(headers)?;
            let name = session.look(|state| {
                let extension = state.extension(&identifier);
                extension.map(|found| found.name.clone())
            })?;
            let body = small(body, SMALL_BODY_BYTES_MAX).await?;
            session
                .telemetry
                .subscribe(name, subscription::read(&body)?)?;
            Ok(answers::json(StatusCode::OK, &"OK"))
        }
        // As the service's own emulator answers: extensions that can do without go on.
        Wanted::Logs => Ok(Refusal {
            status: StatusCode::ACCEPTED,
            error_type: "Logs.NotSupported",
            message: "Logs API is not supported: subscribe to the Telemetry API, which replaces it"
                .to_owned(),
        }
        .answer()),
        Wanted::Nothing => Ok(answers::plain(
            StatusCode::NOT_FOUND,
            "404 page not found\n",
        )),
    }
}

/// Gives the runtime its next event, once there is one.
async fn next(session: &Session) -> Result<Answer, Refusal> {
    session.change(super::state::State::runtime_asks)?;
    let event = session.until(super::state::State::event_for_runtime).await;
    Ok(event_answer(event))
}

fn event_answer(event: Current) -> Answer {
    let mut answer = Response::new(Full::new(event.payload));
    let headers = answer.headers_mut();
    let deadline = event.deadline_ms.to_string();
    for (name, value) in [
        ("lambda-runtime-aws-request-id", Some(event.request_id)),
        ("lambda-runtime-deadline-ms", Some(deadline)),
        (
            "lambda-runtime-invoked-function-arn",
            Some(event.invoked_function_arn),
        ),
        ("lambda-runtime-trace-id", Some(event.trace_id)),
        ("lambda-runtime-client-context", event.client_context),
        ("content-type", Some("application/json".to_owned())),
    ] {
        let value = value.filter(|value| !value.is_empty());
        // What is no text of one line cannot be said in a header.
        if let Some(Ok(value)) = value.map(|value| HeaderValue::from_bytes(value.as_bytes())) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    answer
}

async fn register(
    session: &Session,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<Answer, Refusal> {
    let invalid_name =
        |text: &str| Refusal::forbidden("Extension.InvalidExtensionName", text.to_owned());
    let name = text_of(headers, EXTENSION_NAME).unwrap_or_default();
    if name.is_empty() {
        return Err(invalid_name("Empty extension name"));
    }
    if NAME_BYTES_MAX < name.len() {
        return Err(invalid_name("Extension name is too long"));
    }
    let wants_account = text_of(headers, EXTENSION_FEATURES)
        .unwrap_or_default()
        .split(',')
        .any(|feature| feature.trim() == "accountId");
    let body = small(body, SMALL_BODY_BYTES_MAX).await?;
    let subscriptions = Registration::read(&body)?;
    let new = session.random.request_id().as_str().to_owned();
    let identifier = session.change(|state| state.register(&name, subscriptions, new))?;
    let function = &session.function;
    let mut answer = answers::json(
        StatusCode::OK,
        &Registered {
            account_id: wants_account.then(|| function.account.as_str()),
            function_name: function.name.as_str(),
            function_version: &function.version,
            handler: &function.handler,
        },
    );
    if let Ok(identifier) = HeaderValue::from_str(&identifier) {
        let name = HeaderName::from_static(EXTENSION_IDENTIFIER);
        answer.headers_mut().insert(name, identifier);
    }
    Ok(answer)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registered<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    function_name: &'a str,
    function_version: &'a str,
    handler: &'a str,
}

/// Gives an extension its next event, once there is one.
async fn extension_next(session: &Session, headers: &HeaderMap) -> Result<Answer, Refusal> {
    let identifier = identifier(headers)?;
    session.change(|state| state.extension(&identifier)?.asks())?;
    let event = session
        .until(|state| state.extension(&identifier).ok()?.event())
        .await;
    let body = Bytes::from(event.body());
    let mut answer = answers::json(StatusCode::OK, &());
    *answer.body_mut() = Full::new(body);
    let event_id = session.random.request_id();
    if let Ok(event_id) = HeaderValue::from_str(event_id.as_str()) {
        let name = HeaderName::from_static("lambda-extension-event-identifier");
        answer.headers_mut().insert(name, event_id);
    }
    Ok(answer)
}

enum Phase {
    Init,
    Exit,
}

async fn extension_error(
    session: &Session,
    headers: &HeaderMap,
    body: &mut Incoming,
    phase: Phase,
) -> Result<Answer, Refusal> {
    let identifier = identifier(headers)?;
    let Some(error_type) = text_of(headers, EXTENSION_ERROR_TYPE) else {
        return Err(Refusal::forbidden(
            "Extension.MissingHeader",
            format!("{EXTENSION_ERROR_TYPE} not found"),
        ));
    };
    // It is for the extension's author, who has it in the extension's own log.
    small(body, SMALL_BODY_BYTES_MAX).await?;
    session.change(|state| {
        let extension = state.extension(&identifier)?;
        match phase {
            Phase::Init => extension.init_failed(error_type),
            Phase::Exit => extension.exit_failed(error_type),
        }
    })?;
    Ok(answers::accepted())
}

fn identifier(headers: &HeaderMap) -> Result<String, Refusal> {
    let Some(identifier) = text_of(headers, EXTENSION_IDENTIFIER) else {
        return Err(Refusal::forbidden(
            "Extension.MissingExtensionIdentifier",
            "Missing Lambda-Extension-Identifier header".to_owned(),
        ));
    };
    if !is_uuid(&identifier) {
        return Err(Refusal::forbidden(
            "Extension.InvalidExtensionIdentifier",
            "Invalid Lambda-Extension-Identifier".to_owned(),
        ));
    }
    Ok(identifier.to_ascii_lowercase())
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let is_hex = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    lengths == [8, 4, 4, 4, 12] && groups.iter().all(is_hex)
}

/// A header's text; none when it is absent, empty, or no text.
pub(super) fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    (!text.is_empty()).then(|| text.to_owned())
}

async fn small(body: &mut Incoming, bytes_max: usize) -> Result<Bytes, Refusal> {
    match body::read(body, bytes_max).await {
        Ok(whole) => Ok(whole.bytes),
        Err(BodyError::TooLarge) => Err(Refusal {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            error_type: "RequestEntityTooLarge",
            message: format!("Exceeded maximum allowed payload size ({bytes_max} bytes)."),
        }),
        Err(BodyError::CutOff) => Err(Refusal::cut_off()),
    }
}
