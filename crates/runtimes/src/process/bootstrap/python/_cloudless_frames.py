"""Frames over the instance's end of its channel.

Lives here: reading one event, writing one reply; both with descriptors, where processes are forked; the fields of an event;
taking pipes in place of the socket.
Does not live here: what they mean (`__main__`, `_cloudless_zygote`).
A frame is the length of its body (u32, big-endian), its type (u8), and the body.
"""
import array
import collections
import os
import select
import socket
import struct

ORDER, EVENT, PIPES = 1, 2, 4
READY, INIT_FAILED, RETURNED, RAISED = 16, 17, 18, 19
UNFIT = 21

_HEADER = struct.Struct(">IB")
_BUFFER_BYTES = 64 * 1024
# Room for the descriptors of two pipes.
_BESIDE_BYTES = socket.CMSG_SPACE(2 * array.array("i").itemsize)
# A reply up to this size is copied behind its header, for the sake of a single system call.
_JOINED_BYTES_MAX = 256 * 1024
# Stands for the length of a text that is not there.
_NOTHING = 0xFFFFFFFF
_DEADLINE = struct.Struct(">q")
_LENGTH = struct.Struct(">I")

Head = collections.namedtuple("Head", "deadline_ms request_id function_arn trace_id client_context")
EMPTY_EVENT = _HEADER.pack(26, EVENT) + bytes(20) + _LENGTH.pack(_NOTHING) + b"{}"


def split_event(body):
    """The fields of an event, and its own text as bytes: the deadline, four texts behind their lengths, and the rest."""
    (deadline_ms,) = _DEADLINE.unpack_from(body)
    at, texts = _DEADLINE.size, []
    for _ in range(4):
        (length,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size
        if length == _NOTHING:
            texts.append(None)
            continue
        texts.append(str(body[at:at + length], "utf-8"))
        at += length
    return Head(deadline_ms, *texts), body[at:]


class Channel:
    """Blocking on purpose: while an instance waits for its next event, it stands still, as a frozen one would."""

    def __init__(self, descriptor):
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        # Who sleeps in `recv` is woken also when the other end has taken what was sent to it: a switch in vain each event.
        self._readable = select.poll()
        self._readable.register(descriptor, select.POLLIN)
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._beside = []
        # The descriptors of the pipes, once there are some.
        self._events = self._replies = None

    def receive(self):
        """The next frame as (type, body); None once the other end is closed.

        The body is valid until the next call. Only one frame is ever under way, so nothing follows it.
        """
        frame = self._receive()
        while frame is not None and frame[0] == PIPES:
            self._take_pipes()
            frame = self._receive()
        return frame

    def _receive(self):
        view, have = self._view, 0
        while have < _HEADER.size:
            count = self._read(view[have:])
            if not count:
                return None
            have += count
        length, kind = _HEADER.unpack_from(view)
        end = _HEADER.size + length
        if end > len(view):
            larger = memoryview(bytearray(end))
            larger[:have] = view[:have]
            view = larger
        while have < end:
            count = self._read(view[have:end])
            if not count:
                return None
            have += count
        return kind, view[_HEADER.size:end]

    def _read(self, view):
        if self._events is not None:
            try:
                # Who sleeps here is woken by bytes alone.
                return os.readv(self._events, [view])
            except BlockingIOError:  # The function may have made it one that does not wait.
                self._readable.poll()
                return os.readv(self._events, [view])
        self._readable.poll()
        count, ancillary, _, _ = self._socket.recvmsg_into([view], _BESIDE_BYTES, socket.MSG_CMSG_CLOEXEC)
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                # Where there is no room for more of them, some do not arrive.
                self._beside.extend(array.array("i", content))
        return count

    def _take_pipes(self):
        beside, self._beside = self._beside, []
        if len(beside) != 2:
            for descriptor in beside:
                os.close(descriptor)
            self.send(UNFIT)
            return
        self.send(READY)
        place = self._socket.detach()
        events, self._replies = beside
        os.dup2(events, place, inheritable=False)
        os.close(events)
        self._events = place

    def _write(self, data):
        if self._replies is None:
            self._socket.sendall(data)
            return
        view = memoryview(data)
        while view:
            view = view[os.write(self._replies, view):]

    def send(self, kind, body=b""):
        header = _HEADER.pack(len(body), kind)
        if len(body) <= _JOINED_BYTES_MAX:
            self._write(header + body)
        else:
            self._write(header)
            self._write(body)

    def receive_whole(self, size, descriptors_max):
        """A frame of a known size with the descriptors that come with it; None once the other end is closed."""
        numbers = array.array("i")
        try:
            data, ancillary, _, _ = self._socket.recvmsg(
                size, socket.CMSG_SPACE(descriptors_max * numbers.itemsize), socket.MSG_WAITALL | socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            return None, []
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers.frombytes(content)
        return (data if len(data) == size else None), list(numbers)

    def say_no_more(self):
        """The other end finds the end of what this one has to say. A byte that nobody reads would break the line."""
        self._socket.shutdown(socket.SHUT_WR)

    def send_whole(self, frame, descriptor=None):
        send_with_descriptors(self._socket, frame, [] if descriptor is None else [descriptor])


def send_with_descriptors(through, frame, descriptors):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    # Far smaller than what the socket always takes at once.
    through.sendmsg([frame], rights)
