//! Query strings, decoded and grouped by name.
//!
//! Lives here: splitting, decoding, repeats.
//! Does not live here: how repeats are shown (`v1` lists them, `v2` joins them).
//!
//! Contract: Amazon API Gateway Developer Guide, "Important notes for REST APIs": a semicolon splits a REST API's
//! query string as `&` does. Recorded exchanges: `+` is a space, and the last of many values is the single one.

use std::borrow::Cow;

use indexmap::IndexMap;

use super::json::Writer;
use super::repeats;
use crate::routes::decode;

/// Names with all their values, in the order of their first appearance. A name without `=` has an empty value.
#[derive(Debug, Default)]
pub(crate) struct Query<'a> {
    values: IndexMap<Cow<'a, str>, Vec<Cow<'a, str>>>,
}

impl<'a> Query<'a> {
    /// The query of a REST API's request.
    pub(crate) fn rest(query: Option<&'a str>) -> Self {
        Self::read(query, &['&', ';'])
    }

    /// The query of an HTTP API's request.
    pub(crate) fn http(query: Option<&'a str>) -> Self {
        Self::read(query, &['&'])
    }

    fn read(query: Option<&'a str>, separators: &[char]) -> Self {
        let mut values = IndexMap::new();
        let pairs = query.unwrap_or_default().split(separators);
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            values
                .entry(decode_form(name))
                .or_insert_with(Vec::new)
                .push(decode_form(value));
        }
        Self { values }
    }

    /// `queryStringParameters` of payload 1.0: the last value of each; `null` when there are none.
    pub(crate) fn write_last_values(&self, json: &mut Writer) {
        self.write(json, repeats::last);
    }

    /// `multiValueQueryStringParameters`: all values of each; `null` when there are none.
    pub(crate) fn write_all_values(&self, json: &mut Writer) {
        self.write(json, repeats::all);
    }

    /// `queryStringParameters` of payload 2.0: values joined by commas.
    pub(crate) fn write_joined_values(&self, json: &mut Writer) {
        self.write(json, repeats::joined);
    }

    /// The values of a parameter, in order.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.values.get(name).map(Vec::as_slice);
        values.unwrap_or_default().iter().map(AsRef::as_ref)
    }

    /// All values of one.
    pub(crate) fn all(&self, name: &str) -> &[Cow<'a, str>] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn write(&self, json: &mut Writer, value: impl Fn(&[Cow<'a, str>], &mut Writer)) {
        if self.values.is_empty() {
            json.null();
            return;
        }
        json.open_object();
        for (name, values) in &self.values {
            json.named(name);
            value(values, json);
        }
        json.close_object();
    }
}

/// As HTML forms encode: `+` is a space.
fn decode_form(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        return Cow::Owned(decode(&text.replace('+', " ")).into_owned());
    }
    decode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(query: &Query<'_>) -> [String; 3] {
        let text = |write: &dyn Fn(&mut Writer)| {
            let mut json = Writer::with_capacity(0);
            write(&mut json);
            String::from_utf8(json.finish()).unwrap()
        };
        [
            text(&|json| query.write_last_values(json)),
            text(&|json| query.write_all_values(json)),
            text(&|json| query.write_joined_values(json)),
        ]
    }

    #[test]
    fn repeats_are_kept_and_the_last_is_the_single_value() {
        assert_eq!(
            shown(&Query::rest(Some("a=1&b=2&a=3"))),
            [
                r#"{"a":"3","b":"2"}"#,
                r#"{"a":["1","3"],"b":["2"]}"#,
                r#"{"a":"1,3","b":"2"}"#
            ]
        );
    }

    #[test]
    fn names_and_values_are_decoded_with_plus_as_a_space() {
        let [last, ..] = shown(&Query::rest(Some(
            "email=test%2Balias@x&plus=a+b&a%20b=%ff&flag&&=v",
        )));
        assert_eq!(
            last,
            "{\"email\":\"test+alias@x\",\"plus\":\"a b\",\"a b\":\"\u{fffd}\",\"flag\":\"\",\"\":\"v\"}"
        );
    }

    #[test]
    fn a_semicolon_splits_the_query_of_rest_apis_alone() {
        assert_eq!(
            shown(&Query::rest(Some("a=1;b=2")))[0],
            r#"{"a":"1","b":"2"}"#
        );
        assert_eq!(shown(&Query::http(Some("a=1;b=2")))[0], r#"{"a":"1;b=2"}"#);
    }

    #[test]
    fn no_parameters_are_null() {
        assert_eq!(shown(&Query::rest(None)), ["null"; 3]);
        assert_eq!(shown(&Query::rest(Some(""))), ["null"; 3]);
    }
}
