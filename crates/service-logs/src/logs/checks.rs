//! What a request would do, and to what.
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for Amazon CloudWatch Logs".

use interfaces::authorize::Check;
use model::arn::Arn;
use serde_json::Value;

use super::groups::name_in;
use crate::engine::append::PRINCIPAL;
use crate::engine::keys::Place;

/// What of a request names its resource.
#[derive(Debug)]
struct Named {
    group: Option<String>,
    stream: Option<String>,
}

const STREAM: &str = "logStreamName";
const ROLE: &str = "roleArn";

pub(crate) fn checks(place: &Place, operation: &str, body: &[u8]) -> Vec<Check> {
    let of_group = members_of_group(operation);
    let names = [of_group, &[STREAM, ROLE]].concat();
    let members = aws_wire::json::skim(body, &names);
    // Whoever checks a request sees what whoever carries it out sees (`Fields::text`): a scalar is taken for its text.
    let text = |name: &str| match members.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(other.to_string())
        }
    };
    let named = Named {
        group: of_group.iter().find_map(|name| text(name)),
        stream: text(STREAM),
    };
    let Some((action, resource)) = asked(operation, place, &named) else {
        return Vec::new();
    };
    let mut checks = vec![Check::new(
        format!("logs:{action}"),
        resource,
        &place.account,
    )];
    if let Some(Ok(role)) = text(ROLE).as_deref().map(Arn::parse) {
        checks.push(Check::pass_role(&role, PRINCIPAL));
    }
    checks
}

/// The members by which an operation names its group; it refuses a request with several of them. Others it does not read.
fn members_of_group(operation: &str) -> &'static [&'static str] {
    match operation {
        "TagResource" | "UntagResource" | "ListTagsForResource" => &["resourceArn"],
        "AssociateKmsKey" | "DisassociateKmsKey" => &["logGroupName", "resourceIdentifier"],
        "DescribeLogStreams" | "FilterLogEvents" | "GetLogEvents" => {
            &["logGroupName", "logGroupIdentifier"]
        }
        "PutLogGroupDeletionProtection" => &["logGroupIdentifier"],
        _ => &["logGroupName"],
    }
}

/// The action that an operation takes, and the ARN that it is about; none for one that is not known.
fn asked(operation: &str, place: &Place, named: &Named) -> Option<(String, String)> {
    let group = named.group.as_deref().map(name_in);
    let group = || group.unwrap_or("*");
    let of_group = || format!("{}:*", place.group_arn(group()));
    let of_stream = || {
        let stream = named.stream.as_deref().unwrap_or("*");
        place.stream_arn(group(), stream).to_string()
    };
    let resource = match operation {
        "PutLogEvents" | "GetLogEvents" | "DeleteLogStream" => of_stream(),
        "CreateLogGroup"
        | "DeleteLogGroup"
        | "PutRetentionPolicy"
        | "DeleteRetentionPolicy"
        | "AssociateKmsKey"
        | "DisassociateKmsKey"
        | "PutLogGroupDeletionProtection"
        | "CreateLogStream"
        | "DescribeLogStreams"
        | "FilterLogEvents"
        | "TagLogGroup"
        | "UntagLogGroup"
        | "ListTagsLogGroup"
        | "PutSubscriptionFilter"
        | "DeleteSubscriptionFilter"
        | "DescribeSubscriptionFilters"
        | "PutMetricFilter"
        | "DeleteMetricFilter"
        | "DescribeMetricFilters" => of_group(),
        "TagResource" | "UntagResource" | "ListTagsForResource" => {
            place.group_arn(group()).to_string()
        }
        "DescribeLogGroups" => format!("{}:*", place.group_arn("*")),
        "ListLogGroups"
        | "TestMetricFilter"
        | "PutResourcePolicy"
        | "DeleteResourcePolicy"
        | "DescribeResourcePolicies" => "*".to_owned(),
        _ => return None,
    };
    Some((operation.to_owned(), resource))
}

#[cfg(test)]
mod tests {
    use model::ids::{AccountId, Region};

    use super::*;

    #[test]
    fn every_operation_names_what_it_is_about() {
        let place = Place {
            account: AccountId::development(),
            region: Region::new("us-east-1"),
        };
        for operation in super::super::SUPPORTED {
            assert!(!checks(&place, operation, b"{}").is_empty(), "{operation}");
        }
        let body = br#"{"logGroupName": "/aws/lambda/f", "logStreamName": "s", "logEvents": [{"message": "m"}]}"#;
        let checks = checks(&place, "PutLogEvents", body);
        let wanted = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:log-stream:s";
        assert_eq!(checks[0].resource, wanted);
        assert_eq!(checks[0].action, "logs:PutLogEvents");
    }

    #[test]
    fn members_that_an_operation_does_not_read_name_no_other_group() {
        let place = Place {
            account: AccountId::development(),
            region: Region::new("us-east-1"),
        };
        let arn = "arn:aws:logs:us-east-1:000000000000:log-group:b";
        for (operation, body) in [
            (
                "TagResource",
                format!(r#"{{"logGroupName": "a", "resourceArn": "{arn}"}}"#),
            ),
            (
                "AssociateKmsKey",
                format!(r#"{{"logGroupIdentifier": "a", "resourceIdentifier": "{arn}"}}"#),
            ),
            (
                "PutLogGroupDeletionProtection",
                r#"{"logGroupName": "a", "logGroupIdentifier": "b"}"#.to_owned(),
            ),
            (
                "DeleteLogGroup",
                r#"{"logGroupName": "a", "roleArn": 5, "logGroupName": "b"}"#.to_owned(),
            ),
        ] {
            let asked = checks(&place, operation, body.as_bytes());
            assert!(asked[0].resource.starts_with(arn), "{operation} {asked:?}");
        }
    }
}
