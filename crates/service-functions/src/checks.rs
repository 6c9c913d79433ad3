//! What each operation needs to be allowed.
//!
//! Lives here: the table of operations, their actions and the resources that these are about.
//! Does not live here: judging (`interfaces::authorize`), policies of functions (`permissions`).
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for AWS Lambda".

use interfaces::authorize::Check;
use model::arn::Arn;
use model::ids::FunctionName;

use crate::catalogue::Catalogue;
use crate::function_name::Named;
use crate::request::{Asked, Body};

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// No resource.
    Nothing,
    /// The function in the path, with its qualifier.
    Function,
    /// The function that is made.
    NewFunction,
    /// The layer in the path.
    Layer,
    /// The version of a layer in the path, or in the parameter `Arn`.
    LayerVersion,
    /// The event source mapping in the path.
    Mapping,
    /// The ARN in the path.
    Tagged,
}

/// Operation, action where its name is another, and what it is about.
const TABLE: &[(&str, &str, On)] = &[
    ("AddLayerVersionPermission", "", On::LayerVersion),
    ("AddPermission", "", On::Function),
    ("CreateAlias", "", On::Function),
    ("CreateEventSourceMapping", "", On::Nothing),
    ("CreateFunction", "", On::NewFunction),
    ("CreateFunctionUrlConfig", "", On::Function),
    ("DeleteAlias", "", On::Function),
    ("DeleteEventSourceMapping", "", On::Mapping),
    ("DeleteFunction", "", On::Function),
    ("DeleteFunctionConcurrency", "", On::Function),
    ("DeleteFunctionEventInvokeConfig", "", On::Function),
    ("DeleteFunctionUrlConfig", "", On::Function),
    ("DeleteLayerVersion", "", On::LayerVersion),
    ("DeleteProvisionedConcurrencyConfig", "", On::Function),
    ("GetAccountSettings", "", On::Nothing),
    ("GetAlias", "", On::Function),
    ("GetEventSourceMapping", "", On::Mapping),
    ("GetFunction", "", On::Function),
    ("GetFunctionCodeSigningConfig", "", On::Function),
    ("GetFunctionConcurrency", "", On::Function),
    ("GetFunctionConfiguration", "", On::Function),
    ("GetFunctionEventInvokeConfig", "", On::Function),
    ("GetFunctionRecursionConfig", "", On::Function),
    ("GetFunctionUrlConfig", "", On::Function),
    ("GetLayerVersion", "", On::LayerVersion),
    ("GetLayerVersionByArn", "GetLayerVersion", On::LayerVersion),
    ("GetLayerVersionPolicy", "", On::LayerVersion),
    ("GetPolicy", "", On::Function),
    ("GetProvisionedConcurrencyConfig", "", On::Function),
    ("GetRuntimeManagementConfig", "", On::Function),
    ("Invoke", "InvokeFunction", On::Function),
    ("InvokeAsync", "InvokeFunction", On::Function),
    ("InvokeWithResponseStream", "InvokeFunction", On::Function),
    ("ListAliases", "", On::Function),
    ("ListCodeSigningConfigs", "", On::Nothing),
    ("ListEventSourceMappings", "", On::Nothing),
    ("ListFunctionEventInvokeConfigs", "", On::Function),
    ("ListFunctionUrlConfigs", "", On::Function),
    ("ListFunctions", "", On::Nothing),
    ("ListLayerVersions", "", On::Nothing),
    ("ListLayers", "", On::Nothing),
    ("ListProvisionedConcurrencyConfigs", "", On::Function),
    ("ListTags", "", On::Tagged),
    ("ListVersionsByFunction", "", On::Function),
    ("PublishLayerVersion", "", On::Layer),
    ("PublishVersion", "", On::Function),
    ("PutFunctionConcurrency", "", On::Function),
    ("PutFunctionEventInvokeConfig", "", On::Function),
    ("PutFunctionRecursionConfig", "", On::Function),
    ("PutProvisionedConcurrencyConfig", "", On::Function),
    ("PutRuntimeManagementConfig", "", On::Function),
    ("RemoveLayerVersionPermission", "", On::LayerVersion),
    ("RemovePermission", "", On::Function),
    ("TagResource", "", On::Tagged),
    ("UntagResource", "", On::Tagged),
    ("UpdateAlias", "", On::Function),
    ("UpdateEventSourceMapping", "", On::Mapping),
    ("UpdateFunctionCode", "", On::Function),
    ("UpdateFunctionConfiguration", "", On::Function),
    ("UpdateFunctionEventInvokeConfig", "", On::Function),
    ("UpdateFunctionUrlConfig", "", On::Function),
];

