//! `DescribeLimits` and `DescribeEndpoints`.
//!
//! Lives here: what an account is told of itself.
//! Does not live here: enforcing limits.

use serde_json::json;

use super::Context;
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;

/// Units that all provisioned tables of an account may have together in a region.
///
/// Contract: Amazon DynamoDB Developer Guide, "Quotas in Amazon DynamoDB".
const ACCOUNT_UNITS_MAX: u32 = 80_000;
/// Units that one provisioned table may have.
const TABLE_UNITS_MAX: u32 = 40_000;
/// How long clients keep an endpoint.
const ENDPOINT_KEPT_MINUTES: u32 = 1_440;

pub(super) async fn limits(_context: &Context<'_>, fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    fields.finish()?;
    let answer = json!({
        "AccountMaxReadCapacityUnits": ACCOUNT_UNITS_MAX,
        "AccountMaxWriteCapacityUnits": ACCOUNT_UNITS_MAX,
        "TableMaxReadCapacityUnits": TABLE_UNITS_MAX,
        "TableMaxWriteCapacityUnits": TABLE_UNITS_MAX,
    });
    Ok(answer.to_string().into_bytes())
}

/// The address is the one that the caller has used: any other would lead away from here.
pub(super) async fn endpoints(context: &Context<'_>, fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    fields.finish()?;
    let answer = json!({
        "Endpoints": [{
            "Address": context.host,
            "CachePeriodInMinutes": ENDPOINT_KEPT_MINUTES,
        }],
    });
    Ok(answer.to_string().into_bytes())
}
