//! Event source mappings.
//!
//! Lives here: `CreateEventSourceMapping` and its like.
//! Does not live here: reading sources and calling functions (`event-delivery`).
//!
//! Contract: AWS Lambda API Reference, these operations, and answers recorded from the service.

use std::sync::Arc;
use std::time::Duration;

use interfaces::message_source::QueueError;
use interfaces::record_source::SourceError;
use interfaces::resource_provider::Properties;
use interfaces::service::ServiceAnswer;
use model::arn::Arn;
use resource_types::text_of;
use serde_json::{Map, Value, json};

use crate::adoption::named;
use crate::answers::{self, Refusal};
use crate::catalogue::{Catalogue, Entry, Kind};
use crate::function_name::Named;
use crate::keeper::Change;
use crate::rendering::epoch;
use crate::request::{Asked, Body, broken};
use crate::service::{Handler, Service};
use crate::tags;

pub(crate) const HANDLERS: &[(&str, Handler)] = &[
    ("CreateEventSourceMapping", |service, asked| {
        Box::pin(service.create_mapping(asked))
    }),
    ("GetEventSourceMapping", |service, asked| {
        Box::pin(async move { service.get_mapping(asked) })
    }),
    ("ListEventSourceMappings", |service, asked| {
        Box::pin(async move { service.list_mappings(asked) })
    }),
    ("UpdateEventSourceMapping", |service, asked| {
        Box::pin(service.update_mapping(asked))
    }),
    ("DeleteEventSourceMapping", |service, asked| {
        Box::pin(service.delete_mapping(asked))
    }),
];

const MAPPINGS_MAX: usize = 100;
/// What is kept as it was said.
const MEMBERS: [&str; 15] = [
    "BatchSize",
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "Enabled",
    "EventSourceArn",
    "FilterCriteria",
    "FunctionResponseTypes",
    "MaximumBatchingWindowInSeconds",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "ScalingConfig",
    "StartingPosition",
    "StartingPositionTimestamp",
    "TumblingWindowInSeconds",
];
/// What asks for sources that are not read, or for what is not carried out.
const REFUSED: [&str; 10] = [
    "AmazonManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
    "LoggingConfig",
    "MetricsConfig",
    "ProvisionedPollerConfig",
    "Queues",
    "SelfManagedEventSource",
    "SelfManagedKafkaEventSourceConfig",
    "SourceAccessConfigurations",
    "Topics",
];

