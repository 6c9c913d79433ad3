//! What the store knows of stacks.
//!
//! Lives here: the records, their keys, reading and writing them.
//! Does not live here: when which record is written (`apply`), which are sealed (`store::sealing`).
//! All but the last kind may be sealed.
//!
//! # Key shapes (after format, account, region and [`Owner::Deployment`])
//!
//! | shape | value |
//! | --- | --- |
//! | `01` text(stack) | [`StackRecord`], JSON |
//! | `02` text(stack) text(logical id) | [`ResourceRecord`], JSON |
//! | `03` text(stack) text(logical id) text(physical id) | [`Leftover`], JSON: to be deleted |
//! | `04` text(export's name) | [`ExportRecord`], JSON |
//! | `05` text(series) | the number that was drawn last, JSON |

use std::collections::BTreeMap;
use std::sync::Arc;

use interfaces::resource_provider::{Made, Properties};
use model::ids::{AccountId, LogicalId, Region, StackName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::keys::{KeyReader, KeyWriter, Owner};
use store::sealing::{NoSeal, Sealing, Seals};
use store::{Batch, CommitError, Direction, PageLimit, Range, ReadError, Store};

const STACK: u8 = 0x01;
const RESOURCE: u8 = 0x02;
const LEFTOVER: u8 = 0x03;
const EXPORT: u8 = 0x04;
const SERIES: u8 = 0x05;

/// Rows that are read at once.
const PAGE_ROWS: usize = 1_000;
/// How many records of one kind are read at most; a stack has no more resources than a template may have, and what
/// is left over of earlier ones.
const RECORDS_MAX: usize = 100_000;

/// State could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store failed.
    #[error("the state of stack `{stack}` could not be read")]
    Read {
        /// The stack.
        stack: StackName,
        /// Why.
        source: ReadError,
    },
    /// The store failed, or refused.
    #[error("the state of stack `{stack}` could not be written")]
    Write {
        /// The stack.
        stack: StackName,
        /// Why.
        source: CommitError,
    },
    /// A record is sealed, and does not open; or it cannot be sealed.
    #[error("the state of stack `{stack}` could not be opened or sealed")]
    Sealed {
        /// The stack.
        stack: StackName,
        /// Why.
        source: NoSeal,
    },
    /// A record is not what this version writes.
    #[error("the state of stack `{stack}` has a record that cannot be understood")]
    Malformed {
        /// The stack.
        stack: StackName,
    },
}

/// A stack as it was left.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct StackRecord {
    /// The revision that was deployed last.
    pub(crate) revision: String,
    /// The values of its outputs.
    pub(crate) outputs: BTreeMap<String, Value>,
    /// The exports that it owns.
    pub(crate) exports: BTreeMap<String, Value>,
}

/// One resource of a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ResourceRecord {
    /// Its type.
    pub(crate) resource_type: String,
    /// The name that was drawn for it.
    pub(crate) generated_name: String,
    /// The number that was drawn for it, if it is of a series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<u64>,
    /// Its properties: as they are, or as they are to be in `Creating`.
    pub(crate) properties: Properties,
    /// Its place in the order of making: what is deleted is deleted the other way round.
    pub(crate) position: usize,
    /// Whether it is kept when it leaves the template.
    pub(crate) is_retained: bool,
    /// How far it has come.
    pub(crate) phase: Phase,
}

/// How far a resource has come. Written before a step and after it, so that a crash between the two is seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// A provider was asked to make it.
    Creating {
        /// What it takes the place of.
        replaces: Option<Box<Replaced>>,
    },
    /// It could not be made; its name is kept for the next try.
    Failed,
    /// It exists.
    Made {
        /// What `Ref` gives.
        physical_id: String,
        /// What `GetAtt` gives.
        attributes: Properties,
    },
    /// A provider was asked to change it.
    Updating {
        /// What `Ref` gives.
        physical_id: String,
        /// What `GetAtt` gives.
        attributes: Properties,
        /// The properties that it is to have.
        next: Properties,
    },
    /// A provider was asked to delete it.
    Deleting {
        /// What `Ref` gave.
        physical_id: String,
        /// What `GetAtt` gave.
        attributes: Properties,
    },
}

/// A resource that another takes the place of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Replaced {
    /// Its record.
    pub(crate) record: ResourceRecord,
    /// Whether its `UpdateReplacePolicy` keeps it.
    pub(crate) is_kept: bool,
}

