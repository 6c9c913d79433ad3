//! How functions are called asynchronously.
//!
//! Lives here: `PutFunctionEventInvokeConfig` and its like.
//! Does not live here: calling, retrying, telling destinations (`event-delivery`).
//!
//! Contract: AWS Lambda API Reference, these operations, and answers recorded from the service.

use std::sync::Arc;

use interfaces::resource_provider::Properties;
use interfaces::service::ServiceAnswer;
use model::arn::Arn;
use model::function::LATEST;
use model::ids::FunctionName;
use serde_json::{Map, Value, json};

use crate::answers::{self, Refusal};
use crate::catalogue::{Catalogue, Entry, Kind};
use crate::function_name::Named;
use crate::keeper::Change;
use crate::rendering::epoch;
use crate::request::{Asked, Body, broken};
use crate::service::{Handler, Service};
use crate::settings::out_of_range;

pub(crate) const HANDLERS: &[(&str, Handler)] = &[
    ("PutFunctionEventInvokeConfig", |service, asked| {
        Box::pin(service.put_event_invoke(asked))
    }),
    ("UpdateFunctionEventInvokeConfig", |service, asked| {
        Box::pin(service.update_event_invoke(asked))
    }),
    ("GetFunctionEventInvokeConfig", |service, asked| {
        Box::pin(async move { service.event_invoke(asked) })
    }),
    ("ListFunctionEventInvokeConfigs", |service, asked| {
        Box::pin(async move { service.list_event_invokes(asked) })
    }),
    ("DeleteFunctionEventInvokeConfig", |service, asked| {
        Box::pin(service.delete_event_invoke(asked))
    }),
];

const MEMBERS: [&str; 3] = [
    "MaximumEventAgeInSeconds",
    "MaximumRetryAttempts",
    "DestinationConfig",
];
const CONFIGS_MAX: usize = 50;
const DESTINATION_PATTERN: &str = "Member must satisfy regular expression pattern: $|kafka://([^.]([a-zA-Z0-9\\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)";

/// How a configuration is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// All of it: what is not said is gone.
    Put,
    /// What is said.
    Update,
}

impl Service {
    async fn put_event_invoke(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        self.change_event_invoke(asked, Way::Put).await
    }

    async fn update_event_invoke(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        self.change_event_invoke(asked, Way::Update).await
    }

    async fn change_event_invoke(
        &self,
        asked: &Asked<'_>,
        way: Way,
    ) -> Result<ServiceAnswer, Refusal> {
        let body = asked.body()?;
        check(&body)?;
        let named = asked.function()?;
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let (name, qualifier) = (named.function.as_str(), qualifier(&named));
        let is_there = catalogue.configured(name, Some(qualifier)).is_some();
        let key = format!("{name}:{qualifier}");
        let known = catalogue.get(Kind::EventInvoke, &key);
        if !is_there {
            return Err(Refusal::not_found("The function doesn't exist.".to_owned()));
        }
        if way == Way::Update && known.is_none() {
            return Err(missing(&catalogue, &named));
        }
        check_destinations(&catalogue, &body, name)?;
        let now = self.clock.now();
        let mut entry = match known.filter(|_| way == Way::Update) {
            Some(known) => known.as_ref().clone(),
            None => Entry::new(Properties::new(), key.clone(), self.draw_id(), now),
        };
        for member in MEMBERS {
            if let Some(value) = body.get(member) {
                entry.properties.insert(member.to_owned(), value.clone());
            }
        }
        let put = [
            ("FunctionName", json!(name)),
            ("Qualifier", json!(qualifier)),
        ];
        for (name, value) in put {
            entry.properties.insert(name.to_owned(), value);
        }
        entry.change(self.draw_id(), now);
        if let Some(known) = known {
            entry.origin = known.origin.clone();
        }
        let shown = shown(&catalogue, &key, &entry);
        let mut change = Change::default();
        change.put(Kind::EventInvoke, key, entry);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::json(200, &shown))
    }

    fn event_invoke(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let catalogue = self.catalogue()?;
        let key = format!("{}:{}", named.function, qualifier(&named));
        let entry = catalogue.get(Kind::EventInvoke, &key);
        let entry = entry.ok_or_else(|| missing(&catalogue, &named))?;
        Ok(answers::json(200, &shown(&catalogue, &key, entry)))
    }

    fn list_event_invokes(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let page = asked.page(CONFIGS_MAX)?;
        let catalogue = self.catalogue()?;
        if catalogue.function(named.function.as_str()).is_none() {
            return Err(Refusal::not_found("The function doesn't exist.".to_owned()));
        }
        let prefix = format!("{}:", named.function);
        let configs = catalogue.with_prefix(Kind::EventInvoke, &prefix);
        let configs = configs.map(|(key, entry)| (key.to_owned(), shown(&catalogue, key, entry)));
        let (items, marker) = page.cut(configs);
        Ok(answers::page(
            200,
            "FunctionEventInvokeConfigs",
            items,
            marker,
        ))
    }

    async fn delete_event_invoke(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let key = format!("{}:{}", named.function, qualifier(&named));
        let mut change = Change::default();
        change.remove(&catalogue, Kind::EventInvoke, &key);
        if change.is_empty() {
            return Err(missing(&catalogue, &named));
        }
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::empty(204))
    }
}