/// What a request would do. One that cannot be read asks for nothing here, and is refused where it is carried out.
pub(crate) fn of(asked: &Asked<'_>, catalogue: Option<&Catalogue>) -> Vec<Check> {
    let Some((name, action, on)) = TABLE.iter().find(|(name, ..)| *name == asked.operation) else {
        return Vec::new();
    };
    let action = if action.is_empty() { name } else { action };
    let Some(resource) = resource(asked, *on) else {
        return Vec::new();
    };
    let check = Check::new(format!("lambda:{action}"), resource, asked.account());
    let named = asked.function().ok().filter(|_| *on == On::Function);
    let policy = named.and_then(|named| {
        let key = format!(
            "{}:{}",
            named.function,
            named.qualifier.as_deref().unwrap_or_default()
        );
        catalogue?.policies.get(&key).cloned()
    });
    let mut checks = vec![check.with_policy(policy)];
    checks.extend(of_members(asked));
    checks
}

/// What a request names besides: the role that a function gets, its layers, the object that holds its code.
fn of_members(asked: &Asked<'_>) -> Vec<Check> {
    let has_members = matches!(
        asked.operation,
        "CreateFunction"
            | "UpdateFunctionConfiguration"
            | "UpdateFunctionCode"
            | "PublishLayerVersion"
    );
    let Some(body) = has_members.then(|| asked.body().ok()).flatten() else {
        return Vec::new();
    };
    let mut checks = Vec::new();
    let role = body.text("Role").ok().flatten();
    if let Some(role) = role.and_then(|role| Arn::parse(role).ok()) {
        checks.push(Check::pass_role(
            &role,
            "lambda.amazonaws.com",
            asked.account(),
        ));
    }
    for layer in body.texts("Layers").ok().flatten().unwrap_or_default() {
        checks.push(Check::new("lambda:GetLayerVersion", layer, asked.account()));
    }
    let nested = |name: &str| body.object(name).ok().flatten();
    let code = nested("Code").or_else(|| nested("Content")).unwrap_or(body);
    checks.extend(object_check(asked, &code));
    checks
}

fn object_check(asked: &Asked<'_>, code: &Body) -> Option<Check> {
    let bucket = code.text("S3Bucket").ok().flatten()?;
    let key = code.text("S3Key").ok().flatten()?;
    let action = match code.text("S3ObjectVersion").ok().flatten() {
        Some(_) => "s3:GetObjectVersion",
        None => "s3:GetObject",
    };
    let object = format!("arn:aws:s3:::{bucket}/{key}");
    Some(Check::new(action, object, asked.account()))
}

fn resource(asked: &Asked<'_>, on: On) -> Option<String> {
    let arn = |resource: String| {
        Arn::new("lambda", asked.region(), asked.account(), resource).to_string()
    };
    match on {
        On::Nothing => Some("*".to_owned()),
        On::Function => asked.function().ok().map(|named| qualified(asked, &named)),
        On::NewFunction => {
            let body = asked.body().ok()?;
            let name = body.text("FunctionName").ok().flatten()?;
            let named = Named::read(name, None, asked.region(), asked.account()).ok()?;
            Some(qualified(asked, &named))
        }
        On::Layer => Some(arn(format!("layer:{}", asked.label("LayerName")))),
        On::LayerVersion => match asked.parameter("Arn") {
            Some(arn) => Some(arn.to_owned()),
            None => Some(arn(format!(
                "layer:{}:{}",
                asked.label("LayerName"),
                asked.label("VersionNumber")
            ))),
        },
        On::Mapping => Some(arn(format!("event-source-mapping:{}", asked.label("UUID")))),
        On::Tagged => Some(asked.label("Resource").to_owned()),
    }
}

fn qualified(asked: &Asked<'_>, named: &Named) -> String {
    let name = FunctionName::new(named.function.as_str());
    let arn = Arn::of_function(asked.region(), asked.account(), &name);
    match &named.qualifier {
        Some(qualifier) => format!("{arn}:{qualifier}"),
        None => arn.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_that_is_carried_out_says_what_it_needs() {
        for (name, is_carried_out) in crate::service::operations() {
            let is_checked = TABLE.iter().any(|(checked, ..)| *checked == name);
            assert!(is_checked || !is_carried_out, "{name}");
        }
        for (name, ..) in TABLE {
            let mut known = crate::service::operations().into_iter();
            assert!(known.any(|(known, _)| known == *name), "{name}");
        }
    }
}
