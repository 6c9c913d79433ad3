//! What is refused, and with which words.
//!
//! Lives here: tables of requests and texts. The texts are the service's own.
//! Does not live here: what succeeds.

use serde_json::{Value, json};

use crate::Server;

const VALIDATION: &str = "ValidationException";
const SERIALIZATION: &str = "SerializationException";

#[tokio::test]
async fn in_lists_a_hundred_values_and_no_more() {
    let server = Server::with_tables().await;
    let mut body = json!({"TableName": "pets"});
    for (count, status) in [(100, 200), (101, 400)] {
        let names: Vec<_> = (0..count).map(|number| format!(":v{number}")).collect();
        let values: serde_json::Map<_, _> = names
            .iter()
            .map(|name| (name.clone(), json!({"S": name})))
            .collect();
        body["FilterExpression"] = format!("a IN ({})", names.join(",")).into();
        body["ExpressionAttributeValues"] = values.into();
        let (answered, answer) = server.call("Scan", &body).await;
        assert_eq!(answered, status, "{answer}");
        if status == 400 {
            assert_eq!(
                answer["message"],
                "Invalid FilterExpression: Too many operands for the operator or function; operator or function: IN, number of operands: 101"
            );
        }
    }
}

#[tokio::test]
async fn attribute_values_are_judged_in_the_words_of_the_service() {
    let server = Server::with_tables().await;
    let invalid = "One or more parameter values were invalid: ";
    let empty =
        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
    for (value, message) in [
        (json!({}), empty.to_owned()),
        (json!({"a": ""}), empty.to_owned()),
        (json!({"M": {"a": {}}}), empty.to_owned()),
        (json!({"L": [{"a": {}}]}), empty.to_owned()),
        (json!({"NULL": "no"}), format!("{invalid}Null attribute value types must have the value of true")),
        (json!({"SS": []}), format!("{invalid}An string set  may not be empty")),
        (json!({"NS": []}), format!("{invalid}An number set  may not be empty")),
        (json!({"BS": []}), format!("{invalid}Binary sets should not be empty")),
        (json!({"SS": ["a", "a"]}), format!("{invalid}Input collection [a, a] contains duplicates.")),
        (json!({"BS": ["Yg==", "Yg=="]}), format!("{invalid}Input collection [Yg==, Yg==]of type BS contains duplicates.")),
        (json!({"NS": ["1", "1.0"]}), "Input collection contains duplicates".to_owned()),
        (json!({"N": ""}), "The parameter cannot be converted to a numeric value".to_owned()),
        (json!({"N": "b"}), "The parameter cannot be converted to a numeric value: b".to_owned()),
        (json!({"N": "NaN"}), "The parameter cannot be converted to a numeric value: NaN".to_owned()),
        (
            json!({"N": "123456789012345678901234567890123456789"}),
            "Attempting to store more than 38 significant digits in a Number".to_owned(),
        ),
        (
            json!({"N": "-1e126"}),
            "Number overflow. Attempting to store a number with magnitude larger than supported range".to_owned(),
        ),
        (
            json!({"L": [{"N": "1e-131"}]}),
            "Number underflow. Attempting to store a number with magnitude smaller than supported range".to_owned(),
        ),
        (
            json!({"S": "a", "N": "1"}),
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes".to_owned(),
        ),
    ] {
        let put = json!({"TableName": "pets", "Item": {"id": {"S": "a"}, "x": value}});
        server.refuses("PutItem", put, VALIDATION, &message).await;
        let get = json!({"TableName": "pets", "Key": {"id": value}});
        server.refuses("GetItem", get, VALIDATION, &message).await;
    }
}

