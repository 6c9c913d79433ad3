//! Names of generated resources.
//!
//! Lives here: how functions, layers, paths and methods become logical ids.
//! Does not live here: physical names (`service`).
//!
//! Contract: Serverless Framework 3, Guide, "Resources", "AWS CloudFormation Resource Reference".

/// Upper case for the first letter.
pub(super) fn upper_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// A name as a part of a logical id: `my-odd_name` is `MyDashoddUnderscorename`.
pub(super) fn normalised(name: &str) -> String {
    upper_first(&name.replace('-', "Dash").replace('_', "Underscore"))
}

/// A name without what logical ids cannot have.
pub(super) fn alphanumeric(name: &str) -> String {
    let kept: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    upper_first(&kept)
}

pub(super) fn function(key: &str) -> String {
    format!("{}LambdaFunction", normalised(key))
}

pub(super) fn function_version(key: &str, digest: &str) -> String {
    format!("{}LambdaVersion{digest}", normalised(key))
}

pub(super) fn log_group(key: &str) -> String {
    format!("{}LogGroup", normalised(key))
}

pub(super) fn layer(key: &str) -> String {
    format!("{}LambdaLayer", normalised(key))
}

/// `pets/{id}/photos` is `PetsIdVarPhotos`.
pub(super) fn path(path: &str) -> String {
    path.split('/').map(path_part).collect()
}

fn path_part(part: &str) -> String {
    let mut text = upper_first(&part.to_lowercase()).replace('-', "Dash");
    if let (Some(open), Some(close)) = (text.find('{'), text.rfind('}'))
        && open < close
    {
        let inner = text.get(open + 1..close).unwrap_or_default();
        let before = text.get(..open).unwrap_or_default();
        let after = text.get(close + 1..).unwrap_or_default();
        text = format!("{before}{inner}Var{after}");
    }
    alphanumeric(&text)
}

pub(super) fn rest_resource(path_of_resource: &str) -> String {
    format!("ApiGatewayResource{}", path(path_of_resource))
}

pub(super) fn rest_method(path_of_resource: &str, method: &str) -> String {
    format!(
        "ApiGatewayMethod{}{}",
        path(path_of_resource),
        upper_first(&method.to_lowercase())
    )
}

/// The model of one method for a content type: `application/json` is `ApplicationJson`.
pub(super) fn method_model(path_of_resource: &str, method: &str, content_type: &str) -> String {
    let words: String = words(content_type)
        .iter()
        .map(|word| upper_first(word))
        .collect();
    format!("{}{words}Model", rest_method(path_of_resource, method))
}

/// A model of the whole API: `pet-model` is `ApiGatewayPetModelModel`.
pub(super) fn shared_model(key: &str) -> String {
    let words: String = words(key)
        .iter()
        .map(|word| upper_first(&word.to_lowercase()))
        .collect();
    format!("ApiGateway{words}Model")
}

pub(super) fn http_api_route(route_key: &str) -> String {
    if route_key == "*" {
        "HttpApiRouteDefault".to_owned()
    } else {
        format!("HttpApiRoute{}", path(route_key))
    }
}

pub(super) fn http_api_integration(key: &str) -> String {
    format!("HttpApiIntegration{}", normalised(key))
}

pub(super) fn http_api_authorizer(key: &str) -> String {
    format!("HttpApiAuthorizer{}", normalised(key))
}

pub(super) fn websockets_integration(key: &str) -> String {
    format!("{}WebsocketsIntegration", normalised(key))
}

pub(super) fn websockets_permission(key: &str) -> String {
    format!("{}LambdaPermissionWebsockets", normalised(key))
}

pub(super) fn websockets_authorizer(name: &str) -> String {
    format!("{}WebsocketsAuthorizer", normalised(name))
}

/// `$connect` is `SconnectWebsocketsRoute`.
pub(super) fn websockets_route(key: &str) -> String {
    let key = key
        .replace('$', "S")
        .replace('/', "Slash")
        .replace('-', "Dash")
        .replace('_', "Underscore")
        .replace('.', "Period");
    format!("{key}WebsocketsRoute")
}

/// Words as lodash finds them: at changes of case, at digits, and at everything else.
fn words(text: &str) -> Vec<String> {
    #[derive(PartialEq, Clone, Copy)]
    enum Class {
        Upper,
        Lower,
        Digit,
        Other,
    }
    let class = |letter: char| match letter {
        'A'..='Z' => Class::Upper,
        'a'..='z' => Class::Lower,
        '0'..='9' => Class::Digit,
        _other => Class::Other,
    };
    let mut words: Vec<String> = Vec::new();
    let mut before = Class::Other;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let here = class(letter);
        // `PETModel` is `PET` and `Model`: an upper-case letter begins a word if a lower-case one follows.
        let begins_capitalised = here == Class::Upper
            && letters
                .peek()
                .is_some_and(|next| class(*next) == Class::Lower);
        let continues = match (before, here) {
            (Class::Upper, Class::Upper) => !begins_capitalised,
            (Class::Upper, Class::Lower) => true,
            (before, here) => before == here,
        };
        if here != Class::Other {
            match words.last_mut().filter(|_| continues) {
                Some(word) => word.push(letter),
                None => words.push(letter.to_string()),
            }
        }
        before = here;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_logical_ids_as_the_tool_makes_them() {
        let cases = [
            (
                function("my-odd_name"),
                "MyDashoddUnderscorenameLambdaFunction",
            ),
            (path("pets/{petId}/photos"), "PetsPetidVarPhotos"),
            (path("{proxy+}"), "ProxyVar"),
            (path("under_score.v1/~tilde"), "Underscorev1Tilde"),
            (path("GET /pets/{id}"), "GetPetsIdVar"),
            (shared_model("pet-model"), "ApiGatewayPetModelModel"),
            (shared_model("PETModel2x"), "ApiGatewayPetModel2XModel"),
            (
                method_model("pets", "post", "application/vnd.api+json"),
                "ApiGatewayMethodPetsPostApplicationVndApiJsonModel",
            ),
        ];
        for (made, expected) in cases {
            assert_eq!(made, expected);
        }
    }
}
