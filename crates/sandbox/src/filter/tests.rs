//! The program, run by a machine of our own over made-up calls.

use super::*;

/// What the kernel would do with a call.
fn decide(architecture: u32, number: i64, arguments: [u64; 6]) -> u32 {
    let program = instructions();
    let mut words = [0u32; 16];
    words[0] = number as u32;
    words[1] = architecture;
    for (index, argument) in arguments.iter().enumerate() {
        words[4 + 2 * index] = *argument as u32;
        words[5 + 2 * index] = (*argument >> 32) as u32;
    }
    let (mut at, mut loaded) = (0, 0);
    loop {
        let Instruction {
            code,
            if_true,
            if_false,
            value,
        } = program[at];
        at += 1;
        let holds = match code {
            LOAD_WORD => {
                loaded = words[value as usize / 4];
                continue;
            }
            JUMP_IF_EQUAL => loaded == value,
            JUMP_IF_GREATER => loaded > value,
            JUMP_IF_ANY_BIT => loaded & value != 0,
            RETURN => return value,
            _ => panic!("no instruction {code:#x}"),
        };
        at += usize::from(if holds { if_true } else { if_false });
    }
}

fn check(number: i64, arguments: [u64; 6], supervised: u32) {
    let decided = decide(ARCHITECTURE, number, arguments);
    assert_eq!(decided, supervised, "call {number} with {arguments:?}");
}

fn failed(error: i32) -> u32 {
    FAIL | error as u32
}

#[test]
fn every_call_of_the_table_is_refused_with_its_error() {
    for refusal in refusals() {
        check(refusal.number, [0; 6], failed(refusal.error));
    }
}

#[test]
fn no_call_stands_in_the_table_twice() {
    let mut numbers: Vec<i64> = refusals().map(|refusal| refusal.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), refusals().count());
}

#[test]
fn what_interpreters_use_all_the_time_passes() {
    for number in [
        libc::SYS_read,
        libc::SYS_openat,
        libc::SYS_mmap,
        libc::SYS_futex,
        libc::SYS_execve,
        libc::SYS_pidfd_open,
    ] {
        check(number, [0; 6], ALLOW);
    }
}

#[test]
fn addresses_are_asked_about() {
    check(libc::SYS_connect, [3, 1, 16, 0, 0, 0], ASK);
    check(libc::SYS_sendto, [3, 1, 1, 0, 0, 0], ALLOW);
    check(libc::SYS_sendto, [3, 1, 1, 0, 0x7fff, 16], ASK);
    check(libc::SYS_sendto, [3, 1, 1, 0, 0x7fff_0000_0000, 16], ASK);
    check(libc::SYS_sendmsg, [3, 1, 0, 0, 0, 0], ASK);
    check(libc::SYS_sendmmsg, [3, 1, 1, 0, 0, 0], ASK);
}

#[test]
fn a_connect_in_disguise_is_refused() {
    let fast = libc::MSG_FASTOPEN as u64;
    check(
        libc::SYS_sendto,
        [3, 1, 1, fast, 1, 16],
        failed(libc::EOPNOTSUPP),
    );
    check(
        libc::SYS_sendmsg,
        [3, 1, fast, 0, 0, 0],
        failed(libc::EOPNOTSUPP),
    );
    check(
        libc::SYS_sendmmsg,
        [3, 1, 1, fast, 0, 0],
        failed(libc::EOPNOTSUPP),
    );
    check(
        libc::SYS_setsockopt,
        [3, 6, 30, 0, 0, 0],
        failed(libc::EOPNOTSUPP),
    );
    check(libc::SYS_setsockopt, [3, 6, 1, 0, 0, 0], ALLOW);
    check(libc::SYS_setsockopt, [3, 1, 30, 0, 0, 0], ALLOW);
}

#[test]
fn only_families_that_stay_inside_have_sockets() {
    for family in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6] {
        check(libc::SYS_socket, [family as u64, 1, 0, 0, 0, 0], ALLOW);
    }
    check(libc::SYS_socket, [16, 3, 0, 0, 0, 0], ALLOW);
    check(
        libc::SYS_socket,
        [16, 3, 15, 0, 0, 0],
        failed(libc::EAFNOSUPPORT),
    );
    for family in [
        libc::AF_PACKET,
        libc::AF_VSOCK,
        libc::AF_ALG,
        libc::AF_BLUETOOTH,
    ] {
        check(
            libc::SYS_socket,
            [family as u64, 1, 0, 0, 0, 0],
            failed(libc::EAFNOSUPPORT),
        );
    }
}

