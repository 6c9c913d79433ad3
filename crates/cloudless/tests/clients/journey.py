import boto3
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError
from decimal import Decimal

def failed(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return [type(error).__name__, error.response["Error"]["Code"], error.response["Error"]["Message"]]
    return ["nothing", "", ""]

def run(client, resource, name):
    client.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "at", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}])
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 5})
    table = resource.Table(name)
    for at in range(30):
        table.put_item(Item={"id": "a", "at": at, "kind": "even" if at % 2 == 0 else "odd", "bytes": b"\x00\xff", "set": {"x", "y"}, "ratio": Decimal("0.1"), "deep": {"list": [1, None, True]}})
    item = table.get_item(Key={"id": "a", "at": 3})["Item"]
    pages = client.get_paginator("scan").paginate(TableName=name, PaginationConfig={"PageSize": 7})
    counts = [page["Count"] for page in pages]
    found = table.query(KeyConditionExpression=Key("id").eq("a") & Key("at").between(5, 9), ScanIndexForward=False)
    filtered = table.scan(FilterExpression=Attr("kind").eq("odd"))
    table.update_item(Key={"id": "a", "at": 3}, UpdateExpression="SET #k = :k ADD seen :one", ExpressionAttributeNames={"#k": "kind"}, ExpressionAttributeValues={":k": "changed", ":one": 2})
    updated = table.get_item(Key={"id": "a", "at": 3})["Item"]
    result = {
        "item": [item["kind"], item["bytes"].value == b"\x00\xff", sorted(item["set"]), str(item["ratio"]), item["deep"]["list"][1:]],
        "scanned": [sum(counts), len([count for count in counts if count])],
        "queried": [int(each["at"]) for each in found["Items"]],
        "filtered": [filtered["Count"], filtered["ScannedCount"]],
        "updated": [updated["kind"], int(updated["seen"])],
        "no_table": failed(client.get_item, TableName="nowhere", Key={"id": {"S": "a"}}),
        "condition": failed(client.put_item, TableName=name, Item={"id": {"S": "a"}, "at": {"N": "3"}}, ConditionExpression="attribute_not_exists(id)"),
        "no_key": failed(client.put_item, TableName=name, Item={"id": {"S": "a"}}),
        "twice": failed(client.create_table, TableName=name, BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}]),
    }
    client.delete_item(TableName=name, Key={"id": {"S": "a"}, "at": {"N": "3"}})
    result["gone"] = "Item" not in table.get_item(Key={"id": "a", "at": 3})
    client.delete_table(TableName=name)
    result["listed"] = name in client.list_tables()["TableNames"]
    return result
