//! The account as a whole, and settings of functions that have no effect here.
//!
//! Lives here: `GetAccountSettings`; recursion, runtime management and code signing of a function.
//! Does not live here: concurrency (`concurrency`). Loops are not detected, runtimes are those of this machine, signatures are
//! not verified: what is set is kept and shown, and a code signing configuration is refused by name.
//!
//! Contract: AWS Lambda API Reference, these operations, and answers recorded from the service.

use std::sync::Arc;

use interfaces::service::ServiceAnswer;
use model::limits::{LAMBDA_PACKAGE_BYTES_MAX, LAMBDA_UNPACKED_BYTES_MAX};
use resource_types::text_of;
use serde_json::{Value, json};

use crate::answers::{self, Refusal};
use crate::catalogue::Kind;
use crate::keeper::Change;
use crate::reads::{found, missing};
use crate::rendering::runtime_version;
use crate::request::{Asked, broken};
use crate::service::{Handler, Service};
use crate::updates::latest;

pub(crate) const HANDLERS: &[(&str, Handler)] = &[
    ("GetAccountSettings", |service, asked| {
        Box::pin(async move { service.account_settings(asked).await })
    }),
    ("GetFunctionRecursionConfig", |service, asked| {
        Box::pin(async move { service.recursion(asked) })
    }),
    ("PutFunctionRecursionConfig", |service, asked| {
        Box::pin(service.put_recursion(asked))
    }),
    ("GetRuntimeManagementConfig", |service, asked| {
        Box::pin(async move { service.runtime_management(asked) })
    }),
    ("PutRuntimeManagementConfig", |service, asked| {
        Box::pin(service.put_runtime_management(asked))
    }),
    ("GetFunctionCodeSigningConfig", |service, asked| {
        Box::pin(async move { service.code_signing(asked) })
    }),
    ("ListCodeSigningConfigs", |_, _| {
        Box::pin(async { Ok(answers::json(200, &json!({"CodeSigningConfigs": []}))) })
    }),
];

/// "Lambda quotas": storage of functions and layers.
const TOTAL_CODE_BYTES_MAX: u64 = 75 * 1024 * 1024 * 1024;

impl Service {
    async fn account_settings(&self, _asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let catalogue = self.catalogue()?;
        let mut bytes = 0;
        for kind in [Kind::Function, Kind::Version, Kind::Layer] {
            for (_, entry) in catalogue.all(kind) {
                bytes += self.describe(entry.code.as_ref()).await.bytes;
            }
        }
        Ok(answers::json(
            200,
            &json!({
                "AccountLimit": {
                    "TotalCodeSize": TOTAL_CODE_BYTES_MAX,
                    "CodeSizeUnzipped": LAMBDA_UNPACKED_BYTES_MAX,
                    "CodeSizeZipped": LAMBDA_PACKAGE_BYTES_MAX,
                    "ConcurrentExecutions": self.concurrency,
                    "UnreservedConcurrentExecutions": self.unreserved(&catalogue),
                },
                "AccountUsage": {
                    "TotalCodeSize": bytes,
                    "FunctionCount": catalogue.all(Kind::Function).count(),
                },
            }),
        ))
    }

    fn recursion(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let catalogue = self.catalogue()?;
        let entry = latest(&catalogue, &named)?;
        let kept = entry.text("RecursiveLoop");
        let kept = kept.unwrap_or_else(|| "Terminate".to_owned());
        Ok(answers::json(200, &json!({"RecursiveLoop": kept})))
    }

    async fn put_recursion(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let body = asked.body()?;
        let wanted = body.required("RecursiveLoop")?;
        if !["Terminate", "Allow"].contains(&wanted) {
            let constraint = "Member must satisfy enum value set: [Terminate, Allow]";
            return Err(Refusal::validations(&[broken(
                wanted,
                "recursiveLoop",
                constraint,
            )]));
        }
        let generation = self
            .put_property(asked, "RecursiveLoop", json!(wanted))
            .await?;
        self.keeper.served(generation).await;
        Ok(answers::json(200, &json!({"RecursiveLoop": wanted})))
    }

    fn runtime_management(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let catalogue = self.catalogue()?;
        let entry = found(&catalogue, &named)?;
        let config = entry.properties.get("RuntimeManagementConfig");
        let mode = config
            .and_then(|config| config.get("UpdateRuntimeOn"))
            .and_then(text_of);
        let mut shown = json!({
            "UpdateRuntimeOn": mode.unwrap_or_else(|| "Auto".to_owned()),
            "FunctionArn": catalogue.arn(named.function.as_str(), named.qualifier.as_deref()),
        });
        let pinned = config
            .and_then(|config| config.get("RuntimeVersionArn"))
            .cloned();
        if let (Some(pinned), Some(members)) = (pinned, shown.as_object_mut()) {
            members.insert("RuntimeVersionArn".to_owned(), pinned);
        }
        Ok(answers::json(200, &shown))
    }

    async fn put_runtime_management(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let body = asked.body()?;
        let wanted = body.required("UpdateRuntimeOn")?.to_owned();
        if !["FunctionUpdate", "Auto", "Manual"].contains(&wanted.as_str()) {
            let constraint = "Member must satisfy enum value set: [FunctionUpdate, Auto, Manual]";
            return Err(Refusal::validations(&[broken(
                &wanted,
                "updateRuntimeOn",
                constraint,
            )]));
        }
        let catalogue = self.catalogue()?;
        let named = asked.function()?;
        let entry = latest(&catalogue, &named)?;
        let own = runtime_version(&catalogue, &entry.text("Runtime").unwrap_or_default());
        let pinned = body.text("RuntimeVersionArn")?;
        if pinned.is_some_and(|pinned| pinned != own) {
            return Err(Refusal::not_implemented("another version of a runtime"));
        }
        let mut config = json!({"UpdateRuntimeOn": wanted});
        if let (Some(pinned), Some(members)) = (pinned, config.as_object_mut()) {
            members.insert("RuntimeVersionArn".to_owned(), json!(pinned));
        }
        self.put_property(asked, "RuntimeManagementConfig", config.clone())
            .await?;
        let mut shown = config;
        if let Some(members) = shown.as_object_mut() {
            let arn = catalogue.arn(named.function.as_str(), None);
            members.insert("FunctionArn".to_owned(), json!(arn));
        }
        Ok(answers::json(200, &shown))
    }

    async fn put_property(
        &self,
        asked: &Asked<'_>,
        name: &str,
        value: Value,
    ) -> Result<u64, Refusal> {
        let named = asked.function()?;
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        let mut entry = latest(&catalogue, &named)?.clone();
        entry.properties.insert(name.to_owned(), value);
        entry.is_changed = true;
        let mut change = Change::default();
        change.put(Kind::Function, named.function.as_str(), entry);
        turn.apply(change).await
    }

    /// No function has one: `CodeSigningConfigArn` is refused.
    fn code_signing(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let catalogue = self.catalogue()?;
        let name = named.function.as_str();
        if catalogue.function(name).is_none() {
            return Err(missing(&catalogue, &named));
        }
        Ok(answers::json(200, &json!({"FunctionName": name})))
    }
}
