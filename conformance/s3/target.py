"""Lets ceph/s3-tests run against the server at S3_PLACE, and writes how each test ended.

The suite is told the ids and names of two accounts, which it asks the server for, and acts as a user of each with all rights,
whose keys were issued: signatures by keys that nobody issued could not be judged. Its own clean-up sends
x-amz-bypass-governance-retention to buckets without object lock, which S3 refuses, and one failed clean-up fails every test
after it; clean-up is not what is judged, so here it never fails.
"""

import json
import os
import tempfile

import boto3

HOST, PORT = os.environ["S3_PLACE"].split(":")
ACCOUNTS = {"main": "000000000000", "alt": "000000000002"}


def _client(service, account):
    return boto3.client(
        service,
        endpoint_url=f"http://{HOST}:{PORT}",
        aws_access_key_id=account,
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )


def _keys(account):
    iam = _client("iam", account)
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.create_user(UserName="suite")
    iam.put_user_policy(UserName="suite", PolicyName="all", PolicyDocument=policy)
    return iam.create_access_key(UserName="suite")["AccessKey"]


KEYS = {name: _keys(account) for name, account in ACCOUNTS.items()}


def _section(title, name, *more):
    owner = _client("s3", ACCOUNTS[name]).list_buckets()["Owner"]
    return "\n".join([
        f"[{title}]",
        f"display_name = {owner['DisplayName']}",
        f"user_id = {owner['ID']}",
        f"email = {name}@example.com",
        f"access_key = {KEYS[name]['AccessKeyId']}",
        f"secret_key = {KEYS[name]['SecretAccessKey']}",
        *more,
        "",
    ])


def _configuration():
    return "\n".join([
        "[DEFAULT]", f"host = {HOST}", f"port = {PORT}", "is_secure = False", "ssl_verify = False",
        "[fixtures]", "bucket prefix = s3t-{random}-", "iam name prefix = s3-tests-", "iam path prefix = /s3-tests/",
        _section("s3 main", "main", "api_name = eu-west-1", "lc_debug_interval = 10"),
        _section("s3 alt", "alt"),
        _section("s3 tenant", "alt", "tenant = testx"),
        _section("iam", "main"),
        _section("iam root", "main"),
        _section("iam alt root", "alt"),
    ])


with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as written:
    written.write(_configuration())
os.environ["S3TEST_CONF"] = written.name

import s3tests.functional as suite  # noqa: E402  (it reads its configuration when it is imported)

_stuck = set()


def _clear(client, bucket):
    if bucket in _stuck:
        return
    found = []
    try:
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for row in page.get("Versions", []) + page.get("DeleteMarkers", []):
                found.append({name: row[name] for name in ("Key", "VersionId") if name in row})
    except Exception:
        pass
    for start in range(0, len(found), 500):
        batch = {"Objects": found[start : start + 500], "Quiet": True}
        for more in ({}, {"BypassGovernanceRetention": True}):
            try:
                if not client.delete_objects(Bucket=bucket, Delete=batch, **more).get("Errors"):
                    break
            except Exception:
                pass
    try:
        client.delete_bucket(Bucket=bucket)
    except Exception:
        _stuck.add(bucket)


suite.nuke_bucket = _clear


def pytest_runtest_logreport(report):
    is_end = report.when == "call" or report.outcome != "passed"
    if not is_end:
        return
    test = report.nodeid.split("functional/")[-1]
    with open(os.environ["CONFORMANCE_OUTCOMES"], "a", encoding="utf-8") as out:
        out.write(json.dumps({"test": test, "outcome": report.outcome}) + "\n")
