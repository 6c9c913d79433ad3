//! A model with all that it refers to, as one schema.
//!
//! Lives here: following references from model to model, and writing them anew inside the one text.
//! Does not live here: which method has which model (`validation`), what schemas mean (`gateway`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Data models for REST APIs": a model refers to another by
//! `https://apigateway.amazonaws.com/restapis/API/models/NAME`, in a definition by `#/definitions/NAME` or
//! `#/components/schemas/NAME`, and to its own parts by `#`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

/// The name of the model that others are gathered around; no model can be called so.
const ROOT: &str = "-";
/// Keywords whose values are data, not schemas.
const DATA: [&str; 4] = ["enum", "default", "example", "examples"];

/// Keywords whose values hold schemas under names of the author's.
const NAMED: [&str; 4] = [
    "properties",
    "patternProperties",
    "definitions",
    "dependencies",
];

/// The models of an API, by their names.
#[derive(Debug)]
pub(super) struct Models<'a> {
    schemas: BTreeMap<String, Cow<'a, Value>>,
    /// What a reference to another of them begins with.
    prefixes: &'static [&'static str],
}

impl<'a> Models<'a> {
    /// Models that are resources of their own.
    pub(super) fn of_api(schemas: BTreeMap<String, Value>) -> Self {
        let owned = |(name, schema)| (name, Cow::Owned(schema));
        Self {
            schemas: schemas.into_iter().map(owned).collect(),
            prefixes: &[],
        }
    }

    /// The models of a definition of either version.
    pub(super) fn of_definition(definition: &'a Value) -> Self {
        let all = ["/definitions", "/components/schemas"]
            .into_iter()
            .filter_map(|place| definition.pointer(place)?.as_object())
            .flatten();
        Self {
            schemas: all
                .map(|(name, schema)| (name.clone(), Cow::Borrowed(schema)))
                .collect(),
            prefixes: &["#/definitions/", "#/components/schemas/"],
        }
    }

    /// One of them.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.schemas.get(name).map(AsRef::as_ref)
    }

    /// The model that a reference names, and the part of it.
    fn named<'r>(&self, reference: &'r str) -> Option<(String, &'r str)> {
        let rest = match reference.split_once("/models/") {
            Some((api, rest)) if api.starts_with("https://apigateway.amazonaws.com/") => rest,
            Some(_) | None => self
                .prefixes
                .iter()
                .find_map(|prefix| reference.strip_prefix(prefix))?,
        };
        let end = rest.find(['#', '/']).unwrap_or(rest.len());
        let (name, part) = rest.split_at(end);
        let name = name.replace("~1", "/").replace("~0", "~");
        Some((name, part.trim_start_matches('#')))
    }
}

/// A schema that holds all that this one refers to.
///
/// # Errors
/// A reference to a model that is not there, in words.
pub(super) fn bundle(schema: &Value, models: &Models<'_>) -> Result<Arc<str>, String> {
    let mut definitions = Map::new();
    let mut wanted = vec![(ROOT.to_owned(), schema)];
    while let Some((name, schema)) = wanted.pop() {
        if definitions.contains_key(&name) {
            continue;
        }
        let mut found = Vec::new();
        let mut written = rewritten(schema, &name, models, &mut found);
        if let Some(members) = written.as_object_mut() {
            // The dialect is always draft 4; a name of its own would change what `#` means.
            members.remove("$schema");
            if members.get("id").is_some_and(Value::is_string) {
                members.remove("id");
            }
        }
        definitions.insert(name, written);
        for name in found {
            let schema = models.get(&name).ok_or_else(|| {
                format!("its model refers to `{name}`, which is no model of its API")
            })?;
            wanted.push((name, schema));
        }
    }
    let whole = json!({"$ref": pointer(ROOT, ""), "definitions": definitions});
    Ok(whole.to_string().into())
}

fn pointer(name: &str, part: &str) -> String {
    let name = name.replace('~', "~0").replace('/', "~1");
    format!("#/definitions/{name}{part}")
}

