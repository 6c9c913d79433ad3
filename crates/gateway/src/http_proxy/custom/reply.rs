//! The client's reply, made of an answer.
//!
//! Lives here: which of an integration's responses an answer is for, its headers, its template.
//! Does not live here: names that clients see otherwise (`replies::headers`), where mapped values come from (`mapping`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Set up integration responses", "Content type conversions in API Gateway";
//! recorded: a function's answer is chosen by its error message alone, and the first response that fits is taken; a template is
//! chosen by the client's `Accept`, else that of `application/json`, else the first.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use mapping_templates::Template;
use model::rest_api::{ContentHandling, CustomResponse};
use serde_json::Value;

use super::super::Style;
use super::super::mapping::{BadMapping, Reading, Source};
use super::pattern::Pattern;
use super::request::{Asked, Given, is_binary, lossy, members};
use super::{BadCustom, Custom, Fault, Renderings};
use crate::events::Exchange;
use crate::http::upstream::Answered;
use crate::http::{Response, ResponseBody};
use crate::replies::Accepts;
use crate::replies::headers;

const JSON: &str = "application/json";
const HEADER: &str = "method.response.header.";

/// One of an integration's responses, compiled.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    /// None: it is for all that no other is for.
    pattern: Option<Pattern>,
    headers: Vec<(String, Source)>,
    templates: Vec<(String, Template)>,
    content_handling: Option<ContentHandling>,
}

/// What responses are chosen by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selector {
    /// A status.
    Status,
    /// A function's error message; none: it threw nothing.
    Error(Option<String>),
}

impl Reply {
    pub(super) fn compile(
        response: &CustomResponse,
        reading: Reading<'_>,
    ) -> Result<Self, BadCustom> {
        let status = StatusCode::from_u16(response.status).ok();
        let status = status.filter(|status| !status.is_informational());
        let pattern = response.selection.as_deref().map(|pattern| {
            Pattern::compile(pattern).map_err(|error| BadCustom::Pattern {
                pattern: pattern.to_owned(),
                reason: error.to_string(),
            })
        });
        let headers = response.parameters.iter().map(|(key, value)| {
            let name = key.strip_prefix(HEADER);
            let name = name.filter(|name| http::HeaderName::from_bytes(name.as_bytes()).is_ok());
            let name = name.ok_or_else(|| BadMapping::Key(key.clone()))?;
            Ok((name.to_owned(), reading.reply_source(value)?))
        });
        Ok(Self {
            status: status.ok_or(BadCustom::Status(response.status))?,
            pattern: pattern.transpose()?,
            headers: headers.collect::<Result<_, BadMapping>>()?,
            templates: super::templates("response", &response.templates)?,
            content_handling: response.content_handling,
        })
    }
}

/// What a mock integration answers: the status that its template names, and nothing else.
pub(super) fn mocked(asked: &Asked) -> Result<Answered, Fault> {
    let text = String::from_utf8_lossy(&asked.body);
    let status = status_of(&text).and_then(|status| StatusCode::from_u16(status).ok());
    let shown = || Fault::NoStatus(text.trim().chars().take(100).collect());
    Ok(Answered {
        status: status.ok_or_else(shown)?,
        headers: Vec::new(),
        body: Bytes::new(),
    })
}

/// JSON, or `{statusCode: 200}` as some tools write it.
fn status_of(text: &str) -> Option<u16> {
    if let Ok(json) = serde_json::from_str::<Value>(text) {
        let status = json.get("statusCode")?;
        let number = status.as_u64().or_else(|| status.as_str()?.parse().ok());
        return number.and_then(|number| u16::try_from(number).ok());
    }
    let bare: String = text
        .chars()
        .filter(|letter| !letter.is_whitespace() && !"\"'".contains(*letter))
        .collect();
    let (_, behind) = bare.split_once("statusCode:")?;
    let end = behind.find(|letter: char| !letter.is_ascii_digit());
    behind.get(..end.unwrap_or(behind.len()))?.parse().ok()
}

