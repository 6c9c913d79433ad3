//! What a token claims, once its signature was verified.
//!
//! Lives here: whom it is from and for, when it holds, its scopes; how the cloud writes claims for functions.
//! Does not live here: what a route asks for (`authorise::jwt`), the rest of events (`events`).
//!
//! Contract: RFC 7519, 4.1. Texts as functions see them are recorded: HTTP APIs write as Go prints values (`[a b]`, dates
//! as numbers), REST APIs as Java does (`a,b`, `exp` and `iat` as `Mon Jun 15 05:56:21 UTC 2026`).

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// Values that are written within one another.
const DEPTH_MAX: usize = 16;

/// The claims of one token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claims {
    all: Map<String, Value>,
}

/// A `NumericDate`, in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum NumericDate {
    /// The token has none.
    Absent,
    /// It is no number.
    Malformed,
    /// The time.
    At(f64),
}

impl Claims {
    pub(crate) fn new(all: Map<String, Value>) -> Self {
        Self { all }
    }

    /// A claim that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name)?.as_str()
    }

    /// Whether there is such a claim, of any type.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    /// `aud`: a text, or some. Empty when it is absent or something else.
    pub(crate) fn audience(&self) -> Vec<&str> {
        match self.all.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(some)) => {
                let texts: Option<Vec<&str>> = some.iter().map(Value::as_str).collect();
                texts.unwrap_or_default()
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// `scope`, a text with blanks between its scopes, or else `scp`, which some issuers write as a list.
    pub(crate) fn scopes(&self) -> Vec<&str> {
        let claim = self.all.get("scope").or_else(|| self.all.get("scp"));
        match claim {
            Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
            Some(Value::Array(some)) => some.iter().filter_map(Value::as_str).collect(),
            Some(_) | None => Vec::new(),
        }
    }

    /// `exp`, `nbf` or `iat`.
    pub(crate) fn date(&self, name: &str) -> NumericDate {
        match self.all.get(name) {
            None => NumericDate::Absent,
            Some(value) => match value.as_f64() {
                Some(seconds) if value.is_number() && seconds.is_finite() => {
                    NumericDate::At(seconds)
                }
                Some(_) | None => NumericDate::Malformed,
            },
        }
    }

    /// All, as HTTP APIs show them.
    pub(crate) fn for_http(&self) -> impl Iterator<Item = (&str, String)> {
        self.all.iter().map(|(name, value)| {
            let mut text = String::new();
            write_http(value, DEPTH_MAX, &mut text);
            (name.as_str(), text)
        })
    }

    /// All, as REST APIs show them.
    pub(crate) fn for_rest(&self) -> impl Iterator<Item = (&str, String)> {
        self.all.iter().map(|(name, value)| {
            let text = match name.as_str() {
                "exp" | "iat" => value.as_i64().and_then(java_date),
                _ => None,
            };
            (name.as_str(), text.unwrap_or_else(|| rest_text(value)))
        })
    }
}

fn write_http(value: &Value, depth: usize, text: &mut String) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    match value {
        Value::Null => text.push_str("<nil>"),
        Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
        Value::String(own) => text.push_str(own),
        Value::Array(values) => {
            text.push('[');
            for (number, value) in values.iter().enumerate() {
                if number != 0 {
                    text.push(' ');
                }
                write_http(value, depth, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| name.as_str());
            text.push_str("map[");
            for (number, (name, value)) in sorted.into_iter().enumerate() {
                if number != 0 {
                    text.push(' ');
                }
                text.push_str(name);
                text.push(':');
                write_http(value, depth, text);
            }
            text.push(']');
        }
    }
}

fn rest_text(value: &Value) -> String {
    match value {
        Value::String(own) => own.clone(),
        Value::Array(values) => {
            let texts: Vec<String> = values.iter().map(rest_text).collect();
            texts.join(",")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// As `java.util.Date` prints it.
fn java_date(epoch_s: i64) -> Option<String> {
    let time = Timestamp::from_second(epoch_s).ok()?;
    let time = time.to_zoned(TimeZone::UTC);
    Some(time.strftime("%a %b %d %H:%M:%S UTC %Y").to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        let Value::Object(all) = value else {
            panic!("claims are an object")
        };
        Claims::new(all)
    }

    #[test]
    fn claims_are_texts_as_each_kind_of_api_writes_them() {
        for (value, http, rest) in [
            (json!("a b"), "a b", "a b"),
            (json!(1_781_499_381), "1781499381", "1781499381"),
            (json!(true), "true", "true"),
            (json!(["admin", "users"]), "[admin users]", "admin,users"),
            (json!([]), "[]", ""),
            (
                json!({"b": 1, "a": ["x", "y"]}),
                "map[a:[x y] b:1]",
                r#"{"b":1,"a":["x","y"]}"#,
            ),
        ] {
            let claims = claims(json!({ "claim": value }));
            let of_http: Vec<_> = claims.for_http().collect();
            let of_rest: Vec<_> = claims.for_rest().collect();
            assert_eq!(of_http, [("claim", http.to_owned())]);
            assert_eq!(of_rest, [("claim", rest.to_owned())]);
        }
        let claims = claims(json!({"exp": 1_781_502_981, "auth_time": 1_781_499_381}));
        let of_rest: Vec<_> = claims.for_rest().map(|(_, text)| text).collect();
        assert_eq!(of_rest, ["Mon Jun 15 05:56:21 UTC 2026", "1781499381"]);
    }

    #[test]
    fn a_claim_of_the_wrong_type_says_nothing() {
        let claims = claims(json!({"aud": ["a", 1], "scope": 7, "exp": "1781502981", "nbf": true}));
        assert!(claims.audience().is_empty());
        assert!(claims.scopes().is_empty());
        assert_eq!(claims.date("exp"), NumericDate::Malformed);
        assert_eq!(claims.date("nbf"), NumericDate::Malformed);
        assert_eq!(claims.date("iat"), NumericDate::Absent);
    }

    #[test]
    fn scopes_are_a_text_or_a_list() {
        for value in [
            json!({"scope": "a  b"}),
            json!({"scp": ["a", "b"]}),
            json!({"scp": "a b"}),
            json!({"scope": "a b", "scp": ["c"]}),
        ] {
            assert_eq!(claims(value).scopes(), ["a", "b"]);
        }
    }
}
