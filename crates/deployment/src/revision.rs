//! The id of a deployed state.
//!
//! Lives here: computing it from the content, so that the same content has the same id.
//! Does not live here: what a revision serves (`application`).

use std::collections::BTreeMap;

use model::ids::{RevisionId, StackName};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::deployed::DeployedResource;

/// How many hexadecimal digits an id has.
const DIGITS: usize = 16;

/// The id of this state of a stack.
pub(crate) fn of(
    stack: &StackName,
    resources: &[DeployedResource],
    outputs: &BTreeMap<String, Value>,
) -> RevisionId {
    let mut hash = Sha256::new();
    hash.update(stack.as_str());
    for resource in resources {
        let content = json!([
            resource.logical_id.as_str(),
            resource.resource_type,
            resource.physical_id,
            resource.properties,
            resource.attributes,
        ]);
        hash.update([0]);
        hash.update(content.to_string());
    }
    hash.update([1]);
    hash.update(json!(outputs).to_string());
    let mut digits = hex::encode(hash.finalize());
    digits.truncate(DIGITS);
    RevisionId::new(digits)
}
