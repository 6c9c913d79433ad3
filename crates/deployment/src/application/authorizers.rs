//! What guards methods and routes: authorizers, and the requirements that name them.
//!
//! Lives here: authorizers of both APIs from resources and from definitions, and which of them a method asks for.
//! Does not live here: API keys (`keys`), policies of APIs (`policies`), enforcing anything (`gateway`).
//!
//! Contract: AWS CloudFormation Template Reference, "AWS::ApiGateway::Authorizer", "AWS::ApiGatewayV2::Authorizer",
//! "AWS::ApiGateway::Method"; Amazon API Gateway Developer Guide, "x-amazon-apigateway-authorizer" and "…-authtype".

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::door::{
    Authorization, Authorizer, AuthorizerFormat, AuthorizerKind, Callee, IdentitySource,
};
use model::limits::AUTHORIZER_TTL_MAX;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::integration::{Refusal, function_of_uri, with_stage_variables};
use super::openapi;
use super::versions::Callable;
use super::view::{Resource, View, list_of};
use crate::records::text_of;

/// Amazon API Gateway API Reference, "Authorizer": how long answers are kept for a REST API that does not say.
const REST_TTL_DEFAULT_S: u64 = 300;
/// Where a token is looked for when nothing is said.
const TOKEN_HEADER: &str = "Authorization";

/// The authorizers of one API, by their ids and by the names of their schemes.
#[derive(Debug, Default)]
pub(super) struct Authorizers {
    by_id: BTreeMap<String, Result<Arc<Authorizer>, Refusal>>,
    by_scheme: BTreeMap<String, Result<Arc<Authorizer>, Refusal>>,
}

/// Which sort of API an authorizer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// A REST API.
    Rest,
    /// An HTTP API.
    Http,
    /// A WebSocket API.
    WebSocket,
}

/// What authorizers are read with.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) of: Of,
    pub(super) callable: &'a Callable,
    pub(super) stage_variables: &'a BTreeMap<String, String>,
}

/// An authorizer, whichever way it was written.
#[derive(Debug, Default)]
struct Written {
    /// `TOKEN`, `REQUEST`, `COGNITO_USER_POOLS` or `JWT`.
    kind: String,
    uri: String,
    sources: Vec<String>,
    validation: Option<String>,
    ttl: Option<String>,
    pools: Vec<String>,
    payload_format: Option<String>,
    simple: Simple,
    issuer: Option<String>,
    audience: Vec<String>,
}

/// `EnableSimpleResponses`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Simple {
    #[default]
    Off,
    On,
}

impl Authorizers {
    /// All of one API.
    pub(super) fn of_api(
        view: &View<'_>,
        api: &Resource<'_>,
        surroundings: Surroundings<'_>,
    ) -> Self {
        let (resource_type, api_property) = match surroundings.of {
            Of::Rest => ("AWS::ApiGateway::Authorizer", "RestApiId"),
            Of::Http | Of::WebSocket => ("AWS::ApiGatewayV2::Authorizer", "ApiId"),
        };
        let declared = view.of_api(resource_type, api_property, api.physical_id);
        let by_id = declared.map(|resource| {
            let name = resource.text("Name");
            let authorizer = Written::of_resource(resource, surroundings.of).read(surroundings);
            let authorizer = authorizer.map(|kind| {
                Arc::new(Authorizer {
                    id: resource.physical_id.to_owned(),
                    name: name.unwrap_or_else(|| resource.logical_id.to_string()),
                    kind,
                    place: Some(resource.place.clone()),
                })
            });
            (resource.physical_id.to_owned(), authorizer)
        });
        let by_id = by_id.collect();
        let definition = api.properties.get("Body");
        let schemes = definition.into_iter().flat_map(openapi::schemes);
        let by_scheme = schemes.filter_map(|(path, name, scheme)| {
            let written = Written::of_scheme(scheme)?;
            let authorizer = written.read(surroundings).map(|kind| {
                let mut steps = vec!["Body"];
                steps.extend(path);
                steps.push(name);
                Arc::new(Authorizer {
                    id: id_of_scheme(api.physical_id, name),
                    name: name.to_owned(),
                    kind,
                    place: Some(api.place_of(&steps)),
                })
            });
            Some((name.to_owned(), authorizer))
        });
        Self {
            by_id,
            by_scheme: by_scheme.collect(),
        }
    }

