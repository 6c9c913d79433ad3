//! Firing schedules.
//!
//! Lives here: when a rule or schedule fires next, doing it in the same commit that moves its time, waiting.
//! Does not live here: expressions (`times`), what is sent for a rule (`publish`).
//!
//! A time is one row. Whoever fires it writes the next time and the deliveries in one batch: after a crash both are there or
//! neither, so that each time comes to exactly one delivery a target. What fell due while nobody was there fires once, when
//! somebody is, and goes on at its next regular time: there is no burst.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use interfaces::random::Random;
use jiff::tz::TimeZone;
use model::arn::Arn;
use model::delivery::{Delivery, Message, Sender, SenderPrincipal, Target};
use model::time::Timestamp;
use serde_json::Value;

use super::catalogue::{Catalogue, Change, Error};
use super::keys::{DueKey, Fires, Place};
use super::publish::{self, About, Sent};
use super::rows::{Due, Rule, Schedule};
use super::state::{DEFAULT, ENABLED, State, Step};
use crate::times::{self, Expression};

/// The longest sleep: the wall clock may be set meanwhile, and laptops sleep.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// After this long, what failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
const MINUTE_US: u64 = 60_000_000;

/// The times of all places, in their order.
#[derive(Debug, Default)]
pub(crate) struct Times {
    inner: Mutex<Ordered>,
}

#[derive(Debug, Default)]
struct Ordered {
    at: HashMap<DueKey, Timestamp>,
    order: BTreeSet<(Timestamp, DueKey)>,
}

impl Times {
    /// Notes when something fires next.
    pub(crate) fn set(&self, key: &DueKey, due: Option<Due>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = inner.at.remove(key) {
            inner.order.remove(&(before, key.clone()));
        }
        if let Some(due) = due {
            inner.at.insert(key.clone(), due.at);
            inner.order.insert((due.at, key.clone()));
        }
    }

    /// Notes what the store has, where nothing newer is known.
    fn fill(&self, dues: Vec<(DueKey, Due)>) {
        for (key, due) in dues {
            let is_known = {
                let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
                inner.at.contains_key(&key)
            };
            if !is_known {
                self.set(&key, Some(due));
            }
        }
    }

    /// Wherever something fires.
    fn places(&self) -> BTreeSet<Place> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.at.keys().map(|key| key.place.clone()).collect()
    }

    fn first(&self) -> Option<(Timestamp, DueKey)> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.order.first().cloned()
    }
}

