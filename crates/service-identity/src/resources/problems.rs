//! What is wrong with the documents and policies of a resource, before anything is made.
//!
//! Lives here: documents that the cloud would refuse, policies of the cloud's own that are not known here.
//! Does not live here: the shapes of properties (`tables`).

use interfaces::resource_provider::{Properties, PropertyProblem};
use resource_types::{Details as _, problem_at, text_in, texts_in};
use serde_json::Value;

use crate::documents::{self, Of};
use crate::managed;

pub(super) fn find(
    resource_type: &str,
    properties: &Properties,
    problems: &mut Vec<PropertyProblem>,
) {
    if let Some(trust) = properties.get("AssumeRolePolicyDocument") {
        document(Of::Trust, trust, &["AssumeRolePolicyDocument"], problems);
    }
    if let Some(own) = properties.get("PolicyDocument") {
        document(Of::Identity, own, &["PolicyDocument"], problems);
    }
    let policies = properties.get("Policies").and_then(Value::as_array);
    for (index, policy) in policies.into_iter().flatten().enumerate() {
        let index = index.to_string();
        if let Some(own) = policy.get("PolicyDocument") {
            let path = ["Policies", index.as_str(), "PolicyDocument"];
            document(Of::Identity, own, &path, problems);
        }
    }
    for (index, arn) in texts_in(properties, "ManagedPolicyArns").iter().enumerate() {
        unknown(arn, &["ManagedPolicyArns", &index.to_string()], problems);
    }
    if let Some(boundary) = text_in(properties, "PermissionsBoundary") {
        unknown(&boundary, &["PermissionsBoundary"], problems);
    }
    if resource_type == "AWS::IAM::Policy"
        && ["Groups", "Roles", "Users"]
            .iter()
            .all(|name| texts_in(properties, name).is_empty())
    {
        let title = "the policy is of nobody".to_owned();
        let cause = "At least one of [Groups,Roles,Users] must be non-empty.";
        problems.push(problem_at(&[], title).because(cause));
    }
}

fn document(of: Of, value: &Value, path: &[&str], problems: &mut Vec<PropertyProblem>) {
    if let Err(why) = documents::from_template(of, value) {
        let title = "the policy document is malformed".to_owned();
        problems.push(problem_at(path, title).because(why));
    }
}

/// What is not known gives nothing.
fn unknown(arn: &str, path: &[&str], problems: &mut Vec<PropertyProblem>) {
    if managed::is_of_the_cloud(arn) && managed::find(arn).is_none() {
        let title = format!("the policy `{arn}` of the cloud's own is not known here");
        let mut problem = problem_at(path, title)
            .warning()
            .because("it gives nothing: what only it allows is refused");
        problem.help =
            Some("write the statements that are needed into a policy of the role's own".to_owned());
        problems.push(problem);
    }
}