    /// What a method or a route asks for.
    ///
    /// # Errors
    /// What it asks for cannot be told, or is not there: it stays shut.
    pub(super) fn of_resource(&self, resource: &Resource<'_>) -> Result<Authorization, Refusal> {
        let kind = resource.text("AuthorizationType");
        let kind = kind.as_deref().unwrap_or("NONE");
        let id = resource.text("AuthorizerId");
        let scopes = list_of(resource.properties.get("AuthorizationScopes"));
        match (kind, id) {
            ("NONE", None) => Ok(Authorization::Open),
            ("NONE", Some(_)) => Err(Refusal::new(
                "it names an authorizer, and has the authorization type `NONE`",
            )
            .help("set `AuthorizationType` to the authorizer's sort")),
            ("AWS_IAM", _) => Ok(Authorization::Iam),
            (kind, Some(id)) => {
                let known = self.by_id.get(&id).ok_or_else(|| {
                    Refusal::new(format!("its authorizer `{id}` is not one of its API"))
                })?;
                let authorizer = Arc::clone(known.as_ref().map_err(Clone::clone)?);
                fits(kind, &authorizer)?;
                Ok(Authorization::Authorizer { authorizer, scopes })
            }
            (kind, None) => Err(Refusal::new(format!(
                "its authorization type is `{kind}`, and it names no authorizer"
            ))
            .help("set `AuthorizerId`")),
        }
    }

    /// What an operation of a definition asks for. An operation's own `security` replaces that of the definition; an
    /// empty requirement lets everybody in.
    ///
    /// # Errors
    /// What it asks for cannot be told: it stays shut.
    pub(super) fn of_operation(
        &self,
        definition: &Value,
        operation: &Value,
    ) -> Result<Authorization, Refusal> {
        let auth = operation.get("x-amazon-apigateway-auth");
        let auth = auth.map(|auth| auth.get("type").and_then(text_of).unwrap_or_default());
        match auth.as_deref().map(str::to_ascii_uppercase).as_deref() {
            None => {}
            Some("NONE") => return Ok(Authorization::Open),
            Some("AWS_IAM") => return Ok(Authorization::Iam),
            Some(other) => {
                return Err(Refusal::new(format!(
                    "`x-amazon-apigateway-auth` asks for `{other}`, which is neither `NONE` nor `AWS_IAM`"
                )));
            }
        }
        let mut required = openapi::guards(definition, operation).into_iter();
        let Some((name, scopes)) = required.next() else {
            return Ok(Authorization::Open);
        };
        if let Some((other, _)) = required.next() {
            return Err(Refusal::new(format!(
                "it requires `{name}` and `{other}`; API Gateway takes one of them"
            )));
        }
        if openapi::scheme(definition, name).is_some_and(is_signature) {
            return Ok(Authorization::Iam);
        }
        let known = self.by_scheme.get(name).ok_or_else(|| {
            Refusal::new(format!(
                "the security scheme `{name}` guards it, and has no `x-amazon-apigateway-authorizer`"
            ))
        })?;
        let authorizer = Arc::clone(known.as_ref().map_err(Clone::clone)?);
        Ok(Authorization::Authorizer { authorizer, scopes })
    }
}

