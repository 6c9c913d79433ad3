//! The members of a request that have to do with expressions.
//!
//! Lives here: taking them and the older parameters beside them, refusing those that exclude one another, in DynamoDB's order.
//! Does not live here: the language (`expressions`), what the older parameters say (`legacy`).

use std::collections::BTreeMap;

use crate::dynamodb::expressions::condition::Condition;
use crate::dynamodb::expressions::placeholders::{PathStep, Placeholders};
use crate::dynamodb::expressions::projection::Projection;
use crate::dynamodb::expressions::update::Update;
use crate::dynamodb::expressions::{cache, check};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::legacy::conditions::{Conditions, Join};
use crate::dynamodb::legacy::updates::Updates;
use crate::dynamodb::values::{self, Judged};
use crate::dynamodb::{index_keys, json_write};
use crate::engine::codec::{self, CorruptItem};
use crate::engine::table::Table;
use crate::engine::value::Attributes;

/// The expressions of a request, as texts, and the older parameters that say the same. Those that an operation does not take
/// stay `None`.
#[derive(Debug, Default)]
pub(super) struct ExpressionFields {
    condition: Option<String>,
    filter: Option<String>,
    key_condition: Option<String>,
    projection: Option<String>,
    update: Option<String>,
    names: Option<BTreeMap<String, String>>,
    values: Option<Judged<Attributes>>,
    legacy: LegacyFields,
}

/// The parameters that expressions have replaced.
#[derive(Debug, Default)]
struct LegacyFields {
    attributes_to_get: Option<Vec<String>>,
    updates: Option<Updates>,
    expected: Option<Conditions>,
    filter: Option<Conditions>,
    key_conditions: Option<Conditions>,
    join: Option<Join>,
}

/// Which expressions an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// `ProjectionExpression`.
    Projection,
    /// `ConditionExpression`.
    Condition,
    /// `UpdateExpression` and `ConditionExpression`.
    Update,
    /// `FilterExpression` and `ProjectionExpression`.
    Scan,
    /// `FilterExpression`, `KeyConditionExpression` and `ProjectionExpression`.
    Query,
}

impl Takes {
    /// The older parameter that filters.
    const fn filter_parameter(self) -> &'static str {
        match self {
            Self::Query => "QueryFilter",
            Self::Scan | Self::Projection | Self::Condition | Self::Update => "ScanFilter",
        }
    }
}

impl LegacyFields {
    fn take(fields: &mut Fields<'_>, takes: Takes) -> Result<Self, Fault> {
        let mut taken = Self::default();
        match takes {
            Takes::Condition => taken.expected = Conditions::take_expected(fields)?,
            Takes::Update => {
                taken.expected = Conditions::take_expected(fields)?;
                taken.updates = Updates::take(fields)?;
            }
            Takes::Projection => {}
            Takes::Query | Takes::Scan => {
                taken.filter = Conditions::take(fields, takes.filter_parameter())?;
            }
        }
        if takes == Takes::Query {
            taken.key_conditions = Conditions::take(fields, "KeyConditions")?;
        }
        match takes {
            Takes::Projection | Takes::Query | Takes::Scan => {
                taken.attributes_to_get = take_attributes_to_get(fields)?;
            }
            Takes::Condition | Takes::Update => {}
        }
        if takes != Takes::Projection {
            taken.join = Join::take(fields)?;
        }
        Ok(taken)
    }

    /// Those that are given, in the order in which the service lists them.
    fn given(&self, takes: Takes) -> Vec<&'static str> {
        let all = [
            ("AttributesToGet", self.attributes_to_get.is_some()),
            ("AttributeUpdates", self.updates.is_some()),
            ("Expected", self.expected.is_some()),
            (takes.filter_parameter(), self.filter.is_some()),
            ("ConditionalOperator", self.join.is_some()),
            ("KeyConditions", self.key_conditions.is_some()),
        ];
        given(&all)
    }

    /// Refuses an operator that joins nothing.
    fn judge_join(&self) -> Result<(), Fault> {
        let conditions = self.expected.iter().chain(&self.filter);
        match (self.join, conditions.map(Conditions::len).sum::<usize>()) {
            (None, _) | (Some(_), 2..) => Ok(()),
            (Some(_), 0) => Err(Fault::validation(
                "ConditionalOperator cannot be used without Filter or Expected",
            )),
            (Some(_), 1) => Err(Fault::validation(
                "ConditionalOperator can only be used when Filter or Expected has two or more elements",
            )),
        }
    }
}