impl Service {
    async fn create_mapping(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let body = asked.body()?;
        refuse(&body)?;
        let Some(source) = body.text("EventSourceArn")? else {
            return Err(Refusal::invalid_parameter("Unrecognized event source."));
        };
        let source_kind = check_source(&body, source)?;
        let function = body.required("FunctionName")?;
        let function = Named::read(function, None, asked.region(), asked.account())?;
        target(self.catalogue()?.as_ref(), &function)?;
        self.exists(source, source_kind).await?;
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let arn = target(&catalogue, &function)?;
        check_unique(&catalogue, (source, source_kind), &arn)?;
        let mut properties = Properties::new();
        put_said(&body, &mut properties);
        put_defaults(source_kind, &mut properties);
        check_window(source_kind, &properties)?;
        properties.insert("FunctionName".to_owned(), json!(arn));
        if let Some(given) = body.object("Tags")? {
            properties.insert("Tags".to_owned(), tags::listed(&tags::checked(&given)?));
        }
        let id = self.draw_id();
        let mut entry = Entry::new(properties, id.clone(), self.draw_id(), self.clock.now());
        let own = catalogue.arn_of(format!("event-source-mapping:{id}"));
        for (name, value) in [("Id", &id), ("EventSourceMappingArn", &own)] {
            entry.attributes.insert(name.to_owned(), json!(value));
        }
        // Recorded so of a queue's: what is made switched off is not on its way.
        let state = (source_kind == Source::Stream || is_enabled(&entry)).then_some("Creating");
        let shown = shown(&catalogue, &entry, state);
        let mut change = Change::default();
        change.put(Kind::Mapping, id, entry);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::json(202, &shown))
    }

    /// Whether there is what a mapping is to read.
    async fn exists(&self, source: &str, kind: Source) -> Result<(), Refusal> {
        let Ok(arn) = Arn::parse(source) else {
            return Ok(());
        };
        let is_missing = match kind {
            Source::Queue => {
                let found = self.messages.iter().find(|messages| messages.serves(&arn));
                match found {
                    // Nothing is released; a queue that is not there is told all the same.
                    Some(messages) => matches!(
                        messages.release(&arn, &[], Duration::ZERO).await,
                        Err(QueueError::Missing { .. })
                    ),
                    None => false,
                }
            }
            Source::Stream => {
                let found = self.records.iter().find(|records| records.serves(&arn));
                match found {
                    Some(records) => {
                        matches!(records.shards(&arn).await, Err(SourceError::Missing { .. }))
                    }
                    None => false,
                }
            }
        };
        match (is_missing, kind) {
            (false, _) => Ok(()),
            (true, Source::Stream) => Err(Refusal::invalid_parameter(&format!(
                "Stream not found: {source}"
            ))),
            (true, Source::Queue) => Err(Refusal::invalid_parameter(
                "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.",
            )),
        }
    }

    fn get_mapping(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let catalogue = self.catalogue()?;
        let entry = found(&catalogue, asked.label("UUID"))?;
        Ok(answers::json(200, &shown(&catalogue, entry, None)))
    }

    fn list_mappings(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let page = asked.page(MAPPINGS_MAX)?;
        let catalogue = self.catalogue()?;
        let function = match asked.parameter("FunctionName") {
            Some(text) => {
                let named = Named::read(text, None, asked.region(), asked.account())?;
                let name = named.function.as_str();
                Some(catalogue.arn(name, named.qualifier.as_deref()))
            }
            None => None,
        };
        let source = asked.parameter("EventSourceArn");
        let mappings = catalogue.all(Kind::Mapping).filter(|(_, entry)| {
            let is_of_source =
                source.is_none_or(|arn| entry.text("EventSourceArn").as_deref() == Some(arn));
            let is_of_function = function
                .as_ref()
                .is_none_or(|arn| function_arn(&catalogue, entry) == *arn);
            is_of_source && is_of_function
        });
        let mappings =
            mappings.map(|(key, entry)| (key.to_owned(), shown(&catalogue, entry, None)));
        let (items, marker) = page.cut(mappings);
        Ok(answers::page(200, "EventSourceMappings", items, marker))
    }

    async fn update_mapping(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let body = asked.body()?;
        refuse(&body)?;
        let id = asked.label("UUID");
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let mut entry = found(&catalogue, id)?.clone();
        if let Some(text) = body.text("FunctionName")? {
            let function = Named::read(text, None, asked.region(), asked.account())?;
            let arn = target(&catalogue, &function)?;
            entry
                .properties
                .insert("FunctionName".to_owned(), json!(arn));
        }
        let was_enabled = is_enabled(&entry);
        put_said(&body, &mut entry.properties);
        check_patterns(&Body(entry.properties.clone()))?;
        let source = entry.text("EventSourceArn").unwrap_or_default();
        if let Some(kind) = source_of(&source) {
            check_window(kind, &entry.properties)?;
        }
        entry.change(self.draw_id(), self.clock.now());
        let state = match (was_enabled, is_enabled(&entry)) {
            (true, false) => "Disabling",
            (false, true) => "Enabling",
            (true, true) | (false, false) => "Updating",
        };
        let shown = shown(&catalogue, &entry, Some(state));
        let mut change = Change::default();
        change.put(Kind::Mapping, id, entry);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::json(202, &shown))
    }

    async fn delete_mapping(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let id = asked.label("UUID");
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let shown = shown(&catalogue, found(&catalogue, id)?, Some("Deleting"));
        let mut change = Change::default();
        change.remove(&catalogue, Kind::Mapping, id);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::json(202, &shown))
    }
}

/// What a mapping reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Queue,
    Stream,
}

