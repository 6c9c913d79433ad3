//! Statements of PartiQL that read secondary indexes.
//!
//! Lives here: what they find, how they page, what is refused.
//! Does not live here: statements on tables (`partiql`), indexes at large (`indexes`).

use serde_json::{Value, json};

use crate::Server;

/// A table `shop` (partition key `pk` S, sort key `sk` S) with a global index over `kind` and `price` that includes `name`,
/// and a local index over `price` that holds keys alone.
async fn server() -> Server {
    let server = Server::new();
    let attribute = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
    let keys = |hash: &str, range: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
    let table = json!({
        "TableName": "shop", "BillingMode": "PAY_PER_REQUEST", "KeySchema": keys("pk", "sk"),
        "AttributeDefinitions": [
            attribute("pk", "S"), attribute("sk", "S"), attribute("kind", "S"), attribute("price", "N"),
        ],
        "GlobalSecondaryIndexes": [{
            "IndexName": "by-kind", "KeySchema": keys("kind", "price"),
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["name"]},
        }],
        "LocalSecondaryIndexes": [{
            "IndexName": "by-price", "KeySchema": keys("pk", "price"),
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }],
    });
    server.ok("CreateTable", table).await;
    for (sk, kind, price) in [
        ("a", "cat", 3),
        ("b", "cat", 1),
        ("c", "dog", 2),
        ("d", "cat", 1),
    ] {
        let item = json!({
            "pk": {"S": "p"}, "sk": {"S": sk}, "kind": {"S": kind}, "price": {"N": price.to_string()},
            "name": {"S": format!("{kind} {sk}")}, "secret": {"S": sk},
        });
        server
            .ok("PutItem", json!({"TableName": "shop", "Item": item}))
            .await;
    }
    let plain = json!({"pk": {"S": "p"}, "sk": {"S": "e"}, "price": {"N": "9"}});
    server
        .ok("PutItem", json!({"TableName": "shop", "Item": plain}))
        .await;
    server
}

async fn sort_keys(server: &Server, statement: &str) -> String {
    let answer = server
        .ok("ExecuteStatement", json!({"Statement": statement}))
        .await;
    let items = answer["Items"].as_array().unwrap();
    let keys = items.iter().map(|item| item["sk"]["S"].as_str().unwrap());
    keys.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn statements_read_indexes_in_their_order() {
    let server = server().await;
    for (source, expected) in [
        ("\"by-kind\" WHERE kind = 'cat'", "b d a"),
        (
            "\"by-kind\" WHERE kind = 'cat' ORDER BY price DESC",
            "a d b",
        ),
        ("\"by-kind\" WHERE kind = 'cat' AND price < 2", "b d"),
        (
            "\"by-kind\" WHERE kind = 'cat' AND price <= 1 AND price >= 1",
            "b d",
        ),
        ("\"by-kind\" WHERE kind = 'cat' AND price > 1", "a"),
        (
            "\"by-kind\" WHERE kind = 'cat' AND price BETWEEN 1 AND 2",
            "b d",
        ),
        (
            "\"by-kind\" WHERE kind IN ['dog', 'cat'] AND price IN [1, 2]",
            "c b d",
        ),
        (
            "\"by-kind\" WHERE kind = 'cat' AND begins_with(name, 'cat d')",
            "d",
        ),
        ("\"by-price\" WHERE pk = 'p'", "b d c a e"),
        (
            "\"by-price\" WHERE pk = 'p' AND price > 1 AND price <> 9",
            "c a",
        ),
    ] {
        let statement = format!("SELECT sk FROM shop.{source}");
        assert_eq!(
            sort_keys(&server, &statement).await,
            expected,
            "{statement}"
        );
    }
}

#[tokio::test]
async fn pages_of_an_index_go_on_between_entries_of_one_key() {
    let server = server().await;
    let mut token = Value::Null;
    let mut found = Vec::new();
    loop {
        let body = json!({
            "Statement": "SELECT sk FROM shop.\"by-kind\" WHERE kind = 'cat'", "Limit": 1, "NextToken": token,
        });
        let answer = server.ok("ExecuteStatement", body).await;
        for item in answer["Items"].as_array().unwrap() {
            found.push(item["sk"]["S"].as_str().unwrap().to_owned());
        }
        token = answer["NextToken"].clone();
        if token.is_null() {
            break;
        }
        let names: Vec<&String> = answer["LastEvaluatedKey"]
            .as_object()
            .unwrap()
            .keys()
            .collect();
        assert_eq!(names, ["kind", "pk", "price", "sk"]);
    }
    assert_eq!(found, ["b", "d", "a"]);
}

#[tokio::test]
async fn what_an_index_does_not_hold_is_fetched_or_refused() {
    let server = server().await;
    let fetched =
        json!({"Statement": "SELECT secret FROM shop.\"by-price\" WHERE pk = 'p' AND price = 2"});
    server
        .check(
            "ExecuteStatement",
            fetched,
            json!({"Items": [{"secret": {"S": "c"}}]}),
        )
        .await;
    let invalid = "One or more parameter values were invalid: ";
    for (source, message) in [
        (
            "sk FROM shop.\"by-kind\" WHERE kind = 'cat' AND secret = 'a'",
            format!(
                "{invalid}Secondary index by-kind does not project one or more filter attributes: [secret]"
            ),
        ),
        (
            "sk FROM shop.\"by-price\" WHERE pk = 'p' AND secret = 'a'",
            format!(
                "{invalid}Secondary index by-price does not project one or more filter attributes: [secret]"
            ),
        ),
        (
            "secret FROM shop.\"by-kind\" WHERE kind = 'cat'",
            format!("{invalid}Global secondary index by-kind does not project [secret]"),
        ),
        (
            "* FROM shop.\"shop\" WHERE pk = 'p'",
            "The table does not have the specified index".to_owned(),
        ),
    ] {
        let body = json!({"Statement": format!("SELECT {source}")});
        server
            .refuses("ExecuteStatement", body, "ValidationException", &message)
            .await;
    }
    let body = json!({"Statement": "SELECT * FROM shop.\"by-kind\" WHERE kind = 'cat'", "ConsistentRead": true});
    let message = "Strongly consistent read is not supported on Global Secondary Indexes";
    server
        .refuses("ExecuteStatement", body, "ValidationException", message)
        .await;
    let write = json!({"Statement": "DELETE FROM shop.\"by-kind\" WHERE pk = 'p' AND sk = 'a'"});
    let message = "This operation is not supported on an index";
    server
        .refuses("ExecuteStatement", write, "ValidationException", message)
        .await;
}
