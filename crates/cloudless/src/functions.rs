//! Finding a function by the name that a person gives it, and the other way round.

use std::collections::BTreeMap;

use manifest::serverless_framework;

/// The deployed name of a function, by deployed name, logical id, or its key in `serverless.yml`.
///
/// `functions` holds deployed names by logical id.
#[must_use]
pub fn find<'a>(functions: &'a BTreeMap<String, String>, wanted: &str) -> Option<&'a str> {
    let by_key = || functions.get(&serverless_framework::function_logical_id(wanted));
    let by_name = || functions.values().find(|name| *name == wanted);
    functions
        .get(wanted)
        .or_else(by_name)
        .or_else(by_key)
        .map(String::as_str)
}

/// The name by which people know a function: its key in `serverless.yml` when its logical id is made from one, else the
/// logical id. [`find`] finds the function by it.
#[must_use]
pub fn written_name(logical_id: &str) -> String {
    // What Lambda's API made: `AWS::Lambda::Version/NAME:0000000001`.
    if let Some((_, key)) = logical_id.split_once('/') {
        return key.split(':').next().unwrap_or(key).to_owned();
    }
    let key = logical_id.strip_suffix("LambdaFunction").map(|stem| {
        let stem = stem.replace("Dash", "-").replace("Underscore", "_");
        let mut letters = stem.chars();
        let first = letters.next().map(|letter| letter.to_ascii_lowercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    key.filter(|key| {
        !key.is_empty() && serverless_framework::function_logical_id(key) == logical_id
    })
    .unwrap_or_else(|| logical_id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_by_any_of_its_names() {
        let functions = BTreeMap::from([(
            "SendDashmailLambdaFunction".to_owned(),
            "app-dev-send-mail".to_owned(),
        )]);
        for name in [
            "send-mail",
            "SendDashmailLambdaFunction",
            "app-dev-send-mail",
        ] {
            assert_eq!(find(&functions, name), Some("app-dev-send-mail"), "{name}");
        }
        assert_eq!(find(&functions, "mail"), None);
    }

    #[test]
    fn the_written_name_is_the_key_when_there_is_one() {
        for (logical_id, written) in [
            ("SendDashmailLambdaFunction", "send-mail"),
            ("MyUnderscorejobLambdaFunction", "my_job"),
            ("HelloFunction", "HelloFunction"),
            ("LambdaFunction", "LambdaFunction"),
            ("AWS::Lambda::Function/hello", "hello"),
            ("AWS::Lambda::Version/hello:0000000001", "hello"),
        ] {
            assert_eq!(written_name(logical_id), written);
        }
    }
}
