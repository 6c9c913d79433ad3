//! How much of this machine a process in a sandbox may take.
//!
//! Lives here: which limits a function has, who keeps them (the kernel, where we may make control groups, and somebody
//! who looks at the memory of each process), and how much memory was used.
//! Does not live here: the limits that each process has of its own (`walls`), the groups themselves (`sandbox`).
//!
//! Files in `/tmp` are memory to the kernel, and none of the function's. So a group bounds both together, and what the
//! function itself has is looked at.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error as _;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use model::function::Function;
use sandbox::{
    Group, GroupError, GroupLimits, Groups, Places, Watch, Watchdog, processor_thousandths_of,
};

use super::{PROCESSES_MAX, WallsError};

/// Who gets how much of the processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessorTime {
    /// Every process as much as there is.
    Free,
    /// Instances in proportion to their memory, once they have done their init.
    ///
    /// Contract: AWS Lambda Developer Guide, "Configure Lambda function memory".
    Rationed,
}

/// Who keeps limits of memory, processes and processor time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitsKept {
    /// The kernel, all of them.
    ByKernel,
    /// The kernel as far as it does that for us; otherwise memory is looked at.
    AsCanBe,
}

/// Where the group of a process is, as soon as it has one.
pub(super) type Place = Arc<OnceLock<Group>>;

/// The places of instances: of those that have a group and that nobody has asked for, and the other way round.
#[derive(Clone, Default)]
pub(super) struct Rooms {
    places: Arc<Mutex<HashMap<i32, Place>>>,
    ahead: Arc<Mutex<Option<Group>>>,
    programs: Arc<Mutex<Option<Place>>>,
}

impl Rooms {
    /// The place of an instance: it is asked for twice, by who makes its group and by who keeps it.
    pub(super) fn place(&self, instance: i32) -> Place {
        match self.lock().entry(instance) {
            Entry::Occupied(place) => place.remove(),
            Entry::Vacant(none) => none.insert(Place::default()).clone(),
        }
    }

    /// Nobody asks for it any more.
    pub(super) fn forget(&self, instance: i32) {
        self.lock().remove(&instance);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place that all programs share, a runtime and its extensions: they are one instance. The first makes the group.
    pub(super) fn of_programs<E>(
        &self,
        make: impl FnOnce() -> Result<Option<Group>, E>,
    ) -> Result<Place, E> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = &*programs {
            return Ok(place.clone());
        }
        let place = place_of(make()?);
        Ok(programs.insert(place).clone())
    }

    /// The group that was made ahead.
    pub(super) fn take_ahead(&self) -> Option<Group> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.take()
    }

    /// Keeps one for the next instance.
    pub(super) fn keep_ahead(&self, group: Group) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        *ahead = Some(group);
    }
}

/// The place of a process that has its group, if it is to have one.
pub(super) fn place_of(group: Option<Group>) -> Place {
    Arc::new(group.map(OnceLock::from).unwrap_or_default())
}

/// Who keeps limits.
pub(super) struct Keepers {
    groups: Option<Groups>,
    watchdog: Watchdog,
    processor_time: ProcessorTime,
    last_number: AtomicU64,
}

/// What one process of a function may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    memory_bytes_max: u64,
    tmp_bytes_max: u64,
    processor_thousandths: u64,
}

/// Takes away what is left of sandboxes when nothing is to run in them any more: whoever holds one otherwise ends later,
/// or not at all when the process does.
pub struct Clearing(Weak<Keepers>);

impl Clearing {
    pub(super) fn of(keepers: &Arc<Keepers>) -> Self {
        Self(Arc::downgrade(keepers))
    }

    /// Blocks, for up to half a second.
    pub fn clear(&self) {
        if let Some(keepers) = self.0.upgrade() {
            keepers.clear();
        }
    }
}

/// What a group is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occupant {
    /// A process whose init is still to be done, or a template: in the cloud, too, an init has more than its ration.
    Init,
    /// A fork of a process that has done it.
    Instance,
}

impl Bounds {
    pub(super) fn of(function: &Function) -> Self {
        Self {
            memory_bytes_max: u64::from(function.memory_mb) << 20,
            tmp_bytes_max: u64::from(function.ephemeral_storage_mb) << 20,
            processor_thousandths: processor_thousandths_of(function.memory_mb),
        }
    }
}

impl Keepers {
    /// Those of this machine.
    pub(super) fn here(
        processor_time: ProcessorTime,
        limits: LimitsKept,
    ) -> Result<Self, WallsError> {
        let groups = match (open(), limits) {
            (Ok((groups, _)), LimitsKept::AsCanBe) | (Ok((groups, None)), LimitsKept::ByKernel) => {
                Some(groups)
            }
            (Ok((_, Some(missing))), LimitsKept::ByKernel) => {
                return Err(WallsError::Limits(missing));
            }
            (Err(why), LimitsKept::ByKernel) => return Err(WallsError::Limits(why)),
            (Err(_), LimitsKept::AsCanBe) => None,
        };
        Ok(Self {
            groups,
            watchdog: Watchdog::start().map_err(WallsError::Supervision)?,
            processor_time,
            last_number: AtomicU64::new(0),
        })
    }

