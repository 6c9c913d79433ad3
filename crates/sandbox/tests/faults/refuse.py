"""Runs a program for which a system call fails: refuse.py <number> <error> <program> <arguments>..."""
import ctypes
import os
import struct
import sys

if os.geteuid() == 0:
    os.setgroups([4, 27])  # Of those that are to be given up on the way.
number, error, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
instructions = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | error), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in instructions), 8 * len(instructions))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, struct.pack("@HP", len(instructions), ctypes.addressof(code))):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv(program[0], program)
