//! `cloudless token`: signs a token with the development issuer, for calling what is behind an authorizer.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use interfaces::clock::Clock as _;
use model::application::Application;
use model::door::{Authorization, AuthorizerKind, Guard};
use model::problem::Problem;
use serde_json::{Map, Value, json};

use super::dev::SERVICES_PORT;
use super::{cache_folder, environment, fail};
use crate::cli::TokenArguments;
use crate::issuer::Signer;
use crate::pipeline::{Checker, chain};
use crate::printer::Printer;
use crate::project::{self, ReadOptions};
use crate::settings;
use crate::system::{RealClock, RealRandom};

/// Whom a token is from and for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Parties {
    issuer: String,
    audience: Vec<String>,
}

/// Prints the token, or with `--json` what it claims besides.
pub async fn run(arguments: &TokenArguments, printer: &Printer) -> ExitCode {
    match make(arguments).await {
        Ok((token, _)) if !arguments.json => printer.print(&token),
        Ok((token, claims)) => {
            let document = json!({ "token": token, "claims": claims });
            printer.print(&format!("{document:#}"));
        }
        Err(problem) => return fail(printer, &problem),
    }
    ExitCode::SUCCESS
}

async fn make(arguments: &TokenArguments) -> Result<(String, Map<String, Value>), Box<Problem>> {
    let own = claims_of(&arguments.claims)?;
    let parties = parties(arguments, &own).await?;
    let issued_at = RealClock.now().epoch_s();
    let expires_at = issued_at.saturating_add(i64::from(arguments.expires_in_s));
    let mut claims = Map::new();
    claims.insert("iss".to_owned(), json!(parties.issuer));
    match parties.audience.as_slice() {
        [] => {}
        [one] => drop(claims.insert("aud".to_owned(), json!(one))),
        some => drop(claims.insert("aud".to_owned(), json!(some))),
    }
    claims.insert("iat".to_owned(), json!(issued_at));
    claims.insert("exp".to_owned(), json!(expires_at));
    if !arguments.scope.is_empty() {
        claims.insert("scope".to_owned(), json!(arguments.scope.join(" ")));
    }
    // Whatever is said of them outright: a token that is refused is worth trying, too.
    claims.extend(own);
    let cache = cache_folder(&environment());
    let issuer = Signer::new(&cache, Arc::new(RealRandom::default()), SERVICES_PORT);
    let token = issuer.sign(&claims).map_err(|error| {
        Box::new(
            Problem::error("token::no-key", "the development issuer has no key")
                .because(chain(&error))
                .help("let its folder be one that you may write to (`XDG_CACHE_HOME`)"),
        )
    })?;
    Ok((token, claims))
}

fn claims_of(text: &str) -> Result<Map<String, Value>, Box<Problem>> {
    serde_json::from_str(text).map_err(|error| {
        Box::new(
            Problem::error("token::bad-claims", "the claims are no JSON object")
                .because(error.to_string())
                .help(r#"write them as --claims '{"sub":"ada"}'"#),
        )
    })
}

/// As told; else those of the project's only authorizer of tokens; else the development issuer's own.
async fn parties(
    arguments: &TokenArguments,
    own: &Map<String, Value>,
) -> Result<Parties, Box<Problem>> {
    let issuer = arguments.issuer.clone();
    let issuer = issuer.or_else(|| own.get("iss")?.as_str().map(str::to_owned));
    if let Some(issuer) = issuer {
        let audience = arguments.audience.clone();
        return Ok(Parties { issuer, audience });
    }
    let Ok(located) = project::locate(&arguments.project.dir) else {
        return Ok(Parties {
            issuer: Signer::url(SERVICES_PORT),
            audience: arguments.audience.clone(),
        });
    };
    let (settings, _) = settings::read(&located.root);
    let environment = environment();
    let options = ReadOptions::new(&arguments.project, environment.clone())?;
    let cache = cache_folder(&environment);
    let checker = Checker::new(Arc::new(RealClock), &cache, &environment);
    let checked = checker.check(&located, &options).await?;
    let known = checked
        .application
        .as_ref()
        .map(trusted)
        .unwrap_or_default();
    let issuers: BTreeSet<&str> = known.iter().map(|one| one.issuer.as_str()).collect();
    let found = match issuers.len() {
        0 => Parties {
            issuer: Signer::url(settings.server.services_port.unwrap_or(SERVICES_PORT)),
            audience: Vec::new(),
        },
        1 => known.into_iter().next().unwrap_or(Parties {
            issuer: String::new(),
            audience: Vec::new(),
        }),
        _ => {
            let issuers: Vec<&str> = issuers.into_iter().collect();
            let title = "the authorizers of the project trust several issuers";
            let problem = Problem::error("token::which-issuer", title);
            return Err(Box::new(
                problem
                    .because(format!("they are `{}`", issuers.join("`, `")))
                    .help("say which of them the token is from: --issuer URL"),
            ));
        }
    };
    Ok(Parties {
        issuer: found.issuer,
        audience: if arguments.audience.is_empty() {
            found.audience
        } else {
            arguments.audience.clone()
        },
    })
}

/// Whose tokens the authorizers of an application take, with the first audience of each.
fn trusted(application: &Application) -> BTreeSet<Parties> {
    let methods = application.rest_apis.iter().flat_map(|api| &api.methods);
    let routes = application.http_apis.iter().flat_map(|api| &api.routes);
    let guards = methods
        .map(|method| &method.guard)
        .chain(routes.map(|route| &route.guard));
    guards.flat_map(trusted_by).collect()
}

fn trusted_by(guard: &Guard) -> Vec<Parties> {
    let Authorization::Authorizer { authorizer, .. } = &guard.authorization else {
        return Vec::new();
    };
    match &authorizer.kind {
        AuthorizerKind::Jwt {
            issuer, audience, ..
        } => vec![Parties {
            issuer: issuer.clone(),
            audience: audience.iter().take(1).cloned().collect(),
        }],
        AuthorizerKind::UserPools { issuers, .. } => issuers
            .iter()
            .map(|issuer| Parties {
                issuer: issuer.clone(),
                audience: Vec::new(),
            })
            .collect(),
        AuthorizerKind::Token { .. } | AuthorizerKind::Request { .. } => Vec::new(),
    }
}
