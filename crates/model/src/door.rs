//! What stands before a route of either kind of API: who may call, how often, with what, from which cache.
//!
//! Lives here: authorizers, API keys and usage plans, rates, request validation, caching, gateway responses, as deployed.
//! Does not live here: carrying them out (`gateway`), the routes (`rest_api`, `http_api`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::arn::Arn;
use crate::ids::{ApiId, FunctionName, Region, StageName};
use crate::problem::Place;

/// A function as whatever calls it names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Callee {
    /// The function.
    pub function: FunctionName,
    /// The version's number or the alias by which it is called, when one is said.
    pub qualifier: Option<String>,
}

impl Callee {
    /// A function, called by its name alone.
    #[must_use]
    pub fn unqualified(function: FunctionName) -> Self {
        Self {
            function,
            qualifier: None,
        }
    }
}

/// Who may call a route.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guard {
    /// What must be shown.
    pub authorization: Authorization,
    /// Whether an API key of a usage plan must be shown besides (REST APIs alone).
    pub api_key_required: bool,
}

/// What a request must show to be let in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Authorization {
    /// `NONE`.
    #[default]
    Open,
    /// `AWS_IAM`: a signature whose principal may `execute-api:Invoke`.
    Iam,
    /// Whatever this authorizer asks for.
    Authorizer {
        /// The authorizer.
        authorizer: Arc<Authorizer>,
        /// The scopes of which a token must have one; empty: any token will do.
        scopes: Vec<String>,
    },
}

/// An authorizer of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorizer {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: AuthorizerKind,
    /// Where the manifest declares it.
    pub place: Option<Place>,
}

/// What an authorizer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorizerKind {
    /// `JWT` of an HTTP API.
    Jwt {
        /// `JwtConfiguration.Issuer`.
        issuer: String,
        /// `JwtConfiguration.Audience`: `aud` or `client_id` must be one of them.
        audience: Vec<String>,
        /// Where the token is.
        identity_source: IdentitySource,
    },
    /// `COGNITO_USER_POOLS` of a REST API.
    UserPools {
        /// The issuer of each user pool, as `https://cognito-idp.REGION.amazonaws.com/POOL`.
        issuers: Vec<String>,
        /// Where the token is.
        identity_source: IdentitySource,
        /// `IdentityValidationExpression`: the token's `aud` must match.
        validation: Option<String>,
    },
    /// `TOKEN` of a REST API: a function that is given one header.
    Token {
        /// The function.
        callee: Callee,
        /// The header.
        identity_source: IdentitySource,
        /// `IdentityValidationExpression`: the whole token must match.
        validation: Option<String>,
        /// How long a policy is kept for the token; zero: not at all.
        result_ttl: Duration,
    },
    /// `REQUEST` of either API: a function that is given the request.
    Request {
        /// The function.
        callee: Callee,
        /// What must be there, and what a policy is kept for.
        identity_sources: Vec<IdentitySource>,
        /// The shapes of its event and its answer.
        format: AuthorizerFormat,
        /// How long an answer is kept for the sources; zero: not at all.
        result_ttl: Duration,
    },
}

/// The shapes of a `REQUEST` authorizer's event and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizerFormat {
    /// A REST API's, and an HTTP API's with payload format 1.0: a policy is answered.
    V1,
    /// An HTTP API's 2.0 with simple responses off: a policy is answered.
    V2Policy,
    /// An HTTP API's 2.0 with simple responses: `{"isAuthorized": true}`.
    V2Simple,
}

/// A part of a request by which its sender is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySource {
    /// A header.
    Header(String),
    /// A query parameter.
    Query(String),
    /// A variable of the stage.
    StageVariable(String),
    /// A member of `$context`, as `httpMethod` or `identity.sourceIp`.
    Context(String),
}

/// How often something may happen: a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come in 1,000 seconds; a whole number, although the cloud takes fractions of a token a second.
    pub per_1000_s: u64,
    /// How many tokens the bucket holds.
    pub burst: u64,
}

/// A key by which callers are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What callers send.
    pub value: KeyValue,
    /// A key that is switched off is refused.
    pub is_enabled: bool,
}

/// A secret that callers send; it is not shown in logs.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyValue(Arc<str>);

impl KeyValue {
    /// Takes the text as it is.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("KeyValue(…)")
    }
}

/// Where a REST API looks for API keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApiKeySource {
    /// The header `x-api-key`.
    #[default]
    Header,
    /// `usageIdentifierKey` of the authorizer's answer.
    Authorizer,
}

/// What the holders of some keys may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsagePlan {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How often each key may call.
    pub throttle: Option<Rate>,
    /// How much each key may call.
    pub quota: Option<Quota>,
    /// The stages that it opens.
    pub stages: Vec<PlanStage>,
    /// The ids of its keys.
    pub keys: BTreeSet<String>,
    /// Where the manifest declares it.
    pub place: Option<Place>,
}

/// A stage that a usage plan opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanStage {
    /// The API.
    pub api: ApiId,
    /// Its stage.
    pub stage: StageName,
    /// Rates of single methods, by `PATH/METHOD`, as `/pets/{id}/GET`.
    pub methods: BTreeMap<String, Rate>,
}

/// How much a key may call in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests in a period.
    pub limit: u64,
    /// Requests that count as made already in the first period.
    pub offset: u64,
    /// The period.
    pub period: QuotaPeriod,
}

