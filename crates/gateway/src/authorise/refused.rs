//! Why a caller is not let in: the cloud's words for it, and the developer's.
//!
//! Lives here: every cause, with the fault that the client sees, the message in it, and what to do about it.
//! Does not live here: finding causes (the sibling files), status and shape of faults (`replies::faults`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Gateway response types", "Use API Gateway Lambda authorizers" and
//! "Create and attach a resource policy", whose troubleshooting has the words of refusals.

use std::sync::Arc;

use aws_wire::errors::AuthenticationError;
use model::door::Authorizer;

use super::jwt::TokenRefused;
use super::keys::BadKey;
use crate::caller::{Caller, Identity, Told};
use crate::callers::NotProven;
use crate::replies::faults::Fault;
use crate::routes::Route;

/// Why a caller is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotAuthorised {
    /// It shows no API key where one is asked for.
    NoKey,
    /// Its API key opens nothing here.
    BadKey(BadKey),
    /// It does not show what its authorizer goes by.
    Unidentified(String),
    /// The authorizer's function threw `Unauthorized`.
    Unauthorized(String),
    /// The authorizer has no answer, or one that cannot be read.
    Failed(String),
    /// The authorizer's function threw something else.
    Threw(String),
    /// The authorizer does not let it in.
    Denied {
        /// Whether something refuses it, rather than nothing allowing it.
        refusal: Refusal,
        /// What refuses it.
        by: String,
        /// What the authorizer says of the caller all the same: the API's own words may repeat it.
        told: Arc<Told>,
    },
    /// Policies of its own, or of the API, do not let it in.
    NotAllowed {
        /// Whether something refuses it, rather than nothing allowing it.
        refusal: Refusal,
        /// Its ARN, or `anonymous`.
        user: String,
        /// What it would invoke, with the account masked.
        resource: String,
        /// What refuses it.
        by: String,
    },
    /// Its token does not open the route.
    Token(Box<TokenRefused>),
    /// Nothing proves who signed the request.
    NotProven(NotProven),
    /// The ARN of what it would invoke is too long.
    ArnTooLong(usize),
    /// What guards the route cannot be carried out.
    NotCarriedOut(String),
}

/// How a policy refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A statement says `Deny`.
    Explicit,
    /// No statement says `Allow`.
    Implicit,
}

impl Refusal {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Explicit => " with an explicit deny",
            Self::Implicit => "",
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Explicit => "denies",
            Self::Implicit => "does not allow",
        }
    }
}

