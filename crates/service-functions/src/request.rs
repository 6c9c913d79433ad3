//! A request, taken apart.
//!
//! Lives here: what the path, the query and the body say, and constraints that members have to meet.
//! Does not live here: which operation a request is of (`operations`), what the members mean.

use interfaces::resource_provider::Properties;
use interfaces::service::ServiceCall;
use model::ids::{AccountId, Region};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::answers::Refusal;
use crate::function_name::Named;
use crate::operations;

/// A request for one operation.
pub(crate) struct Asked<'a> {
    pub(crate) call: &'a ServiceCall,
    /// The operation's name.
    pub(crate) operation: &'static str,
    labels: Vec<(&'static str, String)>,
    query: Vec<(String, String)>,
}

impl<'a> Asked<'a> {
    /// Which operation a request is of, and with what; none: of none.
    pub(crate) fn read(call: &'a ServiceCall) -> Option<Self> {
        let (path, query) = call
            .path_and_query
            .split_once('?')
            .unwrap_or((&call.path_and_query, ""));
        let query: Vec<(String, String)> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect();
        let finds = |name: &str| query.iter().any(|(known, _)| known == name);
        let (operation, labels) = operations::find(&call.method, path, &finds)?;
        let labels = labels.into_iter();
        Some(Self {
            call,
            operation,
            labels: labels.map(|(name, text)| (name, decoded(text))).collect(),
            query,
        })
    }

    pub(crate) fn region(&self) -> &Region {
        &self.call.region
    }

    pub(crate) fn account(&self) -> &AccountId {
        &self.call.account
    }

    /// A part of the path, by its name there.
    pub(crate) fn label(&self, name: &str) -> &str {
        let found = self.labels.iter().find(|(label, _)| *label == name);
        found.map_or("", |(_, text)| text)
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// All values of a parameter of the query.
    pub(crate) fn parameters(&self, name: &str) -> Vec<&str> {
        let found = self.query.iter().filter(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).collect()
    }

    /// The function that the path names, and the qualifier there or in the query.
    ///
    /// # Errors
    /// As [`Named::read`].
    pub(crate) fn function(&self) -> Result<Named, Refusal> {
        Named::read(
            self.label("FunctionName"),
            self.parameter("Qualifier"),
            self.region(),
            self.account(),
        )
    }

    /// The body.
    ///
    /// # Errors
    /// It is not a JSON object.
    pub(crate) fn body(&self) -> Result<Body, Refusal> {
        if self.call.body.is_empty() {
            return Ok(Body(Map::new()));
        }
        match serde_json::from_slice(&self.call.body) {
            Ok(Value::Object(mut members)) => {
                // An explicit null is as good as nothing.
                members.retain(|_, value| !value.is_null());
                Ok(Body(members))
            }
            Ok(_) => Err(Refusal::serialization(
                "Could not parse request body into json: an object is expected",
            )),
            Err(error) => Err(Refusal::invalid_body(&error.to_string())),
        }
    }

    /// `MaxItems` and `Marker`.
    ///
    /// # Errors
    /// The number is none, or out of bounds.
    pub(crate) fn page(&self, items_max: usize) -> Result<Page, Refusal> {
        let size = match self.parameter("MaxItems") {
            None => items_max.min(Page::DEFAULT),
            Some(text) => {
                let number: i64 = text
                    .parse()
                    .map_err(|_| Refusal::serialization(&format!("'{text}' is not a number")))?;
                let bound = if number < 1 {
                    Some("greater than or equal to 1")
                } else if 10_000 < number {
                    Some("less than or equal to 10000")
                } else {
                    None
                };
                if let Some(bound) = bound {
                    let constraint = format!("Member must have value {bound}");
                    return Err(Refusal::validation(text, "maxItems", &constraint));
                }
                usize::try_from(number)
                    .unwrap_or(items_max)
                    .clamp(1, items_max)
            }
        };
        let marker = self.parameter("Marker").filter(|marker| !marker.is_empty());
        Ok(Page {
            size,
            after: marker.map(marker_read).transpose()?,
        })
    }
}

/// Which part of a list is wanted.
pub(crate) struct Page {
    pub(crate) size: usize,
    pub(crate) after: Option<String>,
}

impl Page {
    const DEFAULT: usize = 50;

    /// The page of a list that is in the order of its keys, and the marker of the next one.
    pub(crate) fn cut<T>(
        &self,
        items: impl Iterator<Item = (String, T)>,
    ) -> (Vec<T>, Option<String>) {
        let is_later = |key: &String| self.after.as_ref().is_none_or(|after| after < key);
        let mut later = items.filter(|(key, _)| is_later(key));
        let mut page = Vec::new();
        let mut last = String::new();
        while page.len() < self.size {
            let Some((key, item)) = later.next() else {
                return (page, None);
            };
            last = key;
            page.push(item);
        }
        let marker = later.next().map(|_| marker_of(&last));
        (page, marker)
    }
}

fn marker_of(key: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(key)
}

fn marker_read(text: &str) -> Result<String, Refusal> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Refusal::invalid_parameter("Invalid marker."))
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// The members of a body.
#[derive(Debug, Clone)]
pub(crate) struct Body(pub(crate) Properties);

impl Body {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// # Errors
    /// It is no text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(mistyped(name, "a text")),
        }
    }

    /// # Errors
    /// It is missing, or no text.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name)?
            .ok_or_else(|| Refusal::validations(&[null_at(name)]))
    }

    /// # Errors
    /// It is no whole number.
    pub(crate) fn whole(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(mistyped(name, "a whole number")),
            },
        }
    }

    /// # Errors
    /// It is neither true nor false.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(mistyped(name, "a boolean")),
        }
    }

    /// # Errors
    /// It is no object.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Self>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Self(members.clone()))),
            Some(_) => Err(mistyped(name, "an object")),
        }
    }

    /// # Errors
    /// It is no list of texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let items = value.as_array().ok_or_else(|| mistyped(name, "a list"))?;
        let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
        let texts: Option<Vec<String>> = texts.collect();
        texts
            .map(Some)
            .ok_or_else(|| mistyped(name, "a list of texts"))
    }
}

fn mistyped(name: &str, wanted: &str) -> Refusal {
    Refusal::serialization(&format!("`{name}` is not {wanted}"))
}

/// A member that has to be there.
pub(crate) fn null_at(name: &str) -> String {
    format!(
        "Value null at '{}' failed to satisfy constraint: Member must not be null",
        lower_first(name)
    )
}

/// A member that breaks a constraint.
pub(crate) fn broken(value: &str, member: &str, constraint: &str) -> String {
    format!("Value '{value}' at '{member}' failed to satisfy constraint: {constraint}")
}

pub(crate) fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