fn given(all: &[(&'static str, bool)]) -> Vec<&'static str> {
    let given = all.iter().filter(|(_, is_given)| *is_given);
    given.map(|(name, _)| *name).collect()
}

fn take_attributes_to_get(fields: &mut Fields<'_>) -> Result<Option<Vec<String>>, Fault> {
    let names = fields.texts("AttributesToGet")?;
    if names.as_ref().is_some_and(Vec::is_empty) {
        fields.violation(
            Some("[]"),
            "attributesToGet",
            "have length greater than or equal to 1",
        );
    }
    Ok(names)
}

/// The projection that `AttributesToGet` comes to.
fn attributes_projection(names: Vec<String>) -> Result<Projection, Fault> {
    if let Some(fault) = names.iter().find_map(|name| values::name_fault(name)) {
        return Err(fault);
    }
    let mut seen = std::collections::BTreeSet::new();
    if let Some(name) = names.iter().find(|name| !seen.insert(*name)) {
        return Err(Fault::invalid(format!(
            "Duplicate value in attribute name: {name}"
        )));
    }
    let paths: Vec<_> = names
        .into_iter()
        .map(|name| vec![PathStep::Name(name)])
        .collect();
    Ok(Projection::of_paths(paths.iter().map(Vec::as_slice)))
}

impl ExpressionFields {
    pub(super) fn take(fields: &mut Fields<'_>, takes: Takes) -> Result<Self, Fault> {
        let mut taken = Self::take_expressions(fields, takes)?;
        taken.legacy = LegacyFields::take(fields, takes)?;
        Ok(taken)
    }

    /// As [`ExpressionFields::take`], for operations that are younger than expressions.
    pub(super) fn take_expressions(fields: &mut Fields<'_>, takes: Takes) -> Result<Self, Fault> {
        let mut taken = Self::default();
        match takes {
            Takes::Condition => taken.condition = fields.text("ConditionExpression")?,
            Takes::Update => {
                taken.update = fields.text("UpdateExpression")?;
                taken.condition = fields.text("ConditionExpression")?;
            }
            Takes::Projection => taken.projection = fields.text("ProjectionExpression")?,
            Takes::Query | Takes::Scan => {
                taken.projection = fields.text("ProjectionExpression")?;
                taken.filter = fields.text("FilterExpression")?;
            }
        }
        if takes == Takes::Query {
            taken.key_condition = fields.text("KeyConditionExpression")?;
        }
        if takes != Takes::Projection {
            taken.values = fields.attributes("ExpressionAttributeValues")?;
        }
        taken.names = fields.texts_by_name("ExpressionAttributeNames")?;
        Ok(taken)
    }

    pub(super) const fn has_condition(&self) -> bool {
        self.condition.is_some()
    }

    pub(super) const fn has_update(&self) -> bool {
        self.update.is_some()
    }

    pub(super) const fn has_key_condition(&self) -> bool {
        self.key_condition.is_some() || self.legacy.key_conditions.is_some()
    }

    /// The parameter that says which attributes are wanted, if one does.
    pub(super) const fn projection_parameter(&self) -> Option<&'static str> {
        match (&self.projection, &self.legacy.attributes_to_get) {
            (Some(_), _) => Some("ProjectionExpression"),
            (None, Some(_)) => Some("AttributesToGet"),
            (None, None) => None,
        }
    }

    /// The parameters that say which attributes are wanted, as they were sent.
    pub(super) fn projection_members(&self) -> Vec<(&'static str, serde_json::Value)> {
        let mut members = Vec::new();
        if let Some(text) = &self.projection {
            members.push(("ProjectionExpression", text.clone().into()));
        }
        if let Some(names) = &self.names {
            let names = names.iter();
            let names: serde_json::Map<_, _> = names
                .map(|(name, attribute)| (name.clone(), attribute.clone().into()))
                .collect();
            members.push(("ExpressionAttributeNames", names.into()));
        }
        if let Some(names) = &self.legacy.attributes_to_get {
            members.push(("AttributesToGet", names.clone().into()));
        }
        members
    }

    /// Refuses parameters that exclude one another, and placeholders without an expression that could use them.
    pub(super) fn judge(&self, takes: Takes) -> Result<(), Fault> {
        let expressions = given(&[
            ("UpdateExpression", self.update.is_some()),
            ("ConditionExpression", self.condition.is_some()),
            ("ProjectionExpression", self.projection.is_some()),
            ("FilterExpression", self.filter.is_some()),
            ("KeyConditionExpression", self.key_condition.is_some()),
        ]);
        let mut others = self.legacy.given(takes);
        if self.key_condition.is_none() {
            // The older conditions on keys go with all other expressions.
            others.retain(|name| *name != "KeyConditions");
        }
        if !expressions.is_empty() && !others.is_empty() {
            return Err(Fault::validation(format!(
                "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {{{}}} Expression parameters: {{{}}}",
                others.join(", "),
                expressions.join(", ")
            )));
        }
        if self.names.is_some() && expressions.is_empty() {
            return Err(Fault::validation(
                "ExpressionAttributeNames can only be specified when using expressions",
            ));
        }
        let with_values = expressions
            .iter()
            .any(|name| *name != "ProjectionExpression");
        if self.values.is_some() && !with_values {
            let missing = match takes {
                Takes::Condition => "ConditionExpression is null",
                Takes::Update => "UpdateExpression and ConditionExpression are null",
                Takes::Scan => "FilterExpression is null",
                Takes::Query => "FilterExpression and KeyConditionExpression are null",
                Takes::Projection => "no expression is given",
            };
            return Err(Fault::validation(format!(
                "ExpressionAttributeValues can only be specified when using expressions: {missing}"
            )));
        }
        self.legacy.judge_join()
    }

    /// Reads all expressions.
    pub(super) fn read(self) -> Result<Expressions, Fault> {
        let legacy = self.legacy;
        let join = legacy.join.unwrap_or(Join::And);
        let placeholders = Placeholders::new(self.names, self.values)?;
        let condition = |parameter: &str, text: Option<String>| {
            text.map(|text| {
                cache::condition(&text)
                    .and_then(|node| check::condition(&node, &placeholders))
                    .map_err(|text| Fault::validation(format!("Invalid {parameter}: {text}")))
            })
            .transpose()
        };
        let update = |text: String| {
            Update::read(&text, &placeholders)
                .map_err(|text| Fault::validation(format!("Invalid UpdateExpression: {text}")))
        };
        let (filter, filter_parameter) = match legacy.filter {
            Some(conditions) => (conditions.filter(join)?, "QueryFilter"),
            None => (
                condition("FilterExpression", self.filter)?,
                "Filter Expression",
            ),
        };
        let read = Expressions {
            update: match legacy.updates {
                Some(updates) => Some(updates.update()?),
                None => self.update.map(update).transpose()?,
            },
            condition: match legacy.expected {
                Some(conditions) => conditions.expected(join)?,
                None => condition("ConditionExpression", self.condition)?,
            },
            key_condition: match legacy.key_conditions {
                Some(conditions) => conditions.keys()?,
                None => condition("KeyConditionExpression", self.key_condition)?,
            },
            filter,
            filter_parameter,
            projection: match (legacy.attributes_to_get, self.projection) {
                (Some(names), _) => Some(attributes_projection(names)?),
                (None, Some(text)) => Some(Projection::read(&text, &placeholders)?),
                (None, None) => None,
            },
        };
        placeholders.all_used()?;
        Ok(read)
    }
}

/// The expressions of a request.
#[derive(Debug)]
pub(super) struct Expressions {
    pub(super) update: Option<Update>,
    pub(super) condition: Option<Condition>,
    pub(super) filter: Option<Condition>,
    /// What the service calls the parameter that the filter came in.
    pub(super) filter_parameter: &'static str,
    pub(super) key_condition: Option<Condition>,
    pub(super) projection: Option<Projection>,
}

impl Expressions {
    /// Whether the condition, if there is one, holds for the item that is there.
    pub(super) fn condition_holds(&self, existing: Option<&Attributes>) -> bool {
        let nothing = Attributes::new();
        let item = existing.unwrap_or(&nothing);
        let holds = |condition: &Condition| condition.holds(item);
        self.condition.as_ref().is_none_or(holds)
    }

    /// Writes an encoded item as far as it is wanted.
    pub(super) fn write_projected(
        &self,
        out: &mut Vec<u8>,
        bytes: &[u8],
    ) -> Result<(), CorruptItem> {
        match &self.projection {
            None => json_write::encoded_item(out, bytes),
            Some(projection) => {
                let item = codec::decode(bytes)?;
                json_write::attributes(out, &projection.apply(&item));
                Ok(())
            }
        }
    }

    /// Refuses steps into key attributes, also into those of indexes: they have no parts.
    pub(super) fn judge_key_paths(&self, table: &Table) -> Result<(), Fault> {
        let conditions = [&self.condition, &self.filter];
        let paths = conditions
            .into_iter()
            .flatten()
            .flat_map(Condition::paths)
            .chain(self.projection.iter().flat_map(Projection::paths));
        for path in paths {
            index_keys::judge_path(table, path)?;
        }
        Ok(())
    }
}
