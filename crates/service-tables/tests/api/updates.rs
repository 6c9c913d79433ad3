//! Updates of items.
//!
//! Lives here: update expressions, what they answer, what they refuse.
//! Does not live here: whole items (`items`).

use std::sync::Arc;

use serde_json::{Value, json};

use crate::Server;

/// Placeholders that the cases use; only those that an expression names may be sent.
fn values() -> Value {
    json!({
        ":one": {"N": "1"}, ":big": {"N": "9e125"}, ":text": {"S": "new"}, ":list": {"L": [{"S": "x"}]},
        ":set": {"SS": ["b", "c"]}, ":nums": {"NS": ["1", "2"]}, ":map": {"M": {}},
    })
}

fn item() -> Value {
    json!({
        "id": {"S": "a"}, "n": {"N": "5"}, "s": {"S": "old"}, "tags": {"SS": ["a", "b"]},
        "l": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}]}, "m": {"M": {"k": {"S": "v"}}},
    })
}

fn update(expression: &str) -> Value {
    let mut request = json!({
        "TableName": "pets", "Key": {"id": {"S": "a"}}, "UpdateExpression": expression,
    });
    let words: Vec<_> = expression
        .split(|char: char| !(char.is_alphanumeric() || char == ':'))
        .collect();
    let used: serde_json::Map<_, _> = values()
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| words.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !used.is_empty() {
        request["ExpressionAttributeValues"] = used.into();
    }
    request
}

