"""The program inside a Python instance: loads the function, then runs its handler for one event after another.

Lives here: finding the handler, the hooks of snapshots, the loop of events, the shape of errors.
Does not live here: frames (`_cloudless_frames`), results as JSON (`_cloudless_json`), the log (`_cloudless_logging`).
Contract: AWS Lambda Developer Guide, "Define Lambda function handler in Python".
"""
import importlib
import json
import os
import site
import socket
import sys
import traceback

import _cloudless_endpoint
import _cloudless_frames as frames
import _cloudless_json
import _cloudless_logging as log
from _cloudless_context import LambdaContext

CHANNEL = 3
_HERE = os.path.dirname(os.path.abspath(__file__))


class Fault(Exception):
    """An error that the runtime itself finds, with the cloud's name for it."""

    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.kind, self.message, self.trace = kind, message, list(trace)


def main():
    channel = frames.Channel(CHANNEL)
    order = receive_order(channel)
    if order is None:
        return
    log.install()
    if order["kind"] == "base":
        plain = set(sys.modules)
        import _cloudless_zygote

        _cloudless_zygote.leave(lambda: run_base(channel, order, plain, _cloudless_zygote))
    handler, encoder = load(channel, order)
    # No snapshot is taken of it, but its function relies on what hooks do, as if it were forked.
    attempt(channel, encoder, run_before_snapshot_hooks)
    attempt(channel, encoder, run_after_restore_hooks)
    channel.send(frames.READY)
    serve(channel, handler, encoder)


def receive_order(channel):
    received = channel.receive()
    return None if received is None else json.loads(bytes(received[1]))


def run_base(channel, order, plain, zygote):
    """Every process below a base comes by here, and goes on where it was forked."""
    _cloudless_endpoint.install()
    zygote.load_sdk(order["sdkPaths"])
    import _cloudless_fitness as fitness

    warm_up()
    loaded = [name for name in zygote.loaded_modules() if name not in plain]
    zygote.park(channel, frames.READY, json.dumps(loaded).encode(), zygote.rehearse_template, 1)
    run_template(channel, zygote, fitness)


def run_template(channel, zygote, fitness):
    order = receive_order(channel)
    if order is None:
        return
    # The place of the sandbox: what is forked is this function's from here on, and none of its code has run.
    zygote.enter(order)
    before = fitness.look(is_alone="inside" in order)
    handler, encoder = load(channel, order)
    attempt(channel, encoder, run_before_snapshot_hooks)
    reasons = fitness.reasons(before)
    if reasons and not order["isForkedAnyway"]:
        # It is a process like any other, only that it has no use but this one.
        attempt(channel, encoder, run_after_restore_hooks)
        channel.send(frames.UNFIT, json.dumps(reasons).encode())
        serve(channel, handler, encoder)
    body = json.dumps(reasons).encode() if reasons else b""
    zygote.park(channel, frames.READY, body, warm_up, zygote.INSTANCES_AHEAD_MAX)
    order = receive_order(channel)
    if order is None:
        return
    zygote.become_instance(order)
    fitness.part_files()
    attempt(channel, encoder, run_after_restore_hooks)
    channel.send(frames.READY)
    serve(channel, handler, encoder)


def warm_up():
    """Runs an event, so that nothing on its way is loaded or made for the first time by an instance."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(frames.EMPTY_EVENT)
        ours.shutdown(socket.SHUT_WR)
        try:
            serve(frames.Channel(theirs.detach()), lambda event, context: event, _cloudless_json.Encoder(True))
        except SystemExit:
            log.request_id = None


def load(channel, order):
    encoder = _cloudless_json.Encoder(ensure_ascii=(order["runtimeMajor"], order["runtimeMinor"]) < (3, 12))

    def find():
        set_search_paths(order)
        _cloudless_endpoint.install()
        return find_handler(order["handler"])

    return attempt(channel, encoder, find), encoder


def attempt(channel, encoder, step):
    """A step of the init; one that fails is told, and ends the process."""
    try:
        done = step()
        log.flush()
        return done
    except Exception:  # SystemExit ends the process, as in the cloud
        failure = describe(sys.exc_info(), "")
        log.error(failure)
        log.flush()
        channel.send(frames.INIT_FAILED, encode_failure(encoder, failure))
        sys.exit(1)


def run_before_snapshot_hooks():
    hooks = registered("get_before_snapshot")
    while hooks:
        # The last one registered runs first.
        function, arguments, options = hooks.pop()
        function(*arguments, **options)


def run_after_restore_hooks():
    for function, arguments, options in registered("get_after_restore"):
        function(*arguments, **options)


def registered(getter):
    registry = sys.modules.get("snapshot_restore_py")
    return getattr(registry, getter)() if registry is not None else []


def set_search_paths(order):
    # `-S` keeps this machine's site folders out, and with them three names that programs expect.
    site.setquit()
    site.setcopyright()
    site.sethelper()
    inherited = [path for path in sys.path if os.path.abspath(path) != _HERE]
    first = [order["codeRoot"], *order["modulePaths"]]
    last = [path for path in order["sdkPaths"] if path not in inherited]
    sys.path[:] = [*first, *inherited, *last]
    sys.argv[:] = ["bootstrap.py"]


def find_handler(name):
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': {error}")
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict",
                    f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}")
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", trace)
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")


def serve(channel, handler, encoder):
    process = os.getpid()
    while True:
        received = channel.receive()
        if received is None:
            sys.exit(0)
        head, text = frames.split_event(received[1])
        log.request_id = head.request_id
        set_trace_id(head.trace_id)
        try:
            context = make_context(head)
            event = parse(text)
            kind, reply = frames.RETURNED, marshal(encoder, handler(event, context))
        except Exception:
            failure = describe(sys.exc_info(), head.request_id)
            log.error(failure)
            kind, reply = frames.RAISED, encode_failure(encoder, failure)
        if os.getpid() != process:
            # The handler forked and its child came back as well: the reply is the parent's to give.
            os._exit(0)
        log.flush()
        channel.send(kind, reply)


def set_trace_id(trace_id):
    if trace_id:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)


def make_context(head):
    client_context = head.client_context
    if client_context is not None:
        try:
            client_context = json.loads(client_context)
        except ValueError as error:
            raise Fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse Client Context JSON: {error}")
    return LambdaContext(head.request_id, head.function_arn, head.deadline_ms, client_context)


def parse(body):
    try:
        return json.loads(str(body, "utf-8"))
    except Exception as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}")


def marshal(encoder, result):
    if isinstance(result, bytes):
        return result
    try:
        return encoder.encode(result).encode("utf-8")
    except Exception as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}")


def describe(raised, request_id):
    """An exception as the cloud's error object."""
    kind, error, trace = raised
    if kind is Fault:
        message, name, stack = error.message, error.kind, error.trace
    else:
        # Bare tuples: newer versions would mark columns, which the managed runtime does not show.
        found = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in traceback.extract_tb(trace)]
        while found and found[0][0].startswith(_HERE):
            found.pop(0)
        message, name, stack = str(error), kind.__name__, traceback.format_list(found)
    return {"errorMessage": message, "errorType": name, "requestId": request_id, "stackTrace": stack}


def encode_failure(encoder, failure):
    # Texts may hold halves of surrogate pairs, which are no UTF-8; the errors' own path may not fail.
    return encoder.encode(failure).encode("utf-8", "backslashreplace")


main()
