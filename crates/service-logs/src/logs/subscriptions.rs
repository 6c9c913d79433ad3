//! Subscription filters: who gets what comes in.
//!
//! Contract: `PutSubscriptionFilter`; the words are those of the recorded answers.

use interfaces::authorize::Denied;
use model::arn::Arn;
use model::principal::Principal;
use serde_json::{Value, json};

use super::Context;
use super::groups::find;
use crate::engine::append::PRINCIPAL;
use crate::engine::catalogue::Change;
use crate::engine::rows::Subscription;
use crate::engine::state::{State, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, Text, group_name, page, paged, set};
use crate::filter::Pattern;

/// Contract: CloudWatch Logs quotas.
const SUBSCRIPTIONS_MAX: usize = 2;
/// What the service says when it may not act as the role, too: it tries with a message.
const NOT_DELIVERED: &str = "Could not deliver test message to specified Kinesis stream. Check if the given kinesis stream \
                             is in ACTIVE state.";

pub(super) async fn put_subscription_filter(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse(
        "PutSubscriptionFilter",
        &[
            "applyOnTransformedLogs",
            "fieldSelectionCriteria",
            "emitSystemFields",
        ],
    )?;
    let group = group_name(&mut fields, "logGroupName")?;
    let subscription = Subscription {
        name: fields.required("filterName", &Text::long(1, 512)),
        pattern: fields
            .text("filterPattern", &Text::long(0, 1_024))
            .unwrap_or_default(),
        destination: fields.required("destinationArn", &Text::long(1, 2_048)),
        role: fields.text("roleArn", &Text::long(1, 2_048)),
        distribution: fields
            .text("distribution", &Text::one_of(&["Random", "ByLogStream"]))
            .unwrap_or_else(|| "ByLogStream".to_owned()),
        created_ms: context.catalogue.now_ms(),
    };
    fields.finish()?;
    judge(context, &subscription)?;
    if role_of(context, &group, &subscription).is_err() {
        return Err(Fault::parameter(NOT_DELIVERED));
    }
    put(context, &group, subscription).await?;
    Ok(Value::Null)
}

/// Makes a subscription, or changes it.
pub(crate) async fn put(
    context: &Context<'_>,
    group: &str,
    wanted: Subscription,
) -> Result<(), Fault> {
    judge(context, &wanted)?;
    Pattern::parse(&wanted.pattern).map_err(|error| Fault::parameter(error.reason))?;
    let decide = |state: &State| {
        let mut row = find(state, group)?.row.clone();
        let is_full = SUBSCRIPTIONS_MAX <= row.subscriptions.len();
        match row
            .subscriptions
            .iter_mut()
            .find(|there| there.name == wanted.name)
        {
            Some(there) => {
                *there = Subscription {
                    created_ms: there.created_ms,
                    ..wanted
                };
            }
            None if is_full => return Err(Fault::limit()),
            None => row.subscriptions.push(wanted),
        }
        Ok(((), Change::one(Step::PutGroup(row))))
    };
    context.catalogue.change(context.place, decide).await
}

/// The same for a template, which may name a role of the account that it is written for, which is not here: then nothing is
/// delivered until somebody makes it.
pub(crate) async fn put_declared(
    context: &Context<'_>,
    group: &str,
    wanted: Subscription,
) -> Result<(), Fault> {
    match role_of(context, group, &wanted) {
        Err(denied) if !denied.is_of_unknown_role() => Err(Fault::parameter(NOT_DELIVERED)),
        Ok(()) | Err(_) => put(context, group, wanted).await,
    }
}

/// Whether a role that is handed over lets the service act as it.
fn role_of(context: &Context<'_>, group: &str, wanted: &Subscription) -> Result<(), Denied> {
    let Some(Ok(role)) = wanted.role.as_deref().map(Arn::parse) else {
        return Ok(());
    };
    let acting = Principal::Acting {
        account: context.place.account.clone(),
        role,
        name: group.to_owned(),
        service: PRINCIPAL.to_owned(),
        source: Some(Box::new(context.place.source_arn(group))),
    };
    context.catalogue.authorize.authorize(&acting, &[])
}

fn judge(context: &Context<'_>, wanted: &Subscription) -> Result<(), Fault> {
    let arn = Arn::parse(&wanted.destination)
        .map_err(|_| Fault::parameter("destinationArn is not an ARN."))?;
    match (arn.service.as_str(), &wanted.role) {
        ("lambda", _) if arn.account != context.place.account.as_str() => Err(Fault::new(
            "AccessDeniedException",
            "Cross-account lambda invocation passing is not allowed. You must use DestinationPolicies to create cross \
             account lambda triggers.",
        )),
        ("lambda", _) if arn.function().is_none() => Err(Fault::parameter(
            "destinationArn is not the ARN of a function.",
        )),
        (_, Some(role)) if Arn::parse(role).is_err() => {
            Err(Fault::parameter("roleArn is not an ARN."))
        }
        ("kinesis", None) => Err(Fault::parameter(
            "destinationArn for vendor kinesis cannot be used without roleArn",
        )),
        ("lambda", None) | ("kinesis", Some(_)) => Ok(()),
        ("lambda", Some(_)) => Err(Fault::parameter(
            "destinationArn for vendor lambda cannot be used with roleArn",
        )),
        (service, _) => Err(Fault::not_implemented(&format!(
            "a subscription of the service {service}"
        ))),
    }
}

pub(super) async fn delete_subscription_filter(
    context: &Context<'_>,
    mut fields: Fields,
) -> Answer {
    let group = group_name(&mut fields, "logGroupName")?;
    let name = fields.required("filterName", &Text::long(1, 512));
    fields.finish()?;
    delete(context, &group, &name).await?;
    Ok(Value::Null)
}

pub(crate) async fn delete(context: &Context<'_>, group: &str, name: &str) -> Result<(), Fault> {
    let decide = |state: &State| {
        let mut row = find(state, group)?.row.clone();
        let before = row.subscriptions.len();
        row.subscriptions.retain(|there| there.name != name);
        match row.subscriptions.len() < before {
            true => Ok(((), Change::one(Step::PutGroup(row)))),
            false => Err(Fault::not_found(
                "The specified subscription filter does not exist.",
            )),
        }
    };
    context.catalogue.change(context.place, decide).await
}

pub(super) async fn describe_subscription_filters(
    context: &Context<'_>,
    mut fields: Fields,
) -> Answer {
    let group = group_name(&mut fields, "logGroupName")?;
    let prefix = fields
        .text("filterNamePrefix", &Text::long(1, 512))
        .unwrap_or_default();
    let limit = fields.limit("limit", 50, 50);
    let token = fields.text("nextToken", &Text::long(1, usize::MAX));
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let mut there: Vec<&Subscription> = find(state, &group)?.row.subscriptions.iter().collect();
        there.retain(|one| one.name.starts_with(&prefix));
        there.sort_by_key(|one| &one.name);
        let shown = there.into_iter().map(|one| {
            let shown = json!({
                "filterName": one.name,
                "logGroupName": group,
                "filterPattern": one.pattern,
                "destinationArn": one.destination,
                "roleArn": one.role,
                "distribution": one.distribution,
                "applyOnTransformedLogs": false,
                "creationTime": one.created_ms,
            });
            (one.name.clone(), set(shown))
        });
        let (listed, token) = page(shown, limit, token.as_deref())?;
        Ok(paged("subscriptionFilters", listed, token))
    })
}
