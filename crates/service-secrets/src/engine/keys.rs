//! Keys of the store.
//!
//! Lives here: the shapes that `store`'s documentation lists for secrets.
//! Does not live here: values (`rows`).

use model::arn::Arn;
use model::ids::{AccountId, Region};
use model::time::Timestamp;
use store::keys::{KeyReader, KeyWriter, Owner};

/// Whose resources.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
}

/// Which kind of row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Key,
    Alias,
    Parameter,
    ParameterVersion,
    Secret,
    SecretVersion,
}

/// What happens at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Happens {
    /// A key is deleted.
    DeleteKey,
    /// A secret is deleted.
    DeleteSecret,
    /// A key gets new material.
    RotateKey,
}

/// When something happens to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueKey {
    pub(crate) at: Timestamp,
    pub(crate) place: Place,
    pub(crate) what: Happens,
    /// The id of the key, or the name of the secret.
    pub(crate) name: String,
}

const DUE: u8 = 0x01;

impl Place {
    /// The ARN of a resource here.
    pub(crate) fn arn(&self, service: &str, resource: impl Into<String>) -> String {
        Arn::new(service, &self.region, &self.account, resource).to_string()
    }

    /// The place that an ARN names.
    pub(crate) fn of_arn(arn: &Arn) -> Self {
        Self {
            account: AccountId::new(arn.account.clone()),
            region: Region::new(arn.region.clone()),
        }
    }
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Key => 0x01,
            Self::Alias => 0x02,
            Self::Parameter => 0x10,
            Self::ParameterVersion => 0x11,
            Self::Secret => 0x20,
            Self::SecretVersion => 0x21,
        }
    }

    pub(crate) const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0x01 => Self::Key,
            0x02 => Self::Alias,
            0x10 => Self::Parameter,
            0x11 => Self::ParameterVersion,
            0x20 => Self::Secret,
            0x21 => Self::SecretVersion,
            _ => return None,
        })
    }
}

/// What all rows of a place begin with.
pub(crate) fn prefix(place: &Place) -> Vec<u8> {
    KeyWriter::new(&place.account, &place.region, Owner::Secrets).finish()
}

/// A row by the names that lead to it.
pub(crate) fn row(place: &Place, kind: Kind, names: &[&str]) -> Vec<u8> {
    let start = KeyWriter::after(&prefix(place)).byte(kind.byte());
    names
        .iter()
        .fold(start, |key, name| key.text(name))
        .finish()
}

/// What all times begin with, in every place.
pub(crate) fn due_prefix() -> Vec<u8> {
    KeyWriter::by_id(Owner::Secrets).byte(DUE).finish()
}

/// The first key after all that are due by now.
pub(crate) fn due_after(now: Timestamp) -> Vec<u8> {
    let next = now.epoch_us().cast_unsigned().saturating_add(1);
    KeyWriter::after(&due_prefix())
        .raw(&next.to_be_bytes())
        .finish()
}

impl DueKey {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let what = match self.what {
            Happens::DeleteKey => 0x01,
            Happens::DeleteSecret => 0x02,
            Happens::RotateKey => 0x03,
        };
        KeyWriter::after(&due_prefix())
            .raw(&self.at.epoch_us().cast_unsigned().to_be_bytes())
            .text(self.place.account.as_str())
            .text(self.place.region.as_str())
            .byte(what)
            .text(&self.name)
            .finish()
    }

    pub(crate) fn from_bytes(key: &[u8]) -> Option<Self> {
        let mut reader = KeyReader::new(key);
        reader.skip(&due_prefix()).ok()?;
        let at = u64::from_be_bytes(reader.raw(8).ok()?.try_into().ok()?);
        let account = AccountId::new(reader.text().ok()?);
        let region = Region::new(reader.text().ok()?);
        let what = match reader.raw(1).ok()? {
            [0x01] => Happens::DeleteKey,
            [0x02] => Happens::DeleteSecret,
            [0x03] => Happens::RotateKey,
            _ => return None,
        };
        Some(Self {
            at: Timestamp::from_micros(at.cast_signed()),
            place: Place { account, region },
            what,
            name: reader.text().ok()?,
        })
    }
}
