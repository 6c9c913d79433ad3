//! Members of requests that describe tables.
//!
//! Lives here: names, keys, throughput, streams, tags, as they stand in requests and templates.
//! Does not live here: those of indexes (`index_fields`), what a whole table may be (`create_table`, `update_table`).

use std::collections::BTreeMap;

use super::tags;
use super::throughput_fields::Asking;
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::{
    Fields, TABLE_NAME_CHARS_MAX, TABLE_NAME_CHARS_MIN, is_table_name, table_of_arn,
};
use crate::dynamodb::json_read::Json;
use crate::engine::indexes::Throughput;
use crate::engine::keys::KeyType;
use crate::engine::table::{Class, Encryption, KeyAttribute, StreamViewType};

/// Read or write units that a table or an index may be given.
const UNITS_MAX: u64 = 1_000_000_000_000;
/// Bytes of the name of an attribute that is in a key or named by a projection.
pub(super) const KEY_NAME_BYTES_MAX: usize = 255;

/// The billing modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BillingMode {
    Provisioned,
    PayPerRequest,
}

/// A stream as somebody wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamWish {
    Off,
    On(StreamViewType),
}

/// Names of attributes with their types.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    pairs: Vec<(String, String)>,
}

/// The elements of a key, each a name and `HASH` or `RANGE`.
pub(super) type KeySchema = Vec<(String, String)>;

