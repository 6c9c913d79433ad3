//! `CreateTable`, and how tables are described.
//!
//! Lives here: its members, its checks in the service's order, descriptions.
//! Does not live here: keeping tables (`engine::catalogue`), templates (`resources`).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use store::{Direction, PageLimit, Range};

use super::{Context, tables};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::{Fields, TABLE_NAME_CHARS_MAX, TABLE_NAME_CHARS_MIN, is_table_name};
use crate::engine::catalogue::Error;
use crate::engine::codec;
use crate::engine::items::{AccessError, Items};
use crate::engine::keys::KeyType;
use crate::engine::table::{Billing, Class, DESCRIPTOR_FORMAT, Descriptor, KeyAttribute, Table};
use crate::engine::table_id::TableId;

/// Read or write units that a table may be given.
const UNITS_MAX: u64 = 1_000_000_000_000;
/// Bytes of the name of a key attribute.
const KEY_NAME_BYTES_MAX: usize = 255;
/// Rows that are counted at once.
const COUNT_ROWS: usize = 1_000;
/// Items that are counted for a description, and their bytes. The service's own figures are up to six hours old.
/// Differs: ours are fresh, but stop here, so that nobody can make a description cost more than a large scan.
const COUNT_ITEMS_MAX: usize = 100_000;
/// See [`COUNT_ITEMS_MAX`].
const COUNT_BYTES_MAX: usize = 64 * 1024 * 1024;

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let wish = TableWish::take(&mut fields)?;
    fields.finish()?;
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
    let description = self::description(&table, Status::Creating, Contents::default());
    Ok(json!({ "TableDescription": description })
        .to_string()
        .into_bytes())
}

/// A table as somebody wants it: the members of `CreateTable`, which are the properties of a template's table too.
#[derive(Debug)]
pub(crate) struct TableWish {
    name: Option<String>,
    definitions: Vec<(String, String)>,
    key_schema: Vec<(String, String)>,
    billing_mode: Option<&'static str>,
    throughput: Option<(u64, u64)>,
    class: Option<&'static str>,
    deletion_protection: bool,
    tags: BTreeMap<String, String>,
}

impl TableWish {
    pub(crate) fn take(fields: &mut Fields<'_>) -> Result<Self, Fault> {
        let definitions = take_pairs(
            fields,
            "AttributeDefinitions",
            ("AttributeDefinition", "AttributeType"),
            &["B", "N", "S"],
        )?
        .unwrap_or_default();
        let name = take_table_name(fields)?;
        let allowed = ["PROVISIONED", "PAY_PER_REQUEST"];
        let billing_mode = fields.one_of("BillingMode", "billingMode", &allowed)?;
        let throughput = take_throughput(fields)?;
        let key_schema = take_pairs(
            fields,
            "KeySchema",
            ("KeySchemaElement", "KeyType"),
            &["HASH", "RANGE"],
        )?;
        judge_length(fields, &key_schema);
        let key_schema = key_schema.unwrap_or_default();
        let allowed = ["STANDARD", "STANDARD_INFREQUENT_ACCESS"];
        let class = fields.one_of("TableClass", "tableClass", &allowed)?;
        let deletion_protection = fields.boolean("DeletionProtectionEnabled")?;
        take_switched_off(fields, "StreamSpecification", "StreamEnabled")?;
        take_switched_off(fields, "SSESpecification", "Enabled")?;
        Ok(Self {
            name,
            definitions,
            key_schema,
            billing_mode,
            throughput,
            class,
            deletion_protection: deletion_protection.unwrap_or(false),
            tags: take_tags(fields)?,
        })
    }

