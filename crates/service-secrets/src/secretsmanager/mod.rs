//! The API of Secrets Manager.
//!
//! Lives here: which operation a request names, finding the secret that it means, one file for each kind of thing.
//! Does not live here: what values are sealed by (`engine::cipher`).
//!
//! Contract: AWS Secrets Manager API Reference.

mod checks;
mod deletion;
mod filters;
mod listing;
mod passwords;
mod policies;
mod secrets;
mod tags;
mod values;
mod versions;

use model::arn::Arn;
use serde_json::Value;

use crate::engine::keys::Place;
use crate::engine::rows::Json;
use crate::engine::state::{KeptSecret, State};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, Text};
use crate::service::Context;

pub(crate) use checks::{checks, reading};
pub(crate) use deletion::delete_now;
pub(crate) use passwords::{Rules as PasswordRules, password};
pub(crate) use policies::read_policy;
pub(crate) use secrets::{Wish as SecretWish, change as change_secret, create as make_secret};
pub(crate) use tags::judged as refuse_tags;
pub(crate) use values::{Given, Plain, chosen, opened, put_value};

/// The operations that are carried out, and those that are refused by name.
pub(crate) const SUPPORTED: &[&str] = &[
    "BatchGetSecretValue",
    "CreateSecret",
    "DeleteResourcePolicy",
    "DeleteSecret",
    "DescribeSecret",
    "GetRandomPassword",
    "GetResourcePolicy",
    "GetSecretValue",
    "ListSecretVersionIds",
    "ListSecrets",
    "PutResourcePolicy",
    "PutSecretValue",
    "RestoreSecret",
    "TagResource",
    "UntagResource",
    "UpdateSecret",
    "UpdateSecretVersionStage",
    "ValidateResourcePolicy",
];

/// Refused by name: rotation by functions and replicas come later.
pub(crate) const NOT_IMPLEMENTED: &[&str] = &[
    "AssociateCrossAccountReplica",
    "DisassociateCrossAccountReplica",
    "ListResourcePolicies",
    "CancelRotateSecret",
    "RemoveRegionsFromReplication",
    "ReplicateSecretToRegions",
    "RotateSecret",
    "StopReplicationToReplica",
];

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";
const PENDING: &str = "AWSPENDING";
const SECRET_ID: Text = Text::long(1, 2_048);
const TOKEN: Text = Text::long(32, 64);

pub(crate) async fn run(context: &Context<'_>, operation: &str) -> Answer {
    let fields = Fields::of_body(&context.call.body)?;
    match operation {
        "CreateSecret" => secrets::create_secret(context, fields).await,
        "UpdateSecret" => secrets::update_secret(context, fields).await,
        "DescribeSecret" => secrets::describe_secret(context, fields).await,
        "GetSecretValue" => values::get_secret_value(context, fields).await,
        "BatchGetSecretValue" => values::batch_get_secret_value(context, fields).await,
        "PutSecretValue" => values::put_secret_value(context, fields).await,
        "UpdateSecretVersionStage" => versions::update_secret_version_stage(context, fields).await,
        "ListSecretVersionIds" => versions::list_secret_version_ids(context, fields).await,
        "ListSecrets" => listing::list_secrets(context, fields).await,
        "DeleteSecret" => deletion::delete_secret(context, fields).await,
        "RestoreSecret" => deletion::restore_secret(context, fields).await,
        "GetRandomPassword" => passwords::get_random_password(context, fields),
        "GetResourcePolicy" => policies::get_resource_policy(context, fields).await,
        "PutResourcePolicy" => policies::put_resource_policy(context, fields).await,
        "DeleteResourcePolicy" => policies::delete_resource_policy(context, fields).await,
        "ValidateResourcePolicy" => policies::validate_resource_policy(context, fields).await,
        "TagResource" => tags::tag_resource(context, fields).await,
        "UntagResource" => tags::untag_resource(context, fields).await,
        "RotateSecret" => refuse_rotation(context, fields).await,
        name if NOT_IMPLEMENTED.contains(&name) => {
            Err(Fault::not_implemented(&format!("the operation {name}")))
        }
        name => Err(Fault::unknown_operation(name)),
    }
}

/// Says what the cloud would say of a rotation that cannot be, and refuses any other.
async fn refuse_rotation(context: &Context<'_>, mut fields: Fields) -> Answer {
    let token = fields.take("ClientRequestToken");
    if token.is_none() {
        return Err(Fault::new("InvalidParameterException", NO_TOKEN));
    }
    let id = fields.required("SecretId", &SECRET_ID);
    let function = fields.take("RotationLambdaARN");
    fields.finish()?;
    look(context, &id, |_, _| Ok(())).await?;
    if function.is_none() {
        let message = "No Lambda rotation function ARN is associated with this secret.";
        return Err(invalid(message));
    }
    Err(Fault::not_implemented("the operation RotateSecret"))
}

const NO_TOKEN: &str =
    "You must provide a ClientRequestToken value. We recommend a UUID-type value.";

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new("InvalidRequestException", message)
}

fn invalid_parameter(message: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterException", message)
}

