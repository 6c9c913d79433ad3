//! Integrations that hand requests on to another server: `HTTP_PROXY`.
//!
//! Lives here: what of an integration says whom and how.
//! Does not live here: reading the integration (`integration`), carrying it out (`gateway::http_proxy`).
//!
//! Contract: AWS CloudFormation Template Reference, "AWS::ApiGateway::Method Integration" and
//! "AWS::ApiGatewayV2::Integration".

use std::collections::BTreeMap;
use std::time::Duration;

use model::door::HttpProxy;
use serde_json::Value;

use super::integration::{Integration, Refusal, with_stage_variables};
use super::view::texts_of;
use crate::records::text_of;

/// The other server of an integration.
///
/// # Errors
/// [`Refusal`]: it is reached through a VPC link, which nobody here has.
pub(super) fn of(
    integration: &Integration,
    stage_variables: &BTreeMap<String, String>,
    timeout: Duration,
) -> Result<HttpProxy, Refusal> {
    match integration.connection.as_deref() {
        None | Some("INTERNET") => {}
        Some(kind) => {
            return Err(Refusal::new(format!(
                "its integration is private (`{kind}`), which is not built yet"
            ))
            .help("hand requests on over the network that this machine is in: leave the connection out"));
        }
    }
    Ok(HttpProxy {
        uri: with_stage_variables(&integration.uri, stage_variables),
        http_method: integration.http_method.clone(),
        timeout: integration.timeout.unwrap_or(timeout),
        request_parameters: integration.request_parameters.clone(),
        response_parameters: integration.response_parameters.clone(),
    })
}

/// `ResponseParameters`, by status: a map, or in CloudFormation a list of sources and destinations.
pub(super) fn response_parameters(
    value: Option<&Value>,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let by_status = value.and_then(Value::as_object).into_iter().flatten();
    let read = by_status.map(|(status, written)| {
        let list = written.get("ResponseParameters").and_then(Value::as_array);
        let parameters = match list {
            None => texts_of(Some(written)),
            Some(list) => list
                .iter()
                .filter_map(|one| {
                    let text = |name: &str| one.get(name).and_then(text_of);
                    Some((text("Destination")?, text("Source").unwrap_or_default()))
                })
                .collect(),
        };
        (status.clone(), parameters)
    });
    read.collect()
}
