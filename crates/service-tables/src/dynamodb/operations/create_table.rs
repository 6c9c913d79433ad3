//! `CreateTable`.
//!
//! Lives here: its members, its checks in the service's order.
//! Does not live here: the members that other operations have too (`table_fields`, `index_fields`), descriptions
//! (`description`), keeping tables (`engine::catalogue`), templates (`resources`).

use std::collections::BTreeMap;

use model::time::Timestamp;
use serde_json::json;

use super::description::{self, Contents, Moment};
use super::index_fields::{self, GLOBAL_INDEXES_MAX, IndexWish, LOCAL_INDEXES_MAX};
use super::table_fields::{self, BillingMode, Definitions, KeySchema, StreamWish};
use super::throughput_fields::{self, Asking, Of, Units};
use super::{Context, tables};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::engine::catalogue::Error;
use crate::engine::indexes::{IndexKind, SecondaryIndex, Throughput};
use crate::engine::streams::shards_for;
use crate::engine::table::{
    Billing, Ceilings, Class, DESCRIPTOR_FORMAT, Descriptor, Encryption, KeyAttribute,
    StreamSettings,
};
use crate::engine::table_id::TableId;

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let mut wish = TableWish::take(&mut fields)?;
    fields.finish()?;
    if let Some(name) = &wish.name {
        wish.name = Some(context.name_of(name)?.to_owned());
    }
    let now = context.clock.now();
    let descriptor = wish.descriptor(TableId::draw(context.random), now)?;
    let name = descriptor.name.clone();
    let created = context
        .catalogue
        .create(context.account, context.region, descriptor)
        .await;
    let table = created.map_err(|error| match error {
        Error::Exists => tables::exists(&name),
        error @ (Error::Missing
        | Error::Protected
        | Error::Read(_)
        | Error::Commit(_)
        | Error::Descriptor(_)
        | Error::Format(_)
        | Error::Key(_)) => error.into(),
    })?;
    let description = description::of(&table, Moment::Creating, &Contents::default());
    Ok(json!({ "TableDescription": description })
        .to_string()
        .into_bytes())
}

/// A table as somebody wants it: the members of `CreateTable`, which are the properties of a template's table too.
#[derive(Debug)]
pub(crate) struct TableWish {
    name: Option<String>,
    definitions: Definitions,
    key_schema: KeySchema,
    local: Option<Vec<IndexWish>>,
    global: Option<Vec<IndexWish>>,
    billing_mode: Option<BillingMode>,
    throughput: Option<Throughput>,
    on_demand: Option<Units>,
    warm: Option<Units>,
    class: Option<Class>,
    deletion_protection: bool,
    stream: Option<StreamWish>,
    encryption: Option<Encryption>,
    tags: BTreeMap<String, String>,
}

impl TableWish {
    pub(crate) fn take(fields: &mut Fields<'_>) -> Result<Self, Fault> {
        let definitions = Definitions::take(fields)?;
        if definitions.is_none() {
            fields.violation(None, "attributeDefinitions", "not be null");
        }
        let definitions = definitions.unwrap_or_default();
        let name = table_fields::take_new_table_name(fields)?;
        let billing_mode = table_fields::take_billing_mode(fields)?;
        let throughput = table_fields::take_throughput(fields)?;
        let on_demand = throughput_fields::take_on_demand(fields)?;
        let warm = throughput_fields::take_warm(fields)?;
        let key_schema = table_fields::take_key_schema(fields, 2)?;
        let local = IndexWish::take_all(fields, IndexKind::Local)?;
        let global = IndexWish::take_all(fields, IndexKind::Global)?;
        let class = table_fields::take_class(fields)?;
        let deletion_protection = fields.boolean("DeletionProtectionEnabled")?;
        Ok(Self {
            name,
            definitions,
            key_schema,
            local,
            global,
            billing_mode,
            throughput,
            on_demand,
            warm,
            class,
            deletion_protection: deletion_protection.unwrap_or(false),
            stream: table_fields::take_stream(fields, Asking::Create)?,
            encryption: table_fields::take_encryption(fields)?.flatten(),
            tags: table_fields::take_tags(fields)?,
        })
    }

