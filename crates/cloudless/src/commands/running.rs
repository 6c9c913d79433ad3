//! Calls of a `cloudless dev` that runs already, through its services' own APIs.
//!
//! Lives here: whether it is there, sending a request, calling an operation of SQS.
//! Does not live here: finding it (`development::marker`), what is called (each command).

use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// How long a server may take to say that it is there.
const HEALTH_WITHIN: Duration = Duration::from_secs(2);
/// Keys that nobody issued: in `dev` they act as the account's root.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=cloudless/20260101/REGION/SERVICE/aws4_request, SignedHeaders=host;x-amz-date, \
    Signature=0000000000000000000000000000000000000000000000000000000000000000";
/// The region of requests that name none.
const REGION: &str = "us-east-1";

/// A request to a service.
pub(super) struct Call<'a> {
    pub(super) service: &'a str,
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: Bytes,
}

/// Why an operation was not carried out.
#[derive(Debug)]
pub(super) enum NotDone {
    /// The server did not answer.
    NoAnswer(String),
    /// It refused: its code, and its words.
    Refused { code: String, message: String },
}

impl NotDone {
    /// What to tell the user.
    pub(super) fn words(&self) -> String {
        match self {
            Self::NoAnswer(cause) => cause.clone(),
            Self::Refused { code, message } => format!("{code}: {message}"),
        }
    }
}

/// Whether the server of a marker still runs.
pub(super) async fn is_up(port: u16) -> bool {
    let health = Call {
        service: "lambda",
        method: Method::GET,
        path: "/_cloudless/health",
        headers: &[],
        body: Bytes::new(),
    };
    tokio::time::timeout(HEALTH_WITHIN, send(port, health))
        .await
        .is_ok_and(|answer| answer.is_ok_and(|(parts, _)| parts.status.is_success()))
}

/// Sends a request, and waits for the whole answer.
pub(super) async fn send(port: u16, call: Call<'_>) -> Result<(Parts, Bytes), String> {
    send_in(port, REGION, call).await
}

async fn send_in(port: u16, region: &str, call: Call<'_>) -> Result<(Parts, Bytes), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let uri: Uri = format!("http://127.0.0.1:{port}{}", call.path)
        .parse()
        .map_err(|error| text(&error))?;
    let authorization = AUTHORIZATION
        .replace("SERVICE", call.service)
        .replace("REGION", region);
    let mut request = Request::builder()
        .method(call.method)
        .uri(uri)
        .header("Authorization", authorization)
        .header("X-Amz-Date", "20260101T000000Z");
    for (name, value) in call.headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Full::new(call.body))
        .map_err(|error| text(&error))?;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let (parts, body) = client
        .request(request)
        .await
        .map_err(|error| text(&error))?
        .into_parts();
    let body = body.collect().await.map_err(|error| text(&error))?;
    Ok((parts, body.to_bytes()))
}

/// Calls an operation of SQS in this region.
///
/// # Errors
/// [`NotDone`].
pub(super) async fn sqs(
    port: u16,
    region: &str,
    operation: &str,
    body: &Value,
) -> Result<Value, NotDone> {
    let target = format!("AmazonSQS.{operation}");
    let call = Call {
        service: "sqs",
        method: Method::POST,
        path: "/",
        headers: &[
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", &target),
        ],
        body: body.to_string().into(),
    };
    answer(send_in(port, region, call).await)
}

/// Calls an operation of EventBridge in this region.
///
/// # Errors
/// [`NotDone`].
pub(super) async fn events(
    port: u16,
    region: &str,
    operation: &str,
    body: &Value,
) -> Result<Value, NotDone> {
    let target = format!("AWSEvents.{operation}");
    let call = Call {
        service: "events",
        method: Method::POST,
        path: "/",
        headers: &[
            ("Content-Type", "application/x-amz-json-1.1"),
            ("X-Amz-Target", &target),
        ],
        body: body.to_string().into(),
    };
    answer(send_in(port, region, call).await)
}

/// Calls an operation of CloudWatch Logs in this region.
///
/// # Errors
/// [`NotDone`].
pub(super) async fn logs(
    port: u16,
    region: &str,
    operation: &str,
    body: &Value,
) -> Result<Value, NotDone> {
    let target = format!("Logs_20140328.{operation}");
    let call = Call {
        service: "logs",
        method: Method::POST,
        path: "/",
        headers: &[
            ("Content-Type", "application/x-amz-json-1.1"),
            ("X-Amz-Target", &target),
        ],
        body: body.to_string().into(),
    };
    answer(send_in(port, region, call).await)
}

/// Gets something from Lambda's API in this region.
///
/// # Errors
/// [`NotDone`].
pub(super) async fn lambda(
    port: u16,
    region: &str,
    (method, path): (Method, &str),
    (headers, body): (&[(&str, &str)], Bytes),
) -> Result<Value, NotDone> {
    let call = Call {
        service: "lambda",
        method,
        path,
        headers,
        body,
    };
    answer(send_in(port, region, call).await)
}

fn answer(answer: Result<(Parts, Bytes), String>) -> Result<Value, NotDone> {
    let (parts, body) = answer.map_err(NotDone::NoAnswer)?;
    if parts.status.is_success() {
        return Ok(serde_json::from_slice(&body).unwrap_or(Value::Null));
    }
    Err(refused(&parts, &body))
}

/// What a service says with a status that is no success.
pub(super) fn refused(parts: &Parts, body: &[u8]) -> NotDone {
    let read: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let member = |names: &[&str]| {
        let mut found = names.iter().filter_map(|name| read.get(name)?.as_str());
        found.next().map(str::to_owned)
    };
    let header = parts.headers.get("x-amzn-errortype");
    let of_header = header.and_then(|value| value.to_str().ok());
    let code = of_header.map(str::to_owned).or_else(|| member(&["__type"]));
    let code = code.unwrap_or_else(|| parts.status.to_string());
    // Lambda says only there which limit a throttled call has met.
    let said = [member(&["message", "Message"]), member(&["Reason"])];
    NotDone::Refused {
        code: code.rsplit('#').next().unwrap_or_default().to_owned(),
        message: said
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" Reason: "),
    }
}
