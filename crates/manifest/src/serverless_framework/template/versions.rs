//! Published versions of functions, and the aliases that stand on them.
//!
//! Lives here: the version's resource, output and name, aliases for provisioned concurrency and `snapStart`.
//! Does not live here: the functions themselves (`functions`).

use cloudformation::node::{Kind, Node};
use model::problem::Problem;
use sha2::{Digest, Sha256};

use super::Draft;
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::{naming, script};

/// Writes the version of a function with these properties, if it shall have one.
pub(super) fn write(
    service: &Service<'_>,
    function: Function<'_>,
    properties: &Node,
    draft: &mut Draft,
) {
    let own = function.own("versionFunction");
    let general = service.setting("versionFunctions");
    let is_versioned = own.or(general).is_none_or(script::is_true);
    let provisioned = script::truthy(function.node.get("provisionedConcurrency"));
    let snap_start = script::truthy(function.node.get("snapStart"));
    if !is_versioned && provisioned.is_none() && snap_start.is_none() {
        return;
    }
    if let (Some(_), Some(second)) = (provisioned, snap_start) {
        draft.problems.push(
            Problem::error(
                "manifest::snap-start-with-provisioned-concurrency",
                format!(
                    "the function `{}` has `snapStart` and `provisionedConcurrency`",
                    function.key
                ),
            )
            .at(&second.place)
            .because("Lambda supports one of them at a time")
            .help("remove one of them"),
        );
    }
    let place = function.place;
    let version_id = naming::function_version(function.key, &digest(properties));
    let version_properties = Object::new(place)
        .with(
            "FunctionName",
            build::reference(&function.logical_id(), place),
        )
        .with_some(
            "Description",
            script::truthy(function.node.get("description")),
        );
    let version = build::resource("AWS::Lambda::Version", version_properties)
        .with_some("DeletionPolicy", is_versioned.then_some("Retain"));
    draft.add(&version_id, version);
    let output = Object::new(place)
        .with("Description", "Current Lambda function version")
        .with("Value", build::reference(&version_id, place));
    draft.add_output(&format!("{}QualifiedArn", function.logical_id()), output);
    if let Some(alias) = function.alias() {
        let concurrency = provisioned
            .filter(|_| snap_start.is_none())
            .map(|count| Object::new(&count.place).with("ProvisionedConcurrentExecutions", count));
        let alias_properties = Object::new(place)
            .with(
                "FunctionName",
                build::reference(&function.logical_id(), place),
            )
            .with(
                "FunctionVersion",
                build::attribute(&version_id, "Version", place),
            )
            .with("Name", alias.name)
            .with_some("ProvisionedConcurrencyConfig", concurrency);
        let resource = build::resource("AWS::Lambda::Alias", alias_properties)
            .with("DependsOn", function.logical_id());
        draft.add(&alias.logical_id, resource);
    }
}

/// Changes with every setting that a version keeps.
///
/// Differs: the tool's hash covers the packed code, too, and `CodeSha256` says it; nothing is packed here, so a
/// version's name changes with its settings alone.
fn digest(properties: &Node) -> String {
    let mut kept = properties.clone();
    if let Kind::Mapping(mapping) = &mut kept.kind {
        for unversioned in ["Code", "ReservedConcurrentExecutions", "Tags"] {
            mapping.remove(unversioned);
        }
    }
    let hash = Sha256::digest(kept.to_json().to_string().as_bytes());
    let mut digest = hex::encode(hash);
    digest.truncate(40);
    digest
}
