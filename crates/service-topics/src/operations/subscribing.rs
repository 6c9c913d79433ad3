//! Subscribing.
//!
//! Lives here: who can be subscribed, what subscribing twice means, asking endpoints for their consent.
//! Does not live here: their answer (`confirming`), attributes (`subscription_attributes`).
//!
//! Contract: Amazon SNS API Reference, `Subscribe`; transcripts of the service's answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::arn::Arn;
use model::delivery::Delivery;

use super::subscription_attributes::{Of, checked, is_flat_where_it_must_be};
use super::{Answer, Call, answer, sms};
use crate::form::{attributes, required};
use crate::publishing::confirmation;
use crate::refusal::Refusal;
use crate::service::Inner;
use crate::state::catalogue::{Change, Region};
use crate::state::subscription::{Protocol, Record, SCOPE_ATTRIBUTES, Status, Subscription};
use crate::state::topic::Topic;

/// Amazon SNS endpoints and quotas: subscriptions of a FIFO topic.
const FIFO_SUBSCRIPTIONS_MAX: usize = 100;
/// Subscriptions of a standard topic. The service has 12,500,000; here all of a topic are in memory.
const SUBSCRIPTIONS_MAX: usize = 100_000;
const FIFO_SUFFIX: &str = ".fifo";
/// Bytes of a token; twice as many characters.
const TOKEN_BYTES: usize = 112;

/// A subscription as it is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Its id, where it is known before.
    pub(crate) id: Option<String>,
    pub(crate) protocol: Protocol,
    pub(crate) endpoint: String,
    pub(crate) attributes: Vec<(String, String)>,
    /// The ARN of whoever subscribes.
    pub(crate) principal: String,
    pub(crate) owner: String,
}

pub(super) async fn subscribe(call: Call<'_>) -> Result<Answer, Refusal> {
    let arn = call.topic_arn("TopicArn")?;
    let name = required(call.form, "Protocol")?;
    let endpoint = call.form.text("Endpoint").unwrap_or_default();
    let protocol = protocol(name)?;
    let region = call.region_of(&arn).await?;
    let topic = region.topic(&arn.name);
    let topic = topic.ok_or_else(|| Refusal::not_found("Topic"))?;
    let wanted = Wanted {
        id: None,
        protocol,
        endpoint: endpoint.to_owned(),
        attributes: attributes(call.form, "Attributes"),
        principal: call.call.caller.arn().to_string(),
        owner: call.call.account.to_string(),
    };
    let subscription = make(call.service, &region, &topic, &wanted).await?;
    let is_arn_wanted = call.form.text("ReturnSubscriptionArn") == Some("true");
    let shown = match subscription.record.status {
        Status::Pending if !is_arn_wanted => "pending confirmation".to_owned(),
        Status::Pending | Status::Confirmed | Status::Ended => subscription.arn(&topic.arn),
    };
    answer(move |xml| xml.text("SubscriptionArn", &shown))
}

/// The protocol with this name.
pub(crate) fn protocol(name: &str) -> Result<Protocol, Refusal> {
    if name == "firehose" {
        return Err(Refusal::not_implemented("the protocol firehose"));
    }
    Protocol::read(name).ok_or_else(|| {
        Refusal::parameter(format!(
            "Amazon SNS does not support this protocol string: {name}"
        ))
    })
}

