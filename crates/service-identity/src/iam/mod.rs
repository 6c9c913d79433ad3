//! AWS Identity and Access Management.
//!
//! Lives here: its operations by name, what they all are given.
//! Does not live here: each of them (one file a kind of entity), what each asks for (`checks`), judging (`judge`).
//!
//! Contract: IAM API Reference.

mod checks;
mod entities;
mod grants;
mod groups;
mod keys;
mod operations;
mod pages;
mod policies;
mod profiles;
mod roles;
mod service_linked;
mod simulation;
mod summary;
mod tagging;
mod users;

use aws_wire::query::Form;
use http::StatusCode;
use interfaces::BoxFuture;
use interfaces::authorize::Check;
use interfaces::service::{CloudService, ServiceAnswer, ServiceCall};
use model::ids::AccountId;
use model::principal::Principal;
use model::time::Timestamp;

use crate::keys::unique_id;
use crate::resources::Whose;
use crate::service::Service;
use crate::state::{Account, Snapshot};
use crate::wire::{Answer, Fault, form, framed};

pub(crate) use operations::OPERATIONS;
pub(crate) use service_linked::linked_role;

const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
/// Lives in this partition, and in no region.
const ARN: &str = "arn:aws:iam::";

/// IAM behind the service door.
pub(crate) struct Iam(pub(crate) Service);

/// What an operation works with.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    service: &'a Service,
    form: &'a Form,
    account: &'a AccountId,
    caller: &'a Principal,
    now: Timestamp,
}

impl CloudService for Iam {
    fn signing_name(&self) -> &'static str {
        "iam"
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        let form = form(call);
        let request = self.request(call, &form);
        let operation = form.text("Action").unwrap_or_default();
        Box::pin(std::future::ready(checks::of(request, operation)))
    }

    /// What is not carried out is refused by its name.
    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        let form = form(call);
        let action = form.text("Action").unwrap_or_default();
        let known = OPERATIONS.iter().find(|(name, _)| *name == action);
        !matches!(known, Some((_, Some(_))))
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(async move {
            let form = form(&call);
            let operation = form.text("Action").unwrap_or_default().to_owned();
            let request = self.request(&call, &form);
            let answered = Box::pin(operations::run(request, &operation)).await;
            let answered = answered.unwrap_or_else(|| Err(unknown(&operation)));
            framed(&operation, NAMESPACE, &call.request_id, answered)
        })
    }
}

impl Iam {
    fn request<'a>(&'a self, call: &'a ServiceCall, form: &'a Form) -> Request<'a> {
        Request {
            service: &self.0,
            form,
            account: &call.account,
            caller: &call.caller,
            now: self.0.clock.now(),
        }
    }
}

impl Request<'_> {
    fn snapshot(&self) -> std::sync::Arc<Snapshot> {
        self.service.state.snapshot(self.account)
    }

    /// Changes the account; it says that it is done.
    async fn change(
        &self,
        change: impl FnOnce(&mut Account) -> Result<(), Fault>,
    ) -> Result<Answer, Fault> {
        let state = &self.service.state;
        state.change(self.account, change).await.map(|()| None)
    }

    /// Changes the account, and answers what came of it.
    async fn change_to<T>(
        &self,
        change: impl FnOnce(&mut Account) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.service.state.change(self.account, change).await
    }

    fn unique_id(&self, kind: &str) -> String {
        unique_id(kind, &*self.service.random)
    }

    /// The ARN of something of this account: its kind, its path and its name.
    fn arn(&self, kind: &str, path: &str, name: &str) -> String {
        format!("{ARN}{}:{kind}{path}{name}", self.account)
    }

    /// The path in this request.
    fn path(&self) -> Result<String, Fault> {
        self.path_in("Path")
            .map(|path| path.unwrap_or_else(|| "/".to_owned()))
    }

    /// The path in this parameter of this request.
    fn path_in(&self, parameter: &str) -> Result<Option<String>, Fault> {
        let Some(path) = self.form.text(parameter) else {
            return Ok(None);
        };
        let is_path = path.starts_with('/')
            && path.ends_with('/')
            && path.len() <= PATH_BYTES_MAX
            && path.bytes().all(|byte| byte.is_ascii_graphic());
        if is_path {
            Ok(Some(path.to_owned()))
        } else {
            Err(Fault::invalid(
                "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
                 characters and/or / characters.",
            ))
        }
    }

    /// The name of the user that a request is about: the caller's, if it names none.
    fn user_name(&self) -> Result<String, Fault> {
        if let Some(name) = self.form.text("UserName") {
            crate::wire::check_name("UserName", name, NAME_CHARS_MAX)?;
            return Ok(name.to_owned());
        }
        match self.caller {
            Principal::User { arn, .. } => {
                let name = arn.resource.rsplit('/').next().unwrap_or_default();
                Ok(name.to_owned())
            }
            Principal::Root { .. }
            | Principal::FunctionRole { .. }
            | Principal::Session { .. }
            | Principal::Acting { .. }
            | Principal::Service { .. }
            | Principal::Anonymous { .. } => Err(Fault::invalid(
                "Must specify userName when calling with non-User credentials",
            )),
        }
    }
}

/// IAM and AWS STS quotas: characters of the name of a user, and of a path.
const NAME_CHARS_MAX: usize = 64;
const LONG_NAME_CHARS_MAX: usize = 128;
const PATH_BYTES_MAX: usize = 512;

/// What stands between an operation's name and what it is about.
const fn no_such(whose: Whose) -> &'static str {
    match whose {
        Whose::User => "user",
        Whose::Group => "group",
        Whose::Role => "role",
    }
}

fn unknown(operation: &str) -> Fault {
    if OPERATIONS.iter().any(|(name, _)| *name == operation) {
        return Fault::not_carried_out(&format!("the operation `{operation}`"));
    }
    Fault::new(
        StatusCode::BAD_REQUEST,
        "InvalidAction",
        format!("Could not find operation {operation} for version 2010-05-08"),
    )
}
