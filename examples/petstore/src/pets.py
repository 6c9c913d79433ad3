"""The PetStore's functions: one a route."""
import json
import os
import uuid
from decimal import Decimal

import boto3

table = boto3.resource("dynamodb").Table(os.environ["PETS_TABLE"])


def list_pets(event, context):
    query = event.get("queryStringParameters") or {}
    page = table.scan(Limit=int(query.get("limit", 20)))
    return reply(200, {"pets": page["Items"]})


def create_pet(event, context):
    try:
        pet = json.loads(event["body"] or "", parse_float=Decimal)
    except ValueError:
        return reply(400, {"error": "the body is not JSON"})
    if not isinstance(pet, dict) or not pet.get("name"):
        return reply(400, {"error": "a pet needs a name"})
    pet["id"] = str(uuid.uuid4())
    table.put_item(Item=pet)
    return reply(201, pet)


def get_pet(event, context):
    found = table.get_item(Key={"id": event["pathParameters"]["id"]}).get("Item")
    return reply(200, found) if found else reply(404, {"error": "no such pet"})


def remove_pet(event, context):
    table.delete_item(Key={"id": event["pathParameters"]["id"]})
    return {"statusCode": 204, "headers": CORS}


CORS = {"Access-Control-Allow-Origin": "*"}


def reply(status, body):
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", **CORS},
        "body": json.dumps(body, default=plain),
    }


def plain(number):
    return int(number) if number == number.to_integral_value() else float(number)
