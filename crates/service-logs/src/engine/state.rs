//! What is there in one account and region, in memory.
//!
//! Lives here: the rows with what is derived from them: patterns and policies compiled.
//! Does not live here: the store (`catalogue`), events, which are read from it (`read`).

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::Policy;

use super::rows::{Alarm, Group, Metric, Moment, Point, ResourcePolicy, Statistics, Stream};
use crate::filter::Pattern;

/// A group with its patterns.
#[derive(Debug)]
pub(crate) struct KeptGroup {
    pub(crate) row: Group,
    /// In the order of its subscriptions; none where one cannot be read.
    pub(crate) subscriptions: Vec<Option<Pattern>>,
    /// In the order of its metric filters.
    pub(crate) metric_filters: Vec<Option<Pattern>>,
}

/// A resource policy, read.
#[derive(Debug)]
pub(crate) struct KeptPolicy {
    pub(crate) row: ResourcePolicy,
    pub(crate) policy: Option<Arc<Policy>>,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) groups: BTreeMap<String, Arc<KeptGroup>>,
    /// By group and name.
    pub(crate) streams: BTreeMap<(String, String), Arc<Stream>>,
    pub(crate) policies: BTreeMap<String, Arc<KeptPolicy>>,
    pub(crate) alarms: BTreeMap<String, Arc<Alarm>>,
    pub(crate) metrics: BTreeMap<Metric, BTreeMap<Moment, Statistics>>,
    pub(crate) points: usize,
    /// The number of the event that came last.
    pub(crate) number: u64,
}

/// One step of a change.
#[derive(Debug)]
pub(crate) enum Step {
    PutGroup(Group),
    DropGroup(String),
    PutStream(Stream),
    DropStream(String, String),
    PutPolicy(ResourcePolicy),
    DropPolicy(String),
    PutAlarm(Alarm),
    DropAlarm(String),
    PutPoint(Point),
    DropPoint(Metric, Moment),
}

impl State {
    pub(crate) fn apply(&mut self, step: Step) {
        match step {
            Step::PutGroup(row) => {
                let read = |pattern: &String| Pattern::parse(pattern).ok();
                let kept = KeptGroup {
                    subscriptions: row
                        .subscriptions
                        .iter()
                        .map(|one| read(&one.pattern))
                        .collect(),
                    metric_filters: row
                        .metric_filters
                        .iter()
                        .map(|one| read(&one.pattern))
                        .collect(),
                    row,
                };
                self.groups.insert(kept.row.name.clone(), Arc::new(kept));
            }
            Step::DropGroup(name) => {
                self.groups.remove(&name);
            }
            Step::PutStream(row) => {
                self.number = self.number.max(row.number);
                let key = (row.group.clone(), row.name.clone());
                self.streams.insert(key, Arc::new(row));
            }
            Step::DropStream(group, name) => {
                self.streams.remove(&(group, name));
            }
            Step::PutPolicy(row) => {
                let policy = Policy::read(&row.document).ok().map(Arc::new);
                let kept = Arc::new(KeptPolicy { policy, row });
                self.policies.insert(kept.row.name.clone(), kept);
            }
            Step::DropPolicy(name) => {
                self.policies.remove(&name);
            }
            Step::PutAlarm(row) => {
                self.alarms.insert(row.name.clone(), Arc::new(row));
            }
            Step::DropAlarm(name) => {
                self.alarms.remove(&name);
            }
            Step::PutPoint(point) => {
                let moments = self.metrics.entry(point.metric).or_default();
                if moments.insert(point.moment, point.statistics).is_none() {
                    self.points += 1;
                }
            }
            Step::DropPoint(metric, moment) => {
                if let Some(moments) = self.metrics.get_mut(&metric) {
                    if moments.remove(&moment).is_some() {
                        self.points -= 1;
                    }
                    if moments.is_empty() {
                        self.metrics.remove(&metric);
                    }
                }
            }
        }
    }

    pub(crate) fn stream(&self, group: &str, name: &str) -> Option<&Arc<Stream>> {
        self.streams.get(&(group.to_owned(), name.to_owned()))
    }

    pub(crate) fn streams_of<'s>(
        &'s self,
        group: &'s str,
    ) -> impl Iterator<Item = &'s Arc<Stream>> + 's {
        let streams = self.streams.range((group.to_owned(), String::new())..);
        let of_group = streams.take_while(move |((of, _), _)| of == group);
        of_group.map(|(_, stream)| stream)
    }

    pub(crate) fn bytes_of(&self, group: &str) -> u64 {
        self.streams_of(group).map(|stream| stream.bytes).sum()
    }

    /// What is known of a metric, with what was measured now.
    pub(crate) fn measured(&self, metric: Metric, moment: Moment, now: Statistics) -> Point {
        let there = self
            .metrics
            .get(&metric)
            .and_then(|moments| moments.get(&moment));
        Point {
            statistics: there.map_or(now, |there| there.and(now)),
            metric,
            moment,
        }
    }
}
