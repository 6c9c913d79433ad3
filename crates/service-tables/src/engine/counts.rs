//! How much is in a table.
//!
//! Lives here: counting the rows of a prefix, exactly while they are few, by samples when they are many.
//! Does not live here: which prefixes there are (`keys`).
//!
//! The service's own figures are up to six hours old. Ours are of this moment; beyond ten thousand rows they are an
//! estimate from samples of the hash space, which is close where no partition holds a large part of the table. So a
//! description costs the same at five million items as at ten thousand.

use store::{Direction, PageLimit, Range};

use super::codec;
use super::items::{AccessError, Items};
use super::keys::HASH_BYTES;

/// Rows that are counted one by one.
const EXACT_ROWS_MAX: usize = 10_000;
/// Bytes of rows that are read for that.
const EXACT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Rows that are read at once.
const SLICE_ROWS: usize = 1_000;
/// Places of the hash space at which a sample is taken: a power of two.
const SAMPLES: u32 = 64;
/// Rows of a sample.
const SAMPLE_ROWS: usize = 100;
/// Bytes of a sample.
const SAMPLE_BYTES: usize = 64 * 1024;

/// Items and their bytes, as the service counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Items.
    pub items: u64,
    /// Bytes.
    pub bytes: u64,
}

/// How much is under a prefix that is followed by a hash; the prefix itself is not counted.
///
/// # Errors
/// [`AccessError`].
pub async fn count(items: &Items, prefix: &[u8]) -> Result<Count, AccessError> {
    let mut counted = Count::default();
    let (mut rows, mut bytes) = (0, 0);
    let mut range = Range::of_prefix(prefix.to_vec()).after(prefix);
    while rows < EXACT_ROWS_MAX && bytes < EXACT_BYTES_MAX {
        let limit = PageLimit::rows(SLICE_ROWS);
        let page = items.page(&range, Direction::Forward, limit).await?;
        for row in &page.rows {
            counted.add(codec::size_of(&row.value)?);
            bytes += row.key.len() + row.value.len();
        }
        rows += page.rows.len();
        match page.rows.last().filter(|_| page.more) {
            Some(last) => range = range.after(&last.key),
            None => return Ok(counted),
        }
    }
    let estimated = estimate(items, prefix).await?;
    Ok(Count {
        items: estimated.items.max(counted.items),
        bytes: estimated.bytes.max(counted.bytes),
    })
}

async fn estimate(items: &Items, prefix: &[u8]) -> Result<Count, AccessError> {
    let mut sampled = Count::default();
    let mut covered = 0_u64;
    for sample in 0..SAMPLES {
        let first = sample << (u32::BITS - SAMPLES.ilog2());
        let start = [prefix, &first.to_be_bytes()].concat();
        let range = Range {
            end: Range::of_prefix(prefix.to_vec()).end,
            start,
        };
        let limit = PageLimit {
            rows_max: SAMPLE_ROWS,
            bytes_max: SAMPLE_BYTES,
        };
        let page = items.page(&range, Direction::Forward, limit).await?;
        for row in &page.rows {
            sampled.add(codec::size_of(&row.value)?);
        }
        let last = page.rows.last().filter(|_| page.more);
        let last = last.and_then(|row| hash_of(prefix, &row.key));
        covered += u64::from(last.unwrap_or(u32::MAX) - first) + 1;
    }
    let whole = |part: u64| {
        let whole = (u128::from(part) << u32::BITS) / u128::from(covered.max(1));
        u64::try_from(whole).unwrap_or(u64::MAX)
    };
    Ok(Count {
        items: whole(sampled.items),
        bytes: whole(sampled.bytes),
    })
}

fn hash_of(prefix: &[u8], key: &[u8]) -> Option<u32> {
    let hash = key.strip_prefix(prefix)?.first_chunk::<HASH_BYTES>()?;
    Some(u32::from_be_bytes(*hash))
}

impl Count {
    fn add(&mut self, bytes: usize) {
        self.items += 1;
        self.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
    }
}