#[test]
fn namespaces_are_asked_for_in_one_way_only() {
    check(libc::SYS_unshare, [0x1802_0000, 0, 0, 0, 0, 0], ASK);
    check(libc::SYS_unshare, [0; 6], ASK);
    for flags in [0x1002_0000, 0x1000_0000, 0x2_0000, 0x4000_0000, 0x1802_0200] {
        check(
            libc::SYS_unshare,
            [flags, 0, 0, 0, 0, 0],
            failed(libc::EPERM),
        );
    }
    check(libc::SYS_clone, [17, 0, 0, 0, 0, 0], ALLOW);
    check(libc::SYS_clone, [0x003d_0f00, 0, 0, 0, 0, 0], ALLOW);
    for flag in [
        0x80u64,
        0x2_0000,
        0x200_0000,
        0x400_0000,
        0x800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
    ] {
        check(
            libc::SYS_clone,
            [17 | flag, 0, 0, 0, 0, 0],
            failed(libc::EPERM),
        );
    }
}

#[test]
fn characters_are_not_pushed_into_a_terminal() {
    check(
        libc::SYS_ioctl,
        [0, 0x5412, 0, 0, 0, 0],
        failed(libc::EPERM),
    );
    check(
        libc::SYS_ioctl,
        [0, 0x541C, 0, 0, 0, 0],
        failed(libc::EPERM),
    );
    check(libc::SYS_ioctl, [0, 0x5401, 0, 0, 0, 0], ALLOW);
}

#[test]
fn what_is_the_whole_machines_is_not_taken() {
    let (lease, notice) = (libc::F_SETLEASE as u64, libc::F_NOTIFY as u64);
    check(
        libc::SYS_fcntl,
        [3, lease, 0, 0, 0, 0],
        failed(libc::EACCES),
    );
    check(
        libc::SYS_fcntl,
        [3, notice, 2, 0, 0, 0],
        failed(libc::EACCES),
    );
    check(
        libc::SYS_fcntl,
        [3, libc::F_SETLK as u64, 0, 0, 0, 0],
        ALLOW,
    );
    let huge = libc::MAP_HUGETLB as u64;
    check(
        libc::SYS_mmap,
        [0, 1, 3, 0x22 | huge, 0, 0],
        failed(libc::ENOMEM),
    );
    check(libc::SYS_mmap, [0, 1, 3, 0x22, 0, 0], ALLOW);
    let huge = u64::from(libc::MFD_HUGETLB) | 21 << 26;
    check(
        libc::SYS_memfd_create,
        [0, huge, 0, 0, 0, 0],
        failed(libc::ENOSYS),
    );
    check(libc::SYS_memfd_create, [0, 1, 0, 0, 0, 0], ALLOW);
}

#[test]
fn other_interfaces_of_the_kernel_are_closed() {
    assert_eq!(decide(0x4000_0003, libc::SYS_read, [0; 6]), KILL);
    check(0x4000_0000 | libc::SYS_read, [0; 6], failed(libc::ENOSYS));
    check(463, [0; 6], failed(libc::ENOSYS));
}

#[test]
fn it_fits_into_an_order() {
    assert!(compile().len() / 8 <= crate::entry::FILTER_INSTRUCTIONS_MAX);
}

#[test]
fn no_protocol_is_spoken_that_is_not_carried_out() {
    for family in [2, 10] {
        for protocol in [0, 1, 6, 17, 58] {
            check(libc::SYS_socket, [family, 1, protocol, 0, 0, 0], ALLOW);
        }
        for protocol in [33, 132, 136, 255, 262] {
            check(
                libc::SYS_socket,
                [family, 1, protocol, 0, 0, 0],
                failed(libc::EPROTONOSUPPORT),
            );
        }
    }
    check(libc::SYS_socket, [1, 1, 99, 0, 0, 0], ALLOW);
}
