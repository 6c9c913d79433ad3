//! The key that seals all others.
//!
//! Lives here: the file that it is kept in, sealing and opening small secrets by it.
//! Does not live here: the keys of KMS, which it seals (`cipher`).
//!
//! It lies in the folder of the state, where its user alone can read it, and not in the store: a copy of the store without it
//! opens nothing.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interfaces::random::Random;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// Bytes of a key of AES-256.
pub(crate) const KEY_BYTES: usize = 32;
const FILE_NAME: &str = "secrets.key";
const FILE_BYTES_MAX: u64 = 1_024;

/// The root key cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootError {
    #[error("`{path}` cannot be read or written")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{path}` is not a key of {KEY_BYTES} bytes in hexadecimal digits")]
    Form { path: PathBuf },
}

/// The root key.
pub(crate) struct Root {
    key: LessSafeKey,
}

impl Root {
    /// The key of this folder, made if there is none; without a folder one that nobody keeps.
    pub(crate) async fn open(
        folder: Option<PathBuf>,
        random: &dyn Random,
    ) -> Result<Self, RootError> {
        let mut drawn = [0; KEY_BYTES];
        random.fill(&mut drawn);
        let Some(folder) = folder else {
            return Self::of(&drawn, Path::new(FILE_NAME));
        };
        let path = folder.join(FILE_NAME);
        let at = path.clone();
        let read = tokio::task::spawn_blocking(move || read_or_write(&at, &drawn));
        let read = read.await.map_err(std::io::Error::other).flatten();
        let text = read.map_err(|source| RootError::File {
            path: path.clone(),
            source,
        })?;
        let bytes = hex::decode(text.trim()).unwrap_or_default();
        Self::of(&bytes, &path)
    }

    fn of(bytes: &[u8], path: &Path) -> Result<Self, RootError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| RootError::Form {
            path: path.to_owned(),
        })?;
        Ok(Self {
            key: LessSafeKey::new(key),
        })
    }

    /// Seals what belongs to this name.
    pub(crate) fn seal(&self, random: &dyn Random, name: &str, plain: &[u8]) -> Option<String> {
        Some(STANDARD.encode(self.close(random, name, plain)?))
    }

    /// The same, as bytes.
    pub(crate) fn close(&self, random: &dyn Random, name: &str, plain: &[u8]) -> Option<Vec<u8>> {
        seal(&self.key, random, name.as_bytes(), plain)
    }

    /// Opens what belongs to this name.
    pub(crate) fn open_sealed(&self, name: &str, sealed: &str) -> Option<Vec<u8>> {
        self.open_closed(name, &STANDARD.decode(sealed).ok()?)
    }

    /// The same, of bytes.
    pub(crate) fn open_closed(&self, name: &str, closed: &[u8]) -> Option<Vec<u8>> {
        open(&self.key, name.as_bytes(), closed)
    }
}

fn read_or_write(path: &Path, drawn: &[u8]) -> std::io::Result<String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Whole or not at all: what a crash leaves half would never be read again.
    let fresh = path.with_extension("key.new");
    if !path.exists() {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(hex::encode(drawn).as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
    }
    let mut text = String::new();
    let file = File::open(path)?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// A nonce that is drawn, and what it seals. None when the cipher refuses, which it does for nothing that is this short.
pub(crate) fn seal(
    key: &LessSafeKey,
    random: &dyn Random,
    about: &[u8],
    plain: &[u8],
) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    random.fill(&mut nonce);
    let mut bytes = plain.to_vec();
    let given = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(given, Aad::from(about), &mut bytes)
        .ok()?;
    Some([&nonce[..], &bytes].concat())
}

/// The plain bytes; none when they are not what was sealed.
pub(crate) fn open(key: &LessSafeKey, about: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut bytes = rest.to_vec();
    let given = Nonce::assume_unique_for_key(*nonce);
    let plain = key
        .open_in_place(given, Aad::from(about), &mut bytes)
        .ok()?;
    Some(plain.to_vec())
}
