//! AWS Security Token Service.
//!
//! Lives here: its operations, and what each asks for.
//! Does not live here: assuming roles (`assume`), who holds keys (`keys`).
//!
//! Contract: AWS Security Token Service API Reference.

mod assume;

use interfaces::BoxFuture;
use interfaces::authorize::{Authorize as _, Check};
use interfaces::principals::{Key, Principals as _};
use interfaces::service::{CloudService, ServiceAnswer, ServiceCall};
use model::ids::AccountId;
use model::principal::Principal;
use model::time::Timestamp;

use crate::keys;
use crate::service::Service;
use crate::state::{Session, SessionOf};
use crate::wire::{self, Answer, Fault, Node, form, framed, only, required};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
/// Sessions of one account that hold at the same time; those that have ended are forgotten first.
const SESSIONS_MAX: usize = 10_000;
/// `GetSessionToken`: seconds that a session lasts, at least, as a rule, and at most; for the root at most an hour.
const TOKEN_S: (u32, u32, u32) = (900, 43_200, 129_600);
const ROOT_TOKEN_S: (u32, u32, u32) = (900, 3_600, 3_600);

/// The operations, and whether they are carried out.
pub(crate) const OPERATIONS: [(&str, bool); 11] = [
    ("AssumeRole", true),
    ("AssumeRoleWithSAML", false),
    ("AssumeRoleWithWebIdentity", false),
    ("AssumeRoot", false),
    ("DecodeAuthorizationMessage", false),
    ("GetAccessKeyInfo", true),
    ("GetCallerIdentity", true),
    ("GetDelegatedAccessToken", false),
    ("GetFederationToken", false),
    ("GetSessionToken", true),
    ("GetWebIdentityToken", false),
];

/// STS behind the service door.
pub(crate) struct Sts(pub(crate) Service);

impl CloudService for Sts {
    fn signing_name(&self) -> &'static str {
        "sts"
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        let form = form(call);
        let checks = match form.text("Action").unwrap_or_default() {
            "AssumeRole" => assume::checks(&self.0, call, &form),
            "GetCallerIdentity" | "GetSessionToken" => Vec::new(),
            other => {
                let known = OPERATIONS.iter().find(|(name, _)| *name == other);
                let check =
                    known.map(|(name, _)| Check::new(format!("sts:{name}"), "*", &call.account));
                check.into_iter().collect()
            }
        };
        Box::pin(std::future::ready(checks))
    }

    /// Contract: AWS STS API Reference, `GetCallerIdentity` and `GetSessionToken`: "No permissions are required to perform this
    /// operation."
    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        let form = form(call);
        let action = form.text("Action").unwrap_or_default();
        let is_free = matches!(action, "GetCallerIdentity" | "GetSessionToken");
        is_free || !OPERATIONS.contains(&(action, true))
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(async move {
            let form = form(&call);
            let operation = form.text("Action").unwrap_or_default().to_owned();
            let answered = self.run(&call, &form, &operation).await;
            framed(&operation, NAMESPACE, &call.request_id, answered)
        })
    }
}

impl Sts {
    async fn run(
        &self,
        call: &ServiceCall,
        form: &aws_wire::query::Form,
        operation: &str,
    ) -> Result<Answer, Fault> {
        match operation {
            "GetCallerIdentity" => {
                only(form, &[])?;
                Ok(Some(self.caller_identity(&call.caller)))
            }
            "AssumeRole" => assume::run(&self.0, call, form).await,
            "GetSessionToken" => self.session_token(call, form).await,
            "GetAccessKeyInfo" => {
                only(form, &["AccessKeyId"])?;
                let id = required(form, "AccessKeyId")?;
                let account = match self.0.find(id) {
                    Key::Issued(holder) => holder.principal.account().clone(),
                    // Whoever holds an unknown key here acts as this account.
                    Key::Revoked | Key::Withdrawn | Key::Unknown => call.account.clone(),
                };
                Ok(Some(Node::Structure(vec![(
                    "Account",
                    Node::text(account),
                )])))
            }
            other => Err(match OPERATIONS.iter().any(|(name, _)| *name == other) {
                true => Fault::not_carried_out(&format!("the operation `{other}`")),
                false => Fault::new(
                    http::StatusCode::BAD_REQUEST,
                    "InvalidAction",
                    format!("Could not find operation {other} for version 2011-06-15"),
                ),
            }),
        }
    }

