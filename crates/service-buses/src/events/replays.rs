//! Replays: events of an archive that go to its bus again.

use model::arn::Arn;
use model::time::Timestamp;
use serde_json::{Value, json};

use super::listing::Listing;
use super::put_events::time;
use super::{BusRef, Context, archives, buses, seconds};
use crate::engine::catalogue::Change;
use crate::engine::keys::Place;
use crate::engine::replays::GoesOn;
use crate::engine::rows::{Json, Replay};
use crate::engine::state::{State, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{self, ARN, DESCRIPTION, Fields, Text, paged};

/// Replays at once, and all that are remembered.
///
/// Contract: Amazon EventBridge User Guide, "Quotas"; the recorded answers: ten at once.
const ACTIVE_MAX: usize = 10;
const REPLAYS_MAX: usize = 10_000;
const NAME: Text = fields::short_name(64);

/// What a request asks for.
struct Wish {
    name: String,
    description: Option<String>,
    archive: String,
    bus: String,
    rules: Vec<String>,
    times: (Timestamp, Timestamp),
}

pub(super) async fn start_replay(context: &Context<'_>, mut fields: Fields) -> Answer {
    let wish = read(&mut fields)?;
    fields.finish()?;
    let (starts_at, ends_at) = wish.times;
    if ends_at <= starts_at {
        return Err(invalid(
            "EventEndTime",
            "EventStartTime must be before EventEndTime.",
        ));
    }
    let bus = BusRef::read(Some(&wish.bus), context.place);
    let archive = wish.archive.rsplit_once(":archive/");
    let archive = archive.map_or(&*wish.archive, |(_, name)| name).to_owned();
    let now = context.catalogue.clock.now();
    let name = wish.name.clone();
    let answer = context
        .catalogue
        .change(context.place, |state| {
            buses::find(state, &bus.name)?;
            let Some(kept) = state.archives.get(&archive) else {
                let why = format!("Archive {archive} does not exist.");
                return Err(invalid("EventSourceArn", &why));
            };
            if kept.row.source != bus.arn() {
                let why = "Cross event bus replay is not permitted.";
                return Err(invalid("Destination.Arn", why));
            }
            if state.replays.contains_key(&wish.name) {
                let message = format!("Replay {} already exists.", wish.name);
                return Err(Fault::exists(message));
            }
            let active = state.replays.values();
            let active = active.filter(|replay| replay.is_active()).count();
            if ACTIVE_MAX <= active || REPLAYS_MAX <= state.replays.len() {
                return Err(Fault::limit());
            }
            let replay = Replay {
                name: wish.name,
                description: wish.description,
                archive,
                bus: bus.name,
                rules: wish.rules,
                starts_at,
                ends_at,
                state: "STARTING".to_owned(),
                state_reason: None,
                started_at: now,
                ended_at: None,
                last_event_at: None,
                after: None,
            };
            let answer = json!({
                "ReplayArn": arn(context.place, &replay.name),
                "ReplayStartTime": seconds(now),
                "State": replay.state,
            });
            Ok((answer, Change::one(Step::PutReplay(replay))))
        })
        .await?;
    // What is short is over when this is answered; the rest is sent while nobody waits.
    if context.catalogue.replay(context.place, &name).await? != GoesOn::No {
        context.catalogue.replays.notify_one();
    }
    Ok(answer)
}

fn read(fields: &mut Fields) -> Result<Wish, Fault> {
    let name = fields.required("ReplayName", &NAME);
    let description = fields.text("Description", &DESCRIPTION);
    let archive = fields.required("EventSourceArn", &ARN);
    let destination = fields.take("Destination").unwrap_or_default();
    let bus = destination.get("Arn").and_then(Value::as_str);
    if bus.is_none() {
        fields.violate(None, "destination", "not be null");
    }
    let rules = destination.get("FilterArns").and_then(Value::as_array);
    let rules = rules.into_iter().flatten().filter_map(Value::as_str);
    let rules: Vec<String> = rules.map(str::to_owned).collect();
    let bus = bus.unwrap_or_default().to_owned();
    let mut at = |name: &str, member: &str| {
        let read = fields.take(name).as_ref().and_then(time);
        if read.is_none() {
            fields.violate(None, member, "not be null");
        }
        read.unwrap_or(Timestamp::from_micros(0))
    };
    let times = (
        at("EventStartTime", "eventStartTime"),
        at("EventEndTime", "eventEndTime"),
    );
    if rules.iter().any(|rule| Arn::parse(rule).is_err()) {
        return Err(invalid(
            "Destination.FilterArns",
            "A rule is named by its ARN.",
        ));
    }
    Ok(Wish {
        name,
        description,
        archive,
        bus,
        rules,
        times,
    })
}

pub(super) async fn cancel_replay(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("ReplayName", &NAME);
    fields.finish()?;
    let now = context.catalogue.clock.now();
    context
        .catalogue
        .change(context.place, |state| {
            let there = find(state, &name)?;
            if !there.is_active() {
                let message = format!("Replay {name} is not in a valid state for this operation.");
                return Err(Fault::new("IllegalStatusException", message));
            }
            let replay = Replay {
                state: "CANCELLED".to_owned(),
                ended_at: Some(now),
                ..there.clone()
            };
            let answer = json!({"ReplayArn": arn(context.place, &name), "State": "CANCELLING"});
            Ok((answer, Change::one(Step::PutReplay(replay))))
        })
        .await
}

pub(super) async fn describe_replay(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("ReplayName", &NAME);
    fields.finish()?;
    let place = context.place;
    let shelf = context.catalogue.shelf(place).await?;
    shelf.look(|state| {
        let replay = find(state, &name)?;
        let mut shown = summary(place, replay);
        let mut destination = json!({"Arn": place.bus_arn(&replay.bus).to_string()});
        if let (false, Some(members)) = (replay.rules.is_empty(), destination.as_object_mut()) {
            members.insert("FilterArns".to_owned(), json!(replay.rules));
        }
        shown.insert("Destination".to_owned(), destination);
        shown.insert("ReplayArn".to_owned(), arn(place, &name).into());
        if let Some(description) = &replay.description {
            shown.insert("Description".to_owned(), description.as_str().into());
        }
        Ok(shown.into())
    })
}

pub(super) async fn list_replays(context: &Context<'_>, fields: Fields) -> Answer {
    let listing = Listing::read("ListReplays", &NAME, fields)?;
    let place = context.place;
    let shelf = context.catalogue.shelf(place).await?;
    shelf.look(|state| {
        let named = state.replays.iter().filter(|(name, replay)| {
            let archive = archives::arn(place, &replay.archive);
            listing.takes(name, &archive, &replay.state)
        });
        let shown = named.map(|(name, replay)| (name.clone(), summary(place, replay)));
        let (replays, token) = listing.page(shown);
        Ok(paged("Replays", json!(replays), token))
    })
}

fn find<'s>(state: &'s State, name: &str) -> Result<&'s Replay, Fault> {
    let found = state.replays.get(name).map(|replay| &**replay);
    found.ok_or_else(|| Fault::not_found(format!("Replay {name} does not exist.")))
}

fn arn(place: &Place, name: &str) -> String {
    place.arn("events", format!("replay/{name}")).to_string()
}

fn invalid(parameter: &str, reason: &str) -> Fault {
    Fault::validation(format!(
        "Parameter {parameter} is not valid. Reason: {reason}"
    ))
}

fn summary(place: &Place, replay: &Replay) -> Json {
    let mut shown = Json::new();
    for (name, value) in [
        ("EventEndTime", Some(seconds(replay.ends_at))),
        ("EventLastReplayedTime", replay.last_event_at.map(seconds)),
        (
            "EventSourceArn",
            Some(archives::arn(place, &replay.archive).into()),
        ),
        ("EventStartTime", Some(seconds(replay.starts_at))),
        ("ReplayEndTime", replay.ended_at.map(seconds)),
        ("ReplayName", Some(replay.name.as_str().into())),
        ("ReplayStartTime", Some(seconds(replay.started_at))),
        ("State", Some(replay.state.as_str().into())),
        (
            "StateReason",
            replay.state_reason.as_deref().map(Value::from),
        ),
    ] {
        if let Some(value) = value {
            shown.insert(name.to_owned(), value);
        }
    }
    shown
}