impl Custom {
    /// The reply to a client.
    pub(crate) async fn reply(
        &self,
        exchange: &Exchange<'_>,
        asked: &Asked,
        answered: &Answered,
        (selector, accepts): (&Selector, Accepts),
        renderings: &Renderings,
    ) -> Result<Response, Fault> {
        let reply = self.selected(answered, selector)?;
        let converted = reply.converted(exchange, answered, accepts)?;
        let wanted = exchange.headers.text("accept").unwrap_or(JSON);
        let template = reply.template(wanted);
        let mut overrides = asked.overrides.clone();
        let body = match template {
            None => converted,
            Some((content_type, template)) => {
                let mut given = Given::of(exchange, converted);
                for (name, value) in [
                    ("requestOverride", &overrides.request),
                    ("responseOverride", &overrides.response),
                ] {
                    if !value.is_null() {
                        given.context.insert(name.to_owned(), value.clone());
                    }
                }
                let made = renderings.render(template, given, self.timeout);
                let made = made.await.map_err(|not| not.of("response", content_type))?;
                overrides.response = made.response_override;
                Bytes::from(made.text)
            }
        };
        let mut response = Response {
            status: reply.status,
            headers: Vec::new(),
            body: ResponseBody::Whole(body),
        };
        for (name, source) in &reply.headers {
            for value in source.reply_values(Style::Rest, exchange, answered) {
                push(&mut response, name, &value)?;
            }
        }
        apply(&overrides.response, &mut response)?;
        if !headers::contains(&response.headers, "content-type") {
            let content_type = template.map_or(JSON, |(content_type, _)| content_type);
            push(&mut response, "Content-Type", content_type)?;
        }
        Ok(response)
    }

    fn selected(&self, answered: &Answered, selector: &Selector) -> Result<&Reply, Fault> {
        let said = match selector {
            Selector::Status => Some(answered.status.as_str()),
            Selector::Error(message) => message.as_deref(),
        };
        let fits = |reply: &&Reply| match (&reply.pattern, said) {
            (Some(pattern), Some(said)) => pattern.is_match(said),
            (Some(_), None) | (None, _) => false,
        };
        let fitting = self.replies.iter().find(fits);
        let default = || self.replies.iter().find(|reply| reply.pattern.is_none());
        let shown = said.unwrap_or("200");
        fitting
            .or_else(default)
            .ok_or_else(|| Fault::NoReply(shown.chars().take(100).collect()))
    }
}

impl Reply {
    /// By what the client wants, else that for JSON, else the first.
    fn template(&self, wanted: &str) -> Option<&(String, Template)> {
        let named = |name: &str| {
            let mut templates = self.templates.iter();
            templates.find(|(content_type, _)| content_type.eq_ignore_ascii_case(name))
        };
        named(wanted.trim())
            .or_else(|| named(JSON))
            .or_else(|| self.templates.first())
    }

    fn converted(
        &self,
        exchange: &Exchange<'_>,
        answered: &Answered,
        accepts: Accepts,
    ) -> Result<Bytes, Fault> {
        let body = answered.body.clone();
        let mut headers = answered.headers.iter();
        let content_type = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let content_type = content_type.and_then(|(_, value)| value.to_str().ok());
        let is_binary = content_type.is_some_and(|content_type| {
            let bare = content_type.split(';').next().unwrap_or_default().trim();
            is_binary(exchange, bare)
        });
        match self.content_handling {
            Some(ContentHandling::ToBinary) if !is_binary => {
                let decoded = STANDARD.decode(body.trim_ascii());
                Ok(decoded.map_err(|_| Fault::Base64)?.into())
            }
            Some(ContentHandling::ToText) if is_binary => Ok(STANDARD.encode(&body).into()),
            _ if is_binary || accepts == Accepts::Binary => Ok(body),
            _ => Ok(lossy(body)),
        }
    }
}

fn push(response: &mut Response, name: &str, value: &str) -> Result<(), Fault> {
    let bad = |_| Fault::Header(name.chars().take(100).collect());
    headers::push_rest(&mut response.headers, name, value).map_err(bad)
}

/// What templates overrode of the response.
fn apply(overrides: &Value, response: &mut Response) -> Result<(), Fault> {
    for (name, values) in members(overrides, "header") {
        response
            .headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        for value in values {
            push(response, &name, &value)?;
        }
    }
    let Some(status) = overrides.get("status").filter(|status| !status.is_null()) else {
        return Ok(());
    };
    let number = status
        .as_u64()
        .or_else(|| status.as_str()?.trim().parse().ok());
    let number = number.and_then(|number| u16::try_from(number).ok());
    let known = number.and_then(|number| StatusCode::from_u16(number).ok());
    let known = known.filter(|status| !status.is_informational());
    response.status = known.ok_or_else(|| Fault::Status(status.to_string()))?;
    Ok(())
}
