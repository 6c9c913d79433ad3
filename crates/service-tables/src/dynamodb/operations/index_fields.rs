//! Members of requests that describe indexes.
//!
//! Lives here: indexes as they stand in requests and templates, and what an index may be, in DynamoDB's words.
//! Does not live here: what an index holds (`engine::indexes`), what several of them may be together (`create_table`).

use super::table_fields::{self, Definitions, KEY_NAME_BYTES_MAX, KeySchema};
use super::throughput_fields::{self, Asking, Of, Units};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::{Fields, TABLE_NAME_CHARS_MAX, TABLE_NAME_CHARS_MIN, is_table_name};
use crate::engine::indexes::{IndexKind, IndexStatus, Projection, SecondaryIndex, Throughput};
use crate::engine::table::{Billing, Ceilings, KeyAttribute};

/// Global indexes of a table.
pub(super) const GLOBAL_INDEXES_MAX: usize = 20;
/// Local indexes of a table.
pub(super) const LOCAL_INDEXES_MAX: usize = 5;
/// Attributes that all indexes of a table name in their projections together.
pub(super) const PROJECTED_ATTRIBUTES_MAX: usize = 100;
/// Attributes that one index names in its projection.
const INDEX_PROJECTED_ATTRIBUTES_MAX: usize = 20;
/// Attributes of the partition key of a global index, and of its sort key.
const KEY_PARTS_MAX: usize = 4;

/// An index as somebody wants it.
#[derive(Debug)]
pub(super) struct IndexWish {
    pub(super) name: String,
    pub(super) kind: IndexKind,
    key_schema: KeySchema,
    projection_type: Option<&'static str>,
    projected: Option<Vec<String>>,
    pub(super) throughput: Option<Throughput>,
    on_demand: Option<Units>,
    warm: Option<Units>,
}

impl IndexWish {
    /// Takes the indexes of a kind; none when the member is not there.
    pub(super) fn take_all(
        fields: &mut Fields<'_>,
        kind: IndexKind,
    ) -> Result<Option<Vec<Self>>, Fault> {
        let (member, type_name) = match kind {
            IndexKind::Global => ("GlobalSecondaryIndexes", "GlobalSecondaryIndex"),
            IndexKind::Local => ("LocalSecondaryIndexes", "LocalSecondaryIndex"),
        };
        let Some(structures) = fields.placed_structures(member, type_name)? else {
            return Ok(None);
        };
        let mut wishes = Vec::with_capacity(structures.len());
        for mut structure in structures {
            wishes.push(Self::take(&mut structure, kind)?);
            fields.close(structure)?;
        }
        Ok(Some(wishes))
    }

    /// Takes the members of one index.
    pub(super) fn take(fields: &mut Fields<'_>, kind: IndexKind) -> Result<Self, Fault> {
        let name = take_index_name(fields)?;
        let elements_max = match kind {
            IndexKind::Global => 2 * KEY_PARTS_MAX,
            IndexKind::Local => 2,
        };
        let key_schema = table_fields::take_key_schema(fields, elements_max)?;
        let (projection_type, projected) = take_projection(fields)?;
        let (mut throughput, mut on_demand, mut warm) = (None, None, None);
        if kind == IndexKind::Global {
            throughput = table_fields::take_throughput(fields)?;
            on_demand = throughput_fields::take_on_demand(fields)?;
            warm = throughput_fields::take_warm(fields)?;
        }
        Ok(Self {
            name,
            kind,
            key_schema,
            projection_type,
            projected,
            throughput,
            on_demand,
            // One without members is none where an index is made.
            warm: warm.filter(|units| *units != Units::default()),
        })
    }

    /// Whether its key names this attribute.
    pub(super) fn has_key_attribute(&self, name: &str) -> bool {
        self.key_schema.iter().any(|(other, _)| other == name)
    }

