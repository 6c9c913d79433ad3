//! Signing keys.
//!
//! Lives here: deriving the key of one day, region and service, and signing with it.
//! Does not live here: keeping keys (`gateway::service_door`).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{CredentialScope, TERMINATOR};

/// The key of one secret for one day, region and service: deriving it costs four hashes, so it is worth keeping.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey([u8; 32]);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SigningKey")
    }
}

impl SigningKey {
    /// Derives the key.
    #[must_use]
    pub fn derive(secret_access_key: &str, scope: &CredentialScope) -> Self {
        let secret = format!("AWS4{secret_access_key}");
        let date = authenticate(secret.as_bytes(), scope.date.as_bytes());
        let region = authenticate(&date, scope.region.as_bytes());
        let service = authenticate(&region, scope.service.as_bytes());
        Self(authenticate(&service, TERMINATOR.as_bytes()))
    }

    pub(super) fn sign(&self, text: &[u8]) -> [u8; 32] {
        authenticate(&self.0, text)
    }
}

fn authenticate(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut hmac =
        Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length: RFC 2104, 2");
    hmac.update(text);
    hmac.finalize().into_bytes().into()
}
