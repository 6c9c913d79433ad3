//! What an operation costs, as the service counts it.
//!
//! Lives here: capacity units, and the member of an answer that tells them.
//! Does not live here: limiting anybody by them: no throughput is enforced.
//!
//! Contract: Amazon DynamoDB Developer Guide, "DynamoDB read and write operations".

use super::fault::Fault;
use super::fields::Fields;
use super::json_write;

/// Bytes that one read unit pays for.
const READ_UNIT_BYTES: usize = 4 * 1024;
/// Bytes that one write unit pays for.
const WRITE_UNIT_BYTES: usize = 1024;

/// What an answer is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing.
    Nothing,
    /// All units together.
    Total,
    /// Also by table and index.
    Indexes,
}

/// Half units, so that sums are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Units {
    halves: usize,
}

/// Whether a read sees all writes before it. Ours always do; the cheaper kind only costs less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consistency {
    Eventual,
    Strong,
}

impl Wanted {
    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, Fault> {
        let allowed = ["INDEXES", "TOTAL", "NONE"];
        let wanted = fields.one_of("ReturnConsumedCapacity", "returnConsumedCapacity", &allowed)?;
        Ok(match wanted {
            Some("INDEXES") => Self::Indexes,
            Some("TOTAL") => Self::Total,
            _ => Self::Nothing,
        })
    }
}

impl Consistency {
    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, Fault> {
        Ok(match fields.boolean("ConsistentRead")? {
            Some(true) => Self::Strong,
            Some(false) | None => Self::Eventual,
        })
    }
}

impl Units {
    pub(super) fn of_read(bytes: usize, consistency: Consistency) -> Self {
        let units = bytes.div_ceil(READ_UNIT_BYTES).max(1);
        Self {
            halves: match consistency {
                Consistency::Eventual => units,
                Consistency::Strong => 2 * units,
            },
        }
    }

    pub(super) fn of_write(bytes: usize) -> Self {
        Self {
            halves: 2 * bytes.div_ceil(WRITE_UNIT_BYTES).max(1),
        }
    }

    fn text(self) -> String {
        let fraction = if self.halves.is_multiple_of(2) { 0 } else { 5 };
        format!("{}.{fraction}", self.halves / 2)
    }
}

/// Writes the member `ConsumedCapacity`, if it is wanted; commas are the caller's.
pub(super) fn write(out: &mut Vec<u8>, wanted: Wanted, table_name: &str, units: Units) {
    let units = units.text();
    out.extend_from_slice(b"\"ConsumedCapacity\":{\"TableName\":");
    json_write::string(out, table_name);
    out.extend_from_slice(format!(",\"CapacityUnits\":{units}").as_bytes());
    match wanted {
        Wanted::Nothing | Wanted::Total => {}
        Wanted::Indexes => {
            out.extend_from_slice(format!(",\"Table\":{{\"CapacityUnits\":{units}}}").as_bytes());
        }
    }
    out.push(b'}');
}
