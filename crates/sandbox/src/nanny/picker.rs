//! Takes hold of what a sandbox that was made ahead is to show, once that is known.
//!
//! Lives here: a process that still sees the host as the maker does, for one question.
//! Does not live here: how anything is shown (`root`), who says what (`requests`).
//!
//! By the time that somebody needs the sandbox its nanny has another root and other ids, from where the host's folders
//! cannot be reached. So the nanny leaves a child behind that has a copy of the mounts as they were. It answers one
//! question and ends, before anybody's code is let in.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use serde::{Deserialize, Serialize};

use super::root::{self, Kind, Part};
use crate::orders::{Fault, Shown};
use crate::system::messages;
use crate::system::processes::{self, Fork};

const NEW_MOUNTS: libc::c_ulong = libc::CLONE_NEWNS as libc::c_ulong;

/// The process that answers. It ends with the nanny at the latest.
pub(super) struct Picker {
    socket: OwnedFd,
    process: OwnedFd,
}

/// Its answer. One descriptor comes for each part.
#[derive(Serialize, Deserialize)]
enum Picked {
    Parts,
    Failed(Fault),
}

impl Picker {
    pub(super) fn start() -> Result<Self, Fault> {
        let fault = |error: io::Error| Fault::of("leave somebody who sees the host", &error);
        let (socket, theirs) = messages::pair().map_err(fault)?;
        match processes::fork_into(NEW_MOUNTS).map_err(fault)? {
            Fork::Child => {
                let mut numbers = [0, 1, 2, theirs.as_raw_fd()];
                numbers.sort_unstable();
                processes::close_all_but(&numbers);
                processes::set_name(c"sandbox-picker");
                if processes::die_with_parent().is_ok() {
                    // Nobody asks when the sandbox is not needed any more.
                    let _ = answer(&theirs);
                }
                processes::leave(0)
            }
            Fork::Parent { pidfd, .. } => Ok(Self {
                socket,
                process: pidfd,
            }),
        }
    }

    /// The parts, attached nowhere.
    pub(super) fn pick(&self, shown: &[Shown]) -> Result<Vec<Part>, Fault> {
        let fault = |error: io::Error| Fault::of("ask who sees the host", &error);
        messages::send_json(self.socket.as_fd(), &shown, &[]).map_err(fault)?;
        let (picked, trees) =
            messages::receive_json::<Picked>(self.socket.as_fd()).map_err(fault)?;
        match picked {
            Picked::Parts if trees.len() == shown.len() => root::picked(shown, trees),
            Picked::Parts => Err(fault(io::ErrorKind::InvalidData.into())),
            Picked::Failed(fault) => Err(fault),
        }
    }
}

impl Drop for Picker {
    fn drop(&mut self) {
        // Killed before anybody's code is let in, it does nothing any more, however long its end takes the kernel.
        let _ = rustix::process::pidfd_send_signal(&self.process, rustix::process::Signal::KILL);
    }
}

fn answer(socket: &OwnedFd) -> io::Result<()> {
    let (shown, _) = messages::receive_json::<Vec<Shown>>(socket.as_fd())?;
    let (picked, trees) = match root::pick_all(&shown) {
        Ok(parts) => {
            let trees = parts.into_iter().filter_map(|part| match part.kind {
                Kind::Folder(tree) | Kind::File(tree) | Kind::Device(tree) => Some(tree),
                // A path is followed to its end before it is picked up.
                Kind::Link(_) => None,
            });
            (Picked::Parts, trees.collect())
        }
        Err(fault) => (Picked::Failed(fault), Vec::new()),
    };
    let attached: Vec<_> = trees.iter().map(OwnedFd::as_fd).collect();
    messages::send_json(socket.as_fd(), &picked, &attached)?;
    // Until it is killed, or nobody is there any more to do that.
    messages::receive(socket.as_fd()).map(|_| ())
}
