//! The ordered key-value seam: checked batches, scans, versionstamps, and the suite that every store passes.
//!
//! Lives here: the [`Store`] trait with the data that goes through it, the layout of every key, the conformance suite.
//! Does not live here: implementations (`store-embedded`), what a value means (the crate that owns the key).
//!
//! # The promise
//! - **Ordered.** Keys are bytes and sort as bytes.
//! - **Checked batches.** [`Store::commit`] applies all of a batch or nothing. Its checks see every batch that was
//!   committed before it, and no other batch comes between its checks and its writes.
//! - **Durable.** When `commit` returns, the batch survives the end of the process and of the power.
//! - **Versionstamps.** Every commit gets a [`Versionstamp`] that is greater than those of all commits before it, also
//!   after a restart. A batch can put its own stamp into its keys: so a stream's order is commit order.
//! - **Reads.** One call sees one moment, and all that was committed before it began. Readers never wait for writers.
//!
//! # All key shapes
//! Every key begins with [`keys::FORMAT`], account, region and a byte for the owner ([`keys::Owner`]); those marked `*` with
//! [`keys::FORMAT_BY_ID`] and the owner alone, since every item would repeat the rest. `text` is the encoding of
//! [`keys::KeyWriter::bytes`]: escaped, ended, and sorting as the text does. What follows the owner:
//!
//! | owner | shape | value |
//! | --- | --- | --- |
//! | `Tables` `01` | `01` text(table name) | the table's descriptor |
//! | `Tables` `01` | `*` `06` short table id (the last 6 bytes; no two tables of a store have the same) | the mark that the table is there: its generation (4 bytes), which every write of an item checks; `deleted` until the rows of a deleted table are removed |
//! | `Tables` `01` | `*` `06` short table id, hash of the partition key (4 bytes), partition key, sort key | an item |
//! | `Tables` `01` | `*` `07` short table id, index id (4 bytes), hash of the index's partition key (4 bytes), the parts of the index's key, the parts of the item's key (a local index: without the partition key) | an index's entry: the part of the item that is projected |
//! | `Tables` `01` | `03` table id (16 bytes) | empty: a deleted table whose rows are still to be removed |
//! | `Tables` `01` | `05` table id, index id (4 bytes) | how far the filling of a new index has come: the key of the last item that was seen |
//! | `Tables` `01` | `10` text(table name), since (8 bytes) | a stream: JSON; there while it may have records |
//! | `Tables` `01` | `11` table id (16 bytes), since (8 bytes), shard (1 byte), versionstamp, number in the commit (2 bytes), row (1 byte) | a record of a stream; a large one lies in several rows |
//! | `Tables` `01` | `12` table id (16 bytes), since (8 bytes), shard (1 byte) | up to where the shard was trimmed: versionstamp and number (10 bytes) |
//! | `Tables` `01` | `13` table id (16 bytes), expiry in seconds (8 bytes), the item's key after the table's prefix | the table's name: an item that expires |
//! | `Tables` `01` | `14` table id (16 bytes) | text(table name) and the last item seen: entries `13` are to be made, or removed |
//! | `Tables` `01` | `20` text(token) | `01`, the end of its life in microseconds (8 bytes), a SHA-256: a transaction that was carried out |
//! | `Objects` `07` | `*` `01` text(bucket name) | a bucket with its settings: JSON |
//! | `Objects` `07` | `*` `02` bucket id (8 bytes), text(key) | the newest version of an object: JSON |
//! | `Objects` `07` | `*` `03` bucket id, text(key), sequence inverted (8 bytes) | a version that is not the newest: JSON |
//! | `Objects` `07` | `*` `04` bucket id, text(key) | the sequence of the `null` version, if that is not the newest |
//! | `Objects` `07` | `*` `05` text(id) | the bytes of a small object |
//! | `Objects` `07` | `*` `06` text(id) | empty: something refers to the file of this name |
//! | `Objects` `07` | `*` `07` text(id), row (4 bytes) | up to 1,000 parts of an object: JSON |
//! | `Objects` `07` | `*` `08` bucket id, text(key), text(upload id) | an upload in parts: JSON |
//! | `Objects` `07` | `*` `09` text(upload id), part number (4 bytes) | a part of an upload: JSON |
//! | `Objects` `07` | `*` `0a` text(id) | bytes that nobody refers to any more, to be cleared away: JSON |
//! | `Objects` `07` | `*` `0b` text(file), number (4 bytes), tag (8 bytes) | empty: something refers to this slot of the file |
//! | `Queues` `04` | `01` text(queue name) | a queue: JSON |
//! | `Queues` `04` | `02` text(queue name) | when a queue of this name was deleted (8 bytes, microseconds) |
//! | `Queues` `04` | `*` `10` contents id (8 bytes), identity | a message that waits. The identity: when it is due (8 bytes; FIFO: hash of its group, 16 bytes), versionstamp, number in the commit (2 bytes) |
//! | `Queues` `04` | `*` `11` contents id, identity | a message that was received and not deleted |
//! | `Queues` `04` | `*` `12` contents id, message id (16 bytes), part (1 byte) | a part of a long body |
//! | `Queues` `04` | `*` `13` contents id, since (8 bytes), versionstamp, number (2 bytes) | a group of a FIFO queue that waits for its turn: its hash |
//! | `Queues` `04` | `*` `14` contents id, SHA-256 | a deduplication id: its expiry (8 bytes), the message's id (16 bytes), versionstamp, number |
//! | `Queues` `04` | `*` `15` contents id, expiry (8 bytes), SHA-256 | empty: when that is forgotten |
//! | `Queues` `04` | `*` `16` contents id, versionstamp, number | a message that another queue put into a FIFO queue, to be put in its place |
//! | `Queues` `04` | `*` `20` contents id | empty: contents of a deleted or purged queue that are still to be removed |
//! | `Queues` `04` | `*` `21` text(ARN of the source), started (8 bytes), text(task id) | a task that moves messages: JSON |
//! | `Delivery` `03` | `01` text(mapping id), text(shard), lanes (1 byte), lane (1 byte) | format byte, time in microseconds (8 bytes), how far the lane has come |
//! | `Delivery` `03` | `*` `02` versionstamp, number (8 bytes) | a delivery that was never tried: format byte, whom it is for (JSON), the number of its pieces (2 bytes), or its contents |
//! | `Delivery` `03` | `*` `03` versionstamp, number | the same, of one that is to be tried again |
//! | `Delivery` `03` | `*` `04` time in microseconds (8 bytes), versionstamp, number | when it is tried again: whom it is for (JSON) |
//! | `Delivery` `03` | `*` `05` versionstamp, number, piece (2 bytes) | a piece of the contents of a long one |
//! | `Identity` `09` | `*` kind (`01` user, `02` group, `03` role, `04` managed policy, `05` instance profile, `06` access key, `07` session), text(account), text(name, ARN or key's id) | JSON |
//! | `Topics` `05` | `01` text(topic) | a topic: JSON |
//! | `Topics` `05` | `02` text(topic), text(id) | a subscription: JSON |
//! | `Topics` `05` | `03` text(platform and name) | a platform application: JSON |
//! | `Topics` `05` | `04` text(platform and name), text(id) | an endpoint of one: JSON |
//! | `Topics` `05` | `05` | settings of text messages: JSON |
//! | `Topics` `05` | `06` text(topic), text(deduplication id) | a message that a FIFO topic had within five minutes: JSON |
//! | `Buses` `06` | `01` text(bus) | a bus: JSON |
//! | `Buses` `06` | `02` text(bus), text(rule) | a rule with its targets: JSON |
//! | `Buses` `06` | `03` text(name) | a connection with its secrets: JSON, sealed |
//! | `Buses` `06` | `04` text(name) | an API destination: JSON |
//! | `Buses` `06` | `05` text(name) | an archive: JSON |
//! | `Buses` `06` | `06` text(name) | a replay: JSON |
//! | `Buses` `06` | `*` `03` text(account), text(region), text(archive), u64(microseconds), text(event) | an event of an archive: JSON |
//! | `Buses` `06` | `*` `04` text(account), text(region) | the place has archives: nothing |
//! | `Buses` `06` | `*` `05` text(account), text(region), text(archive) | how much an archive holds but for what follows: JSON |
//! | `Buses` `06` | `*` `06` text(account), text(region), text(archive), versionstamp | what came to an archive, or went: JSON |
//! | `Buses` `06` | `10` text(group) | a group of schedules: JSON |
//! | `Buses` `06` | `11` text(group), text(name) | a schedule: JSON |
//! | `Buses` `06` | `*` `02` text(account), text(region), `01` text(bus), text(rule); or `02` text(group), text(schedule) | when it fires next: JSON |
//! | `Streams` `08` | `01` text(stream) | a stream with its shards and consumers: JSON |
//! | `Streams` `08` | `*` `01` stream id (8 bytes) | the mark that the stream is there: its generation (8 bytes), which every put checks; text(account), text(region), text(stream) |
//! | `Streams` `08` | `*` `02` stream id, shard (4 bytes), versionstamp, number in the commit (2 bytes), whether it is encrypted (1 byte), time in microseconds (8 bytes), partition key | the data of a record |
//! | `Streams` `08` | `*` `03` stream id | empty: a deleted stream whose records are still to be removed |
//! | `Logs` `0b` | `01` text(group) | a log group with its filters: JSON |
//! | `Logs` `0b` | `02` text(group), text(stream) | a log stream: JSON |
//! | `Logs` `0b` | `03` text(name) | a resource policy: JSON |
//! | `Logs` `0b` | `10` text(name) | an alarm: JSON |
//! | `Logs` `0b` | `11` text(namespace), text(metric), text(dimensions as JSON), text(seconds), text(unit) | what was measured: JSON |
//! | `Logs` `0b` | `*` `01` stream id (8 bytes), time in ms (8 bytes), number (8 bytes) | an event: when it came in (8 bytes, ms), its message |
//! | `Logs` `0b` | the same, `01` | this event and those that follow it in its millisecond: when they came in, then of each its length (4 bytes) and its message |
//! | `Logs` `0b` | `*` `02` text(account), text(region) | empty: something is kept there |
//! | `Logs` `0b` | `*` `03` stream id | empty: a deleted stream whose events are still to be removed |
//! | `Secrets` `0a` | `01` text(key id) | a key of KMS, its material sealed by the root key, its grants: JSON |
//! | `Secrets` `0a` | `02` text(alias) | an alias of a key: JSON |
//! | `Secrets` `0a` | `10` text(parameter, without the first `/`) | a parameter: JSON |
//! | `Secrets` `0a` | `11` text(parameter), text(number, 20 digits) | a version of a parameter: JSON |
//! | `Secrets` `0a` | `20` text(secret) | a secret: JSON |
//! | `Secrets` `0a` | `21` text(secret), text(version id) | a version of a secret, its value sealed by a key of KMS: JSON |
//! | `Secrets` `0a` | `*` `01` time in microseconds (8 bytes), text(account), text(region), what happens (1 byte), text(key id or secret) | empty: a key or secret to be deleted, a key to be rotated |
//! | `Deployment` `02` | as `deployment` documents | the state of stacks and their resources, sealed where they hold secrets |
//! | `Functions` `0c` | `01` kind (1 byte) text(key) | an entry of Lambda's API, JSON, sealed where a project has secrets: a function, a version, an alias, a statement, an address, a mapping, a layer |
//!
//! A new shape is entered here in the commit that brings it.

