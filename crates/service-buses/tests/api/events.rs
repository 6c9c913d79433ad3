//! Events on buses: entries, rules, targets, permissions.

use std::sync::Arc;

use interfaces::event_sink::SinkError;
use model::arn::Arn;
use model::delivery::{Message, Sender, SenderPrincipal, Target};
use model::ids::AccountId;
use model::time::Timestamp;
use serde_json::{Value, json};
use store_embedded::Memory;
use test_kit::{Judging, StoppedClock};

use super::{QUEUE, ROLE, Server, body};

fn server() -> Server {
    let clock = StoppedClock::at(Timestamp::from_micros(1_700_000_000_000_000));
    Server::over(Arc::new(Memory::new()), Arc::new(clock))
}

fn entry(source: &str, detail: &str) -> Value {
    json!({"Source": source, "DetailType": "t", "Detail": detail})
}

#[tokio::test]
async fn an_event_goes_to_the_targets_of_the_rules_that_it_matches() {
    let server = server();
    let rule = json!({"Name": "r", "EventPattern": "{\"source\": [\"a\"]}"});
    server.rule(rule, json!({"Id": "1", "Arn": QUEUE})).await;
    let entries = json!({"Entries": [entry("a", "{ \"n\": 1.50 }"), entry("b", "{}")]});
    let (status, answer) = server.events("PutEvents", entries).await;
    assert_eq!((status, &answer["FailedEntryCount"]), (200, &json!(0)));
    let deliveries = server.deliveries().await;
    assert_eq!(deliveries.len(), 1);
    let text = String::from_utf8_lossy(&deliveries[0].message.body).into_owned();
    let id = answer["Entries"][0]["EventId"].as_str().unwrap();
    assert_eq!(
        text,
        format!(
            "{{\"version\":\"0\",\"id\":\"{id}\",\"detail-type\":\"t\",\"source\":\"a\",\"account\":\"000000000000\",\"time\":\"2023-11-14T22:13:20Z\",\"region\":\"us-east-1\",\"resources\":[],\"detail\":{{\"n\":1.50}}}}"
        )
    );
}

#[tokio::test]
async fn a_trace_that_is_no_header_reaches_no_function() {
    let server = server();
    let traced = |trace: &str| {
        let mut entry = entry("s", "{}");
        entry["TraceHeader"] = trace.into();
        json!({"Entries": [entry]})
    };
    for (trace, failed) in [
        ("Root=1-5759e988", 0),
        ("Root=1\0", 1),
        ("Root=1\r\nX: y", 1),
    ] {
        let (_, answer) = server.events("PutEvents", traced(trace)).await;
        assert_eq!(answer["FailedEntryCount"], failed, "{trace:?}: {answer}");
    }
    let (status, answer) = server.events("PutEvents", traced(&"a".repeat(501))).await;
    assert_eq!(status, 400);
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.contains("'entries.1.member.traceHeader'"),
        "{message}"
    );
}

#[tokio::test]
async fn entries_fail_one_by_one_in_the_clouds_words() {
    let server = server();
    let entries = json!({"Entries": [
        {"DetailType": "t", "Detail": "{}"}, {"Source": "s", "DetailType": "", "Detail": "{}"},
        {"Source": "s", "DetailType": "t"}, entry("s", "[]"), entry("aws.s3", "{}"), entry("s", "{}"),
    ]});
    let (_, answer) = server.events("PutEvents", entries).await;
    assert_eq!(answer["FailedEntryCount"], 5);
    for (number, code, message) in [
        (
            0,
            "InvalidArgument",
            "Parameter Source is not valid. Reason: Source is a required argument.",
        ),
        (
            1,
            "InvalidArgument",
            "Parameter DetailType is not valid. Reason: DetailType is a required argument.",
        ),
        (
            2,
            "InvalidArgument",
            "Parameter Detail is not valid. Reason: Detail is a required argument.",
        ),
        (3, "MalformedDetail", "Detail is malformed."),
        (
            4,
            "NotAuthorizedForSourceException",
            "Not authorized for the source.",
        ),
    ] {
        let entry = &answer["Entries"][number];
        assert_eq!(
            (&entry["ErrorCode"], &entry["ErrorMessage"]),
            (&json!(code), &json!(message))
        );
    }
    let large =
        json!({"Entries": [entry("s", &format!("{{\"x\":\"{}\"}}", "p".repeat(256 * 1024)))]});
    let (status, answer) = server.events("PutEvents", large).await;
    assert_eq!(
        (status, answer["message"].as_str().unwrap()),
        (
            400,
            "Total size of the entries in the request is over the limit."
        )
    );
}

