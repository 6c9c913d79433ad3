//! Archives.

use serde_json::{Value, json};

use super::listing::Listing;
use super::rules::pattern_fault;
use super::{BusRef, Context, buses, seconds};
use crate::engine::catalogue::Change;
use crate::engine::held::Held;
use crate::engine::keys::Place;
use crate::engine::rows::{Archive, Json};
use crate::engine::state::{State, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{self, ARN, DESCRIPTION, Fields, Text, paged};
use patterns::Pattern;

/// Archives of an account and region.
const ARCHIVES_MAX: usize = 100;
const DAYS_MAX: i64 = 36_500;
const STATE: &str = "ENABLED";
const PATTERN: Text = Text::long(0, 4_096);
/// Names of archives.
pub(super) const NAME: Text = fields::short_name(48);

/// An archive as somebody wants it.
pub(crate) struct Wish {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) description: Option<String>,
    pub(crate) pattern: Option<String>,
    pub(crate) retention_days: i64,
    pub(crate) kms_key: Option<String>,
    /// The resource of a stack that it is for.
    pub(crate) owner: Option<String>,
}

pub(super) async fn create_archive(context: &Context<'_>, mut fields: Fields) -> Answer {
    let wish = Wish {
        name: fields.required("ArchiveName", &NAME),
        source: fields.required("EventSourceArn", &ARN),
        description: fields.text("Description", &DESCRIPTION),
        pattern: fields.text("EventPattern", &PATTERN),
        retention_days: fields.whole("RetentionDays", 0, DAYS_MAX).unwrap_or(0),
        kms_key: fields.text("KmsKeyIdentifier", &ARN),
        owner: None,
    };
    fields.finish()?;
    create(context, wish).await
}

/// Makes an archive, or changes the one that was made for the same resource.
pub(crate) async fn create(context: &Context<'_>, wish: Wish) -> Answer {
    let bus = BusRef::read(Some(&wish.source), context.place);
    let shelf = context.catalogue.shelf(&bus.place).await?;
    shelf.look(|state| buses::find(state, &bus.name).map(drop))?;
    if bus.place != *context.place {
        return Err(Fault::validation(
            "Parameter EventSourceArn is not valid. Reason: It is of another account or region.",
        ));
    }
    let pattern = judged(wish.pattern)?;
    if shelf.look(|state| !state.archives.contains_key(&wish.name)) {
        // A server that ended while it deleted one of this name left its events.
        context.catalogue.empty(context.place, &wish.name).await?;
    }
    let now = context.catalogue.clock.now();
    context
        .catalogue
        .change(context.place, |state| {
            let there = state.archives.get(&wish.name).map(|kept| &kept.row);
            if there.is_some_and(|row| wish.owner.is_none() || row.owner != wish.owner) {
                let message = format!("Archive {} already exists.", wish.name);
                return Err(Fault::exists(message));
            }
            if there.is_none() && ARCHIVES_MAX <= state.archives.len() {
                return Err(Fault::limit());
            }
            let row = Archive {
                created_at: there.map_or(now, |row| row.created_at),
                name: wish.name,
                source: bus.arn(),
                description: wish.description,
                pattern,
                retention_days: wish.retention_days,
                kms_key: wish.kms_key,
                owner: wish.owner,
            };
            let answer = made(context.place, &row);
            Ok((answer, Change::one(Step::PutArchive(row))))
        })
        .await
}

pub(super) async fn update_archive(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("ArchiveName", &NAME);
    let description = fields.text("Description", &DESCRIPTION);
    let pattern = fields.text("EventPattern", &PATTERN);
    let days = fields.whole("RetentionDays", 0, DAYS_MAX);
    let kms_key = fields.text("KmsKeyIdentifier", &ARN);
    fields.finish()?;
    if description.is_none() && pattern.is_none() && days.is_none() {
        return Err(Fault::validation(
            "At least one of EventPattern, RetentionDays or Description must be provided.",
        ));
    }
    let changes_pattern = pattern.is_some();
    let pattern = judged(pattern)?;
    context
        .catalogue
        .change(context.place, |state| {
            let there = find(state, &name)?;
            let row = Archive {
                description: description.or(there.description.clone()),
                pattern: if changes_pattern {
                    pattern
                } else {
                    there.pattern.clone()
                },
                retention_days: days.unwrap_or(there.retention_days),
                kms_key: kms_key.or(there.kms_key.clone()),
                ..there.clone()
            };
            let answer = made(context.place, &row);
            Ok((answer, Change::one(Step::PutArchive(row))))
        })
        .await
}