/// The name of operations on tables; those word what is wrong with it in a way of their own.
pub(super) fn take_table_name(fields: &mut Fields<'_>) -> Result<Option<String>, Fault> {
    let Some(name) = fields.text("TableName")? else {
        return Err(Fault::validation(
            "The parameter 'TableName' is required but was not present in the request",
        ));
    };
    if table_of_arn(&name).is_some() {
        return Ok(Some(name));
    }
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

/// The name of a table to be made.
pub(super) fn take_new_table_name(fields: &mut Fields<'_>) -> Result<Option<String>, Fault> {
    let is_short = |name: &Json<'_>| matches!(name, Json::Text(name) if name.chars().count() < TABLE_NAME_CHARS_MIN);
    let is_short = fields.peek("TableName").is_some_and(is_short);
    if !is_short {
        return take_table_name(fields);
    }
    let name = fields.text("TableName")?.unwrap_or_default();
    let constraint = format!("have length greater than or equal to {TABLE_NAME_CHARS_MIN}");
    fields.violation(Some(&name), "tableName", &constraint);
    Ok(Some(name))
}

/// The table's name of an operation that takes nothing else.
pub(super) fn take_only_table_name(mut fields: Fields<'_>) -> Result<String, Fault> {
    let name = take_table_name(&mut fields)?;
    fields.finish()?;
    Ok(name.unwrap_or_default())
}

impl Definitions {
    /// Takes `AttributeDefinitions`, if it is there.
    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Option<Self>, Fault> {
        let pairs = take_pairs(
            fields,
            "AttributeDefinitions",
            ("AttributeDefinition", "AttributeType"),
            &["B", "N", "S"],
        )?;
        Ok(pairs.map(|pairs| Self { pairs }))
    }

    /// Refuses two definitions of one attribute.
    pub(super) fn judge(&self) -> Result<(), Fault> {
        for (index, (name, _)) in self.pairs.iter().enumerate() {
            if self
                .pairs
                .iter()
                .take(index)
                .any(|(other, _)| other == name)
            {
                return Err(Fault::validation(format!(
                    "Attribute Name is duplicated: {name}"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_str())
    }

    /// The key attribute of this name, if it is defined.
    pub(super) fn attribute(&self, name: &str) -> Option<KeyAttribute> {
        let (_, type_name) = self.pairs.iter().find(|(other, _)| other == name)?;
        let key_type = match type_name.as_str() {
            "S" => KeyType::S,
            "N" => KeyType::N,
            _ => KeyType::B,
        };
        Some(KeyAttribute {
            name: name.to_owned(),
            key_type,
        })
    }

    /// Refuses a key with attributes that are not defined.
    pub(super) fn judge_defined(&self, key_schema: &KeySchema) -> Result<(), Fault> {
        let is_defined = |name: &str| self.names().any(|defined| defined == name);
        if key_schema.iter().all(|(name, _)| is_defined(name)) {
            return Ok(());
        }
        let keys: Vec<_> = key_schema.iter().map(|(name, _)| name.as_str()).collect();
        let defined: Vec<_> = self.names().collect();
        Err(Fault::invalid(format!(
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
            keys.join(", "),
            defined.join(", ")
        )))
    }
}

/// Takes `KeySchema`, which has to have one element and may have so many.
pub(super) fn take_key_schema(
    fields: &mut Fields<'_>,
    elements_max: usize,
) -> Result<KeySchema, Fault> {
    let pairs = take_pairs(
        fields,
        "KeySchema",
        ("KeySchemaElement", "KeyType"),
        &["HASH", "RANGE"],
    )?;
    let Some(elements) = pairs else {
        fields.violation(None, "keySchema", "not be null");
        return Ok(KeySchema::new());
    };
    let constraint = match elements.len() {
        0 => "have length greater than or equal to 1".to_owned(),
        length if elements_max < length => {
            format!("have length less than or equal to {elements_max}")
        }
        _ => return Ok(elements),
    };
    let shown: Vec<_> = elements
        .iter()
        .map(|(name, kind)| format!("KeySchemaElement(attributeName={name}, keyType={kind})"))
        .collect();
    let value = format!("[{}]", shown.join(", "));
    fields.violation(Some(&value), "keySchema", &constraint);
    Ok(elements)
}

/// Takes `BillingMode`.
pub(super) fn take_billing_mode(fields: &mut Fields<'_>) -> Result<Option<BillingMode>, Fault> {
    let allowed = ["PROVISIONED", "PAY_PER_REQUEST"];
    let mode = fields.one_of("BillingMode", "billingMode", &allowed)?;
    Ok(mode.map(|mode| match mode {
        "PROVISIONED" => BillingMode::Provisioned,
        _ => BillingMode::PayPerRequest,
    }))
}

/// Takes `ProvisionedThroughput`.
pub(super) fn take_throughput(fields: &mut Fields<'_>) -> Result<Option<Throughput>, Fault> {
    let name = "ProvisionedThroughput";
    let Some(mut structure) = fields.placed_structure(name, name)? else {
        return Ok(None);
    };
    let mut units = |name: &str, path: &str| {
        let units = structure.integer_within(name, path, 1, i64::MAX)?;
        if units.is_none() {
            structure.violation(None, path, "not be null");
        }
        let units = units.and_then(|units| u64::try_from(units).ok());
        Ok::<_, Fault>(units.unwrap_or_default())
    };
    let write_units = units("WriteCapacityUnits", "writeCapacityUnits")?;
    let read_units = units("ReadCapacityUnits", "readCapacityUnits")?;
    fields.close(structure)?;
    Ok(Some(Throughput {
        read_units,
        write_units,
    }))
}

/// Refuses more than any table may have.
pub(super) fn judge_units(throughput: Throughput) -> Result<(), Fault> {
    for (units, name) in [
        (throughput.read_units, "ReadCapacityUnits"),
        (throughput.write_units, "WriteCapacityUnits"),
    ] {
        if UNITS_MAX < units {
            return Err(Fault::validation(format!(
                "Given value {units} for {name} is out of bounds"
            )));
        }
    }
    Ok(())
}

/// Takes `TableClass`.
pub(super) fn take_class(fields: &mut Fields<'_>) -> Result<Option<Class>, Fault> {
    let allowed = ["STANDARD", "STANDARD_INFREQUENT_ACCESS"];
    match fields.text("TableClass")?.as_deref() {
        None => Ok(None),
        Some("STANDARD") => Ok(Some(Class::Standard)),
        Some("STANDARD_INFREQUENT_ACCESS") => Ok(Some(Class::StandardInfrequentAccess)),
        Some(_) => Err(Fault::validation(format!(
            "Invalid table-class parameter provided. Please try again with a valid table-class value: [{}].",
            allowed.join(", ")
        ))),
    }
}

/// Takes `StreamSpecification`.
pub(super) fn take_stream(
    fields: &mut Fields<'_>,
    asking: Asking,
) -> Result<Option<StreamWish>, Fault> {
    let name = "StreamSpecification";
    let Some(mut structure) = fields.placed_structure(name, name)? else {
        return Ok(None);
    };
    let enabled = structure.boolean("StreamEnabled")?;
    if enabled.is_none() {
        structure.violation(None, "streamEnabled", "not be null");
    }
    let allowed = ["OLD_IMAGE", "KEYS_ONLY", "NEW_AND_OLD_IMAGES", "NEW_IMAGE"];
    let view_type = structure.one_of("StreamViewType", "streamViewType", &allowed)?;
    let is_sound = structure.has_no_violation();
    fields.close(structure)?;
    let view_type = view_type.map(|name| match name {
        "NEW_IMAGE" => StreamViewType::NewImage,
        "OLD_IMAGE" => StreamViewType::OldImage,
        "KEYS_ONLY" => StreamViewType::KeysOnly,
        _ => StreamViewType::NewAndOldImages,
    });
    match (enabled, view_type) {
        (Some(true), Some(view_type)) => Ok(Some(StreamWish::On(view_type))),
        (Some(true), None) if is_sound => Err(Fault::invalid(match asking {
            Asking::Create => {
                "Table is being created with a stream enabled, UpdateViewType is required"
            }
            Asking::Update => "If stream is being enabled then UpdateViewType is required",
        })),
        (Some(false), Some(_)) => Err(Fault::invalid(match asking {
            Asking::Create => {
                "Table is being created with a stream disabled, UpdateViewType should not be specified"
            }
            Asking::Update => {
                "If stream is being disabled, then UpdateViewType must not be specified"
            }
        })),
        _ => Ok(Some(StreamWish::Off)),
    }
}

/// Takes `SSESpecification`: whether a key of the customer's is shown. What is written is not encrypted in either case.
pub(super) fn take_encryption(
    fields: &mut Fields<'_>,
) -> Result<Option<Option<Encryption>>, Fault> {
    let name = "SSESpecification";
    let Some(mut structure) = fields.placed_structure(name, name)? else {
        return Ok(None);
    };
    let enabled = structure.boolean("Enabled")?;
    let kind = structure.one_of("SSEType", "sSEType", &["AES256", "KMS"])?;
    let key = structure.text("KMSMasterKeyId")?;
    fields.close(structure)?;
    if enabled == Some(true) {
        return match (kind, key) {
            (Some("AES256"), _) => Err(Fault::invalid("SSEType AES256 is not supported")),
            (None, Some(_)) => Err(Fault::invalid(
                "SSEType KMS is required if KMSMasterKeyId is specified",
            )),
            (_, key) => Ok(Some(Some(Encryption { key }))),
        };
    }
    for (is_given, member) in [
        (kind.is_some(), "SSEType"),
        (key.is_some(), "KMSMasterKeyId"),
    ] {
        if is_given {
            return Err(Fault::invalid(format!(
                "{member} can not be specified if Enabled is false"
            )));
        }
    }
    Ok(Some(None))
}

/// Takes `Tags`.
pub(super) fn take_tags(fields: &mut Fields<'_>) -> Result<BTreeMap<String, String>, Fault> {
    let tags = tags::take(fields)?.unwrap_or_default();
    tags::judge(&tags)?;
    Ok(tags)
}

/// Structures of an attribute's name and one of some words.
fn take_pairs(
    fields: &mut Fields<'_>,
    member: &str,
    (type_name, word_name): (&str, &str),
    allowed: &[&'static str],
) -> Result<Option<Vec<(String, String)>>, Fault> {
    let Some(structures) = fields.placed_structures(member, type_name)? else {
        return Ok(None);
    };
    let word_path = match word_name {
        "KeyType" => "keyType",
        _ => "attributeType",
    };
    let mut pairs = Vec::new();
    for mut structure in structures {
        let name = structure.text("AttributeName")?;
        if name.is_none() {
            structure.violation(None, "attributeName", "not be null");
        }
        let is_long = |name: &&str| KEY_NAME_BYTES_MAX < name.len();
        if let Some(long) = name.as_deref().filter(is_long) {
            let constraint = format!("have length less than or equal to {KEY_NAME_BYTES_MAX}");
            structure.violation(Some(long), "attributeName", &constraint);
        }
        let word_given = structure.text(word_name)?;
        match &word_given {
            None => structure.violation(None, word_path, "not be null"),
            Some(word) if allowed.contains(&word.as_str()) => {}
            Some(word) => {
                let constraint = format!("satisfy enum value set: [{}]", allowed.join(", "));
                structure.violation(Some(word), word_path, &constraint);
            }
        }
        fields.close(structure)?;
        pairs.push((name.unwrap_or_default(), word_given.unwrap_or_default()));
    }
    Ok(Some(pairs))
}
