//! Functions and versions, as the API shows them.
//!
//! Lives here: `FunctionConfiguration`, and how points in time are written.
//! Does not live here: which function is shown (`reads`), what it runs (`emission`).
//!
//! Contract: AWS Lambda API Reference, `FunctionConfiguration`, and answers recorded from the service.

use interfaces::resource_provider::Properties;
use model::function::LATEST;
use model::limits::{
    LAMBDA_EPHEMERAL_STORAGE_MB_DEFAULT, LAMBDA_MEMORY_MB_DEFAULT, LAMBDA_TIMEOUT_DEFAULT,
};
use model::time::Timestamp;
use resource_types::text_of;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::catalogue::{Catalogue, Code, Entry, Kind, Status, numbered};
use crate::code::Described;
use crate::service::Service;

/// In a version's attributes: the properties of its function when it was published.
pub(crate) const SNAPSHOT: &str = "(function)";

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// All.
    Whole,
    /// What lists show.
    Listed,
}

/// A function, or a version of it.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    /// The function, or its version.
    pub(crate) entry: &'a Entry,
    /// What the ARN ends with.
    pub(crate) qualifier: Option<&'a str>,
}

impl Subject<'_> {
    /// The number of a version; [`LATEST`].
    pub(crate) fn version(&self) -> String {
        let number = self.entry.attributes.get("Version").and_then(text_of);
        number.unwrap_or_else(|| LATEST.to_owned())
    }
}

/// The properties that a version was published with; without any of its own, those of the function. Versions that a template
/// declares run the code that was deployed last.
pub(crate) fn properties_of<'a>(
    catalogue: &'a Catalogue,
    name: &str,
    entry: &'a Entry,
) -> &'a Properties {
    let own = entry.attributes.get(SNAPSHOT).and_then(Value::as_object);
    match own {
        Some(own) => own,
        None if entry.attributes.contains_key("Version") => catalogue
            .function(name)
            .map_or(&entry.properties, |function| &function.properties),
        None => &entry.properties,
    }
}

pub(crate) fn code_of<'a>(
    catalogue: &'a Catalogue,
    name: &str,
    entry: &'a Entry,
) -> Option<&'a Code> {
    let function = || catalogue.function(name)?.code.as_ref();
    entry.code.as_ref().or_else(function)
}

impl Service {
    /// `FunctionConfiguration`.
    pub(crate) async fn configuration(
        &self,
        catalogue: &Catalogue,
        subject: Subject<'_>,
        detail: Detail,
    ) -> Map<String, Value> {
        let Subject {
            name,
            entry,
            qualifier,
        } = subject;
        let properties = properties_of(catalogue, name, entry);
        let code = self.describe(code_of(catalogue, name, entry)).await;
        let mut shown = configured(properties, name, &code);
        let own_description = entry.properties.get("Description").and_then(text_of);
        if let Some(description) = own_description {
            shown.insert("Description".to_owned(), json!(description));
        }
        let layers = self.layers_of(catalogue, properties).await;
        if !layers.is_empty() {
            shown.insert("Layers".to_owned(), json!(layers));
        }
        let mut put = |name: &str, value: Value| {
            shown.insert(name.to_owned(), value);
        };
        put("FunctionArn", json!(catalogue.arn(name, qualifier)));
        put("Version", json!(subject.version()));
        put("RevisionId", json!(entry.revision));
        put("LastModified", json!(written(entry.modified_at)));
        if detail == Detail::Listed {
            return shown;
        }
        let runtime = properties.get("Runtime").and_then(text_of);
        put(
            "RuntimeVersionConfig",
            json!({"RuntimeVersionArn": runtime_version(catalogue, &runtime.unwrap_or_default())}),
        );
        shown.extend(state_of(&entry.status));
        shown
    }

    async fn layers_of(&self, catalogue: &Catalogue, properties: &Properties) -> Vec<Value> {
        let listed = properties.get("Layers").and_then(Value::as_array);
        let mut layers = Vec::new();
        for arn in listed.into_iter().flatten().filter_map(text_of) {
            let entry = layer_named(catalogue, &arn);
            let code = entry.and_then(|entry| entry.code.as_ref());
            let size = self.describe(code).await.bytes;
            layers.push(json!({"Arn": arn, "CodeSize": size}));
        }
        layers
    }
}

/// The version of a layer with this ARN, also one that was deleted: functions keep it.
pub(crate) fn layer_named<'a>(catalogue: &'a Catalogue, arn: &str) -> Option<&'a Entry> {
    let (name, number) = arn.split_once(":layer:")?.1.split_once(':')?;
    let key = numbered(name, number.parse().ok()?);
    catalogue
        .entries
        .get(&(Kind::Layer, key))
        .map(AsRef::as_ref)
}

