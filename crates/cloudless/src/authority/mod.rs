//! Development authorities: one certifies the cloud's own host names, for sandboxes; one certifies `localhost`, for `dev --https`.
//!
//! Lives here: its key and certificate, one for a machine and user; certificates of hosts; the files that sandboxes trust.
//! Does not live here: certificates as bytes (`der`), who listens (`walls`, `front`), how runtimes are told (`runtimes`).
//!
//! Nothing outside of sandboxes is made to trust either. Each may only certify its own names: whoever takes the key of the
//! first can deceive functions in development about the cloud, and nobody else.

pub(crate) mod der;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};

use der::{Certificate, Role};

/// Names that the cloud's services answer at: these, and all below.
pub const NAMES: [&str; 3] = ["amazonaws.com", "amazonaws.com.cn", "api.aws"];

const TITLE: &str = "Cloudless development authority";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_LASTS: Duration = DAY.saturating_mul(3_650);
/// An authority that is older is replaced.
const AUTHORITY_USED_FOR: Duration = DAY.saturating_mul(3_000);
/// As long as clients accept.
const HOST_LASTS: Duration = DAY.saturating_mul(397);
/// Clocks differ.
const BEFORE: Duration = DAY;
/// Hosts whose certificates are remembered; when they are more, all are forgotten.
const HOSTS_MAX: usize = 1_024;

const KEY_FILE: &str = "key.der";
const CERTIFICATE_FILE: &str = "authority.pem";
const ROOTS_FILE: &str = "roots.pem";
/// Where systems keep the roots that they trust, in one file.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Certifies hosts of certain names.
pub struct Authority {
    key: EcdsaKeyPair,
    key_name: Vec<u8>,
    host_key: Arc<dyn SigningKey>,
    host_point: Vec<u8>,
    certificate: PathBuf,
    roots: Option<PathBuf>,
    names: &'static [&'static str],
    hosts: Mutex<HashMap<String, Arc<CertifiedKey>>>,
    now: fn() -> Timestamp,
}

/// There is no authority.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// Its files cannot be written or read.
    #[error("`{}` cannot be kept", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key cannot be made, or that which is kept is none.
    #[error("the key `{}` is of no use; remove its folder for a new one", .0.display())]
    Key(PathBuf),
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Authority")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// The authority that is kept in a folder, which is made if it is not there. `system_roots` is what the user says they
    /// are.
    ///
    /// # Errors
    /// [`NotKept`]: sandboxes do without the cloud's host names then.
    pub fn open(
        folder: &Path,
        names: &'static [&'static str],
        system_roots: Option<&Path>,
        now: fn() -> Timestamp,
    ) -> Result<Self, NotKept> {
        let key_file = folder.join(KEY_FILE);
        let random = SystemRandom::new();
        if is_to_be_made(&key_file) {
            make(folder, names, &random, now())?;
        }
        let unusable = || NotKept::Key(key_file.clone());
        let bytes = fs::read(&key_file).map_err(kept(&key_file))?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &bytes, &random)
            .map_err(|_| unusable())?;
        let host = new_key(&random).ok_or_else(unusable)?;
        let host_point = point_of(&host, &random).ok_or_else(unusable)?;
        let host = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(host));
        let host_key = rustls::crypto::ring::sign::any_ecdsa_type(&host).map_err(|_| unusable())?;
        let certificate = folder.join(CERTIFICATE_FILE);
        let roots = write_roots(folder, &certificate, system_roots)?;
        Ok(Self {
            key_name: name_of(key.public_key().as_ref()),
            key,
            host_key,
            host_point,
            certificate,
            roots,
            names,
            hosts: Mutex::default(),
            now,
        })
    }

    /// The file with its certificate.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// The file with its certificate and all that the system trusts; none when it is not known what that is.
    #[must_use]
    pub fn roots(&self) -> Option<&Path> {
        self.roots.as_deref()
    }

    pub(crate) fn certified(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if !is_below(self.names, &host) {
            return None;
        }
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(&host) {
            return Some(Arc::clone(known));
        }
        let random = SystemRandom::new();
        let now = (self.now)();
        let point = &self.host_point;
        let certificate = Certificate {
            serial: serial(&random)?,
            issuer: TITLE,
            subject: "cloudless",
            from: now - BEFORE,
            until: now + HOST_LASTS,
            key: (point, &name_of(point)),
            issuer_key: &self.key_name,
            role: Role::Host(&host),
        };
        let signed = sign(&self.key, &random, &certificate)?;
        let chain = vec![CertificateDer::from(signed)];
        let certified = Arc::new(CertifiedKey::new(chain, Arc::clone(&self.host_key)));
        if HOSTS_MAX <= hosts.len() {
            hosts.clear();
        }
        hosts.insert(host, Arc::clone(&certified));
        Some(certified)
    }
}

impl ResolvesServerCert for Authority {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.certified(hello.server_name()?)
    }
}