#[tokio::test]
async fn targets_get_what_their_parameters_say() {
    let server = server();
    for (name, target, expected) in [
        ("constant", json!({"Input": "{\"x\":1}"}), "{\"x\":1}"),
        ("path", json!({"InputPath": "$.detail.n"}), "7"),
        (
            "template",
            json!({"InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": "{\"got\": <n>, \"by\": <aws.events.rule-name>}"}}),
            "{\"got\": 7, \"by\": \"template\"}",
        ),
    ] {
        let mut target = target;
        target["Id"] = "1".into();
        target["Arn"] = "arn:aws:sqs:us-east-1:000000000000:q.fifo".into();
        target["SqsParameters"] = json!({"MessageGroupId": "g"});
        target["RoleArn"] = ROLE.into();
        let rule = json!({"Name": name, "EventPattern": format!("{{\"source\": [\"{name}\"]}}")});
        server.rule(rule, target).await;
        let entries = json!({"Entries": [entry(name, "{\"n\": 7}")]});
        server.events("PutEvents", entries).await;
        let delivery = server.deliveries().await.pop().unwrap();
        assert_eq!(String::from_utf8_lossy(&delivery.message.body), expected);
        assert_eq!(delivery.message.group.as_deref(), Some("g"));
        assert_eq!(
            delivery.sender.principal,
            SenderPrincipal::Role(Arn::parse(ROLE).unwrap())
        );
    }
}

#[tokio::test]
async fn rules_and_targets_are_refused_in_the_clouds_words() {
    let server = server();
    server
        .rule(
            json!({"Name": "r", "ScheduleExpression": "rate(1 day)"}),
            json!({"Id": "1", "Arn": QUEUE}),
        )
        .await;
    server
        .events("CreateEventBus", json!({"Name": "own"}))
        .await;
    let target = |target: Value| json!({"Rule": "r", "Targets": [target]});
    for (operation, request, message) in [
        (
            "PutRule",
            json!({"Name": "x"}),
            "Parameter(s) EventPattern or ScheduleExpression must be specified.",
        ),
        (
            "PutRule",
            json!({"Name": "x", "EventBusName": "own", "ScheduleExpression": "rate(1 day)"}),
            "ScheduleExpression is supported only on the default event bus.",
        ),
        (
            "PutRule",
            json!({"Name": "x", "ScheduleExpression": "rate(1 days)"}),
            "Parameter ScheduleExpression is not valid.",
        ),
        (
            "PutRule",
            json!({"Name": "x", "EventBusName": "none", "EventPattern": "{\"a\":[1]}"}),
            "Event bus none does not exist.",
        ),
        (
            "PutRule",
            json!({"Name": "x", "EventPattern": "{\"a\":[]}"}),
            "Event pattern is not valid. Reason: Empty arrays are not allowed\n at [Source: (String)\"{\"a\":[]}\"; line: 1, column: 8]",
        ),
        (
            "DeleteRule",
            json!({"Name": "r"}),
            "Rule can't be deleted since it has targets.",
        ),
        (
            "DescribeRule",
            json!({"Name": "none"}),
            "Rule none does not exist on EventBus default.",
        ),
        (
            "DeleteEventBus",
            json!({"Name": "default"}),
            "Cannot delete event bus default.",
        ),
        (
            "CreateEventBus",
            json!({"Name": "own"}),
            "Event bus own already exists.",
        ),
        (
            "PutTargets",
            target(json!({"Id": "2", "Arn": QUEUE, "Input": "1", "InputPath": "$.a"})),
            "Only one of Input, InputPath, or InputTransformer must be provided for target 2.",
        ),
        (
            "PutTargets",
            target(json!({"Id": "2", "Arn": QUEUE, "InputTransformer": {"InputTemplate": "<b>"}})),
            "InputTemplate for target 2 contains invalid placeholder b.",
        ),
        (
            "PutTargets",
            target(json!({"Id": "!", "Arn": QUEUE})),
            "1 validation error detected: Value '!' at 'targets.1.member.id' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+",
        ),
        (
            "PutTargets",
            target(
                json!({"Id": "2", "Arn": "arn:aws:states:us-east-1:000000000000:stateMachine:m"}),
            ),
            "a target that is a state machine of Step Functions is not implemented by Cloudless yet",
        ),
        (
            "PutTargets",
            target(json!({"Id": "2", "Arn": QUEUE, "EcsParameters": {}})),
            "EcsParameters of target 2 is not implemented by Cloudless yet",
        ),
        (
            "CreateEndpoint",
            json!({}),
            "the operation CreateEndpoint is not implemented by Cloudless yet",
        ),
        (
            "TestEventPattern",
            json!({"Event": "{}", "EventPattern": "{\"a\":[1]}"}),
            "Parameter Event is not valid.",
        ),
    ] {
        let (status, answer) = server.events(operation, request).await;
        assert_eq!(
            (status, answer["message"].as_str().unwrap_or_default()),
            (400, message)
        );
    }
}

