//! The operations of the service.
//!
//! Lives here: finding the one that a call names, the frame of its answer.
//! Does not live here: the operations themselves (one file a group), publishing (`publishing`).

mod attributes;
mod confirming;
mod data_protection;
pub(crate) mod names;
mod permissions;
pub(crate) mod platform;
pub(crate) mod sms;
pub(crate) mod subscribing;
mod subscription_attributes;
pub(crate) mod subscriptions;
mod tags;
pub(crate) mod topics;

use std::sync::Arc;

use aws_wire::query::Form;
use aws_wire::xml::Xml;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interfaces::service::ServiceCall;
use model::ids::Region as RegionName;

use crate::arns::TopicArn;
use crate::publishing;
use crate::refusal::Refusal;
use crate::service::Inner;
use crate::state::catalogue::Region;
use crate::state::keys::Place;
use crate::state::topic::Topic;

pub(crate) use attributes::{TopicAttributes, checked_topic_attribute, message_bytes_max};
pub(crate) use subscription_attributes::checked as checked_subscription_attribute;
pub(crate) use subscription_attributes::{is_flat_where_it_must_be, subscription_of};

/// The namespace of every answer.
pub(crate) const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";
/// Entries of one page of a list.
const PAGE_MAX: usize = 100;

/// What stands in the result of an answer; none: the operation has no result.
pub(crate) type Answer = Option<Box<dyn FnOnce(&mut Xml) + Send>>;

/// A call that is being carried out.
#[derive(Clone, Copy)]
pub(crate) struct Call<'c> {
    pub(crate) service: &'c Inner,
    pub(crate) call: &'c ServiceCall,
    pub(crate) form: &'c Form,
}

/// Carries out the operation with this name.
pub(crate) async fn carry_out(name: &str, call: Call<'_>) -> Result<Answer, Refusal> {
    match name {
        "AddPermission" => permissions::add(call).await,
        "CheckIfPhoneNumberIsOptedOut" => sms::is_opted_out(call),
        "ConfirmSubscription" => confirming::confirm(call).await,
        "CreatePlatformApplication" => platform::create_application(call).await,
        "CreatePlatformEndpoint" => platform::create_endpoint(call).await,
        "CreateTopic" => topics::create(call).await,
        "DeleteEndpoint" => platform::delete_endpoint(call).await,
        "DeletePlatformApplication" => platform::delete_application(call).await,
        "DeleteTopic" => topics::delete(call).await,
        "GetDataProtectionPolicy" => data_protection::get(call).await,
        "GetEndpointAttributes" => platform::endpoint_attributes(call).await,
        "GetPlatformApplicationAttributes" => platform::application_attributes(call).await,
        "GetSMSAttributes" => sms::attributes(call).await,
        "GetSubscriptionAttributes" => subscriptions::attributes(call).await,
        "GetTopicAttributes" => attributes::get(call).await,
        "ListEndpointsByPlatformApplication" => platform::list_endpoints(call).await,
        "ListPhoneNumbersOptedOut" => sms::opted_out(),
        "ListPlatformApplications" => platform::list_applications(call).await,
        "ListSubscriptions" => subscriptions::list(call).await,
        "ListSubscriptionsByTopic" => subscriptions::list_by_topic(call).await,
        "ListTagsForResource" => tags::list(call).await,
        "ListTopics" => topics::list(call).await,
        "OptInPhoneNumber" => sms::opt_in(call),
        "Publish" => publishing::publish(call).await,
        "PublishBatch" => publishing::batch::publish(call).await,
        "PutDataProtectionPolicy" => data_protection::put(call).await,
        "RemovePermission" => permissions::remove(call).await,
        "SetEndpointAttributes" => platform::set_endpoint_attributes(call).await,
        "SetPlatformApplicationAttributes" => platform::set_application_attributes(call).await,
        "SetSMSAttributes" => sms::set_attributes(call).await,
        "SetSubscriptionAttributes" => subscription_attributes::set(call).await,
        "SetTopicAttributes" => attributes::set(call).await,
        "Subscribe" => subscribing::subscribe(call).await,
        "TagResource" => tags::add(call).await,
        "Unsubscribe" => subscriptions::unsubscribe(call).await,
        "UntagResource" => tags::remove(call).await,
        other => match names::find(other) {
            Some(_) => Err(Refusal::not_implemented(&format!("the operation {other}"))),
            None => Err(Refusal::unknown_operation(other)),
        },
    }
}

/// An answer with a result.
#[expect(clippy::unnecessary_wraps, reason = "it is what operations return")]
pub(crate) fn answer(write: impl FnOnce(&mut Xml) + Send + 'static) -> Result<Answer, Refusal> {
    Ok(Some(Box::new(write)))
}

/// An answer whose result has nothing in it.
pub(crate) fn empty() -> Result<Answer, Refusal> {
    answer(|_| {})
}

impl Call<'_> {
    /// The region of a call that is signed; addresses name it in an ARN.
    fn own_region(&self) -> Option<&RegionName> {
        let is_signed = !matches!(
            self.call.caller,
            model::principal::Principal::Anonymous { .. }
        );
        is_signed.then_some(&self.call.region)
    }

    /// The caller's own account, in the region of the call.
    pub(crate) async fn own(&self) -> Result<Arc<Region>, Refusal> {
        let place = Place {
            account: self.call.account.clone(),
            region: self.call.region.clone(),
        };
        self.service.catalogue.region(&place).await
    }

    /// The account and region of a topic.
    pub(crate) async fn region_of(&self, arn: &TopicArn) -> Result<Arc<Region>, Refusal> {
        self.service.region_of(arn).await
    }

    /// The ARN of a topic that a parameter names.
    pub(crate) fn topic_arn(&self, parameter: &str) -> Result<TopicArn, Refusal> {
        let text = crate::form::required(self.form, parameter)?;
        TopicArn::read(parameter, text, self.own_region())
    }

    /// The topic that a parameter names.
    pub(crate) async fn topic(
        &self,
        parameter: &str,
    ) -> Result<(Arc<Region>, Arc<Topic>), Refusal> {
        let arn = self.topic_arn(parameter)?;
        let region = self.region_of(&arn).await?;
        let topic = region.topic(&arn.name);
        Ok((region, topic.ok_or_else(|| Refusal::not_found("Topic"))?))
    }
}

/// A page of a sorted list, and where the next begins: after the last of this one.
pub(crate) fn page<T: Clone>(
    all: &[T],
    token: Option<&str>,
    name: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), Refusal> {
    let after = match token.filter(|token| !token.is_empty()) {
        None => None,
        Some(token) => {
            let decoded = STANDARD.decode(token).ok();
            let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            Some(decoded.ok_or_else(|| Refusal::parameter("NextToken"))?)
        }
    };
    let is_next = |one: &&T| after.as_ref().is_none_or(|after| *after < name(one));
    let mut rest = all.iter().filter(is_next);
    let page: Vec<T> = rest.by_ref().take(PAGE_MAX).cloned().collect();
    let more = rest.next().is_some();
    let last = page.last().filter(|_| more);
    let next = last.map(|last| STANDARD.encode(name(last)));
    Ok((page, next))
}

/// A map as answers hold it.
pub(crate) fn write_map<'p>(
    xml: &mut Xml,
    name: &str,
    pairs: impl IntoIterator<Item = (&'p str, &'p str)>,
) {
    xml.element(name, |xml| {
        for (key, value) in pairs {
            xml.element("entry", |xml| {
                xml.text("key", key);
                xml.text("value", value);
            });
        }
    });
}
