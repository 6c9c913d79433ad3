"""Puts objects, whole and in parts, until the server is gone, and writes down what was acknowledged; or checks that each is
there and whole, that the list and the bytes agree, and that no file is left over."""

import hashlib
import json
import os
import sys
import threading
import time

import boto3
from botocore.config import Config

ledger, task = sys.argv[1:3]
s3 = boto3.client("s3", config=Config(retries={"max_attempts": 1, "mode": "standard"}, connect_timeout=2, read_timeout=10))


def body(key, size):
    return (hashlib.sha256(key.encode()).digest() * (size // 32 + 1))[:size]


def load(worker):
    number = 0
    while True:
        key = f"{time.time_ns()}-{worker}-{number}"
        size = [10, 60_000, 300_000][number % 3]
        try:
            if number % 4 == 3:
                size = 6 * 1024 * 1024
                data = body(key, size)
                upload = s3.create_multipart_upload(Bucket="uploads", Key=key)["UploadId"]
                parts = []
                for at, piece in ((1, data[: 5 * 1024 * 1024]), (2, data[5 * 1024 * 1024 :])):
                    tag = s3.upload_part(Bucket="uploads", Key=key, UploadId=upload, PartNumber=at, Body=piece)["ETag"]
                    parts.append({"PartNumber": at, "ETag": tag})
                s3.complete_multipart_upload(Bucket="uploads", Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
            else:
                s3.put_object(Bucket="uploads", Key=key, Body=body(key, size))
            with open(ledger, "a") as out:
                out.write(json.dumps([key, size]) + "\n")
        except Exception:
            return
        number += 1


def check():
    told = dict(json.loads(line) for line in open(ledger)) if os.path.exists(ledger) else {}
    listed = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="uploads"):
        listed.update({row["Key"]: row["Size"] for row in page.get("Contents", [])})
    lost = set(told) - set(listed)
    assert not lost, f"lost: {sorted(lost)[:3]}"
    for key, size in listed.items():
        data = s3.get_object(Bucket="uploads", Key=key)["Body"].read()
        assert data == body(key, size), f"{key} is not whole: {len(data)} of {size}"
    unfinished = s3.list_multipart_uploads(Bucket="uploads").get("Uploads", [])
    for upload in unfinished:
        s3.abort_multipart_upload(Bucket="uploads", Key=upload["Key"], UploadId=upload["UploadId"])
    files = 0
    for size in listed.values():
        files += 2 if size > 5 * 1024 * 1024 else int(size > 64 * 1024)
    for _ in range(50):
        there = sum(len(names) for _, _, names in os.walk(sys.argv[3]))
        if there == files:
            return
        time.sleep(0.1)
    raise AssertionError(f"{there} files for {files}")


if task == "load":
    workers = [threading.Thread(target=load, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
else:
    check()