impl NotAuthorised {
    /// What the client sees.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::NoKey | Self::BadKey(_) => Fault::Forbidden,
            Self::Unidentified(_) | Self::Unauthorized(_) => Fault::Unauthorized,
            Self::Failed(_) => Fault::AuthorizerFailed,
            Self::Threw(_) => Fault::AuthorizerThrew,
            Self::Denied { .. } | Self::NotAllowed { .. } => Fault::AccessDenied,
            Self::Token(refused) => refused.fault,
            Self::NotProven(
                NotProven::WebPage | NotProven::Service | NotProven::ForeignHost(_),
            ) => Fault::AccessDenied,
            Self::NotProven(NotProven::Signature(error)) => match error {
                AuthenticationError::Missing => Fault::NotSigned,
                AuthenticationError::Twice
                | AuthenticationError::Invalid { .. }
                | AuthenticationError::Mismatch
                | AuthenticationError::HeadersNotSigned
                | AuthenticationError::Expired { .. }
                | AuthenticationError::NotYetCurrent { .. }
                | AuthenticationError::ChunkedPayload
                | AuthenticationError::ContentHash => Fault::BadSignature,
                AuthenticationError::Incomplete { .. } => Fault::IncompleteSignature,
                AuthenticationError::UnknownKey | AuthenticationError::InvalidToken => {
                    Fault::UnknownClient
                }
                AuthenticationError::ExpiredToken => Fault::ExpiredToken,
            },
            Self::ArnTooLong(_) => Fault::UriTooLong,
            Self::NotCarriedOut(_) => Fault::Misconfigured,
        }
    }

    /// What a REST API's client is told, where that says more than the fault by itself.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Self::Denied { refusal, .. } => Some(format!(
                "User is not authorized to access this resource{}",
                refusal.suffix()
            )),
            Self::NotAllowed {
                refusal,
                user,
                resource,
                by: _,
            } => Some(format!(
                "User: {user} is not authorized to perform: execute-api:Invoke on resource: {resource}{}",
                refusal.suffix()
            )),
            Self::Token(refused) => refused.said.clone(),
            Self::NotProven(NotProven::Signature(error)) => Some(error.gateway_words().1),
            Self::NotProven(
                bad @ (NotProven::WebPage | NotProven::Service | NotProven::ForeignHost(_)),
            ) => Some(bad.to_string()),
            Self::NoKey
            | Self::BadKey(_)
            | Self::Unidentified(_)
            | Self::Unauthorized(_)
            | Self::Failed(_)
            | Self::Threw(_)
            | Self::ArnTooLong(_)
            | Self::NotCarriedOut(_) => None,
        }
    }

    /// What a client is asked to show, as `www-authenticate` has it.
    pub(crate) fn challenge(&self) -> Option<&str> {
        match self {
            Self::Token(refused) => refused.challenge.as_deref(),
            Self::NoKey
            | Self::BadKey(_)
            | Self::Unidentified(_)
            | Self::Unauthorized(_)
            | Self::Failed(_)
            | Self::Threw(_)
            | Self::Denied { .. }
            | Self::NotAllowed { .. }
            | Self::NotProven(_)
            | Self::ArnTooLong(_)
            | Self::NotCarriedOut(_) => None,
        }
    }

    /// What is known of the caller although it is not let in.
    pub(crate) fn caller(&self) -> Option<Caller> {
        let Self::Denied { told, .. } = self else {
            return None;
        };
        let identity = Identity::Function {
            told: Arc::clone(told),
            latency_ms: 0,
        };
        Some(Caller {
            identity,
            key: None,
        })
    }

    /// Why, for the developer: which rule, and where it stands.
    pub(crate) fn reason(&self, route: &Route) -> String {
        let key = &route.key;
        let place = route.place.as_ref();
        let declared = place.map_or_else(String::new, |place| format!(" (declared at {place})"));
        match self {
            Self::NoKey => format!("`{key}`{declared} asks for an API key; send it as `x-api-key`"),
            Self::BadKey(bad) => bad.to_string(),
            Self::Unidentified(why)
            | Self::Unauthorized(why)
            | Self::Failed(why)
            | Self::Threw(why) => {
                format!("{why}; it guards `{key}`{declared}")
            }
            Self::Denied { refusal, by, .. } => {
                format!("{by} {} `{key}`{declared}", refusal.verb())
            }
            Self::NotAllowed {
                refusal,
                user,
                resource,
                by,
            } => format!(
                "{by} {} {user} to call `{key}`{declared}: execute-api:Invoke on {resource}",
                refusal.verb()
            ),
            Self::Token(refused) => {
                format!("{}; it guards `{key}`{declared}", refused.reason)
            }
            Self::NotProven(NotProven::Signature(error)) => {
                format!("{error}; `{key}`{declared} asks for a signature (AWS_IAM)")
            }
            Self::NotProven(
                bad @ (NotProven::WebPage | NotProven::Service | NotProven::ForeignHost(_)),
            ) => bad.to_string(),
            Self::ArnTooLong(bytes) => format!(
                "the ARN of what was called has {bytes} bytes; where there is an authorizer, {} are the most",
                model::limits::METHOD_ARN_BYTES_MAX
            ),
            Self::NotCarriedOut(guard) => format!(
                "{guard} guards `{key}`{declared}, which cannot be enforced yet; `cloudless check` says more"
            ),
        }
    }
}

/// An authorizer and where it is declared.
pub(super) fn shown(authorizer: &Authorizer) -> String {
    match &authorizer.place {
        Some(place) => format!("authorizer `{}` ({place})", authorizer.name),
        None => format!("authorizer `{}`", authorizer.name),
    }
}
