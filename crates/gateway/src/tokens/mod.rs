//! JSON Web Tokens: whether an issuer signed one, and what it claims.
//!
//! Lives here: reading tokens, the keys of issuers, remembering what was verified.
//! Does not live here: what claims a route asks for (`authorise::jwt`), signing (`cloudless::issuer`).
//!
//! Contract: RFC 7515 (JWS), RFC 7517 (JWK), RFC 7519 (JWT), RFC 8725 (best practices); OpenID Connect Discovery 1.0.
//! Nothing that a token says of keys is heeded (`jku`, `x5u`, `jwk`, `x5c`): its `kid` is looked up among the keys of the
//! issuer that the route trusts, as an opaque text, and the key decides which algorithms it is good for.

mod cache;
mod claims;
mod issuer;
mod keys;
mod provider;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use interfaces::clock::Clock;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Map, Value};

use crate::outbound::Outbound;
use issuer::Issuer;

pub(crate) use claims::{Claims, NumericDate};
pub(crate) use issuer::is_issuer;

pub use issuer::NoKeys;
pub use keys::{BadKey, TrustedKey};

/// The longest token, in bytes: the cloud takes no larger heads.
pub const TOKEN_BYTES_MAX: usize = model::limits::HTTP_API_HEADER_BYTES_MAX;
/// Issuers that are remembered; those of one revision are far fewer. When they are more, all are forgotten.
const ISSUERS_MAX: usize = 1_000;
/// The algorithms that are taken. Contract: Amazon API Gateway Developer Guide, "Control access to HTTP APIs with JWT
/// authorizers": "only RSA-based algorithms are supported".
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];

/// Verifies tokens. It remembers keys and tokens, and shares its waiting: a thousand requests fetch an issuer's keys once.
pub struct Tokens {
    outbound: Outbound,
    clock: Arc<dyn Clock>,
    development: Option<Arc<dyn DevelopmentKeys>>,
    issuers: RwLock<HashMap<String, Arc<Issuer>>>,
}

/// Why a token proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It is too long.
    #[error("it has {bytes} bytes; {TOKEN_BYTES_MAX} are the most")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It is not of three parts.
    #[error("it has {parts} parts, divided by dots, where a signed token has three")]
    Parts {
        /// How many.
        parts: usize,
    },
    /// Its header is not one of a signed token.
    #[error("its header cannot be read: {reason}")]
    Header {
        /// What is wrong with it.
        reason: String,
    },
    /// It is signed in a way that is not taken.
    #[error("it is signed by {algorithm}; RS256, RS384 and RS512 are taken")]
    Algorithm {
        /// As the header names it.
        algorithm: String,
    },
    /// It names no key.
    #[error("its header has no `kid`, by which its key would be found")]
    NoKeyId,
    /// The issuer has no such key.
    #[error("the issuer `{issuer}` has no RSA key of its `kid`")]
    UnknownKey {
        /// The issuer.
        issuer: String,
    },
    /// The issuer's keys cannot be had.
    #[error(transparent)]
    NoKeys(#[from] NoKeys),
    /// Its key did not sign it.
    #[error("its signature is not that of the key that its `kid` names")]
    Signature,
    /// Its claims are no object.
    #[error("its claims cannot be read: {reason}")]
    Claims {
        /// What is wrong with them.
        reason: String,
    },
}

/// Keys that are believed in any issuer's name, besides those that it publishes.
pub trait DevelopmentKeys: Send + Sync {
    /// The key of this id. It is asked for with every token that is not remembered, so most are none of its own.
    fn find(&self, key_id: &str) -> Option<TrustedKey>;
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Tokens")
            .field("has_development_keys", &self.development.is_some())
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// Verifies by the keys that issuers publish, and by those of a development issuer, if there is one, in any issuer's
    /// name.
    #[must_use]
    pub fn new(
        outbound: Outbound,
        clock: Arc<dyn Clock>,
        development: Option<Arc<dyn DevelopmentKeys>>,
    ) -> Self {
        provider::install();
        Self {
            outbound,
            clock,
            development,
            issuers: RwLock::default(),
        }
    }

