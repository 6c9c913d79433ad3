//! An issuer for tests: it signs what it is told to, and counts who asks for its keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaEncoding};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A key that is worth nothing: it stands in the repository.
const KEY: &str = include_str!("test_key.json");

pub(crate) struct Signer {
    pair: RsaKeyPair,
    jwk: Value,
}

impl Signer {
    pub(crate) fn new() -> Self {
        let jwk: Value = serde_json::from_str(KEY).unwrap();
        let part = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let components = KeyPairComponents {
            public_key: PublicKeyComponents {
                n: part("n"),
                e: part("e"),
            },
            d: part("d"),
            p: part("p"),
            q: part("q"),
            dP: part("dp"),
            dQ: part("dq"),
            qInv: part("qi"),
        };
        Self {
            pair: RsaKeyPair::from_components(&components).unwrap(),
            jwk,
        }
    }

    /// Its public half, under this id.
    pub(crate) fn public(&self, id: &str) -> Value {
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": self.jwk["n"], "e": self.jwk["e"]})
    }

    /// A token of these claims by RS256 and the key `first`.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": "RS256", "kid": "first"}), claims)
    }

    /// A token with this header; signed by RS512 where it says so, by RS256 otherwise.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let encoding: &dyn RsaEncoding = if header["alg"] == "RS512" {
            &RSA_PKCS1_SHA512
        } else {
            &RSA_PKCS1_SHA256
        };
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(
                encoding,
                &SystemRandom::new(),
                message.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A server of an issuer's two documents.
pub(crate) struct IssuerServer {
    pub(crate) url: String,
    /// How often its keys were asked for.
    pub(crate) asked: Arc<AtomicUsize>,
    keys: Arc<std::sync::Mutex<String>>,
    _served: JoinSet<()>,
}

impl IssuerServer {
    pub(crate) async fn start(keys: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/pool", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let keys = Arc::new(std::sync::Mutex::new(keys.to_string()));
        let mut served = JoinSet::new();
        let (own, count, published) = (url.clone(), Arc::clone(&asked), Arc::clone(&keys));
        served.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 4096];
                let read = stream.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let body = if head.starts_with("GET /pool/.well-known/openid-configuration ") {
                    json!({"issuer": own, "jwks_uri": format!("{own}/keys")}).to_string()
                } else if head.starts_with("GET /other/.well-known/") {
                    published.lock().unwrap().clone()
                } else {
                    count.fetch_add(1, Ordering::Relaxed);
                    published.lock().unwrap().clone()
                };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                );
                let _written = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self {
            url,
            asked,
            keys,
            _served: served,
        }
    }

    pub(crate) fn publish(&self, keys: &Value) {
        *self.keys.lock().unwrap() = keys.to_string();
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}
