"""What must not be the same in two forks of one process.

Lives here: pseudo-random generators, OpenSSL's generator, ids made of the time, names of temporary files, the main
thread's number.
Does not live here: what looks after itself: `os.urandom`, `secrets`, `uuid4`, and the hidden generator of `random`.
"""
import gc
import os
import sys

_generators = []  # of `random`; kept here since frozen objects are not listed any more
_arrays = {}  # of numpy, by identity: many may hold one
_draw_uuid = None  # of the system's library, as `uuid` has it


def note_generators():
    """Lists the generators that exist; the collector can do so only before it is frozen."""
    if "uuid" in sys.modules:
        _part_uuids(sys.modules["uuid"])
    if "random" in sys.modules:
        library = sys.modules["random"]
        kind, system, hidden = library.Random, library.SystemRandom, library._inst
        for found in gc.get_objects():
            if isinstance_plainly(found, kind) and not isinstance_plainly(found, system) and found is not hidden:
                _generators.append(found)
    if "numpy.random" in sys.modules:
        library = sys.modules["numpy.random"]
        names = ("Generator", "RandomState", "BitGenerator")
        kinds = tuple(getattr(library, name) for name in names if hasattr(library, name))
        # The collector does not list these themselves, but all that may hold one.
        for holder in gc.get_objects():
            for found in gc.get_referents(holder):
                if isinstance_plainly(found, kinds):
                    _arrays[id(found)] = found


def _part_uuids(library):
    global _draw_uuid
    draw = getattr(library, "_generate_time_safe", None)
    if draw is not None and draw is not generate_time_safe:
        _draw_uuid, library._generate_time_safe = draw, generate_time_safe


def generate_time_safe():
    """What `uuid1` is made of. The system's library draws a sequence once, which then tells its ids from those of others:
    two forks of a process would make the same ones at the same moment. Here each id has a sequence of its own."""
    drawn, is_safe = _draw_uuid()
    high, low = os.urandom(2)
    return drawn[:8] + bytes([0x80 | high & 0x3F, low]) + drawn[10:], is_safe


def isinstance_plainly(found, kinds):
    # `isinstance` asks the object itself, which may be a proxy that does something when asked.
    return issubclass(type(found), kinds)


def freshen(ancestors):
    """Called in a fork before any code of its function, with the numbers of the processes that it was forked from."""
    for generator in _generators:
        # Not as a class of the function's may have it, which may ask for arguments.
        sys.modules["random"].Random.seed(generator)
    if "numpy.random" in sys.modules:
        _freshen_numpy(sys.modules["numpy.random"])
    if "_ssl" in sys.modules and os.getpid() in ancestors:
        # OpenSSL knows a fork by a new process number, which in a namespace of its own may be that of an older process.
        sys.modules["_ssl"].RAND_add(os.urandom(32), 32.0)
    if "threading" in sys.modules:
        # The one number of a thread that the library itself does not renew.
        sys.modules["threading"].main_thread()._set_native_id()
    if "tempfile" in sys.modules:
        sys.modules["tempfile"]._name_sequence = None
    if "multiprocessing.process" in sys.modules:
        sys.modules["multiprocessing.process"].current_process().authkey = os.urandom(32)


def _freshen_numpy(library):
    if hasattr(library, "seed"):
        library.seed()
    for found in _arrays.values():
        if hasattr(found, "seed"):
            found.seed()
            continue
        bits = getattr(found, "bit_generator", found)
        bits.state = type(bits)().state