    /// The table that comes of it.
    pub(crate) fn descriptor(
        self,
        id: TableId,
        now: model::time::Timestamp,
    ) -> Result<Descriptor, Fault> {
        let billing = self.billing(now)?;
        let (partition_key, sort_key) = self.keys()?;
        Ok(Descriptor {
            format: DESCRIPTOR_FORMAT,
            id,
            name: self.name.unwrap_or_default(),
            created_at: now,
            partition_key,
            sort_key,
            billing,
            deletion_protection: self.deletion_protection,
            class: self.class.map(|name| match name {
                "STANDARD" => Class::Standard,
                _ => Class::StandardInfrequentAccess,
            }),
            tags: self.tags,
            generation: 0,
            secondary_indexes: Vec::new(),
            index_id_next: 0,
            stream: None,
            time_to_live: None,
        })
    }

    fn billing(&self, now: model::time::Timestamp) -> Result<Billing, Fault> {
        if self.billing_mode == Some("PAY_PER_REQUEST") {
            return match self.throughput {
                None => Ok(Billing::OnDemand { since: now }),
                Some(_) => Err(Fault::invalid(
                    "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
                )),
            };
        }
        let Some((read_units, write_units)) = self.throughput else {
            return Err(Fault::invalid(
                "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
            ));
        };
        for (units, name) in [
            (read_units, "ReadCapacityUnits"),
            (write_units, "WriteCapacityUnits"),
        ] {
            if UNITS_MAX < units {
                return Err(Fault::validation(format!(
                    "Given value {units} for {name} is out of bounds"
                )));
            }
        }
        Ok(Billing::Provisioned {
            read_units,
            write_units,
        })
    }

    fn keys(&self) -> Result<(KeyAttribute, Option<KeyAttribute>), Fault> {
        let names = |pairs: &[(String, String)]| -> Vec<String> {
            pairs.iter().map(|(name, _)| name.clone()).collect()
        };
        let (keys, defined) = (names(&self.key_schema), names(&self.definitions));
        if defined.len() < keys.len() {
            return Err(Fault::validation(
                "Invalid KeySchema: Some index key attribute have no definition",
            ));
        }
        if keys.iter().any(|name| !defined.contains(name)) {
            return Err(Fault::invalid(format!(
                "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
                keys.join(", "),
                defined.join(", ")
            )));
        }
        let kinds: Vec<&str> = self
            .key_schema
            .iter()
            .map(|(_, kind)| kind.as_str())
            .collect();
        if let [first, second] = keys.as_slice()
            && first == second
        {
            return Err(Fault::validation(
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ));
        }
        if kinds.first() != Some(&"HASH") {
            return Err(Fault::validation(
                "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
            ));
        }
        if kinds.get(1).is_some_and(|kind| *kind != "RANGE") {
            return Err(Fault::validation(
                "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
            ));
        }
        if keys.len() != defined.len() {
            return Err(Fault::invalid(
                "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
            ));
        }
        let mut attributes = keys.into_iter().filter_map(|name| {
            let (_, type_name) = self.definitions.iter().find(|(other, _)| *other == name)?;
            let key_type = match type_name.as_str() {
                "S" => KeyType::S,
                "N" => KeyType::N,
                _ => KeyType::B,
            };
            Some(KeyAttribute { name, key_type })
        });
        let partition_key = attributes.next().ok_or_else(|| {
            Fault::validation(
                "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
            )
        })?;
        Ok((partition_key, attributes.next()))
    }
}

/// The name of operations on tables; those word what is wrong with it in a way of their own.
fn take_table_name(fields: &mut Fields<'_>) -> Result<Option<String>, Fault> {
    let Some(name) = fields.text("TableName")? else {
        return Err(Fault::validation(
            "The parameter 'TableName' is required but was not present in the request",
        ));
    };
    let length = name.chars().count();
    if !(TABLE_NAME_CHARS_MIN..=TABLE_NAME_CHARS_MAX).contains(&length) {
        return Err(Fault::validation(format!(
            "TableName must be at least {TABLE_NAME_CHARS_MIN} characters long and at most {TABLE_NAME_CHARS_MAX} characters long"
        )));
    }
    if !is_table_name(&name) {
        let constraint = "satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
        fields.violation(Some(&name), "tableName", constraint);
    }
    Ok(Some(name))
}

