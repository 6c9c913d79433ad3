//! Writing what a statement says.
//!
//! Lives here: the decision on the item that is there, what is answered of it.
//! Does not live here: changing items (`engine::items`), what writes of the other operations answer (`writes`).

use std::sync::Arc;

use super::Context;
use super::update_item;
use super::writes::OnFailure;
use crate::dynamodb::capacity::Consumed;
use crate::dynamodb::expressions::condition::Condition;
use crate::dynamodb::expressions::projection::Projection;
use crate::dynamodb::expressions::update::Update;
use crate::dynamodb::fault::{Detail, Fault, Kind};
use crate::dynamodb::partiql::{self, Returning, Target};
use crate::dynamodb::throughput::Use;
use crate::dynamodb::{item_keys, values};
use crate::engine::items::{Change, Depends};
use crate::engine::table::Table;
use crate::engine::value::{self, Attributes};

/// A statement was carried out.
#[derive(Debug)]
pub(super) struct Written {
    /// What its `RETURNING` shows.
    pub(super) returned: Option<Attributes>,
    pub(super) consumed: Consumed,
}

/// Makes an item.
pub(super) async fn insert(
    context: &Context<'_>,
    table: &Table,
    item: Attributes,
    on_failure: OnFailure,
) -> Result<Written, Fault> {
    judge_item(&item)?;
    let key = item_keys::of_item(table, &item)?;
    let item = Arc::new(item);
    context
        .items
        .change(table, &key, Depends::OnTheItem, |existing| {
            context.admit_write(table, existing, Some(&item))?;
            match existing {
                Some(existing) => Err(duplicate(existing, on_failure)),
                None => Ok((Change::Put(Arc::clone(&item)), ())),
            }
        })
        .await?;
    let consumed = Consumed::of_write(table, None, Some(&item));
    context.spend(table, Use::Write, &consumed);
    Ok(Written {
        returned: None,
        consumed,
    })
}

/// Changes an item that is there.
pub(super) async fn update(
    context: &Context<'_>,
    table: &Table,
    (update, condition): (&Update, Option<&Condition>),
    returning: Option<Returning>,
    on_failure: OnFailure,
) -> Result<Written, Fault> {
    let target = target_of_write(table, condition)?;
    let key = item_keys::of_key(table, &target.key)?;
    update_item::judge_key_attributes(table, update)?;
    let (new, before) = context
        .items
        .change(table, &key, Depends::OnTheItem, |existing| {
            // What becomes of indexes is known only when the item is.
            context.admit_write(table, existing, existing)?;
            let item = decide(&target, existing, on_failure)?;
            let item = item.ok_or_else(|| on_failure.fault(None))?;
            let new = Arc::new(update_item::updated(table, item, update)?);
            context.admit_write(table, existing, Some(&new))?;
            Ok((Change::Put(Arc::clone(&new)), new))
        })
        .await?;
    let parts = |item: &Attributes| Projection::of_paths(update.paths()).apply(item);
    let returned = match returning {
        None => None,
        Some(Returning::AllOld) => before.clone(),
        Some(Returning::AllNew) => Some(Attributes::clone(&new)),
        Some(Returning::ModifiedOld) => before.as_ref().map(parts),
        Some(Returning::ModifiedNew) => Some(parts(&new)),
    };
    let consumed = Consumed::of_write(table, before.as_ref(), Some(&new));
    context.spend(table, Use::Write, &consumed);
    Ok(Written {
        returned: returned.filter(|item| !item.is_empty()),
        consumed,
    })
}

/// Deletes an item; one that is not there is no fault.
pub(super) async fn delete(
    context: &Context<'_>,
    table: &Table,
    condition: Option<&Condition>,
    returning: Option<Returning>,
    on_failure: OnFailure,
) -> Result<Written, Fault> {
    let target = target_of_write(table, condition)?;
    let key = item_keys::of_key(table, &target.key)?;
    let ((), before) = context
        .items
        .change(table, &key, Depends::OnTheItem, |existing| {
            context.admit_write(table, existing, None)?;
            Ok::<_, Fault>(match decide(&target, existing, on_failure)? {
                Some(_) => (Change::Delete, ()),
                None => (Change::Keep, ()),
            })
        })
        .await?;
    let consumed = Consumed::of_write(table, before.as_ref(), None);
    context.spend(table, Use::Write, &consumed);
    Ok(Written {
        returned: before.filter(|_| returning.is_some()),
        consumed,
    })
}

/// The item that a write is about.
pub(super) fn target_of_write(
    table: &Table,
    condition: Option<&Condition>,
) -> Result<Target, Fault> {
    partiql::target(table, condition)?.ok_or_else(|| {
        Fault::validation(
            "Where clause does not contain a mandatory equality on all key attributes",
        )
    })
}

/// Refuses an item that is too large or too deep.
pub(super) fn judge_item(item: &Attributes) -> Result<(), Fault> {
    if model::limits::DYNAMODB_ITEM_BYTES_MAX < value::size(item) {
        return Err(Fault::validation(
            "Item size has exceeded the maximum allowed size",
        ));
    }
    values::judge_nesting(item)
}

/// The item that is there; none when none is. Refuses it if the rest of the condition does not hold.
fn decide<'a>(
    target: &Target,
    existing: Option<&'a Attributes>,
    on_failure: OnFailure,
) -> Result<Option<&'a Attributes>, Fault> {
    let Some(item) = existing else {
        return Ok(None);
    };
    let condition = target.condition.as_ref();
    if condition.is_none_or(|condition| condition.holds(item)) {
        return Ok(Some(item));
    }
    Err(on_failure.fault(Some(item)))
}

fn duplicate(existing: &Attributes, on_failure: OnFailure) -> Fault {
    let mut fault = Fault::new(Kind::DuplicateItem, "Duplicate primary key exists in table");
    if on_failure == OnFailure::TheItem {
        fault.detail = Some(Box::new(Detail::Item(existing.clone())));
    }
    fault
}
