//! Finding a function by the name that a person gives it.

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
