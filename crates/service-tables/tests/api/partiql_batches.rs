//! Statements of PartiQL in batches and transactions.
//!
//! Lives here: what each statement answers, what cancels a transaction, what is refused.
//! Does not live here: single statements (`partiql`).

use serde_json::{Value, json};

use crate::Server;

async fn server() -> Server {
    let server = Server::with_tables().await;
    for id in ["a", "b"] {
        let insert = format!("INSERT INTO pets VALUE {{'id': '{id}', 'n': 1}}");
        server
            .ok("ExecuteStatement", json!({"Statement": insert}))
            .await;
    }
    server
}

async fn n_of(server: &Server, id: &str) -> Value {
    let statement = format!("SELECT n FROM pets WHERE id = '{id}'");
    let answer = server
        .ok("ExecuteStatement", json!({"Statement": statement}))
        .await;
    answer["Items"][0]["n"]["N"].clone()
}

fn listed(statements: &[&str]) -> Value {
    let one = |statement: &&str| json!({"Statement": statement});
    statements.iter().map(one).collect()
}

#[tokio::test]
async fn a_batch_answers_each_statement_by_itself() {
    let server = server().await;
    let statements = listed(&[
        "SELECT n FROM pets WHERE id = 'a'",
        "SELECT * FROM pets WHERE id = 'gone'",
        "SELECT * FROM nowhere WHERE id = 'a'",
        "SELECT * FROM pets WHERE n = 1",
        "SLECT",
    ]);
    let well_formed =
        "Statement wasn't well formed, can't be processed: Expected data manipulation";
    let whole_key = "Select statements within BatchExecuteStatement must specify the primary key in the where clause.";
    let error = |code: &str, message: &str| json!({"Code": code, "Message": message});
    let expected = json!([
        {"TableName": "pets", "Item": {"n": {"N": "1"}}},
        {"TableName": "pets"},
        {"TableName": "nowhere", "Error": error("ResourceNotFound", "Requested resource not found")},
        {"TableName": "pets", "Error": error("ValidationError", whole_key)},
        {"Error": error("ValidationError", well_formed)},
    ]);
    let request = json!({"Statements": statements});
    server
        .check(
            "BatchExecuteStatement",
            request,
            json!({"Responses": expected}),
        )
        .await;

    let statements = listed(&[
        "UPDATE pets SET n = n + 1 WHERE id = 'a' RETURNING ALL NEW *",
        "INSERT INTO pets VALUE {'id': 'a'}",
        "DELETE FROM pets WHERE id = 'b' AND n = 7",
        "DELETE FROM pets WHERE id = 'b'",
    ]);
    let duplicate = "Duplicate primary key exists in table";
    let condition = "The conditional request failed";
    let expected = json!([
        {"TableName": "pets", "Item": {"id": {"S": "a"}, "n": {"N": "2"}}},
        {"TableName": "pets", "Error": error("DuplicateItem", duplicate)},
        {"TableName": "pets", "Error": error("ConditionalCheckFailed", condition)},
        {"TableName": "pets"},
    ]);
    let request = json!({"Statements": statements});
    server
        .check(
            "BatchExecuteStatement",
            request,
            json!({"Responses": expected}),
        )
        .await;
}

#[tokio::test]
async fn a_transaction_does_all_or_nothing() {
    let server = server().await;
    let write = |statements: &[&str]| json!({"TransactStatements": listed(statements)});
    let done = write(&[
        "UPDATE pets SET n = n + 1 WHERE id = 'a'",
        "EXISTS(SELECT * FROM pets WHERE id = 'b' AND n = 1)",
        "INSERT INTO pets VALUE {'id': 'c', 'n': 3}",
        "DELETE FROM pets WHERE id = 'gone' AND n = 9",
    ]);
    server
        .check("ExecuteTransaction", done, json!({"Responses": []}))
        .await;
    assert_eq!(
        (n_of(&server, "a").await, n_of(&server, "c").await),
        (json!("2"), json!("3"))
    );

    let failing = write(&[
        "UPDATE pets SET n = 9 WHERE id = 'a'",
        "INSERT INTO pets VALUE {'id': 'b'}",
        "UPDATE pets SET n = 9 WHERE id = 'gone'",
    ]);
    let (status, refusal) = server.call("ExecuteTransaction", &failing).await;
    assert_eq!(status, 400);
    let codes: Vec<_> = refusal["CancellationReasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| reason["Code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["None", "DuplicateItem", "ConditionalCheckFailed"]);
    assert_eq!(n_of(&server, "a").await, json!("2"));

    let read = write(&[
        "SELECT n FROM pets WHERE id = 'a'",
        "SELECT * FROM pets WHERE id = 'gone'",
    ]);
    let expected = json!({"Responses": [{"Item": {"n": {"N": "2"}}}, {}]});
    server.check("ExecuteTransaction", read, expected).await;
}

#[tokio::test]
async fn a_transaction_with_a_token_is_carried_out_once() {
    let server = server().await;
    let request = |set: &str| {
        json!({
            "ClientRequestToken": "once",
            "TransactStatements": [{"Statement": format!("UPDATE pets SET n = {set} WHERE id = 'a'")}],
        })
    };
    for _ in 0..2 {
        server.ok("ExecuteTransaction", request("n + 1")).await;
    }
    assert_eq!(n_of(&server, "a").await, json!("2"));
    let (_, refusal) = server.call("ExecuteTransaction", &request("n + 2")).await;
    let kind = refusal["__type"].as_str().unwrap();
    assert!(
        kind.ends_with("#IdempotentParameterMismatchException"),
        "{refusal}"
    );
}

#[tokio::test]
async fn what_batches_and_transactions_do_not_take_is_refused() {
    let server = server().await;
    let read = "SELECT * FROM pets WHERE id = 'a'";
    let write = "DELETE FROM pets WHERE id = 'a'";
    let validation = "ValidationException";
    let both = "API does not support both read and write operations in the same request.";
    for (operation, member) in [
        ("BatchExecuteStatement", "Statements"),
        ("ExecuteTransaction", "TransactStatements"),
    ] {
        let body = json!({member: listed(&[read, write])});
        server
            .refuses(operation, body, validation, &format!("{operation} {both}"))
            .await;
        let (status, _) = server.call(operation, &json!({member: []})).await;
        let (status_of_many, _) = server
            .call(operation, &json!({member: listed(&[read; 101])}))
            .await;
        assert_eq!((status, status_of_many), (400, 400));
    }
    let malformed = "Statement wasn't well formed, can't be processed: ";
    for (statement, message) in [
        (
            "SELECT * FROM pets WHERE",
            format!("{malformed}Unexpected term"),
        ),
        (
            "UPDATE pets SET n = 1 WHERE id = 'a' RETURNING ALL NEW *",
            "RETURNING clause is not supported in ExecuteTransaction.".to_owned(),
        ),
        (
            "SELECT * FROM pets.index_of WHERE id = 'a'",
            "Reads on indices are not supported within transactions.".to_owned(),
        ),
        (
            "EXISTS(SELECT * FROM pets WHERE id = 'a')",
            "EXISTS() must contain a single item read with additional condition".to_owned(),
        ),
    ] {
        let body = json!({"TransactStatements": listed(&[statement])});
        let message = format!("Validation failed in TransactStatements[0]: {message}");
        server
            .refuses("ExecuteTransaction", body, validation, &message)
            .await;
    }
    let body = json!({"TransactStatements": listed(&[read, read])});
    let message = "Transaction request cannot include multiple operations on one item";
    server
        .refuses("ExecuteTransaction", body, validation, message)
        .await;
}
