//! TLS on a listener: certificates from files, chosen by the name that the client asks for.
//!
//! Lives here: reading them, choosing one, what is spoken above them.
//! Does not live here: handshakes (`server`), whom the gateway trusts itself (`outbound`).
//!
//! Contract: RFC 6066, 3 (server name), RFC 7301 (ALPN): `h2` and `http/1.1`. TLS 1.2 and 1.3. A client that names no host,
//! or one that no certificate is for, is shown the first certificate.

use std::fmt;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto};

/// Certificates of one listener; each name is looked for among all of them.
const CERTIFICATES_MAX: usize = 100;

/// What a listener shows, and to whom.
#[derive(Clone)]
pub struct Tls {
    pub(super) config: Arc<ServerConfig>,
}

/// A certificate with its key, each a PEM text.
#[derive(Debug, Clone)]
pub struct CertificateText<'a> {
    /// The certificate, and behind it those that lead to its authority.
    pub certificate: &'a [u8],
    /// Its private key.
    pub key: &'a [u8],
}

/// Certificates that cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// There is none, or it is broken.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    /// There is none, or it is broken.
    #[error("the key cannot be read: {0}")]
    Key(String),
    /// The key is another one's.
    #[error("the key is not that of the certificate")]
    Mismatch,
    /// There are too many.
    #[error("there are {0} certificates; {CERTIFICATES_MAX} are the most")]
    TooMany(usize),
    /// There are none at all.
    #[error("there is no certificate")]
    None,
}

impl fmt::Debug for Tls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Shows these.
    ///
    /// # Errors
    /// The first that cannot be shown, with its number from 0.
    pub fn new(texts: &[CertificateText<'_>]) -> Result<Self, (usize, BadCertificate)> {
        if CERTIFICATES_MAX < texts.len() {
            return Err((CERTIFICATES_MAX, BadCertificate::TooMany(texts.len())));
        }
        let mut shown = Vec::with_capacity(texts.len());
        for (number, text) in texts.iter().enumerate() {
            let certified = read(text).map_err(|bad| (number, bad))?;
            shown.push(Arc::new(certified));
        }
        if shown.is_empty() {
            return Err((0, BadCertificate::None));
        }
        Ok(Self::choosing(Arc::new(Shown(shown))))
    }

    /// Shows what somebody else chooses: a development authority, say.
    #[must_use]
    pub fn choosing(resolver: Arc<dyn ResolvesServerCert>) -> Self {
        let provider = Arc::new(crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the suites of TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self {
            config: Arc::new(config),
        }
    }
}

fn read(text: &CertificateText<'_>) -> Result<CertifiedKey, BadCertificate> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(text.certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| BadCertificate::Certificate(error.to_string()))?;
    let first = chain.first();
    let first = first.ok_or_else(|| {
        BadCertificate::Certificate(
            "there is none in it (`-----BEGIN CERTIFICATE-----`)".to_owned(),
        )
    })?;
    ParsedCertificate::try_from(first)
        .map_err(|error| BadCertificate::Certificate(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(text.key)
        .map_err(|error| BadCertificate::Key(error.to_string()))?;
    let key = crypto::ring::sign::any_supported_type(&key)
        .map_err(|error| BadCertificate::Key(error.to_string()))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            Err(BadCertificate::Mismatch)
        }
        // Keys that cannot tell their public half are taken at their word.
        Ok(()) | Err(_) => Ok(certified),
    }
}

#[derive(Debug)]
struct Shown(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name();
        let asked = asked.and_then(|name| ServerName::try_from(name).ok());
        let is_for_it = |certified: &&Arc<CertifiedKey>| {
            let first = certified.cert.first();
            let parsed = first.and_then(|first| ParsedCertificate::try_from(first).ok());
            match (&asked, parsed) {
                (Some(name), Some(parsed)) => verify_server_name(&parsed, name).is_ok(),
                (None, _) | (_, None) => false,
            }
        };
        let chosen = self.0.iter().find(is_for_it).or(self.0.first());
        chosen.map(Arc::clone)
    }
}
