//! The seccomp filter: which calls pass, fail, or wait for the supervisor.
//!
//! Lives here: the program for the kernel, compiled from the table.
//! Does not live here: the table of refusals (`table`), the answers to calls that wait (`supervision`).

pub mod table;

use table::{NEWEST_KNOWN, REFUSED, REFUSED_HERE, Refusal};

use crate::entry::INSTANCE_NAMESPACES;

/// One instruction of the kernel's filter machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    value: u32,
}

const LOAD_WORD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_GREATER: u16 = 0x25;
const JUMP_IF_ANY_BIT: u16 = 0x45;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;

const ALLOW: u32 = 0x7fff_0000;
const FAIL: u32 = 0x0005_0000;
const ASK: u32 = 0x7fc0_0000;
const KILL: u32 = 0x8000_0000;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;

/// Every flag of `clone` and `unshare` that makes a namespace.
const NAMESPACES: u32 = 0x7E02_0080;
const TCP_FASTOPEN_CONNECT: u32 = 30;
/// What a socket of the internet may speak; zero is the usual one of its kind.
const PROTOCOLS: [i32; 5] = [
    0,
    libc::IPPROTO_TCP,
    libc::IPPROTO_UDP,
    libc::IPPROTO_ICMP,
    libc::IPPROTO_ICMPV6,
];
/// Commands of `fcntl` that concern others who use a file: a lease holds up whoever opens it for writing for most of a
/// minute, the developer's editor too; and a notice tells of what others do.
const FILE_COMMANDS: [u32; 2] = [libc::F_SETLEASE as u32, libc::F_NOTIFY as u32];
/// Huge pages are the whole machine's, set aside for a database as a rule, and no group counts them.
const HUGE_PAGES: u32 = libc::MAP_HUGETLB as u32;
const HUGE_PAGES_OF_FILE: u32 = libc::MFD_HUGETLB;
/// Pushes characters into a terminal's input, of which there should be none.
const TERMINAL_REQUESTS: [u32; 2] = [0x5412, 0x541C];

/// The program, as the kernel takes it.
pub fn compile() -> Vec<u8> {
    let mut program = Vec::new();
    for instruction in instructions() {
        program.extend(instruction.code.to_ne_bytes());
        program.extend([instruction.if_true, instruction.if_false]);
        program.extend(instruction.value.to_ne_bytes());
    }
    program
}

/// Every call that is refused by its number alone.
pub fn refusals() -> impl Iterator<Item = &'static Refusal> {
    REFUSED.iter().chain(REFUSED_HERE)
}

fn instructions() -> Vec<Instruction> {
    let mut program = vec![
        load(OFFSET_ARCHITECTURE),
        jump(JUMP_IF_EQUAL, ARCHITECTURE, 1, 0),
        give(KILL),
        load(OFFSET_NUMBER),
        // Also turns away the calls of the x32 interface, whose numbers have a high bit.
        jump(JUMP_IF_GREATER, NEWEST_KNOWN, 0, 1),
        fail(libc::ENOSYS),
    ];
    network_calls(&mut program);
    namespace_calls(&mut program);
    when(&mut program, libc::SYS_mknodat, |body| no_devices(body, 2));
    #[cfg(target_arch = "x86_64")]
    when(&mut program, libc::SYS_mknod, |body| no_devices(body, 1));
    when(&mut program, libc::SYS_ioctl, |body| {
        body.push(load(argument(1)));
        for request in TERMINAL_REQUESTS {
            body.extend([jump(JUMP_IF_EQUAL, request, 0, 1), fail(libc::EPERM)]);
        }
    });
    when(&mut program, libc::SYS_fcntl, |body| {
        body.push(load(argument(1)));
        for command in FILE_COMMANDS {
            body.extend([jump(JUMP_IF_EQUAL, command, 0, 1), fail(libc::EACCES)]);
        }
    });
    // As on a machine that has none.
    let no_huge_pages = |flags, huge, error| {
        [
            load(argument(flags)),
            jump(JUMP_IF_ANY_BIT, huge, 0, 1),
            fail(error),
        ]
    };
    when(&mut program, libc::SYS_mmap, |body| {
        body.extend(no_huge_pages(3, HUGE_PAGES, libc::ENOMEM));
    });
    when(&mut program, libc::SYS_memfd_create, |body| {
        body.extend(no_huge_pages(1, HUGE_PAGES_OF_FILE, libc::ENOSYS));
    });
    for refusal in refusals() {
        program.extend([
            jump(JUMP_IF_EQUAL, refusal.number as u32, 0, 1),
            fail(refusal.error),
        ]);
    }
    program.push(give(ALLOW));
    program
}

