//! Showing, listing and ending subscriptions.
//!
//! Lives here: `GetSubscriptionAttributes`, `ListSubscriptions`, `ListSubscriptionsByTopic`, `Unsubscribe`.
//! Does not live here: setting attributes (`subscription_attributes`), what an endpoint is told (`publishing::confirmation`).

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_wire::xml::Xml;
use model::delivery::Delivery;
use model::principal::Principal;

use super::confirming::TOKEN_HOLDS_FOR;
use super::{Answer, Call, answer, page, write_map};
use crate::arns::{SubscriptionArn, TopicArn};
use crate::form::required;
use crate::publishing::confirmation;
use crate::refusal::Refusal;
use crate::service::Inner;
use crate::state::catalogue::{Change, Region};
use crate::state::delivery_policy;
use crate::state::subscription::{Record, SCOPE_ATTRIBUTES, Status, Subscription};
use crate::state::topic::Topic;

/// Subscriptions that were ended, and that one call removes for good at most.
const STALE_AT_ONCE_MAX: usize = 100;

pub(super) async fn attributes(call: Call<'_>) -> Result<Answer, Refusal> {
    let text = required(call.form, "SubscriptionArn")?;
    let arn = SubscriptionArn::read(text, call.own_region())?;
    let region = call.region_of(&arn.topic).await?;
    let missing = || Refusal::not_found("Subscription");
    let subscription = region
        .subscription(&arn.topic.name, &arn.id)
        .filter(|one| one.record.status != Status::Ended)
        .ok_or_else(missing)?;
    let topic = region.topic(&arn.topic.name).ok_or_else(missing)?;
    let shown = shown(&topic, &subscription);
    answer(move |xml| {
        let pairs = shown
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        write_map(xml, "Attributes", pairs);
    })
}

fn shown(topic: &Topic, subscription: &Subscription) -> BTreeMap<String, String> {
    let record = &subscription.record;
    let mut shown = record.attributes.clone();
    if shown.contains_key("FilterPolicy") {
        shown
            .entry("FilterPolicyScope".to_owned())
            .or_insert_with(|| SCOPE_ATTRIBUTES.to_owned());
    } else {
        // The service tells of it only when there is a policy.
        shown.remove("FilterPolicyScope");
    }
    let _known = shown
        .entry("RawMessageDelivery".to_owned())
        .or_insert_with(|| "false".to_owned());
    if record.protocol.is_http() {
        let effective = delivery_policy::effective_of_subscription(topic, subscription);
        shown.insert("EffectiveDeliveryPolicy".to_owned(), effective.to_string());
    }
    let is_pending = record.status == Status::Pending;
    for (name, value) in [
        ("SubscriptionArn", subscription.arn(&topic.arn)),
        ("TopicArn", topic.arn.arn().to_string()),
        ("Owner", record.owner.clone()),
        ("Protocol", record.protocol.as_str().to_owned()),
        ("Endpoint", record.endpoint.clone()),
        ("PendingConfirmation", is_pending.to_string()),
        (
            "ConfirmationWasAuthenticated",
            record.confirmed_by_signature.to_string(),
        ),
        ("SubscriptionPrincipal", record.principal.clone()),
    ] {
        shown.insert(name.to_owned(), value);
    }
    shown
}

pub(super) async fn list(call: Call<'_>) -> Result<Answer, Refusal> {
    let region = call.own().await?;
    let all = region.topics().into_iter().flat_map(|topic| {
        let subscriptions = region.subscriptions(&topic.record.name);
        let listed: Vec<_> = subscriptions.values().map(Arc::clone).collect();
        listed.into_iter().map(move |one| (topic.arn.clone(), one))
    });
    listed(call, all.collect())
}

pub(super) async fn list_by_topic(call: Call<'_>) -> Result<Answer, Refusal> {
    let (region, topic) = call.topic("TopicArn").await?;
    let subscriptions = region.subscriptions(&topic.record.name);
    let all = subscriptions.values();
    listed(
        call,
        all.map(|one| (topic.arn.clone(), Arc::clone(one)))
            .collect(),
    )
}

