//! Uploads in parts.
//!
//! Lives here: beginning them, their parts, making objects of them, giving them up.
//! Does not live here: bytes (`receiving`), putting the object (`objects`), what requests say (`api::multipart`).

use md5::{Digest as _, Md5};
use store::{Batch, Direction, PageLimit};

use super::blobs::Unkept;
use super::bucket::Bucket;
use super::checksum::{Algorithm, Checksum, Extent, composite, joined};
use super::fault::{self, Fault};
use super::keys;
use super::objects::Objects;
use super::receiving::Received;
use super::trash::{LetGo, Rubbish};
use super::version::{Body, Part, Upload};

/// Amazon S3 User Guide, "Amazon S3 multipart upload limits".
pub(crate) const PARTS_MAX: u32 = 10_000;
/// The same: the smallest part but the last.
pub(crate) const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;
/// The same: the largest part.
pub(crate) const PART_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// Parts in one row of an object's list.
const PARTS_A_ROW: usize = 1_000;

/// A part that a completion names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Named {
    pub(crate) number: u32,
    pub(crate) etag: String,
    pub(crate) checksums: Vec<(Algorithm, String)>,
}

/// What comes of the parts of an upload.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) etag: String,
    pub(crate) size: u64,
    pub(crate) body: Body,
    pub(crate) count: u32,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) rows: Batch,
    pub(crate) rubbish: (String, Rubbish),
}

impl Objects {
    /// Begins an upload.
    pub(crate) async fn begin_upload(
        &self,
        bucket: &Bucket,
        key: &str,
        upload: &Upload,
    ) -> Result<String, Fault> {
        let _held = self.catalogue.hold(bucket).await?;
        let begun = u64::try_from(upload.initiated_at.epoch_us()).unwrap_or_default();
        let id = format!("{begun:016x}{:016x}{:016x}", self.draw(), self.draw());
        let batch = Batch::new().put(keys::upload(bucket.id(), key, &id), json(upload)?);
        self.store.commit(batch).await?;
        Ok(id)
    }

    pub(crate) async fn upload(
        &self,
        bucket: &Bucket,
        key: &str,
        id: &str,
    ) -> Result<Upload, Fault> {
        let row = self.store.get(&keys::upload(bucket.id(), key, id)).await?;
        let row = row.ok_or_else(|| Fault::from(fault::NO_SUCH_UPLOAD).with("UploadId", id))?;
        serde_json::from_slice(&row)
            .map_err(|error| fault::internal(&error, "an upload cannot be read"))
    }

    /// Keeps a part; one of the same number is replaced.
    pub(crate) async fn put_part(
        &self,
        bucket: &Bucket,
        key: &str,
        id: &str,
        number: u32,
        received: Received,
    ) -> Result<Part, Fault> {
        let _held = self.catalogue.hold(bucket).await?;
        let _alone = self.alone(bucket, key).await?;
        self.upload(bucket, key, id).await?;
        let row = keys::part(id, number);
        let replaced = self.store.get(&row).await?;
        let part = Part {
            number,
            size: received.size,
            etag: hex::encode(received.md5),
            body: received.body,
            modified_at: self.clock.now(),
            checksums: received.checksums,
        };
        let mut let_go = LetGo::new(Batch::new());
        if let Some(replaced) = replaced {
            let_go = let_go.body(&read(&replaced)?.body);
        }
        let mut batch = let_go.batch.put(row, json(&part)?);
        match (&part.body, received.small) {
            (Body::Bytes(bytes), Some(small)) => batch = batch.put(keys::bytes(bytes), small),
            (Body::Slot(slot), _) => batch = batch.put(keys::slot(slot), bytes::Bytes::new()),
            (Body::File(file), _) => batch = batch.put(keys::file(file), bytes::Bytes::new()),
            (Body::Empty | Body::Parts(_) | Body::Bytes(_), _) => {}
        }
        let_go.batch = batch;
        Unkept::kept_by(received.file, self.trash.commit(let_go)).await?;
        Ok(part)
    }

    /// The parts of an upload after a number.
    pub(crate) async fn parts(
        &self,
        id: &str,
        after: u32,
        max: usize,
    ) -> Result<(Vec<Part>, bool), Fault> {
        let mut range = keys::parts(id);
        if 0 < after {
            range = range.after(&keys::part(id, after));
        }
        let mut parts = Vec::new();
        loop {
            let left = max - parts.len();
            let page = self
                .store
                .scan(&range, Direction::Forward, PageLimit::rows(left.max(1)))
                .await?;
            if left == 0 {
                return Ok((parts, !page.rows.is_empty()));
            }
            for row in &page.rows {
                parts.push(read(&row.value)?);
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                Some(_) | None => return Ok((parts, false)),
            }
        }
    }

