//! Policies of functions, a statement at a time.
//!
//! Lives here: `AddPermission`, `RemovePermission`, `GetPolicy`, and the policies that invocations are checked against.
//! Does not live here: judging (`interfaces::authorize`), policies of layers (`layers`).
//!
//! Contract: AWS Lambda API Reference, `AddPermission`, `RemovePermission`, `GetPolicy`, and answers recorded from the service.

use std::collections::BTreeMap;
use std::sync::Arc;

use interfaces::resource_provider::Properties;
use interfaces::service::ServiceAnswer;
use model::function::LATEST;
use policy::Policy;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::answers::{self, Refusal};
use crate::catalogue::{Catalogue, Entry, Kind};
use crate::function_name::Named;
use crate::keeper::Change;
use crate::request::{Asked, Body, broken};
use crate::service::{Handler, Service};

pub(crate) const HANDLERS: &[(&str, Handler)] = &[
    ("AddPermission", |service, asked| {
        Box::pin(service.add_permission(asked))
    }),
    ("RemovePermission", |service, asked| {
        Box::pin(service.remove_permission(asked))
    }),
    ("GetPolicy", |service, asked| {
        Box::pin(async move { service.policy(asked) })
    }),
];

/// "Lambda quotas": a function's resource-based policy.
const POLICY_BYTES_MAX: usize = 20 * 1024;
/// In the attributes of whatever has a policy: the policy's `RevisionId`.
const POLICY: &str = "(policy)";
/// What a statement says besides its action and principal.
const MEMBERS: [&str; 8] = [
    "Action",
    "EventSourceToken",
    "FunctionUrlAuthType",
    "InvokedViaFunctionUrl",
    "Principal",
    "PrincipalOrgID",
    "SourceAccount",
    "SourceArn",
];

/// The policies of all functions, by name and qualifier. A statement that cannot be read allows nothing.
pub(crate) fn compiled(catalogue: &Catalogue) -> BTreeMap<String, Arc<Policy>> {
    let mut statements: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (key, entry) in catalogue.all(Kind::Permission) {
        let of = key.rsplit_once(':').map_or(key, |(of, _)| of);
        let said = statement(catalogue, key, entry);
        statements.entry(of.to_owned()).or_default().push(said);
    }
    let read = |(of, statements): (String, Vec<Value>)| {
        let policy = Policy::read(&document(statements).to_string()).ok()?;
        Some((of, Arc::new(policy)))
    };
    statements.into_iter().filter_map(read).collect()
}

impl Service {
    async fn add_permission(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let body = asked.body()?;
        let named = asked.function()?;
        let statement_id = body.required("StatementId")?.to_owned();
        let properties = said(&body, &statement_id, &named)?;
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        exists(&catalogue, &named)?;
        let key = key_of(&named, &statement_id);
        is_current(&catalogue, &named, body.text("RevisionId")?)?;
        if catalogue.get(Kind::Permission, &key).is_some() {
            return Err(taken(&statement_id));
        }
        let entry = Entry::new(properties, statement_id, self.draw_id(), self.clock.now());
        let said = statement(&catalogue, &key, &entry);
        let others = statements(&catalogue, &named);
        let whole = document(others.into_iter().chain([said.clone()]).collect());
        if POLICY_BYTES_MAX < whole.to_string().len() {
            return Err(Refusal::policy_too_large(POLICY_BYTES_MAX));
        }
        let mut change = Change::default();
        change.put(Kind::Permission, key, entry);
        self.touch_function(&catalogue, &named, &mut change);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::json(201, &json!({"Statement": said.to_string()})))
    }

    /// A change of its policy is a change of the function, or of the alias.
    fn touch_function(&self, catalogue: &Catalogue, named: &Named, change: &mut Change) {
        let place = holder(named);
        if let Some(entry) = catalogue.get(place.0, &place.1) {
            let mut entry = entry.as_ref().clone();
            entry.revision = self.draw_id();
            entry
                .attributes
                .insert(POLICY.to_owned(), json!(self.draw_id()));
            change.put(place.0, place.1, entry);
        }
    }

    async fn remove_permission(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let statement_id = asked.label("StatementId").to_owned();
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let name = named.function.as_str();
        if catalogue.function(name).is_none() {
            let arn = catalogue.arn(name, named.qualifier.as_deref());
            return Err(Refusal::not_found(format!("No policy found for: {arn}")));
        }
        exists(&catalogue, &named)?;
        if statements(&catalogue, &named).is_empty() {
            return Err(Refusal::not_found(
                "No policy is associated with the given resource.".to_owned(),
            ));
        }
        is_current(&catalogue, &named, asked.parameter("RevisionId"))?;
        let key = key_of(&named, &statement_id);
        if catalogue.get(Kind::Permission, &key).is_none() {
            return Err(Refusal::not_found(format!(
                "Statement {statement_id} is not found in resource policy."
            )));
        }
        let mut change = Change::default();
        change.remove(&catalogue, Kind::Permission, &key);
        self.touch_function(&catalogue, &named, &mut change);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::empty(204))
    }

    fn policy(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let catalogue = self.catalogue()?;
        let statements = statements(&catalogue, &named);
        if statements.is_empty() {
            return Err(Refusal::not_found(
                "The resource you requested does not exist.".to_owned(),
            ));
        }
        let policy = document(statements).to_string();
        let revision = revision_of(&catalogue, &named);
        Ok(answers::json(
            200,
            &json!({"Policy": policy, "RevisionId": revision}),
        ))
    }
}

