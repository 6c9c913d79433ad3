//! Layers.
//!
//! Lives here: `PublishLayerVersion` and its like.
//! Does not live here: who may use them (`layer_policies`), laying them under a function (`deployment::application`, `runtimes`).
//!
//! Contract: AWS Lambda API Reference, these operations, and answers recorded from the service.

use std::collections::BTreeMap;
use std::sync::Arc;

use interfaces::resource_provider::Properties;
use interfaces::service::ServiceAnswer;
use serde_json::{Map, Value, json};

use crate::answers::{self, Refusal};
use crate::catalogue::{Catalogue, Entry, Kind, number_in, numbered};
use crate::keeper::Change;
use crate::rendering::written;
use crate::request::{Asked, Body, Page, broken};
use crate::service::{Handler, Service};
use crate::settings::{is_runtime, runtimes};

pub(crate) const HANDLERS: &[(&str, Handler)] = &[
    ("PublishLayerVersion", |service, asked| {
        Box::pin(service.publish_layer(asked))
    }),
    ("GetLayerVersion", |service, asked| {
        Box::pin(service.get_layer(asked))
    }),
    ("GetLayerVersionByArn", |service, asked| {
        Box::pin(service.get_layer_by_arn(asked))
    }),
    ("ListLayers", |service, asked| {
        Box::pin(async move { service.list_layers(asked) })
    }),
    ("ListLayerVersions", |service, asked| {
        Box::pin(async move { service.list_layer_versions(asked) })
    }),
    ("DeleteLayerVersion", |service, asked| {
        Box::pin(service.delete_layer(asked))
    }),
];

const LAYERS_MAX: usize = 50;
const ARN_PATTERN: &str = "Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)";
/// All that a layer could ever be for.
const RUNTIMES_EVER: &str = "Member must satisfy enum value set: [ruby3.5, ruby2.6, dotnetcore1.0, python3.7, nodejs8.10, nasa, ruby2.7, python2.7-greengrass, dotnetcore2.0, python3.8, java21, dotnet6, dotnetcore2.1, python3.9, java11, nodejs6.10, provided, dotnetcore3.1, dotnet8, java25, java17, nodejs, nodejs4.3, java8.al2, go1.x, dotnet10, nodejs20.x, go1.9, byol, nodejs10.x, provided.al2023, nodejs22.x, python3.10, java8, nodejs12.x, python3.11, nodejs24.x, nodejs8.x, python3.12, nodejs14.x, nodejs8.9, nodejs26.x, python3.13, python3.14, nodejs16.x, python3.15, provided.al2, nodejs4.3-edge, nodejs18.x, ruby3.2, python3.4, ruby3.3, ruby3.4, ruby2.5, python3.6, python2.7]";
/// What is said of a version besides its content.
const MEMBERS: [&str; 4] = [
    "CompatibleArchitectures",
    "CompatibleRuntimes",
    "Description",
    "LicenseInfo",
];

