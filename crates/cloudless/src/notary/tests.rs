//! Signatures are verified, and the key stays.

use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};

use super::*;
use crate::system::RealRandom;

fn notary(folder: &Path) -> MachineNotary {
    MachineNotary::new(folder, Arc::new(RealRandom::default()), Timestamp::now)
}

#[test]
fn signatures_of_both_versions_are_verified_by_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let notary = notary(folder.path());
    let key = notary.key().unwrap();
    let public = RsaPublicKeyComponents {
        n: key.numbers.n.to_bytes_be(),
        e: key.numbers.e.to_bytes_be(),
    };
    for text in ["", "Message\nhello\n"].map(str::as_bytes) {
        let first = notary.sign(text, SignatureVersion::Sha1).unwrap();
        let by_sha1 = &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY;
        public.verify(by_sha1, text, &first).unwrap();
        let second = notary.sign(text, SignatureVersion::Sha256).unwrap();
        public
            .verify(&RSA_PKCS1_2048_8192_SHA256, text, &second)
            .unwrap();
    }
}

#[test]
fn its_key_is_made_once_and_its_certificate_stays() {
    let folder = tempfile::tempdir().unwrap();
    let first = notary(folder.path());
    assert!(!folder.path().join("topics").exists());
    let certificate = first.certificate().unwrap();
    assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----\nMII"));
    let second = notary(folder.path());
    assert_eq!(second.certificate().unwrap(), certificate);
    assert_eq!(second.certificate_name(), first.certificate_name());
    // A file that is broken is replaced.
    fs::write(folder.path().join("topics").join(KEY_FILE), "{}").unwrap();
    assert_ne!(notary(folder.path()).certificate().unwrap(), certificate);
}
