//! Parameter mappings: what an integration sets, and from what.
//!
//! Lives here: reading the expressions of both kinds of API, and their values in one exchange.
//! Does not live here: applying them (`request`, `response`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Parameter mapping source reference for REST APIs" and "Transform API
//! requests and responses for HTTP APIs", with its reserved headers.
//! Differs: of `$context`, what an authorizer found out is not mapped yet by HTTP APIs, and refused by name.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Style;
use super::known::Context;
use crate::events::{Exchange, Query};
use crate::http::upstream::Answered;

/// An HTTP API truncates the body there before it looks a path up in it.
const SEARCHED_BYTES_MAX: usize = 100 * 1024;

/// Headers that an HTTP API does not let a mapping touch; the last five are prefixes.
const RESERVED: [&str; 18] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "forwarded",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "via",
];
const RESERVED_PREFIXES: [&str; 4] = ["access-control-", "apigw-", "x-amz-", "x-amzn-"];
/// What frames a message or names its server is never set by a mapping of a REST API.
const FRAMING: [&str; 6] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
];

/// One change of a request or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) act: Act,
    pub(super) of: Part,
    pub(super) from: Vec<Source>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Append,
    Overwrite,
    Remove,
}

/// What is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Header(String),
    Query(String),
    /// A variable of the integration's path.
    Variable(String),
    WholePath,
    Status,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Text(String),
    Header(String),
    Query(String),
    Path(String),
    WholePath,
    /// A path into the JSON of the body; empty: the body.
    Body(Vec<Step>),
    AnswerHeader(String),
    AnswerBody(Vec<Step>),
    Context(Context),
    /// REST APIs: any other member of `$context`.
    Variable(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Element(usize),
}

/// A mapping that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadMapping {
    #[error("`{0}` is nothing that a mapping can set")]
    Key(String),
    #[error("the header `{0}` is the gateway's own: a mapping cannot set it")]
    Reserved(String),
    #[error("`{0}` is nothing that can be mapped from")]
    Source(String),
}

/// What mappings are read with.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) style: Style,
    pub(super) stage_variables: &'a BTreeMap<String, String>,
}

