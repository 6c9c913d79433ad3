//! Aliases.
//!
//! Lives here: `CreateAlias`, `GetAlias`, `ListAliases`, `UpdateAlias`, `DeleteAlias`.
//! Does not live here: what runs under an alias (`deployment::application`), telling its calls off by weight (`invoker`).
//!
//! Contract: AWS Lambda API Reference, these operations, and answers recorded from the service.

use std::sync::Arc;

use interfaces::resource_provider::Properties;
use interfaces::service::ServiceAnswer;
use model::function::LATEST;
use resource_types::text_of;
use serde_json::{Map, Value, json};

use crate::answers::{self, Refusal};
use crate::catalogue::{Catalogue, Entry, Kind};
use crate::deletion::of_qualifier;
use crate::function_name::Named;
use crate::keeper::Change;
use crate::request::{Asked, Body, broken, null_at};
use crate::service::{Handler, Service};
use crate::updates::is_current;

pub(crate) const HANDLERS: &[(&str, Handler)] = &[
    ("CreateAlias", |service, asked| {
        Box::pin(service.create_alias(asked))
    }),
    ("GetAlias", |service, asked| {
        Box::pin(async move { service.get_alias(asked) })
    }),
    ("ListAliases", |service, asked| {
        Box::pin(async move { service.list_aliases(asked) })
    }),
    ("UpdateAlias", |service, asked| {
        Box::pin(service.update_alias(asked))
    }),
    ("DeleteAlias", |service, asked| {
        Box::pin(service.delete_alias(asked))
    }),
];

const NAME_PATTERN: &str =
    "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)";
const ALIASES_MAX: usize = 50;

