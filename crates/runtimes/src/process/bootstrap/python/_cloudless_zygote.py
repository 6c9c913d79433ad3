"""What a warm process has loaded, and what its forks do: becoming a template, becoming an instance, ending.

Lives here: what a base has loaded, what comes before parking, a fork's environment, the end.
Does not live here: the loop of forking (`_cloudless_fork`), whether a process may be forked (`_cloudless_fitness`), what
must not be the same in two forks (`_cloudless_fresh`).
"""
import atexit
import gc
import importlib
import os
import sys
import time
import traceback

import _cloudless_fork
import _cloudless_fresh

# How many instances a template keeps ahead at most, while they are asked for faster than they get there.
INSTANCES_AHEAD_MAX = 3


def load_sdk(paths):
    """Loads the SDK, and parses those of its data files that every client needs, for all sessions to come."""
    if not paths:
        return
    # Where the variable PYTHONPATH would have put them.
    sys.path[:] = [*paths, *(path for path in sys.path if path not in paths)]
    try:
        import boto3
        import botocore.loaders
        import botocore.session
    except Exception:
        return  # an SDK without one of these is loaded by whoever imports it
    try:
        session = use_sdk()
        _share_models(botocore, session.get_component("data_loader"))
    except Exception:
        return  # an SDK of an unknown shape is only less warm


def use_sdk():
    """Makes the clients that most functions make in their init; the session that made them."""
    session = sys.modules["botocore.session"].Session()
    own = sys.modules["boto3.session"].Session(botocore_session=session, region_name="us-east-1")
    for make in (own.client, own.resource):
        # Keys that nobody has: without any, it would look for some on the network.
        make("dynamodb", aws_access_key_id="-", aws_secret_access_key="-")
    return session


def rehearse_template():
    """What the init of a function is likely to do again, as far as that is known."""
    if "boto3" in sys.modules:
        use_sdk()


def _share_models(botocore, loader):
    """Sessions of the function find parsed what this loader has parsed; nothing else of the session is kept."""
    parsed = dict(loader._cache)
    create_loader = botocore.session.create_loader

    def create_warm_loader(search_path_string=None):
        made = create_loader(search_path_string)
        if search_path_string is None:
            made._cache.update(parsed)
        return made

    botocore.session.create_loader = create_warm_loader


def loaded_modules():
    """The names that a function's own modules would not be found under."""
    return sorted({name.partition(".")[0] for name in sys.modules} - {"__main__"})


def park(channel, kind, body, rehearse, spares_max):
    """Says so, then forks whenever asked to. Returns in the forks only: the channel is then theirs."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # the function closed or replaced it
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (_cloudless_fork.STDOUT, _cloudless_fork.STDERR):
        os.dup2(nowhere, number)
    os.close(nowhere)
    gc.collect()
    _cloudless_fresh.note_generators()
    # A collector that looks at an object writes to it, and so copies its page.
    gc.freeze()
    _cloudless_fork.fork_when_asked(channel, kind, body, _cloudless_fresh.freshen, rehearse, spares_max)


def enter(order):
    """In a template: the function's environment, as a process of its own would find it."""
    if "inside" in order:
        _cloudless_fork.instance_limits = (order["inside"]["scopes"], order["inside"]["processesMax"])
    os.environ.clear()
    os.environ.update(order["variables"])
    time.tzset()
    os.chdir(order["codeRoot"])
    first = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [*(path for path in first if path and path not in sys.path), *sys.path]
    importlib.invalidate_caches()


def become_instance(order):
    """In an instance: what is its own."""
    os.environ.update(order["variables"])


def leave(body):
    """Runs a process to its end, without the interpreter's own taking apart: that would write to, and so copy, every page
    shared with other processes, only to free it."""
    status = 0
    try:
        body()
    except SystemExit as stop:
        status = stop.code
        if status is None:
            status = 0
        elif not isinstance(status, int):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
        status = 1
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status & 0xFF)
