//! The role that a function is given.
//!
//! Lives here: whether it lets Lambda act as it, asked before it is kept.
//! Does not live here: whether the caller may hand it over (`checks`), what it may do (`Authorize`).
//!
//! Contract: AWS Lambda Developer Guide, "Defining Lambda function permissions with an execution role"; the service's own
//! words.

use interfaces::authorize::Authorize;
use interfaces::resource_provider::Properties;
use model::arn::Arn;
use model::ids::AccountId;
use model::principal::Principal;
use resource_types::text_of;

use crate::answers::Refusal;

/// As whom roles are asked to let Lambda in.
pub(crate) const LAMBDA: &str = "lambda.amazonaws.com";
const SESSION: &str = "awslambda";

/// Refuses the role of a function (at this ARN) that does not let Lambda in.
pub(crate) fn judge(
    authorize: &dyn Authorize,
    properties: &Properties,
    function: &str,
) -> Result<(), Refusal> {
    let refused = || {
        Refusal::invalid_parameter("The role defined for the function cannot be assumed by Lambda.")
    };
    let role = properties.get("Role").and_then(text_of).unwrap_or_default();
    let function = Arn::parse(function).map_err(|_| refused())?;
    let acting = Principal::Acting {
        account: AccountId::new(function.account.as_str()),
        role: Arn::parse(&role).map_err(|_| refused())?,
        name: SESSION.to_owned(),
        service: LAMBDA.to_owned(),
        source: Some(Box::new(function)),
    };
    let asked = authorize.authorize(&acting, &[]);
    asked.map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_kit::{Allowing, Distrusting};

    use super::*;

    #[test]
    fn a_role_that_does_not_let_lambda_in_is_refused() {
        let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
        let properties = json!({"Role": "arn:aws:iam::000000000000:role/r"});
        let properties = properties.as_object().unwrap();
        assert!(judge(&Allowing, properties, function).is_ok());
        let refused = judge(&Distrusting, properties, function).unwrap_err();
        let answer = refused.answer();
        assert_eq!(answer.status, 400);
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            body.contains("The role defined for the function cannot be assumed by Lambda."),
            "{body}"
        );
    }
}
