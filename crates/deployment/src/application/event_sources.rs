//! Event source mappings of an application, from deployed resources.
//!
//! Lives here: reading `AWS::Lambda::EventSourceMapping`, and naming those that do not run.
//! Does not live here: running them (`event-delivery`), the source's records (its service).
//!
//! Contract: AWS Lambda API Reference, `CreateEventSourceMapping`.

use std::time::Duration;

use model::arn::Arn;
use model::door::Callee;
use model::event_source::{
    Answers, BATCH_RECORDS_DEFAULT, FILTERS_MAX, Mapping, MappingState, OnError, PATTERN_BYTES_MAX,
    QUEUE_BATCH_DEFAULT, QUEUE_BATCH_MAX, StartingPosition,
};
use model::limits::LAMBDA_TIMEOUT_DEFAULT;
use model::problem::Problem;
use model::time::Timestamp;
use patterns::Pattern;
use serde_json::Value;

use super::integration::Refusal;
use super::versions::{Callable, function_named};
use super::view::{Resource, View};
use crate::records::{asks_for_nothing, text_of};

/// `AWS::SQS::Queue`, `VisibilityTimeout`, when it is not given.
const VISIBILITY_DEFAULT_S: u64 = 30;

/// All mappings that can run. What keeps one from it is added to the problems.
pub(super) fn mappings(
    view: &View<'_>,
    callable: &Callable,
    problems: &mut Vec<Problem>,
) -> Vec<Mapping> {
    view.of_type("AWS::Lambda::EventSourceMapping")
        .filter_map(|resource| match mapping(view, resource, callable) {
            Ok(mapping) => Some(mapping),
            Err((property, refusal)) => {
                problems.push(not_run(resource, property, &refusal));
                None
            }
        })
        .collect()
}

/// Why a mapping does not run, and which of its properties says so.
type Refused = (&'static str, Refusal);

/// What kind of source a mapping reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A stream of a table.
    Table,
    /// A Kinesis stream.
    Stream,
    /// A standard queue.
    Queue,
    /// A FIFO queue.
    FifoQueue,
}

/// What only streams have.
const OF_STREAMS: [&str; 7] = [
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "StartingPosition",
    "StartingPositionTimestamp",
];
/// What only queues have.
const OF_QUEUES: [&str; 2] = ["ProvisionedPollerConfig", "ScalingConfig"];

fn mapping(
    view: &View<'_>,
    resource: &Resource<'_>,
    callable: &Callable,
) -> Result<Mapping, Refused> {
    let (source, kind) = source(resource)?;
    let callee = target(resource, callable)?;
    visible_for_long_enough(view, &source, &callee)?;
    if resource.whole("TumblingWindowInSeconds").unwrap_or(0) != 0 {
        let refusal = Refusal::new("tumbling windows are not built yet")
            .help("leave it out, and keep what the function adds up in a table");
        return Err(("TumblingWindowInSeconds", refusal));
    }
    of_another_kind(resource, kind)?;
    let count = |name: &str, default: usize| {
        let given = resource.whole(name);
        given
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(default)
    };
    let is_queue = kind.is_queue();
    let default = if is_queue {
        QUEUE_BATCH_DEFAULT
    } else {
        BATCH_RECORDS_DEFAULT
    };
    let batch_window = Duration::from_secs(
        resource
            .whole("MaximumBatchingWindowInSeconds")
            .unwrap_or(0),
    );
    let batch_records_max = count("BatchSize", default).max(1);
    batch_of_queue(kind, batch_records_max, batch_window)?;
    Ok(Mapping {
        id: resource.physical_id.to_owned(),
        source,
        callee,
        state: match resource.text("Enabled").as_deref() {
            Some("false") => MappingState::Disabled,
            Some(_) | None => MappingState::Enabled,
        },
        start: start(resource, kind)?,
        batch_records_max,
        batch_window,
        parallelization: count("ParallelizationFactor", 1).max(1),
        on_error: if resource.is_true("BisectBatchOnFunctionError") {
            OnError::Bisect
        } else {
            OnError::RetryWhole
        },
        // -1 is not a whole number here: it means what leaving them out means.
        retries_max: resource
            .whole("MaximumRetryAttempts")
            .and_then(|retries| u32::try_from(retries).ok()),
        record_age_max: resource
            .whole("MaximumRecordAgeInSeconds")
            .map(Duration::from_secs),
        answers: answers(resource),
        concurrency_max: member(resource, "ScalingConfig", &["MaximumConcurrency"])
            .and_then(|text| text.parse().ok()),
        on_failure: on_failure(resource)?,
        filters: filters(resource)?,
    })
}

impl Kind {
    fn is_queue(self) -> bool {
        match self {
            Self::Queue | Self::FifoQueue => true,
            Self::Table | Self::Stream => false,
        }
    }
}