fn not_found(message: impl Into<String>) -> Fault {
    Fault::new("ResourceNotFoundException", message)
}

pub(crate) fn no_secret() -> Fault {
    not_found("Secrets Manager can't find the specified secret.")
}

/// A secret by whatever a request calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretRef {
    pub(crate) place: Place,
    /// The name; of an ARN all behind `secret:`, mostly with six characters more.
    pub(crate) name: String,
    is_arn: bool,
}

impl SecretRef {
    pub(crate) fn read(given: &str, place: &Place) -> Self {
        let arn = Arn::parse(given).ok();
        let arn = arn.filter(|arn| arn.service == "secretsmanager");
        let named = arn.as_ref().and_then(|arn| {
            let name = arn.resource.strip_prefix("secret:")?.to_owned();
            Some((Place::of_arn(arn), name))
        });
        match named {
            Some((place, name)) => Self {
                place,
                name,
                is_arn: true,
            },
            None => Self {
                place: place.clone(),
                name: given.to_owned(),
                is_arn: false,
            },
        }
    }

    /// The secret, marked for deletion or not.
    pub(crate) fn find<'s>(&self, state: &'s State) -> Option<&'s KeptSecret> {
        if self.is_arn
            && let Some((name, suffix)) = self.name.rsplit_once('-')
            && let Some(kept) = state.secrets.get(name)
            && kept.row.suffix == suffix
        {
            return Some(kept);
        }
        state.secrets.get(&self.name)
    }
}

/// A name of letters, digits and some signs.
fn judge_name(name: &str) -> Result<(), Fault> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-/_+=.@!:".contains(&byte);
    if !name.bytes().all(allowed) {
        return Err(Fault::validation(
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
        ));
    }
    Ok(())
}

/// A secret that has to be there, and is not to go, unless that says nothing.
fn live<'s>(
    state: &'s State,
    wanted: &SecretRef,
    now: model::time::Timestamp,
) -> Result<&'s KeptSecret, Fault> {
    let kept = present(state, wanted, now)?;
    if kept.row.deletion.is_some() {
        return Err(invalid(
            "You can't perform this operation on the secret because it was marked for deletion.",
        ));
    }
    Ok(kept)
}

/// A secret that has to be there; it may be about to go.
fn present<'s>(
    state: &'s State,
    wanted: &SecretRef,
    now: model::time::Timestamp,
) -> Result<&'s KeptSecret, Fault> {
    judge_name(&wanted.name)?;
    let found = wanted.find(state).filter(|kept| !is_over(kept, now));
    found.ok_or_else(no_secret)
}

/// Its time is over, and it is about to be removed.
fn is_over(kept: &KeptSecret, now: model::time::Timestamp) -> bool {
    kept.row.deletion.is_some_and(|(_, at)| at <= now)
}

/// Looks at a secret that has to be there.
async fn look<T>(
    context: &Context<'_>,
    id: &str,
    look: impl FnOnce(&KeptSecret, &Place) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let wanted = SecretRef::read(id, context.place);
    let now = context.catalogue.clock.now();
    let shelf = context.catalogue.shelf(&wanted.place).await?;
    shelf.look(|state| look(live(state, &wanted, now)?, &wanted.place))
}

/// ARN and name, with which most answers begin.
fn told(kept: &KeptSecret, place: &Place) -> Json {
    let mut told = Json::new();
    told.insert("ARN".to_owned(), kept.arn(place).into());
    told.insert("Name".to_owned(), kept.row.name.as_str().into());
    told
}

/// Changes a secret that has to be there, and tells its ARN and name.
async fn edit(
    context: &Context<'_>,
    id: &str,
    edit: impl FnOnce(&mut crate::engine::rows::Secret) -> Result<(), Fault>,
) -> Result<Json, Fault> {
    let wanted = SecretRef::read(id, context.place);
    let now = context.catalogue.clock.now();
    context
        .catalogue
        .change(&wanted.place, |state| {
            let kept = live(state, &wanted, now)?;
            let mut row = kept.row.clone();
            edit(&mut row)?;
            row.changed_at = now;
            let step = crate::engine::state::Step::PutSecret(row);
            Ok((told(kept, &wanted.place), vec![step]))
        })
        .await
}

/// Takes `MaxResults` and `NextToken`.
fn page_wanted(fields: &mut Fields, most: i64) -> (Option<String>, usize) {
    let limit = fields.whole("MaxResults", 1, most).unwrap_or(most);
    let token = fields.text("NextToken", &Text::long(1, 4_096));
    (token, usize::try_from(limit).unwrap_or(1))
}

/// The ARN of a secret that may not be there: as policies see it.
fn arn_of(state: Option<&KeptSecret>, wanted: &SecretRef) -> String {
    match state {
        Some(kept) => kept.arn(&wanted.place),
        None if wanted.is_arn => wanted
            .place
            .arn("secretsmanager", format!("secret:{}", wanted.name)),
        None => wanted
            .place
            .arn("secretsmanager", format!("secret:{}-??????", wanted.name)),
    }
}

/// What is told of no members.
const NOTHING: Value = Value::Null;
