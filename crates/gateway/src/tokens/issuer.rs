//! An issuer's keys: where they are, how long they are trusted, when they are asked for again.
//!
//! Lives here: discovery, the set of keys, single flight, waiting after failures.
//! Does not live here: what a key is (`keys`), the client (`outbound`).
//!
//! Contract: OpenID Connect Discovery 1.0, 4; Amazon API Gateway Developer Guide, "Control access to HTTP APIs with JWT
//! authorizers": keys may be kept for two hours. What the gateway logs when it cannot have them is recorded.
//! Differs: keys are asked for anew after an hour, while the old ones are trusted still; the cloud documents no more than
//! the two hours. Discovery is not read when the authorizer is made but when its first token comes.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::Uri;
use interfaces::clock::Clock;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::BadToken;
use super::cache::Verified;
use super::keys::{TrustedKey, read_set};
use crate::outbound::{DocumentLimits, NoAnswer, Outbound};

/// How long keys are trusted.
const TRUSTED_FOR: Duration = Duration::from_hours(2);
/// When they are asked for again, by one request; all others use those there are.
const REFRESHED_AFTER: Duration = Duration::from_hours(1);
/// A `kid` that is not known may be new; so often the keys are asked for because of that, at most.
const MISS_REFETCHED_AFTER: Duration = Duration::from_secs(10);
/// How long nothing is asked after a failure; twice as long after each one more, up to the limit.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after an issuer's failures.
const FAILURE_PAUSE_MAX: Duration = Duration::from_secs(60);
/// What is waited for each of the two documents, as the cloud is said to.
const DOCUMENT_TIME_MAX: Duration = Duration::from_millis(1_500);
/// The size of an issuer's discovery document.
const DISCOVERY_BYTES_MAX: usize = 64 * 1024;
/// The size of an issuer's set of keys.
const KEYS_BYTES_MAX: usize = 512 * 1024;

const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// An issuer, with what is known of it.
#[derive(Debug)]
pub(super) struct Issuer {
    url: String,
    known: RwLock<Option<Arc<Known>>>,
    /// Held by the one request that asks.
    asking: Mutex<Asked>,
    /// Its tokens that were verified.
    pub(super) verified: Verified,
}

/// A key, and how long it is trusted.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) key: TrustedKey,
    pub(super) trusted_until: Instant,
}

/// Why an issuer's keys cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoKeys {
    /// Its URL is none that is called.
    #[error(
        "the issuer `{issuer}` is not an https URL; http is taken for this machine alone (localhost, 127.0.0.1)"
    )]
    NotHttps {
        /// The issuer.
        issuer: String,
    },
    /// Its discovery document cannot be read.
    #[error("`{issuer}{DISCOVERY_PATH}` cannot be read: {reason}")]
    Discovery {
        /// The issuer, without a slash at its end.
        issuer: String,
        /// Why.
        reason: String,
    },
    /// Its keys cannot be read.
    #[error("the keys of the issuer `{issuer}` at `{uri}` cannot be read: {reason}")]
    Keys {
        /// The issuer.
        issuer: String,
        /// Where they should be.
        uri: String,
        /// Why.
        reason: String,
    },
}

#[derive(Debug)]
struct Known {
    keys: Vec<TrustedKey>,
    refreshed_from: Instant,
    trusted_until: Instant,
}

#[derive(Debug, Default)]
struct Asked {
    /// Before then, nothing is asked.
    next_at: Option<Instant>,
    failures: u32,
    /// What came of it last, unless it was keys.
    failed: Option<NoKeys>,
}