/// The table's name of an operation that takes nothing else.
pub(super) fn take_only_table_name(mut fields: Fields<'_>) -> Result<String, Fault> {
    let name = take_table_name(&mut fields)?;
    fields.finish()?;
    Ok(name.unwrap_or_default())
}

/// Structures of an attribute's name and one of some words, as both lists of `CreateTable` are.
fn take_pairs(
    fields: &mut Fields<'_>,
    member: &str,
    (type_name, word_name): (&str, &str),
    allowed: &[&'static str],
) -> Result<Option<Vec<(String, String)>>, Fault> {
    let path = lower_first(member);
    let Some(structures) = fields.structures(member, type_name)? else {
        fields.violation(None, &path, "not be null");
        return Ok(None);
    };
    let mut pairs = Vec::new();
    for (index, mut structure) in structures.into_iter().enumerate() {
        let at = |name: &str| format!("{path}.{}.member.{}", index + 1, lower_first(name));
        let name = structure.text("AttributeName")?;
        if name.is_none() {
            structure.violation(None, &at("AttributeName"), "not be null");
        }
        if let Some(long) = name
            .as_deref()
            .filter(|name| KEY_NAME_BYTES_MAX < name.len())
        {
            let constraint = format!("have length less than or equal to {KEY_NAME_BYTES_MAX}");
            structure.violation(Some(long), &at("AttributeName"), &constraint);
        }
        let word_given = structure.text(word_name)?;
        match &word_given {
            None => structure.violation(None, &at(word_name), "not be null"),
            Some(word) if allowed.contains(&word.as_str()) => {}
            Some(word) => {
                let constraint = format!("satisfy enum value set: [{}]", allowed.join(", "));
                structure.violation(Some(word), &at(word_name), &constraint);
            }
        }
        structure.nothing_left()?;
        fields.adopt(&mut structure);
        pairs.push((name.unwrap_or_default(), word_given.unwrap_or_default()));
    }
    Ok(Some(pairs))
}

/// A key has one attribute or two.
fn judge_length(fields: &mut Fields<'_>, key_schema: &Option<Vec<(String, String)>>) {
    let Some(elements) = key_schema else {
        return;
    };
    let constraint = match elements.len() {
        0 => "have length greater than or equal to 1",
        1 | 2 => return,
        _ => "have length less than or equal to 2",
    };
    let elements: Vec<_> = elements
        .iter()
        .map(|(name, kind)| format!("KeySchemaElement(attributeName={name}, keyType={kind})"))
        .collect();
    let value = format!("[{}]", elements.join(", "));
    fields.violation(Some(&value), "keySchema", constraint);
}

fn take_throughput(fields: &mut Fields<'_>) -> Result<Option<(u64, u64)>, Fault> {
    let Some(mut structure) = fields.structure("ProvisionedThroughput", "ProvisionedThroughput")?
    else {
        return Ok(None);
    };
    let mut units = |name: &str| {
        let path = format!("provisionedThroughput.{}", lower_first(name));
        let units = structure.integer_within(name, &path, 1, i64::MAX)?;
        if units.is_none() {
            structure.violation(None, &path, "not be null");
        }
        Ok::<_, Fault>(
            units
                .and_then(|units| u64::try_from(units).ok())
                .unwrap_or_default(),
        )
    };
    let write_units = units("WriteCapacityUnits")?;
    let read_units = units("ReadCapacityUnits")?;
    structure.nothing_left()?;
    fields.adopt(&mut structure);
    Ok(Some((read_units, write_units)))
}

/// Takes a structure that only says that something is off; one that switches it on is not carried out.
fn take_switched_off(fields: &mut Fields<'_>, member: &str, switch: &str) -> Result<(), Fault> {
    let Some(mut structure) = fields.structure(member, member)? else {
        return Ok(());
    };
    if structure.boolean(switch)? == Some(true) {
        return Err(Fault::not_implemented(fields.operation(), member));
    }
    structure.nothing_left()
}

fn take_tags(fields: &mut Fields<'_>) -> Result<BTreeMap<String, String>, Fault> {
    let mut tags = BTreeMap::new();
    for mut structure in fields.structures("Tags", "Tag")?.unwrap_or_default() {
        let key = structure.text("Key")?.unwrap_or_default();
        let value = structure.text("Value")?.unwrap_or_default();
        structure.nothing_left()?;
        tags.insert(key, value);
    }
    Ok(tags)
}

fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// Where a table is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// The answer of `CreateTable`: clients that wait for the next state find it at once.
    Creating,
    /// Ready.
    Active,
    /// The answer of `DeleteTable`.
    Deleting,
}

