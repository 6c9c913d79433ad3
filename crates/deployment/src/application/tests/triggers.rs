//! Ways of events as people read them, and those that lead nowhere.

use super::*;

fn shown(resources: &[Row]) -> (Vec<String>, Vec<Problem>) {
    let (application, problems) = assemble(resources);
    let rows = application.triggers.iter();
    let rows = rows.map(|row| {
        let off = if row.is_enabled { "" } else { " (off)" };
        format!("{} {} → {}{off}", row.kind, row.source, row.target)
    });
    (rows.collect(), problems)
}

fn rule(properties: Value) -> Row {
    (
        "Rule",
        "AWS::Events::Rule",
        "shop|paid",
        properties,
        json!({}),
    )
}

const HELLO: &str = "arn:aws:lambda:eu-west-1:000000000000:function:hello";

#[test]
fn each_way_of_events_is_a_row() {
    let bucket = json!({"NotificationConfiguration": {"LambdaConfigurations": [{"Event": "s3:ObjectCreated:*", "Function": HELLO}]}});
    for (resource, row) in [
        (
            rule(
                json!({"EventPattern": {}, "EventBusName": "shop", "Targets": [{"Id": "a", "Arn": HELLO}]}),
            ),
            "rule paid on shop → hello",
        ),
        (
            rule(
                json!({"ScheduleExpression": "rate(1 minute)", "State": "DISABLED", "Targets": [{"Id": "a", "Arn": HELLO}]}),
            ),
            "schedule rate(1 minute) → hello (off)",
        ),
        (
            ("Photos", "AWS::S3::Bucket", "photos", bucket, json!({})),
            "bucket photos → hello",
        ),
        (
            (
                "Heard",
                "AWS::SNS::Subscription",
                "id",
                json!({"TopicArn": "arn:aws:sns:eu-west-1:000000000000:news", "Protocol": "lambda", "Endpoint": HELLO}),
                json!({}),
            ),
            "topic news → hello",
        ),
    ] {
        let (rows, problems) = shown(&[hello(json!({})), resource]);
        assert_eq!(rows, [row]);
        assert_eq!(problems, []);
    }
}

#[test]
fn a_target_that_is_not_there_is_named() {
    for (target, is_named) in [
        ("arn:aws:lambda:eu-west-1:000000000000:function:helo", true),
        ("arn:aws:sqs:eu-west-1:000000000000:jobs", true),
        (
            "arn:aws:lambda:eu-west-1:000000000000:function:hello:live",
            false,
        ),
        (
            "arn:aws:events:eu-west-1:000000000000:event-bus/default",
            false,
        ),
        ("arn:aws:sqs:eu-west-1:123456789012:jobs", false),
        ("arn:aws:codebuild:eu-west-1:000000000000:project/p", false),
    ] {
        let rule = rule(json!({"EventPattern": {}, "Targets": [{"Id": "a", "Arn": target}]}));
        let (_, problems) = shown(&[hello(json!({})), rule]);
        let codes: Vec<&str> = problems.iter().map(|it| it.code).collect();
        let expected: &[&str] = if is_named {
            &["deployment::target-not-there"]
        } else {
            &[]
        };
        assert_eq!(codes, expected, "{target}");
    }
}
