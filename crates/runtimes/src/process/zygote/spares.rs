//! A fork of a base that waits in a sandbox, for the function that needs a template next.
//!
//! Lives here: keeping one for each base, when it is made, and when it goes again.
//! Does not live here: the sandbox (`walls`), what the fork does once it is somebody's (`making`).
//!
//! Making a sandbox and letting a process in take several milliseconds, as long as the init of a small function. So both
//! are done while nobody waits, and what is left to do is to show the function's own folders.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use model::function::{Function, Language};
use sandbox::Group;
use tokio::io::Interest;
use tokio::task::JoinSet;

use super::{ForkError, Forked, Zygote, control};
use crate::process::child;
use crate::process::launch::{self, OurEnds};
use crate::process::system;
use crate::process::walls::{Furnished, SpareCell, Walls};

/// How long it is quiet before one is made: another template may be on its way.
const QUIET: Duration = Duration::from_millis(20);
/// How long one is kept that nobody needs.
const IDLE_MAX: Duration = Duration::from_mins(5);
/// How often it is looked whether the machine is short of memory.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How many may end by themselves, one after the other, before no more are made until somebody needs a template.
const DEATHS_MAX: usize = 3;
/// Nothing is kept ahead when less than one part in so many of the machine's memory is free.
const FREE_PART_MIN: u64 = 16;

/// The spare of one base, if it has one.
#[derive(Default)]
pub(in crate::process) struct Spares {
    kept: Arc<Mutex<Option<Spare>>>,
    keeper: Mutex<JoinSet<()>>,
}

/// A sandbox, and a fork that waits in it.
pub(in crate::process) struct Spare {
    // The fork ends before its sandbox does.
    pub(in crate::process) waiting: Waiting,
    pub(in crate::process) cell: SpareCell,
    /// The fork's group, where there are groups.
    pub(in crate::process) room: Option<Group>,
}

/// A fork of a base that waits for what it is to do.
pub(in crate::process) struct Waiting {
    forked: control::Forked,
    ours: OurEnds,
}

/// By what a spare is made.
pub(in crate::process) struct Recipe {
    pub(in crate::process) walls: Weak<Walls>,
    /// Of the base, as any other.
    pub(in crate::process) function: Arc<Function>,
    pub(in crate::process) bootstrap: Option<PathBuf>,
}

impl Spares {
    /// The one that is kept; it is somebody's now.
    pub(in crate::process) fn take(&self) -> Option<Spare> {
        let spare = lock(&self.kept).take()?;
        lock(&self.keeper).abort_all();
        spare.is_there().then_some(spare)
    }

    /// Has one made in a while, and kept, unless there is one or it is being made.
    pub(in crate::process) fn want(&self, recipe: Recipe, base: &Arc<Zygote>) {
        let mut keeper = lock(&self.keeper);
        while keeper.try_join_next().is_some() {}
        if keeper.is_empty() {
            let (base, kept) = (Arc::downgrade(base), self.kept.clone());
            keeper.spawn(keep(recipe, base, kept));
        }
    }
}

/// Makes one, and another when it ends by itself, until nobody has needed it for long.
async fn keep(recipe: Recipe, base: Weak<Zygote>, kept: Arc<Mutex<Option<Spare>>>) {
    for _ in 0..DEATHS_MAX {
        tokio::time::sleep(QUIET).await;
        let (Some(walls), Some(base)) = (recipe.walls.upgrade(), base.upgrade()) else {
            return;
        };
        if is_short_of_memory() || !base.is_open() {
            return;
        }
        // What hinders it will hinder whoever needs a template, who is told.
        let Some(spare) = recipe.make(&walls, &base).await else {
            return;
        };
        drop((walls, base));
        let Some(end) = spare.end() else {
            return;
        };
        *lock(&kept) = Some(spare);
        let has_ended = tokio::time::timeout(IDLE_MAX, async {
            tokio::select! {
                () = end => true,
                () = shortage() => false,
            }
        });
        let has_ended = has_ended.await.unwrap_or(false);
        // Whoever takes it ends this, so it is still the same.
        let gone = lock(&kept).take();
        drop(gone);
        if !has_ended {
            return;
        }
    }
}

async fn shortage() {
    while !is_short_of_memory() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Recipe {
    async fn make(&self, walls: &Walls, base: &Arc<Zygote>) -> Option<Spare> {
        let made = walls.make_spare(&self.function, self.bootstrap.as_deref());
        let cell = made.await.ok()?;
        let language = self.function.runtime.language;
        let room = cell.room().ok()?;
        let waiting = base
            .fork_to_wait(&cell, room.as_ref(), language)
            .await
            .ok()?;
        Some(Spare {
            waiting,
            cell,
            room,
        })
    }
}

impl Spare {
    fn is_there(&self) -> bool {
        let processes = [self.cell.nanny(), &self.waiting.forked.pidfd];
        !processes.into_iter().any(child::has_ended)
    }

    /// When its fork or its sandbox ends by itself.
    fn end(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let watch = |pidfd: &std::os::fd::OwnedFd| {
            system::watch(pidfd.try_clone().ok()?, Interest::READABLE).ok()
        };
        let nanny = watch(self.cell.nanny())?;
        let fork = watch(&self.waiting.forked.pidfd)?;
        Some(async move {
            tokio::select! {
                _ = nanny.readable() => {}
                _ = fork.readable() => {}
            }
        })
    }
}

impl Zygote {
    /// Makes a child that enters a sandbox without an owner, and waits there.
    async fn fork_to_wait(
        self: &Arc<Self>,
        cell: &SpareCell,
        room: Option<&Group>,
        language: Language,
    ) -> Result<Waiting, ForkError> {
        let (ours, theirs) = launch::silent_ends().map_err(ForkError::Pipes)?;
        let ticket = cell.ticket(language, room);
        let ticket = ticket.map_err(ForkError::Entry)?;
        let forked = self.ask(theirs, Some(ticket.theirs)).await;
        let forked = super::admit(forked, ticket.admission).await?;
        Ok(Waiting { forked, ours })
    }

    /// Tells one that waits, and whose sandbox is somebody's now, what it is to do.
    pub(in crate::process) fn employ(
        self: &Arc<Self>,
        waiting: Waiting,
        Furnished { cell, room }: Furnished,
        order: &[u8],
    ) -> Result<Forked, ForkError> {
        let Waiting { forked, mut ours } = waiting;
        let pid = forked.pid.as_raw_nonzero().get();
        let kept = cell.keep(pid, &forked.pidfd, room);
        let kept = Some(kept.map_err(ForkError::Bounds)?);
        ours.tell(order).map_err(ForkError::Pipes)?;
        let quarters = super::Quarters::among(cell, kept);
        Ok(self.report_on(forked, ours, Some(quarters)))
    }
}

/// Whether what is kept ahead should go. Where it cannot be told, nothing is short.
fn is_short_of_memory() -> bool {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
    };
    match (kibibytes("MemTotal:"), kibibytes("MemAvailable:")) {
        (Some(total), Some(available)) => available < total / FREE_PART_MIN,
        (Some(_) | None, Some(_) | None) => false,
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
