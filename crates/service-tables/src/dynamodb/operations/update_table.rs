//! `UpdateTable`.
//!
//! Lives here: its members, its checks, what becomes of the descriptor.
//! Does not live here: filling and removing indexes (`engine::upkeep`).
//!
//! Contract: Amazon DynamoDB API Reference, `UpdateTable`.

use model::time::Timestamp;
use serde_json::json;

use super::Context;
use super::create_table::judge_count;
use super::description::{self, Contents, Moment};
use super::index_fields::{self, IndexWish};
use super::table_fields::{self, BillingMode, Definitions, StreamWish};
use crate::dynamodb::fault::{Fault, Kind};
use crate::dynamodb::fields::Fields;
use crate::engine::catalogue::Error;
use crate::engine::indexes::{IndexKind, IndexStatus, SecondaryIndex, Throughput};
use crate::engine::table::{
    Billing, Class, Descriptor, Encryption, KeyAttribute, StreamSettings, StreamViewType,
};

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let wish = UpdateWish::take(&mut fields)?;
    fields.finish()?;
    wish.judge()?;
    let now = context.clock.now();
    let name = context.name_of(&wish.name)?.to_owned();
    let altered = context
        .catalogue
        .alter(context.account, context.region, &name, |descriptor| {
            wish.apply(descriptor, now)
        })
        .await;
    let table = match altered {
        Ok(altered) => altered?,
        Err(Error::Missing) => return Err(Fault::no_table_called(&name)),
        Err(error) => return Err(error.into()),
    };
    let contents = Contents::count(context, &table).await?;
    let description = description::of(&table, Moment::Updating, &contents);
    context.upkeep.ask(table);
    Ok(json!({ "TableDescription": description })
        .to_string()
        .into_bytes())
}

/// A change of a table as somebody wants it.
#[derive(Debug)]
struct UpdateWish {
    name: String,
    definitions: Definitions,
    billing_mode: Option<BillingMode>,
    throughput: Option<Throughput>,
    class: Option<Class>,
    deletion_protection: Option<bool>,
    stream: Option<StreamWish>,
    encryption: Option<Option<Encryption>>,
    indexes: Vec<IndexUpdate>,
}

/// A change of one index.
#[derive(Debug)]
enum IndexUpdate {
    Create(IndexWish),
    Update {
        name: String,
        throughput: Option<Throughput>,
    },
    Delete {
        name: String,
    },
}

impl UpdateWish {
    fn take(fields: &mut Fields<'_>) -> Result<Self, Fault> {
        let definitions = Definitions::take(fields)?.unwrap_or_default();
        let name = table_fields::take_table_name(fields)?;
        Ok(Self {
            name: name.unwrap_or_default(),
            definitions,
            billing_mode: table_fields::take_billing_mode(fields)?,
            throughput: table_fields::take_throughput(fields)?,
            indexes: take_index_updates(fields)?,
            class: table_fields::take_class(fields)?,
            deletion_protection: fields.boolean("DeletionProtectionEnabled")?,
            stream: table_fields::take_stream(fields)?,
            encryption: table_fields::take_encryption(fields)?,
        })
    }

    fn judge(&self) -> Result<(), Fault> {
        let is_empty = self.billing_mode.is_none()
            && self.throughput.is_none()
            && self.class.is_none()
            && self.deletion_protection.is_none()
            && self.stream.is_none()
            && self.encryption.is_none()
            && self.indexes.is_empty();
        if is_empty {
            return Err(Fault::validation(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required",
            ));
        }
        if self.billing_mode == Some(BillingMode::Provisioned) && self.throughput.is_none() {
            return Err(Fault::invalid(
                "ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
            ));
        }
        if let Some(throughput) = self.throughput {
            table_fields::judge_units(throughput)?;
        }
        self.definitions.judge()?;
        for (index, update) in self.indexes.iter().enumerate() {
            let name = update.name();
            if self
                .indexes
                .iter()
                .take(index)
                .any(|other| other.name() == name)
            {
                return Err(Fault::invalid(format!(
                    "Only one global secondary index update per index is allowed simultaneously. Index: {name}"
                )));
            }
        }
        let online = self.indexes.iter().filter(|update| update.is_online());
        if 1 < online.count() {
            return Err(one_at_a_time());
        }
        Ok(())
    }