    /// The index that comes of it. Its id and its status are the caller's to give.
    pub(super) fn read(
        &self,
        definitions: &Definitions,
        table_hash: &str,
    ) -> Result<SecondaryIndex, Fault> {
        definitions.judge_defined(&self.key_schema)?;
        let (partition_keys, sort_keys) = self.keys(definitions)?;
        if self.kind == IndexKind::Local {
            self.judge_local(table_hash)?;
        }
        Ok(SecondaryIndex {
            id: 0,
            name: self.name.clone(),
            kind: self.kind,
            partition_keys,
            sort_keys,
            projection: self.projection()?,
            status: IndexStatus::Active,
            throughput: self.throughput,
            ceilings: Ceilings::default(),
            warm: None,
        })
    }

    /// Gives an index that came of it what it is to take besides.
    pub(super) fn set_units(
        &self,
        index: &mut SecondaryIndex,
        billing: &Billing,
        asking: Asking,
    ) -> Result<(), Fault> {
        let of = Of::Index(&self.name);
        let none = Ceilings::default();
        let base = throughput_fields::base(billing, Some(index.throughput));
        index.ceilings = throughput_fields::ceilings(self.on_demand, none, billing, asking, of)?;
        index.warm = throughput_fields::warmed(self.warm, None, billing, base, of)?;
        Ok(())
    }

    fn keys(
        &self,
        definitions: &Definitions,
    ) -> Result<(Vec<KeyAttribute>, Vec<KeyAttribute>), Fault> {
        for (index, (name, _)) in self.key_schema.iter().enumerate() {
            if self
                .key_schema
                .iter()
                .take(index)
                .any(|(other, _)| other == name)
            {
                return Err(Fault::validation(
                    "Both the Hash Key and the Range Key element in the KeySchema have the same name",
                ));
            }
        }
        let is_hash = |(_, kind): &&(String, String)| kind == "HASH";
        let hashes = self.key_schema.iter().take_while(is_hash).count();
        let (partition, sort) = self.key_schema.split_at(hashes);
        if partition.is_empty() {
            return Err(Fault::validation(
                "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
            ));
        }
        if sort.iter().any(|element| is_hash(&element)) {
            return Err(Fault::validation(
                "One or more parameter values were invalid: All HASH key attributes must precede RANGE key attributes in the KeySchema",
            ));
        }
        for (part, kind) in [(partition, "HASH"), (sort, "RANGE")] {
            if KEY_PARTS_MAX < part.len() {
                return Err(Fault::invalid(format!(
                    "The KeySchema exceeds the maximum allowed number of {kind} key attributes"
                )));
            }
        }
        if self.kind == IndexKind::Local && 1 < partition.len() {
            return Err(Fault::validation(
                "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
            ));
        }
        let attributes = |part: &[(String, String)]| -> Vec<KeyAttribute> {
            let names = part.iter().map(|(name, _)| name);
            names
                .filter_map(|name| definitions.attribute(name))
                .collect()
        };
        Ok((attributes(partition), attributes(sort)))
    }

    fn judge_local(&self, table_hash: &str) -> Result<(), Fault> {
        if self.key_schema.len() != 2 {
            return Err(Fault::invalid(format!(
                "Index KeySchema does not have a range key for index: {}",
                self.name
            )));
        }
        match self.key_schema.first() {
            Some((hash, _)) if hash != table_hash => Err(Fault::invalid(format!(
                "Index KeySchema does not have the same leading hash key as table KeySchema for index: {}. index hash key: {hash}, table hash key: {table_hash}",
                self.name
            ))),
            Some(_) | None => Ok(()),
        }
    }

