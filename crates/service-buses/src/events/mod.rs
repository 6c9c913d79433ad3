//! The API of EventBridge.
//!
//! Lives here: which operation a request names, what each may be done by (`checks`), one file for each kind of thing.
//! Does not live here: what it is done to (`engine`).
//!
//! Contract: Amazon EventBridge API Reference.

mod archives;
mod buses;
mod checks;
mod connections;
mod destinations;
mod listing;
mod permissions;
mod put_events;
mod replays;
mod rules;
mod tags;
pub(crate) mod targets;

use interfaces::authorize::Check;
use interfaces::service::ServiceCall;
use model::arn::Arn;
use model::ids::{AccountId, Region};
use model::time::Timestamp;
use serde_json::{Number, Value};

use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::engine::state::DEFAULT;
use crate::fault::{Answer, Fault};
use crate::fields::Fields;

pub(crate) use archives::{
    Wish as ArchiveWish, arn as archive_arn, create as create_archive, delete as delete_archive,
};
pub(crate) use buses::{Wish as BusWish, create as create_bus, delete as delete_bus};
pub(crate) use connections::{create as create_connection, read_parameters, secret_arn};
pub(crate) use destinations::create as create_destination;
pub(crate) use permissions::{policy_of, read_policy, statements};
pub(crate) use rules::{Wish as RuleWish, delete as delete_rule, put as put_rule};
pub(crate) use tags::shown as shown_tags;

/// The operations that are carried out, and those that are refused by name.
pub(crate) const SUPPORTED: &[&str] = &[
    "CancelReplay",
    "CreateApiDestination",
    "CreateArchive",
    "CreateConnection",
    "CreateEventBus",
    "DeauthorizeConnection",
    "DeleteApiDestination",
    "DeleteArchive",
    "DeleteConnection",
    "DeleteEventBus",
    "DeleteRule",
    "DescribeApiDestination",
    "DescribeArchive",
    "DescribeConnection",
    "DescribeEventBus",
    "DescribeReplay",
    "DescribeRule",
    "DisableRule",
    "EnableRule",
    "ListApiDestinations",
    "ListArchives",
    "ListConnections",
    "ListEventBuses",
    "ListReplays",
    "ListRuleNamesByTarget",
    "ListRules",
    "ListTagsForResource",
    "ListTargetsByRule",
    "PutEvents",
    "PutPermission",
    "PutRule",
    "PutTargets",
    "RemovePermission",
    "RemoveTargets",
    "StartReplay",
    "TagResource",
    "TestEventPattern",
    "UntagResource",
    "UpdateApiDestination",
    "UpdateArchive",
    "UpdateConnection",
    "UpdateEventBus",
];

/// Refused by name: endpoints and partners come later.
pub(crate) const NOT_IMPLEMENTED: &[&str] = &[
    "ActivateEventSource",
    "CreateEndpoint",
    "CreatePartnerEventSource",
    "DeactivateEventSource",
    "DeleteEndpoint",
    "DeletePartnerEventSource",
    "DescribeEndpoint",
    "DescribeEventSource",
    "DescribePartnerEventSource",
    "ListEndpoints",
    "ListEventSources",
    "ListPartnerEventSourceAccounts",
    "ListPartnerEventSources",
    "PutPartnerEvents",
    "UpdateEndpoint",
];

/// Our own: `cloudless tick` makes a schedule fire.
pub(crate) const FIRE: &str = "CloudlessFire";

/// What an operation works with.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) catalogue: &'c Catalogue,
    pub(crate) place: &'c Place,
    /// The trace that the request belongs to.
    pub(crate) trace: Option<&'c str>,
}

/// A bus by its account, region and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BusRef {
    pub(crate) place: Place,
    pub(crate) name: String,
}

/// Whether an operation is carried out.
pub(crate) fn is_known(operation: &str) -> bool {
    operation == FIRE || SUPPORTED.contains(&operation)
}

