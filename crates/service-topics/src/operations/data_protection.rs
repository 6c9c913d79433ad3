//! Data protection policies: kept and shown. No message is looked through.
//!
//! Lives here: `PutDataProtectionPolicy`, `GetDataProtectionPolicy`.

use super::{Answer, Call, answer};
use crate::form::required;
use crate::refusal::Refusal;
use crate::state::catalogue::Change;
use crate::state::topic::Topic;

pub(super) async fn get(call: Call<'_>) -> Result<Answer, Refusal> {
    let (_, topic) = call.topic("ResourceArn").await?;
    let policy = topic.record.data_protection_policy.clone();
    answer(move |xml| xml.optional("DataProtectionPolicy", policy.as_deref()))
}

pub(super) async fn put(call: Call<'_>) -> Result<Answer, Refusal> {
    let (region, topic) = call.topic("ResourceArn").await?;
    let text = required(call.form, "DataProtectionPolicy")?;
    let is_object =
        serde_json::from_str(text).is_ok_and(|value: serde_json::Value| value.is_object());
    if !is_object && !text.is_empty() {
        return Err(Refusal::parameter("DataProtectionPolicy"));
    }
    let _turn = region.turn.lock().await;
    let current = region.topic(&topic.record.name);
    let current = current.ok_or_else(|| Refusal::not_found("Topic"))?;
    let mut record = current.record.clone();
    record.data_protection_policy = Some(text.to_owned()).filter(|text| !text.is_empty());
    let change = Change::PutTopic(Topic::new(record, &region.place));
    call.service
        .catalogue
        .change(&region, vec![change], &[])
        .await?;
    Ok(None)
}
