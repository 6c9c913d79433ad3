//! Concurrency of functions: reserved, and provisioned.
//!
//! Lives here: reading and changing both.
//! Does not live here: holding functions to it (`invoker`), what a template asks for (`deployment::application`).
//!
//! Contract: AWS Lambda API Reference, `PutFunctionConcurrency`, `PutProvisionedConcurrencyConfig` and their like, and answers
//! recorded from the service.

use std::sync::Arc;

use interfaces::service::ServiceAnswer;
use model::function::LATEST;
use model::ids::FunctionName;
use model::limits::LAMBDA_UNRESERVED_CONCURRENCY_MIN;
use resource_types::text_of;
use serde_json::{Map, Value, json};

use crate::answers::{self, Refusal};
use crate::catalogue::{Catalogue, Entry, Kind, version_key};
use crate::function_name::Named;
use crate::keeper::Change;
use crate::rendering::written;
use crate::request::Asked;
use crate::service::{Handler, Service};
use crate::settings::out_of_range;

pub(crate) const HANDLERS: &[(&str, Handler)] = &[
    ("PutFunctionConcurrency", |service, asked| {
        Box::pin(service.reserve(asked))
    }),
    ("GetFunctionConcurrency", |service, asked| {
        Box::pin(async move { service.reserved(asked) })
    }),
    ("DeleteFunctionConcurrency", |service, asked| {
        Box::pin(service.release(asked))
    }),
    ("PutProvisionedConcurrencyConfig", |service, asked| {
        Box::pin(service.provision(asked))
    }),
    ("GetProvisionedConcurrencyConfig", |service, asked| {
        Box::pin(async move { service.provisioned(asked) })
    }),
    ("ListProvisionedConcurrencyConfigs", |service, asked| {
        Box::pin(async move { service.list_provisioned(asked) })
    }),
    ("DeleteProvisionedConcurrencyConfig", |service, asked| {
        Box::pin(service.unprovision(asked))
    }),
];

const RESERVED: &str = "ReservedConcurrentExecutions";
const PROVISIONED: &str = "ProvisionedConcurrencyConfig";
/// In the attributes of a version or an alias: when its concurrency was provisioned.
const PROVISIONED_AT: &str = "(provisioned)";
const CONFIGS_MAX: usize = 50;

