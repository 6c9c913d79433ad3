"""The bucket of a template: its events, its rules."""

import json
import urllib.request
import os

import boto3

s3, sqs = boto3.client("s3"), boto3.client("sqs")
queue = sqs.get_queue_url(QueueName="news")["QueueUrl"]
s3.put_object(Bucket="uploads", Key="out/a.txt", Body=b"hello")
s3.put_object(Bucket="uploads", Key="in/a b.txt", Body=b"hello")
bodies = []
while len(bodies) < 2:
    got = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10, MaxNumberOfMessages=10).get("Messages", [])
    if not got:
        break
    bodies += [json.loads(message["Body"]) for message in got]
test = [body for body in bodies if "Event" in body]
told = [record for body in bodies for record in body.get("Records", [])]
record = told[0]
objects = record["s3"]["object"]
request = urllib.request.Request(f"{os.environ['AWS_ENDPOINT_URL']}/uploads/in/a", method="OPTIONS")
request.add_header("Origin", "https://example.com")
request.add_header("Access-Control-Request-Method", "GET")
print(json.dumps({
    "test": [test[0]["Event"], test[0]["Bucket"]],
    "event": [record["eventName"], record["s3"]["bucket"]["name"], objects["key"], objects["size"], record["eventSource"], bool(objects["versionId"])],
    "others": len(told) - 1,
    "cors": urllib.request.urlopen(request).headers["Access-Control-Allow-Origin"],
    "lifecycle": s3.get_bucket_lifecycle_configuration(Bucket="uploads")["Rules"][0]["ID"],
}))
