//! What a template's functions find around them during a deployment.
//!
//! Lives here: answers from resources that stand, from exports, and plausible ones for what is not there.
//! Does not live here: evaluating (`cloudformation::intrinsics`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::looked_up::LookedUp;
use crate::records::KEPT_BACK;
use cloudformation::intrinsics::{Environment, Lookup, Scope};
use cloudformation::template::Resource;
use interfaces::resource_provider::Made;
use model::arn::Arn;
use model::ids::{FunctionName, LogicalId};
use serde_json::Value;

use crate::state::ExportRecord;

/// How a resource of the template stands so far.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Standing {
    /// It exists.
    Made(Made),
    /// It is not there, since it failed or its type is not known here, and a problem says so. This name stands in for
    /// it, so that what refers to it runs as far as it can.
    StoodIn {
        /// The name.
        name: String,
    },
}

/// Everything around a template.
pub(crate) struct World<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) standing: &'a BTreeMap<LogicalId, Standing>,
    pub(crate) exports: &'a BTreeMap<String, ExportRecord>,
    pub(crate) stored: &'a Stored,
}

/// Values of dynamic references: those that are known, and those that an evaluation came upon. Looking one up waits, and an
/// evaluation does not: what it lacks is looked up behind it, and it is carried out again.
#[derive(Default)]
pub(crate) struct Stored {
    known: BTreeMap<(String, String), Lookup>,
    wanted: Mutex<BTreeSet<(String, String)>>,
    pub(crate) looked_up: LookedUp,
}

impl Stored {
    /// What the last evaluation came upon and nobody knows; asked once.
    pub(crate) fn take_wanted(&mut self) -> BTreeSet<(String, String)> {
        let wanted = self.wanted.get_mut();
        std::mem::take(wanted.unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn know(&mut self, reference: (String, String), lookup: Lookup) {
        self.known.insert(reference, lookup);
    }

    /// Forgets what is not there: a resource that is made meanwhile may make it.
    pub(crate) fn forget_missing(&mut self) {
        self.known
            .retain(|_, lookup| matches!(lookup, Lookup::Found(_)));
    }

    fn look(&self, service: &str, key: &str) -> Lookup {
        let reference = (service.to_owned(), key.to_owned());
        if let Some(known) = self.known.get(&reference) {
            return known.clone();
        }
        let wanted = self.wanted.lock();
        wanted
            .unwrap_or_else(PoisonError::into_inner)
            .insert(reference);
        Lookup::Silent
    }
}

impl Scope for World<'_> {
    fn reference(&self, resource: &Resource) -> Lookup {
        match self.standing.get(&resource.logical_id) {
            Some(Standing::Made(made)) => Lookup::Found(made.physical_id.clone().into()),
            Some(Standing::StoodIn { name }) => Lookup::Found(name.clone().into()),
            None => Lookup::Silent,
        }
    }

    fn attribute(&self, resource: &Resource, attribute: &str) -> Lookup {
        match self.standing.get(&resource.logical_id) {
            Some(Standing::Made(made)) => match attribute_of(made, attribute) {
                Some(value) => Lookup::Found(value.clone()),
                None => Lookup::Missing(attributes_of(made)),
            },
            Some(Standing::StoodIn { name }) => {
                Lookup::Found(self.plausible(&resource.resource_type, name, attribute))
            }
            None => Lookup::Silent,
        }
    }

    fn import(&self, export: &str) -> Lookup {
        match self.exports.get(export) {
            Some(record) => Lookup::Found(record.value.clone()),
            // A check begins with nothing, and cannot know what other stacks export.
            None => Lookup::Missing(format!(
                "CloudFormation: no export named {export} found; no stack that exports it was deployed here \
                 (a check sees no other stacks)"
            )),
        }
    }

    fn dynamic(&self, service: &str, key: &str) -> Lookup {
        self.stored.look(service, key)
    }
}

impl World<'_> {
    /// What an attribute of a resource that is not there could look like. The name of a function must be found in its
    /// ARN: routes lead to it.
    fn plausible(&self, resource_type: &str, name: &str, attribute: &str) -> Value {
        if resource_type == "AWS::Lambda::Function" && attribute == "Arn" {
            let Environment {
                region, account, ..
            } = self.environment;
            return Value::String(
                Arn::of_function(region, account, &FunctionName::new(name)).to_string(),
            );
        }
        if attribute.ends_with("Arn") {
            let service = resource_type.split("::").nth(1).unwrap_or("custom");
            let environment = self.environment;
            let arn = Arn::new(
                &service.to_lowercase(),
                &environment.region,
                &environment.account,
                name,
            );
            return Value::String(arn.to_string());
        }
        if attribute.ends_with("Url") || attribute.ends_with("Uri") {
            return Value::String(format!("https://{}.invalid/", name.to_lowercase()));
        }
        Value::String(name.to_owned())
    }
}

fn attribute_of<'a>(made: &'a Made, attribute: &str) -> Option<&'a Value> {
    let value = made.attributes.get(attribute);
    value.filter(|_| !attribute.starts_with(KEPT_BACK))
}

fn attributes_of(made: &Made) -> String {
    let names = made.attributes.keys().map(String::as_str);
    let names: Vec<&str> = names.filter(|name| !name.starts_with(KEPT_BACK)).collect();
    if names.is_empty() {
        return "it has no attributes here".to_owned();
    }
    format!("its attributes here are {}", names.join(", "))
}