fn source(resource: &Resource<'_>) -> Result<(Arn, Kind), Refused> {
    const PROPERTY: &str = "EventSourceArn";
    let Some(text) = resource.text(PROPERTY) else {
        let refusal = Refusal::new("it names no source by `EventSourceArn`").help(
            "queues, Kinesis streams and streams of tables are read: Kafka and others are not",
        );
        return Err((PROPERTY, refusal));
    };
    let arn = Arn::parse(&text)
        .map_err(|_| (PROPERTY, Refusal::new(format!("`{text}` is not an ARN"))))?;
    let kind = match arn.service.as_str() {
        "dynamodb" if arn.resource.contains("/stream/") => Ok(Kind::Table),
        "dynamodb" => Err(Refusal::new(format!("`{text}` is not the ARN of a stream"))
            .help("`Fn::GetAtt: [Table, StreamArn]` of a table with a `StreamSpecification` is")),
        "sqs" if arn.resource.ends_with(".fifo") => Ok(Kind::FifoQueue),
        "sqs" => Ok(Kind::Queue),
        "kinesis" if arn.resource.contains("/consumer/") => Err(Refusal::new(
            "consumers with enhanced fan-out are not built",
        )
        .help("name the stream itself: its records are the same")),
        "kinesis" => Ok(Kind::Stream),
        other => Err(
            Refusal::new(format!("sources of the service `{other}` are not read yet"))
                .help("queues, Kinesis streams and streams of DynamoDB tables are"),
        ),
    };
    match kind {
        Ok(kind) => Ok((arn, kind)),
        Err(refusal) => Err((PROPERTY, refusal)),
    }
}

