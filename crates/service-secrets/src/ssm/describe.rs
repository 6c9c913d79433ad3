//! What is told of parameters besides their values: descriptions, history.

use serde_json::{Value, json};

use super::get::Chosen;
use super::{NAME, ParameterRef, arn, not_found, page_wanted};
use crate::engine::keys::Place;
use crate::engine::rows::{Json, ParameterVersion};
use crate::engine::state::{KeptParameter, bare};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, insert_some, page, seconds};
use crate::service::Context;

/// A filter of parameters.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) key: String,
    option: String,
    pub(super) values: Vec<String>,
}

/// Takes `ParameterFilters`.
pub(super) fn take_filters(fields: &mut Fields, keys: &[&str]) -> Result<Vec<Filter>, Fault> {
    let given = fields.take("ParameterFilters").unwrap_or_default();
    let mut filters: Vec<Filter> = Vec::new();
    for filter in given.as_array().into_iter().flatten() {
        let member = |name: &str| filter.get(name).and_then(Value::as_str);
        let key = member("Key").unwrap_or_default();
        let is_tag = key.starts_with("tag:") && keys.contains(&"tag");
        if !is_tag && !keys.contains(&key) {
            let message = format!(
                "The following filter key is not valid: {key}. Valid filter keys include: [{}].",
                keys.join(", ")
            );
            return Err(Fault::new("InvalidFilterKey", message));
        }
        if filters.iter().any(|there| there.key == key) {
            let message = format!(
                "The following filter is duplicated in the request: {key}. A request can contain only one occurrence of a specific filter."
            );
            return Err(Fault::validation(message));
        }
        let values = filter.get("Values").and_then(Value::as_array);
        let values: Vec<String> = values
            .into_iter()
            .flatten()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect();
        let usual = if key == "Path" { "OneLevel" } else { "Equals" };
        let option = member("Option").unwrap_or(usual);
        let options: &[&str] = match key {
            "Path" => &["Recursive", "OneLevel"],
            "Name" => &["BeginsWith", "Equals", "Contains"],
            _ => &["Equals", "BeginsWith"],
        };
        if !options.contains(&option) {
            let message = format!(
                "The following filter option is not valid: {option}. Valid options include: [{}].",
                options.join(", ")
            );
            return Err(Fault::new("InvalidFilterOption", message));
        }
        if values.is_empty() && !is_tag {
            let message =
                format!("The following filter values are missing : null for filter key {key}");
            return Err(Fault::new("InvalidFilterValue", message));
        }
        filters.push(Filter {
            key: key.to_owned(),
            option: option.to_owned(),
            values,
        });
    }
    Ok(filters)
}

impl Filter {
    /// Whether a parameter is what it asks for.
    pub(super) fn holds(&self, kept: &KeptParameter) -> bool {
        let Some(newest) = kept.newest() else {
            return false;
        };
        let name = bare(&kept.row.name);
        let equals = |text: &str| {
            self.values.iter().any(|value| match self.option.as_str() {
                "BeginsWith" => text.starts_with(value),
                "Contains" => text.contains(value.as_str()),
                _ => text == value,
            })
        };
        match self.key.as_str() {
            "Name" => self.values.iter().any(|value| match self.option.as_str() {
                "BeginsWith" => name.starts_with(bare(value)),
                "Contains" => kept.row.name.contains(value.as_str()),
                _ => name == bare(value),
            }),
            "Path" => self.values.iter().any(|value| {
                let path = value.trim_matches('/');
                let rest = match path {
                    "" => Some(name),
                    path => name
                        .strip_prefix(path)
                        .and_then(|rest| rest.strip_prefix('/')),
                };
                rest.is_some_and(|rest| self.option == "Recursive" || !rest.contains('/'))
            }),
            "Type" => equals(&kept.row.kind),
            "KeyId" => newest.key.as_deref().is_some_and(equals),
            "Tier" => equals(&newest.tier),
            "DataType" => equals("text"),
            "Label" => self
                .values
                .iter()
                .any(|label| kept.row.labels.contains_key(label)),
            key => {
                let tag = key
                    .strip_prefix("tag:")
                    .and_then(|key| kept.row.tags.get(key));
                tag.is_some_and(|tag| self.values.is_empty() || equals(tag))
            }
        }
    }
}

