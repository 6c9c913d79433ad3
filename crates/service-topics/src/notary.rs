//! Signing what subscribers receive.
//!
//! Lives here: the seam to whoever keeps the key.
//! Does not live here: the key (`cloudless`), what is signed (`publishing::envelope`).

/// By which hash a topic signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignatureVersion {
    /// `1`: SHA1withRSA.
    Sha1,
    /// `2`: SHA256withRSA.
    Sha256,
}

/// Signs with an RSA key (PKCS #1, version 1.5).
pub trait Notary: Send + Sync {
    /// The signature of a text; none: there is no key.
    fn sign(&self, text: &[u8], version: SignatureVersion) -> Option<Vec<u8>>;

    /// The name of the certificate's file, as `SimpleNotificationService-….pem`; none: there is no key.
    fn certificate_name(&self) -> Option<String>;

    /// The certificate as PEM; none: there is no key.
    fn certificate(&self) -> Option<String>;
}
