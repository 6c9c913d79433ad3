//! What the resource provider borrows from the API.
//!
//! Lives here: reading a table's properties with the very checks of `CreateTable`.
//! Does not live here: which properties there are (`resources`).

use model::time::Timestamp;

use super::fault::Fault;
use super::fields::Fields;
pub(crate) use super::operations::PROTECTED;
use super::operations::TableWish;
use crate::engine::table::Descriptor;
use crate::engine::table_id::TableId;

/// The table that a body of `CreateTable` asks for.
///
/// # Errors
/// What the API would answer.
pub(crate) fn read_table(body: &[u8], id: TableId, now: Timestamp) -> Result<Descriptor, Fault> {
    let mut fields = Fields::read("CreateTable", body)?;
    let wish = TableWish::take(&mut fields)?;
    fields.finish()?;
    wish.descriptor(id, now)
}
