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
    StartingPosition,
};
use model::problem::Problem;
use patterns::Pattern;
use serde_json::Value;

use super::integration::Refusal;
use super::versions::{Callable, function_named};
use super::view::{Resource, View};

/// All mappings that can run. What keeps one from it is added to the problems.
pub(super) fn mappings(
    view: &View<'_>,
    callable: &Callable,
    problems: &mut Vec<Problem>,
) -> Vec<Mapping> {
    view.of_type("AWS::Lambda::EventSourceMapping")
        .filter_map(|resource| match mapping(resource, callable) {
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

fn mapping(resource: &Resource<'_>, callable: &Callable) -> Result<Mapping, Refused> {
    let source = source(resource)?;
    let callee = target(resource, callable)?;
    if resource.whole("TumblingWindowInSeconds").unwrap_or(0) != 0 {
        let refusal = Refusal::new("tumbling windows are not built yet")
            .help("leave it out, and keep what the function adds up in a table");
        return Err(("TumblingWindowInSeconds", refusal));
    }
    let count = |name: &str, default: usize| {
        let given = resource.whole(name);
        given
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(default)
    };
    Ok(Mapping {
        id: resource.physical_id.to_owned(),
        source,
        callee,
        state: match resource.text("Enabled").as_deref() {
            Some("false") => MappingState::Disabled,
            Some(_) | None => MappingState::Enabled,
        },
        start: start(resource)?,
        batch_records_max: count("BatchSize", BATCH_RECORDS_DEFAULT).max(1),
        batch_window: Duration::from_secs(
            resource
                .whole("MaximumBatchingWindowInSeconds")
                .unwrap_or(0),
        ),
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
        concurrency_max: None,
        on_failure: None,
        filters: filters(resource)?,
    })
}

fn source(resource: &Resource<'_>) -> Result<Arn, Refused> {
    const PROPERTY: &str = "EventSourceArn";
    let Some(text) = resource.text(PROPERTY) else {
        let refusal = Refusal::new("it names no source by `EventSourceArn`")
            .help("only streams of tables are read: Kafka and others are not");
        return Err((PROPERTY, refusal));
    };
    let arn = Arn::parse(&text)
        .map_err(|_| (PROPERTY, Refusal::new(format!("`{text}` is not an ARN"))))?;
    if arn.service == "dynamodb" && arn.resource.contains("/stream/") {
        return Ok(arn);
    }
    let refusal = match arn.service.as_str() {
        "dynamodb" => Refusal::new(format!("`{text}` is not the ARN of a stream"))
            .help("`Fn::GetAtt: [Table, StreamArn]` of a table with a `StreamSpecification` is"),
        other => Refusal::new(format!("sources of the service `{other}` are not read yet"))
            .help("streams of DynamoDB tables are"),
    };
    Err((PROPERTY, refusal))
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

fn start(resource: &Resource<'_>) -> Result<StartingPosition, Refused> {
    let refusal = match resource.text("StartingPosition").as_deref() {
        Some("TRIM_HORIZON") => return Ok(StartingPosition::TrimHorizon),
        Some("LATEST") => return Ok(StartingPosition::Latest),
        Some(other) => Refusal::new(format!("a stream of a table is not read from `{other}`")),
        None => Refusal::new("a stream needs a `StartingPosition`"),
    };
    Err((
        "StartingPosition",
        refusal.help("set it to TRIM_HORIZON or LATEST"),
    ))
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
