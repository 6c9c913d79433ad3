//! The changes of indexes that `UpdateTable` takes.
//!
//! Lives here: their members, changing and deleting an index in the descriptor, in DynamoDB's words.
//! Does not live here: filling and removing indexes (`engine::upkeep`), the other members (`update_table`).

use super::index_fields::{self, IndexWish};
use super::table_fields;
use super::throughput_fields::{self, Asking, Of, Units};
use crate::dynamodb::fault::{Fault, Kind};
use crate::dynamodb::fields::Fields;
use crate::engine::indexes::{IndexKind, IndexStatus, SecondaryIndex, Throughput};
use crate::engine::table::{Billing, Descriptor, KeyAttribute};

/// A change of one index.
#[derive(Debug)]
pub(super) enum IndexUpdate {
    Create(IndexWish),
    Update {
        name: String,
        throughput: Option<Throughput>,
        on_demand: Option<Units>,
        warm: Option<Units>,
    },
    Delete {
        name: String,
    },
}

impl IndexUpdate {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Create(wish) => &wish.name,
            Self::Update { name, .. } | Self::Delete { name } => name,
        }
    }

    /// Whether it takes more than a change of the descriptor.
    pub(super) const fn is_online(&self) -> bool {
        match self {
            Self::Create(_) | Self::Delete { .. } => true,
            Self::Update { .. } => false,
        }
    }
}

pub(super) fn take_index_updates(fields: &mut Fields<'_>) -> Result<Vec<IndexUpdate>, Fault> {
    let (member, type_name) = ("GlobalSecondaryIndexUpdates", "GlobalSecondaryIndexUpdate");
    let structures = fields.placed_structures(member, type_name)?;
    let mut updates = Vec::new();
    for mut structure in structures.unwrap_or_default() {
        let mut found = Vec::new();
        if let Some(mut update) =
            structure.placed_structure("Update", "UpdateGlobalSecondaryIndexAction")?
        {
            let name = index_fields::take_index_name(&mut update)?;
            let throughput = table_fields::take_throughput(&mut update)?;
            let on_demand = throughput_fields::take_on_demand(&mut update)?;
            let warm = throughput_fields::take_warm(&mut update)?;
            structure.close(update)?;
            found.push(IndexUpdate::Update {
                name,
                throughput,
                on_demand,
                warm,
            });
        }
        if let Some(mut create) =
            structure.placed_structure("Create", "CreateGlobalSecondaryIndexAction")?
        {
            let wish = IndexWish::take(&mut create, IndexKind::Global)?;
            structure.close(create)?;
            found.push(IndexUpdate::Create(wish));
        }
        if let Some(mut delete) =
            structure.placed_structure("Delete", "DeleteGlobalSecondaryIndexAction")?
        {
            let name = index_fields::take_index_name(&mut delete)?;
            structure.close(delete)?;
            found.push(IndexUpdate::Delete { name });
        }
        fields.adopt(&mut structure);
        if 1 < found.len() {
            return Err(Fault::invalid(
                "Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object",
            ));
        }
        let Some(update) = found.pop() else {
            return Err(Fault::invalid(
                "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null",
            ));
        };
        structure.nothing_left()?;
        updates.push(update);
    }
    Ok(updates)
}

pub(super) fn update_index(
    descriptor: &mut Descriptor,
    name: &str,
    throughput: Option<Throughput>,
    (ceilings, warm): (Option<Units>, Option<Units>),
) -> Result<(), Fault> {
    let billing = descriptor.billing;
    let on_demand = matches!(billing, Billing::OnDemand { .. });
    let index = index_mut(descriptor, name)?;
    if on_demand && (throughput.is_some() || ceilings.is_none() && warm.is_none()) {
        return Err(Fault::invalid(format!(
            "The only Updates for index: {name} when TableThroughputMode is PAY_PER_REQUEST can be to OnDemandThroughput, WarmThroughput"
        )));
    }
    let of = Of::Index(name);
    index.ceilings =
        throughput_fields::ceilings(ceilings, index.ceilings, &billing, Asking::Update, of)?;
    if warm.is_some() {
        let base = throughput_fields::base(&billing, Some(index.throughput));
        let there = Some(throughput_fields::warmth(index.warm, base));
        index.warm = throughput_fields::warmed(warm, there, &billing, base, of)?;
    }
    let Some(throughput) = throughput else {
        return Ok(());
    };
    table_fields::judge_units(throughput)?;
    if index.throughput == Some(throughput) {
        let (read_units, write_units) = (throughput.read_units, throughput.write_units);
        return Err(Fault::validation(format!(
            "The provisioned throughput for the index {name} will not change. The requested value equals the current value. Current ReadCapacityUnits provisioned for the index: {read_units}. Requested ReadCapacityUnits: {read_units}. Current WriteCapacityUnits provisioned for the index: {write_units}. Requested WriteCapacityUnits: {write_units}. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
        )));
    }
    index.throughput = Some(throughput);
    Ok(())
}

