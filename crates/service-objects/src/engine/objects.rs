//! Objects and their versions.
//!
//! Lives here: which version is the newest, putting, finding and deleting them; each change is one commit, the events about it
//! included.
//! Does not live here: bytes (`receiving`, `reading`), who may (`api::checks`), lists (`listing`).

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use bytes::Bytes;
use interfaces::clock::Clock;
use interfaces::random::Random;
use outbox::Outbox;
use store::{Batch, Direction, PageLimit, Store};
use tokio::sync::Mutex;

use super::blobs::Unkept;
use super::bucket::{Bucket, Versioning};
use super::catalogue::Catalogue;
use super::fault::{self, Fault};
use super::keys;
use super::notification::{self, DeleteEvents, Happened, Occasion};
use super::preconditions::{Bypass, Precondition, check_lock};
use super::trash::{LetGo, Trash};
use super::version::{Body, NULL_VERSION, Version, sequence_of, version_id};

/// Locks that keys share.
const STRIPES: usize = 1_024;

/// The objects of all buckets.
pub(crate) struct Objects {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) trash: Trash,
    pub(crate) outbox: Outbox,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    stripes: Vec<Mutex<()>>,
}

/// What a change comes with.
pub(crate) struct New {
    pub(crate) version: Version,
    pub(crate) small: Option<Bytes>,
    pub(crate) file: Vec<Unkept>,
    /// Rows that are written in the same commit.
    pub(crate) rows: Batch,
    /// An upload whose remains are cleared away.
    pub(crate) rubbish: Option<(String, super::trash::Rubbish)>,
    pub(crate) event: &'static str,
    pub(crate) occasion: Occasion,
}

/// What became of a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Deleted {
    /// The version that was deleted, or the marker that was made.
    pub(crate) version: Option<String>,
    pub(crate) is_delete_marker: bool,
}