impl Service {
    async fn create_alias(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let name = named.function.as_str();
        let body = asked.body()?;
        let missing = ["FunctionVersion", "Name"].into_iter();
        let missing: Vec<String> = missing
            .filter(|name| !body.has(name))
            .map(null_at)
            .collect();
        if !missing.is_empty() {
            return Err(Refusal::validations(&missing));
        }
        let alias = body.required("Name")?;
        if !is_alias(alias) {
            return Err(Refusal::validations(&[broken(alias, "name", NAME_PATTERN)]));
        }
        let version = body.required("FunctionVersion")?;
        let weight = weight_in(&body)?.flatten();
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        check_weight(weight.as_ref(), version)?;
        check_version(&catalogue, name, version)?;
        if let Some((other, _)) = &weight {
            check_version(&catalogue, name, other)?;
        }
        let (key, arn) = (format!("{name}:{alias}"), catalogue.arn(name, Some(alias)));
        if catalogue.get(Kind::Alias, &key).is_some() {
            return Err(Refusal::conflict(&format!("Alias already exists: {arn}")));
        }
        let mut properties = Properties::new();
        properties.insert("FunctionName".to_owned(), json!(name));
        properties.insert("FunctionVersion".to_owned(), json!(version));
        properties.insert("Name".to_owned(), json!(alias));
        if let Some(description) = body.text("Description")? {
            properties.insert("Description".to_owned(), json!(description));
        }
        set_weight(&mut properties, weight);
        let mut entry = Entry::new(properties, arn.clone(), self.draw_id(), self.clock.now());
        entry.attributes.insert("AliasArn".to_owned(), json!(arn));
        let shown = shown(&catalogue, name, &entry);
        let mut change = Change::default();
        change.put(Kind::Alias, key, entry);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::json(201, &shown))
    }

    fn get_alias(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let (name, alias) = (named.function.as_str(), asked.label("Name"));
        let catalogue = self.catalogue()?;
        let entry = found(&catalogue, name, alias)?;
        Ok(answers::json(200, &shown(&catalogue, name, entry)))
    }

    fn list_aliases(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let name = named.function.as_str();
        let page = asked.page(ALIASES_MAX)?;
        let catalogue = self.catalogue()?;
        if catalogue.function(name).is_none() {
            return Err(Refusal::function_not_found(&catalogue.arn(name, None)));
        }
        let version = asked.parameter("FunctionVersion");
        let prefix = format!("{name}:");
        let aliases = catalogue.with_prefix(Kind::Alias, &prefix);
        let wanted = aliases.filter(|(_, alias)| {
            version.is_none_or(|version| alias.text("FunctionVersion").as_deref() == Some(version))
        });
        let items = wanted.map(|(key, alias)| (key.to_owned(), shown(&catalogue, name, alias)));
        let (items, marker) = page.cut(items);
        Ok(answers::page(200, "Aliases", items, marker))
    }

    async fn update_alias(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let (name, alias) = (named.function.as_str(), asked.label("Name"));
        let body = asked.body()?;
        let weight = weight_in(&body)?;
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let key = format!("{name}:{alias}");
        let Some(entry) = catalogue.get(Kind::Alias, &key) else {
            let arn = catalogue.arn(name, Some(alias));
            return Err(Refusal::not_found(format!("Alias not found: {arn}")));
        };
        is_current(entry, &body)?;
        let mut entry = entry.as_ref().clone();
        if let Some(version) = body.text("FunctionVersion")? {
            check_version(&catalogue, name, version)?;
            let value = json!(version);
            entry.properties.insert("FunctionVersion".to_owned(), value);
        }
        if let Some(description) = body.text("Description")? {
            let value = json!(description);
            entry.properties.insert("Description".to_owned(), value);
        }
        if let Some(weight) = weight {
            if let Some((other, _)) = &weight {
                let version = entry.text("FunctionVersion").unwrap_or_default();
                check_weight(weight.as_ref(), &version)?;
                check_version(&catalogue, name, other)?;
            }
            set_weight(&mut entry.properties, weight);
        }
        entry.change(self.draw_id(), self.clock.now());
        let shown = shown(&catalogue, name, &entry);
        let mut change = Change::default();
        change.put(Kind::Alias, key, entry);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::json(200, &shown))
    }

    async fn delete_alias(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let (name, alias) = (named.function.as_str(), asked.label("Name"));
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let mut change = Change::default();
        change.remove(&catalogue, Kind::Alias, &format!("{name}:{alias}"));
        if change.is_empty() {
            // Deleting what is not there succeeds.
            return Ok(answers::empty(204));
        }
        of_qualifier(&catalogue, name, alias, &mut change);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::empty(204))
    }
}

fn found<'a>(catalogue: &'a Catalogue, name: &str, alias: &str) -> Result<&'a Entry, Refusal> {
    let entry = catalogue.get(Kind::Alias, &format!("{name}:{alias}"));
    entry.map(AsRef::as_ref).ok_or_else(|| {
        let arn = catalogue.arn(name, Some(alias));
        Refusal::not_found(format!("Cannot find alias arn: {arn}"))
    })
}