    fn caller_identity(&self, caller: &Principal) -> Node {
        Node::Structure(vec![
            ("Arn", Node::text(caller.arn())),
            ("UserId", Node::text(self.0.unique_id(caller))),
            ("Account", Node::text(caller.account())),
        ])
    }

    async fn session_token(
        &self,
        call: &ServiceCall,
        form: &aws_wire::query::Form,
    ) -> Result<Answer, Fault> {
        only(form, &["DurationSeconds"])?;
        let (of, limits) = match &call.caller {
            Principal::Root { .. } => (SessionOf::Root, ROOT_TOKEN_S),
            Principal::User { arn, .. } => {
                let name = arn.resource.rsplit('/').next().unwrap_or_default();
                (SessionOf::User(name.to_owned()), TOKEN_S)
            }
            Principal::FunctionRole { .. }
            | Principal::Session { .. }
            | Principal::Acting { .. }
            | Principal::Service { .. }
            | Principal::Anonymous { .. } => {
                return Err(Fault::new(
                    http::StatusCode::FORBIDDEN,
                    "AccessDenied",
                    "Cannot call GetSessionToken with session credentials",
                ));
            }
        };
        let (least, usual, most) = limits;
        let seconds = duration(form, (least, usual, TOKEN_S.2))?.min(most);
        let session = begin(&self.0, &call.account, of, seconds).await?;
        Ok(Some(Node::Structure(vec![(
            "Credentials",
            credentials(&session),
        )])))
    }
}

/// `DurationSeconds`, between the first and the last of these; the second without it.
fn duration(form: &aws_wire::query::Form, limits: (u32, u32, u32)) -> Result<u32, Fault> {
    let (least, usual, most) = limits;
    let Some(text) = form.text("DurationSeconds") else {
        return Ok(usual);
    };
    let refuse = |constraint: String| {
        Fault::invalid(format!(
            "1 validation error detected: Value '{text}' at 'durationSeconds' failed to satisfy constraint: Member must \
             have value {constraint}"
        ))
    };
    match text.parse::<u32>() {
        Ok(seconds) if seconds < least => Err(refuse(format!("greater than or equal to {least}"))),
        Ok(seconds) if most < seconds => Err(refuse(format!("less than or equal to {most}"))),
        Ok(seconds) => Ok(seconds),
        Err(_) => Err(Fault::invalid(format!("'{text}' is no number of seconds"))),
    }
}

/// Begins a session of an account's user or role; its keys hold from now on, also after a restart.
async fn begin(
    service: &Service,
    account: &AccountId,
    of: SessionOf,
    seconds: u32,
) -> Result<Session, Fault> {
    let credentials = keys::temporary(&*service.random);
    let now: Timestamp = service.clock.now();
    let mut session = Session {
        id: credentials.access_key_id,
        secret: credentials.secret_access_key,
        token: credentials.session_token.unwrap_or_default(),
        expires_at: now.plus(std::time::Duration::from_secs(u64::from(seconds))),
        of,
        holder: String::new(),
    };
    let began: Result<Session, Fault> = service
        .state
        .change(account, |account| {
            account
                .sessions
                .retain(|_, session| now < session.expires_at);
            if SESSIONS_MAX <= account.sessions.len() {
                return Err(Fault::new(
                    http::StatusCode::BAD_REQUEST,
                    "Throttling",
                    format!("{SESSIONS_MAX} sessions hold already; wait until some have ended"),
                ));
            }
            // Whoever it is of may have gone since it was asked for.
            let holder = account.holder(&session.of).ok_or_else(|| {
                Fault::new(
                    http::StatusCode::FORBIDDEN,
                    "AccessDenied",
                    "Access denied".to_owned(),
                )
            })?;
            session.holder = holder.to_owned();
            let kept = std::sync::Arc::new(session.clone());
            account.sessions.insert(kept.id.clone(), kept);
            Ok(session)
        })
        .await;
    began
}

fn credentials(session: &Session) -> Node {
    Node::Structure(vec![
        ("AccessKeyId", Node::text(&session.id)),
        ("SecretAccessKey", Node::text(&session.secret)),
        ("SessionToken", Node::text(&session.token)),
        ("Expiration", Node::Text(wire::time(session.expires_at))),
    ])
}
