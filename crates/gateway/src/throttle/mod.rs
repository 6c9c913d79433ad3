//! How often requests are let in, and how many.
//!
//! Lives here: which limits a request meets, in the cloud's order; counting in this process.
//! Does not live here: the limits' declaration (`model::door`), the refusal's words (`replies::faults`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Throttle requests to your REST APIs for better throughput": the plan's
//! limit of a method for a key, the plan's limit for a key, the stage's limit of a method, the account's.

mod local;
mod quota;

use std::fmt;

use interfaces::counters::{Bucket, Counted, Counters, NotCounted, Taken, Window};
use model::door::Rate;
use model::time::Timestamp;

use crate::caller::{Caller, KeyInUse};
use crate::routes::Hit;

pub use local::LocalCounters;

/// A limit that a request met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Met {
    /// It came too soon.
    Rate {
        /// Whose rate it is, for the developer.
        of: String,
        /// The rate.
        rate: Rate,
    },
    /// The quota of its key is used up.
    Quota {
        /// The plan.
        plan: String,
        /// The key.
        key: String,
        /// Requests in a period.
        limit: u64,
    },
    /// Nobody could count.
    Uncounted(NotCounted),
}

struct Limit<'a> {
    name: String,
    of: Of<'a>,
    rate: Rate,
}

/// Whose limit it is: put into words only when it is met.
#[derive(Clone, Copy)]
enum Of<'a> {
    Account,
    Key(&'a KeyInUse),
    KeyAndMethod(&'a KeyInUse, &'a Hit<'a>),
    Route(&'a Hit<'a>),
}

impl fmt::Display for Of<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account => out.write_str("the account"),
            Self::Key(KeyInUse { key, plan }) => {
                write!(out, "usage plan `{}` for key `{}`", plan.name, key.name)
            }
            Self::KeyAndMethod(KeyInUse { key, plan }, hit) => write!(
                out,
                "usage plan `{}` for `{}` and key `{}`",
                plan.name, hit.route.key, key.name
            ),
            Self::Route(hit) => {
                write!(out, "stage `{}` for `{}`", hit.api.stage, hit.route.key)
            }
        }
    }
}

/// Counts a request, or says which limit it met.
pub(crate) async fn admit(
    counters: &dyn Counters,
    account: Option<Rate>,
    hit: &Hit<'_>,
    caller: &Caller,
    now: Timestamp,
) -> Result<(), Met> {
    let mut limits = limits(hit, caller.key.as_ref());
    limits.extend(account.map(|rate| Limit {
        name: "account".to_owned(),
        of: Of::Account,
        rate,
    }));
    if !limits.is_empty() {
        let buckets: Vec<Bucket<'_>> = limits
            .iter()
            .map(|limit| Bucket {
                name: &limit.name,
                rate: limit.rate,
            })
            .collect();
        match counters.take(&buckets, now).await.map_err(Met::Uncounted)? {
            Taken::All => {}
            Taken::Empty { place } => {
                let limit = limits.into_iter().nth(place);
                return Err(limit.map_or_else(uncounted, |limit| Met::Rate {
                    of: limit.of.to_string(),
                    rate: limit.rate,
                }));
            }
        }
    }
    match &caller.key {
        Some(used) => count(counters, used, now).await,
        None => Ok(()),
    }
}

fn uncounted() -> Met {
    Met::Uncounted(NotCounted {
        reason: "an unknown bucket is empty".to_owned(),
    })
}

/// The rates that apply, those of the caller's key first.
fn limits<'a>(hit: &'a Hit<'a>, used: Option<&'a KeyInUse>) -> Vec<Limit<'a>> {
    let (api, route) = (hit.api, hit.route);
    let place = format_args!("{}/{}", api.id, api.stage);
    let mut limits = Vec::new();
    if let Some(used @ KeyInUse { key, plan }) = used {
        let opened = plan
            .stages
            .iter()
            .find(|one| one.api == api.id && one.stage == api.stage)
            .filter(|stage| !stage.methods.is_empty());
        let path = || format!("{}/{}", route.resource, route.method());
        if let Some((path, rate)) = opened.and_then(|stage| {
            let path = path();
            let rate = stage.methods.get(&path)?;
            Some((path, rate))
        }) {
            limits.push(Limit {
                name: format!("plan/{}/{}/{place}{path}", plan.id, key.id),
                of: Of::KeyAndMethod(used, hit),
                rate: *rate,
            });
        }
        if let Some(rate) = plan.throttle {
            limits.push(Limit {
                name: format!("plan/{}/{}", plan.id, key.id),
                of: Of::Key(used),
                rate,
            });
        }
    }
    if let Some(rate) = route.throttle {
        limits.push(Limit {
            name: format!("route/{place}/{}", route.key),
            of: Of::Route(hit),
            rate,
        });
    }
    limits
}

async fn count(counters: &dyn Counters, used: &KeyInUse, now: Timestamp) -> Result<(), Met> {
    let KeyInUse { key, plan } = used;
    let Some(quota) = plan.quota else {
        return Ok(());
    };
    let window = Window {
        name: &format!("quota/{}/{}", plan.id, key.id),
        began_at: quota::began_at(quota.period, now),
        limit: quota.limit,
        offset: quota.offset,
    };
    match counters.count(&window).await.map_err(Met::Uncounted)? {
        Counted::Left(_) => Ok(()),
        Counted::UsedUp => Err(Met::Quota {
            plan: plan.name.clone(),
            key: key.name.clone(),
            limit: quota.limit,
        }),
    }
}
