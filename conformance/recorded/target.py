"""Has a recorded suite act as a user, and writes how each of its tests ended.

The replies were recorded by users of IAM who may do everything: several of them show who asked. A development server's own
keys are its root's, so a user is made first.

One JSON object a test and line, to CONFORMANCE_OUTCOMES. Tests run in the order of their files, whatever the machine is called.
"""
import json
import os
from urllib.parse import urlsplit, urlunsplit

import boto3
import requests

USER = "recorder"
EVERYTHING = "arn:aws:iam::aws:policy/AdministratorAccess"


def act_as_user():
    iam = boto3.client("iam", endpoint_url=os.environ["TEST_AWS_ENDPOINT_URL"])
    iam.create_user(UserName=USER)
    iam.attach_user_policy(UserName=USER, PolicyArn=EVERYTHING)
    key = iam.create_access_key(UserName=USER)["AccessKey"]
    for prefix in ("AWS", "TEST_AWS"):
        os.environ[f"{prefix}_ACCESS_KEY_ID"] = key["AccessKeyId"]
        os.environ[f"{prefix}_SECRET_ACCESS_KEY"] = key["SecretAccessKey"]


# Whatever the suite is written with reads its keys when it is imported: this module is imported before.
act_as_user()


def ask_here_for_function_urls():
    """Sends what is for `https://ID.lambda-url.REGION.on.aws/…` to the server, under that name: it resolves nowhere else to it."""
    place = os.environ["CONFORMANCE_APIS"]
    send = requests.Session.send

    def send_here(session, request, **options):
        url = urlsplit(request.url)
        if url.hostname and url.hostname.endswith(".on.aws") and ".lambda-url." in url.hostname:
            request.headers["Host"] = url.hostname
            request.url = urlunsplit(("http", place, *url[2:]))
        return send(session, request, **options)

    requests.Session.send = send_here


ask_here_for_function_urls()


def pytest_runtest_logreport(report):
    # A test that is skipped has no call; one whose preparation or cleaning up fails has failed.
    if report.when != "call" and report.outcome == "passed":
        return
    with open(os.environ["CONFORMANCE_OUTCOMES"], "a", encoding="utf-8") as written:
        outcome = {"test": report.nodeid, "outcome": report.outcome}
        written.write(json.dumps(outcome) + "\n")
