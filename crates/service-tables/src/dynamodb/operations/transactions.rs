//! Transactions of writes.
//!
//! Lives here: what one does to each of its items, the decision on all of them, the reasons for which it is cancelled.
//! Does not live here: how it is sent (`transact_write_items`, `execute_transaction`), the commit (`engine::items`).
//!
//! A transaction has the partitions of all its items for itself until it is durable: others wait for it, so none is in
//! conflict with another one. Only where several nodes share a store can somebody come between.

use std::collections::BTreeSet;
use std::sync::Arc;

use store::CommitError;

use super::Context;
use super::collection_metrics::Metrics;
use super::expression_fields::Expressions;
use super::update_item;
use super::writes::OnFailure;
use crate::dynamodb::capacity::{Consumed, ConsumedByTable};
use crate::dynamodb::fault::{Detail, Fault, Kind, Reason};
use crate::dynamodb::item_keys;
use crate::dynamodb::throughput::Use;
use crate::engine::items::{AccessError, Change, ChangeError, Plan, Target};
use crate::engine::table::{ItemKey, Table};
use crate::engine::tokens::{self, Fingerprint, Known};
use crate::engine::value::{self, Attributes};

/// Actions of one transaction.
pub(super) const ACTIONS_MAX: usize = 100;
/// Bytes of all items of one transaction.
pub(super) const BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a transaction does to one item.
#[derive(Debug)]
pub(super) struct Action {
    pub(super) table_name: String,
    pub(super) kind: ActionKind,
    /// The item to put, or the key of another action.
    pub(super) attributes: Attributes,
    pub(super) expressions: Expressions,
    pub(super) on_failure: OnFailure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ActionKind {
    Check,
    Put,
    Update,
    Delete,
}

/// By what a transaction that is sent twice is known.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) fingerprint: Fingerprint,
}

/// What came of a transaction.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It was carried out, at this cost.
    Written(ConsumedByTable),
    /// It had been carried out before, and was only looked up.
    Repeated(ConsumedByTable),
}

/// An action with the place of its item.
struct Prepared {
    action: Action,
    table: Arc<Table>,
    key: ItemKey,
    /// The item to put, shared with the commit.
    item: Arc<Attributes>,
}

/// Carries out all actions or none.
pub(super) async fn write(
    context: &Context<'_>,
    actions: Vec<Action>,
    token: Option<Token>,
    metrics: &mut Metrics,
) -> Result<Outcome, Fault> {
    let prepared = prepare(context, actions).await?;
    for one in &prepared {
        if one.action.kind != ActionKind::Check {
            metrics.note(&one.table, &one.key, &one.item);
        }
    }
    let targets: Vec<_> = prepared
        .iter()
        .map(|one| Target {
            table: Arc::clone(&one.table),
            key: one.key.clone(),
        })
        .collect();
    let token = token.map(|token| {
        let key = tokens::key(context.account, context.region, &token.text);
        (key, token.fingerprint)
    });
    let beside = token.as_ref().map(|(key, _)| key.as_slice());
    let changed = context
        .items
        .change_all(&targets, beside, |items, row| {
            let now = context.clock.now();
            let mut writes = Vec::new();
            if let Some((key, fingerprint)) = &token {
                match tokens::known(row.map(AsRef::as_ref), fingerprint, now) {
                    Known::Nothing => writes.push(tokens::write(key.clone(), fingerprint, now)),
                    Known::SameRequest => return Ok(repeated(&prepared, items)),
                    Known::AnotherRequest => return Err(mismatch()),
                }
            }
            decide(context, &prepared, items).map(|(changes, consumed)| Plan {
                changes,
                writes,
                outcome: Outcome::Written(consumed),
            })
        })
        .await;
    match changed {
        Ok(changed) => {
            let (used, consumed) = match &changed.outcome {
                Outcome::Written(consumed) => (Use::Write, consumed),
                Outcome::Repeated(consumed) => (Use::Read, consumed),
            };
            let tables = prepared
                .iter()
                .map(|one| (one.action.table_name.as_str(), &one.table));
            spend(context, tables, used, consumed);
            Ok(changed.outcome)
        }
        Err(ChangeError::Contended) => Err(in_conflict(prepared.len())),
        // All that the items are and become, indexes included, does not fit into one commit.
        Err(ChangeError::Items(AccessError::Commit(CommitError::TooLarge { .. }))) => {
            Err(too_large())
        }
        Err(error @ (ChangeError::Refused(_) | ChangeError::NoTable | ChangeError::Items(_))) => {
            Err(error.into())
        }
    }
}

