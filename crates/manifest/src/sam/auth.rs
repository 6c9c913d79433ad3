//! `Auth` of APIs and of their events: who may call, written into the definition.
//!
//! Lives here: security schemes of authorizers, what each method requires, permissions of authorizers' functions.
//! Does not live here: `ResourcePolicy` (`resource_policy`), usage plans.
//!
//! Contract: AWS SAM Developer Guide, "ApiAuth", "HttpApiAuth", "ApiFunctionAuth" and "HttpApiFunctionAuth"; the SAM
//! transform's output.

use cloudformation::node::{Kind, Mapping, Node};
use model::problem::Place;
use serde_json::json;

use super::apis::{Api, ApiKind, Authorship};
use super::context::Context;
use super::definition::{self, Preflights};
use super::nodes::{inner, json, list, mapping, members, reference, text};
use super::resource_policy;

const INVALID: &str = "manifest::invalid-auth";
/// The scheme of API keys.
const API_KEY: &str = "api_key";
/// The scheme of signatures.
const SIGNED: &str = "AWS_IAM";
/// No authorizer, whatever the API's default.
const OPEN: &str = "NONE";
/// Integrations run with whatever the caller may do.
const AS_CALLER: &str = "arn:aws:iam::*:user/*";

/// Parts of a request that identify its sender: the property, and how REST and HTTP APIs write them.
const IDENTITY: [(&str, &str, &str); 4] = [
    ("Headers", "method.request.header.", "$request.header."),
    (
        "QueryStrings",
        "method.request.querystring.",
        "$request.querystring.",
    ),
    ("StageVariables", "stageVariables.", "$stageVariables."),
    ("Context", "context.", "$context."),
];

/// What the method of an event requires by its own words: its key, its authorizer.
pub(super) fn of_event(auth: Option<&Node>, context: &Context<'_>, place: &Place) -> Option<Node> {
    let auth = auth?;
    let mut all = Vec::new();
    let keyed = auth.get("ApiKeyRequired").map(Node::as_bool);
    if keyed.is_some_and(|keyed| keyed != Some(false)) {
        all.push(mapping([(API_KEY, list(Vec::new(), place))], place));
    }
    if let Some(name) = authorizer_of(auth, context) {
        let scopes = auth.get("AuthorizationScopes").cloned();
        let scopes = scopes.unwrap_or_else(|| list(Vec::new(), place));
        all.push(mapping([(name.as_str(), scopes)], place));
    }
    (!all.is_empty() || keyed.is_some()).then(|| list(all, place))
}

fn authorizer_of(auth: &Node, context: &Context<'_>) -> Option<String> {
    auth.get("Authorizer")
        .and_then(|node| context.resolved_text(node))
}

/// What a signed method's integration runs as.
pub(super) fn credentials(
    event: Option<&Node>,
    api: Option<&Node>,
    context: &Context<'_>,
    place: &Place,
) -> Option<Node> {
    let says = |auth: Option<&Node>, name: &str| {
        let node = auth?.get(name)?;
        context.resolved_text(node)
    };
    let is_own = says(event, "Authorizer").as_deref() == Some(SIGNED);
    let is_default = event.is_none() && says(api, "DefaultAuthorizer").as_deref() == Some(SIGNED);
    if !is_own && !is_default {
        return None;
    }
    let role = [event, api]
        .into_iter()
        .find_map(|auth| auth?.get("InvokeRole"))
        .cloned()
        .unwrap_or_else(|| text("CALLER_CREDENTIALS", place));
    match context.resolved_text(&role).as_deref() {
        Some("NONE") => None,
        Some("CALLER_CREDENTIALS") => Some(text(AS_CALLER, place)),
        Some(_) | None => Some(role),
    }
}

/// Writes `Auth` of an API into its definition.
pub(super) fn apply(api: &mut Api<'_>, context: &mut Context<'_>) {
    let node = api.declared.get("Auth").cloned();
    let auth = members(node.as_ref());
    let place = node.map_or_else(|| api.declared.place.clone(), |node| node.place.clone());
    report_unbuilt(&auth, api.kind, context);
    if api.definition.is_none() {
        if !auth.is_empty() {
            let title = "`Auth` works only with a definition in the template";
            context.invalid(INVALID, title, &place);
        }
        return;
    }
    let rules = Rules::read(&auth, context);
    let used = require(api, &rules, &place, context);
    let schemes = schemes(api.kind, &auth, &used, context);
    write_schemes(api, schemes, &place);
    for entry in &members(auth.get("Authorizers")) {
        write_permission(api, &entry.key, &entry.value, context);
    }
    resource_policy::apply(api, auth.get("ResourcePolicy"), &place);
}

