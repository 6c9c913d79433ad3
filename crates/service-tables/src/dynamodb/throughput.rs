//! Holding requests to what is provisioned for their tables and indexes, and on-demand ones to their ceilings, where that is
//! asked for.
//!
//! Lives here: the units that each table and index has left, who is let in, how a refusal is worded.
//! Does not live here: what a request costs (`capacity`), what is provisioned (`engine::table`).
//!
//! As the service counts: units come at the rate that is provisioned, those of 300 seconds are kept, and a request is let in
//! while any are left, whatever it will cost. What it costs beyond them is owed.
//!
//! Differs: a table begins with the units of one second, also when the server starts. Partitions of a table have no limits of
//! their own.
//!
//! Contract: Amazon DynamoDB Developer Guide, "Burst and adaptive capacity" and "Diagnosing throttling".

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use interfaces::clock::Clock;
use model::time::Timestamp;

use super::capacity::Consumed;
use super::fault::{Detail, Fault, Kind};
use crate::engine::indexes::{Index, IndexKind};
use crate::engine::table::{Billing, Ceilings, Table};
use crate::engine::table_id::TableId;
use crate::engine::value::Attributes;

/// Seconds whose unused units are kept.
const SECONDS_KEPT: i64 = 300;
/// Tables and indexes that are remembered, reading and writing apart. When there are more, the one that was used least lately
/// begins anew.
const PLACES_MAX: usize = 20_000;
/// Units are counted in millionths of halves, so that those of a microsecond are whole.
const PARTS_OF_HALF: i64 = 1_000_000;

/// What becomes of the throughput that is provisioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Throughput {
    /// It is kept and shown, and bounds nothing.
    #[default]
    Shown,
    /// Requests beyond it are refused.
    Enforced,
}

/// Reading or writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Use {
    Read,
    Write,
}

/// A table, or one of its global indexes.
type Place = (TableId, Option<u32>, Use);

/// What a place has left.
#[derive(Debug, Clone, Copy)]
struct Left {
    /// May be less than nothing.
    parts: i64,
    at: Timestamp,
}

/// Counts what is used.
#[derive(Debug)]
pub(super) struct Meter {
    /// None where nothing is enforced.
    left_by_place: Option<Mutex<HashMap<Place, Left>>>,
}

impl Meter {
    pub(super) fn new(throughput: Throughput) -> Self {
        Self {
            left_by_place: match throughput {
                Throughput::Shown => None,
                Throughput::Enforced => Some(Mutex::default()),
            },
        }
    }

    /// Whether requests for this table may be refused for want of units.
    pub(super) fn binds(&self, table: &Table) -> bool {
        let has_ceilings = |ceilings: Ceilings| ceilings != Ceilings::default();
        self.left_by_place.is_some()
            && match table.descriptor.billing {
                Billing::Provisioned { .. } => true,
                Billing::OnDemand { .. } => {
                    let mut indexes = table.descriptor.secondary_indexes.iter();
                    has_ceilings(table.descriptor.ceilings)
                        || indexes.any(|index| has_ceilings(index.ceilings))
                }
            }
    }

    /// Refuses a read for which nothing is left.
    pub(super) fn admit_read(
        &self,
        table: &Table,
        index: Option<&Index>,
        clock: &dyn Clock,
    ) -> Result<(), Fault> {
        if self.binds(table) {
            let index = index.filter(|index| index.settings.kind == IndexKind::Global);
            return self.admit(table, index, Use::Read, clock.now());
        }
        Ok(())
    }

    /// Refuses a write that makes this item of that one, if nothing is left of the table, or of an index that it changes.
    pub(super) fn admit_write(
        &self,
        table: &Table,
        before: Option<&Attributes>,
        after: Option<&Attributes>,
        clock: &dyn Clock,
    ) -> Result<(), Fault> {
        if !self.binds(table) {
            return Ok(());
        }
        let now = clock.now();
        self.admit(table, None, Use::Write, now)?;
        let consumed = Consumed::of_write(table, before, after);
        let mut shares = consumed.shares(table);
        shares.try_for_each(|(index, _)| self.admit(table, index, Use::Write, now))
    }

