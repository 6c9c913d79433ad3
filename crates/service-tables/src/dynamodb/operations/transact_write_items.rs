//! `TransactWriteItems`.
//!
//! Lives here: its members and limits, its checks in the service's order, the answer.
//! Does not live here: what a transaction does (`transactions`).

use super::Context;
use super::collection_metrics::{Metrics, MetricsWanted};
use super::expression_fields::{ExpressionFields, Takes};
use super::transactions::{self, ACTIONS_MAX, Action, ActionKind, Outcome, Token};
use super::writes::{self, OnFailure};
use crate::dynamodb::capacity::{Also, Wanted};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::values::Judged;
use crate::engine::value::{self, Attributes};

/// Characters of a `ClientRequestToken`.
const TOKEN_CHARS_MAX: usize = 36;

const KINDS: [(&str, ActionKind); 4] = [
    ("ConditionCheck", ActionKind::Check),
    ("Put", ActionKind::Put),
    ("Delete", ActionKind::Delete),
    ("Update", ActionKind::Update),
];

/// An action, as it was sent.
struct ActionFields {
    table_name: String,
    kind: ActionKind,
    attributes: Judged<Attributes>,
    expressions: ExpressionFields,
    on_failure: OnFailure,
}

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let wanted = Wanted::take(&mut fields)?;
    let metrics_wanted = MetricsWanted::take(&mut fields)?;
    let token = take_token(&mut fields, "TransactItems")?;
    let actions = take_actions(&mut fields)?;
    fields.finish()?;
    let actions = actions.into_iter().map(judge);
    let actions = actions.collect::<Result<Vec<_>, _>>()?;

    let mut metrics = Metrics::of(metrics_wanted);
    let outcome = transactions::write(context, actions, token, &mut metrics).await?;
    let mut out = b"{".to_vec();
    match outcome {
        Outcome::Written(consumed) => consumed.write(&mut out, wanted, Also::Write),
        Outcome::Repeated(consumed) => consumed.write(&mut out, wanted, Also::Read),
    }
    metrics.write_by_table(&mut out, context).await?;
    out.push(b'}');
    Ok(out)
}

/// Takes the token, and the fingerprint of the member that it stands for.
pub(super) fn take_token(fields: &mut Fields<'_>, member: &str) -> Result<Option<Token>, Fault> {
    let Some(text) = fields.text("ClientRequestToken")? else {
        return Ok(None);
    };
    let chars = text.chars().count();
    if chars == 0 {
        let constraint = "have length greater than or equal to 1";
        fields.violation(Some(&text), "clientRequestToken", constraint);
    }
    if TOKEN_CHARS_MAX < chars {
        let constraint = format!("have length less than or equal to {TOKEN_CHARS_MAX}");
        fields.violation(Some(&text), "clientRequestToken", &constraint);
    }
    let fingerprint = fields.fingerprint(member);
    Ok(Some(Token { text, fingerprint }))
}

fn take_actions(fields: &mut Fields<'_>) -> Result<Vec<ActionFields>, Fault> {
    let structures = fields.placed_structures("TransactItems", "TransactWriteItem")?;
    judge_count(fields, structures.as_ref().map(Vec::len));
    let mut actions = Vec::new();
    for mut structure in structures.unwrap_or_default() {
        let mut given = Vec::new();
        for (name, kind) in KINDS {
            if let Some(mut action) = structure.placed_structure(name, name)? {
                given.push(take_action(&mut action, kind)?);
                structure.close(action)?;
            }
        }
        fields.close(structure)?;
        let mut given = given.into_iter();
        match (given.next(), given.next()) {
            (Some(only), None) => actions.push(only),
            (None, _) => {
                return Err(Fault::validation(
                    "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(Fault::validation(
                    "TransactItems can only contain one of Check, Put, Update or Delete",
                ));
            }
        }
    }
    Ok(actions)
}

/// Notes that there are too few or too many actions.
pub(super) fn judge_count(fields: &mut Fields<'_>, count: Option<usize>) {
    match count {
        None => fields.violation(None, "transactItems", "not be null"),
        Some(0) => {
            let constraint = "have length greater than or equal to 1";
            fields.violation(Some("[]"), "transactItems", constraint);
        }
        Some(count) if ACTIONS_MAX < count => {
            // The service prints all of them; their number says the same.
            let constraint = format!("have length less than or equal to {ACTIONS_MAX}");
            fields.violation(Some(&format!("[{count}]")), "transactItems", &constraint);
        }
        Some(_) => {}
    }
}

fn take_action(fields: &mut Fields<'_>, kind: ActionKind) -> Result<ActionFields, Fault> {
    let table_name = fields.table_name()?;
    let (member, path) = match kind {
        ActionKind::Put => ("Item", "item"),
        ActionKind::Check | ActionKind::Update | ActionKind::Delete => ("Key", "key"),
    };
    let attributes = fields.attributes(member)?;
    if attributes.is_none() {
        fields.violation(None, path, "not be null");
    }
    let takes = match kind {
        ActionKind::Update => Takes::Update,
        ActionKind::Check | ActionKind::Put | ActionKind::Delete => Takes::Condition,
    };
    let expressions = ExpressionFields::take_expressions(fields, takes)?;
    if kind == ActionKind::Check && !expressions.has_condition() {
        fields.violation(None, "conditionExpression", "not be null");
    }
    if kind == ActionKind::Update && !expressions.has_update() {
        fields.violation(None, "updateExpression", "not be null");
    }
    Ok(ActionFields {
        table_name,
        kind,
        attributes: attributes.unwrap_or_else(|| Ok(Attributes::new())),
        expressions,
        on_failure: writes::take_on_failure(fields)?,
    })
}

fn judge(action: ActionFields) -> Result<Action, Fault> {
    action.expressions.judge(match action.kind {
        ActionKind::Update => Takes::Update,
        ActionKind::Check | ActionKind::Put | ActionKind::Delete => Takes::Condition,
    })?;
    let attributes = action.attributes?;
    if model::limits::DYNAMODB_ITEM_BYTES_MAX < value::size(&attributes) {
        return Err(Fault::validation(
            "Item size has exceeded the maximum allowed size",
        ));
    }
    Ok(Action {
        table_name: action.table_name,
        kind: action.kind,
        attributes,
        expressions: action.expressions.read()?,
        on_failure: action.on_failure,
    })
}
