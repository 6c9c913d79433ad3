//! What nobody refers to any more.
//!
//! Lives here: removing files and rows after the commit that let go of them, and after a crash in between.
//! Does not live here: letting go (`objects`, `multipart`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use store::{Batch, CommitError, Direction, PageLimit, Store};

use super::blobs::Blobs;
use super::fault::{self, Fault};
use super::keys;
use super::reading::Reader;
use super::slots::Slot;
use super::version::{Body, Part};

/// Rows that one commit clears away.
const ROWS_MAX: usize = 1_000;

/// What is to be cleared away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Rubbish {
    /// The bytes of all parts of a list, and the list.
    Parts(String),
    /// What is left of an upload: all its parts, or those that did not become the object with this list.
    Upload {
        upload: String,
        became: Option<String>,
    },
}

/// Clears away. Clones share everything.
#[derive(Clone)]
pub(crate) struct Trash {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Blobs,
}

/// A batch that lets go of bytes, and the files and slots that are nobody's once it is committed.
pub(crate) struct LetGo {
    pub(crate) batch: Batch,
    pub(crate) files: Vec<String>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) has_rubbish: bool,
}

impl LetGo {
    pub(crate) fn new(batch: Batch) -> Self {
        Self {
            batch,
            files: Vec::new(),
            slots: Vec::new(),
            has_rubbish: false,
        }
    }

    /// Lets go of these bytes.
    pub(crate) fn body(mut self, body: &Body) -> Self {
        match body {
            Body::Empty => {}
            Body::Bytes(id) => self.batch = self.batch.delete(keys::bytes(id)),
            Body::Slot(slot) => {
                self.batch = self.batch.delete(keys::slot(slot));
                self.slots.push(slot.clone());
            }
            Body::File(id) => {
                self.batch = self.batch.delete(keys::file(id));
                self.files.push(id.clone());
            }
            Body::Parts(id) => return self.rubbish(id, &Rubbish::Parts(id.clone())),
        }
        self
    }

    pub(crate) fn rubbish(mut self, id: &str, rubbish: &Rubbish) -> Self {
        let value = serde_json::to_vec(rubbish).unwrap_or_default();
        self.batch = self.batch.put(keys::trash(id), value);
        self.has_rubbish = true;
        self
    }
}

impl Trash {
    /// Commits, and clears away what was let go of.
    pub(crate) async fn commit(&self, let_go: LetGo) -> Result<(), CommitError> {
        let LetGo {
            batch,
            files,
            slots,
            has_rubbish,
        } = let_go;
        self.store.commit(batch).await?;
        slots.iter().for_each(|slot| self.blobs.slots().free(slot));
        if !files.is_empty() {
            self.blobs.remove(files).await;
        }
        if has_rubbish && let Err(fault) = self.empty().await {
            // It stays in the store, and is looked for again.
            tracing::warn!(%fault, "the bytes of a deleted object could not be cleared away yet");
        }
        Ok(())
    }

    /// Clears away everything that nobody reads any more.
    pub(crate) async fn empty(&self) -> Result<(), Fault> {
        let mut range = keys::all_trash();
        loop {
            let page = self
                .store
                .scan(&range, Direction::Forward, PageLimit::rows(100))
                .await?;
            for row in &page.rows {
                let rubbish: Rubbish = serde_json::from_slice(&row.value)
                    .map_err(|error| fault::internal(&error, "rubbish cannot be read"))?;
                if self.clear(&rubbish).await? {
                    let batch = Batch::new().delete(row.key.clone());
                    self.store.commit(batch).await?;
                }
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// Whether it is gone.
    async fn clear(&self, rubbish: &Rubbish) -> Result<bool, Fault> {
        let reader = Reader {
            store: Arc::clone(&self.store),
            blobs: self.blobs.clone(),
        };
        match rubbish {
            Rubbish::Parts(id) if self.blobs.is_read(id) => Ok(false),
            Rubbish::Parts(id) => {
                let parts = reader.parts(id).await?;
                for some in parts.chunks(ROWS_MAX) {
                    let bodies = some.iter().map(|part| &part.body);
                    self.remove(Batch::new(), bodies).await?;
                }
                self.remove_rows(keys::parts_rows(id)).await?;
                Ok(true)
            }
            Rubbish::Upload { upload, became } => {
                let kept: std::collections::HashSet<Vec<u8>> = match became {
                    Some(id) => reader
                        .parts(id)
                        .await?
                        .iter()
                        .filter_map(|part| serde_json::to_vec(&part.body).ok())
                        .collect(),
                    None => std::collections::HashSet::new(),
                };
                loop {
                    let page = self
                        .store
                        .scan(
                            &keys::parts(upload),
                            Direction::Forward,
                            PageLimit::rows(ROWS_MAX),
                        )
                        .await?;
                    let mut batch = Batch::new();
                    let mut bodies = Vec::new();
                    for row in &page.rows {
                        batch = batch.delete(row.key.clone());
                        let part: Part = serde_json::from_slice(&row.value)
                            .map_err(|error| fault::internal(&error, "a part cannot be read"))?;
                        let body = serde_json::to_vec(&part.body).unwrap_or_default();
                        if !kept.contains(&body) {
                            bodies.push(part.body);
                        }
                    }
                    self.remove(batch, bodies.iter()).await?;
                    if !page.more {
                        return Ok(true);
                    }
                }
            }
        }
    }

    async fn remove(&self, batch: Batch, bodies: impl Iterator<Item = &Body>) -> Result<(), Fault> {
        let LetGo {
            batch,
            files,
            slots,
            ..
        } = bodies.fold(LetGo::new(batch), |let_go, body| let_go.body(body));
        if !batch.writes().is_empty() {
            self.store.commit(batch).await?;
        }
        slots.iter().for_each(|slot| self.blobs.slots().free(slot));
        if !files.is_empty() {
            self.blobs.remove(files).await;
        }
        Ok(())
    }

    async fn remove_rows(&self, range: store::Range) -> Result<(), Fault> {
        let page = self
            .store
            .scan(&range, Direction::Forward, PageLimit::rows(ROWS_MAX))
            .await?;
        let batch = page
            .rows
            .into_iter()
            .fold(Batch::new(), |batch, row| batch.delete(row.key));
        if !batch.writes().is_empty() {
            self.store.commit(batch).await?;
        }
        Ok(())
    }

    /// Removes files that an earlier process left and nothing refers to, and takes over its slots.
    pub(crate) async fn sweep(&self) -> Result<(), Fault> {
        self.blobs.slots().take_over(&*self.store).await?;
        for (path, id) in self.blobs.left_behind().await {
            let is_referred_to = match id {
                Some(id) => self.store.get(&keys::file(&id)).await?.is_some(),
                None => false,
            };
            if !is_referred_to {
                tracing::debug!(path = %path.display(), "a file that no object refers to is removed");
                let removed = tokio::task::spawn_blocking(move || std::fs::remove_file(path));
                // What cannot be removed now is found again by the next process.
                let _ = removed.await;
            }
        }
        Ok(())
    }
}