pub(super) async fn delete_archive(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("ArchiveName", &NAME);
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| find(state, &name).map(drop))?;
    delete(context, &name).await
}

/// Deletes an archive with what it holds; one that is gone is no error.
pub(crate) async fn delete(context: &Context<'_>, name: &str) -> Answer {
    let drop = |state: &State| {
        let change = match state.archives.contains_key(name) {
            true => Change::one(Step::DropArchive(name.to_owned())),
            false => Change::default(),
        };
        Ok::<_, Fault>(((), change))
    };
    context.catalogue.change(context.place, drop).await?;
    context.catalogue.empty(context.place, name).await?;
    Ok(json!({}))
}

pub(super) async fn describe_archive(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("ArchiveName", &NAME);
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    let row = shelf.look(|state| find(state, &name).cloned())?;
    let held = context.catalogue.held(context.place, &name).await?;
    let mut shown = summary(&row, held);
    let arn = arn(context.place, &row.name);
    shown.insert("ArchiveArn".to_owned(), arn.into());
    for (member, value) in [
        ("Description", &row.description),
        ("EventPattern", &row.pattern),
        ("KmsKeyIdentifier", &row.kms_key),
    ] {
        if let Some(value) = value {
            shown.insert(member.to_owned(), value.as_str().into());
        }
    }
    Ok(shown.into())
}

pub(super) async fn list_archives(context: &Context<'_>, fields: Fields) -> Answer {
    let listing = Listing::read("ListArchives", &NAME, fields)?;
    let shelf = context.catalogue.shelf(context.place).await?;
    if let Some(source) = &listing.source {
        let bus = BusRef::read(Some(source), context.place);
        shelf.look(|state| buses::find(state, &bus.name).map(drop))?;
    }
    let (archives, token) = shelf.look(|state| {
        let archives = state.archives.iter();
        let named = archives.filter(|(name, kept)| listing.takes(name, &kept.row.source, STATE));
        listing.page(named.map(|(name, kept)| (name.clone(), kept.row.clone())))
    });
    let mut shown = Vec::new();
    for row in &archives {
        let held = context.catalogue.held(context.place, &row.name).await?;
        shown.push(summary(row, held));
    }
    Ok(paged("Archives", json!(shown), token))
}

/// The ARN of an archive.
pub(crate) fn arn(place: &Place, name: &str) -> String {
    place.arn("events", format!("archive/{name}")).to_string()
}

fn find<'s>(state: &'s State, name: &str) -> Result<&'s Archive, Fault> {
    let found = state.archives.get(name).map(|kept| &kept.row);
    found.ok_or_else(|| Fault::not_found(format!("Archive {name} does not exist.")))
}

/// A pattern that can be read; an empty one is none.
fn judged(pattern: Option<String>) -> Result<Option<String>, Fault> {
    let pattern = pattern.filter(|text| !text.is_empty());
    if let Some(text) = &pattern {
        Pattern::parse(text).map_err(|error| pattern_fault(&error))?;
    }
    Ok(pattern)
}

fn made(place: &Place, row: &Archive) -> Value {
    json!({
        "ArchiveArn": arn(place, &row.name),
        "CreationTime": seconds(row.created_at),
        "State": STATE,
    })
}

fn summary(row: &Archive, held: Held) -> Json {
    let mut shown = Json::new();
    for (name, value) in [
        ("ArchiveName", Value::from(row.name.as_str())),
        ("CreationTime", seconds(row.created_at)),
        ("EventCount", held.events.into()),
        ("EventSourceArn", row.source.as_str().into()),
        ("RetentionDays", row.retention_days.into()),
        ("SizeBytes", held.bytes.into()),
        ("State", STATE.into()),
    ] {
        shown.insert(name.to_owned(), value);
    }
    shown
}
