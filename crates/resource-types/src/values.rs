//! Values of properties as services take them.
//!
//! Lives here: texts, documents, lists and tags of a resource, and what is said of it by `Fn::GetAtt`.
//! Does not live here: whether a property may have a value (`check`).

use interfaces::resource_provider::Properties;
use serde_json::Value;

/// The text of a scalar, as CloudFormation hands it to a service that wants a text.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The text of a property; an empty one is none.
pub fn text_in(properties: &Properties, name: &str) -> Option<String> {
    let text = properties.get(name).and_then(text_of);
    text.filter(|text| !text.is_empty())
}

/// The texts of a property that is a list.
pub fn texts_in(properties: &Properties, name: &str) -> Vec<String> {
    let items = properties.get(name).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(text_of).collect()
}

/// A document of JSON, which templates write as such or as a text.
pub fn document_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        document @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(document.to_string())
        }
    }
}

/// `Tags`, where they are a list of keys and values. One without a value has an empty one.
pub fn tags_in(properties: &Properties) -> impl Iterator<Item = (String, String)> {
    let listed = properties.get("Tags").and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(|tag| {
        let part = |name: &str| tag.get(name).and_then(text_of);
        Some((part("Key")?, part("Value").unwrap_or_default()))
    })
}

/// What `Fn::GetAtt` gives.
pub fn attributes(pairs: &[(&str, &str)]) -> Properties {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), Value::from(*value));
    pairs.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn templates_write_values_in_several_ways() {
        let properties = json!({
            "Size": 5,
            "Name": "",
            "Events": ["a", 1, null],
            "Policy": {"a": 1},
            "Text": "{}",
            "Nothing": null,
            "Tags": [{"Key": "a", "Value": true}, {"Key": "b"}, {"Value": "c"}],
        });
        let Value::Object(properties) = properties else {
            panic!("it is an object");
        };
        assert_eq!(text_in(&properties, "Size").as_deref(), Some("5"));
        assert_eq!(text_in(&properties, "Name"), None);
        assert_eq!(texts_in(&properties, "Events"), ["a", "1"]);
        let document = |name: &str| properties.get(name).and_then(document_of);
        assert_eq!(document("Policy").as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(document("Text").as_deref(), Some("{}"));
        assert_eq!(document("Nothing"), None);
        let tags: Vec<_> = tags_in(&properties).collect();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(tags, [pair("a", "true"), pair("b", "")]);
    }
}
