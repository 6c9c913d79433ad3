//! Lambda authorizers: functions that say who may call.
//!
//! Lives here: their steps: identity sources, the kept answer or a call, what the answer says of this very request.
//! Does not live here: the parts of these steps (below), the events (`events::authorizer_input`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Use API Gateway Lambda authorizers" and "Control access to HTTP APIs
//! with AWS Lambda authorizers".

mod answer;
mod kept;
mod sources;
mod validation;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use interfaces::clock::Clock;
use interfaces::invoke::{FunctionError, Invocation, Invoke, Outcome};
use interfaces::random::Random;
use model::door::{Authorizer, AuthorizerFormat, Callee, IdentitySource};
use model::limits::{
    HTTP_API_AUTHORIZER_TIMEOUT, REST_AUTHORIZER_TIMEOUT, WEBSOCKET_INTEGRATION_TIMEOUT,
};
use policy::Said;
use serde::Deserialize;

use super::policies::{self, Policies};
use super::question::Question;
use super::refused::{NotAuthorised, shown};
use crate::caller::Identity;
use crate::events::{Exchange, authorizer_input, websocket};
use crate::replies::shorten;
use crate::routes::Kind;
use crate::tokens::Tokens;
use answer::{Answer, Decision, Rules};
use kept::{Came, Key};

pub(crate) use kept::Kept;
pub(crate) use sources::is_known;
pub(crate) use validation::{Validations, problem_of};

/// What a function throws to have the client answered 401.
const UNAUTHORIZED: &str = "Unauthorized";

/// A Lambda authorizer of either API.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) authorizer: &'a Authorizer,
    pub(super) callee: &'a Callee,
    pub(super) sources: &'a [IdentitySource],
    pub(super) sort: Sort,
    pub(super) time_to_live: Duration,
}

/// What a function is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// One header (`TOKEN`).
    Token,
    /// The request (`REQUEST`).
    Request(AuthorizerFormat),
}

/// What calls need.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    pub(crate) invoke: &'a dyn Invoke,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) random: &'a dyn Random,
    pub(crate) tokens: &'a Tokens,
}

/// What an authorizer says of a caller, and the API key that it gives it.
pub(super) struct Admitted {
    pub(super) identity: Identity,
    pub(super) usage_key: Option<String>,
}

/// Asks the authorizer, or what is kept of its answers, whether this request may go on.
pub(super) async fn run(
    question: &Question<'_>,
    asked: Asked<'_>,
    (policies, kept, validations): (&Policies, &Kept, &Validations),
    means: Means<'_>,
) -> Result<Admitted, NotAuthorised> {
    let by_resource = policies.admit_to_authorizer(question)?;
    let values = identify(question, asked)?;
    if asked.sort == Sort::Token {
        let token = token_of(question, &values);
        validations.check(asked.authorizer, &token)?;
    }
    let started = means.clock.instant();
    let call = call(question, asked, &values, means);
    let (answer, came) = if asked.time_to_live.is_zero() || values.is_empty() {
        (call.await, Came::Now)
    } else {
        let api = question.exchange.api;
        let parts = [&asked.authorizer.id, api.id.as_str(), api.stage.as_str()];
        let key = Key::new(parts, &values);
        kept.get(key, asked.time_to_live, means.clock, call).await
    };
    let answer = answer?;
    judge(question, asked, &answer, by_resource)?;
    let latency = match came {
        Came::Now => means.clock.instant().saturating_duration_since(started),
        Came::Kept => Duration::ZERO,
    };
    Ok(Admitted {
        identity: Identity::Function {
            told: Arc::clone(&answer.told),
            latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
        },
        usage_key: answer.usage_key.clone(),
    })
}

/// The values of the sources. Those of a `REQUEST` authorizer of a REST API must be there only where answers are kept
/// for them; all others always.
fn identify(question: &Question<'_>, asked: Asked<'_>) -> Result<Vec<Vec<String>>, NotAuthorised> {
    let is_rest = matches!(question.exchange.api.kind, Kind::Rest { .. });
    let may_miss = is_rest && asked.sort != Sort::Token && asked.time_to_live.is_zero();
    let mut found = Vec::with_capacity(asked.sources.len());
    for source in asked.sources {
        let values = sources::values(source, &question.exchange);
        if values.is_empty() && !may_miss {
            return Err(NotAuthorised::Unidentified(format!(
                "the request has no {}, by which the {} knows its sender",
                named(source),
                shown(asked.authorizer)
            )));
        }
        found.push(values);
    }
    Ok(found)
}

/// The one value of a source that is shown; none: it is missing.
pub(super) fn value_of(source: &IdentitySource, exchange: &Exchange<'_>) -> Option<String> {
    let values = sources::values(source, exchange);
    (!values.is_empty()).then(|| sources::shown(&values, exchange))
}

/// A source, as people are told of it.
pub(super) fn named(source: &IdentitySource) -> String {
    match source {
        IdentitySource::Header(name) => format!("header `{name}`"),
        IdentitySource::Query(name) => format!("query parameter `{name}`"),
        IdentitySource::StageVariable(name) => format!("stage variable `{name}`"),
        IdentitySource::Context(name) => format!("`$context.{name}`"),
    }
}