impl Reading<'_> {
    /// The changes of requests.
    pub(super) fn request(
        self,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Vec<Change>, BadMapping> {
        let read = |(key, value): (&String, &String)| match self.style {
            Style::Rest => self.rest(key, value),
            Style::Http => self.http(key, value),
        };
        parameters.iter().map(read).collect()
    }

    /// The changes of answers, which HTTP APIs alone have.
    pub(super) fn response(
        self,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Vec<Change>, BadMapping> {
        let read = |(key, value): (&String, &String)| self.http(key, value);
        parameters.iter().map(read).collect()
    }

    fn rest(self, key: &str, value: &str) -> Result<Change, BadMapping> {
        let bad = || BadMapping::Key(key.to_owned());
        let of = key.strip_prefix("integration.request.").ok_or_else(bad)?;
        let (location, name) = of.split_once('.').ok_or_else(bad)?;
        let of = match location {
            "header" | "multivalueheader" => header(name, &FRAMING, &[])?,
            "querystring" | "multivaluequerystring" => Part::Query(name.to_owned()),
            "path" => Part::Variable(name.to_owned()),
            _ => return Err(bad()),
        };
        Ok(Change {
            act: Act::Overwrite,
            of,
            from: vec![self.rest_source(value)?],
        })
    }

    fn rest_source(self, text: &str) -> Result<Source, BadMapping> {
        let bad = || BadMapping::Source(text.to_owned());
        if let Some(fixed) = text.strip_prefix('\'') {
            let fixed = fixed.strip_suffix('\'').ok_or_else(bad)?;
            return Ok(Source::Text(fixed.to_owned()));
        }
        if let Some(of) = text.strip_prefix("method.request.") {
            let (location, name) = of.split_once('.').unwrap_or((of, ""));
            return match (location, name) {
                ("body", path) => steps(path).map(Source::Body).ok_or_else(bad),
                (_, "") => Err(bad()),
                ("header" | "multivalueheader", name) => Ok(Source::Header(name.to_owned())),
                ("querystring" | "multivaluequerystring", name) => {
                    Ok(Source::Query(name.to_owned()))
                }
                ("path", name) => Ok(Source::Path(name.to_owned())),
                _ => Err(bad()),
            };
        }
        if let Some(name) = text.strip_prefix("stageVariables.") {
            return Ok(self.stage_variable(name));
        }
        let name = text.strip_prefix("context.").ok_or_else(bad)?;
        let known = Context::parse(name).map(Source::Context);
        let variable = || is_context_variable(name).then(|| Source::Variable(name.to_owned()));
        known.or_else(variable).ok_or_else(bad)
    }

    /// Where a header of a REST API's reply comes from.
    pub(super) fn reply_source(self, text: &str) -> Result<Source, BadMapping> {
        let bad = || BadMapping::Source(text.to_owned());
        let Some(of) = text.strip_prefix("integration.response.") else {
            // The Serverless Framework leaves the quotes out here.
            if text == "true" || text == "false" {
                return Ok(Source::Text(text.to_owned()));
            }
            return self.rest_source(text);
        };
        let (location, name) = of.split_once('.').unwrap_or((of, ""));
        match (location, name) {
            ("body", path) => steps(path).map(Source::AnswerBody).ok_or_else(bad),
            ("header" | "multivalueheader", name) if !name.is_empty() => {
                Ok(Source::AnswerHeader(name.to_owned()))
            }
            _ => Err(bad()),
        }
    }

    fn http(self, key: &str, value: &str) -> Result<Change, BadMapping> {
        let bad = || BadMapping::Key(key.to_owned());
        let (act, of) = key.split_once(':').ok_or_else(bad)?;
        let act = match act {
            "append" => Act::Append,
            "overwrite" => Act::Overwrite,
            "remove" => Act::Remove,
            _ => return Err(bad()),
        };
        let of = match of.split_once('.') {
            Some(("header", name)) => header(name, &RESERVED, &RESERVED_PREFIXES)?,
            Some(("querystring", name)) => Part::Query(name.to_owned()),
            None if of == "path" && act == Act::Overwrite => Part::WholePath,
            None if of == "statuscode" && act == Act::Overwrite => Part::Status,
            Some(_) | None => return Err(bad()),
        };
        let from = match act {
            Act::Remove => Vec::new(),
            Act::Append | Act::Overwrite => self.http_sources(value)?,
        };
        Ok(Change { act, of, from })
    }

    /// One selection expression, or text with several in braces.
    fn http_sources(self, text: &str) -> Result<Vec<Source>, BadMapping> {
        let bad = || BadMapping::Source(text.to_owned());
        if let Some(one) = text.strip_prefix('$')
            && !one.starts_with('{')
        {
            return Ok(vec![self.http_source(one).ok_or_else(bad)?]);
        }
        let mut sources = Vec::new();
        let mut rest = text;
        while let Some((fixed, behind)) = rest.split_once("${") {
            let (expression, behind) = behind.split_once('}').ok_or_else(bad)?;
            if !fixed.is_empty() {
                sources.push(Source::Text(fixed.to_owned()));
            }
            sources.push(self.http_source(expression).ok_or_else(bad)?);
            rest = behind;
        }
        if !rest.is_empty() {
            sources.push(Source::Text(rest.to_owned()));
        }
        Ok(sources)
    }

    fn http_source(self, expression: &str) -> Option<Source> {
        let named = |prefix: &str| expression.strip_prefix(prefix).map(str::to_owned);
        if expression == "request.path" {
            return Some(Source::WholePath);
        }
        if let Some(name) = named("request.header.") {
            return Some(Source::Header(name));
        }
        if let Some(name) = named("request.querystring.") {
            return Some(Source::Query(name));
        }
        if let Some(name) = named("request.path.") {
            return Some(Source::Path(name));
        }
        if let Some(path) = expression.strip_prefix("request.body") {
            return steps(path.trim_start_matches('.')).map(Source::Body);
        }
        if let Some(name) = named("response.header.") {
            return Some(Source::AnswerHeader(name));
        }
        if let Some(path) = expression.strip_prefix("response.body") {
            return steps(path.trim_start_matches('.')).map(Source::AnswerBody);
        }
        if let Some(name) = named("stageVariables.") {
            return Some(self.stage_variable(&name));
        }
        let context = expression.strip_prefix("context.")?;
        Context::parse(context).map(Source::Context)
    }

    fn stage_variable(self, name: &str) -> Source {
        let value = self.stage_variables.get(name);
        Source::Text(value.cloned().unwrap_or_default())
    }
}

/// A value that is put together from a request.
#[derive(Debug, Clone)]
pub(super) struct Expression(Vec<Source>);

impl Reading<'_> {
    /// Reads what a parameter of a service's call is made of.
    pub(super) fn expression(self, text: &str) -> Result<Expression, BadMapping> {
        self.http_sources(text).map(Expression)
    }
}

impl Expression {
    /// Its value; none when it is nothing but something that the request has not.
    pub(super) fn value(&self, exchange: &Exchange<'_>) -> Option<String> {
        let mut parts = self
            .0
            .iter()
            .map(|source| source.values(Style::Http, exchange, None));
        if let [_only] = self.0.as_slice() {
            return parts.next()?.into_iter().next();
        }
        Some(parts.map(|values| values.join(",")).collect())
    }
}

