//! Who may call.
//!
//! Lives here: a folder or file for each way to show who one is.
//! Does not live here: how often they may (`throttle`), evaluating policies (`policy`).

mod keys;

use model::door::{ApiKeySource, Authorization};

use crate::caller::Caller;
use crate::http::Headers;
use crate::routes::{Hit, Kind};

pub(crate) use keys::{BadKey, Keys};

/// Why a caller is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotAuthorised {
    /// It shows no API key where one is asked for.
    NoKey,
    /// Its API key opens nothing here.
    BadKey(BadKey),
    /// What guards the route cannot be carried out.
    NotCarriedOut(&'static str),
}

/// Finds out who calls; refuses whoever the route does not let in.
pub(crate) fn run(hit: &Hit<'_>, headers: &Headers, keys: &Keys) -> Result<Caller, NotAuthorised> {
    let mut caller = Caller::default();
    match &hit.route.guard.authorization {
        Authorization::Open => {}
        Authorization::Iam => return Err(NotAuthorised::NotCarriedOut("`AWS_IAM`")),
        Authorization::Authorizer { .. } => {
            return Err(NotAuthorised::NotCarriedOut("its authorizer"));
        }
    }
    if hit.route.guard.api_key_required {
        let sent = match hit.api.kind {
            Kind::Rest {
                api_key_source: ApiKeySource::Header,
                ..
            } => headers.text("x-api-key"),
            Kind::Rest {
                api_key_source: ApiKeySource::Authorizer,
                ..
            }
            | Kind::Http { .. } => None,
        };
        let sent = sent.ok_or(NotAuthorised::NoKey)?;
        let used = keys.find(sent, &hit.api.id, &hit.api.stage);
        caller.key = Some(used.map_err(NotAuthorised::BadKey)?);
    }
    Ok(caller)
}
