//! The key by which topics sign what they send, and its certificate.
//!
//! Lives here: making and keeping both, one for a machine and user; signing.
//! Does not live here: what is signed (`service-topics`), how keys are made (`issuer::rsa`).
//!
//! Contract: RFC 8017, 8.2 (RSASSA-PKCS1-v1_5); RFC 5280, 4.1. ring signs by SHA-256, but no longer by SHA-1, which topics do
//! unless they are told otherwise: that is computed here. Like the making of keys it is not of constant time: whoever could
//! measure it runs as the same user, and could read the key's file. Nobody trusts the certificate who was not told to.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interfaces::random::Random;
use jiff::Timestamp;
use num_bigint::BigUint;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use serde::{Deserialize, Serialize};
use service_topics::{Notary, SignatureVersion};

use crate::authority::der::{INTEGER, OBJECT, bits, name, sequence, tagged, time};
use crate::issuer::rsa;

const KEY_FILE: &str = "key.json";
/// The modulus, and so signatures.
const MODULUS_BYTES: usize = 256;
/// `rsaEncryption`, and `sha256WithRSAEncryption`.
const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
const RSA_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B];
const NULL: [u8; 2] = [0x05, 0x00];
/// RFC 8017, 9.2, note 1: what stands before a SHA-1.
const SHA1_PREFIX: &[u8] = &[
    0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14,
];
/// As the cloud's own certificates are called.
const TITLE: &str = "sns.amazonaws.com";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LASTS: Duration = DAY.saturating_mul(7_300);
const LINE_CHARS: usize = 64;
const NAME_CHARS: usize = 32;

/// The notary of one machine and user. Its key is made when it is first needed.
pub(crate) struct MachineNotary {
    folder: PathBuf,
    random: Arc<dyn Random>,
    now: fn() -> Timestamp,
    key: OnceLock<Option<Key>>,
}

/// What is kept, in base64; the names are those of RFC 7518.
#[derive(Serialize, Deserialize)]
struct Kept {
    n: String,
    e: String,
    d: String,
    p: String,
    q: String,
    dp: String,
    dq: String,
    qi: String,
    certificate: String,
}

struct Key {
    pair: KeyPair,
    numbers: Numbers,
    /// PEM.
    certificate: String,
    certificate_name: String,
}

struct Numbers {
    n: BigUint,
    e: BigUint,
    p: BigUint,
    q: BigUint,
    dp: BigUint,
    dq: BigUint,
    qi: BigUint,
}

impl MachineNotary {
    /// The notary whose key is kept among the machine's caches.
    pub(crate) fn new(cache: &Path, random: Arc<dyn Random>, now: fn() -> Timestamp) -> Self {
        Self {
            folder: cache.join("topics"),
            random,
            now,
            key: OnceLock::new(),
        }
    }

    fn key(&self) -> Option<&Key> {
        let key = self.key.get_or_init(|| {
            let path = self.folder.join(KEY_FILE);
            let found = fs::read(&path).ok().and_then(|text| read(&text));
            let key = found.or_else(|| self.make(&path));
            if key.is_none() {
                let path = path.display().to_string();
                tracing::error!(path, "the key of topics cannot be kept");
            }
            key
        });
        key.as_ref()
    }

    /// Makes a key and keeps it. Two processes may do so at the same time: the first one's is everybody's.
    fn make(&self, path: &Path) -> Option<Key> {
        fs::create_dir_all(&self.folder).ok()?;
        let parts = rsa::make(&*self.random);
        let pair = pair(&parts)?;
        let now = (self.now)();
        let signed = to_be_signed(&parts, now);
        let certificate = sequence(&[
            signed.clone(),
            algorithm(),
            bits(&by_sha256(&pair, &signed)?),
        ]);
        let encode = |bytes: &[u8]| STANDARD.encode(bytes);
        let kept = Kept {
            n: encode(&parts.n),
            e: encode(&parts.e),
            d: encode(&parts.d),
            p: encode(&parts.p),
            q: encode(&parts.q),
            dp: encode(&parts.dp),
            dq: encode(&parts.dq),
            qi: encode(&parts.qi),
            certificate: encode(&certificate),
        };
        let text = serde_json::to_vec(&kept).ok()?;
        let new = self
            .folder
            .join(format!("{KEY_FILE}.new-{}", std::process::id()));
        let mut options = fs::File::options();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&new).ok()?;
        file.write_all(&text).ok()?;
        // One that cannot be read is of no use to anybody.
        let is_broken = fs::read(path).is_ok_and(|text| read(&text).is_none());
        if is_broken {
            fs::rename(&new, path).ok()?;
        } else {
            let _linked = fs::hard_link(&new, path);
            let _removed = fs::remove_file(&new);
        }
        read(&fs::read(path).ok()?)
    }
}

impl Notary for MachineNotary {
    fn sign(&self, text: &[u8], version: SignatureVersion) -> Option<Vec<u8>> {
        let key = self.key()?;
        match version {
            SignatureVersion::Sha1 => Some(key.numbers.by_sha1(text)),
            SignatureVersion::Sha256 => by_sha256(&key.pair, text),
        }
    }

    fn certificate_name(&self) -> Option<String> {
        Some(self.key()?.certificate_name.clone())
    }

