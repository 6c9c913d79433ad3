//! Policies of buckets.
//!
//! Lives here: the operations, what S3 asks of a policy besides being one.
//! Does not live here: judging by them (`Authorize`), which are public (`engine::access`).

use interfaces::service::ServiceAnswer;
use policy::Policy;
use serde_json::Value;

use super::answers;
use super::request::Ask;
use super::service::Inner;
use crate::engine::access::is_public;
use crate::engine::fault::{self, Fault};

/// Bytes of a policy: Amazon S3 User Guide, "Bucket policies", 20 KB.
const POLICY_BYTES_MAX: usize = 20 * 1024;

/// Checks a policy of a bucket.
pub(crate) fn check(text: &str, bucket: &str) -> Result<Value, Fault> {
    let refused = |message: &'static str| Fault::saying(fault::MALFORMED_POLICY, message);
    if POLICY_BYTES_MAX < text.len() {
        return Err(Fault::saying(
            fault::MALFORMED_POLICY,
            "Normalized policy document exceeds the maximum allowed size of 20480 bytes.",
        ));
    }
    let document: Value = serde_json::from_str(text)
        .map_err(|_| refused("Policies must be valid JSON and the first byte must be '{'"))?;
    if !document.is_object() {
        return Err(refused(
            "Policies must be valid JSON and the first byte must be '{'",
        ));
    }
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(single @ Value::Object(_)) => std::slice::from_ref(single),
        Some(_) | None => return Err(refused("Missing required field Statement")),
    };
    for statement in statements {
        let has = |name: &str| {
            statement.get(name).is_some() || statement.get(format!("Not{name}")).is_some()
        };
        let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        if allows && statement.get("NotPrincipal").is_some() {
            return Err(refused("Allow with NotPrincipal is not allowed."));
        }
        for (element, message) in [
            ("Principal", "Missing required field Principal"),
            ("Action", "Missing required field Action"),
            ("Resource", "Missing required field Resource"),
        ] {
            if !has(element) {
                return Err(refused(message));
            }
        }
        let resources = match statement.get("Resource") {
            Some(Value::Array(resources)) => resources.as_slice(),
            Some(single) => std::slice::from_ref(single),
            None => &[],
        };
        let is_within = |resource: &Value| {
            let Some(resource) = resource.as_str() else {
                return false;
            };
            let name = resource.splitn(6, ':').nth(5).unwrap_or(resource);
            let name = name.split('/').next().unwrap_or_default();
            matches(name, bucket)
        };
        if !resources.iter().all(is_within) {
            return Err(refused("Policy has invalid resource"));
        }
    }
    Policy::from_value(&document).map_err(|error| {
        Fault::saying(
            fault::MALFORMED_POLICY,
            format!("Policy has invalid statement: {error}"),
        )
    })?;
    Ok(document)
}

/// Whether a pattern with `*` and `?` is met by a name.
fn matches(pattern: &str, name: &str) -> bool {
    let mut pattern_rest = pattern.chars();
    match pattern_rest.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = pattern_rest.as_str();
            name.char_indices()
                .map(|(at, _)| at)
                .chain([name.len()])
                .any(|at| name.get(at..).is_some_and(|name| matches(rest, name)))
        }
        Some(wanted) => {
            let mut name_rest = name.chars();
            let is_met = name_rest
                .next()
                .is_some_and(|one| wanted == '?' || one == wanted);
            is_met && matches(pattern_rest.as_str(), name_rest.as_str())
        }
    }
}

impl Inner {
    pub(super) async fn get_bucket_policy(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let policy = bucket.row.policy.clone().ok_or_else(|| {
            Fault::from(fault::NO_SUCH_BUCKET_POLICY).with("BucketName", bucket.name())
        })?;
        Ok(answers::bytes(
            "application/json",
            Vec::new(),
            policy.into_bytes(),
        ))
    }

    pub(super) async fn put_bucket_policy(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        super::checksums::claims(ask)?.check_whole(&ask.call.body)?;
        let text = String::from_utf8(ask.call.body.to_vec())
            .map_err(|_| Fault::from(fault::MALFORMED_POLICY))?;
        self.set_policy(&ask.bucket, Some(text)).await?;
        Ok(answers::empty(204, Vec::new()))
    }

    /// Gives a bucket a policy that is checked first, or takes it away.
    pub(crate) async fn set_policy(&self, name: &str, text: Option<String>) -> Result<(), Fault> {
        let document = match &text {
            Some(text) => {
                self.catalogue.get(name).await?;
                Some(check(text, name)?)
            }
            None => None,
        };
        self.catalogue
            .alter(name, |row, bucket| {
                if bucket.block.policy && document.as_ref().is_some_and(is_public) {
                    return Err(fault::ACCESS_DENIED.into());
                }
                row.policy = text;
                Ok(())
            })
            .await
    }

    pub(super) async fn delete_bucket_policy(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        self.set_policy(&ask.bucket, None).await?;
        Ok(answers::empty(204, Vec::new()))
    }

    pub(super) async fn get_bucket_policy_status(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let is_public = bucket.is_policy_public
            || bucket.has_acls() && !bucket.block.ignore_acls && bucket.row.acl.is_public();
        Ok(answers::document("PolicyStatus", Vec::new(), |xml| {
            xml.text("IsPublic", if is_public { "true" } else { "false" });
        }))
    }
}
