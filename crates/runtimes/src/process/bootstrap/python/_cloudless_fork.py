"""Forking when asked to, and telling how the forks ended.

Lives here: the loop of a parked process, what a fork does before anything else, the fork that is kept ahead.
Does not live here: what is loaded before and what a fork does then (`_cloudless_zygote`), the frames' bytes
(`_cloudless_frames`).

A base forks templates, a template forks instances. Both run this loop, and both are told to fork in the same way: over
their channel, with the socket, the standard output and the standard error of the child. So the child's end of its own
channel takes the place of its parent's, and it never holds that.

With a fourth descriptor, a ticket, the child enters a sandbox before anything else; it goes on there in a process of
another number, which is our child as well. Inside, each fork of a template makes an instance of itself: with a `/tmp` of
its own, above all.

Most of what a fork costs are the pages that the child writes to, each copied then. So one fork is kept ahead, which has
written to them and waits to be given its descriptors: whoever asks next has that one. More than one are kept while they
are asked for faster than they get there.
"""
import ctypes
import errno
import os
import select
import signal
import socket
import struct
import time
from os import fork, pidfd_open  # an interpreter that lacks the latter cannot be a base

import _cloudless_frames as frames

CHANNEL, STDOUT, STDERR = 3, 1, 2
_PLACES = (CHANNEL, STDOUT, STDERR)
FORK, FORKED, FORK_FAILED, EXITED, FORKED_ALONE = 3, 32, 33, 34, 35
STATUS, SIGNAL = 0, 1

_PR_SET_PDEATHSIG = 1
# How long children have to end by themselves.
_END_SECONDS = 0.5
# A fork is made ahead when nobody has asked for one for so long: what was just asked for goes first.
_QUIET_MILLISECONDS = 1
# One more is kept whenever the one that is handed over is not there yet. All but one go when nobody has asked for so long.
_SURPLUS_MILLISECONDS = 1000
# How often it is looked for children that have ended, where that may go unsaid.
_LOOK_MILLISECONDS = 100
_SIGNAL_RECORDS_BYTES = 4096
_FORK_FRAME = struct.Struct(">IBI")
_FORKED_FRAME = struct.Struct(">IBII")
_FORK_FAILED_FRAME = struct.Struct(">IBIi")
_EXITED_FRAME = struct.Struct(">IBIBi")

_NUMBER = struct.Struct("=i")
_ENTRY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cloudless_entry.so")

_libc = ctypes.CDLL(None, use_errno=True)
# It keeps the interpreter's lock, which nobody could give back in a process of another number.
_entry = ctypes.PyDLL(_ENTRY) if os.path.exists(_ENTRY) else None
if _entry is not None:
    _entry.cloudless_enter_instance.argtypes = [ctypes.c_uint64, ctypes.c_uint64]
instance_limits = None  # in a sandbox: what a fork has to know to become an instance
_children = set()  # the numbers of those that are not collected
_known = set()  # those of them that somebody has asked for, who is to know how they ended
_spares = []  # the forks that are kept ahead, oldest first: the number of each, and our end of the socket to it
_received = ()  # the descriptors of the child that is being forked
_private = []  # those that no child may have
_parent = None  # set while a child is being forked
ancestors = set()  # the numbers of the processes that this one was forked from


def fork_when_asked(channel, kind, body, freshen, rehearse, spares_max):
    """Says so in a frame of this kind, then forks. Returns in the forks only, once they are fresh.

    At least one is kept ahead, at most so many, and has done `rehearse`.
    """
    # A handler of the function's would run here, in the process that all its instances are made from.
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    ended = _watch_children()
    _private.append(ended)
    channel.send(kind, body)
    is_spare = _loop(channel, ended, spares_max)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if handler is not None:
        signal.signal(signal.SIGCHLD, handler)
    freshen(ancestors)
    if is_spare:
        try:
            rehearse()
        except Exception:
            pass  # what the function did to the libraries is its affair; this was to save time
        if _wait_for_adoption(channel):
            freshen(ancestors)