impl Service {
    async fn publish_layer(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let layer = layer_name(asked.label("LayerName"));
        let body = asked.body()?;
        check(&body)?;
        let content = body.object("Content")?.unwrap_or(Body(Properties::new()));
        let archive = self.archive(&content).await?.ok_or_else(|| {
            Refusal::invalid_parameter("Please provide a source for layer content.")
        })?;
        let catalogue = self.catalogue()?;
        crate::creation::is_of_region(asked, &catalogue)?;
        let code = self.keep_archive(archive).await?;
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let number = self
            .numbers
            .next(
                &catalogue.account,
                &catalogue.region,
                &format!("layer:{layer}"),
            )
            .await
            .map_err(|reason| Refusal::service(&reason))?;
        let arn = catalogue.arn_of(format!("layer:{layer}:{number}"));
        let mut properties = Properties::new();
        properties.insert("LayerName".to_owned(), json!(layer));
        for name in MEMBERS {
            if let Some(value) = body.get(name) {
                properties.insert(name.to_owned(), value.clone());
            }
        }
        let mut entry = Entry::new(properties, arn.clone(), self.draw_id(), self.clock.now());
        entry
            .attributes
            .insert("LayerVersionArn".to_owned(), json!(arn));
        entry.code = Some(code);
        let shown = self.shown_layer(&catalogue, &layer, number, &entry).await?;
        let mut change = Change::default();
        change.put(Kind::Layer, numbered(&layer, number), entry);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::json(201, &Value::Object(shown)))
    }

    async fn get_layer(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let catalogue = self.catalogue()?;
        let (layer, number) = named(asked)?;
        let entry = catalogue.get(Kind::Layer, &numbered(&layer, number));
        let entry = entry.ok_or_else(missing)?;
        let shown = self.shown_layer(&catalogue, &layer, number, entry).await?;
        Ok(answers::json(200, &Value::Object(shown)))
    }

    async fn get_layer_by_arn(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let catalogue = self.catalogue()?;
        let arn = asked.parameter("Arn").unwrap_or_default();
        let (layer, number) =
            of_arn(arn).ok_or_else(|| Refusal::validations(&[broken(arn, "arn", ARN_PATTERN)]))?;
        let entry = catalogue.get(Kind::Layer, &numbered(layer, number));
        let entry = entry.ok_or_else(missing)?;
        let shown = self.shown_layer(&catalogue, layer, number, entry).await?;
        Ok(answers::json(200, &Value::Object(shown)))
    }

    async fn shown_layer(
        &self,
        catalogue: &Catalogue,
        layer: &str,
        number: u64,
        entry: &Entry,
    ) -> Result<Map<String, Value>, Refusal> {
        let mut shown = listed(catalogue, layer, number, entry);
        shown.insert(
            "LayerArn".to_owned(),
            json!(catalogue.arn_of(format!("layer:{layer}"))),
        );
        if let Some(code) = &entry.code {
            let described = self.describe(Some(code)).await;
            let content = json!({
                "Location": self.address(code).await?,
                "CodeSha256": described.sha256,
                "CodeSize": described.bytes,
            });
            shown.insert("Content".to_owned(), content);
        }
        Ok(shown)
    }

    fn list_layers(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let wanted = Wanted::read(asked)?;
        let page = asked.page(LAYERS_MAX)?;
        let catalogue = self.catalogue()?;
        let mut latest: BTreeMap<&str, (u64, &Entry)> = BTreeMap::new();
        for (key, entry) in catalogue
            .all(Kind::Layer)
            .filter(|(_, entry)| wanted.fits(entry))
        {
            let layer = key.rsplit_once(':').map_or(key, |(layer, _)| layer);
            latest.insert(layer, (number_in(key), entry));
        }
        let layers = latest.into_iter().map(|(layer, (number, entry))| {
            let shown = json!({
                "LayerName": layer,
                "LayerArn": catalogue.arn_of(format!("layer:{layer}")),
                "LatestMatchingVersion": listed(&catalogue, layer, number, entry),
            });
            (layer.to_owned(), shown)
        });
        let (items, marker) = page.cut(layers);
        Ok(answers::page(200, "Layers", items, marker))
    }

    fn list_layer_versions(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let wanted = Wanted::read(asked)?;
        let page: Page = asked.page(LAYERS_MAX)?;
        let catalogue = self.catalogue()?;
        let layer = layer_name(asked.label("LayerName"));
        let prefix = format!("{layer}:");
        let versions = catalogue.with_prefix(Kind::Layer, &prefix);
        let mut versions: Vec<(u64, &Entry)> = versions
            .filter(|(_, entry)| wanted.fits(entry))
            .map(|(key, entry)| (number_in(key), entry.as_ref()))
            .collect();
        // The newest first: keys that fall as numbers rise.
        versions.reverse();
        let versions = versions.into_iter().map(|(number, entry)| {
            let key = format!("{:020}", u64::MAX - number);
            (
                key,
                Value::Object(listed(&catalogue, &layer, number, entry)),
            )
        });
        let (items, marker) = page.cut(versions);
        Ok(answers::page(200, "LayerVersions", items, marker))
    }

    async fn delete_layer(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let (layer, number) = named(asked)?;
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let key = numbered(&layer, number);
        let Some(entry) = catalogue.get(Kind::Layer, &key) else {
            // Deleting what is not there succeeds.
            return Ok(answers::empty(204));
        };
        let mut change = Change::default();
        // Functions keep the layers that they have.
        let mut entry = entry.as_ref().clone();
        entry.is_removed = true;
        if !is_used(&catalogue, &entry.physical_id) {
            entry.code = None;
        }
        change.put(Kind::Layer, key.clone(), entry);
        let prefix = format!("{key}:");
        for (key, _) in catalogue.with_prefix(Kind::LayerPermission, &prefix) {
            change.forget(Kind::LayerPermission, key);
        }
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::empty(204))
    }
}

