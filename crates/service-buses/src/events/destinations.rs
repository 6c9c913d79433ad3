//! API destinations: addresses that events are sent to.

use model::arn::Arn;
use serde_json::{Value, json};

use super::{Context, seconds};
use crate::engine::catalogue::Change;
use crate::engine::keys::Place;
use crate::engine::rows::{Destination, Json};
use crate::engine::state::{State, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{DESCRIPTION, Fields, NAME, Text, page, paged};

const PAGE_MAX: i64 = 100;
const RATE_DEFAULT: i64 = 300;
const METHODS: Text = Text::one_of(&["HEAD", "POST", "PATCH", "DELETE", "PUT", "GET", "OPTIONS"]);
const ENDPOINT: Text = Text::long(1, 2_048);
const CONNECTION_ARN: Text = Text::long(1, 1_600).shaped(
    "^arn:aws([a-z]|\\-)*:events:([a-z]|\\d|\\-)*:([0-9]{12})?:connection\\/[\\.\\-_A-Za-z0-9]+\\/[\\-A-Za-z0-9]+$",
    |text| {
        Arn::parse(text).is_ok_and(|arn| {
            arn.service == "events" && arn.resource.starts_with("connection/")
        })
    },
);

pub(super) async fn create_api_destination(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &NAME);
    let description = fields.text("Description", &DESCRIPTION);
    let connection_arn = fields.required("ConnectionArn", &CONNECTION_ARN);
    let endpoint = fields.required("InvocationEndpoint", &ENDPOINT);
    let method = fields.required("HttpMethod", &METHODS);
    let rate_limit = fields.whole("InvocationRateLimitPerSecond", 1, i64::MAX);
    fields.finish()?;
    let now = context.catalogue.clock.now();
    let wish = Destination {
        id: context.catalogue.random.request_id().to_string(),
        name,
        description,
        connection_arn,
        endpoint,
        method,
        rate_limit: rate_limit.unwrap_or(RATE_DEFAULT),
        created_at: now,
        modified_at: now,
        owner: None,
    };
    create(context, wish).await
}

/// Makes a destination, or finds the one that was made for the same resource.
pub(crate) async fn create(context: &Context<'_>, wish: Destination) -> Answer {
    context
        .catalogue
        .change(context.place, |state| {
            let there = state.destinations.get(&wish.name);
            if there.is_some_and(|there| wish.owner.is_none() || there.owner != wish.owner) {
                let message = format!("An api-destination '{}' already exists.", wish.name);
                return Err(Fault::exists(message));
            }
            let destination = Destination {
                id: there.map_or(wish.id, |there| there.id.clone()),
                created_at: there.map_or(wish.created_at, |there| there.created_at),
                ..wish
            };
            let answer = summary(state, context.place, &destination);
            Ok((
                answer.into(),
                Change::one(Step::PutDestination(destination)),
            ))
        })
        .await
}

pub(super) async fn update_api_destination(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &NAME);
    let description = fields.text("Description", &DESCRIPTION);
    let connection_arn = fields.text("ConnectionArn", &CONNECTION_ARN);
    let endpoint = fields.text("InvocationEndpoint", &ENDPOINT);
    let method = fields.text("HttpMethod", &METHODS);
    let rate_limit = fields.whole("InvocationRateLimitPerSecond", 1, i64::MAX);
    fields.finish()?;
    let now = context.catalogue.clock.now();
    context
        .catalogue
        .change(context.place, |state| {
            let there = find(state, &name, "update")?.clone();
            let destination = Destination {
                description: description.or(there.description),
                connection_arn: connection_arn.unwrap_or(there.connection_arn),
                endpoint: endpoint.unwrap_or(there.endpoint),
                method: method.unwrap_or(there.method),
                rate_limit: rate_limit.unwrap_or(there.rate_limit),
                modified_at: now,
                ..there
            };
            let answer = summary(state, context.place, &destination);
            Ok((
                answer.into(),
                Change::one(Step::PutDestination(destination)),
            ))
        })
        .await
}

pub(super) async fn delete_api_destination(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &NAME);
    fields.finish()?;
    context
        .catalogue
        .change(context.place, |state| {
            find(state, &name, "delete")?;
            Ok((json!({}), Change::one(Step::DropDestination(name))))
        })
        .await
}

pub(super) async fn describe_api_destination(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &NAME);
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let there = find(state, &name, "describe")?;
        let mut shown = in_full(state, context.place, there);
        if let Some(description) = &there.description {
            shown.insert("Description".to_owned(), description.as_str().into());
        }
        Ok(shown.into())
    })
}

pub(super) async fn list_api_destinations(context: &Context<'_>, mut fields: Fields) -> Answer {
    let prefix = fields.text("NamePrefix", &NAME).unwrap_or_default();
    let connection = fields.text("ConnectionArn", &CONNECTION_ARN);
    let limit = fields.whole("Limit", 1, PAGE_MAX).unwrap_or(PAGE_MAX);
    let after = fields.take("NextToken");
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let named = state.destinations.iter().filter(|(name, destination)| {
            let is_wanted = |wanted: &str| wanted == destination.connection_arn;
            name.starts_with(&prefix) && connection.as_deref().is_none_or(is_wanted)
        });
        let shown = named
            .map(|(name, destination)| (name.clone(), in_full(state, context.place, destination)));
        let limit = usize::try_from(limit).unwrap_or(1);
        let (destinations, token) = page(shown, after.as_ref().and_then(Value::as_str), limit);
        Ok(paged("ApiDestinations", json!(destinations), token))
    })
}

fn find<'s>(state: &'s State, name: &str, verb: &str) -> Result<&'s Destination, Fault> {
    let found = state
        .destinations
        .get(name)
        .map(|destination| &**destination);
    found.ok_or_else(|| {
        Fault::not_found(format!(
            "Failed to {verb} the api-destination(s). An api-destination '{name}' does not exist."
        ))
    })
}

fn summary(state: &State, place: &Place, destination: &Destination) -> Json {
    let connection = state
        .connections
        .values()
        .find(|connection| connection.arn(place).to_string() == destination.connection_arn);
    let is_active = connection.is_some_and(|connection| connection.state() == "AUTHORIZED");
    let shown = if is_active { "ACTIVE" } else { "INACTIVE" };
    let mut summary = Json::new();
    let arn = destination.arn(place).to_string();
    summary.insert("ApiDestinationArn".to_owned(), arn.into());
    summary.insert("ApiDestinationState".to_owned(), shown.into());
    summary.insert("CreationTime".to_owned(), seconds(destination.created_at));
    summary.insert(
        "LastModifiedTime".to_owned(),
        seconds(destination.modified_at),
    );
    summary
}

fn in_full(state: &State, place: &Place, destination: &Destination) -> Json {
    let mut shown = summary(state, place, destination);
    for (name, value) in [
        ("Name", Value::from(destination.name.as_str())),
        ("ConnectionArn", destination.connection_arn.as_str().into()),
        ("InvocationEndpoint", destination.endpoint.as_str().into()),
        ("HttpMethod", destination.method.as_str().into()),
        (
            "InvocationRateLimitPerSecond",
            destination.rate_limit.into(),
        ),
    ] {
        shown.insert(name.to_owned(), value);
    }
    shown
}