    /// Notes what a request has used.
    pub(super) fn spend(&self, table: &Table, used: Use, consumed: &Consumed, clock: &dyn Clock) {
        if !self.binds(table) {
            return;
        }
        let now = clock.now();
        for (index, units) in consumed.shares(table) {
            let cost = i64::try_from(units.halves()).unwrap_or(i64::MAX);
            self.with(table, index, used, now, |left| {
                left.parts = left
                    .parts
                    .saturating_sub(cost.saturating_mul(PARTS_OF_HALF));
            });
        }
    }

    fn admit(
        &self,
        table: &Table,
        index: Option<&Index>,
        used: Use,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let mut has_units = true;
        self.with(table, index, used, now, |left| has_units = 0 < left.parts);
        if has_units {
            return Ok(());
        }
        Err(exceeded(table, index, used))
    }

    /// Looks at what a place has left now.
    fn with(
        &self,
        table: &Table,
        index: Option<&Index>,
        used: Use,
        now: Timestamp,
        look: impl FnOnce(&mut Left),
    ) {
        let (Some(places), Some(rate)) = (&self.left_by_place, rate(table, index, used)) else {
            return;
        };
        let index_id = index.map(|index| index.settings.id);
        let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (table.descriptor.id, index_id, used);
        if PLACES_MAX <= places.len() && !places.contains_key(&place) {
            let oldest = places.iter().min_by_key(|(_, left)| left.at);
            if let Some(oldest) = oldest.map(|(place, _)| *place) {
                places.remove(&oldest);
            }
        }
        let halves_a_second = i64::try_from(rate).unwrap_or(i64::MAX).saturating_mul(2);
        let second = halves_a_second.saturating_mul(PARTS_OF_HALF);
        let begin = Left {
            parts: second,
            at: now,
        };
        let left = places.entry(place).or_insert(begin);
        // A half each second is one part each microsecond.
        let micros = now.epoch_us().saturating_sub(left.at.epoch_us()).max(0);
        let come = micros.saturating_mul(halves_a_second);
        left.parts = left
            .parts
            .saturating_add(come)
            .min(second.saturating_mul(SECONDS_KEPT));
        left.at = now;
        look(left);
    }
}

/// The units that come each second; none where nothing bounds them.
fn rate(table: &Table, index: Option<&Index>, used: Use) -> Option<u64> {
    let (read_units, write_units) = match (table.descriptor.billing, index) {
        (
            Billing::Provisioned {
                read_units,
                write_units,
            },
            None,
        ) => (Some(read_units), Some(write_units)),
        (Billing::Provisioned { .. }, Some(index)) => {
            let throughput = index.settings.throughput?;
            (Some(throughput.read_units), Some(throughput.write_units))
        }
        (Billing::OnDemand { .. }, index) => {
            let of_index = index.map(|index| index.settings.ceilings);
            let ceilings = of_index.unwrap_or(table.descriptor.ceilings);
            (ceilings.read_units, ceilings.write_units)
        }
    };
    match used {
        Use::Read => read_units,
        Use::Write => write_units,
    }
}

fn exceeded(table: &Table, index: Option<&Index>, used: Use) -> Fault {
    let (place, resource, message) = match index {
        None => (
            "Table",
            &table.arn,
            "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.",
        ),
        Some(index) => (
            "Index",
            &index.arn,
            "The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded. Consider increasing your provisioning level for the under-provisioned global secondary indexes with the UpdateTable API",
        ),
    };
    let (kind, message, limit) = match table.descriptor.billing {
        Billing::Provisioned { .. } => (
            Kind::ProvisionedThroughputExceeded,
            message,
            "ProvisionedThroughputExceeded",
        ),
        Billing::OnDemand { .. } => (
            Kind::Throttling,
            "Throughput exceeds the maximum OnDemandThroughput configured on table or index",
            "MaxOnDemandThroughputExceeded",
        ),
    };
    let used = match used {
        Use::Read => "Read",
        Use::Write => "Write",
    };
    let mut fault = Fault::new(kind, message);
    fault.detail = Some(Box::new(Detail::Throttling {
        reason: format!("{place}{used}{limit}"),
        resource: resource.clone(),
    }));
    fault
}
