"""Buckets and tables of an engine, through the services of a server in front of it."""

import base64
import hashlib
import json
import sys
import urllib.error
import urllib.request
import zlib

import boto3
import botocore.session
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import Config
from botocore.exceptions import ClientError

front, engine = sys.argv[1], sys.argv[2]
REGION = "us-east-1"
OWN = {"region_name": REGION, "aws_access_key_id": "anything", "aws_secret_access_key": "at-all"}
ONCE = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"})


def client(service, endpoint=front, **keys):
    return boto3.client(service, endpoint_url=endpoint, config=ONCE, **{**OWN, **keys})


def refusal(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return [error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]]
    return None


def streamed_in_chunks(bucket, key, body, checksum):
    """As SDKs send to HTTPS: in chunks that are not signed, with the checksum behind them."""
    chunk = b"%x\r\n%s\r\n" % (len(body), body)
    framed = chunk + b"0\r\nx-amz-checksum-crc32:" + checksum + b"\r\n\r\n"
    headers = {
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(len(body)),
        "x-amz-trailer": "x-amz-checksum-crc32",
        "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    }
    request = AWSRequest("PUT", f"{front}/{bucket}/{key}", headers=headers)
    request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    credentials = botocore.session.get_session().create_client("s3", **OWN)._get_credentials()
    S3SigV4Auth(credentials, "s3", REGION).add_auth(request)
    return status(urllib.request.Request(request.url, framed, dict(request.headers.items()), method="PUT"))


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big"))


def status(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def objects():
    s3, there = client("s3"), client("s3", engine)
    s3.create_bucket(Bucket="kept")
    large = hashlib.sha256(b"seed").digest() * (30 * 32768)
    s3.put_object(Bucket="kept", Key="a large/one", Body=large, ContentType="x/y", Metadata={"colour": "red"})
    got = s3.get_object(Bucket="kept", Key="a large/one")
    seen = {
        "large": [len(large) // 2**20, got["Body"].read() == large, got["ContentType"], got["Metadata"]],
        "there": there.head_object(Bucket="kept", Key="a large/one")["ContentLength"] == len(large),
        "range": s3.get_object(Bucket="kept", Key="a large/one", Range="bytes=0-3")["ContentLength"],
        "head": s3.head_object(Bucket="kept", Key="a large/one")["ContentLength"] == len(large),
        "missing": refusal(s3.get_object, Bucket="kept", Key="none"),
    }
    seen["chunks"] = streamed_in_chunks("kept", "chunked", b"abc", crc32(b"abc"))
    seen["false"] = streamed_in_chunks("kept", "false", b"abc", crc32(b"xyz"))
    chunked = s3.get_object(Bucket="kept", Key="chunked", ChecksumMode="ENABLED")
    seen["chunked"] = [chunked["Body"].read().decode(), chunked["ChecksumCRC32"] == crc32(b"abc").decode()]
    seen["listed"] = [item["Key"] for item in s3.list_objects_v2(Bucket="kept")["Contents"]]
    seen["presigned"] = []
    for version in ["s3", "s3v4"]:
        signing = boto3.client("s3", endpoint_url=front, config=Config(signature_version=version), **OWN)
        url = signing.generate_presigned_url("get_object", {"Bucket": "kept", "Key": "chunked"})
        with urllib.request.urlopen(url) as answer:
            seen["presigned"].append(answer.read().decode())
    s3.delete_objects(Bucket="kept", Delete={"Objects": [{"Key": "chunked"}]})
    seen["deleted"] = refusal(there.head_object, Bucket="kept", Key="chunked")
    seen["dots"] = refusal(s3.put_object, Bucket="kept", Key="a/../b", Body=b"")
    return seen


def tables():
    dynamodb, there = client("dynamodb"), client("dynamodb", engine)
    key = {"AttributeName": "id", "AttributeType": "S"}
    dynamodb.create_table(
        TableName="kept",
        AttributeDefinitions=[key],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName="kept", Item={"id": {"S": "1"}})
    return {
        "item": dynamodb.get_item(TableName="kept", Key={"id": {"S": "1"}})["Item"],
        "there": there.scan(TableName="kept")["Count"],
        "none": refusal(dynamodb.scan, TableName="none"),
    }


def judged():
    iam = client("iam")
    iam.create_user(UserName="reader")
    allowed = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::kept/a*"},
        {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::kept/a*"},
        {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"},
    ]
    policy = {"Version": "2012-10-17", "Statement": allowed}
    iam.put_user_policy(UserName="reader", PolicyName="reads", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    s3, dynamodb = client("s3", **keys), client("dynamodb", **keys)
    wrong = client("s3", **{**keys, "aws_secret_access_key": "wrong"})
    older = Config(signature_version="s3")
    signing = boto3.client("s3", endpoint_url=front, config=older, region_name=REGION, **keys)
    urls = [signing.generate_presigned_url("get_object", {"Bucket": "kept", "Key": key}) for key in ["a large/one", "b"]]
    one = {"Key": {"id": {"S": "1"}}, "TableName": "kept"}
    listed = [{"Key": "a large/one"}, {"Key": "b"}]
    return {
        "get": refusal(s3.get_object, Bucket="kept", Key="a large/one"),
        "other": refusal(s3.get_object, Bucket="kept", Key="b"),
        "put": refusal(s3.put_object, Bucket="kept", Key="a", Body=b"x"),
        "many": refusal(s3.delete_objects, Bucket="kept", Delete={"Objects": listed}),
        "unknown": refusal(s3.get_bucket_metrics_configuration, Bucket="kept", Id="a"),
        "presigned": [status(url) for url in urls],
        "item": refusal(dynamodb.get_item, **one),
        "delete": refusal(dynamodb.delete_item, **one),
        "forged": refusal(wrong.get_object, Bucket="kept", Key="a large/one"),
    }


def away():
    s3, dynamodb = client("s3"), client("dynamodb")
    return {
        "s3": refusal(s3.list_objects_v2, Bucket="kept"),
        "put": refusal(s3.put_object, Bucket="kept", Key="a", Body=b"x"),
        "dynamodb": refusal(dynamodb.scan, TableName="kept"),
    }


seen = away() if engine == "away" else {"objects": objects(), "tables": tables(), "judged": judged()}
print(json.dumps(seen))
