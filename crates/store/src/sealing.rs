//! Rows that are sealed, since they hold secrets.
//!
//! Lives here: when rows of an owner are sealed, the form of a sealed row, the seam to whoever has the key.
//! Does not live here: the key (`service-secrets`), what rows hold and whose they are (`deployment`, `service-functions`, `service-buses`).
//!
//! What a reference to a secret stands for becomes part of a resource: of a function's variables, most of all. Rows of an owner that
//! ever held one are sealed, and need the key to be read. All others need none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::{Batch, BoxFuture, Write};

/// What a sealed row begins with; JSON never does.
const MARK: u8 = 0x01;

/// Has a seal.
pub trait Seals: Send + Sync {
    /// The seal. Its key is read, or made, when it is first asked for.
    ///
    /// # Errors
    /// [`NoSeal`]
    fn seal(&self) -> BoxFuture<'_, Result<Arc<dyn Seal>, NoSeal>>;
}

/// Closes and opens bytes.
pub trait Seal: Send + Sync {
    /// The bytes, closed. None: the cipher refuses so much.
    fn close(&self, name: &str, plain: &[u8]) -> Option<Vec<u8>>;

    /// The bytes that were closed under this name; none: they were not, or by another key.
    fn open(&self, name: &str, closed: &[u8]) -> Option<Vec<u8>>;
}

/// Rows cannot be opened or closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSeal {
    /// There is no key.
    #[error("the key that seals secrets cannot be had: {0}")]
    Key(String),
    /// It is not the key that they were sealed by.
    #[error(
        "it holds secrets, and was sealed by another key: put back the file `secrets.key` of the state's folder, or begin anew \
         without that folder"
    )]
    Other,
    /// A row is longer than the cipher takes.
    #[error("a row is too long to be sealed")]
    TooLong,
}

/// The rows of one owner.
pub struct Sealing {
    /// What the seal is told that the rows are.
    name: &'static str,
    seals: Option<Arc<dyn Seals>>,
    seal: OnceLock<Arc<dyn Seal>>,
    holds_secrets: AtomicBool,
    has_plain_rows: AtomicBool,
}

impl Sealing {
    /// Rows of this name; without a seal all of them stay plain.
    #[must_use]
    pub fn new(name: &'static str, seals: Option<Arc<dyn Seals>>) -> Self {
        Self {
            name,
            seals,
            seal: OnceLock::new(),
            holds_secrets: AtomicBool::new(false),
            has_plain_rows: AtomicBool::new(false),
        }
    }

    /// What is written from now on is sealed.
    pub fn note_secrets(&self) {
        self.holds_secrets.store(true, Ordering::Relaxed);
    }

    /// Whether there are rows that were read or written before secrets were noted: they are to be written anew.
    #[must_use]
    pub fn leaves_plain_rows(&self) -> bool {
        let holds_secrets = self.holds_secrets.load(Ordering::Relaxed);
        holds_secrets && self.seals.is_some() && self.has_plain_rows.load(Ordering::Relaxed)
    }

    /// Says that all rows have been written anew.
    pub fn note_rewritten(&self) {
        self.has_plain_rows.store(false, Ordering::Relaxed);
    }

    /// What a row says.
    ///
    /// # Errors
    /// [`NoSeal`]
    pub async fn opened(&self, row: Bytes) -> Result<Bytes, NoSeal> {
        let Some(closed) = row.strip_prefix(&[MARK]) else {
            self.has_plain_rows.store(true, Ordering::Relaxed);
            return Ok(row);
        };
        self.note_secrets();
        let seal = self.seal().await?;
        let opened = seal.and_then(|seal| seal.open(self.name, closed));
        opened.map(Bytes::from).ok_or(NoSeal::Other)
    }

    /// A batch whose rows are sealed, if they are to be. Rows whose keys begin with `plain` are left as they are.
    ///
    /// # Errors
    /// [`NoSeal`]
    pub async fn closed(&self, batch: Batch, plain: Option<&[u8]>) -> Result<Batch, NoSeal> {
        let wanted = self.holds_secrets.load(Ordering::Relaxed);
        let seal = if wanted { self.seal().await? } else { None };
        let Some(seal) = seal else {
            self.has_plain_rows.store(true, Ordering::Relaxed);
            return Ok(batch);
        };
        let mut sealed = Batch::new();
        for check in batch.checks() {
            sealed = sealed.check(check.clone());
        }
        let stays = |key: &[u8]| plain.is_some_and(|plain| key.starts_with(plain));
        for write in batch.writes() {
            sealed = match write {
                Write::Put { key, value } if !stays(key) => {
                    sealed.put(key.clone(), self.marked(seal, value)?)
                }
                Write::Put { .. }
                | Write::PutVersionstampedKey { .. }
                | Write::PutVersionstampedValue { .. }
                | Write::Delete { .. } => sealed.write(write.clone()),
            };
        }
        Ok(sealed)
    }

    /// A row that holds a secret, sealed whatever others of the owner are.
    ///
    /// # Errors
    /// [`NoSeal`]
    pub async fn sealed(&self, row: Vec<u8>) -> Result<Vec<u8>, NoSeal> {
        match self.seal().await? {
            Some(seal) => self.marked(seal, &row),
            None => Ok(row),
        }
    }

    fn marked(&self, seal: &Arc<dyn Seal>, row: &[u8]) -> Result<Vec<u8>, NoSeal> {
        let closed = seal.close(self.name, row).ok_or(NoSeal::TooLong)?;
        Ok([&[MARK][..], &closed].concat())
    }

    async fn seal(&self) -> Result<Option<&Arc<dyn Seal>>, NoSeal> {
        let Some(seals) = &self.seals else {
            return Ok(None);
        };
        if let Some(seal) = self.seal.get() {
            return Ok(Some(seal));
        }
        let seal = seals.seal().await?;
        Ok(Some(self.seal.get_or_init(|| seal)))
    }
}
