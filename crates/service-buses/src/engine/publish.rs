//! What becomes of an event on a bus.
//!
//! Lives here: its envelope, which rules it matches, what each of their targets gets.
//! Does not live here: taking events in (`events::put_events`, `sink`), delivering them (`event-delivery`).
//!
//! Contract: Amazon EventBridge User Guide, "AWS service event structure", "Input transformation", "Retry policy".

use std::time::Duration;

use bytes::Bytes;
use interfaces::random::Random;
use model::arn::Arn;
use model::delivery::{Attribute, Delivery, Message, Retries, Sender, SenderPrincipal, Target};
use model::time::Timestamp;
use patterns::{Event, Facts, Path, Template};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rows::{Json, Rule};
use super::state::State;
use crate::times;

/// The principal as which events are delivered.
pub(crate) const PRINCIPAL: &str = "events.amazonaws.com";
/// Tries after the first, and how old an event gets, where a target does not say.
const RETRIES_DEFAULT: u32 = 185;
const AGE_DEFAULT: Duration = Duration::from_hours(24);
/// How often one event may go from bus to bus. Rules that send to each other's buses would never end.
pub(crate) const HOPS_MAX: u32 = 16;
/// How many events one that was sent to a bus may become on its way from bus to bus: each passes what is left of this on to those
/// that it becomes, in equal parts. A rule with several targets at its own bus would multiply it.
pub(crate) const EVENTS_OF_ONE_MAX: u32 = 4_096;
/// Markers of what an address gets besides the body.
pub(crate) const HEADER: &str = "Header";
pub(crate) const QUERY: &str = "Query";
pub(crate) const PATH: &str = "Path";

/// An event on a bus.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) about: About,
    /// JSON.
    pub(crate) detail: String,
    pub(crate) trace: Option<String>,
    pub(crate) ingested_at: Timestamp,
}

/// All of an event but its detail: as it goes from bus to bus.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct About {
    #[serde(default)]
    pub(crate) id: String,
    #[serde(rename = "detail-type", default)]
    pub(crate) detail_type: String,
    #[serde(default)]
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) account: String,
    /// As `2022-01-01T00:00:00Z`.
    #[serde(default)]
    pub(crate) time: String,
    #[serde(default)]
    pub(crate) region: String,
    #[serde(default)]
    pub(crate) resources: Vec<String>,
    #[serde(default)]
    pub(crate) hops: u32,
    /// How many events it and those that it becomes may be; none: it was not on a bus yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) events_max: Option<u32>,
    /// The replay that sends it again.
    #[serde(
        rename = "replay-name",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) replay_name: Option<String>,
}

impl About {
    /// What each of so many events may become in turn that this one becomes.
    fn share(&self, events: usize) -> u32 {
        let left = self
            .events_max
            .unwrap_or(EVENTS_OF_ONE_MAX)
            .saturating_sub(1);
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        left / events.max(1)
    }
}

impl Sent {
    /// The event as targets get it, and its text.
    pub(crate) fn envelope(&self) -> String {
        let text = |value: &str| Value::from(value).to_string();
        let resources: Vec<String> = self.about.resources.iter().map(|one| text(one)).collect();
        let replay = self.about.replay_name.as_deref();
        let replay = replay.map(|name| format!("\"replay-name\":{},", text(name)));
        format!(
            "{{\"version\":\"0\",\"id\":{},\"detail-type\":{},\"source\":{},\"account\":{},\"time\":{},\"region\":{},{}\"resources\":[{}],\"detail\":{}}}",
            text(&self.about.id),
            text(&self.about.detail_type),
            text(&self.about.source),
            text(&self.about.account),
            text(&self.about.time),
            text(&self.about.region),
            replay.unwrap_or_default(),
            resources.join(","),
            compact(&self.detail),
        )
    }

    /// What all targets of all rules that it matches get.
    pub(crate) fn on_bus(&self, state: &State, bus: &str, random: &dyn Random) -> Vec<Delivery> {
        self.for_rules(state, bus, &[], random)
    }

