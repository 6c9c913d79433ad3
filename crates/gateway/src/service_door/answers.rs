//! Answers and refusals of the service door, as HTTP responses.
//!
//! Lives here: the headers of request ids, and the words of the door's own refusals.
//! Does not live here: the words for bad signatures (`aws_wire::errors`), the services' own answers.

use std::task::{Context, Poll};

use aws_wire::errors::AuthenticationError;
use aws_wire::protocol::{ErrorAnswer, Protocol};
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use interfaces::authorize::Denied;
use interfaces::service::{FileRun, Rest, ServiceAnswer};
use model::ids::RequestId;

use crate::callers::NotProven;
use crate::http::{BodyError, BodyStream, BrokenOff, Pieces, Response, ResponseBody};

/// Why a call did not reach its service.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("its caller is not proven")]
    Authentication(#[source] AuthenticationError),
    #[error(
        "Cloudless does not serve `{service}`; behind this endpoint are: {}",
        served.join(", ")
    )]
    UnknownService {
        service: String,
        served: Vec<&'static str>,
    },
    #[error(transparent)]
    WebPage(NotProven),
    #[error("its caller may not do that")]
    Denied {
        #[source]
        denied: Box<Denied>,
        headers: Vec<(&'static str, String)>,
    },
    #[error("its body did not arrive")]
    Body(#[source] BodyError),
}

/// A service's answer, with what the door adds.
pub(super) fn answered(
    answer: ServiceAnswer,
    protocol: Protocol,
    request_id: &RequestId,
) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let announced = answer
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.parse::<u64>().ok());
    let mut response = respond(status, answer.headers, answer.body, protocol, request_id);
    if let (Some(rest), ResponseBody::Whole(first)) = (answer.rest, &mut response.body) {
        let first = std::mem::take(first);
        let stream = BodyStream::new(Following { first, rest });
        response.body = ResponseBody::Stream(match announced {
            Some(bytes) => stream.with_bytes(bytes),
            None => stream,
        });
    }
    response
}

/// An answer that goes on while it is made.
struct Following {
    first: Bytes,
    rest: Rest,
}

impl Pieces for Following {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.first))));
        }
        self.rest.poll_next(context).map(|piece| piece.map(Ok))
    }

    fn take_file(&mut self) -> Option<FileRun> {
        if self.first.is_empty() {
            self.rest.take_file()
        } else {
            None
        }
    }
}

/// A refusal in the shape of the protocol.
pub(super) fn refused(
    refusal: &Refusal,
    protocol: Protocol,
    service: Option<&str>,
    request_id: &RequestId,
) -> Response {
    let id = request_id.as_str();
    let own = |status: StatusCode, code: &str, text: &str| protocol.error(status, code, text, id);
    let ErrorAnswer {
        status,
        headers,
        body,
    } = match refusal {
        Refusal::Authentication(error) => error.answer(protocol, service, id),
        Refusal::UnknownService { .. } => own(
            StatusCode::NOT_IMPLEMENTED,
            "NotImplemented",
            &refusal.to_string(),
        ),
        Refusal::WebPage(_) => own(
            StatusCode::FORBIDDEN,
            "AccessDeniedException",
            &refusal.to_string(),
        ),
        Refusal::Denied { denied, headers } => {
            let message = &denied.message;
            let mut answer = aws_wire::errors::access_denied(protocol, service, message, id);
            answer.headers.extend(headers.iter().cloned());
            answer
        }
        Refusal::Body(BodyError::TooLarge { bytes_max }) => own(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            &format!("Request must be smaller than {bytes_max} bytes."),
        ),
        Refusal::Body(BodyError::TooSlow) => own(
            StatusCode::REQUEST_TIMEOUT,
            "RequestTimeout",
            "The request's body did not arrive in time.",
        ),
        Refusal::Body(BodyError::CutOff | BodyError::Malformed) => own(
            StatusCode::BAD_REQUEST,
            "IncompleteBody",
            "The request's body ended too early.",
        ),
    };
    respond(status, headers, Bytes::from(body), protocol, request_id)
}

fn respond(
    status: StatusCode,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    protocol: Protocol,
    request_id: &RequestId,
) -> Response {
    let id_header = match protocol {
        Protocol::Json10 | Protocol::Json11 | Protocol::RestJson | Protocol::Query => {
            "x-amzn-RequestId"
        }
        Protocol::RestXml => "x-amz-request-id",
    };
    let mut response = Response::new(status, body);
    let headers = headers
        .iter()
        .map(|(name, value)| match value.split_once(": ") {
            // A line: see `ServiceAnswer::headers`.
            Some(line) if name.is_empty() => line,
            Some(_) | None => (*name, value.as_str()),
        })
        .chain([(id_header, request_id.as_str())]);
    for (name, value) in headers {
        match HeaderValue::from_bytes(value.as_bytes()) {
            Ok(value) => response.headers.push((name.to_owned(), value)),
            Err(_) => {
                tracing::error!(name, "a service answered with a header that cannot be sent");
                return Response::new(StatusCode::INTERNAL_SERVER_ERROR, Bytes::new());
            }
        }
    }
    response
}