/// The refusal of a transaction for one of its actions.
pub(super) fn cancelled(reasons: Vec<Reason>) -> Fault {
    let codes: Vec<_> = reasons.iter().map(Reason::code).collect();
    let mut fault = Fault::new(
        Kind::TransactionCanceled,
        format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        ),
    );
    fault.detail = Some(Box::new(Detail::Cancellation(reasons)));
    fault
}

/// The refusal of a transaction of so many actions, since one of them is not valid.
pub(super) fn cancelled_by(fault: Fault, position: usize, count: usize) -> Fault {
    if fault.kind != Kind::Validation {
        return fault;
    }
    let reasons = (0..count).map(|other| {
        if other == position {
            invalid(&fault)
        } else {
            Reason::None
        }
    });
    cancelled(reasons.collect())
}

pub(super) fn several_on_one_item() -> Fault {
    Fault::validation("Transaction request cannot include multiple operations on one item")
}

pub(super) fn too_large() -> Fault {
    Fault::validation(format!("Transaction size cannot exceed {BYTES_MAX} bytes"))
}

fn invalid(fault: &Fault) -> Reason {
    Reason::Failed {
        code: "ValidationError",
        message: fault.message.clone(),
        item: None,
    }
}

/// What the refusal of an action is called for which nothing that is provisioned is left.
pub(super) fn throttled(fault: &Fault) -> Reason {
    Reason::Failed {
        code: if fault.kind == Kind::Throttling {
            "ThrottlingError"
        } else {
            "ProvisionedThroughputExceeded"
        },
        message: fault.message.clone(),
        item: None,
    }
}

/// Notes what a transaction has used of each of its tables.
pub(super) fn spend<'a>(
    context: &Context<'_>,
    tables: impl Iterator<Item = (&'a str, &'a Arc<Table>)>,
    used: Use,
    consumed: &ConsumedByTable,
) {
    let mut spent = BTreeSet::new();
    for (name, table) in tables {
        if spent.insert(name)
            && let Some(consumed) = consumed.of(name)
        {
            context.spend(table, used, consumed);
        }
    }
}

/// Refuses a transaction that reads if nothing is left of one of these tables, an action each.
pub(super) fn admit_reads<'a>(
    context: &Context<'_>,
    tables: impl Iterator<Item = &'a Arc<Table>>,
) -> Result<(), Fault> {
    let reasons = tables.map(|table| match context.admit_read(table, None) {
        Ok(()) => Reason::None,
        Err(fault) => throttled(&fault),
    });
    let reasons: Vec<_> = reasons.collect();
    if reasons.iter().all(|reason| *reason == Reason::None) {
        return Ok(());
    }
    Err(cancelled(reasons))
}

fn mismatch() -> Fault {
    Fault::new(
        Kind::IdempotentParameterMismatch,
        "The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with different requests, unless the requests are identical",
    )
}

fn in_conflict(count: usize) -> Fault {
    let reason = Reason::Failed {
        code: "TransactionConflict",
        message: "Transaction is ongoing for the item".to_owned(),
        item: None,
    };
    cancelled(vec![reason; count])
}

async fn prepare(context: &Context<'_>, actions: Vec<Action>) -> Result<Vec<Prepared>, Fault> {
    let count = actions.len();
    let mut tables = Vec::with_capacity(count);
    for action in &actions {
        tables.push(context.table(&action.table_name).await?);
    }
    let mut places = BTreeSet::new();
    let mut prepared = Vec::with_capacity(count);
    let mut bytes = 0_usize;
    for (position, (action, table)) in actions.into_iter().zip(tables).enumerate() {
        let key = place(&action, &table).map_err(|fault| cancelled_by(fault, position, count))?;
        if !places.insert(key.as_bytes().to_vec()) {
            return Err(several_on_one_item());
        }
        bytes = bytes.saturating_add(value::size(&action.attributes));
        let item = Arc::new(action.attributes.clone());
        prepared.push(Prepared {
            action,
            table,
            key,
            item,
        });
    }
    if BYTES_MAX < bytes {
        return Err(too_large());
    }
    Ok(prepared)
}

