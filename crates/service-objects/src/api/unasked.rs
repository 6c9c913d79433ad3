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
