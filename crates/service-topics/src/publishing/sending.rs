//! From a message to deliveries.
//!
//! Lives here: who gets a message and in which shape, duplicates and numbers of FIFO topics, the commit.
//! Does not live here: the shapes (`envelope`), retries (`event-delivery`).
//!
//! Contract: Amazon SNS Developer Guide, "Amazon SNS message delivery retries", "Message delivery for FIFO topics".

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::arn::Arn;
use model::delivery::{Delivery, Message, Retries, Sender, SenderPrincipal, Target};
use model::time::Timestamp;

use super::attributes::candidate;
use super::confirmation::{header, headers};
use super::envelope::{Published, Seal};
use super::message::Draft;
use crate::filter::Candidate;
use crate::refusal::Refusal;
use crate::service::Inner;
use crate::state::catalogue::Region;
use crate::state::deduplication::{Seen, sequence_number};
use crate::state::delivery_policy;
use crate::state::subscription::{Protocol, Scope, Status, Subscription};
use crate::state::topic::{DeduplicationScope, Topic};
use crate::times::iso;

/// As whom topics send.
pub(crate) const PRINCIPAL: &str = "sns.amazonaws.com";

/// Queues and functions: 100,015 tries over 23 days.
const OWN_RETRIES: Retries = Retries {
    retries_max: 100_015,
    age_max: Duration::from_hours(23 * 24),
};
/// Addresses: the tries of their policy, for as long as that may take.
const HTTP_AGE_MAX: Duration = Duration::from_hours(5 * 24);
/// What one commit of deliveries comes to at most, in bytes of bodies and in number. More subscriptions than that get a message in
/// several commits: if a crash comes between them, whoever published has no answer yet, and publishes again.
const COMMIT_BYTES_MAX: usize = 16 * 1024 * 1024;
const COMMIT_DELIVERIES_MAX: usize = 4_000;
const FIFO_SUFFIX: &str = ".fifo";

/// A message that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) message_id: String,
    pub(crate) sequence: Option<String>,
}

/// Rows of duplicates: the key, and its value unless it is removed.
type Rows = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Publishes messages to a topic, in order: all of them, or none that anybody was told of.
pub(crate) async fn send(
    service: &Inner,
    region: &Region,
    topic: &Topic,
    drafts: &[Draft],
) -> Result<Vec<Sent>, Refusal> {
    for draft in drafts {
        draft.check_ids(topic)?;
    }
    if topic.is_fifo() {
        return send_in_order(service, region, topic, drafts).await;
    }
    let subscriptions = region.subscriptions(&topic.record.name);
    let subscriptions: Vec<_> = subscriptions.values().collect();
    let mut commit = Commit::new(service, region);
    let mut sent = Vec::new();
    for draft in drafts {
        let message_id = service.random.request_id().to_string();
        let sending = Sending::new(service, topic, draft, &message_id, None);
        commit.deliver(sending, &subscriptions).await?;
        sent.push(Sent {
            message_id,
            sequence: None,
        });
    }
    commit.finish(Vec::new()).await?;
    Ok(sent)
}

/// Of a FIFO topic one message at a time is published: its number is its place.
async fn send_in_order(
    service: &Inner,
    region: &Region,
    topic: &Topic,
    drafts: &[Draft],
) -> Result<Vec<Sent>, Refusal> {
    let name = &topic.record.name;
    let recent = region.recent(name);
    let mut recent = recent.lock().await;
    let subscriptions = region.subscriptions(name);
    let subscriptions: Vec<_> = subscriptions.values().collect();
    let now = service.clock.now();
    let place = &region.place;
    let mut rows: Rows = Vec::new();
    let mut commit = Commit::new(service, region);
    let mut sent = Vec::new();
    // What is new is remembered once it is kept.
    let mut fresh: Vec<(String, Seen)> = Vec::new();
    for draft in drafts {
        let known_by = scoped(topic, draft);
        let among = |(id, _): &&(String, Seen)| *id == known_by;
        let known = recent.find(&known_by, now).cloned();
        let known = known.or_else(|| fresh.iter().find(among).map(|(_, seen)| seen.clone()));
        if let Some(known) = known {
            sent.push(accepted(&known));
            continue;
        }
        let seen = Seen {
            message_id: service.random.request_id().to_string(),
            sequence: recent.next(now),
            at: now,
        };
        let number = sequence_number(seen.sequence);
        let sending = Sending::new(service, topic, draft, &seen.message_id, Some(number));
        commit.deliver(sending, &subscriptions).await?;
        let row = serde_json::to_vec(&seen).unwrap_or_default();
        rows.push((place.deduplication(name, &known_by), Some(row)));
        sent.push(accepted(&seen));
        fresh.push((known_by, seen));
    }
    let is_again = |id: &String| fresh.iter().any(|(other, _)| other == id);
    for id in recent.expire(now) {
        if !is_again(&id) {
            rows.push((place.deduplication(name, &id), None));
        }
    }
    commit.finish(rows).await?;
    for (id, seen) in fresh {
        recent.add(id, seen);
    }
    Ok(sent)
}

