//! Why a request was not answered by its function: the client's words and the developer's.
//!
//! Lives here: one constructor a cause, each saying how to mend it.
//! Does not live here: the client's words themselves (`replies::faults`), why whatever a route leads to gave no answer
//! (`unanswered`).

mod error_object;
mod unanswered;

use model::door::Rate;
use model::limits;

use super::arrival::Head;
use crate::authorise::NotAuthorised;
use crate::caller::Caller;
use crate::compression::BadBody;
use crate::http::BodyError;
use crate::replies::faults::{self, Fault};
use crate::replies::shorten;
use crate::routes::{EncodingError, Missing, Route};
use crate::throttle::Met;
use crate::validate::Invalid;

/// A fault and its reason.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(super) fault: Fault,
    /// For the developer alone: the client never sees it.
    pub(crate) reason: String,
    /// What the client is told instead of the usual words.
    pub(super) said: Option<String>,
    /// What is wrong with a body, for an API that wants to tell.
    pub(super) validation: Option<String>,
    /// `www-authenticate`.
    pub(super) challenge: Option<String>,
    /// Who was refused, as far as is known.
    pub(super) caller: Option<Box<Caller>>,
}

impl Refusal {
    pub(super) fn new(fault: Fault, reason: impl Into<String>) -> Self {
        Self {
            fault,
            reason: reason.into(),
            said: None,
            validation: None,
            challenge: None,
            caller: None,
        }
    }

    /// What the client is told.
    pub(super) fn message(&self) -> &str {
        self.said.as_deref().unwrap_or(faults::message(self.fault))
    }

    pub(super) fn no_route(head: &Head, missing: Option<&Missing<'_>>) -> Self {
        let asked = format!("nothing answers `{} {}`", head.method, head.path());
        let is_preflight = head.asked().preflight_for.is_some();
        if let Some(domain) = missing.and_then(|missing| missing.domain) {
            let reason = format!("{asked}: no base path of the custom domain `{domain}` takes it");
            return Self::new(Fault::Forbidden, reason);
        }
        let reason = match missing {
            Some(Missing { api: None, .. }) | None => format!(
                "{asked}: no function of the application has an HTTP route; \
                 give one an `http` or `httpApi` event"
            ),
            Some(Missing {
                near: Some(route), ..
            }) if is_preflight => format!(
                "{asked}: it is a browser's CORS preflight; \
                 turn on `cors` for the route `{}`, or for its API",
                route.key
            ),
            Some(Missing {
                near: Some(route), ..
            }) => format!(
                "{asked}: the path is known for `{}` (route `{}`); \
                 add a route for this method if it should be",
                route.method(),
                route.key
            ),
            Some(Missing { near: None, .. }) => {
                format!("{asked}: no route has this path; `cloudless routes` lists those there are")
            }
        };
        Self::new(Fault::NoRoute, reason)
    }

    pub(super) fn not_served(route: &Route, why: &str) -> Self {
        let declared = declared(route);
        Self::new(
            Fault::Misconfigured,
            format!(
                "the route `{}`{declared} is not served: {why}; change or remove it, \
                 `cloudless check` says more",
                route.key
            ),
        )
    }

    pub(super) fn not_authorised(route: &Route, bad: &NotAuthorised) -> Self {
        Self {
            caller: bad.caller().map(Box::new),
            said: bad.message(),
            challenge: bad.challenge().map(str::to_owned),
            ..Self::new(bad.fault(), bad.reason(route))
        }
    }

    pub(super) fn invalid(route: &Route, invalid: Invalid) -> Self {
        let declared = declared(route);
        match invalid {
            Invalid::Missing(names) => {
                let names = names.join(", ");
                Self {
                    said: Some(format!("Missing required request parameters: [{names}]")),
                    ..Self::new(
                        Fault::MissingParameters,
                        format!(
                            "the route `{}`{declared} requires the parameters {names}",
                            route.key
                        ),
                    )
                }
            }
            Invalid::ContentType(content_type) => Self::new(
                Fault::UnsupportedMediaType,
                format!(
                    "the integration of the route `{}`{declared} has no request template for `{content_type}`",
                    route.key
                ),
            ),
            Invalid::HandedOn(content_type) => Self::new(
                Fault::Misconfigured,
                format!(
                    "the mock integration of the route `{}`{declared} has no request template for `{content_type}`, \
                     and would be handed the body itself, which names no status",
                    route.key
                ),
            ),
            Invalid::Body(why) => Self {
                validation: Some(format!("[{why}]")),
                ..Self::new(
                    Fault::InvalidBody,
                    format!(
                        "the body does not fit the model of the route `{}`{}: {why}",
                        route.key,
                        before_colon(&declared)
                    ),
                )
            },
        }
    }

