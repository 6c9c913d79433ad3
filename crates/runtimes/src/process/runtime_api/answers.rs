//! What a request is answered with.
//!
//! Lives here: the shapes and texts of the service's answers, refusals first of all.
//! Does not live here: when each is given (`routes`, `state`).
//!
//! Contract: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes", and the texts that the
//! service sends.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use http_body_util::Full;
use model::limits::LAMBDA_STREAMED_REPLY_BYTES_MAX;
use serde::Serialize;

use crate::process::failure::REPLY_BYTES_MAX;

/// What goes back to a client.
pub(super) type Answer = Response<Full<Bytes>>;

/// A request that is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error_type: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn forbidden(error_type: &'static str, message: String) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            error_type,
            message,
        }
    }

    pub(super) fn bad_request(error_type: &'static str, message: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error_type,
            message: message.to_owned(),
        }
    }

    pub(super) fn state_of_runtime(from: &str, to: &str) -> Self {
        Self::forbidden(
            "InvalidStateTransition",
            format!(
                "State transition from {from} to {to} failed for runtime. \
                 Error: State transition is not allowed"
            ),
        )
    }

    pub(super) fn invalid_request_id() -> Self {
        Self::bad_request("InvalidRequestID", "Invalid request ID")
    }

    pub(super) fn cut_off() -> Self {
        Self::bad_request("TruncatedHTTPRequest", "HTTP request detected as truncated")
    }

    pub(super) fn too_large() -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            error_type: "RequestEntityTooLarge",
            message: format!("Exceeded maximum allowed payload size ({REPLY_BYTES_MAX} bytes)."),
        }
    }

    pub(super) fn stream_too_large() -> Self {
        Self {
            message: format!(
                "Exceeded maximum allowed payload size ({LAMBDA_STREAMED_REPLY_BYTES_MAX} bytes)."
            ),
            ..Self::too_large()
        }
    }

    pub(super) fn answer(&self) -> Answer {
        json(
            self.status,
            &ErrorBody {
                error_message: &self.message,
                error_type: self.error_type,
            },
        )
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    error_message: &'a str,
    error_type: &'a str,
}

/// `202 {"status":"OK"}`.
pub(super) fn accepted() -> Answer {
    #[derive(Serialize)]
    struct Status {
        status: &'static str,
    }
    json(StatusCode::ACCEPTED, &Status { status: "OK" })
}

/// JSON with a status.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    // Only texts, numbers and lists of them: these always serialise.
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}

/// Text, or nothing, with a status.
pub(super) fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = status;
    answer
}
