//! Policies of APIs, compiled, and what they say of a request.
//!
//! Lives here: reading them once a revision, resource policies in combination with each way of authorisation.
//! Does not live here: evaluating one policy (`policy`), who signed (`iam`), what authorizers answer (`functions`),
//! policies of whoever calls (`Authorize`).
//!
//! Contract: Amazon API Gateway Developer Guide, "How API Gateway resource policies affect authorization workflow",
//! with its table A: caller and API are always of one account here.

use std::collections::HashMap;
use std::sync::Arc;

use model::application::Application;
use model::ids::{ApiId, Region};
use policy::{Caller, Policy, Request, Said};
use serde_json::Value;

use super::question::Question;
use super::refused::{NotAuthorised, Refusal};

/// The one action that calls are.
pub(super) const INVOKE: &str = "execute-api:Invoke";
/// Who calls when nobody says who it is.
const ANONYMOUS: &str = "anonymous";
/// In a resource policy, what is left of an ARN of its own API.
const SHORT_ARN: &str = "execute-api:/";

/// The policies of one revision.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    apis: HashMap<ApiId, Result<Arc<Policy>, String>>,
}

impl Policies {
    /// Compiles what is written. A policy of an API that cannot be read lets nobody in.
    pub(crate) fn compile(application: &Application) -> Self {
        let apis = application.rest_apis.iter().filter_map(|api| {
            let read = read(api.policy.as_deref()?, &application.region, &api.id);
            Some((api.id.clone(), read.map(Arc::new)))
        });
        Self {
            apis: apis.collect(),
        }
    }

    /// The resource policy of an API.
    pub(super) fn of_api(&self, api: &ApiId) -> Result<Option<&Arc<Policy>>, NotAuthorised> {
        let unread =
            |error: &String| NotAuthorised::NotCarriedOut(format!("a resource policy ({error})"));
        let policy = self.apis.get(api).map(Result::as_ref);
        policy.transpose().map_err(unread)
    }

    /// The resource policies that cannot be read, and why.
    pub(super) fn unread(&self) -> impl Iterator<Item = (&ApiId, &String)> {
        self.apis
            .iter()
            .filter_map(|(api, read)| Some((api, read.as_ref().err()?)))
    }

    /// Lets in whom the resource policy names, where nothing but it stands before the route: an allow is needed.
    pub(super) fn admit_anybody(&self, question: &Question<'_>) -> Result<(), NotAuthorised> {
        match self.said_of_anybody(question)? {
            None | Some(Said::Allow) => Ok(()),
            Some(Said::Deny) => Err(by_resource_policy(question, Refusal::Explicit)),
            Some(Said::Nothing) => Err(by_resource_policy(question, Refusal::Implicit)),
        }
    }

    /// Before an authorizer is asked: only a deny of the resource policy ends it.
    pub(super) fn admit_to_authorizer(
        &self,
        question: &Question<'_>,
    ) -> Result<Option<Said>, NotAuthorised> {
        match self.said_of_anybody(question)? {
            Some(Said::Deny) => Err(by_resource_policy(question, Refusal::Explicit)),
            said @ (None | Some(Said::Allow | Said::Nothing)) => Ok(said),
        }
    }

    fn said_of_anybody(&self, question: &Question<'_>) -> Result<Option<Said>, NotAuthorised> {
        let Some(policy) = self.of_api(&question.exchange.api.id)? else {
            return Ok(None);
        };
        Ok(Some(says(policy, question)?))
    }
}

/// What one policy says of a request by nobody in particular.
///
/// Differs: a path that is written in another way than it reads is refused where the path that it reads as is; and one
/// that leads upwards is allowed only where both are.
pub(super) fn says(policy: &Policy, question: &Question<'_>) -> Result<Said, NotAuthorised> {
    let context = question.context();
    let asked = |resource: &str| {
        policy.says(&Request {
            action: INVOKE,
            resource,
            caller: &Caller::Anonymous,
            context: &context,
        })
    };
    let said = asked(&question.arn()?);
    let Some((arn, leads_upwards)) = question.tidied_arn() else {
        return Ok(said);
    };
    Ok(match asked(&arn) {
        Said::Deny => Said::Deny,
        Said::Nothing if leads_upwards && said == Said::Allow => Said::Nothing,
        Said::Nothing | Said::Allow => said,
    })
}

/// What an authorizer and a resource policy say together (table A).
pub(super) fn together(authorizer: Said, resource: Option<Said>) -> Result<(), Refusal> {
    match (authorizer, resource) {
        (Said::Deny, _) | (_, Some(Said::Deny)) => Err(Refusal::Explicit),
        (Said::Allow, _) | (_, Some(Said::Allow)) => Ok(()),
        (Said::Nothing, None | Some(Said::Nothing)) => Err(Refusal::Implicit),
    }
}

fn by_resource_policy(question: &Question<'_>, refusal: Refusal) -> NotAuthorised {
    NotAuthorised::NotAllowed {
        refusal,
        user: ANONYMOUS.to_owned(),
        resource: question.masked_arn(),
        by: "the API's resource policy".to_owned(),
    }
}

/// Reads a resource policy, with the ARNs of its own API written out.
fn read(json: &str, region: &Region, api: &ApiId) -> Result<Policy, String> {
    let mut document: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let statements = match document.get_mut("Statement") {
        Some(Value::Array(statements)) => statements.as_mut_slice(),
        Some(single) => std::slice::from_mut(single),
        None => &mut [],
    };
    for statement in statements {
        for element in ["Resource", "NotResource"] {
            match statement.get_mut(element) {
                Some(Value::Array(resources)) => {
                    for resource in resources {
                        write_out(resource, region, api);
                    }
                }
                Some(resource) => write_out(resource, region, api),
                None => {}
            }
        }
    }
    Policy::from_value(&document).map_err(|error| error.to_string())
}

fn write_out(resource: &mut Value, region: &Region, api: &ApiId) {
    let short = resource
        .as_str()
        .and_then(|text| text.strip_prefix(SHORT_ARN));
    if let Some(rest) = short {
        *resource = Value::String(format!("arn:aws:execute-api:{region}:*:{api}/{rest}"));
    }
}
