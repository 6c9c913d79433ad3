//! What manifests and templates refer to.
//!
//! Lives here: looking values up as whoever deploys, without a request from outside.
//! Also for engines that stand in for the services: they are asked the same, and their answers read alike.
//! Does not live here: what references look like (`manifest`, `deployment`).

use http::{HeaderMap, Method};
use interfaces::BoxFuture;
use interfaces::service::ServiceCall;
use interfaces::stored_values::{Found, Kind, NoValue, Reference, StoredValues, Wanted};
use model::ids::RequestId;
use model::principal::Principal;
use serde_json::{Map, Value, json};

use crate::engine::keys::Place;
use crate::fault::Answer;
use crate::service::{Context, Service};
use crate::{secretsmanager, ssm};

impl StoredValues for Service {
    fn look_up<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Found, NoValue>> {
        Box::pin(async move {
            let question = Question::of(&wanted.reference);
            match self.answered(wanted, &question).await {
                Ok(answer) => question.found(&answer),
                Err(fault) => Err(NoValue {
                    reason: fault.to_string().trim_end_matches([':', ' ']).to_owned(),
                }),
            }
        })
    }
}

impl Service {
    async fn answered(&self, wanted: &Wanted, question: &Question) -> Answer {
        let place = Place {
            account: wanted.account.clone(),
            region: wanted.region.clone(),
        };
        let call = ServiceCall {
            request_id: RequestId::new("deployment"),
            caller: Principal::Root {
                account: wanted.account.clone(),
            },
            account: wanted.account.clone(),
            region: wanted.region.clone(),
            method: Method::POST,
            path_and_query: "/".to_owned(),
            headers: HeaderMap::new(),
            body: question.body.to_string().into(),
            stream: None,
        };
        let context = Context {
            catalogue: &self.catalogue,
            place: &place,
            call: &call,
            authorize: &*self.authorize,
        };
        match question.service {
            Asked::Ssm => ssm::run(&context, question.operation).await,
            Asked::SecretsManager => secretsmanager::run(&context, question.operation).await,
        }
    }
}

/// The call that a reference comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    service: Asked,
    operation: &'static str,
    /// Its body.
    pub body: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Ssm,
    SecretsManager,
}

impl Question {
    /// The call for a reference.
    #[must_use]
    pub fn of(reference: &Reference) -> Self {
        match reference {
            Reference::Parameter(name) => Self {
                service: Asked::Ssm,
                operation: "GetParameter",
                body: json!({"Name": name, "WithDecryption": true}),
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
                    service: Asked::SecretsManager,
                    operation: "GetSecretValue",
                    body: Value::Object(body),
                }
            }
        }
    }

    /// The service that is asked, as credentials name it.
    #[must_use]
    pub fn service(&self) -> &'static str {
        match self.service {
            Asked::Ssm => "ssm",
            Asked::SecretsManager => "secretsmanager",
        }
    }

    /// What the call says in `x-amz-target`.
    #[must_use]
    pub fn target(&self) -> String {
        let service = match self.service {
            Asked::Ssm => "AmazonSSM",
            Asked::SecretsManager => "secretsmanager",
        };
        format!("{service}.{}", self.operation)
    }

    /// The value in an answer.
    ///
    /// # Errors
    /// [`NoValue`]: it has none that is a text.
    pub fn found(&self, answer: &Value) -> Result<Found, NoValue> {
        let found = match self.service {
            Asked::Ssm => parameter(answer),
            Asked::SecretsManager => secret(answer),
        };
        found.ok_or_else(|| NoValue {
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