/// Whether a host has one of these names, or one below.
fn is_below(names: &[&str], host: &str) -> bool {
    names.iter().any(|name| {
        let rest = host.strip_suffix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

fn is_to_be_made(key_file: &Path) -> bool {
    let made = fs::metadata(key_file).and_then(|found| found.modified());
    made.is_ok_and(|made| {
        let age = made.elapsed().unwrap_or_default();
        AUTHORITY_USED_FOR < age
    }) || !key_file.exists()
}

/// Makes a folder with a new authority, all at once: two servers may start at the same time.
fn make(
    folder: &Path,
    names: &[&str],
    random: &SystemRandom,
    now: Timestamp,
) -> Result<(), NotKept> {
    let unusable = || NotKept::Key(folder.join(KEY_FILE));
    let above = folder.parent().unwrap_or(Path::new("."));
    let new = folder.with_extension(format!("new-{}", std::process::id()));
    let of = |name: &str| new.join(name);
    fs::create_dir_all(above).map_err(kept(above))?;
    // What an earlier process of this number may have left.
    let _ = fs::remove_dir_all(&new);
    // Open to all: functions may have ids of their own, and are shown the certificates. The key is not.
    let made = fs::DirBuilder::new().mode(0o755).create(&new);
    made.map_err(kept(&new))?;
    let pkcs8 = new_key(random).ok_or_else(unusable)?;
    write(&of(KEY_FILE), &pkcs8, 0o600)?;
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, random)
        .map_err(|_| unusable())?;
    let point = key.public_key().as_ref();
    let name = name_of(point);
    let certificate = Certificate {
        serial: serial(random).ok_or_else(unusable)?,
        issuer: TITLE,
        subject: TITLE,
        from: now - BEFORE,
        until: now + AUTHORITY_LASTS,
        key: (point, &name),
        issuer_key: &name,
        role: Role::Authority(names),
    };
    let signed = sign(&key, random, &certificate).ok_or_else(unusable)?;
    write(&of(CERTIFICATE_FILE), pem(&signed).as_bytes(), 0o644)?;
    let renamed = fs::rename(&new, folder).or_else(|error| {
        if !is_to_be_made(&folder.join(KEY_FILE)) {
            // Somebody else was faster.
            return fs::remove_dir_all(&new);
        }
        // An old one, or half of one.
        let old = folder.with_extension(format!("old-{}", std::process::id()));
        fs::rename(folder, &old).map_err(|_| error)?;
        fs::rename(&new, folder)?;
        fs::remove_dir_all(&old)
    });
    renamed.map_err(kept(folder))
}

/// Our certificate, and what the system trusts, in one file: most clients know only one.
fn write_roots(
    folder: &Path,
    certificate: &Path,
    system_roots: Option<&Path>,
) -> Result<Option<PathBuf>, NotKept> {
    let known = SYSTEM_ROOTS.map(Path::new);
    let found = system_roots
        .into_iter()
        .chain(known)
        .find_map(|path| fs::read_to_string(path).ok());
    let Some(system) = found else {
        return Ok(None);
    };
    let own = fs::read_to_string(certificate).map_err(kept(certificate))?;
    let path = folder.join(ROOTS_FILE);
    let text = format!("{own}{system}");
    // It stays as it is where it is right: sandboxes show that very file.
    if fs::read_to_string(&path).is_ok_and(|there| there == text) {
        return Ok(Some(path));
    }
    let new = folder.join(format!("{ROOTS_FILE}.new-{}", std::process::id()));
    write(&new, text.as_bytes(), 0o644)?;
    fs::rename(&new, &path).map_err(kept(&path))?;
    Ok(Some(path))
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), NotKept> {
    let opened = fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path);
    let written = opened.and_then(|mut file| {
        // Whatever the mask of this process leaves of the mode.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)
    });
    written.map_err(kept(path))
}

fn kept(path: &Path) -> impl FnOnce(io::Error) -> NotKept {
    let path = path.to_path_buf();
    move |source| NotKept::File { path, source }
}

fn new_key(random: &SystemRandom) -> Option<Vec<u8>> {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, random);
    Some(made.ok()?.as_ref().to_vec())
}

fn point_of(pkcs8: &[u8], random: &SystemRandom) -> Option<Vec<u8>> {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, random);
    Some(key.ok()?.public_key().as_ref().to_vec())
}

/// What tells a key from others.
fn name_of(point: &[u8]) -> Vec<u8> {
    let digest = ring::digest::digest(&ring::digest::SHA256, point);
    digest.as_ref().iter().copied().take(20).collect()
}

fn serial(random: &SystemRandom) -> Option<[u8; 16]> {
    let mut serial = [0; 16];
    random.fill(&mut serial).ok()?;
    Some(serial)
}

fn sign(
    key: &EcdsaKeyPair,
    random: &SystemRandom,
    certificate: &Certificate<'_>,
) -> Option<Vec<u8>> {
    let to_be_signed = der::to_be_signed(certificate);
    let signature = key.sign(random, &to_be_signed).ok()?;
    Some(der::signed(to_be_signed, signature.as_ref()))
}

fn pem(certificate: &[u8]) -> String {
    const LINE_CHARACTERS: usize = 64;
    let encoded = STANDARD.encode(certificate);
    let characters: Vec<char> = encoded.chars().collect();
    let lines: Vec<String> = characters
        .chunks(LINE_CHARACTERS)
        .map(|line| line.iter().collect())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests;
