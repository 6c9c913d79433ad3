//! Resources of templates, and what they let their principals do.

use std::sync::Arc;

use interfaces::authorize::{Authorize as _, Check};
use interfaces::principals::{Key, Principals as _};
use interfaces::resource_provider::ResourceRequest;
use model::arn::Arn;
use model::ids::{AccountId, FunctionName, LogicalId, Region, StackName};
use model::principal::Principal;
use model::time::Timestamp;
use serde_json::{Value, json};
use store::Store;
use store_embedded::Memory;
use test_kit::{CountingRandom, StoppedClock};

use crate::Service;

const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/pets";

fn over(store: &Arc<Memory>) -> Service {
    let clock = StoppedClock::at(Timestamp::from_micros(1_772_323_170_000_000));
    let random = Arc::new(CountingRandom::default());
    Service::new(Arc::clone(store) as Arc<dyn Store>, Arc::new(clock), random)
}

fn service() -> Service {
    over(&Arc::new(Memory::new()))
}

fn request(resource_type: &str, logical_id: &str, properties: Value) -> ResourceRequest {
    ResourceRequest {
        account: AccountId::development(),
        region: Region::new("us-east-1"),
        stack: StackName::new("shop"),
        logical_id: LogicalId::new(logical_id),
        resource_type: resource_type.to_owned(),
        properties: properties.as_object().unwrap().clone(),
        generated_name: format!("shop-{logical_id}-1A2B3C4D5E6F"),
        number: None,
    }
}

fn allowing(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
}

fn trusting() -> Value {
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"},
    }]})
}

fn role(properties: Value) -> ResourceRequest {
    let mut whole = json!({"RoleName": "pets", "AssumeRolePolicyDocument": trusting()});
    let members = properties.as_object().unwrap().clone();
    whole.as_object_mut().unwrap().extend(members);
    request("AWS::IAM::Role", "Role", whole)
}

fn function(role: &str) -> Principal {
    Principal::FunctionRole {
        account: AccountId::development(),
        role: Arn::parse(role).unwrap(),
        function: FunctionName::new("api"),
    }
}

/// Why a call is refused; empty when it is not.
fn why(service: &Service, principal: &Principal, action: &str) -> String {
    let check = Check::new(action, TABLE, &AccountId::development());
    let judged = service.authorize(principal, &[check]);
    judged
        .err()
        .map_or_else(String::new, |denied| denied.message)
}

fn may(service: &Service, action: &str) -> bool {
    let pets = function("arn:aws:iam::000000000000:role/pets");
    why(service, &pets, action).is_empty()
}

#[tokio::test]
async fn ids_and_attributes_are_formed_as_in_the_cloud() {
    let service = service();
    let provider = service.provider();
    let iam = "arn:aws:iam::000000000000:";
    for (resource_type, properties, physical_id, attribute, value) in [
        (
            "AWS::IAM::Role",
            json!({"RoleName": "r", "Path": "/x/", "AssumeRolePolicyDocument": trusting()}),
            "r".to_owned(),
            "Arn",
            format!("{iam}role/x/r"),
        ),
        (
            "AWS::IAM::ManagedPolicy",
            json!({"PolicyDocument": allowing("s3:*")}),
            format!("{iam}policy/shop-Thing-1A2B3C4D5E6F"),
            "PolicyArn",
            format!("{iam}policy/shop-Thing-1A2B3C4D5E6F"),
        ),
        (
            "AWS::IAM::User",
            json!({}),
            "shop-Thing-1A2B3C4D5E6F".to_owned(),
            "Arn",
            format!("{iam}user/shop-Thing-1A2B3C4D5E6F"),
        ),
        (
            "AWS::IAM::InstanceProfile",
            json!({"Roles": ["r"]}),
            "shop-Thing-1A2B3C4D5E6F".to_owned(),
            "Arn",
            format!("{iam}instance-profile/shop-Thing-1A2B3C4D5E6F"),
        ),
        (
            "AWS::IAM::ServiceLinkedRole",
            json!({"AWSServiceName": "ecs.amazonaws.com"}),
            "AWSServiceRoleForECS".to_owned(),
            "RoleName",
            "AWSServiceRoleForECS".to_owned(),
        ),
    ] {
        let request = request(resource_type, "Thing", properties);
        let made = provider.create(&request).await.unwrap();
        assert_eq!(made.physical_id, physical_id, "{resource_type}");
        assert_eq!(made.physical_id, provider.physical_id(&request));
        assert_eq!(made.attributes[attribute], value, "{resource_type}");
        // Made again after a crash, it is found.
        assert_eq!(provider.create(&request).await.unwrap(), made);
    }
}