    fn projection(&self) -> Result<Projection, Fault> {
        let Some(projection_type) = self.projection_type else {
            return Err(Fault::invalid("Unknown ProjectionType: null"));
        };
        if projection_type != "INCLUDE" && self.projected.is_some() {
            return Err(Fault::invalid(format!(
                "ProjectionType is {projection_type}, but NonKeyAttributes is specified"
            )));
        }
        match (projection_type, &self.projected) {
            ("INCLUDE", None) => Err(Fault::invalid(
                "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
            )),
            ("INCLUDE", Some(names)) => {
                for (index, name) in names.iter().enumerate() {
                    if names.iter().take(index).any(|other| other == name) {
                        return Err(Fault::invalid(format!(
                            "Duplicate element in NonKeyAttributes: {name}"
                        )));
                    }
                }
                Ok(Projection::Include(names.clone()))
            }
            ("KEYS_ONLY", _) => Ok(Projection::KeysOnly),
            _ => Ok(Projection::All),
        }
    }
}

/// Takes `IndexName`, which has to be there.
pub(super) fn take_index_name(fields: &mut Fields<'_>) -> Result<String, Fault> {
    let name = fields.text("IndexName")?;
    match &name {
        None => fields.violation(None, "indexName", "not be null"),
        Some(name) => judge_index_name(fields, name),
    }
    Ok(name.unwrap_or_default())
}

/// Notes what is wrong with the name of an index.
pub(super) fn judge_index_name(fields: &mut Fields<'_>, name: &str) {
    let path = "indexName";
    if !is_table_name(name) {
        let constraint = "satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
        fields.violation(Some(name), path, constraint);
    }
    let length = name.chars().count();
    if length < TABLE_NAME_CHARS_MIN {
        let constraint = format!("have length greater than or equal to {TABLE_NAME_CHARS_MIN}");
        fields.violation(Some(name), path, &constraint);
    }
    if TABLE_NAME_CHARS_MAX < length {
        let constraint = format!("have length less than or equal to {TABLE_NAME_CHARS_MAX}");
        fields.violation(Some(name), path, &constraint);
    }
}

type ProjectionFields = (Option<&'static str>, Option<Vec<String>>);

fn take_projection(fields: &mut Fields<'_>) -> Result<ProjectionFields, Fault> {
    let Some(mut structure) = fields.placed_structure("Projection", "Projection")? else {
        fields.violation(None, "projection", "not be null");
        return Ok((None, None));
    };
    let allowed = ["ALL", "INCLUDE", "KEYS_ONLY"];
    let projection_type = structure.one_of("ProjectionType", "projectionType", &allowed)?;
    let names = structure.texts("NonKeyAttributes")?;
    if let Some(names) = &names {
        let shown = format!("[{}]", names.join(", "));
        let constraint = match names.len() {
            0 => Some("have length greater than or equal to 1".to_owned()),
            length if INDEX_PROJECTED_ATTRIBUTES_MAX < length => Some(format!(
                "have length less than or equal to {INDEX_PROJECTED_ATTRIBUTES_MAX}"
            )),
            _ => None,
        };
        if let Some(constraint) = constraint {
            structure.violation(Some(&shown), "nonKeyAttributes", &constraint);
        }
        let is_fit = |name: &String| (1..=KEY_NAME_BYTES_MAX).contains(&name.len());
        if !names.iter().all(is_fit) {
            let constraint = format!(
                "satisfy constraint: [Member must have length less than or equal to {KEY_NAME_BYTES_MAX}, Member must have length greater than or equal to 1]"
            );
            structure.violation(Some(&shown), "nonKeyAttributes", &constraint);
        }
    }
    fields.close(structure)?;
    Ok((projection_type, names))
}

/// Refuses more projected attributes than all indexes of a table may name together.
pub(super) fn judge_projected(indexes: &[SecondaryIndex]) -> Result<(), Fault> {
    let projected = indexes.iter().map(|index| match &index.projection {
        Projection::Include(names) => names.len(),
        Projection::KeysOnly | Projection::All => 0,
    });
    let projected: usize = projected.sum();
    if PROJECTED_ATTRIBUTES_MAX < projected {
        return Err(Fault::invalid(format!(
            "Total number of NonKeyAttributes of all indexes, {projected}, exceeds the per-table limit of {PROJECTED_ATTRIBUTES_MAX}"
        )));
    }
    Ok(())
}