fn report_unbuilt(auth: &Mapping, kind: ApiKind, context: &mut Context<'_>) {
    let known: &[&str] = match kind {
        ApiKind::Rest => &[
            "AddApiKeyRequiredToCorsPreflight",
            "AddDefaultAuthorizerToCorsPreflight",
            "ApiKeyRequired",
            "Authorizers",
            "DefaultAuthorizer",
            "InvokeRole",
            "ResourcePolicy",
            "UsagePlan",
        ],
        ApiKind::Http => &["Authorizers", "DefaultAuthorizer", "EnableIamAuthorizer"],
    };
    for entry in auth
        .iter()
        .filter(|entry| !known.contains(&entry.key.as_str()))
    {
        let place = entry.key_place.clone();
        let title = format!("`Auth` has no property `{}`", entry.key);
        context.invalid(INVALID, title, &place);
    }
}

/// What holds for all methods of an API.
struct Rules {
    default: Option<String>,
    preflights: Preflights,
    is_keyed: bool,
    keyed_preflights: Preflights,
    authorizers: Mapping,
}

impl Rules {
    fn read(auth: &Mapping, context: &Context<'_>) -> Self {
        let flag = |name: &str| auth.get(name).map(|node| context.resolved(node).as_bool());
        let preflights = |name: &str| match flag(name) {
            Some(Some(false)) => Preflights::Open,
            Some(_) | None => Preflights::Guarded,
        };
        let default = auth.get("DefaultAuthorizer");
        Self {
            default: default.and_then(|node| context.resolved_text(node)),
            preflights: preflights("AddDefaultAuthorizerToCorsPreflight"),
            is_keyed: flag("ApiKeyRequired").is_some_and(|keyed| keyed != Some(false)),
            keyed_preflights: preflights("AddApiKeyRequiredToCorsPreflight"),
            authorizers: members(auth.get("Authorizers")),
        }
    }
}

/// Says of each method what it requires; the names of all schemes that some method does.
fn require(
    api: &mut Api<'_>,
    rules: &Rules,
    place: &Place,
    context: &mut Context<'_>,
) -> Vec<String> {
    let mut used: Vec<String> = Vec::new();
    let unkeyed = api.unkeyed.clone();
    let Some(definition) = &mut api.definition else {
        return used;
    };
    definition::each_method(definition, &mut |path, key, method| {
        let given = method.get("security").and_then(Node::as_sequence);
        let mut security = given.map(<[Node]>::to_vec);
        let is_preflight = key == "options";
        let own_guard = security.iter().flatten().any(|one| !asks_for(one, API_KEY));
        let passes = |preflights| is_preflight && preflights == Preflights::Open;
        if let Some(default) = &rules.default
            && !own_guard
            && !passes(rules.preflights)
        {
            let asked = mapping([(default.as_str(), list(Vec::new(), place))], place);
            security.get_or_insert_default().push(asked);
        }
        let opted_out = unkeyed.contains(&(path.to_owned(), key.to_owned()));
        let has_key = security.iter().flatten().any(|one| asks_for(one, API_KEY));
        if rules.is_keyed && !has_key && !opted_out && !passes(rules.keyed_preflights) {
            let asked = mapping([(API_KEY, list(Vec::new(), place))], place);
            security.get_or_insert_default().push(asked);
        }
        let Some(mut security) = security else { return };
        for one in &mut security {
            fill_scopes(one, &rules.authorizers);
            used.extend(members(Some(one)).iter().map(|entry| entry.key.clone()));
        }
        method.set("security", place, list(security, place));
    });
    if api.authorship == Authorship::Events {
        for name in &used {
            let is_known = [API_KEY, SIGNED, OPEN].contains(&name.as_str());
            if !is_known && rules.authorizers.get(name).is_none() {
                let title = format!("`Authorizers` of the API has no `{name}`");
                context.invalid(INVALID, title, place);
            }
        }
    }
    used
}

fn asks_for(requirement: &Node, name: &str) -> bool {
    requirement.get(name).is_some()
}

/// A method that names no scopes is asked for those of its authorizer.
fn fill_scopes(requirement: &mut Node, authorizers: &Mapping) {
    let Kind::Mapping(asked) = &mut requirement.kind else {
        return;
    };
    let names: Vec<String> = asked.iter().map(|entry| entry.key.clone()).collect();
    for name in names {
        let is_empty = asked.get(&name).and_then(Node::as_sequence) == Some(&[]);
        let scopes = authorizers
            .get(&name)
            .and_then(|one| one.get("AuthorizationScopes"));
        if let (true, Some(scopes)) = (is_empty, scopes) {
            let place = scopes.place.clone();
            asked.set(&name, &place, scopes.clone());
        }
    }
}

