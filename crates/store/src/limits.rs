//! How large keys, values, batches and pages may be.
//!
//! Lives here: the limits that every implementation holds, and that callers plan for.
//! Does not live here: limits of a provider's API (`model::limits`).

/// Bytes of a key. The longest that is needed: partition and sort key of an item (2,048 + 1,024), each byte of which
/// may be escaped to two, twice over for an index, and what stands before them.
pub const KEY_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a value. An item of 400 KB with room for its encoding; larger things are blobs.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;
/// Writes and checks of one batch, together.
pub const BATCH_STEPS_MAX: usize = 10_000;
/// Bytes of all keys and values of one batch, together. A transaction may meet a hundred items of 400 KB, each of which it checks.
pub const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Rows of one page of a scan.
pub const PAGE_ROWS_MAX: usize = 10_000;
/// Bytes of one page of a scan. The last row may go over it, so that every page makes progress.
pub const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
