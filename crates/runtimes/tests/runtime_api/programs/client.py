"""What bootstraps and extensions of the tests are made of: requests, and raw connections."""

import http.client
import json
import os
import socket
import sys
import time

HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
API = "/2018-06-01/runtime"
EXTENSION = "/2020-01-01/extension"


class Client:
    def __init__(self):
        self.connection = http.client.HTTPConnection(HOST, int(PORT))

    def send(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body=body, headers=headers or {})
        reply = self.connection.getresponse()
        return reply.status, reply.headers, reply.read()

    def next(self):
        _, headers, body = self.send("GET", API + "/invocation/next")
        return headers["Lambda-Runtime-Aws-Request-Id"], json.loads(body)

    def reply(self, request, value):
        status, _, _ = self.send("POST", f"{API}/invocation/{request}/response", json.dumps(value))
        assert status == 202, status

    def refusal(self, method, path, body=None, headers=None):
        """The status, and the error if there is one."""
        status, _, body = self.send(method, path, body, headers)
        try:
            error = json.loads(body)
            return [status, error["errorType"], error["errorMessage"]]
        except (ValueError, TypeError):
            return [status, body.decode()]

    def register(self, events, name=None, headers=None):
        name = name or os.path.basename(sys.argv[0])
        headers = {"Lambda-Extension-Name": name, **(headers or {})}
        status, found, body = self.send("POST", EXTENSION + "/register", json.dumps({"events": events}), headers)
        assert status == 200, body
        return found["Lambda-Extension-Identifier"], json.loads(body)

    def extension_next(self, identifier):
        status, _, body = self.send(
            "GET", EXTENSION + "/event/next", headers={"Lambda-Extension-Identifier": identifier}
        )
        assert status == 200, body
        return json.loads(body)


def raw(data=b""):
    connection = socket.create_connection((HOST, int(PORT)))
    connection.sendall(data)
    return connection


def first_line(connection):
    connection.settimeout(5)
    text = b""
    while b"\n" not in text:
        more = connection.recv(4096)
        if not more:
            break
        text += more
    return text.split(b"\r\n")[0].decode()


def serve(handle):
    """A bootstrap: calls `handle` with the client, the request's id and the event; what it gives is the reply."""
    client = Client()
    while True:
        request, event = client.next()
        value = handle(client, request, event)
        if value is not None:
            client.reply(request, value)