/// The schemes of an API: those of its authorizers, and what its methods use besides.
fn schemes(kind: ApiKind, auth: &Mapping, used: &[String], context: &mut Context<'_>) -> Mapping {
    let mut schemes = Mapping::default();
    for entry in &members(auth.get("Authorizers")) {
        let scheme = match kind {
            ApiKind::Rest => rest_scheme(&entry.value, context),
            ApiKind::Http => http_scheme(&entry.value, context),
        };
        match scheme {
            Some(scheme) => schemes.set(&entry.key, &entry.key_place, scheme),
            None => {
                let title = format!(
                    "authorizer `{}` has neither a function nor issuers of tokens",
                    entry.key
                );
                context.invalid(INVALID, title, &entry.key_place);
            }
        }
    }
    let enabled = auth.get("EnableIamAuthorizer").and_then(Node::as_bool) == Some(true);
    let is_used = |name: &str| used.iter().any(|one| one == name);
    let place = context.start();
    if enabled || is_used(SIGNED) {
        let scheme = json!({
            "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4",
        });
        schemes.set(SIGNED, &place, json(&scheme, &place));
    }
    if is_used(API_KEY) {
        let scheme = json!({"type": "apiKey", "name": "x-api-key", "in": "header"});
        schemes.set(API_KEY, &place, json(&scheme, &place));
    }
    schemes
}

fn write_schemes(api: &mut Api<'_>, schemes: Mapping, place: &Place) {
    let Some(top) = api.definition.as_mut().and_then(definition::top) else {
        return;
    };
    if schemes.is_empty() {
        return;
    }
    let written = if top.get("openapi").is_some() {
        inner(top, "components", place).and_then(|parts| inner(parts, "securitySchemes", place))
    } else {
        inner(top, "securityDefinitions", place)
    };
    let Some(written) = written else { return };
    for entry in &schemes {
        if written.get(&entry.key).is_none() {
            written.set(&entry.key, &entry.key_place, entry.value.clone());
        }
    }
}

fn uri_of(function: &Node) -> Node {
    let place = &function.place;
    let uri = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${__FunctionArn__}/invocations";
    let variables = mapping([("__FunctionArn__", function.clone())], place);
    let parts = list(vec![text(uri, place), variables], place);
    mapping([("Fn::Sub", parts)], place)
}

/// Members of the extension that both kinds of API share.
fn function_extension(authorizer: &Node, kind: &str, context: &Context<'_>) -> Option<Mapping> {
    let function = authorizer.get("FunctionArn")?;
    let place = &authorizer.place;
    let mut extension = Mapping::default();
    extension.set("type", place, text(kind, place));
    extension.set("authorizerUri", &function.place, uri_of(function));
    let role = authorizer.get("FunctionInvokeRole");
    let role = role.filter(|role| context.resolved_text(role).as_deref() != Some("NONE"));
    if let Some(role) = role {
        extension.set("authorizerCredentials", &role.place, role.clone());
    }
    if let Some(seconds) = authorizer.at_path(["Identity", "ReauthorizeEvery"]) {
        extension.set(
            "authorizerResultTtlInSeconds",
            &seconds.place,
            seconds.clone(),
        );
    }
    Some(extension)
}

fn rest_scheme(authorizer: &Node, context: &Context<'_>) -> Option<Node> {
    let place = &authorizer.place;
    let identity = |name: &str| authorizer.at_path(["Identity", name]).cloned();
    let header = identity("Header").unwrap_or_else(|| text("Authorization", place));
    let payload = authorizer.get("FunctionPayloadType");
    let payload = payload.and_then(|node| context.resolved_text(node));
    let is_request = payload.as_deref() == Some("REQUEST");
    let (sort, name, mut extension) = if let Some(pools) = authorizer.get("UserPoolArn") {
        let pools = match pools.as_sequence() {
            Some(_) => pools.clone(),
            None => list(vec![pools.clone()], &pools.place),
        };
        let mut extension = Mapping::default();
        extension.set("type", place, text("cognito_user_pools", place));
        extension.set("providerARNs", &pools.place.clone(), pools);
        ("cognito_user_pools", header, extension)
    } else if is_request {
        let mut extension = function_extension(authorizer, "request", context)?;
        let sources = identity_sources(authorizer, ApiKind::Rest, context);
        if !sources.is_empty() {
            let sources = text(sources.join(", "), place);
            extension.set("identitySource", place, sources);
        }
        ("custom", text("Unused", place), extension)
    } else {
        let extension = function_extension(authorizer, "token", context)?;
        ("custom", header, extension)
    };
    if let Some(expression) = identity("ValidationExpression") {
        let place = expression.place.clone();
        extension.set("identityValidationExpression", &place, expression);
    }
    let entries = [
        ("type", text("apiKey", place)),
        ("name", name),
        ("in", text("header", place)),
        ("x-amazon-apigateway-authtype", text(sort, place)),
        (
            "x-amazon-apigateway-authorizer",
            Node::new(Kind::Mapping(extension), place),
        ),
    ];
    Some(mapping(entries, place))
}