pub mod batch;
pub mod errors;
pub mod keys;
pub mod limits;
pub mod scan;
pub mod sealing;
#[cfg(feature = "suite")]
pub mod suite;

use std::future::Future;
use std::pin::Pin;

pub use batch::{Batch, Check, Versionstamp, Write};
pub use bytes::Bytes;
pub use errors::{CommitError, ReadError};
pub use scan::{Direction, Page, PageLimit, Range, Row, all_rows};

/// What the async methods of [`Store`] return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An ordered, durable map from bytes to bytes. See the crate's documentation for what it promises.
pub trait Store: Send + Sync {
    /// The value of a key; none when there is no such key.
    ///
    /// # Errors
    /// [`ReadError`] when the medium fails; later calls may succeed.
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Bytes>, ReadError>>;

    /// The rows of a range, from its start (or from its end, backwards) until the limit is met.
    ///
    /// # Errors
    /// [`ReadError`] when the medium fails; later calls may succeed.
    fn scan<'a>(
        &'a self,
        range: &'a Range,
        direction: Direction,
        limit: PageLimit,
    ) -> BoxFuture<'a, Result<Page, ReadError>>;

    /// Applies a batch if all its checks hold; durable when it returns.
    ///
    /// If the future is dropped before it is ready, the batch may or may not have been applied.
    ///
    /// # Errors
    /// [`CommitError::CheckFailed`]: nothing was applied; read again and decide anew. The other cases say whether the
    /// batch may be sent again.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Versionstamp, CommitError>>;
}
