//! Models of bodies, as schemas that operations refer to.
//!
//! Lives here: taking a model's definitions out of it, since references in an OpenAPI document are those of the document.
//! Does not live here: which body is checked by which model (`operation`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::security::component_name;

/// The version of JSON Schema that models of REST APIs are written in.
const DRAFT: &str = "http://json-schema.org/draft-04/schema#";
const DEFINITIONS: &str = "definitions";
const OWN_PREFIX: &str = "#/definitions/";
const COMPONENT_PREFIX: &str = "#/components/schemas/";

/// The definitions of all models so far.
#[derive(Default)]
pub(super) struct Models {
    /// As they were written, and as they are shown, by the name that they are shown by.
    by_name: BTreeMap<String, (Value, Value)>,
}

impl Models {
    /// The schema of a body that is checked by this model.
    pub(super) fn schema(&mut self, model: &str) -> Value {
        let mut schema: Value = serde_json::from_str(model).unwrap_or(Value::Bool(true));
        let definitions = match schema.as_object_mut() {
            Some(members) => members.remove(DEFINITIONS),
            None => None,
        };
        let definitions = match definitions {
            Some(Value::Object(definitions)) => definitions,
            Some(_) | None => Map::new(),
        };
        let names: BTreeMap<String, String> = definitions
            .iter()
            .map(|(name, written)| (name.clone(), self.place(name, written)))
            .collect();
        for (name, written) in definitions {
            let Some(place) = names.get(&name) else {
                continue;
            };
            let mut shown = written.clone();
            refer(&mut shown, &names);
            mark(&mut shown);
            self.by_name.insert(place.clone(), (written, shown));
        }
        refer(&mut schema, &names);
        if schema.get("$ref").is_none() {
            mark(&mut schema);
        }
        schema
    }

    /// All of them, as components of a document.
    pub(super) fn written(self) -> Map<String, Value> {
        let shown = self.by_name.into_iter();
        shown.map(|(name, (_, shown))| (name, shown)).collect()
    }

    /// The name of a definition: another one is shown by the same only if it says the same.
    fn place(&mut self, name: &str, written: &Value) -> String {
        let fits = component_name(name);
        let has_letters = fits.contains(|letter: char| letter.is_ascii_alphanumeric());
        let wished = if has_letters {
            fits
        } else {
            "Model".to_owned()
        };
        let mut place = wished.clone();
        for number in 2_u32.. {
            match self.by_name.get(&place) {
                Some((there, _)) if there != written => place = format!("{wished}{number}"),
                Some(_) | None => break,
            }
        }
        let reserved = || (written.clone(), Value::Null);
        self.by_name.entry(place.clone()).or_insert_with(reserved);
        place
    }
}

/// Turns references to a model's own definitions into such to components.
fn refer(schema: &mut Value, names: &BTreeMap<String, String>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref")
                && let Some(own) = reference.strip_prefix(OWN_PREFIX)
            {
                // RFC 6901: what a `/` and a `~` in a name are written as.
                let (name, below) = own.split_once('/').unwrap_or((own, ""));
                let name = name.replace("~1", "/").replace("~0", "~");
                if let Some(place) = names.get(&name) {
                    let below = if below.is_empty() {
                        String::new()
                    } else {
                        format!("/{below}")
                    };
                    *reference = format!("{COMPONENT_PREFIX}{place}{below}");
                }
            }
            members.values_mut().for_each(|member| refer(member, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Says which version of JSON Schema it is written in.
fn mark(schema: &mut Value) {
    if let Some(members) = schema.as_object_mut() {
        members.entry("$schema").or_insert_with(|| json!(DRAFT));
    }
}