impl Catalogue {
    /// Fires what is due, for ever.
    pub(crate) async fn keep_time(&self) -> std::convert::Infallible {
        loop {
            match self.dues().await {
                Ok(dues) => break self.times.fill(dues),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "could not read when schedules fire"
                    );
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        }
        loop {
            let now = self.clock.now();
            let wait = match self.times.first() {
                Some((at, key)) if at <= now => match self.fire(&key).await {
                    Ok(()) => continue,
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            name = key.name,
                            "a schedule could not fire yet"
                        );
                        AGAIN_AFTER
                    }
                },
                Some((at, _)) => at.since(now).min(SLEEP_MAX),
                None => SLEEP_MAX,
            };
            tokio::select! {
                () = self.bell.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Fires one, if it still is due.
    async fn fire(&self, key: &DueKey) -> Result<(), Error> {
        let now = self.clock.now();
        let is_known = self
            .change::<bool, Error>(&key.place, |state| {
                let Some(due) = state.dues.get(key).copied() else {
                    return Ok((false, Change::default()));
                };
                if now < due.at {
                    return Ok((true, Change::default()));
                }
                let change = match key.what {
                    Fires::Rule => self.fire_rule(state, key, due, now),
                    Fires::Schedule => self.fire_schedule(state, key, due, now),
                };
                Ok((true, change))
            })
            .await?;
        if !is_known {
            self.times.set(key, None);
        }
        Ok(())
    }

    fn fire_rule(&self, state: &State, key: &DueKey, due: Due, now: Timestamp) -> Change {
        let rule = state.rule(&key.outer, &key.name);
        let Some(rule) = rule
            .map(|kept| &kept.row)
            .filter(|rule| rule.state != "DISABLED")
        else {
            return Change::one(Step::SetDue(key.clone(), None));
        };
        Change {
            deliveries: self.of_rule(state, rule, due.nominal, now),
            steps: vec![Step::SetDue(key.clone(), due_of_rule(rule, now))],
        }
    }

    fn fire_schedule(&self, state: &State, key: &DueKey, due: Due, now: Timestamp) -> Change {
        let schedule = state.schedule(&key.outer, &key.name);
        let Some(schedule) = schedule.filter(|schedule| schedule.state == ENABLED) else {
            return Change::one(Step::SetDue(key.clone(), None));
        };
        let after = now.max(due.nominal);
        let next = due_of_schedule(schedule, after, &*self.random);
        let mut steps = vec![Step::SetDue(key.clone(), next)];
        if next.is_none() && schedule.after_completion == "DELETE" {
            let (group, name) = (key.outer.clone(), key.name.clone());
            steps.push(Step::DropSchedule(group, name));
        }
        Change {
            deliveries: vec![self.of_schedule(state, schedule, due.nominal, now)],
            steps,
        }
    }

    /// What the targets of a rule get when it fires.
    ///
    /// Contract: Amazon EventBridge User Guide, "Scheduled events": the time is the scheduled one, to the second.
    pub(crate) fn of_rule(
        &self,
        state: &State,
        rule: &Rule,
        nominal: Timestamp,
        now: Timestamp,
    ) -> Vec<Delivery> {
        let sent = Sent {
            about: About {
                id: self.random.request_id().to_string(),
                detail_type: "Scheduled Event".to_owned(),
                source: "aws.events".to_owned(),
                account: state.place.account.to_string(),
                time: times::iso(nominal),
                region: state.place.region.to_string(),
                resources: vec![state.place.rule_arn(&rule.bus, &rule.name).to_string()],
                hops: 0,
                events_max: None,
                replay_name: None,
            },
            detail: "{}".to_owned(),
            trace: None,
            ingested_at: now,
        };
        let envelope = sent.envelope();
        let event: Value = serde_json::from_str(&envelope).unwrap_or_default();
        sent.for_rule(state, rule, &envelope, &event, &*self.random)
    }

    /// What the target of a schedule gets when it fires.
    ///
    /// Contract: Amazon EventBridge Scheduler User Guide, "Managing targets", "Adding context attributes".
    pub(crate) fn of_schedule(
        &self,
        state: &State,
        schedule: &Schedule,
        nominal: Timestamp,
        now: Timestamp,
    ) -> Delivery {
        let arn = state.place.schedule_arn(&schedule.group, &schedule.name);
        let target = &schedule.target;
        let id = self.random.request_id().to_string();
        let time = times::iso(nominal);
        let parse = |name: &str| publish::text(target, name).and_then(|arn| Arn::parse(arn).ok());
        let target_arn = parse("Arn").unwrap_or_else(|| arn.clone());
        let body = match publish::text(target, "Input") {
            Some(input) => input
                .replace("<aws.scheduler.schedule-arn>", &arn.to_string())
                .replace("<aws.scheduler.scheduled-time>", &time)
                .replace("<aws.scheduler.execution-id>", &id)
                .replace("<aws.scheduler.attempt-number>", "1"),
            None => default_input(state, &arn, &id, &time),
        };
        Delivery {
            message: message_of(state, target, &target_arn, body, &id, &time),
            id,
            target: Target::Resource(target_arn),
            sender: Sender {
                principal: match parse("RoleArn") {
                    Some(role) => SenderPrincipal::Role(role),
                    None => SenderPrincipal::Service("scheduler.amazonaws.com".to_owned()),
                },
                account: state.place.account.clone(),
                source: Some(arn),
            },
            retries: publish::retries(target),
            dead_letters: publish::dead_letters(target),
            order: None,
            accepted_at: now,
        }
    }

    /// Fires whatever has this name or calls a function of this name, in all regions of an account, without moving its time;
    /// tells what fired.
    pub(crate) async fn fire_now(&self, place: &Place, wanted: &str) -> Result<Vec<String>, Error> {
        let mut places = self.times.places();
        places.insert(place.clone());
        let mut fired = Vec::new();
        for place in places.iter().filter(|one| one.account == place.account) {
            fired.extend(self.fire_in(place, wanted).await?);
        }
        Ok(fired)
    }

    async fn fire_in(&self, place: &Place, wanted: &str) -> Result<Vec<String>, Error> {
        let now = self.clock.now();
        self.change(place, |state| {
            let mut change = Change::default();
            let mut fired = Vec::new();
            let rules = state.rules_of(DEFAULT).map(|kept| &kept.row);
            for rule in rules.filter(|rule| rule.expression.is_some()) {
                let calls = || {
                    rule.targets
                        .iter()
                        .any(|target| calls_function(target, wanted))
                };
                if rule.name == wanted || is_resource(rule.owner.as_deref(), wanted) || calls() {
                    change
                        .deliveries
                        .extend(self.of_rule(state, rule, now, now));
                    fired.push(state.place.rule_arn(&rule.bus, &rule.name).to_string());
                }
            }
            for schedule in state.schedules.values() {
                let is_named = schedule.name == wanted
                    || is_resource(schedule.owner.as_deref(), wanted)
                    || wanted.split_once('/') == Some((&*schedule.group, &*schedule.name));
                if is_named || calls_function(&schedule.target, wanted) {
                    change
                        .deliveries
                        .push(self.of_schedule(state, schedule, now, now));
                    let arn = state.place.schedule_arn(&schedule.group, &schedule.name);
                    fired.push(arn.to_string());
                }
            }
            Ok((fired, change))
        })
        .await
    }
}

/// Whether it was made for the resource of this name in its template.
fn is_resource(owner: Option<&str>, wanted: &str) -> bool {
    owner.and_then(|owner| owner.rsplit('/').next()) == Some(wanted)
}

fn calls_function(target: &super::rows::Json, name: &str) -> bool {
    let arn = publish::text(target, "Arn").and_then(|arn| Arn::parse(arn).ok());
    arn.and_then(|arn| arn.function_name())
        .is_some_and(|function| function.as_str() == name)
}

fn message_of(
    state: &State,
    target: &super::rows::Json,
    arn: &Arn,
    body: String,
    id: &str,
    time: &str,
) -> Message {
    let nested = |outer: &str, name: &str| publish::nested(target, outer, name).map(str::to_owned);
    let mut message = Message {
        body: Bytes::from(body),
        ..Message::default()
    };
    match arn.service.as_str() {
        "sqs" => message.group = nested("SqsParameters", "MessageGroupId"),
        "kinesis" => message.group = nested("KinesisParameters", "PartitionKey"),
        "events" => {
            let about = About {
                id: id.to_owned(),
                detail_type: nested("EventBridgeParameters", "DetailType").unwrap_or_default(),
                source: nested("EventBridgeParameters", "Source").unwrap_or_default(),
                account: state.place.account.to_string(),
                time: time.to_owned(),
                region: state.place.region.to_string(),
                resources: Vec::new(),
                hops: 0,
                events_max: None,
                replay_name: None,
            };
            message.entry = serde_json::to_string(&about).ok();
        }
        _ => {}
    }
    message
}

/// What a target gets whose schedule has no input.
fn default_input(state: &State, schedule: &Arn, id: &str, time: &str) -> String {
    serde_json::json!({
        "version": "0",
        "id": id,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": state.place.account.as_str(),
        "time": time,
        "region": state.place.region.as_str(),
        "resources": [schedule.to_string()],
        "detail": "{}",
    })
    .to_string()
}

/// When a rule fires next; none: it has no expression, is off, or its calendar has ended.
pub(crate) fn due_of_rule(rule: &Rule, after: Timestamp) -> Option<Due> {
    if rule.state == "DISABLED" {
        return None;
    }
    let expression = Expression::of_rule(rule.expression.as_deref()?)?;
    let at = expression.next(&TimeZone::UTC, rule.anchor, after)?;
    Some(Due { nominal: at, at })
}

/// When a schedule fires next; none: it is off, or has ended.
pub(crate) fn due_of_schedule(
    schedule: &Schedule,
    after: Timestamp,
    random: &dyn Random,
) -> Option<Due> {
    if schedule.state != ENABLED {
        return None;
    }
    let expression = Expression::of_schedule(&schedule.expression)?;
    let zone = times::zone(&schedule.zone)?;
    let is_once = matches!(expression, Expression::At(_));
    let just_before = |at: Timestamp| Timestamp::from_micros(at.epoch_us().saturating_sub(1));
    let after = match schedule.starts_at {
        Some(starts_at) if !is_once => after.max(just_before(starts_at)),
        Some(_) | None => after,
    };
    let nominal = expression.next(&zone, schedule.anchor, after)?;
    if !is_once && schedule.ends_at.is_some_and(|ends_at| ends_at < nominal) {
        return None;
    }
    let at = match schedule.window_min {
        None => nominal,
        Some(minutes) => {
            let mut drawn = [0_u8; 8];
            random.fill(&mut drawn);
            let window_us = u64::try_from(minutes).unwrap_or(0) * MINUTE_US;
            let late_us = u64::from_be_bytes(drawn)
                .checked_rem(window_us)
                .unwrap_or(0);
            nominal.plus(Duration::from_micros(late_us))
        }
    };
    Some(Due { nominal, at })
}
