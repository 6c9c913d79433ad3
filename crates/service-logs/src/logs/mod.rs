//! The API of CloudWatch Logs.
//!
//! Lives here: which operation a request names, what each may be done by (`checks`), one file for each kind of thing.
//! Does not live here: what it is done to (`engine`).
//!
//! Contract: Amazon CloudWatch Logs API Reference.

pub(crate) mod checks;
mod events;
pub(crate) mod groups;
pub(crate) mod metric_filters;
mod names;
pub(crate) mod policies;
pub(crate) mod streams;
pub(crate) mod subscriptions;
mod tags;

use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::fault::{Answer, Fault};
use crate::fields::Fields;

pub(crate) use names::NOT_IMPLEMENTED;
pub(crate) use names::SUPPORTED;

/// What an operation works with.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) catalogue: &'c Catalogue,
    pub(crate) place: &'c Place,
}

pub(crate) async fn run(context: &Context<'_>, operation: &str, body: &[u8]) -> Answer {
    let fields = Fields::of_body(body)?;
    match operation {
        "CreateLogGroup" => groups::create_log_group(context, fields).await,
        "DeleteLogGroup" => groups::delete_log_group(context, fields).await,
        "DescribeLogGroups" => groups::describe_log_groups(context, fields).await,
        "ListLogGroups" => groups::list_log_groups(context, fields).await,
        "PutRetentionPolicy" => groups::put_retention_policy(context, fields).await,
        "DeleteRetentionPolicy" => groups::delete_retention_policy(context, fields).await,
        "AssociateKmsKey" => groups::associate_kms_key(context, fields).await,
        "DisassociateKmsKey" => groups::disassociate_kms_key(context, fields).await,
        "PutLogGroupDeletionProtection" => groups::put_protection(context, fields).await,
        "CreateLogStream" => streams::create_log_stream(context, fields).await,
        "DeleteLogStream" => streams::delete_log_stream(context, fields).await,
        "DescribeLogStreams" => streams::describe_log_streams(context, fields).await,
        "PutLogEvents" => events::put::put_log_events(context, fields).await,
        "GetLogEvents" => events::get_log_events(context, fields).await,
        "FilterLogEvents" => events::filter_log_events(context, fields).await,
        "TagLogGroup" => tags::tag_log_group(context, fields).await,
        "UntagLogGroup" => tags::untag_log_group(context, fields).await,
        "ListTagsLogGroup" => tags::list_tags_log_group(context, fields).await,
        "TagResource" => tags::tag_resource(context, fields).await,
        "UntagResource" => tags::untag_resource(context, fields).await,
        "ListTagsForResource" => tags::list_tags_for_resource(context, fields).await,
        "PutSubscriptionFilter" => subscriptions::put_subscription_filter(context, fields).await,
        "DeleteSubscriptionFilter" => {
            subscriptions::delete_subscription_filter(context, fields).await
        }
        "DescribeSubscriptionFilters" => {
            subscriptions::describe_subscription_filters(context, fields).await
        }
        "PutMetricFilter" => metric_filters::put_metric_filter(context, fields).await,
        "DeleteMetricFilter" => metric_filters::delete_metric_filter(context, fields).await,
        "DescribeMetricFilters" => metric_filters::describe_metric_filters(context, fields).await,
        "TestMetricFilter" => metric_filters::test_metric_filter(fields),
        "PutResourcePolicy" => policies::put_resource_policy(context, fields).await,
        "DeleteResourcePolicy" => policies::delete_resource_policy(context, fields).await,
        "DescribeResourcePolicies" => policies::describe_resource_policies(context, fields).await,
        name if NOT_IMPLEMENTED.contains(&name) => {
            Err(Fault::not_implemented(&format!("the operation {name}")))
        }
        name => Err(Fault::new(
            "UnknownOperationException",
            format!("The operation {name} is not known."),
        )),
    }
}
