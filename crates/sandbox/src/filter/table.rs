//! The calls that are refused: the reviewed list, a reason a line.
//!
//! Lives here: numbers, errors, reasons.
//! Does not live here: calls that are refused by their arguments, or asked about (`program`).
//!
//! What is not named is allowed: interpreters and what people install use many calls, and a call that is missing shows
//! as a crash far from its cause. The price is that every new kernel must be looked through; so numbers newer than the
//! newest that was looked at are "no such call", on which libraries fall back.

use libc::{ENOSYS, EPERM};

/// The newest call that was looked at: `mseal`.
pub(super) const NEWEST_KNOWN: u32 = 462;

/// A call that fails without being carried out.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    /// Its name.
    pub name: &'static str,
    /// Its number on this architecture.
    pub number: i64,
    /// The error that the caller sees.
    pub error: i32,
    /// Why.
    pub reason: &'static str,
}

const fn refuse(name: &'static str, number: i64, error: i32, reason: &'static str) -> Refusal {
    Refusal {
        name,
        number,
        error,
        reason,
    }
}

const MOUNTS: &str = "changes or lists mounts";
const KERNEL: &str = "changes the kernel or the machine";
const OTHERS: &str = "reads or writes another process";
const SURFACE: &str = "kernel surface that no function needs";
const CLOCK: &str = "sets the clock";
const KEYS: &str = "keyrings belong to no namespace of ours";
const MEMORY_PLACES: &str = "moves memory between nodes, of others too";
const RING: &str = "connects and opens where the filter does not see it";
const EVENTS: &str = "the whole machine has so many of them, and databases need theirs";

