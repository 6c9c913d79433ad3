//! Reading functions and their versions.
//!
//! Lives here: `GetFunction`, `GetFunctionConfiguration`, `ListFunctions`, `ListVersionsByFunction`.
//! Does not live here: the shape of a function's configuration (`rendering`).
//!
//! Contract: AWS Lambda API Reference, these operations, and answers recorded from the service.

use interfaces::service::ServiceAnswer;
use model::function::LATEST;
use serde_json::{Map, Value, json};

use crate::answers::{self, Refusal};
use crate::catalogue::{Catalogue, Entry, Kind};
use crate::function_name::Named;
use crate::rendering::{Detail, Subject, code_of};
use crate::request::Asked;
use crate::service::{Handler, Service};

pub(crate) const HANDLERS: &[(&str, Handler)] = &[
    ("GetFunction", |service, asked| {
        Box::pin(service.get_function(asked))
    }),
    ("GetFunctionConfiguration", |service, asked| {
        Box::pin(service.get_configuration(asked))
    }),
    ("ListFunctions", |service, asked| {
        Box::pin(service.list_functions(asked))
    }),
    ("ListVersionsByFunction", |service, asked| {
        Box::pin(service.list_versions(asked))
    }),
];

/// Items of a page.
const FUNCTIONS_MAX: usize = 50;

/// The function or version that a request names.
pub(crate) fn found<'a>(catalogue: &'a Catalogue, named: &Named) -> Result<&'a Entry, Refusal> {
    let (name, qualifier) = (named.function.as_str(), named.qualifier.as_deref());
    let found = catalogue.configured(name, qualifier);
    found
        .map(AsRef::as_ref)
        .ok_or_else(|| missing(catalogue, named))
}

/// The refusal of what is not there.
pub(crate) fn missing(catalogue: &Catalogue, named: &Named) -> Refusal {
    let (name, qualifier) = (named.function.as_str(), named.qualifier.as_deref());
    Refusal::function_not_found(&catalogue.arn(name, qualifier))
}

impl Service {
    async fn get_function(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let catalogue = self.catalogue()?;
        let entry = found(&catalogue, &named)?;
        let name = named.function.as_str();
        let configuration = self.shown(&catalogue, &named, entry).await;
        let mut shown = Map::new();
        shown.insert("Configuration".to_owned(), Value::Object(configuration));
        if let Some(code) = code_of(&catalogue, name, entry) {
            let address = self.address(code).await?;
            let code = json!({"RepositoryType": "S3", "Location": address});
            shown.insert("Code".to_owned(), code);
        }
        let function = catalogue.function(name).map_or(entry, AsRef::as_ref);
        let tags = function.tags();
        if !tags.is_empty() {
            shown.insert("Tags".to_owned(), json!(tags));
        }
        if let Some(reserved) = function.whole("ReservedConcurrentExecutions") {
            let concurrency = json!({"ReservedConcurrentExecutions": reserved});
            shown.insert("Concurrency".to_owned(), concurrency);
        }
        Ok(answers::json(200, &Value::Object(shown)))
    }

    async fn get_configuration(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let catalogue = self.catalogue()?;
        let entry = found(&catalogue, &named)?;
        let configuration = self.shown(&catalogue, &named, entry).await;
        Ok(answers::json(200, &Value::Object(configuration)))
    }

    /// The configuration of what a request names.
    pub(crate) async fn shown(
        &self,
        catalogue: &Catalogue,
        named: &Named,
        entry: &Entry,
    ) -> Map<String, Value> {
        let subject = Subject {
            name: named.function.as_str(),
            entry,
            qualifier: named.qualifier.as_deref(),
        };
        self.configuration(catalogue, subject, Detail::Whole).await
    }

    async fn list_functions(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let wants_versions = match asked.parameter("FunctionVersion") {
            None => false,
            Some("ALL") => true,
            Some(other) => {
                let constraint = "Member must satisfy enum value set: [ALL]";
                return Err(Refusal::validation(other, "functionVersion", constraint));
            }
        };
        let page = asked.page(FUNCTIONS_MAX)?;
        let catalogue = self.catalogue()?;
        let mut all: Vec<(String, (String, &Entry))> = Vec::new();
        for (name, entry) in catalogue.all(Kind::Function) {
            // Versions follow their function: none of their names sorts before this.
            all.push((name.to_owned(), (name.to_owned(), entry)));
            if wants_versions {
                let prefix = format!("{name}:");
                for (key, version) in catalogue.with_prefix(Kind::Version, &prefix) {
                    all.push((key.to_owned(), (name.to_owned(), version)));
                }
            }
        }
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        let (items, marker) = page.cut(all.into_iter());
        let mut shown = Vec::new();
        for (name, entry) in items {
            let number = entry.attributes.get("Version").and_then(Value::as_str);
            let subject = Subject {
                name: &name,
                entry,
                qualifier: number.or(wants_versions.then_some(LATEST)),
            };
            let configuration = self.configuration(&catalogue, subject, Detail::Listed);
            shown.push(Value::Object(configuration.await));
        }
        Ok(answers::page(200, "Functions", shown, marker))
    }

    async fn list_versions(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let page = asked.page(FUNCTIONS_MAX)?;
        let catalogue = self.catalogue()?;
        let name = named.function.as_str();
        let unqualified = Named {
            function: named.function.clone(),
            qualifier: None,
        };
        let function = found(&catalogue, &unqualified)?;
        let prefix = format!("{name}:");
        let versions = catalogue.with_prefix(Kind::Version, &prefix);
        let all = std::iter::once((name.to_owned(), function))
            .chain(versions.map(|(key, entry)| (key.to_owned(), entry.as_ref())));
        let (items, marker) = page.cut(all);
        let mut shown = Vec::new();
        for entry in items {
            let number = entry.attributes.get("Version").and_then(Value::as_str);
            let subject = Subject {
                name,
                entry,
                qualifier: number.or(Some(LATEST)),
            };
            let configuration = self.configuration(&catalogue, subject, Detail::Listed);
            shown.push(Value::Object(configuration.await));
        }
        Ok(answers::page(200, "Versions", shown, marker))
    }
}
