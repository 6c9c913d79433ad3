//! Public keys of issuers.
//!
//! Lives here: one key, and a set of them as an issuer publishes it.
//! Does not live here: fetching sets (`issuer`).
//!
//! Contract: RFC 7517 and RFC 7518, 6.3.1. What is no RSA key for signatures is left out of a set, as other members are.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::ALGORITHMS;

/// Keys of one set that are looked at.
const KEYS_MAX: usize = 100;
/// The sizes of moduli, in bits: what ring verifies by, and shorter ones are no longer safe.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// A key by which tokens are believed.
#[derive(Debug, Clone)]
pub struct TrustedKey {
    id: String,
    /// None: any that is taken.
    algorithm: Option<Algorithm>,
    decoding: DecodingKey,
}

/// Why a JSON Web Key is of no use here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// It lacks something, or is of another kind.
    #[error("it is not an RSA key with `kid`, `n` and `e`")]
    NotRsa,
    /// It is for something else.
    #[error("it is not for signatures by RS256, RS384 or RS512")]
    Use,
    /// It is too short or too long.
    #[error("its modulus has {bits} bits; 2048 to 8192 are taken")]
    Size {
        /// How long it is.
        bits: usize,
    },
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    n: String,
    e: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
}

impl TrustedKey {
    /// Reads a public JSON Web Key.
    ///
    /// # Errors
    /// [`BadKey`]: tokens cannot be verified by it.
    pub fn from_jwk(jwk: &Value) -> Result<Self, BadKey> {
        let jwk = Jwk::deserialize(jwk).map_err(|_| BadKey::NotRsa)?;
        if jwk.kty != "RSA" || jwk.kid.is_empty() {
            return Err(BadKey::NotRsa);
        }
        let is_for_signatures = jwk.usage.is_none_or(|usage| usage == "sig");
        let may_verify = |ops: Vec<String>| ops.iter().any(|op| op == "verify");
        if !is_for_signatures || !jwk.key_ops.is_none_or(may_verify) {
            return Err(BadKey::Use);
        }
        let algorithm = match jwk.alg {
            None => None,
            Some(name) => Some(name.parse::<Algorithm>().map_err(|_| BadKey::Use)?),
        };
        if algorithm.is_some_and(|algorithm| !ALGORITHMS.contains(&algorithm)) {
            return Err(BadKey::Use);
        }
        let decode = |text: &str| {
            // RFC 7518 wants no padding, and some issuers pad; ring wants no leading zeros, and some issuers have one.
            let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
            let bytes = bytes.map_err(|_| BadKey::NotRsa)?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            Ok(bytes.get(zeros..).unwrap_or_default().to_vec())
        };
        let (modulus, exponent) = (decode(&jwk.n)?, decode(&jwk.e)?);
        let leading = modulus.first().map_or(0, |byte| byte.leading_zeros());
        let bits = modulus.len() * 8 - leading as usize;
        if !MODULUS_BITS.contains(&bits) {
            return Err(BadKey::Size { bits });
        }
        Ok(Self {
            id: jwk.kid,
            algorithm,
            decoding: DecodingKey::from_rsa_raw_components(&modulus, &exponent),
        })
    }

    /// Its `kid`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|own| own == algorithm)
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

/// The keys of a set; none: the text is no set. Of two keys with the same `kid`, the first is taken.
pub(super) fn read_set(text: &[u8]) -> Option<Vec<TrustedKey>> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(text).ok()?;
    let mut keys: Vec<TrustedKey> = Vec::new();
    for jwk in set.keys.iter().take(KEYS_MAX) {
        if let Ok(key) = TrustedKey::from_jwk(jwk)
            && keys.iter().all(|known| known.id != key.id)
        {
            keys.push(key);
        }
    }
    Some(keys)
}
