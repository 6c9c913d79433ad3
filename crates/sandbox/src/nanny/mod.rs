//! The nanny: the first process inside a sandbox, which keeps its capabilities there and runs no user code.
//!
//! Lives here: its whole life, and the order in which a sandbox comes to be.
//! Does not live here: the root (`root`), the sockets (`listeners`), what it does when asked (`requests`), how a sandbox
//! that was made ahead gets at what it is to show (`picker`).

mod copies;
mod listeners;
mod picker;
mod requests;
mod root;

pub(crate) use listeners::open;
pub(crate) use requests::ENDING_BYTES;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::orders::{Fault, INSIDE_GID, INSIDE_UID, Make, Ready, Use};
use crate::system::{messages, processes};

/// Instances of `inotify`, of which a user often has 128, and files that are watched.
const WATCHES_MAX: [(&str, u32); 2] = [
    ("max_inotify_instances", 16),
    ("max_inotify_watches", 1_024),
];

/// Makes the sandbox around itself, says so, and serves it until nobody is at the other end. `trees` are what the plan
/// shows, if the maker has taken hold of it already.
pub(crate) fn run(
    asked: &Make,
    channel: OwnedFd,
    trees: Option<Vec<OwnedFd>>,
    wait_for_ids: impl FnOnce() -> io::Result<()>,
) -> ! {
    let made = make(asked, trees, wait_for_ids);
    let (ready, sockets, state) = match made {
        Ok(Made { sockets, state }) => {
            let listening = sockets.iter().map(Option::is_some).collect();
            (Ready::Whole { listening }, sockets, Some(state))
        }
        Err(fault) => (Ready::Failed(fault), Vec::new(), None),
    };
    let attached: Vec<_> = sockets.iter().flatten().map(OwnedFd::as_fd).collect();
    let told = messages::send_json(channel.as_fd(), &ready, &attached);
    drop(attached);
    drop(sockets);
    if let (Some(state), Ok(())) = (state, told) {
        // Whatever ends this ends the sandbox: the kernel kills all that is in it.
        let _ = requests::serve(&channel, state);
    }
    processes::leave(0)
}

/// Bounds how many files may be watched for changes in this user namespace and those below. The kernel counts them for
/// our user as well, whose editors and servers, our own too, would find nothing left.
fn bound_watches() {
    for (name, count_max) in WATCHES_MAX {
        // A kernel that does not count them by namespaces has no such file.
        let _ = std::fs::write(format!("/proc/sys/user/{name}"), count_max.to_string());
    }
}

struct Made {
    sockets: Vec<Option<OwnedFd>>,
    state: State,
}

/// How far a sandbox is.
enum State {
    Whole(root::Built),
    /// Somebody will use it later.
    Spare(Spare),
}

/// What lacks of a sandbox that was made ahead.
struct Spare {
    shell: root::Shell,
    /// None when root outside takes hold of what is shown.
    picker: Option<picker::Picker>,
}

fn make(
    Make { plan, use_of_it }: &Make,
    trees: Option<Vec<OwnedFd>>,
    wait_for_ids: impl FnOnce() -> io::Result<()>,
) -> Result<Made, Fault> {
    let fault = |step: &'static str| move |error: io::Error| Fault::of(step, &error);
    processes::die_with_parent().map_err(fault("die with the maker"))?;
    wait_for_ids().map_err(fault("wait for ids"))?;
    // What is shown is picked up while this process may still look at all that its maker may.
    let is_ours_to_pick = trees.is_none();
    let parts = root::pick_up(&plan.shown, trees)?;
    let picker = match use_of_it {
        // It, too, looks at the host as its maker may.
        Use::Later if is_ours_to_pick => Some(picker::Picker::start()?),
        Use::Later | Use::Now => None,
    };
    // Root outside is an id that does not exist inside, and no file system there would have it as an owner.
    processes::become_id(INSIDE_UID, INSIDE_GID).map_err(fault("take the ids"))?;
    processes::set_name(c"sandbox-nanny");
    processes::set_host_name(&plan.name).map_err(fault("name the host"))?;
    bound_watches();
    let sockets = listeners::make(&plan.listeners)?;
    let (shell, below_tmp) = root::build(parts, plan)?;
    let state = match use_of_it {
        Use::Now => State::Whole(root::furnish(shell, below_tmp, plan.tmp_bytes_max)?),
        Use::Later => State::Spare(Spare { shell, picker }),
    };
    Ok(Made { sockets, state })
}