#[tokio::test]
async fn all_is_there_again_after_a_restart() {
    let store = Arc::new(Memory::new());
    let clock = || Arc::new(StoppedClock::at(Timestamp::from_micros(0)));
    let before = Server::over(store.clone(), clock());
    before
        .events("CreateEventBus", json!({"Name": "own"}))
        .await;
    let rule = json!({"Name": "r", "EventBusName": "own", "EventPattern": "{\"source\": [\"a\"]}"});
    before.rule(rule, json!({"Id": "1", "Arn": QUEUE})).await;
    let permission = json!({"EventBusName": "own", "Action": "events:PutEvents", "Principal": "111111111111", "StatementId": "s"});
    before.events("PutPermission", permission).await;
    let after = Server::over(store, clock());
    for (operation, request) in [
        ("DescribeEventBus", json!({"Name": "own"})),
        ("ListRules", json!({"EventBusName": "own"})),
        (
            "ListTargetsByRule",
            json!({"EventBusName": "own", "Rule": "r"}),
        ),
    ] {
        let seen = before.events(operation, request.clone()).await;
        assert_eq!(after.events(operation, request).await, seen);
    }
    let mut one = entry("a", "{}");
    one["EventBusName"] = "arn:aws:events:us-east-1:000000000000:event-bus/own".into();
    after.events("PutEvents", json!({"Entries": [one]})).await;
    assert_eq!(after.deliveries().await.len(), 1);
}

async fn take(
    server: &Server,
    bus: &str,
    sender: SenderPrincipal,
    account: &str,
    hops: u32,
) -> Result<(), SinkError> {
    let target = Target::Resource(Arn::parse(bus).unwrap());
    let sender = Sender {
        principal: sender,
        source: None,
        account: AccountId::new(account),
    };
    let about = json!({"source": "aws.s3", "detail-type": "Object Created", "resources": ["arn:aws:s3:::b"], "hops": hops});
    let message = Message {
        body: bytes::Bytes::from_static(b"{\"bucket\": {\"name\": \"b\"}}"),
        entry: Some(about.to_string()),
        ..Message::default()
    };
    server.service.sink().take(&target, &sender, &message).await
}

const DEFAULT_BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/default";

#[tokio::test]
async fn other_services_put_their_events_on_the_bus() {
    let server = server();
    let rule =
        json!({"Name": "r", "EventPattern": "{\"detail\": {\"bucket\": {\"name\": [\"b\"]}}}"});
    server.rule(rule, json!({"Id": "1", "Arn": QUEUE})).await;
    let s3 = || SenderPrincipal::Service("s3.amazonaws.com".to_owned());
    take(&server, DEFAULT_BUS, s3(), "000000000000", 0)
        .await
        .unwrap();
    let delivered = server.deliveries().await;
    let event = body(&delivered[0]);
    assert_eq!(
        (&event["source"], &event["detail-type"]),
        (&json!("aws.s3"), &json!("Object Created"))
    );
    assert_eq!(event["resources"], json!(["arn:aws:s3:::b"]));
    let none = "arn:aws:events:us-east-1:000000000000:event-bus/none";
    let missing = take(&server, none, s3(), "000000000000", 0)
        .await
        .unwrap_err();
    assert_eq!(
        missing.to_string(),
        "ResourceNotFoundException: Event bus none does not exist."
    );
    let endless = take(&server, DEFAULT_BUS, s3(), "000000000000", 17)
        .await
        .unwrap_err();
    assert!(endless.to_string().starts_with("LimitExceededException"));
}

