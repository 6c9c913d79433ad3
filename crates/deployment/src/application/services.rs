//! Integrations of HTTP APIs that call a service of the cloud in place of a function.
//!
//! Lives here: which of them are carried out, and which parameters each has.
//! Does not live here: reading the integration (`integration`), carrying it out (`gateway::http_proxy`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Integration subtype reference".

use std::time::Duration;

use model::arn::Arn;
use model::door::{CalledService, ServiceAction};
use model::ids::Region;

use super::integration::{Integration, Refusal};

/// The parameter that says where the service is.
const REGION: &str = "Region";

/// What an action has to be told, and what it may be.
struct Parameters {
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

fn parameters(action: ServiceAction) -> Parameters {
    let (required, optional): (&[&str], &[&str]) = match action {
        ServiceAction::PutEvents => (
            &["Detail", "DetailType", "Source"],
            &["EventBusName", "Resources", "Time", "TraceHeader"],
        ),
        ServiceAction::SendMessage => (
            &["QueueUrl", "MessageBody"],
            &[
                "DelaySeconds",
                "MessageAttributes",
                "MessageDeduplicationId",
                "MessageGroupId",
            ],
        ),
        ServiceAction::ReceiveMessage => (
            &["QueueUrl"],
            &[
                "MaxNumberOfMessages",
                "VisibilityTimeout",
                "WaitTimeSeconds",
            ],
        ),
        ServiceAction::DeleteMessage => (&["ReceiptHandle", "QueueUrl"], &[]),
        ServiceAction::PurgeQueue => (&["QueueUrl"], &[]),
    };
    Parameters { required, optional }
}

/// The service that an integration calls.
///
/// # Errors
/// [`Refusal`]: it is another service, or something of the call is missing or not carried out.
pub(super) fn of(integration: &Integration, timeout: Duration) -> Result<CalledService, Refusal> {
    let subtype = integration.subtype.as_deref().unwrap_or_default();
    let action = ServiceAction::ALL
        .into_iter()
        .find(|action| action.name() == subtype);
    let Some(action) = action else {
        let known = ServiceAction::ALL.map(ServiceAction::name).join("`, `");
        return Err(Refusal::new(format!(
            "its integration calls the service `{subtype}` directly, which is not built yet"
        ))
        .help(format!(
            "built are `{known}`; a function can call any other"
        )));
    };
    if !integration.response_parameters.is_empty() {
        return Err(Refusal::new(format!(
            "its integration changes replies of `{subtype}`, which is not built yet"
        )));
    }
    let known = parameters(action);
    for required in known.required {
        if !integration.request_parameters.contains_key(*required) {
            return Err(Refusal::new(format!(
                "its integration `{subtype}` has no `{required}` among its `RequestParameters`"
            )));
        }
    }
    let mut given = integration.request_parameters.clone();
    let region = given.remove(REGION);
    let other = given.keys().find(|name| {
        let name = name.as_str();
        !known.required.contains(&name) && !known.optional.contains(&name)
    });
    if let Some(other) = other {
        return Err(Refusal::new(format!(
            "the parameter `{other}` of its integration `{subtype}` is not built yet"
        )));
    }
    let role = integration.credentials.as_deref().unwrap_or_default();
    let role = Arn::parse(role).map_err(|_no_arn| {
        Refusal::new(format!(
            "its integration `{subtype}` names no role to act as"
        ))
        .help("set `CredentialsArn` (`credentials` in a definition) to the ARN of a role")
    })?;
    Ok(CalledService {
        action,
        parameters: given,
        role,
        region: region.map(Region::new),
        timeout: integration.timeout.unwrap_or(timeout),
    })
}
