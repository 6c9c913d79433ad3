//! What each operation asks for.

use interfaces::authorize::Check;
use model::ids::{AccountId, Region};
use model::time::Timestamp;
use std::sync::Arc;
use store_embedded::Memory;
use test_kit::StoppedClock;

use super::*;
use crate::engine::catalogue::Catalogue;

async fn asked(operation: &str, body: &str) -> Vec<Check> {
    let clock = Arc::new(StoppedClock::at(Timestamp::from_micros(0)));
    let catalogue = Catalogue::new(Arc::new(Memory::new()), clock);
    let (account, region) = (AccountId::development(), Region::new("eu-west-1"));
    let asked = Asked {
        catalogue: &catalogue,
        account: &account,
        region: &region,
        operation,
    };
    of(asked, body.as_bytes()).await
}

/// Actions and resources, without what all of the latter begin with.
async fn shown(operation: &str, body: &str) -> Vec<String> {
    let checks = asked(operation, body).await;
    let here = "arn:aws:dynamodb:eu-west-1:000000000000:";
    let shown = checks.iter().map(|check| {
        let action = check.action.trim_start_matches("dynamodb:");
        format!("{action} {}", check.resource.trim_start_matches(here))
    });
    shown.collect()
}

#[test]
fn every_operation_that_is_carried_out_names_its_checks() {
    let carried_out = [
        include_str!("../operations/mod.rs"),
        include_str!("../streams/mod.rs"),
    ];
    let lines = carried_out.iter().flat_map(|text| text.lines());
    let names = lines.filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" => "));
    let names: Vec<&str> = names.map(|(name, _)| name).collect();
    assert!(30 < names.len());
    for name in names {
        assert!(OPERATIONS.iter().any(|(known, _)| *known == name), "{name}");
    }
    assert!(OPERATIONS.is_sorted_by_key(|(name, _)| *name));
}

#[tokio::test]
async fn each_operation_asks_for_its_action_on_its_resource() {
    let table = "arn:aws:dynamodb:eu-west-1:000000000000:table/t";
    for (operation, body, expected) in [
        ("GetItem", r#"{"TableName": "t"}"#.to_owned(), vec!["GetItem table/t"]),
        ("GetItem", format!(r#"{{"TableName": "{table}"}}"#), vec!["GetItem table/t"]),
        (
            "Query",
            format!(r#"{{"TableName": "{table}", "IndexName": "i"}}"#),
            vec!["Query table/t/index/i"],
        ),
        (
            "BatchWriteItem",
            format!(r#"{{"RequestItems": {{"{table}": []}}}}"#),
            vec!["BatchWriteItem table/t"],
        ),
        (
            "Query",
            r#"{"TableName": "t", "IndexName": "i"}"#.to_owned(),
            vec!["Query table/t/index/i"],
        ),
        (
            "BatchWriteItem",
            r#"{"RequestItems": {"a": [], "b": []}}"#.to_owned(),
            vec!["BatchWriteItem table/a", "BatchWriteItem table/b"],
        ),
        (
            "TransactWriteItems",
            r#"{"TransactItems": [{"Put": {"TableName": "a"}}, {"ConditionCheck": {"TableName": "b"}}, {"Delete": {"TableName": "c"}},
                {"Update": {"TableName": "d"}}]}"#
                .to_owned(),
            vec![
                "PutItem table/a",
                "ConditionCheckItem table/b",
                "DeleteItem table/c",
                "UpdateItem table/d",
            ],
        ),
        (
            "ExecuteStatement",
            r#"{"Statement": "SELECT * FROM \"t\".\"i\" WHERE a = 'x'"}"#.to_owned(),
            vec!["PartiQLSelect table/t/index/i"],
        ),
        (
            "BatchExecuteStatement",
            r#"{"Statements": [{"Statement": "INSERT INTO \"t\" VALUE {'a': 'x'}"}, {"Statement": "DELETE FROM \"t\" WHERE a = 'x'"}]}"#
                .to_owned(),
            vec!["PartiQLInsert table/t", "PartiQLDelete table/t"],
        ),
        (
            "ExecuteStatement",
            r#"{"Statement": "nonsense"}"#.to_owned(),
            vec!["PartiQLSelect *", "PartiQLInsert *", "PartiQLUpdate *", "PartiQLDelete *"],
        ),
        ("ListTables", "{}".to_owned(), vec!["ListTables table/*"]),
        ("DescribeLimits", "{}".to_owned(), vec!["DescribeLimits *"]),
        (
            "TagResource",
            format!(r#"{{"ResourceArn": "{table}"}}"#),
            vec!["TagResource table/t"],
        ),
        (
            "GetRecords",
            format!(r#"{{"ShardIterator": "{table}/stream/x|1|abc"}}"#),
            vec!["GetRecords table/t/stream/x"],
        ),
        ("ListStreams", "{}".to_owned(), vec!["ListStreams table/*/stream/*"]),
        // What cannot be read asks for everything; what is not carried out, for nothing.
        ("GetItem", "{".to_owned(), vec!["GetItem *"]),
        ("GetItem", r#"{"TableName": 1}"#.to_owned(), vec!["GetItem *"]),
        ("CreateBackup", "{}".to_owned(), vec![]),
        // Of two members with one name the operation takes the last.
        (
            "GetItem",
            r#"{"TableName": "a", "TableName": "b"}"#.to_owned(),
            vec!["GetItem table/b"],
        ),
    ] {
        assert_eq!(shown(operation, &body).await, expected, "{operation} {body}");
    }
}

#[tokio::test]
async fn a_request_tells_its_attributes_and_what_it_wants_back() {
    use policy::{Caller, Policy, Request, Said};
    let holds = |check: &Check, operator: &str, key: &str, values: &[&str]| {
        let policy = serde_json::json!({"Statement": {
            "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {operator: {key: values}},
        }});
        let request = Request {
            action: &check.action,
            resource: &check.resource,
            caller: &Caller::Anonymous,
            context: &check.context,
        };
        Policy::from_value(&policy).unwrap().says(&request) == Said::Allow
    };
    let body = r##"{"TableName": "t", "KeyConditionExpression": "#p = :v AND begins_with(b, :w)",
        "FilterExpression": "c.#d > :x AND NOT size(e[1]) = :y", "ExpressionAttributeNames": {"#p": "a", "#d": "inner"}}"##;
    let checks = asked("Query", body).await;
    let names = ["a", "b", "c", "e"];
    let all = "ForAllValues:StringEquals";
    assert!(holds(&checks[0], all, "dynamodb:Attributes", &names));
    assert!(!holds(&checks[0], all, "dynamodb:Attributes", &names[1..]));
    assert!(holds(
        &checks[0],
        "StringEquals",
        "dynamodb:Select",
        &["ALL_ATTRIBUTES"]
    ));
    // Of a table that is not there no key is known, and no condition on keys holds.
    assert!(!holds(&checks[0], all, "dynamodb:LeadingKeys", &["v"]));
    let body = r#"{"TableName": "t", "Key": {"a": {"S": "x"}}, "ProjectionExpression": "b", "ReturnConsumedCapacity": "TOTAL"}"#;
    let checks = asked("GetItem", body).await;
    for (key, value) in [
        ("dynamodb:Select", "SPECIFIC_ATTRIBUTES"),
        ("dynamodb:ReturnConsumedCapacity", "TOTAL"),
    ] {
        assert!(holds(&checks[0], "StringEquals", key, &[value]), "{key}");
    }
}
