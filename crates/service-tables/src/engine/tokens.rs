//! Tokens by which a transaction that is sent twice is carried out once.
//!
//! Lives here: the row that a token has in the store, what it says to a request, removing those that are old.
//! Does not live here: the transaction that a row is written with (`items`), what a request is (`dynamodb`).
//!
//! A row's key is the account, the region and the token; its value the version `01`, the end of its life in microseconds since
//! 1970 (8 bytes), and a SHA-256 of the request. It is written in the commit of its transaction, so that one is never
//! without the other.

use std::time::Duration;

use bytes::Bytes;
use model::ids::{AccountId, Region};
use model::time::Timestamp;
use store::keys::{KeyWriter, Owner};
use store::{Batch, CommitError, Direction, PageLimit, Range, ReadError, Store, Write};

const KIND_TOKENS: u8 = 0x20;
const FORMAT: u8 = 1;
/// How long a token is known.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// Rows that are looked at, and removed, at once.
const SLICE_ROWS_MAX: usize = 1_000;
/// Bytes of rows that are looked at at once.
const SLICE_BYTES_MAX: usize = 256 * 1024;

/// A SHA-256 of what a request asks for.
pub type Fingerprint = [u8; 32];

/// What is known of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nothing: the request is new.
    Nothing,
    /// The same request was carried out.
    SameRequest,
    /// Another one was.
    AnotherRequest,
}

/// Old tokens could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum TrimError {
    /// The store could not be read.
    #[error("could not read tokens of transactions")]
    Read(#[from] ReadError),
    /// The store could not be written.
    #[error("could not remove tokens of transactions")]
    Commit(#[from] CommitError),
}

/// The key of a token's row.
#[must_use]
pub fn key(account: &AccountId, region: &Region, token: &str) -> Vec<u8> {
    KeyWriter::after(&keys(account, region))
        .text(token)
        .finish()
}

/// The write that makes a token known from now on.
#[must_use]
pub fn write(key: Vec<u8>, fingerprint: &Fingerprint, now: Timestamp) -> Write {
    let mut value = vec![FORMAT];
    value.extend_from_slice(&now.plus(LIFE).epoch_us().to_be_bytes());
    value.extend_from_slice(fingerprint);
    Write::Put {
        key: Bytes::from(key),
        value: Bytes::from(value),
    }
}

/// What a token's row says to a request. A row that cannot be read says nothing: it is at most ten minutes old.
#[must_use]
pub fn known(row: Option<&[u8]>, fingerprint: &Fingerprint, now: Timestamp) -> Known {
    match row.and_then(parts) {
        Some((ends_at, _)) if ends_at <= now => Known::Nothing,
        Some((_, of_row)) if of_row == fingerprint => Known::SameRequest,
        Some(_) => Known::AnotherRequest,
        None => Known::Nothing,
    }
}

/// Removes the tokens whose time is over.
///
/// # Errors
/// [`TrimError`].
pub async fn trim(
    store: &dyn Store,
    account: &AccountId,
    region: &Region,
    now: Timestamp,
) -> Result<(), TrimError> {
    let mut range = Range::of_prefix(keys(account, region));
    let limit = PageLimit {
        rows_max: SLICE_ROWS_MAX,
        bytes_max: SLICE_BYTES_MAX,
    };
    loop {
        let page = store.scan(&range, Direction::Forward, limit).await?;
        let is_old =
            |row: &&store::Row| parts(&row.value).is_none_or(|(ends_at, _)| ends_at <= now);
        let batch = page
            .rows
            .iter()
            .filter(is_old)
            .fold(Batch::new(), |batch, row| {
                batch
                    .check_equals(row.key.clone(), row.value.clone())
                    .delete(row.key.clone())
            });
        if !batch.writes().is_empty() {
            match store.commit(batch).await {
                // One of the tokens was used again in between: the next round removes the others.
                Ok(_) | Err(CommitError::CheckFailed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match page.rows.last().filter(|_| page.more) {
            Some(last) => range = range.after(&last.key),
            None => return Ok(()),
        }
    }
}

fn keys(account: &AccountId, region: &Region) -> Vec<u8> {
    KeyWriter::new(account, region, Owner::Tables)
        .byte(KIND_TOKENS)
        .finish()
}

fn parts(row: &[u8]) -> Option<(Timestamp, &Fingerprint)> {
    let (format, rest) = row.split_first()?;
    let (ends_at, fingerprint) = rest.split_first_chunk::<8>()?;
    let fingerprint = fingerprint.first_chunk::<32>()?;
    let is_known = *format == FORMAT && row.len() == 1 + 8 + 32;
    is_known.then(|| {
        (
            Timestamp::from_micros(i64::from_be_bytes(*ends_at)),
            fingerprint,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fingerprint: Fingerprint, now: Timestamp) -> Bytes {
        match write(b"key".to_vec(), &fingerprint, now) {
            Write::Put { value, .. } => value,
            Write::Delete { .. }
            | Write::PutVersionstampedKey { .. }
            | Write::PutVersionstampedValue { .. } => Bytes::new(),
        }
    }

    #[test]
    fn a_token_is_known_for_ten_minutes_with_its_request_alone() {
        let start = Timestamp::from_micros(1_000_000);
        let row = row([7; 32], start);
        let said = |fingerprint: Fingerprint, seconds| {
            let now = start.plus(Duration::from_secs(seconds));
            known(Some(&row), &fingerprint, now)
        };
        assert_eq!(said([7; 32], 599), Known::SameRequest);
        assert_eq!(said([8; 32], 599), Known::AnotherRequest);
        assert_eq!(said([7; 32], 600), Known::Nothing);
        assert_eq!(known(None, &[7; 32], start), Known::Nothing);
        assert_eq!(known(Some(b"\x02"), &[7; 32], start), Known::Nothing);
    }

    #[tokio::test]
    async fn old_tokens_are_removed_and_young_ones_stay() -> Result<(), Box<dyn std::error::Error>>
    {
        let store = store_embedded::Memory::new();
        let (account, region) = (AccountId::development(), Region::new("us-east-1"));
        let start = Timestamp::from_micros(1_000_000);
        let later = start.plus(LIFE);
        for (token, at) in [("old", start), ("young", later)] {
            let write = write(key(&account, &region, token), &[7; 32], at);
            store.commit(Batch::new().write(write)).await?;
        }
        trim(&store, &account, &region, later).await?;
        assert_eq!(store.get(&key(&account, &region, "old")).await?, None);
        assert!(store.get(&key(&account, &region, "young")).await?.is_some());
        Ok(())
    }
}
