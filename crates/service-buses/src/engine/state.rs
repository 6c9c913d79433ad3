//! What is there in one account and region, in memory.
//!
//! Lives here: the rows with what is derived from them: policies and patterns compiled, an index of each bus's rules.
//! Does not live here: the store (`catalogue`), the API.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use model::arn::Arn;
use patterns::{Index, Pattern};
use policy::Policy;
use serde_json::Value;

use super::keys::{DueKey, Fires, Place};
use super::rows::{Archive, Bus, Connection, Destination, Due, Group, Replay, Rule, Schedule};

/// The bus that is always there, and the group.
pub(crate) const DEFAULT: &str = "default";
pub(crate) const ENABLED: &str = "ENABLED";

/// A bus with its policy.
#[derive(Debug)]
pub(crate) struct KeptBus {
    pub(crate) row: Bus,
    pub(crate) policy: Option<Arc<Policy>>,
}

/// A rule with its pattern.
#[derive(Debug)]
pub(crate) struct KeptRule {
    pub(crate) row: Rule,
    pub(crate) pattern: Option<Arc<Pattern>>,
}

/// An archive with its pattern.
#[derive(Debug)]
pub(crate) struct KeptArchive {
    pub(crate) row: Archive,
    pub(crate) pattern: Option<Arc<Pattern>>,
}

type RuleIndex = Arc<Index<Arc<KeptRule>>>;

/// All of it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) place: Place,
    pub(crate) buses: BTreeMap<String, Arc<KeptBus>>,
    /// By bus and name.
    pub(crate) rules: BTreeMap<(String, String), Arc<KeptRule>>,
    pub(crate) connections: BTreeMap<String, Arc<Connection>>,
    pub(crate) destinations: BTreeMap<String, Arc<Destination>>,
    pub(crate) archives: BTreeMap<String, Arc<KeptArchive>>,
    pub(crate) replays: BTreeMap<String, Arc<Replay>>,
    pub(crate) groups: BTreeMap<String, Arc<Group>>,
    /// By group and name.
    pub(crate) schedules: BTreeMap<(String, String), Arc<Schedule>>,
    pub(crate) dues: HashMap<DueKey, Due>,
    /// Made when an event comes in after a change.
    indexes: Mutex<HashMap<String, RuleIndex>>,
}

/// One step of a change.
#[derive(Debug)]
pub(crate) enum Step {
    PutBus(Bus),
    DropBus(String),
    PutRule(Rule),
    DropRule(String, String),
    PutConnection(Connection),
    DropConnection(String),
    PutDestination(Destination),
    DropDestination(String),
    PutArchive(Archive),
    DropArchive(String),
    PutReplay(Replay),
    DropReplay(String),
    PutGroup(Group),
    DropGroup(String),
    PutSchedule(Schedule),
    DropSchedule(String, String),
    SetDue(DueKey, Option<Due>),
}

impl State {
    pub(crate) fn new(place: Place) -> Self {
        Self {
            place,
            buses: BTreeMap::new(),
            rules: BTreeMap::new(),
            connections: BTreeMap::new(),
            destinations: BTreeMap::new(),
            archives: BTreeMap::new(),
            replays: BTreeMap::new(),
            groups: BTreeMap::new(),
            schedules: BTreeMap::new(),
            dues: HashMap::new(),
            indexes: Mutex::default(),
        }
    }

    pub(crate) fn apply(&mut self, step: Step) {
        match step {
            Step::PutBus(row) => {
                let policy = row.policy.as_ref().and_then(|policy| {
                    let document = Value::Object(policy.clone());
                    Policy::from_value(&document).ok().map(Arc::new)
                });
                let kept = Arc::new(KeptBus { policy, row });
                self.buses.insert(kept.row.name.clone(), kept);
            }
            Step::DropBus(name) => {
                self.buses.remove(&name);
            }
            Step::PutRule(row) => {
                self.forget_index(&row.bus);
                let pattern = row.pattern.as_deref();
                let pattern = pattern.and_then(|text| Pattern::parse(text).ok().map(Arc::new));
                let key = (row.bus.clone(), row.name.clone());
                self.rules.insert(key, Arc::new(KeptRule { row, pattern }));
            }
            Step::DropRule(bus, name) => {
                self.forget_index(&bus);
                self.rules.remove(&(bus, name));
            }
            Step::PutConnection(row) => {
                self.connections.insert(row.name.clone(), Arc::new(row));
            }
            Step::DropConnection(name) => {
                self.connections.remove(&name);
            }
            Step::PutDestination(row) => {
                self.destinations.insert(row.name.clone(), Arc::new(row));
            }
            Step::DropDestination(name) => {
                self.destinations.remove(&name);
            }
            Step::PutArchive(row) => {
                let pattern = row.pattern.as_deref();
                let pattern = pattern.and_then(|text| Pattern::parse(text).ok().map(Arc::new));
                let kept = KeptArchive { row, pattern };
                self.archives.insert(kept.row.name.clone(), Arc::new(kept));
            }
            Step::DropArchive(name) => {
                self.archives.remove(&name);
            }
            Step::PutReplay(row) => {
                self.replays.insert(row.name.clone(), Arc::new(row));
            }
            Step::DropReplay(name) => {
                self.replays.remove(&name);
            }
            Step::PutGroup(row) => {
                self.groups.insert(row.name.clone(), Arc::new(row));
            }
            Step::DropGroup(name) => {
                self.groups.remove(&name);
            }
            Step::PutSchedule(row) => {
                let key = (row.group.clone(), row.name.clone());
                self.schedules.insert(key, Arc::new(row));
            }
            Step::DropSchedule(group, name) => {
                self.schedules.remove(&(group, name));
            }
            Step::SetDue(key, Some(due)) => {
                self.dues.insert(key, due);
            }
            Step::SetDue(key, None) => {
                self.dues.remove(&key);
            }
        }
    }