fn is_alias(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.bytes().all(is_word) && !text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A version besides the one that an alias stands on, and its weight.
type Weight = (String, f64);

/// What a body says of weights, if anything: an empty `RoutingConfig` takes one back.
fn weight_in(body: &Body) -> Result<Option<Option<Weight>>, Refusal> {
    const MEMBER: &str = "routingConfig.additionalVersionWeights";
    const VALUES: &str = "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, \
                          Member must have value greater than or equal to 0.0, Member must not be null]";
    const KEYS: &str = "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, \
                        Member must have length greater than or equal to 1, \
                        Member must satisfy regular expression pattern: [0-9]+]";
    let Some(routing) = body.object("RoutingConfig")? else {
        return Ok(None);
    };
    let Some(weights) = routing.object("AdditionalVersionWeights")? else {
        return Ok(Some(None));
    };
    let mut read = Vec::new();
    for (version, weight) in &weights.0 {
        let Some(weight) = weight.as_f64() else {
            let message = format!("`{MEMBER}` has a weight that is no number");
            return Err(Refusal::serialization(&message));
        };
        // As the service writes maps and doubles.
        let shown = format!("{{{version}={weight:?}}}");
        let is_number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
        let constraint = match (0.0..=1.0).contains(&weight) {
            false => Some(VALUES),
            true => (!is_number).then_some(KEYS),
        };
        if let Some(constraint) = constraint {
            return Err(Refusal::validations(&[broken(&shown, MEMBER, constraint)]));
        }
        read.push((version.clone(), weight));
    }
    if 1 < read.len() {
        let message = "Number of items in AdditionalVersionWeights cannot be greater than 1";
        return Err(Refusal::invalid_parameter(message));
    }
    Ok(Some(read.pop()))
}

fn check_weight(weight: Option<&Weight>, version: &str) -> Result<(), Refusal> {
    let Some((other, _)) = weight else {
        return Ok(());
    };
    if version == LATEST {
        let message = "$LATEST is not supported for an alias pointing to more than 1 version";
        return Err(Refusal::invalid_parameter_untyped(message));
    }
    if version == other {
        let message = format!(
            "Invalid function version {version}. Function version {version} is already included in routing configuration."
        );
        return Err(Refusal::invalid_parameter(&message));
    }
    Ok(())
}

/// Kept as templates write it.
fn set_weight(properties: &mut Properties, weight: Option<Weight>) {
    match weight {
        Some((version, weight)) => {
            let listed = json!([{"FunctionVersion": version, "FunctionWeight": weight}]);
            let routing = json!({"AdditionalVersionWeights": listed});
            properties.insert("RoutingConfig".to_owned(), routing);
        }
        None => drop(properties.remove("RoutingConfig")),
    }
}

fn check_version(catalogue: &Catalogue, name: &str, version: &str) -> Result<(), Refusal> {
    let is_number = version.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number && version != LATEST {
        let pattern = "Member must satisfy regular expression pattern: (\\$LATEST|[0-9]+)";
        return Err(Refusal::validations(&[broken(
            version,
            "functionVersion",
            pattern,
        )]));
    }
    let named = Named {
        function: model::ids::FunctionName::new(name),
        qualifier: Some(version.to_owned()),
    };
    crate::reads::found(catalogue, &named).map(drop)
}

fn shown(catalogue: &Catalogue, name: &str, alias: &Entry) -> Value {
    let own = alias.text("Name").unwrap_or_default();
    let mut shown = json!({
        "AliasArn": catalogue.arn(name, Some(&own)),
        "Name": own,
        "FunctionVersion": alias.text("FunctionVersion").unwrap_or_default(),
        "Description": alias.text("Description").unwrap_or_default(),
        "RevisionId": alias.revision,
    });
    if let (Some(routing), Some(members)) = (routing_of(alias), shown.as_object_mut()) {
        members.insert("RoutingConfig".to_owned(), routing);
    }
    shown
}

/// Whether a part of an alias's calls goes to this version.
pub(crate) fn is_weighted(alias: &Entry, version: &str) -> bool {
    let routing = routing_of(alias);
    let weights = routing.and_then(|routing| routing.get("AdditionalVersionWeights").cloned());
    weights.is_some_and(|weights| weights.get(version).is_some())
}

/// Templates list weights, and the API maps them.
fn routing_of(alias: &Entry) -> Option<Value> {
    let routing = alias.properties.get("RoutingConfig")?;
    let listed = routing.get("AdditionalVersionWeights")?.as_array()?;
    let weight = |one: &Value| {
        let weight = text_of(one.get("FunctionWeight")?)?;
        let weight: f64 = weight.parse().ok()?;
        Some((text_of(one.get("FunctionVersion")?)?, json!(weight)))
    };
    let weights: Map<String, Value> = listed.iter().filter_map(weight).collect();
    (!weights.is_empty()).then(|| json!({"AdditionalVersionWeights": weights}))
}