/// Subscribes, or finds the subscription that is just like it. An endpoint that has not confirmed is asked again.
pub(crate) async fn make(
    service: &Inner,
    region: &Region,
    topic: &Topic,
    wanted: &Wanted,
) -> Result<Arc<Subscription>, Refusal> {
    check_endpoint(topic, wanted)?;
    let of = Of {
        topic,
        protocol: wanted.protocol,
        endpoint: &wanted.endpoint,
    };
    let mut attributes = BTreeMap::new();
    for (name, value) in &wanted.attributes {
        let checked = checked(of, name, value).map_err(Refusal::of_attributes)?;
        if let Some(value) = checked {
            attributes.insert(name.clone(), value);
        }
    }
    is_flat_where_it_must_be(&attributes).map_err(Refusal::of_attributes)?;
    let _turn = region.turn.lock().await;
    let topic = region.topic(&topic.record.name);
    let topic = topic.ok_or_else(|| Refusal::not_found("Topic"))?;
    let name = &topic.record.name;
    let known = region.subscription_of(name, wanted.protocol, &wanted.endpoint);
    let now = service.clock.now();
    let token = wanted
        .protocol
        .is_confirmed_by_endpoint()
        .then(|| token(service));
    let record = match known {
        Some(known) => {
            is_like(&known, &attributes)?;
            if known.record.status == Status::Confirmed {
                return Ok(known);
            }
            Record {
                token,
                token_at: now,
                ..known.record.clone()
            }
        }
        None => {
            has_room(&topic, region.subscriptions_count(name))?;
            let status = match token {
                Some(_) => Status::Pending,
                None => Status::Confirmed,
            };
            Record {
                id: id(service, wanted),
                topic: topic.record.name.clone(),
                protocol: wanted.protocol,
                endpoint: wanted.endpoint.clone(),
                owner: wanted.owner.clone(),
                principal: wanted.principal.clone(),
                status,
                token,
                token_at: now,
                attributes,
                confirmed_by_signature: status == Status::Confirmed,
                kept_from_strangers: false,
            }
        }
    };
    let made = Subscription::new(record.clone());
    let asked: Vec<Delivery> = confirmation::ask(service, &topic, &made)?
        .into_iter()
        .collect();
    let change = Change::PutSubscription(Box::new(record));
    service
        .catalogue
        .change(region, vec![change], &asked)
        .await?;
    Ok(Arc::new(made))
}

fn id(service: &Inner, wanted: &Wanted) -> String {
    let drawn = || service.random.request_id().to_string();
    wanted.id.clone().unwrap_or_else(drawn)
}

/// A token that nobody can guess.
pub(crate) fn token(service: &Inner) -> String {
    let mut bytes = [0; TOKEN_BYTES];
    service.random.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn has_room(topic: &Topic, count: usize) -> Result<(), Refusal> {
    let most = if topic.is_fifo() {
        FIFO_SUBSCRIPTIONS_MAX
    } else {
        SUBSCRIPTIONS_MAX
    };
    if count < most {
        return Ok(());
    }
    let message = "You have reached the maximum number of subscriptions for this topic";
    let status = http::StatusCode::FORBIDDEN;
    Err(Refusal::new(status, "SubscriptionLimitExceeded", message))
}

/// What is said of a subscription that is there must be true of it; what is not said may be anything.
fn is_like(known: &Subscription, attributes: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let default = |name: &str| match name {
        "FilterPolicyScope" => Some(SCOPE_ATTRIBUTES),
        "RawMessageDelivery" => Some("false"),
        _ => None,
    };
    let is_set = |(name, value): (&String, &String)| {
        known.attribute(name).or_else(|| default(name)) == Some(value)
    };
    if attributes.iter().all(is_set) {
        return Ok(());
    }
    Err(Refusal::parameter(
        "Attributes Reason: Subscription already exists with different attributes",
    ))
}

fn check_endpoint(topic: &Topic, wanted: &Wanted) -> Result<(), Refusal> {
    let endpoint = wanted.endpoint.as_str();
    let is_of = |service: &str| Arn::parse(endpoint).is_ok_and(|arn| arn.service == service);
    let demand = |is_met: bool, what: &str| {
        if is_met {
            Ok(())
        } else {
            Err(Refusal::parameter(what))
        }
    };
    let name = wanted.protocol.as_str();
    if topic.is_fifo() && wanted.protocol != Protocol::Sqs {
        return Err(Refusal::parameter(format!("Invalid protocol type: {name}")));
    }
    match wanted.protocol {
        Protocol::Sqs => {
            demand(is_of("sqs"), "SQS endpoint ARN")?;
            demand(
                topic.is_fifo() || !endpoint.ends_with(FIFO_SUFFIX),
                "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
            )
        }
        Protocol::Lambda => demand(is_of("lambda"), "Lambda endpoint ARN"),
        Protocol::Application => demand(
            is_of("sns") && endpoint.contains(":endpoint/"),
            "Application endpoint arn",
        ),
        Protocol::Http | Protocol::Https => {
            let rest = endpoint
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix("://"));
            let is_address = rest.is_some_and(|rest| !rest.is_empty());
            let is_uri = endpoint
                .parse::<http::Uri>()
                .is_ok_and(|uri| uri.host().is_some());
            demand(
                is_address && is_uri,
                "Endpoint must match the specified protocol",
            )
        }
        Protocol::Email | Protocol::EmailJson => demand(endpoint.contains('@'), "Email address"),
        Protocol::Sms if sms::is_number(endpoint) => Ok(()),
        Protocol::Sms => Err(Refusal::invalid(format!(
            "Invalid SMS endpoint: {endpoint}"
        ))),
    }
}