/// `CUSTOM` is a function, `COGNITO_USER_POOLS` and `JWT` are tokens.
fn fits(kind: &str, authorizer: &Authorizer) -> Result<(), Refusal> {
    let wanted = match &authorizer.kind {
        AuthorizerKind::Token { .. } | AuthorizerKind::Request { .. } => "CUSTOM",
        AuthorizerKind::UserPools { .. } => "COGNITO_USER_POOLS",
        AuthorizerKind::Jwt { .. } => "JWT",
    };
    if kind == wanted {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "its authorization type is `{kind}`, and authorizer `{}` asks for `{wanted}`",
        authorizer.name
    )))
}

/// A scheme that asks for a signature.
fn is_signature(scheme: &Value) -> bool {
    let said = scheme.get("x-amazon-apigateway-authtype").and_then(text_of);
    said.is_some_and(|said| said.eq_ignore_ascii_case("awsSigv4"))
}

/// Authorizers of a definition have no resource in the template: their ids come from API and scheme.
fn id_of_scheme(api: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("{api}\0authorizer\0{name}"));
    hex::encode(digest).chars().take(6).collect()
}

impl Written {
    fn of_resource(resource: &Resource<'_>, of: Of) -> Self {
        let list = |name: &str| list_of(resource.properties.get(name));
        let jwt = resource.properties.get("JwtConfiguration");
        let simple = resource.is_true("EnableSimpleResponses");
        let shared = Self {
            uri: resource.text("AuthorizerUri").unwrap_or_default(),
            validation: resource.text("IdentityValidationExpression"),
            ttl: resource.text("AuthorizerResultTtlInSeconds"),
            pools: list("ProviderARNs"),
            payload_format: resource.text("AuthorizerPayloadFormatVersion"),
            simple: if simple { Simple::On } else { Simple::Off },
            issuer: jwt.and_then(|jwt| jwt.get("Issuer")).and_then(text_of),
            audience: list_of(jwt.and_then(|jwt| jwt.get("Audience"))),
            ..Self::default()
        };
        match of {
            Of::Rest => Self {
                kind: resource.text("Type").unwrap_or_default(),
                sources: split(resource.text("IdentitySource").as_deref()),
                ..shared
            },
            Of::Http | Of::WebSocket => Self {
                kind: resource.text("AuthorizerType").unwrap_or_default(),
                sources: list("IdentitySource"),
                ..shared
            },
        }
    }

    /// From a security scheme; none: it has no authorizer of API Gateway's.
    fn of_scheme(scheme: &Value) -> Option<Self> {
        let written = scheme.get("x-amazon-apigateway-authorizer")?;
        let text = |name: &str| written.get(name).and_then(text_of);
        let own = |name: &str| scheme.get(name).and_then(text_of);
        let mut sources = match written.get("identitySource") {
            Some(Value::Array(_)) => list_of(written.get("identitySource")),
            Some(_) | None => split(text("identitySource").as_deref()),
        };
        // Without a source of its own, the scheme's parameter is it.
        let parameter = own("name").filter(|name| !name.eq_ignore_ascii_case("unused"));
        if let (true, Some(name)) = (sources.is_empty(), parameter) {
            let location = match own("in").as_deref() {
                Some("query") => "querystring",
                Some(_) | None => "header",
            };
            sources.push(format!("method.request.{location}.{name}"));
        }
        let jwt = written.get("jwtConfiguration");
        let discovery = own("openIdConnectUrl");
        let discovered = discovery.and_then(|url| {
            let issuer = url.strip_suffix("/.well-known/openid-configuration")?;
            Some(issuer.to_owned())
        });
        let issuer = jwt.and_then(|jwt| jwt.get("issuer")).and_then(text_of);
        let simple = text("enableSimpleResponses").as_deref() == Some("true");
        Some(Self {
            kind: text("type").unwrap_or_default().to_ascii_uppercase(),
            uri: text("authorizerUri").unwrap_or_default(),
            sources,
            validation: text("identityValidationExpression"),
            ttl: text("authorizerResultTtlInSeconds"),
            pools: list_of(written.get("providerARNs")),
            payload_format: text("authorizerPayloadFormatVersion"),
            simple: if simple { Simple::On } else { Simple::Off },
            issuer: issuer.or(discovered),
            audience: list_of(jwt.and_then(|jwt| jwt.get("audience"))),
        })
    }

