//! What a request would do, and to what.
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for Amazon Kinesis Data Streams".

use std::sync::Arc;

use interfaces::authorize::Check;
use policy::Policy;
use serde_json::Value;

use super::reading::ShardIterator;
use super::{StreamRef, listing};
use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::engine::rows::{Json, Stream};

/// The members of a request that name what it is about.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Asked {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    #[serde(rename = "ResourceARN")]
    resource_arn: Option<String>,
    #[serde(rename = "ConsumerARN")]
    consumer_arn: Option<String>,
    consumer_name: Option<String>,
    shard_iterator: Option<String>,
    next_token: Option<String>,
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
        "DeregisterStreamConsumer" | "DescribeStreamConsumer" => consumer(),
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
                "DeregisterStreamConsumer" | "DescribeStreamConsumer" => {
                    format!("{arn}/consumer/c:*")
                }
                _ => arn.clone(),
            };
            assert_eq!(named, Some(expected), "{operation}");
        }
    }
}
