//! Making functions.
//!
//! Lives here: `CreateFunction`.
//! Does not live here: what can be said of a function (`settings`), its code (`code`), serving it.
//!
//! Contract: AWS Lambda API Reference, `CreateFunction`, and answers recorded from the service.

use std::sync::Arc;

use interfaces::resource_provider::Properties;
use interfaces::service::ServiceAnswer;
use model::limits::LAMBDA_LAYERS_MAX;
use resource_types::text_of;
use serde_json::{Value, json};

use crate::answers::{self, Refusal};
use crate::catalogue::{Catalogue, Entry, Kind, Status};
use crate::function_name::Named;
use crate::keeper::Change;
use crate::rendering::{Detail, Subject};
use crate::request::{Asked, Body, broken, null_at};
use crate::service::{Handler, Service};
use crate::{roles, settings, tags};

pub(crate) const HANDLERS: &[(&str, Handler)] = &[("CreateFunction", |service, asked| {
    Box::pin(service.create_function(asked))
})];

/// Characters of a function's name.
const NAME_LENGTH_MAX: usize = 64;
/// Characters of an ARN that names one.
const ARN_LENGTH_MAX: usize = 140;
const NAME_PATTERN: &str = "Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?";

impl Service {
    async fn create_function(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let body = asked.body()?;
        let named = new_name(asked, &body)?;
        let mut properties = Properties::new();
        settings::apply(&body, &mut properties)?;
        let runs = body.has("Runtime") && body.has("Handler");
        if !runs {
            return Err(Refusal::invalid_parameter(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
            ));
        }
        let code = body.object("Code")?.unwrap_or(Body(Properties::new()));
        let archive = self.archive(&code).await?.ok_or_else(|| {
            Refusal::invalid_parameter("Please provide a source for function code.")
        })?;
        let name = named.function.to_string();
        let catalogue = self.catalogue()?;
        is_of_region(asked, &catalogue)?;
        check_layers(&catalogue, &properties)?;
        roles::judge(&*self.authorize, &properties, &catalogue.arn(&name, None))?;
        properties.insert("FunctionName".to_owned(), json!(name));
        if let Some(architectures) = body.texts("Architectures")? {
            properties.insert("Architectures".to_owned(), json!(architectures));
        }
        if let Some(given) = body.object("Tags")? {
            properties.insert("Tags".to_owned(), tags::listed(&tags::checked(&given)?));
        }
        let code = self.keep_archive(archive).await?;
        let turn = self.keeper.turn().await?;
        if turn.catalogue.function(&name).is_some() {
            return Err(Refusal::conflict(&format!(
                "Function already exist: {name}"
            )));
        }
        let mut entry = Entry::new(properties, name.clone(), self.draw_id(), self.clock.now());
        let arn = turn.catalogue.arn(&name, None);
        entry.attributes.insert("Arn".to_owned(), json!(arn));
        entry.code = Some(code);
        entry.status = Status::Creating(turn.next_generation());
        let mut change = Change::default();
        change.put(Kind::Function, name.clone(), entry.clone());
        let wants_version = body.flag("Publish")?.unwrap_or(false);
        let mut shown = entry.clone();
        if wants_version {
            let (key, version) = self
                .version_from(&turn.catalogue, &name, &entry, None)
                .await?;
            shown = version.clone();
            change.put(Kind::Version, key, version);
        }
        let catalogue = Arc::clone(&turn.catalogue);
        let generation = turn.apply(change).await?;
        let subject = Subject {
            name: &name,
            entry: &shown,
            // Even that of a version is told without its number.
            qualifier: None,
        };
        let answer = self.configuration(&catalogue, subject, Detail::Whole).await;
        self.keeper.served(generation).await;
        Ok(answers::json(201, &Value::Object(answer)))
    }
}

fn new_name(asked: &Asked<'_>, body: &Body) -> Result<Named, Refusal> {
    let mut errors = Vec::new();
    for member in ["Role", "FunctionName", "Code"] {
        if !body.has(member) {
            errors.push(null_at(member));
        }
    }
    if !errors.is_empty() {
        return Err(Refusal::validations(&errors));
    }
    let text = body.required("FunctionName")?;
    let read = Named::read(text, None, asked.region(), asked.account());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_named = |named: &Named| named.function.as_str().bytes().all(is_plain);
    let is_unreadable = match &read {
        Ok(named) => !is_named(named),
        Err(refusal) => refusal.is_validation(),
    };
    if ARN_LENGTH_MAX < text.len() {
        let constraint = format!("Member must have length less than or equal to {ARN_LENGTH_MAX}");
        errors.push(broken(text, "functionName", &constraint));
    }
    if is_unreadable {
        errors.push(broken(text, "functionName", NAME_PATTERN));
    }
    if !errors.is_empty() {
        return Err(Refusal::validations(&errors));
    }
    let named = read?;
    let name = named.function.as_str();
    if NAME_LENGTH_MAX < name.len() {
        let constraint = format!("Member must have length less than or equal to {NAME_LENGTH_MAX}");
        let error = broken(name, "functionName", &constraint);
        return Err(Refusal::invalid_parameter(&format!(
            "1 validation error detected: {error}"
        )));
    }
    Ok(named)
}

/// One region is deployed, and functions are made there.
///
/// # Errors
/// The request is signed for another one.
pub(crate) fn is_of_region(asked: &Asked<'_>, catalogue: &Catalogue) -> Result<(), Refusal> {
    if *asked.region() == catalogue.region {
        return Ok(());
    }
    Err(Refusal::not_implemented(&format!(
        "anything in {} (this project is deployed in {})",
        asked.region(),
        catalogue.region
    )))
}

/// Layers have to be there, each once.
///
/// # Errors
/// As the provider says it.
pub(crate) fn check_layers(catalogue: &Catalogue, properties: &Properties) -> Result<(), Refusal> {
    let listed = properties.get("Layers").and_then(Value::as_array);
    let arns: Vec<String> = listed.into_iter().flatten().filter_map(text_of).collect();
    if LAMBDA_LAYERS_MAX < arns.len() {
        return Err(Refusal::invalid_parameter(&format!(
            "Cannot reference more than {LAMBDA_LAYERS_MAX} layers."
        )));
    }
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for arn in &arns {
        let parts: Vec<&str> = arn.split(':').collect();
        let [_, _, _, region, _, "layer", _, number] = parts.as_slice() else {
            let listed = format!("[{}]", arns.join(", "));
            return Err(Refusal::validations(&[broken(
                &listed,
                "layers",
                LAYER_PATTERN,
            )]));
        };
        if *region != catalogue.region.as_str() {
            return Err(Refusal::invalid_parameter(&format!(
                "Layers are not in the same region as the function. Layers are expected to be in region {}.",
                catalogue.region
            )));
        }
        let found = crate::rendering::layer_named(catalogue, arn);
        if found.is_none_or(|layer| layer.is_removed) || number.is_empty() {
            return Err(Refusal::invalid_parameter(&format!(
                "Layer version {arn} does not exist."
            )));
        }
        let of = arn.rsplit_once(':').map_or(arn.as_str(), |(of, _)| of);
        if let Some((_, other)) = seen.iter().find(|(layer, _)| *layer == of) {
            return Err(Refusal::invalid_parameter(&format!(
                "Two different versions of the same layer are not allowed to be referenced in the same function. {other} and {arn} are versions of the same layer."
            )));
        }
        seen.push((of, arn));
    }
    Ok(())
}

const LAYER_PATTERN: &str = "Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+), Member must not be null]";
