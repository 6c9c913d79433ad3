//! The development issuer: it signs tokens for trying out what is behind an authorizer.
//!
//! Lives here: its key, one for a machine and user; signing; the two documents by which others verify.
//! Does not live here: verifying (`gateway::tokens`), what a token claims (`commands::token`).
//!
//! `cloudless dev` believes its key in the name of every issuer, besides the keys that these publish. All else is asked for as
//! ever: issuer, audience, dates, scopes. Nobody has the key but the user; nothing but `dev` believes it.

pub(crate) mod rsa;

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::service_door::Pages;
use gateway::tokens::{DevelopmentKeys, TrustedKey};
use interfaces::random::Random;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::{Map, Value, json};

const KEY_FILE: &str = "key.json";
/// How the ids of our keys begin: by it they are known before anything is read.
const ID_PREFIX: &str = "cloudless-development-";
/// Characters of the id behind the prefix.
const ID_CHARACTERS: usize = 16;
/// Where its documents are, on the listener of the services.
const PATH: &str = "issuer";
const KEYS_PATH: &str = "issuer/.well-known/jwks.json";
const CONFIGURATION_PATH: &str = "issuer/.well-known/openid-configuration";
/// The modulus of the keys, and so of signatures.
const MODULUS_BYTES: usize = 256;

/// The issuer of one machine and user. Its key is made when it is first needed.
pub struct Signer {
    folder: PathBuf,
    random: Arc<dyn Random>,
    /// The port of the services, where its documents are.
    port: u16,
    key: OnceLock<Key>,
}

struct Key {
    pair: KeyPair,
    id: String,
    public: Value,
}

/// There is no key.
#[derive(Debug, thiserror::Error)]
pub enum NoKey {
    /// Its file cannot be read or written.
    #[error("`{}` cannot be kept", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its file holds something else.
    #[error("`{}` is no RSA key; remove it for a new one", .0.display())]
    Broken(PathBuf),
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Signer")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// The issuer whose key is kept among the machine's caches.
    #[must_use]
    pub fn new(cache: &Path, random: Arc<dyn Random>, port: u16) -> Self {
        Self {
            folder: cache.join("issuer"),
            random,
            port,
            key: OnceLock::new(),
        }
    }

    /// Its own name: what `iss` is where nobody asks for another.
    #[must_use]
    pub fn url(port: u16) -> String {
        format!("http://localhost:{port}/_cloudless/{PATH}")
    }

    /// Signs a token of these claims by RS256.
    ///
    /// # Errors
    /// [`NoKey`].
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, NoKey> {
        let key = self.key()?;
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": key.id});
        let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
        let claims = Value::Object(claims.clone());
        let message = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let mut signature = vec![0; key.pair.public().modulus_len()];
        let random = SystemRandom::new();
        let signed = key.pair.sign(
            &RSA_PKCS1_SHA256,
            &random,
            message.as_bytes(),
            &mut signature,
        );
        signed.map_err(|_| NoKey::Broken(self.folder.join(KEY_FILE)))?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn key(&self) -> Result<&Key, NoKey> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let path = self.folder.join(KEY_FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(&self.folder, &path, &*self.random)?
            }
            Err(source) => return Err(NoKey::File { path, source }),
        };
        let key = read(&text).ok_or(NoKey::Broken(path))?;
        Ok(self.key.get_or_init(|| key))
    }
}

impl DevelopmentKeys for Signer {
    fn find(&self, key_id: &str) -> Option<TrustedKey> {
        if !key_id.starts_with(ID_PREFIX) {
            return None;
        }
        // A key that was never made has signed nothing.
        if self.key.get().is_none() && !self.folder.join(KEY_FILE).exists() {
            return None;
        }
        let key = self.key().ok()?;
        TrustedKey::from_jwk(&key.public)
            .ok()
            .filter(|_| key.id == key_id)
    }
}

