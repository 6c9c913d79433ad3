//! Deleting messages, and changing for how long they are in flight.
//!
//! Lives here: both, alone and in batches.
//! Does not live here: sending and receiving them.

use std::time::Duration;

use super::batch::{self, Outcomes};
use super::fault::Fault;
use super::operations::{Context, Members, Outcome};
use super::request::Input as _;
use crate::engine::receipt::Receipt;

const VISIBILITY_S_MAX: i64 = 43_200;

pub(super) async fn delete(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let text = context.input.required("ReceiptHandle")?;
    let receipt = Receipt::parse(text).ok_or_else(|| Fault::no_receipt(text))?;
    let outcomes = context
        .catalogue
        .delete_messages(&queue, vec![receipt])
        .await?;
    match outcomes.first() {
        Some(Err(error)) => Err(Fault::receipt(text, *error, 0)),
        Some(Ok(())) | None => Ok(Members::new()),
    }
}

pub(super) async fn delete_batch(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let entries = batch::entries(context)?;
    let mut outcomes = Outcomes::default();
    let mut known = Vec::new();
    for (id, entry) in entries {
        let text = entry.text("ReceiptHandle").unwrap_or_default();
        match Receipt::parse(text) {
            Some(receipt) => known.push((id, text, receipt)),
            None => outcomes.failed(id, &Fault::no_receipt(text)),
        }
    }
    let receipts = known.iter().map(|(_, _, receipt)| *receipt).collect();
    let deleted = context.catalogue.delete_messages(&queue, receipts).await?;
    for ((id, text, _), outcome) in known.iter().zip(deleted) {
        match outcome {
            Ok(()) => outcomes.done(id, Members::new()),
            Err(error) => outcomes.failed(id, &Fault::receipt(text, error, 0)),
        }
    }
    Ok(outcomes.into_members())
}

pub(super) async fn change(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let change = read_change(context.input)?;
    let seconds = change.1.as_secs();
    let text = context.input.required("ReceiptHandle")?;
    let outcomes = context
        .catalogue
        .change_visibility(&queue, vec![change])
        .await?;
    match outcomes.first() {
        Some(Err(error)) => Err(Fault::receipt(text, *error, seconds)),
        Some(Ok(())) | None => Ok(Members::new()),
    }
}

pub(super) async fn change_batch(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let entries = batch::entries(context)?;
    let mut outcomes = Outcomes::default();
    let mut known = Vec::new();
    for (id, entry) in entries {
        match read_change(entry) {
            Ok(change) => known.push((id, entry, change)),
            Err(fault) => outcomes.failed(id, &fault),
        }
    }
    let changes = known.iter().map(|(_, _, change)| *change).collect();
    let changed = context.catalogue.change_visibility(&queue, changes).await?;
    for ((id, entry, (_, visibility)), outcome) in known.iter().zip(changed) {
        let text = entry.text("ReceiptHandle").unwrap_or_default();
        match outcome {
            Ok(()) => outcomes.done(id, Members::new()),
            Err(error) => outcomes.failed(id, &Fault::receipt(text, error, visibility.as_secs())),
        }
    }
    Ok(outcomes.into_members())
}

fn read_change(input: &Members) -> Result<(Receipt, Duration), Fault> {
    let text = input.required("ReceiptHandle")?;
    let receipt = Receipt::parse(text).ok_or_else(|| Fault::no_receipt(text))?;
    let Some(seconds) = input.number("VisibilityTimeout")? else {
        return Err(Fault::missing("VisibilityTimeout"));
    };
    match u64::try_from(seconds) {
        Ok(unsigned) if seconds <= VISIBILITY_S_MAX => Ok((receipt, Duration::from_secs(unsigned))),
        Ok(_) | Err(_) => Err(Fault::value(
            &seconds.to_string(),
            "VisibilityTimeout",
            "VisibilityTimeout must be an integer between 0 and 43200",
        )),
    }
}