    pub(super) fn url_without_permission(route: &Route) -> Self {
        let declared = route.place.as_ref();
        let declared = declared.map_or_else(String::new, |place| format!(" at {place}"));
        Self::new(
            Fault::Forbidden,
            format!(
                "the function URL{declared} is open (`AuthType: NONE`), but no policy of its function lets anybody in; \
                 add an `AWS::Lambda::Permission` with `Action: lambda:InvokeFunctionUrl`, `Principal: \"*\"` and \
                 `FunctionUrlAuthType: NONE`"
            ),
        )
    }

    pub(super) fn limited(met: Met) -> Self {
        match met {
            Met::Rate { of, rate } => {
                let Rate { per_1000_s, burst } = rate;
                Self::new(
                    Fault::TooManyRequests,
                    format!(
                        "the rate of {of} is met: {} a second, {burst} at once",
                        per_second(per_1000_s)
                    ),
                )
            }
            Met::Quota { plan, key, limit } => Self::new(
                Fault::QuotaUsedUp,
                format!(
                    "the quota of usage plan `{plan}` for key `{key}` is used up: {limit} requests"
                ),
            ),
            Met::Uncounted(error) => Self::new(Fault::TooManyRequests, error.to_string()),
        }
    }

    pub(super) fn bad_encoding(text: &str, error: EncodingError) -> Self {
        Self::new(
            Fault::BadRequest,
            format!("`{}` cannot be decoded: {error}", shorten(text)),
        )
    }

    pub(super) fn head_too_large(bytes: usize) -> Self {
        let bytes_max = limits::REST_HEADER_BYTES_MAX;
        Self::new(
            Fault::HeadTooLarge,
            format!(
                "request line and header values have {bytes} bytes; API Gateway takes {bytes_max}: \
                 send less in cookies, headers or the query"
            ),
        )
    }

    pub(super) fn body(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { bytes_max } => Self::new(
                Fault::BodyTooLarge,
                format!(
                    "the request's body is over API Gateway's limit of {bytes_max} bytes: \
                     let clients upload to a bucket by a presigned URL instead"
                ),
            ),
            BodyError::TooSlow => {
                Self::new(Fault::BodyTooSlow, "the request's body arrived too slowly")
            }
            BodyError::CutOff => Self::new(
                Fault::BadRequest,
                "the client went before the request's body had arrived",
            ),
            BodyError::Malformed => Self::new(
                Fault::BadRequest,
                "the framing of the request's body is broken",
            ),
        }
    }

    pub(super) fn bad_coding(bad: &BadBody) -> Self {
        let fault = match bad {
            BadBody::Unknown(_) | BadBody::Broken(_) => Fault::UnsupportedMediaType,
            BadBody::TooLarge(_) => Fault::BodyTooLarge,
        };
        Self::new(fault, bad.to_string())
    }

    pub(super) fn event_too_large(bytes: usize) -> Self {
        let bytes_max = limits::LAMBDA_SYNC_PAYLOAD_BYTES_MAX;
        Self::new(
            Fault::EventTooLarge,
            format!(
                "the event has {bytes} bytes; Lambda takes {bytes_max}, binary bodies counted as base64: \
                 let clients upload to a bucket by a presigned URL instead"
            ),
        )
    }
}

/// Where a route is declared, between commas.
fn declared(route: &Route) -> String {
    let place = route.place.as_ref();
    place.map_or_else(String::new, |place| format!(", declared at {place},"))
}

/// The same, where a colon takes the second comma's place.
fn before_colon(declared: &str) -> &str {
    declared.strip_suffix(',').unwrap_or(declared)
}

/// A rate as manifests state it: fractions of a request a second only where there are any.
fn per_second(per_1000_s: u64) -> String {
    let fraction = format!(".{:03}", per_1000_s % 1_000);
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{}{fraction}", per_1000_s / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_before_a_colon_has_no_comma_after_it() {
        for (declared, expected) in [
            (", declared at a.yml:1:2,", ", declared at a.yml:1:2"),
            ("", ""),
        ] {
            assert_eq!(before_colon(declared), expected);
        }
    }

    #[test]
    fn a_rate_is_told_by_the_second() {
        for (per_1000_s, expected) in [
            (1_000, "1"),
            (500, "0.5"),
            (10_000_000, "10000"),
            (1_050, "1.05"),
            (1, "0.001"),
            (0, "0"),
        ] {
            assert_eq!(per_second(per_1000_s), expected, "{per_1000_s}");
        }
    }
}
