//! Integrations that hand requests on to another server: `HTTP_PROXY`.
//!
//! Or to a service of the cloud (`service`), or with templates on the way (`custom`).
//!
//! Lives here: what is asked of the other server (`target`, `request`), parameter mappings (`mapping`), what of its answer
//! the client sees (`response`).
//! Does not live here: connections (`http::upstream`), which route is meant (`routes`), keeping answers (`cache`).
//!
//! Contract: Amazon API Gateway Developer Guide, "HTTP integrations for REST APIs", "Create HTTP proxy integrations for
//! HTTP APIs", "Transform API requests and responses for HTTP APIs".
//! Differs: the host of a URI is fixed by the manifest or by a stage variable; a variable that clients fill in may stand
//! behind it alone, and a path that such a variable would lead upwards is refused with 400. Bodies are handed on whole.

mod context;
mod custom;
mod known;
mod mapping;
mod request;
mod response;
mod service;
mod target;

use std::collections::BTreeMap;
use std::time::Duration;

use model::door::HttpProxy;

use crate::events::Exchange;
use crate::http::Response;
use crate::http::upstream::{Client, Unanswered};
use mapping::Change;
use target::Target;

pub(crate) use custom::{BadCustom, Custom, Fault as CustomFault, Renderings, Selector};
pub(crate) use mapping::BadMapping;
pub(crate) use request::Misled;
pub(crate) use service::{Called, NotCalled, Services};
pub(crate) use target::BadUri;

/// The largest answer that is handed on (both kinds of API: 10 MB).
const ANSWER_BYTES_MAX: usize = model::limits::GATEWAY_PAYLOAD_BYTES_MAX;

/// Whose words and rules are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Rest,
    Http,
}

/// An integration, compiled.
#[derive(Debug)]
pub(crate) struct Proxy {
    style: Style,
    target: Target,
    method: Option<http::Method>,
    timeout: Duration,
    /// What is set in a request, in order.
    request: Vec<Change>,
    /// What is changed in an answer, by its status.
    response: BTreeMap<u16, Vec<Change>>,
}

/// An integration that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadProxy {
    #[error(transparent)]
    Uri(#[from] BadUri),
    #[error(transparent)]
    Mapping(#[from] BadMapping),
    #[error("`{0}` is not a method")]
    Method(String),
    #[error("`{0}` is not a status of a reply")]
    Status(String),
}

/// Why a request was not answered by the other server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotHandedOn {
    #[error(transparent)]
    Misled(#[from] Misled),
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

impl Proxy {
    /// Reads an integration of a route with these path variables.
    pub(crate) fn compile(
        proxy: &HttpProxy,
        style: Style,
        stage_variables: &BTreeMap<String, String>,
    ) -> Result<Self, BadProxy> {
        let reading = mapping::Reading {
            style,
            stage_variables,
        };
        let request = reading.request(&proxy.request_parameters)?;
        let mut response = BTreeMap::new();
        for (status, parameters) in &proxy.response_parameters {
            let number = status.parse().ok();
            let number = number.filter(|number| (200..600).contains(number));
            let number = number.ok_or_else(|| BadProxy::Status(status.clone()))?;
            response.insert(number, reading.response(parameters)?);
        }
        let method = match proxy.http_method.as_deref() {
            None | Some("ANY" | "") => None,
            Some(method) => Some(
                http::Method::from_bytes(method.as_bytes())
                    .map_err(|_| BadProxy::Method(method.to_owned()))?,
            ),
        };
        Ok(Self {
            style,
            target: Target::parse(&proxy.uri)?,
            method,
            timeout: proxy.timeout,
            request,
            response,
        })
    }

    /// How long the other server may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Hands a request on, and its answer back.
    pub(crate) async fn hand_on(
        &self,
        exchange: &Exchange<'_>,
        body: &bytes::Bytes,
        client: &Client,
    ) -> Result<Response, NotHandedOn> {
        let ask = request::ask(self, exchange, body)?;
        let answered = client.ask(&self.target.origin, &ask, self.timeout, ANSWER_BYTES_MAX);
        let answered = answered.await?;
        Ok(response::of(self, exchange, answered))
    }
}
