"""Whether a process may be forked after its init.

Lives here: what two forks cannot both have: connections, threads, children, timers, files being written or locked.
Does not live here: what is renewed in each fork (`_cloudless_fresh`), what becomes of a process that is unfit (the
supervisor).
"""
import fcntl
import os
import signal
import stat
import sys
import time
import warnings
from os import fork  # as it is now: a function may replace it

# A thread that has been joined may be in the kernel's list for a moment longer.
_SETTLING_SECONDS = 0.05
_LOOKS = 5
# How long a fork on trial may take to end; a function's hook may keep it from that.
_TRIAL_SECONDS = 0.5

# Of devices that remember nothing of whoever opened them, as `/dev/null` and `/dev/urandom`.
_MEMORY_DEVICES = 1

_files = []  # files open for reading


def look(is_alone):
    """What there is before the function's code. `is_alone`: all processes that are seen here are the function's."""
    return {
        "descriptors": descriptors(),
        "timers": _timers_by_number(),
        "processes": _processes() if is_alone else None,
    }


def descriptors():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass  # that of the listing itself
    return found


def reasons(before):
    """Why this process may not be forked, in words for the developer; empty when it may."""
    try:
        found = [
            *_open_descriptors(before["descriptors"]),
            *_children(before["processes"]),
            *_timers(before["timers"]),
            *_shared_memory(),
        ]
        threads = _threads()
    except Exception as error:  # the function took away what this needs, as by a limit
        return [f"a process that cannot be looked into ({error})"]
    if threads:
        found.append(threads)
    return found


def _open_descriptors(before):
    for number, target in sorted(descriptors().items()):
        if before.get(number) == target:
            continue
        if not target.startswith("/"):
            # As `socket:[1234]` or `anon_inode:[eventpoll]`.
            kind = target[len("anon_inode:"):].strip("[]") if target.startswith("anon_inode:") else target.split(":")[0]
            yield f"an open {kind}"
        elif not _is_memory_device(number):
            flags = fcntl.fcntl(number, fcntl.F_GETFL)
            if flags & os.O_PATH:
                continue  # nothing is read from it
            if flags & os.O_ACCMODE != os.O_RDONLY:
                yield f"the file {target}, open for writing"
            elif _is_locked(number):
                yield f"a lock on the file {target}"
            elif not _can_reopen(number):
                yield f"the file {target}, which cannot be opened anew"
            else:
                _files.append(number)


def _is_memory_device(number):
    found = os.fstat(number)
    return stat.S_ISCHR(found.st_mode) and os.major(found.st_rdev) == _MEMORY_DEVICES


def _is_locked(number):
    with open(f"/proc/self/fdinfo/{number}") as lines:
        return any(line.startswith("lock:") for line in lines)


def _can_reopen(number):
    kind = stat.S_IFMT(os.fstat(number).st_mode)
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        return False  # a named pipe would be waited for
    try:
        os.close(_reopen(number))
    except OSError:
        return False  # as after the function gave up its rights
    return True


def _reopen(number):
    # What it was opened by was no link, and this is one.
    flags = fcntl.fcntl(number, fcntl.F_GETFL) & ~os.O_NOFOLLOW
    return os.open(f"/proc/self/fd/{number}", flags | os.O_CLOEXEC)


def _threads():
    extra = _once_settled(_threads_left)
    if extra and len(sys._current_frames()) == 1:
        _fork_on_trial()
        extra = _once_settled(_threads_left)
    return f"{extra} running thread{'s' if 1 < extra else ''}" if extra else None


def _threads_left():
    return len(os.listdir("/proc/self/task")) - 1


def _once_settled(count):
    """What is left once it had the time to go."""
    for _ in range(_LOOKS):
        left = count()
        if left == 0:
            break
        time.sleep(_SETTLING_SECONDS / _LOOKS)
    return left


def _fork_on_trial():
    """Some libraries, as numpy's OpenBLAS, end their threads before a fork, and start them again when they need them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fork beside threads
        pid = fork()
    if pid == 0:
        os._exit(0)
    end_at = time.monotonic() + _TRIAL_SECONDS
    try:
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if end_at < time.monotonic():
                os.kill(pid, signal.SIGKILL)
            time.sleep(_SETTLING_SECONDS / _LOOKS / 10)
    except ChildProcessError:
        pass  # a handler of the function's collected it


def _children(before):
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        yield "a child process"
    except ChildProcessError:
        # A child's child is nobody's once that has ended, as every service that goes to the background.
        if before is not None and _once_settled(lambda: len(_processes() - before)):
            yield "a child process"


def _processes():
    return {name for name in os.listdir("/proc") if name.isdigit()}


def _timers(before):
    intervals = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
    if any(signal.getitimer(timer)[0] for timer in intervals) or _timers_by_number() != before:
        yield "a running timer"


def _timers_by_number():
    """Those that a library has made by `timer_create`: no fork has them."""
    try:
        with open("/proc/self/timers") as timers:
            return timers.read()
    except OSError:
        return ""  # a kernel without that list


def _shared_memory():
    with open("/proc/self/maps") as maps:
        for line in maps:
            if line.split(" ", 2)[1].startswith("rw-s"):
                yield "memory shared with others"
                return


def part_files():
    """In a fork: files opened at init are opened anew, for else all forks would read on at one common place."""
    for number in _files:
        own = _reopen(number)
        if os.fstat(own).st_size and os.lseek(number, 0, os.SEEK_CUR):
            os.lseek(own, os.lseek(number, 0, os.SEEK_CUR), os.SEEK_SET)
        os.dup2(own, number, inheritable=os.get_inheritable(number))
        os.close(own)
