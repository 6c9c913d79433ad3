//! Running a function in a `cloudless dev` that runs already, through Lambda's `Invoke`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use model::problem::Problem;

use super::{Ran, unknown_function};
use crate::development::marker::Marker;
use crate::functions;

/// How long a server may take to say that it is there.
const HEALTH_WITHIN: Duration = Duration::from_secs(2);
/// Keys that nobody issued: in `dev` they act as the account's root.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=cloudless/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, \
    Signature=0000000000000000000000000000000000000000000000000000000000000000";

/// Whether the server of a marker still runs.
pub(super) async fn is_up(port: u16) -> bool {
    let health = send(port, Method::GET, "/_cloudless/health", Bytes::new());
    tokio::time::timeout(HEALTH_WITHIN, health)
        .await
        .is_ok_and(|answer| answer.is_ok_and(|(parts, _)| parts.status.is_success()))
}

pub(super) async fn invoke(
    marker: &Marker,
    wanted: &str,
    event: Bytes,
) -> Result<Ran, Box<Problem>> {
    let Some(name) = functions::find(&marker.functions, wanted) else {
        return Err(unknown_function(wanted, &marker.functions));
    };
    let path = format!("/2015-03-31/functions/{name}/invocations");
    let (parts, payload) = send(marker.services_port, Method::POST, &path, event)
        .await
        .map_err(|cause| {
            Problem::error("invoke::not-run", "the running server did not answer").because(cause)
        })?;
    if !parts.status.is_success() {
        let said = String::from_utf8_lossy(&payload).into_owned();
        return Err(Box::new(
            Problem::error(
                "invoke::not-run",
                "the running server refused the invocation",
            )
            .because(said),
        ));
    }
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let log = header("x-amz-log-result")
        .and_then(|text| STANDARD.decode(text).ok())
        .unwrap_or_default();
    Ok(Ran {
        payload,
        failed: header("x-amz-function-error").is_some(),
        log: log.into(),
    })
}

async fn send(
    port: u16,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(http::response::Parts, Bytes), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let uri: Uri = format!("http://127.0.0.1:{port}{path}")
        .parse()
        .map_err(|error| text(&error))?;
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("Authorization", AUTHORIZATION)
        .header("X-Amz-Date", "20260101T000000Z")
        .header("X-Amz-Log-Type", "Tail")
        .body(Full::new(body))
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
