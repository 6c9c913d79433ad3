//! What manifests and templates refer to.
//!
//! Lives here: looking values up as whoever deploys, without a request from outside.
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
            let found = match &wanted.reference {
                Reference::Parameter(name) => {
                    let body = json!({"Name": name, "WithDecryption": true});
                    let answer = self.answered(wanted, "GetParameter", &body).await;
                    answer.map(|answer| parameter(&answer))
                }
                Reference::Secret { id, stage, version } => {
                    let mut body = Map::new();
                    body.insert("SecretId".to_owned(), id.as_str().into());
                    let chosen = [("VersionStage", stage), ("VersionId", version)];
                    for (name, chosen) in chosen {
                        if let Some(chosen) = chosen {
                            body.insert(name.to_owned(), chosen.as_str().into());
                        }
                    }
                    let body = Value::Object(body);
                    let answer = self.answered(wanted, "GetSecretValue", &body).await;
                    answer.map(|answer| secret(&answer))
                }
            };
            let nothing = || NoValue {
                reason: "it has no text".to_owned(),
            };
            match found {
                Ok(found) => found.ok_or_else(nothing),
                Err(fault) => Err(NoValue {
                    reason: fault.to_string().trim_end_matches([':', ' ']).to_owned(),
                }),
            }
        })
    }
}

impl Service {
    async fn answered(&self, wanted: &Wanted, operation: &str, body: &Value) -> Answer {
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
            body: body.to_string().into(),
            stream: None,
        };
        let context = Context {
            catalogue: &self.catalogue,
            place: &place,
            call: &call,
            authorize: &*self.authorize,
        };
        match wanted.reference {
            Reference::Parameter(_) => ssm::run(&context, operation).await,
            Reference::Secret { .. } => secretsmanager::run(&context, operation).await,
        }
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