fn accepted(seen: &Seen) -> Sent {
    Sent {
        message_id: seen.message_id.clone(),
        sequence: Some(sequence_number(seen.sequence)),
    }
}

/// By what a message is known, within what it is compared with.
fn scoped(topic: &Topic, draft: &Draft) -> String {
    let id = draft.known_by();
    match topic.deduplication_scope() {
        DeduplicationScope::Topic => id.to_owned(),
        DeduplicationScope::MessageGroup => {
            format!("{} {id}", draft.group.as_deref().unwrap_or_default())
        }
    }
}

/// Who sends: the service, for a topic.
pub(super) fn sender(topic: &Topic) -> Sender {
    Sender {
        principal: SenderPrincipal::Service(PRINCIPAL.to_owned()),
        source: Some(topic.arn.arn()),
        account: topic.arn.account.clone(),
    }
}

/// How often an address is tried, and how long it is waited before.
pub(super) fn http_retries(topic: &Topic, subscription: &Subscription) -> (Retries, Vec<u32>) {
    let (_, delays) = delivery_policy::of_requests(topic, subscription);
    let retries = Retries {
        retries_max: u32::try_from(delays.len()).unwrap_or(u32::MAX),
        age_max: HTTP_AGE_MAX,
    };
    (retries, delays)
}

/// Deliveries that are written together.
struct Commit<'c> {
    service: &'c Inner,
    region: &'c Region,
    deliveries: Vec<Delivery>,
    bytes: usize,
}

impl<'c> Commit<'c> {
    fn new(service: &'c Inner, region: &'c Region) -> Self {
        Self {
            service,
            region,
            deliveries: Vec::new(),
            bytes: 0,
        }
    }

    async fn deliver(
        &mut self,
        mut sending: Sending<'_>,
        subscriptions: &[&Arc<Subscription>],
    ) -> Result<(), Refusal> {
        for subscription in subscriptions {
            if !sending.is_for(subscription) {
                continue;
            }
            let Some(delivery) = sending.delivery(subscription)? else {
                continue;
            };
            self.bytes += delivery.message.body.len();
            self.deliveries.push(delivery);
            if COMMIT_BYTES_MAX <= self.bytes || COMMIT_DELIVERIES_MAX <= self.deliveries.len() {
                self.write(Vec::new()).await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, rows: Rows) -> Result<(), Refusal> {
        let deliveries = std::mem::take(&mut self.deliveries);
        self.bytes = 0;
        let catalogue = &self.service.catalogue;
        catalogue.publish(self.region, &deliveries, rows).await
    }

    async fn finish(mut self, rows: Rows) -> Result<(), Refusal> {
        self.write(rows).await
    }
}

/// A message on its way to the subscriptions of its topic.
struct Sending<'s> {
    service: &'s Inner,
    topic: &'s Topic,
    draft: &'s Draft,
    message_id: &'s str,
    sequence: Option<String>,
    now: Timestamp,
    timestamp: String,
    topic_arn: String,
    by_attributes: Option<Candidate>,
    by_body: HashMap<&'s str, Candidate>,
    seals: HashMap<&'s str, Seal>,
}

impl<'s> Sending<'s> {
    fn new(
        service: &'s Inner,
        topic: &'s Topic,
        draft: &'s Draft,
        message_id: &'s str,
        sequence: Option<String>,
    ) -> Self {
        let now = service.clock.now();
        Self {
            service,
            topic,
            draft,
            message_id,
            sequence,
            now,
            timestamp: iso(now),
            topic_arn: topic.arn.arn().to_string(),
            by_attributes: None,
            by_body: HashMap::new(),
            seals: HashMap::new(),
        }
    }

    /// Whether a subscription is there and wants the message.
    fn is_for(&mut self, subscription: &Subscription) -> bool {
        if subscription.record.status != Status::Confirmed {
            return false;
        }
        let Some(filter) = &subscription.filter else {
            return true;
        };
        let draft = self.draft;
        let candidate = match subscription.scope() {
            Scope::Attributes => self
                .by_attributes
                .get_or_insert_with(|| candidate(&draft.attributes)),
            Scope::Body => {
                let text = draft.texts.of(subscription.record.protocol);
                self.by_body
                    .entry(text)
                    .or_insert_with(|| Candidate::of_body(text))
            }
        };
        filter.matches(candidate)
    }

