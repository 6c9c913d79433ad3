//! Connections: how addresses are authorised at.

use model::time::Timestamp;
use serde_json::{Value, json};

use super::{Context, seconds};
use crate::engine::catalogue::Change;
use crate::engine::keys::Place;
use crate::engine::rows::{Connection, Json};
use crate::engine::state::{State, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{DESCRIPTION, Fields, NAME, Text, insert, page, paged};

const PAGE_MAX: i64 = 100;
const KINDS: Text = Text::one_of(&["BASIC", "OAUTH_CLIENT_CREDENTIALS", "API_KEY"]);
/// What the parameters of each kind are called, and which of their members are secret.
const PARAMETERS: [(&str, &str); 3] = [
    ("BASIC", "BasicAuthParameters"),
    ("OAUTH_CLIENT_CREDENTIALS", "OAuthParameters"),
    ("API_KEY", "ApiKeyAuthParameters"),
];
const SECRETS: [&str; 3] = ["Password", "ClientSecret", "ApiKeyValue"];
const PRIVATE: &[&str] = &["InvocationConnectivityParameters"];

pub(super) async fn create_connection(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("CreateConnection", PRIVATE)?;
    fields.take("KmsKeyIdentifier");
    let name = fields.required("Name", &NAME);
    let kind = fields.required("AuthorizationType", &KINDS);
    let description = fields.text("Description", &DESCRIPTION);
    let parameters = fields.take("AuthParameters");
    fields.finish()?;
    let parameters = read_parameters(&kind, parameters)?;
    let now = context.catalogue.clock.now();
    let connection = Connection {
        id: context.catalogue.random.request_id().to_string(),
        secret_id: context.catalogue.random.request_id().to_string(),
        name,
        description,
        kind,
        parameters,
        created_at: now,
        modified_at: now,
        owner: None,
    };
    create(context, connection).await
}

/// Makes a connection, or finds the one that was made for the same resource.
pub(crate) async fn create(context: &Context<'_>, wish: Connection) -> Answer {
    context
        .catalogue
        .change(context.place, |state| {
            let there = state.connections.get(&wish.name);
            if there.is_some_and(|there| wish.owner.is_none() || there.owner != wish.owner) {
                let message = format!("Connection {} already exists.", wish.name);
                return Err(Fault::exists(message));
            }
            let connection = Connection {
                id: there.map_or(wish.id, |there| there.id.clone()),
                secret_id: there.map_or(wish.secret_id, |there| there.secret_id.clone()),
                created_at: there.map_or(wish.created_at, |there| there.created_at),
                ..wish
            };
            let mut answer = summary(context.place, &connection);
            answer.remove("LastAuthorizedTime");
            Ok((answer.into(), Change::one(Step::PutConnection(connection))))
        })
        .await
}

pub(crate) fn read_parameters(kind: &str, given: Option<Value>) -> Result<Json, Fault> {
    let Some(Value::Object(given)) = given else {
        return Err(Fault::validation("AuthParameters must be specified."));
    };
    if given.contains_key("ConnectivityParameters") {
        return Err(Fault::not_implemented(
            "AuthParameters.ConnectivityParameters",
        ));
    }
    let wanted = PARAMETERS.iter().find(|(of, _)| *of == kind);
    match wanted {
        Some((_, wanted)) if given.contains_key(*wanted) => Ok(given),
        Some((_, wanted)) => Err(Fault::validation(format!(
            "Authorization type {kind} needs {wanted} in AuthParameters."
        ))),
        None => Err(Fault::validation("Unknown authorization type.")),
    }
}

pub(super) async fn update_connection(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("UpdateConnection", PRIVATE)?;
    fields.take("KmsKeyIdentifier");
    let name = fields.required("Name", &NAME);
    let kind = fields.text("AuthorizationType", &KINDS);
    let description = fields.text("Description", &DESCRIPTION);
    let parameters = fields.take("AuthParameters");
    fields.finish()?;
    edit(context, &name, "update", |there, now| {
        let kind = kind.unwrap_or_else(|| there.kind.clone());
        Ok(Connection {
            parameters: match parameters {
                Some(given) => read_parameters(&kind, Some(given))?,
                None => there.parameters.clone(),
            },
            kind,
            description: description.or_else(|| there.description.clone()),
            modified_at: now,
            ..there.clone()
        })
    })
    .await
}

pub(super) async fn deauthorize_connection(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &NAME);
    fields.finish()?;
    let mut answer = edit(context, &name, "deauthorize", |there, now| {
        Ok(Connection {
            parameters: Json::new(),
            modified_at: now,
            ..there.clone()
        })
    })
    .await?;
    insert(&mut answer, "ConnectionState", "DEAUTHORIZING");
    Ok(answer)
}

