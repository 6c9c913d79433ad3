"""Objects by boto3: what a program does with buckets, and what it is told."""

import hashlib
import io
import json
import os
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

s3 = boto3.client("s3", config=Config(signature_version="s3v4"))
hosts = boto3.client("s3", endpoint_url=os.environ["HOSTS_URL"], config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))
seen = {}


def refused(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


s3.create_bucket(Bucket="pictures")
s3.put_object(Bucket="pictures", Key="a/1", Body=b"one", ContentType="text/plain", Metadata={"colour": "red"}, Tagging="x=y")
got = s3.get_object(Bucket="pictures", Key="a/1")
seen["object"] = [got["Body"].read().decode(), got["ContentType"], got["Metadata"], got["ETag"].strip('"') == hashlib.md5(b"one").hexdigest()]
# Not every machine resolves names below `localhost`.
link = hosts.generate_presigned_url("get_object", Params={"Bucket": "pictures", "Key": "a/1"})
host = link.split("/")[2]
seen["by host"] = [
    host.split(".")[0],
    urllib.request.urlopen(urllib.request.Request(link.replace(host, "127.0.0.1:" + host.split(":")[1]), headers={"Host": host})).read().decode(),
]
seen["range"] = s3.get_object(Bucket="pictures", Key="a/1", Range="bytes=-2")["Body"].read().decode()
seen["not modified"] = refused(s3.get_object, Bucket="pictures", Key="a/1", IfNoneMatch=got["ETag"])
seen["there already"] = refused(s3.put_object, Bucket="pictures", Key="a/1", Body=b"", IfNoneMatch="*")

large = os.urandom(12 * 1024 * 1024)
s3.upload_fileobj(io.BytesIO(large), "pictures", "a/large")
seen["parts"] = [
    s3.get_object(Bucket="pictures", Key="a/large")["Body"].read() == large,
    s3.get_object(Bucket="pictures", Key="a/large", Range="bytes=8388600-8388700")["Body"].read() == large[8388600:8388701],
    s3.head_object(Bucket="pictures", Key="a/large")["ETag"].endswith('-2"'),
]
s3.copy_object(Bucket="pictures", Key="b/copy", CopySource={"Bucket": "pictures", "Key": "a/large"})
seen["copy"] = s3.get_object(Bucket="pictures", Key="b/copy")["Body"].read() == large

page = s3.list_objects_v2(Bucket="pictures", Delimiter="/")
seen["folders"] = [one["Prefix"] for one in page["CommonPrefixes"]]
page = s3.list_objects_v2(Bucket="pictures", MaxKeys=2)
rest = s3.list_objects_v2(Bucket="pictures", ContinuationToken=page["NextContinuationToken"])
seen["pages"] = [[one["Key"] for one in some["Contents"]] for some in (page, rest)]

link = s3.generate_presigned_url("get_object", Params={"Bucket": "pictures", "Key": "a/1"})
seen["presigned"] = urllib.request.urlopen(link).read().decode()
link = s3.generate_presigned_url("put_object", Params={"Bucket": "pictures", "Key": "put"})
urllib.request.urlopen(urllib.request.Request(link, data=b"by link", method="PUT"))
seen["put by link"] = s3.get_object(Bucket="pictures", Key="put")["Body"].read().decode()
# Without a wish for another, boto3 presigns by version 2 of the signature.
older = boto3.client("s3")
link = older.generate_presigned_url("get_object", Params={"Bucket": "pictures", "Key": "a/1"})
seen["presigned before"] = ["X-Amz-Signature" in link, urllib.request.urlopen(link).read().decode()]
try:
    urllib.request.urlopen(older.generate_presigned_url("get_object", Params={"Bucket": "pictures", "Key": "a/1"}, ExpiresIn=-5))
    seen["expired"] = 200
except urllib.error.HTTPError as error:
    seen["expired"] = error.code
form = s3.generate_presigned_post("pictures", "forms/${filename}", Conditions=[["content-length-range", 1, 100]])
fields = {**form["fields"]}
body = b"".join(
    b'--B\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value.encode())
    for name, value in fields.items()
)
body += b'--B\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n\r\nby form\r\n--B--\r\n'
urllib.request.urlopen(urllib.request.Request(form["url"], data=body, headers={"Content-Type": "multipart/form-data; boundary=B"}))
seen["by form"] = s3.get_object(Bucket="pictures", Key="forms/f.txt")["Body"].read().decode()
try:
    urllib.request.urlopen(f"{os.environ['AWS_ENDPOINT_URL']}/pictures/a/1")
    seen["unsigned"] = 200
except urllib.error.HTTPError as error:
    seen["unsigned"] = error.code

s3.put_bucket_versioning(Bucket="pictures", VersioningConfiguration={"Status": "Enabled"})
first = s3.put_object(Bucket="pictures", Key="v", Body=b"1")["VersionId"]
s3.put_object(Bucket="pictures", Key="v", Body=b"2")
s3.delete_object(Bucket="pictures", Key="v")
seen["versions"] = [
    refused(s3.get_object, Bucket="pictures", Key="v"),
    s3.get_object(Bucket="pictures", Key="v", VersionId=first)["Body"].read().decode(),
    len(s3.list_object_versions(Bucket="pictures", Prefix="v")["Versions"]),
    len(s3.list_object_versions(Bucket="pictures", Prefix="v")["DeleteMarkers"]),
]
key = os.urandom(32)
s3.put_object(Bucket="pictures", Key="secret", Body=large[:200_000], SSECustomerAlgorithm="AES256", SSECustomerKey=key)
seen["customer key"] = [
    s3.get_object(Bucket="pictures", Key="secret", SSECustomerAlgorithm="AES256", SSECustomerKey=key, Range="bytes=65530-131080")["Body"].read() == large[65530:131081],
    refused(s3.get_object, Bucket="pictures", Key="secret"),
]
seen["public policy"] = refused(
    s3.put_bucket_policy,
    Bucket="pictures",
    Policy=json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::pictures/*"}]}),
)
seen["website"] = refused(s3.put_bucket_website, Bucket="pictures", WebsiteConfiguration={"IndexDocument": {"Suffix": "i"}})
seen["not empty"] = refused(s3.delete_bucket, Bucket="pictures")
for some in s3.get_paginator("list_object_versions").paginate(Bucket="pictures"):
    rows = some.get("Versions", []) + some.get("DeleteMarkers", [])
    s3.delete_objects(Bucket="pictures", Delete={"Objects": [{"Key": row["Key"], "VersionId": row["VersionId"]} for row in rows]})
s3.delete_bucket(Bucket="pictures")
seen["gone"] = refused(s3.head_bucket, Bucket="pictures")
print(json.dumps(seen))