fn listed(call: Call<'_>, mut all: Vec<(TopicArn, Arc<Subscription>)>) -> Result<Answer, Refusal> {
    all.retain(|(_, one)| one.record.status != Status::Ended);
    let name = |(topic, one): &(TopicArn, Arc<Subscription>)| {
        // A space stands before whatever a name can hold, so this sorts as the list does.
        format!("{} {}", topic.name, one.record.id)
    };
    let (page, next) = page(&all, call.form.text("NextToken"), name)?;
    answer(move |xml| {
        xml.element("Subscriptions", |xml| {
            for (topic, one) in &page {
                xml.element("member", |xml| write(xml, topic, one));
            }
        });
        xml.optional("NextToken", next.as_deref());
    })
}

fn write(xml: &mut Xml, topic: &TopicArn, subscription: &Subscription) {
    let record = &subscription.record;
    xml.text("Owner", &record.owner);
    xml.text("Protocol", record.protocol.as_str());
    xml.text("Endpoint", &record.endpoint);
    let arn = match record.status {
        Status::Pending => "PendingConfirmation".to_owned(),
        Status::Confirmed | Status::Ended => subscription.arn(topic),
    };
    xml.text("SubscriptionArn", &arn);
    xml.text("TopicArn", &topic.arn().to_string());
}

pub(super) async fn unsubscribe(call: Call<'_>) -> Result<Answer, Refusal> {
    let text = required(call.form, "SubscriptionArn")?;
    let arn = SubscriptionArn::read(text, call.own_region())?;
    let region = call.region_of(&arn.topic).await?;
    let known = region.subscription(&arn.topic.name, &arn.id);
    let is_stranger = matches!(call.call.caller, Principal::Anonymous { .. });
    if is_stranger && known.is_some_and(|one| one.record.kept_from_strangers) {
        return Err(Refusal::unauthorized(
            "this subscription can only be ended by a signed request",
        ));
    }
    end(call.service, &region, &arn).await?;
    Ok(None)
}

/// Ends a subscription. One that is not there is no error. An endpoint is told, and may restore it.
pub(crate) async fn end(
    service: &Inner,
    region: &Region,
    arn: &SubscriptionArn,
) -> Result<(), Refusal> {
    let _turn = region.turn.lock().await;
    let topic = region.topic(&arn.topic.name);
    let known = region.subscription(&arn.topic.name, &arn.id);
    let (Some(topic), Some(known)) = (topic, known) else {
        return Ok(());
    };
    if known.record.status == Status::Ended {
        return Ok(());
    }
    let mut counted = topic.record.clone();
    counted.subscriptions_deleted = counted.subscriptions_deleted.saturating_add(1);
    let mut changes = vec![Change::PutTopic(Topic::new(counted, &region.place))];
    let is_told = known.record.protocol.is_http() && known.record.status == Status::Confirmed;
    let mut told: Vec<Delivery> = Vec::new();
    if is_told {
        let record = Record {
            status: Status::Ended,
            token: Some(super::subscribing::token(service)),
            token_at: service.clock.now(),
            ..known.record.clone()
        };
        let ended = Subscription::new(record.clone());
        told.extend(confirmation::ask(service, &topic, &ended)?);
        changes.push(Change::PutSubscription(Box::new(record)));
    } else {
        changes.push(Change::DeleteSubscription {
            topic: arn.topic.name.clone(),
            id: arn.id.clone(),
        });
    }
    let stale = stale(service, region, &arn.topic.name);
    changes.extend(stale);
    service.catalogue.change(region, changes, &told).await
}

/// Removes subscriptions that ended so long ago that nobody can restore them.
fn stale(service: &Inner, region: &Region, topic: &str) -> Vec<Change> {
    let now = service.clock.now();
    let is_stale = |one: &&Arc<Subscription>| {
        one.record.status == Status::Ended && TOKEN_HOLDS_FOR < now.since(one.record.token_at)
    };
    let subscriptions = region.subscriptions(topic);
    let stale = subscriptions
        .values()
        .filter(is_stale)
        .take(STALE_AT_ONCE_MAX);
    let change = |one: &Arc<Subscription>| Change::DeleteSubscription {
        topic: topic.to_owned(),
        id: one.record.id.clone(),
    };
    stale.map(change).collect()
}
