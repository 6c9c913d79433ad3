//! The queues that there are.
//!
//! Lives here: finding, making, changing and deleting queues; when it is removed what deleted and purged ones left behind.
//! Does not live here: messages (`owner`), removing (`left`), what attributes may be (`sqs::attributes`).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use interfaces::clock::Clock;
use interfaces::random::Random;
use model::arn::Arn;
use model::ids::{AccountId, Region};
use model::time::Timestamp;
use store::{Batch, CommitError, Direction, PageLimit, ReadError, Store};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::descriptor::{Descriptor, Settings};
use super::keys::{self, ContentsId};
use super::owner::{self};
use super::request::Request;

/// After a queue was deleted, none of its name may be made for this long.
///
/// Contract: Amazon SQS API Reference, `DeleteQueue`.
pub(crate) const NAME_FREE_AFTER: Duration = Duration::from_secs(60);
/// Requests that wait for a queue. Whoever comes next waits for a place.
const REQUESTS_MAX: usize = 1_024;
/// Rows that are removed in one batch.
pub(super) const REMOVED_ROWS_MAX: usize = 1_000;

/// All queues, and what works on them. Clones share everything.
#[derive(Clone)]
pub(crate) struct Catalogue {
    inner: Arc<Inner>,
}

/// A [`Catalogue`] that does not keep it alive.
#[derive(Clone)]
pub(crate) struct WeakCatalogue(Weak<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    regions: RwLock<HashMap<(AccountId, Region), Queues>>,
    /// Held while the rows of queues are changed: there is one writer.
    changing: tokio::sync::Mutex<()>,
    /// The owners of queues, one task each.
    owners: Mutex<JoinSet<()>>,
    /// Rings when there is something to remove.
    left: Notify,
    /// Whether no receive waits for messages any more.
    waits_over: watch::Sender<bool>,
}

type Queues = BTreeMap<String, Arc<Queue>>;

/// A queue.
pub(crate) struct Queue {
    /// What its owner shares with it.
    pub(crate) shared: Arc<Shared>,
    requests: OnceLock<mpsc::Sender<Request>>,
}

/// What a queue and its owner share.
pub(crate) struct Shared {
    /// Its ARN.
    pub(crate) arn: Arn,
    /// Its account.
    pub(crate) account: AccountId,
    /// Its region.
    pub(crate) region: Region,
    state: RwLock<Arc<Current>>,
    /// Rings when somebody else put a message into it, or its settings have changed.
    pub(crate) news: Notify,
}

/// A queue as it is at a moment.
#[derive(Debug)]
pub(crate) struct Current {
    /// Its row.
    pub(crate) descriptor: Descriptor,
    /// What that comes to.
    pub(crate) settings: Settings,
}

/// A queue could not be found, made or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogueError {
    /// There is none of this name.
    #[error("the queue does not exist")]
    Missing,
    /// One of this name was deleted less than [`NAME_FREE_AFTER`] ago.
    #[error("a queue of this name was deleted recently")]
    DeletedRecently,
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The row of a queue is damaged.
    #[error("the row of a queue cannot be read")]
    Descriptor(#[from] serde_json::Error),
}

/// Whether a name is free again only some time after its queue was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// As the API has it.
    Later,
    /// For templates, which may replace a queue at any time.
    AtOnce,
}

impl Shared {
    /// The queue as it is now.
    pub(crate) fn current(&self) -> Arc<Current> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, descriptor: Descriptor) {
        let current = Arc::new(Current {
            settings: descriptor.settings(),
            descriptor,
        });
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = current;
    }
}

impl Queue {
    fn new(account: &AccountId, region: &Region, descriptor: Descriptor) -> Self {
        let shared = Shared {
            arn: Arn::new("sqs", region, account, descriptor.name.clone()),
            account: account.clone(),
            region: region.clone(),
            state: RwLock::new(Arc::new(Current {
                settings: descriptor.settings(),
                descriptor,
            })),
            news: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
            requests: OnceLock::new(),
        }
    }

    /// The queue as it is now.
    pub(crate) fn current(&self) -> Arc<Current> {
        self.shared.current()
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.shared.arn.resource
    }
}

impl WeakCatalogue {
    /// The catalogue, while it is there.
    pub(crate) fn upgrade(&self) -> Option<Catalogue> {
        self.0.upgrade().map(|inner| Catalogue { inner })
    }
}

