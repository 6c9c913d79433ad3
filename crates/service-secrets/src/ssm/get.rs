//! Values of parameters: chosen, opened, told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::describe::{Filter, take_filters};
use super::put::belongs;
use super::{NAME, OF_SECRET, ParameterRef, SECURE, arn, judge_form, not_found, page_wanted};
use crate::engine::catalogue::{Catalogue, Error};
use crate::engine::cipher::Blob;
use crate::engine::keys::Place;
use crate::engine::lookup::KeyRef;
use crate::engine::rows::{Json, ParameterVersion};
use crate::engine::state::{KeptParameter, State, bare};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, Text, insert_some, page, seconds};
use crate::kms;
use crate::secretsmanager::{SecretRef, chosen, no_secret, opened};
use crate::service::Context;

const NAMES_MAX: usize = 10;

/// A version of a parameter, as it was asked for.
#[derive(Clone)]
pub(crate) struct Chosen {
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) selector: Option<String>,
    pub(crate) version: ParameterVersion,
}

impl Chosen {
    /// Finds what a request names.
    pub(crate) fn find(state: &State, wanted: &ParameterRef) -> Result<Self, Fault> {
        let kept = wanted.find(state).ok_or_else(not_found)?;
        let version = match &wanted.selector {
            None => kept.newest(),
            Some(selector) => Some(selected(kept, wanted, selector)?),
        };
        // `/x` and `x` are the same, and told as they were asked for.
        let name = match wanted.is_arn {
            true => kept.row.name.clone(),
            false => wanted.name.clone(),
        };
        Ok(Self {
            place: state.place.clone(),
            name,
            kind: kept.row.kind.clone(),
            selector: wanted.selector.clone(),
            version: version.ok_or_else(not_found)?.clone(),
        })
    }

    /// The value, open if that is wanted.
    #[expect(
        clippy::fn_params_excessive_bools,
        reason = "whether secret values are opened"
    )]
    pub(crate) async fn value(&self, catalogue: &Catalogue, open: bool) -> Result<String, Fault> {
        if self.kind != SECURE || !open {
            return Ok(self.version.value.clone());
        }
        let bytes = STANDARD.decode(&self.version.value).unwrap_or_default();
        let blob = Blob::read(&bytes).ok_or(Error::Sealed)?;
        let wanted = KeyRef::read(blob.arn, &self.place);
        let invalid = |message: String| Fault::new("InvalidKeyId", message);
        let found = catalogue.key(&wanted).await?;
        let found = found.ok_or_else(|| invalid(kms::missing(&wanted).message))?;
        let judged = kms::judge_use(&found, "ENCRYPT_DECRYPT", "Decrypt");
        judged.map_err(|fault| invalid(fault.message))?;
        let root = catalogue.root().await?;
        let belongs = belongs(&self.place, &self.name);
        let plain = found.key.decrypt(root, &blob, &belongs)?;
        String::from_utf8(plain.ok_or(Error::Sealed)?).map_err(|_| Error::Sealed.into())
    }

    #[expect(
        clippy::fn_params_excessive_bools,
        reason = "whether secret values are opened"
    )]
    async fn told(&self, catalogue: &Catalogue, open: bool) -> Answer {
        let mut told = Json::new();
        told.insert("Name".to_owned(), self.name.as_str().into());
        told.insert("Type".to_owned(), self.kind.as_str().into());
        told.insert(
            "Value".to_owned(),
            self.value(catalogue, open).await?.into(),
        );
        told.insert("Version".to_owned(), self.version.number.into());
        let selector = self
            .selector
            .as_ref()
            .map(|selector| format!(":{selector}"));
        insert_some(&mut told, "Selector", selector);
        told.insert(
            "LastModifiedDate".to_owned(),
            seconds(self.version.modified_at),
        );
        told.insert("ARN".to_owned(), arn(&self.place, &self.name).into());
        told.insert("DataType".to_owned(), "text".into());
        Ok(Value::Object(told))
    }
}

fn selected<'k>(
    kept: &'k KeptParameter,
    wanted: &ParameterRef,
    selector: &str,
) -> Result<&'k ParameterVersion, Fault> {
    let (what, number) = match selector.parse::<u64>() {
        Ok(number) => ("version", Some(number)),
        Err(_) => ("label", kept.row.labels.get(selector).copied()),
    };
    let found = number.and_then(|number| kept.versions.get(&number));
    found.ok_or_else(|| {
        let name = &wanted.name;
        let message = format!(
            "Systems Manager could not find {what} {selector} of {name}. Verify the {what} and try again."
        );
        Fault::new("ParameterVersionNotFound", message)
    })
}

pub(super) async fn get_parameter(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &NAME);
    let open = fields.flag("WithDecryption").unwrap_or(false);
    fields.finish()?;
    let told = one(context, &name, open).await?;
    Ok(json!({"Parameter": told}))
}

#[expect(
    clippy::fn_params_excessive_bools,
    reason = "whether secret values are opened"
)]
async fn one(context: &Context<'_>, name: &str, open: bool) -> Answer {
    if let Some(secret) = name.strip_prefix(OF_SECRET) {
        return of_secret(context, name, secret, open).await;
    }
    let wanted = ParameterRef::read(name, context.place);
    wanted.judge()?;
    let shelf = context.catalogue.shelf(&wanted.place).await?;
    let chosen = shelf.look(|state| Chosen::find(state, &wanted))?;
    chosen.told(context.catalogue, open).await
}

