"""What must not be the same in two forks of one process.

Lives here: pseudo-random generators, those of OpenSSL and SQLite, ids made of the time, names of temporary files, the main
thread's number.
Does not live here: what looks after itself: `os.urandom`, `secrets`, `uuid4`, and the hidden generator of `random`.
"""
import gc
import os
import sys

_generators = []  # of `random`; kept here since frozen objects are not listed any more
_seed = None  # them, as `random` does it
_arrays = {}  # of numpy, by identity: many may hold one
_draw_uuid = None  # of the system's library, as `uuid` has it


def note_generators():
    """Lists the generators that exist; the collector can do so only before it is frozen."""
    global _seed
    if library := _loaded("uuid"):
        _part_uuids(library)
    if library := _loaded("random"):
        # Not as a class of the function's may have it, which may ask for arguments.
        _seed = library.Random.seed
        kind, system, hidden = library.Random, library.SystemRandom, library._inst
        for found in gc.get_objects():
            if isinstance_plainly(found, kind) and not isinstance_plainly(found, system) and found is not hidden:
                _generators.append(found)
    if library := _loaded("numpy.random"):
        names = ("Generator", "RandomState", "BitGenerator")
        kinds = tuple(getattr(library, name) for name in names if hasattr(library, name))
        # The collector does not list these themselves, but all that may hold one.
        for holder in gc.get_objects():
            for found in gc.get_referents(holder):
                if isinstance_plainly(found, kinds):
                    _arrays[id(found)] = found


def _loaded(name):
    """A module; None also where a function has forbidden it by that."""
    return sys.modules.get(name)


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
        _seed(generator)
    if library := _loaded("numpy.random"):
        _freshen_numpy(library)
    if (library := _loaded("_ssl")) and os.getpid() in ancestors:
        # OpenSSL knows a fork by a new process number, which in a namespace of its own may be that of an older process.
        library.RAND_add(os.urandom(32), 32.0)
    if library := _loaded("_sqlite3"):
        # SQLite looks at the process's number when it opens a file, and draws anew for `random()` if it is another one.
        library.connect("file:/dev/null?mode=ro", uri=True).close()
    if library := _loaded("threading"):
        # The one number of a thread that the library itself does not renew.
        library.main_thread()._set_native_id()
    if library := _loaded("tempfile"):
        library._name_sequence = None
    if library := _loaded("multiprocessing.process"):
        library.current_process().authkey = os.urandom(32)


def _freshen_numpy(library):
    if hasattr(library, "seed"):
        library.seed()
    for found in _arrays.values():
        if hasattr(found, "seed"):
            found.seed()
            continue
        bits = getattr(found, "bit_generator", found)
        bits.state = type(bits)().state
