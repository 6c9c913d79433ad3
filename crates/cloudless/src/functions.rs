//! Finding a function by the name that a person gives it.

use std::collections::BTreeMap;

/// The deployed name of a function, by deployed name, logical id, or its key in `serverless.yml`.
///
/// `functions` holds deployed names by logical id.
#[must_use]
pub fn find<'a>(functions: &'a BTreeMap<String, String>, wanted: &str) -> Option<&'a str> {
    let by_key = || functions.get(&format!("{}LambdaFunction", normalised(wanted)));
    let by_name = || functions.values().find(|name| *name == wanted);
    functions
        .get(wanted)
        .or_else(by_name)
        .or_else(by_key)
        .map(String::as_str)
}

/// A key of `functions` as the Serverless Framework makes it a logical id.
///
/// Contract: Serverless Framework documentation, "Resources", "AWS CloudFormation Resource Reference".
fn normalised(key: &str) -> String {
    let plain = key.replace('-', "Dash").replace('_', "Underscore");
    let mut characters = plain.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
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
}
