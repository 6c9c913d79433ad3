//! REST APIs of Amazon API Gateway (version 1), as deployed.
//!
//! Lives here: routes, integrations and options that the gateway compiles.
//! Does not live here: matching and events (`gateway`), HTTP APIs (`http_api`).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::{ApiId, FunctionName, LogicalId, StageName};
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
    /// What answers.
    pub integration: RestIntegration,
    /// Where the manifest declares it.
    pub place: Option<Place>,
}

/// What answers a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestIntegration {
    /// `AWS_PROXY` to a function.
    LambdaProxy {
        /// The function.
        function: FunctionName,
        /// The version's number or the alias by which it is called, when its integration says one.
        qualifier: Option<String>,
        /// How long the gateway waits for it.
        timeout: Duration,
    },
    /// `MOCK`: a reply of fixed headers, as every tool writes for a CORS preflight.
    Mock(MockReply),
    /// Nothing, although the method is declared: its requests fail. It keeps its place, because a less specific
    /// method (`/{proxy+}`) would otherwise take its requests, past whatever guards it.
    NotServed {
        /// Why, for the developer.
        reason: String,
    },
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
