//! The batch of a change.
//!
//! Lives here: the item's own write, what it entails, the checks that the decision still holds; pure.
//! Does not live here: looking and committing (`items`), what is entailed (`consequences`).

use bytes::Bytes;
use store::{Batch, Write};

use super::codec;
use super::consequences::{Cause, consequences};
use super::indexes::Image;
use super::items::Change;
use super::table::{ItemKey, Table};
use super::value::Attributes;

/// The item that a change meets; nothing, when it does not look.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) bytes: Option<&'a Bytes>,
    pub(super) attributes: Option<&'a Attributes>,
}

impl<'a> Before<'a> {
    fn image(self) -> Option<Image<'a>> {
        Some(Image {
            attributes: self.attributes?,
            bytes: self.bytes?,
        })
    }
}

/// Whether a write is of the item at this place.
pub(super) fn is_at(write: &Write, place: &ItemKey) -> bool {
    match write {
        Write::Put { key, .. } | Write::Delete { key } => key == place.as_bytes(),
        Write::PutVersionstampedKey { .. } | Write::PutVersionstampedValue { .. } => false,
    }
}

/// Only if this is still what the decision is made on.
pub(super) fn unchanged(batch: Batch, key: &[u8], found: Option<&Bytes>) -> Batch {
    let key = Bytes::copy_from_slice(key);
    match found {
        Some(bytes) => batch.check_equals(key, bytes.clone()),
        None => batch.check_absent(key),
    }
}

/// The batch with the change and all that it entails.
pub(super) fn add_change(
    batch: Batch,
    table: &Table,
    key: &ItemKey,
    before: Before<'_>,
    change: &Change,
    cause: Cause,
) -> Batch {
    let item_key = Bytes::copy_from_slice(key.as_bytes());
    let (write, entailed) = match change {
        Change::Keep => return batch,
        Change::Put(item) => {
            let value = Bytes::from(codec::encode(item));
            let after = Image {
                attributes: item,
                bytes: &value,
            };
            let entailed = consequences(table, key, before.image(), Some(after), cause);
            let key = item_key;
            (Write::Put { key, value }, entailed)
        }
        Change::Delete => (
            Write::Delete { key: item_key },
            consequences(table, key, before.image(), None, cause),
        ),
    };
    entailed.into_iter().fold(batch.write(write), Batch::write)
}