fn described(place: &Place, kept: &KeptParameter, version: &ParameterVersion) -> Json {
    let mut told = Json::new();
    told.insert("Name".to_owned(), kept.row.name.as_str().into());
    told.insert("ARN".to_owned(), arn(place, &kept.row.name).into());
    told.insert("Type".to_owned(), kept.row.kind.as_str().into());
    insert_some(&mut told, "KeyId", version.key.as_deref());
    told.insert("LastModifiedDate".to_owned(), seconds(version.modified_at));
    told.insert(
        "LastModifiedUser".to_owned(),
        version.modified_by.as_str().into(),
    );
    insert_some(&mut told, "Description", version.description.as_deref());
    insert_some(
        &mut told,
        "AllowedPattern",
        version.allowed_pattern.as_deref(),
    );
    told.insert("Version".to_owned(), version.number.into());
    told.insert("Tier".to_owned(), version.tier.as_str().into());
    told.insert("Policies".to_owned(), json!([]));
    told.insert("DataType".to_owned(), "text".into());
    told
}

pub(super) async fn describe_parameters(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("DescribeParameters", &["Filters"])?;
    if fields.flag("Shared") == Some(true) {
        return Err(Fault::not_implemented("DescribeParameters with Shared"));
    }
    let keys = ["Path", "Name", "Type", "KeyId", "Tier", "DataType", "tag"];
    let filters = take_filters(&mut fields, &keys)?;
    let (token, limit) = page_wanted(&mut fields, 50);
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let all = state.parameters.iter();
        let wanted = all.filter(|(_, kept)| filters.iter().all(|filter| filter.holds(kept)));
        let told = wanted.filter_map(|(name, kept)| {
            let told = described(context.place, kept, kept.newest()?);
            Some((name.clone(), Value::Object(told)))
        });
        let (listed, next) = page(told, token.as_deref(), limit);
        let mut answer = Json::new();
        answer.insert("Parameters".to_owned(), listed.into());
        insert_some(&mut answer, "NextToken", next);
        Ok(Value::Object(answer))
    })
}

pub(super) async fn get_parameter_history(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &NAME);
    let open = fields.flag("WithDecryption").unwrap_or(false);
    let (token, limit) = page_wanted(&mut fields, 50);
    fields.finish()?;
    let wanted = ParameterRef::read(&name, context.place);
    wanted.judge()?;
    let shelf = context.catalogue.shelf(&wanted.place).await?;
    let kept = shelf.look(|state| wanted.find(state).cloned());
    let kept = kept.ok_or_else(not_found)?;
    let keyed = kept
        .versions
        .values()
        .map(|one| (format!("{:020}", one.number), one));
    let (listed, next) = page(keyed, token.as_deref(), limit);
    let mut parameters = Vec::new();
    for version in listed {
        let chosen = Chosen {
            place: wanted.place.clone(),
            name: kept.row.name.clone(),
            kind: kept.row.kind.clone(),
            selector: None,
            version: version.clone(),
        };
        let mut told = described(&wanted.place, &kept, version);
        told.remove("ARN");
        let value = chosen.value(context.catalogue, open).await?;
        told.insert("Value".to_owned(), value.into());
        let labels = kept.row.labels.iter();
        let own = labels.filter(|(_, number)| **number == version.number);
        let own: Vec<&String> = own.map(|(label, _)| label).collect();
        told.insert("Labels".to_owned(), json!(own));
        parameters.push(Value::Object(told));
    }
    let mut answer = Json::new();
    answer.insert("Parameters".to_owned(), parameters.into());
    insert_some(&mut answer, "NextToken", next);
    Ok(Value::Object(answer))
}
