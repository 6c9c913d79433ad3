//! The parameters that expressions have replaced.
//!
//! Lives here: what they come to, what they refuse, with what they do not go.
//! Does not live here: expressions (`updates`, `queries`, `refusals`).

use serde_json::{Value, json};

use crate::Server;

async fn seeded() -> Server {
    let server = Server::with_tables().await;
    let item =
        json!({"id": {"S": "a"}, "n": {"N": "5"}, "s": {"S": "hello"}, "t": {"SS": ["x", "y"]}});
    let body = json!({"TableName": "pets", "Item": item});
    assert_eq!(server.call("PutItem", &body).await.0, 200);
    server
}

fn compare(operator: &str, values: &Value) -> Value {
    json!({"ComparisonOperator": operator, "AttributeValueList": values})
}

#[tokio::test]
async fn expected_holds_as_its_operators_say() {
    let server = seeded().await;
    let number = |number: &str| json!([{"N": number}]);
    for (attribute, expected, holds) in [
        ("n", compare("EQ", &number("5")), true),
        ("n", compare("NE", &number("5")), false),
        ("n", compare("LT", &number("6")), true),
        (
            "n",
            compare("BETWEEN", &json!([{"N": "5"}, {"N": "7"}])),
            true,
        ),
        ("n", compare("IN", &json!([{"N": "1"}, {"N": "5"}])), true),
        ("s", compare("BEGINS_WITH", &json!([{"S": "he"}])), true),
        ("s", compare("CONTAINS", &json!([{"S": "ell"}])), true),
        ("t", compare("CONTAINS", &json!([{"S": "z"}])), false),
        ("t", compare("NOT_CONTAINS", &json!([{"S": "z"}])), true),
        ("none", compare("NOT_CONTAINS", &json!([{"S": "z"}])), false),
        ("none", compare("NULL", &json!([])), true),
        ("none", json!({"ComparisonOperator": "NOT_NULL"}), false),
        ("none", json!({"Exists": false}), true),
        ("n", json!({"Value": {"N": "5"}}), true),
        ("n", json!({"Exists": true, "Value": {"N": "6"}}), false),
    ] {
        let body = json!({
            "TableName": "pets", "Key": {"id": {"S": "a"}}, "Expected": {attribute: expected},
            "AttributeUpdates": {"seen": {"Value": {"N": "1"}, "Action": "ADD"}},
        });
        let (status, answer) = server.call("UpdateItem", &body).await;
        assert_eq!(status == 200, holds, "{expected} {answer}");
    }
}

#[tokio::test]
async fn attribute_updates_put_add_and_delete() {
    let server = seeded().await;
    let body = json!({
        "TableName": "pets", "Key": {"id": {"S": "a"}}, "ReturnValues": "ALL_NEW",
        "AttributeUpdates": {
            "n": {"Action": "ADD", "Value": {"N": "2"}},
            "s": {"Action": "DELETE"},
            "t": {"Action": "DELETE", "Value": {"SS": ["x"]}},
            "l": {"Action": "ADD", "Value": {"L": [{"N": "1"}]}},
            "size": {"Value": {"S": "words of the language are names here"}},
        },
    });
    let (status, answer) = server.call("UpdateItem", &body).await;
    assert_eq!(status, 200, "{answer}");
    let expected = json!({
        "id": {"S": "a"}, "n": {"N": "7"}, "t": {"SS": ["y"]}, "l": {"L": [{"N": "1"}]},
        "size": {"S": "words of the language are names here"},
    });
    assert_eq!(answer["Attributes"], expected);
}

#[tokio::test]
async fn older_parameters_query_filter_and_project() {
    let server = Server::with_tables().await;
    for at in 1..=4 {
        let item =
            json!({"who": {"S": "a"}, "at": {"N": at.to_string()}, "odd": {"BOOL": at % 2 == 1}});
        server
            .call("PutItem", &json!({"TableName": "events", "Item": item}))
            .await;
    }
    let mut body = json!({
        "TableName": "events",
        "KeyConditions": {
            "who": compare("EQ", &json!([{"S": "a"}])),
            "at": compare("GE", &json!([{"N": "2"}])),
        },
        "QueryFilter": {"odd": compare("EQ", &json!([{"BOOL": true}]))},
        "AttributesToGet": ["at"],
    });
    let (_, answer) = server.call("Query", &body).await;
    assert_eq!(answer["Items"], json!([{"at": {"N": "3"}}]), "{answer}");
    body["QueryFilter"] = json!({"at": compare("EQ", &json!([{"N": "3"}]))});
    let (_, answer) = server.call("Query", &body).await;
    let refused =
        "QueryFilter can only contain non-primary key attributes: Primary key attribute: at";
    assert_eq!(answer["message"], refused);
}

#[tokio::test]
async fn what_does_not_go_together_is_refused() {
    let server = seeded().await;
    let mixed = "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributeUpdates, Expected, ConditionalOperator} Expression parameters: {UpdateExpression, ConditionExpression}";
    let one = json!({"n": {"Value": {"N": "5"}}});
    for (more, expected) in [
        (
            json!({"AttributeUpdates": {}, "Expected": {}, "ConditionalOperator": "OR", "UpdateExpression": "REMOVE a", "ConditionExpression": "a = b"}),
            mixed,
        ),
        (
            json!({"ConditionalOperator": "OR"}),
            "ConditionalOperator cannot be used without Filter or Expected",
        ),
        (
            json!({"ConditionalOperator": "OR", "Expected": one}),
            "ConditionalOperator can only be used when Filter or Expected has two or more elements",
        ),
        (
            json!({"Expected": {"n": {}}}),
            "One or more parameter values were invalid: Value must be provided when Exists is null for Attribute: n",
        ),
        (
            json!({"Expected": {"n": compare("LT", &json!([{"L": []}]))}}),
            "One or more parameter values were invalid: ComparisonOperator LT is not valid for L AttributeValue type",
        ),
        (
            json!({"Expected": {"n": compare("EQ", &json!([]))}}),
            "One or more parameter values were invalid: Invalid number of argument(s) for the EQ ComparisonOperator",
        ),
        (
            json!({"Expected": {"n": compare("is", &json!([]))}}),
            "1 validation error detected: Value 'is' at 'expected.n.member.comparisonOperator' failed to satisfy constraint: Member must satisfy enum value set: [IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]",
        ),
        (
            json!({"AttributeUpdates": {"n": {"Action": "ADD", "Value": {"S": "x"}}}}),
            "One or more parameter values were invalid: ADD action is not supported for the type S",
        ),
        (
            json!({"AttributeUpdates": {"s": {"Action": "ADD", "Value": {"N": "1"}}}}),
            "Type mismatch for attribute to update",
        ),
    ] {
        let mut body = json!({"TableName": "pets", "Key": {"id": {"S": "a"}}});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let (status, answer) = server.call("UpdateItem", &body).await;
        assert_eq!(
            (status, &answer["message"]),
            (400, &json!(expected)),
            "{more}"
        );
    }
}
