"""Records requests signed by botocore, for `botocore.rs`.

  python3 -m venv venv && venv/bin/pip install botocore==1.44.5
  venv/bin/python crates/aws-wire/tests/botocore_vectors.py > crates/aws-wire/tests/botocore_vectors.json

The same version writes the same file: the random numbers are seeded and the clock stands still.
"""
import datetime
import json
import random
import string
from urllib.parse import quote, urlsplit

import botocore.auth as auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NOW = datetime.datetime(2026, 2, 28, 23, 59, 30, tzinfo=datetime.timezone.utc)
auth.get_current_datetime = lambda *arguments, **options: NOW
draw = random.Random(20260228)
LETTERS = string.ascii_letters + string.digits + "-._~ !$&'()*+,;=:@%/é€"
SERVICES = ["dynamodb", "lambda", "sts", "s3", "execute-api"]


def text(length_max):
    return "".join(draw.choice(LETTERS) for _ in range(draw.randint(0, length_max)))


def request(service):
    segments = [quote(text(8), safe="") for _ in range(draw.randint(0, 4))]
    path = "/" + "/".join(segments)
    if service != "s3" and draw.random() < 0.3:
        path += draw.choice(["/./a", "/../b", "//c/", "/d/.."])
    pairs = [f"{quote(text(6), safe='-_.~')}={quote(text(6), safe='-_.~')}" for _ in range(draw.randint(0, 4))]
    url = f"http://localhost:4566{path}" + ("?" + "&".join(pairs) if pairs else "")
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.PutItem",
               "X-Amz-Meta-Blanks": "  a   b\tc  ", "User-Agent": "not signed"}
    body = text(200).encode()
    return AWSRequest(method=draw.choice(["GET", "POST", "PUT", "DELETE"]), url=url, headers=headers, data=body)


def vector(service, signer_class, **options):
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                              draw.choice([None, "token/with+signs=="]))
    asked = request(service)
    if signer_class in (auth.SigV4QueryAuth, auth.S3SigV4QueryAuth):
        for name in set(asked.headers):
            del asked.headers[name]
        asked.data = b""
    signer_class(credentials, service, draw.choice(["us-east-1", "eu-central-1"]), **options).add_auth(asked)
    parts = urlsplit(asked.url)
    headers = [["host", parts.netloc]] + [[name, value] for name, value in asked.headers.items()]
    return {
        "method": asked.method,
        "target": parts.path + ("?" + parts.query if parts.query else ""),
        "headers": headers,
        "body": (asked.body or b"").decode(),
        "token": credentials.token,
    }


vectors = []
for index in range(60):
    service = SERVICES[index % len(SERVICES)]
    vectors.append(vector(service, auth.S3SigV4Auth if service == "s3" else auth.SigV4Auth))
for index in range(20):
    service = SERVICES[index % len(SERVICES)]
    vectors.append(vector(service, auth.S3SigV4QueryAuth if service == "s3" else auth.SigV4QueryAuth, expires=300))
print(json.dumps(vectors, indent=1, ensure_ascii=False))
