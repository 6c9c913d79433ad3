//! What keys of KMS do to bytes.
//!
//! Lives here: new material, AES-256-GCM with an encryption context, the form of a ciphertext.
//! Does not live here: which key, and who may use it (`kms`).
//!
//! A ciphertext is one byte of version, the length of the key's ARN and the ARN, the id of the material (32 bytes), a nonce of
//! 12 bytes, and what AES-256-GCM makes of the plaintext. All that stands before the nonce, and the context, is
//! authenticated.

use std::collections::BTreeMap;

use interfaces::random::Random;
use model::time::Timestamp;
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};

use super::catalogue::Error;
use super::keys::Place;
use super::root::{KEY_BYTES, Root, open, seal};
use super::rows::{Key, Material, Spec};

/// What a ciphertext belongs to; it must be told again to decrypt it.
pub(crate) type Context = BTreeMap<String, String>;

const VERSION: u8 = 1;
const ID_BYTES: usize = 32;

/// A ciphertext, taken apart.
pub(crate) struct Blob<'b> {
    /// Of the key.
    pub(crate) arn: &'b str,
    pub(crate) material: String,
    head: &'b [u8],
    sealed: &'b [u8],
}

impl<'b> Blob<'b> {
    /// Takes a ciphertext apart; none when it is not one of ours.
    pub(crate) fn read(bytes: &'b [u8]) -> Option<Self> {
        let (&[version, length], rest) = bytes.split_first_chunk::<2>()?;
        let (arn, rest) = rest.split_at_checked(usize::from(length))?;
        let (material, sealed) = rest.split_at_checked(ID_BYTES)?;
        let head = bytes.get(..bytes.len() - sealed.len())?;
        let arn = std::str::from_utf8(arn).ok()?;
        (version == VERSION).then(|| Self {
            arn,
            material: hex::encode(material),
            head,
            sealed,
        })
    }
}

impl Spec {
    /// As the API says it.
    pub(crate) const fn told(self) -> &'static str {
        match self {
            Self::Symmetric => "SYMMETRIC_DEFAULT",
            Self::Hmac224 => "HMAC_224",
            Self::Hmac256 => "HMAC_256",
            Self::Hmac384 => "HMAC_384",
            Self::Hmac512 => "HMAC_512",
        }
    }

    /// What keys of it are for.
    pub(crate) const fn usage(self) -> &'static str {
        match self {
            Self::Symmetric => "ENCRYPT_DECRYPT",
            Self::Hmac224 | Self::Hmac256 | Self::Hmac384 | Self::Hmac512 => "GENERATE_VERIFY_MAC",
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Symmetric | Self::Hmac256 => KEY_BYTES,
            Self::Hmac224 => 28,
            Self::Hmac384 => 48,
            Self::Hmac512 => 64,
        }
    }
}

impl Key {
    pub(crate) fn arn(&self, place: &Place) -> String {
        place.arn("kms", format!("key/{}", self.id))
    }

    /// The secret bytes of a material.
    pub(crate) fn secret(&self, root: &Root, material: &Material) -> Result<Vec<u8>, Error> {
        let name = material_name(&self.id, &material.id);
        root.open_sealed(&name, &material.sealed)
            .ok_or(Error::Sealed)
    }

    /// The material that is used now.
    pub(crate) fn current(&self) -> Result<&Material, Error> {
        self.materials.last().ok_or(Error::Sealed)
    }

    /// Encrypts.
    pub(crate) fn encrypt(
        &self,
        (root, random): (&Root, &dyn Random),
        place: &Place,
        context: &Context,
        plain: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let material = self.current()?;
        let cipher = cipher(&self.secret(root, material)?)?;
        let arn = self.arn(place);
        let length = u8::try_from(arn.len()).map_err(|_| Error::Sealed)?;
        let id = hex::decode(&material.id).map_err(|_| Error::Sealed)?;
        let head = [&[VERSION, length], arn.as_bytes(), &id].concat();
        let about = authenticated(&head, context);
        let sealed = seal(&cipher, random, &about, plain).ok_or(Error::Sealed)?;
        Ok([head, sealed].concat())
    }

    /// Decrypts; none when the ciphertext or the context is not what it was.
    pub(crate) fn decrypt(
        &self,
        root: &Root,
        blob: &Blob<'_>,
        context: &Context,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut materials = self.materials.iter();
        let Some(material) = materials.find(|material| material.id == blob.material) else {
            return Ok(None);
        };
        let cipher = cipher(&self.secret(root, material)?)?;
        Ok(open(
            &cipher,
            &authenticated(blob.head, context),
            blob.sealed,
        ))
    }
}

/// New material for a key.
#[expect(
    clippy::fn_params_excessive_bools,
    reason = "one fact that the name of the argument says"
)]
pub(crate) fn new_material(
    (root, random): (&Root, &dyn Random),
    key_id: &str,
    spec: Spec,
    now: Timestamp,
    on_demand: bool,
) -> Result<Material, Error> {
    let mut id = [0; ID_BYTES];
    random.fill(&mut id);
    let id = hex::encode(id);
    let mut secret = vec![0; spec.bytes()];
    random.fill(&mut secret);
    let sealed = root.seal(random, &material_name(key_id, &id), &secret);
    Ok(Material {
        sealed: sealed.ok_or(Error::Sealed)?,
        id,
        created_at: now,
        on_demand,
    })
}

fn material_name(key_id: &str, id: &str) -> String {
    format!("{key_id}/{id}")
}

fn cipher(secret: &[u8]) -> Result<LessSafeKey, Error> {
    let key = UnboundKey::new(&AES_256_GCM, secret).map_err(|_| Error::Sealed)?;
    Ok(LessSafeKey::new(key))
}

/// Every part is preceded by its length: no two contexts come to the same bytes.
fn authenticated(head: &[u8], context: &Context) -> Vec<u8> {
    let mut bytes = head.to_vec();
    for text in context.iter().flat_map(|(key, value)| [key, value]) {
        bytes.extend_from_slice(&text.len().to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}
