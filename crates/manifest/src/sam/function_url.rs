//! `FunctionUrlConfig`: a function's own address.
//!
//! Lives here: the URL and the two permissions that open it to everybody.
//! Does not live here: events of APIs (`events`).
//!
//! Contract: AWS SAM Developer Guide, "FunctionUrlConfig", and the resources that the transform makes of it.

use cloudformation::node::{Mapping, Node};

use super::context::{Context, Declared};
use super::function::Target;
use super::nodes::{json, reference, text};

/// Writes what the property asks for.
pub(super) fn write(declared: &Declared<'_>, target: &Target, context: &mut Context<'_>) {
    let Some(config) = declared.get("FunctionUrlConfig").cloned() else {
        return;
    };
    let place = config.place.clone();
    let auth = config.get("AuthType").cloned();
    let auth_text = auth.as_ref().and_then(|node| context.resolved_text(node));
    let Some(auth) = auth.filter(|_| matches!(auth_text.as_deref(), Some("AWS_IAM" | "NONE")))
    else {
        context.invalid(
            "manifest::invalid-resource",
            "`AuthType` of `FunctionUrlConfig` must be `AWS_IAM` or `NONE`",
            &place,
        );
        return;
    };
    let mut url = Mapping::default();
    url.set("AuthType", &place, auth.clone());
    url.set(
        "TargetFunctionArn",
        &place,
        reference(&target.invoked, &place),
    );
    for name in ["Cors", "InvokeMode"] {
        if let Some(given) = config.get(name) {
            url.set(name, &given.place, given.clone());
        }
    }
    let id = &target.function;
    context.write_companion(declared, &format!("{id}Url"), "AWS::Lambda::Url", url);
    if auth_text.as_deref() != Some("NONE") {
        return;
    }
    let mut permit = |id: String, action: &str, name: &str, value: Node| {
        let mut properties = Mapping::default();
        properties.set("Action", &place, text(action, &place));
        properties.set("FunctionName", &place, reference(&target.invoked, &place));
        properties.set("Principal", &place, text("*", &place));
        properties.set(name, &place, value);
        context.write_companion(declared, &id, "AWS::Lambda::Permission", properties);
    };
    permit(
        format!("{id}UrlPublicPermissions"),
        "lambda:InvokeFunctionUrl",
        "FunctionUrlAuthType",
        auth,
    );
    permit(
        format!("{id}URLInvokeAllowPublicAccess"),
        "lambda:InvokeFunction",
        "InvokedViaFunctionUrl",
        json(&serde_json::json!(true), &place),
    );
}
