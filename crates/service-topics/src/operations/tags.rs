//! Tags of topics.
//!
//! Lives here: `TagResource`, `UntagResource`, `ListTagsForResource`.

use std::sync::Arc;

use super::topics::{TAGS_MAX, too_many_tags};
use super::{Answer, Call, answer, empty};
use crate::form;
use crate::refusal::Refusal;
use crate::state::catalogue::{Change, Region};
use crate::state::topic::{Record, Topic};

pub(super) async fn list(call: Call<'_>) -> Result<Answer, Refusal> {
    let (_, topic) = find(call).await?;
    let tags = topic.record.tags.clone();
    answer(move |xml| {
        xml.element("Tags", |xml| {
            for (key, value) in &tags {
                xml.element("member", |xml| {
                    xml.text("Key", key);
                    xml.text("Value", value);
                });
            }
        });
    })
}

pub(super) async fn add(call: Call<'_>) -> Result<Answer, Refusal> {
    let added = form::tags(call.form, "Tags")?;
    change(call, |record| {
        for (key, value) in added {
            match record.tags.iter_mut().find(|(known, _)| *known == key) {
                Some(known) => known.1 = value,
                None => record.tags.push((key, value)),
            }
        }
        if TAGS_MAX < record.tags.len() {
            return Err(too_many_tags());
        }
        Ok(())
    })
    .await
}

pub(super) async fn remove(call: Call<'_>) -> Result<Answer, Refusal> {
    let removed = call.form.texts("TagKeys");
    change(call, |record| {
        record.tags.retain(|(key, _)| !removed.contains(key));
        Ok(())
    })
    .await
}

async fn change(
    call: Call<'_>,
    change: impl FnOnce(&mut Record) -> Result<(), Refusal>,
) -> Result<Answer, Refusal> {
    let (region, topic) = find(call).await?;
    let _turn = region.turn.lock().await;
    let current = region.topic(&topic.record.name);
    let mut record = current
        .ok_or_else(Refusal::resource_not_found)?
        .record
        .clone();
    change(&mut record)?;
    let change = Change::PutTopic(Topic::new(record, &region.place));
    call.service
        .catalogue
        .change(&region, vec![change], &[])
        .await?;
    empty()
}

async fn find(call: Call<'_>) -> Result<(Arc<Region>, Arc<Topic>), Refusal> {
    let arn = call.topic_arn("ResourceArn")?;
    let region = call.region_of(&arn).await?;
    let topic = region.topic(&arn.name);
    Ok((region, topic.ok_or_else(Refusal::resource_not_found)?))
}