fn network_calls(program: &mut Vec<Instruction>) {
    const FAST_OPEN: u32 = libc::MSG_FASTOPEN as u32;
    // On a stream, data with an address would be a `connect` unseen.
    let no_fast_open = |flags| {
        [
            load(argument(flags)),
            jump(JUMP_IF_ANY_BIT, FAST_OPEN, 0, 1),
            fail(libc::EOPNOTSUPP),
        ]
    };
    when(program, libc::SYS_connect, |body| body.push(give(ASK)));
    when(program, libc::SYS_sendto, |body| {
        body.extend(no_fast_open(3));
        // Without an address it is `send`, which everything on a connection uses.
        body.extend([load(argument(4)), jump(JUMP_IF_EQUAL, 0, 0, 2)]);
        body.extend([
            load(argument(4) + 4),
            jump(JUMP_IF_EQUAL, 0, 1, 0),
            give(ASK),
        ]);
    });
    // Their address is in memory, so every one is asked about. What runs on streams writes or sends instead.
    for (number, flags) in [(libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
        when(program, number, |body| {
            body.extend(no_fast_open(flags));
            body.push(give(ASK));
        });
    }
    when(program, libc::SYS_setsockopt, |body| {
        body.extend([
            load(argument(1)),
            jump(JUMP_IF_EQUAL, libc::IPPROTO_TCP as u32, 0, 3),
        ]);
        body.extend([
            load(argument(2)),
            jump(JUMP_IF_EQUAL, TCP_FASTOPEN_CONNECT, 0, 1),
        ]);
        body.push(fail(libc::EOPNOTSUPP));
    });
    when(program, libc::SYS_socket, |body| {
        body.push(load(argument(0)));
        body.extend([jump(JUMP_IF_EQUAL, libc::AF_UNIX as u32, 0, 1), give(ALLOW)]);
        // Only what is carried out, and echo requests; asking for any other would have the kernel load its module.
        let mut internet = vec![load(argument(2))];
        for protocol in PROTOCOLS {
            internet.extend([jump(JUMP_IF_EQUAL, protocol as u32, 0, 1), give(ALLOW)]);
        }
        internet.push(fail(libc::EPROTONOSUPPORT));
        let skipped = u8::try_from(internet.len()).unwrap_or(u8::MAX);
        body.push(jump(JUMP_IF_EQUAL, libc::AF_INET as u32, 1, 0));
        body.push(jump(JUMP_IF_EQUAL, libc::AF_INET6 as u32, 0, skipped));
        body.extend(internet);
        // The list of interfaces comes from there, and it sees only this namespace.
        body.extend([
            jump(JUMP_IF_EQUAL, libc::AF_NETLINK as u32, 0, 2),
            load(argument(2)),
        ]);
        body.extend([
            jump(JUMP_IF_EQUAL, libc::NETLINK_ROUTE as u32, 1, 0),
            fail(libc::EAFNOSUPPORT),
        ]);
    });
}

/// Pipes with names are made by the same call as devices.
fn no_devices(body: &mut Vec<Instruction>, mode: u32) {
    body.extend([
        load(argument(mode)),
        Instruction {
            code: AND,
            if_true: 0,
            if_false: 0,
            value: libc::S_IFMT,
        },
        jump(JUMP_IF_EQUAL, libc::S_IFCHR, 1, 0),
        jump(JUMP_IF_EQUAL, libc::S_IFBLK, 0, 1),
        fail(libc::EPERM),
    ]);
}

fn namespace_calls(program: &mut Vec<Instruction>) {
    when(program, libc::SYS_unshare, |body| {
        body.push(load(argument(0)));
        // Exactly what an instance asks for, and the empty call by which it waits for its `/tmp`.
        body.extend([jump(JUMP_IF_EQUAL, INSTANCE_NAMESPACES as u32, 1, 0)]);
        body.extend([jump(JUMP_IF_EQUAL, 0, 0, 1), give(ASK), fail(libc::EPERM)]);
    });
    when(program, libc::SYS_clone, |body| {
        body.extend([
            load(argument(0)),
            jump(JUMP_IF_ANY_BIT, NAMESPACES, 0, 1),
            fail(libc::EPERM),
        ]);
    });
}

/// Adds what happens to one call. The number of the call is loaded before and after.
fn when(program: &mut Vec<Instruction>, number: i64, fill: impl FnOnce(&mut Vec<Instruction>)) {
    let mut body = Vec::new();
    fill(&mut body);
    body.push(load(OFFSET_NUMBER));
    let skipped = u8::try_from(body.len()).unwrap_or(u8::MAX);
    program.push(jump(JUMP_IF_EQUAL, number as u32, 0, skipped));
    program.extend(body);
}

fn argument(index: u32) -> u32 {
    OFFSET_ARGUMENTS + 8 * index
}

fn load(offset: u32) -> Instruction {
    Instruction {
        code: LOAD_WORD,
        if_true: 0,
        if_false: 0,
        value: offset,
    }
}

fn jump(code: u16, value: u32, if_true: u8, if_false: u8) -> Instruction {
    Instruction {
        code,
        if_true,
        if_false,
        value,
    }
}

fn give(value: u32) -> Instruction {
    Instruction {
        code: RETURN,
        if_true: 0,
        if_false: 0,
        value,
    }
}

fn fail(error: i32) -> Instruction {
    give(FAIL | error as u32)
}

#[cfg(test)]
mod tests;
