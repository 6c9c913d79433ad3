//! The step in which a kept reply may answer.
//!
//! Lives here: looking for a reply, making it once for all who wait, refusing and warning those who want it made anew.
//! Does not live here: what is kept and for how long (`cache`), making a reply (`application`).

use std::future::Future;

use http::HeaderValue;
use interfaces::clock::Clock;
use model::door::MethodCache;
use model::ids::{ApiId, StageName};

use super::ApplicationHandler;
use super::access::Cached;
use super::arrival::Head;
use super::refusal::Refusal;
use crate::cache::{self, IGNORED, Key, Parts, Permission, Renewal, Seat, StageCache};
use crate::caller::{Caller, Identity};
use crate::events::Query;
use crate::http::Response;
use crate::replies::faults::Fault;
use crate::routes::Hit;

/// What those get who waited for somebody else's call.
#[derive(Debug, Clone)]
pub(crate) enum Landed {
    /// The same.
    Shared(Response),
    /// The same refusal: whoever calls again at once only makes it worse.
    Refused(Refusal),
    /// Nothing: that reply is somebody's own, and they call for themselves.
    EachItsOwn,
}

/// A request whose reply may be kept.
pub(super) struct Place<'a> {
    stage: &'a StageCache<Landed>,
    rule: &'a MethodCache,
    key: Key,
    renewal: Option<Renewal>,
}

/// A reply, and what the cache had to do with it.
pub(super) type Settled = (Result<Response, Refusal>, Option<Cached>);

impl<'a> Place<'a> {
    /// Where the reply of a request is kept; none: it is not.
    ///
    /// Of a method for all methods, only `GET` is kept, as with a stage's settings in the cloud. A `GET` with a body is
    /// not: no key tells bodies apart, and who sends one could choose what all others get.
    pub(super) fn of(
        hit: &'a Hit<'_>,
        (head, body): (&Head, &[u8]),
        caller: &Caller,
        form: &str,
    ) -> Option<Self> {
        let rule = hit.route.cache.as_ref()?;
        let stage = hit.api.cache.as_ref()?;
        if matches!(hit.method, "GET" | "HEAD") && !body.is_empty() {
            return None;
        }
        if hit.route.method() == "ANY" && hit.method != "GET" {
            return None;
        }
        let path: Vec<_> = hit.route.path_parameters(hit.api, &hit.path).collect();
        let key = Key::of(
            rule,
            &Parts {
                route: &hit.route.key,
                method: hit.method,
                path: &path,
                query: &Query::rest(head.query()),
                headers: &head.headers,
                caller,
                form,
            },
        );
        let asks = cache::asks_for_renewal(&head.headers);
        let permission = match &caller.identity {
            Identity::Iam(signer) => signer.renewal,
            Identity::Open | Identity::Token { .. } | Identity::Function { .. } => {
                Permission::Missing
            }
        };
        Some(Self {
            stage,
            rule,
            key,
            renewal: asks.then(|| cache::renewal(rule.invalidation, permission)),
        })
    }

    /// The kept reply, or the one that is made: by this request, or by another one that wants the same.
    pub(super) async fn settle(
        self,
        clock: &dyn Clock,
        making: impl Future<Output = Result<Response, Refusal>>,
    ) -> Settled {
        let Some(renewal) = self.renewal else {
            return self.find_or_make(clock, making).await;
        };
        match renewal {
            Renewal::Forbidden => (Err(forbidden()), None),
            Renewal::Made => (self.make(clock, making).await, Some(Cached::Renewed)),
            Renewal::Ignored => self.find_or_make(clock, making).await,
            Renewal::Warned => {
                let (mut settled, cached) = self.find_or_make(clock, making).await;
                if let Ok(response) = &mut settled {
                    let warning = HeaderValue::from_static(IGNORED);
                    response.headers.push(("Warning".to_owned(), warning));
                }
                (settled, cached)
            }
        }
    }

    async fn find_or_make(
        &self,
        clock: &dyn Clock,
        making: impl Future<Output = Result<Response, Refusal>>,
    ) -> Settled {
        let find = || self.stage.find(&self.key, clock.instant());
        if let Some(kept) = find() {
            return (Ok(kept), Some(Cached::Hit));
        }
        let leader = match self.stage.flights.board(&self.key).await {
            Seat::Passenger(Landed::Shared(response)) => return (Ok(response), Some(Cached::Hit)),
            Seat::Passenger(Landed::Refused(refusal)) => {
                return (Err(refusal), Some(Cached::Miss));
            }
            Seat::Passenger(Landed::EachItsOwn) => {
                return (self.make(clock, making).await, Some(Cached::Miss));
            }
            Seat::Leader(leader) => leader,
        };
        // Another leader may have landed between the look and the boarding.
        if let Some(kept) = find() {
            leader.land(Landed::Shared(kept.clone()));
            return (Ok(kept), Some(Cached::Hit));
        }
        let made = self.make(clock, making).await;
        leader.land(match &made {
            Ok(response) if cache::is_shareable(response) => Landed::Shared(response.clone()),
            Ok(_) => Landed::EachItsOwn,
            Err(refusal) => Landed::Refused(refusal.clone()),
        });
        (made, Some(Cached::Miss))
    }

    async fn make(
        &self,
        clock: &dyn Clock,
        making: impl Future<Output = Result<Response, Refusal>>,
    ) -> Result<Response, Refusal> {
        let begun = self.stage.begin(clock.instant());
        let response = making.await?;
        let now = clock.instant();
        self.stage
            .keep(&self.key, &response, self.rule.ttl, (begun, now));
        Ok(response)
    }
}

impl ApplicationHandler {
    /// Bounds what the caches of all stages hold together, from the next revision on.
    #[must_use]
    pub fn with_cache_bytes(mut self, bytes_max: u64) -> Self {
        self.cache_bytes_max = bytes_max;
        self
    }

    /// Forgets the replies that a stage keeps; those of one route (`GET /pets/{id}`), or all. Says whether there is such a
    /// cache.
    pub fn flush_cache(&self, api: &ApiId, stage: &StageName, route: Option<&str>) -> bool {
        let table = self.table();
        let Some(api) = table.api(api, stage) else {
            return false;
        };
        let Some(cache) = &api.cache else {
            return false;
        };
        match route {
            None => cache.empty(),
            Some(key) => {
                let rule = api.route(key).and_then(|route| route.cache.as_ref());
                let Some(rule) = rule else { return false };
                cache.empty_method(rule, key);
            }
        }
        true
    }
}

fn forbidden() -> Refusal {
    Refusal::new(
        Fault::Forbidden,
        "`Cache-Control: max-age=0` asks for a new reply, which this method makes for callers with \
         `execute-api:InvalidateCache` alone; sign the request, or set `RequireAuthorizationForCacheControl: false`",
    )
}
