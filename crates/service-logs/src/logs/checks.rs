//! What a request would do, and to what.
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for Amazon CloudWatch Logs".

use interfaces::authorize::Check;
use model::arn::Arn;

use super::groups::name_in;
use crate::engine::keys::Place;

/// What of a request names its resource; messages are skimmed over.
#[derive(serde::Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Named {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: Option<String>,
    resource_arn: Option<String>,
    resource_identifier: Option<String>,
    role_arn: Option<String>,
}

pub(crate) fn checks(place: &Place, operation: &str, body: &[u8]) -> Vec<Check> {
    let named: Named = serde_json::from_slice(body).unwrap_or_default();
    let Some((action, resource)) = asked(operation, place, &named) else {
        return Vec::new();
    };
    let mut checks = vec![Check::new(
        format!("logs:{action}"),
        resource,
        &place.account,
    )];
    if let Some(Ok(role)) = named.role_arn.as_deref().map(Arn::parse) {
        checks.push(Check::pass_role(
            &role,
            "logs.amazonaws.com",
            &place.account,
        ));
    }
    checks
}

/// The action that an operation takes, and the ARN that it is about; none for one that is not known.
fn asked(operation: &str, place: &Place, named: &Named) -> Option<(String, String)> {
    let identifiers = [
        &named.log_group_name,
        &named.log_group_identifier,
        &named.resource_identifier,
        &named.resource_arn,
    ];
    let group = identifiers
        .into_iter()
        .flatten()
        .next()
        .map(|text| name_in(text));
    let group = || group.unwrap_or("*");
    let of_group = || format!("{}:*", place.group_arn(group()));
    let of_stream = || {
        let stream = named.log_stream_name.as_deref().unwrap_or("*");
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
}