impl Service {
    async fn reserve(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let name = named.function.as_str();
        let wanted = asked.body()?.whole(RESERVED)?;
        let wanted = wanted.and_then(|wanted| u64::try_from(wanted).ok());
        let wanted =
            wanted.ok_or_else(|| Refusal::validations(&[crate::request::null_at(RESERVED)]))?;
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let entry = function(&catalogue, &named)?;
        let provisioned = provisioned_of(&catalogue, name);
        if wanted < provisioned {
            return Err(Refusal::invalid_parameter_untyped(&format!(
                " ReservedConcurrentExecutions  {wanted} should not be lower than function's total provisioned concurrency [{provisioned}]."
            )));
        }
        let own = entry.whole(RESERVED).unwrap_or(provisioned);
        let least = self.unreserved_min();
        if (self.unreserved(&catalogue) + own).saturating_sub(least) < wanted {
            return Err(Refusal::invalid_parameter_untyped(&format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{least}]."
            )));
        }
        let mut entry = entry.clone();
        entry.properties.insert(RESERVED.to_owned(), json!(wanted));
        entry.is_changed = true;
        entry.revision = self.draw_id();
        let mut change = Change::default();
        change.put(Kind::Function, name, entry);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::json(200, &json!({RESERVED: wanted})))
    }

    fn reserved(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let catalogue = self.catalogue()?;
        let entry = catalogue.function(named.function.as_str());
        let entry = entry.ok_or_else(|| {
            Refusal::function_not_found(&catalogue.arn(named.function.as_str(), None))
        })?;
        Ok(match entry.whole(RESERVED) {
            Some(reserved) => answers::json(200, &json!({RESERVED: reserved})),
            None => answers::json(200, &json!({})),
        })
    }

    async fn release(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let mut entry = function(&catalogue, &named)?.clone();
        entry.properties.remove(RESERVED);
        entry.is_changed = true;
        entry.revision = self.draw_id();
        let mut change = Change::default();
        change.put(Kind::Function, named.function.as_str(), entry);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::empty(204))
    }

    async fn provision(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let wanted = asked.body()?.whole("ProvisionedConcurrentExecutions")?;
        let error = out_of_range(
            wanted,
            "provisionedConcurrentExecutions",
            1,
            i64::from(i32::MAX),
        );
        if let Some(error) = error {
            return Err(Refusal::validations(&[error]));
        }
        let wanted = wanted
            .and_then(|wanted| u64::try_from(wanted).ok())
            .unwrap_or(1);
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        if named
            .qualifier
            .as_deref()
            .is_none_or(|qualifier| qualifier == LATEST)
        {
            return Err(Refusal::invalid_parameter(
                "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
            ));
        }
        let (kind, key, entry) = published(&catalogue, &named)?;
        is_free(&catalogue, &named, kind, entry)?;
        self.can_be_provisioned(&catalogue, &named, entry, wanted)?;
        let mut entry = entry.clone();
        let now = written(self.clock.now());
        entry.properties.insert(
            PROVISIONED.to_owned(),
            json!({"ProvisionedConcurrentExecutions": wanted}),
        );
        entry
            .attributes
            .insert(PROVISIONED_AT.to_owned(), json!(now));
        entry.is_changed = true;
        let mut change = Change::default();
        change.put(kind, key, entry);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::json(
            202,
            &json!({
                "RequestedProvisionedConcurrentExecutions": wanted,
                "AllocatedProvisionedConcurrentExecutions": 0,
                "AvailableProvisionedConcurrentExecutions": 0,
                "Status": "IN_PROGRESS",
                "LastModified": now,
            }),
        ))
    }

    fn can_be_provisioned(
        &self,
        catalogue: &Catalogue,
        named: &Named,
        entry: &Entry,
        wanted: u64,
    ) -> Result<(), Refusal> {
        let name = named.function.as_str();
        let own = count(entry).unwrap_or_default();
        let reserved = catalogue
            .function(name)
            .and_then(|function| function.whole(RESERVED));
        if let Some(reserved) = reserved {
            if reserved < provisioned_of(catalogue, name) - own + wanted {
                return Err(Refusal::invalid_parameter(
                    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
                ));
            }
            return Ok(());
        }
        let unreserved = self.unreserved(catalogue) + own;
        if unreserved < wanted {
            return Err(Refusal::invalid_parameter_untyped(&format!(
                "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{unreserved}]."
            )));
        }
        let least = self.unreserved_min();
        if unreserved - wanted < least {
            return Err(Refusal::invalid_parameter_untyped(&format!(
                "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{least}]."
            )));
        }
        Ok(())
    }

    fn provisioned(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let catalogue = self.catalogue()?;
        is_published(&named)?;
        let (_, _, entry) = published(&catalogue, &named)?;
        let shown = self.status_of(&named, entry);
        let shown = shown.ok_or_else(Refusal::nothing_provisioned)?;
        Ok(answers::json(200, &Value::Object(shown)))
    }

    /// What was asked for is there as soon as it is served: instances start by themselves.
    fn status_of(&self, named: &Named, entry: &Entry) -> Option<Map<String, Value>> {
        let wanted = count(entry)?;
        let application = self.application();
        let served = application.and_then(|application| {
            let function = FunctionName::new(named.function.as_str());
            let found = application.function(&function, named.qualifier.as_deref())?;
            u64::try_from(found.provisioned_concurrency).ok()
        });
        let there = served.unwrap_or_default();
        let at = entry.attributes.get(PROVISIONED_AT).and_then(text_of);
        let shown = json!({
            "RequestedProvisionedConcurrentExecutions": wanted,
            "AllocatedProvisionedConcurrentExecutions": there,
            "AvailableProvisionedConcurrentExecutions": there,
            "Status": if there == wanted { "READY" } else { "IN_PROGRESS" },
            "LastModified": at.unwrap_or_else(|| written(entry.modified_at)),
        });
        shown.as_object().cloned()
    }

    fn list_provisioned(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let name = named.function.as_str();
        let page = asked.page(CONFIGS_MAX)?;
        let catalogue = self.catalogue()?;
        if catalogue.function(name).is_none() {
            return Err(Refusal::function_not_found(&catalogue.arn(name, None)));
        }
        let configs = holders(&catalogue, name)
            .into_iter()
            .filter_map(|(qualifier, entry)| {
                let qualified = Named {
                    function: named.function.clone(),
                    qualifier: Some(qualifier.clone()),
                };
                let mut shown = self.status_of(&qualified, entry)?;
                let arn = catalogue.arn(name, Some(&qualifier));
                shown.insert("FunctionArn".to_owned(), json!(arn));
                Some((qualifier, Value::Object(shown)))
            });
        let (items, marker) = page.cut(configs);
        Ok(answers::page(
            200,
            "ProvisionedConcurrencyConfigs",
            items,
            marker,
        ))
    }

    async fn unprovision(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        is_published(&named)?;
        let (kind, key, entry) = published(&catalogue, &named)?;
        if count(entry).is_none() {
            return Ok(answers::empty(204));
        }
        let mut entry = entry.clone();
        entry.properties.remove(PROVISIONED);
        entry.is_changed = true;
        let mut change = Change::default();
        change.put(kind, key, entry);
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        Ok(answers::empty(204))
    }

    /// What has to stay for functions that reserve nothing. An account that has less altogether keeps all of it.
    fn unreserved_min(&self) -> u64 {
        let least = LAMBDA_UNRESERVED_CONCURRENCY_MIN.min(self.concurrency);
        u64::try_from(least).unwrap_or(u64::MAX)
    }

    /// What of the account's concurrency nobody holds.
    pub(crate) fn unreserved(&self, catalogue: &Catalogue) -> u64 {
        let account = u64::try_from(self.concurrency).unwrap_or(u64::MAX);
        let held = catalogue.all(Kind::Function).map(|(name, function)| {
            let reserved = function.whole(RESERVED);
            reserved.unwrap_or_else(|| provisioned_of(catalogue, name))
        });
        account.saturating_sub(held.sum())
    }
}

