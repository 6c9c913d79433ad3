//! What a request would do, and to what.
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for Amazon Kinesis Data Streams".

use std::sync::Arc;

use interfaces::authorize::Check;
use policy::Policy;
use serde_json::Value;

use super::reading::ShardIterator;
use super::{StreamRef, listing};
use crate::cbor::{self, Wire};
use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::engine::rows::{Json, Stream};

/// The members of a request that name what it is about.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    stream_name: Option<String>,
    stream_arn: Option<String>,
    resource_arn: Option<String>,
    consumer_arn: Option<String>,
    consumer_name: Option<String>,
    shard_iterator: Option<String>,
    next_token: Option<String>,
}

/// Their names.
const NAMES: [&str; 7] = [
    "StreamName",
    "StreamARN",
    "ResourceARN",
    "ConsumerARN",
    "ConsumerName",
    "ShardIterator",
    "NextToken",
];

impl Asked {
    /// Whoever checks a request sees what whoever carries it out sees (`Fields::text`): a scalar is taken for its text.
    pub(crate) fn read(body: &[u8], wire: Wire) -> Self {
        let mut members = match wire {
            Wire::Json => aws_wire::json::skim(body, &NAMES),
            Wire::Cbor => match cbor::decode(body) {
                Ok(Value::Object(members)) => members,
                Ok(_) | Err(_) => Json::new(),
            },
        };
        let [
            stream_name,
            stream_arn,
            resource_arn,
            consumer_arn,
            consumer_name,
            shard_iterator,
            next_token,
        ] = NAMES.map(|name| match members.remove(name)? {
            Value::Null => None,
            Value::String(text) => Some(text),
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Some(other.to_string())
            }
        });
        Self {
            stream_name,
            stream_arn,
            resource_arn,
            consumer_arn,
            consumer_name,
            shard_iterator,
            next_token,
        }
    }
}

pub(crate) async fn checks(
    catalogue: &Catalogue,
    place: &Place,
    operation: &str,
    asked: &Asked,
) -> Vec<Check> {
    let Some(resource) = resource(operation, place, asked) else {
        return Vec::new();
    };
    let action = format!("kinesis:{operation}");
    let Some(stream) = StreamRef::of_arn(&resource) else {
        return vec![Check::new(action, resource, &place.account)];
    };
    let found = catalogue.find(&stream.place, &stream.name).await;
    let policy = found
        .ok()
        .flatten()
        .and_then(|found| policy(&found, &stream.arn(), &resource));
    vec![Check::new(action, resource, &stream.place.account).with_policy(policy)]
}

/// The policy of a stream, or of one of its consumers.
pub(crate) fn policy(stream: &Stream, stream_arn: &str, resource: &str) -> Option<Arc<Policy>> {
    let document: &Json = if resource == stream_arn {
        stream.policy.as_ref()?
    } else {
        let mut consumers = stream.consumers.iter();
        let consumer = consumers.find(|consumer| consumer.arn(stream_arn) == resource);
        consumer?.policy.as_ref()?
    };
    let read = Policy::from_value(&Value::Object(document.clone()));
    read.ok().map(Arc::new)
}

/// The ARN that an operation is about; none for one that is not known.
fn resource(operation: &str, place: &Place, asked: &Asked) -> Option<String> {
    let stream = || {
        let named = asked.stream_name.as_deref();
        let named = named.map(|name| place.stream_arn(name));
        asked.stream_arn.clone().or(named).unwrap_or_default()
    };
    let consumer = || match (&asked.consumer_arn, &asked.consumer_name) {
        (Some(arn), _) => arn.clone(),
        (None, name) => {
            let name = name.as_deref().unwrap_or_default();
            format!("{}/consumer/{name}:*", stream())
        }
    };
    Some(match operation {
        "DescribeLimits" | "ListStreams" => "*".to_owned(),
        "GetRecords" => {
            let iterator = asked
                .shard_iterator
                .as_deref()
                .and_then(ShardIterator::read);
            iterator?.stream.arn()
        }
        "ListShards" => match asked.next_token.as_deref() {
            Some(token) => listing::ShardToken::read(token)?.stream(place).arn(),
            None => stream(),
        },
        "DeregisterStreamConsumer" | "DescribeStreamConsumer" | "SubscribeToShard" => consumer(),
        "DeleteResourcePolicy"
        | "GetResourcePolicy"
        | "PutResourcePolicy"
        | "ListTagsForResource"
        | "TagResource"
        | "UntagResource" => asked.resource_arn.clone().unwrap_or_default(),
        operation if super::SUPPORTED.contains(&operation) => stream(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use model::ids::{AccountId, Region};

    use super::*;

    #[test]
    fn what_is_asked_is_what_is_carried_out_whatever_is_sent() {
        for body in [
            r#"{"StreamName": "b", "ConsumerName": 5}"#,
            r#"{"StreamName": "a", "ConsumerName": [], "StreamName": "b"}"#,
        ] {
            let asked = Asked::read(body.as_bytes(), Wire::Json);
            assert_eq!(asked.stream_name.as_deref(), Some("b"), "{body}");
            let mut fields = crate::fields::of_body(body.as_bytes(), Wire::Json).unwrap();
            assert_eq!(
                fields.text("ConsumerName", &crate::fields::NAME),
                asked.consumer_name,
                "{body}"
            );
        }
    }

    #[test]
    fn every_operation_names_what_it_is_about() {
        let place = Place {
            account: AccountId::development(),
            region: Region::new("us-east-1"),
        };
        let stream = StreamRef {
            place: place.clone(),
            name: "s".to_owned(),
        };
        let arn = stream.arn();
        let asked = Asked {
            stream_name: Some("s".to_owned()),
            resource_arn: Some(arn.clone()),
            consumer_name: Some("c".to_owned()),
            shard_iterator: Some(ShardIterator::sample(stream).to_text()),
            ..Asked::default()
        };
        for operation in super::super::SUPPORTED {
            let named = resource(operation, &place, &asked);
            let expected = match *operation {
                "DescribeLimits" | "ListStreams" => "*".to_owned(),
                "DeregisterStreamConsumer" | "DescribeStreamConsumer" | "SubscribeToShard" => {
                    format!("{arn}/consumer/c:*")
                }
                _ => arn.clone(),
            };
            assert_eq!(named, Some(expected), "{operation}");
        }
    }
}
