//! Events that come in.
//!
//! Lives here: what one lot of events of a stream comes to: rows, what subscribers get, what metric filters count.
//! Does not live here: whether they may come (`logs::put_events`, `sink`), delivering (`event-delivery`).
//!
//! Contract: Amazon CloudWatch Logs User Guide, "Log group-level subscription filters".

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use model::arn::Arn;
use model::delivery::{Delivery, Message, Retries, Sender, SenderPrincipal, Target};
use serde_json::{Value, json};

use super::catalogue::{Catalogue, Change};
use super::keys::{Place, Position};
use super::rows::{Json, Metric, Moment, Statistics, Stream, Subscription};
use super::runs;
use super::state::{KeptGroup, State, Step};

/// What each event counts besides its message. Contract: `PutLogEvents`, "Service quotas".
pub(crate) const EVENT_OVERHEAD: usize = 26;
/// The principal as which subscribers are called.
pub(crate) const PRINCIPAL: &str = "logs.amazonaws.com";
/// Contract: subscription filters retry for up to 24 hours.
const RETRIES: Retries = Retries {
    retries_max: 185,
    age_max: Duration::from_hours(24),
};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) at_ms: i64,
    pub(crate) message: String,
}

/// Events of one stream.
#[derive(Debug)]
pub(crate) struct Lot {
    pub(crate) stream: Arc<Stream>,
    /// In the order of their times.
    pub(crate) events: Vec<Incoming>,
}

/// What events come to, added to a change.
pub(crate) struct Appending<'a> {
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) place: &'a Place,
    pub(crate) state: &'a State,
    number: u64,
    points: std::collections::BTreeMap<(Metric, Moment), Statistics>,
    pub(crate) change: Change,
}

impl<'a> Appending<'a> {
    pub(crate) fn new(catalogue: &'a Catalogue, place: &'a Place, state: &'a State) -> Self {
        let now = u64::try_from(catalogue.clock.now().epoch_us()).unwrap_or(0);
        Self {
            catalogue,
            place,
            state,
            number: now.max(state.number),
            points: std::collections::BTreeMap::new(),
            change: Change::default(),
        }
    }

    /// Adds events of a stream, whose group is `group`.
    pub(crate) fn add(&mut self, group: &KeptGroup, lot: &Lot) {
        let now_ms = self.catalogue.now_ms();
        let mut stream = Stream::clone(&lot.stream);
        let rows = runs::write(stream.id, now_ms, &lot.events, self.number + 1);
        self.change.events.extend(rows);
        let mut positions = Vec::with_capacity(lot.events.len());
        for event in &lot.events {
            self.number += 1;
            let position = Position {
                at_ms: u64::try_from(event.at_ms).unwrap_or(0),
                number: self.number,
            };
            positions.push(position);
            let counted = event.message.len() + EVENT_OVERHEAD;
            stream.bytes += u64::try_from(counted).unwrap_or(u64::MAX);
            stream.first_ms = Some(
                stream
                    .first_ms
                    .map_or(event.at_ms, |first| first.min(event.at_ms)),
            );
            stream.last_ms = Some(
                stream
                    .last_ms
                    .map_or(event.at_ms, |last| last.max(event.at_ms)),
            );
        }
        stream.ingested_ms = Some(now_ms);
        stream.number = self.number;
        self.subscribe(group, &stream, lot, &positions);
        self.count(group, lot);
        self.change.steps.push(Step::PutStream(stream));
    }

    /// The change.
    pub(crate) fn finish(self) -> Change {
        let mut change = self.change;
        for ((metric, moment), now) in self.points {
            change
                .steps
                .push(Step::PutPoint(self.state.measured(metric, moment, now)));
        }
        change
    }

    fn subscribe(&mut self, group: &KeptGroup, stream: &Stream, lot: &Lot, positions: &[Position]) {
        for (subscription, pattern) in group.row.subscriptions.iter().zip(&group.subscriptions) {
            let Some(pattern) = pattern else { continue };
            let meant = lot.events.iter().zip(positions);
            let meant = meant.filter(|(event, _)| pattern.holds(&event.message));
            let shown = meant.map(|(event, position)| {
                json!({"id": position.shown(), "timestamp": event.at_ms, "message": event.message})
            });
            let shown: Vec<Value> = shown.collect();
            if !shown.is_empty() {
                let sent = self.delivery(subscription, stream, shown);
                self.change.deliveries.extend(sent);
            }
        }
    }