/// The period of a quota; each begins at midnight UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaPeriod {
    /// A day.
    Day,
    /// A week, from Sunday.
    Week,
    /// A month, from its first day.
    Month,
}

/// What a request must bring to be handed on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Validation {
    /// Parameters that must be there.
    pub required: Vec<Parameter>,
    /// When bodies are checked: a JSON schema (draft 4) by media type, with all that it refers to in it.
    pub models: BTreeMap<String, Arc<str>>,
    /// The content types that the integration takes; none: all.
    pub templates: Option<Templates>,
}

/// The content types for which an integration says what becomes of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates {
    /// They.
    pub content_types: Vec<String>,
    /// What becomes of others.
    pub passthrough: Passthrough,
}

/// What becomes of a body of a content type that an integration has no template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passthrough {
    /// It is handed on: `WHEN_NO_MATCH`, or `WHEN_NO_TEMPLATES` where there is no template at all.
    HandedOn,
    /// It is refused as unsupported: `NEVER`, or `WHEN_NO_TEMPLATES` where there are others.
    Refused,
}

/// A part of a request, as `method.request.querystring.q` names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Parameter {
    /// Where it is.
    pub location: ParameterLocation,
    /// Its name.
    pub name: String,
}

/// Where a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ParameterLocation {
    /// In the path.
    Path,
    /// In the query, its last value.
    Query,
    /// In the query, all of its values.
    MultiValueQuery,
    /// Among the headers, its last value.
    Header,
    /// Among the headers, all of its values.
    MultiValueHeader,
}

/// How a method's replies are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodCache {
    /// How long; never zero, and an hour at most.
    pub ttl: Duration,
    /// What tells replies apart besides path and method.
    pub key_parameters: Vec<Parameter>,
    /// Methods with the same one share their replies; none: the resource's id.
    pub namespace: Option<String>,
    /// What becomes of `Cache-Control: max-age=0`.
    pub invalidation: Invalidation,
}

/// What becomes of a request that wants its reply made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Invalidation {
    /// Anybody may.
    Open,
    /// Who may `execute-api:InvalidateCache`; others get 403.
    #[default]
    ElseForbidden,
    /// The same; others get the kept reply, with a warning header.
    ElseWarned,
    /// The same; others get the kept reply.
    ElseIgnored,
}

/// What a REST API says instead of its own words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GatewayResponse {
    /// The status; none: the usual one.
    pub status: Option<u16>,
    /// Headers, by the name, with a text in quotes or a part of the request (`method.request.header.Origin`).
    pub headers: BTreeMap<String, String>,
    /// Bodies by media type, with `$context` variables.
    pub templates: BTreeMap<String, String>,
}

/// Where and how each request is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// The line, with `$context` variables.
    pub format: String,
    /// The ARN of the log group or stream.
    pub destination: String,
}

/// A host name of its own for some APIs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomDomain {
    /// As `api.example.com`.
    pub name: String,
    /// What its paths lead to.
    pub mappings: Vec<BasePathMapping>,
    /// Where the manifest declares it.
    pub place: Option<Place>,
}

/// A path of a custom domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasePathMapping {
    /// Without slashes at its ends; empty: all that no other takes.
    pub base_path: String,
    /// The API.
    pub api: ApiId,
    /// Its stage.
    pub stage: StageName,
}

/// An integration that calls a service of the cloud, in place of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledService {
    /// What is done.
    pub action: ServiceAction,
    /// Its parameters, and the expressions that they are made of.
    pub parameters: BTreeMap<String, String>,
    /// The role that the gateway acts as.
    pub role: Arn,
    /// The service's region; none: the API's own.
    pub region: Option<Region>,
    /// How long the gateway waits.
    pub timeout: Duration,
}

/// What HTTP APIs do at services by themselves.
///
/// Contract: Amazon API Gateway Developer Guide, "Integration subtype reference".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceAction {
    /// `EventBridge-PutEvents`
    PutEvents,
    /// `SQS-SendMessage`
    SendMessage,
    /// `SQS-ReceiveMessage`
    ReceiveMessage,
    /// `SQS-DeleteMessage`
    DeleteMessage,
    /// `SQS-PurgeQueue`
    PurgeQueue,
}

impl ServiceAction {
    /// All that are carried out.
    pub const ALL: [Self; 5] = [
        Self::PutEvents,
        Self::SendMessage,
        Self::ReceiveMessage,
        Self::DeleteMessage,
        Self::PurgeQueue,
    ];

    /// Its name, as an integration's subtype.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PutEvents => "EventBridge-PutEvents",
            Self::SendMessage => "SQS-SendMessage",
            Self::ReceiveMessage => "SQS-ReceiveMessage",
            Self::DeleteMessage => "SQS-DeleteMessage",
            Self::PurgeQueue => "SQS-PurgeQueue",
        }
    }
}

/// An integration that hands requests to another server: `HTTP_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpProxy {
    /// With `{variables}` of the path, and `${stageVariables.…}` filled in.
    pub uri: String,
    /// The method that it is called with; none: the request's own.
    pub http_method: Option<String>,
    /// How long the gateway waits.
    pub timeout: Duration,
    /// What is set, by where it goes: REST APIs `integration.request.header.X` from `method.request.…`, HTTP APIs
    /// `append:header.X` and the like.
    pub request_parameters: BTreeMap<String, String>,
    /// HTTP APIs: what is changed in a reply, by its status.
    pub response_parameters: BTreeMap<String, BTreeMap<String, String>>,
}