/// The function itself: neither versions nor aliases reserve anything.
fn function<'a>(catalogue: &'a Catalogue, named: &Named) -> Result<&'a Entry, Refusal> {
    if named.qualifier.is_some() {
        return Err(Refusal::invalid_parameter(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.",
        ));
    }
    let name = named.function.as_str();
    let found = catalogue.function(name).map(AsRef::as_ref);
    found.ok_or_else(|| Refusal::function_not_found(&catalogue.arn(name, Some(LATEST))))
}

fn is_published(named: &Named) -> Result<(), Refusal> {
    match named.qualifier.as_deref() {
        Some(qualifier) if qualifier != LATEST => Ok(()),
        Some(_) | None => Err(Refusal::invalid_parameter(
            "The function resource provided must be an alias or a published version.",
        )),
    }
}

/// The version or alias that a request names.
fn published<'a>(
    catalogue: &'a Catalogue,
    named: &Named,
) -> Result<(Kind, String, &'a Entry), Refusal> {
    let name = named.function.as_str();
    let qualifier = named.qualifier.as_deref().unwrap_or_default();
    let arn = catalogue.arn(name, Some(qualifier));
    let (kind, key) = match version_key(name, qualifier) {
        Some(key) => (Kind::Version, key),
        None => (Kind::Alias, format!("{name}:{qualifier}")),
    };
    match catalogue.get(kind, &key) {
        Some(entry) => Ok((kind, key, entry)),
        None if kind == Kind::Version => Err(Refusal::function_not_found(&arn)),
        None => Err(Refusal::not_found(format!("Cannot find alias arn: {arn}"))),
    }
}

/// A version is provisioned in one place only: by itself, or under an alias.
fn is_free(catalogue: &Catalogue, named: &Named, kind: Kind, entry: &Entry) -> Result<(), Refusal> {
    let name = named.function.as_str();
    if kind == Kind::Alias {
        let version = entry.text("FunctionVersion").unwrap_or_default();
        let version =
            version_key(name, &version).and_then(|key| catalogue.get(Kind::Version, &key));
        return match version.and_then(|version| count(version)) {
            Some(_) => Err(Refusal::conflict(
                "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
            )),
            None => Ok(()),
        };
    }
    let prefix = format!("{name}:");
    let mut aliases = catalogue.with_prefix(Kind::Alias, &prefix);
    let is_held = aliases.any(|(_, alias)| {
        alias.text("FunctionVersion") == named.qualifier && count(alias).is_some()
    });
    if is_held {
        return Err(Refusal::conflict(
            "Version is pointed by a Provisioned Concurrency alias",
        ));
    }
    Ok(())
}

/// How much is provisioned.
fn count(entry: &Entry) -> Option<u64> {
    let config = entry.properties.get(PROVISIONED)?;
    let wanted = config
        .get("ProvisionedConcurrentExecutions")
        .and_then(text_of)?;
    wanted.parse().ok()
}

/// The versions and aliases of a function, by qualifier.
fn holders<'a>(catalogue: &'a Catalogue, name: &str) -> Vec<(String, &'a Entry)> {
    let prefix = format!("{name}:");
    let mut holders = Vec::new();
    for (key, entry) in catalogue.with_prefix(Kind::Alias, &prefix) {
        let alias = key.rsplit(':').next().unwrap_or_default();
        holders.push((alias.to_owned(), entry.as_ref()));
    }
    for (key, entry) in catalogue.with_prefix(Kind::Version, &prefix) {
        let number = crate::catalogue::number_in(key).to_string();
        holders.push((number, entry.as_ref()));
    }
    holders.sort_by(|(one, _), (other, _)| one.cmp(other));
    holders
}

fn provisioned_of(catalogue: &Catalogue, name: &str) -> u64 {
    let holders = holders(catalogue, name);
    holders.iter().filter_map(|(_, entry)| count(entry)).sum()
}
