"""Logging as the managed runtime sets it up.

Lives here: the root logger's handler, its line format, the lines of an error.
Does not live here: `print`, which goes to standard output as it is.

A message of several lines is one entry of the log. On its way its inner line ends are carriage returns; the supervisor
turns them back.
"""
import logging
import sys
import time

request_id = None

_INDENT = "\u00a0"  # a no-break space: leading blanks of a log entry would be trimmed by whoever shows it


class LambdaHandler(logging.Handler):
    is_lambda_handler = True

    def emit(self, record):
        record.aws_request_id = request_id or ""
        self.write(self.format(record))

    def write(self, text):
        sys.stdout.write(text.rstrip("\n").replace("\n", "\r") + "\n")


def install():
    for stream in (sys.stdout, sys.stderr):
        # Handlers print what they like, and a crash must not swallow the lines before it.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    logging.Formatter.converter = time.gmtime
    handler = LambdaHandler()
    handler.setFormatter(logging.Formatter(
        "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"))
    logging.getLogger().addHandler(handler)


def error(failure):
    """Writes an error object, as `[ERROR] ValueError: text` with its traceback, in one entry."""
    head = "[ERROR]"
    if failure["errorType"]:
        head += " " + failure["errorType"]
    if failure["errorMessage"]:
        head += (":" if failure["errorType"] else "") + " " + failure["errorMessage"]
    lines = [*head.splitlines(), "Traceback (most recent call last):"]
    for entry in failure["stackTrace"]:
        for line in entry.splitlines():
            text = line.lstrip(" ")
            lines.append(_INDENT * (len(line) - len(text)) + text)
    sys.stdout.write("\r".join(lines) + "\n")


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # the function closed or replaced it; that is its affair
