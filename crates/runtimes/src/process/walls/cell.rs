//! One sandbox, as those who start processes in it use it.
//!
//! Lives here: letting forks in, running programs, keeping them within their bounds, clearing away what they left.
//! Does not live here: making it and serving what listens in it (`walls`).

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use model::function::Language;
use sandbox::{Egress, EntryError, Group, Program, Running, Sandbox, SurplusDescriptors, Ticket};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::bounds::{Bounds, Kept, Occupant, Place, Rooms, place_of};
use super::{Confinements, Shared};
use crate::process::launch::{self, Launch, LaunchError};

/// One sandbox, with what is served in it.
pub(in crate::process) struct Cell {
    pub(super) sandbox: Sandbox,
    pub(super) shared: Arc<Shared>,
    pub(super) egress: Arc<Egress>,
    pub(super) confinement: Confinements,
    pub(super) bounds: Bounds,
    pub(super) rooms: Rooms,
    pub(super) handle: Handle,
    /// Of one with a Runtime API, until that is served.
    pub(super) runtime_api: Mutex<Option<TcpListener>>,
    pub(super) _served: Mutex<JoinSet<()>>,
}

impl Cell {
    /// By what a fork of its template becomes an instance.
    pub(in crate::process) fn scopes(&self) -> u64 {
        self.confinement.scopes
    }

    /// A group for one process that does its init here, where there are groups.
    pub(in crate::process) fn room(&self) -> io::Result<Option<Group>> {
        let room = self.shared.keepers.group(self.bounds, Occupant::Init);
        room.map_err(io::Error::other)
    }

    /// Makes the group of the first instance, while its template does its init: whoever needs it does not wait for that.
    pub(super) fn prepare_room(self: &Arc<Self>) {
        let cell = self.clone();
        let preparing = self.handle.spawn_blocking(move || {
            cell.sandbox.prepare_for_instances();
            let room = cell.shared.keepers.group(cell.bounds, Occupant::Instance);
            // What hinders it will hinder the instance, which is told.
            if let Ok(Some(room)) = room {
                cell.rooms.keep_ahead(room);
            }
        });
        drop(preparing);
    }

    /// Lets a fork of a base in, and into its group. Node.js keeps its event loop's descriptors, and makes them its own
    /// before.
    pub(in crate::process) fn ticket(
        &self,
        language: Language,
        room: Option<&Group>,
    ) -> Result<Ticket, EntryError> {
        let surplus = surplus_of(language);
        let entrance = room.map(Group::entrance);
        let confinement = &self.confinement.of_template;
        self.sandbox.ticket(confinement, surplus, entrance.as_ref())
    }

    /// Lets one more fork of a template become an instance.
    pub(in crate::process) fn expect_instance(
        self: &Arc<Self>,
        template: i32,
    ) -> Result<(), EntryError> {
        for lost in self.sandbox.expect_instance(template)? {
            self.sweep(lost);
        }
        Ok(())
    }

    /// Takes that back: none was forked.
    pub(in crate::process) fn expect_one_less(&self, template: i32) {
        self.sandbox.expect_one_less(template);
    }

    /// What the Runtime API is to be served on. Once.
    pub(in crate::process) fn take_runtime_api(&self) -> Option<TcpListener> {
        let listener = self.runtime_api.lock();
        listener.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A socket for a connection to a listener inside.
    pub(in crate::process) async fn connector(self: &Arc<Self>) -> io::Result<OwnedFd> {
        let cell = self.clone();
        let made = tokio::task::spawn_blocking(move || cell.sandbox.connector()).await?;
        made.map_err(io::Error::other)
    }

    /// Runs a program inside.
    pub(in crate::process) async fn execute(
        self: &Arc<Self>,
        launch: Launch,
    ) -> Result<(Running, launch::Ends, Kept), LaunchError> {
        let (ours, given) = launch::connect(&launch.connection).map_err(LaunchError::Pipes)?;
        let cell = self.clone();
        let running = tokio::task::spawn_blocking(move || {
            let nothing = OwnedFd::from(File::open("/dev/null").map_err(LaunchError::Pipes)?);
            let mut descriptors = vec![nothing, given.stdout, given.stderr];
            descriptors.extend(given.channel);
            let program = program(&launch);
            let confinement = &cell.confinement.of_program;
            let place = cell.rooms.of_programs(|| cell.room());
            let place = place.map_err(LaunchError::Unbounded)?;
            let entrance = place.get().map(Group::entrance);
            let executed =
                cell.sandbox
                    .execute(&program, confinement, &descriptors, entrance.as_ref());
            let running = executed.map_err(|error| {
                if let EntryError::Execute(source) = error {
                    let program = launch.program;
                    return LaunchError::Spawn { program, source };
                }
                LaunchError::Inside(error)
            })?;
            let kept = cell.keep_at(running.process.pid, &running.process.pidfd, place);
            Ok((running, kept.map_err(LaunchError::Unbounded)?))
        });
        let (running, kept) = running.await.map_err(|_| LaunchError::Gone)??;
        Ok((running, ours, kept))
    }

    /// Keeps a process, which is in its group, within its bounds.
    pub(in crate::process) fn keep(
        &self,
        pid: i32,
        pidfd: &OwnedFd,
        room: Option<Group>,
    ) -> io::Result<Kept> {
        self.keep_at(pid, pidfd, place_of(room))
    }

    /// As [`Self::keep`], of an instance, which gets its group before it goes on: that may be after this.
    pub(in crate::process) fn keep_instance(&self, pid: i32, pidfd: &OwnedFd) -> io::Result<Kept> {
        self.sandbox.know_instance(pid);
        self.keep_at(pid, pidfd, self.rooms.place(pid))
    }

    fn keep_at(&self, pid: i32, pidfd: &OwnedFd, place: Place) -> io::Result<Kept> {
        let keepers = &self.shared.keepers;
        Ok(keepers.keep(pid, pidfd.try_clone()?, self.bounds, place))
    }

    /// Ends what an instance has left behind, without waiting for it.
    pub(super) fn sweep(self: &Arc<Self>, instance: i32) {
        self.rooms.forget(instance);
        let cell = self.clone();
        let sweeping = self.handle.spawn_blocking(move || {
            if cell.sandbox.sweep(instance).is_err() {
                // It makes processes faster than they can be ended: then all of them end.
                cell.end();
            }
        });
        drop(sweeping);
    }

    /// Ends all that is inside.
    pub(super) fn end(&self) {
        // It fails only when all has ended.
        let nanny = self.sandbox.nanny();
        let _ = rustix::process::pidfd_send_signal(nanny, rustix::process::Signal::KILL);
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.egress.close();
    }
}

pub(super) fn surplus_of(language: Language) -> SurplusDescriptors {
    match language {
        Language::Python => SurplusDescriptors::Closed,
        Language::Node => SurplusDescriptors::Checked,
        // Nothing of theirs is forked.
        Language::Provided | Language::Go => SurplusDescriptors::Closed,
    }
}

fn program(launch: &Launch) -> Program {
    let mut arguments = vec![OsString::from(&launch.program)];
    arguments.extend(launch.arguments.iter().cloned());
    let variables = launch.variables.iter().map(|(name, value)| {
        let mut variable = name.clone();
        variable.push("=");
        variable.push(value);
        variable
    });
    Program {
        path: launch.program.clone(),
        arguments,
        variables: variables.collect(),
        directory: launch.directory.clone(),
    }
}