    /// The table that comes of it.
    pub(crate) fn descriptor(self, id: TableId, now: Timestamp) -> Result<Descriptor, Fault> {
        let billing = self.billing(now)?;
        let (partition_key, sort_key) = self.keys()?;
        let (none, of) = (Ceilings::default(), Of::Table);
        let ceilings =
            throughput_fields::ceilings(self.on_demand, none, &billing, Asking::Create, of)?;
        let base = throughput_fields::base(&billing, None);
        let warm = throughput_fields::warmed(self.warm, None, &billing, base, of)?;
        let secondary_indexes = self.indexes(&partition_key.name, &billing)?;
        self.judge_definitions()?;
        let shards = shards_for(&billing);
        Ok(Descriptor {
            format: DESCRIPTOR_FORMAT,
            id,
            name: self.name.unwrap_or_default(),
            created_at: now,
            partition_key,
            sort_key,
            billing,
            deletion_protection: self.deletion_protection,
            class: self.class,
            tags: self.tags,
            generation: 0,
            index_id_next: u32::try_from(secondary_indexes.len()).unwrap_or(u32::MAX),
            secondary_indexes,
            stream: match self.stream {
                Some(StreamWish::On(view_type)) => Some(StreamSettings {
                    view_type,
                    since: now,
                    enabled: true,
                    shards,
                }),
                Some(StreamWish::Off) | None => None,
            },
            time_to_live: None,
            encryption: self.encryption,
            ceilings,
            warm,
            on_demand_since: None,
        })
    }

    fn billing(&self, now: Timestamp) -> Result<Billing, Fault> {
        if self.billing_mode == Some(BillingMode::PayPerRequest) {
            return match self.throughput {
                None => Ok(Billing::OnDemand { since: now }),
                Some(_) => Err(Fault::invalid(
                    "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
                )),
            };
        }
        let Some(throughput) = self.throughput else {
            return Err(Fault::invalid(
                "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
            ));
        };
        table_fields::judge_units(throughput)?;
        Ok(Billing::Provisioned {
            read_units: throughput.read_units,
            write_units: throughput.write_units,
        })
    }

    fn keys(&self) -> Result<(KeyAttribute, Option<KeyAttribute>), Fault> {
        self.definitions.judge()?;
        if self.definitions.len() < self.key_schema.len() {
            return Err(Fault::validation(
                "Invalid KeySchema: Some index key attribute have no definition",
            ));
        }
        self.definitions.judge_defined(&self.key_schema)?;
        if let [(first, _), (second, _)] = self.key_schema.as_slice()
            && first == second
        {
            return Err(Fault::validation(
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ));
        }
        let kinds: Vec<&str> = self
            .key_schema
            .iter()
            .map(|(_, kind)| kind.as_str())
            .collect();
        if kinds.first() != Some(&"HASH") {
            return Err(no_hash_key());
        }
        if kinds.get(1).is_some_and(|kind| *kind != "RANGE") {
            return Err(Fault::validation(
                "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
            ));
        }
        if self.local.is_none()
            && self.global.is_none()
            && self.key_schema.len() != self.definitions.len()
        {
            return Err(too_many_definitions());
        }
        let names = self.key_schema.iter().map(|(name, _)| name);
        let mut attributes = names.filter_map(|name| self.definitions.attribute(name));
        let partition_key = attributes.next().ok_or_else(no_hash_key)?;
        Ok((partition_key, attributes.next()))
    }

