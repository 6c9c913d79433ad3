"""The product's Python base, with what is still to be said to it: that a template enters a sandbox, and an instance
makes namespaces of its own.

    base.py <folder of the bootstrap> <library> <scopes of an instance's domain>
"""
import ctypes
import os
import runpy
import struct
import sys

bootstrap, library, scopes = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.path.insert(0, bootstrap)
import _cloudless_frames as frames
import _cloudless_fork as forking

entry = ctypes.PyDLL(library)
entry.cloudless_enter_instance.argtypes = [ctypes.c_uint64, ctypes.c_uint64]
ticket = report = None
is_inside = is_forking = False
real_fork, real_receive = forking.fork, frames.Channel.receive_whole
real_adopt = forking._adopt


def receive_whole(channel, size, descriptors_max):
    global ticket
    data, descriptors = real_receive(channel, size, 5)
    if len(descriptors) == 4:
        ticket = descriptors.pop()
    return data, descriptors


def fork():
    """As `os.fork`, also into a sandbox: the number is then that of the process inside, which is our child as well."""
    global report, is_forking
    is_forking = True
    if ticket is None:
        pid = real_fork()
        is_forking = False
        return pid
    read, report = os.pipe()
    pid = real_fork()
    is_forking = False
    return pid if pid == 0 else follow(read)


def follow(read):
    """The number of the process inside, from the one in the middle. That ends, and is collected with all others."""
    global ticket
    os.close(report)
    os.close(ticket)
    ticket = None
    number = os.read(read, 4)
    os.close(read)
    if len(number) != 4:
        raise PermissionError(1, "the template did not get into its sandbox")
    return struct.unpack("=i", number)[0]


def adopt(descriptors):
    """The fork that is kept ahead is outside until it is given a ticket."""
    global report
    if ticket is None or not forking._spares:
        return real_adopt(descriptors)
    read, report = os.pipe()
    pid = real_adopt([*descriptors, ticket, report])
    if pid is None:
        os.close(read)
        os.close(report)
        return None
    forking._children.remove(pid)
    number = follow(read)
    forking._children.add(number)
    return number


def wait_for_adoption(channel):
    global is_inside
    channel.say_no_more()
    frame, descriptors = real_receive(channel, 1, 5)
    if frame is None or len(descriptors) not in (3, 5):
        os._exit(0)
    for descriptor, number in zip(descriptors, (forking.CHANNEL, forking.STDOUT, forking.STDERR)):
        os.dup2(descriptor, number, inheritable=number != forking.CHANNEL)
        os.close(descriptor)
    if len(descriptors) == 5:
        if entry.cloudless_enter_sandbox(*descriptors[3:]):
            os._exit(1)
        is_inside = True


def enter():
    """Runs in every fork, after what a fork does first."""
    global ticket, is_inside
    if not is_forking:
        return
    if ticket is not None:
        if entry.cloudless_enter_sandbox(ticket, report):
            os._exit(1)
        ticket, is_inside = None, True
    elif is_inside and entry.cloudless_enter_instance(scopes, 200):
        os._exit(1)


os.register_at_fork(after_in_child=enter)
forking.fork, frames.Channel.receive_whole = fork, receive_whole
forking._adopt, forking._wait_for_adoption = adopt, wait_for_adoption
# Whoever asks for the template orders its first fork ahead once it is ready: on a slow machine that takes a while.
forking._QUIET_MILLISECONDS = 30
sys.argv[:] = [bootstrap]
runpy.run_path(os.path.join(bootstrap, "__main__.py"), run_name="__main__")