    /// Puts the named parts together.
    pub(crate) async fn join(
        &self,
        bucket: &Bucket,
        key: &str,
        id: &str,
        upload: &Upload,
        named: &[Named],
    ) -> Result<Joined, Fault> {
        if named
            .windows(2)
            .any(|pair| matches!(pair, [left, right] if right.number <= left.number))
        {
            return Err(Fault::from(fault::INVALID_PART_ORDER).with("UploadId", id));
        }
        let (there, _) = self.parts(id, 0, PARTS_MAX as usize).await?;
        let mut chosen = Vec::with_capacity(named.len());
        for (index, name) in named.iter().enumerate() {
            let part = there
                .iter()
                .find(|part| part.number == name.number && part.etag == name.etag)
                .ok_or_else(|| {
                    Fault::from(fault::INVALID_PART)
                        .with("UploadId", id)
                        .with("PartNumber", name.number.to_string())
                        .with("ETag", name.etag.as_str())
                })?;
            check_checksums(id, part, name)?;
            if index + 1 < named.len() && part.size < PART_BYTES_MIN {
                return Err(Fault::from(fault::ENTITY_TOO_SMALL)
                    .with("ProposedSize", part.size.to_string())
                    .with("MinSizeAllowed", PART_BYTES_MIN.to_string())
                    .with("PartNumber", part.number.to_string())
                    .with("ETag", part.etag.as_str()));
            }
            chosen.push(part.clone());
        }
        let list = self.trash.blobs.draw();
        let mut rows = Batch::new().delete(keys::upload(bucket.id(), key, id));
        for (number, some) in (0_u32..).zip(chosen.chunks(PARTS_A_ROW)) {
            rows = rows.put(keys::parts_row(&list, number), json(&some)?);
        }
        Ok(Joined {
            etag: joined_etag(&chosen),
            size: chosen.iter().map(|part| part.size).sum(),
            count: u32::try_from(chosen.len()).unwrap_or(PARTS_MAX),
            checksum: upload
                .checksum
                .and_then(|(algorithm, extent)| joined_checksum(algorithm, extent, &chosen)),
            rubbish: (
                id.to_owned(),
                Rubbish::Upload {
                    upload: id.to_owned(),
                    became: Some(list.clone()),
                },
            ),
            body: Body::Parts(list),
            rows,
        })
    }

    /// Gives an upload up.
    pub(crate) async fn abort_upload(
        &self,
        bucket: &Bucket,
        key: &str,
        id: &str,
    ) -> Result<(), Fault> {
        let _held = self.catalogue.hold(bucket).await?;
        let _alone = self.alone(bucket, key).await?;
        self.upload(bucket, key, id).await?;
        let rubbish = Rubbish::Upload {
            upload: id.to_owned(),
            became: None,
        };
        let batch = Batch::new().delete(keys::upload(bucket.id(), key, id));
        let let_go = LetGo::new(batch).rubbish(id, &rubbish);
        Ok(self.trash.commit(let_go).await?)
    }

    /// Uploads of a bucket that are under way, by key and then by when they began.
    pub(crate) async fn uploads(
        &self,
        range: &store::Range,
        max: usize,
    ) -> Result<Vec<(String, String, Upload)>, Fault> {
        let page = self
            .store
            .scan(range, Direction::Forward, PageLimit::rows(max))
            .await?;
        let mut uploads = Vec::new();
        for row in &page.rows {
            let Some((key, id)) = keys::name_of_upload(&row.key) else {
                continue;
            };
            let upload = serde_json::from_slice(&row.value)
                .map_err(|error| fault::internal(&error, "an upload cannot be read"))?;
            uploads.push((key, id, upload));
        }
        Ok(uploads)
    }

    /// Gives up all uploads of a bucket that was deleted.
    pub(crate) async fn forget_uploads(&self, bucket: &Bucket) -> Result<(), Fault> {
        loop {
            let range = keys::uploads(bucket.id(), "");
            let some = self.uploads(&range, 100).await?;
            if some.is_empty() {
                return Ok(());
            }
            let mut let_go = LetGo::new(Batch::new());
            for (key, id, _) in some {
                let rubbish = Rubbish::Upload {
                    upload: id.clone(),
                    became: None,
                };
                let_go.batch = let_go.batch.delete(keys::upload(bucket.id(), &key, &id));
                let_go = let_go.rubbish(&id, &rubbish);
            }
            self.trash.commit(let_go).await?;
        }
    }
}

fn check_checksums(id: &str, part: &Part, named: &Named) -> Result<(), Fault> {
    for (algorithm, value) in &named.checksums {
        let is_same = part
            .checksums
            .iter()
            .any(|(there, sum)| there == algorithm && sum == value);
        if !is_same {
            return Err(Fault::from(fault::INVALID_PART)
                .with("UploadId", id)
                .with("PartNumber", part.number.to_string())
                .with("ETag", part.etag.as_str()));
        }
    }
    Ok(())
}

pub(crate) fn joined_etag(parts: &[Part]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(hex::decode(&part.etag).unwrap_or_default());
    }
    format!("{}-{}", hex::encode(md5.finalize()), parts.len())
}

fn joined_checksum(algorithm: Algorithm, extent: Extent, parts: &[Part]) -> Option<Checksum> {
    let of = |part: &Part| {
        let mut sums = part.checksums.iter();
        sums.find(|(there, _)| *there == algorithm)
            .map(|(_, sum)| sum.clone())
    };
    let value = match extent {
        Extent::Composite => {
            let sums: Option<Vec<String>> = parts.iter().map(of).collect();
            composite(algorithm, &sums?)
        }
        Extent::FullObject => {
            let sums: Option<Vec<(String, u64)>> = parts
                .iter()
                .map(|part| Some((of(part)?, part.size)))
                .collect();
            joined(algorithm, &sums?)?
        }
    };
    Some(Checksum {
        algorithm,
        value,
        extent,
    })
}

fn read(row: &[u8]) -> Result<Part, Fault> {
    serde_json::from_slice(row).map_err(|error| fault::internal(&error, "a part cannot be read"))
}

fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(value).map_err(|error| fault::internal(&error, "a row cannot be written"))
}
