//! Locks processes in: what they see of files, processes and the network, and how much of the machine they take.
//!
//! Lives here: sandboxes and who makes them, the way in for forked and executed processes, the filter, the network as
//! seen from inside, control groups. Linux only; elsewhere [`look`] says that it cannot.
//! Does not live here: what runs inside (`runtimes`), which function gets which limits, any cloud service.
//!
//! # Who is whose parent
//!
//! ```text
//! we ── maker ── nanny (first process inside; keeps its capabilities there; runs no user code) ── program
//!   └── base (outside, knows no function) ── template (inside; has loaded the function) ── instance
//! ```
//!
//! The maker is our own program, started once, with one thread, so that it may fork without executing anything. The
//! nanny makes the sandbox around itself. A program (`bootstrap`, a parked interpreter) is the nanny's child. A template
//! is the base's child although it is inside: a fork of the base joins the nanny's namespaces and forks once more, the
//! base being the parent of both (see [`entry`]). So whoever forks, watches and collects need not know of sandboxes.
//!
//! # How a template gets in
//!
//! 1. [`Sandbox::ticket`]; its `theirs` goes to the base together with the template's channel and output.
//! 2. The base makes a pipe and forks. The fork puts its channel and output in place, then calls
//!    [`entry::enter_sandbox`] with the ticket and the pipe's writing end. What it returns in, if it returns 0, is the
//!    template; otherwise it must end at once.
//! 3. The base reads the template's number (i32) from the pipe, and goes on as if that number had come from its fork.
//!    Nothing in the pipe means that the fork has failed. The middle process ends meanwhile, and is collected like any
//!    other child that nobody asked for.
//!    A fork that was made ahead, before anybody knew for whom, does the same when it is given its descriptors.
//! 4. [`Admission::admit`], meanwhile, takes the filter over and lets the template go on; only then is it told what to
//!    load.
//!
//! For each fork of a template, and once more for a fork that it keeps ahead, [`Sandbox::expect_instance`] is called before;
//! the fork calls [`entry::enter_instance`] first of all. When an instance has ended, [`Sandbox::sweep`] ends what it left.
//!
//! # What hostile code in a template or an instance still can do
//!
//! - A fork of a template, if one was ordered and has not come yet, can make a user, a mount and an ipc namespace of its own. In
//!   these it has every capability until it gives them up, and nothing to use them on: they own no network and no process
//!   namespace, and every call that mounts, enters or changes a root is refused by the filter before and after. The
//!   instance for which that was meant does not start then, and it is of the same function.
//! - Code in a template may read and signal the instances of that template: they are its own function, forked from it.
//!   An instance reaches neither its template nor its siblings: they are in other user namespaces, where it has no
//!   capability, and its Landlock domain is below the template's and beside theirs.
//! - A process on its way in holds the files of its groups for a moment. Init code that keeps them can put processes of
//!   its own function into those groups, which are that function's: together they have no more than its instances may
//!   have anyway. No file leads out of a group, and whoever did not go in is moved before it goes on.
//! - Whoever connects rings at the supervisor, which reads memory of the caller. What it reads is an address, bounded in
//!   size; what comes of it is a socket of ours inside. All it can ask for is bounded for each sandbox: ways, connections,
//!   questions, tasks that wait.
//! - Processes stay dumpable, so that we, as an ordinary user, can read those addresses. What "not dumpable" would keep
//!   others from is kept by the user namespaces; dumps themselves by a limit of zero.

mod abilities;
#[cfg(target_os = "linux")]
mod egress;
#[cfg(target_os = "linux")]
pub mod entry;
#[cfg(target_os = "linux")]
pub mod filter;
#[cfg(target_os = "linux")]
mod groups;
#[cfg(target_os = "linux")]
mod maker;
#[cfg(target_os = "linux")]
mod nanny;
#[cfg(target_os = "linux")]
mod orders;
pub mod policy;
#[cfg(target_os = "linux")]
mod resolver;
#[cfg(target_os = "linux")]
mod sandbox;
#[cfg(target_os = "linux")]
mod supervision;
#[cfg(target_os = "linux")]
mod system;
#[cfg(target_os = "linux")]
mod views;
#[cfg(target_os = "linux")]
mod watchdog;

#[cfg(target_os = "linux")]
pub use self::{
    egress::Egress,
    groups::{
        Entrance, Group, GroupError, GroupLimits, GroupMemory, Groups, Missing, Places,
        processor_thousandths_of,
    },
    maker::{MAKER_ARGUMENT, MakeError, Maker, MakerProgram, run_as_maker},
    orders::{
        Confinement, Fault, INSIDE_GID, INSIDE_UID, Landlock, Listen, OutsideIds, Plan,
        ResourceLimit, Shown, SocketKind, SurplusDescriptors,
    },
    resolver::{CLOUD_ADDRESS, Resolver, upstream_of},
    sandbox::{
        Admission, Entered, EntryError, OnInstance, Program, ProgramEnd, Running, SHOWN_LATER_MAX,
        Sandbox, SpareSandbox, Ticket,
    },
    supervision::Supervision,
    system::{Ending, landlock_version},
    views::gives_ids,
    watchdog::{Watch, Watchdog},
};
pub use abilities::{Abilities, Ability, State, look};