fn qualifier(named: &Named) -> &str {
    named.qualifier.as_deref().unwrap_or(LATEST)
}

fn missing(catalogue: &Catalogue, named: &Named) -> Refusal {
    let arn = catalogue.arn(named.function.as_str(), Some(qualifier(named)));
    Refusal::not_found(format!(
        "The function {arn} doesn't have an EventInvokeConfig"
    ))
}

fn check(body: &Body) -> Result<(), Refusal> {
    let mut errors = Vec::new();
    let retries = body.whole("MaximumRetryAttempts")?;
    errors.extend(out_of_range(retries, "maximumRetryAttempts", 0, 2));
    let age = body.whole("MaximumEventAgeInSeconds")?;
    errors.extend(out_of_range(age, "maximumEventAgeInSeconds", 60, 21_600));
    for (way, member) in [("OnFailure", "onFailure"), ("OnSuccess", "onSuccess")] {
        let destination = destination(body, way)?.unwrap_or_default();
        if !destination.is_empty() && !is_destination(&destination) {
            let member = format!("destinationConfig.{member}.destination");
            errors.push(broken(&destination, &member, DESTINATION_PATTERN));
        }
    }
    if !errors.is_empty() {
        return Err(Refusal::validations(&errors));
    }
    if !MEMBERS.iter().any(|member| body.has(member)) {
        return Err(Refusal::invalid_parameter(
            "You must specify at least one of error handling or destination setting.",
        ));
    }
    Ok(())
}

pub(crate) fn destination(body: &Body, way: &str) -> Result<Option<String>, Refusal> {
    let config = body.object("DestinationConfig")?;
    let part = config
        .map(|config| config.object(way))
        .transpose()?
        .flatten();
    let text = part
        .as_ref()
        .map(|part| part.text("Destination"))
        .transpose()?;
    Ok(text.flatten().map(str::to_owned))
}

fn is_destination(text: &str) -> bool {
    Arn::parse(text).is_ok_and(|arn| {
        arn.service
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

fn check_destinations(catalogue: &Catalogue, body: &Body, name: &str) -> Result<(), Refusal> {
    let (success, failure) = (
        destination(body, "OnSuccess")?,
        destination(body, "OnFailure")?,
    );
    for destination in [&success, &failure].into_iter().flatten() {
        let Ok(arn) = Arn::parse(destination) else {
            continue;
        };
        match arn.service.as_str() {
            "lambda" => {
                let named = arn.function_name();
                let named = named.as_ref().map_or("", FunctionName::as_str);
                if named == name {
                    return Err(Refusal::invalid_parameter(
                        "You can't specify the function as a destination for itself.",
                    ));
                }
                if catalogue.function(named).is_none() {
                    return Err(Refusal::invalid_parameter(&format!(
                        "The destination ARN {destination} is invalid."
                    )));
                }
            }
            "sqs" | "sns" | "events" | "s3" => {}
            _ => {
                let part = |name: &str, of: &Option<String>| match of {
                    Some(arn) => format!("On{name}(destination={arn})"),
                    None => "null".to_owned(),
                };
                return Err(Refusal::invalid_parameter(&format!(
                    "The provided destination config DestinationConfig(onSuccess={}, onFailure={}) is invalid.",
                    part("Success", &success),
                    part("Failure", &failure)
                )));
            }
        }
    }
    Ok(())
}

fn shown(catalogue: &Catalogue, key: &str, entry: &Entry) -> Value {
    let (name, qualifier) = key.split_once(':').unwrap_or((key, LATEST));
    let mut shown = Map::new();
    shown.insert(
        "FunctionArn".to_owned(),
        json!(catalogue.arn(name, Some(qualifier))),
    );
    shown.insert("LastModified".to_owned(), epoch(entry.modified_at));
    for member in ["MaximumEventAgeInSeconds", "MaximumRetryAttempts"] {
        if let Some(number) = entry.whole(member) {
            shown.insert(member.to_owned(), json!(number));
        }
    }
    let way = |name: &str| {
        let config = entry.properties.get("DestinationConfig");
        let way = config.and_then(|config| config.get(name)).cloned();
        way.filter(Value::is_object).unwrap_or_else(|| json!({}))
    };
    shown.insert(
        "DestinationConfig".to_owned(),
        json!({"OnSuccess": way("OnSuccess"), "OnFailure": way("OnFailure")}),
    );
    Value::Object(shown)
}