/// Whether there is what a statement is about.
fn exists(catalogue: &Catalogue, named: &Named) -> Result<(), Refusal> {
    let name = named.function.as_str();
    let Some(qualifier) = named.qualifier.as_deref() else {
        return match catalogue.function(name) {
            Some(_) => Ok(()),
            None => Err(Refusal::function_not_found(&catalogue.arn(name, None))),
        };
    };
    if catalogue.version_of(name, qualifier).is_some() {
        return Ok(());
    }
    let arn = catalogue.arn(name, Some(qualifier));
    let is_alias = !qualifier.bytes().all(|byte| byte.is_ascii_digit()) && !qualifier.contains('$');
    Err(if is_alias {
        Refusal::not_found(format!("Cannot find alias arn: {arn}"))
    } else {
        Refusal::function_not_found(&arn)
    })
}

fn said(body: &Body, statement_id: &str, named: &Named) -> Result<Properties, Refusal> {
    let is_word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if !is_word(statement_id) {
        let pattern = "Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)";
        return Err(Refusal::validations(&[broken(
            statement_id,
            "statementId",
            pattern,
        )]));
    }
    if named.qualifier.as_deref() == Some(LATEST) {
        return Err(Refusal::invalid_parameter(
            "We currently do not support adding policies for $LATEST.",
        ));
    }
    let action = body.required("Action")?;
    if action != "*" && !action.starts_with("lambda:") {
        let pattern =
            "Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])";
        return Err(Refusal::validations(&[broken(action, "action", pattern)]));
    }
    let given = body.required("Principal")?;
    if principal(given).is_none() {
        return Err(Refusal::invalid_parameter(
            "The provided principal was invalid. Please check the principal and try again.",
        ));
    }
    let mut properties = Properties::new();
    for name in MEMBERS {
        if let Some(value) = body.get(name) {
            properties.insert(name.to_owned(), value.clone());
        }
    }
    // As a template would say whose policy it is: deployments read it there.
    let holder = match named.qualifier.as_deref() {
        Some(qualifier) => format!("{}:{qualifier}", named.function),
        None => named.function.to_string(),
    };
    properties.insert("FunctionName".to_owned(), Value::from(holder));
    Ok(properties)
}

/// Whom a statement lets in; none: it is nobody.
fn principal(text: &str) -> Option<Value> {
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if text == "*" {
        Some(json!("*"))
    } else if is_account {
        Some(json!({"AWS": format!("arn:aws:iam::{text}:root")}))
    } else if text.ends_with(".amazonaws.com") || text.ends_with(".amazon.com") {
        Some(json!({"Service": text}))
    } else if text.starts_with("arn:") {
        Some(json!({"AWS": text}))
    } else {
        None
    }
}

fn key_of(named: &Named, statement_id: &str) -> String {
    let qualifier = named.qualifier.as_deref().unwrap_or_default();
    format!("{}:{qualifier}:{statement_id}", named.function)
}

fn taken(statement_id: &str) -> Refusal {
    Refusal::conflict(&format!(
        "The statement id ({statement_id}) provided already exists. Please provide a new statement id, or remove the existing statement."
    ))
}

