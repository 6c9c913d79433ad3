//! How tables are described.
//!
//! Lives here: `TableDescription` with its indexes.
//! Does not live here: counting what is in a table (`engine::counts`), which operations show it (`tables`, `create_table`,
//! `update_table`).
//!
//! Contract: Amazon DynamoDB API Reference, `TableDescription`.

use serde_json::{Map, Value, json};

use super::Context;
use super::throughput_fields::{self, warmth};
use crate::dynamodb::fault::Fault;
use crate::engine::counts::{self, Count};
use crate::engine::indexes::{Index, IndexKind, IndexStatus, Projection, Throughput};
use crate::engine::table::{Billing, Ceilings, Descriptor, Encryption, KeyAttribute, Table};

/// Where a table is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The answer of `CreateTable`: clients that wait for the next state find it at once.
    Creating,
    /// The answer of `UpdateTable`.
    Updating,
    /// Ready.
    Active,
    /// The answer of `DeleteTable`.
    Deleting,
}

/// How much is in a table and in its indexes, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    table: Count,
    indexes: Vec<Count>,
}

impl Contents {
    pub(super) async fn count(context: &Context<'_>, table: &Table) -> Result<Self, Fault> {
        let mut indexes = Vec::with_capacity(table.indexes.len());
        for index in &table.indexes {
            indexes.push(counts::count(context.items, &index.entries).await?);
        }
        Ok(Self {
            table: counts::count(context.items, &table.items).await?,
            indexes,
        })
    }
}

/// A table as `TableDescription` shows it.
pub(super) fn of(table: &Table, moment: Moment, contents: &Contents) -> Value {
    let descriptor = &table.descriptor;
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| {
        members.insert(name.to_owned(), value);
    };
    put("TableName", descriptor.name.as_str().into());
    put("TableArn", table.arn.as_str().into());
    put("TableId", json!(descriptor.id));
    put("TableStatus", table_status(moment).into());
    put("TableSizeBytes", contents.table.bytes.into());
    put("ItemCount", contents.table.items.into());
    put("ProvisionedThroughput", throughput(table_units(table)));
    if is_warm(moment) || descriptor.warm.is_some() {
        let base = throughput_fields::base(&descriptor.billing, None);
        put(
            "WarmThroughput",
            warm(warmth(descriptor.warm, base), moment),
        );
    }
    put(
        "DeletionProtectionEnabled",
        descriptor.deletion_protection.into(),
    );
    if let Some(summary) = billing_summary(&table.descriptor) {
        put("BillingModeSummary", summary);
    }
    if let Some(ceilings) = ceilings(descriptor.ceilings) {
        put("OnDemandThroughput", ceilings);
    }
    if let Some(class) = descriptor.class {
        put("TableClassSummary", json!({ "TableClass": class.name() }));
    }
    if let Some(encryption) = &descriptor.encryption {
        put("SSEDescription", encrypted(table, encryption));
    }
    if let Some(stream) = &descriptor.stream {
        if stream.enabled {
            put(
                "StreamSpecification",
                json!({ "StreamEnabled": true, "StreamViewType": stream.view_type.name() }),
            );
        }
        put("LatestStreamLabel", stream.label().into());
        put("LatestStreamArn", table.stream_arn().into());
    }
    // The service no longer tells these of a table that goes.
    if moment != Moment::Deleting {
        put("CreationDateTime", epoch_seconds(descriptor.created_at));
        put("AttributeDefinitions", definitions(table));
        let sort_key: Vec<_> = descriptor.sort_key.iter().cloned().collect();
        let partition_key = std::slice::from_ref(&descriptor.partition_key);
        put("KeySchema", key_schema(partition_key, &sort_key));
        for (kind, name) in [
            (IndexKind::Local, "LocalSecondaryIndexes"),
            (IndexKind::Global, "GlobalSecondaryIndexes"),
        ] {
            let indexes = indexes(table, kind, moment, contents);
            if !indexes.is_empty() {
                put(name, indexes.into());
            }
        }
    }
    Value::Object(members)
}

const fn table_status(moment: Moment) -> &'static str {
    match moment {
        Moment::Creating => "CREATING",
        Moment::Updating => "UPDATING",
        Moment::Active => "ACTIVE",
        Moment::Deleting => "DELETING",
    }
}

/// Every attribute of a key, once.
fn definitions(table: &Table) -> Value {
    let of_indexes = table.indexes.iter().flat_map(Index::key_attributes);
    let mut found: Vec<&KeyAttribute> = Vec::new();
    for attribute in table.key_attributes().chain(of_indexes) {
        if found.iter().all(|other| other.name != attribute.name) {
            found.push(attribute);
        }
    }
    let shown = found.into_iter().map(|attribute| {
        json!({ "AttributeName": attribute.name, "AttributeType": attribute.key_type.name() })
    });
    shown.collect()
}

fn key_schema(partition: &[KeyAttribute], sort: &[KeyAttribute]) -> Value {
    let element = |kind: &'static str| move |attribute: &KeyAttribute| json!({ "AttributeName": attribute.name, "KeyType": kind });
    let elements = partition.iter().map(element("HASH"));
    elements.chain(sort.iter().map(element("RANGE"))).collect()
}