impl Pages for Signer {
    fn page(&self, path: &str) -> Option<String> {
        let issuer = Self::url(self.port);
        let page = match path {
            CONFIGURATION_PATH => json!({
                "issuer": issuer,
                "jwks_uri": format!("{issuer}{}", KEYS_PATH.trim_start_matches(PATH)),
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }),
            KEYS_PATH => match self.key() {
                Ok(key) => json!({"keys": [key.public]}),
                Err(error) => {
                    tracing::warn!(%error, "the development issuer has no key");
                    return None;
                }
            },
            _ => return None,
        };
        Some(page.to_string())
    }
}

/// Makes a key and keeps it. Two processes may do so at the same time: the first one's is everybody's.
fn make(folder: &Path, path: &Path, random: &dyn Random) -> Result<Vec<u8>, NoKey> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| NoKey::File { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let parts = rsa::make(random);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let digest = ring::digest::digest(&ring::digest::SHA256, &parts.n);
    let id: String = hex_of(digest.as_ref())
        .chars()
        .take(ID_CHARACTERS)
        .collect();
    let jwk = json!({
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": format!("{ID_PREFIX}{id}"),
        "n": encode(&parts.n), "e": encode(&parts.e), "d": encode(&parts.d), "p": encode(&parts.p), "q": encode(&parts.q),
        "dp": encode(&parts.dp), "dq": encode(&parts.dq), "qi": encode(&parts.qi),
    });
    let new = folder.join(format!("{KEY_FILE}.new-{}", std::process::id()));
    let opened = fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new);
    let written = opened.and_then(|mut file| file.write_all(jwk.to_string().as_bytes()));
    written.map_err(failed(&new))?;
    let linked = fs::hard_link(&new, path);
    let removed = fs::remove_file(&new);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed(path)(error));
        }
        Ok(()) | Err(_) => removed.map_err(failed(&new))?,
    }
    fs::read(path).map_err(failed(path))
}

fn read(text: &[u8]) -> Option<Key> {
    let jwk: Value = serde_json::from_slice(text).ok()?;
    let part = |name: &str| URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok();
    let components = KeyPairComponents {
        public_key: PublicKeyComponents {
            n: part("n")?,
            e: part("e")?,
        },
        d: part("d")?,
        p: part("p")?,
        q: part("q")?,
        dP: part("dp")?,
        dQ: part("dq")?,
        qInv: part("qi")?,
    };
    let pair = KeyPair::from_components(&components).ok()?;
    let public = ["kty", "use", "alg", "kid", "n", "e"];
    let public: Map<String, Value> = public
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), jwk.get(name)?.clone())))
        .collect();
    let id = public.get("kid")?.as_str()?.to_owned();
    let is_ours = id.starts_with(ID_PREFIX) && pair.public().modulus_len() == MODULUS_BYTES;
    is_ours.then(|| Key {
        pair,
        id,
        public: Value::Object(public),
    })
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::system::RealRandom;

    #[test]
    fn its_key_is_made_once_and_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let issuer = || Signer::new(folder.path(), Arc::new(RealRandom::default()), 4566);
        let (first, second) = (issuer(), issuer());
        assert!(first.find("cloudless-development-0").is_none());
        assert!(!folder.path().join("issuer").exists());
        let claims = Map::from_iter([("sub".to_owned(), json!("ada"))]);
        assert_eq!(first.sign(&claims).unwrap(), second.sign(&claims).unwrap());
        let path = folder.path().join("issuer").join(KEY_FILE);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let keys: Value = serde_json::from_str(&second.page(KEYS_PATH).unwrap()).unwrap();
        let key = &keys["keys"][0];
        assert!(key.get("d").is_none() && key.get("p").is_none());
        let id = key["kid"].as_str().unwrap();
        assert_eq!(issuer().find(id).unwrap().id(), id);
        assert!(issuer().find("cloudless-development-0").is_none());
        assert!(issuer().find("first").is_none());
        let configuration: Value =
            serde_json::from_str(&first.page(CONFIGURATION_PATH).unwrap()).unwrap();
        assert_eq!(
            configuration["jwks_uri"],
            "http://localhost:4566/_cloudless/issuer/.well-known/jwks.json"
        );
        assert!(first.page("issuer/other").is_none());
        fs::write(&path, "{}").unwrap();
        assert!(
            issuer()
                .sign(&claims)
                .unwrap_err()
                .to_string()
                .contains("remove it")
        );
    }
}
