//! What the operations that write one item have in common.
//!
//! Lives here: their shared members, and the pure decision on the item that is there.
//! Does not live here: carrying it out (`engine::items`).

use super::Context;
use super::collection_metrics::{Metrics, MetricsWanted};
use super::expression_fields::{ExpressionFields, Expressions, Takes};
use crate::dynamodb::capacity::{self, Consumed, Wanted};
use crate::dynamodb::fault::{Detail, Fault, Kind};
use crate::dynamodb::fields::Fields;
use crate::dynamodb::json_write;
use crate::dynamodb::throughput::Use;
use crate::engine::items::{ChangeError, Depends};
use crate::engine::table::{ItemKey, Table};
use crate::engine::value::Attributes;

/// The members that all of them take.
#[derive(Debug)]
pub(super) struct WriteFields {
    pub(super) table_name: String,
    pub(super) capacity: Wanted,
    pub(super) return_values: Returned,
    on_failure: OnFailure,
    metrics: MetricsWanted,
    kind: WriteKind,
    expressions: ExpressionFields,
}

/// What a write does with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteKind {
    /// It puts or deletes it.
    Whole,
    /// It changes parts of it.
    Update,
}

/// Which item is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Returned {
    Nothing,
    AllOld,
    AllNew,
    UpdatedOld,
    UpdatedNew,
}

/// What is told of the item that a condition does not hold for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnFailure {
    Nothing,
    TheItem,
}

impl OnFailure {
    /// The refusal of a write whose condition does not hold for this item.
    pub(super) fn fault(self, existing: Option<&Attributes>) -> Fault {
        let mut fault = Fault::new(
            Kind::ConditionalCheckFailed,
            "The conditional request failed",
        );
        if self == Self::TheItem {
            fault.detail = existing.map(|item| Box::new(Detail::Item(item.clone())));
        }
        fault
    }
}

impl WriteFields {
    pub(super) fn take(fields: &mut Fields<'_>, kind: WriteKind) -> Result<Self, Fault> {
        let capacity = Wanted::take(fields)?;
        let table_name = fields.table_name()?;
        let allowed = ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"];
        let returned = fields.one_of("ReturnValues", "returnValues", &allowed)?;
        let metrics = MetricsWanted::take(fields)?;
        let on_failure = take_on_failure(fields)?;
        Ok(Self {
            table_name,
            capacity,
            return_values: match returned {
                Some("ALL_OLD") => Returned::AllOld,
                Some("ALL_NEW") => Returned::AllNew,
                Some("UPDATED_OLD") => Returned::UpdatedOld,
                Some("UPDATED_NEW") => Returned::UpdatedNew,
                _ => Returned::Nothing,
            },
            on_failure,
            metrics,
            kind,
            expressions: ExpressionFields::take(fields, kind.takes())?,
        })
    }

    pub(super) fn judge_expressions(&self) -> Result<(), Fault> {
        self.expressions.judge(self.kind.takes())
    }

    pub(super) fn judge_return_values(&self) -> Result<(), Fault> {
        match self.return_values {
            Returned::Nothing | Returned::AllOld => Ok(()),
            Returned::AllNew | Returned::UpdatedOld | Returned::UpdatedNew => Err(
                Fault::validation("ReturnValues can only be ALL_OLD or NONE"),
            ),
        }
    }

    pub(super) fn read_expressions(self) -> Result<Write, Fault> {
        Ok(Write {
            table_name: self.table_name,
            capacity: self.capacity,
            return_values: self.return_values,
            on_failure: self.on_failure,
            metrics: self.metrics,
            expressions: self.expressions.read()?,
        })
    }
}

/// Takes `ReturnValuesOnConditionCheckFailure`.
pub(super) fn take_on_failure(fields: &mut Fields<'_>) -> Result<OnFailure, Fault> {
    let found = fields.one_of(
        "ReturnValuesOnConditionCheckFailure",
        "returnValuesOnConditionCheckFailure",
        &["ALL_OLD", "NONE"],
    )?;
    Ok(if found == Some("ALL_OLD") {
        OnFailure::TheItem
    } else {
        OnFailure::Nothing
    })
}

impl WriteKind {
    const fn takes(self) -> Takes {
        match self {
            Self::Whole => Takes::Condition,
            Self::Update => Takes::Update,
        }
    }
}

/// A write that is fit to be carried out.
#[derive(Debug)]
pub(super) struct Write {
    /// As it was asked for: an answer calls it so.
    table_name: String,
    pub(super) capacity: Wanted,
    pub(super) return_values: Returned,
    on_failure: OnFailure,
    metrics: MetricsWanted,
    pub(super) expressions: Expressions,
}

impl Write {
    /// What must be known of the item that is there.
    pub(super) fn depends(&self, context: &Context<'_>, table: &Table) -> Depends {
        let blind = !context.meter.binds(table)
            && self.capacity == Wanted::Nothing
            && self.return_values == Returned::Nothing
            && self.expressions.condition.is_none();
        if blind {
            Depends::OnNothing
        } else {
            Depends::OnTheItem
        }
    }

    /// Refuses the write if its condition does not hold for the item that is there.
    pub(super) fn decide(
        &self,
        context: &Context<'_>,
        table: &Table,
        existing: Option<&Attributes>,
    ) -> Result<(), Fault> {
        if self.expressions.condition_holds(existing) {
            return Ok(());
        }
        if context.meter.binds(table) {
            // The look is paid for as a write of the item would be.
            let consumed = Consumed::of_write(table, existing, existing);
            context.spend(table, Use::Write, &consumed);
        }
        Err(self.on_failure.fault(existing))
    }

    /// The item that was there, if it is to be answered.
    pub(super) fn old_if_wanted<'a>(
        &self,
        before: Option<&'a Attributes>,
    ) -> Option<&'a Attributes> {
        before.filter(|_| self.return_values == Returned::AllOld)
    }

    /// The answer.
    pub(super) async fn answer(
        &self,
        context: &Context<'_>,
        table: &Table,
        key: &ItemKey,
        written: Written<'_>,
    ) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::with_capacity(64);
        out.push(b'{');
        if let Some(returned) = written.returned {
            out.extend_from_slice(b"\"Attributes\":");
            json_write::attributes(&mut out, returned);
        }
        if self.capacity != Wanted::Nothing || context.meter.binds(table) {
            let consumed = Consumed::of_write(table, written.before, written.after);
            context.spend(table, Use::Write, &consumed);
            if self.capacity != Wanted::Nothing && 1 < out.len() {
                out.push(b',');
            }
            capacity::write(&mut out, self.capacity, &self.table_name, &consumed);
        }
        let mut metrics = Metrics::of(self.metrics);
        metrics.note(table, key, written.key);
        metrics.write_one(&mut out, context).await?;
        out.push(b'}');
        Ok(out)
    }
}

/// What a write did, for the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written<'a> {
    /// The attributes of the key, among others.
    pub(super) key: &'a Attributes,
    /// The attributes to tell.
    pub(super) returned: Option<&'a Attributes>,
    /// The item as it was.
    pub(super) before: Option<&'a Attributes>,
    /// The item as it is.
    pub(super) after: Option<&'a Attributes>,
}

impl From<ChangeError<Fault>> for Fault {
    fn from(error: ChangeError<Self>) -> Self {
        match error {
            ChangeError::Refused(fault) => fault,
            ChangeError::NoTable => Self::no_table(),
            ChangeError::Items(error) => error.into(),
            error @ ChangeError::Contended => Self::internal(&error),
        }
    }
}
