//! The request that is made for an integration.
//!
//! Lives here: its body by the template of its content type, its headers, query and path by mappings and overrides.
//! Does not live here: sending it (`server`, `api`), where mapped values come from (`mapping`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use mapping_templates::Input;
use model::rest_api::ContentHandling;
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use super::super::context;
use super::super::mapping::{BadMapping, Change, Part, Source};
use super::super::request::PATH;
use super::super::{Style, mapping};
use super::{Custom, Fault, Renderings};
use crate::events::{Exchange, is_binary_for_rest};
use crate::routes::Kind;
use crate::validate::media_types;

/// Headers that requests to the cloud's own services and functions do not let a mapping set. Recorded: each request of such an
/// integration fails.
const SIGNED_RESERVED: [&str; 4] = ["authorization", "expect", "proxy-authenticate", "te"];

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(super) headers: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    /// Percent-encoded, by the names of variables.
    pub(super) path: BTreeMap<String, String>,
    pub(crate) body: Bytes,
    /// What templates overrode so far.
    pub(super) overrides: Overrides,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Overrides {
    pub(super) request: Value,
    pub(super) response: Value,
}

/// Refuses what would be set in vain.
pub(super) fn check_signed(changes: &[Change]) -> Result<(), BadMapping> {
    let reserved = changes.iter().find_map(|change| match &change.of {
        Part::Header(name) => {
            let mut known = SIGNED_RESERVED.iter();
            known
                .any(|known| known.eq_ignore_ascii_case(name))
                .then_some(name)
        }
        Part::Query(_) | Part::Variable(_) | Part::WholePath | Part::Status => None,
    });
    match reserved {
        Some(name) => Err(BadMapping::Reserved(name.clone())),
        None => Ok(()),
    }
}

impl Custom {
    /// The request for this one.
    pub(crate) async fn asked(
        &self,
        exchange: &Exchange<'_>,
        renderings: &Renderings,
    ) -> Result<Asked, Fault> {
        let mut asked = Asked {
            headers: Vec::new(),
            query: Vec::new(),
            path: BTreeMap::new(),
            body: Bytes::new(),
            overrides: Overrides::default(),
        };
        asked.map(&self.changes, exchange);
        let content_type = media_types(exchange.headers).pop().unwrap_or_default();
        let body = self.converted(exchange, &content_type)?;
        asked.body = match self.templates.get(&content_type) {
            None => body,
            Some(template) => {
                let given = Given::of(exchange, body);
                let made = renderings.render(template, given, self.timeout);
                let made = made.await.map_err(|not| not.of("request", &content_type))?;
                asked.overrides = Overrides {
                    request: made.request_override,
                    response: made.response_override,
                };
                asked.override_parts()?;
                Bytes::from(made.text)
            }
        };
        Ok(asked)
    }

    fn converted(&self, exchange: &Exchange<'_>, content_type: &str) -> Result<Bytes, Fault> {
        let body = Bytes::copy_from_slice(exchange.body);
        let is_binary = is_binary(exchange, content_type);
        match (self.content_handling, is_binary) {
            (Some(ContentHandling::ToBinary), false) => {
                let decoded = STANDARD.decode(body.trim_ascii());
                Ok(decoded.map_err(|_| Fault::Base64)?.into())
            }
            (Some(ContentHandling::ToText), true) => Ok(STANDARD.encode(&body).into()),
            (_, true) => Ok(body),
            (_, false) => Ok(lossy(body)),
        }
    }
}

/// Whether a media type is among the API's binary ones.
pub(super) fn is_binary(exchange: &Exchange<'_>, content_type: &str) -> bool {
    match &exchange.api.kind {
        Kind::Rest {
            binary_media_types, ..
        } => is_binary_for_rest(Some(content_type), binary_media_types),
        Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => false,
    }
}

/// What is a text loses what is no UTF-8.
pub(super) fn lossy(body: Bytes) -> Bytes {
    if std::str::from_utf8(&body).is_ok() {
        return body;
    }
    Bytes::from(String::from_utf8_lossy(&body).into_owned())
}

