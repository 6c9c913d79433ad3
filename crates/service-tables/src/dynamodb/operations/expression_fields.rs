//! The members of a request that have to do with expressions.
//!
//! Lives here: taking them, refusing those that exclude one another, in DynamoDB's order.
//! Does not live here: the language (`expressions`).

use std::collections::BTreeMap;

use crate::dynamodb::expressions::condition::Condition;
use crate::dynamodb::expressions::placeholders::Placeholders;
use crate::dynamodb::expressions::projection::Projection;
use crate::dynamodb::expressions::update::Update;
use crate::dynamodb::expressions::{check, parser};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::values::Judged;
use crate::engine::table::Table;
use crate::engine::value::Attributes;

/// The expressions of a request, as texts. Those that an operation does not take stay `None`.
#[derive(Debug, Default)]
pub(super) struct ExpressionFields {
    pub(super) condition: Option<String>,
    pub(super) filter: Option<String>,
    pub(super) key_condition: Option<String>,
    pub(super) projection: Option<String>,
    pub(super) update: Option<String>,
    names: Option<BTreeMap<String, String>>,
    values: Option<Judged<Attributes>>,
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

impl ExpressionFields {
    pub(super) fn take(fields: &mut Fields<'_>, takes: Takes) -> Result<Self, Fault> {
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

    /// Refuses placeholders without an expression that could use them.
    pub(super) fn judge(&self, takes: Takes) -> Result<(), Fault> {
        let with_values = self.update.is_some()
            || self.condition.is_some()
            || self.filter.is_some()
            || self.key_condition.is_some();
        if self.names.is_some() && !with_values && self.projection.is_none() {
            return Err(Fault::validation(
                "ExpressionAttributeNames can only be specified when using expressions",
            ));
        }
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
        Ok(())
    }

    /// Reads all expressions.
    pub(super) fn read(self) -> Result<Expressions, Fault> {
        let placeholders = Placeholders::new(self.names, self.values)?;
        let condition = |parameter: &str, text: Option<String>| {
            text.map(|text| {
                parser::condition(&text)
                    .and_then(|node| check::condition(&node, &placeholders))
                    .map_err(|text| Fault::validation(format!("Invalid {parameter}: {text}")))
            })
            .transpose()
        };
        let update = |text: String| {
            Update::read(&text, &placeholders)
                .map_err(|text| Fault::validation(format!("Invalid UpdateExpression: {text}")))
        };
        let read = Expressions {
            update: self.update.map(update).transpose()?,
            condition: condition("ConditionExpression", self.condition)?,
            key_condition: condition("KeyConditionExpression", self.key_condition)?,
            filter: condition("FilterExpression", self.filter)?,
            projection: self
                .projection
                .map(|text| Projection::read(&text, &placeholders))
                .transpose()?,
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
    pub(super) key_condition: Option<Condition>,
    pub(super) projection: Option<Projection>,
}

impl Expressions {
    /// Refuses steps into key attributes, which have no parts.
    pub(super) fn judge_key_paths(&self, table: &Table) -> Result<(), Fault> {
        let conditions = [&self.condition, &self.filter];
        let mut paths = conditions
            .into_iter()
            .flatten()
            .flat_map(Condition::paths)
            .chain(self.projection.iter().flat_map(Projection::paths));
        let nested = paths.find_map(|path| match path {
            [
                crate::dynamodb::expressions::placeholders::PathStep::Name(name),
                _,
                ..,
            ] => table
                .key_attributes()
                .find(|attribute| attribute.name == *name),
            _ => None,
        });
        match nested {
            Some(attribute) => Err(Fault::validation(format!(
                "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: {}",
                attribute.name
            ))),
            None => Ok(()),
        }
    }
}
