//! Whose certificates are believed.
//!
//! Lives here: the authorities that browsers know, and those that a user adds.
//! Does not live here: certificates that are shown to others (`http::tls`).

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Authorities. By default those that Mozilla's programme lists, as built into the binary.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    added: Vec<CertificateDer<'static>>,
}

/// A file of certificates that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no certificate could be read: {reason}")]
pub struct BadRoots {
    reason: String,
}

impl Roots {
    /// Adds those of a PEM text, as `SSL_CERT_FILE` names it.
    ///
    /// # Errors
    /// When the text holds none, or one that is broken.
    pub fn adding(mut self, pem: &[u8]) -> Result<Self, BadRoots> {
        let bad = |reason: String| BadRoots { reason };
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| bad(error.to_string()))?;
        if certificates.is_empty() {
            return Err(bad("the file holds none".to_owned()));
        }
        let mut store = RootCertStore::empty();
        for certificate in certificates {
            // A system's own list may hold a few that are too old for us; what is no certificate at all is not usable.
            if store.add(certificate.clone()).is_ok() {
                self.added.push(certificate);
            }
        }
        if store.is_empty() {
            return Err(bad("none of them is an authority's".to_owned()));
        }
        Ok(self)
    }

    pub(crate) fn client_config(&self) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the suites of TLS 1.2 and 1.3");
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        roots.add_parsable_certificates(self.added.iter().cloned());
        builder.with_root_certificates(roots).with_no_client_auth()
    }
}
