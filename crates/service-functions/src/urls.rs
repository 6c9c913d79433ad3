//! Addresses of functions.
//!
//! Lives here: `CreateFunctionUrlConfig` and its like.
//! Does not live here: answering at an address (`gateway`).
//!
//! Contract: AWS Lambda API Reference, these operations, and answers recorded from the service.

use std::sync::Arc;

use interfaces::resource_provider::Properties;
use interfaces::service::ServiceAnswer;
use model::function::LATEST;
use resource_types::text_of;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::answers::{self, Refusal};
use crate::catalogue::{Catalogue, Entry, Kind};
use crate::function_name::Named;
use crate::keeper::Change;
use crate::rendering::written_exactly;
use crate::request::{Asked, Body, broken, null_at};
use crate::service::{Handler, Service};

pub(crate) const HANDLERS: &[(&str, Handler)] = &[
    ("CreateFunctionUrlConfig", |service, asked| {
        Box::pin(service.create_url(asked))
    }),
    ("GetFunctionUrlConfig", |service, asked| {
        Box::pin(async move { service.get_url(asked) })
    }),
    ("ListFunctionUrlConfigs", |service, asked| {
        Box::pin(async move { service.list_urls(asked) })
    }),
    ("UpdateFunctionUrlConfig", |service, asked| {
        Box::pin(service.update_url(asked))
    }),
    ("DeleteFunctionUrlConfig", |service, asked| {
        Box::pin(service.delete_url(asked))
    }),
];

/// In an address's attributes: the first label of its host name, as `deployment` keeps it.
const URL_ID: &str = "(id)";
/// Letters and digits of that.
const URL_ID_LENGTH: usize = 32;
const URLS_MAX: usize = 50;

impl Service {
    async fn create_url(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = alias_or_function(asked)?;
        let body = asked.body()?;
        check(&body)?;
        if !body.has("AuthType") {
            return Err(Refusal::validations(&[null_at("AuthType")]));
        }
        let name = named.function.as_str();
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let (key, arn) = place(&catalogue, &named);
        if catalogue
            .configured(name, named.qualifier.as_deref())
            .is_none()
        {
            return Err(Refusal::not_found("Function does not exist".to_owned()));
        }
        if catalogue.get(Kind::Url, &key).is_some() {
            return Err(Refusal::conflict(&format!(
                "Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig exists for this Lambda function"
            )));
        }
        let mut properties = Properties::new();
        properties.insert(
            "TargetFunctionArn".to_owned(),
            json!(catalogue.arn(name, None)),
        );
        if let Some(qualifier) = &named.qualifier {
            properties.insert("Qualifier".to_owned(), json!(qualifier));
        }
        put_said(&body, &mut properties);
        let mut entry = Entry::new(properties, arn.clone(), self.draw_id(), self.clock.now());
        let id = id_of(&arn, &entry.revision);
        let address = format!("https://{id}.lambda-url.{}.on.aws/", catalogue.region);
        for (name, value) in [
            ("FunctionArn", &arn),
            ("FunctionUrl", &address),
            (URL_ID, &id),
        ] {
            entry.attributes.insert(name.to_owned(), json!(value));
        }
        let mut shown = shown(&entry);
        // A new one is not told how it replies, nor changed yet.
        shown.retain(|name, _| {
            name != "LastModifiedTime" && (name != "InvokeMode" || body.has("InvokeMode"))
        });
        let mut change = Change::default();
        change.put(Kind::Url, key, entry);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::json(201, &Value::Object(shown)))
    }

    fn get_url(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = alias_or_function(asked)?;
        let catalogue = self.catalogue()?;
        let (key, _) = place(&catalogue, &named);
        let entry = catalogue.get(Kind::Url, &key).ok_or_else(missing)?;
        Ok(answers::json(200, &Value::Object(shown(entry))))
    }

    fn list_urls(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let page = asked.page(URLS_MAX)?;
        let catalogue = self.catalogue()?;
        if catalogue.function(named.function.as_str()).is_none() {
            return Err(Refusal::not_found("Function does not exist".to_owned()));
        }
        let prefix = format!("{}:", named.function);
        let urls = catalogue.with_prefix(Kind::Url, &prefix);
        let urls = urls.map(|(key, entry)| (key.to_owned(), Value::Object(shown(entry))));
        let (items, marker) = page.cut(urls);
        Ok(answers::page(200, "FunctionUrlConfigs", items, marker))
    }

    async fn update_url(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = alias_or_function(asked)?;
        let body = asked.body()?;
        check(&body)?;
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let (key, _) = place(&catalogue, &named);
        let (name, qualifier) = (named.function.as_str(), named.qualifier.as_deref());
        if catalogue.configured(name, qualifier).is_none() {
            return Err(Refusal::not_found("Function does not exist".to_owned()));
        }
        let entry = catalogue.get(Kind::Url, &key).ok_or_else(missing)?;
        let mut entry = entry.as_ref().clone();
        put_said(&body, &mut entry.properties);
        entry.change(self.draw_id(), self.clock.now());
        let mut shown = shown(&entry);
        let has_mode = entry.properties.contains_key("InvokeMode");
        shown.retain(|name, _| name != "InvokeMode" || has_mode);
        let mut change = Change::default();
        change.put(Kind::Url, key, entry);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::json(200, &Value::Object(shown)))
    }

    async fn delete_url(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = alias_or_function(asked)?;
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let (key, _) = place(&catalogue, &named);
        let mut change = Change::default();
        change.remove(&catalogue, Kind::Url, &key);
        if change.is_empty() {
            return Err(missing());
        }
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::empty(204))
    }
}