impl Catalogue {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                clock,
                random,
                regions: RwLock::default(),
                changing: tokio::sync::Mutex::default(),
                owners: Mutex::default(),
                left: Notify::new(),
                waits_over: watch::Sender::new(false),
            }),
        }
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The store.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Randomness.
    pub(crate) fn random(&self) -> &Arc<dyn Random> {
        &self.inner.random
    }

    /// The queue with this name.
    pub(crate) async fn find(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
    ) -> Result<Option<Arc<Queue>>, CatalogueError> {
        self.look(account, region, |queues| queues.get(name).cloned())
            .await
    }

    /// The queue with this ARN.
    pub(crate) async fn find_arn(&self, arn: &Arn) -> Result<Option<Arc<Queue>>, CatalogueError> {
        if arn.service != "sqs" {
            return Ok(None);
        }
        let account = AccountId::new(arn.account.as_str());
        let region = Region::new(arn.region.as_str());
        self.find(&account, &region, &arn.resource).await
    }

    /// All queues of an account in a region, by name.
    pub(crate) async fn list(
        &self,
        account: &AccountId,
        region: &Region,
    ) -> Result<Vec<Arc<Queue>>, CatalogueError> {
        self.look(account, region, |queues| queues.values().cloned().collect())
            .await
    }

    async fn look<T>(
        &self,
        account: &AccountId,
        region: &Region,
        seek: impl Fn(&Queues) -> T,
    ) -> Result<T, CatalogueError> {
        let place = (account.clone(), region.clone());
        if let Some(found) = self.seek(&place, &seek) {
            return Ok(found);
        }
        let _one = self.inner.changing.lock().await;
        self.load(&place).await?;
        Ok(self
            .seek(&place, &seek)
            .unwrap_or_else(|| seek(&Queues::new())))
    }

    fn seek<T>(&self, place: &(AccountId, Region), seek: impl Fn(&Queues) -> T) -> Option<T> {
        let regions = self.inner.regions.read();
        let regions = regions.unwrap_or_else(PoisonError::into_inner);
        regions.get(place).map(seek)
    }

    /// Reads the queues of a region, if that has not been done. The caller holds `changing`.
    async fn load(&self, place: &(AccountId, Region)) -> Result<(), CatalogueError> {
        if self.seek(place, |_| ()).is_some() {
            return Ok(());
        }
        let (account, region) = place;
        let mut queues = Queues::new();
        let mut range = keys::queues(account, region);
        loop {
            let limit = PageLimit::rows(REMOVED_ROWS_MAX);
            let page = self
                .inner
                .store
                .scan(&range, Direction::Forward, limit)
                .await?;
            for row in &page.rows {
                let descriptor: Descriptor = serde_json::from_slice(&row.value)?;
                let name = descriptor.name.clone();
                queues.insert(name, Arc::new(Queue::new(account, region, descriptor)));
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                Some(_) | None => break,
            }
        }
        let mut regions = self.write_regions();
        regions.insert(place.clone(), queues);
        Ok(())
    }

    fn write_regions(
        &self,
    ) -> std::sync::RwLockWriteGuard<'_, HashMap<(AccountId, Region), Queues>> {
        let regions = self.inner.regions.write();
        regions.unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a queue; or gives the one of this name that is there.
    ///
    /// # Errors
    /// [`CatalogueError`].
    pub(crate) async fn create(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
        reuse: Reuse,
        fill: impl FnOnce(&mut Descriptor) + Send,
    ) -> Result<Created, CatalogueError> {
        let place = (account.clone(), region.clone());
        let _one = self.inner.changing.lock().await;
        self.load(&place).await?;
        if let Some(there) = self
            .seek(&place, |queues| queues.get(name).cloned())
            .flatten()
        {
            return Ok(Created::There(there));
        }
        let now = self.inner.clock.now();
        let deleted = keys::deleted(account, region, name);
        let deleted_at = self.inner.store.get(&deleted).await?;
        let deleted_at = deleted_at.and_then(|value| value[..].try_into().ok());
        let deleted_at = deleted_at.map(|bytes| Timestamp::from_micros(i64::from_be_bytes(bytes)));
        if reuse == Reuse::Later && deleted_at.is_some_and(|at| now < at.plus(NAME_FREE_AFTER)) {
            return Err(CatalogueError::DeletedRecently);
        }
        let mut descriptor = Descriptor::new(name.to_owned(), self.draw(), now);
        fill(&mut descriptor);
        let batch = Batch::new()
            .put(
                keys::queue(account, region, name),
                serde_json::to_vec(&descriptor)?,
            )
            .delete(deleted);
        self.inner.store.commit(batch).await?;
        let queue = Arc::new(Queue::new(account, region, descriptor));
        let mut regions = self.write_regions();
        let queues = regions.entry(place).or_default();
        queues.insert(name.to_owned(), Arc::clone(&queue));
        Ok(Created::New(queue))
    }

    /// Changes a queue; `change` may refuse.
    ///
    /// # Errors
    /// [`CatalogueError`]; what `change` says.
    pub(crate) async fn alter<T, E: From<CatalogueError>>(
        &self,
        queue: &Queue,
        change: impl FnOnce(&mut Descriptor) -> Result<T, E> + Send,
    ) -> Result<T, E> {
        let _one = self.inner.changing.lock().await;
        let shared = &queue.shared;
        let is_there = |queues: &Queues| {
            let found = queues.get(queue.name());
            found.is_some_and(|found| Arc::ptr_eq(&found.shared, shared))
        };
        let place = (shared.account.clone(), shared.region.clone());
        if !self.seek(&place, is_there).unwrap_or(false) {
            return Err(CatalogueError::Missing.into());
        }
        let mut descriptor = shared.current().descriptor.clone();
        let before = descriptor.contents();
        let changed = change(&mut descriptor)?;
        let key = keys::queue(&shared.account, &shared.region, queue.name());
        let value = serde_json::to_vec(&descriptor).map_err(CatalogueError::from)?;
        let mut batch = Batch::new().put(key, value);
        let is_purged = descriptor.contents() != before;
        if is_purged {
            batch = batch.put(keys::left(before), Vec::new());
        }
        let committed = self.inner.store.commit(batch).await;
        committed.map_err(CatalogueError::from)?;
        shared.set(descriptor);
        shared.news.notify_one();
        if is_purged {
            self.inner.left.notify_one();
        }
        Ok(changed)
    }

    /// Deletes a queue with all its messages.
    ///
    /// # Errors
    /// [`CatalogueError`].
    pub(crate) async fn delete(&self, queue: &Queue) -> Result<(), CatalogueError> {
        // What its owner is at is done, and nothing comes after it.
        let (reply, stopped) = tokio::sync::oneshot::channel();
        if self.send(queue, Request::Stop { reply }).await.is_ok() {
            let _ = stopped.await;
        }
        let _one = self.inner.changing.lock().await;
        let shared = &queue.shared;
        let place = (shared.account.clone(), shared.region.clone());
        let key = keys::queue(&shared.account, &shared.region, queue.name());
        let deleted = keys::deleted(&shared.account, &shared.region, queue.name());
        let now = self.inner.clock.now().epoch_us().to_be_bytes();
        let contents = shared.current().descriptor.contents();
        let batch = Batch::new()
            .delete(key)
            .put(deleted, now.to_vec())
            .put(keys::left(contents), Vec::new());
        self.inner.store.commit(batch).await?;
        let mut regions = self.write_regions();
        if let Some(queues) = regions.get_mut(&place) {
            queues.remove(queue.name());
        }
        drop(regions);
        self.inner.left.notify_one();
        Ok(())
    }

    /// A new id for the contents of a queue.
    pub(crate) fn draw(&self) -> ContentsId {
        let mut bytes = [0; keys::CONTENTS_BYTES];
        self.inner.random.fill(&mut bytes);
        ContentsId(bytes)
    }

    /// Answers all receives that wait, with nothing, and those that come later at once.
    pub(crate) fn end_waits(&self) {
        self.inner.waits_over.send_replace(true);
    }

    /// Asks the owner of a queue.
    ///
    /// # Errors
    /// The queue was deleted.
    pub(crate) async fn send(&self, queue: &Queue, request: Request) -> Result<(), CatalogueError> {
        let requests = queue.requests.get_or_init(|| {
            let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
            let owner = owner::Owner::new(
                Arc::clone(&queue.shared),
                Arc::clone(&self.inner.store),
                Arc::clone(&self.inner.clock),
                Arc::clone(&self.inner.random),
                WeakCatalogue(Arc::downgrade(&self.inner)),
                self.inner.waits_over.subscribe(),
            );
            let mut owners = self
                .inner
                .owners
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            // Those of deleted queues have ended.
            while owners.try_join_next().is_some() {}
            owners.spawn(owner.run(receiver));
            sender
        });
        let sent = requests.send(request).await;
        sent.map_err(|_| CatalogueError::Missing)
    }

    /// Removes what deleted and purged queues have left behind, then waits for more, for ever.
    pub(crate) async fn remove_left(&self, again_after: Duration) -> std::convert::Infallible {
        loop {
            if let Err(error) = self.remove_all_left().await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(
                    error,
                    "what a deleted queue left behind could not be removed yet"
                );
                tokio::time::sleep(again_after).await;
                continue;
            }
            self.inner.left.notified().await;
        }
    }
}

/// What became of a queue that was to be made.
pub(crate) enum Created {
    /// It was made.
    New(Arc<Queue>),
    /// There was one of this name.
    There(Arc<Queue>),
}