    /// What a token claims that was signed by a key of this issuer. Whether it is meant for anybody here, and now, is not
    /// looked at.
    pub(crate) async fn verify(&self, issuer: &str, token: &str) -> Result<Arc<Claims>, BadToken> {
        if TOKEN_BYTES_MAX < token.len() {
            return Err(BadToken::TooLong { bytes: token.len() });
        }
        let issuer = self.issuer(issuer);
        let now = self.clock.instant();
        if let Some(claims) = issuer.verified.find(token, now) {
            return Ok(claims);
        }
        let (algorithm, key_id) = read_header(token)?;
        let development = self.development.as_ref();
        let (key, trusted_until) = match development.and_then(|keys| keys.find(&key_id)) {
            Some(key) => (key, None),
            None => {
                let found = issuer.key(&key_id, &self.outbound, &*self.clock).await?;
                (found.key, Some(found.trusted_until))
            }
        };
        if !key.is_for(algorithm) {
            return Err(BadToken::Algorithm {
                algorithm: format!("{algorithm:?}, for which its key is not meant"),
            });
        }
        let claims = Arc::new(read_claims(token, &key, algorithm)?);
        issuer.verified.keep(token, &claims, trusted_until);
        Ok(claims)
    }

    fn issuer(&self, url: &str) -> Arc<Issuer> {
        let known = self.issuers.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(issuer) = known.get(url) {
            return Arc::clone(issuer);
        }
        drop(known);
        let mut known = self.issuers.write().unwrap_or_else(PoisonError::into_inner);
        if ISSUERS_MAX <= known.len() {
            known.clear();
        }
        let made = known
            .entry(url.to_owned())
            .or_insert_with(|| Arc::new(Issuer::new(url)));
        Arc::clone(made)
    }
}

/// The `iss` of a token that nobody has verified: for finding out whose keys to verify it by.
pub(crate) fn claimed_issuer(token: &str) -> Option<String> {
    if TOKEN_BYTES_MAX < token.len() {
        return None;
    }
    let claims: Map<String, Value> = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

/// The algorithm and the key's id.
fn read_header(token: &str) -> Result<(Algorithm, String), BadToken> {
    let parts = token.split('.').count();
    if parts != 3 {
        return Err(BadToken::Parts { parts });
    }
    let bad = |reason: String| BadToken::Header { reason };
    let header: Header =
        jsonwebtoken::decode_header(token).map_err(|error| match unknown_algorithm(token) {
            Some(algorithm) => BadToken::Algorithm { algorithm },
            None => bad(error.to_string()),
        })?;
    if !ALGORITHMS.contains(&header.alg) {
        let algorithm = format!("{:?}", header.alg);
        return Err(BadToken::Algorithm { algorithm });
    }
    // RFC 7515, 4.1.11: what is marked as critical and not understood makes the token invalid. Nothing is understood.
    if header.crit.is_some() || header.extras.inner().contains_key("b64") {
        return Err(bad("it asks for extensions (`crit`, `b64`)".to_owned()));
    }
    if header.enc.is_some() || header.zip.is_some() {
        return Err(bad("it says that its claims are encrypted".to_owned()));
    }
    let key_id = header.kid.filter(|id| !id.is_empty());
    Ok((header.alg, key_id.ok_or(BadToken::NoKeyId)?))
}

/// The header's `alg`, where it is the one thing that the library does not know: `none`, above all.
fn unknown_algorithm(token: &str) -> Option<String> {
    let (header, _) = token.split_once('.')?;
    let header: Map<String, Value> =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let algorithm = header.get("alg")?.as_str()?;
    let is_unknown = algorithm.parse::<Algorithm>().is_err();
    is_unknown.then(|| algorithm.chars().take(32).collect())
}

fn read_claims(token: &str, key: &TrustedKey, algorithm: Algorithm) -> Result<Claims, BadToken> {
    // Only the signature is the library's to judge: the cloud has its own words for what claims lack.
    let (message, signature) = token.rsplit_once('.').ok_or(BadToken::Signature)?;
    let holds =
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), key.decoding(), algorithm);
    if !holds.unwrap_or(false) {
        return Err(BadToken::Signature);
    }
    let (_, claims) = message.split_once('.').unwrap_or_default();
    let bad = |reason: String| BadToken::Claims { reason };
    let claims = URL_SAFE_NO_PAD.decode(claims);
    let claims = claims.map_err(|error| bad(error.to_string()))?;
    let claims = serde_json::from_slice(&claims).map_err(|error| bad(error.to_string()))?;
    Ok(Claims::new(claims))
}