/// A resource that was replaced and is to be deleted when all else is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leftover {
    /// Its name in the template.
    pub(crate) logical_id: LogicalId,
    /// What `Ref` gave.
    pub(crate) physical_id: String,
    /// Its record.
    pub(crate) record: ResourceRecord,
}

/// One export of a region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExportRecord {
    /// The stack that owns it.
    pub(crate) stack: StackName,
    /// Its value.
    pub(crate) value: Value,
}

impl ResourceRecord {
    /// The resource, if it exists.
    pub(crate) fn made(&self) -> Option<Made> {
        match &self.phase {
            Phase::Made {
                physical_id,
                attributes,
            }
            | Phase::Updating {
                physical_id,
                attributes,
                ..
            }
            | Phase::Deleting {
                physical_id,
                attributes,
            } => Some(Made {
                physical_id: physical_id.clone(),
                attributes: attributes.clone(),
            }),
            Phase::Creating { .. } | Phase::Failed => None,
        }
    }
}

/// The records of one stack, and how to reach them.
pub(crate) struct StackState<'a> {
    store: &'a dyn Store,
    account: &'a AccountId,
    region: &'a Region,
    stack: &'a StackName,
    pub(crate) sealing: Sealing,
}

impl<'a> StackState<'a> {
    pub(crate) fn new(
        store: &'a dyn Store,
        account: &'a AccountId,
        region: &'a Region,
        stack: &'a StackName,
        seals: Option<&Arc<dyn Seals>>,
    ) -> Self {
        Self {
            store,
            account,
            region,
            stack,
            sealing: Sealing::new("deployment", seals.cloned()),
        }
    }