    /// What goes to one subscription; none: its endpoint is of a kind that nothing is sent to.
    fn delivery(&mut self, subscription: &Subscription) -> Result<Option<Delivery>, Refusal> {
        let record = &subscription.record;
        let subscription_arn = subscription.arn(&self.topic.arn);
        let resource = || Arn::parse(&record.endpoint).ok().map(Target::Resource);
        let (target, message, retries) = match record.protocol {
            Protocol::Sqs => {
                let message = self.for_queue(subscription, &subscription_arn)?;
                (resource(), message, OWN_RETRIES)
            }
            Protocol::Lambda => {
                let message = self.for_function(&subscription_arn)?;
                (resource(), message, OWN_RETRIES)
            }
            Protocol::Http | Protocol::Https => {
                let (message, retries) = self.for_address(subscription, &subscription_arn)?;
                (Some(Target::Url(record.endpoint.clone())), message, retries)
            }
            Protocol::Email | Protocol::EmailJson | Protocol::Sms | Protocol::Application => {
                return Ok(None);
            }
        };
        let Some(target) = target else {
            return Ok(None);
        };
        let group = self.draft.group.as_deref().filter(|_| self.topic.is_fifo());
        Ok(Some(Delivery {
            id: self.message_id.to_owned(),
            target,
            sender: sender(self.topic),
            message,
            retries,
            dead_letters: subscription.dead_letters(),
            order: group.map(|group| format!("{subscription_arn} {group}")),
            accepted_at: self.now,
        }))
    }

    fn for_queue(
        &mut self,
        subscription: &Subscription,
        subscription_arn: &str,
    ) -> Result<Message, Refusal> {
        let is_fifo_queue = subscription.record.endpoint.ends_with(FIFO_SUFFIX);
        // Groups go to FIFO queues from FIFO topics, and to standard queues from standard ones.
        let is_grouped = is_fifo_queue == self.topic.is_fifo();
        let draft = self.draft;
        let message = self.plain(subscription, subscription_arn)?;
        let deduplication = (is_fifo_queue && self.topic.is_fifo()).then(|| draft.known_by());
        Ok(Message {
            group: draft.group.clone().filter(|_| is_grouped),
            deduplication: deduplication.map(str::to_owned),
            ..message
        })
    }

    fn for_function(&mut self, subscription_arn: &str) -> Result<Message, Refusal> {
        let text = self.draft.texts.of(Protocol::Lambda);
        let seal = self.seal(text)?;
        let url = self.unsubscribe_url(subscription_arn);
        let published = self.published();
        let event = published.event(text, &seal, subscription_arn, &url);
        let given_up = published.notification(text, Some(&seal), &url);
        let trace = self.draft.trace.clone();
        Ok(Message {
            body: event.into(),
            dead_letter: Some(Box::new(Message {
                body: given_up.into(),
                trace: trace.clone(),
                ..Message::default()
            })),
            trace,
            ..Message::default()
        })
    }

    fn for_address(
        &mut self,
        subscription: &Subscription,
        subscription_arn: &str,
    ) -> Result<(Message, Retries), Refusal> {
        let given_up = self.plain(subscription, subscription_arn)?;
        let (content_type, _) = delivery_policy::of_requests(self.topic, subscription);
        let ids = (
            self.message_id,
            self.topic_arn.as_str(),
            Some(subscription_arn),
        );
        let mut attributes = headers("Notification", ids, &content_type);
        if subscription.is_raw() {
            attributes.push(header("x-amz-sns-rawdelivery", "true"));
        }
        let (retries, retry_delays_s) = http_retries(self.topic, subscription);
        let message = Message {
            body: given_up.body.clone(),
            attributes,
            trace: self.draft.trace.clone(),
            dead_letter: Some(Box::new(given_up)),
            retry_delays_s,
            ..Message::default()
        };
        Ok((message, retries))
    }

    /// The notification, or the bare message with its attributes.
    fn plain(
        &mut self,
        subscription: &Subscription,
        subscription_arn: &str,
    ) -> Result<Message, Refusal> {
        let draft = self.draft;
        let text = draft.texts.of(subscription.record.protocol);
        if subscription.is_raw() {
            return Ok(Message {
                body: text.to_owned().into(),
                attributes: draft.attributes.clone(),
                trace: draft.trace.clone(),
                ..Message::default()
            });
        }
        // Messages of FIFO topics are not signed.
        let seal = if self.topic.is_fifo() {
            None
        } else {
            Some(self.seal(text)?)
        };
        let url = self.unsubscribe_url(subscription_arn);
        let body = self.published().notification(text, seal.as_ref(), &url);
        Ok(Message {
            body: body.into(),
            trace: draft.trace.clone(),
            ..Message::default()
        })
    }

    fn published(&self) -> Published<'_> {
        Published {
            id: self.message_id,
            topic_arn: &self.topic_arn,
            subject: self.draft.subject.as_deref(),
            attributes: &self.draft.attributes,
            timestamp: &self.timestamp,
            sequence: self.sequence.as_deref(),
        }
    }

    /// One signature serves all that get the same text.
    fn seal(&mut self, text: &'s str) -> Result<Seal, Refusal> {
        if let Some(known) = self.seals.get(text) {
            return Ok(known.clone());
        }
        let signed = self.published().to_be_signed(text);
        let version = self.topic.signature_version();
        let service = self.service;
        let seal = Seal::on(&signed, version, &*service.notary, &service.base_url)?;
        self.seals.insert(text, seal.clone());
        Ok(seal)
    }

    fn unsubscribe_url(&self, subscription_arn: &str) -> String {
        let base = &self.service.base_url;
        format!("{base}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}")
    }
}
