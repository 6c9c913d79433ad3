//! Integrations that are no proxies: `AWS`, `HTTP` and `MOCK` of REST APIs.
//!
//! Lives here: what is compiled of one, and what each part is asked in turn.
//! Does not live here: the request that is made (`request`), services (`api`), other servers (`server`), the client's reply
//! (`reply`), where templates are rendered (`rendering`), calling functions (`application`), the template language (`mapping_templates`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Integrations for REST APIs", "Data transformations for REST APIs",
//! "Content type conversions in API Gateway"; recorded exchanges.
//! Differs: headers that the gateway itself writes, or that would frame a message, are refused when the route is compiled; the
//! cloud fails each of its requests.

mod api;
mod json_form;
mod pattern;
mod rendering;
mod reply;
mod request;
mod server;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use interfaces::authorize::Authorize;
use mapping_templates::{ParseError, RenderError, Template};
use model::door::Callee;
use model::rest_api::{Backend, ContentHandling, CustomIntegration};

use super::mapping::{BadMapping, Change, Reading};
use super::service::{NotCalled, Services};
use super::target::{BadUri, Target};
use super::{NotHandedOn, Style};
use crate::events::Exchange;
use crate::http::upstream::{Answered, Client};
use reply::Reply;

pub(crate) use rendering::Renderings;
pub(crate) use reply::Selector;
pub(crate) use request::Asked;

/// An integration, compiled.
#[derive(Debug)]
pub(crate) struct Custom {
    backend: Compiled,
    timeout: Duration,
    changes: Vec<Change>,
    /// By content type in lower case.
    templates: BTreeMap<String, Template>,
    content_handling: Option<ContentHandling>,
    replies: Vec<Reply>,
}

#[derive(Debug)]
enum Compiled {
    Mock,
    Function(Callee),
    Server(Target, Option<http::Method>),
    Api(Box<api::Api>),
}

/// An integration that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCustom {
    #[error(transparent)]
    Uri(#[from] BadUri),
    #[error(transparent)]
    Mapping(#[from] BadMapping),
    #[error("`{0}` is not a method")]
    Method(String),
    #[error("`{0}` is not a status of a reply")]
    Status(u16),
    #[error("the {which} template for `{content_type}` cannot be read: {error}")]
    Template {
        which: &'static str,
        content_type: String,
        error: ParseError,
    },
    #[error("the selection pattern `{pattern}` cannot be used: {reason}")]
    Pattern { pattern: String, reason: String },
}

/// Why a request was not answered as the integration means.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the {which} template for `{content_type}` fails: {error}")]
    Render {
        which: &'static str,
        content_type: String,
        error: RenderError,
    },
    #[error(
        "the {which} template for `{content_type}` takes long to render, and waited for others that do"
    )]
    Waited {
        which: &'static str,
        content_type: String,
    },
    #[error("no integration response is for an answer of `{0}`, and none is the default")]
    NoReply(String),
    #[error(
        "the request template of a mock integration makes no JSON with a whole `statusCode`: `{0}`"
    )]
    NoStatus(String),
    #[error("a body is to become binary, and is no base64")]
    Base64,
    #[error("the template sets the header `{0}`, which cannot stand in a message")]
    Header(String),
    #[error("the template sets the status `{0}`, which is none")]
    Status(String),
    #[error(transparent)]
    NotHandedOn(#[from] NotHandedOn),
    #[error(transparent)]
    NotCalled(#[from] NotCalled),
}

impl Custom {
    /// Reads an integration.
    pub(crate) fn compile(
        custom: &CustomIntegration,
        stage_variables: &BTreeMap<String, String>,
    ) -> Result<Self, BadCustom> {
        let reading = Reading {
            style: Style::Rest,
            stage_variables,
        };
        let backend = match &custom.backend {
            Backend::Mock => Compiled::Mock,
            Backend::Function(callee) => Compiled::Function(callee.clone()),
            Backend::Server { uri, http_method } => {
                Compiled::Server(Target::parse(uri)?, method(http_method.as_deref())?)
            }
            Backend::Service(called) => Compiled::Api(Box::new(api::Api::compile(called)?)),
        };
        let changes = reading.request(&custom.request_parameters)?;
        if matches!(backend, Compiled::Function(_) | Compiled::Api(_)) {
            request::check_signed(&changes)?;
        }
        let replies = custom.responses.iter();
        let replies = replies.map(|response| Reply::compile(response, reading));
        Ok(Self {
            backend,
            timeout: custom.timeout,
            changes,
            templates: templates("request", &custom.request_templates)?
                .into_iter()
                .map(|(content_type, template)| (content_type.to_ascii_lowercase(), template))
                .collect(),
            content_handling: custom.content_handling,
            replies: replies.collect::<Result<_, _>>()?,
        })
    }

    /// How long whoever is asked may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The function that it calls, when it calls one.
    pub(crate) fn callee(&self) -> Option<&Callee> {
        match &self.backend {
            Compiled::Function(callee) => Some(callee),
            Compiled::Mock | Compiled::Server(..) | Compiled::Api(_) => None,
        }
    }

    /// Whether nobody but the gateway answers.
    pub(crate) fn is_mock(&self) -> bool {
        matches!(self.backend, Compiled::Mock)
    }

    /// Asks whoever answers, but for a function that is waited for: the caller does that.
    pub(crate) async fn ask(
        &self,
        exchange: &Exchange<'_>,
        asked: &Asked,
        client: &Client,
        means: (&Services, &dyn Authorize),
    ) -> Result<Answered, Fault> {
        match &self.backend {
            Compiled::Mock => reply::mocked(asked),
            Compiled::Function(callee) => {
                Ok(api::send_event(callee, exchange, asked, means, self.timeout).await?)
            }
            Compiled::Server(target, method) => {
                let ask = server::ask(target, method.as_ref(), exchange, asked)?;
                let answer =
                    client.ask(&target.origin, &ask, self.timeout, super::ANSWER_BYTES_MAX);
                Ok(answer.await.map_err(NotHandedOn::from)?)
            }
            Compiled::Api(api) => Ok(api.call(exchange, asked, means, self.timeout).await?),
        }
    }
}

fn method(written: Option<&str>) -> Result<Option<http::Method>, BadCustom> {
    match written {
        None | Some("ANY" | "") => Ok(None),
        Some(method) => http::Method::from_bytes(method.as_bytes())
            .map(Some)
            .map_err(|_| BadCustom::Method(method.to_owned())),
    }
}

fn templates(
    which: &'static str,
    written: &BTreeMap<String, String>,
) -> Result<Vec<(String, Template)>, BadCustom> {
    let read = |(content_type, text): (&String, &String)| {
        let template = Template::parse(text).map_err(|error| BadCustom::Template {
            which,
            content_type: content_type.clone(),
            error,
        })?;
        Ok((content_type.clone(), template))
    };
    written.iter().map(read).collect()
}
