//! What clients of a WebSocket API are told when something fails.
//!
//! Lives here: the words of the gateway, in a response while connecting and in a message afterwards.
//! Does not live here: why something failed (`refusal`), what requests are told (`replies::faults`).
//!
//! Contract: recorded answers: `{"message": "Internal server error", "connectionId": …, "requestId": …}`, and `Forbidden` where no
//! route takes a message.

use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::application::Refusal;
use crate::http::Response;
use crate::replies::faults::{self, Fault};
use crate::replies::shorten;

const INTERNAL: &str = "Internal server error";

impl Refusal {
    /// No route takes a message, and there is no `$default`.
    pub(super) fn no_socket_route(text: &str) -> Self {
        Self::new(
            Fault::Forbidden,
            format!(
                "no route takes the message `{}`; add one for it, or `$default` for all others",
                shorten(text)
            ),
        )
    }

    /// The status of a response, and of an entry in the access log.
    pub(super) fn socket_status(&self) -> StatusCode {
        faults::rest_status(self.fault)
    }

    /// What the client is told.
    pub(super) fn socket_body(&self, connection_id: &str, request_id: &str) -> bytes::Bytes {
        let said = self.message();
        let said = if said.is_empty() { INTERNAL } else { said };
        words(said, connection_id, request_id)
    }
}

/// A message of the gateway's own.
pub(super) fn words(said: &str, connection_id: &str, request_id: &str) -> bytes::Bytes {
    let body = json!({"message": said, "connectionId": connection_id, "requestId": request_id});
    bytes::Bytes::from(body.to_string())
}

/// The same as a response.
pub(super) fn response(status: StatusCode, body: bytes::Bytes) -> Response {
    Response::new(status, body)
        .with_header("Content-Type", HeaderValue::from_static("application/json"))
}