def _watch_children():
    """A descriptor that becomes readable when a child has ended: one for all of them."""
    signals = ctypes.create_string_buffer(128)
    signals[(signal.SIGCHLD - 1) // 8] = 1 << (signal.SIGCHLD - 1) % 8
    found = _libc.signalfd(-1, signals, os.O_CLOEXEC | os.O_NONBLOCK)
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found


def _loop(channel, ended, spares_max):
    """Returns in the forks: whether this is one that is kept ahead."""
    poller = select.poll()
    poller.register(CHANNEL, select.POLLIN)
    poller.register(ended, select.POLLIN)
    # Another thread of the function's may be given the signal instead of us, and lose it.
    looks_every = None if len(os.listdir("/proc/self/task")) == 1 else _LOOK_MILLISECONDS
    wanted, quiet_for = 1, 0
    # How many may still be made until somebody asks again: one that ends while nobody needs it is replaced once. In a
    # sandbox none is let be made before the first that is asked for.
    spares_left = wanted + 1 if instance_limits is None else 0
    while True:
        wants_spare = len(_spares) < wanted and spares_left > 0
        limit = looks_every or (_SURPLUS_MILLISECONDS if wanted > 1 else None)
        limit = _QUIET_MILLISECONDS if wants_spare else limit
        ready = [descriptor for descriptor, _ in poller.poll(limit)]
        quiet_for = 0 if ready else quiet_for + limit
        if not ready and wants_spare:
            spares_left -= 1
            if _fork_spare():
                return True
        elif wanted > 1 and quiet_for >= _SURPLUS_MILLISECONDS:
            wanted = 1
            _end_spares_but(wanted)
        if ended in ready:
            try:
                os.read(ended, _SIGNAL_RECORDS_BYTES)
            except BlockingIOError:
                pass  # such a thread was quicker
        if ended in ready or looks_every is not None:
            for pid, how, value in _collect_ended():
                _tell(channel, _EXITED_FRAME.pack(9, EXITED, pid, how, value))
        if CHANNEL in ready:
            if spares_left > 0 and not _is_one_there():
                wanted = min(wanted + 1, spares_max)
            if _answer(channel):
                return False
            spares_left = wanted + 1


def _answer(channel):
    """Answers one request to fork, which comes with the child's descriptors. True in the fork."""
    frame, descriptors = channel.receive_whole(_FORK_FRAME.size, 4)
    if frame is None:
        _end()
    _, kind, number = _FORK_FRAME.unpack(frame)
    if kind != FORK:
        _end()
    try:
        if len(descriptors) not in (3, 4):
            raise OSError(errno.EMFILE, "some of the descriptors did not fit")
        pid = _make(descriptors) if len(descriptors) == 3 else _make_inside(descriptors)
        if pid == 0:
            return True
        pidfd = _open_pidfd(pid)
    except OSError as error:
        _tell(channel, _FORK_FAILED_FRAME.pack(8, FORK_FAILED, number, error.errno or 0))
    else:
        _known.add(pid)
        _tell_forked(channel, number, pid, pidfd)
        os.close(pidfd)
    for descriptor in descriptors:
        os.close(descriptor)
    return False


def _open_pidfd(pid):
    try:
        return pidfd_open(pid)
    except OSError:
        # Without one nobody could watch it, so it must not live.
        os.kill(pid, signal.SIGKILL)
        raise


def _make(descriptors):
    adopted = _adopt(descriptors)
    return _fork(descriptors) if adopted is None else adopted


def _make_inside(descriptors):
    """A child that enters a sandbox: its number there as it is out here. What it was before that has ended."""
    read, report = os.pipe()
    _private.append(read)
    try:
        try:
            pid = _make([*descriptors, report])
            if pid == 0:
                return 0
        finally:
            if read in _private:
                os.close(report)
        number = os.read(read, _NUMBER.size)
    finally:
        if read in _private:
            _private.remove(read)
            os.close(read)
    # It ends, and is collected with all others.
    _children.discard(pid)
    if len(number) != _NUMBER.size:
        raise OSError(errno.EPERM, "the sandbox was not entered")
    (inside,) = _NUMBER.unpack(number)
    _children.add(inside)
    return inside


def _enter(ticket, report):
    if _entry is None or _entry.cloudless_enter_sandbox(ticket, report):
        os._exit(1)


def _fork(descriptors):
    global _received, _parent
    _received, _parent = descriptors, os.getpid()
    try:
        pid = fork()
    except BaseException:
        _received, _parent = (), None
        raise
    if pid == 0 and _parent is not None:
        os._exit(1)  # what must come first did not come to its end
    _received, _parent = (), None
    if pid != 0:
        _children.add(pid)
    return pid


def _become_child():
    """Runs in a fork before anything else does: no function can have registered an earlier hook than a base."""
    global _parent
    if _parent is None:
        return
    _take(_received[:3])
    ticket = _received[3:]
    for _, ours in _spares:
        ours.detach()
    _spares.clear()
    for descriptor in _private:
        os.close(descriptor)
    _private.clear()
    _children.clear()
    _known.clear()
    os.setsid()
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before that: then nobody would ever end this process.
    if os.getppid() != _parent:
        os._exit(1)
    ancestors.add(_parent)
    _parent = None
    if ticket:
        _enter(*ticket)
    elif instance_limits is not None and _entry.cloudless_enter_instance(*instance_limits):
        os._exit(1)


def _take(descriptors):
    """Puts them in their places."""
    for descriptor, number in zip(descriptors, _PLACES):
        os.dup2(descriptor, number, inheritable=number != CHANNEL)
    for descriptor in descriptors:
        os.close(descriptor)


os.register_at_fork(after_in_child=_become_child)


def _fork_spare():
    """Makes a fork that is kept ahead. True in it."""
    try:
        ours, theirs = socket.socketpair()
    except OSError:
        return False  # whoever asks next is told if it is still so
    with theirs:
        _private.append(ours.fileno())
        try:
            pid = _fork([theirs.fileno()])
        except OSError:
            _private.remove(ours.fileno())
            ours.close()
            return False
        if pid == 0:
            # Their numbers are closed already, or mean something else.
            ours.detach()
            theirs.detach()
            return True
    _spares.append((pid, ours))
    return False


def _is_one_there():
    """Whether the oldest one has come as far as to wait for its descriptors, and so has nothing more to say."""
    try:
        return bool(_spares) and _spares[0][1].recv(1, socket.MSG_DONTWAIT) == b""
    except OSError:
        return False


def _adopt(descriptors):
    """Gives them to the oldest fork that was made ahead; its number, or None when there is none."""
    while _spares:
        pid, ours = _spares.pop(0)
        _private.remove(ours.fileno())
        try:
            with ours:
                frames.send_with_descriptors(ours, b"\0", descriptors)
        except OSError:
            continue  # it has ended
        return pid
    return None


def _end_spares_but(count):
    """They end when their lines are closed. The youngest go."""
    while len(_spares) > count:
        _, ours = _spares.pop()
        _private.remove(ours.fileno())
        ours.close()


def _wait_for_adoption(channel):
    """Whether it has become a process of another number."""
    channel.say_no_more()
    frame, descriptors = channel.receive_whole(1, 5)
    if frame is None or len(descriptors) not in (3, 5):
        os._exit(0)
    _take(descriptors[:3])
    if len(descriptors) == 3:
        return False
    ancestors.add(os.getpid())
    _enter(*descriptors[3:])
    return True


def _collect_ended():
    """How children ended that somebody knows of, of all that are collected."""
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None:
                return
            if found.si_pid in _children:
                _kill_group(found.si_pid)
            ended = os.waitid(os.P_PID, found.si_pid, os.WEXITED)
        except ChildProcessError:
            return
        _children.discard(ended.si_pid)  # the function's own, left by its init, are not among them
        for spare in [spare for spare in _spares if spare[0] == ended.si_pid]:
            _spares.remove(spare)
            _private.remove(spare[1].fileno())
            spare[1].close()
        if ended.si_pid in _known:
            _known.remove(ended.si_pid)
            yield ended.si_pid, (STATUS if ended.si_code == os.CLD_EXITED else SIGNAL), ended.si_status


def _kill_group(pid):
    """Of a child that has ended: what it started goes before its number can become another's."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        pass  # nobody is left in it


def _tell_forked(channel, number, pid, pidfd):
    try:
        channel.send_whole(_FORKED_FRAME.pack(8, FORKED, number, pid), pidfd)
    except OSError as error:
        if error.errno != errno.ETOOMANYREFS:
            _end()
        # Other processes of this user have too many descriptors on their way for one more: it is found by its number.
        _tell(channel, _FORKED_FRAME.pack(8, FORKED_ALONE, number, pid))


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
    for pid, _ in _spares:
        os.kill(pid, signal.SIGKILL)
    while True:
        for _ in _collect_ended():
            pass
        left = end_at - time.monotonic()
        if not _children or left <= 0:
            break
        signal.sigtimedwait([signal.SIGCHLD], left)
    for pid in list(_children):
        # None is collected, so the numbers are theirs.
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    for _ in _collect_ended():
        pass
    os._exit(0)