    pub(crate) async fn stack(&self) -> Result<Option<StackRecord>, StateError> {
        let key = self.key(STACK).text(self.stack.as_str()).finish();
        let value = self.store.get(&key).await;
        match value.map_err(|source| self.read_error(source))? {
            Some(bytes) => self.decode(&self.opened(bytes).await?).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) async fn resources(
        &self,
    ) -> Result<BTreeMap<LogicalId, ResourceRecord>, StateError> {
        let prefix = self.key(RESOURCE).text(self.stack.as_str()).finish();
        let rows = self.rows(&prefix).await?;
        rows.into_iter()
            .map(|(rest, value)| {
                let name = KeyReader::new(&rest).text();
                let name = name.map_err(|_shape| self.malformed())?;
                Ok((LogicalId::new(name), self.decode(&value)?))
            })
            .collect()
    }

    pub(crate) async fn leftovers(&self) -> Result<Vec<Leftover>, StateError> {
        let prefix = self.key(LEFTOVER).text(self.stack.as_str()).finish();
        let rows = self.rows(&prefix).await?;
        rows.iter().map(|(_, value)| self.decode(value)).collect()
    }

    /// All exports of the region, of all stacks.
    pub(crate) async fn exports(&self) -> Result<BTreeMap<String, ExportRecord>, StateError> {
        let prefix = self.key(EXPORT).finish();
        let rows = self.rows(&prefix).await?;
        rows.into_iter()
            .map(|(rest, value)| {
                let name = KeyReader::new(&rest).text();
                let name = name.map_err(|_shape| self.malformed())?;
                Ok((name, self.decode(&value)?))
            })
            .collect()
    }

    /// The number of a series that was drawn last, by any stack of the region: 0 before the first.
    pub(crate) async fn last_number(&self, series: &str) -> Result<u64, StateError> {
        let key = self.key(SERIES).text(series).finish();
        let value = self.store.get(&key).await;
        match value.map_err(|source| self.read_error(source))? {
            Some(bytes) => self.decode(&bytes),
            None => Ok(0),
        }
    }

    /// Draws the next number of a series, which nobody else is given, at whatever moment they ask.
    pub(crate) async fn draw_number(&self, series: &str) -> Result<u64, StateError> {
        let key = self.key(SERIES).text(series).finish();
        loop {
            let value = self.store.get(&key).await;
            let value = value.map_err(|source| self.read_error(source))?;
            let last: u64 = match &value {
                Some(bytes) => self.decode(bytes)?,
                None => 0,
            };
            let next = last.saturating_add(1);
            let batch = match value {
                Some(bytes) => Batch::new().check_equals(key.clone(), bytes),
                None => Batch::new().check_absent(key.clone()),
            };
            let batch = batch.put(key.clone(), encode(&next));
            match self.store.commit(batch).await {
                Ok(_) => return Ok(next),
                Err(CommitError::CheckFailed { .. }) => {}
                Err(source) => {
                    return Err(StateError::Write {
                        stack: self.stack.clone(),
                        source,
                    });
                }
            }
        }
    }

    pub(crate) fn put_last_number(&self, batch: Batch, series: &str, number: u64) -> Batch {
        batch.put(self.key(SERIES).text(series).finish(), encode(&number))
    }

    pub(crate) fn put_stack(&self, batch: Batch, record: &StackRecord) -> Batch {
        let key = self.key(STACK).text(self.stack.as_str()).finish();
        batch.put(key, encode(record))
    }

    pub(crate) fn put_resource(
        &self,
        batch: Batch,
        id: &LogicalId,
        record: &ResourceRecord,
    ) -> Batch {
        batch.put(self.resource_key(id), encode(record))
    }

    pub(crate) fn delete_resource(&self, batch: Batch, id: &LogicalId) -> Batch {
        batch.delete(self.resource_key(id))
    }

    pub(crate) fn put_leftover(&self, batch: Batch, leftover: &Leftover) -> Batch {
        batch.put(self.leftover_key(leftover), encode(leftover))
    }

    pub(crate) fn delete_leftover(&self, batch: Batch, leftover: &Leftover) -> Batch {
        batch.delete(self.leftover_key(leftover))
    }

    pub(crate) fn put_export(&self, batch: Batch, name: &str, value: &Value) -> Batch {
        let record = ExportRecord {
            stack: self.stack.clone(),
            value: value.clone(),
        };
        batch.put(self.key(EXPORT).text(name).finish(), encode(&record))
    }

    pub(crate) fn delete_export(&self, batch: Batch, name: &str) -> Batch {
        batch.delete(self.key(EXPORT).text(name).finish())
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), StateError> {
        // Numbers are compared with what is there, and no secret.
        let numbers = self.key(SERIES).finish();
        let batch = self.sealing.closed(batch, Some(&numbers)).await;
        let batch = batch.map_err(|source| self.sealed(source))?;
        let committed = self.store.commit(batch).await;
        committed.map_err(|source| StateError::Write {
            stack: self.stack.clone(),
            source,
        })?;
        Ok(())
    }

    async fn rows(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, store::Bytes)>, StateError> {
        let mut range = Range::of_prefix(prefix.to_vec());
        let mut found = Vec::new();
        loop {
            let limit = PageLimit::rows(PAGE_ROWS);
            let page = self.store.scan(&range, Direction::Forward, limit).await;
            let page = page.map_err(|source| self.read_error(source))?;
            for row in &page.rows {
                let rest = row.key.get(prefix.len()..).unwrap_or_default();
                found.push((rest.to_vec(), self.opened(row.value.clone()).await?));
            }
            match page.rows.last() {
                Some(last) if page.more && found.len() < RECORDS_MAX => {
                    range = range.after(&last.key);
                }
                Some(_) | None => return Ok(found),
            }
        }
    }

    fn key(&self, kind: u8) -> KeyWriter {
        KeyWriter::new(self.account, self.region, Owner::Deployment).byte(kind)
    }

    fn resource_key(&self, id: &LogicalId) -> Vec<u8> {
        let key = self.key(RESOURCE).text(self.stack.as_str());
        key.text(id.as_str()).finish()
    }

    fn leftover_key(&self, leftover: &Leftover) -> Vec<u8> {
        let key = self.key(LEFTOVER).text(self.stack.as_str());
        key.text(leftover.logical_id.as_str())
            .text(&leftover.physical_id)
            .finish()
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, StateError> {
        serde_json::from_slice(bytes).map_err(|_syntax| self.malformed())
    }

    async fn opened(&self, row: store::Bytes) -> Result<store::Bytes, StateError> {
        let opened = self.sealing.opened(row).await;
        opened.map_err(|source| self.sealed(source))
    }

    fn sealed(&self, source: NoSeal) -> StateError {
        StateError::Sealed {
            stack: self.stack.clone(),
            source,
        }
    }

    fn malformed(&self) -> StateError {
        StateError::Malformed {
            stack: self.stack.clone(),
        }
    }

    fn read_error(&self, source: ReadError) -> StateError {
        StateError::Read {
            stack: self.stack.clone(),
            source,
        }
    }
}

/// A record as JSON. Records are maps of texts and JSON values, which always have a JSON form.
fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).unwrap_or_default()
}