    fn read(&self, surroundings: Surroundings<'_>) -> Result<AuthorizerKind, Refusal> {
        match (surroundings.of, self.kind.as_str()) {
            (Of::Rest, "TOKEN") => Ok(AuthorizerKind::Token {
                callee: self.callee(surroundings)?,
                identity_source: self.token_source()?,
                validation: self.validation.clone(),
                result_ttl: self.ttl(REST_TTL_DEFAULT_S)?,
            }),
            (Of::Rest, "REQUEST") => {
                let identity_sources = self.sources()?;
                let result_ttl = self.ttl(REST_TTL_DEFAULT_S)?;
                if identity_sources.is_empty() && !result_ttl.is_zero() {
                    return Err(Refusal::new(
                        "its authorizer keeps answers, and has no identity source to keep them under",
                    )
                    .help("set `IdentitySource`, or `AuthorizerResultTtlInSeconds: 0`"));
                }
                Ok(AuthorizerKind::Request {
                    callee: self.callee(surroundings)?,
                    identity_sources,
                    format: AuthorizerFormat::V1,
                    result_ttl,
                })
            }
            (Of::Rest, "COGNITO_USER_POOLS") => Ok(AuthorizerKind::UserPools {
                issuers: self.issuers_of_pools()?,
                identity_source: self.token_source()?,
                validation: self.validation.clone(),
            }),
            (Of::Http, "REQUEST") => self.http_request(surroundings),
            // Who connects is asked once: there is nothing to keep an answer for.
            (Of::WebSocket, "REQUEST") => Ok(AuthorizerKind::Request {
                callee: self.callee(surroundings)?,
                identity_sources: self.sources()?,
                format: AuthorizerFormat::V1,
                result_ttl: Duration::ZERO,
            }),
            (Of::Http, "JWT") => Ok(AuthorizerKind::Jwt {
                issuer: self
                    .issuer
                    .clone()
                    .ok_or_else(|| Refusal::new("its authorizer names no issuer"))?,
                audience: self.audience.clone(),
                identity_source: self.token_source()?,
            }),
            (of, kind) => {
                let kinds = match of {
                    Of::Rest => "`TOKEN`, `REQUEST` or `COGNITO_USER_POOLS`",
                    Of::Http => "`REQUEST` or `JWT`",
                    Of::WebSocket => "`REQUEST`",
                };
                Err(Refusal::new(format!(
                    "there is no authorizer of type `{kind}` for its API"
                ))
                .help(format!("use {kinds}")))
            }
        }
    }

    fn http_request(&self, surroundings: Surroundings<'_>) -> Result<AuthorizerKind, Refusal> {
        let format = match (self.payload_format.as_deref(), self.simple) {
            (Some("1.0"), Simple::Off) => AuthorizerFormat::V1,
            (Some("2.0"), Simple::Off) => AuthorizerFormat::V2Policy,
            (Some("2.0"), Simple::On) => AuthorizerFormat::V2Simple,
            (Some("1.0"), Simple::On) => {
                return Err(Refusal::new(
                    "its authorizer asks for simple responses, which payload format 1.0 does not have",
                ));
            }
            (Some(other), _) => {
                return Err(Refusal::new(format!(
                    "there is no payload format `{other}` of authorizers"
                ))
                .help("use `1.0` or `2.0`"));
            }
            (None, _) => {
                return Err(Refusal::new(
                    "AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer",
                ));
            }
        };
        let identity_sources = self.sources()?;
        let result_ttl = self.ttl(0)?;
        if identity_sources.is_empty() && !result_ttl.is_zero() {
            return Err(Refusal::new(
                "its authorizer keeps answers, and has no identity source to keep them under",
            ));
        }
        Ok(AuthorizerKind::Request {
            callee: self.callee(surroundings)?,
            identity_sources,
            format,
            result_ttl,
        })
    }