fn source_of(arn: &str) -> Option<Source> {
    let arn = Arn::parse(arn).ok()?;
    match arn.service.as_str() {
        "sqs" => Some(Source::Queue),
        "kinesis" => Some(Source::Stream),
        "dynamodb" if arn.resource.contains("/stream/") => Some(Source::Stream),
        _ => None,
    }
}

fn found<'a>(catalogue: &'a Catalogue, id: &str) -> Result<&'a Entry, Refusal> {
    let found = catalogue.get(Kind::Mapping, id).map(AsRef::as_ref);
    found.ok_or_else(|| Refusal::not_found("The resource you requested does not exist.".to_owned()))
}

fn refuse(body: &Body) -> Result<(), Refusal> {
    match REFUSED.iter().find(|name| body.has(name)) {
        Some(name) => Err(Refusal::not_implemented(&format!("`{name}`"))),
        None => Ok(()),
    }
}

fn check_source(body: &Body, source: &str) -> Result<Source, Refusal> {
    let position = body.text("StartingPosition")?;
    if let Some(position) = position
        && !["LATEST", "AT_TIMESTAMP", "TRIM_HORIZON"].contains(&position)
    {
        let constraint = "Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]";
        return Err(Refusal::validations(&[broken(
            position,
            "startingPosition",
            constraint,
        )]));
    }
    let Some(kind) = source_of(source) else {
        return Err(match Arn::parse(source) {
            Ok(arn) => {
                Refusal::not_implemented(&format!("a mapping of the source `{}`", arn.service))
            }
            Err(_) => Refusal::invalid_parameter("Unrecognized event source."),
        });
    };
    check_patterns(body)?;
    match kind {
        Source::Queue
            if body
                .object("DestinationConfig")?
                .is_some_and(|it| !it.0.is_empty()) =>
        {
            Err(Refusal::invalid_parameter(
                "Unsupported DestinationConfig parameter for given event source mapping type.",
            ))
        }
        Source::Queue => Ok(kind),
        Source::Stream if position.is_none() => Err(Refusal::invalid_parameter(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
        )),
        Source::Stream if position == Some("AT_TIMESTAMP") && source.contains(":dynamodb:") => {
            Err(Refusal::invalid_parameter(&format!(
                "Unsupported starting position for arn type: {source}"
            )))
        }
        Source::Stream => Ok(kind),
    }
}

fn check_patterns(body: &Body) -> Result<(), Refusal> {
    let criteria = body.object("FilterCriteria")?;
    let filters = criteria
        .as_ref()
        .and_then(|criteria| criteria.get("Filters"));
    let filters = filters.and_then(Value::as_array).into_iter().flatten();
    for filter in filters {
        let pattern = filter
            .get("Pattern")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if patterns::Pattern::parse(pattern).is_err() {
            return Err(Refusal::invalid_parameter(
                "Invalid filter pattern definition.",
            ));
        }
    }
    Ok(())
}

fn target(catalogue: &Catalogue, function: &Named) -> Result<String, Refusal> {
    let (name, qualifier) = (function.function.as_str(), function.qualifier.as_deref());
    match catalogue.configured(name, qualifier) {
        Some(_) => Ok(catalogue.arn(name, qualifier)),
        None => Err(Refusal::invalid_parameter("Function does not exist")),
    }
}

fn check_unique(
    catalogue: &Catalogue,
    (source, kind): (&str, Source),
    function: &str,
) -> Result<(), Refusal> {
    let mut mappings = catalogue.all(Kind::Mapping);
    let same = mappings.find(|(_, entry)| {
        entry.text("EventSourceArn").as_deref() == Some(source)
            && function_arn(catalogue, entry) == function
    });
    let Some((id, _)) = same else {
        return Ok(());
    };
    let (name, _) = named(function);
    Err(Refusal::conflict(&match kind {
        Source::Queue => format!(
            "An event source mapping with SQS arn (\" {source} \") and function (\" {name} \") already exists. Please update or delete the existing mapping with UUID {id}"
        ),
        Source::Stream => format!(
            "The event source arn (\" {source} \") and function (\" {name} \") provided mapping already exists. Please update or delete the existing mapping with UUID {id}"
        ),
    }))
}

