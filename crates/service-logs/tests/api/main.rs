//! The APIs of logs and metrics from outside.
//!
//! Lives here: the harness and the cases.
//! Does not live here: signatures and HTTP (`gateway`), real clients (`cloudless`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "helpers of tests fail as tests do, and a table of cases is as long as its subject"
)]

use std::io::Read as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use interfaces::authorize::Authorize;
use interfaces::clock::Clock;
use interfaces::log_sink::{LogLine, LogOrigin, LogSource};
use interfaces::resource_provider::{Properties, ResourceRequest};
use interfaces::service::ServiceCall;
use model::delivery::{Message, Sender, SenderPrincipal, Target};
use model::ids::{AccountId, InstanceId, LogicalId, Region, RequestId, StackName};
use model::principal::Principal;
use model::time::Timestamp;
use outbox::Outbox;
use serde_json::{Value, json};
use service_logs::{Parts, Service};
use store_embedded::Memory;
use test_kit::{Allowing, CountingRandom, Distrusting, StoppedClock};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

struct Server {
    service: Service,
    outbox: Outbox,
    clock: Arc<StoppedClock>,
}

impl Server {
    fn new() -> Self {
        Self::over(Arc::new(Memory::new()))
    }

    fn over(store: Arc<dyn store::Store>) -> Self {
        Self::judged(store, Arc::new(Allowing))
    }

    fn judged(store: Arc<dyn store::Store>, authorize: Arc<dyn Authorize>) -> Self {
        let outbox = Outbox::new(Arc::clone(&store));
        let clock = Arc::new(StoppedClock::at(Timestamp::from_micros(
            1_700_000_000_000_000,
        )));
        let service = Service::new(Parts {
            store,
            clock: clock.clone(),
            random: Arc::new(CountingRandom::default()),
            outbox: outbox.clone(),
            authorize,
        });
        Self {
            service,
            outbox,
            clock,
        }
    }

    async fn call(&self, signing_name: &str, target: &str, body: Value) -> (u16, Value) {
        let doors = self.service.doors();
        let door = doors
            .iter()
            .find(|door| door.signing_name() == signing_name)
            .unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-target", HeaderValue::from_str(target).unwrap());
        let answer = door
            .execute(ServiceCall {
                request_id: RequestId::new("r"),
                caller: Principal::Root {
                    account: AccountId::development(),
                },
                account: AccountId::development(),
                region: Region::new("us-east-1"),
                method: Method::POST,
                path_and_query: "/".to_owned(),
                headers,
                body: Bytes::from(body.to_string()),
                stream: None,
            })
            .await;
        (
            answer.status,
            serde_json::from_slice(&answer.body).unwrap_or_default(),
        )
    }

    async fn logs(&self, operation: &str, body: Value) -> (u16, Value) {
        self.call("logs", &format!("Logs_20140328.{operation}"), body)
            .await
    }

    async fn metrics(&self, operation: &str, body: Value) -> (u16, Value) {
        self.call(
            "monitoring",
            &format!("GraniteServiceVersion20100801.{operation}"),
            body,
        )
        .await
    }

    async fn with_stream(self) -> Self {
        assert_eq!(
            self.logs("CreateLogGroup", json!({"logGroupName": "g"}))
                .await
                .0,
            200
        );
        let stream = json!({"logGroupName": "g", "logStreamName": "s"});
        assert_eq!(self.logs("CreateLogStream", stream).await.0, 200);
        self
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().epoch_ms()
    }

    async fn put(&self, events: &[(i64, &str)]) -> (u16, Value) {
        let events: Vec<Value> = events
            .iter()
            .map(|(at, text)| json!({"timestamp": at, "message": text}))
            .collect();
        self.logs(
            "PutLogEvents",
            json!({"logGroupName": "g", "logStreamName": "s", "logEvents": events}),
        )
        .await
    }
}

#[tokio::test]
async fn events_come_back_page_by_page_until_the_token_stays() {
    for apart_ms in [1, 0] {
        pages_of_events(apart_ms).await;
    }
}