/// What templates are given of a request.
pub(super) struct Given {
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    stage_variables: Vec<(String, String)>,
    body: Bytes,
    pub(super) context: serde_json::Map<String, Value>,
}

impl Given {
    pub(super) fn of(exchange: &Exchange<'_>, body: Bytes) -> Self {
        let path = exchange.route.path_parameters(exchange.api, exchange.path);
        Self {
            path: path
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            query: exchange.query_pairs(),
            headers: exchange.header_pairs(),
            stage_variables: exchange.api.stage_variables.pairs(),
            body,
            context: context::of(exchange),
        }
    }

    #[cfg(test)]
    pub(super) fn of_text(body: &'static str) -> Self {
        Self {
            path: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            stage_variables: Vec::new(),
            body: Bytes::from_static(body.as_bytes()),
            context: serde_json::Map::new(),
        }
    }

    /// The body. Bytes that are no UTF-8 become U+FFFD.
    pub(super) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    pub(super) fn input<'a>(&'a self, body: &'a str) -> Input<'a> {
        Input {
            body,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            stage_variables: &self.stage_variables,
            context: &self.context,
        }
    }
}

impl Asked {
    fn map(&mut self, changes: &[Change], exchange: &Exchange<'_>) {
        for change in changes {
            let values = change.values(Style::Rest, exchange, None);
            match &change.of {
                Part::Header(name) => {
                    let values = values.into_iter().map(|value| (name.clone(), value));
                    self.headers.extend(values);
                }
                Part::Query(name) => {
                    let values = values.into_iter().map(|value| (name.clone(), value));
                    self.query.extend(values);
                }
                Part::Variable(name) => {
                    // The path of a request is handed on as it was sent.
                    let is_sent = matches!(change.from.as_slice(), [Source::Path(_)]);
                    let value = values.join(",");
                    let value = if is_sent { value } else { encoded(&value) };
                    self.path.insert(name.clone(), value);
                }
                Part::WholePath | Part::Status => {}
            }
        }
    }

    /// What a template set wins over what was mapped.
    fn override_parts(&mut self) -> Result<(), Fault> {
        let overrides = self.overrides.request.clone();
        for (name, values) in members(&overrides, "header") {
            if !mapping::may_be_set(&name) {
                return Err(Fault::Header(name));
            }
            self.headers
                .retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
            let values = values.into_iter().map(|value| (name.clone(), value));
            self.headers.extend(values);
        }
        for (name, values) in members(&overrides, "querystring") {
            self.query.retain(|(known, _)| *known != name);
            let values = values.into_iter().map(|value| (name.clone(), value));
            self.query.extend(values);
        }
        for (name, values) in members(&overrides, "path") {
            self.path.insert(name, encoded(&values.join(",")));
        }
        Ok(())
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// A variable of the integration's path; one that nobody mapped is the request's own.
    pub(super) fn variable(&self, name: &str, exchange: &Exchange<'_>) -> String {
        if let Some(value) = self.path.get(name) {
            return value.clone();
        }
        let mut parameters = exchange.route.path_parameters(exchange.api, exchange.path);
        let own = parameters.find(|(known, _)| *known == name);
        own.map(|(_, value)| value.to_owned()).unwrap_or_default()
    }
}

fn encoded(value: &str) -> String {
    utf8_percent_encode(value, PATH).to_string()
}

/// The members of a part of an override, each with its values.
pub(super) fn members(overrides: &Value, part: &str) -> Vec<(String, Vec<String>)> {
    let members = overrides.get(part).and_then(Value::as_object);
    let text = |value: &Value| {
        if value.is_null() {
            return String::new();
        }
        let text = value.as_str().map(str::to_owned);
        text.unwrap_or_else(|| value.to_string())
    };
    let values = |value: &Value| match value.as_array() {
        Some(items) => items.iter().map(text).collect(),
        None => vec![text(value)],
    };
    members
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), values(value)))
        .collect()
}
