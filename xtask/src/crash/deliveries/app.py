"""Notes the ids of what it is called with, one a line, before it returns."""
import json
import os


def ids(event):
    if "detail" in event:
        return [event["detail"]["id"]]
    if "id" in event:
        return [event["id"]]
    found = []
    for record in event["Records"]:
        if "Sns" in record:
            found.append(record["Sns"]["Message"])
        elif "s3" in record:
            found.append(record["s3"]["object"]["key"])
        elif "dynamodb" in record:
            found.append(record["dynamodb"]["NewImage"]["id"]["S"])
        else:
            found.append(record["body"])
    return found


def note(event, context):
    lines = "".join(line + "\n" for line in ids(event))
    notes = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(notes, lines.encode())
    finally:
        os.close(notes)