pub(crate) async fn run(context: &Context<'_>, operation: &str, body: &[u8]) -> Answer {
    let fields = Fields::of_body(body)?;
    match operation {
        "CreateEventBus" => buses::create_event_bus(context, fields).await,
        "UpdateEventBus" => buses::update_event_bus(context, fields).await,
        "DeleteEventBus" => buses::delete_event_bus(context, fields).await,
        "DescribeEventBus" => buses::describe_event_bus(context, fields).await,
        "ListEventBuses" => buses::list_event_buses(context, fields).await,
        "PutPermission" => permissions::put_permission(context, fields).await,
        "RemovePermission" => permissions::remove_permission(context, fields).await,
        "PutRule" => rules::put_rule(context, fields).await,
        "DeleteRule" => rules::delete_rule(context, fields).await,
        "DescribeRule" => rules::describe_rule(context, fields).await,
        "ListRules" => rules::list_rules(context, fields).await,
        "EnableRule" => rules::switch(context, fields, "ENABLED").await,
        "DisableRule" => rules::switch(context, fields, "DISABLED").await,
        "TestEventPattern" => rules::test_event_pattern(fields),
        "PutTargets" => targets::put_targets(context, fields).await,
        "RemoveTargets" => targets::remove_targets(context, fields).await,
        "ListTargetsByRule" => targets::list_targets_by_rule(context, fields).await,
        "ListRuleNamesByTarget" => targets::list_rule_names_by_target(context, fields).await,
        "PutEvents" => put_events::put_events(context, fields).await,
        "TagResource" => tags::tag_resource(context, fields).await,
        "UntagResource" => tags::untag_resource(context, fields).await,
        "ListTagsForResource" => tags::list_tags_for_resource(context, fields).await,
        "CreateConnection" => connections::create_connection(context, fields).await,
        "UpdateConnection" => connections::update_connection(context, fields).await,
        "DeauthorizeConnection" => connections::deauthorize_connection(context, fields).await,
        "DeleteConnection" => connections::delete_connection(context, fields).await,
        "DescribeConnection" => connections::describe_connection(context, fields).await,
        "ListConnections" => connections::list_connections(context, fields).await,
        "CreateApiDestination" => destinations::create_api_destination(context, fields).await,
        "UpdateApiDestination" => destinations::update_api_destination(context, fields).await,
        "DeleteApiDestination" => destinations::delete_api_destination(context, fields).await,
        "DescribeApiDestination" => destinations::describe_api_destination(context, fields).await,
        "ListApiDestinations" => destinations::list_api_destinations(context, fields).await,
        "CreateArchive" => archives::create_archive(context, fields).await,
        "UpdateArchive" => archives::update_archive(context, fields).await,
        "DeleteArchive" => archives::delete_archive(context, fields).await,
        "DescribeArchive" => archives::describe_archive(context, fields).await,
        "ListArchives" => archives::list_archives(context, fields).await,
        "StartReplay" => replays::start_replay(context, fields).await,
        "CancelReplay" => replays::cancel_replay(context, fields).await,
        "DescribeReplay" => replays::describe_replay(context, fields).await,
        "ListReplays" => replays::list_replays(context, fields).await,
        FIRE => rules::fire(context, fields).await,
        name if NOT_IMPLEMENTED.contains(&name) => {
            Err(Fault::not_implemented(&format!("the operation {name}")))
        }
        name => Err(Fault::new(
            "UnknownOperationException",
            format!("The operation {name} is not known."),
        )),
    }
}

/// What a request would do, and to what.
pub(crate) async fn checks(
    catalogue: &Catalogue,
    place: &Place,
    operation: &str,
    call: &ServiceCall,
) -> Vec<Check> {
    checks::checks(catalogue, place, operation, &call.body).await
}

impl BusRef {
    /// Reads a name or an ARN; none is the default bus.
    pub(crate) fn read(given: Option<&str>, place: &Place) -> Self {
        let given = given.unwrap_or(DEFAULT);
        let arn = Arn::parse(given).ok().filter(|arn| arn.service == "events");
        let of_arn = |arn: Arn| {
            let name = arn.resource.strip_prefix("event-bus/")?.to_owned();
            let place = Place {
                account: AccountId::new(arn.account),
                region: Region::new(arn.region),
            };
            Some(Self { place, name })
        };
        arn.and_then(of_arn).unwrap_or_else(|| Self {
            place: place.clone(),
            name: given.to_owned(),
        })
    }

    pub(crate) fn arn(&self) -> String {
        self.place.bus_arn(&self.name).to_string()
    }
}

/// Seconds since the epoch, as JSON 1.1 tells times.
pub(crate) fn seconds(at: Timestamp) -> Value {
    let ms = Number::from(at.epoch_ms());
    let seconds = ms.as_f64().unwrap_or_default() / 1_000.0;
    seconds.into()
}
