//! Tags of functions and event source mappings.
//!
//! Lives here: `TagResource`, `UntagResource`, `ListTags`.
//! Does not live here: tags that come with what is made (the file of each).
//!
//! Contract: AWS Lambda API Reference, these operations, and answers recorded from the service.

use std::collections::BTreeMap;
use std::sync::Arc;

use interfaces::service::ServiceAnswer;
use serde_json::{Value, json};

use crate::answers::{self, Refusal};
use crate::catalogue::{Catalogue, Entry, Kind};
use crate::keeper::Change;
use crate::request::{Asked, Body, broken};
use crate::service::{Handler, Service};

pub(crate) const HANDLERS: &[(&str, Handler)] = &[
    ("TagResource", |service, asked| Box::pin(service.tag(asked))),
    ("UntagResource", |service, asked| {
        Box::pin(service.untag(asked))
    }),
    ("ListTags", |service, asked| {
        Box::pin(async move { service.list_tags(asked) })
    }),
];

/// Tags of one resource.
const TAGS_MAX: usize = 50;
const ARN_PATTERN: &str = "Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:(function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)";

/// The tags in a request.
///
/// # Errors
/// A value is no text, or there are too many.
pub(crate) fn checked(given: &Body) -> Result<BTreeMap<String, String>, Refusal> {
    let mut tags = BTreeMap::new();
    for name in given.0.keys() {
        tags.insert(
            name.clone(),
            given.text(name)?.unwrap_or_default().to_owned(),
        );
    }
    if TAGS_MAX < tags.len() {
        return Err(Refusal::invalid_parameter(
            "Number of tags exceeds resource tag limit.",
        ));
    }
    Ok(tags)
}

/// Tags as CloudFormation lists them.
pub(crate) fn listed(tags: &BTreeMap<String, String>) -> Value {
    let pairs = tags.iter();
    pairs
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect()
}

impl Service {
    async fn tag(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let place = place(asked)?;
        let body = asked.body()?;
        let given = body.object("Tags")?;
        let given =
            given.ok_or_else(|| Refusal::validations(&[crate::request::null_at("Tags")]))?;
        if given.0.is_empty() {
            return Err(Refusal::invalid_parameter(
                "An error occurred and the request cannot be processed.",
            ));
        }
        let new = checked(&given)?;
        self.change_tags(asked, place, |tags| tags.extend(new))
            .await
    }

    async fn untag(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let place = place(asked)?;
        let keys = asked.parameters("tagKeys");
        if keys.is_empty() {
            return Err(Refusal::validations(&[crate::request::null_at("tagKeys")]));
        }
        self.change_tags(asked, place, |tags| {
            tags.retain(|key, _| !keys.contains(&key.as_str()));
        })
        .await
    }

    async fn change_tags(
        &self,
        asked: &Asked<'_>,
        (kind, key): (Kind, String),
        change_them: impl FnOnce(&mut BTreeMap<String, String>) + Send,
    ) -> Result<ServiceAnswer, Refusal> {
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let mut entry = found(&catalogue, asked, kind, &key)?.clone();
        let mut tags = entry.tags();
        change_them(&mut tags);
        if TAGS_MAX < tags.len() {
            return Err(Refusal::invalid_parameter(
                "Number of tags exceeds resource tag limit.",
            ));
        }
        entry.properties.insert("Tags".to_owned(), listed(&tags));
        entry.is_changed = true;
        entry.revision = self.draw_id();
        let mut change = Change::default();
        change.put(kind, key, entry);
        turn.apply(change).await?;
        Ok(answers::empty(204))
    }

    fn list_tags(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let (kind, key) = place(asked)?;
        let catalogue = self.catalogue()?;
        let entry = found(&catalogue, asked, kind, &key)?;
        Ok(answers::json(200, &json!({"Tags": entry.tags()})))
    }
}

fn found<'a>(
    catalogue: &'a Catalogue,
    asked: &Asked<'_>,
    kind: Kind,
    key: &str,
) -> Result<&'a Entry, Refusal> {
    let arn = asked.label("Resource");
    let found = catalogue.get(kind, key).map(AsRef::as_ref);
    found.ok_or_else(|| match kind {
        Kind::Mapping => Refusal::not_found(format!("Event source mapping not found: {arn}")),
        Kind::Function
        | Kind::Version
        | Kind::Alias
        | Kind::Permission
        | Kind::Url
        | Kind::EventInvoke
        | Kind::Layer
        | Kind::LayerPermission => Refusal::function_not_found(arn),
    })
}

/// What an ARN names.
fn place(asked: &Asked<'_>) -> Result<(Kind, String), Refusal> {
    let text = asked.label("Resource");
    let unreadable = || Refusal::validations(&[broken(text, "resource", ARN_PATTERN)]);
    let arn = model::arn::Arn::parse(text).map_err(|_| unreadable())?;
    let is_ours = arn.service == "lambda" && arn.account.len() == 12;
    let (what, rest) = arn
        .resource
        .split_once(':')
        .filter(|_| is_ours)
        .ok_or_else(unreadable)?;
    match (what, rest.split_once(':')) {
        ("function", None) => Ok((Kind::Function, rest.to_owned())),
        ("function", Some(_)) => Err(Refusal::invalid_parameter(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        )),
        ("event-source-mapping", None) if rest.len() == 36 => Ok((Kind::Mapping, rest.to_owned())),
        ("capacity-provider", None) => Err(Refusal::not_found(format!(
            "Capacity provider not found: {text}"
        ))),
        ("layer" | "code-signing-config", None) => Err(Refusal::not_implemented(&format!(
            "tags of the kind `{what}`"
        ))),
        (_, _) => Err(unreadable()),
    }
}