#[tokio::test]
async fn a_role_may_what_its_own_and_attached_policies_allow_within_its_boundary() {
    let service = service();
    let provider = service.provider();
    let shared = "arn:aws:iam::000000000000:policy/shared";
    let managed =
        json!({"ManagedPolicyName": "shared", "PolicyDocument": allowing("dynamodb:Query")});
    let managed = request("AWS::IAM::ManagedPolicy", "Shared", managed);
    provider.create(&managed).await.unwrap();
    let wanted = role(json!({
        "Policies": [{"PolicyName": "own", "PolicyDocument": allowing("dynamodb:GetItem")}],
        "ManagedPolicyArns": [shared, "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"],
    }));
    provider.create(&wanted).await.unwrap();
    let attached =
        json!({"PolicyName": "p", "Roles": ["pets"], "PolicyDocument": allowing("dynamodb:Scan")});
    let attached = request("AWS::IAM::Policy", "Attached", attached);
    provider.create(&attached).await.unwrap();
    for action in [
        "dynamodb:GetItem",
        "dynamodb:Query",
        "dynamodb:Scan",
        "logs:PutLogEvents",
    ] {
        assert!(may(&service, action), "{action}");
    }
    let pets = function("arn:aws:iam::000000000000:role/pets");
    assert_eq!(
        why(&service, &pets, "dynamodb:PutItem"),
        format!(
            "User: arn:aws:sts::000000000000:assumed-role/pets/api is not authorized to perform: dynamodb:PutItem on \
             resource: {TABLE} because no identity-based policy allows the dynamodb:PutItem action"
        )
    );
    // What a change no longer names is taken back; what others attached stays.
    let bounded = role(json!({"PermissionsBoundary": shared}));
    let old = wanted.properties.clone();
    provider.update("pets", &old, &bounded).await.unwrap();
    assert!(!may(&service, "dynamodb:GetItem"));
    assert!(
        why(&service, &pets, "dynamodb:Scan")
            .ends_with("no permissions boundary allows the dynamodb:Scan action")
    );
    provider
        .delete(&attached.generated_name, &attached)
        .await
        .unwrap();
    assert!(
        why(&service, &pets, "dynamodb:Scan")
            .ends_with("no identity-based policy allows the dynamodb:Scan action")
    );
    provider.delete("pets", &bounded).await.unwrap();
    assert!(!may(&service, "dynamodb:Query"));
}

#[tokio::test]
async fn what_was_deployed_holds_after_a_restart() {
    let store = Arc::new(Memory::new());
    let service = over(&store);
    let wanted = role(json!({
        "Policies": [{"PolicyName": "own", "PolicyDocument": allowing("dynamodb:*")}],
    }));
    service.provider().create(&wanted).await.unwrap();
    let user = request("AWS::IAM::User", "User", json!({"UserName": "ada"}));
    service.provider().create(&user).await.unwrap();
    let key = request("AWS::IAM::AccessKey", "Key", json!({"UserName": "ada"}));
    let made = service.provider().create(&key).await.unwrap();
    let later = over(&store);
    assert!(!may(&later, "dynamodb:GetItem"));
    later.load().await.unwrap();
    assert!(may(&later, "dynamodb:GetItem"));
    let Key::Issued(holder) = later.find(&made.physical_id) else {
        panic!("the key is not known any more");
    };
    assert_eq!(
        made.attributes["SecretAccessKey"],
        holder.credentials.secret_access_key
    );
    assert_eq!(
        holder.principal.arn().to_string(),
        "arn:aws:iam::000000000000:user/ada"
    );
    later.provider().delete("ada", &user).await.unwrap();
    assert!(matches!(later.find(&made.physical_id), Key::Withdrawn));
}

