//! The operations of the service, each named once.
//!
//! Lives here: which are carried out, by which action policies allow each.
//! Does not live here: carrying them out (`operations`).
//!
//! Contract: the service's model; Service Authorization Reference, "Actions, resources, and condition keys for Amazon SNS".

/// An operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    /// The action that policies allow it by.
    pub(crate) action: &'static str,
    pub(crate) about: About,
    pub(crate) fate: Fate,
}

/// What an operation is about: the parameter with its ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// No resource.
    Nothing,
    /// The topic with the ARN in this parameter.
    Topic(&'static str),
    /// A topic by its name.
    NewTopic,
    /// A topic, an endpoint or a telephone number.
    Target,
    /// The topic of a subscription.
    Subscription,
}

/// Whether it is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    CarriedOut,
    Refused,
}

const fn done(name: &'static str, about: About) -> Named {
    Named {
        name,
        action: name,
        about,
        fate: Fate::CarriedOut,
    }
}

const fn refused(name: &'static str) -> Named {
    Named {
        name,
        action: name,
        about: About::Nothing,
        fate: Fate::Refused,
    }
}

const TOPIC: About = About::Topic("TopicArn");
const RESOURCE: About = About::Topic("ResourceArn");

/// All of them.
pub(crate) const OPERATIONS: &[Named] = &[
    done("AddPermission", TOPIC),
    done("CheckIfPhoneNumberIsOptedOut", About::Nothing),
    done("ConfirmSubscription", TOPIC),
    done("CreatePlatformApplication", About::Nothing),
    done("CreatePlatformEndpoint", About::Nothing),
    refused("CreateSMSSandboxPhoneNumber"),
    done("CreateTopic", About::NewTopic),
    done("DeleteEndpoint", About::Nothing),
    done("DeletePlatformApplication", About::Nothing),
    refused("DeleteSMSSandboxPhoneNumber"),
    done("DeleteTopic", TOPIC),
    done("GetDataProtectionPolicy", RESOURCE),
    done("GetEndpointAttributes", About::Nothing),
    done("GetPlatformApplicationAttributes", About::Nothing),
    done("GetSMSAttributes", About::Nothing),
    refused("GetSMSSandboxAccountStatus"),
    done("GetSubscriptionAttributes", About::Subscription),
    done("GetTopicAttributes", TOPIC),
    done("ListEndpointsByPlatformApplication", About::Nothing),
    refused("ListOriginationNumbers"),
    done("ListPhoneNumbersOptedOut", About::Nothing),
    done("ListPlatformApplications", About::Nothing),
    refused("ListSMSSandboxPhoneNumbers"),
    done("ListSubscriptions", About::Nothing),
    done("ListSubscriptionsByTopic", TOPIC),
    done("ListTagsForResource", RESOURCE),
    done("ListTopics", About::Nothing),
    done("OptInPhoneNumber", About::Nothing),
    done("Publish", About::Target),
    Named {
        action: "Publish",
        ..done("PublishBatch", TOPIC)
    },
    done("PutDataProtectionPolicy", RESOURCE),
    done("RemovePermission", TOPIC),
    done("SetEndpointAttributes", About::Nothing),
    done("SetPlatformApplicationAttributes", About::Nothing),
    done("SetSMSAttributes", About::Nothing),
    done("SetSubscriptionAttributes", About::Subscription),
    done("SetTopicAttributes", TOPIC),
    done("Subscribe", TOPIC),
    done("TagResource", RESOURCE),
    done("Unsubscribe", About::Subscription),
    done("UntagResource", RESOURCE),
    refused("VerifySMSSandboxPhoneNumber"),
];

pub(crate) fn find(name: &str) -> Option<&'static Named> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

/// Every operation of the service's model, and whether it is carried out.
pub fn operations() -> impl Iterator<Item = (&'static str, bool)> {
    let row = |one: &'static Named| (one.name, one.fate == Fate::CarriedOut);
    OPERATIONS.iter().map(row)
}