async fn edit(
    context: &Context<'_>,
    name: &str,
    verb: &str,
    decide: impl FnOnce(&Connection, Timestamp) -> Result<Connection, Fault>,
) -> Answer {
    let now = context.catalogue.clock.now();
    context
        .catalogue
        .change(context.place, |state| {
            let connection = decide(find(state, name, verb)?, now)?;
            let answer = summary(context.place, &connection);
            Ok((answer.into(), Change::one(Step::PutConnection(connection))))
        })
        .await
}

pub(super) async fn delete_connection(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &NAME);
    fields.finish()?;
    context
        .catalogue
        .change(context.place, |state| {
            let there = find(state, &name, "delete")?;
            let mut answer = summary(context.place, there);
            answer.insert("ConnectionState".to_owned(), "DELETING".into());
            Ok((answer.into(), Change::one(Step::DropConnection(name))))
        })
        .await
}

pub(super) async fn describe_connection(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &NAME);
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let there = find(state, &name, "describe")?;
        let mut shown = summary(context.place, there);
        shown.insert("Name".to_owned(), name.clone().into());
        shown.insert("AuthorizationType".to_owned(), there.kind.clone().into());
        shown.insert(
            "AuthParameters".to_owned(),
            without_secrets(&there.parameters),
        );
        shown.insert(
            "SecretArn".to_owned(),
            secret_arn(context.place, there).into(),
        );
        if let Some(description) = &there.description {
            shown.insert("Description".to_owned(), description.as_str().into());
        }
        Ok(shown.into())
    })
}

pub(super) async fn list_connections(context: &Context<'_>, mut fields: Fields) -> Answer {
    let prefix = fields.text("NamePrefix", &NAME).unwrap_or_default();
    let wanted = fields.text("ConnectionState", &Text::long(0, 64));
    let limit = fields.whole("Limit", 1, PAGE_MAX).unwrap_or(PAGE_MAX);
    let after = fields.take("NextToken");
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let named = state.connections.iter().filter(|(name, connection)| {
            name.starts_with(&prefix)
                && wanted
                    .as_deref()
                    .is_none_or(|wanted| wanted == connection.state())
        });
        let shown = named.map(|(name, connection)| {
            let mut shown = summary(context.place, connection);
            shown.insert("Name".to_owned(), name.clone().into());
            shown.insert(
                "AuthorizationType".to_owned(),
                connection.kind.clone().into(),
            );
            (name.clone(), shown)
        });
        let limit = usize::try_from(limit).unwrap_or(1);
        let (connections, token) = page(shown, after.as_ref().and_then(Value::as_str), limit);
        Ok(paged("Connections", json!(connections), token))
    })
}

fn find<'s>(state: &'s State, name: &str, verb: &str) -> Result<&'s Connection, Fault> {
    let found = state.connections.get(name).map(|connection| &**connection);
    found.ok_or_else(|| {
        Fault::not_found(format!(
            "Failed to {verb} the connection(s). Connection '{name}' does not exist."
        ))
    })
}

fn summary(place: &Place, connection: &Connection) -> Json {
    let mut shown = Json::new();
    let arn = connection.arn(place).to_string();
    shown.insert("ConnectionArn".to_owned(), arn.into());
    shown.insert("ConnectionState".to_owned(), connection.state().into());
    shown.insert("CreationTime".to_owned(), seconds(connection.created_at));
    shown.insert(
        "LastModifiedTime".to_owned(),
        seconds(connection.modified_at),
    );
    shown.insert(
        "LastAuthorizedTime".to_owned(),
        seconds(connection.modified_at),
    );
    shown
}

/// Where the cloud keeps the secrets: shown, and nothing is there.
pub(crate) fn secret_arn(place: &Place, connection: &Connection) -> String {
    let (name, id) = (&connection.name, &connection.secret_id);
    let suffix: String = id
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(6)
        .collect();
    let resource = format!("secret:events!connection/{name}/{id}-{suffix}");
    place.arn("secretsmanager", resource).to_string()
}

fn without_secrets(parameters: &Json) -> Value {
    fn strip(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let is_hidden = members.get("IsValueSecret") == Some(&Value::Bool(true));
                let shown = members.iter().filter(|(name, _)| {
                    !(SECRETS.contains(&name.as_str()) || is_hidden && *name == "Value")
                });
                Value::Object(
                    shown
                        .map(|(name, value)| (name.clone(), strip(value)))
                        .collect(),
                )
            }
            Value::Array(elements) => elements.iter().map(strip).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }
    strip(&Value::Object(parameters.clone()))
}
