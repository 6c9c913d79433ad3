//! Tags of buses and rules.

use model::arn::Arn;
use serde_json::{Value, json};

use super::Context;
use super::{buses, rules};
use crate::engine::catalogue::Change;
use crate::engine::rows::{Bus, Rule, Tags};
use crate::engine::state::{DEFAULT, State, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{self, ARN, Fields};

/// What has tags.
enum Tagged {
    Bus(String),
    Rule { bus: String, name: String },
}

pub(super) async fn tag_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let arn = fields.required("ResourceARN", &ARN);
    let tags = fields::tags(&mut fields)?.unwrap_or_default();
    fields.finish()?;
    let tagged = Tagged::read(&arn)?;
    edit(context, &tagged, |there| there.extend(tags)).await
}

pub(super) async fn untag_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let arn = fields.required("ResourceARN", &ARN);
    let keys = fields.take("TagKeys").unwrap_or_default();
    fields.finish()?;
    let tagged = Tagged::read(&arn)?;
    edit(context, &tagged, |there| {
        for key in keys
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            there.remove(key);
        }
    })
    .await
}

pub(super) async fn list_tags_for_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let arn = fields.required("ResourceARN", &ARN);
    fields.finish()?;
    let tagged = Tagged::read(&arn)?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| Ok(json!({"Tags": shown(tagged.tags(state)?)})))
}

/// Tags as the API tells them.
pub(crate) fn shown(tags: &Tags) -> Vec<Value> {
    tags.iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect()
}

async fn edit(context: &Context<'_>, tagged: &Tagged, change: impl FnOnce(&mut Tags)) -> Answer {
    context
        .catalogue
        .change(context.place, |state| {
            let mut tags = tagged.tags(state)?.clone();
            change(&mut tags);
            let step = match tagged {
                Tagged::Bus(name) => Step::PutBus(Bus {
                    tags,
                    ..buses::find(state, name)?.row.clone()
                }),
                Tagged::Rule { bus, name } => Step::PutRule(Rule {
                    tags,
                    ..rules::find(state, bus, name)?.row.clone()
                }),
            };
            Ok((json!({}), Change::one(step)))
        })
        .await
}

impl Tagged {
    fn read(arn: &str) -> Result<Self, Fault> {
        let invalid = || Fault::validation(format!("Parameter {arn} is not valid."));
        let parsed = Arn::parse(arn).map_err(|_| invalid())?;
        let parts: Vec<&str> = parsed.resource.split('/').collect();
        match parts.as_slice() {
            ["event-bus", name] => Ok(Self::Bus((*name).to_owned())),
            ["rule", name] => Ok(Self::Rule {
                bus: DEFAULT.to_owned(),
                name: (*name).to_owned(),
            }),
            ["rule", bus, name] => Ok(Self::Rule {
                bus: (*bus).to_owned(),
                name: (*name).to_owned(),
            }),
            _ => Err(invalid()),
        }
    }

    fn tags<'s>(&self, state: &'s State) -> Result<&'s Tags, Fault> {
        match self {
            Self::Bus(name) => Ok(&buses::find(state, name)?.row.tags),
            Self::Rule { bus, name } => {
                let found = state.rule(bus, name);
                let found = found.ok_or_else(|| Fault::no_rule(bus, name))?;
                Ok(&found.row.tags)
            }
        }
    }
}