/// Refused on every architecture.
pub const REFUSED: &[Refusal] = &[
    refuse("io_uring_setup", libc::SYS_io_uring_setup, ENOSYS, RING),
    refuse("io_uring_enter", libc::SYS_io_uring_enter, ENOSYS, RING),
    refuse(
        "io_uring_register",
        libc::SYS_io_uring_register,
        ENOSYS,
        RING,
    ),
    refuse("io_setup", libc::SYS_io_setup, ENOSYS, EVENTS),
    refuse(
        "clone3",
        libc::SYS_clone3,
        ENOSYS,
        "its flags are in memory, out of sight; libraries fall back to clone",
    ),
    refuse("setns", libc::SYS_setns, EPERM, "leaves the namespaces"),
    refuse("mount", libc::SYS_mount, EPERM, MOUNTS),
    refuse("umount2", libc::SYS_umount2, EPERM, MOUNTS),
    refuse("pivot_root", libc::SYS_pivot_root, EPERM, MOUNTS),
    refuse("chroot", libc::SYS_chroot, EPERM, MOUNTS),
    refuse("fsopen", libc::SYS_fsopen, EPERM, MOUNTS),
    refuse("fsconfig", libc::SYS_fsconfig, EPERM, MOUNTS),
    refuse("fsmount", libc::SYS_fsmount, EPERM, MOUNTS),
    refuse("fspick", libc::SYS_fspick, EPERM, MOUNTS),
    refuse("open_tree", libc::SYS_open_tree, EPERM, MOUNTS),
    refuse("move_mount", libc::SYS_move_mount, EPERM, MOUNTS),
    refuse("mount_setattr", libc::SYS_mount_setattr, EPERM, MOUNTS),
    refuse("statmount", 457, EPERM, MOUNTS),
    refuse("listmount", 458, EPERM, MOUNTS),
    refuse("ptrace", libc::SYS_ptrace, EPERM, OTHERS),
    refuse(
        "process_vm_readv",
        libc::SYS_process_vm_readv,
        EPERM,
        OTHERS,
    ),
    refuse(
        "process_vm_writev",
        libc::SYS_process_vm_writev,
        EPERM,
        OTHERS,
    ),
    refuse("process_madvise", libc::SYS_process_madvise, EPERM, OTHERS),
    refuse(
        "process_mrelease",
        libc::SYS_process_mrelease,
        EPERM,
        OTHERS,
    ),
    refuse("kcmp", libc::SYS_kcmp, EPERM, OTHERS),
    refuse(
        "pidfd_getfd",
        libc::SYS_pidfd_getfd,
        EPERM,
        "takes another process's descriptors",
    ),
    refuse("bpf", libc::SYS_bpf, EPERM, SURFACE),
    refuse(
        "perf_event_open",
        libc::SYS_perf_event_open,
        EPERM,
        "watches others through the processor",
    ),
    refuse(
        "userfaultfd",
        libc::SYS_userfaultfd,
        EPERM,
        "holds the kernel in the middle of a copy",
    ),
    refuse(
        "memfd_secret",
        libc::SYS_memfd_secret,
        EPERM,
        "locks memory that nobody counts",
    ),
    refuse("keyctl", libc::SYS_keyctl, EPERM, KEYS),
    refuse("add_key", libc::SYS_add_key, EPERM, KEYS),
    refuse("request_key", libc::SYS_request_key, EPERM, KEYS),
    refuse("init_module", libc::SYS_init_module, EPERM, KERNEL),
    refuse("finit_module", libc::SYS_finit_module, EPERM, KERNEL),
    refuse("delete_module", libc::SYS_delete_module, EPERM, KERNEL),
    refuse("kexec_load", libc::SYS_kexec_load, EPERM, KERNEL),
    refuse("reboot", libc::SYS_reboot, EPERM, KERNEL),
    refuse("swapon", libc::SYS_swapon, EPERM, KERNEL),
    refuse("swapoff", libc::SYS_swapoff, EPERM, KERNEL),
    refuse("syslog", libc::SYS_syslog, EPERM, "reads the kernel's log"),
    refuse("acct", libc::SYS_acct, EPERM, KERNEL),
    refuse("quotactl", libc::SYS_quotactl, EPERM, KERNEL),
    refuse("quotactl_fd", 443, EPERM, KERNEL),
    refuse("settimeofday", libc::SYS_settimeofday, EPERM, CLOCK),
    refuse("clock_settime", libc::SYS_clock_settime, EPERM, CLOCK),
    refuse("adjtimex", libc::SYS_adjtimex, EPERM, CLOCK),
    refuse("clock_adjtime", libc::SYS_clock_adjtime, EPERM, CLOCK),
    refuse("vhangup", libc::SYS_vhangup, EPERM, "closes a terminal"),
    refuse(
        "personality",
        libc::SYS_personality,
        EPERM,
        "turns the randomness of addresses off",
    ),
    refuse(
        "name_to_handle_at",
        libc::SYS_name_to_handle_at,
        EPERM,
        "handles of files pass the root by",
    ),
    refuse(
        "open_by_handle_at",
        libc::SYS_open_by_handle_at,
        EPERM,
        "handles of files pass the root by",
    ),
    refuse(
        "fanotify_init",
        libc::SYS_fanotify_init,
        EPERM,
        "watches others' files",
    ),
    refuse(
        "seccomp",
        libc::SYS_seccomp,
        EPERM,
        "a second listener could answer in our place",
    ),
    refuse("move_pages", libc::SYS_move_pages, EPERM, MEMORY_PLACES),
    refuse(
        "migrate_pages",
        libc::SYS_migrate_pages,
        EPERM,
        MEMORY_PLACES,
    ),
    refuse("mbind", libc::SYS_mbind, EPERM, MEMORY_PLACES),
    refuse(
        "set_mempolicy",
        libc::SYS_set_mempolicy,
        EPERM,
        MEMORY_PLACES,
    ),
    refuse("set_mempolicy_home_node", 450, EPERM, MEMORY_PLACES),
    refuse(
        "sethostname",
        libc::SYS_sethostname,
        EPERM,
        "the name is its siblings' too",
    ),
    refuse(
        "setdomainname",
        libc::SYS_setdomainname,
        EPERM,
        "the name is its siblings' too",
    ),
    refuse("lookup_dcookie", libc::SYS_lookup_dcookie, EPERM, SURFACE),
    refuse("kexec_file_load", libc::SYS_kexec_file_load, EPERM, KERNEL),
];

/// Refused where they exist.
#[cfg(target_arch = "x86_64")]
pub const REFUSED_HERE: &[Refusal] = &[
    refuse("iopl", libc::SYS_iopl, EPERM, "hardware"),
    refuse("ioperm", libc::SYS_ioperm, EPERM, "hardware"),
    refuse("modify_ldt", libc::SYS_modify_ldt, EPERM, SURFACE),
    refuse("uselib", libc::SYS_uselib, ENOSYS, SURFACE),
    refuse("_sysctl", libc::SYS__sysctl, ENOSYS, SURFACE),
];
/// Refused where they exist.
#[cfg(not(target_arch = "x86_64"))]
pub const REFUSED_HERE: &[Refusal] = &[];
