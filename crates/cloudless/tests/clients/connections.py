"""Writes to a connection from outside, looks at it, and closes it: what boto3 makes of each, as JSON."""

import json
import sys

import boto3

endpoint, connection = sys.argv[1:]
gateway = boto3.client(
    "apigatewaymanagementapi",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="anything",
    aws_secret_access_key="at-all",
)


def refused(call, **arguments):
    try:
        call(**arguments)
    except gateway.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
    return None


gateway.post_to_connection(ConnectionId=connection, Data=b"from outside")
seen = gateway.get_connection(ConnectionId=connection)
large = refused(gateway.post_to_connection, ConnectionId=connection, Data=b"a" * (128 * 1024 + 1))
gateway.delete_connection(ConnectionId=connection)
gone = refused(gateway.post_to_connection, ConnectionId=connection, Data=b"still there?")
print(
    json.dumps(
        {
            "source": seen["Identity"]["SourceIp"],
            "times": [type(seen[name]).__name__ for name in ("ConnectedAt", "LastActiveAt")],
            "large": large,
            "gone": gone,
        }
    )
)
