//! What the runtime replies to an event.
//!
//! Lives here: its body, headers and trailers, as the message that an instance would send.
//! Does not live here: when it may reply (`state`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Serialize;

use super::answers::{self, Answer, Refusal};
use super::body::{BodyError, Whole};
use super::routes::text_of;
use crate::process::intake::Intake;
use crate::process::link::{Message, Part};

const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";
const STREAMING: &str = "streaming";
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";
/// Errors of these classes, with a name, are passed on as they are.
const ERROR_CLASSES: [&str; 2] = ["Runtime.", "Function."];

/// Whether a reply with these headers is passed on while it comes.
pub(super) fn is_for(intake: &Intake, headers: &HeaderMap) -> bool {
    intake.passes_on() && text_of(headers, RESPONSE_MODE).as_deref() == Some(STREAMING)
}

/// Passes a reply on while it comes: how it ended, and what the runtime is answered.
pub(super) async fn of_stream(
    headers: &HeaderMap,
    body: &mut Incoming,
    intake: &Intake,
) -> (Message, Result<Answer, Refusal>) {
    let content_type = text_of(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    intake.take(Part::Begun(content_type.into())).await;
    let mut trailers = HeaderMap::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return of_unread(BodyError::CutOff);
        };
        match frame.into_data() {
            Ok(piece) => intake.take(Part::Piece(piece)).await,
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
        if intake.is_too_large() {
            let returned = Message::Returned(Bytes::new());
            return (intake.finish(returned), Err(Refusal::stream_too_large()));
        }
    }
    let whole = Whole {
        bytes: Bytes::new(),
        trailers,
    };
    (intake.finish(returned(whole)), Ok(answers::accepted()))
}

/// What a handler returned, and what the runtime is answered. One that streams to somebody who wants a whole reply is
/// waited for until its end.
pub(super) fn of_handler(
    headers: &HeaderMap,
    read: Result<Whole, BodyError>,
) -> (Message, Result<Answer, Refusal>) {
    let mode = text_of(headers, RESPONSE_MODE);
    if !matches!(mode.as_deref(), None | Some(STREAMING)) {
        let payload = object(
            "Runtime.InvalidResponseModeHeader",
            "Invalid function response mode",
        );
        let refusal = Refusal {
            status: StatusCode::BAD_REQUEST,
            error_type: "InvalidFunctionResponseMode",
            message: "Invalid function response mode".to_owned(),
        };
        return (Message::Raised(payload), Err(refusal));
    }
    match read {
        Ok(whole) => (returned(whole), Ok(answers::accepted())),
        Err(error) => of_unread(error),
    }
}

/// The error with which a handler ended, and what the runtime is answered.
pub(super) fn of_error(
    headers: &HeaderMap,
    read: Result<Whole, BodyError>,
) -> (Message, Result<Answer, Refusal>) {
    match read {
        Ok(whole) => {
            let payload = error_object(headers, whole.bytes);
            (Message::Raised(payload), Ok(answers::accepted()))
        }
        Err(error) => of_unread(error),
    }
}

/// An error's body as it is, if it is JSON; otherwise the object that says the same.
pub(super) fn error_object(headers: &HeaderMap, body: Bytes) -> Bytes {
    if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok() {
        return body;
    }
    let error_type = valid_error_type(text_of(headers, ERROR_TYPE).as_deref());
    object(&error_type, &String::from_utf8_lossy(&body))
}

/// A stream that broke off says so in its trailers, after what it had sent.
fn returned(whole: Whole) -> Message {
    let Some(error_type) = text_of(&whole.trailers, ERROR_TYPE) else {
        return Message::Returned(whole.bytes);
    };
    let body = text_of(&whole.trailers, ERROR_BODY)
        .and_then(|text| STANDARD.decode(text).ok())
        .filter(|body| serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok());
    Message::Raised(match body {
        Some(body) => body.into(),
        None => object(&valid_error_type(Some(&error_type)), ""),
    })
}

fn of_unread(error: BodyError) -> (Message, Result<Answer, Refusal>) {
    match error {
        BodyError::TooLarge => (Message::TooLarge, Err(Refusal::too_large())),
        BodyError::CutOff => {
            let refusal = Refusal::cut_off();
            let payload = object("Runtime.TruncatedResponse", &refusal.message);
            (Message::Raised(payload), Err(refusal))
        }
    }
}

/// As the service has it: types are its own or one of two classes; all others are unknown.
fn valid_error_type(found: Option<&str>) -> String {
    let found = found.unwrap_or_default();
    let is_named = ERROR_CLASSES.iter().any(|class| {
        let name = found.split_once(class).map(|(_, name)| name);
        name.is_some_and(|name| {
            name.starts_with(|first: char| first.is_ascii_uppercase())
                && name
                    .get(1..2)
                    .is_some_and(|second| second.bytes().all(|it| it.is_ascii_alphabetic()))
        })
    });
    if is_named {
        found.to_owned()
    } else if found.starts_with("Function.") {
        "Function.Unknown".to_owned()
    } else {
        "Runtime.Unknown".to_owned()
    }
}

fn object(error_type: &str, error_message: &str) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Object<'a> {
        error_type: &'a str,
        error_message: &'a str,
    }
    // Two texts always serialise.
    serde_json::to_vec(&Object {
        error_type,
        error_message,
    })
    .unwrap_or_default()
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_services_own_classes_of_errors_are_passed_on() {
        for (found, expected) in [
            (Some("Runtime.ExitError"), "Runtime.ExitError"),
            (Some("Function.OutOfTea"), "Function.OutOfTea"),
            (Some("Function.x"), "Function.Unknown"),
            (Some("ValueError"), "Runtime.Unknown"),
            (Some(""), "Runtime.Unknown"),
            (None, "Runtime.Unknown"),
        ] {
            assert_eq!(valid_error_type(found), expected, "{found:?}");
        }
    }
}
