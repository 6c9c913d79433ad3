//! `UpdateTable`.
//!
//! Lives here: its members, its checks, what becomes of the descriptor.
//! Does not live here: changes of indexes (`update_indexes`), filling and removing them (`engine::upkeep`).
//!
//! Contract: Amazon DynamoDB API Reference, `UpdateTable`.

use model::time::Timestamp;
use serde_json::json;

use super::Context;
use super::create_table::judge_count;
use super::description::{self, Contents, Moment};
use super::index_fields::{self, IndexWish};
use super::table_fields::{self, BillingMode, Definitions, StreamWish};
use super::throughput_fields::{self, Asking, Of, Units};
use super::update_indexes::{
    IndexUpdate, delete_index, judge_types, one_at_a_time, take_index_updates, update_index,
};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::engine::catalogue::Error;
use crate::engine::indexes::{IndexKind, IndexStatus, SecondaryIndex, Throughput};
use crate::engine::streams::shards_for;
use crate::engine::table::{
    Billing, Ceilings, Class, Descriptor, Encryption, StreamSettings, StreamViewType,
};

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let wish = UpdateWish::take(&mut fields)?;
    fields.finish()?;
    wish.judge()?;
    let now = context.clock.now();
    let name = context.name_of(&wish.name)?.to_owned();
    let mut encryption = None;
    let altered = context
        .catalogue
        .alter(context.account, context.region, &name, |descriptor| {
            encryption.clone_from(&descriptor.encryption);
            wish.apply(descriptor, now)
        })
        .await;
    let table = match altered {
        Ok(altered) => altered?,
        Err(Error::Missing) => return Err(Fault::no_table_called(&name)),
        Err(error) => return Err(error.into()),
    };
    let contents = Contents::count(context, &table).await?;
    let mut description = description::of(&table, Moment::Updating, &contents);
    if let (Some(going), None) = (encryption, &table.descriptor.encryption) {
        description::show_going(&mut description, &table, &going);
    }
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
    on_demand: Option<Units>,
    warm: Option<Units>,
    class: Option<Class>,
    deletion_protection: Option<bool>,
    stream: Option<StreamWish>,
    encryption: Option<Option<Encryption>>,
    indexes: Vec<IndexUpdate>,
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
            on_demand: throughput_fields::take_on_demand(fields)?,
            warm: throughput_fields::take_warm(fields)?,
            indexes: take_index_updates(fields)?,
            class: table_fields::take_class(fields)?,
            deletion_protection: fields.boolean("DeletionProtectionEnabled")?,
            stream: table_fields::take_stream(fields, Asking::Update)?,
            encryption: table_fields::take_encryption(fields)?,
        })
    }

    fn judge(&self) -> Result<(), Fault> {
        let is_empty = self.billing_mode.is_none()
            && self.throughput.is_none()
            && self.on_demand.is_none()
            && self.warm.is_none()
            && self.class.is_none()
            && self.deletion_protection.is_none()
            && self.stream.is_none()
            && self.encryption.is_none()
            && self.indexes.is_empty();
        if is_empty {
            return Err(Fault::validation(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, SSESpecification, ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn, MultiRegionConsistency, DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or TableClass is required",
            ));
        }
        self.judge_together()?;
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

    /// Refuses changes that one request cannot make together.
    fn judge_together(&self) -> Result<(), Fault> {
        let online = self.indexes.iter().any(IndexUpdate::is_online);
        let (iops, stream) = (self.throughput.is_some(), self.stream.is_some());
        let kinds = [
            self.billing_mode.is_some() || iops,
            self.class.is_some(),
            self.deletion_protection.is_some(),
            stream,
            self.encryption.is_some(),
            !self.indexes.is_empty(),
            self.on_demand.is_some(),
            self.warm.is_some_and(|warm| warm != Units::default()),
        ];
        let several = 1 < kinds.iter().filter(|kind| **kind).count();
        let [
            billing,
            class,
            protection,
            _,
            encryption,
            _,
            on_demand,
            warm,
        ] = kinds;
        let others = kinds.iter().filter(|kind| **kind).count() - usize::from(billing);
        let faults = [
            (
                several && encryption,
                "Server-Side Encryption modification must be the only operation in the request",
            ),
            (
                several && class,
                "TableClass modification must be the only operation in the request",
            ),
            (
                several && protection,
                "DeletionProtection modification must be the only operation in the request",
            ),
            (
                several && warm,
                "WarmThroughput must be the only operation in the request",
            ),
            (
                on_demand && 1 < others,
                "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request",
            ),
            (
                iops && stream,
                "You cannot modify stream status while updating table IOPS",
            ),
            (
                iops && online,
                "You cannot create or delete index while updating table IOPS",
            ),
            (
                stream && online,
                "You cannot create or delete index while changing stream status",
            ),
        ];
        match faults.iter().find(|(applies, _)| *applies) {
            Some((_, fault)) => Err(Fault::invalid(fault)),
            None => Ok(()),
        }
    }

    /// Changes the descriptor, or says why not. Pure.
    fn apply(&self, descriptor: &mut Descriptor, now: Timestamp) -> Result<(), Fault> {
        self.apply_billing(descriptor, now)?;
        let (billing, of) = (&descriptor.billing, Of::Table);
        descriptor.ceilings = throughput_fields::ceilings(
            self.on_demand,
            descriptor.ceilings,
            billing,
            Asking::Update,
            of,
        )?;
        let base = throughput_fields::base(billing, None);
        if self.warm.is_some() {
            let there = Some(throughput_fields::warmth(descriptor.warm, base));
            descriptor.warm = throughput_fields::warmed(self.warm, there, billing, base, of)?;
        }
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
                IndexUpdate::Update {
                    name,
                    throughput,
                    on_demand,
                    warm,
                } => update_index(descriptor, name, *throughput, (*on_demand, *warm))?,
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
                descriptor.on_demand_since = None;
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
        if let Billing::OnDemand { since } = descriptor.billing {
            self.judge_index_throughput(descriptor)?;
            descriptor.on_demand_since = Some(since);
            descriptor.ceilings = Ceilings::default();
            for index in &mut descriptor.secondary_indexes {
                index.ceilings = Ceilings::default();
            }
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
        if self.definitions.len() == 0 {
            return Err(Fault::invalid(format!(
                "AttributeDefinitions is not specified for index: {}",
                wish.name
            )));
        }
        let mut index = wish.read(&self.definitions, &descriptor.partition_key.name)?;
        judge_types(descriptor, &index)?;
        let on_demand = matches!(descriptor.billing, Billing::OnDemand { .. });
        match wish.throughput {
            Some(_) if on_demand => {
                return Err(Fault::invalid(format!(
                    "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: {} when BillingMode is PAY_PER_REQUEST",
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
        wish.set_units(&mut index, &descriptor.billing, Asking::Update)?;
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
        shards: shards_for(&descriptor.billing),
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
