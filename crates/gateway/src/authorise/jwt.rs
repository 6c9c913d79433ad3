//! JWT authorizers of HTTP APIs, and authorizers of REST APIs that are user pools.
//!
//! Lives here: which token is shown, whether its claims are for this route and this moment, what a client is told if not.
//! Does not live here: signatures and keys (`tokens`), the shape of claims in events (`events::authorizer`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Control access to HTTP APIs with JWT authorizers" and its
//! troubleshooting; "Control access to REST APIs using Amazon Cognito user pools as an authorizer"; recorded answers.
//! The words behind `error_description` are recorded for the number of segments, the audience, discovery and keys. They
//! are those of a library for JWTs in Go; the others follow it.
//! Differs: tokens without `exp` are refused. All clocks are believed to the second.

use std::sync::Arc;

use model::door::{Authorization, Authorizer, IdentitySource};
use model::time::Timestamp;

use super::functions::{self, Validations};
use super::policies::Policies;
use super::question::Question;
use super::refused::{NotAuthorised, shown};
use crate::caller::Identity;
use crate::replies::faults::Fault;
use crate::tokens::{BadToken, Claims, NoKeys, NumericDate, Tokens, claimed_issuer};

/// A caller whose token does not open a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenRefused {
    pub(super) fault: Fault,
    /// What the client is told instead of the usual words; REST APIs.
    pub(super) said: Option<String>,
    /// `www-authenticate`; HTTP APIs.
    pub(super) challenge: Option<String>,
    /// Why, for the developer.
    pub(super) reason: String,
}

/// What is wrong with a token: for the client in few words, for the developer in more.
struct Flaw {
    description: String,
    reason: String,
}

/// A JWT authorizer, as its API has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct JwtRule<'a> {
    pub(super) authorizer: &'a Authorizer,
    pub(super) issuer: &'a str,
    pub(super) audience: &'a [String],
    pub(super) source: &'a IdentitySource,
}

/// Lets in whoever shows a token of the issuer, for the audience, with one of the route's scopes.
pub(super) async fn http(
    question: &Question<'_>,
    rule: JwtRule<'_>,
    tokens: &Tokens,
) -> Result<Identity, NotAuthorised> {
    let authorizer = rule.authorizer;
    let asked = scopes_of(question);
    let Some(token) = token_of(question, rule.source) else {
        return Err(refused(TokenRefused {
            fault: Fault::Unauthorized,
            said: None,
            challenge: Some("Bearer".to_owned()),
            reason: nothing_shown(rule.source, authorizer),
        }));
    };
    let flawed = |flaw: Flaw| {
        let Flaw {
            description,
            reason,
        } = flaw;
        refused(TokenRefused {
            fault: Fault::Unauthorized,
            said: None,
            challenge: Some(format!(
                "Bearer scope=\"{}\" error=\"invalid_token\" error_description=\"{}\"",
                quotable(&asked.join(" ")),
                quotable(&description)
            )),
            reason: format!(
                "the token is refused by the {}: {reason}",
                shown(authorizer)
            ),
        })
    };
    let claims = tokens.verify(rule.issuer, &token).await;
    let claims = claims.map_err(|bad| flawed(bad.into()))?;
    let now = question.exchange.at;
    check_issuer(&claims, rule.issuer)
        .and_then(|()| check_audience(&claims, rule.audience))
        .and_then(|()| check_dates(&claims, now))
        .map_err(flawed)?;
    let own = claims.scopes();
    if !asked.is_empty() && !asked.iter().any(|asked| own.contains(&asked.as_str())) {
        let asked = asked.join(" ");
        return Err(refused(TokenRefused {
            fault: Fault::Forbidden,
            said: None,
            challenge: Some(format!(
                "Bearer scope=\"{}\" error=\"insufficient_scope\"",
                quotable(&asked)
            )),
            reason: lacks_scope(&own, &asked, authorizer),
        }));
    }
    let scopes = (!asked.is_empty()).then(|| own.into_iter().map(str::to_owned).collect());
    Ok(Identity::Token { claims, scopes })
}

