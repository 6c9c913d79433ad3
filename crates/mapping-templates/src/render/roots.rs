//! `$input` and `$util`.
//!
//! Lives here: the payload, the request's parameters, and the functions of API Gateway.
//! Does not live here: `$context` and `$stageVariables`, which are maps (`render`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Variables for data transformations for API Gateway"; recorded answers: an
//! empty payload is `{}`, one that is no JSON is a text, and what a path does not find is nothing, or `""` as JSON.

use std::sync::Arc;

use super::Machine;
use super::methods::{Called, Failure};
use crate::path::{Found, Path, Visits};
use crate::value::{Look, Map, Value};
use crate::{RenderError, java, json};

/// What an empty payload is taken for.
const EMPTY_BODY: &str = "{}";

impl Machine<'_> {
    fn raw_payload(&self) -> &str {
        if self.input.body.is_empty() {
            EMPTY_BODY
        } else {
            self.input.body
        }
    }

    pub(super) fn input_property(&mut self, name: &str) -> Result<Value, RenderError> {
        if name != "body" {
            return Ok(Value::Null);
        }
        let text: Arc<str> = self.raw_payload().into();
        self.made(text.len())?;
        Ok(Value::Text(text))
    }

    pub(super) fn input_method(&mut self, name: &str, arguments: &[Value]) -> Called {
        match (name, arguments) {
            ("body", []) => Ok(self.input_property("body")?),
            ("path", [path]) => {
                let found = self.at_path(path)?;
                Ok(found.into_value(&mut self.heap).unwrap_or(Value::Null))
            }
            ("json", [path]) => {
                let found = self.at_path(path)?;
                let found = found.into_value(&mut self.heap);
                let mut text = String::new();
                match found {
                    Some(value) => {
                        let limits = (0, self.bytes_left);
                        json::write(&value, &self.heap, &mut text, limits)
                            .map_err(RenderError::from)?;
                    }
                    None => text.push_str("\"\""),
                }
                Ok(self.text(&text)?)
            }
            ("params", []) => {
                let mut all = Map::new(Look::Java);
                for (name, pairs) in [
                    ("path", self.input.path),
                    ("querystring", self.input.query),
                    ("header", self.input.headers),
                ] {
                    self.made(
                        pairs
                            .iter()
                            .map(|(name, value)| name.len() + value.len())
                            .sum(),
                    )?;
                    all.put(name.into(), self.texts(pairs));
                }
                Ok(self.heap.map(all))
            }
            ("params", [name]) => {
                let name = self.shown(name)?;
                let input = self.input;
                let mut places = [input.path, input.query, input.headers].into_iter();
                let found = places.find_map(|pairs| {
                    let mut pairs = pairs.iter();
                    pairs.find(|(known, _)| *known == name)
                });
                let text = found.map_or("", |(_, value)| value.as_str());
                Ok(self.text(text)?)
            }
            _ => Err(Failure::Unknown),
        }
    }

    fn at_path(&mut self, path: &Value) -> Result<Found, Failure> {
        let path = self.shown(path)?;
        let path = Path::parse(&path).map_err(|bad| bad.to_string())?;
        let payload = match &self.payload {
            Some(payload) => payload.clone(),
            None => {
                let text = self.raw_payload().to_owned();
                self.made(text.len())?;
                let payload = json::read(&text, &mut self.heap);
                self.payload.insert(payload).clone()
            }
        };
        let mut visits = Visits {
            left: &mut self.steps_left,
        };
        let found = path.find(&payload, &self.heap, &mut visits);
        Ok(found.map_err(RenderError::from)?)
    }

    pub(super) fn util_method(&mut self, name: &str, arguments: &[Value]) -> Called {
        let [argument] = arguments else {
            return Err(Failure::Unknown);
        };
        let text = self.shown(argument)?;
        let made = match name {
            "escapeJavaScript" => java::escape_java_script(&text),
            "urlEncode" => java::url_encode(&text),
            "urlDecode" => java::url_decode(&text)?,
            "base64Encode" => java::base64_encode(&text),
            "base64Decode" => java::base64_decode(&text),
            "parseJson" => {
                let parsed = serde_json::from_str(&text)
                    .map_err(|error| format!("the text is no JSON: {error}"))?;
                self.made(text.len())?;
                return Ok(json::of_json(parsed, &mut self.heap, Look::Java));
            }
            _ => return Err(Failure::Unknown),
        };
        Ok(self.text(&made)?)
    }
}