    fn indexes(&self, table_hash: &str, billing: &Billing) -> Result<Vec<SecondaryIndex>, Fault> {
        let mut indexes: Vec<SecondaryIndex> = Vec::new();
        for (kind, wishes) in [
            (IndexKind::Local, &self.local),
            (IndexKind::Global, &self.global),
        ] {
            let Some(wishes) = wishes else {
                continue;
            };
            self.judge_list(kind, wishes)?;
            for (id, wish) in (0_u32..).zip(wishes) {
                let mut index = wish.read(&self.definitions, table_hash)?;
                self.judge_index_throughput(wish)?;
                wish.set_units(&mut index, billing, Asking::Create)?;
                if indexes.iter().any(|other| other.name == index.name) {
                    return Err(Fault::invalid(format!(
                        "Duplicate index name: {}",
                        index.name
                    )));
                }
                index.id = id + self.local_indexes_before(kind);
                indexes.push(index);
            }
            judge_count(kind, wishes.len())?;
        }
        index_fields::judge_projected(&indexes)?;
        Ok(indexes)
    }

    fn local_indexes_before(&self, kind: IndexKind) -> u32 {
        let local = self.local.as_ref().map_or(0, Vec::len);
        match kind {
            IndexKind::Local => 0,
            IndexKind::Global => u32::try_from(local).unwrap_or(u32::MAX),
        }
    }

    fn judge_list(&self, kind: IndexKind, wishes: &[IndexWish]) -> Result<(), Fault> {
        if wishes.is_empty() {
            return Err(Fault::invalid(match kind {
                IndexKind::Local => "List of LocalSecondaryIndexes is empty",
                IndexKind::Global => "List of GlobalSecondaryIndexes is empty",
            }));
        }
        if kind == IndexKind::Local && self.key_schema.len() != 2 {
            return Err(Fault::invalid(
                "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
            ));
        }
        Ok(())
    }

    fn judge_index_throughput(&self, wish: &IndexWish) -> Result<(), Fault> {
        match wish.throughput {
            Some(_) if self.billing_mode == Some(BillingMode::PayPerRequest) => {
                Err(Fault::invalid(format!(
                    "ProvisionedThroughput should not be specified for index: {} when BillingMode is PAY_PER_REQUEST",
                    wish.name
                )))
            }
            Some(throughput) => table_fields::judge_units(throughput),
            None if wish.kind == IndexKind::Global
                && self.billing_mode != Some(BillingMode::PayPerRequest) =>
            {
                Err(Fault::invalid(format!(
                    "ProvisionedThroughput is not specified for index: {}",
                    wish.name
                )))
            }
            None => Ok(()),
        }
    }

    /// Each definition must be of use to some key.
    fn judge_definitions(&self) -> Result<(), Fault> {
        let indexes = || self.local.iter().chain(&self.global).flatten();
        let is_used = |name: &str| {
            self.key_schema.iter().any(|(other, _)| other == name)
                || indexes().any(|wish| wish.has_key_attribute(name))
        };
        let mut unused = self.definitions.names().filter(|name| !is_used(name));
        match unused.next() {
            None => Ok(()),
            Some(_) => Err(Fault::invalid(format!(
                "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
                self.definitions.names().collect::<Vec<_>>().join(", "),
                self.definitions
                    .names()
                    .filter(|name| is_used(name))
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
        }
    }
}

/// Refuses more indexes of a kind than a table may have.
pub(super) fn judge_count(kind: IndexKind, count: usize) -> Result<(), Fault> {
    match kind {
        IndexKind::Local if LOCAL_INDEXES_MAX < count => Err(Fault::invalid(format!(
            "Number of LocalSecondaryIndexes exceeds per-table limit of {LOCAL_INDEXES_MAX}"
        ))),
        IndexKind::Global if GLOBAL_INDEXES_MAX < count => Err(Fault::invalid(format!(
            "GlobalSecondaryIndex count exceeds the per-table limit of {GLOBAL_INDEXES_MAX}"
        ))),
        IndexKind::Local | IndexKind::Global => Ok(()),
    }
}

fn no_hash_key() -> Fault {
    Fault::validation("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
}

fn too_many_definitions() -> Fault {
    Fault::invalid(
        "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
    )
}
