"""Writes how each test of a recorded suite ended.

One JSON object a line, to CONFORMANCE_OUTCOMES. Tests run in the order of their files, whatever the machine is called.
"""
import json
import os


def pytest_runtest_logreport(report):
    # A test that is skipped has no call; one whose preparation or cleaning up fails has failed.
    if report.when != "call" and report.outcome == "passed":
        return
    with open(os.environ["CONFORMANCE_OUTCOMES"], "a", encoding="utf-8") as written:
        outcome = {"test": report.nodeid, "outcome": report.outcome}
        written.write(json.dumps(outcome) + "\n")
