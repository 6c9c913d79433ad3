//! What services keep and manifests refer to: parameters, outputs of stacks, objects.
//!
//! Lives here: looking it up in a server's state, and what stands in for it in a check, which sees no state.
//! Does not live here: files and variables (`answer`), what is made of the values (`manifest`).

use std::sync::{Arc, Mutex, PoisonError};

use deployment::{Deployer, LookedUp};
use interfaces::BoxFuture;
use interfaces::objects::{ObjectName, ReadObjects};
use interfaces::stored_values::{Found, Kind, NoValue, Reference, StoredValues, Wanted};
use manifest::reading::Need;
use model::ids::{AccountId, Region, StackName};
use serde_json::json;

/// The largest object that stands for a part of a manifest.
const OBJECT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Parameters below it are secrets.
const OF_SECRETS: &str = "/aws/reference/secretsmanager/";

/// Looks up what services keep.
pub(crate) trait Kept: Send + Sync {
    /// The answer to one of the needs that are about services; none: there is no such thing.
    fn answer<'a>(&'a self, need: &'a Need) -> BoxFuture<'a, Option<String>>;
}

/// A server's own state.
pub(crate) struct InState<'s> {
    pub(crate) values: &'s Arc<dyn StoredValues>,
    pub(crate) objects: &'s Arc<dyn ReadObjects>,
    pub(crate) deployer: &'s Deployer,
    /// What was found of secrets.
    pub(crate) looked_up: Mutex<LookedUp>,
}

impl Kept for InState<'_> {
    fn answer<'a>(&'a self, need: &'a Need) -> BoxFuture<'a, Option<String>> {
        Box::pin(async move {
            match need {
                Need::Parameter { region, name } => {
                    let wanted = Wanted {
                        account: AccountId::development(),
                        region: Region::new(region.clone()),
                        reference: reference(name),
                    };
                    let found = self.values.look_up(&wanted).await.ok()?;
                    let noted = self.looked_up.lock();
                    noted
                        .unwrap_or_else(PoisonError::into_inner)
                        .note(found.kind, &found.value);
                    Some(parameter(&found))
                }
                Need::Output {
                    region,
                    stack,
                    name,
                } => {
                    let account = AccountId::development();
                    let (region, stack) =
                        (Region::new(region.clone()), StackName::new(stack.clone()));
                    let outputs = self
                        .deployer
                        .outputs(&account, &region, &stack)
                        .await
                        .ok()?;
                    outputs.get(name).map(ToString::to_string)
                }
                Need::Object { bucket, key } => {
                    let object = ObjectName {
                        bucket: bucket.clone(),
                        key: key.clone(),
                        version: None,
                        bytes_max: OBJECT_BYTES_MAX,
                    };
                    let bytes = self.objects.read(&object).await.ok()?;
                    String::from_utf8(bytes.to_vec()).ok()
                }
                Need::File(_) | Need::Environment(_) | Need::Module(_) => None,
            }
        })
    }
}

fn reference(name: &str) -> Reference {
    match name.strip_prefix(OF_SECRETS) {
        Some(id) => Reference::Secret {
            id: id.to_owned(),
            stage: None,
            version: None,
        },
        None => Reference::Parameter(name.to_owned()),
    }
}

fn parameter(found: &Found) -> String {
    let kind = match found.kind {
        Kind::Text | Kind::StandIn => "text",
        Kind::List => "list",
        Kind::Secret => "secret",
    };
    json!({"value": found.value, "kind": kind}).to_string()
}

/// What a check finds: a name stands in for each value, since what is kept is known to a server alone.
pub(crate) struct StandIns;

impl Kept for StandIns {
    fn answer<'a>(&'a self, need: &'a Need) -> BoxFuture<'a, Option<String>> {
        let answer = match need {
            Need::Parameter { name, .. } => {
                Some(json!({"value": name, "kind": "text"}).to_string())
            }
            Need::Output { stack, name, .. } => Some(json!(format!("{stack}.{name}")).to_string()),
            Need::Object { bucket, key } => Some(format!("{bucket}/{key}")),
            Need::File(_) | Need::Environment(_) | Need::Module(_) => None,
        };
        Box::pin(std::future::ready(answer))
    }
}

impl StoredValues for StandIns {
    fn look_up<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Found, NoValue>> {
        let (Reference::Parameter(name) | Reference::Secret { id: name, .. }) = &wanted.reference;
        let found = Found {
            value: name.clone(),
            kind: Kind::StandIn,
        };
        Box::pin(std::future::ready(Ok(found)))
    }
}
