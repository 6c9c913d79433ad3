//! All buckets.
//!
//! Lives here: finding, making, changing and deleting them; who may write into one while it is being deleted.
//! Does not live here: objects (`objects`), which settings are valid (`configuration`).

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use store::{Batch, CommitError, Direction, PageLimit, Store};
use tokio::sync::{OnceCell, OwnedRwLockReadGuard};

use super::bucket::{Bucket, Row};
use super::fault::{self, Fault};
use super::keys;

/// Buckets of one account: Amazon S3 User Guide, "Bucket quotas", 10,000.
pub(crate) const BUCKETS_MAX: usize = 10_000;

/// The buckets of all accounts: names are unique among all.
pub(crate) struct Catalogue {
    store: Arc<dyn Store>,
    known: OnceCell<RwLock<BTreeMap<String, Entry>>>,
    /// Held while a bucket changes.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Entry {
    bucket: Arc<Bucket>,
    /// Read by who writes into the bucket, written by who deletes it.
    writers: Arc<tokio::sync::RwLock<()>>,
}

impl Catalogue {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            known: OnceCell::new(),
            changing: tokio::sync::Mutex::new(()),
        }
    }

    async fn known(&self) -> Result<&RwLock<BTreeMap<String, Entry>>, Fault> {
        self.known.get_or_try_init(|| self.load()).await
    }

    async fn load(&self) -> Result<RwLock<BTreeMap<String, Entry>>, Fault> {
        let mut range = keys::buckets();
        let mut known = BTreeMap::new();
        loop {
            let page = self
                .store
                .scan(&range, Direction::Forward, PageLimit::rows(1_000))
                .await?;
            for row in &page.rows {
                let read: Row = serde_json::from_slice(&row.value)
                    .map_err(|error| fault::internal(&error, "a bucket cannot be read"))?;
                known.insert(read.name.clone(), entry(read));
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                Some(_) | None => return Ok(RwLock::new(known)),
            }
        }
    }

    pub(crate) async fn find(&self, name: &str) -> Result<Option<Arc<Bucket>>, Fault> {
        let known = self.known().await?;
        let known = known.read().unwrap_or_else(PoisonError::into_inner);
        Ok(known.get(name).map(|entry| Arc::clone(&entry.bucket)))
    }

    pub(crate) async fn get(&self, name: &str) -> Result<Arc<Bucket>, Fault> {
        let found = self.find(name).await?;
        found.ok_or_else(|| Fault::from(fault::NO_SUCH_BUCKET).with("BucketName", name))
    }

    /// Those of an account, by name.
    pub(crate) async fn of_account(&self, account: &str) -> Result<Vec<Arc<Bucket>>, Fault> {
        let known = self.known().await?;
        let known = known.read().unwrap_or_else(PoisonError::into_inner);
        Ok(known
            .values()
            .filter(|entry| entry.bucket.row.account == account)
            .map(|entry| Arc::clone(&entry.bucket))
            .collect())
    }

    pub(crate) async fn all(&self) -> Result<Vec<Arc<Bucket>>, Fault> {
        let known = self.known().await?;
        let known = known.read().unwrap_or_else(PoisonError::into_inner);
        Ok(known
            .values()
            .map(|entry| Arc::clone(&entry.bucket))
            .collect())
    }

    /// Keeps a bucket from being deleted while something is written into it.
    pub(crate) async fn hold(&self, bucket: &Bucket) -> Result<OwnedRwLockReadGuard<()>, Fault> {
        let writers = {
            let known = self.known().await?;
            let known = known.read().unwrap_or_else(PoisonError::into_inner);
            known
                .get(bucket.name())
                .filter(|entry| entry.bucket.id() == bucket.id())
                .map(|entry| Arc::clone(&entry.writers))
        };
        let gone = || Fault::from(fault::NO_SUCH_BUCKET).with("BucketName", bucket.name());
        let held = writers.ok_or_else(gone)?.read_owned().await;
        match self.find(bucket.name()).await? {
            Some(found) if found.id() == bucket.id() => Ok(held),
            Some(_) | None => Err(gone()),
        }
    }

    /// Makes a bucket. If there is one of this name, it is given back instead.
    pub(crate) async fn create(&self, row: Row) -> Result<Result<Arc<Bucket>, Arc<Bucket>>, Fault> {
        let _changing = self.changing.lock().await;
        if let Some(found) = self.find(&row.name).await? {
            return Ok(Err(found));
        }
        if BUCKETS_MAX <= self.of_account(&row.account).await?.len() {
            return Err(fault::TOO_MANY_BUCKETS.into());
        }
        self.keep(row).await.map(Ok)
    }

    /// Changes what is kept of a bucket.
    pub(crate) async fn alter<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut Row, &Bucket) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let _changing = self.changing.lock().await;
        let bucket = self.get(name).await?;
        let mut row = bucket.row.clone();
        let changed = change(&mut row, &bucket)?;
        if row != bucket.row {
            self.keep(row).await?;
        }
        Ok(changed)
    }

    async fn keep(&self, row: Row) -> Result<Arc<Bucket>, Fault> {
        let value = serde_json::to_vec(&row)
            .map_err(|error| fault::internal(&error, "a bucket cannot be written"))?;
        let batch = Batch::new().put(keys::bucket(&row.name), value);
        match self.store.commit(batch).await {
            Err(CommitError::TooLarge { .. }) => {
                return Err(Fault::saying(
                    fault::INVALID_REQUEST,
                    "The settings of the bucket are too large",
                ));
            }
            committed => committed?,
        };
        let known = self.known().await?;
        let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
        let mut new = entry(row);
        if let Some(old) = known.get(new.bucket.name()) {
            new.writers = Arc::clone(&old.writers);
        }
        let bucket = Arc::clone(&new.bucket);
        known.insert(bucket.name().to_owned(), new);
        Ok(bucket)
    }

    /// Deletes a bucket that holds nothing.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), Fault> {
        let _changing = self.changing.lock().await;
        let bucket = self.get(name).await?;
        let writers = {
            let known = self.known().await?.read();
            let known = known.unwrap_or_else(PoisonError::into_inner);
            known.get(name).map(|entry| Arc::clone(&entry.writers))
        };
        let Some(writers) = writers else {
            return Ok(());
        };
        let _alone = writers.write_owned().await;
        for range in [
            keys::currents(bucket.id(), ""),
            keys::all_olders(bucket.id(), ""),
        ] {
            let page = self
                .store
                .scan(&range, Direction::Forward, PageLimit::rows(1))
                .await?;
            if !page.rows.is_empty() {
                return Err(Fault::from(fault::BUCKET_NOT_EMPTY).with("BucketName", name));
            }
        }
        let batch = Batch::new().delete(keys::bucket(name));
        self.store.commit(batch).await?;
        let known = self.known().await?;
        let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
        known.remove(name);
        Ok(())
    }
}

fn entry(row: Row) -> Entry {
    Entry {
        bucket: Arc::new(Bucket::new(row)),
        writers: Arc::default(),
    }
}
