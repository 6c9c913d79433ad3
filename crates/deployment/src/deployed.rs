//! What goes into a deployment, and what comes out of it.
//!
//! Lives here: plain data.
//! Does not live here: deploying (`apply`), checking (`check`), assembling an application (`application`).

use std::collections::{BTreeMap, BTreeSet};

use cloudformation::node::Node;
use cloudformation::template::Template;
use interfaces::resource_provider::Properties;
use model::ids::{AccountId, LogicalId, Region, RevisionId, StackName};
use model::problem::{Place, Problem};
use serde_json::Value;

use crate::looked_up::LookedUp;

/// One stack, as it should be.
#[derive(Debug, Clone, Copy)]
pub struct DeployRequest<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// The region.
    pub region: &'a Region,
    /// The stack's name.
    pub stack: &'a StackName,
    /// Its template.
    pub template: &'a Template,
    /// Values for the template's parameters.
    pub parameters: &'a BTreeMap<String, String>,
    /// What was found of secrets when the template was written.
    pub looked_up: &'a LookedUp,
    /// What happens to resources that the template no longer has.
    pub removals: Removals,
}

/// What happens to resources that the template no longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removals {
    /// Their policy decides, once everything else has succeeded; until then, and as long as the template itself has
    /// errors, nothing is deleted.
    ByPolicy,
    /// They stay as they are: for a manifest that was read with errors, since what is missing may only be misspelt,
    /// and a table's data does not come back.
    Postpone,
}

/// A stack, as it is after a deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployed {
    /// Its revision: the same for the same content.
    pub revision: RevisionId,
    /// What exists, in the order in which it was made. What failed or was skipped is missing.
    pub resources: Vec<DeployedResource>,
    /// The names that stand in for what failed or was skipped, of which the problems speak.
    pub stood_in: BTreeSet<String>,
    /// The values of the template's outputs.
    pub outputs: BTreeMap<String, Value>,
    /// Values that problems do not repeat, or are not about.
    pub looked_up: LookedUp,
    /// What this deployment did.
    pub changes: Changes,
    /// What kept data and was deleted, with its data: what left the template, and what was replaced.
    pub emptied: Vec<Emptied>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// A resource that kept data, and was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emptied {
    /// Its type.
    pub resource_type: String,
    /// What `Ref` gave.
    pub physical_id: String,
    /// How many items went with it.
    pub items: u64,
    /// Whether another took its place; if not, it left the template.
    pub is_replaced: bool,
}

/// One resource that exists.
#[derive(Debug, Clone, PartialEq)]
pub struct DeployedResource {
    /// Its name in the template.
    pub logical_id: LogicalId,
    /// Its type.
    pub resource_type: String,
    /// What `Ref` gives.
    pub physical_id: String,
    /// Its properties, evaluated.
    pub properties: Properties,
    /// What `GetAtt` gives.
    pub attributes: Properties,
    /// Where its name stands in the manifest.
    pub place: Place,
    /// The resource in the template, with `Type` and `Properties`: for the places of its parts.
    pub node: Node,
}

/// What a deployment did, by resource, in the order in which it was done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Made.
    pub created: Vec<LogicalId>,
    /// Changed in place.
    pub updated: Vec<LogicalId>,
    /// Made anew, since a property cannot be changed.
    pub replaced: Vec<LogicalId>,
    /// Deleted, since they are no longer in the template.
    pub deleted: Vec<LogicalId>,
    /// No longer in the template, but kept by their policy. They are not looked after any more.
    pub kept: Vec<LogicalId>,
    /// Not made, changed or deleted, since that failed.
    pub failed: Vec<LogicalId>,
    /// Not tried, since what they depend on is not there.
    pub skipped: Vec<LogicalId>,
}

impl Changes {
    /// Whether nothing was done, and nothing went wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
