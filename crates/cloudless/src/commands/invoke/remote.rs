//! Running a function in a `cloudless dev` that runs already, through Lambda's `Invoke`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use model::problem::Problem;

use super::super::running::{Call, refused, send};
use super::{Ran, unknown_function};
use crate::development::marker::Marker;
use crate::functions;

pub(super) async fn invoke(
    marker: &Marker,
    wanted: &str,
    event: Bytes,
) -> Result<Ran, Box<Problem>> {
    let Some(name) = functions::find(&marker.functions, wanted) else {
        return Err(unknown_function(wanted, &marker.functions));
    };
    let path = format!("/2015-03-31/functions/{name}/invocations");
    let call = Call {
        service: "lambda",
        method: Method::POST,
        path: &path,
        headers: &[("X-Amz-Log-Type", "Tail")],
        body: event,
    };
    let (parts, payload) = send(marker.services_port, call).await.map_err(|cause| {
        Problem::error("invoke::not-run", "the running server did not answer").because(cause)
    })?;
    if !parts.status.is_success() {
        return Err(Box::new(
            Problem::error(
                "invoke::not-run",
                "the running server refused the invocation",
            )
            .because(refused(&parts, &payload).words()),
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
