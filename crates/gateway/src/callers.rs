//! Who calls, and whether the proof holds.
//!
//! Lives here: keys that were issued, keys that nobody was issued, and the signing keys kept for the former; whom to ask
//! what a caller may do.
//! Does not live here: reading and comparing signatures (`aws_wire::sigv4`), what a caller may do (`policy`), the words
//! of refusals (`service_door` for services, `authorise` for APIs).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use aws_wire::errors::AuthenticationError;
use aws_wire::sigv4::chunks::Proof;
use aws_wire::sigv4::{
    PayloadClaim, Presented, SignedRequest, SigningKey, Validity, verify, verify_head,
};
use http::HeaderMap;
use interfaces::authorize::Authorize;
use interfaces::clock::Clock;
use interfaces::principals::{Holder, Key, Principals};
use model::ids::AccountId;
use model::principal::Principal;

/// Signing keys that are kept. When there are more, all are forgotten and derived anew as they are needed.
const SIGNING_KEYS_MAX: usize = 1_024;
/// Names, with all names below them, at which unknown keys are taken: those of this machine (RFC 6761, 6.3), of the
/// host as containers call it (`.internal` is never delegated), and the cloud's, where none can be had that leads here.
const OWN_NAMES: [&str; 4] = [
    "localhost",
    "host.docker.internal",
    "host.containers.internal",
    "amazonaws.com",
];
/// The service whose presigned addresses people open in browsers.
const TAKES_LINKS: &str = "s3";
/// The services whose every operation can stand in an address: those of the query protocol.
const ACT_BY_ADDRESS: [&str; 5] = ["iam", "monitoring", "sns", "sqs", "sts"];
/// How every browser names itself; no page can have it send another name with an address that it shows.
const BROWSERS: &[u8] = b"Mozilla/";
/// What services send by themselves to addresses of their users says so in this header, where such keys would be taken.
pub(crate) const SENT_BY_SERVICE: &str = "cloudless-sent-by-service";
/// Characters of a refused host that its refusal repeats.
const HOST_SHOWN_CHARS_MAX: usize = 255;

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

/// Who signs calls.
pub struct Signers {
    /// Who holds which keys.
    pub principals: Arc<dyn Principals>,
    /// Who may do what.
    pub authorize: Arc<dyn Authorize>,
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
    #[error(
        "a service sent this request (to the endpoint of a subscription, or to an API destination), with access keys that \
         Cloudless did not issue; such keys act as the account's root, so whoever may name an address cannot use them: \
         sign with keys of a user (`aws iam create-access-key`)"
    )]
    Service,
    #[error(
        "the request names the host `{0}`, which is not known to be this machine, and it is signed with access keys that \
         Cloudless did not issue; such keys act as the account's root, so they are only taken at `localhost`, names below \
         it, an IP address, or the cloud's own names: otherwise any web page could let its own name lead here"
    )]
    ForeignHost(String),
}

pub(crate) struct Callers {
    signers: Signers,
    clock: Arc<dyn Clock>,
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
    pub(crate) fn new(signers: Signers, clock: Arc<dyn Clock>) -> Self {
        Self {
            signers,
            clock,
            signing_keys: Mutex::new(HashMap::new()),
        }
    }

    /// Who may do what.
    pub(crate) fn authorize(&self) -> &dyn Authorize {
        &*self.signers.authorize
    }

    /// Says who a request comes from, as far as can be told without its body.
    pub(crate) fn identify(
        &self,
        presented: &Presented,
        headers: &HeaderMap,
    ) -> Result<Caller, NotProven> {
        match self.signers.principals.find(&presented.access_key_id) {
            Key::Issued(holder) => {
                presented.check_time(self.clock.now())?;
                presented.check_token(holder.credentials.session_token.as_deref())?;
                presented.check_headers(headers)?;
                Ok(Caller::Issued(holder))
            }
            Key::Revoked => Err(AuthenticationError::ExpiredToken.into()),
            Key::Withdrawn => Err(AuthenticationError::UnknownKey.into()),
            Key::Unknown => {
                // Whoever signs an address for a while means it, whatever the keys.
                if let Validity::Presigned { .. } = presented.validity {
                    presented.check_time(self.clock.now())?;
                }
                let service = presented.scope.service.as_str();
                self.unknown(&presented.access_key_id, service, headers)
            }
        }
    }

    fn unknown(
        &self,
        access_key_id: &str,
        service: &str,
        headers: &HeaderMap,
    ) -> Result<Caller, NotProven> {
        match &self.signers.unknown_keys {
            UnknownKeys::Refused => Err(AuthenticationError::UnknownKey.into()),
            UnknownKeys::ActAsRoot { .. } if is_from_web_page(service, headers) => {
                Err(NotProven::WebPage)
            }
            UnknownKeys::ActAsRoot { .. } if headers.contains_key(SENT_BY_SERVICE) => {
                Err(NotProven::Service)
            }
            UnknownKeys::ActAsRoot { account } => match foreign_host(headers) {
                Some(host) => Err(NotProven::ForeignHost(host)),
                None => Ok(Caller::Unknown(Principal::Root {
                    account: named_account(access_key_id).unwrap_or_else(|| account.clone()),
                })),
            },
        }
    }