fn missing() -> Refusal {
    Refusal::not_found("The resource you requested does not exist.".to_owned())
}

/// The layer and the version that an ARN names.
pub(crate) fn of_arn(arn: &str) -> Option<(&str, u64)> {
    let (_, rest) = arn.split_once(":layer:")?;
    let (layer, number) = rest.split_once(':')?;
    Some((layer, number.parse().ok()?))
}

/// The path names a layer by its name or its ARN.
pub(crate) fn layer_name(text: &str) -> String {
    let named = text.split_once(":layer:").map_or(text, |(_, name)| name);
    named.to_owned()
}

pub(crate) fn named(asked: &Asked<'_>) -> Result<(String, u64), Refusal> {
    let layer = layer_name(asked.label("LayerName"));
    let number: i64 = asked.label("VersionNumber").parse().unwrap_or(0);
    if number < 1 {
        return Err(Refusal::invalid_parameter(
            "Layer Version Cannot be less than 1",
        ));
    }
    Ok((layer, number.unsigned_abs()))
}

fn check(body: &Body) -> Result<(), Refusal> {
    let mut errors = Vec::new();
    let listed = |all: &[String]| format!("[{}]", all.join(", "));
    if let Some(names) = body.texts("CompatibleRuntimes")?
        && !names.iter().all(|name| is_runtime(name))
    {
        let constraint = format!("Member must satisfy enum value set: [{}]", runtimes());
        errors.push(broken(&listed(&names), "compatibleRuntimes", &constraint));
    }
    if let Some(names) = body.texts("CompatibleArchitectures")?
        && !names
            .iter()
            .all(|name| ["x86_64", "arm64"].contains(&name.as_str()))
    {
        let constraint = "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]";
        errors.push(broken(
            &listed(&names),
            "compatibleArchitectures",
            constraint,
        ));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Refusal::validations(&errors))
    }
}

/// Which versions a list is to have.
struct Wanted<'a> {
    runtime: Option<&'a str>,
    architecture: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn read(asked: &'a Asked<'_>) -> Result<Self, Refusal> {
        let (runtime, architecture) = (
            asked.parameter("CompatibleRuntime"),
            asked.parameter("CompatibleArchitecture"),
        );
        let mut errors = Vec::new();
        if let Some(runtime) = runtime.filter(|runtime| !is_runtime(runtime)) {
            errors.push(broken(runtime, "compatibleRuntime", RUNTIMES_EVER));
        }
        if let Some(name) = architecture.filter(|name| !["x86_64", "arm64"].contains(name)) {
            let constraint = "Member must satisfy enum value set: [x86_64, arm64]";
            errors.push(broken(name, "compatibleArchitecture", constraint));
        }
        if errors.is_empty() {
            Ok(Self {
                runtime,
                architecture,
            })
        } else {
            Err(Refusal::validations(&errors))
        }
    }

    fn fits(&self, entry: &Entry) -> bool {
        let names = |name: &str, wanted: &str| {
            let listed = entry.properties.get(name).and_then(Value::as_array);
            listed.is_some_and(|listed| listed.iter().any(|item| item == wanted))
        };
        self.runtime
            .is_none_or(|wanted| names("CompatibleRuntimes", wanted))
            && self
                .architecture
                .is_none_or(|wanted| names("CompatibleArchitectures", wanted))
    }
}

fn listed(catalogue: &Catalogue, layer: &str, number: u64, entry: &Entry) -> Map<String, Value> {
    let mut shown = Map::new();
    for name in MEMBERS {
        if let Some(value) = entry.properties.get(name) {
            shown.insert(name.to_owned(), value.clone());
        }
    }
    shown.entry("Description").or_insert(json!(""));
    let arn = catalogue.arn_of(format!("layer:{layer}:{number}"));
    shown.insert("LayerVersionArn".to_owned(), json!(arn));
    shown.insert("Version".to_owned(), json!(number));
    shown.insert("CreatedDate".to_owned(), json!(written(entry.created_at)));
    shown
}

fn is_used(catalogue: &Catalogue, arn: &str) -> bool {
    let names = |properties: &Properties| {
        let layers = properties.get("Layers").and_then(Value::as_array);
        layers.is_some_and(|layers| layers.iter().any(|layer| layer == arn))
    };
    catalogue.entries.values().any(|entry| {
        let snapshot = entry.attributes.get(crate::rendering::SNAPSHOT);
        names(&entry.properties) || snapshot.and_then(Value::as_object).is_some_and(names)
    })
}
