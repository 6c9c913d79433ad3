//! Statements of PartiQL.
//!
//! Lives here: what statements do and answer, what is refused with which words, pages.
//! Does not live here: batches and transactions of statements (`partiql_batches`).

use serde_json::{Value, json};

use crate::Server;

/// With items in `events` (partition key `who` S, sort key `at` N).
async fn server() -> Server {
    let server = Server::with_tables().await;
    for (who, at) in [("ann", 1), ("ann", 2), ("ann", 3), ("bob", 1), ("bob", 5)] {
        let item = json!({
            "who": {"S": who}, "at": {"N": at.to_string()}, "n": {"N": (at * 10).to_string()},
            "m": {"M": {"k": {"L": [{"S": "x"}, {"S": "y"}]}, "z": {"S": "q"}}},
            "tags": {"SS": ["a", "b"]}, "none": {"NULL": true},
        });
        server
            .ok("PutItem", json!({"TableName": "events", "Item": item}))
            .await;
    }
    server
}

async fn run(server: &Server, statement: &str) -> Value {
    let answer = server
        .ok("ExecuteStatement", json!({"Statement": statement}))
        .await;
    answer["Items"].clone()
}

async fn refuses(server: &Server, statement: &str, message: &str) {
    let body = json!({"Statement": statement});
    let kind = "ValidationException";
    server
        .refuses("ExecuteStatement", body, kind, message)
        .await;
}