fn indexes(table: &Table, kind: IndexKind, moment: Moment, contents: &Contents) -> Vec<Value> {
    let counts = contents.indexes.iter().copied();
    let indexes = table
        .indexes
        .iter()
        .zip(counts.chain(std::iter::repeat(Count::default())));
    let mut of_kind: Vec<_> = indexes
        .filter(|(index, _)| index.settings.kind == kind)
        .collect();
    if kind == IndexKind::Local {
        of_kind.sort_by(|(left, _), (right, _)| left.name().cmp(right.name()));
    }
    of_kind
        .into_iter()
        .map(|(index, count)| described_index(table, index, moment, count))
        .collect()
}

fn described_index(table: &Table, index: &Index, moment: Moment, count: Count) -> Value {
    let settings = &index.settings;
    let mut shown = json!({
        "IndexName": settings.name,
        "IndexArn": index.arn,
        "KeySchema": key_schema(&settings.partition_keys, &settings.sort_keys),
        "Projection": projection(&settings.projection),
        "IndexSizeBytes": count.bytes,
        "ItemCount": count.items,
    });
    if let (IndexKind::Global, Some(members)) = (settings.kind, shown.as_object_mut()) {
        let status = match (settings.status, moment) {
            (IndexStatus::Creating, _) | (_, Moment::Creating) => "CREATING",
            (IndexStatus::Deleting, _) => "DELETING",
            (IndexStatus::Active, _) => "ACTIVE",
        };
        members.insert("IndexStatus".to_owned(), status.into());
        if settings.status == IndexStatus::Creating {
            let has_begun = moment == Moment::Active;
            members.insert("Backfilling".to_owned(), has_begun.into());
        }
        let units = settings
            .throughput
            .map(|units| (units.read_units, units.write_units));
        let units = units.unwrap_or_default();
        members.insert("ProvisionedThroughput".to_owned(), throughput(units));
        if is_warm(moment) && settings.status == IndexStatus::Active {
            let base =
                throughput_fields::base(&table.descriptor.billing, Some(settings.throughput));
            let warmth = warm(warmth(settings.warm, base), moment);
            members.insert("WarmThroughput".to_owned(), warmth);
        }
        if let Some(ceilings) = ceilings(settings.ceilings) {
            members.insert("OnDemandThroughput".to_owned(), ceilings);
        }
    }
    shown
}

fn projection(projection: &Projection) -> Value {
    match projection {
        Projection::All => json!({ "ProjectionType": "ALL" }),
        Projection::KeysOnly => json!({ "ProjectionType": "KEYS_ONLY" }),
        Projection::Include(names) => {
            json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": names })
        }
    }
}

const fn table_units(table: &Table) -> (u64, u64) {
    match table.descriptor.billing {
        Billing::OnDemand { .. } => (0, 0),
        Billing::Provisioned {
            read_units,
            write_units,
        } => (read_units, write_units),
    }
}

fn throughput((read_units, write_units): (u64, u64)) -> Value {
    json!({
        "NumberOfDecreasesToday": 0,
        "ReadCapacityUnits": read_units,
        "WriteCapacityUnits": write_units,
    })
}

/// It is told of what is there, not of what comes or goes.
fn is_warm(moment: Moment) -> bool {
    matches!(moment, Moment::Active | Moment::Updating)
}

fn warm(units: Throughput, moment: Moment) -> Value {
    let status = match moment {
        Moment::Creating => "UPDATING",
        Moment::Updating | Moment::Active | Moment::Deleting => "ACTIVE",
    };
    json!({
        "ReadUnitsPerSecond": units.read_units,
        "WriteUnitsPerSecond": units.write_units,
        "Status": status,
    })
}

/// Of a table that is paid for by request, or ever was.
fn billing_summary(descriptor: &Descriptor) -> Option<Value> {
    let (mode, since) = match descriptor.billing {
        Billing::OnDemand { since } => ("PAY_PER_REQUEST", since),
        Billing::Provisioned { .. } => ("PROVISIONED", descriptor.on_demand_since?),
    };
    Some(json!({
        "BillingMode": mode,
        "LastUpdateToPayPerRequestDateTime": epoch_seconds(since),
    }))
}

/// The ceilings that there are.
fn ceilings(ceilings: Ceilings) -> Option<Value> {
    let mut members = Map::new();
    for (name, units) in [
        ("MaxReadRequestUnits", ceilings.read_units),
        ("MaxWriteRequestUnits", ceilings.write_units),
    ] {
        if let Some(units) = units {
            members.insert(name.to_owned(), units.into());
        }
    }
    (!members.is_empty()).then_some(Value::Object(members))
}

/// Shows the encryption that a change takes away, as the answer to that change does.
pub(super) fn show_going(description: &mut Value, table: &Table, going: &Encryption) {
    let mut shown = encrypted(table, going);
    if let (Some(shown), Some(description)) = (shown.as_object_mut(), description.as_object_mut()) {
        shown.insert("Status".to_owned(), "UPDATING".into());
        description.insert("SSEDescription".to_owned(), Value::Object(shown.clone()));
    }
}

fn encrypted(table: &Table, encryption: &Encryption) -> Value {
    let (account, region) = (&table.account, &table.region);
    let key = encryption.key.as_deref().unwrap_or("alias/aws/dynamodb");
    let arn = if key.starts_with("arn:") {
        key.to_owned()
    } else if key.starts_with("alias/") {
        format!("arn:aws:kms:{region}:{account}:{key}")
    } else {
        format!("arn:aws:kms:{region}:{account}:key/{key}")
    };
    json!({ "Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": arn })
}

/// Seconds with milliseconds after the point, as the service writes points in time.
fn epoch_seconds(at: model::time::Timestamp) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds since the epoch are far below 2^53"
    )]
    let seconds = at.epoch_ms() as f64 / 1_000.0;
    json!(seconds)
}
