//! Published versions.
//!
//! Lives here: `PublishVersion`, and what a version keeps of its function: all of its configuration, and its code.
//! Does not live here: listing versions (`reads`), running them (`deployment::application`).
//!
//! Contract: AWS Lambda API Reference, `PublishVersion`; AWS Lambda Developer Guide, "Manage Lambda function versions".

use std::sync::Arc;

use interfaces::resource_provider::Properties;
use interfaces::service::ServiceAnswer;
use serde_json::{Value, json};

use crate::answers::{self, Refusal};
use crate::catalogue::{Catalogue, Code, Entry, Kind, Status, numbered};
use crate::function_name::Named;
use crate::keeper::Change;
use crate::reads::missing;
use crate::rendering::{SNAPSHOT, properties_of};
use crate::request::Asked;
use crate::service::{Handler, Service};
use crate::updates::is_current;

pub(crate) const HANDLERS: &[(&str, Handler)] = &[("PublishVersion", |service, asked| {
    Box::pin(service.publish_version(asked))
})];

impl Service {
    async fn publish_version(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = Named {
            qualifier: None,
            ..asked.function()?
        };
        let name = named.function.as_str();
        let body = asked.body()?;
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let function = catalogue.function(name);
        let function = function.ok_or_else(|| missing(&catalogue, &named))?;
        is_current(function, &body)?;
        if let Some(asked) = body.text("CodeSha256")? {
            let current = self.describe(function.code.as_ref()).await.sha256;
            if asked != current {
                return Err(Refusal::invalid_parameter(&format!(
                    "CodeSHA256 ({asked}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the CodeSHA256 in $LATEST."
                )));
            }
        }
        if let Some(last) = self.unchanged(&catalogue, name, function) {
            let qualified = of_version(&named, &last);
            let shown = self.shown(&catalogue, &qualified, &last).await;
            return Ok(answers::json(201, &Value::Object(shown)));
        }
        let description = body.text("Description")?;
        let (key, mut version) = self
            .version_from(&catalogue, name, function, description)
            .await?;
        // Its `RevisionId` stays what is told here.
        version.status = Status::Updating(turn.next_generation());
        let mut change = Change::default();
        change.put(Kind::Version, key, version.clone());
        let mut latest = function.as_ref().clone();
        latest.revision = self.draw_id();
        change.put(Kind::Function, name, latest);
        let generation = turn.apply(change).await?;
        let qualified = of_version(&named, &version);
        let mut settled = version;
        settled.status = Status::Settled;
        let shown = self.shown(&catalogue, &qualified, &settled).await;
        self.keeper.served(generation).await;
        Ok(answers::json(201, &Value::Object(shown)))
    }

    /// The version that was published last, if nothing has changed since.
    fn unchanged(&self, catalogue: &Catalogue, name: &str, function: &Entry) -> Option<Entry> {
        let prefix = format!("{name}:");
        let (_, last) = catalogue.with_prefix(Kind::Version, &prefix).last()?;
        let snapshot = last.attributes.get(SNAPSHOT)?.as_object()?;
        let is_same_code = match (&last.code, &function.code) {
            (
                Some(Code::Package { digest: one, .. }),
                Some(Code::Package { digest: other, .. }),
            ) => one == other,
            (_, Some(Code::Folder { digest, .. })) => {
                last.attributes.get("(folder)").and_then(Value::as_str) == Some(digest)
            }
            (_, _) => false,
        };
        (is_same_code && *snapshot == what_counts(&function.properties))
            .then(|| last.as_ref().clone())
    }

    /// A version of a function as it is now, and its key. It has a number of its own, and its own code.
    ///
    /// # Errors
    /// The code cannot be kept, or the number not be drawn.
    pub(crate) async fn version_from(
        &self,
        catalogue: &Catalogue,
        name: &str,
        function: &Entry,
        description: Option<&str>,
    ) -> Result<(String, Entry), Refusal> {
        let code = match &function.code {
            Some(code) => Some(self.fixed(code).await?),
            None => None,
        };
        let series = format!("function:{name}");
        let number = self
            .numbers
            .next(&catalogue.account, &catalogue.region, &series)
            .await
            .map_err(|reason| Refusal::service(&reason))?;
        let arn = catalogue.arn(name, Some(&number.to_string()));
        let mut properties = Properties::new();
        properties.insert("FunctionName".to_owned(), json!(name));
        let own = properties_of(catalogue, name, function);
        let described = description.map(|text| json!(text));
        if let Some(description) = described.or_else(|| own.get("Description").cloned()) {
            properties.insert("Description".to_owned(), description);
        }
        let now = self.clock.now();
        let mut version = Entry::new(properties, arn.clone(), self.draw_id(), now);
        version.modified_at = function.modified_at;
        version
            .attributes
            .insert("Version".to_owned(), json!(number.to_string()));
        version
            .attributes
            .insert("FunctionArn".to_owned(), json!(arn));
        version
            .attributes
            .insert(SNAPSHOT.to_owned(), Value::Object(what_counts(own)));
        if let Some(Code::Folder { digest, .. }) = &function.code {
            version
                .attributes
                .insert("(folder)".to_owned(), json!(digest));
        }
        version.code = code;
        version.status = Status::Creating(catalogue.generation + 1);
        Ok((numbered(name, number), version))
    }
}

/// What a version keeps: all but what is of the function as a whole.
fn what_counts(properties: &Properties) -> Properties {
    const OF_THE_WHOLE: [&str; 5] = [
        "Code",
        "RecursiveLoop",
        "ReservedConcurrentExecutions",
        "RuntimeManagementConfig",
        "Tags",
    ];
    let kept = properties.iter();
    kept.filter(|(name, _)| !OF_THE_WHOLE.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn of_version(named: &Named, version: &Entry) -> Named {
    let number = version.attributes.get("Version").and_then(Value::as_str);
    Named {
        function: named.function.clone(),
        qualifier: number.map(str::to_owned),
    }
}