    /// The same, of these rules alone, by their ARNs; none: of all.
    pub(crate) fn for_rules(
        &self,
        state: &State,
        bus: &str,
        rules: &[String],
        random: &dyn Random,
    ) -> Vec<Delivery> {
        let envelope = self.envelope();
        let event: Value = serde_json::from_str(&envelope).unwrap_or_default();
        let mut matched = state.index(bus).matching(&Event::of(&event));
        if !rules.is_empty() {
            matched.retain(|rule| {
                let arn = state.place.rule_arn(&rule.row.bus, &rule.row.name);
                rules.contains(&arn.to_string())
            });
        }
        let targets = matched.iter().flat_map(|rule| &rule.row.targets);
        let sent = self.sharing(targets.filter(|target| is_bus(target)).count());
        let this = sent.as_ref().unwrap_or(self);
        matched
            .iter()
            .flat_map(|rule| this.for_rule(state, &rule.row, &envelope, &event, random))
            .collect()
    }

    /// The event as each of so many buses gets it.
    fn sharing(&self, buses: usize) -> Option<Self> {
        (0 < buses).then(|| Self {
            about: About {
                events_max: Some(self.about.share(buses)),
                ..self.about.clone()
            },
            ..self.clone()
        })
    }

    /// What the targets of one rule get.
    pub(crate) fn for_rule(
        &self,
        state: &State,
        rule: &Rule,
        envelope: &str,
        event: &Value,
        random: &dyn Random,
    ) -> Vec<Delivery> {
        let rule_arn = state.place.rule_arn(&rule.bus, &rule.name);
        let deliveries = rule.targets.iter().filter_map(|target| {
            let made = self.for_target(rule, &rule_arn, target, envelope, event, random);
            if made.is_none() {
                let target = text(target, "Id");
                tracing::warn!(rule = %rule_arn, target, "an event could not be made into the target's input");
            }
            made
        });
        deliveries.collect()
    }

    fn for_target(
        &self,
        rule: &Rule,
        rule_arn: &Arn,
        target: &Json,
        envelope: &str,
        event: &Value,
        random: &dyn Random,
    ) -> Option<Delivery> {
        let arn = Arn::parse(text(target, "Arn")?).ok()?;
        let ingested_at = times::iso(self.ingested_at);
        let rule_arn_text = rule_arn.to_string();
        let facts = Facts {
            rule_arn: &rule_arn_text,
            rule_name: &rule.name,
            ingested_at: &ingested_at,
            event,
        };
        let body = input(target, envelope, &facts)?;
        let message = self.message(target, &arn, body, event, random);
        let role = text(target, "RoleArn").and_then(|role| Arn::parse(role).ok());
        Some(Delivery {
            id: random.request_id().to_string(),
            target: Target::Resource(arn),
            sender: Sender {
                principal: match role {
                    Some(role) => SenderPrincipal::Role(role),
                    None => SenderPrincipal::Service(PRINCIPAL.to_owned()),
                },
                account: model::ids::AccountId::new(rule_arn.account.as_str()),
                source: Some(rule_arn.clone()),
            },
            message,
            retries: retries(target),
            dead_letters: dead_letters(target),
            order: None,
            accepted_at: self.ingested_at,
        })
    }

    fn message(
        &self,
        target: &Json,
        arn: &Arn,
        body: String,
        event: &Value,
        random: &dyn Random,
    ) -> Message {
        let mut message = Message {
            body: Bytes::from(body),
            trace: self.trace.clone(),
            ..Message::default()
        };
        match arn.service.as_str() {
            "events" if arn.resource.starts_with("event-bus/") => {
                // Contract: the recorded answers: on the next bus it is another event.
                let about = About {
                    id: random.request_id().to_string(),
                    hops: self.about.hops + 1,
                    ..self.about.clone()
                };
                message.entry = serde_json::to_string(&about).ok();
                message.body = Bytes::from(compact(&self.detail));
            }
            "events" => message.attributes = http_parameters(target),
            "kinesis" => {
                let path = nested(target, "KinesisParameters", "PartitionKeyPath");
                let found = path.and_then(|path| Path::parse(path).ok()?.find(event));
                message.group = Some(match found {
                    Some(Value::String(key)) => key,
                    Some(other) => other.to_string(),
                    None => self.about.id.clone(),
                });
            }
            "sqs" => {
                let group = nested(target, "SqsParameters", "MessageGroupId");
                message.group = group.map(str::to_owned);
            }
            _ => {}
        }
        message
    }
}