    fn callee(&self, surroundings: Surroundings<'_>) -> Result<Callee, Refusal> {
        let uri = with_stage_variables(&self.uri, surroundings.stage_variables);
        let (name, qualifier) = function_of_uri(&uri).ok_or_else(|| {
            Refusal::new(format!(
                "`{uri}` of its authorizer does not name a function"
            ))
        })?;
        surroundings.callable.find(name, qualifier)
    }

    fn ttl(&self, default_s: u64) -> Result<Duration, Refusal> {
        let seconds = match &self.ttl {
            None => default_s,
            Some(text) => text.parse().map_err(|_| {
                Refusal::new(format!("`{text}` is no number of seconds to keep answers"))
            })?,
        };
        let ttl = Duration::from_secs(seconds);
        if AUTHORIZER_TTL_MAX < ttl {
            return Err(Refusal::new(format!(
                "its authorizer keeps answers for {seconds} s; {} are the most",
                AUTHORIZER_TTL_MAX.as_secs()
            )));
        }
        Ok(ttl)
    }

    fn sources(&self) -> Result<Vec<IdentitySource>, Refusal> {
        self.sources.iter().map(|text| source(text)).collect()
    }

    fn token_source(&self) -> Result<IdentitySource, Refusal> {
        match self.sources.as_slice() {
            [] => Ok(IdentitySource::Header(TOKEN_HEADER.to_owned())),
            [one] => source(one),
            [_, ..] => Err(Refusal::new(
                "its authorizer looks for a token, and has more than one identity source",
            )),
        }
    }

    fn issuers_of_pools(&self) -> Result<Vec<String>, Refusal> {
        let issuers = self.pools.iter().map(|arn| {
            let issuer = || {
                let arn = model::arn::Arn::parse(arn).ok()?;
                let pool = arn.resource.strip_prefix("userpool/")?;
                Some(format!(
                    "https://cognito-idp.{}.amazonaws.com/{pool}",
                    arn.region
                ))
            };
            issuer().ok_or_else(|| Refusal::new(format!("`{arn}` is not the ARN of a user pool")))
        });
        let issuers: Vec<String> = issuers.collect::<Result<_, _>>()?;
        if issuers.is_empty() {
            return Err(Refusal::new("its authorizer names no user pool"));
        }
        Ok(issuers)
    }
}

/// `method.request.header.X` of REST APIs, `$request.header.X` of HTTP APIs.
fn source(text: &str) -> Result<IdentitySource, Refusal> {
    let path = text.trim();
    let path = path.strip_prefix('$').unwrap_or(path);
    let path = path.strip_prefix("method.").unwrap_or(path);
    let path = path.strip_prefix("route.").unwrap_or(path);
    let of = |prefix: &str| path.strip_prefix(prefix).filter(|name| !name.is_empty());
    if let Some(name) = of("request.header.") {
        return Ok(IdentitySource::Header(name.to_owned()));
    }
    if let Some(name) = of("request.querystring.") {
        return Ok(IdentitySource::Query(name.to_owned()));
    }
    if let Some(name) = of("stageVariables.") {
        return Ok(IdentitySource::StageVariable(name.to_owned()));
    }
    if let Some(name) = of("context.") {
        return Ok(IdentitySource::Context(name.to_owned()));
    }
    Err(Refusal::new(format!(
        "`{text}` is no identity source of an authorizer"
    ))
    .help("as `method.request.header.Authorization`, or `$request.header.Authorization` of an HTTP API"))
}

/// A REST API's sources stand in one text, with commas between.
fn split(text: Option<&str>) -> Vec<String> {
    let parts = text.unwrap_or_default().split(',').map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}
