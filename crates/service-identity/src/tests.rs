//! Roles that let services in, and sessions that end with whom they are of.

use std::sync::Arc;

use aws_wire::query::Form;
use http::{HeaderMap, Method};
use interfaces::authorize::{Authorize as _, Check};
use interfaces::principals::{Key, Principals as _};
use interfaces::service::{CloudService, ServiceCall};
use model::arn::Arn;
use model::ids::{AccountId, FunctionName, Region, RequestId};
use model::principal::Principal;
use model::time::Timestamp;
use store_embedded::Memory;
use test_kit::{CountingRandom, StoppedClock};

use crate::Service;

const RULE: &str = "arn:aws:events:us-east-1:000000000000:rule/orders";
const EVERYTHING: &str = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

fn service() -> Service {
    Service::new(
        Arc::new(Memory::new()),
        Arc::new(StoppedClock::at(Timestamp::from_micros(
            1_772_323_170_000_000,
        ))),
        Arc::new(CountingRandom::default()),
    )
}

fn call(body: String, caller: Principal) -> ServiceCall {
    ServiceCall {
        request_id: RequestId::new("1"),
        account: caller.account().clone(),
        caller,
        region: Region::new("us-east-1"),
        method: Method::POST,
        path_and_query: "/".to_owned(),
        headers: HeaderMap::new(),
        body: body.into(),
        stream: None,
    }
}

/// Calls IAM or STS as the root; the answer's text.
async fn asked(service: &Service, name: &str, parameters: &[(&str, &str)]) -> String {
    let pairs = parameters.iter().map(|(name, value)| {
        let value =
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        format!("{name}={value}")
    });
    let root = Principal::Root {
        account: AccountId::development(),
    };
    let body = pairs.collect::<Vec<_>>().join("&");
    let doors = service.doors();
    let door: &Arc<dyn CloudService> = doors
        .iter()
        .find(|door| door.signing_name() == name)
        .unwrap();
    let answer = door.execute(call(body, root)).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(answer.status, 200, "{text}");
    text
}

async fn role(service: &Service, trust: &str) {
    let made = [
        ("Action", "CreateRole"),
        ("RoleName", "r"),
        ("AssumeRolePolicyDocument", trust),
    ];
    asked(service, "iam", &made).await;
    let given = [
        ("Action", "PutRolePolicy"),
        ("RoleName", "r"),
        ("PolicyName", "all"),
        ("PolicyDocument", EVERYTHING),
    ];
    asked(service, "iam", &given).await;
}

fn trusting(service: &str, condition: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": {{"Service": "{service}"}}, "Action": "sts:AssumeRole"{condition}}}]}}"#
    )
}

fn arn_of_role(account: &str) -> Arn {
    Arn::parse(&format!("arn:aws:iam::{account}:role/r")).unwrap()
}

fn acting(role: Arn) -> Principal {
    Principal::Acting {
        account: AccountId::development(),
        role,
        name: "events".to_owned(),
        service: "events.amazonaws.com".to_owned(),
        source: Some(Box::new(Arn::parse(RULE).unwrap())),
    }
}

fn refusal(service: &Service, principal: &Principal, checks: &[Check]) -> String {
    let judged = service.authorize(principal, checks);
    judged
        .err()
        .map_or_else(String::new, |denied| denied.message)
}

#[tokio::test]
async fn a_service_acts_as_a_role_that_lets_it_in_and_as_no_other() {
    let not_let_in = "User: events.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: \
                      arn:aws:iam::000000000000:role/r";
    let of_rule = |rule: &str| {
        format!(
            r#", "Condition": {{"ArnLike": {{"aws:SourceArn": "{rule}"}}, "StringEquals": {{"aws:SourceAccount": "000000000000"}}}}"#
        )
    };
    for (trust, expected) in [
        (trusting("events.amazonaws.com", ""), ""),
        (trusting("lambda.amazonaws.com", ""), not_let_in),
        (trusting("events.amazonaws.com", &of_rule(RULE)), ""),
        (
            trusting(
                "events.amazonaws.com",
                &of_rule("arn:aws:events:us-east-1:000000000000:rule/other"),
            ),
            not_let_in,
        ),
        (
            trusting(
                "events.amazonaws.com",
                r#", "Condition": {"StringEquals": {"aws:SourceAccount": "111111111111"}}"#,
            ),
            not_let_in,
        ),
    ] {
        let service = service();
        role(&service, &trust).await;
        let acting = acting(arn_of_role("000000000000"));
        assert_eq!(refusal(&service, &acting, &[]), expected, "{trust}");
        let send = Check::new("sqs:SendMessage", "*", &AccountId::development());
        assert_eq!(refusal(&service, &acting, &[send]), expected, "{trust}");
    }
}