fn is_bus(target: &Json) -> bool {
    text(target, "Arn").is_some_and(|arn| arn.contains(":event-bus/"))
}

/// The body of what a target gets; none when its template makes no JSON of the event.
fn input(target: &Json, envelope: &str, facts: &Facts<'_>) -> Option<String> {
    if let Some(constant) = text(target, "Input") {
        return Some(constant.to_owned());
    }
    if let Some(path) = text(target, "InputPath") {
        let found = Path::parse(path).ok()?.find(facts.event);
        return Some(found.unwrap_or_default().to_string());
    }
    let Some(transformer) = target.get("InputTransformer") else {
        return Some(envelope.to_owned());
    };
    template(transformer)?.ok()?.fill(facts).ok()
}

/// The template of an `InputTransformer`; none when it has none.
pub(crate) fn template(transformer: &Value) -> Option<Result<Template, patterns::TemplateError>> {
    let template = transformer.get("InputTemplate")?.as_str()?;
    let paths = transformer.get("InputPathsMap").and_then(Value::as_object);
    let paths = paths.into_iter().flatten();
    let paths = paths.filter_map(|(name, path)| Some((name.as_str(), path.as_str()?)));
    Some(Template::read(template, paths))
}

fn http_parameters(target: &Json) -> Vec<Attribute> {
    let parameters = target.get("HttpParameters");
    let named = |member: &str, data_type: &str| -> Vec<Attribute> {
        let members = parameters.and_then(|parameters| parameters.get(member)?.as_object());
        let members = members.into_iter().flatten();
        members
            .filter_map(|(name, value)| Some(attribute(name, data_type, value.as_str()?)))
            .collect()
    };
    let mut attributes = named("HeaderParameters", HEADER);
    attributes.extend(named("QueryStringParameters", QUERY));
    let path = parameters.and_then(|parameters| parameters.get("PathParameterValues")?.as_array());
    let path = path.into_iter().flatten().filter_map(Value::as_str);
    attributes.extend(path.map(|value| attribute("*", PATH, value)));
    attributes
}

fn attribute(name: &str, data_type: &str, value: &str) -> Attribute {
    Attribute {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        value: value.to_owned(),
    }
}

pub(crate) fn retries(target: &Json) -> Retries {
    let policy = target.get("RetryPolicy");
    let number = |name: &str| policy.and_then(|policy| policy.get(name)?.as_u64());
    let retries = number("MaximumRetryAttempts").and_then(|number| u32::try_from(number).ok());
    Retries {
        retries_max: retries.unwrap_or(RETRIES_DEFAULT),
        age_max: number("MaximumEventAgeInSeconds").map_or(AGE_DEFAULT, Duration::from_secs),
    }
}

pub(crate) fn dead_letters(target: &Json) -> Option<Arn> {
    Arn::parse(nested(target, "DeadLetterConfig", "Arn")?).ok()
}

pub(crate) fn text<'j>(object: &'j Json, name: &str) -> Option<&'j str> {
    object.get(name)?.as_str()
}

pub(crate) fn nested<'j>(object: &'j Json, outer: &str, name: &str) -> Option<&'j str> {
    object.get(outer)?.get(name)?.as_str()
}

/// JSON without the space between its tokens. Numbers stay as they were written.
pub(crate) fn compact(json: &str) -> String {
    let mut compacted = String::with_capacity(json.len());
    let (mut is_text, mut is_escaped) = (false, false);
    for char in json.chars() {
        if is_text {
            compacted.push(char);
            match char {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => is_text = false,
                _ => {}
            }
        } else if !char.is_ascii_whitespace() {
            is_text = char == '"';
            compacted.push(char);
        }
    }
    compacted
}
