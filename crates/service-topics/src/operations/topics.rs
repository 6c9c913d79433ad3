//! Making, deleting and listing topics.
//!
//! Lives here: names, what making a topic twice means.
//! Does not live here: attributes (`attributes`).
//!
//! Contract: Amazon SNS API Reference, `CreateTopic`, `DeleteTopic`, `ListTopics`.

use std::collections::BTreeMap;

use super::{Answer, Call, TopicAttributes, answer, checked_topic_attribute, page};
use crate::form::{attributes, tags};
use crate::refusal::Refusal;
use crate::service::Inner;
use crate::state::catalogue::{Change, Region};
use crate::state::topic::{Given, Kind, Record, Topic};

/// Amazon SNS endpoints and quotas: 50 tags of a topic.
pub(crate) const TAGS_MAX: usize = 50;
const NAME_BYTES_MAX: usize = 256;
const FIFO_SUFFIX: &str = ".fifo";

/// A topic as it is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) data_protection_policy: Option<String>,
}

pub(super) async fn create(call: Call<'_>) -> Result<Answer, Refusal> {
    let wanted = Wanted {
        name: crate::form::required(call.form, "Name")?.to_owned(),
        attributes: attributes(call.form, "Attributes"),
        tags: tags(call.form, "Tags")?,
        data_protection_policy: call.form.text("DataProtectionPolicy").map(str::to_owned),
    };
    let region = call.own().await?;
    let topic = make(call.service, &region, &wanted).await?;
    let arn = topic.arn.arn().to_string();
    answer(move |xml| xml.text("TopicArn", &arn))
}

/// Makes a topic, or finds the one that is just like it.
pub(crate) async fn make(
    service: &Inner,
    region: &Region,
    wanted: &Wanted,
) -> Result<Topic, Refusal> {
    let is_fifo = wanted
        .attributes
        .iter()
        .any(|(name, value)| name == "FifoTopic" && value.eq_ignore_ascii_case("true"));
    let kind = if is_fifo { Kind::Fifo } else { Kind::Standard };
    if !is_name(&wanted.name, kind) {
        return Err(Refusal::parameter("Topic Name"));
    }
    if TAGS_MAX < wanted.tags.len() {
        return Err(too_many_tags());
    }
    let mut attributes = TopicAttributes::new();
    for (name, value) in &wanted.attributes {
        let checked = checked_topic_attribute(name, value, kind, Given::AtFirst);
        let checked = checked.map_err(Refusal::of_attributes)?;
        if let Some(value) = checked {
            attributes.insert(name.clone(), value);
        }
    }
    let _turn = region.turn.lock().await;
    if let Some(known) = region.topic(&wanted.name) {
        is_like(&known.record, &attributes, &wanted.tags)?;
        return Ok((*known).clone());
    }
    let record = Record {
        name: wanted.name.clone(),
        attributes,
        tags: wanted.tags.clone(),
        data_protection_policy: wanted.data_protection_policy.clone(),
        subscriptions_deleted: 0,
        made_at: service.clock.now(),
    };
    let topic = Topic::new(record, &region.place);
    let change = Change::PutTopic(topic.clone());
    service.catalogue.change(region, vec![change], &[]).await?;
    Ok(topic)
}

/// What is said of a topic that is there must be true of it; what is not said may be anything.
fn is_like(
    known: &Record,
    attributes: &BTreeMap<String, String>,
    tags: &[(String, String)],
) -> Result<(), Refusal> {
    let is_set = |(name, value): (&String, &String)| known.attributes.get(name) == Some(value);
    if !attributes.iter().all(is_set) {
        return Err(Refusal::parameter(
            "Attributes Reason: Topic already exists with different attributes",
        ));
    }
    if !tags.iter().all(|tag| known.tags.contains(tag)) {
        return Err(Refusal::parameter(
            "Tags Reason: Topic already exists with different tags",
        ));
    }
    Ok(())
}

pub(crate) fn too_many_tags() -> Refusal {
    let message = "Could not complete request: tag quota of per resource exceeded";
    Refusal::new(http::StatusCode::BAD_REQUEST, "TagLimitExceeded", message)
}

pub(super) async fn delete(call: Call<'_>) -> Result<Answer, Refusal> {
    let arn = call.topic_arn("TopicArn")?;
    let region = call.region_of(&arn).await?;
    remove(call.service, &region, &arn.name).await?;
    Ok(None)
}

/// Deletes a topic with its subscriptions. One that is not there is no error.
pub(crate) async fn remove(service: &Inner, region: &Region, name: &str) -> Result<(), Refusal> {
    let _turn = region.turn.lock().await;
    if region.topic(name).is_none() {
        return Ok(());
    }
    // Whoever publishes to it now is waited for.
    let recent = region.recent(name);
    let recent = recent.lock().await;
    let change = Change::DeleteTopic {
        name: name.to_owned(),
        remembered: recent.ids(),
    };
    service.catalogue.change(region, vec![change], &[]).await
}

pub(super) async fn list(call: Call<'_>) -> Result<Answer, Refusal> {
    let topics = call.own().await?.topics();
    let token = call.form.text("NextToken");
    let (topics, next) = page(&topics, token, |topic| topic.record.name.clone())?;
    answer(move |xml| {
        xml.element("Topics", |xml| {
            for topic in &topics {
                let arn = topic.arn.arn().to_string();
                xml.element("member", |xml| xml.text("TopicArn", &arn));
            }
        });
        xml.optional("NextToken", next.as_deref());
    })
}

fn is_name(name: &str, kind: Kind) -> bool {
    let stem = name.strip_suffix(FIFO_SUFFIX);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let checked = match (stem, kind) {
        (Some(stem), Kind::Fifo) => stem,
        (None, Kind::Standard) => name,
        (Some(_), Kind::Standard) | (None, Kind::Fifo) => return false,
    };
    !checked.is_empty() && name.len() <= NAME_BYTES_MAX && checked.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_in_fifo_where_topics_are_such() {
        for (name, kind, expected) in [
            ("a", Kind::Standard, true),
            ("", Kind::Standard, false),
            ("test.fifo", Kind::Fifo, true),
            ("test.fifo", Kind::Standard, false),
            ("test", Kind::Fifo, false),
            (".fifo", Kind::Fifo, false),
            ("bad:name", Kind::Standard, false),
            ("bad name", Kind::Standard, false),
        ] {
            assert_eq!(is_name(name, kind), expected, "{name}");
        }
        assert!(is_name(&"a".repeat(256), Kind::Standard));
        assert!(!is_name(&"a".repeat(257), Kind::Standard));
    }
}
