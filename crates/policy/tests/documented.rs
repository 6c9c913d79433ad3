//! The examples of the provider's own documentation, judged.
//!
//! Contract: IAM User Guide, "Example IAM identity-based policies", "IAM JSON policy elements" with its pages on conditions,
//! set operators, variables, `NotAction`, `NotResource` and `NotPrincipal`; Amazon DynamoDB Developer Guide, "Using IAM policy
//! conditions for fine-grained access control"; AWS STS, "Confused deputy".
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use policy::{Caller, Context, Policies, Policy, Refusal, Request, ResourceRule, Verdict, judge};
use serde_json::{Value, json};

const ACCOUNT: &str = "123456789012";

/// Whether a user may, by policies of its own. Values with commas are several.
fn may(statements: &Value, action: &str, resource: &str, keys: &[(&str, &str)]) -> bool {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    let policy = Policy::from_value(&document).unwrap();
    let caller = Caller::Identity {
        account: ACCOUNT.to_owned(),
        arn: format!("arn:aws:iam::{ACCOUNT}:user/ada"),
        role: None,
    };
    let mut context = Context::default();
    for (key, values) in keys {
        context.set_all(key, values.split(',').map(str::to_owned).collect());
    }
    let policies = Policies {
        identity: &[policy],
        resource_account: ACCOUNT,
        ..Policies::default()
    };
    let request = Request {
        action,
        resource,
        caller: &caller,
        context: &context,
    };
    judge(&policies, &request) == Verdict::Allowed
}

/// Cases of one policy: action, resource, keys, and whether it is allowed.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], bool);