fn rewritten(schema: &Value, within: &str, models: &Models<'_>, found: &mut Vec<String>) -> Value {
    match schema {
        Value::Object(members) => {
            let mut written = Map::new();
            for (key, value) in members {
                let reference = value.as_str().filter(|_| key == "$ref");
                let named = value.as_object().filter(|_| NAMED.contains(&key.as_str()));
                let value = match (reference, named) {
                    (Some(reference), _) => {
                        Value::String(redirected(reference, within, models, found))
                    }
                    (None, Some(named)) => named
                        .iter()
                        .map(|(name, schema)| {
                            (name.clone(), rewritten(schema, within, models, found))
                        })
                        .collect(),
                    (None, None) if DATA.contains(&key.as_str()) => value.clone(),
                    (None, None) => rewritten(value, within, models, found),
                };
                written.insert(key.clone(), value);
            }
            Value::Object(written)
        }
        Value::Array(items) => {
            let items = items.iter();
            items
                .map(|item| rewritten(item, within, models, found))
                .collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

/// Where a reference leads in the one text. What leads elsewhere stays, and is refused where it is compiled.
fn redirected(
    reference: &str,
    within: &str,
    models: &Models<'_>,
    found: &mut Vec<String>,
) -> String {
    if let Some((name, part)) = models.named(reference) {
        let there = pointer(&name, part);
        found.push(name);
        return there;
    }
    match reference.strip_prefix('#') {
        Some(part) => pointer(within, part),
        None => reference.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: Value, models: &Models<'_>, expected: Value) {
        let bundled = bundle(&schema, models).unwrap();
        let bundled: Value = serde_json::from_str(&bundled).unwrap();
        assert_eq!(bundled, expected);
    }

    #[test]
    fn models_of_resources_are_gathered_with_their_own_parts() {
        let models = Models::of_api(BTreeMap::from([(
            "Pet".to_owned(),
            json!({"$schema": "x", "id": "http://a/", "definitions": {"a": {}}, "items": {"$ref": "#/definitions/a"}}),
        )]));
        check(
            json!({
                "items": {"$ref": "https://apigateway.amazonaws.com/restapis/abc/models/Pet"},
                "properties": {"id": {"$ref": "#"}, "$ref": {"type": "string"}, "default": {"$ref": "#"}},
                "enum": [{"$ref": "#/x"}],
            }),
            &models,
            json!({
                "$ref": "#/definitions/-",
                "definitions": {
                    "-": {
                        "items": {"$ref": "#/definitions/Pet"},
                        "properties": {"id": {"$ref": "#/definitions/-"}, "$ref": {"type": "string"}, "default": {"$ref": "#/definitions/-"}},
                        "enum": [{"$ref": "#/x"}],
                    },
                    "Pet": {"definitions": {"a": {}}, "items": {"$ref": "#/definitions/Pet/definitions/a"}},
                },
            }),
        );
    }

    #[test]
    fn models_of_a_definition_are_gathered_from_its_place_for_them() {
        let definition = json!({"components": {"schemas": {
            "Pet": {"properties": {"next": {"$ref": "#/components/schemas/Pet"}, "owner": {"$ref": "#/components/schemas/a~1b/x"}}},
            "a/b": {"x": {}}, "Unused": {},
        }}});
        let models = Models::of_definition(&definition);
        check(
            json!({"$ref": "#/components/schemas/Pet"}),
            &models,
            json!({
                "$ref": "#/definitions/-",
                "definitions": {
                    "-": {"$ref": "#/definitions/Pet"},
                    "Pet": {"properties": {"next": {"$ref": "#/definitions/Pet"}, "owner": {"$ref": "#/definitions/a~1b/x"}}},
                    "a/b": {"x": {}},
                },
            }),
        );
        let refused = bundle(&json!({"$ref": "#/definitions/None"}), &models).unwrap_err();
        assert_eq!(
            refused,
            "its model refers to `None`, which is no model of its API"
        );
    }
}
