//! Layers.
//!
//! Lives here: the layer's version, who may use it, and its outputs.
//! Does not live here: its content (`artefacts`).

use cloudformation::node::{Entry, Node};
use sha2::{Digest, Sha256};

use super::{Draft, bucket};
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::Service;
use crate::serverless_framework::{naming, script};

pub(super) fn write(service: &Service<'_>, draft: &mut Draft) {
    for layer in service.layers() {
        write_one(service, layer, draft);
    }
}

/// The layer's name in the template. A retained layer's changes with what the manifest says of it.
///
/// Differs: the tool's hash covers the layer's files, too; nothing is packed here, so there are none.
pub(in crate::serverless_framework) fn logical_id(service: &Service<'_>, layer: &Entry) -> String {
    let id = naming::layer(&layer.key);
    if is_retained(layer) {
        format!("{id}{}", digest(service, layer))
    } else {
        id
    }
}

fn write_one(service: &Service<'_>, layer: &Entry, draft: &mut Draft) {
    let place = &layer.key_place;
    let id = logical_id(service, layer);
    let digest = digest(service, layer);
    let key = s3_key(service, layer);
    let mut properties = properties(service, layer);
    let content = Object::new(place)
        .with("S3Bucket", bucket::of_code(service, place))
        .with("S3Key", &key);
    properties.set("Content", content);
    let retention = is_retained(layer).then_some("Retain");
    let resource = build::resource("AWS::Lambda::LayerVersion", properties)
        .with_some("DeletionPolicy", retention);
    draft.add(&id, resource);
    let accounts = layer
        .value
        .get("allowedAccounts")
        .and_then(Node::as_sequence);
    for account in accounts.unwrap_or_default() {
        let name = script::text_of(account).unwrap_or_default();
        let permission = Object::new(&account.place)
            .with("Action", "lambda:GetLayerVersion")
            .with("LayerVersionArn", build::reference(&id, place))
            .with("Principal", account);
        let permission = build::resource("AWS::Lambda::LayerVersionPermission", permission)
            .with_some("DeletionPolicy", retention);
        let suffix = if is_retained(layer) {
            digest.as_str()
        } else {
            ""
        };
        let id = format!(
            "{}{}LambdaLayerPermission{suffix}",
            naming::normalised(&layer.key),
            name.replacen('*', "Wild", 1)
        );
        draft.add(&id, permission);
    }
    let output = |what: &str, value: Node| {
        Object::new(place)
            .with("Description", format!("Current Lambda layer {what}"))
            .with("Value", value)
    };
    let stem = naming::layer(&layer.key);
    let version = output("version", build::reference(&id, place));
    draft.add_output(&format!("{stem}QualifiedArn"), version);
    let hash = output("hash", Node::string(digest, place));
    draft.add_output(&format!("{stem}Hash"), hash);
    let key = output("S3Key", Node::string(key, place));
    draft.add_output(&format!("{stem}S3Key"), key);
}

fn properties(service: &Service<'_>, layer: &Entry) -> Object {
    let place = &layer.key_place;
    let option = |key: &str| script::truthy(layer.value.get(key));
    let name = option("name").cloned();
    let bucket = Object::new(place).with("S3Bucket", bucket::of_code(service, place));
    Object::new(place)
        .with("Content", bucket)
        .with(
            "LayerName",
            name.unwrap_or_else(|| Node::string(layer.key.clone(), place)),
        )
        .with_some("Description", option("description"))
        .with_some("LicenseInfo", option("licenseInfo"))
        .with_some("CompatibleRuntimes", option("compatibleRuntimes"))
        .with_some("CompatibleArchitectures", option("compatibleArchitectures"))
}

fn s3_key(service: &Service<'_>, layer: &Entry) -> String {
    let own = layer.value.at_path(["package", "artifact"]);
    let file = script::truthy(own).and_then(script::text_of);
    let file = file.unwrap_or_else(|| format!("{}.zip", layer.key));
    let name = file.rsplit('/').next().unwrap_or_default();
    format!("{}/{name}", service.artefact_folder())
}

/// Forty hexadecimal digits, as the tool's hash has.
fn digest(service: &Service<'_>, layer: &Entry) -> String {
    let json = properties(service, layer).node().to_json().to_string();
    let mut digest = hex::encode(Sha256::digest(json.as_bytes()));
    digest.truncate(40);
    digest
}

fn is_retained(layer: &Entry) -> bool {
    script::truthy(layer.value.get("retain")).is_some()
}