    /// Changes the descriptor, or says why not. Pure.
    fn apply(&self, descriptor: &mut Descriptor, now: Timestamp) -> Result<(), Fault> {
        self.apply_billing(descriptor, now)?;
        if let Some(class) = self.class {
            descriptor.class = Some(class);
        }
        if let Some(protected) = self.deletion_protection {
            descriptor.deletion_protection = protected;
        }
        if let Some(encryption) = &self.encryption {
            descriptor.encryption.clone_from(encryption);
        }
        match self.stream {
            Some(StreamWish::On(view_type)) => switch_stream_on(descriptor, view_type, now)?,
            Some(StreamWish::Off) => switch_stream_off(descriptor)?,
            None => {}
        }
        for update in &self.indexes {
            match update {
                IndexUpdate::Create(wish) => self.create_index(descriptor, wish)?,
                IndexUpdate::Update { name, throughput } => {
                    update_index(descriptor, name, *throughput)?;
                }
                IndexUpdate::Delete { name } => delete_index(descriptor, name)?,
            }
        }
        Ok(())
    }

    fn apply_billing(&self, descriptor: &mut Descriptor, now: Timestamp) -> Result<(), Fault> {
        let was_on_demand = matches!(descriptor.billing, Billing::OnDemand { .. });
        let on_demand = match self.billing_mode {
            Some(BillingMode::PayPerRequest) => true,
            Some(BillingMode::Provisioned) => false,
            None => was_on_demand,
        };
        let Some(throughput) = self.throughput else {
            if on_demand && !was_on_demand {
                descriptor.billing = Billing::OnDemand { since: now };
                for index in &mut descriptor.secondary_indexes {
                    index.throughput = None;
                }
            }
            return Ok(());
        };
        if on_demand {
            return Err(Fault::invalid(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
            ));
        }
        let (read_units, write_units) = (throughput.read_units, throughput.write_units);
        let billing = Billing::Provisioned {
            read_units,
            write_units,
        };
        if billing == descriptor.billing {
            return Err(Fault::validation(format!(
                "The provisioned throughput for the table will not change. The requested value equals the current value. Current ReadCapacityUnits provisioned for the table: {read_units}. Requested ReadCapacityUnits: {read_units}. Current WriteCapacityUnits provisioned for the table: {write_units}. Requested WriteCapacityUnits: {write_units}. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
            )));
        }
        if was_on_demand {
            self.judge_index_throughput(descriptor)?;
        }
        descriptor.billing = billing;
        Ok(())
    }

