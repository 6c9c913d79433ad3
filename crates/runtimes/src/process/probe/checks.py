"""What a probe runs in two forks of one process: whatever a fork may break.

Lives here: the checks, one an event; a check that fails raises.
Does not live here: which are run, and comparing two forks (`probe.rs`).
"""
import gc
import os
import random
import secrets
import ssl
import sys
import tempfile
import threading
import time
import uuid
import weakref

_INIT_PROCESS = os.getpid()
_MEMORY_BYTES = 48 * 1024 * 1024
_OBJECTS = 50_000
_NAP_SECONDS = 0.02

# Every generator is in use before the fork, so that two forks that share its state are found out.
_own_generator = random.Random()
_primed = [random.random(), _own_generator.random(), uuid.uuid4(), secrets.token_hex(8), ssl.RAND_bytes(8),
           tempfile.mktemp()]
# What a later collection finds from before the fork.
_ballast = [{"number": number, "text": str(number)} for number in range(_OBJECTS)]


def handler(event, context):
    return _CHECKS[event["check"]]()


def identity():
    own, real = os.getpid(), int(os.readlink("/proc/self"))
    _expect(own == real, f"the process takes itself for {own} and is {real}")
    _expect(own != _INIT_PROCESS, "the process is the one that did the init")


def randomness():
    return [random.random(), _own_generator.random(), str(uuid.uuid4()), secrets.token_hex(8),
            ssl.RAND_bytes(8).hex(), tempfile.mktemp()]


def collections():
    for _ in range(5):
        rings = [_Ring() for _ in range(_OBJECTS // 10)]
        last = weakref.ref(rings[-1])
        del rings
        gc.collect()
        _expect(last() is None, "a full collection left garbage behind")
    _expect(len(_ballast) == _OBJECTS, "objects from before the fork are gone")


def memory():
    before = _resident_bytes()
    block = bytearray(os.urandom(4096)) * (_MEMORY_BYTES // 4096)
    grown = _resident_bytes()
    del block
    gc.collect()
    after = _resident_bytes()
    _expect(before + _MEMORY_BYTES // 2 < grown, "memory that was filled did not count")
    _expect(after < grown - _MEMORY_BYTES // 2, "memory that was freed was not given back")


def threads():
    answers = []
    workers = [threading.Thread(target=lambda number=number: answers.append(sum(range(number * 1000))))
               for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    _expect(len(answers) == 4, "a thread did not run")


def timers():
    for nap in (time.sleep, lambda seconds: threading.Event().wait(seconds)):
        began, began_at = time.monotonic(), time.time()
        nap(_NAP_SECONDS)
        _expect(_NAP_SECONDS * 0.95 <= time.monotonic() - began, "a timer fired early")
        _expect(_NAP_SECONDS * 0.5 <= time.time() - began_at, "the wall clock stands still")


def leave():
    sys.exit(7)


class _Ring:
    def __init__(self):
        self.itself = self


def _resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _expect(holds, message):
    if not holds:
        raise AssertionError(message)


_CHECKS = {check.__name__: check for check in (identity, randomness, collections, memory, threads, timers, leave)}
