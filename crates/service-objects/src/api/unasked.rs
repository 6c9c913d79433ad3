//! What nothing is asked about, or nothing but the caller's own policies.
//!
//! Lives here: requests that are refused by what they are, or asked about when their body is read; buckets that are not there.
//! Does not live here: what the others would do (`checks`).

use std::sync::{Arc, LazyLock};

use interfaces::service::ServiceCall;
use model::principal::Principal;
use policy::Policy;

use super::older_signature;
use super::operations::Fate;
use super::request::Named;
use super::service::Inner;
use crate::engine::fault::{self, Fault};

/// The policy of what is not there.
pub(super) static OPEN: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let everything =
        r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}"#;
    Arc::new(Policy::read(everything).unwrap_or_default())
});

/// Whether nothing is asked before a request is carried out: it is refused by what it is, or asked about when its body is read.
pub(super) fn asks_nothing(call: &ServiceCall) -> bool {
    let Ok(named) = Named::read(&call.path_and_query, &call.headers) else {
        return true;
    };
    let is_nobody = matches!(call.caller, Principal::Anonymous { .. });
    if is_nobody && older_signature::is_signed(&named) {
        return true;
    }
    let operation = named.operation(&call.method, &call.headers);
    operation.is_none_or(|operation| {
        operation.fate == Fate::Refused || matches!(operation.name, "PostObject" | "DeleteObjects")
    })
}

/// That the bucket of a request is not there, as anybody is told. The request that would make it is not about it.
pub(super) async fn missing_bucket(inner: &Inner, call: &ServiceCall) -> Option<Fault> {
    let named = Named::read(&call.path_and_query, &call.headers).ok()?;
    let operation = named.operation(&call.method, &call.headers)?;
    let name = named.bucket.filter(|_| operation.name != "CreateBucket")?;
    let is_missing = matches!(inner.catalogue.find(&name).await, Ok(None));
    is_missing.then(|| Fault::from(fault::NO_SUCH_BUCKET).with("BucketName", name))
}
