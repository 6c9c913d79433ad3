//! Buses.

use serde_json::{Value, json};

use super::{BusRef, Context, seconds};
use crate::engine::catalogue::Change;
use crate::engine::keys::Place;
use crate::engine::rows::{Bus, Json, Tags};
use crate::engine::state::{DEFAULT, KeptBus, State, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{self, BUS, BUS_NAME, DESCRIPTION, Fields, page, paged};

/// Buses of an account and region.
const BUSES_MAX: usize = 1_000;
const PAGE_MAX: i64 = 100;
/// What is kept, shown, and nothing else comes of.
const SHOWN: [&str; 4] = [
    "Description",
    "KmsKeyIdentifier",
    "DeadLetterConfig",
    "LogConfig",
];

/// A bus as somebody wants it.
pub(crate) struct Wish {
    pub(crate) name: String,
    pub(crate) shown: Json,
    pub(crate) tags: Tags,
    /// The resource of a stack that it is for.
    pub(crate) owner: Option<String>,
}

pub(super) async fn create_event_bus(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("CreateEventBus", &["EventSourceName"])?;
    let name = fields.required("Name", &BUS_NAME);
    let shown = shown(&mut fields);
    let tags = fields::tags(&mut fields)?.unwrap_or_default();
    fields.finish()?;
    let wish = Wish {
        name,
        shown,
        tags,
        owner: None,
    };
    create(context, context.place, wish).await
}

/// Makes a bus, or finds the one that was made for the same resource.
pub(crate) async fn create(context: &Context<'_>, place: &Place, wish: Wish) -> Answer {
    if wish.name.contains('/') || wish.name == DEFAULT && wish.owner.is_some() {
        return Err(Fault::validation("Event bus name must not contain '/'."));
    }
    let now = context.catalogue.clock.now();
    context
        .catalogue
        .change(place, |state| {
            let there = state.buses.get(&wish.name).map(|kept| &kept.row);
            if there.is_some_and(|bus| wish.owner.is_none() || bus.owner != wish.owner) {
                let message = format!("Event bus {} already exists.", wish.name);
                return Err(Fault::exists(message));
            }
            if BUSES_MAX <= state.buses.len() {
                return Err(Fault::limit());
            }
            let bus = Bus {
                policy: there.and_then(|bus| bus.policy.clone()),
                created_at: there.map_or(now, |bus| bus.created_at),
                modified_at: now,
                name: wish.name,
                shown: wish.shown,
                tags: wish.tags,
                owner: wish.owner,
            };
            let mut answer = bus.shown.clone();
            answer.insert(
                "EventBusArn".to_owned(),
                place.bus_arn(&bus.name).to_string().into(),
            );
            Ok((Value::Object(answer), Change::one(Step::PutBus(bus))))
        })
        .await
}

pub(super) async fn update_event_bus(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.text("Name", &BUS_NAME);
    let name = name.unwrap_or_else(|| DEFAULT.to_owned());
    let shown = shown(&mut fields);
    fields.finish()?;
    let now = context.catalogue.clock.now();
    let place = context.place;
    context
        .catalogue
        .change(place, |state| {
            let there = find(state, &name)?;
            let bus = Bus {
                shown,
                modified_at: now,
                ..there.row.clone()
            };
            let mut answer = bus.shown.clone();
            answer.insert("Arn".to_owned(), place.bus_arn(&name).to_string().into());
            answer.insert("Name".to_owned(), name.clone().into());
            Ok((Value::Object(answer), Change::one(Step::PutBus(bus))))
        })
        .await
}

pub(super) async fn delete_event_bus(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &BUS_NAME);
    fields.finish()?;
    delete(context, context.place, &name).await
}

/// Deletes a bus; one that is gone is no error.
pub(crate) async fn delete(context: &Context<'_>, place: &Place, name: &str) -> Answer {
    if name == DEFAULT {
        return Err(Fault::validation("Cannot delete event bus default."));
    }
    context
        .catalogue
        .change(place, |state| {
            if state.rules_of(name).next().is_some() {
                return Err(Fault::validation(
                    "Event bus can't be deleted since it has rules.",
                ));
            }
            let change = match state.buses.contains_key(name) {
                true => Change::one(Step::DropBus(name.to_owned())),
                false => Change::default(),
            };
            Ok((Value::Null, change))
        })
        .await
}

pub(super) async fn describe_event_bus(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.text("Name", &BUS);
    fields.finish()?;
    let bus = BusRef::read(name.as_deref(), context.place);
    let shelf = context.catalogue.shelf(&bus.place).await?;
    shelf.look(|state| Ok(description(&bus.place, find(state, &bus.name)?)))
}

pub(super) async fn list_event_buses(context: &Context<'_>, mut fields: Fields) -> Answer {
    let prefix = fields.text("NamePrefix", &BUS_NAME).unwrap_or_default();
    let limit = fields.whole("Limit", 1, PAGE_MAX).unwrap_or(PAGE_MAX);
    let after = fields.take("NextToken");
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let named = state
            .buses
            .iter()
            .filter(|(name, _)| name.starts_with(&prefix));
        let shown = named.map(|(name, bus)| (name.clone(), description(context.place, bus)));
        let limit = usize::try_from(limit).unwrap_or(1);
        let (buses, token) = page(shown, after.as_ref().and_then(Value::as_str), limit);
        Ok(paged("EventBuses", json!(buses), token))
    })
}

/// A bus that has to be there.
pub(super) fn find<'s>(state: &'s State, name: &str) -> Result<&'s KeptBus, Fault> {
    let found = state.buses.get(name).map(|bus| &**bus);
    found.ok_or_else(|| Fault::no_bus(name))
}

fn shown(fields: &mut Fields) -> Json {
    let mut shown = Json::new();
    for name in SHOWN {
        let value = match name {
            "Description" => fields.text(name, &DESCRIPTION).map(Value::from),
            _ => fields.take(name),
        };
        if let Some(value) = value {
            shown.insert(name.to_owned(), value);
        }
    }
    shown
}

fn description(place: &Place, bus: &KeptBus) -> Value {
    let row = &bus.row;
    let mut shown = row.shown.clone();
    shown.insert("Name".to_owned(), row.name.clone().into());
    shown.insert(
        "Arn".to_owned(),
        place.bus_arn(&row.name).to_string().into(),
    );
    shown.insert("CreationTime".to_owned(), seconds(row.created_at));
    shown.insert("LastModifiedTime".to_owned(), seconds(row.modified_at));
    if let Some(policy) = &row.policy {
        let text = Value::Object(policy.clone()).to_string();
        shown.insert("Policy".to_owned(), text.into());
    }
    Value::Object(shown)
}
