//! Tags, limits, endpoints, backups.

use serde_json::{Value, json};

use super::Server;

const PETS: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/pets";

async fn tags(server: &Server) -> Value {
    let (status, answer) = server
        .call("ListTagsOfResource", &json!({"ResourceArn": PETS}))
        .await;
    assert_eq!(status, 200, "{answer}");
    answer["Tags"].clone()
}

#[tokio::test]
async fn tags_are_set_replaced_and_removed() {
    let server = Server::with_tables().await;
    for (operation, body) in [
        (
            "TagResource",
            json!({"ResourceArn": PETS, "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]}),
        ),
        (
            "TagResource",
            json!({"ResourceArn": PETS, "Tags": [{"Key": "a", "Value": "2"}]}),
        ),
        (
            "UntagResource",
            json!({"ResourceArn": PETS, "TagKeys": ["b", "never"]}),
        ),
    ] {
        let (status, answer) = server.call(operation, &body).await;
        assert_eq!((status, answer), (200, Value::Null));
    }
    assert_eq!(tags(&server).await, json!([{"Key": "a", "Value": "2"}]));
}

#[tokio::test]
async fn what_cannot_be_tagged_or_be_a_tag_is_refused() {
    let server = Server::with_tables().await;
    let one = || json!([{"Key": "a", "Value": "1"}]);
    let many: Vec<Value> = (0..51)
        .map(|number| json!({"Key": number.to_string(), "Value": ""}))
        .collect();
    for (arn, tags, error) in [
        ("pets", one(), "ValidationException"),
        (
            "arn:aws:dynamodb:us-east-1:000000000000:table/none",
            one(),
            "ResourceNotFoundException",
        ),
        (
            "arn:aws:dynamodb:us-east-1:999999999999:table/pets",
            one(),
            "AccessDeniedException",
        ),
        (
            "arn:aws:s3:us-east-1:000000000000:table/pets",
            one(),
            "ValidationException",
        ),
        (
            "arn:aws:dynamodb:eu-west-1:000000000000:table/pets",
            one(),
            "ValidationException",
        ),
        (
            "arn:aws:dynamodb:us-east-1:000000000000:table/pets/index/i",
            one(),
            "ValidationException",
        ),
        (PETS, json!([]), "ValidationException"),
        (PETS, json!(many), "ValidationException"),
        (
            PETS,
            json!([{"Key": "", "Value": "x"}]),
            "ValidationException",
        ),
        (PETS, json!([{"Key": "a"}]), "ValidationException"),
        (
            PETS,
            json!([{"Key": "a".repeat(129), "Value": "x"}]),
            "ValidationException",
        ),
        (
            PETS,
            json!([{"Key": "a", "Value": "x".repeat(257)}]),
            "ValidationException",
        ),
        (
            PETS,
            json!([{"Key": "a!", "Value": "x"}]),
            "ValidationException",
        ),
        (
            PETS,
            json!([{"Key": "aws:a", "Value": "x"}]),
            "ValidationException",
        ),
    ] {
        let body = json!({"ResourceArn": arn, "Tags": tags});
        let (status, answer) = server.call("TagResource", &body).await;
        assert_eq!(status, 400, "{body}");
        assert!(
            answer["__type"].as_str().unwrap().ends_with(error),
            "{body} {answer}"
        );
    }
    assert_eq!(tags(&server).await, json!([]));
}

#[tokio::test]
async fn limits_are_those_of_a_new_account() {
    let (status, answer) = Server::new().call("DescribeLimits", &json!({})).await;
    assert_eq!(status, 200);
    assert_eq!(answer["AccountMaxReadCapacityUnits"], 80_000);
    assert_eq!(answer["TableMaxWriteCapacityUnits"], 40_000);
}

#[tokio::test]
async fn backups_are_off_and_cannot_be_switched_on() {
    let server = Server::with_tables().await;
    let pets = json!({"TableName": "pets"});
    let (_, answer) = server.call("DescribeContinuousBackups", &pets).await;
    let status = &answer["ContinuousBackupsDescription"]["ContinuousBackupsStatus"];
    assert_eq!(status, "DISABLED");
    let none = json!({"TableName": "none"});
    let (_, answer) = server.call("DescribeContinuousBackups", &none).await;
    assert!(
        answer["__type"]
            .as_str()
            .unwrap()
            .ends_with("#TableNotFoundException")
    );
    let mut body = pets;
    body["PointInTimeRecoverySpecification"] = json!({"PointInTimeRecoveryEnabled": true});
    let (status, answer) = server.call("UpdateContinuousBackups", &body).await;
    assert_eq!(status, 400);
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("not implemented by Cloudless")
    );
}