    /// As whose root keys act that nobody was issued, when a request with these headers brings them.
    pub(crate) fn unknown_keys_act_as(&self, headers: &HeaderMap) -> Option<AccountId> {
        match self.unknown("", TAKES_LINKS, headers) {
            Ok(Caller::Unknown(principal)) => Some(principal.account().clone()),
            Ok(Caller::Issued(_)) | Err(_) => None,
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

    /// Verifies what [`Self::identify`] could not, of a request whose body is still to come; with it comes the proof for
    /// signatures of its chunks, where the secret is known.
    pub(crate) fn verify_head(
        &self,
        caller: Caller,
        presented: &Presented,
        request: SignedRequest<'_>,
        claim: PayloadClaim,
    ) -> Result<(Principal, Option<Proof>), AuthenticationError> {
        match caller {
            Caller::Unknown(principal) => Ok((principal, None)),
            Caller::Issued(holder) => {
                let key = self.signing_key(&holder, presented);
                verify_head(&key, presented, request, &claim)?;
                Ok((holder.principal, Some(Proof::new(key, presented))))
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

/// The account that a key names which nobody was issued: twelve digits are its id, so that what several accounts share can be
/// tried on one machine.
fn named_account(access_key_id: &str) -> Option<AccountId> {
    let is_id =
        access_key_id.len() == 12 && access_key_id.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then(|| AccountId::new(access_key_id))
}

/// Whether a web page sent the request. Any page that a developer opens can send requests to a port of their
/// machine, and keys that nobody checks would let it in; browsers say so in headers that pages cannot change.
///
/// Some say nothing of where they fetch from over plain HTTP, or at all (Safari before 16.4): they are told by their name.
///
/// What no page sent (an address typed, or a link followed from a mail) is taken where browsers are meant to follow addresses,
/// and not where one such would delete a queue.
fn is_from_web_page(service: &str, headers: &HeaderMap) -> bool {
    let fetched_from = headers.get("sec-fetch-site").map(|value| value.as_bytes());
    let acts_by_address = ACT_BY_ADDRESS.contains(&service);
    let named = headers.get(http::header::USER_AGENT);
    let is_browser = named.is_some_and(|name| name.as_bytes().starts_with(BROWSERS));
    headers.contains_key(http::header::ORIGIN)
        || fetched_from.map_or(is_browser && acts_by_address, |site| {
            site != b"none" || acts_by_address
        })
}

/// A host that a web page may have made lead here (DNS rebinding): such a page is of the same origin as its requests,
/// so its browser sends neither `Origin` nor, over plain HTTP, `Sec-Fetch-Site` with a GET.
fn foreign_host(headers: &HeaderMap) -> Option<String> {
    // No browser leaves it out, and what came without one asked for no name.
    let sent = headers.get(http::header::HOST)?;
    let text = String::from_utf8_lossy(sent.as_bytes());
    let name = without_port(&text);
    (!is_own_name(name)).then(|| text.chars().take(HOST_SHOWN_CHARS_MAX).collect())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

/// Whether nobody else can let this name lead here. A page at an address is only ever talking to that address.
pub(crate) fn is_own_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let bare = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    if bare.unwrap_or(&name).parse::<IpAddr>().is_ok() {
        return true;
    }
    OWN_NAMES.iter().any(|own| {
        name.strip_suffix(own)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn addresses_opened_in_a_browser_read_and_do_not_act() {
        for (service, site, is_refused) in [
            ("s3", "none", false),
            ("s3", "cross-site", true),
            ("sqs", "none", true),
            ("iam", "none", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            assert_eq!(is_from_web_page(service, &headers), is_refused, "{service}");
        }
        assert!(!is_from_web_page("sqs", &HeaderMap::new()));
        let safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6 Safari/605.1.15";
        for (service, name, is_refused) in [
            ("sqs", safari, true),
            ("monitoring", safari, true),
            ("s3", safari, false),
            ("sqs", "Boto3/1.40.0 md/Botocore#1.40.0", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("user-agent", HeaderValue::from_str(name).unwrap());
            assert_eq!(is_from_web_page(service, &headers), is_refused, "{service}");
        }
    }

    #[test]
    fn only_names_that_nobody_else_can_lead_here_are_our_own() {
        for (host, is_own) in [
            ("localhost", true),
            ("localhost:4566", true),
            ("LocalHost.:4566", true),
            ("bucket.s3.localhost:4566", true),
            ("127.0.0.1:4566", true),
            ("127.9.8.7", true),
            ("[::1]:4566", true),
            ("192.168.1.7:4566", true),
            ("host.docker.internal:4566", true),
            ("dynamodb.eu-west-1.amazonaws.com", true),
            ("evil.test", false),
            ("evil.test:4566", false),
            ("localhost.evil.test", false),
            ("evillocalhost", false),
            ("127.0.0.1.evil.test", false),
            ("127.0.0.1.nip.io:4566", false),
            ("xamazonaws.com", false),
            ("amazonaws.com.evil.test", false),
            ("evil.test:localhost", false),
            ("[::1].evil.test", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_str(host).unwrap());
            assert_eq!(foreign_host(&headers).is_none(), is_own, "{host}");
        }
        assert_eq!(foreign_host(&HeaderMap::new()), None);
    }
}