impl Issuer {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            known: RwLock::default(),
            asking: Mutex::default(),
            verified: Verified::default(),
        }
    }

    /// The key of this id. At most one request at a time asks the issuer; when the future is dropped, the next one does.
    pub(super) async fn key(
        &self,
        id: &str,
        outbound: &Outbound,
        clock: &dyn Clock,
    ) -> Result<Found, BadToken> {
        let now = clock.instant();
        let mut asking = match self.find(id, now) {
            Some((found, Refresh::NotDue)) => return Ok(found),
            Some((found, Refresh::Due)) => match self.asking.try_lock() {
                Ok(mut asking) if asking.may_ask(now) => {
                    // Its failure is not this request's: the key is trusted still.
                    let _refreshed = self.ask(&mut asking, outbound, clock).await;
                    return Ok(self.find(id, now).map_or(found, |(found, _)| found));
                }
                Ok(_) | Err(_) => return Ok(found),
            },
            None => self.asking.lock().await,
        };
        // Whoever held it may have brought the key.
        let now = clock.instant();
        if let Some((found, _)) = self.find(id, now) {
            return Ok(found);
        }
        if asking.may_ask(now) {
            self.ask(&mut asking, outbound, clock).await?;
        } else if let Some(failed) = &asking.failed {
            return Err(failed.clone().into());
        }
        let found = self.find(id, clock.instant()).map(|(found, _)| found);
        found.ok_or_else(|| BadToken::UnknownKey {
            issuer: self.url.clone(),
        })
    }

    fn find(&self, id: &str, now: Instant) -> Option<(Found, Refresh)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref().filter(|known| now < known.trusted_until)?;
        let key = known.keys.iter().find(|key| key.id() == id)?.clone();
        let refresh = if now < known.refreshed_from {
            Refresh::NotDue
        } else {
            Refresh::Due
        };
        let trusted_until = known.trusted_until;
        Some((Found { key, trusted_until }, refresh))
    }

    async fn ask(
        &self,
        asked: &mut Asked,
        outbound: &Outbound,
        clock: &dyn Clock,
    ) -> Result<(), NoKeys> {
        let fetched = self.fetch(outbound).await;
        let now = clock.instant();
        match fetched {
            Ok(keys) => {
                *asked = Asked {
                    next_at: Some(now + MISS_REFETCHED_AFTER),
                    ..Asked::default()
                };
                let known = Known {
                    keys,
                    refreshed_from: now + REFRESHED_AFTER,
                    trusted_until: now + TRUSTED_FOR,
                };
                let mut place = self.known.write().unwrap_or_else(PoisonError::into_inner);
                *place = Some(Arc::new(known));
                // A token of a key that was withdrawn is not believed any longer.
                self.verified.clear();
                Ok(())
            }
            Err(error) => {
                tracing::debug!(%error, "an issuer's keys could not be had");
                let pause = FAILURE_PAUSE.saturating_mul(1 << asked.failures.min(6));
                asked.failures = asked.failures.saturating_add(1);
                asked.next_at = Some(now + pause.min(FAILURE_PAUSE_MAX));
                asked.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    async fn fetch(&self, outbound: &Outbound) -> Result<Vec<TrustedKey>, NoKeys> {
        #[derive(Deserialize)]
        struct Discovery {
            jwks_uri: String,
        }
        let not_https = || NoKeys::NotHttps {
            issuer: self.url.clone(),
        };
        let issuer = self.url.trim_end_matches('/');
        let discovery = Some(format!("{issuer}{DISCOVERY_PATH}"));
        let discovery = discovery.and_then(|text| callable(&text));
        let discovery = discovery.ok_or_else(not_https)?;
        let failed = |reason: String| NoKeys::Discovery {
            issuer: issuer.to_owned(),
            reason,
        };
        let text = read(outbound, &discovery, DISCOVERY_BYTES_MAX).await;
        let text = text.map_err(|error| failed(error.to_string()))?;
        let Discovery { jwks_uri } = serde_json::from_slice(&text)
            .map_err(|_| failed("it is no JSON object with `jwks_uri`".to_owned()))?;
        let failed = |reason: String| NoKeys::Keys {
            issuer: self.url.clone(),
            uri: jwks_uri.clone(),
            reason,
        };
        // Whoever is asked over TLS does not send us where there is none.
        let uri =
            callable(&jwks_uri).filter(|uri| uri.scheme() == discovery.scheme() || is_https(uri));
        let uri = uri.ok_or_else(|| failed("it is not an https URL".to_owned()))?;
        let text = read(outbound, &uri, KEYS_BYTES_MAX).await;
        let text = text.map_err(|error| failed(error.to_string()))?;
        read_set(&text).ok_or_else(|| failed("it is no JSON Web Key Set".to_owned()))
    }
}

enum Refresh {
    NotDue,
    Due,
}

impl Asked {
    fn may_ask(&self, now: Instant) -> bool {
        self.next_at.is_none_or(|at| at <= now)
    }
}

async fn read(outbound: &Outbound, uri: &Uri, bytes_max: usize) -> Result<bytes::Bytes, NoAnswer> {
    let limits = DocumentLimits {
        bytes_max,
        time_max: DOCUMENT_TIME_MAX,
    };
    outbound.document(uri, limits).await
}

/// Whether an issuer's URL is one that keys are fetched from.
pub(crate) fn is_issuer(url: &str) -> bool {
    callable(url).is_some()
}

/// A URL that keys are fetched from: https, or http on this machine, where there is nobody between.
fn callable(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let host = uri.host()?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let is_callable = is_https(&uri) || (uri.scheme_str() == Some("http") && is_here);
    is_callable.then_some(uri)
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for (url, expected) in [
            ("https://example.com/keys", true),
            ("http://localhost:4566/keys", true),
            ("http://127.0.0.1:4566/keys", true),
            ("http://[::1]:4566/keys", true),
            ("http://example.com/keys", false),
            ("http://localhost.example.com/keys", false),
            ("ftp://localhost/keys", false),
            ("file:///etc/passwd", false),
            ("/keys", false),
        ] {
            assert_eq!(callable(url).is_some(), expected, "{url}");
        }
    }
}