fn http_scheme(authorizer: &Node, context: &Context<'_>) -> Option<Node> {
    let place = &authorizer.place;
    if let Some(configuration) = authorizer.get("JwtConfiguration") {
        let mut extension = Mapping::default();
        extension.set("type", place, text("jwt", place));
        extension.set("jwtConfiguration", place, configuration.clone());
        if let Some(source) = authorizer.get("IdentitySource") {
            extension.set("identitySource", &source.place, source.clone());
        }
        let entries = [
            ("type", text("oauth2", place)),
            (
                "x-amazon-apigateway-authorizer",
                Node::new(Kind::Mapping(extension), place),
            ),
        ];
        return Some(mapping(entries, place));
    }
    let mut extension = function_extension(authorizer, "request", context)?;
    for (property, member) in [
        (
            "AuthorizerPayloadFormatVersion",
            "authorizerPayloadFormatVersion",
        ),
        ("EnableSimpleResponses", "enableSimpleResponses"),
    ] {
        if let Some(value) = authorizer.get(property) {
            extension.set(member, &value.place, value.clone());
        }
    }
    let sources = identity_sources(authorizer, ApiKind::Http, context);
    if !sources.is_empty() {
        let sources = sources.into_iter().map(|source| text(source, place));
        let sources = list(sources.collect(), place);
        extension.set("identitySource", place, sources);
    }
    let entries = [
        ("type", text("apiKey", place)),
        ("name", text("Unused", place)),
        ("in", text("header", place)),
        (
            "x-amazon-apigateway-authorizer",
            Node::new(Kind::Mapping(extension), place),
        ),
    ];
    Some(mapping(entries, place))
}

fn identity_sources(authorizer: &Node, kind: ApiKind, context: &Context<'_>) -> Vec<String> {
    let mut sources = Vec::new();
    for (property, rest, http) in IDENTITY {
        let prefix = match kind {
            ApiKind::Rest => rest,
            ApiKind::Http => http,
        };
        let names = authorizer.at_path(["Identity", property]);
        for name in names.and_then(Node::as_sequence).into_iter().flatten() {
            if let Some(name) = context.resolved_text(name) {
                sources.push(format!("{prefix}{name}"));
            }
        }
    }
    sources
}

/// A REST API may call its authorizers' functions unless it is said not to; an HTTP API if it is said to.
fn write_permission(api: &Api<'_>, name: &str, authorizer: &Node, context: &mut Context<'_>) {
    let Some(function) = authorizer.get("FunctionArn") else {
        return;
    };
    let flag = |name: &str| authorizer.get(name).and_then(Node::as_bool);
    let (is_written, partition) = match api.kind {
        ApiKind::Rest => (
            flag("DisableFunctionDefaultPermissions") != Some(true),
            "aws",
        ),
        ApiKind::Http => (
            flag("EnableFunctionDefaultPermissions") == Some(true),
            "${AWS::Partition}",
        ),
    };
    if !is_written {
        return;
    }
    let place = &authorizer.place;
    let id = api.declared.logical_id;
    let source = format!(
        "arn:{partition}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{__ApiId__}}/authorizers/*"
    );
    let variables = mapping([("__ApiId__", reference(id, place))], place);
    let source = list(vec![text(source, place), variables], place);
    let mut properties = Mapping::default();
    properties.set("Action", place, text("lambda:InvokeFunction", place));
    properties.set("FunctionName", place, function.clone());
    properties.set("Principal", place, text("apigateway.amazonaws.com", place));
    properties.set("SourceArn", place, mapping([("Fn::Sub", source)], place));
    let logical_id = format!("{id}{name}AuthorizerPermission");
    context.write_companion(
        &api.declared,
        &logical_id,
        "AWS::Lambda::Permission",
        properties,
    );
}
