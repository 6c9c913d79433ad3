//! What a request must show, as OpenAPI says it.
//!
//! Lives here: security schemes of authorizers, signatures and API keys.
//! Does not live here: which operation asks for which (`operation`).

use std::collections::BTreeMap;

use model::door::{Authorization, Authorizer, AuthorizerKind, Guard, IdentitySource};
use serde_json::{Map, Value, json};

const IAM: &str = "iam";
const API_KEY: &str = "apiKey";
/// Says what a scheme is to Amazon API Gateway: "x-amazon-apigateway-authtype".
const KIND: &str = "x-amazon-apigateway-authtype";

/// The schemes that operations have asked for.
#[derive(Default)]
pub(super) struct Schemes {
    by_name: BTreeMap<String, Value>,
    has_keys_in_header: bool,
}

impl Schemes {
    /// API keys are sent in a header; otherwise an authorizer finds them.
    pub(super) fn keys_in_header(&mut self) {
        self.has_keys_in_header = true;
    }

    /// What an operation with this guard asks for: all of it at once; none when it is open.
    pub(super) fn asked_by(&mut self, guard: &Guard) -> Option<Value> {
        let mut asked = Map::new();
        match &guard.authorization {
            Authorization::Open => {}
            Authorization::Iam => {
                self.by_name.entry(IAM.to_owned()).or_insert_with(signature);
                asked.insert(IAM.to_owned(), json!([]));
            }
            Authorization::Authorizer { authorizer, scopes } => {
                let name = component_name(&authorizer.name);
                let scheme = || scheme(authorizer);
                self.by_name.entry(name.clone()).or_insert_with(scheme);
                asked.insert(name, json!(scopes));
            }
        }
        if guard.api_key_required && self.has_keys_in_header {
            let scheme = || json!({ "type": "apiKey", "in": "header", "name": "x-api-key" });
            let name = API_KEY.to_owned();
            self.by_name.entry(name.clone()).or_insert_with(scheme);
            asked.insert(name, json!([]));
        }
        (!asked.is_empty()).then(|| json!([asked]))
    }

    pub(super) fn written(self) -> BTreeMap<String, Value> {
        self.by_name
    }
}

fn signature() -> Value {
    json!({
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "AWS Signature Version 4 of the service execute-api",
        KIND: "awsSigv4",
    })
}

fn scheme(authorizer: &Authorizer) -> Value {
    match &authorizer.kind {
        AuthorizerKind::Jwt {
            issuer,
            audience,
            identity_source,
        } => {
            let about = format!("A token of {issuer} for {}", audience.join(", "));
            token(identity_source, &about)
        }
        AuthorizerKind::UserPools {
            issuers,
            identity_source,
            ..
        } => token(
            identity_source,
            &format!("A token of {}", issuers.join(", ")),
        ),
        AuthorizerKind::Token {
            identity_source, ..
        } => custom(Some(identity_source)),
        AuthorizerKind::Request {
            identity_sources, ..
        } => custom(identity_sources.first()),
    }
}

fn token(source: &IdentitySource, about: &str) -> Value {
    let is_usual = |name: &str| name.eq_ignore_ascii_case("authorization");
    if matches!(source, IdentitySource::Header(name) if is_usual(name)) {
        return json!({
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": about,
        });
    }
    sent(source, about)
}

fn custom(source: Option<&IdentitySource>) -> Value {
    let nothing = IdentitySource::Header("Authorization".to_owned());
    let mut scheme = sent(source.unwrap_or(&nothing), "What the authorizer asks for");
    if let Some(members) = scheme.as_object_mut() {
        members.insert(KIND.to_owned(), json!("custom"));
    }
    scheme
}

fn sent(source: &IdentitySource, about: &str) -> Value {
    let (place, name) = match source {
        IdentitySource::Header(name) => ("header", name.as_str()),
        IdentitySource::Query(name) => ("query", name.as_str()),
        // The client sends neither: what it has to show is the authorizer's affair.
        IdentitySource::StageVariable(_) | IdentitySource::Context(_) => {
            ("header", "Authorization")
        }
    };
    json!({ "type": "apiKey", "in": place, "name": name, "description": about })
}

/// Names of components are of letters, digits, `.`, `-` and `_`.
pub(super) fn component_name(name: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    name.chars()
        .map(|letter| if fits(letter) { letter } else { '_' })
        .collect()
}