/// How much is in a table.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Contents {
    items: usize,
    bytes: usize,
}

impl Contents {
    pub(super) async fn count(items: &Items, table: &Table) -> Result<Self, AccessError> {
        let mut contents = Self::default();
        let mut range = Range::of_prefix(table.items.clone()).after(&table.items);
        while contents.items < COUNT_ITEMS_MAX && contents.bytes < COUNT_BYTES_MAX {
            let limit = PageLimit::rows(COUNT_ROWS);
            let page = items.page(&range, Direction::Forward, limit).await?;
            for row in &page.rows {
                contents.items += 1;
                contents.bytes += codec::size_of(&row.value)?;
            }
            let Some(last) = page.rows.last().filter(|_| page.more) else {
                break;
            };
            range = range.after(&last.key);
        }
        Ok(contents)
    }
}

/// A table as `TableDescription` shows it.
///
/// Contract: Amazon DynamoDB API Reference, `TableDescription`.
pub(super) fn description(table: &Table, status: Status, contents: Contents) -> Value {
    let descriptor = &table.descriptor;
    let definitions: Vec<_> = table
        .key_attributes()
        .map(|attribute| {
            json!({ "AttributeName": attribute.name, "AttributeType": attribute.key_type.name() })
        })
        .collect();
    let key_schema: Vec<_> = table
        .key_attributes()
        .zip(["HASH", "RANGE"])
        .map(|(attribute, kind)| json!({ "AttributeName": attribute.name, "KeyType": kind }))
        .collect();
    let (read_units, write_units) = match descriptor.billing {
        Billing::OnDemand { .. } => (0, 0),
        Billing::Provisioned {
            read_units,
            write_units,
        } => (read_units, write_units),
    };
    let status = match status {
        Status::Creating => "CREATING",
        Status::Active => "ACTIVE",
        Status::Deleting => "DELETING",
    };
    let mut description = json!({
        "AttributeDefinitions": definitions,
        "TableName": descriptor.name,
        "KeySchema": key_schema,
        "TableStatus": status,
        "CreationDateTime": epoch_seconds(descriptor.created_at),
        "ProvisionedThroughput": {
            "NumberOfDecreasesToday": 0,
            "ReadCapacityUnits": read_units,
            "WriteCapacityUnits": write_units,
        },
        "TableSizeBytes": contents.bytes,
        "ItemCount": contents.items,
        "TableArn": table.arn,
        "TableId": descriptor.id,
    });
    if let Some(members) = description.as_object_mut() {
        if let Billing::OnDemand { since } = descriptor.billing {
            members.insert(
                "BillingModeSummary".to_owned(),
                json!({
                    "BillingMode": "PAY_PER_REQUEST",
                    "LastUpdateToPayPerRequestDateTime": epoch_seconds(since),
                }),
            );
        }
        if let Some(class) = descriptor.class {
            members.insert(
                "TableClassSummary".to_owned(),
                json!({ "TableClass": class.name() }),
            );
        }
        members.insert(
            "DeletionProtectionEnabled".to_owned(),
            descriptor.deletion_protection.into(),
        );
    }
    description
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
