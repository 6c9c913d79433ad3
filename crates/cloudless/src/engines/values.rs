//! Values that manifests refer to, where an engine keeps them.
//!
//! Lives here: asking the engine of Parameter Store or Secrets Manager what the service itself would be asked.
//! Does not live here: which call a reference comes to (`service_secrets`), passing it on (`engines`).

use std::sync::Arc;

use http::StatusCode;
use interfaces::BoxFuture;
use interfaces::service::CloudService;
use interfaces::stored_values::{Found, NoValue, StoredValues, Wanted};
use serde_json::Value;
use service_secrets::Question;

use crate::settings;

/// Asks the engines of these services, and ourselves for all others.
struct Elsewhere {
    ours: Arc<dyn StoredValues>,
    engines: Vec<Arc<dyn CloudService>>,
}

/// The values as the settings say: ours, or an engine's.
pub(super) fn values(
    ours: Arc<dyn StoredValues>,
    services: &[Arc<dyn CloudService>],
    engines: &[settings::Engine],
) -> Arc<dyn StoredValues> {
    let stands_in = |service: &&Arc<dyn CloudService>| {
        let mut engines = engines.iter();
        engines.any(|engine| engine.service == service.signing_name())
    };
    let engines = services.iter().filter(stands_in).cloned().collect();
    Arc::new(Elsewhere { ours, engines })
}

impl StoredValues for Elsewhere {
    fn look_up<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Found, NoValue>> {
        let question = Question::of(&wanted.reference);
        let mut engines = self.engines.iter();
        match engines.find(|engine| engine.signing_name() == question.service()) {
            Some(engine) => Box::pin(asked(engine.as_ref(), wanted, question)),
            None => self.ours.look_up(wanted),
        }
    }
}

async fn asked(
    engine: &dyn CloudService,
    wanted: &Wanted,
    question: Question,
) -> Result<Found, NoValue> {
    let answer = engine.execute(question.call(wanted)).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status == StatusCode::OK.as_u16() {
        return question.found(&body);
    }
    let said = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let code = said("__type").rsplit('#').next().unwrap_or_default();
    let message = [said("message"), said("Message")];
    let message = message.into_iter().find(|it| !it.is_empty());
    let message = message.unwrap_or_default();
    let reason = format!("{code}: {message}");
    let reason = match reason.trim_matches([':', ' ']) {
        "" => format!("the engine answered with {}", answer.status),
        reason => reason.to_owned(),
    };
    Err(NoValue { reason })
}

#[cfg(test)]
mod tests {
    use interfaces::authorize::Check;
    use interfaces::service::{ServiceAnswer, ServiceCall};
    use interfaces::stored_values::{Kind, Reference};
    use model::ids::{AccountId, Region};

    use super::*;

    struct Parameters;

    impl CloudService for Parameters {
        fn signing_name(&self) -> &'static str {
            "ssm"
        }

        fn checks<'a>(&'a self, _call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
            Box::pin(std::future::ready(Vec::new()))
        }

        fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
            let body = String::from_utf8_lossy(&call.body).into_owned();
            let target = call.headers.get("x-amz-target").cloned();
            assert_eq!(target.as_ref().unwrap(), "AmazonSSM.GetParameter");
            let (status, body) = if body.contains("\"/there\"") {
                let parameter = r#"{"Parameter":{"Type":"SecureString","Value":"hush"}}"#;
                (200, parameter)
            } else {
                let type_ = r#"{"__type":"com.amazonaws.ssm#ParameterNotFound"}"#;
                (400, type_)
            };
            Box::pin(std::future::ready(ServiceAnswer {
                status,
                headers: Vec::new(),
                body: body.into(),
                rest: None,
            }))
        }
    }

    struct Ours;

    impl StoredValues for Ours {
        fn look_up<'a>(&'a self, _wanted: &'a Wanted) -> BoxFuture<'a, Result<Found, NoValue>> {
            let reason = "ours".to_owned();
            Box::pin(std::future::ready(Err(NoValue { reason })))
        }
    }

    #[tokio::test]
    async fn references_ask_the_engine_of_their_service_alone() {
        let values = Elsewhere {
            ours: Arc::new(Ours),
            engines: vec![Arc::new(Parameters)],
        };
        let look_up = async |reference| {
            let wanted = Wanted {
                account: AccountId::development(),
                region: Region::new("eu-west-1"),
                reference,
            };
            let found = values.look_up(&wanted).await;
            found
                .map(|found| (found.value, found.kind))
                .map_err(|none| none.reason)
        };
        let parameter = |name: &str| Reference::Parameter(name.to_owned());
        let there = look_up(parameter("/there")).await;
        assert_eq!(there, Ok(("hush".to_owned(), Kind::Secret)));
        let nowhere = look_up(parameter("/nowhere")).await;
        assert_eq!(nowhere, Err("ParameterNotFound".to_owned()));
        let secret = Reference::Secret {
            id: "db".to_owned(),
            stage: None,
            version: None,
        };
        assert_eq!(look_up(secret).await, Err("ours".to_owned()));
    }
}
