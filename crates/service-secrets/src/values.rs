//! What manifests and templates refer to.
//!
//! Lives here: looking values up as whoever deploys, without a request from outside.
//! Also for engines that stand in for the services: they are asked the same, and their answers read alike.
//! Does not live here: what references look like (`manifest`, `deployment`).

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method};
use interfaces::BoxFuture;
use interfaces::service::ServiceCall;
use interfaces::stored_values::{Found, Kind, NoValue, Reference, StoredValues, Wanted};
use model::ids::RequestId;
use model::principal::Principal;
use serde_json::{Map, Value, json};

use crate::service::{Api, Service};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

impl StoredValues for Service {
    fn look_up<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Found, NoValue>> {
        Box::pin(async move {
            let question = Question::of(&wanted.reference);
            let door = self.door(question.api);
            match door.run(&question.call(wanted)).await {
                Ok(answer) => question.found(&answer),
                Err(fault) => Err(NoValue {
                    reason: fault.to_string().trim_end_matches([':', ' ']).to_owned(),
                }),
            }
        })
    }
}

/// The call that a reference comes to.
#[derive(Debug, Clone)]
pub struct Question {
    api: Api,
    target: &'static str,
    body: Value,
    /// What the answer says.
    read: fn(&Value) -> Option<Found>,
}

impl Question {
    /// The call for a reference.
    #[must_use]
    pub fn of(reference: &Reference) -> Self {
        match reference {
            Reference::Parameter(name) => Self {
                api: Api::Ssm,
                target: "AmazonSSM.GetParameter",
                body: json!({"Name": name, "WithDecryption": true}),
                read: parameter,
            },
            Reference::Secret { id, stage, version } => {
                let mut body = Map::new();
                body.insert("SecretId".to_owned(), id.as_str().into());
                for (name, chosen) in [("VersionStage", stage), ("VersionId", version)] {
                    if let Some(chosen) = chosen {
                        body.insert(name.to_owned(), chosen.as_str().into());
                    }
                }
                Self {
                    api: Api::SecretsManager,
                    target: "secretsmanager.GetSecretValue",
                    body: Value::Object(body),
                    read: secret,
                }
            }
        }
    }

    /// The service that is asked, as credentials name it.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.api.signing_name()
    }

    /// The call itself, as whoever deploys.
    #[must_use]
    pub fn call(&self, wanted: &Wanted) -> ServiceCall {
        let target = HeaderValue::from_static(self.target);
        let content_type = HeaderValue::from_static(CONTENT_TYPE);
        let target = (HeaderName::from_static("x-amz-target"), target);
        ServiceCall {
            request_id: RequestId::new("deployment"),
            caller: Principal::Root {
                account: wanted.account.clone(),
            },
            account: wanted.account.clone(),
            region: wanted.region.clone(),
            method: Method::POST,
            path_and_query: "/".to_owned(),
            headers: HeaderMap::from_iter([target, (header::CONTENT_TYPE, content_type)]),
            body: self.body.to_string().into(),
            stream: None,
        }
    }

    /// The value in an answer.
    ///
    /// # Errors
    /// [`NoValue`]: it has none that is a text.
    pub fn found(&self, answer: &Value) -> Result<Found, NoValue> {
        (self.read)(answer).ok_or_else(|| NoValue {
            reason: "it has no text".to_owned(),
        })
    }
}

fn parameter(answer: &Value) -> Option<Found> {
    let parameter = answer.get("Parameter")?;
    let kind = match parameter.get("Type").and_then(Value::as_str) {
        Some("StringList") => Kind::List,
        Some("SecureString") => Kind::Secret,
        Some(_) | None => Kind::Text,
    };
    let value = parameter.get("Value")?.as_str()?.to_owned();
    Some(Found { value, kind })
}

fn secret(answer: &Value) -> Option<Found> {
    let value = answer.get("SecretString")?.as_str()?.to_owned();
    Some(Found {
        value,
        kind: Kind::Secret,
    })
}