/// The items that a statement selects, each as `ann 1`.
async fn selected(server: &Server, condition: &str) -> Vec<String> {
    let items = run(
        server,
        &format!("SELECT who, \"at\" FROM events {condition}"),
    )
    .await;
    let name = |item: &Value| {
        let part = |name: &str, kind: &str| item[name][kind].as_str().unwrap().to_owned();
        format!("{} {}", part("who", "S"), part("at", "N"))
    };
    items.as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn a_select_finds_what_its_condition_says() {
    let server = server().await;
    for (condition, expected) in [
        ("WHERE who = 'ann' AND \"at\" = 2", "ann 2"),
        ("WHERE who = 'ann'", "ann 1, ann 2, ann 3"),
        ("where WHO.x = 1 or who = 'bob' and \"at\" > 1", "bob 5"),
        ("WHERE who = 'ann' AND \"at\" > 1 AND \"at\" < 3", "ann 2"),
        ("WHERE who = 'ann' AND \"at\" <> 2", "ann 1, ann 3"),
        (
            "WHERE who = 'ann' AND \"at\" BETWEEN 2 AND 3",
            "ann 2, ann 3",
        ),
        ("WHERE who = 'ann' AND \"at\" NOT BETWEEN 2 AND 3", "ann 1"),
        ("WHERE who = 'ann' AND \"at\" IN [1, 3, 7]", "ann 1, ann 3"),
        (
            "WHERE who IN ['bob', 'ann'] AND \"at\" <= 1",
            "bob 1, ann 1",
        ),
        (
            "WHERE who = 'bob' OR (who = 'ann' AND n = 30)",
            "bob 1, bob 5, ann 3",
        ),
        (
            "WHERE who = 'ann' AND (\"at\" = 1 OR \"at\" = 3)",
            "ann 1, ann 3",
        ),
        ("WHERE who = 'ann' AND NOT (n < 20 OR n > 20)", "ann 2"),
        (
            "WHERE who = 'ann' AND n >= 20 ORDER BY \"at\" DESC",
            "ann 3, ann 2",
        ),
        (
            "WHERE who IN ['bob', 'ann'] ORDER BY who, \"at\" DESC",
            "ann 3, ann 2, ann 1, bob 5, bob 1",
        ),
        (
            "WHERE who = 'bob' AND begins_with(m.z, 'q')",
            "bob 1, bob 5",
        ),
        (
            "WHERE who = 'bob' AND CONTAINS(tags, 'a') AND size(m.k) = 2",
            "bob 1, bob 5",
        ),
        (
            "WHERE who = 'bob' AND attribute_type(n, 'N') AND m.k[1] = 'y'",
            "bob 1, bob 5",
        ),
        (
            "WHERE who = 'bob' AND gone IS MISSING AND m['z'] IS NOT MISSING",
            "bob 1, bob 5",
        ),
        (
            "WHERE who = 'bob' AND none IS NULL AND n IS NOT NULL",
            "bob 1, bob 5",
        ),
        (
            "WHERE who = 'bob' AND tags = <<'b', 'a'>> AND n != 10",
            "bob 5",
        ),
        ("WHERE who = 'carl'", ""),
        ("WHERE n = 50 -- the last one\n", "bob 5"),
        (
            "/* all */ WHERE who = 'ann' AND -1 < \"at\" AND \"at\" < 1.5e0;",
            "ann 1",
        ),
    ] {
        assert_eq!(
            selected(&server, condition).await.join(", "),
            expected,
            "{condition}"
        );
    }
}

#[tokio::test]
async fn a_projection_answers_the_last_part_of_each_path() {
    let server = server().await;
    let items = run(
        &server,
        "SELECT m.k[1], m.z, gone FROM \"events\" WHERE who = 'bob' AND \"at\" = 1",
    );
    assert_eq!(items.await, json!([{"k[1]": {"S": "y"}, "z": {"S": "q"}}]));
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    let server = server().await;
    for statement in [
        "SELECT n FROM events WHERE who IN ['bob', 'ann']",
        "SELECT n FROM events WHERE who IN ['bob', 'ann'] ORDER BY who, \"at\" DESC",
        "SELECT n FROM events",
    ] {
        let mut pages = Vec::new();
        let mut token = Value::Null;
        loop {
            let body = json!({"Statement": statement, "Limit": 2, "NextToken": token});
            let answer = server.ok("ExecuteStatement", body).await;
            pages.extend(answer["Items"].as_array().unwrap().clone());
            token = answer["NextToken"].clone();
            assert_eq!(token.is_null(), answer["LastEvaluatedKey"].is_null());
            if token.is_null() {
                break;
            }
        }
        assert_eq!(
            Value::from(pages),
            run(&server, statement).await,
            "{statement}"
        );
    }
    let first = json!({"Statement": "SELECT * FROM events WHERE who = 'ann'", "Limit": 1});
    let token = server.ok("ExecuteStatement", first).await["NextToken"].clone();
    for (token, message) in [
        (token, "The provided starting key is invalid"),
        (json!("AAAA"), "Invalid NextToken"),
        (json!("no token"), "Invalid NextToken"),
    ] {
        let body =
            json!({"Statement": "SELECT * FROM events WHERE who = 'bob'", "NextToken": token});
        server
            .refuses("ExecuteStatement", body, "ValidationException", message)
            .await;
    }
}

#[tokio::test]
async fn an_insert_makes_an_item_once() {
    let server = Server::with_tables().await;
    let insert = "INSERT INTO pets VALUE {'id': 'it''s', 'n': -1.50, 'l': [true, NULL, {'k': 'v'}], 's': <<1, 2>>}";
    assert_eq!(run(&server, insert).await, json!([]));
    let item = json!({
        "id": {"S": "it's"}, "n": {"N": "-1.5"}, "s": {"NS": ["1", "2"]},
        "l": {"L": [{"BOOL": true}, {"NULL": true}, {"M": {"k": {"S": "v"}}}]},
    });
    assert_eq!(run(&server, "SELECT * FROM pets").await, json!([item]));
    let again = json!({"Statement": insert});
    server
        .refuses(
            "ExecuteStatement",
            again,
            "DuplicateItemException",
            "Duplicate primary key exists in table",
        )
        .await;
    let with_parameters = json!({
        "Statement": "INSERT INTO pets VALUE {'id': ?, 'l': [?, 2]}",
        "Parameters": [{"S": "b"}, {"B": "AAE="}],
    });
    server.ok("ExecuteStatement", with_parameters).await;
    let found = run(&server, "SELECT l FROM pets WHERE id = 'b'").await;
    assert_eq!(found, json!([{"l": {"L": [{"B": "AAE="}, {"N": "2"}]}}]));
}

#[tokio::test]
async fn an_update_changes_an_item_that_is_there() {
    let server = server().await;
    let key = "WHERE who = 'ann' AND \"at\" = 1";
    for (changes, returning, expected) in [
        ("SET n = n + 5", "MODIFIED NEW", json!([{"n": {"N": "15"}}])),
        ("SET n = 1 - n", "MODIFIED OLD", json!([{"n": {"N": "15"}}])),
        (
            "SET a = 1, b = 'x' SET c = true REMOVE none",
            "MODIFIED NEW",
            json!([{"a": {"N": "1"}, "b": {"S": "x"}, "c": {"BOOL": true}}]),
        ),
        ("REMOVE a", "MODIFIED NEW", json!([])),
        (
            "SET tags = set_add(tags, <<'c'>>)",
            "MODIFIED NEW",
            json!([{"tags": {"SS": ["a", "b", "c"]}}]),
        ),
        (
            "SET tags = set_delete(tags, <<'a', 'b'>>)",
            "MODIFIED NEW",
            json!([{"tags": {"SS": ["c"]}}]),
        ),
        (
            "SET m.k = list_append(m.k, ['z'])",
            "MODIFIED NEW",
            json!([{"m": {"M": {"k": {"L": [{"S": "x"}, {"S": "y"}, {"S": "z"}]}}}}]),
        ),
        (
            "SET m.k[0] = 'w'",
            "MODIFIED OLD",
            json!([{"m": {"M": {"k": {"L": [{"S": "x"}]}}}}]),
        ),
    ] {
        let statement = format!("UPDATE events {changes} {key} RETURNING {returning} *");
        assert_eq!(run(&server, &statement).await, expected, "{statement}");
    }
    let first = format!("FROM events {key} SET n = 7 REMOVE m RETURNING ALL NEW *");
    let all = run(&server, &first).await;
    assert_eq!(
        (&all[0]["n"], &all[0]["m"]),
        (&json!({"N": "7"}), &Value::Null)
    );
    assert_eq!(
        run(&server, &format!("UPDATE events SET n = 8 {key} AND n = 7")).await,
        json!([])
    );
    for condition in [
        "who = 'ann' AND \"at\" = 1 AND n = 7",
        "who = 'dora' AND \"at\" = 1",
    ] {
        let body = json!({"Statement": format!("UPDATE events SET n = 9 WHERE {condition}")});
        let kind = "ConditionalCheckFailedException";
        server
            .refuses(
                "ExecuteStatement",
                body,
                kind,
                "The conditional request failed",
            )
            .await;
    }
    let body = json!({
        "Statement": format!("UPDATE events SET n = 9 {key} AND n = 7"),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    let (_, refusal) = server.call("ExecuteStatement", &body).await;
    assert_eq!(refusal["Item"]["n"], json!({"N": "8"}));
}

#[tokio::test]
async fn a_delete_takes_one_item_away() {
    let server = server().await;
    let key = "WHERE who = 'ann' AND \"at\" = 1";
    let wrong = json!({"Statement": format!("DELETE FROM events {key} AND n = 11")});
    let kind = "ConditionalCheckFailedException";
    server
        .refuses(
            "ExecuteStatement",
            wrong,
            kind,
            "The conditional request failed",
        )
        .await;
    let delete = format!("DELETE FROM events {key} AND n = 10 RETURNING ALL OLD *");
    let deleted = run(&server, &delete);
    assert_eq!(deleted.await[0]["n"], json!({"N": "10"}));
    let again = run(&server, &delete);
    assert_eq!(again.await, json!([]));
    assert_eq!(
        selected(&server, "WHERE who = 'ann'").await,
        ["ann 2", "ann 3"]
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_the_services_words() {
    let server = server().await;
    let leftover = "Unexpected token after expression";
    let no_side = "Missing right-hand side expression of infix operator";
    for (statement, why) in [
        ("SLECT * FROM events", "Expected data manipulation"),
        (
            "UPDATE Payment-x SET a = 1 WHERE id = 'x'",
            "Expected data manipulation",
        ),
        ("SELECT * FROM events WHERE who = 'a' foo", leftover),
        ("SELECT * FROM events WHERE n = 1 e5", leftover),
        ("SELECT * FROM events WHERE who = 'a')", leftover),
        (
            "SELECT * FROM events ORDER BY who WHERE who = 'a'",
            leftover,
        ),
        ("INSERT INTO pets VALUE {'id': 'a'} foo", leftover),
        ("INSERT INTO pets t VALUE {'id': 'a'}", leftover),
        ("DELETE FROM pets WHERE id = 'a' ORDER BY id", leftover),
        ("FROM pets SET c = 1 WHERE id = 'a'", leftover),
        ("SELECT * FROM events WHERE who = 1e2147483648", ""),
        ("SELECT * FROM events WHERE who = 1.5e-2147483647", ""),
        ("SELECT * FROM events WHERE who = 'a' # note", ""),
        ("SELECT * FROM events WHERE who = 'a' /* note", ""),
        ("SELECT * FROM \"events", ""),
        ("SELECT * FROM events WHERE", "Unexpected term"),
        ("SELECT * FROM events WHERE;", "Unexpected term"),
        ("SELECT * FROM events WHERE NOT", "Unexpected term"),
        ("SELECT * FROM events WHERE (", "Unexpected term"),
        ("UPDATE events SET a = 1 WHERE", "Unexpected term"),
        ("SELECT * FROM", "Unexpected term"),
        ("SELECT * FROM events WHERE who = 'a' AND", no_side),
        ("SELECT * FROM events WHERE who = 'a' OR", no_side),
        (
            "SELECT * FROM events WHERE ORDER BY who",
            "Unexpected keyword",
        ),
        ("SELECT key FROM events", "Unexpected keyword"),
        ("SELECT * FROM events WHERE x IS FOO", "Expected type name"),
        ("SELECT * FROM events WHERE IS NULL", "Unexpected operator"),
        (
            "SELECT * FROM events WHERE who = LIKE",
            "Unexpected operator",
        ),
        ("DELETE FROM", "Expected identifier for simple path"),
        ("DELETE FROM;", "Expected identifier for simple path"),
        (
            "DELETE FROM WHERE who = 'a'",
            "Expected identifier for simple path",
        ),
    ] {
        let message = format!("Statement wasn't well formed, can't be processed: {why}");
        refuses(&server, statement, &message).await;
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_the_services_words() {
    let server = server().await;
    let no_key = "Where clause does not contain a mandatory equality on all key attributes";
    let overflow =
        "Number overflow. Attempting to store a number with magnitude larger than supported range";
    let overlap = "Overlapping conditions with range keys are not supported in where clause";
    for (statement, message) in [
        (
            "SELECT * FROM events t WHERE who = 'a'",
            "Aliasing is not supported",
        ),
        ("SELECT * FROM events AS t", "Aliasing is not supported"),
        (
            "UPDATE events t SET a = 3 WHERE who = 'a'",
            "Aliasing is not supported",
        ),
        (
            "DELETE FROM events t WHERE who = 'a'",
            "Aliasing is not supported",
        ),
        ("SELECT * FROM events LIMIT 5", "Unsupported clause: LIMIT"),
        (
            "SELECT m.z, z FROM events",
            "Duplicate identifiers in select clause: z",
        ),
        (
            "SELECT * FROM events WHERE who IS INT4",
            "Unsupported operation: IsType",
        ),
        ("DELETE FROM events WHERE n = 1", no_key),
        ("DELETE FROM events WHERE who = 'a'", no_key),
        ("UPDATE events SET a = 1 WHERE who = 'a'", no_key),
        ("UPDATE events SET a = 1", no_key),
        ("FROM events SET a = 1", no_key),
        (
            "DELETE FROM pets WHERE id = 'x' RETURNING MODIFIED OLD *",
            "Invalid returning clause: RETURNING MODIFIED OLD *. Only RETURNING ALL OLD * is allowed in DELETE statements.",
        ),
        (
            "SELECT * FROM events WHERE n = 1e126",
            &format!("{overflow} under root"),
        ),
        (
            "INSERT INTO pets VALUE {'id': 'a', 'l': [1, 1e126]}",
            &format!("{overflow} under root[1]"),
        ),
        (
            "INSERT INTO pets VALUE {'id': 'a', 's': <<>>}",
            "Empty bags are not supported",
        ),
        (
            "INSERT INTO pets VALUE {'id': 'a', 's': <<1, 1.0>>}",
            "Input collection contains duplicates",
        ),
        (
            "INSERT INTO pets VALUE {'id': 'a', 's': <<1, 'a'>>}",
            "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags",
        ),
        (
            "SELECT * FROM events WHERE who = ?",
            "Number of parameters in request and statement don't match.",
        ),
        (
            "SELECT * FROM events WHERE who = 5",
            "Key attribute's data type should match its data type in table's schema",
        ),
        (
            "SELECT * FROM events WHERE who = 'a' AND n < true",
            "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
        ),
        (
            "SELECT * FROM events.gone WHERE who = 'a'",
            "The table does not have the specified index",
        ),
        (
            "SELECT * FROM a.b.c",
            "A path may contain at most 2 components in the FROM clause",
        ),
        (
            "SELECT * FROM \"\"",
            "Path component cannot be an empty string",
        ),
        (
            "SELECT * FROM events ORDER BY who",
            "Must have WHERE clause in the statement when using ORDER BY clause.",
        ),
        (
            "SELECT * FROM events WHERE n = 1 ORDER BY who",
            "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
        ),
        (
            "SELECT * FROM events WHERE who = 'a' AND n = 1 OR who = 'a' AND \"at\" = 2",
            overlap,
        ),
        ("SELECT * FROM events WHERE who IN ['a', 'a']", overlap),
        (
            "UPDATE events SET gone[0] = 'x' WHERE who = 'ann' AND \"at\" = 1",
            "The document path provided in the update expression is invalid for update",
        ),
        (
            "UPDATE events SET who = 'x' WHERE who = 'ann' AND \"at\" = 1",
            "One or more parameter values were invalid: Cannot update attribute who. This attribute is part of the key",
        ),
    ] {
        refuses(&server, statement, message).await;
    }
    let body = json!({"Statement": "SELECT * FROM nowhere WHERE id = 'x'"});
    let kind = "ResourceNotFoundException";
    server
        .refuses(
            "ExecuteStatement",
            body,
            kind,
            "Requested resource not found",
        )
        .await;
}

#[tokio::test]
async fn statements_that_are_too_long_or_too_deep_are_answered() {
    let server = server().await;
    let long = format!("SELECT * FROM events WHERE who = '{}'", "x".repeat(8_200));
    let (status, _) = server
        .call("ExecuteStatement", &json!({"Statement": long}))
        .await;
    assert_eq!(status, 400);
    for deep in [
        format!("SELECT * FROM events WHERE {}", "(".repeat(4_000)),
        format!(
            "SELECT * FROM events WHERE {}who = 'a'",
            "NOT ".repeat(1_000)
        ),
        format!("INSERT INTO pets VALUE {}", "[".repeat(4_000)),
        format!("INSERT INTO pets VALUE {}", "{'a':".repeat(1_000)),
        format!("SELECT * FROM events WHERE {}", "size(".repeat(1_000)),
    ] {
        let message =
            "Statement wasn't well formed, can't be processed: The statement is nested too deeply";
        refuses(&server, &deep, message).await;
    }
}