/// What the properties say, with the provider's defaults.
fn configured(properties: &Properties, name: &str, code: &Described) -> Map<String, Value> {
    let text = |name: &str| properties.get(name).and_then(text_of);
    let whole = |name: &str, default: u64| {
        let given = text(name).and_then(|text| text.parse().ok());
        given.unwrap_or(default)
    };
    let part = |name: &str, part: &str| properties.get(name)?.get(part).and_then(text_of);
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| {
        shown.insert(name.to_owned(), value);
    };
    put("FunctionName", json!(name));
    for name in ["Runtime", "Role", "Handler"] {
        if let Some(value) = text(name) {
            put(name, json!(value));
        }
    }
    put(
        "Description",
        json!(text("Description").unwrap_or_default()),
    );
    put("CodeSha256", json!(code.sha256));
    put("CodeSize", json!(code.bytes));
    put(
        "Timeout",
        json!(whole("Timeout", LAMBDA_TIMEOUT_DEFAULT.as_secs())),
    );
    put(
        "MemorySize",
        json!(whole("MemorySize", LAMBDA_MEMORY_MB_DEFAULT.into())),
    );
    let storage = part("EphemeralStorage", "Size").and_then(|text| text.parse::<u64>().ok());
    let storage = storage.unwrap_or(LAMBDA_EPHEMERAL_STORAGE_MB_DEFAULT.into());
    put("EphemeralStorage", json!({"Size": storage}));
    put(
        "PackageType",
        json!(text("PackageType").unwrap_or_else(|| "Zip".to_owned())),
    );
    let architectures = properties.get("Architectures").cloned();
    put("Architectures", architectures.unwrap_or(json!(["x86_64"])));
    let tracing = part("TracingConfig", "Mode").unwrap_or_else(|| "PassThrough".to_owned());
    put("TracingConfig", json!({"Mode": tracing}));
    let snapshots = part("SnapStart", "ApplyOn").unwrap_or_else(|| "None".to_owned());
    put(
        "SnapStart",
        json!({"ApplyOn": snapshots, "OptimizationStatus": "Off"}),
    );
    put("LoggingConfig", logging(properties, name));
    if let Some(environment) = properties.get("Environment") {
        put(
            "Environment",
            json!({"Variables": texts(environment.get("Variables"))}),
        );
    }
    if let Some(arn) = part("DeadLetterConfig", "TargetArn").filter(|arn| !arn.is_empty()) {
        put("DeadLetterConfig", json!({"TargetArn": arn}));
    }
    if let Some(key) = text("KmsKeyArn").filter(|key| !key.is_empty()) {
        put("KMSKeyArn", json!(key));
    }
    shown
}

fn logging(properties: &Properties, name: &str) -> Value {
    let given = properties.get("LoggingConfig").and_then(Value::as_object);
    let mut logging = given.cloned().unwrap_or_default();
    let format = logging.entry("LogFormat").or_insert(json!("Text")).clone();
    let has_group = logging
        .get("LogGroup")
        .and_then(text_of)
        .is_some_and(|group| !group.is_empty());
    if !has_group {
        logging.insert("LogGroup".to_owned(), json!(format!("/aws/lambda/{name}")));
    }
    if format == "JSON" {
        for level in ["ApplicationLogLevel", "SystemLogLevel"] {
            logging.entry(level).or_insert(json!("INFO"));
        }
    }
    Value::Object(logging)
}

/// A mapping of texts: numbers and flags of templates are texts in the end.
fn texts(value: Option<&Value>) -> Map<String, Value> {
    let members = value.and_then(Value::as_object).into_iter().flatten();
    members
        .map(|(name, value)| (name.clone(), json!(text_of(value).unwrap_or_default())))
        .collect()
}

fn state_of(status: &Status) -> Map<String, Value> {
    let members = match status {
        Status::Settled => json!({"State": "Active", "LastUpdateStatus": "Successful"}),
        Status::Creating(_) => json!({
            "State": "Pending",
            "StateReason": "The function is being created.",
            "StateReasonCode": "Creating",
        }),
        Status::Updating(_) => json!({
            "State": "Active",
            "LastUpdateStatus": "InProgress",
            "LastUpdateStatusReason": "The function is being created.",
            "LastUpdateStatusReasonCode": "Creating",
        }),
        Status::Failed(reason) => json!({
            "State": "Failed",
            "StateReason": reason,
            "StateReasonCode": "InternalError",
            "LastUpdateStatus": "Failed",
            "LastUpdateStatusReason": reason,
            "LastUpdateStatusReasonCode": "InternalError",
        }),
    };
    members.as_object().cloned().unwrap_or_default()
}

/// The runtime is whatever this machine has: its name stands for all versions of it.
pub(crate) fn runtime_version(catalogue: &Catalogue, runtime: &str) -> String {
    let digest = hex::encode(Sha256::digest(runtime.as_bytes()));
    format!("arn:aws:lambda:{}::runtime:{digest}", catalogue.region)
}

/// As `2026-05-12T10:01:02.123+0000`.
pub(crate) fn written(at: Timestamp) -> String {
    formatted(at, "%Y-%m-%dT%H:%M:%S%.3f+0000")
}

/// As `2026-05-12T10:01:02.123456Z`.
pub(crate) fn written_exactly(at: Timestamp) -> String {
    formatted(at, "%Y-%m-%dT%H:%M:%S%.6fZ")
}

/// Seconds since the epoch, as timestamps of JSON protocols are.
pub(crate) fn epoch(at: Timestamp) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of this age fit")]
    let seconds = at.epoch_ms() as f64 / 1_000.0;
    json!(seconds)
}

fn formatted(at: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_microsecond(at.epoch_us())
        .map(|at| at.strftime(format).to_string())
        .unwrap_or_default()
}
