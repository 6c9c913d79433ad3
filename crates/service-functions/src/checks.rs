//! What each operation needs to be allowed.
//!
//! Lives here: the table of operations, their actions and the resources that these are about.
//! Does not live here: judging (`interfaces::authorize`), policies of functions (`permissions`).
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for AWS Lambda".

use interfaces::authorize::Check;
use model::arn::Arn;
use model::ids::{AccountId, FunctionName, Region};

use crate::catalogue::Catalogue;
use crate::function_name::Named;
use crate::layers;
use crate::request::{Asked, Body};
use crate::roles;

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
    /// The version of a layer in the path.
    LayerVersion,
    /// The version of a layer in the parameter `Arn`.
    LayerVersionArn,
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
    (
        "GetLayerVersionByArn",
        "GetLayerVersion",
        On::LayerVersionArn,
    ),
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

/// Whether an operation is carried out.
pub(crate) fn is_known(operation: &str) -> bool {
    TABLE.iter().any(|(name, ..)| *name == operation)
}

/// What a request would do. One that cannot be read asks for nothing here, and is refused where it is carried out.
pub(crate) fn of(asked: &Asked<'_>, catalogue: Option<&Catalogue>) -> Vec<Check> {
    let Some((name, action, on)) = TABLE.iter().find(|(name, ..)| *name == asked.operation) else {
        return Vec::new();
    };
    let action = if action.is_empty() { name } else { action };
    // One region of one account is deployed, and whatever scope a request was signed for, that is what it is about.
    let place = match catalogue {
        Some(catalogue) => (&catalogue.region, &catalogue.account),
        None => (asked.region(), asked.account()),
    };
    let Some(resource) = resource(asked, *on, place) else {
        return Vec::new();
    };
    let check = Check::new(format!("lambda:{action}"), resource, place.1);
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
        checks.push(Check::pass_role(&role, roles::LAMBDA));
    }
    for layer in body.texts("Layers").ok().flatten().unwrap_or_default() {
        checks.push(Check::new("lambda:GetLayerVersion", layer, asked.account()));
    }
    // Where the code stands is the operation's own: a member that it does not read says nothing.
    let nested = |name: &str| body.object(name).ok().flatten();
    let code = match asked.operation {
        "CreateFunction" => nested("Code"),
        "PublishLayerVersion" => nested("Content"),
        _ => Some(body),
    };
    checks.extend(code.and_then(|code| object_check(asked, &code)));
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

/// The region and the account that are deployed.
type Place<'a> = (&'a Region, &'a AccountId);

fn resource(asked: &Asked<'_>, on: On, place: Place<'_>) -> Option<String> {
    let arn = |resource: String| Arn::new("lambda", place.0, place.1, resource).to_string();
    match on {
        On::Nothing => Some("*".to_owned()),
        On::Function => asked.function().ok().map(|named| qualified(place, &named)),
        On::NewFunction => {
            let body = asked.body().ok()?;
            let name = body.text("FunctionName").ok().flatten()?;
            let named = Named::read(name, None, asked.region(), asked.account()).ok()?;
            Some(qualified(place, &named))
        }
        On::Layer => {
            let layer = layers::layer_name(asked.label("LayerName"));
            Some(arn(format!("layer:{layer}")))
        }
        On::LayerVersion => {
            let (layer, number) = layers::named(asked).ok()?;
            Some(arn(format!("layer:{layer}:{number}")))
        }
        On::LayerVersionArn => {
            let (layer, number) = layers::of_arn(asked.parameter("Arn").unwrap_or_default())?;
            Some(arn(format!("layer:{layer}:{number}")))
        }
        On::Mapping => Some(arn(format!("event-source-mapping:{}", asked.label("UUID")))),
        On::Tagged => Some(arn(Arn::parse(asked.label("Resource")).ok()?.resource)),
    }
}

fn qualified((region, account): Place<'_>, named: &Named) -> String {
    let name = FunctionName::new(named.function.as_str());
    let arn = Arn::of_function(region, account, &name);
    match &named.qualifier {
        Some(qualifier) => format!("{arn}:{qualifier}"),
        None => arn.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use http::{HeaderMap, Method};
    use interfaces::service::ServiceCall;
    use model::ids::RequestId;
    use model::principal::Principal;

    use super::*;

    /// What a user's call asks for.
    fn asked_for(method: Method, path: &str, body: &str) -> Vec<String> {
        let account = AccountId::development();
        let call = ServiceCall {
            request_id: RequestId::new("r"),
            caller: Principal::User {
                account: account.clone(),
                arn: Arn::parse("arn:aws:iam::000000000000:user/ada").unwrap(),
            },
            account,
            region: Region::new("eu-west-1"),
            method,
            path_and_query: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::from(body.to_owned()),
            stream: None,
        };
        // Another region than that of the signature.
        let deployed = Catalogue {
            account: AccountId::development(),
            region: Region::new("us-east-1"),
            entries: BTreeMap::new(),
            policies: BTreeMap::new(),
            generation: 0,
        };
        let checks = of(&Asked::read(&call).unwrap(), Some(&deployed));
        let shown = |check: Check| format!("{} {}", check.action, check.resource);
        checks.into_iter().map(shown).collect()
    }

    #[test]
    fn nothing_but_what_is_carried_out_is_asked_about() {
        const LAMBDA: &str = "arn:aws:lambda:us-east-1:000000000000";
        let own = "Arn=arn:aws:lambda:us-east-1:000000000000:layer:own:1";
        let delete = asked_for(
            Method::DELETE,
            &format!("/2018-10-31/layers/theirs/versions/1?{own}"),
            "",
        );
        assert_eq!(
            delete,
            [format!("lambda:DeleteLayerVersion {LAMBDA}:layer:theirs:1")]
        );
        let by_arn = asked_for(
            Method::GET,
            "/2018-10-31/layers?find=LayerVersion&Arn=x:layer:theirs:01",
            "",
        );
        assert_eq!(
            by_arn,
            [format!("lambda:GetLayerVersion {LAMBDA}:layer:theirs:1")]
        );
        let tags = asked_for(
            Method::GET,
            "/2017-03-31/tags/arn:aws:lambda:eu-west-1:999999999999:function:f",
            "",
        );
        assert_eq!(tags, [format!("lambda:ListTags {LAMBDA}:function:f")]);
        let code = asked_for(
            Method::PUT,
            "/2015-03-31/functions/f/code",
            r#"{"Code": {}, "Content": {}, "S3Bucket": "b", "S3Key": "k"}"#,
        );
        assert_eq!(
            code,
            [
                format!("lambda:UpdateFunctionCode {LAMBDA}:function:f"),
                "s3:GetObject arn:aws:s3:::b/k".to_owned()
            ]
        );
    }

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