/// Lets in whoever shows an ID token of one of the pools; or where the method asks for scopes, an access token with one.
pub(super) async fn user_pools(
    question: &Question<'_>,
    authorizer: &Authorizer,
    (issuers, source): (&[String], &IdentitySource),
    (policies, validations): (&Policies, &Validations),
    tokens: &Tokens,
) -> Result<Identity, NotAuthorised> {
    let unauthorized = |said: Option<&str>, reason: String| {
        refused(TokenRefused {
            fault: Fault::Unauthorized,
            said: said.map(str::to_owned),
            challenge: None,
            reason: format!(
                "the token is refused by the {}: {reason}",
                shown(authorizer)
            ),
        })
    };
    let Some(token) = token_of(question, source) else {
        return Err(refused(TokenRefused {
            fault: Fault::Unauthorized,
            said: None,
            challenge: None,
            reason: nothing_shown(source, authorizer),
        }));
    };
    let claimed = claimed_issuer(&token).unwrap_or_default();
    let Some(issuer) = issuers.iter().find(|issuer| **issuer == claimed) else {
        let known = issuers.join("`, `");
        let reason = format!("its `iss` is `{}`, and not `{known}`", abridged(&claimed));
        return Err(unauthorized(None, reason));
    };
    let claims = tokens.verify(issuer, &token).await;
    let claims = claims.map_err(|bad| unauthorized(None, bad.to_string()))?;
    let now = question.exchange.at;
    if is_over(&claims, now) {
        let reason = "it has expired; get a new one".to_owned();
        return Err(unauthorized(Some("The incoming token has expired"), reason));
    }
    check_dates(&claims, now).map_err(|flaw| unauthorized(None, flaw.reason))?;
    let asked = scopes_of(question);
    let own = claims.scopes();
    let is_access = claims
        .text("token_use")
        .map_or(claims.has("scope") && !claims.has("aud"), |usage| {
            usage == "access"
        });
    if asked.is_empty() {
        if is_access {
            let reason = "it is an access token, and the method asks for no scopes: send the ID token, or give the method scopes";
            return Err(unauthorized(None, reason.to_owned()));
        }
        let audience = claims.audience();
        validations
            .check_audience(authorizer, &audience)
            .map_err(|reason| unauthorized(None, reason))?;
    } else if claims.text("token_use") == Some("id") {
        let reason = "it is an ID token, and the method asks for scopes: send the access token";
        return Err(unauthorized(None, reason.to_owned()));
    } else if !asked.iter().any(|asked| own.contains(&asked.as_str())) {
        return Err(refused(TokenRefused {
            fault: Fault::AccessDenied,
            said: Some("User is not authorized to access this resource".to_owned()),
            challenge: None,
            reason: lacks_scope(&own, &asked.join(" "), authorizer),
        }));
    }
    // A resource policy besides is asked on its own, and has to allow.
    policies.admit_anybody(question)?;
    Ok(Identity::Token {
        claims,
        scopes: None,
    })
}

impl From<BadToken> for Flaw {
    fn from(bad: BadToken) -> Self {
        let description = match &bad {
            BadToken::TooLong { .. } => "the token is too long".to_owned(),
            BadToken::Parts { .. } => "token contains an invalid number of segments".to_owned(),
            BadToken::Header { .. } | BadToken::Claims { .. } => {
                "the token is malformed".to_owned()
            }
            BadToken::Algorithm { algorithm } => {
                format!("signing method {algorithm} is invalid")
            }
            BadToken::NoKeyId => "the token does not have a kid".to_owned(),
            BadToken::UnknownKey { .. } => "the token does not have a valid kid".to_owned(),
            BadToken::NoKeys(NoKeys::NotHttps { .. } | NoKeys::Discovery { .. }) => {
                "OIDC discovery endpoint communication error".to_owned()
            }
            BadToken::NoKeys(NoKeys::Keys { .. }) => "JWKS communication error".to_owned(),
            BadToken::Signature => "crypto/rsa: verification error".to_owned(),
        };
        Self {
            description,
            reason: bad.to_string(),
        }
    }
}

impl Flaw {
    fn new(description: &str, reason: String) -> Self {
        Self {
            description: description.to_owned(),
            reason,
        }
    }
}

fn refused(refused: TokenRefused) -> NotAuthorised {
    NotAuthorised::Token(Box::new(refused))
}

fn nothing_shown(source: &IdentitySource, authorizer: &Authorizer) -> String {
    format!(
        "the request has no {}, where the {} looks for a token",
        functions::named(source),
        shown(authorizer)
    )
}

