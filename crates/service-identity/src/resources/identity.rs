//! Physical ids and attributes, as AWS forms them.
//!
//! Lives here: what `Ref` and `GetAtt` give for each type, secrets of keys excepted.
//! Does not live here: making the resources (`grants`).
//!
//! Contract: AWS CloudFormation Template Reference, "Return values" of each type.

use interfaces::resource_provider::{Made, Properties, ResourceRequest};
use model::arn::PARTITION;
use resource_types::text_in;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::iam::linked_role;

/// IAM: the longest name.
const NAME_LENGTH_MAX: usize = 64;
/// Letters and digits of a unique id behind its kind, as the cloud writes them.
const ID_LENGTH: usize = 17;

/// What the resource is called, and what can be asked of it. The same request always gives the same answer.
pub(super) fn of(request: &ResourceRequest) -> Made {
    let (property, kind) = match request.resource_type.as_str() {
        "AWS::IAM::Role" => ("RoleName", "role"),
        "AWS::IAM::User" => ("UserName", "user"),
        "AWS::IAM::Group" => ("GroupName", "group"),
        "AWS::IAM::InstanceProfile" => ("InstanceProfileName", "instance-profile"),
        "AWS::IAM::ManagedPolicy" => return managed_policy(request),
        "AWS::IAM::ServiceLinkedRole" => return service_linked_role(request),
        "AWS::IAM::AccessKey" => return made(&access_key_id(request), json!({})),
        "AWS::IAM::UserToGroupAddition" => return made(&request.generated_name, json!({})),
        // `Policy`, `RolePolicy`, `UserPolicy`, `GroupPolicy`: a name that means nothing.
        _ => {
            return made(
                &request.generated_name,
                json!({"Id": request.generated_name}),
            );
        }
    };
    let name = name_of(request, property);
    let arn = arn(request, kind, &path_of(&request.properties), &name);
    match kind {
        "role" => made(
            &name,
            json!({"Arn": arn, "RoleId": unique_id(request, "AROA")}),
        ),
        _ => made(&name, json!({"Arn": arn})),
    }
}

/// The path of an identity; the one above all without any.
pub(super) fn path_of(properties: &Properties) -> String {
    text_in(properties, "Path").unwrap_or_else(|| "/".to_owned())
}

/// A unique id that is the same on every try.
pub(super) fn unique_id(request: &ResourceRequest, kind: &str) -> String {
    format!("{kind}{}", letters_of(request, ID_LENGTH))
}

fn access_key_id(request: &ResourceRequest) -> String {
    format!("AKIADEVKEY{}", letters_of(request, 10))
}

fn managed_policy(request: &ResourceRequest) -> Made {
    let name = name_of(request, "ManagedPolicyName");
    let arn = arn(request, "policy", &path_of(&request.properties), &name);
    made(&arn, json!({"PolicyArn": arn}))
}

/// A service that has none is refused when its role is made.
fn service_linked_role(request: &ResourceRequest) -> Made {
    let service = text_in(&request.properties, "AWSServiceName").unwrap_or_default();
    let suffix = text_in(&request.properties, "CustomSuffix");
    let draft = linked_role(&service, suffix.as_deref(), None);
    let (name, path) = draft.map_or_else(
        |_| (request.generated_name.clone(), "/".to_owned()),
        |draft| (draft.name, draft.path),
    );
    made(
        &name,
        json!({"RoleName": name, "Arn": arn(request, "role", &path, &name)}),
    )
}

fn arn(request: &ResourceRequest, kind: &str, path: &str, name: &str) -> String {
    format!(
        "arn:{PARTITION}:iam::{}:{kind}{path}{name}",
        request.account
    )
}

/// The name in this property, or one made of stack, logical id and something random, of which the end is kept.
fn name_of(request: &ResourceRequest, property: &str) -> String {
    text_in(&request.properties, property).unwrap_or_else(|| {
        let name = &request.generated_name;
        let surplus = name.chars().count().saturating_sub(NAME_LENGTH_MAX);
        let kept: String = name.chars().skip(surplus).collect();
        kept.trim_start_matches('-').to_owned()
    })
}

fn made(physical_id: &str, attributes: Value) -> Made {
    Made {
        physical_id: physical_id.to_owned(),
        attributes: match attributes {
            Value::Object(members) => members,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Properties::new(),
        },
    }
}

/// Capital letters and digits drawn from what the resource is: no two resources have the same, nor two tries another.
fn letters_of(request: &ResourceRequest, length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut hash = sha2::Sha256::new();
    for part in [
        request.account.as_str(),
        request.region.as_str(),
        &request.resource_type,
        &request.generated_name,
    ] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize();
    let letters = digest
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
    letters
        .map(|letter| char::from(*letter))
        .take(length)
        .collect()
}
