//! What goes by itself: expired items, records that have passed their day, tokens of old transactions.
//!
//! Lives here: how often it is looked, in which accounts and regions.
//! Does not live here: what then goes (`time_to_live`, `streams`, `tokens`).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use interfaces::clock::Clock;
use model::ids::{AccountId, Region};
use store::keys::{FORMAT, KeyReader, KeyWriter};
use store::{Direction, PageLimit, Range, Store};
use tokio::sync::Notify;

use super::streams::log::{StreamError, Streams};
use super::time_to_live::{Expiry, ExpiryError};
use super::tokens::{self, TrimError};

/// How often it is looked for expired items.
const EXPIRY_EVERY: Duration = Duration::from_secs(5);
/// Of so many looks one is for old records, too.
const TRIM_EVERY_LOOKS: u32 = 60;
/// Accounts and regions that are looked after.
const REGIONS_MAX: usize = 10_000;

/// Looks after what goes by itself.
pub struct Keeper {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    expiry: Expiry,
    streams: Streams,
    hurry: Notify,
}

/// Something could not be looked after; the next round tries again.
#[derive(Debug, thiserror::Error)]
enum KeeperError {
    #[error("could not read from the store")]
    Read(#[from] store::ReadError),
    #[error("expired items are not deleted")]
    Expiry(#[from] ExpiryError),
    #[error("old records of streams are not removed")]
    Streams(#[from] StreamError),
    #[error("old tokens of transactions are not removed")]
    Tokens(#[from] TrimError),
}

impl Keeper {
    /// A keeper over these parts.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        expiry: Expiry,
        streams: Streams,
    ) -> Self {
        Self {
            store,
            clock,
            expiry,
            streams,
            hurry: Notify::new(),
        }
    }

    /// Looks at once: something was changed that it sees to.
    pub fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Looks, again and again, until it is dropped.
    pub async fn run(&self) -> Infallible {
        let mut looks: u32 = 0;
        loop {
            let trims = looks.is_multiple_of(TRIM_EVERY_LOOKS);
            if let Err(error) = self
                .look(if trims { Look::AtAll } else { Look::AtExpiry })
                .await
            {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "tables are not looked after; trying again");
            }
            looks = looks.wrapping_add(1);
            tokio::select! {
                () = tokio::time::sleep(EXPIRY_EVERY) => {}
                () = self.hurry.notified() => {}
            }
        }
    }

    async fn look(&self, look: Look) -> Result<(), KeeperError> {
        for (account, region) in self.regions().await? {
            let now = self.clock.now();
            self.expiry.follow_tables(&account, &region).await?;
            self.expiry.delete_expired(&account, &region, now).await?;
            match look {
                Look::AtAll => {
                    self.streams.trim(&account, &region, now).await?;
                    tokens::trim(&*self.store, &account, &region, now).await?;
                }
                Look::AtExpiry => {}
            }
        }
        Ok(())
    }

    /// Every account and region that has anything in the store: one row each is read, the rest jumped over.
    ///
    /// # Errors
    /// What the store says.
    pub async fn regions(&self) -> Result<Vec<(AccountId, Region)>, store::ReadError> {
        let mut range = Range::of_prefix(vec![FORMAT]);
        let mut regions = Vec::new();
        while regions.len() < REGIONS_MAX {
            let limit = PageLimit::rows(1);
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            let Some(first) = page.rows.first() else {
                break;
            };
            let Some((account, region)) = owner(&first.key) else {
                break;
            };
            let prefix = KeyWriter::after(&[FORMAT])
                .text(account.as_str())
                .text(region.as_str())
                .finish();
            regions.push((account, region));
            match store::scan::after_prefix(&prefix) {
                Some(next) => range.start = next,
                None => break,
            }
        }
        Ok(regions)
    }
}

/// What a round looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    AtExpiry,
    AtAll,
}

fn owner(key: &[u8]) -> Option<(AccountId, Region)> {
    let mut reader = KeyReader::new(key);
    reader.skip(&[FORMAT]).ok()?;
    let account = reader.text().ok()?;
    let region = reader.text().ok()?;
    Some((
        AccountId::new(account.as_str()),
        Region::new(region.as_str()),
    ))
}
