//! Event source mappings: what they come to, and which are named as not running.

use std::time::Duration;

use model::event_source::{Answers, Mapping, MappingState, OnError, StartingPosition};

use super::*;

const STREAM: &str =
    "arn:aws:dynamodb:eu-west-1:000000000000:table/orders/stream/2026-01-01T00:00:00.000";

fn mapping(extra: Value) -> Row {
    let mut properties = json!({
        "EventSourceArn": STREAM, "FunctionName": "hello", "StartingPosition": "TRIM_HORIZON",
    });
    let members = properties.as_object_mut().unwrap();
    for (name, value) in extra.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    (
        "Changes",
        "AWS::Lambda::EventSourceMapping",
        "0f0e0d0c-0b0a-4908-8706-050403020100",
        properties,
        json!({}),
    )
}

fn assembled(extra: Value) -> (Vec<Mapping>, Vec<Problem>) {
    let alias = alias("live", json!({"FunctionVersion": "$LATEST"}));
    let (application, problems) = assemble(&[hello(json!({})), alias, mapping(extra)]);
    (application.event_sources, problems)
}

#[test]
fn a_mapping_that_says_little_has_the_services_defaults() {
    let (mappings, problems) = assembled(json!({}));
    assert!(problems.is_empty(), "{problems:?}");
    let [mapping] = mappings.as_slice() else {
        panic!("{mappings:?}");
    };
    assert_eq!(mapping.id, "0f0e0d0c-0b0a-4908-8706-050403020100");
    assert_eq!(mapping.source.to_string(), STREAM);
    assert_eq!(mapping.callee.function, FunctionName::new("hello"));
    assert_eq!(mapping.callee.qualifier, None);
    assert_eq!(mapping.state, MappingState::Enabled);
    assert_eq!(mapping.start, StartingPosition::TrimHorizon);
    assert_eq!(
        (mapping.batch_records_max, mapping.parallelization),
        (100, 1)
    );
    assert_eq!(mapping.batch_window, Duration::ZERO);
    assert_eq!((mapping.retries_max, mapping.record_age_max), (None, None));
    assert_eq!(
        (mapping.on_error, mapping.answers),
        (OnError::RetryWhole, Answers::Ignored)
    );
}

#[test]
fn every_setting_arrives() {
    let arn = "arn:aws:lambda:eu-west-1:000000000000:function:hello:live";
    let pattern = r#"{"eventName": ["INSERT"]}"#;
    let (mappings, problems) = assembled(json!({
        "FunctionName": arn, "StartingPosition": "LATEST", "Enabled": "false", "BatchSize": "25",
        "MaximumBatchingWindowInSeconds": 5, "ParallelizationFactor": 4, "BisectBatchOnFunctionError": true,
        "MaximumRetryAttempts": 3, "MaximumRecordAgeInSeconds": 600,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "FilterCriteria": {"Filters": [{"Pattern": pattern}]},
    }));
    assert!(problems.is_empty(), "{problems:?}");
    let mapping = &mappings[0];
    assert_eq!(mapping.callee.qualifier.as_deref(), Some("live"));
    assert_eq!(mapping.start, StartingPosition::Latest);
    assert_eq!(mapping.state, MappingState::Disabled);
    assert_eq!(
        (mapping.batch_records_max, mapping.parallelization),
        (25, 4)
    );
    assert_eq!(mapping.batch_window, Duration::from_secs(5));
    assert_eq!(mapping.retries_max, Some(3));
    assert_eq!(mapping.record_age_max, Some(Duration::from_secs(600)));
    assert_eq!(mapping.on_error, OnError::Bisect);
    assert_eq!(mapping.answers, Answers::BatchItemFailures);
    assert_eq!(mapping.filters, [pattern]);
}

#[test]
fn minus_one_means_without_end() {
    let (mappings, _) = assembled(json!({
        "MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1,
    }));
    assert_eq!(
        (mappings[0].retries_max, mappings[0].record_age_max),
        (None, None)
    );
}

