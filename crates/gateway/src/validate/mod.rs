//! What a request must bring to be handed on.
//!
//! Lives here: required parameters, the model that a body is held to, and the content types that an integration takes.
//! Does not live here: models themselves (`schema`), the client's words (`replies::faults`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Request validation for REST APIs in API Gateway": required parameters
//! are there and not blank; a body fits the model of its content type, else of `$default`; without either it is not looked
//! at. Parameters are checked first. As observed of the service: what is missing is named in the order of `header`,
//! `path`, `querystring`, and an empty body is held to be `{}`.

mod schema;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use http::HeaderValue;
use model::door::{Parameter, ParameterLocation, Passthrough, Templates, Validation};
use serde_json::Value;

use crate::events::{Query, header_text};
use crate::http::Headers;
use crate::routes::Hit;
use schema::{BadSchema, Schema};

/// The model of content types that have none of their own.
const ANY_TYPE: &str = "$default";
/// The content type of a request that names none.
const TYPE_DEFAULT: &str = "application/json";
/// What a body that is not there is taken for.
const EMPTY_BODY: &[u8] = b"{}";

/// What a route's requests must bring, compiled.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    required: Vec<Parameter>,
    models: BTreeMap<String, Schema>,
    templates: Option<Templates>,
}

/// A model that cannot be held against bodies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the model of `{content_type}` cannot be used: {cause}")]
pub(crate) struct BadModel {
    content_type: String,
    cause: BadSchema,
}

/// Why a request is not handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// These parameters are not there, or blank.
    Missing(Vec<String>),
    /// The body does not fit its model, for this reason.
    Body(String),
    /// The integration takes no bodies of this content type.
    ContentType(String),
    /// The integration is handed the body itself, and can do nothing with it.
    HandedOn(String),
}

/// The parts of a request that are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) headers: &'a Headers,
    pub(crate) query: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

impl Rules {
    /// Compiles what the model says of a method.
    pub(crate) fn compile(validation: &Validation) -> Result<Self, BadModel> {
        let mut required = validation.required.clone();
        required
            .sort_by_cached_key(|parameter| (order(parameter.location), parameter.name.clone()));
        let mut models = BTreeMap::new();
        for (content_type, text) in &validation.models {
            let schema = Schema::compile(text).map_err(|cause| BadModel {
                content_type: content_type.clone(),
                cause,
            })?;
            models.insert(content_type.to_ascii_lowercase(), schema);
        }
        Ok(Self {
            required,
            models,
            templates: validation.templates.clone(),
        })
    }

    /// Holds a request against them.
    pub(crate) fn check(&self, hit: &Hit<'_>, sent: Sent<'_>) -> Result<(), Invalid> {
        self.check_parameters(hit, sent)?;
        self.check_body(sent)?;
        self.check_content_type(sent.headers)
    }

    fn check_content_type(&self, headers: &Headers) -> Result<(), Invalid> {
        let Some(templates) = &self.templates else {
            return Ok(());
        };
        let is_known = |content_type: &String| {
            let mut known = templates.content_types.iter();
            known.any(|known| known.eq_ignore_ascii_case(content_type))
        };
        let Some(content_type) = media_types(headers).into_iter().find(|it| !is_known(it)) else {
            return Ok(());
        };
        Err(match templates.passthrough {
            Passthrough::Refused => Invalid::ContentType(content_type),
            Passthrough::HandedOn => Invalid::HandedOn(content_type),
        })
    }

    fn check_parameters(&self, hit: &Hit<'_>, sent: Sent<'_>) -> Result<(), Invalid> {
        if !self.required.is_empty() {
            let query = Query::rest(sent.query);
            let is_missing = |parameter: &&Parameter| !is_there(parameter, hit, sent, &query);
            let missing = self.required.iter().filter(is_missing);
            let missing: Vec<String> = missing.map(|parameter| parameter.name.clone()).collect();
            if !missing.is_empty() {
                return Err(Invalid::Missing(missing));
            }
        }
        Ok(())
    }

    fn check_body(&self, sent: Sent<'_>) -> Result<(), Invalid> {
        if self.models.is_empty() {
            return Ok(());
        }
        let meant = media_types(sent.headers).into_iter();
        let mut models = meant
            .filter_map(|it| self.models.get(&it).or_else(|| self.models.get(ANY_TYPE)))
            .peekable();
        if models.peek().is_none() {
            return Ok(());
        }
        let body = if sent.body.is_empty() {
            EMPTY_BODY
        } else {
            sent.body
        };
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| Invalid::Body(format!("it is not JSON: {error}")))?;
        match models.find_map(|model| model.misfit(&body)) {
            Some(why) => Err(Invalid::Body(why)),
            None => Ok(()),
        }
    }
}

/// The content type of a request in lower case, without its parameters. A request that names several is held to all:
/// functions are shown the last, and another server may heed the first.
pub(crate) fn media_types(headers: &Headers) -> Vec<String> {
    let bare = |value: &HeaderValue| {
        let sent = header_text(value);
        let bare = sent.split(';').next().unwrap_or_default().trim();
        if bare.is_empty() {
            return TYPE_DEFAULT.to_owned();
        }
        bare.to_ascii_lowercase()
    };
    let mut found: Vec<String> = headers.get_all("content-type").map(bare).collect();
    if found.is_empty() {
        found.push(TYPE_DEFAULT.to_owned());
    }
    found
}

fn is_there(parameter: &Parameter, hit: &Hit<'_>, sent: Sent<'_>, query: &Query<'_>) -> bool {
    let name = parameter.name.as_str();
    let is_said = |value: &str| !value.trim().is_empty();
    match parameter.location {
        ParameterLocation::Path => hit
            .route
            .path_parameters(hit.api, &hit.path)
            .any(|(known, value)| known == name && is_said(value)),
        // The value of a name that comes several times is the last one, which the function is shown.
        ParameterLocation::Query => query.values(name).last().is_some_and(is_said),
        ParameterLocation::MultiValueQuery => query.values(name).any(is_said),
        ParameterLocation::Header => {
            let last = sent.headers.get_all(name).last();
            last.is_some_and(|value| is_said(&header_text(value)))
        }
        ParameterLocation::MultiValueHeader => {
            let mut values = sent.headers.get_all(name);
            values.any(|value| is_said(&header_text(value)))
        }
    }
}

/// Where a parameter stands among those that are missing: by the word for its place.
fn order(location: ParameterLocation) -> u8 {
    match location {
        ParameterLocation::Header => 0,
        ParameterLocation::MultiValueHeader => 1,
        ParameterLocation::MultiValueQuery => 2,
        ParameterLocation::Path => 3,
        ParameterLocation::Query => 4,
    }
}
