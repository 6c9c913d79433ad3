//! Changing functions: their code, their configuration.
//!
//! Lives here: `UpdateFunctionCode`, `UpdateFunctionConfiguration`.
//! Does not live here: what can be said of a function (`settings`), versions (`versions`).
//!
//! Contract: AWS Lambda API Reference, these operations, and answers recorded from the service.

use std::sync::Arc;

use interfaces::service::ServiceAnswer;
use model::function::LATEST;
use resource_types::text_of;
use serde_json::{Value, json};

use crate::answers::{self, Refusal};
use crate::catalogue::{Catalogue, Entry, Kind, Status};
use crate::creation::check_layers;
use crate::function_name::Named;
use crate::keeper::{Change, Turn};
use crate::reads::missing;
use crate::rendering::{Detail, Subject};
use crate::request::{Asked, Body};
use crate::service::{Handler, Service};
use crate::{roles, settings};

pub(crate) const HANDLERS: &[(&str, Handler)] = &[
    ("UpdateFunctionCode", |service, asked| {
        Box::pin(service.update_code(asked))
    }),
    ("UpdateFunctionConfiguration", |service, asked| {
        Box::pin(service.update_configuration(asked))
    }),
];

/// What follows a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// A version is published.
    Publish,
    Nothing,
}

impl Service {
    async fn update_code(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let body = asked.body()?;
        let now = self.catalogue()?;
        latest(&now, &named)?;
        if body.has("ImageUri") {
            return Err(Refusal::invalid_parameter(
                "Please don't provide ImageUri when updating a function with packageType Zip.",
            ));
        }
        let architectures = body.texts("Architectures")?;
        if let Some(error) = architectures
            .as_deref()
            .and_then(settings::architectures_error)
        {
            return Err(Refusal::validations(&[error]));
        }
        let archive = self.archive(&body).await?.ok_or_else(|| {
            Refusal::invalid_parameter("Please provide a source for function code.")
        })?;
        let code = self.keep_archive(archive).await?;
        let turn = self.keeper.turn().await?;
        let mut entry = latest(&turn.catalogue, &named)?.clone();
        is_current(&entry, &body)?;
        entry.code = Some(code);
        if let Some(architectures) = architectures {
            let value = json!(architectures);
            entry.properties.insert("Architectures".to_owned(), value);
        }
        if body.flag("DryRun")?.unwrap_or(false) {
            let catalogue = Arc::clone(&turn.catalogue);
            let shown = self.shown(&catalogue, &named, &entry).await;
            return Ok(answers::json(200, &Value::Object(shown)));
        }
        let then = match body.flag("Publish")? {
            Some(true) => Then::Publish,
            Some(false) | None => Then::Nothing,
        };
        self.update(turn, &named, entry, then).await
    }

    async fn update_configuration(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let body = asked.body()?;
        let turn = self.keeper.turn().await?;
        let mut entry = latest(&turn.catalogue, &named)?.clone();
        is_current(&entry, &body)?;
        settings::apply(&body, &mut entry.properties)?;
        check_layers(&turn.catalogue, &entry.properties)?;
        if body.has("Role") {
            let arn = turn.catalogue.arn(named.function.as_str(), None);
            roles::judge(&*self.authorize, &entry.properties, &arn)?;
        }
        self.update(turn, &named, entry, Then::Nothing).await
    }

    async fn update(
        &self,
        turn: Turn<'_>,
        named: &Named,
        mut entry: Entry,
        then: Then,
    ) -> Result<ServiceAnswer, Refusal> {
        let name = named.function.as_str();
        entry.change(self.draw_id(), self.clock.now());
        entry.status = Status::Updating(turn.next_generation());
        let mut change = Change::default();
        change.put(Kind::Function, name, entry.clone());
        let mut shown = entry.clone();
        let mut qualifier = None;
        if then == Then::Publish {
            let (key, version) = self
                .version_from(&turn.catalogue, name, &entry, None)
                .await?;
            qualifier = version.attributes.get("Version").and_then(text_of);
            shown = version.clone();
            change.put(Kind::Version, key, version);
        }
        let catalogue = Arc::clone(&turn.catalogue);
        let generation = turn.apply(change).await?;
        let subject = Subject {
            name,
            entry: &shown,
            qualifier: qualifier.as_deref(),
        };
        let answer = self.configuration(&catalogue, subject, Detail::Whole).await;
        self.keeper.served(generation).await;
        Ok(answers::json(200, &Value::Object(answer)))
    }
}

/// The function itself: versions do not change.
///
/// # Errors
/// It is not there, or a version was named.
pub(crate) fn latest<'a>(catalogue: &'a Catalogue, named: &Named) -> Result<&'a Entry, Refusal> {
    let found = catalogue.function(named.function.as_str());
    let found = found.ok_or_else(|| missing(catalogue, named))?;
    match named.qualifier.as_deref() {
        None | Some(LATEST) => Ok(found),
        Some(_) => Err(Refusal::invalid_parameter(
            "Updates to a function version are not allowed: only $LATEST can be changed.",
        )),
    }
}

/// # Errors
/// The request is meant for another state of the function.
pub(crate) fn is_current(entry: &Entry, body: &Body) -> Result<(), Refusal> {
    match body.text("RevisionId")? {
        Some(revision) if revision != entry.revision => {
            Err(Refusal::other_revision("GetFunction/GetAlias"))
        }
        Some(_) | None => Ok(()),
    }
}