/// Those of one millisecond share a row.
async fn pages_of_events(apart_ms: i64) {
    let server = Server::new().with_stream().await;
    let now = server.now_ms();
    let events: Vec<(i64, String)> = (0..5)
        .map(|n| (now - 10 + n * apart_ms, format!("m{n}")))
        .collect();
    let events: Vec<(i64, &str)> = events
        .iter()
        .map(|(at, text)| (*at, text.as_str()))
        .collect();
    assert_eq!(server.put(&events).await.0, 200);
    let mut asked =
        json!({"logGroupName": "g", "logStreamName": "s", "startFromHead": true, "limit": 2});
    let mut read = Vec::new();
    let mut last = String::new();
    loop {
        let (_, answer) = server.logs("GetLogEvents", asked.clone()).await;
        let events = answer["events"].as_array().unwrap();
        read.extend(
            events
                .iter()
                .map(|event| event["message"].as_str().unwrap().to_owned()),
        );
        let token = answer["nextForwardToken"].as_str().unwrap().to_owned();
        if token == last {
            break;
        }
        asked["nextToken"] = token.as_str().into();
        last = token;
    }
    assert_eq!(read, ["m0", "m1", "m2", "m3", "m4"]);
    let newest = json!({"logGroupName": "g", "logStreamName": "s", "limit": 2});
    let (_, answer) = server.logs("GetLogEvents", newest).await;
    assert_eq!(answer["events"][1]["message"], "m4");
    let token = &answer["nextBackwardToken"];
    let before = json!({"logGroupName": "g", "logStreamName": "s", "limit": 2, "nextToken": token});
    let (_, answer) = server.logs("GetLogEvents", before).await;
    assert_eq!(answer["events"][0]["message"], "m1");
    let invalid = json!({"logGroupName": "g", "logStreamName": "s", "nextToken": "x"});
    assert_eq!(server.logs("GetLogEvents", invalid).await.0, 400);
    let mut asked = json!({"logGroupName": "g", "limit": 2});
    let mut read = Vec::new();
    loop {
        let (_, answer) = server.logs("FilterLogEvents", asked.clone()).await;
        let events = answer["events"].as_array().unwrap().iter();
        read.extend(events.map(|event| event["message"].as_str().unwrap().to_owned()));
        let Some(token) = answer["nextToken"].as_str() else {
            break;
        };
        asked["nextToken"] = token.into();
    }
    assert_eq!(read, ["m0", "m1", "m2", "m3", "m4"]);
}

#[tokio::test]
async fn each_event_of_a_crowded_millisecond_can_be_read_alone_from_both_ends() {
    let server = Server::new().with_stream().await;
    let now = server.now_ms();
    // Rows of one event and of several.
    for lot in [&["0"][..], &["1", "2", "3"], &["4"], &["5"], &["6", "7"]] {
        let events: Vec<(i64, &str)> = lot.iter().map(|text| (now, *text)).collect();
        assert_eq!(server.put(&events).await.0, 200);
    }
    for (is_from_head, token) in [(true, "nextForwardToken"), (false, "nextBackwardToken")] {
        let mut asked = json!({"logGroupName": "g", "logStreamName": "s", "limit": 1,
            "startFromHead": is_from_head});
        let mut read = Vec::new();
        for _ in 0..8 {
            let (_, answer) = server.logs("GetLogEvents", asked.clone()).await;
            read.push(answer["events"][0]["message"].as_str().unwrap().to_owned());
            asked["nextToken"] = answer[token].clone();
        }
        let (_, answer) = server.logs("GetLogEvents", asked).await;
        assert_eq!(answer["events"], json!([]));
        if !is_from_head {
            read.reverse();
        }
        assert_eq!(read.concat(), "01234567");
    }
}