#[tokio::test]
async fn what_is_not_of_its_type_is_not_read() {
    let server = Server::with_tables().await;
    for (value, message) in [
        (
            json!({"S": true}),
            "TRUE_VALUE cannot be converted to String",
        ),
        (
            json!({"S": 1}),
            "NUMBER_VALUE cannot be converted to String",
        ),
        (
            json!({"N": 1.5}),
            "DECIMAL_VALUE cannot be converted to String",
        ),
        (
            json!({"S": []}),
            "Unrecognized collection type class java.lang.String",
        ),
        (
            json!({"S": {}}),
            "Start of structure or map found where not expected",
        ),
        (
            json!({"BOOL": 1}),
            "NUMBER_VALUE cannot be converted to Boolean",
        ),
        (
            json!({"BOOL": "maybe"}),
            "Unexpected token received from parser",
        ),
        (
            json!({"B": 1}),
            "only base-64-encoded strings are convertible to bytes",
        ),
        (
            json!({"B": "YWJjZGVmZ2g"}),
            "Base64 encoded length is expected a multiple of 4 bytes but found: 11",
        ),
        (
            json!({"B": "YWJj??!!"}),
            "Invalid last non-pad Base64 character dectected",
        ),
        (json!({"SS": "a"}), "Unexpected field type"),
        (
            json!({"L": {}}),
            "Start of structure or map found where not expected",
        ),
        (
            json!({"M": []}),
            "Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>",
        ),
        (json!("a"), "Unexpected value type in payload"),
        (
            json!([]),
            "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue",
        ),
    ] {
        let put = json!({"TableName": "pets", "Item": {"x": value}});
        server.refuses("PutItem", put, SERIALIZATION, message).await;
    }
    let put = json!({"TableName": 5, "Item": {}});
    server
        .refuses(
            "PutItem",
            put,
            SERIALIZATION,
            "NUMBER_VALUE cannot be converted to String",
        )
        .await;
    for body in ["", "{", "[]", "7", "null", "{\"a\":1", "\u{0}", "{3: 1}"] {
        let (status, answer) = server.send("PutItem", body).await;
        let expected = json!({"__type": "com.amazon.coral.service#SerializationException"});
        assert_eq!((status, answer), (400, expected), "{body}");
    }
    let (status, _) = server
        .send("PutItem", &b"{\"TableName\": \"\xff\"}"[..])
        .await;
    assert_eq!(status, 400, "a body that is not UTF-8");
}

#[tokio::test]
async fn constraints_are_told_together() {
    let server = Server::with_tables().await;
    let pattern = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
    for (operation, request, message) in [
        (
            "PutItem",
            json!({"Item": {}}),
            "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null".to_owned(),
        ),
        (
            "GetItem",
            json!({"TableName": "a;"}),
            format!(
                "3 validation errors detected: Value 'a;' at 'tableName' failed to satisfy constraint: {pattern}; \
                 Value 'a;' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3; \
                 Value null at 'key' failed to satisfy constraint: Member must not be null"
            ),
        ),
        (
            "DeleteItem",
            json!({"TableName": "abc", "Key": {}, "ReturnValues": "hi"}),
            "1 validation error detected: Value 'hi' at 'returnValues' failed to satisfy constraint: \
             Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]".to_owned(),
        ),
        (
            "Scan",
            json!({"TableName": "abc", "Limit": 0}),
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: \
             Member must have value greater than or equal to 1".to_owned(),
        ),
        (
            "ListTables",
            json!({"Limit": 101}),
            "1 validation error detected: Value '101' at 'limit' failed to satisfy constraint: \
             Member must have value less than or equal to 100".to_owned(),
        ),
    ] {
        server.refuses(operation, request, VALIDATION, &message).await;
    }
}