fn check(statements: &Value, cases: &[Case<'_>]) {
    for (action, resource, keys, expected) in cases {
        assert_eq!(
            may(statements, action, resource, keys),
            *expected,
            "{action} {resource} {keys:?}\n{statements:#}"
        );
    }
}

#[test]
fn a_users_home_in_a_bucket_is_its_own() {
    let statements = json!([
        {"Action": ["s3:ListBucket"], "Effect": "Allow", "Resource": ["arn:aws:s3:::mybucket"],
         "Condition": {"StringLike": {"s3:prefix": ["${aws:username}/*"]}}},
        {"Action": ["s3:GetObject", "s3:PutObject"], "Effect": "Allow", "Resource": ["arn:aws:s3:::mybucket/${aws:username}/*"]},
    ]);
    let ada = ("aws:username", "ada");
    check(
        &statements,
        &[
            (
                "s3:ListBucket",
                "arn:aws:s3:::mybucket",
                &[ada, ("s3:prefix", "ada/x")],
                true,
            ),
            (
                "s3:ListBucket",
                "arn:aws:s3:::mybucket",
                &[ada, ("s3:prefix", "eve/")],
                false,
            ),
            ("s3:ListBucket", "arn:aws:s3:::mybucket", &[ada], false),
            ("s3:GetObject", "arn:aws:s3:::mybucket/ada/1", &[ada], true),
            ("s3:GetObject", "arn:aws:s3:::mybucket/eve/1", &[ada], false),
            (
                "s3:DeleteObject",
                "arn:aws:s3:::mybucket/ada/1",
                &[ada],
                false,
            ),
            // Without the variable the pattern is like nothing.
            ("s3:GetObject", "arn:aws:s3:::mybucket/ada/1", &[], false),
        ],
    );
}

#[test]
fn what_is_not_named_is_denied_or_allowed_by_all_but() {
    check(
        &json!([
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "NotAction": ["iam:*", "sts:*"], "Resource": "*",
             "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}},
        ]),
        &[
            (
                "iam:ListUsers",
                "*",
                &[("aws:MultiFactorAuthPresent", "false")],
                true,
            ),
            (
                "s3:ListBuckets",
                "*",
                &[("aws:MultiFactorAuthPresent", "false")],
                false,
            ),
            (
                "s3:ListBuckets",
                "*",
                &[("aws:MultiFactorAuthPresent", "true")],
                true,
            ),
            // The key is not there with lasting keys: `IfExists` holds.
            ("s3:ListBuckets", "*", &[], false),
        ],
    );
    check(
        &json!([
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:*", "NotResource": ["arn:aws:s3:::HRBucket/Payroll", "arn:aws:s3:::HRBucket/Payroll/*"]},
        ]),
        &[
            ("s3:GetObject", "arn:aws:s3:::HRBucket/Payroll/1", &[], true),
            ("s3:GetObject", "arn:aws:s3:::HRBucket/Other", &[], false),
        ],
    );
}

#[test]
fn regions_and_networks_limit_what_is_allowed() {
    check(
        &json!([
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "NotAction": ["cloudfront:*", "iam:*", "route53:*", "support:*"], "Resource": "*",
             "Condition": {"StringNotEquals": {"aws:RequestedRegion": ["eu-central-1", "eu-west-1"]}}},
        ]),
        &[
            (
                "sqs:SendMessage",
                "q",
                &[("aws:RequestedRegion", "eu-west-1")],
                true,
            ),
            (
                "sqs:SendMessage",
                "q",
                &[("aws:RequestedRegion", "us-east-1")],
                false,
            ),
            (
                "iam:ListUsers",
                "*",
                &[("aws:RequestedRegion", "us-east-1")],
                true,
            ),
        ],
    );
    check(
        &json!([
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {
                "NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]}, "Bool": {"aws:ViaAWSService": "false"}}},
        ]),
        &[
            (
                "sqs:SendMessage",
                "q",
                &[
                    ("aws:SourceIp", "192.0.2.9"),
                    ("aws:ViaAWSService", "false"),
                ],
                true,
            ),
            (
                "sqs:SendMessage",
                "q",
                &[
                    ("aws:SourceIp", "198.51.100.1"),
                    ("aws:ViaAWSService", "false"),
                ],
                false,
            ),
            (
                "sqs:SendMessage",
                "q",
                &[
                    ("aws:SourceIp", "198.51.100.1"),
                    ("aws:ViaAWSService", "true"),
                ],
                true,
            ),
        ],
    );
}

#[test]
fn times_limit_what_is_allowed() {
    let between = json!({"Effect": "Allow", "Action": "service-prefix:action-name", "Resource": "*", "Condition": {
        "DateGreaterThan": {"aws:CurrentTime": "2020-04-01T00:00:00Z"}, "DateLessThan": {"aws:CurrentTime": "2020-06-30T23:59:59Z"}}});
    check(
        &between,
        &[
            (
                "service-prefix:action-name",
                "*",
                &[("aws:CurrentTime", "2020-05-01T00:00:00Z")],
                true,
            ),
            (
                "service-prefix:action-name",
                "*",
                &[("aws:CurrentTime", "1588291200")],
                true,
            ),
            (
                "service-prefix:action-name",
                "*",
                &[("aws:CurrentTime", "2020-07-01T00:00:00Z")],
                false,
            ),
        ],
    );
}

#[test]
fn items_and_attributes_of_tables_are_limited_by_their_keys() {
    let statement = json!({"Effect": "Allow",
    "Action": ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"],
    "Resource": ["arn:aws:dynamodb:us-west-2:123456789012:table/GameScores"],
    "Condition": {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${www.amazon.com:user_id}"],
            "dynamodb:Attributes": ["UserId", "GameTitle", "TopScore"]},
        "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES", "dynamodb:ReturnValues": ["NONE", "UPDATED_OLD"]},
    }});
    let table = "arn:aws:dynamodb:us-west-2:123456789012:table/GameScores";
    let user = ("www.amazon.com:user_id", "ada");
    let own = ("dynamodb:LeadingKeys", "ada");
    check(
        &statement,
        &[
            (
                "dynamodb:GetItem",
                table,
                &[
                    user,
                    own,
                    ("dynamodb:Attributes", "UserId,TopScore"),
                    ("dynamodb:Select", "SPECIFIC_ATTRIBUTES"),
                ],
                true,
            ),
            (
                "dynamodb:GetItem",
                table,
                &[user, own, ("dynamodb:Attributes", "UserId,Wins")],
                false,
            ),
            (
                "dynamodb:GetItem",
                table,
                &[user, ("dynamodb:LeadingKeys", "ada,eve")],
                false,
            ),
            (
                "dynamodb:GetItem",
                table,
                &[user, own, ("dynamodb:Select", "ALL_ATTRIBUTES")],
                false,
            ),
            (
                "dynamodb:PutItem",
                table,
                &[user, own, ("dynamodb:ReturnValues", "ALL_OLD")],
                false,
            ),
            ("dynamodb:Scan", table, &[user], false),
        ],
    );
}

#[test]
fn tags_of_requests_and_principals_decide() {
    check(
        &json!([{"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*", "Condition": {
            "StringEquals": {"aws:RequestTag/environment": ["preprod", "production"], "aws:PrincipalTag/team": "${aws:RequestTag/team}"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["environment", "team"]},
            "Null": {"aws:TagKeys": "false"}}}]),
        &[
            (
                "ec2:CreateTags",
                "*",
                &[
                    ("aws:RequestTag/environment", "preprod"),
                    ("aws:RequestTag/team", "a"),
                    ("aws:PrincipalTag/team", "a"),
                    ("aws:TagKeys", "environment,team"),
                ],
                true,
            ),
            (
                "ec2:CreateTags",
                "*",
                &[
                    ("aws:RequestTag/environment", "preprod"),
                    ("aws:RequestTag/team", "b"),
                    ("aws:PrincipalTag/team", "a"),
                    ("aws:TagKeys", "environment,team"),
                ],
                false,
            ),
            (
                "ec2:CreateTags",
                "*",
                &[
                    ("aws:RequestTag/environment", "preprod"),
                    ("aws:RequestTag/team", "a"),
                    ("aws:PrincipalTag/team", "a"),
                    ("aws:TagKeys", "environment,cost"),
                ],
                false,
            ),
        ],
    );
}

/// What a resource's policy makes of a caller without policies of its own.
fn by_resource(
    statement: &Value,
    caller: &Caller,
    rule: ResourceRule,
    keys: &[(&str, &str)],
) -> Verdict {
    let document = json!({"Version": "2012-10-17", "Statement": [statement]});
    let policy = Policy::from_value(&document).unwrap();
    let mut context = Context::default();
    for (key, value) in keys {
        context.set(key, *value);
    }
    let policies = Policies {
        resource: Some(&policy),
        resource_rule: rule,
        resource_account: ACCOUNT,
        ..Policies::default()
    };
    let request = Request {
        action: "sts:AssumeRole",
        resource: "arn:aws:iam::123456789012:role/r",
        caller,
        context: &context,
    };
    judge(&policies, &request)
}

#[test]
fn a_trust_policy_lets_in_whom_it_names_and_nobody_besides() {
    let root = Caller::Root {
        account: ACCOUNT.to_owned(),
    };
    let ada = Caller::Identity {
        account: ACCOUNT.to_owned(),
        arn: format!("arn:aws:iam::{ACCOUNT}:user/ada"),
        role: None,
    };
    let sns = Caller::Service {
        name: "sns.amazonaws.com".to_owned(),
    };
    let trusting = |principal: Value| json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
    let by_itself = trusting(json!({"AWS": "arn:aws:iam::123456789012:user/ada"}));
    let by_account = trusting(json!({"AWS": ACCOUNT}));
    let service = trusting(json!({"Service": "sns.amazonaws.com"}));
    let refused = |kind| Verdict::Refused(Refusal::NotAllowed(kind));
    let necessary = ResourceRule::Necessary;
    for (statement, caller, expected) in [
        (&by_itself, &ada, Verdict::Allowed),
        (&by_itself, &root, refused(policy::Kind::Resource)),
        (&by_account, &root, Verdict::Allowed),
        // The account is trusted, and has to allow its user.
        (&by_account, &ada, refused(policy::Kind::Identity)),
        (&service, &sns, Verdict::Allowed),
        (&service, &root, refused(policy::Kind::Resource)),
        (&by_account, &sns, refused(policy::Kind::Resource)),
    ] {
        assert_eq!(
            by_resource(statement, caller, necessary, &[]),
            expected,
            "{statement} {caller:?}"
        );
    }
    // Elsewhere the root of the account needs no policy at all.
    assert_eq!(
        by_resource(&service, &root, ResourceRule::Sufficient, &[]),
        Verdict::Allowed
    );
}

#[test]
fn a_deputy_is_held_to_whom_it_acts_for() {
    let statement = json!({"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sts:AssumeRole", "Condition": {
        "ArnLike": {"aws:SourceArn": "arn:aws:sns:*:123456789012:*"}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}});
    let sns = Caller::Service {
        name: "sns.amazonaws.com".to_owned(),
    };
    for (source, account, expected) in [
        ("arn:aws:sns:us-east-1:123456789012:t", ACCOUNT, true),
        ("arn:aws:sns:us-east-1:999999999999:t", ACCOUNT, false),
        (
            "arn:aws:sns:us-east-1:123456789012:t",
            "999999999999",
            false,
        ),
    ] {
        let keys = [("aws:SourceArn", source), ("aws:SourceAccount", account)];
        let judged = by_resource(&statement, &sns, ResourceRule::Sufficient, &keys);
        assert_eq!(judged == Verdict::Allowed, expected, "{source} {account}");
    }
}
