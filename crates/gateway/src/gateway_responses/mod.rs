//! What a REST API says in its own words where the gateway answers itself.
//!
//! Lives here: which response a fault is, and making it of what the API says.
//! Does not live here: the usual words (`replies::faults`), the variables (`context`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Gateway response types for API Gateway" and "Set up gateway responses
//! for REST APIs": a response that is not said is the default of its class; a template fills in `$context`,
//! `$stageVariables` and `$method.request`, and nothing more.
//! Differs: the media type of the answer is the one that `Accept` names first if there is a template of it, else JSON.

mod kind;

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, StatusCode};
use model::door::{GatewayResponse, ParameterLocation};

use crate::context::{Facts, fill};
use crate::events::{Query, header_text};
use crate::http::{Response, ResponseBody};
use crate::replies::faults::Fault;

pub(crate) use kind::response_type;

/// The media type of templates that none other is asked for.
const JSON: &str = "application/json";

/// What an API says, by the type of response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Customs {
    by_type: BTreeMap<String, GatewayResponse>,
}

/// What texts are filled in from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) query: Option<&'a str>,
}

impl Customs {
    pub(crate) fn new(by_type: &BTreeMap<String, GatewayResponse>) -> Self {
        Self {
            by_type: by_type.clone(),
        }
    }

    /// Makes the usual response to a fault the API's own.
    pub(crate) fn apply(&self, fault: Fault, response: &mut Response, source: Source<'_>) {
        if self.by_type.is_empty() {
            return;
        }
        let own = self.by_type.get(response_type(fault));
        let class = kind::class(response.status);
        let Some(custom) = own.or_else(|| self.by_type.get(class?)) else {
            return;
        };
        if let Some(status) = custom
            .status
            .and_then(|code| StatusCode::from_u16(code).ok())
        {
            response.status = status;
        }
        if let Some((media_type, template)) = template(custom, source.facts) {
            let body = fill(template, |name| Some(source.text(name)?.into_owned()));
            response.body = ResponseBody::Whole(body.into());
            set(
                response,
                "Content-Type",
                HeaderValue::from_str(media_type).ok(),
            );
        }
        for (name, said) in &custom.headers {
            let value = match said
                .strip_prefix('\'')
                .and_then(|rest| rest.strip_suffix('\''))
            {
                Some(fixed) => Some(Cow::Borrowed(fixed)),
                None => source.text(said).filter(|value| !value.is_empty()),
            };
            let value = value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
            set(response, name, value);
        }
    }
}

impl Source<'_> {
    /// The value of `context.…`, `stageVariables.…` or `method.request.…`, empty when there is nothing to say; none:
    /// no such thing can be said.
    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(name) = name.strip_prefix("context.") {
            return Some(self.facts.variable(name).unwrap_or_default());
        }
        if let Some(name) = name.strip_prefix("stageVariables.") {
            let value = self.facts.api.stage_variables.get(name);
            return Some(Cow::Borrowed(value.unwrap_or_default()));
        }
        let (location, name) = name.strip_prefix("method.request.")?.split_once('.')?;
        let location = match location {
            "header" => ParameterLocation::Header,
            "querystring" => ParameterLocation::Query,
            "path" => ParameterLocation::Path,
            _ => return None,
        };
        Some(self.parameter(location, name).unwrap_or_default())
    }

    fn parameter(&self, location: ParameterLocation, name: &str) -> Option<Cow<'_, str>> {
        match location {
            ParameterLocation::Header | ParameterLocation::MultiValueHeader => {
                self.facts.headers.get(name).map(header_text)
            }
            ParameterLocation::Query | ParameterLocation::MultiValueQuery => {
                let query = Query::rest(self.query);
                let value = query.values(name).last()?.to_owned();
                Some(value.into())
            }
            ParameterLocation::Path => {
                let hit = self.facts.hit?;
                let mut values = hit.route.path_parameters(hit.api, &hit.path);
                let (_, value) = values.find(|(known, _)| *known == name)?;
                Some(value.to_owned().into())
            }
        }
    }
}

/// The template of the media type that is asked for first, else of JSON, else the only one.
fn template<'a>(custom: &'a GatewayResponse, facts: &Facts<'_>) -> Option<(&'a str, &'a str)> {
    let accept = facts.headers.text("accept").unwrap_or(JSON);
    let first = accept.split([',', ';']).next().unwrap_or(JSON).trim();
    let mut named = [first, JSON].into_iter().filter_map(|wanted| {
        let is_wanted = |(name, _): &(&'a String, &'a String)| name.eq_ignore_ascii_case(wanted);
        custom.templates.iter().find(is_wanted)
    });
    let found = named.next().or_else(|| custom.templates.iter().next());
    found.map(|(name, template)| (name.as_str(), template.as_str()))
}

fn set(response: &mut Response, name: &str, value: Option<HeaderValue>) {
    let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
    if let Some(value) = value.filter(|_| is_name) {
        let headers = &mut response.headers;
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        headers.push((name.to_owned(), value));
    }
}