/// Properties that a source of this kind does not have, as the cloud refuses them too.
fn of_another_kind(resource: &Resource<'_>, kind: Kind) -> Result<(), Refused> {
    let (names, what): (&[&'static str], _) = if kind.is_queue() {
        (&OF_STREAMS, "a queue")
    } else {
        (&OF_QUEUES, "a stream")
    };
    let given = names.iter().find(|name| {
        let value = resource.properties.get(**name);
        value.is_some_and(|value| !asks_for_nothing(value))
    });
    match given {
        Some(name) => {
            let refusal = Refusal::new(format!("`{name}` means nothing for {what}"));
            Err((name, refusal.help("leave it out: the cloud refuses it")))
        }
        None if resource.properties.contains_key("ProvisionedPollerConfig") => {
            let refusal = Refusal::new("pollers are not provisioned here")
                .help("`ScalingConfig` bounds how many calls run at once");
            Err(("ProvisionedPollerConfig", refusal))
        }
        None => Ok(()),
    }
}

/// Contract: `CreateEventSourceMapping`, `BatchSize`: more than ten messages need a window of a second, and FIFO queues
/// have neither.
fn batch_of_queue(kind: Kind, records: usize, window: Duration) -> Result<(), Refused> {
    let refuse = |property, reason: &str, help: &str| {
        Err((property, Refusal::new(reason).help(help.to_owned())))
    };
    match kind {
        Kind::FifoQueue if !window.is_zero() => refuse(
            "MaximumBatchingWindowInSeconds",
            "batches of FIFO queues are not gathered",
            "leave it out",
        ),
        Kind::FifoQueue if QUEUE_BATCH_MAX < records => refuse(
            "BatchSize",
            "a batch of a FIFO queue has ten messages at most",
            "set it to 10 or less",
        ),
        Kind::Queue if QUEUE_BATCH_MAX < records && window.is_zero() => refuse(
            "BatchSize",
            "batches of more than ten messages have to be gathered",
            "set `MaximumBatchingWindowInSeconds` to 1 or more",
        ),
        Kind::Queue | Kind::FifoQueue | Kind::Table | Kind::Stream => Ok(()),
    }
}

/// The cloud makes no mapping of a queue whose messages would come back while the function still works on them.
fn visible_for_long_enough(view: &View<'_>, source: &Arn, callee: &Callee) -> Result<(), Refused> {
    let arn = source.to_string();
    let mut queues = view.of_type("AWS::SQS::Queue");
    let queue =
        queues.find(|queue| queue.attributes.get("Arn").and_then(text_of) == Some(arn.clone()));
    let mut functions = view.of_type("AWS::Lambda::Function");
    let function = functions.find(|function| function.physical_id == callee.function.as_str());
    let (Some(queue), Some(function)) = (queue, function) else {
        return Ok(());
    };
    let visibility = queue
        .whole("VisibilityTimeout")
        .unwrap_or(VISIBILITY_DEFAULT_S);
    let timeout = function.whole("Timeout");
    let timeout = timeout.unwrap_or(LAMBDA_TIMEOUT_DEFAULT.as_secs());
    if timeout <= visibility {
        return Ok(());
    }
    let reason = format!(
        "Queue visibility timeout: {visibility} seconds is less than Function timeout: {timeout} seconds"
    );
    let help = format!(
        "set `VisibilityTimeout` of `{}` to {timeout} or more; six times as much is what the provider advises",
        queue.logical_id
    );
    Err(("EventSourceArn", Refusal::new(reason).help(help)))
}

/// A queue or a topic that is told of batches that were given up.
fn on_failure(resource: &Resource<'_>) -> Result<Option<Arn>, Refused> {
    const PROPERTY: &str = "DestinationConfig";
    let Some(text) = member(resource, PROPERTY, &["OnFailure", "Destination"]) else {
        return Ok(None);
    };
    let arn = Arn::parse(&text)
        .map_err(|_| (PROPERTY, Refusal::new(format!("`{text}` is not an ARN"))))?;
    if ["sqs", "sns"].contains(&arn.service.as_str()) {
        return Ok(Some(arn));
    }
    let reason = format!("`{text}` is neither a queue nor a topic");
    let refusal = Refusal::new(reason).help("buckets and Kafka topics are not told");
    Err((PROPERTY, refusal))
}

fn member(resource: &Resource<'_>, property: &str, path: &[&str]) -> Option<String> {
    let mut value = resource.properties.get(property)?;
    for step in path {
        value = value.get(step)?;
    }
    text_of(value)
}

fn target(resource: &Resource<'_>, callable: &Callable) -> Result<Callee, Refused> {
    let text = resource.text("FunctionName").unwrap_or_default();
    let named = Arn::parse(&text).ok().and_then(|arn| arn.function());
    let (name, qualifier) = named.unwrap_or_else(|| {
        let after = text
            .split_once("function:")
            .map_or(text.as_str(), |(_, rest)| rest);
        let qualifier = after
            .split_once(':')
            .map(|(_, qualifier)| qualifier.to_owned());
        (function_named(&text), qualifier)
    });
    let found = callable.find(name, qualifier);
    found.map_err(|refusal| ("FunctionName", refusal))
}

fn start(resource: &Resource<'_>, kind: Kind) -> Result<StartingPosition, Refused> {
    const PROPERTY: &str = "StartingPosition";
    let refusal = match (kind, resource.text(PROPERTY).as_deref()) {
        (Kind::Queue | Kind::FifoQueue, _) | (_, Some("TRIM_HORIZON")) => {
            return Ok(StartingPosition::TrimHorizon);
        }
        (_, Some("LATEST")) => return Ok(StartingPosition::Latest),
        (Kind::Stream, Some("AT_TIMESTAMP")) => {
            let seconds = resource.text("StartingPositionTimestamp");
            let seconds: Option<f64> = seconds.and_then(|text| text.parse().ok());
            // Far beyond any time that a stream keeps records for.
            let readable = seconds.filter(|seconds| (0.0..1e11).contains(seconds));
            if let Some(since) = readable.map(Duration::from_secs_f64) {
                let at = Timestamp::from_micros(0).plus(since);
                return Ok(StartingPosition::AtTimestamp(at));
            }
            let refusal = Refusal::new("`AT_TIMESTAMP` needs a `StartingPositionTimestamp`")
                .help("set it to seconds since 1970");
            return Err(("StartingPositionTimestamp", refusal));
        }
        (Kind::Table, Some(other)) => {
            Refusal::new(format!("a stream of a table is not read from `{other}`"))
        }
        (Kind::Stream, Some(other)) => Refusal::new(format!("a stream is not read from `{other}`")),
        (Kind::Table | Kind::Stream, None) => Refusal::new("a stream needs a `StartingPosition`"),
    };
    Err((PROPERTY, refusal.help("set it to TRIM_HORIZON or LATEST")))
}

fn answers(resource: &Resource<'_>) -> Answers {
    let kinds = super::view::list_of(resource.properties.get("FunctionResponseTypes"));
    if kinds.iter().any(|kind| kind == "ReportBatchItemFailures") {
        Answers::BatchItemFailures
    } else {
        Answers::Ignored
    }
}

fn filters(resource: &Resource<'_>) -> Result<Vec<String>, Refused> {
    const PROPERTY: &str = "FilterCriteria";
    let criteria = resource.properties.get(PROPERTY);
    let listed = criteria
        .and_then(|criteria| criteria.get("Filters"))
        .and_then(Value::as_array);
    let texts: Vec<String> = listed
        .into_iter()
        .flatten()
        .filter_map(|filter| filter.get("Pattern")?.as_str())
        .map(str::to_owned)
        .collect();
    if FILTERS_MAX < texts.len() {
        let reason = format!(
            "it has {} filters, and {FILTERS_MAX} are allowed",
            texts.len()
        );
        return Err((PROPERTY, Refusal::new(reason)));
    }
    for text in &texts {
        if PATTERN_BYTES_MAX < text.len() {
            let reason = format!("a pattern is longer than {PATTERN_BYTES_MAX} bytes");
            return Err((PROPERTY, Refusal::new(reason)));
        }
        if let Err(error) = Pattern::parse(text) {
            let reason = format!("`{text}` is no pattern: {error}");
            return Err((PROPERTY, Refusal::new(reason)));
        }
    }
    Ok(texts)
}

fn not_run(resource: &Resource<'_>, property: &str, refusal: &Refusal) -> Problem {
    let name = resource.logical_id;
    let problem = Problem::error(
        "deployment::event-source-not-read",
        format!("event source mapping `{name}` does not run"),
    )
    .at(&resource.place_of(&[property]))
    .because(&refusal.reason);
    match &refusal.help {
        Some(help) => problem.help(help),
        None => problem,
    }
}
