//! Who calls, and whether the proof holds.
//!
//! Lives here: keys that were issued, keys that nobody was issued, and the signing keys kept for the former.
//! Does not live here: reading and comparing signatures (`aws_wire::sigv4`), what a caller may do (`policy`), the words
//! of refusals (`service_door` for services, `authorise` for APIs).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_wire::errors::AuthenticationError;
use aws_wire::sigv4::{Presented, SignedRequest, SigningKey, verify};
use http::HeaderMap;
use interfaces::clock::Clock;
use interfaces::principals::{Holder, Key, Principals};
use model::ids::AccountId;
use model::principal::Principal;

/// Signing keys that are kept. When there are more, all are forgotten and derived anew as they are needed.
const SIGNING_KEYS_MAX: usize = 1_024;

/// What becomes of access keys that nobody was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownKeys {
    /// They act as the root of this account: in development, on the host's own listener. Their signature proves
    /// nothing, since their secret is not known here.
    ActAsRoot {
        /// The account.
        account: AccountId,
    },
    /// They are refused.
    Refused,
}

/// Who signs calls of APIs.
pub struct Signers {
    /// Who holds which keys.
    pub principals: Arc<dyn Principals>,
    /// What becomes of other keys.
    pub unknown_keys: UnknownKeys,
}

/// Why nobody is taken for a request's caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotProven {
    #[error("its caller is not proven")]
    Signature(#[from] AuthenticationError),
    #[error(
        "a web page sent this request with access keys that Cloudless did not issue; such keys act as the account's \
         root, so they are only taken from programs, not from browsers"
    )]
    WebPage,
}

pub(crate) struct Callers {
    principals: Arc<dyn Principals>,
    clock: Arc<dyn Clock>,
    unknown_keys: UnknownKeys,
    signing_keys: Mutex<HashMap<String, KeptKey>>,
}

struct KeptKey {
    /// The secret that it was derived from: keys may be revoked and issued again.
    secret_access_key: String,
    key: SigningKey,
}

/// Who a request says that it comes from.
pub(crate) enum Caller {
    /// The holder of issued keys: the signature is still to be verified.
    Issued(Box<Holder>),
    /// Keys whose signature cannot be verified.
    Unknown(Principal),
}

impl Callers {
    pub(crate) fn new(
        principals: Arc<dyn Principals>,
        clock: Arc<dyn Clock>,
        unknown_keys: UnknownKeys,
    ) -> Self {
        Self {
            principals,
            clock,
            unknown_keys,
            signing_keys: Mutex::new(HashMap::new()),
        }
    }

    /// Says who a request comes from, as far as can be told without its body.
    pub(crate) fn identify(
        &self,
        presented: &Presented,
        headers: &HeaderMap,
    ) -> Result<Caller, NotProven> {
        match self.principals.find(&presented.access_key_id) {
            Key::Issued(holder) => {
                presented.check_time(self.clock.now())?;
                presented.check_token(holder.credentials.session_token.as_deref())?;
                Ok(Caller::Issued(holder))
            }
            Key::Revoked => Err(AuthenticationError::ExpiredToken.into()),
            Key::Unknown => self.unknown(headers),
        }
    }

    fn unknown(&self, headers: &HeaderMap) -> Result<Caller, NotProven> {
        match &self.unknown_keys {
            UnknownKeys::Refused => Err(AuthenticationError::UnknownKey.into()),
            UnknownKeys::ActAsRoot { .. } if is_from_web_page(headers) => Err(NotProven::WebPage),
            UnknownKeys::ActAsRoot { account } => Ok(Caller::Unknown(Principal::Root {
                account: account.clone(),
            })),
        }
    }

    /// Verifies what [`Self::identify`] could not.
    pub(crate) fn verify(
        &self,
        caller: Caller,
        presented: &Presented,
        request: SignedRequest<'_>,
    ) -> Result<Principal, AuthenticationError> {
        match caller {
            Caller::Unknown(principal) => Ok(principal),
            Caller::Issued(holder) => {
                let key = self.signing_key(&holder, presented);
                verify(&key, presented, request)?;
                Ok(holder.principal)
            }
        }
    }

    fn signing_key(&self, holder: &Holder, presented: &Presented) -> SigningKey {
        let secret = &holder.credentials.secret_access_key;
        let scope = &presented.scope;
        let name = format!(
            "{}/{}/{}/{}",
            presented.access_key_id, scope.date, scope.region, scope.service
        );
        let mut keys = self
            .signing_keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = keys.get(&name)
            && kept.secret_access_key == *secret
        {
            return kept.key.clone();
        }
        if SIGNING_KEYS_MAX <= keys.len() {
            keys.clear();
        }
        let key = SigningKey::derive(secret, scope);
        let kept = KeptKey {
            secret_access_key: secret.clone(),
            key: key.clone(),
        };
        keys.insert(name, kept);
        key
    }
}

/// Whether a web page sent the request. Any page that a developer opens can send requests to a port of their
/// machine, and keys that nobody checks would let it in; browsers say so in headers that pages cannot change.
fn is_from_web_page(headers: &HeaderMap) -> bool {
    let fetched_from = headers.get("sec-fetch-site").map(|value| value.as_bytes());
    headers.contains_key(http::header::ORIGIN) || fetched_from.is_some_and(|site| site != b"none")
}