    fn delivery(
        &self,
        subscription: &Subscription,
        stream: &Stream,
        events: Vec<Value>,
    ) -> Option<Delivery> {
        let data = json!({
            "messageType": "DATA_MESSAGE",
            "owner": self.place.account.as_str(),
            "logGroup": stream.group,
            "logStream": stream.name,
            "subscriptionFilters": [subscription.name],
            "logEvents": events,
        });
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data.to_string().as_bytes()).ok()?;
        let zipped = encoder.finish().ok()?;
        let destination = Arn::parse(&subscription.destination).ok()?;
        // A stream gets the zipped bytes as they are.
        let body = match destination.service.as_str() {
            "kinesis" => zipped,
            _ => {
                let data = STANDARD.encode(zipped);
                json!({"awslogs": {"data": data}}).to_string().into_bytes()
            }
        };
        let role = subscription
            .role
            .as_deref()
            .and_then(|role| Arn::parse(role).ok());
        Some(Delivery {
            id: self.catalogue.random.request_id().to_string(),
            target: Target::Resource(destination),
            sender: Sender {
                principal: match role {
                    Some(role) => SenderPrincipal::Role(role),
                    None => SenderPrincipal::Service(PRINCIPAL.to_owned()),
                },
                source: Some(self.place.source_arn(&stream.group)),
                account: self.place.account.clone(),
            },
            message: Message {
                body: body.into(),
                group: Some(stream.name.clone()),
                ..Message::default()
            },
            retries: RETRIES,
            dead_letters: None,
            order: None,
            accepted_at: self.catalogue.clock.now(),
        })
    }

    fn count(&mut self, group: &KeptGroup, lot: &Lot) {
        for (filter, pattern) in group.row.metric_filters.iter().zip(&group.metric_filters) {
            let Some(pattern) = pattern else { continue };
            for event in &lot.events {
                let is_meant = pattern.holds(&event.message);
                for transformation in &filter.transformations {
                    let value = match is_meant {
                        true => text(transformation, "metricValue").and_then(|value| {
                            let named = value
                                .starts_with('$')
                                .then(|| pattern.value(value, &event.message));
                            named.map_or_else(|| value.parse().ok(), |found| found?.parse().ok())
                        }),
                        false => None,
                    };
                    let standard = || transformation.get("defaultValue").and_then(Value::as_f64);
                    let value: Option<f64> = value.or_else(|| (!is_meant).then(standard).flatten());
                    if let Some(value) = value.filter(|value| value.is_finite()) {
                        self.measure(transformation, pattern, event, value);
                    }
                }
            }
        }
    }

    fn measure(
        &mut self,
        transformation: &Json,
        pattern: &crate::filter::Pattern,
        event: &Incoming,
        value: f64,
    ) {
        let dimensions = transformation.get("dimensions").and_then(Value::as_object);
        let dimensions = dimensions
            .into_iter()
            .flatten()
            .filter_map(|(name, selector)| {
                Some((
                    name.clone(),
                    pattern.value(selector.as_str()?, &event.message)?,
                ))
            });
        let mut dimensions: Vec<(String, String)> = dimensions.collect();
        dimensions.sort();
        let metric = Metric {
            namespace: text(transformation, "metricNamespace")
                .unwrap_or_default()
                .to_owned(),
            name: text(transformation, "metricName")
                .unwrap_or_default()
                .to_owned(),
            dimensions,
        };
        let moment = Moment {
            at_s: event.at_ms.div_euclid(60_000) * 60,
            unit: text(transformation, "unit").unwrap_or("None").to_owned(),
        };
        let now = Statistics::of(value, 1.0);
        let there = self.points.entry((metric, moment));
        there
            .and_modify(|there| *there = there.and(now))
            .or_insert(now);
    }
}

fn text<'j>(members: &'j Json, name: &str) -> Option<&'j str> {
    members.get(name).and_then(Value::as_str)
}
