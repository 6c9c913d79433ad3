"""Holds a server to ScyllaDB's Alternator suite as if it were AWS.

The suite knows two targets, Scylla and AWS. Here it is made to believe that it talks to AWS: tests that need Scylla, and
tests that its authors mark as a fault of DynamoDB, are left out; what it marks as a known fault of Scylla counts. Its
imports of Scylla's own tools are replaced by empty modules. Each outcome is written to CONFORMANCE_OUTCOMES, one JSON
object a line.
"""
import json
import os
import sys
import types

import pytest

SCYLLA_ALONE = {"scylla_only", "dynamodb_bug", "rest_api", "cql", "system_cql", "metrics"}


def empty_module(name, **members):
    module = types.ModuleType(name)
    module.__path__ = []
    for key, value in members.items():
        setattr(module, key, value)
    module.__getattr__ = lambda member: type(member, (Exception,), {})
    sys.modules[name] = module
    return module


class Session:
    """Answers the one question that the suite asks of a cluster: the secret of a user."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def connect(self):
        return self

    def execute(self, _query):
        return [types.SimpleNamespace(salted_hash="secret")]


for module in ("cassandra", "cassandra.policies", "cassandra.connection", "cassandra.query",
               "cassandra.pool", "cassandra.protocol"):
    empty_module(module)
empty_module("cassandra.auth", PlainTextAuthProvider=lambda *_, **__: None)
empty_module("cassandra.cluster", Cluster=lambda *_, **__: Session(),
             NoHostAvailable=type("NoHostAvailable", (Exception,), {}))

import test  # noqa: E402  (the checkout's package)

empty_module("test.cqlpy")
empty_module("test.cqlpy.util", config_value_context=None, local_process_id=lambda *_: None)


@pytest.fixture(scope="session")
def host():
    return None


empty_module("test.cqlpy.conftest", host=host)

from test.alternator import util  # noqa: E402

util.is_aws = lambda _target: True


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if SCYLLA_ALONE & set(getattr(item, "fixturenames", ()))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_runtest_logreport(report):
    if report.when != "call" and report.outcome == "passed":
        return
    name = report.nodeid.removeprefix("test/alternator/")
    with open(os.environ["CONFORMANCE_OUTCOMES"], "a", encoding="utf-8") as out:
        out.write(json.dumps({"test": name, "outcome": report.outcome}) + "\n")