#[tokio::test]
async fn a_role_that_is_not_here_or_of_another_account_lets_nobody_in() {
    let service = service();
    let known = |account: &str| {
        let judged = service.authorize(&acting(arn_of_role(account)), &[]);
        judged.unwrap_err().is_of_unknown_role()
    };
    assert!(known("000000000000"));
    assert!(known("111111111111"));
    role(&service, &trusting("lambda.amazonaws.com", "")).await;
    assert!(!known("000000000000"));
    let role = arn_of_role("111111111111");
    let passed = Check::pass_role(&role, "lambda.amazonaws.com");
    let root = Principal::Root {
        account: AccountId::development(),
    };
    let expected = "Cross-account pass role is not allowed.";
    assert_eq!(refusal(&service, &root, &[passed]), expected);
    // Nor does a function have everything by it.
    let function = Principal::FunctionRole {
        account: AccountId::development(),
        role,
        function: FunctionName::new("f"),
    };
    let get = Check::new("s3:GetObject", "*", &AccountId::development());
    assert!(refusal(&service, &function, &[get]).contains("not authorized"));
}

#[tokio::test]
async fn a_function_may_nothing_by_a_role_that_does_not_let_lambda_in() {
    let function = Principal::FunctionRole {
        account: AccountId::development(),
        role: arn_of_role("000000000000"),
        function: FunctionName::new("f"),
    };
    let get = || Check::new("s3:GetObject", "*", &AccountId::development());
    for (by, expected) in [
        ("lambda.amazonaws.com", ""),
        (
            "events.amazonaws.com",
            "The role defined for the function cannot be assumed by Lambda.",
        ),
    ] {
        let service = service();
        role(&service, &trusting(by, "")).await;
        assert_eq!(refusal(&service, &function, &[get()]), expected);
    }
}

fn member(text: &str, name: &str) -> String {
    let (_, rest) = text.split_once(&format!("<{name}>")).unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_session_ends_with_its_role_and_is_not_of_another_of_the_same_name() {
    let service = service();
    let trust = r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}}"#;
    role(&service, trust).await;
    let began = [
        ("Action", "AssumeRole"),
        ("RoleArn", "arn:aws:iam::000000000000:role/r"),
        ("RoleSessionName", "desk"),
    ];
    let key = member(&asked(&service, "sts", &began).await, "AccessKeyId");
    assert!(matches!(service.find(&key), Key::Issued(_)));
    let gone = [
        ("Action", "DeleteRolePolicy"),
        ("RoleName", "r"),
        ("PolicyName", "all"),
    ];
    asked(&service, "iam", &gone).await;
    asked(
        &service,
        "iam",
        &[("Action", "DeleteRole"), ("RoleName", "r")],
    )
    .await;
    assert!(matches!(service.find(&key), Key::Withdrawn));
    role(&service, trust).await;
    assert!(matches!(service.find(&key), Key::Withdrawn));
}

#[tokio::test]
async fn a_users_session_goes_with_the_user_under_another_name_and_to_nobody_else() {
    let service = service();
    let user = |name: &'static str| [("Action", "CreateUser"), ("UserName", name)];
    asked(&service, "iam", &user("ann")).await;
    let ann = Principal::User {
        account: AccountId::development(),
        arn: Arn::parse("arn:aws:iam::000000000000:user/ann").unwrap(),
    };
    let doors = service.doors();
    let sts = doors
        .iter()
        .find(|door| door.signing_name() == "sts")
        .unwrap();
    let answer = sts
        .execute(call("Action=GetSessionToken".to_owned(), ann))
        .await;
    let key = member(&String::from_utf8_lossy(&answer.body), "AccessKeyId");
    let renamed = [
        ("Action", "UpdateUser"),
        ("UserName", "ann"),
        ("NewUserName", "eve"),
    ];
    asked(&service, "iam", &renamed).await;
    asked(&service, "iam", &user("ann")).await;
    let Key::Issued(holder) = service.find(&key) else {
        panic!("the session has ended");
    };
    assert!(holder.principal.arn().to_string().ends_with("user/eve"));
    asked(
        &service,
        "iam",
        &[("Action", "DeleteUser"), ("UserName", "eve")],
    )
    .await;
    assert!(matches!(service.find(&key), Key::Withdrawn));
    asked(&service, "iam", &user("eve")).await;
    assert!(matches!(service.find(&key), Key::Withdrawn));
}

#[tokio::test]
async fn who_renames_a_user_has_to_be_allowed_both_names() {
    let service = service();
    asked(
        &service,
        "iam",
        &[("Action", "CreateUser"), ("UserName", "ann")],
    )
    .await;
    let doors = service.doors();
    let iam = doors
        .iter()
        .find(|door| door.signing_name() == "iam")
        .unwrap();
    let form = "Action=UpdateUser&UserName=ann&NewUserName=root-of-all&NewPath=%2Fadmins%2F";
    assert!(Form::parse(form).text("NewUserName").is_some());
    let root = Principal::Root {
        account: AccountId::development(),
    };
    let checks = iam.checks(&call(form.to_owned(), root)).await;
    let resources: Vec<&str> = checks.iter().map(|check| check.resource.as_str()).collect();
    let expected = [
        "arn:aws:iam::000000000000:user/ann",
        "arn:aws:iam::000000000000:user/admins/root-of-all",
    ];
    assert_eq!(resources, expected);
}
