//! The answer of an endpoint to being subscribed, or to no longer being so.
//!
//! Lives here: `ConfirmSubscription`, how long tokens hold.
//! Does not live here: asking (`publishing::confirmation`).
//!
//! Contract: Amazon SNS API Reference, `ConfirmSubscription`: a token is valid for two days. Transcripts: the topic's name is
//! not compared, its region is.

use std::time::Duration;

use model::principal::Principal;

use super::{Answer, Call, answer};
use crate::arns::TopicArn;
use crate::form::required;
use crate::refusal::Refusal;
use crate::state::catalogue::Change;
use crate::state::subscription::{Record, Status};

/// How long a token confirms, or restores, a subscription.
pub(super) const TOKEN_HOLDS_FOR: Duration = Duration::from_hours(48);

pub(super) async fn confirm(call: Call<'_>) -> Result<Answer, Refusal> {
    let text = required(call.form, "TopicArn")?;
    let topic = TopicArn::read("TopicArn", text, call.own_region());
    let topic = topic.map_err(|_| Refusal::parameter("Topic"))?;
    let token = required(call.form, "Token")?;
    if !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Refusal::invalid("Invalid token"));
    }
    let region = call.region_of(&topic).await?;
    let Some(known) = region.by_token(token) else {
        return Err(call.service.no_such_token(token));
    };
    let _turn = region.turn.lock().await;
    let unknown = || Refusal::parameter("Token");
    let current = region.by_token(token).ok_or_else(unknown)?;
    let topic = region.topic(&known.record.topic).ok_or_else(unknown)?;
    let arn = current.arn(&topic.arn);
    if current.record.status != Status::Confirmed {
        let age = call.service.clock.now().since(current.record.token_at);
        if TOKEN_HOLDS_FOR < age {
            return Err(unknown());
        }
        let is_signed = !matches!(call.call.caller, Principal::Anonymous { .. });
        let needs_signature = call.form.text("AuthenticateOnUnsubscribe") == Some("true");
        let record = Record {
            status: Status::Confirmed,
            confirmed_by_signature: is_signed,
            kept_from_strangers: needs_signature && is_signed,
            ..current.record.clone()
        };
        let change = Change::PutSubscription(Box::new(record));
        call.service
            .catalogue
            .change(&region, vec![change], &[])
            .await?;
    }
    answer(move |xml| xml.text("SubscriptionArn", &arn))
}