/// A secret of Secrets Manager, as a parameter.
#[expect(
    clippy::fn_params_excessive_bools,
    reason = "whether secret values are opened"
)]
async fn of_secret(context: &Context<'_>, name: &str, secret: &str, open: bool) -> Answer {
    if !open {
        return Err(Fault::validation(
            "WithDecryption flag must be True for retrieving a Secret Manager secret.",
        ));
    }
    let (id, selector) = secret
        .split_once(':')
        .map_or((secret, None), |(id, selector)| (id, Some(selector)));
    let (arn, version, text, created) = secret_value(context.catalogue, context.place, (id, selector, None))
        .await
        .map_err(|fault| match fault.code {
            "ResourceNotFoundException" => Fault::new(
                "ParameterNotFound",
                format!("An error occurred (ParameterNotFound) when referencing Secrets Manager: Secret {name} not found."),
            ),
            _ => fault,
        })?;
    let source = json!({"ARN": arn, "name": id, "versionId": version, "createdDate": created});
    Ok(json!({
        "Name": name,
        "Type": SECURE,
        "Value": text,
        "Version": 0,
        "SourceResult": source.to_string(),
        "LastModifiedDate": created,
        "ARN": arn,
        "DataType": "text",
    }))
}

/// ARN, version, text and time of a secret's value, by a stage or a version.
pub(crate) async fn secret_value(
    catalogue: &Catalogue,
    place: &Place,
    (id, stage, version): (&str, Option<&str>, Option<&str>),
) -> Result<(String, String, String, Value), Fault> {
    let wanted = SecretRef::read(id, place);
    let shelf = catalogue.shelf(&wanted.place).await?;
    let (row, found) = shelf.look(|state| {
        let kept = wanted
            .find(state)
            .filter(|kept| kept.row.deletion.is_none());
        let kept = kept.ok_or_else(no_secret)?;
        let found = chosen(kept, version, stage)?;
        Ok::<_, Fault>((kept.row.clone(), found.clone()))
    })?;
    let plain = opened(catalogue, &row, &wanted.place, &found).await?;
    let text = match plain.is_binary {
        true => STANDARD.encode(plain.bytes),
        false => String::from_utf8(plain.bytes).unwrap_or_default(),
    };
    Ok((
        row.arn(&wanted.place),
        found.id,
        text,
        seconds(found.created_at),
    ))
}

pub(super) async fn get_parameters(context: &Context<'_>, mut fields: Fields) -> Answer {
    let names = fields.texts("Names").unwrap_or_default();
    let open = fields.flag("WithDecryption").unwrap_or(false);
    fields.finish()?;
    if NAMES_MAX < names.len() || names.is_empty() {
        let (what, bound) = match names.is_empty() {
            true => ("greater", 1),
            false => ("less", NAMES_MAX),
        };
        return Err(Fault::validation(format!(
            "1 validation error detected: Value '[{}]' at 'names' failed to satisfy constraint: Member must have length {what} than or equal to {bound}",
            names.join(", ")
        )));
    }
    let (mut found, mut invalid) = (Vec::new(), Vec::new());
    for name in names {
        match one(context, &name, open).await {
            Ok(told) => found.push(told),
            Err(fault)
                if matches!(fault.code, "ParameterNotFound" | "ParameterVersionNotFound") =>
            {
                invalid.push(name);
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(json!({"Parameters": found, "InvalidParameters": invalid}))
}

pub(super) async fn get_parameters_by_path(context: &Context<'_>, mut fields: Fields) -> Answer {
    let path = fields.required("Path", &Text::long(1, 2_048));
    let recursive = fields.flag("Recursive").unwrap_or(false);
    let open = fields.flag("WithDecryption").unwrap_or(false);
    let filters = take_filters(&mut fields, &["Type", "KeyId", "Label", "DataType"])?;
    let (token, limit) = page_wanted(&mut fields, 10);
    fields.finish()?;
    let inner = path.trim_end_matches('/');
    let is_path = path.starts_with('/') && (inner.is_empty() || judge_form(inner).is_ok());
    if !is_path {
        return Err(Fault::validation(
            "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol \"/\". Valid example: /get/parameters2-/by1./path0_.",
        ));
    }
    let prefix = format!("{}/", bare(inner));
    let prefix = if inner.is_empty() { "" } else { &prefix };
    let shelf = context.catalogue.shelf(context.place).await?;
    let (listed, next) = shelf.look(|state| {
        let all = state.parameters.iter();
        let below = all.filter(|(name, kept)| {
            let rest = name.strip_prefix(prefix);
            let is_path = kept.row.name.starts_with('/') || inner.is_empty();
            is_path && rest.is_some_and(|rest| recursive || !rest.contains('/'))
        });
        let matching = below.filter_map(|(name, kept)| {
            let version = labelled(kept, &filters)?;
            let chosen = Chosen {
                place: state.place.clone(),
                name: kept.row.name.clone(),
                kind: kept.row.kind.clone(),
                selector: None,
                version: version.clone(),
            };
            filters
                .iter()
                .all(|filter| filter.holds(kept))
                .then(|| (name.clone(), chosen))
        });
        page(matching, token.as_deref(), limit)
    });
    let mut parameters = Vec::new();
    for chosen in listed {
        parameters.push(chosen.told(context.catalogue, open).await?);
    }
    let mut answer = Json::new();
    answer.insert("Parameters".to_owned(), parameters.into());
    insert_some(&mut answer, "NextToken", next);
    Ok(Value::Object(answer))
}

/// The version that a filter of labels asks for; the newest otherwise.
fn labelled<'k>(kept: &'k KeptParameter, filters: &[Filter]) -> Option<&'k ParameterVersion> {
    let Some(filter) = filters.iter().find(|filter| filter.key == "Label") else {
        return kept.newest();
    };
    let mut labels = kept.row.labels.iter();
    let (_, number) = labels.find(|(label, _)| filter.values.contains(label))?;
    kept.versions.get(number)
}
