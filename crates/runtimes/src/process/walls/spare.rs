//! A sandbox that is made before it is known for which function.
//!
//! Lives here: making one for the functions of a base, what it shows already, making it a function's.
//! Does not live here: who waits in it, and how long it is kept (`zygote::spares`), how it is made (`sandbox`).

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use model::function::{Function, Language};
use sandbox::policy::Policy;
use sandbox::{EntryError, Group, Plan, SHOWN_LATER_MAX, Shown, SpareSandbox, Ticket};
use tokio::task::JoinSet;

use super::bounds::{Bounds, Occupant};
use super::cell::surplus_of;
use super::{Cell, CellError, Confinements, Shared, Walls, plan, shown, tmp_bytes_max};

/// What is seen below this is put into a `/tmp`, which comes later.
const TMP: &str = "/tmp";

/// A sandbox without a function, with what is served in it.
pub(in crate::process) struct SpareCell {
    sandbox: SpareSandbox,
    served: JoinSet<()>,
    confinement: Confinements,
    policy: Policy,
    shared: Arc<Shared>,
}

/// A sandbox that has become a function's.
pub(in crate::process) struct Furnished {
    pub(in crate::process) cell: Arc<Cell>,
    /// The group of the process that waits in it, with its limits.
    pub(in crate::process) room: Option<Group>,
}

impl SpareCell {
    /// A group for one process, where there are groups. It has no limits until [`Walls::furnish`].
    pub(in crate::process) fn room(&self) -> io::Result<Option<Group>> {
        let room = self.shared.keepers.group_without_limits();
        room.map_err(io::Error::other)
    }

    /// Lets a fork of a base in, and into its group, to wait there for what it is to do.
    pub(in crate::process) fn ticket(
        &self,
        language: Language,
        room: Option<&Group>,
    ) -> Result<Ticket, EntryError> {
        let entrance = room.map(Group::entrance);
        let confinement = &self.confinement.of_template;
        let surplus = surplus_of(language);
        self.sandbox.ticket(confinement, surplus, entrance.as_ref())
    }

    /// Its first process, which is there as long as it is.
    pub(in crate::process) fn nanny(&self) -> &OwnedFd {
        self.sandbox.nanny()
    }

    /// What is still to be shown of all this; nothing when that cannot be done later: it shows something else, or there
    /// is too much of it, or it would cover what is shown already.
    fn rest_of(&self, wanted: Vec<Shown>) -> Option<Vec<Shown>> {
        let shows = self.sandbox.shown();
        if !shows.iter().all(|one| wanted.contains(one)) {
            return None;
        }
        let mut rest = wanted;
        rest.retain(|one| !shows.contains(one));
        let covers = |one: &Shown| shows.iter().any(|shown| shown.to.starts_with(&one.to));
        let fits = rest.len() <= SHOWN_LATER_MAX && !rest.iter().any(covers);
        fits.then_some(rest)
    }
}

impl Walls {
    /// Makes a sandbox for a function of the same base as this one.
    pub(in crate::process) async fn make_spare(
        &self,
        function: &Function,
        bootstrap: Option<&Path>,
    ) -> Result<SpareCell, CellError> {
        let mut shown = shown::of_base(function, bootstrap);
        shown.extend(self.trusted());
        shown.retain(|one| !one.to.starts_with(TMP));
        let plan = Plan {
            shown,
            ..plan(self.shared.next_ids(), self.listeners())
        };
        let shared = self.shared.clone();
        let made =
            tokio::task::spawn_blocking(move || shared.maker.make_spare(plan, &shared.supervision));
        let mut sandbox = made.await.map_err(|_| CellError::Gone)??;
        let served = self.serve(|listen| sandbox.take_listener(listen));
        Ok(SpareCell {
            sandbox,
            served: served.map_err(CellError::Serve)?,
            confinement: self.confinement.clone(),
            policy: self.policy_now(),
            shared: self.shared.clone(),
        })
    }

    /// Makes it that function's. Nothing when it cannot be: then one is to be made for it.
    pub(in crate::process) async fn furnish(
        &self,
        (spare, room): (SpareCell, Option<Group>),
        function: &Function,
        bootstrap: Option<&Path>,
    ) -> Option<Furnished> {
        // What is wrong with what it wants to see is said by whoever makes one.
        let rest = spare.rest_of(self.shown(function, bootstrap).ok()?)?;
        let SpareCell {
            sandbox,
            served,
            policy,
            ..
        } = spare;
        let tmp_bytes_max = tmp_bytes_max(function);
        let furnish = move || sandbox.furnish(rest, tmp_bytes_max);
        let (keepers, bounds) = (self.shared.keepers.clone(), Bounds::of(function));
        let limit = move || {
            let limited = room
                .as_ref()
                .map(|room| keepers.limit(room, bounds, Occupant::Init));
            limited.transpose().map(|_| room)
        };
        let (furnished, limited) = tokio::join!(
            tokio::task::spawn_blocking(furnish),
            tokio::task::spawn_blocking(limit)
        );
        let (sandbox, room) = (furnished.ok()?.ok()?, limited.ok()?.ok()?);
        let cell = self.settle(sandbox, served, policy, function);
        cell.prepare_room();
        Some(Furnished { cell, room })
    }
}