#[tokio::test]
async fn what_is_too_old_or_too_new_is_left_out_and_told() {
    let server = Server::new().with_stream().await;
    let now = server.now_ms();
    let hour = 3_600_000;
    let (_, answer) = server.put(&[(now - 15 * 24 * hour, "old")]).await;
    assert_eq!(answer["rejectedLogEventsInfo"]["tooOldLogEventEndIndex"], 1);
    let (_, answer) = server
        .put(&[(now, "in time"), (now + 3 * hour, "early")])
        .await;
    assert_eq!(
        answer["rejectedLogEventsInfo"]["tooNewLogEventStartIndex"],
        1
    );
    let (status, answer) = server.put(&[(now, "b"), (now - 1, "a")]).await;
    assert_eq!(
        (status, answer["__type"].as_str()),
        (400, Some("InvalidParameterException"))
    );
    assert_eq!(
        server.put(&[(now - 25 * hour, "a"), (now, "b")]).await.0,
        400
    );
    let (_, answer) = server
        .logs("FilterLogEvents", json!({"logGroupName": "g"}))
        .await;
    assert_eq!(answer["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn events_of_several_streams_are_merged_filtered_and_paged() {
    let server = Server::new().with_stream().await;
    let now = server.now_ms();
    server
        .put(&[
            (now - 5, "ERROR a"),
            (now - 3, "fine"),
            (now - 1, "ERROR c"),
        ])
        .await;
    server
        .logs(
            "CreateLogStream",
            json!({"logGroupName": "g", "logStreamName": "t"}),
        )
        .await;
    let events = json!([{"timestamp": now - 4, "message": "ERROR b"}]);
    server
        .logs(
            "PutLogEvents",
            json!({"logGroupName": "g", "logStreamName": "t", "logEvents": events}),
        )
        .await;
    let mut asked = json!({"logGroupName": "g", "filterPattern": "ERROR", "limit": 2});
    let (_, first) = server.logs("FilterLogEvents", asked.clone()).await;
    let of = |answer: &Value| -> Vec<String> {
        let events = answer["events"].as_array().unwrap();
        events
            .iter()
            .map(|event| event["message"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(of(&first), ["ERROR a", "ERROR b"]);
    asked["nextToken"] = first["nextToken"].clone();
    let (_, second) = server.logs("FilterLogEvents", asked).await;
    assert_eq!(of(&second), ["ERROR c"]);
    assert!(second["nextToken"].is_null());
    let (_, of_t) = server
        .logs(
            "FilterLogEvents",
            json!({"logGroupName": "g", "logStreamNames": ["t"]}),
        )
        .await;
    assert_eq!(of(&of_t), ["ERROR b"]);
}

#[tokio::test]
async fn subscribers_get_what_their_pattern_means_zipped() {
    let server = Server::new().with_stream().await;
    let now = server.now_ms();
    let filter = json!({
        "logGroupName": "g", "filterName": "errors", "filterPattern": "ERROR", "destinationArn": FUNCTION,
    });
    assert_eq!(server.logs("PutSubscriptionFilter", filter).await.0, 200);
    server.put(&[(now, "fine"), (now, "ERROR")]).await;
    let fresh = server.outbox.fresh(None, 10).await.unwrap();
    let delivery = fresh
        .rows
        .into_iter()
        .find_map(|row| row.whole)
        .unwrap()
        .delivery;
    let body: Value = serde_json::from_slice(&delivery.message.body).unwrap();
    let zipped = STANDARD
        .decode(body["awslogs"]["data"].as_str().unwrap())
        .unwrap();
    let mut plain = String::new();
    flate2::read::GzDecoder::new(&*zipped)
        .read_to_string(&mut plain)
        .unwrap();
    let data: Value = serde_json::from_str(&plain).unwrap();
    assert_eq!(data["messageType"], "DATA_MESSAGE");
    assert_eq!(data["logGroup"], "g");
    assert_eq!(data["subscriptionFilters"], json!(["errors"]));
    assert_eq!(data["logEvents"].as_array().unwrap().len(), 1);
    let (_, found) = server
        .logs(
            "FilterLogEvents",
            json!({"logGroupName": "g", "filterPattern": "ERROR"}),
        )
        .await;
    assert_eq!(data["logEvents"][0]["id"], found["events"][0]["eventId"]);
}

#[tokio::test]
async fn metric_filters_count_and_metrics_are_read_by_periods() {
    let server = Server::new().with_stream().await;
    let now = server.now_ms();
    let filter = json!({
        "logGroupName": "g", "filterName": "f", "filterPattern": "{ $.ms > 0 }",
        "metricTransformations": [{"metricName": "Took", "metricNamespace": "App", "metricValue": "$.ms"}],
    });
    assert_eq!(server.logs("PutMetricFilter", filter).await.0, 200);
    server
        .put(&[(now, r#"{"ms": 5}"#), (now, r#"{"ms": 7}"#), (now, "no")])
        .await;
    let data = json!([{"MetricName": "Took", "Value": 9.0}, {"MetricName": "Other", "Values": [1.0, 2.0], "Counts": [1, 2]}]);
    let put = json!({"Namespace": "App", "MetricData": data});
    assert_eq!(server.metrics("PutMetricData", put).await.0, 200);
    let asked = json!({
        "Namespace": "App", "MetricName": "Took", "Period": 60, "StartTime": now / 1_000 - 300, "EndTime": now / 1_000 + 60,
        "Statistics": ["Sum", "Average", "SampleCount", "Minimum", "Maximum"],
    });
    let (_, answer) = server.metrics("GetMetricStatistics", asked.clone()).await;
    let point = &answer["Datapoints"][0];
    assert_eq!(
        [&point["Sum"], &point["Average"], &point["SampleCount"]],
        [21.0, 7.0, 3.0]
    );
    assert_eq!([&point["Minimum"], &point["Maximum"]], [5.0, 9.0]);
    let (_, listed) = server
        .metrics("ListMetrics", json!({"Namespace": "App"}))
        .await;
    assert_eq!(listed["Metrics"].as_array().unwrap().len(), 2);
    let mut refused = asked;
    refused["ExtendedStatistics"] = json!(["p99"]);
    let (status, answer) = server.metrics("GetMetricStatistics", refused).await;
    assert!(
        status == 400
            && answer["message"]
                .as_str()
                .unwrap()
                .contains("ExtendedStatistics")
    );
    let acting = json!({
        "AlarmName": "a", "MetricName": "Took", "Namespace": "App", "EvaluationPeriods": 1, "Period": 60, "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold", "AlarmActions": ["arn:aws:sns:us-east-1:000000000000:t"],
    });
    assert_eq!(
        server.metrics("PutMetricAlarm", acting.clone()).await.0,
        400
    );
    let mut quiet = acting;
    quiet["ActionsEnabled"] = json!(false);
    assert_eq!(server.metrics("PutMetricAlarm", quiet).await.0, 200);
    let (_, alarms) = server.metrics("DescribeAlarms", json!({})).await;
    assert_eq!(alarms["MetricAlarms"][0]["StateValue"], "INSUFFICIENT_DATA");
}

#[tokio::test]
async fn retention_is_carried_out_and_deleted_streams_leave_nothing() {
    let memory = Arc::new(Memory::new());
    let server = Server::over(memory).with_stream().await;
    let now = server.now_ms();
    server.put(&[(now - 7_200_000, "old"), (now, "new")]).await;
    let retention = json!({"logGroupName": "g", "retentionInDays": 1});
    assert_eq!(server.logs("PutRetentionPolicy", retention).await.0, 200);
    let wrong = json!({"logGroupName": "g", "retentionInDays": 2});
    assert_eq!(server.logs("PutRetentionPolicy", wrong).await.0, 400);
    server
        .clock
        .advance(std::time::Duration::from_secs(23 * 3_600));
    server.service.tidy().await;
    let (_, left) = server
        .logs("FilterLogEvents", json!({"logGroupName": "g"}))
        .await;
    assert_eq!(left["events"][0]["message"], "new");
    assert_eq!(left["events"].as_array().unwrap().len(), 1);
    assert_eq!(
        server
            .logs("DeleteLogGroup", json!({"logGroupName": "g"}))
            .await
            .0,
        200
    );
    server.service.tidy().await;
    let (status, answer) = server
        .logs("DescribeLogStreams", json!({"logGroupName": "g"}))
        .await;
    assert_eq!(
        (status, answer["__type"].as_str()),
        (400, Some("ResourceNotFoundException"))
    );
}

#[tokio::test]
async fn functions_write_into_groups_and_streams_as_they_do_on_aws() {
    let server = Server::new();
    let log = server.service.function_log();
    let function = Arc::new(test_kit::function("hello"));
    let source = Arc::new(LogSource {
        function: Arc::clone(&function),
        instance: InstanceId::new("0123456789abcdef"),
    });
    for text in ["START RequestId: r Version: $LATEST", "hi"] {
        log.write(LogLine {
            source: Arc::clone(&source),
            request_id: None,
            at: server.clock.now(),
            origin: LogOrigin::Stdout,
            text: Bytes::from(text),
        });
    }
    server.service.flush().await;
    let region = function.region.clone();
    assert_eq!(region.as_str(), "us-east-1");
    let (_, streams) = server
        .logs(
            "DescribeLogStreams",
            json!({"logGroupName": "/aws/lambda/hello"}),
        )
        .await;
    assert_eq!(
        streams["logStreams"][0]["logStreamName"],
        "2023/11/14/[$LATEST]0123456789abcdef"
    );
    let (_, events) = server
        .logs(
            "FilterLogEvents",
            json!({"logGroupName": "/aws/lambda/hello"}),
        )
        .await;
    assert_eq!(
        events["events"][0]["message"],
        "START RequestId: r Version: $LATEST\n"
    );
    assert_eq!(events["events"][1]["message"], "hi\n");
}

#[tokio::test]
async fn events_of_rules_become_log_events_and_templates_make_groups() {
    let server = Server::new();
    let provider = server.service.provider();
    let request = |resource_type: &str, properties: Value| ResourceRequest {
        account: AccountId::development(),
        region: Region::new("us-east-1"),
        stack: StackName::new("app"),
        logical_id: LogicalId::new("Logs"),
        resource_type: resource_type.to_owned(),
        properties: properties
            .as_object()
            .cloned()
            .unwrap_or_else(Properties::new),
        generated_name: "app-Logs".to_owned(),
        number: None,
    };
    let group = request(
        "AWS::Logs::LogGroup",
        json!({"LogGroupName": "/aws/events/x", "RetentionInDays": 7}),
    );
    let made = provider.create(&group).await.unwrap();
    assert_eq!(made.physical_id, "/aws/events/x");
    assert_eq!(
        made.attributes["Arn"],
        "arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/x:*"
    );
    assert_eq!(provider.create(&group).await.unwrap(), made);
    let sink = server.service.sink();
    let target =
        model::arn::Arn::parse("arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/x")
            .unwrap();
    let target = Target::Resource(target);
    assert!(sink.serves(&target));
    let sender = Sender {
        principal: SenderPrincipal::Service("events.amazonaws.com".to_owned()),
        source: None,
        account: AccountId::development(),
    };
    let message = Message {
        body: r#"{"id": "e1", "detail": {}}"#.into(),
        ..Message::default()
    };
    sink.take(&target, &sender, &message).await.unwrap();
    let (_, events) = server
        .logs("FilterLogEvents", json!({"logGroupName": "/aws/events/x"}))
        .await;
    assert_eq!(events["events"][0]["logStreamName"], "e1");
    let alarm = provider.check("AWS::CloudWatch::Alarm", &Properties::new());
    assert!(
        alarm
            .iter()
            .any(|problem| problem.title.contains("never fires"))
    );
    provider.delete(&made.physical_id, &group).await.unwrap();
    provider.delete(&made.physical_id, &group).await.unwrap();
}

#[test]
fn what_is_not_carried_out_is_listed_as_such() {
    let operations: Vec<(&str, bool)> = service_logs::log_operations().collect();
    assert!(
        operations.contains(&("StartQuery", false)) && operations.contains(&("PutLogEvents", true))
    );
    assert!(service_logs::metric_operations().any(|one| one == ("PutDashboard", false)));
}

#[tokio::test]
async fn a_role_that_does_not_let_the_service_in_is_refused() {
    let server = Server::judged(Arc::new(Memory::new()), Arc::new(Distrusting));
    let server = server.with_stream().await;
    let filter = json!({
        "logGroupName": "g", "filterName": "f", "filterPattern": "",
        "destinationArn": "arn:aws:kinesis:us-east-1:000000000000:stream/s",
        "roleArn": "arn:aws:iam::000000000000:role/r",
    });
    let (status, answer) = server.logs("PutSubscriptionFilter", filter).await;
    let words = answer["message"].as_str().unwrap_or_default();
    assert_eq!(status, 400, "{answer}");
    assert!(
        words.starts_with("Could not deliver test message"),
        "{answer}"
    );
}