fn lacks_scope(own: &[&str], asked: &str, authorizer: &Authorizer) -> String {
    let own = match own {
        [] => "and has none".to_owned(),
        own => format!("but `{}`", abridged(&own.join(" "))),
    };
    format!(
        "the token has none of the scopes that the route asks for (`{asked}`), {own}; its {}",
        shown(authorizer)
    )
}

/// The scopes that the route asks for.
fn scopes_of<'a>(question: &Question<'a>) -> &'a [String] {
    match &question.exchange.route.guard.authorization {
        Authorization::Authorizer { scopes, .. } => scopes,
        Authorization::Open | Authorization::Iam => &[],
    }
}

/// The token by itself, or behind `Bearer`.
fn token_of(question: &Question<'_>, source: &IdentitySource) -> Option<String> {
    let text = functions::value_of(source, &question.exchange)?;
    let text = text.trim();
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_start(),
        Some(_) | None => text,
    };
    (!token.is_empty()).then(|| token.to_owned())
}

fn check_issuer(claims: &Arc<Claims>, issuer: &str) -> Result<(), Flaw> {
    let own = claims.text("iss");
    if own == Some(issuer) {
        return Ok(());
    }
    let own = abridged(own.unwrap_or("absent"));
    Err(Flaw::new(
        "the token does not have a valid issuer",
        format!("its `iss` is `{own}`, and not `{issuer}`"),
    ))
}

/// `client_id` counts where there is no `aud`: access tokens of Cognito have none.
fn check_audience(claims: &Arc<Claims>, audience: &[String]) -> Result<(), Flaw> {
    let own = if claims.has("aud") {
        claims.audience()
    } else {
        claims.text("client_id").into_iter().collect()
    };
    if own
        .iter()
        .any(|own| audience.iter().any(|known| known == own))
    {
        return Ok(());
    }
    let (own, known) = (abridged(&own.join("`, `")), audience.join("`, `"));
    Err(Flaw::new(
        "the token does not have a valid audience",
        format!("it is for `{own}` (`aud`, or else `client_id`), and not for `{known}`"),
    ))
}

fn check_dates(claims: &Arc<Claims>, now: Timestamp) -> Result<(), Flaw> {
    let malformed = |name: &str| {
        Flaw::new(
            "the token is malformed",
            format!("its `{name}` is no number of seconds"),
        )
    };
    match claims.date("exp") {
        NumericDate::Absent => {
            let reason = "it has no `exp`, and would hold for ever".to_owned();
            return Err(Flaw::new("the token does not have an expiry", reason));
        }
        NumericDate::Malformed => return Err(malformed("exp")),
        NumericDate::At(_) if is_over(claims, now) => {
            let reason = "it has expired; get a new one".to_owned();
            return Err(Flaw::new("the token has expired", reason));
        }
        NumericDate::At(_) => {}
    }
    for (name, description) in [
        ("nbf", "the token is not valid yet"),
        ("iat", "the token is used before issued"),
    ] {
        match claims.date(name) {
            NumericDate::Malformed => return Err(malformed(name)),
            NumericDate::At(seconds) if seconds_of(now) < seconds => {
                let reason = format!("its `{name}` is to come: is the clock of its issuer right?");
                return Err(Flaw::new(description, reason));
            }
            NumericDate::Absent | NumericDate::At(_) => {}
        }
    }
    Ok(())
}

fn is_over(claims: &Claims, now: Timestamp) -> bool {
    matches!(claims.date("exp"), NumericDate::At(seconds) if seconds <= seconds_of(now))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds are exact until the year 2255"
)]
fn seconds_of(now: Timestamp) -> f64 {
    now.epoch_us() as f64 / 1e6
}

/// Text that somebody sent, for a line of the log.
fn abridged(text: &str) -> String {
    /// Characters of a refused token's claims that the developer is shown.
    const CHARACTERS_MAX: usize = 200;
    text.chars()
        .filter(|it| !it.is_control())
        .take(CHARACTERS_MAX)
        .collect()
}

/// What may stand between quotes in a header.
fn quotable(text: &str) -> String {
    text.chars()
        .filter(|it| (it.is_ascii_graphic() || *it == ' ') && !matches!(it, '"' | '\\'))
        .collect()
}
