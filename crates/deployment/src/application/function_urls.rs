//! Function URLs of an application, from deployed resources.
//!
//! Lives here: reading `AWS::Lambda::Url`, and whether a permission opens it.
//! Does not live here: answering requests (`gateway`), other permissions of functions.
//!
//! Contract: AWS Lambda Developer Guide, "Control access to Lambda function URLs": with `AuthType: NONE` the function's
//! policy must let everybody in all the same, by a statement for `lambda:InvokeFunctionUrl`.
//! Differs: the second permission, for `lambda:InvokeFunction` with `InvokedViaFunctionUrl`, is not asked for: function
//! URLs that are older than it do without.

use model::arn::Arn;
use model::door::Callee;
use model::function_url::{AuthType, FunctionUrl, InvokeMode};
use model::http_api::CorsConfiguration;
use model::ids::{ApiId, FunctionName};
use model::problem::Problem;
use serde_json::Value;

use super::refusals::not_served;
use super::versions::Callable;
use super::view::{Resource, View, list_of};
use crate::records::{URL_ID, text_of};

/// All function URLs that lead to a function of the project.
pub(super) fn urls(
    view: &View<'_>,
    callable: &Callable,
    problems: &mut Vec<Problem>,
) -> Vec<FunctionUrl> {
    let mut urls = Vec::new();
    for resource in view.of_type("AWS::Lambda::Url") {
        let (name, qualifier) = named(resource.physical_id);
        match callable.find(name, qualifier) {
            Ok(callee) => urls.push(url(view, resource, callee, problems)),
            Err(refusal) => {
                let what = format!("function URL `{}`", resource.logical_id);
                let place = resource.place_of(&["TargetFunctionArn"]);
                problems.push(not_served(&what, &refusal, &place));
            }
        }
    }
    urls
}

fn url(
    view: &View<'_>,
    resource: &Resource<'_>,
    callee: Callee,
    problems: &mut Vec<Problem>,
) -> FunctionUrl {
    let id = resource.attributes.get(URL_ID).and_then(text_of);
    let auth = match resource.text("AuthType").as_deref() {
        Some("AWS_IAM") => AuthType::Iam,
        Some(_) | None if is_opened(view, &callee) => AuthType::Open,
        Some(_) | None => {
            problems.push(closed(resource));
            AuthType::Nobody
        }
    };
    FunctionUrl {
        id: ApiId::new(id.unwrap_or_default()),
        callee,
        auth,
        cors: resource.properties.get("Cors").map(cors),
        invoke_mode: match resource.text("InvokeMode").as_deref() {
            Some("RESPONSE_STREAM") => InvokeMode::ResponseStream,
            Some(_) | None => InvokeMode::Buffered,
        },
        place: Some(resource.place.clone()),
    }
}

/// Function and qualifier of an ARN, of a partial one, or of a name.
fn named(text: &str) -> (FunctionName, Option<String>) {
    let of_arn = Arn::parse(text).ok().and_then(|arn| arn.function());
    of_arn.unwrap_or_else(|| {
        let after = text.split_once("function:").map_or(text, |(_, rest)| rest);
        match after.split_once(':') {
            Some((name, qualifier)) => (FunctionName::new(name), Some(qualifier.to_owned())),
            None => (FunctionName::new(after), None),
        }
    })
}

/// Whether a permission lets everybody in.
fn is_opened(view: &View<'_>, callee: &Callee) -> bool {
    view.of_type("AWS::Lambda::Permission").any(|permission| {
        let text = |name| permission.text(name).unwrap_or_default();
        let is_for_urls = matches!(
            text("Action").as_str(),
            "lambda:InvokeFunctionUrl" | "lambda:*" | "*"
        );
        let auth = permission.text("FunctionUrlAuthType");
        let (function, qualifier) = named(&text("FunctionName"));
        is_for_urls
            && text("Principal") == "*"
            && matches!(auth.as_deref(), None | Some("NONE"))
            && (&function, &qualifier) == (&callee.function, &callee.qualifier)
    })
}

fn closed(resource: &Resource<'_>) -> Problem {
    Problem::warning(
        "deployment::function-url-closed",
        format!(
            "nobody may call function URL `{}`: 403",
            resource.logical_id
        ),
    )
    .at(&resource.place_of(&["AuthType"]))
    .because("with `AuthType: NONE` the function's policy must let everybody in all the same")
    .help(
        "add an `AWS::Lambda::Permission` for the same function or alias with `Action: lambda:InvokeFunctionUrl`, \
         `Principal: \"*\"` and `FunctionUrlAuthType: NONE`",
    )
}

fn cors(value: &Value) -> CorsConfiguration {
    let is_true = |name: &str| value.get(name).and_then(text_of).as_deref() == Some("true");
    CorsConfiguration {
        allow_origins: list_of(value.get("AllowOrigins")),
        allow_methods: list_of(value.get("AllowMethods")),
        allow_headers: list_of(value.get("AllowHeaders")),
        expose_headers: list_of(value.get("ExposeHeaders")),
        max_age_s: value
            .get("MaxAge")
            .and_then(text_of)
            .and_then(|text| text.parse().ok()),
        allow_credentials: is_true("AllowCredentials"),
    }
}
