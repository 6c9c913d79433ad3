//! REST APIs of Amazon API Gateway (version 1), as deployed.
//!
//! Lives here: routes, integrations and options that the gateway compiles.
//! Does not live here: matching and events (`gateway`), HTTP APIs (`http_api`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::arn::Arn;
use crate::door::{
    AccessLogSettings, ApiKeySource, Callee, GatewayResponse, Guard, HttpProxy, MethodCache, Rate,
    Validation,
};
use crate::ids::{ApiId, LogicalId, Region, StageName};
use crate::problem::Place;

/// A REST API with the one stage that is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestApi {
    /// Its name in the template.
    pub logical_id: LogicalId,
    /// Its id: the first label of its endpoint's host name.
    pub id: ApiId,
    /// Its display name.
    pub name: String,
    /// The deployed stage.
    pub stage: StageName,
    /// The stage's variables.
    pub stage_variables: BTreeMap<String, String>,
    /// Media types whose bodies are binary, as `*/*` or `image/png`.
    pub binary_media_types: Vec<String>,
    /// Its methods.
    pub methods: Vec<RestMethod>,
    /// Where API keys are looked for.
    pub api_key_source: ApiKeySource,
    /// Its resource policy, as JSON.
    pub policy: Option<Arc<str>>,
    /// What it says in its own words, by the kind of response, as `DEFAULT_4XX`.
    pub gateway_responses: BTreeMap<String, GatewayResponse>,
    /// Replies of so many bytes and more are compressed for clients that ask for it.
    pub minimum_compression_bytes: Option<u32>,
    /// How much the stage's cache holds; none: it has no cache.
    pub cache_bytes: Option<u64>,
    /// How each request is written down.
    pub access_log: Option<AccessLogSettings>,
}

/// One method of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestMethod {
    /// The resource's path, as `/pets/{id}` or `/api/{proxy+}`; the root is `/`.
    pub path: String,
    /// The resource's id, as `requestContext.resourceId` shows it.
    pub resource_id: String,
    /// `GET`, …, or `ANY`.
    pub http_method: String,
    /// `OperationName`, which events show.
    pub operation_name: Option<String>,
    /// What answers.
    pub integration: RestIntegration,
    /// Who may call it.
    pub guard: Guard,
    /// What a request must bring.
    pub validation: Validation,
    /// How often the stage lets it be called.
    pub throttle: Option<Rate>,
    /// How its replies are kept.
    pub cache: Option<MethodCache>,
    /// Where the manifest declares it.
    pub place: Option<Place>,
}

/// What answers a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestIntegration {
    /// `AWS_PROXY` to a function.
    LambdaProxy {
        /// The function.
        callee: Callee,
        /// How long the gateway waits for it.
        timeout: Duration,
        /// Whether its reply is handed on as it is written (`ResponseTransferMode: STREAM`).
        is_streamed: bool,
    },
    /// `HTTP_PROXY` to another server.
    HttpProxy(HttpProxy),
    /// `AWS`, `HTTP` or `MOCK`, with what is made of requests and replies on the way.
    Custom(Box<CustomIntegration>),
    /// `MOCK`: a reply of fixed headers, as every tool writes for a CORS preflight.
    Mock(MockReply),
    /// Nothing, although the method is declared: its requests fail. It keeps its place, because a less specific
    /// method (`/{proxy+}`) would otherwise take its requests, past whatever guards it.
    NotServed {
        /// Why, for the developer.
        reason: String,
    },
}

/// An integration that is no proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomIntegration {
    /// What is asked.
    pub backend: Backend,
    /// How long the gateway waits for it.
    pub timeout: Duration,
    /// What is set, by where it goes, as `integration.request.header.X` from `method.request.…`.
    pub request_parameters: BTreeMap<String, String>,
    /// Mapping templates by content type.
    pub request_templates: BTreeMap<String, String>,
    /// What becomes of a request's body before its template.
    pub content_handling: Option<ContentHandling>,
    /// What is made of answers, in order.
    pub responses: Vec<CustomResponse>,
}

/// Who answers an integration that is no proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// `MOCK`: the gateway itself, with the status that the request's template names.
    Mock,
    /// A function, whose event is what the template makes.
    Function(Callee),
    /// Another server.
    Server {
        /// With `{variables}` of the path, and `${stageVariables.…}` filled in.
        uri: String,
        /// The method that it is called with; none: the request's own.
        http_method: Option<String>,
    },
    /// A service of the cloud.
    Service(Box<CalledApi>),
}

/// A service of the cloud, as the URI of an integration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledApi {
    /// Its name in credentials, as `sqs`.
    pub service: String,
    /// Its region.
    pub region: Region,
    /// `action/NAME`; none: a path is called.
    pub action: Option<String>,
    /// `path/…`, with `{variables}`, with a slash before it.
    pub path: String,
    /// The method that it is called with; none: the request's own.
    pub http_method: Option<String>,
    /// The role that the gateway acts as.
    pub role: Arn,
}

/// What becomes of bodies that are binary, or texts that stand for such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentHandling {
    /// `CONVERT_TO_TEXT`: bytes become base64.
    ToText,
    /// `CONVERT_TO_BINARY`: base64 becomes bytes.
    ToBinary,
}

/// One of the responses of an integration that is no proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomResponse {
    /// The client's status.
    pub status: u16,
    /// Which answers it is for: a function's error message, or a status, fits this pattern as a whole. None: all others.
    pub selection: Option<String>,
    /// Headers by `method.response.header.NAME`, from `integration.response.…`, `context.…` or a text in quotes.
    pub parameters: BTreeMap<String, String>,
    /// Mapping templates by content type.
    pub templates: BTreeMap<String, String>,
    /// What becomes of an answer's body before its template.
    pub content_handling: Option<ContentHandling>,
}

/// A `MOCK` integration's only reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MockReply {
    /// Its status.
    pub status: u16,
    /// Its headers, in order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
    /// When not empty, `Access-Control-Allow-Origin` is the request's own origin if it is one of these
    /// patterns (`*` stands for any run of characters), as the Serverless Framework's template does it.
    pub allowed_origins: Vec<String>,
}

impl RestApi {
    /// An API without methods, and with nothing but the defaults.
    #[must_use]
    pub fn new(logical_id: LogicalId, id: ApiId, stage: StageName) -> Self {
        Self {
            name: logical_id.to_string(),
            logical_id,
            id,
            stage,
            stage_variables: BTreeMap::new(),
            binary_media_types: Vec::new(),
            methods: Vec::new(),
            api_key_source: ApiKeySource::default(),
            policy: None,
            gateway_responses: BTreeMap::new(),
            minimum_compression_bytes: None,
            cache_bytes: None,
            access_log: None,
        }
    }
}

impl RestMethod {
    /// A method that anybody may call, with nothing but the defaults.
    #[must_use]
    pub fn new(path: &str, http_method: &str, integration: RestIntegration) -> Self {
        Self {
            path: path.to_owned(),
            resource_id: String::new(),
            http_method: http_method.to_owned(),
            operation_name: None,
            integration,
            guard: Guard::default(),
            validation: Validation::default(),
            throttle: None,
            cache: None,
            place: None,
        }
    }
}
