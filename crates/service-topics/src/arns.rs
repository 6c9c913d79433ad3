//! ARNs as callers write them.
//!
//! Lives here: reading ARNs of topics, subscriptions, applications and endpoints, with the service's words for what is wrong.
//! Does not live here: whether they are there (`state`).

use model::arn::Arn;
use model::ids::{AccountId, Region};

use crate::refusal::Refusal;

/// A topic's ARN, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicArn {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) name: String,
}

/// A subscription's ARN, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubscriptionArn {
    pub(crate) topic: TopicArn,
    pub(crate) id: String,
}

impl TopicArn {
    /// Reads what stands under this name. With a region, it must be the topic's.
    pub(crate) fn read(name: &str, text: &str, region: Option<&Region>) -> Result<Self, Refusal> {
        let arn = parts(name, text)?;
        if arn.service != "sns" || region.is_some_and(|region| region.as_str() != arn.region) {
            return Err(Refusal::parameter(name));
        }
        Ok(Self {
            account: AccountId::new(arn.account),
            region: Region::new(arn.region),
            name: arn.resource,
        })
    }

    pub(crate) fn arn(&self) -> Arn {
        Arn::new("sns", &self.region, &self.account, self.name.clone())
    }
}

impl SubscriptionArn {
    pub(crate) fn read(text: &str, region: Option<&Region>) -> Result<Self, Refusal> {
        let arn = parts("SubscriptionArn", text)?;
        let Some((name, id)) = arn.resource.split_once(':') else {
            return Err(Refusal::parameter("SubscriptionId"));
        };
        if arn.service != "sns" || region.is_some_and(|region| region.as_str() != arn.region) {
            return Err(Refusal::parameter("SubscriptionArn"));
        }
        Ok(Self {
            topic: TopicArn {
                account: AccountId::new(arn.account.clone()),
                region: Region::new(arn.region.clone()),
                name: name.to_owned(),
            },
            id: id.to_owned(),
        })
    }
}

/// The parts of any ARN of the service.
pub(crate) fn parts(name: &str, text: &str) -> Result<Arn, Refusal> {
    let count = text.split(':').count();
    if count < 6 {
        return Err(Refusal::parameter(format!(
            "{name} Reason: An ARN must have at least 6 elements, not {count}"
        )));
    }
    Arn::parse(text).map_err(|_| Refusal::parameter(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_arn_is_said_in_the_services_words() {
        let region = Region::new("us-east-1");
        let check = |text: &str, expected: &str| {
            let error = TopicArn::read("TopicArn", text, Some(&region)).unwrap_err();
            assert_eq!(error.message, expected, "{text}");
        };
        let few = |count: usize| {
            format!(
                "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not {count}"
            )
        };
        check("randomstring", &few(1));
        check("", &few(1));
        check("arn:aws:sns:us-east-1:random", &few(5));
        check(
            "arn:aws:sns:us-west-2:000000000000:t",
            "Invalid parameter: TopicArn",
        );
        check(
            "arn:aws:sqs:us-east-1:000000000000:t",
            "Invalid parameter: TopicArn",
        );
        let lacking = SubscriptionArn::read("arn:aws:sns:us-east-1:1:random", None).unwrap_err();
        assert_eq!(lacking.message, "Invalid parameter: SubscriptionId");
    }
}