/// More than ten messages take a while to gather.
fn check_window(kind: Source, properties: &Properties) -> Result<(), Refusal> {
    let number = |name: &str| {
        let value = properties.get(name).and_then(text_of);
        value.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
    };
    let is_too_large = 10 < number("BatchSize") && number("MaximumBatchingWindowInSeconds") == 0;
    if kind == Source::Queue && is_too_large {
        return Err(Refusal::invalid_parameter(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ));
    }
    Ok(())
}

fn put_said(body: &Body, properties: &mut Properties) {
    for name in MEMBERS {
        if let Some(value) = body.get(name) {
            properties.insert(name.to_owned(), value.clone());
        }
    }
    let is_without = properties
        .get("FilterCriteria")
        .and_then(|criteria| criteria.get("Filters"))
        .and_then(Value::as_array)
        .is_none_or(Vec::is_empty);
    if is_without {
        properties.remove("FilterCriteria");
    }
}

fn put_defaults(source: Source, properties: &mut Properties) {
    let defaults = match source {
        Source::Queue => json!({"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0}),
        Source::Stream => json!({
            "BatchSize": 100,
            "BisectBatchOnFunctionError": false,
            "MaximumBatchingWindowInSeconds": 0,
            "MaximumRecordAgeInSeconds": -1,
            "MaximumRetryAttempts": -1,
            "ParallelizationFactor": 1,
            "TumblingWindowInSeconds": 0,
        }),
    };
    for (name, value) in defaults.as_object().into_iter().flatten() {
        properties.entry(name).or_insert_with(|| value.clone());
    }
}

/// The ARN of what a mapping calls: a template may name it otherwise.
fn function_arn(catalogue: &Catalogue, entry: &Entry) -> String {
    let (name, qualifier) = named(&entry.text("FunctionName").unwrap_or_default());
    catalogue.arn(&name, Some(&qualifier))
}

fn is_enabled(entry: &Entry) -> bool {
    entry.text("Enabled").as_deref() != Some("false")
}

fn shown(catalogue: &Catalogue, entry: &Entry, state: Option<&str>) -> Value {
    let mut all = entry.properties.clone();
    let source = entry.text("EventSourceArn").unwrap_or_default();
    let kind = source_of(&source).unwrap_or(Source::Stream);
    put_defaults(kind, &mut all);
    let mut shown = Map::new();
    for name in MEMBERS {
        let Some(value) = all.get(name) else { continue };
        if name == "Enabled" {
            continue;
        }
        // Numbers of templates may be texts.
        let number = text_of(value).and_then(|text| text.parse::<i64>().ok());
        let is_number = !value.is_boolean() && number.is_some();
        let value = match number.filter(|_| is_number) {
            Some(number) => json!(number),
            None => value.clone(),
        };
        shown.insert(name.to_owned(), value);
    }
    let mut put = |name: &str, value: Value| {
        shown.insert(name.to_owned(), value);
    };
    if kind == Source::Stream {
        put("LastProcessingResult", json!("No records processed"));
        if !all.contains_key("DestinationConfig") {
            put("DestinationConfig", json!({"OnFailure": {}}));
        }
    }
    let types = all.get("FunctionResponseTypes").cloned();
    put("FunctionResponseTypes", types.unwrap_or_else(|| json!([])));
    let reason = match kind {
        Source::Queue => "USER_INITIATED",
        Source::Stream => "User action",
    };
    put("StateTransitionReason", json!(reason));
    let settled = if is_enabled(entry) {
        "Enabled"
    } else {
        "Disabled"
    };
    put("State", json!(state.unwrap_or(settled)));
    put("UUID", json!(entry.physical_id));
    put("FunctionArn", json!(function_arn(catalogue, entry)));
    let own = format!("event-source-mapping:{}", entry.physical_id);
    put("EventSourceMappingArn", json!(catalogue.arn_of(own)));
    put("LastModified", epoch(entry.modified_at));
    Value::Object(shown)
}