    /// Makes a group for one process, where there are groups.
    pub(super) fn group(
        &self,
        bounds: Bounds,
        occupant: Occupant,
    ) -> Result<Option<Group>, GroupError> {
        let Some(groups) = &self.groups else {
            return Ok(None);
        };
        let number = self.next_name();
        groups
            .make(&number, &self.limits(bounds, occupant))
            .map(Some)
    }

    /// As [`Self::group`], of one whose limits are not known yet.
    pub(super) fn group_without_limits(&self) -> Result<Option<Group>, GroupError> {
        let groups = self.groups.as_ref();
        let made = groups.map(|groups| groups.make_without_limits(&self.next_name()));
        made.transpose()
    }

    /// Now they are.
    pub(super) fn limit(
        &self,
        group: &Group,
        bounds: Bounds,
        occupant: Occupant,
    ) -> Result<(), GroupError> {
        group.limit(&self.limits(bounds, occupant))
    }

    fn next_name(&self) -> String {
        let number = self.last_number.fetch_add(1, Ordering::Relaxed);
        number.to_string()
    }

    fn limits(&self, bounds: Bounds, occupant: Occupant) -> GroupLimits {
        GroupLimits {
            memory_bytes_max: bounds.memory_bytes_max + bounds.tmp_bytes_max,
            processes_max: PROCESSES_MAX,
            processor_thousandths: match (occupant, self.processor_time) {
                (Occupant::Instance, ProcessorTime::Rationed) => Some(bounds.processor_thousandths),
                (Occupant::Init, _) | (Occupant::Instance, ProcessorTime::Free) => None,
            },
            is_restrained: self.processor_time == ProcessorTime::Rationed,
        }
    }

    /// Ends all that is in groups of ours.
    fn clear(&self) {
        if let Some(groups) = &self.groups {
            groups.clear();
        }
    }

    /// Keeps a process within its bounds from now on, with its group, if it has or gets one.
    pub(super) fn keep(&self, pid: i32, pidfd: OwnedFd, bounds: Bounds, group: Place) -> Kept {
        let watch = self
            .watchdog
            .watch(pid, pidfd, bounds.memory_bytes_max, group.clone());
        let ration = match self.processor_time {
            ProcessorTime::Rationed => Some(bounds.processor_thousandths),
            ProcessorTime::Free => None,
        };
        Kept {
            group,
            watch,
            ration,
            is_rationed: AtomicBool::new(false),
        }
    }
}

/// Our groups, and what they cannot limit.
fn open() -> Result<(Groups, Option<String>), String> {
    let (places, missing) = Places::find().map_err(|missing| missing.to_string())?;
    let groups = Groups::open(&places).map_err(|error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })?;
    Ok((groups, missing.first().map(ToString::to_string)))
}

/// What keeps one process within its bounds.
pub(in crate::process) struct Kept {
    group: Place,
    watch: Watch,
    ration: Option<u64>,
    is_rationed: AtomicBool,
}

impl Kept {
    pub(super) fn was_out_of_memory(&self) -> bool {
        let in_group = self.group.get().is_some_and(Group::was_out_of_memory);
        in_group || self.watch.was_killed()
    }

    /// An event begins. With the first, its init is done: from then on it has only the processor time of an instance.
    pub(super) fn begin_event(&self) {
        self.watch.at_work();
        self.ration();
    }

    /// An event has ended. Whether its instance was held back meanwhile.
    pub(super) fn end_event(&self) -> bool {
        self.watch.idle();
        self.watch.was_held_back()
    }

    fn ration(&self) {
        let (Some(group), Some(ration)) = (self.group.get(), self.ration) else {
            return;
        };
        if !self.is_rationed.swap(true, Ordering::Relaxed) {
            // It is in the group as long as it lives; afterwards it takes nothing.
            let _ = group.ration(ration);
        }
    }

    /// The most memory that its processes are known to have had at once, in bytes. `seen` is what is known without a
    /// group: a group is asked closely only where it may know more.
    pub(super) fn memory_peak_bytes(&self, seen: u64) -> u64 {
        let seen = seen.max(self.watch.peak_bytes());
        let counted = self.group.get().and_then(Group::memory);
        let own = counted
            .filter(|memory| memory.peak_bytes().is_some_and(|peak| seen < peak))
            .and_then(|memory| memory.own_peak_bytes());
        seen.max(own.unwrap_or_default())
    }
}
