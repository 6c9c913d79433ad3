//! Tables of templates.
//!
//! Lives here: the life of `AWS::DynamoDB::Table`, what its check says.
//! Does not live here: deployment.

use interfaces::resource_provider::{Properties, ResourceRequest, UpdatePlan};
use model::ids::{AccountId, LogicalId, Region, StackName};
use model::problem::Severity;
use serde_json::{Value, json};

use crate::Server;

const TABLE: &str = "AWS::DynamoDB::Table";

fn properties(changes: Value) -> Properties {
    let mut properties = json!({
        "TableName": "pets",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    });
    for (name, value) in changes.as_object().unwrap() {
        properties[name] = value.clone();
    }
    serde_json::from_value(properties).unwrap()
}

fn request(changes: Value) -> ResourceRequest {
    ResourceRequest {
        account: AccountId::development(),
        region: Region::new("us-east-1"),
        stack: StackName::new("petstore"),
        logical_id: LogicalId::new("PetsTable"),
        resource_type: TABLE.to_owned(),
        properties: properties(changes),
        generated_name: "petstore-PetsTable-ABC".to_owned(),
        number: None,
    }
}

#[tokio::test]
async fn a_table_is_made_found_again_changed_and_deleted() {
    let server = Server::new();
    let provider = server.service.provider();
    let first = request(json!({}));
    let made = provider.create(&first).await.unwrap();
    assert_eq!(made.physical_id, "pets");
    assert_eq!(
        made.attributes["Arn"],
        "arn:aws:dynamodb:us-east-1:000000000000:table/pets"
    );
    assert_eq!(provider.physical_id(&first), made.physical_id);
    assert_eq!(
        provider.create(&first).await,
        Ok(made.clone()),
        "again after a crash"
    );

    let item = json!({"TableName": "pets", "Item": {"id": {"S": "a"}}});
    server.ok("PutItem", item).await;
    let second = request(json!({
        "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": {"ReadCapacityUnits": "3", "WriteCapacityUnits": 4},
        "DeletionProtectionEnabled": "true",
    }));
    let updated = provider.update("pets", &first.properties, &second).await;
    assert_eq!(updated, Ok(made));
    let table = &server
        .ok("DescribeTable", json!({"TableName": "pets"}))
        .await["Table"];
    assert_eq!(table["ProvisionedThroughput"]["ReadCapacityUnits"], 3);
    assert_eq!(table["ItemCount"], 1, "an update keeps the items");
    assert!(
        provider.delete("pets", &second).await.is_err(),
        "it is protected"
    );
    provider
        .update("pets", &second.properties, &first)
        .await
        .unwrap();
    assert_eq!(provider.items("pets", &first).await, Some(1));
    provider.delete("pets", &first).await.unwrap();
    provider.delete("pets", &first).await.unwrap();
    assert_eq!(provider.items("pets", &first).await, None, "it is gone");
    let (status, _) = server
        .call("DescribeTable", &json!({"TableName": "pets"}))
        .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_table_that_was_kept_is_taken_back_as_it_should_be_now_and_never_with_other_keys() {
    let server = Server::new();
    let provider = server.service.provider();
    provider.create(&request(json!({}))).await.unwrap();
    let provisioned = request(json!({
        "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
    }));
    provider.create(&provisioned).await.unwrap();
    let table = server
        .ok("DescribeTable", json!({"TableName": "pets"}))
        .await;
    let units = &table["Table"]["ProvisionedThroughput"];
    assert_eq!(units["ReadCapacityUnits"], 3, "{table}");
    let other_keys = request(json!({
        "AttributeDefinitions": [{"AttributeName": "name", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}],
    }));
    let refused = provider.create(&other_keys).await.unwrap_err();
    assert_eq!(refused.message, "Table already exists: pets");
}

#[tokio::test]
async fn a_table_of_somebody_else_is_not_taken_over() {
    let server = Server::with_tables().await;
    let provider = server.service.provider();
    let error = provider.create(&request(json!({}))).await.unwrap_err();
    assert_eq!(error.message, "Table already exists: pets");
}

#[tokio::test]
async fn a_table_without_a_name_gets_the_generated_one() {
    let server = Server::new();
    let provider = server.service.provider();
    let made = provider
        .create(&request(json!({"TableName": null})))
        .await
        .unwrap();
    assert_eq!(made.physical_id, "petstore-PetsTable-ABC");
}

#[test]
fn every_property_that_is_not_carried_out_is_named() {
    let provider = Server::new().service.provider();
    let check = |changes| -> Vec<_> {
        let problems = provider.check(TABLE, &properties(changes));
        problems
            .into_iter()
            .map(|problem| (problem.path.join("."), problem.severity))
            .collect()
    };
    assert_eq!(check(json!({})), []);
    assert_eq!(check(json!({"SSESpecification": {"SSEEnabled": true}})), []);
    for (changes, path, severity) in [
        (json!({"StreamSpecification": {}}), "", Severity::Error),
        (
            json!({"TimeToLiveSpecification": {}}),
            "TimeToLiveSpecification",
            Severity::Error,
        ),
        (
            json!({"KinesisStreamSpecification": {"StreamArn": "x"}}),
            "KinesisStreamSpecification",
            Severity::Error,
        ),
        (
            json!({"PointInTimeRecoverySpecification": {}}),
            "PointInTimeRecoverySpecification",
            Severity::Warning,
        ),
        (
            json!({"ContributorInsightsSpecification": {"Enabled": true}}),
            "ContributorInsightsSpecification",
            Severity::Warning,
        ),
        (json!({"TabelName": "x"}), "TabelName", Severity::Error),
        (json!({"BillingMode": "FREE"}), "", Severity::Error),
        (json!({"GlobalSecondaryIndexes": [{}]}), "", Severity::Error),
    ] {
        assert_eq!(check(changes), [(path.to_owned(), severity)]);
    }
    let mut indexes = with_indexes(&["one"]);
    indexes["GlobalSecondaryIndexes"][0]["ContributorInsightsSpecification"] =
        json!({"Enabled": true});
    let path = "GlobalSecondaryIndexes.0.ContributorInsightsSpecification";
    assert_eq!(check(indexes), [(path.to_owned(), Severity::Warning)]);
}

#[test]
fn a_misspelt_member_is_named_at_its_own_place_with_what_was_meant() {
    let provider = Server::new().service.provider();
    let unknown = |changes| -> Vec<_> {
        let problems = provider.check(TABLE, &properties(changes));
        let shown = problems.into_iter().map(|problem| {
            let help = problem.help.unwrap_or_default();
            format!("{}: {} ({help})", problem.path.join("."), problem.title)
        });
        shown.collect()
    };
    let mut index = with_indexes(&["one"]);
    index["GlobalSecondaryIndexes"][0]["Projection"] = json!({"ProjectionTyp": "ALL"});
    assert_eq!(
        unknown(index),
        [
            "GlobalSecondaryIndexes.0.Projection.ProjectionTyp: `Projection` has no property `ProjectionTyp` (did you mean `ProjectionType`?)"
        ]
    );
    let mut index = with_indexes(&["one"]);
    index["GlobalSecondaryIndexes"][0]["IndxName"] = json!("x");
    assert_eq!(
        unknown(index),
        [
            "GlobalSecondaryIndexes.0.IndxName: `GlobalSecondaryIndexes` has no property `IndxName` (did you mean `IndexName`?)"
        ]
    );
    assert_eq!(
        unknown(json!({"StreamSpecification": {"Zzz": 1}})),
        [
            "StreamSpecification.Zzz: `StreamSpecification` has no property `Zzz` (there are `StreamViewType`, `ResourcePolicy`)"
        ]
    );
    assert_eq!(
        unknown(json!({"KeySchema": [{"AttributeName": "id", "Keytype": "HASH"}]})),
        ["KeySchema.0.Keytype: `KeySchema` has no property `Keytype` (did you mean `KeyType`?)"]
    );
    assert_eq!(
        unknown(json!({"BilingMode": "PAY_PER_REQUEST"})),
        ["BilingMode: a table has no property `BilingMode` (did you mean `BillingMode`?)"]
    );
}

#[test]
fn a_change_is_made_in_place_or_by_replacement_as_the_reference_says() {
    let provider = Server::new().service.provider();
    let definition = |kind: &str| json!([{"AttributeName": "id", "AttributeType": kind}]);
    for (changes, plan) in [
        (json!({}), UpdatePlan::Nothing),
        (
            json!({"ContributorInsightsSpecification": {}}),
            UpdatePlan::Nothing,
        ),
        (json!({"SSESpecification": {}}), UpdatePlan::InPlace),
        (json!({"GlobalSecondaryIndexes": []}), UpdatePlan::InPlace),
        (json!({"LocalSecondaryIndexes": []}), UpdatePlan::Replace),
        (json!({"BillingMode": "PROVISIONED"}), UpdatePlan::InPlace),
        (
            json!({"DeletionProtectionEnabled": true}),
            UpdatePlan::InPlace,
        ),
        (json!({"TableName": "other"}), UpdatePlan::Replace),
        (json!({"KeySchema": []}), UpdatePlan::Replace),
        (
            json!({"AttributeDefinitions": definition("N")}),
            UpdatePlan::Replace,
        ),
    ] {
        let new = properties(changes.clone());
        let found = provider.plan_update(TABLE, &properties(json!({})), &new);
        assert_eq!(found, plan, "{changes}");
    }
}

/// Properties of a table with these global indexes, each on an attribute of its own name.
fn with_indexes(names: &[&str]) -> Value {
    let indexes: Vec<_> = names
        .iter()
        .map(|name| {
            json!({
                "IndexName": name,
                "KeySchema": [{"AttributeName": name, "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            })
        })
        .collect();
    let definitions: Vec<_> = ["id"]
        .iter()
        .chain(names)
        .map(|name| json!({"AttributeName": name, "AttributeType": "S"}))
        .collect();
    json!({"GlobalSecondaryIndexes": indexes, "AttributeDefinitions": definitions})
}

#[tokio::test]
async fn an_update_brings_and_takes_one_index_and_keeps_the_items() {
    let server = Server::new();
    let provider = server.service.provider();
    let first = request(with_indexes(&["one"]));
    provider.create(&first).await.unwrap();
    for id in ["a", "b"] {
        let item = json!({"id": {"S": id}, "one": {"S": "x"}, "two": {"S": "x"}});
        server
            .ok("PutItem", json!({"TableName": "pets", "Item": item}))
            .await;
    }
    let count = async |index: &str| {
        let body = json!({"TableName": "pets", "IndexName": index});
        let (status, answer) = server.call("Scan", &body).await;
        (status == 200).then(|| answer["Count"].as_u64().unwrap())
    };
    assert_eq!((count("one").await, count("two").await), (Some(2), None));
    let both = request(with_indexes(&["one", "two"]));
    let updated = provider.update("pets", &first.properties, &both).await;
    updated.unwrap();
    assert_eq!(
        count("two").await,
        Some(2),
        "it is filled when the update ends"
    );
    let other = request(with_indexes(&["one", "six"]));
    let refused = provider.update("pets", &both.properties, &other).await;
    assert_eq!(
        refused.unwrap_err().message,
        "Cannot perform more than one GSI creation or deletion in a single update"
    );
    let second = request(with_indexes(&["two"]));
    let updated = provider.update("pets", &both.properties, &second).await;
    updated.unwrap();
    assert_eq!((count("one").await, count("two").await), (None, Some(2)));
    let mut changed = with_indexes(&["two"]);
    changed["GlobalSecondaryIndexes"][0]["Projection"]["ProjectionType"] = json!("KEYS_ONLY");
    let refused = provider
        .update("pets", &second.properties, &request(changed))
        .await;
    let message = refused.unwrap_err().message;
    assert!(
        message.starts_with("Cannot update GSI's properties"),
        "{message}"
    );
}

#[tokio::test]
async fn ceilings_and_warmth_of_templates_are_kept_and_nothing_gets_cooler() {
    let server = Server::new();
    let provider = server.service.provider();
    let wish = |reads: u64| {
        let mut wish = with_indexes(&["one"]);
        let warm = json!({"ReadUnitsPerSecond": reads.to_string(), "WriteUnitsPerSecond": 4_001});
        wish["GlobalSecondaryIndexes"][0]["OnDemandThroughput"] =
            json!({"MaxReadRequestUnits": "7"});
        wish["OnDemandThroughput"] = json!({"MaxWriteRequestUnits": "9"});
        wish["WarmThroughput"] = warm;
        request(wish)
    };
    let first = wish(12_002);
    provider.create(&first).await.unwrap();
    let described = async || {
        let answer = server
            .ok("DescribeTable", json!({"TableName": "pets"}))
            .await;
        answer["Table"].clone()
    };
    let table = described().await;
    assert_eq!(
        table["OnDemandThroughput"],
        json!({"MaxWriteRequestUnits": 9})
    );
    let index = &table["GlobalSecondaryIndexes"][0]["OnDemandThroughput"];
    assert_eq!(*index, json!({"MaxReadRequestUnits": 7}));
    assert_eq!(table["WarmThroughput"]["ReadUnitsPerSecond"], 12_002);

    let cooler = provider
        .update("pets", &first.properties, &wish(12_001))
        .await;
    let message = cooler.unwrap_err().message;
    assert!(
        message.ends_with("decreasing WarmThroughput is not supported"),
        "{message}"
    );
    let plain = request(with_indexes(&["one"]));
    let updated = provider.update("pets", &first.properties, &plain).await;
    updated.unwrap();
    let table = described().await;
    assert_eq!(table.get("OnDemandThroughput"), None);
    assert_eq!(table["WarmThroughput"]["ReadUnitsPerSecond"], 12_002);
}

#[tokio::test]
async fn streams_expiry_and_keys_of_templates_come_and_go() {
    let server = Server::new();
    let provider = server.service.provider();
    let plain = request(json!({}));
    let made = provider.create(&plain).await.unwrap();
    assert_eq!(made.attributes.get("StreamArn"), None);
    let full = request(json!({
        "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
        "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": "true"},
        "SSESpecification": {"SSEEnabled": true, "SSEType": "KMS"},
    }));
    let updated = provider.update("pets", &plain.properties, &full).await;
    let made = updated.unwrap();
    let arn = made.attributes["StreamArn"].as_str().unwrap();
    assert!(arn.contains(":table/pets/stream/"), "{arn}");
    let described = async || {
        let body = json!({"TableName": "pets"});
        server.ok("DescribeTable", body).await["Table"].clone()
    };
    let table = described().await;
    assert_eq!(table["LatestStreamArn"], arn);
    assert_eq!(table["SSEDescription"]["Status"], "ENABLED");
    provider
        .update("pets", &full.properties, &plain)
        .await
        .unwrap();
    let table = described().await;
    assert_eq!(table.get("StreamSpecification"), None);
    assert_eq!(table.get("SSEDescription"), None);
}