#[tokio::test]
async fn keys_must_fit_their_table() {
    let server = Server::with_tables().await;
    let no_match = "The provided key element does not match the schema";
    for key in [
        json!({}),
        json!({"other": {"S": "a"}}),
        json!({"id": {"N": "1"}}),
        json!({"id": {"S": "a"}, "more": {"S": "b"}}),
    ] {
        for operation in ["GetItem", "DeleteItem"] {
            server
                .refuses(
                    operation,
                    json!({"TableName": "pets", "Key": key}),
                    VALIDATION,
                    no_match,
                )
                .await;
        }
    }
    let empty = "One or more parameter values were invalid: The AttributeValue for a key attribute cannot contain an empty string value. Key: id";
    server
        .refuses(
            "GetItem",
            json!({"TableName": "pets", "Key": {"id": {"S": ""}}}),
            VALIDATION,
            empty,
        )
        .await;
    for (item, message) in [
        (
            json!({"a": {"S": "a"}}),
            "One or more parameter values were invalid: Missing the key id in the item",
        ),
        (
            json!({"id": {"N": "1"}}),
            "One or more parameter values were invalid: Type mismatch for key id expected: S actual: N",
        ),
        (
            json!({"id": {"S": ""}}),
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: id",
        ),
        (
            json!({"id": {"S": "x".repeat(2_049)}}),
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
        (
            json!({"id": {"S": "a"}, "": {"S": "a"}}),
            "Empty attribute name",
        ),
    ] {
        server
            .refuses(
                "PutItem",
                json!({"TableName": "pets", "Item": item}),
                VALIDATION,
                message,
            )
            .await;
    }
    server
        .ok(
            "PutItem",
            json!({"TableName": "pets", "Item": {"id": {"S": "x".repeat(2_048)}}}),
        )
        .await;
    server
        .create_table("sorted", &[("a", "S"), ("b", "S")])
        .await;
    let item = |length: usize| json!({"TableName": "sorted", "Item": {"a": {"S": "a"}, "b": {"S": "x".repeat(length)}}});
    server.ok("PutItem", item(1_024)).await;
    let message = "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes";
    server
        .refuses("PutItem", item(1_025), VALIDATION, message)
        .await;
}

#[tokio::test]
async fn a_table_that_is_not_there_is_not_found() {
    let server = Server::new();
    for (operation, request) in [
        (
            "GetItem",
            json!({"TableName": "abc", "Key": {"a": {"S": "a"}}}),
        ),
        (
            "PutItem",
            json!({"TableName": "abc", "Item": {"a": {"S": "a"}}}),
        ),
        (
            "DeleteItem",
            json!({"TableName": "abc", "Key": {"a": {"S": "a"}}}),
        ),
        ("Scan", json!({"TableName": "abc"})),
        (
            "Query",
            json!({"TableName": "abc", "KeyConditionExpression": "a = :a", "ExpressionAttributeValues": {":a": {"S": "a"}}}),
        ),
    ] {
        server
            .refuses(
                operation,
                request,
                "ResourceNotFoundException",
                "Requested resource not found",
            )
            .await;
    }
}

#[tokio::test]
async fn key_conditions_must_find_keys() {
    let server = Server::with_tables().await;
    for (condition, message) in [
        (
            "",
            "Invalid KeyConditionExpression: The expression can not be empty;",
        ),
        (
            "who",
            "Invalid KeyConditionExpression: Syntax error; token: \"<EOF>\", near: \"who\"",
        ),
        (
            "who = ",
            "Invalid KeyConditionExpression: Syntax error; token: \"<EOF>\", near: \"=\"",
        ),
        (
            "who = = :s",
            "Invalid KeyConditionExpression: Syntax error; token: \"=\", near: \"= = :s\"",
        ),
        (
            "((who = :s))",
            "Invalid KeyConditionExpression: The expression has redundant parentheses;",
        ),
        (
            "fine(who)",
            "Invalid KeyConditionExpression: Invalid function name; function: fine",
        ),
        (
            "begins_with(who)",
            "Invalid KeyConditionExpression: Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1",
        ),
        (
            "name = :s",
            "Invalid KeyConditionExpression: Attribute name is a reserved keyword; reserved keyword: name",
        ),
        (
            "who = :x",
            "Invalid KeyConditionExpression: An expression attribute value used in expression is not defined; attribute value: :x",
        ),
        (
            "#x = :s",
            "Invalid KeyConditionExpression: An expression attribute name used in the document path is not defined; attribute name: #x",
        ),
        (
            "who = who",
            "Invalid KeyConditionExpression: The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [who]",
        ),
        (
            "who = :s OR who = :s",
            "Invalid operator used in KeyConditionExpression: OR",
        ),
        (
            "NOT who = :s",
            "Invalid operator used in KeyConditionExpression: NOT",
        ),
        (
            "who <> :s",
            "Invalid operator used in KeyConditionExpression: <>",
        ),
        (
            "who IN (:s)",
            "Invalid operator used in KeyConditionExpression: IN",
        ),
        (
            "attribute_exists(who)",
            "Invalid operator used in KeyConditionExpression: attribute_exists",
        ),
        (
            "contains(who, :s)",
            "Invalid operator used in KeyConditionExpression: contains",
        ),
        (
            "size(who) = :s",
            "KeyConditionExpressions cannot contain nested operations",
        ),
        (
            "who.a = :s",
            "KeyConditionExpressions cannot have conditions on nested attributes",
        ),
        (
            ":s = :s",
            "Invalid condition in KeyConditionExpression: No key attribute specified",
        ),
        (
            "who = another",
            "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition",
        ),
        (
            "who = :s AND who = :s",
            "KeyConditionExpressions must only contain one condition per key",
        ),
        (
            "who = :s AND a = :s AND b = :s",
            "Conditions can be of length 1 or 2 only",
        ),
        (
            "another = :s",
            "Query condition missed key schema element: who",
        ),
        (
            "who = :s AND another = :s",
            "Query condition missed key schema element: at",
        ),
        ("who > :s", "Query key condition not supported"),
        (
            "who = :n",
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
    ] {
        let mut request = json!({"TableName": "events", "KeyConditionExpression": condition});
        let mut values = json!({});
        for (name, value) in [(":s", json!({"S": "s"})), (":n", json!({"N": "1"}))] {
            if condition.contains(name) {
                values[name] = value;
            }
        }
        if values != json!({}) {
            request["ExpressionAttributeValues"] = values;
        }
        server.refuses("Query", request, VALIDATION, message).await;
    }
    let missing = "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.";
    server
        .refuses("Query", json!({"TableName": "events"}), VALIDATION, missing)
        .await;
    let unused = json!({
        "TableName": "events", "KeyConditionExpression": "who = :s",
        "ExpressionAttributeValues": {":s": {"S": "s"}, ":t": {"S": "t"}},
    });
    let message = "Value provided in ExpressionAttributeValues unused in expressions: keys: {:t}";
    server.refuses("Query", unused, VALIDATION, message).await;
}

#[tokio::test]
async fn bounds_of_between_must_be_in_order() {
    let server = Server::with_tables().await;
    let request = json!({
        "TableName": "events", "KeyConditionExpression": "who = :w AND #at BETWEEN :a AND :b",
        "ExpressionAttributeNames": {"#at": "at"},
        "ExpressionAttributeValues": {":w": {"S": "w"}, ":a": {"N": "10"}, ":b": {"N": "9"}},
    });
    let message = "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; \
                   lower bound operand: AttributeValue: {N:10}, upper bound operand: AttributeValue: {N:9}";
    server.refuses("Query", request, VALIDATION, message).await;
}

#[tokio::test]
async fn a_start_key_must_be_where_the_page_could_have_ended() {
    let server = Server::with_tables().await;
    let query = |key: Value, condition: &str| {
        let mut request = json!({
            "TableName": "events", "KeyConditionExpression": condition, "ExclusiveStartKey": key,
            "ExpressionAttributeValues": {":w": {"S": "w"}},
        });
        if condition.contains(":n") {
            request["ExpressionAttributeValues"][":n"] = json!({"N": "5"});
            request["ExpressionAttributeNames"] = json!({"#at": "at"});
        }
        request
    };
    let sorted = "who = :w AND #at > :n";
    for (key, condition, message) in [
        (
            json!({"who": {"S": "w"}}),
            "who = :w",
            "The provided starting key is invalid",
        ),
        (
            json!({"who": {"S": "w"}, "at": {"S": "1"}}),
            "who = :w",
            "The provided starting key is invalid: The provided key element does not match the schema",
        ),
        (
            json!({"who": {"S": "x"}, "at": {"N": "1"}}),
            "who = :w",
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        (
            json!({"who": {"S": "w"}, "at": {"N": "1"}}),
            sorted,
            "The provided starting key does not match the range key predicate",
        ),
        (
            json!({"who": {"S": "x"}, "at": {"N": "9"}}),
            sorted,
            "The query can return at most one row and cannot be restarted",
        ),
        (
            json!({"who": {}, "at": {"N": "9"}}),
            sorted,
            "The provided starting key is invalid: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ),
    ] {
        server
            .refuses("Query", query(key, condition), VALIDATION, message)
            .await;
    }
    let scan = json!({"TableName": "pets", "ExclusiveStartKey": {"x": {"S": "a"}}});
    let message =
        "The provided starting key is invalid: The provided key element does not match the schema";
    server.refuses("Scan", scan, VALIDATION, message).await;
}

#[tokio::test]
async fn tables_are_judged_in_the_words_of_the_service() {
    let server = Server::with_tables().await;
    let create = |changes: Value| {
        let mut request = json!({
            "TableName": "new", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        });
        for (name, value) in changes.as_object().unwrap() {
            request[name] = value.clone();
        }
        request
    };
    let definition = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let length = "TableName must be at least 3 characters long and at most 255 characters long";
    for (changes, message) in [
        (
            json!({"TableName": null}),
            "The parameter 'TableName' is required but was not present in the request",
        ),
        (
            json!({"TableName": "ab"}),
            "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
        ),
        (json!({"TableName": "x".repeat(256)}), length),
        (
            json!({"TableName": "ab;"}),
            "1 validation error detected: Value 'ab;' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        ),
        (
            json!({"BillingMode": "PROVISIONED"}),
            "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ),
        (
            json!({"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}),
            "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        ),
        (
            json!({"KeySchema": [key("other", "HASH")]}),
            "One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [other], AttributeDefinitions: [id]",
        ),
        (
            json!({"KeySchema": [key("id", "RANGE")]}),
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ),
        (
            json!({"AttributeDefinitions": [definition("id"), definition("b")]}),
            "One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
        ),
        (
            json!({"AttributeDefinitions": [definition("id"), definition("b")], "KeySchema": [key("id", "HASH"), key("b", "HASH")]}),
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        ),
        (
            json!({"AttributeDefinitions": [definition("id"), definition("b")], "KeySchema": [key("id", "HASH"), key("id", "RANGE")]}),
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ),
        (
            json!({"KeySchema": []}),
            "1 validation error detected: Value '[]' at 'keySchema' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            json!({"KeySchema": [key("a", "HASH"), key("b", "RANGE"), key("c", "RANGE")]}),
            "1 validation error detected: Value '[KeySchemaElement(attributeName=a, keyType=HASH), KeySchemaElement(attributeName=b, keyType=RANGE), KeySchemaElement(attributeName=c, keyType=RANGE)]' at 'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2",
        ),
        (
            json!({"KeySchema": null}),
            "1 validation error detected: Value null at 'keySchema' failed to satisfy constraint: Member must not be null",
        ),
        (
            json!({"GlobalSecondaryIndexes": []}),
            "One or more parameter values were invalid: List of GlobalSecondaryIndexes is empty",
        ),
    ] {
        server
            .refuses("CreateTable", create(changes), VALIDATION, message)
            .await;
    }
    let exists = "Table already exists: pets";
    server
        .refuses(
            "CreateTable",
            create(json!({"TableName": "pets"})),
            "ResourceInUseException",
            exists,
        )
        .await;
}

#[tokio::test]
async fn what_is_not_carried_out_is_refused_by_name() {
    let server = Server::with_tables().await;
    let message = "The operation CreateBackup is not implemented by Cloudless yet";
    server
        .refuses(
            "CreateBackup",
            json!({}),
            "UnknownOperationException",
            message,
        )
        .await;
    server
        .refuses("Bogus", json!({}), "UnknownOperationException", "")
        .await;
    for (operation, request, parameter) in [(
        "DeleteItem",
        json!({"TableName": "pets", "Key": {}, "FromTheFuture": 1}),
        "FromTheFuture",
    )] {
        let message = format!(
            "{operation} with the parameter {parameter} is not implemented by Cloudless yet"
        );
        server
            .refuses(operation, request, VALIDATION, &message)
            .await;
    }
}

#[tokio::test]
async fn expressions_are_limited_in_length_and_operators() {
    let server = Server::with_tables().await;
    let scan = |filter: String| json!({"TableName": "pets", "FilterExpression": filter});
    let chained = |times: usize| format!("a<b {}", "or a<b ".repeat(times));
    let nested = |times: usize| format!("a<b {}{}", "or (a<b ".repeat(times), ")".repeat(times));
    for filter in [chained(149), nested(149)] {
        server.ok("Scan", scan(filter)).await;
    }
    let message =
        "Invalid FilterExpression: The expression contains too many operators; operator count: 301";
    for filter in [
        chained(150),
        nested(150),
        chained(500),
        format!("{}a<b", "not ".repeat(300)),
    ] {
        let (status, answer) = server.call("Scan", &scan(filter.clone())).await;
        assert_eq!(status, 400, "{filter}");
        let said = answer["message"].as_str().unwrap();
        assert!(
            said == message || said.ends_with("nested too deeply;"),
            "{said}"
        );
    }
    let long = format!("a = {}", "b".repeat(4_093));
    let message = "Invalid FilterExpression: Expression size has exceeded the maximum allowed size; expression size: 4097";
    server
        .refuses("Scan", scan(long), VALIDATION, message)
        .await;
}

#[tokio::test]
async fn hostile_requests_are_answered_soon() {
    let server = Server::with_tables().await;
    let repeated = format!("{{{}\"a\":1}}", "\"TableName\":\"pets\",".repeat(200_000));
    let (status, _) = server.send("Scan", repeated).await;
    assert_eq!(status, 400);
    let numbers: Vec<_> = (0..100_000).map(|number| format!("\"{number}\"")).collect();
    let set = format!(
        "{{\"TableName\":\"pets\",\"Item\":{{\"id\":{{\"S\":\"a\"}},\"n\":{{\"NS\":[{}]}}}}}}",
        numbers.join(",")
    );
    let (status, answer) = server.send("PutItem", set).await;
    assert_eq!(status, 200, "{answer}");
}