#[test]
fn what_cannot_run_is_named_with_its_reason() {
    let table = "arn:aws:dynamodb:eu-west-1:000000000000:table/orders";
    let broker = "arn:aws:mq:eu-west-1:000000000000:broker:b:1";
    for (extra, reason) in [
        (
            json!({"EventSourceArn": table}),
            "is not the ARN of a stream",
        ),
        (json!({"EventSourceArn": "orders"}), "is not an ARN"),
        (json!({"EventSourceArn": null}), "names no source"),
        (
            json!({"FunctionName": "nobody"}),
            "no function is called `nobody`",
        ),
        (
            json!({"FunctionName": "hello:never"}),
            "no version or alias `never`",
        ),
        (
            json!({"StartingPosition": null}),
            "needs a `StartingPosition`",
        ),
        (
            json!({"StartingPosition": "AT_TIMESTAMP"}),
            "not read from `AT_TIMESTAMP`",
        ),
        (
            json!({"TumblingWindowInSeconds": 30}),
            "tumbling windows are not built yet",
        ),
        (
            json!({"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}),
            "is no pattern",
        ),
        (
            json!({"FilterCriteria": {"Filters": vec![json!({"Pattern": "{\"a\":[1]}"}); 6]}}),
            "it has 6 filters",
        ),
        (
            json!({"EventSourceArn": broker}),
            "sources of the service `mq`",
        ),
    ] {
        refused(&extra, reason);
    }
}

#[test]
fn what_a_source_does_not_have_is_refused_by_name() {
    let queue = "arn:aws:sqs:eu-west-1:000000000000:jobs";
    let fifo = "arn:aws:sqs:eu-west-1:000000000000:jobs.fifo";
    let stream = "arn:aws:kinesis:eu-west-1:000000000000:stream/clicks";
    let consumer = format!("{stream}/consumer/one:1");
    for (extra, reason) in [
        (
            json!({"EventSourceArn": queue}),
            "`StartingPosition` means nothing for a queue",
        ),
        (
            json!({"EventSourceArn": queue, "StartingPosition": null, "BatchSize": 11}),
            "have to be gathered",
        ),
        (
            json!({"EventSourceArn": queue, "StartingPosition": null, "ProvisionedPollerConfig": {"MinimumPollers": 2}}),
            "pollers are not provisioned",
        ),
        (
            json!({"EventSourceArn": fifo, "StartingPosition": null, "BatchSize": 11}),
            "ten messages at most",
        ),
        (
            json!({"EventSourceArn": fifo, "StartingPosition": null, "MaximumBatchingWindowInSeconds": 1}),
            "are not gathered",
        ),
        (
            json!({"ScalingConfig": {"MaximumConcurrency": 5}}),
            "`ScalingConfig` means nothing for a stream",
        ),
        (json!({"EventSourceArn": consumer}), "enhanced fan-out"),
        (
            json!({"EventSourceArn": stream, "StartingPosition": "AT_TIMESTAMP"}),
            "needs a `StartingPositionTimestamp`",
        ),
        (
            json!({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::dead"}}}),
            "neither a queue nor a topic",
        ),
    ] {
        refused(&extra, reason);
    }
}

fn refused(extra: &Value, reason: &str) {
    let (mappings, problems) = assembled(extra.clone());
    assert!(mappings.is_empty(), "{extra}");
    let [problem] = problems.as_slice() else {
        panic!("{extra}: {problems:?}");
    };
    assert_eq!(problem.code, "deployment::event-source-not-read");
    let cause = problem.cause.as_deref().unwrap();
    assert!(cause.contains(reason), "{extra}: {cause}");
}

#[test]
fn queues_and_kinesis_streams_are_read_too() {
    let (mappings, problems) = assembled(json!({
        "EventSourceArn": "arn:aws:sqs:eu-west-1:000000000000:jobs", "StartingPosition": null, "BatchSize": 500,
        "MaximumBatchingWindowInSeconds": 2, "ScalingConfig": {"MaximumConcurrency": 7},
    }));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(mappings[0].batch_records_max, 500);
    assert_eq!(mappings[0].concurrency_max, Some(7));
    let dead = "arn:aws:sns:eu-west-1:000000000000:dead";
    let (mappings, problems) = assembled(json!({
        "EventSourceArn": "arn:aws:kinesis:eu-west-1:000000000000:stream/clicks",
        "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1_700_000_000,
        "DestinationConfig": {"OnFailure": {"Destination": dead}},
    }));
    assert!(problems.is_empty(), "{problems:?}");
    let at = model::time::Timestamp::from_micros(1_700_000_000_000_000);
    assert_eq!(mappings[0].start, StartingPosition::AtTimestamp(at));
    let told = mappings[0].on_failure.as_ref().unwrap().to_string();
    assert_eq!(told, dead);
}

#[test]
fn a_queue_whose_messages_come_back_too_early_is_named_as_the_cloud_does() {
    let arn = "arn:aws:sqs:eu-west-1:000000000000:jobs";
    for (visibility, timeout, runs) in [(30, 31, false), (31, 31, true), (0, 1, false)] {
        let queue: Row = (
            "Jobs",
            "AWS::SQS::Queue",
            "jobs",
            json!({"VisibilityTimeout": visibility}),
            json!({"Arn": arn}),
        );
        let of_queue = mapping(json!({"EventSourceArn": arn, "StartingPosition": null}));
        let function = hello(json!({"Timeout": timeout}));
        let (application, problems) = assemble(&[function, queue, of_queue]);
        assert_eq!(application.event_sources.len(), usize::from(runs));
        let causes = problems
            .iter()
            .filter_map(|problem| problem.cause.as_deref());
        let named = causes
            .filter(|cause| cause.contains("is less than Function timeout"))
            .count();
        assert_eq!(named, usize::from(!runs), "{visibility} {timeout}");
    }
}

#[test]
fn a_mapping_to_a_function_that_failed_is_no_mistake_of_its_own() {
    let (mappings, problems) = assembled(json!({"FunctionName": "broken"}));
    assert_eq!((mappings.len(), problems.len()), (1, 0));
}
