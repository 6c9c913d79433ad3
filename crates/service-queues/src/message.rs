//! A message as clients and functions see it.
//!
//! Lives here: digests, ids, system attributes.
//! Does not live here: how it is kept (`engine::record`), the frame of a reply (`sqs`).
//!
//! Contract: Amazon SQS Developer Guide, "Calculating the MD5 message digest for message attributes".

use md5::{Digest as _, Md5};

use crate::engine::book::Order;
use crate::engine::keys;
use crate::engine::record::{Attribute, AttributeValue};
use crate::engine::request::Received;

/// The MD5 digest of a body.
pub(crate) fn body_digest(body: &str) -> String {
    hex(&Md5::digest(body.as_bytes()))
}

/// The MD5 digest of attributes; none: there are none.
pub(crate) fn attributes_digest<'a>(
    attributes: impl IntoIterator<Item = &'a Attribute>,
) -> Option<String> {
    let mut sorted: Vec<_> = attributes.into_iter().collect();
    if sorted.is_empty() {
        return None;
    }
    sorted.sort_by(|left, right| left.name.cmp(&right.name));
    let mut digest = Md5::new();
    for attribute in sorted {
        let (kind, value): (u8, &[u8]) = match &attribute.value {
            AttributeValue::Text(text) => (1, text.as_bytes()),
            AttributeValue::Binary(bytes) => (2, bytes),
        };
        update(&mut digest, attribute.name.as_bytes());
        update(&mut digest, attribute.data_type.as_bytes());
        digest.update([kind]);
        update(&mut digest, value);
    }
    Some(hex(&digest.finalize()))
}

fn update(digest: &mut Md5, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    digest.update(length.to_be_bytes());
    digest.update(bytes);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The id of a message as a text.
pub(crate) fn id_text(id: &[u8; 16]) -> String {
    let text = hex(id);
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32)
    )
}

/// The system attributes of a message that was received: name and value.
pub(crate) fn system_attributes(received: &Received, order: Order) -> Vec<(&'static str, String)> {
    let message = &received.message;
    let first_received_ms = received.first_received_us.div_euclid(1_000);
    let mut attributes = vec![
        ("SenderId", message.sender.clone()),
        (
            "ApproximateFirstReceiveTimestamp",
            first_received_ms.to_string(),
        ),
        ("ApproximateReceiveCount", received.receives.to_string()),
        ("SentTimestamp", message.sent_at.epoch_ms().to_string()),
    ];
    let mut optional = |name, value: &Option<String>| {
        attributes.extend(value.clone().map(|value| (name, value)));
    };
    optional("MessageDeduplicationId", &message.deduplication);
    optional("MessageGroupId", &message.group);
    optional("AWSTraceHeader", &message.trace);
    optional("DeadLetterQueueSourceArn", &message.dead_letter_of);
    if order == Order::ByGroup {
        let place = received.receipt.identity.place();
        attributes.push(("SequenceNumber", keys::sequence_number(&place)));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_cloud() {
        assert_eq!(body_digest("message"), "78e731027d8fd50ed642340b7c9a63b3");
        let attribute = Attribute {
            name: "timestamp".to_owned(),
            data_type: "Number".to_owned(),
            value: AttributeValue::Text("1493147359900".to_owned()),
        };
        assert_eq!(
            attributes_digest([&attribute]).as_deref(),
            Some("235c5c510d26fb653d073faed50ae77c")
        );
        assert_eq!(attributes_digest([]), None);
    }

    #[test]
    fn an_id_is_a_uuid() {
        assert_eq!(id_text(&[0xab; 16]), "abababab-abab-abab-abab-abababababab");
    }
}