fn token_of(question: &Question<'_>, values: &[Vec<String>]) -> String {
    let values = values.first().map_or(&[][..], Vec::as_slice);
    sources::shown(values, &question.exchange)
}

async fn call(
    question: &Question<'_>,
    asked: Asked<'_>,
    values: &[Vec<String>],
    means: Means<'_>,
) -> Result<Arc<Answer>, NotAuthorised> {
    let arn = question.arn()?;
    let exchange = &question.exchange;
    let identities: Vec<String> = values
        .iter()
        .map(|values| sources::shown(values, exchange))
        .collect();
    let timeout = match exchange.api.kind {
        Kind::Rest { .. } => REST_AUTHORIZER_TIMEOUT,
        Kind::WebSocket { .. } => WEBSOCKET_INTEGRATION_TIMEOUT,
        Kind::Http { .. } | Kind::FunctionUrl { .. } => HTTP_API_AUTHORIZER_TIMEOUT,
    };
    let (event, rules) = match asked.sort {
        Sort::Token => {
            let token = token_of(question, values);
            (authorizer_input::token(&arn, &token), Rules::Rest)
        }
        Sort::Request(_) if matches!(exchange.api.kind, Kind::Rest { .. }) => {
            (authorizer_input::rest(exchange, &arn), Rules::Rest)
        }
        Sort::Request(_) if matches!(exchange.api.kind, Kind::WebSocket { .. }) => {
            (websocket::authorizer(exchange, &arn), Rules::Rest)
        }
        Sort::Request(format @ AuthorizerFormat::V1) => {
            let event = authorizer_input::http_v1(exchange, &arn, &identities);
            (event, Rules::Http(format))
        }
        Sort::Request(format @ (AuthorizerFormat::V2Policy | AuthorizerFormat::V2Simple)) => {
            let event = authorizer_input::http_v2(exchange, &arn, &identities);
            (event, Rules::Http(format))
        }
    };
    let returned = invoke(question, asked, Bytes::from(event), timeout, means).await?;
    let read = answer::read(&returned, rules);
    read.map(Arc::new)
        .map_err(|bad| failed(asked, &bad.to_string()))
}

async fn invoke(
    question: &Question<'_>,
    asked: Asked<'_>,
    event: Bytes,
    timeout: Duration,
    means: Means<'_>,
) -> Result<Bytes, NotAuthorised> {
    let invocation = Invocation {
        function: asked.callee.function.clone(),
        qualifier: asked.callee.qualifier.clone(),
        request_id: means.random.request_id(),
        payload: event,
        wait_until: Some(means.clock.instant() + timeout),
        trace_id: question.exchange.trace.full.clone(),
        client_context: None,
    };
    match tokio::time::timeout(timeout, means.invoke.invoke(invocation)).await {
        Ok(Ok(reply)) => match reply.outcome {
            Outcome::Returned(returned) => Ok(returned),
            Outcome::Failed(error) => Err(threw(asked, &error)),
        },
        Ok(Err(not_run)) => Err(failed(asked, &not_run.to_string())),
        Err(_) => {
            let seconds = timeout.as_secs();
            Err(failed(
                asked,
                &format!("it had not answered after {seconds} s"),
            ))
        }
    }
}

fn threw(asked: Asked<'_>, error: &FunctionError) -> NotAuthorised {
    #[derive(Deserialize)]
    struct ErrorObject {
        #[serde(rename = "errorMessage")]
        message: Option<String>,
    }
    let object: Option<ErrorObject> = serde_json::from_slice(&error.payload).ok();
    let message = object.and_then(|object| object.message).unwrap_or_default();
    let function = &asked.callee.function;
    if message == UNAUTHORIZED {
        return NotAuthorised::Unauthorized(format!(
            "function `{function}` of the {} threw `{UNAUTHORIZED}`",
            shown(asked.authorizer)
        ));
    }
    let why = format!("it failed: {}", shorten(&message));
    NotAuthorised::Threw(lets_nobody_in(asked, &why))
}

fn failed(asked: Asked<'_>, why: &str) -> NotAuthorised {
    NotAuthorised::Failed(lets_nobody_in(asked, why))
}

fn lets_nobody_in(asked: Asked<'_>, why: &str) -> String {
    let function = &asked.callee.function;
    let authorizer = shown(asked.authorizer);
    format!("function `{function}` of the {authorizer} lets nobody in: {why}")
}

/// What the answer says of this very request: one that was given for another path is asked about this one.
fn judge(
    question: &Question<'_>,
    asked: Asked<'_>,
    answer: &Answer,
    by_resource: Option<Said>,
) -> Result<(), NotAuthorised> {
    let said = match &answer.decision {
        Decision::Policy(policy) => policies::says(policy, question)?,
        Decision::Allowed => Said::Allow,
        Decision::Refused => Said::Deny,
    };
    policies::together(said, by_resource).map_err(|refusal| NotAuthorised::Denied {
        refusal,
        by: format!("the {}", shown(asked.authorizer)),
        told: Arc::clone(&answer.told),
    })
}