/// A statement, as its policy has it.
fn statement(catalogue: &Catalogue, key: &str, entry: &Entry) -> Value {
    let mut parts = key.splitn(3, ':');
    let (name, qualifier, id) = (parts.next(), parts.next(), parts.next());
    let text = |name: &str| entry.text(name).filter(|text| !text.is_empty());
    let mut conditions: Map<String, Value> = Map::new();
    let mut add = |operator: &str, key: &str, value: String| {
        let of_operator = conditions.entry(operator).or_insert_with(|| json!({}));
        if let Some(members) = of_operator.as_object_mut() {
            members.insert(key.to_owned(), json!(value));
        }
    };
    for (member, operator, condition) in [
        ("SourceArn", "ArnLike", "AWS:SourceArn"),
        ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
        (
            "EventSourceToken",
            "StringEquals",
            "lambda:EventSourceToken",
        ),
        (
            "FunctionUrlAuthType",
            "StringEquals",
            "lambda:FunctionUrlAuthType",
        ),
        ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
        (
            "InvokedViaFunctionUrl",
            "Bool",
            "lambda:InvokedViaFunctionUrl",
        ),
    ] {
        if let Some(value) = text(member) {
            add(operator, condition, value);
        }
    }
    let given = text("Principal").unwrap_or_default();
    let mut statement = json!({
        "Sid": id.unwrap_or_default(),
        "Effect": "Allow",
        "Principal": principal(&given).unwrap_or_else(|| json!({"Service": given})),
        "Action": text("Action").unwrap_or_default(),
        "Resource": catalogue.arn(name.unwrap_or_default(), qualifier),
    });
    if let Some(members) = statement.as_object_mut()
        && !conditions.is_empty()
    {
        members.insert("Condition".to_owned(), Value::Object(conditions));
    }
    statement
}

fn entries<'a>(catalogue: &'a Catalogue, named: &Named) -> Vec<(String, &'a Arc<Entry>)> {
    let prefix = key_of(named, "");
    let found = catalogue.with_prefix(Kind::Permission, &prefix);
    let mut found: Vec<(String, &Arc<Entry>)> =
        found.map(|(key, entry)| (key.to_owned(), entry)).collect();
    found.sort_by_key(|(_, entry)| entry.created_at);
    found
}

fn statements(catalogue: &Catalogue, named: &Named) -> Vec<Value> {
    let entries = entries(catalogue, named);
    entries
        .iter()
        .map(|(key, entry)| statement(catalogue, key, entry))
        .collect()
}

fn document(statements: Vec<Value>) -> Value {
    json!({"Version": "2012-10-17", "Id": "default", "Statement": statements})
}

/// What has the policy: the function, a version, an alias.
fn holder(named: &Named) -> (Kind, String) {
    let name = named.function.as_str();
    match named.qualifier.as_deref() {
        None | Some(LATEST) => (Kind::Function, name.to_owned()),
        Some(qualifier) => match crate::catalogue::version_key(name, qualifier) {
            Some(key) => (Kind::Version, key),
            None => (Kind::Alias, format!("{name}:{qualifier}")),
        },
    }
}

/// Changes with every statement that comes or goes.
fn revision_of(catalogue: &Catalogue, named: &Named) -> String {
    let (kind, key) = holder(named);
    let drawn = catalogue.get(kind, &key);
    let drawn = drawn.and_then(|entry| entry.attributes.get(POLICY)?.as_str());
    if let Some(drawn) = drawn {
        return drawn.to_owned();
    }
    let mut hash = Sha256::new();
    for (key, entry) in entries(catalogue, named) {
        hash.update(key.as_bytes());
        hash.update(entry.revision.as_bytes());
    }
    uuid_of(&hex::encode(hash.finalize()))
}

/// Hexadecimal digits in the form of a UUID of version 4.
pub(crate) fn uuid_of(digits: &str) -> String {
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-4{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 15),
        part(15, 18),
        part(18, 30)
    )
}

fn is_current(catalogue: &Catalogue, named: &Named, asked: Option<&str>) -> Result<(), Refusal> {
    let Some(asked) = asked else {
        return Ok(());
    };
    let (kind, key) = holder(named);
    // That of the alias or the function is as good as that of its policy.
    let own = catalogue
        .get(kind, &key)
        .map(|entry| entry.revision.as_str());
    if own == Some(asked) || asked == revision_of(catalogue, named) {
        return Ok(());
    }
    Err(Refusal::other_revision("GetPolicy"))
}
