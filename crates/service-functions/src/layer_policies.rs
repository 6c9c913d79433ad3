//! Who may use a version of a layer.
//!
//! Lives here: `AddLayerVersionPermission` and its like.
//! Does not live here: layers themselves (`layers`).
//!
//! Contract: AWS Lambda API Reference, these operations, and answers recorded from the service.

use std::sync::Arc;

use interfaces::resource_provider::Properties;
use interfaces::service::ServiceAnswer;
use serde_json::{Value, json};

use crate::answers::{self, Refusal};
use crate::catalogue::{Catalogue, Entry, Kind, numbered};
use crate::keeper::Change;
use crate::layers::named;
use crate::request::{Asked, broken};
use crate::service::{Handler, Service};

pub(crate) const HANDLERS: &[(&str, Handler)] = &[
    ("AddLayerVersionPermission", |service, asked| {
        Box::pin(service.add_layer_permission(asked))
    }),
    ("RemoveLayerVersionPermission", |service, asked| {
        Box::pin(service.remove_layer_permission(asked))
    }),
    ("GetLayerVersionPolicy", |service, asked| {
        Box::pin(async move { service.layer_policy(asked) })
    }),
];

impl Service {
    async fn add_layer_permission(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let body = asked.body()?;
        let (layer, number) = named(asked)?;
        let action = body.required("Action")?;
        if action != "lambda:GetLayerVersion" {
            let pattern = "Member must satisfy regular expression pattern: lambda:GetLayerVersion";
            return Err(Refusal::validations(&[broken(action, "action", pattern)]));
        }
        let (id, principal) = (body.required("StatementId")?, body.required("Principal")?);
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let key = numbered(&layer, number);
        let arn = catalogue.arn_of(format!("layer:{layer}:{number}"));
        if catalogue.get(Kind::Layer, &key).is_none() {
            return Err(Refusal::not_found(format!(
                "Layer version {arn} does not exist."
            )));
        }
        let own = format!("{key}:{id}");
        if catalogue.get(Kind::LayerPermission, &own).is_some() {
            return Err(Refusal::conflict(&format!(
                "The statement id ({id}) provided already exists. Please provide a new statement id, or remove the existing statement."
            )));
        }
        is_current(&catalogue, &key, asked.parameter("RevisionId"))?;
        let mut properties = Properties::new();
        let organization = body.text("OrganizationId")?;
        for (name, value) in [
            ("Action", Some(action)),
            ("Principal", Some(principal)),
            ("OrganizationId", organization),
        ] {
            if let Some(value) = value {
                properties.insert(name.to_owned(), json!(value));
            }
        }
        let entry = Entry::new(properties, id.to_owned(), self.draw_id(), self.clock.now());
        let said = statement(&arn, &own, &entry);
        let mut change = Change::default();
        self.touch_layer(&catalogue, &key, &mut change);
        change.put(Kind::LayerPermission, own, entry);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        let now = self.catalogue()?;
        let revision = revision_of(&now, &key);
        Ok(answers::json(
            201,
            &json!({"Statement": said.to_string(), "RevisionId": revision}),
        ))
    }

    async fn remove_layer_permission(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let (layer, number) = named(asked)?;
        let id = asked.label("StatementId");
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let key = numbered(&layer, number);
        if catalogue.get(Kind::Layer, &key).is_none() {
            let arn = catalogue.arn_of(format!("layer:{layer}:{number}"));
            return Err(Refusal::not_found(format!(
                "Layer version {arn} does not exist."
            )));
        }
        let own = format!("{key}:{id}");
        if catalogue.get(Kind::LayerPermission, &own).is_none() {
            return Err(Refusal::not_found(format!(
                "Statement {id} is not found in resource policy."
            )));
        }
        is_current(&catalogue, &key, asked.parameter("RevisionId"))?;
        let mut change = Change::default();
        self.touch_layer(&catalogue, &key, &mut change);
        change.forget(Kind::LayerPermission, &own);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::empty(204))
    }

    /// Its revision is that of its policy: nothing else of it changes.
    fn touch_layer(&self, catalogue: &Catalogue, key: &str, change: &mut Change) {
        if let Some(entry) = catalogue.get(Kind::Layer, key) {
            let mut entry = entry.as_ref().clone();
            entry.revision = self.draw_id();
            change.put(Kind::Layer, key, entry);
        }
    }

    fn layer_policy(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let (layer, number) = named(asked)?;
        let catalogue = self.catalogue()?;
        let key = numbered(&layer, number);
        let arn = catalogue.arn_of(format!("layer:{layer}:{number}"));
        if catalogue.get(Kind::Layer, &key).is_none() {
            return Err(Refusal::not_found(format!(
                "Layer version {arn} does not exist."
            )));
        }
        let statements: Vec<Value> = entries(&catalogue, &key)
            .into_iter()
            .map(|(own, entry)| statement(&arn, &own, entry))
            .collect();
        if statements.is_empty() {
            return Err(Refusal::not_found(
                "No policy is associated with the given resource.".to_owned(),
            ));
        }
        let policy = json!({"Version": "2012-10-17", "Id": "default", "Statement": statements});
        let revision = revision_of(&catalogue, &key);
        Ok(answers::json(
            200,
            &json!({"Policy": policy.to_string(), "RevisionId": revision}),
        ))
    }
}

fn entries<'a>(catalogue: &'a Catalogue, version: &str) -> Vec<(String, &'a Entry)> {
    let prefix = format!("{version}:");
    let found = catalogue.with_prefix(Kind::LayerPermission, &prefix);
    let mut found: Vec<(String, &Entry)> = found
        .map(|(key, entry)| (key.to_owned(), entry.as_ref()))
        .collect();
    found.sort_by_key(|(_, entry)| entry.created_at);
    found
}

fn statement(arn: &str, key: &str, entry: &Entry) -> Value {
    let id = key.rsplit(':').next().unwrap_or_default();
    let given = entry.text("Principal").unwrap_or_default();
    let principal = match given.as_str() {
        "*" => json!("*"),
        account if account.starts_with("arn:") => json!({"AWS": account}),
        account => json!({"AWS": format!("arn:aws:iam::{account}:root")}),
    };
    let mut statement = json!({
        "Sid": id,
        "Effect": "Allow",
        "Principal": principal,
        "Action": entry.text("Action"),
        "Resource": arn,
    });
    if let (Some(organization), Some(members)) =
        (entry.text("OrganizationId"), statement.as_object_mut())
    {
        let condition = json!({"StringEquals": {"aws:PrincipalOrgID": organization}});
        members.insert("Condition".to_owned(), condition);
    }
    statement
}

fn revision_of(catalogue: &Catalogue, version: &str) -> String {
    let found = catalogue.get(Kind::Layer, version);
    found
        .map(|entry| entry.revision.clone())
        .unwrap_or_default()
}

fn is_current(catalogue: &Catalogue, version: &str, asked: Option<&str>) -> Result<(), Refusal> {
    match asked {
        Some(asked) if asked != revision_of(catalogue, version) => {
            Err(Refusal::other_revision("GetLayerPolicy"))
        }
        Some(_) | None => Ok(()),
    }
}