/// What `$context` may hold of a REST API's request, besides what `Context` knows.
fn is_context_variable(name: &str) -> bool {
    const KNOWN: [&str; 4] = ["deploymentId", "domainPrefix", "requestTime", "resourceId"];
    let below = ["authorizer.", "identity."];
    KNOWN.contains(&name) || below.iter().any(|prefix| name.starts_with(prefix))
}

fn header(name: &str, reserved: &[&str], prefixes: &[&str]) -> Result<Part, BadMapping> {
    let lower = name.to_ascii_lowercase();
    let is_reserved = reserved.contains(&lower.as_str())
        || prefixes.iter().any(|prefix| lower.starts_with(prefix));
    if is_reserved {
        return Err(BadMapping::Reserved(name.to_owned()));
    }
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(BadMapping::Key(name.to_owned()));
    }
    Ok(Part::Header(name.to_owned()))
}

/// `a.b[0].c`; none: recursive descent, filters and the like.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in path.split('.').filter(|_| !path.is_empty()) {
        let (name, indexes) = part.split_once('[').unwrap_or((part, ""));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte);
        if !name.bytes().all(is_name) || (name.is_empty() && indexes.is_empty()) {
            return None;
        }
        if !name.is_empty() {
            steps.push(Step::Member(name.to_owned()));
        }
        for index in indexes.split('[').filter(|_| !indexes.is_empty()) {
            steps.push(Step::Element(index.strip_suffix(']')?.parse().ok()?));
        }
    }
    Some(steps)
}

impl Change {
    /// The values that are set: usually one; none when there is nothing to map from.
    pub(super) fn values(
        &self,
        style: Style,
        exchange: &Exchange<'_>,
        answered: Option<&Answered>,
    ) -> Vec<String> {
        if let [only] = self.from.as_slice() {
            return only.values(style, exchange, answered);
        }
        let each = self.from.iter();
        vec![
            each.map(|source| source.values(style, exchange, answered).join(","))
                .collect(),
        ]
    }
}

/// Whether a template may set this header of a request.
pub(super) fn may_be_set(name: &str) -> bool {
    header(name, &FRAMING, &[]).is_ok()
}

impl Source {
    /// The values of a header of a reply.
    pub(super) fn reply_values(
        &self,
        style: Style,
        exchange: &Exchange<'_>,
        answered: &Answered,
    ) -> Vec<String> {
        self.values(style, exchange, Some(answered))
    }

    fn values(
        &self,
        style: Style,
        exchange: &Exchange<'_>,
        answered: Option<&Answered>,
    ) -> Vec<String> {
        let several = |values: Vec<String>| match style {
            Style::Http if 1 < values.len() => vec![values.join(",")],
            Style::Http | Style::Rest => values,
        };
        match self {
            Self::Text(text) => vec![text.clone()],
            Self::Header(name) => {
                let values = exchange.headers.get_all(name);
                several(
                    values
                        .map(|value| crate::events::header_text(value).into_owned())
                        .collect(),
                )
            }
            Self::Query(name) => {
                let query = match style {
                    Style::Rest => Query::rest(exchange.query),
                    Style::Http => Query::http(exchange.query),
                };
                several(query.values(name).map(str::to_owned).collect())
            }
            Self::Path(name) => {
                let mut parameters = exchange.route.path_parameters(exchange.api, exchange.path);
                let value = parameters.find(|(known, _)| known == name);
                value
                    .map(|(_, value)| value.to_owned())
                    .into_iter()
                    .collect()
            }
            Self::WholePath => vec![exchange.path.to_owned()],
            Self::Body(steps) => within(steps, exchange.body),
            Self::AnswerHeader(name) => {
                let headers = answered.into_iter().flat_map(|answered| &answered.headers);
                let values = headers.filter(|(known, _)| known.eq_ignore_ascii_case(name));
                several(
                    values
                        .map(|(_, value)| crate::events::header_text(value).into_owned())
                        .collect(),
                )
            }
            Self::AnswerBody(steps) => {
                answered.map_or_else(Vec::new, |answered| within(steps, &answered.body))
            }
            Self::Context(context) => vec![context.value(style, exchange)],
            Self::Variable(name) => super::context::text(exchange, name).into_iter().collect(),
        }
    }
}

fn within(steps: &[Step], body: &[u8]) -> Vec<String> {
    if steps.is_empty() {
        return vec![String::from_utf8_lossy(body).into_owned()];
    }
    let searched = body.get(..SEARCHED_BYTES_MAX).unwrap_or(body);
    let Ok(json) = serde_json::from_slice::<Value>(searched) else {
        return Vec::new();
    };
    let mut found = Some(&json);
    for step in steps {
        found = found.and_then(|value| match step {
            Step::Member(name) => value.get(name),
            Step::Element(index) => value.get(index),
        });
    }
    match found {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(other) => vec![other.to_string()],
    }
}
