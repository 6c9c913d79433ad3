//! One operation of an API.
//!
//! Lives here: its id, parameters, body and answers.
//! Does not live here: what it asks its caller for (`security`).

use std::collections::BTreeSet;

use model::door::{Authorization, Guard, ParameterLocation, Validation};
use serde_json::{Map, Value, json};

use super::Components;

/// What is known of an operation.
pub(super) struct Described<'a> {
    pub(super) path: &'a str,
    pub(super) method: &'a str,
    pub(super) guard: &'a Guard,
    pub(super) validation: &'a Validation,
    pub(super) answered_by: String,
}

impl Described<'_> {
    pub(super) fn written(
        &self,
        method: &str,
        components: &mut Components,
        ids: &mut BTreeSet<String>,
    ) -> Value {
        let mut written = Map::new();
        let mut set = |name: &str, value: Value| drop(written.insert(name.to_owned(), value));
        set("operationId", json!(unique_id(method, self.path, ids)));
        set("summary", json!(self.answered_by));
        let parameters = self.parameters();
        if !parameters.is_empty() {
            set("parameters", json!(parameters));
        }
        if let Some(body) = self.body(components) {
            set("requestBody", body);
        }
        if let Some(security) = components.security.asked_by(self.guard) {
            set("security", security);
        }
        set("responses", Value::Object(self.answers()));
        Value::Object(written)
    }

    fn parameters(&self) -> Vec<Value> {
        let of_path = variables(self.path).map(|variable| {
            let mut parameter = json!({
                "name": variable.name,
                "in": "path",
                "required": true,
                "schema": { "type": "string" },
            });
            if variable.is_greedy
                && let Some(members) = parameter.as_object_mut()
            {
                let about = "All that follows, slashes included.";
                members.insert("description".to_owned(), json!(about));
            }
            parameter
        });
        let required = self.validation.required.iter().filter_map(|parameter| {
            let place = match parameter.location {
                // Those stand in the path itself.
                ParameterLocation::Path => return None,
                ParameterLocation::Query | ParameterLocation::MultiValueQuery => "query",
                ParameterLocation::Header | ParameterLocation::MultiValueHeader => "header",
            };
            Some(json!({
                "name": parameter.name,
                "in": place,
                "required": true,
                // One that is there and empty counts as missing.
                "schema": { "type": "string", "minLength": 1 },
            }))
        });
        of_path.chain(required).collect()
    }

    fn body(&self, components: &mut Components) -> Option<Value> {
        let models = &self.validation.models;
        if models.is_empty() {
            return None;
        }
        let content: Map<String, Value> = models
            .iter()
            .map(|(media_type, model)| {
                let schema = components.models.schema(model);
                (media_type.clone(), json!({ "schema": schema }))
            })
            .collect();
        Some(json!({ "required": true, "content": content }))
    }

    /// What the function answers is its own; the rest is what the gateway may say in its place.
    fn answers(&self) -> Map<String, Value> {
        let checks = !self.validation.required.is_empty() || !self.validation.models.is_empty();
        let proves = self.guard.authorization != Authorization::Open;
        let refuses = proves || self.guard.api_key_required;
        let all = [
            (true, "default", "What the integration answers"),
            (
                checks,
                "400",
                "The request lacks a parameter, or its body is not as the model says",
            ),
            (proves, "401", "Nobody is proven to be the caller"),
            (refuses, "403", "The caller may not"),
            (true, "429", "Called too often"),
        ];
        all.into_iter()
            .filter(|(may_be, ..)| *may_be)
            .map(|(_, status, about)| (status.to_owned(), json!({ "description": about })))
            .collect()
    }
}

struct Variable<'a> {
    name: &'a str,
    is_greedy: bool,
}

fn variables(path: &str) -> impl Iterator<Item = Variable<'_>> {
    path.split('/').filter_map(|part| {
        let inside = part.strip_prefix('{')?.strip_suffix('}')?;
        let greedy = inside.strip_suffix('+');
        Some(Variable {
            name: greedy.unwrap_or(inside),
            is_greedy: greedy.is_some(),
        })
    })
}

/// The path with its greedy variable as any other.
pub(super) fn template(path: &str) -> String {
    path.replace("+}", "}")
}

/// As `getPetsId`; a number behind it when there is one already.
fn unique_id(method: &str, path: &str, ids: &mut BTreeSet<String>) -> String {
    let words = path
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let mut id = method.to_owned();
    for word in words {
        let mut letters = word.chars();
        id.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        id.push_str(letters.as_str());
    }
    let mut unique = id.clone();
    for number in 2_u32.. {
        if ids.insert(unique.clone()) {
            break;
        }
        unique = format!("{id}{number}");
    }
    unique
}
