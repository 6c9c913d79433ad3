//! What a change of a template's table makes of the table that is there.
//!
//! Lives here: the new descriptor, and what cannot be done in one update, in CloudFormation's words. Pure.
//! Does not live here: carrying it out (`super`), filling and removing indexes (`engine::upkeep`).

use crate::engine::indexes::{IndexKind, IndexStatus, SecondaryIndex, Throughput};
use crate::engine::table::{Billing, Descriptor, TimeToLive};

/// Makes a table what it is to be; or says, in CloudFormation's words, why that cannot be done in one update.
pub(super) fn follow(descriptor: &mut Descriptor, wished: &Descriptor) -> Result<(), String> {
    follow_indexes(descriptor, wished)?;
    if let (Billing::OnDemand { since }, Billing::Provisioned { .. }) =
        (descriptor.billing, wished.billing)
    {
        descriptor.on_demand_since = Some(since);
    }
    descriptor.ceilings = wished.ceilings;
    descriptor.warm = warmer(descriptor.warm, wished.warm, "table")?;
    descriptor.billing = match (descriptor.billing, wished.billing) {
        // It has been so since then.
        (before @ Billing::OnDemand { .. }, Billing::OnDemand { .. }) => before,
        (_, after) => after,
    };
    descriptor.deletion_protection = wished.deletion_protection;
    descriptor.class = wished.class;
    descriptor.encryption.clone_from(&wished.encryption);
    descriptor.tags.clone_from(&wished.tags);
    let attribute = |ttl: &Option<TimeToLive>| ttl.as_ref().map(|ttl| ttl.attribute.clone());
    if attribute(&descriptor.time_to_live) != attribute(&wished.time_to_live) {
        descriptor.time_to_live.clone_from(&wished.time_to_live);
    }
    match (&mut descriptor.stream, &wished.stream) {
        (Some(there), None) => there.enabled = false,
        (Some(there), Some(wish)) if there.enabled && there.view_type == wish.view_type => {}
        // Another view takes another stream.
        (there, Some(_)) => there.clone_from(&wished.stream),
        (None, None) => {}
    }
    Ok(())
}

fn follow_indexes(descriptor: &mut Descriptor, wished: &Descriptor) -> Result<(), String> {
    let is_global = |index: &&SecondaryIndex| index.kind == IndexKind::Global;
    let goes = |index: &SecondaryIndex| {
        let mut wished = wished.secondary_indexes.iter();
        index.kind == IndexKind::Global && !wished.any(|wish| wish.name == index.name)
    };
    let mut changes = 0;
    for index in descriptor
        .secondary_indexes
        .iter_mut()
        .filter(|index| goes(index))
    {
        // One that is on its way out already was counted by the update that began it.
        if index.status != IndexStatus::Deleting {
            index.status = IndexStatus::Deleting;
            changes += 1;
        }
    }
    for wish in wished.secondary_indexes.iter().filter(is_global) {
        let mut indexes = descriptor.secondary_indexes.iter_mut();
        match indexes.find(|index| index.name == wish.name) {
            Some(index) => {
                let has_same_keys = index.partition_keys == wish.partition_keys
                    && index.sort_keys == wish.sort_keys
                    && index.projection == wish.projection;
                if !has_same_keys {
                    return Err(
                        "Cannot update GSI's properties other than Provisioned Throughput and Contributor Insights Specification. You can create a new GSI with a different name."
                            .to_owned(),
                    );
                }
                index.throughput = wish.throughput;
                index.ceilings = wish.ceilings;
                index.warm = warmer(index.warm, wish.warm, &format!("index {}", wish.name))?;
            }
            None => {
                changes += 1;
                let id = descriptor.index_id_next;
                descriptor.index_id_next += 1;
                descriptor.secondary_indexes.push(SecondaryIndex {
                    id,
                    status: IndexStatus::Creating,
                    ..wish.clone()
                });
            }
        }
    }
    if 1 < changes {
        return Err(
            "Cannot perform more than one GSI creation or deletion in a single update".to_owned(),
        );
    }
    Ok(())
}

/// What was warmed stays so when nobody asks for it any more, and gets no cooler.
fn warmer(
    there: Option<Throughput>,
    wished: Option<Throughput>,
    place: &str,
) -> Result<Option<Throughput>, String> {
    let (Some(before), Some(after)) = (there, wished) else {
        return Ok(wished.or(there));
    };
    let cooler = [
        ("ReadUnitsPerSecond", after.read_units < before.read_units),
        (
            "WriteUnitsPerSecond",
            after.write_units < before.write_units,
        ),
    ];
    match cooler.iter().find(|(_, is_cooler)| *is_cooler) {
        None => Ok(wished),
        Some((member, _)) => Err(format!(
            "One or more parameter values were invalid: Requested {member} for WarmThroughput for {place} is lower than current WarmThroughput, decreasing WarmThroughput is not supported"
        )),
    }
}

/// The local indexes of a table, which no update changes.
pub(super) fn local_indexes(descriptor: &Descriptor) -> impl Iterator<Item = &SecondaryIndex> {
    let indexes = descriptor.secondary_indexes.iter();
    indexes.filter(|index| index.kind == IndexKind::Local)
}