#[tokio::test]
async fn an_update_changes_what_it_says_and_nothing_else() {
    let server = Server::with_tables().await;
    let gone = Value::Null;
    for (expression, attribute, expected) in [
        ("SET s = :text", "s", json!({"S": "new"})),
        ("set fresh = :text", "fresh", json!({"S": "new"})),
        ("SET n = n + :one", "n", json!({"N": "6"})),
        ("SET n = n - :one, s = :text", "n", json!({"N": "4"})),
        ("SET n = (:one - n)", "n", json!({"N": "-4"})),
        ("SET copied = m.k", "copied", json!({"S": "v"})),
        ("SET n = s, s = n", "n", json!({"S": "old"})),
        ("SET m.k = :one", "m", json!({"M": {"k": {"N": "1"}}})),
        (
            "SET m.j = :one",
            "m",
            json!({"M": {"j": {"N": "1"}, "k": {"S": "v"}}}),
        ),
        (
            "SET l[1] = :text",
            "l",
            json!({"L": [{"N": "0"}, {"S": "new"}, {"N": "2"}]}),
        ),
        (
            "SET l[9] = :text, l[8] = :one",
            "l",
            json!({"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}, {"N": "1"}, {"S": "new"}]}),
        ),
        (
            "SET l = list_append(l, :list)",
            "l",
            json!({"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}, {"S": "x"}]}),
        ),
        (
            "SET q = list_append(if_not_exists(q, :list), :list)",
            "q",
            json!({"L": [{"S": "x"}, {"S": "x"}]}),
        ),
        ("SET n = if_not_exists(n, :one)", "n", json!({"N": "5"})),
        (
            "SET hits = if_not_exists(hits, :one) + :one",
            "hits",
            json!({"N": "2"}),
        ),
        ("REMOVE s", "s", gone.clone()),
        ("REMOVE absent", "absent", gone.clone()),
        ("REMOVE l[0], l[2]", "l", json!({"L": [{"N": "1"}]})),
        ("REMOVE m.k", "m", json!({"M": {}})),
        ("ADD n :one", "n", json!({"N": "6"})),
        ("ADD hits :one", "hits", json!({"N": "1"})),
        ("ADD tags :set", "tags", json!({"SS": ["a", "b", "c"]})),
        ("DELETE tags :set", "tags", json!({"SS": ["a"]})),
        ("DELETE absent :set", "absent", gone.clone()),
        (
            "REMOVE s SET n = :one ADD hits :one DELETE tags :set",
            "tags",
            json!({"SS": ["a"]}),
        ),
    ] {
        server
            .ok("PutItem", json!({"TableName": "pets", "Item": item()}))
            .await;
        server
            .check("UpdateItem", update(expression), json!({}))
            .await;
        let key = json!({"TableName": "pets", "Key": {"id": {"S": "a"}}});
        let found = server.ok("GetItem", key).await["Item"].clone();
        assert_eq!(found[attribute], expected, "{expression}");
        assert_eq!(found["id"], json!({"S": "a"}), "{expression}");
    }
}

#[tokio::test]
async fn an_update_makes_the_item_if_it_is_not_there() {
    let server = Server::with_tables().await;
    let mut request = update("SET s = :text");
    request["ReturnValues"] = "ALL_NEW".into();
    let expected = json!({"Attributes": {"id": {"S": "a"}, "s": {"S": "new"}}});
    server.check("UpdateItem", request, expected).await;
    let empty =
        json!({"TableName": "pets", "Key": {"id": {"S": "b"}}, "ReturnValues": "UPDATED_OLD"});
    server.check("UpdateItem", empty, json!({})).await;
    let key = json!({"TableName": "pets", "Key": {"id": {"S": "b"}}});
    server
        .check("GetItem", key, json!({"Item": {"id": {"S": "b"}}}))
        .await;
}

#[tokio::test]
async fn an_update_answers_what_was_asked_for() {
    let server = Server::with_tables().await;
    for (asked, expected) in [
        ("NONE", json!({})),
        ("ALL_OLD", json!({"Attributes": item()})),
        (
            "UPDATED_OLD",
            json!({"Attributes": {"m": {"M": {"k": {"S": "v"}}}, "n": {"N": "5"}}}),
        ),
        (
            "UPDATED_NEW",
            json!({"Attributes": {"m": {"M": {"k": {"S": "new"}}}, "n": {"N": "6"}}}),
        ),
    ] {
        server
            .ok("PutItem", json!({"TableName": "pets", "Item": item()}))
            .await;
        let mut request = update("SET m.k = :text ADD n :one");
        request["ReturnValues"] = asked.into();
        server.check("UpdateItem", request, expected).await;
    }
}

#[tokio::test]
async fn an_update_that_makes_no_sense_is_refused_and_changes_nothing() {
    let server = Server::with_tables().await;
    server
        .ok("PutItem", json!({"TableName": "pets", "Item": item()}))
        .await;
    let syntax = "Invalid UpdateExpression: ";
    for (expression, message) in [
        ("", format!("{syntax}The expression can not be empty;")),
        ("SET", format!("{syntax}Syntax error; token: \"<EOF>\", near: \"SET\"")),
        ("SET s = ", format!("{syntax}Syntax error; token: \"<EOF>\", near: \"=\"")),
        ("s = :text", format!("{syntax}Syntax error; token: \"s\", near: \"s =\"")),
        ("SET s = :text SET n = :text", format!("{syntax}The \"SET\" section can only be used once in an update expression;")),
        ("SET name = :text", format!("{syntax}Attribute name is a reserved keyword; reserved keyword: name")),
        ("SET s = size(n)", format!("{syntax}Invalid function name; function: size")),
        ("SET s = :none", format!("{syntax}An expression attribute value used in expression is not defined; attribute value: :none")),
        ("SET s = :text REMOVE s", format!("{syntax}Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [s], path two: [s]")),
        ("REMOVE m.k, m[0]", format!("{syntax}Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [m, k], path two: [m, [0]]")),
        ("ADD n :text", format!("{syntax}Incorrect operand type for operator or function; operator: ADD, operand type: STRING")),
        ("DELETE tags :one", format!("{syntax}Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER")),
        ("SET n = n + :text", format!("{syntax}Incorrect operand type for operator or function; operator or function: +, operand type: S")),
        ("SET l = list_append(list_append(l, :list), :list)", format!("{syntax}The function is not allowed to be used this way in an expression; function: list_append")),
        ("SET _s = :text", format!("{syntax}Syntax error; token: \"_\", near: \"SET _s\"")),
        ("REMOVE l[2147483648]", format!("{syntax}List index is not within the allowable range; index: [2147483648]")),
        ("SET l = list_append(l)", format!("{syntax}Incorrect number of operands for operator or function; operator or function: list_append, number of operands: 1")),
        ("SET n = if_not_exists(:one, :text)", format!("{syntax}Operator or function requires a document path; operator or function: if_not_exists")),
        ("SET n = absent", "The provided expression refers to an attribute that does not exist in the item".to_owned()),
        ("SET n = s + :one", "An operand in the update expression has an incorrect data type".to_owned()),
        ("ADD tags :nums", "An operand in the update expression has an incorrect data type".to_owned()),
        ("DELETE tags :nums", "An operand in the update expression has an incorrect data type".to_owned()),
        ("SET absent.k = :one", "The document path provided in the update expression is invalid for update".to_owned()),
        ("SET s.k = :one", "The document path provided in the update expression is invalid for update".to_owned()),
        ("SET big = :big + :big", "Number overflow. Attempting to store a number with magnitude larger than supported range".to_owned()),
        ("SET id = :text", "One or more parameter values were invalid: Cannot update attribute id. This attribute is part of the key".to_owned()),
    ] {
        server.refuses("UpdateItem", update(expression), "ValidationException", &message).await;
    }
    let key = json!({"TableName": "pets", "Key": {"id": {"S": "a"}}});
    server.check("GetItem", key, json!({"Item": item()})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_increment_of_a_hot_item_is_lost() {
    let server = Arc::new(Server::with_tables().await);
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let server = Arc::clone(&server);
        writers.spawn(async move {
            for _ in 0..25 {
                server.ok("UpdateItem", update("ADD n :one")).await;
            }
        });
    }
    writers.join_all().await;
    let key = json!({"TableName": "pets", "Key": {"id": {"S": "a"}}});
    let expected = json!({"Item": {"id": {"S": "a"}, "n": {"N": "400"}}});
    server.check("GetItem", key, expected).await;
}