    pub(crate) fn rule(&self, bus: &str, name: &str) -> Option<&Arc<KeptRule>> {
        self.rules.get(&(bus.to_owned(), name.to_owned()))
    }

    pub(crate) fn rules_of<'s>(
        &'s self,
        bus: &'s str,
    ) -> impl Iterator<Item = &'s Arc<KeptRule>> + 's {
        let from = (bus.to_owned(), String::new());
        let rules = self.rules.range(from..);
        rules
            .take_while(move |((of, _), _)| of == bus)
            .map(|(_, rule)| rule)
    }

    pub(crate) fn schedule(&self, group: &str, name: &str) -> Option<&Arc<Schedule>> {
        self.schedules.get(&(group.to_owned(), name.to_owned()))
    }

    /// The rules of a bus that are on and have a pattern.
    pub(crate) fn index(&self, bus: &str) -> RuleIndex {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = indexes.get(bus) {
            return Arc::clone(index);
        }
        let entries = self.rules_of(bus).filter_map(|rule| {
            let pattern = rule.pattern.as_ref()?;
            let is_on = rule.row.state != "DISABLED";
            is_on.then(|| (Arc::clone(rule), Arc::clone(pattern)))
        });
        let index = Arc::new(Index::of(entries.collect()));
        indexes.insert(bus.to_owned(), Arc::clone(&index));
        index
    }

    pub(crate) fn due_key(&self, what: Fires, outer: &str, name: &str) -> DueKey {
        DueKey {
            place: self.place.clone(),
            what,
            outer: outer.to_owned(),
            name: name.to_owned(),
        }
    }

    fn forget_index(&mut self, bus: &str) {
        let indexes = self.indexes.get_mut();
        indexes.unwrap_or_else(PoisonError::into_inner).remove(bus);
    }
}

impl Place {
    pub(crate) fn arn(&self, service: &str, resource: String) -> Arn {
        Arn::new(service, &self.region, &self.account, resource)
    }

    pub(crate) fn bus_arn(&self, name: &str) -> Arn {
        self.arn("events", format!("event-bus/{name}"))
    }

    /// Contract: rules of the default bus do not name it.
    pub(crate) fn rule_arn(&self, bus: &str, name: &str) -> Arn {
        if bus == DEFAULT {
            self.arn("events", format!("rule/{name}"))
        } else {
            self.arn("events", format!("rule/{bus}/{name}"))
        }
    }

    pub(crate) fn group_arn(&self, name: &str) -> Arn {
        self.arn("scheduler", format!("schedule-group/{name}"))
    }

    pub(crate) fn schedule_arn(&self, group: &str, name: &str) -> Arn {
        self.arn("scheduler", format!("schedule/{group}/{name}"))
    }
}

impl Connection {
    pub(crate) fn arn(&self, place: &Place) -> Arn {
        place.arn("events", format!("connection/{}/{}", self.name, self.id))
    }

    /// Contract: the recorded answers: a connection with OAuth is only tried when it is used.
    pub(crate) fn state(&self) -> &'static str {
        match self.kind.as_str() {
            "OAUTH_CLIENT_CREDENTIALS" => "AUTHORIZING",
            _ => "AUTHORIZED",
        }
    }
}

impl Destination {
    pub(crate) fn arn(&self, place: &Place) -> Arn {
        place.arn(
            "events",
            format!("api-destination/{}/{}", self.name, self.id),
        )
    }
}