#[tokio::test]
async fn nobody_takes_over_what_is_somebody_elses() {
    let service = service();
    let provider = service.provider();
    provider.create(&role(json!({}))).await.unwrap();
    let mut other = role(json!({}));
    other.stack = StackName::new("bank");
    let refused = provider.create(&other).await.unwrap_err();
    assert_eq!(refused.message, "Role with name pets already exists.");
    // Nor is it deleted by the other.
    provider.delete("pets", &other).await.unwrap();
    let snapshot = service.state.snapshot(&AccountId::development());
    assert!(snapshot.account.roles.contains_key("pets"));
    let lost = json!({"PolicyName": "p", "Roles": ["nobody"], "PolicyDocument": allowing("s3:*")});
    let lost = request("AWS::IAM::Policy", "Lost", lost);
    let refused = provider.create(&lost).await.unwrap_err();
    assert_eq!(
        refused.message,
        "The role with name nobody cannot be found."
    );
}

#[tokio::test]
async fn roles_that_are_not_here_give_nothing() {
    let service = service();
    let gone = function("arn:aws:iam::000000000000:role/gone");
    assert!(!why(&service, &gone, "dynamodb:GetItem").is_empty());
    let root = Principal::Root {
        account: AccountId::development(),
    };
    assert_eq!(why(&service, &root, "dynamodb:GetItem"), "");
    let nobody = Principal::Anonymous {
        account: AccountId::development(),
    };
    assert!(
        why(&service, &nobody, "dynamodb:GetItem").starts_with("User: anonymous is not authorized")
    );
}

#[tokio::test]
async fn what_is_wrong_with_policies_is_said_before_anything_is_made() {
    let service = service();
    let provider = service.provider();
    let wrong = role(json!({
        "Policies": [{"PolicyName": "own", "PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "everything", "Resource": "*"}]}}],
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AmazonQuantumFullAccess"],
    }));
    let problems = provider.check("AWS::IAM::Role", &wrong.properties);
    let said: Vec<(String, String)> = problems
        .into_iter()
        .map(|problem| (problem.path.join("."), problem.title))
        .collect();
    assert_eq!(
        said,
        [
            (
                "Policies.0.PolicyDocument".to_owned(),
                "the policy document is malformed".to_owned()
            ),
            (
                "ManagedPolicyArns.0".to_owned(),
                "the policy `arn:aws:iam::aws:policy/AmazonQuantumFullAccess` of the cloud's own is not known here".to_owned()
            ),
        ]
    );
    let nobodys = json!({"PolicyName": "p", "PolicyDocument": allowing("s3:*")});
    let problems = provider.check("AWS::IAM::Policy", nobodys.as_object().unwrap());
    assert_eq!(problems[0].title, "the policy is of nobody");
}

#[tokio::test]
async fn a_service_may_what_a_resource_allows_it_for_whom_it_acts() {
    let service = service();
    let document = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*",
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:pets"}, "StringEquals": {"aws:SourceAccount": "000000000000"}},
    }]});
    let policy = Arc::new(policy::Policy::from_value(&document).unwrap());
    for (name, topic, expected) in [
        ("sns.amazonaws.com", "pets", true),
        ("sns.amazonaws.com", "toys", false),
        ("events.amazonaws.com", "pets", false),
    ] {
        let account = AccountId::development();
        let sender = Principal::Service {
            name: name.to_owned(),
            source: Arn::parse(&format!("arn:aws:sns:us-east-1:000000000000:{topic}")).ok(),
            account: account.clone(),
        };
        let queue = "arn:aws:sqs:us-east-1:000000000000:q";
        let check = Check::new("sqs:SendMessage", queue, &account);
        let check = check.with_policy(Some(Arc::clone(&policy)));
        let judged = service.authorize(&sender, &[check]);
        assert_eq!(judged.is_ok(), expected, "{name} {topic}");
    }
}
