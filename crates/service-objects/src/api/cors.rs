//! Cross-origin resource sharing.
//!
//! Lives here: preflights, and what other answers tell browsers.
//! Does not live here: which rules are valid (`engine::configuration`).
//!
//! Contract: Amazon S3 User Guide, "Using cross-origin resource sharing (CORS)".

use interfaces::service::{ServiceAnswer, ServiceCall};

use super::answers::{self, Headers};
use super::request::Named;
use super::service::Inner;
use crate::engine::bucket::CorsRule;
use crate::engine::fault::{self, Fault};

/// What a browser says of where a request comes from.
pub(super) struct Origin {
    origin: String,
    method: String,
}

impl Origin {
    pub(super) fn of(call: &ServiceCall) -> Option<Self> {
        let text = |name: &str| call.headers.get(name)?.to_str().ok();
        // No browser sends the second with anything but a preflight; whoever does is told of the rule that it names.
        let method = text("access-control-request-method").unwrap_or(call.method.as_str());
        Some(Self {
            origin: text("origin")?.to_owned(),
            method: method.to_owned(),
        })
    }
}

/// Answers a preflight.
pub(super) async fn preflight(inner: &Inner, call: &ServiceCall) -> Result<ServiceAnswer, Fault> {
    let text = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text("origin") else {
        return Err(Fault::saying(
            fault::BAD_REQUEST,
            "Insufficient information. Origin request header needed.",
        ));
    };
    let Some(method) = text("access-control-request-method") else {
        return Err(Fault::saying(
            fault::BAD_REQUEST,
            "Invalid Access-Control-Request-Method: null",
        ));
    };
    let forbidden = || {
        Fault::from(fault::CORS_FORBIDDEN)
            .with("Method", method)
            .with("ResourceType", "BUCKET")
    };
    let named = Named::read(&call.path_and_query, &call.headers)?;
    let bucket = inner
        .catalogue
        .find(&named.bucket.unwrap_or_default())
        .await?;
    let bucket = bucket
        .ok_or_else(|| Fault::saying(fault::CORS_FORBIDDEN, "CORSResponse: Bucket not found"))?;
    if bucket.cors.is_empty() {
        return Err(Fault::saying(
            fault::CORS_FORBIDDEN,
            "CORSResponse: CORS is not enabled for this bucket.",
        ));
    }
    let asked: Vec<String> = text("access-control-request-headers")
        .unwrap_or_default()
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    let rule = bucket
        .cors
        .iter()
        .find(|rule| {
            rule.takes(origin, method)
                && asked
                    .iter()
                    .all(|name| rule.headers.iter().any(|allowed| fits(allowed, name)))
        })
        .ok_or_else(forbidden)?;
    let mut headers = allowing(rule, origin);
    if !asked.is_empty() {
        headers.push(("access-control-allow-headers", asked.join(", ")));
    }
    Ok(answers::empty(200, headers))
}

/// Adds what a browser wants to know to an answer.
pub(super) async fn decorate(
    inner: &Inner,
    bucket: &str,
    origin: &Origin,
    answer: &mut ServiceAnswer,
) {
    let Ok(Some(bucket)) = inner.catalogue.find(bucket).await else {
        return;
    };
    let mut rules = bucket.cors.iter();
    if let Some(rule) = rules.find(|rule| rule.takes(&origin.origin, &origin.method)) {
        answer.headers.extend(allowing(rule, &origin.origin));
    }
}

/// The same for a refusal that somebody else words.
pub(super) async fn of_refusal(inner: &Inner, call: &ServiceCall) -> Headers {
    let named = Named::read(&call.path_and_query, &call.headers);
    let (Some(origin), Ok(named)) = (Origin::of(call), named) else {
        return Headers::new();
    };
    let mut answer = answers::empty(403, Headers::new());
    let bucket = named.bucket.unwrap_or_default();
    decorate(inner, &bucket, &origin, &mut answer).await;
    answer.headers
}

fn allowing(rule: &CorsRule, origin: &str) -> Headers {
    let is_for_all = rule.origins.iter().any(|allowed| allowed == "*");
    let shown = if is_for_all { "*" } else { origin };
    let mut headers: Headers = vec![
        ("access-control-allow-origin", shown.to_owned()),
        ("access-control-allow-methods", rule.methods.join(", ")),
        (
            "vary",
            "Origin, Access-Control-Request-Headers, Access-Control-Request-Method".to_owned(),
        ),
    ];
    if !is_for_all {
        headers.push(("access-control-allow-credentials", "true".to_owned()));
    }
    if !rule.exposed.is_empty() {
        headers.push(("access-control-expose-headers", rule.exposed.join(", ")));
    }
    if let Some(age) = &rule.max_age_s {
        headers.push(("access-control-max-age", age.clone()));
    }
    headers
}

impl CorsRule {
    fn takes(&self, origin: &str, method: &str) -> bool {
        self.methods.iter().any(|allowed| allowed == method)
            && self.origins.iter().any(|allowed| fits(allowed, origin))
    }
}

/// Whether a pattern with at most one `*` is met.
fn fits(pattern: &str, text: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    let text = text.to_ascii_lowercase();
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            start.len() + end.len() <= text.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}
