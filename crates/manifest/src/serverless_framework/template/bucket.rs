//! The bucket that code is uploaded to.
//!
//! Lives here: the bucket, its policy and its output, or the name of a bucket that exists.
//! Does not live here: uploading; here, code runs where it lies.

use cloudformation::node::Node;
use model::problem::Place;
use serde_json::json;

use super::{Draft, tag_list};
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::script;
use crate::serverless_framework::service::Service;

pub(super) const LOGICAL_ID: &str = "ServerlessDeploymentBucket";

pub(super) fn write(service: &Service<'_>, draft: &mut Draft) {
    let own = service.setting("deploymentBucket");
    let place = own.map_or(&service.root.place, |node| &node.place);
    if let Some(name) = service.deployment_bucket() {
        let output = Object::new(place).with("Value", name);
        draft.add_output("ServerlessDeploymentBucketName", output);
        return;
    }
    let option = |key: &str| script::truthy(own.and_then(|bucket| bucket.get(key)));
    let mut properties = Object::new(place).with(
        "BucketEncryption",
        json!({"ServerSideEncryptionConfiguration": [
            {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        ]}),
    );
    if let Some(tags) = option("tags") {
        properties.set("Tags", tag_list(&[tags], &tags.place));
    }
    if option("blockPublicAccess").is_some() {
        properties.set(
            "PublicAccessBlockConfiguration",
            json!({
                "BlockPublicAcls": true, "BlockPublicPolicy": true,
                "IgnorePublicAcls": true, "RestrictPublicBuckets": true,
            }),
        );
    }
    if option("versioning").is_some() {
        properties.set("VersioningConfiguration", json!({"Status": "Enabled"}));
    }
    draft.add(LOGICAL_ID, build::resource("AWS::S3::Bucket", properties));
    if option("skipPolicySetup").is_none() {
        draft.add("ServerlessDeploymentBucketPolicy", policy(place));
    }
    let output = Object::new(place).with("Value", build::reference(LOGICAL_ID, place));
    draft.add_output("ServerlessDeploymentBucketName", output);
}

/// The bucket that code lies in, as functions and layers name it.
pub(super) fn of_code(service: &Service<'_>, place: &Place) -> Node {
    service
        .deployment_bucket()
        .cloned()
        .unwrap_or_else(|| build::reference(LOGICAL_ID, place))
}

/// Refuses what is not encrypted on its way.
fn policy(place: &Place) -> Object {
    let arn = |suffix: Option<&str>| {
        let mut parts = build::arn_parts(&["arn:", "AWS::Partition", ":s3:::"], place);
        parts.push(build::reference(LOGICAL_ID, place));
        parts.extend(suffix.map(|suffix| Node::string(suffix, place)));
        build::joined("", parts, place)
    };
    let statement = Object::new(place)
        .with("Action", "s3:*")
        .with("Effect", "Deny")
        .with("Principal", "*")
        .with("Resource", vec![arn(Some("/*")), arn(None)])
        .with("Condition", json!({"Bool": {"aws:SecureTransport": false}}));
    let document = Object::new(place).with("Statement", vec![statement]);
    let properties = Object::new(place)
        .with("Bucket", build::reference(LOGICAL_ID, place))
        .with("PolicyDocument", document);
    build::resource("AWS::S3::BucketPolicy", properties)
}