    /// Each index needs its own throughput when its table gets one.
    fn judge_index_throughput(&self, descriptor: &Descriptor) -> Result<(), Fault> {
        let is_given = |name: &str| {
            self.indexes.iter().any(|update| match update {
                IndexUpdate::Update { name: other, .. } | IndexUpdate::Delete { name: other } => {
                    other == name
                }
                IndexUpdate::Create(_) => false,
            })
        };
        let indexes = descriptor.secondary_indexes.iter();
        let missing: Vec<_> = indexes
            .filter(|index| index.kind == IndexKind::Global && !is_given(&index.name))
            .map(|index| index.name.as_str())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Fault::invalid(format!(
            "ProvisionedThroughput must be specified for index: {}",
            missing.join(",")
        )))
    }

    fn create_index(&self, descriptor: &mut Descriptor, wish: &IndexWish) -> Result<(), Fault> {
        let indexes = &descriptor.secondary_indexes;
        if indexes.iter().any(|index| index.name == wish.name) {
            return Err(Fault::validation(
                "Attempting to create an index which already exists",
            ));
        }
        if indexes
            .iter()
            .any(|index| index.status != IndexStatus::Active)
        {
            return Err(one_at_a_time());
        }
        let mut index = wish.read(&self.definitions, &descriptor.partition_key.name)?;
        judge_types(descriptor, &index)?;
        let on_demand = matches!(descriptor.billing, Billing::OnDemand { .. });
        match wish.throughput {
            Some(_) if on_demand => {
                return Err(Fault::invalid(format!(
                    "ProvisionedThroughput should not be specified for index: {} when BillingMode is PAY_PER_REQUEST",
                    wish.name
                )));
            }
            Some(throughput) => table_fields::judge_units(throughput)?,
            None if on_demand => {}
            None => {
                return Err(Fault::invalid(format!(
                    "ProvisionedThroughput must be specified for index: {}",
                    wish.name
                )));
            }
        }
        index.id = descriptor.index_id_next;
        index.status = IndexStatus::Creating;
        descriptor.index_id_next += 1;
        descriptor.secondary_indexes.push(index);
        let indexes = &descriptor.secondary_indexes;
        let is_global = |index: &&SecondaryIndex| index.kind == IndexKind::Global;
        judge_count(IndexKind::Global, indexes.iter().filter(is_global).count())?;
        index_fields::judge_projected(indexes)
    }
}

impl IndexUpdate {
    fn name(&self) -> &str {
        match self {
            Self::Create(wish) => &wish.name,
            Self::Update { name, .. } | Self::Delete { name } => name,
        }
    }

    /// Whether it takes more than a change of the descriptor.
    const fn is_online(&self) -> bool {
        match self {
            Self::Create(_) | Self::Delete { .. } => true,
            Self::Update { .. } => false,
        }
    }
}

fn take_index_updates(fields: &mut Fields<'_>) -> Result<Vec<IndexUpdate>, Fault> {
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
            if throughput.is_none() {
                update.violation(None, "provisionedThroughput", "not be null");
            }
            structure.close(update)?;
            found.push(IndexUpdate::Update { name, throughput });
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
                "Only one of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete may be specified",
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

fn switch_stream_on(
    descriptor: &mut Descriptor,
    view_type: StreamViewType,
    now: Timestamp,
) -> Result<(), Fault> {
    if descriptor
        .stream
        .as_ref()
        .is_some_and(|stream| stream.enabled)
    {
        return Err(Fault::validation(format!(
            "Table already has an enabled stream: TableName: {}",
            descriptor.name
        )));
    }
    descriptor.stream = Some(StreamSettings {
        view_type,
        since: now,
        enabled: true,
    });
    Ok(())
}

fn switch_stream_off(descriptor: &mut Descriptor) -> Result<(), Fault> {
    match &mut descriptor.stream {
        Some(stream) if stream.enabled => {
            stream.enabled = false;
            Ok(())
        }
        Some(_) | None => Err(Fault::validation(format!(
            "Table has no stream to disable: TableName: {}",
            descriptor.name
        ))),
    }
}

fn update_index(
    descriptor: &mut Descriptor,
    name: &str,
    throughput: Option<Throughput>,
) -> Result<(), Fault> {
    let on_demand = matches!(descriptor.billing, Billing::OnDemand { .. });
    let index = index_mut(descriptor, name)?;
    let Some(throughput) = throughput else {
        return Ok(());
    };
    if on_demand {
        return Err(Fault::invalid(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        ));
    }
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

fn delete_index(descriptor: &mut Descriptor, name: &str) -> Result<(), Fault> {
    let others = descriptor.secondary_indexes.iter();
    let is_busy =
        |index: &SecondaryIndex| index.name != name && index.status != IndexStatus::Active;
    if others.clone().any(is_busy) {
        return Err(one_at_a_time());
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
fn judge_types(descriptor: &Descriptor, new: &SecondaryIndex) -> Result<(), Fault> {
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

fn one_at_a_time() -> Fault {
    Fault {
        kind: Kind::LimitExceeded,
        ..Fault::validation(
            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
        )
    }
}