fn missing() -> Refusal {
    Refusal::not_found("The resource you requested does not exist.".to_owned())
}

/// Addresses lead to a function or an alias, never to a version.
fn alias_or_function(asked: &Asked<'_>) -> Result<Named, Refusal> {
    if let Some(qualifier) = asked.parameter("Qualifier") {
        let is_number = qualifier.bytes().all(|byte| byte.is_ascii_digit());
        if is_number || qualifier == LATEST {
            let pattern =
                "Member must satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)";
            return Err(Refusal::validations(&[broken(
                qualifier,
                "qualifier",
                pattern,
            )]));
        }
    }
    asked.function()
}

fn place(catalogue: &Catalogue, named: &Named) -> (String, String) {
    let (name, qualifier) = (named.function.as_str(), named.qualifier.as_deref());
    let key = format!("{name}:{}", qualifier.unwrap_or_default());
    (key, catalogue.arn(name, qualifier))
}

fn check(body: &Body) -> Result<(), Refusal> {
    let mut errors = Vec::new();
    for (name, member, allowed) in [
        ("AuthType", "authType", ["NONE", "AWS_IAM"]),
        ("InvokeMode", "invokeMode", ["RESPONSE_STREAM", "BUFFERED"]),
    ] {
        if let Some(value) = body.text(name)?
            && !allowed.contains(&value)
        {
            let constraint = format!(
                "Member must satisfy enum value set: [{}]",
                allowed.join(", ")
            );
            errors.push(broken(value, member, &constraint));
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Refusal::validations(&errors))
    }
}

fn put_said(body: &Body, properties: &mut Properties) {
    for name in ["AuthType", "Cors", "InvokeMode"] {
        if let Some(value) = body.get(name) {
            properties.insert(name.to_owned(), value.clone());
        }
    }
}

fn id_of(arn: &str, drawn: &str) -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let digest = Sha256::digest(format!("{arn}/{drawn}").as_bytes());
    let letter = |byte: &u8| LETTERS.get(usize::from(*byte) % LETTERS.len()).copied();
    let letters = digest.iter().take(URL_ID_LENGTH).filter_map(letter);
    letters.map(char::from).collect()
}

fn shown(entry: &Entry) -> Map<String, Value> {
    let attribute = |name: &str| entry.attributes.get(name).and_then(text_of);
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| {
        shown.insert(name.to_owned(), value);
    };
    put("FunctionArn", json!(attribute("FunctionArn")));
    put("FunctionUrl", json!(attribute("FunctionUrl")));
    put("AuthType", json!(entry.text("AuthType")));
    if let Some(cors) = entry.properties.get("Cors") {
        put("Cors", cors.clone());
    }
    let mode = entry.text("InvokeMode");
    put(
        "InvokeMode",
        json!(mode.unwrap_or_else(|| "BUFFERED".to_owned())),
    );
    put("CreationTime", json!(written_exactly(entry.created_at)));
    put(
        "LastModifiedTime",
        json!(written_exactly(entry.modified_at)),
    );
    shown
}
