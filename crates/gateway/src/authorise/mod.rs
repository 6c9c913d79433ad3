//! Who may call.
//!
//! Lives here: a folder or file for each way to show who one is, and the order in which they are asked.
//! Does not live here: how often they may (`throttle`), evaluating policies (`policy`).

mod functions;
mod iam;
mod jwt;
mod keys;
mod policies;
mod problems;
mod question;
mod refused;
mod spelling;

#[cfg(test)]
pub(crate) mod tests;

use model::application::Application;
use model::door::{ApiKeySource, Authorization, Authorizer, AuthorizerKind};

use crate::caller::{Caller, Identity};
use crate::callers::Callers;
use crate::routes::Kind;
use functions::{Kept, Sort, Validations};
use keys::Keys;
use policies::Policies;

pub(crate) use functions::Means;
pub(crate) use problems::problems;
pub(crate) use question::Question;
pub(crate) use refused::NotAuthorised;

/// What decides who may call, of one revision.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    keys: Keys,
    policies: Policies,
    validations: Validations,
    /// What authorizers answered. A new revision asks them anew.
    kept: Kept,
}

impl Rules {
    /// Compiles what is deployed.
    pub(crate) fn compile(application: &Application) -> Self {
        Self {
            keys: Keys::compile(application),
            policies: Policies::compile(application),
            validations: Validations::compile(application),
            kept: Kept::default(),
        }
    }

    /// Finds out who calls; refuses whoever the route does not let in.
    pub(crate) async fn run(
        &self,
        question: &Question<'_>,
        callers: &Callers,
        means: Means<'_>,
    ) -> Result<Caller, NotAuthorised> {
        let guard = &question.exchange.route.guard;
        let mut usage_key = None;
        let identity = match &guard.authorization {
            Authorization::Open => {
                self.policies.admit_anybody(question)?;
                Identity::Open
            }
            Authorization::Iam => Identity::Iam(iam::run(question, callers, &self.policies)?),
            Authorization::Authorizer { authorizer, .. } => {
                let asked = Box::pin(self.ask(authorizer, question, means));
                let (identity, key) = asked.await?;
                usage_key = key;
                identity
            }
        };
        let mut caller = Caller {
            identity,
            key: None,
        };
        if guard.api_key_required {
            let api = question.exchange.api;
            let sent = match api.kind {
                Kind::Rest {
                    api_key_source: ApiKeySource::Header,
                    ..
                }
                | Kind::WebSocket {
                    api_key_source: ApiKeySource::Header,
                    ..
                } => question.exchange.headers.text("x-api-key"),
                Kind::Rest {
                    api_key_source: ApiKeySource::Authorizer,
                    ..
                }
                | Kind::WebSocket {
                    api_key_source: ApiKeySource::Authorizer,
                    ..
                } => usage_key.as_deref(),
                Kind::Http { .. } | Kind::FunctionUrl { .. } => None,
            };
            let sent = sent.ok_or(NotAuthorised::NoKey)?;
            let used = self.keys.find(sent, &api.id, &api.stage);
            caller.key = Some(used.map_err(NotAuthorised::BadKey)?);
        }
        Ok(caller)
    }

    /// What an authorizer says of a caller, and the API key that it gives it.
    async fn ask(
        &self,
        authorizer: &Authorizer,
        question: &Question<'_>,
        means: Means<'_>,
    ) -> Result<(Identity, Option<String>), NotAuthorised> {
        match &authorizer.kind {
            AuthorizerKind::Jwt {
                issuer,
                audience,
                identity_source,
            } => {
                let rule = jwt::JwtRule {
                    authorizer,
                    issuer,
                    audience,
                    source: identity_source,
                };
                Ok((jwt::http(question, rule, means.tokens).await?, None))
            }
            AuthorizerKind::UserPools {
                issuers,
                identity_source,
                validation: _,
            } => {
                let rules = (&self.policies, &self.validations);
                let sources = (issuers.as_slice(), identity_source);
                let identity =
                    jwt::user_pools(question, authorizer, sources, rules, means.tokens).await?;
                Ok((identity, None))
            }
            AuthorizerKind::Token { .. } | AuthorizerKind::Request { .. } => {
                let asked = as_function(authorizer).ok_or_else(|| {
                    NotAuthorised::NotCarriedOut(format!("authorizer `{}`", authorizer.name))
                })?;
                let rules = (&self.policies, &self.kept, &self.validations);
                let admitted = functions::run(question, asked, rules, means).await?;
                Ok((admitted.identity, admitted.usage_key))
            }
        }
    }
}

/// An authorizer that is a function.
fn as_function(authorizer: &Authorizer) -> Option<functions::Asked<'_>> {
    match &authorizer.kind {
        AuthorizerKind::Jwt { .. } | AuthorizerKind::UserPools { .. } => None,
        AuthorizerKind::Token {
            callee,
            identity_source,
            validation: _,
            result_ttl,
        } => Some(functions::Asked {
            authorizer,
            callee,
            sources: std::slice::from_ref(identity_source),
            sort: Sort::Token,
            time_to_live: *result_ttl,
        }),
        AuthorizerKind::Request {
            callee,
            identity_sources,
            format,
            result_ttl,
        } => Some(functions::Asked {
            authorizer,
            callee,
            sources: identity_sources,
            sort: Sort::Request(*format),
            time_to_live: *result_ttl,
        }),
    }
}
