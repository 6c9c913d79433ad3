import json
import os

import boto3

people = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def connect(event, context):
    name = (event.get("queryStringParameters") or {}).get("name")
    if not name:
        return {"statusCode": 401}
    people.put_item(Item={"id": event["requestContext"]["connectionId"], "name": name})
    return {"statusCode": 200}


def disconnect(event, context):
    people.delete_item(Key={"id": event["requestContext"]["connectionId"]})
    return {"statusCode": 200}


def say(event, context):
    here = event["requestContext"]
    everybody = people.scan()["Items"]
    speaker = next(person["name"] for person in everybody if person["id"] == here["connectionId"])
    said = json.dumps({"from": speaker, "text": json.loads(event["body"])["text"]})
    gateway = boto3.client(
        "apigatewaymanagementapi", endpoint_url=f"https://{here['domainName']}/{here['stage']}"
    )
    for person in everybody:
        try:
            gateway.post_to_connection(ConnectionId=person["id"], Data=said.encode())
        except gateway.exceptions.GoneException:
            people.delete_item(Key={"id": person["id"]})
    return {"statusCode": 200}


def who(event, context):
    names = sorted(person["name"] for person in people.scan()["Items"])
    body = {"here": names, "you": event["requestContext"]["connectionId"]}
    return {"statusCode": 200, "body": json.dumps(body)}
