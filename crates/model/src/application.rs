//! An application, as deployed: its functions and the doors through which they are reached.
//!
//! Lives here: the immutable snapshot that one revision is.
//! Does not live here: how it is computed from a template (`deployment`), resources that keep state (their services).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::arn::Arn;
use crate::asynchronous::EventInvoke;
use crate::door::{ApiKey, CustomDomain, UsagePlan};
use crate::event_source::Mapping;
use crate::function::{Function, LATEST};
use crate::function_url::FunctionUrl;
use crate::http_api::HttpApi;
use crate::ids::{FunctionName, Region, RevisionId};
use crate::load_balancer::Listener;
use crate::rest_api::RestApi;
use crate::websocket_api::WebSocketApi;

/// One revision of an application. It is swapped whole and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// The revision's id.
    pub revision: RevisionId,
    /// The region that its ARNs name.
    pub region: Region,
    /// Its functions, by name: what runs when no qualifier is given, or `$LATEST`.
    pub functions: BTreeMap<FunctionName, Arc<Function>>,
    /// What runs under a function's qualifiers: the numbers of its published versions, and its aliases.
    pub qualified: BTreeMap<FunctionName, BTreeMap<String, Arc<Function>>>,
    /// Its REST APIs.
    pub rest_apis: Vec<RestApi>,
    /// Its HTTP APIs.
    pub http_apis: Vec<HttpApi>,
    /// Its WebSocket APIs.
    pub websocket_apis: Vec<WebSocketApi>,
    /// What reads streams and calls its functions with their records.
    pub event_sources: Vec<Mapping>,
    /// What sets functions and other targets going besides requests, for people to read.
    pub triggers: Vec<Trigger>,
    /// How functions are called asynchronously, where that differs from the default: by name, then by qualifier
    /// ([`LATEST`] for the unqualified function).
    pub event_invokes: BTreeMap<FunctionName, BTreeMap<String, EventInvoke>>,
    /// Queues and topics that get the events which functions failed to handle: `DeadLetterConfig`.
    pub dead_letters: BTreeMap<FunctionName, Arn>,
    /// Functions that are called on, however often one chain of requests called them: `RecursiveLoop: Allow`.
    pub may_recur: BTreeSet<FunctionName>,
    /// Aliases of which a part of the calls goes to another version: by function, then by alias.
    pub shifts: BTreeMap<FunctionName, BTreeMap<String, Shift>>,
    /// Who may call functions besides those whose own policies say so, as JSON policies: by name, then by qualifier
    /// ([`LATEST`] for the unqualified function).
    pub function_policies: BTreeMap<FunctionName, BTreeMap<String, Arc<str>>>,
    /// Addresses of single functions.
    pub function_urls: Vec<FunctionUrl>,
    /// Keys by which callers of its REST APIs are counted.
    pub api_keys: Vec<ApiKey>,
    /// What the holders of keys may do.
    pub usage_plans: Vec<UsagePlan>,
    /// Host names of its own.
    pub domains: Vec<CustomDomain>,
    /// Listeners of load balancers that lead to its functions.
    pub listeners: Vec<Listener>,
}

/// A part of an alias's calls goes to another version than the alias stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// The number of that version, one of the same function.
    pub version: String,
    /// How many of a million calls.
    pub millionths: u32,
}

/// One way of events, as it is shown: from a source to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// `queue`, `stream`, `rule`, `schedule`, `topic`, `bucket` or `log`.
    pub kind: String,
    /// What they come from: a name, or the expression of a schedule.
    pub source: String,
    /// Who gets them: a name or an address.
    pub target: String,
    /// Whether it is on.
    pub is_enabled: bool,
}

impl Application {
    /// An application without any part.
    #[must_use]
    pub fn empty(revision: RevisionId) -> Self {
        Self {
            revision,
            region: Region::new("us-east-1"),
            functions: BTreeMap::new(),
            qualified: BTreeMap::new(),
            rest_apis: Vec::new(),
            http_apis: Vec::new(),
            websocket_apis: Vec::new(),
            event_sources: Vec::new(),
            triggers: Vec::new(),
            event_invokes: BTreeMap::new(),
            dead_letters: BTreeMap::new(),
            may_recur: BTreeSet::new(),
            shifts: BTreeMap::new(),
            function_policies: BTreeMap::new(),
            function_urls: Vec::new(),
            api_keys: Vec::new(),
            usage_plans: Vec::new(),
            domains: Vec::new(),
            listeners: Vec::new(),
        }
    }

    /// What runs when this function is called by this qualifier.
    #[must_use]
    pub fn function(&self, name: &FunctionName, qualifier: Option<&str>) -> Option<&Arc<Function>> {
        match qualifier {
            None | Some(LATEST) => self.functions.get(name),
            Some(qualifier) => self.qualified.get(name)?.get(qualifier),
        }
    }

    /// The same, but nothing is started ahead of events: for whoever is there for one event only.
    #[must_use]
    pub fn without_provisioned(&self) -> Self {
        let mut application = self.clone();
        let latest = application.functions.values_mut();
        let qualified = application.qualified.values_mut();
        for function in latest.chain(qualified.flat_map(BTreeMap::values_mut)) {
            if function.provisioned_concurrency != 0 {
                Arc::make_mut(function).provisioned_concurrency = 0;
            }
        }
        application
    }

    /// All versions of all functions, each once.
    #[must_use]
    pub fn versions(&self) -> Vec<&Arc<Function>> {
        let qualified = self.qualified.values().flat_map(BTreeMap::values);
        let all = self.functions.values().chain(qualified);
        let by_version: BTreeMap<_, _> = all
            .map(|function| ((&function.name, &function.version), function))
            .collect();
        by_version.into_values().collect()
    }
}