/// Where an action's item is, if the action fits the table.
fn place(action: &Action, table: &Table) -> Result<ItemKey, Fault> {
    let key = match action.kind {
        ActionKind::Put => item_keys::of_item(table, &action.attributes)?,
        ActionKind::Check | ActionKind::Update | ActionKind::Delete => {
            item_keys::of_key(table, &action.attributes)?
        }
    };
    if let Some(update) = &action.expressions.update {
        update_item::judge_key_attributes(table, update)?;
    }
    action.expressions.judge_key_paths(table)?;
    Ok(key)
}

/// What becomes of each item and what that costs, or the reasons why nothing does.
fn decide(
    context: &Context<'_>,
    prepared: &[Prepared],
    items: &[Option<Attributes>],
) -> Result<(Vec<Change>, ConsumedByTable), Fault> {
    let mut changes = Vec::with_capacity(prepared.len());
    let mut reasons = Vec::with_capacity(prepared.len());
    let mut consumed = ConsumedByTable::default();
    for (one, existing) in prepared.iter().zip(items) {
        let decided = one.decide(existing.as_ref()).and_then(|change| {
            let after = match &change {
                Change::Keep => existing.as_ref(),
                Change::Put(item) => Some(&**item),
                Change::Delete => None,
            };
            let admitted = context.admit_write(&one.table, existing.as_ref(), after);
            admitted.map_err(|fault| throttled(&fault))?;
            let units = Consumed::of_write(&one.table, existing.as_ref(), after);
            Ok((change, units.doubled()))
        });
        match decided {
            Ok((change, units)) => {
                consumed.add(&one.action.table_name, units);
                changes.push(change);
                reasons.push(Reason::None);
            }
            Err(reason) => reasons.push(reason),
        }
    }
    if reasons.iter().all(|reason| *reason == Reason::None) {
        return Ok((changes, consumed));
    }
    Err(cancelled(reasons))
}

impl Prepared {
    fn decide(&self, existing: Option<&Attributes>) -> Result<Change, Reason> {
        if !self.action.expressions.condition_holds(existing) {
            let shown = existing.filter(|_| self.action.on_failure == OnFailure::TheItem);
            return Err(Reason::Failed {
                code: "ConditionalCheckFailed",
                message: "The conditional request failed".to_owned(),
                item: shown.cloned(),
            });
        }
        match (self.action.kind, &self.action.expressions.update) {
            (ActionKind::Put, _) => Ok(Change::Put(Arc::clone(&self.item))),
            (ActionKind::Delete, _) => Ok(Change::Delete),
            (ActionKind::Update, Some(update)) => {
                if existing.is_none() && update.only_takes() {
                    return Ok(Change::Keep);
                }
                let new = update_item::updated(&self.table, existing.unwrap_or(&self.item), update);
                let new = new.map_err(|fault| invalid(&fault))?;
                Ok(Change::Put(Arc::new(new)))
            }
            (ActionKind::Check | ActionKind::Update, _) => Ok(Change::Keep),
        }
    }
}

/// The plan for a transaction that was carried out before: nothing is written, and reading is paid for.
fn repeated(prepared: &[Prepared], items: &[Option<Attributes>]) -> Plan<Outcome> {
    let mut consumed = ConsumedByTable::default();
    for (one, existing) in prepared.iter().zip(items) {
        let bytes = existing.as_ref().map_or(0, value::size);
        let units = super::transact_get_items::units_of(bytes);
        consumed.add(&one.action.table_name, units);
    }
    Plan {
        changes: vec![Change::Keep; prepared.len()],
        writes: Vec::new(),
        outcome: Outcome::Repeated(consumed),
    }
}