    fn certificate(&self) -> Option<String> {
        Some(self.key()?.certificate.clone())
    }
}

/// Signs nothing: a check publishes nothing.
pub(crate) struct NoNotary;

impl Notary for NoNotary {
    fn sign(&self, _text: &[u8], _version: SignatureVersion) -> Option<Vec<u8>> {
        None
    }

    fn certificate_name(&self) -> Option<String> {
        None
    }

    fn certificate(&self) -> Option<String> {
        None
    }
}

impl Numbers {
    fn by_sha1(&self, text: &[u8]) -> Vec<u8> {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, text);
        let digest_info = [SHA1_PREFIX, hash.as_ref()].concat();
        let padding = MODULUS_BYTES - 3 - digest_info.len();
        let mut block = vec![0x00, 0x01];
        block.extend(std::iter::repeat_n(0xFF, padding));
        block.push(0x00);
        block.extend(digest_info);
        let message = BigUint::from_bytes_be(&block);
        // RFC 8017, 5.1.2, by the two primes.
        let first = message.modpow(&self.dp, &self.p);
        let second = message.modpow(&self.dq, &self.q);
        let difference = (&first + &self.p - (&second % &self.p)) % &self.p;
        let mut signature = &second + (difference * &self.qi % &self.p) * &self.q;
        // A fault of the machine in one half would give the key away.
        if signature.modpow(&self.e, &self.n) != message {
            signature = BigUint::ZERO;
        }
        let bytes = signature.to_bytes_be();
        let mut padded = vec![0; MODULUS_BYTES - bytes.len().min(MODULUS_BYTES)];
        padded.extend(bytes);
        padded
    }
}

fn by_sha256(pair: &KeyPair, text: &[u8]) -> Option<Vec<u8>> {
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = SystemRandom::new();
    let signed = pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature);
    signed.ok().map(|()| signature)
}

fn pair(parts: &rsa::Parts) -> Option<KeyPair> {
    let components = KeyPairComponents {
        public_key: PublicKeyComponents {
            n: &parts.n,
            e: &parts.e,
        },
        d: &parts.d,
        p: &parts.p,
        q: &parts.q,
        dP: &parts.dp,
        dQ: &parts.dq,
        qInv: &parts.qi,
    };
    KeyPair::from_components(&components).ok()
}

fn read(text: &[u8]) -> Option<Key> {
    let kept: Kept = serde_json::from_slice(text).ok()?;
    let part = |text: &str| STANDARD.decode(text).ok();
    let parts = rsa::Parts {
        n: part(&kept.n)?,
        e: part(&kept.e)?,
        d: part(&kept.d)?,
        p: part(&kept.p)?,
        q: part(&kept.q)?,
        dp: part(&kept.dp)?,
        dq: part(&kept.dq)?,
        qi: part(&kept.qi)?,
    };
    let certificate = part(&kept.certificate)?;
    let pair = pair(&parts).filter(|pair| pair.public().modulus_len() == MODULUS_BYTES)?;
    let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes);
    Some(Key {
        numbers: Numbers {
            n: number(&parts.n),
            e: number(&parts.e),
            p: number(&parts.p),
            q: number(&parts.q),
            dp: number(&parts.dp),
            dq: number(&parts.dq),
            qi: number(&parts.qi),
        },
        pair,
        certificate_name: certificate_name(&certificate),
        certificate: pem(&certificate),
    })
}

fn certificate_name(certificate: &[u8]) -> String {
    let hash = digest(&SHA256, certificate);
    let hex: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let short = hex.get(..NAME_CHARS).unwrap_or_default();
    format!("SimpleNotificationService-{short}.pem")
}

fn pem(certificate: &[u8]) -> String {
    let encoded: Vec<char> = STANDARD.encode(certificate).chars().collect();
    let lines = encoded
        .chunks(LINE_CHARS)
        .map(|line| line.iter().collect::<String>() + "\n");
    let body: String = lines.collect();
    format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
}

/// A certificate of version 1, which says nothing but whose key it is.
fn to_be_signed(parts: &rsa::Parts, now: Timestamp) -> Vec<u8> {
    let hash = digest(&SHA256, &parts.n);
    let mut serial = [0x40; 16];
    for (to, from) in serial.iter_mut().skip(1).zip(hash.as_ref()) {
        *to = *from;
    }
    let public = sequence(&[integer(&parts.n), integer(&parts.e)]);
    let kind = sequence(&[tagged(OBJECT, RSA), NULL.into()]);
    sequence(&[
        tagged(INTEGER, &serial),
        algorithm(),
        name(TITLE),
        sequence(&[time(now - DAY), time(now + LASTS)]),
        name(TITLE),
        sequence(&[kind, bits(&public)]),
    ])
}

fn algorithm() -> Vec<u8> {
    sequence(&[tagged(OBJECT, RSA_SHA256), NULL.into()])
}

/// A number that is not negative.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let is_high = bytes.first().is_some_and(|first| 0x80 <= *first);
    let sign: &[u8] = if is_high { &[0] } else { &[] };
    tagged(INTEGER, &[sign, bytes].concat())
}

#[cfg(test)]
mod tests;