/// Delivers what waits for buses until nothing does; how many events were taken, and why others were not.
async fn until_it_ends(server: &Server) -> (usize, Vec<String>) {
    let (mut taken, mut refused) = (0, Vec::new());
    let mut after = None;
    loop {
        let fresh = server.outbox.fresh(after, 1_000).await.unwrap();
        let Some(last) = fresh.rows.last() else {
            return (taken, refused);
        };
        after = Some(last.place);
        for delivery in fresh.rows.into_iter().filter_map(|row| row.whole) {
            let delivery = delivery.delivery;
            let sink = server.service.sink();
            let tried = sink.take(&delivery.target, &delivery.sender, &delivery.message);
            match tried.await {
                Ok(()) => taken += 1,
                Err(error) => refused.push(error.to_string()),
            }
        }
        assert!(taken < 10_000, "it does not end");
    }
}

#[tokio::test]
async fn rules_that_send_to_their_own_bus_end_however_many_targets_they_have() {
    for (targets, taken_max) in [(1, 16), (2, 4_096), (5, 4_096)] {
        let server = server();
        let rule = json!({"Name": "r", "EventPattern": "{\"source\": [\"shop\"]}"});
        let named = |number| json!({"Id": format!("{number}"), "Arn": DEFAULT_BUS});
        for number in 0..targets {
            server.rule(rule.clone(), named(number)).await;
        }
        let one = entry("a", "{}");
        let one = json!({"Source": "shop", "DetailType": one["DetailType"], "Detail": "{}"});
        server.events("PutEvents", json!({"Entries": [one]})).await;
        let (taken, refused) = until_it_ends(&server).await;
        assert!(
            (1..=taken_max).contains(&taken),
            "{targets} targets: {taken}"
        );
        assert!(refused.len() <= taken_max * targets, "{}", refused.len());
        let why = refused.last().unwrap();
        assert!(why.contains("Rules send events in a loop"), "{why}");
        assert!(why.contains(":rule/r"), "{why}");
    }
}

#[tokio::test]
async fn who_may_not_put_events_on_a_bus_is_told_so() {
    let clock = StoppedClock::at(Timestamp::from_micros(0));
    let denying = Judging::allowing("none:None", "*");
    let server = Server::judged(Arc::new(Memory::new()), Arc::new(clock), Arc::new(denying));
    let role = SenderPrincipal::Role(Arn::parse(ROLE).unwrap());
    let denied = take(&server, DEFAULT_BUS, role, "000000000000", 0)
        .await
        .unwrap_err();
    assert!(
        matches!(&denied, SinkError::Permanent { code, .. } if code == "AccessDeniedException")
    );
    let stranger = SenderPrincipal::Service("events.amazonaws.com".to_owned());
    assert!(
        take(&server, DEFAULT_BUS, stranger.clone(), "111111111111", 0)
            .await
            .is_err()
    );
    assert!(
        take(&server, DEFAULT_BUS, stranger, "000000000000", 0)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_thousand_rules_are_not_all_tried() {
    let server = server();
    for number in 0..1_000 {
        let pattern = json!({"source": [format!("s{number}")]}).to_string();
        let rule = json!({"Name": format!("r{number}"), "EventPattern": pattern});
        server.rule(rule, json!({"Id": "1", "Arn": QUEUE})).await;
    }
    server
        .events("PutEvents", json!({"Entries": [entry("s77", "{}")]}))
        .await;
    let deliveries = server.deliveries().await;
    assert_eq!(deliveries.len(), 1);
    assert!(
        deliveries[0]
            .sender
            .source
            .as_ref()
            .unwrap()
            .to_string()
            .ends_with("rule/r77")
    );
}
