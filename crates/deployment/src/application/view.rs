//! A deployed resource, as the rest of this folder looks at it.
//!
//! Lives here: finding resources, reading their evaluated properties, and where a property stands in the manifest.
//! Does not live here: deploying (the engine), what the properties mean (the sibling files).

use std::collections::BTreeSet;

use cloudformation::node::Node;
use interfaces::resource_provider::Properties;
use model::ids::LogicalId;
use model::problem::Place;
use serde_json::Value;

use crate::records::text_of;

/// One deployed resource.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resource<'a> {
    /// Its name in the template.
    pub(super) logical_id: &'a LogicalId,
    /// Its type.
    pub(super) resource_type: &'a str,
    /// What `Ref` gives.
    pub(super) physical_id: &'a str,
    /// Its properties, evaluated.
    pub(super) properties: &'a Properties,
    /// What `GetAtt` gives.
    pub(super) attributes: &'a Properties,
    /// Where the manifest declares it.
    pub(super) place: &'a Place,
    /// The resource in the template, intrinsics and all.
    pub(super) node: &'a Node,
}

/// All deployed resources.
#[derive(Debug, Clone)]
pub(super) struct View<'a> {
    pub(super) resources: Vec<Resource<'a>>,
    /// Names of what is not there, as has been reported: nothing that leads there is a mistake of its own.
    pub(super) stood_in: &'a BTreeSet<String>,
}

impl<'a> View<'a> {
    /// The resources of one type, in the template's order.
    pub(super) fn of_type<'s>(
        &'s self,
        resource_type: &'s str,
    ) -> impl Iterator<Item = &'s Resource<'a>> {
        self.resources
            .iter()
            .filter(move |resource| resource.resource_type == resource_type)
    }

    /// The resources of one type that belong to an API, in the template's order.
    pub(super) fn of_api<'s>(
        &'s self,
        resource_type: &'s str,
        api_property: &'s str,
        api: &'s str,
    ) -> impl Iterator<Item = &'s Resource<'a>> {
        self.of_type(resource_type)
            .filter(move |resource| resource.text(api_property).as_deref() == Some(api))
    }
}

impl Resource<'_> {
    /// A property that is a scalar, as text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.properties.get(name).and_then(text_of)
    }

    /// A property that is a whole number, or the text of one.
    pub(super) fn whole(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// Whether a property is `true`, or the text of it.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.text(name).as_deref() == Some("true")
    }

    /// Where this property, or the nearest one around it that was written down, stands.
    pub(super) fn place_of(&self, path: &[&str]) -> Place {
        let mut node = self.node;
        let mut place = self.place;
        for step in std::iter::once(&"Properties").chain(path) {
            match node.at_path([*step]) {
                Some(inner) => {
                    node = inner;
                    place = &inner.place;
                }
                None => break,
            }
        }
        place.clone()
    }
}

/// Why an API cannot be served when its definition is kept elsewhere.
pub(super) fn unread_definition(api: &Resource<'_>) -> Option<&'static str> {
    api.properties
        .contains_key("BodyS3Location")
        .then_some("its definition is in a bucket, which is not read: Amazon S3 is not served yet")
}

/// A mapping of names to texts; what is no text is left out, as `records` has reported it.
pub(super) fn texts_of(value: Option<&Value>) -> std::collections::BTreeMap<String, String> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), text_of(value)?)))
        .collect()
}

/// A list of texts.
pub(super) fn list_of(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(text_of)
        .collect()
}