impl Objects {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        catalogue: Arc<Catalogue>,
        trash: Trash,
        outbox: Outbox,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            store,
            catalogue,
            trash,
            outbox,
            clock,
            random,
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
        }
    }

    pub(crate) fn draw(&self) -> u64 {
        let mut bytes = [0_u8; 8];
        self.random.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    /// Alone with one key of one bucket.
    pub(crate) async fn alone(
        &self,
        bucket: &Bucket,
        key: &str,
    ) -> Result<tokio::sync::MutexGuard<'_, ()>, Fault> {
        let mut hasher = DefaultHasher::new();
        (bucket.id(), key).hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or_default();
        let stripe = self.stripes.get(index).ok_or(fault::INTERNAL)?;
        Ok(stripe.lock().await)
    }

    /// The newest version, be it a marker of a deletion.
    pub(crate) async fn newest(
        &self,
        bucket: &Bucket,
        key: &str,
    ) -> Result<Option<Version>, Fault> {
        let row = self.store.get(&keys::current(bucket.id(), key)).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// A version by its id, and whether it is the newest.
    pub(crate) async fn version(
        &self,
        bucket: &Bucket,
        key: &str,
        id: &str,
    ) -> Result<Option<(Version, Place)>, Fault> {
        if id != NULL_VERSION && sequence_of(id).is_none() {
            return Err(Fault::argument(
                "Invalid version id specified",
                "versionId",
                id,
            ));
        }
        if let Some(newest) = self.newest(bucket, key).await?
            && newest.id == id
        {
            return Ok(Some((newest, Place::Newest)));
        }
        let sequence = if id == NULL_VERSION {
            let row = self.store.get(&keys::null(bucket.id(), key)).await?;
            row.and_then(|row| Some(u64::from_be_bytes((*row).try_into().ok()?)))
        } else {
            sequence_of(id)
        };
        let Some(sequence) = sequence else {
            return Ok(None);
        };
        let row = self
            .store
            .get(&keys::older(bucket.id(), key, sequence))
            .await?;
        let version = row.map(|row| read(&row)).transpose()?;
        Ok(version
            .filter(|version| version.id == id)
            .map(|version| (version, Place::Older)))
    }

    /// Puts a version on top.
    pub(crate) async fn put(
        &self,
        bucket: &Bucket,
        key: &str,
        new: New,
        condition: &Precondition,
    ) -> Result<Version, Fault> {
        let _held = self.catalogue.hold(bucket).await?;
        let _alone = self.alone(bucket, key).await?;
        // Settings may have changed while the bytes arrived.
        let bucket = &*self.catalogue.get(bucket.name()).await?;
        let newest = self.newest(bucket, key).await?;
        condition.check(key, newest.as_ref())?;
        let New {
            mut version,
            small,
            file,
            rows,
            rubbish,
            event,
            occasion,
        } = new;
        self.number(bucket, &mut version, newest.as_ref());
        let mut let_go = LetGo::new(rows);
        let_go = self.make_room(bucket, key, newest, let_go).await?;
        if let Some((id, rubbish)) = rubbish {
            let_go = let_go.rubbish(&id, &rubbish);
        }
        let mut batch = let_go.batch;
        match (&version.body, small) {
            (Body::Bytes(id), Some(bytes)) => batch = batch.put(keys::bytes(id), bytes),
            (Body::Slot(slot), _) => batch = batch.put(keys::slot(slot), Bytes::new()),
            (Body::File(id), _) => batch = batch.put(keys::file(id), Bytes::new()),
            (Body::Empty | Body::Parts(_) | Body::Bytes(_), _) => {}
        }
        batch = batch.put(keys::current(bucket.id(), key), written(&version)?);
        let (batch, rings) = self.tell(bucket, key, &version, (event, &occasion), batch);
        let_go.batch = batch;
        Unkept::kept_by(file, self.trash.commit(let_go)).await?;
        if rings {
            self.outbox.ring();
        }
        Ok(version)
    }

    /// Gives a version its id and its place in the order.
    fn number(&self, bucket: &Bucket, version: &mut Version, newest: Option<&Version>) {
        let now = u64::try_from(self.clock.now().epoch_us()).unwrap_or_default();
        let after = newest.map_or(0, |newest| newest.sequence + 1);
        version.sequence = now.max(after);
        version.id = match bucket.versioning {
            Versioning::Enabled => version_id(version.sequence, self.draw()),
            Versioning::Never | Versioning::Suspended => NULL_VERSION.to_owned(),
        };
    }

    /// Moves the newest version among the older ones, or lets go of it; without versioning, of an older `null` version too.
    async fn make_room(
        &self,
        bucket: &Bucket,
        key: &str,
        newest: Option<Version>,
        mut let_go: LetGo,
    ) -> Result<LetGo, Fault> {
        let replaces_null = bucket.versioning != Versioning::Enabled;
        match newest {
            Some(newest) if newest.id == NULL_VERSION && replaces_null => {
                return Ok(let_go.body(&newest.body));
            }
            Some(newest) => {
                let place = keys::older(bucket.id(), key, newest.sequence);
                if newest.id == NULL_VERSION {
                    let sequence = newest.sequence.to_be_bytes().to_vec();
                    let_go.batch = let_go.batch.put(keys::null(bucket.id(), key), sequence);
                }
                let_go.batch = let_go.batch.put(place, written(&newest)?);
            }
            None => return Ok(let_go),
        }
        if !replaces_null || bucket.versioning == Versioning::Never {
            return Ok(let_go);
        }
        match self.version(bucket, key, NULL_VERSION).await? {
            Some((null, Place::Older)) => {
                let mut let_go = let_go.body(&null.body);
                let_go.batch = let_go
                    .batch
                    .delete(keys::older(bucket.id(), key, null.sequence))
                    .delete(keys::null(bucket.id(), key));
                Ok(let_go)
            }
            Some((_, Place::Newest)) | None => Ok(let_go),
        }
    }

    /// Adds the events about a version to a batch; whether there are any.
    fn tell(
        &self,
        bucket: &Bucket,
        key: &str,
        version: &Version,
        (event, occasion): (&'static str, &Occasion),
        batch: Batch,
    ) -> (Batch, bool) {
        if bucket.notifications.is_empty() {
            return (batch, false);
        }
        let happened = Happened {
            event,
            key,
            size: version.size,
            etag: &version.etag,
            version: (version.id != NULL_VERSION || bucket.versioning == Versioning::Suspended)
                .then_some(version.id.as_str()),
            sequence: version.sequence,
            at: self.clock.now(),
            occasion,
        };
        let deliveries = notification::deliveries(bucket, &happened, &*self.random);
        let rings = !deliveries.is_empty();
        (self.outbox.add(batch, &deliveries), rings)
    }

    /// Deletes an object: a marker takes its place where versions are kept.
    pub(crate) async fn delete(
        &self,
        bucket: &Bucket,
        key: &str,
        condition: &Precondition,
        event: DeleteEvents<'_>,
    ) -> Result<Deleted, Fault> {
        let _held = self.catalogue.hold(bucket).await?;
        let _alone = self.alone(bucket, key).await?;
        let bucket = &*self.catalogue.get(bucket.name()).await?;
        let newest = self.newest(bucket, key).await?;
        condition.check_deletion(key, newest.as_ref())?;
        if bucket.versioning == Versioning::Never {
            let Some(newest) = newest else {
                return Ok(Deleted::default());
            };
            let mut let_go = LetGo::new(Batch::new()).body(&newest.body);
            let_go.batch = let_go.batch.delete(keys::current(bucket.id(), key));
            let mut told = newest;
            told.sequence += 1;
            self.commit_told(bucket, key, &told, (event.deleted, event.occasion), let_go)
                .await?;
            return Ok(Deleted::default());
        }
        let mut marker = Version {
            id: String::new(),
            sequence: 0,
            modified_at: self.clock.now(),
            is_delete_marker: true,
            size: 0,
            etag: String::new(),
            owner: bucket.row.account.clone(),
            body: Body::Empty,
            parts: None,
            about: super::version::About::default(),
            checksum: None,
        };
        self.number(bucket, &mut marker, newest.as_ref());
        let mut let_go = self
            .make_room(bucket, key, newest, LetGo::new(Batch::new()))
            .await?;
        let_go.batch = let_go
            .batch
            .put(keys::current(bucket.id(), key), written(&marker)?);
        self.commit_told(bucket, key, &marker, (event.marked, event.occasion), let_go)
            .await?;
        Ok(Deleted {
            version: Some(marker.id),
            is_delete_marker: true,
        })
    }

    async fn commit_told(
        &self,
        bucket: &Bucket,
        key: &str,
        version: &Version,
        event: (&'static str, &Occasion),
        mut let_go: LetGo,
    ) -> Result<(), Fault> {
        let (batch, rings) = self.tell(bucket, key, version, event, let_go.batch);
        let_go.batch = batch;
        self.trash.commit(let_go).await?;
        if rings {
            self.outbox.ring();
        }
        Ok(())
    }

    /// Deletes one version for good; the one before it becomes the newest.
    pub(crate) async fn delete_version(
        &self,
        bucket: &Bucket,
        key: &str,
        id: &str,
        condition: &Precondition,
        bypass: Bypass,
        event: DeleteEvents<'_>,
    ) -> Result<Deleted, Fault> {
        let _held = self.catalogue.hold(bucket).await?;
        let _alone = self.alone(bucket, key).await?;
        let Some((version, place)) = self.version(bucket, key, id).await? else {
            return Ok(Deleted {
                version: Some(id.to_owned()),
                is_delete_marker: false,
            });
        };
        condition.check_deletion(key, Some(&version))?;
        check_lock(&version, bypass, self.clock.now())?;
        let mut let_go = LetGo::new(Batch::new()).body(&version.body);
        let batch = let_go.batch;
        let_go.batch = match place {
            Place::Older => batch.delete(keys::older(bucket.id(), key, version.sequence)),
            Place::Newest => self.uncover(bucket, key, batch).await?,
        };
        if id == NULL_VERSION {
            let_go.batch = let_go.batch.delete(keys::null(bucket.id(), key));
        }
        self.commit_told(
            bucket,
            key,
            &version,
            (event.deleted, event.occasion),
            let_go,
        )
        .await?;
        Ok(Deleted {
            version: Some(version.id),
            is_delete_marker: version.is_delete_marker,
        })
    }

    /// Removes the newest version, so that the one before it is on top.
    async fn uncover(&self, bucket: &Bucket, key: &str, batch: Batch) -> Result<Batch, Fault> {
        let page = self
            .store
            .scan(
                &keys::olders(bucket.id(), key),
                Direction::Forward,
                PageLimit::rows(1),
            )
            .await?;
        let current = keys::current(bucket.id(), key);
        let Some(row) = page.rows.into_iter().next() else {
            return Ok(batch.delete(current));
        };
        let next = read(&row.value)?;
        let batch = batch.put(current, row.value).delete(row.key);
        Ok(if next.id == NULL_VERSION {
            batch.delete(keys::null(bucket.id(), key))
        } else {
            batch
        })
    }

    /// Changes what is kept of a version besides its bytes.
    pub(crate) async fn alter<T>(
        &self,
        bucket: &Bucket,
        key: &str,
        id: Option<&str>,
        event: Option<(&'static str, &Occasion)>,
        change: impl FnOnce(&mut Version) -> Result<T, Fault>,
    ) -> Result<(Version, T), Fault> {
        let _held = self.catalogue.hold(bucket).await?;
        let _alone = self.alone(bucket, key).await?;
        let (mut version, place) = self.find(bucket, key, id).await?;
        let changed = change(&mut version)?;
        let row = match place {
            Place::Newest => keys::current(bucket.id(), key),
            Place::Older => keys::older(bucket.id(), key, version.sequence),
        };
        let batch = Batch::new().put(row, written(&version)?);
        let (batch, rings) = match event {
            Some(event) => self.tell(bucket, key, &version, event, batch),
            None => (batch, false),
        };
        self.store.commit(batch).await?;
        if rings {
            self.outbox.ring();
        }
        Ok((version, changed))
    }

    /// The version that a request means: markers of deletions are refused.
    pub(crate) async fn find(
        &self,
        bucket: &Bucket,
        key: &str,
        id: Option<&str>,
    ) -> Result<(Version, Place), Fault> {
        let no_key = || Fault::from(fault::NO_SUCH_KEY).with("Key", key);
        let Some(id) = id else {
            let newest = self.newest(bucket, key).await?.ok_or_else(no_key)?;
            return if newest.is_delete_marker {
                Err(no_key()
                    .with_header("x-amz-delete-marker", "true")
                    .with_header("x-amz-version-id", newest.id))
            } else {
                Ok((newest, Place::Newest))
            };
        };
        let found = self.version(bucket, key, id).await?.ok_or_else(|| {
            Fault::from(fault::NO_SUCH_VERSION)
                .with("Key", key)
                .with("VersionId", id)
        })?;
        if found.0.is_delete_marker {
            return Err(Fault::from(fault::METHOD_NOT_ALLOWED)
                .with("Method", "GET")
                .with("ResourceType", "DeleteMarker")
                .with_header("x-amz-delete-marker", "true")
                .with_header("x-amz-version-id", found.0.id)
                .with_header("allow", "DELETE")
                .with_header("last-modified", super::dates::http(found.0.modified_at)));
        }
        Ok(found)
    }
}

/// Where a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Newest,
    Older,
}

pub(crate) fn read(row: &[u8]) -> Result<Version, Fault> {
    serde_json::from_slice(row).map_err(|error| fault::internal(&error, "a version cannot be read"))
}

pub(crate) fn written(version: &Version) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(version)
        .map_err(|error| fault::internal(&error, "a version cannot be written"))
}
