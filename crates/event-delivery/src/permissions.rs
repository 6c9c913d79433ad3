//! Whether those who send and those who read may.
//!
//! Lives here: what is asked of `Authorize` for functions that are called by others, and for mappings.
//! Does not live here: the answer (`service-identity`), what queues and topics ask for themselves (their services).
//!
//! Contract: AWS Lambda Developer Guide, "Viewing resource-based IAM policies in Lambda"; "Using Lambda with Amazon SQS",
//! "… with Kinesis", "… with DynamoDB": "Execution role permissions".

use std::collections::HashMap;
use std::sync::Arc;

use interfaces::authorize::{Authorize, Check, Denied};
use model::application::Application;
use model::arn::Arn;
use model::delivery::Sender;
use model::event_source::Mapping;
use model::function::LATEST;
use model::ids::{AccountId, FunctionName};
use model::principal::Principal;
use policy::Policy;

const INVOKE: &str = "lambda:InvokeFunction";
const OF_QUEUES: &[&str] = &[
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
];
const OF_TABLES: &[&str] = &[
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
];
const OF_STREAMS: &[&str] = &[
    "kinesis:DescribeStream",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
];

/// Policies of functions, read once.
#[derive(Default)]
pub(crate) struct FunctionPolicies {
    policies: HashMap<(FunctionName, String), Arc<Policy>>,
}

impl FunctionPolicies {
    pub(crate) fn of(application: &Application) -> Self {
        let mut policies = HashMap::new();
        for (name, by_qualifier) in &application.function_policies {
            for (qualifier, text) in by_qualifier {
                match Policy::read(text) {
                    Ok(policy) => {
                        let key = (name.clone(), qualifier.clone());
                        policies.insert(key, Arc::new(policy));
                    }
                    Err(error) => tracing::warn!(
                        function = %name,
                        error = &error as &dyn std::error::Error,
                        "the policy of a function cannot be read: it lets nobody in"
                    ),
                }
            }
        }
        Self { policies }
    }

    /// Whether a sender may call a function.
    pub(crate) fn check(
        &self,
        authorize: &dyn Authorize,
        sender: &Sender,
        target: &Arn,
    ) -> Result<(), Denied> {
        let Some(principal) = sender.acting(&session_name(sender)) else {
            return Ok(());
        };
        let Some((name, qualifier)) = target.function() else {
            return Ok(());
        };
        let qualifier = qualifier.unwrap_or_else(|| LATEST.to_owned());
        let policy = self.policies.get(&(name, qualifier)).cloned();
        let account = AccountId::new(target.account.as_str());
        let check = Check::new(INVOKE, target.to_string(), &account).with_policy(policy);
        authorize.authorize(&principal, &[check])
    }
}

/// Whether the role of a mapping's function may read its source.
pub(crate) fn check_mapping(
    authorize: &dyn Authorize,
    application: &Application,
    mapping: &Mapping,
) -> Result<(), Denied> {
    let callee = &mapping.callee;
    let function = application.function(&callee.function, callee.qualifier.as_deref());
    // One that is not there is missed when it is called.
    let Some(function) = function else {
        return Ok(());
    };
    let principal = Principal::FunctionRole {
        account: function.account.clone(),
        role: function.role.clone(),
        function: function.name.clone(),
    };
    let actions = match mapping.source.service.as_str() {
        "sqs" => OF_QUEUES,
        "kinesis" => OF_STREAMS,
        _ => OF_TABLES,
    };
    let account = AccountId::new(mapping.source.account.as_str());
    let resource = mapping.source.to_string();
    let checks: Vec<Check> = actions
        .iter()
        .map(|action| Check::new(*action, resource.clone(), &account))
        .collect();
    authorize.authorize(&principal, &checks)
}

fn session_name(sender: &Sender) -> String {
    let of_function = sender.source.as_ref().and_then(Arn::function_name);
    of_function.map_or_else(|| "delivery".to_owned(), |name| name.to_string())
}