pub(super) fn delete_index(descriptor: &mut Descriptor, name: &str) -> Result<(), Fault> {
    let others = descriptor.secondary_indexes.iter();
    let is_busy =
        |index: &SecondaryIndex| index.name != name && index.status != IndexStatus::Active;
    if others.clone().any(is_busy) {
        return Err(one_at_a_time());
    }
    let mut locals = descriptor.secondary_indexes.iter();
    if locals.any(|index| index.name == name && index.kind == IndexKind::Local) {
        return Err(Fault::validation(format!(
            "Cannot delete an index that is not a GlobalSecondaryIndex: {name}"
        )));
    }
    let table_name = descriptor.name.clone();
    let index = index_mut(descriptor, name)?;
    if index.status == IndexStatus::Deleting {
        return Err(Fault {
            kind: Kind::ResourceInUse,
            ..Fault::validation(format!(
                "Attempt to change a resource which is still in use: Index is being deleted: {name} of table {table_name}"
            ))
        });
    }
    index.status = IndexStatus::Deleting;
    Ok(())
}

fn index_mut<'a>(
    descriptor: &'a mut Descriptor,
    name: &str,
) -> Result<&'a mut SecondaryIndex, Fault> {
    let mut indexes = descriptor.secondary_indexes.iter_mut();
    let found = indexes.find(|index| index.name == name && index.kind == IndexKind::Global);
    found.ok_or_else(|| Fault {
        kind: Kind::ResourceNotFound,
        ..Fault::validation(format!(
            "Requested resource not found: The table does not have the specified index: {name}"
        ))
    })
}

/// An attribute has one type in all keys of a table.
pub(super) fn judge_types(descriptor: &Descriptor, new: &SecondaryIndex) -> Result<(), Fault> {
    let shown = |index: &SecondaryIndex| {
        let element = |kind: &'static str| {
            move |attribute: &KeyAttribute| {
                format!(
                    "key{{{}:{}:{kind}}}",
                    attribute.name,
                    attribute.key_type.name()
                )
            }
        };
        let partition = index.partition_keys.iter().map(element("HASH"));
        let elements: Vec<_> = partition
            .chain(index.sort_keys.iter().map(element("RANGE")))
            .collect();
        elements.join(", ")
    };
    let of_table = SecondaryIndex {
        partition_keys: vec![descriptor.partition_key.clone()],
        sort_keys: descriptor.sort_key.iter().cloned().collect(),
        ..new.clone()
    };
    let keys = |index: &SecondaryIndex| -> Vec<KeyAttribute> {
        let keys = index.partition_keys.iter().chain(&index.sort_keys);
        keys.cloned().collect()
    };
    let existing = std::iter::once(&of_table).chain(&descriptor.secondary_indexes);
    for other in existing {
        let conflicts = keys(other).iter().any(|attribute| {
            keys(new).iter().any(|wanted| {
                wanted.name == attribute.name && wanted.key_type != attribute.key_type
            })
        });
        if conflicts {
            return Err(Fault::invalid(format!(
                "Attributes cannot be redefined. Please check that your attribute has the same type as previously defined. Existing schema: Schema:[SchemaElement: {}] New schema: Schema:[SchemaElement: {}]",
                shown(other),
                shown(new)
            )));
        }
    }
    Ok(())
}

pub(super) fn one_at_a_time() -> Fault {
    Fault {
        kind: Kind::LimitExceeded,
        ..Fault::validation(
            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
        )
    }
}
