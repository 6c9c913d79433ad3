"""A warm process that makes others by forking itself.

Lives here: what a base has loaded, parking, the fork, what a fork does first, how it ends.
Does not live here: whether a process may be forked (`_cloudless_fitness`), what must not be the same in two forks
(`_cloudless_fresh`), the frames of instances (`_cloudless_frames`).

A base forks templates, a template forks instances. Both are this program, and both are told to fork in the same way: over
their channel, with the socket, the standard output and the standard error of the child. So the child's end of its own
channel takes the place of its parent's, and it never holds that.
"""
import atexit
import ctypes
import gc
import importlib
import os
import select
import signal
import struct
import sys
import time
import traceback
from os import fork, pidfd_open  # an interpreter that lacks the latter cannot be a base

import _cloudless_fresh

CHANNEL, STDOUT, STDERR = 3, 1, 2
FORK, FORKED, FORK_FAILED, EXITED = 3, 32, 33, 34
STATUS, SIGNAL, UNKNOWN = 0, 1, 2

_PR_SET_PDEATHSIG = 1
# How long children have to end by themselves.
_END_SECONDS = 0.5
_FORK_FRAME = struct.Struct(">IBI")
_FORKED_FRAME = struct.Struct(">IBII")
_FORK_FAILED_FRAME = struct.Struct(">IBIi")
_EXITED_FRAME = struct.Struct(">IBIBi")

_libc = ctypes.CDLL(None)
_children = {}  # a child's pidfd, and its number
_received = None  # the descriptors of the child that is being forked
_parent = None


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
        session = botocore.session.Session()
        own = boto3.session.Session(botocore_session=session, region_name="us-east-1")
        for make in (own.client, own.resource):
            # Keys that nobody has: without any, it would look for some on the network.
            make("dynamodb", aws_access_key_id="-", aws_secret_access_key="-")
        _share_models(botocore, session.get_component("data_loader"))
    except Exception:
        return  # an SDK of an unknown shape is only less warm


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


def park(channel, kind, body=b""):
    """Says so, then forks whenever asked to. Returns in the forks only: the channel is then theirs."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # the function closed or replaced it
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (STDOUT, STDERR):
        os.dup2(nowhere, number)
    os.close(nowhere)
    gc.collect()
    _cloudless_fresh.note_generators()
    # A collector that looks at an object writes to it, and so copies its page.
    gc.freeze()
    # A handler of the function's would run here, in the process that all its instances are made from.
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    channel.send(kind, body)
    _fork_when_asked(channel)
    if handler is not None:
        signal.signal(signal.SIGCHLD, handler)


def _fork_when_asked(channel):
    poller = select.poll()
    poller.register(CHANNEL, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            if descriptor in _children:
                poller.unregister(descriptor)
                _report_end(channel, descriptor)
                continue
            number, descriptors = _receive(channel)
            if number is None:
                _end()
            try:
                pid = _fork(descriptors)
            except OSError as error:
                _tell(channel, _FORK_FAILED_FRAME.pack(8, FORK_FAILED, number, error.errno or 0))
                continue
            finally:
                if _received is None:
                    for received in descriptors:
                        os.close(received)
            if pid == 0:
                return
            try:
                pidfd = pidfd_open(pid)
            except OSError as error:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                _tell(channel, _FORK_FAILED_FRAME.pack(8, FORK_FAILED, number, error.errno or 0))
                continue
            _children[pidfd] = pid
            poller.register(pidfd, select.POLLIN)
            _tell(channel, _FORKED_FRAME.pack(8, FORKED, number, pid), pidfd)


def _receive(channel):
    """One request to fork: its number, and the child's descriptors. None when nobody will ask any more."""
    frame, descriptors = channel.receive_whole(_FORK_FRAME.size, 3)
    if frame is None:
        return None, []
    _, kind, number = _FORK_FRAME.unpack(frame)
    if kind != FORK or len(descriptors) != 3:
        return None, []
    return number, descriptors


def _fork(descriptors):
    global _received, _parent
    _received, _parent = descriptors, os.getpid()
    try:
        pid = fork()
    except BaseException:
        _received = None
        raise
    if pid != 0:
        _received = None
    elif _parent is not None:
        os._exit(1)  # what must come first did not come to its end
    return pid


def _become_child():
    """Runs in a fork before anything else does: no function can have registered an earlier hook than a base."""
    global _parent
    if _parent is None or _received is None:
        return
    for descriptor, number in zip(_received, (CHANNEL, STDOUT, STDERR)):
        os.dup2(descriptor, number, inheritable=number != CHANNEL)
    for descriptor in (*_received, *_children):
        os.close(descriptor)
    _children.clear()
    os.setsid()
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before that: then nobody would ever end this process.
    if os.getppid() != _parent:
        os._exit(1)
    _parent = None


os.register_at_fork(after_in_child=_become_child)


def _report_end(channel, pidfd):
    pid = _children.pop(pidfd)
    how, value = _collect(pid)
    os.close(pidfd)
    _tell(channel, _EXITED_FRAME.pack(9, EXITED, pid, how, value))


def _collect(pid):
    """How a child ended. Its own children go first: until it is collected, nobody else can have its number."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        try:
            os.killpg(pid, signal.SIGKILL)
        except OSError:
            pass  # nobody is left in its group
        ended = os.waitid(os.P_PID, pid, os.WEXITED)
    except ChildProcessError:
        return UNKNOWN, 0
    return (STATUS if ended.si_code == os.CLD_EXITED else SIGNAL), ended.si_status


def _tell(channel, frame, descriptor=None):
    try:
        channel.send_whole(frame, descriptor)
    except OSError:
        _end()


def _end():
    """Nobody asks any more, so nobody uses what was forked either: as a rule it is ending already.

    What the function registered for the end of its process is for its instances.
    """
    end_at = time.monotonic() + _END_SECONDS
    for pidfd, pid in _children.items():
        ended = select.poll()
        ended.register(pidfd, select.POLLIN)
        if not ended.poll(max(0, end_at - time.monotonic()) * 1000):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        _collect(pid)
    os._exit(0)


def enter(order):
    """In a template: the function's environment, as a process of its own would find it."""
    global _received
    _received = None
    os.environ.clear()
    os.environ.update(order["variables"])
    time.tzset()
    os.chdir(order["codeRoot"])
    first = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [*(path for path in first if path and path not in sys.path), *sys.path]
    importlib.invalidate_caches()


def become_instance(order):
    """In an instance: what is its own."""
    global _received
    _received = None
    os.environ.update(order["variables"])
    _cloudless_fresh.freshen()


def run_before_snapshot_hooks():
    hooks = _hooks("get_before_snapshot")
    while hooks:
        # The last one registered runs first.
        function, arguments, options = hooks.pop()
        function(*arguments, **options)


def run_after_restore_hooks():
    for function, arguments, options in _hooks("get_after_restore"):
        function(*arguments, **options)


def _hooks(getter):
    registry = sys.modules.get("snapshot_restore_py")
    return getattr(registry, getter)() if registry is not None else []


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
