//! Queues whose messages functions are called with.
//!
//! Lives here: a message as a function sees it.
//! Does not live here: batches, filters, calling (`event-delivery`).
//!
//! Contract: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS".

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::message_source::{MessageSource, QueueError, QueueMessage};
use model::arn::Arn;
use serde_json::{Map, Value, json};

use crate::engine::ask::AskError;
use crate::engine::book::Order;
use crate::engine::catalogue::{Catalogue, Queue};
use crate::engine::descriptor::Settings;
use crate::engine::receipt::Receipt;
use crate::engine::record::{Attribute, AttributeValue};
use crate::engine::request::{Received, Wish};
use crate::message;

/// The queues, for whoever calls functions with their messages.
pub(crate) struct Source {
    catalogue: Catalogue,
}

impl Source {
    pub(crate) fn new(catalogue: Catalogue) -> Self {
        Self { catalogue }
    }

    async fn queue(&self, arn: &Arn) -> Result<Arc<Queue>, QueueError> {
        let found = self.catalogue.find_arn(arn).await;
        let found = found.map_err(|error| QueueError::Failed {
            reason: error.to_string(),
        })?;
        found.ok_or_else(|| QueueError::Missing {
            queue: arn.to_string(),
        })
    }
}

impl MessageSource for Source {
    fn serves(&self, queue: &Arn) -> bool {
        queue.service == "sqs"
    }

    fn receive<'a>(
        &'a self,
        queue: &'a Arn,
        messages_max: usize,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<QueueMessage>, QueueError>> {
        Box::pin(async move {
            let found = self.queue(queue).await?;
            let wish = Wish {
                messages_max,
                visibility: None,
                wait: Some(wait),
                attempt: None,
            };
            let settings = &found.current().settings;
            let received = self.catalogue.receive(&found, wish).await;
            let received = received.map_err(|error| failed(queue, &error))?;
            let messages = received.iter();
            Ok(messages
                .map(|one| queue_message(one, queue, settings))
                .collect())
        })
    }

    fn delete<'a>(
        &'a self,
        queue: &'a Arn,
        receipts: &'a [String],
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        Box::pin(async move {
            let found = self.queue(queue).await?;
            let receipts = receipts.iter();
            let receipts = receipts.filter_map(|text| Receipt::parse(text)).collect();
            let deleted = self.catalogue.delete_messages(&found, receipts).await;
            // A receipt that does not hold any more is no failure: its message comes again.
            deleted.map(drop).map_err(|error| failed(queue, &error))
        })
    }

    fn release<'a>(
        &'a self,
        queue: &'a Arn,
        receipts: &'a [String],
        after: Duration,
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        Box::pin(async move {
            let found = self.queue(queue).await?;
            let receipts = receipts.iter().filter_map(|text| Receipt::parse(text));
            let changes = receipts.map(|receipt| (receipt, after)).collect();
            let changed = self.catalogue.change_visibility(&found, changes).await;
            changed.map(drop).map_err(|error| failed(queue, &error))
        })
    }
}

fn failed(queue: &Arn, error: &AskError) -> QueueError {
    match error {
        AskError::Missing => QueueError::Missing {
            queue: queue.to_string(),
        },
        AskError::OverLimit | AskError::Failed(_) | AskError::Catalogue(_) => QueueError::Failed {
            reason: error.to_string(),
        },
    }
}

fn queue_message(received: &Received, queue: &Arn, settings: &Settings) -> QueueMessage {
    let order = settings.kind.order();
    let redrive = settings.redrive.as_ref();
    let message = &received.message;
    let (id, receipt) = (message::id_text(&message.id), received.receipt.to_text());
    let attributes: Map<String, Value> = message::system_attributes(received, order)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    let message_attributes: Map<String, Value> = message
        .attributes
        .iter()
        .map(|attribute| (attribute.name.clone(), attribute_json(attribute)))
        .collect();
    let mut record = json!({
        "messageId": id,
        "receiptHandle": receipt,
        "body": received.body,
        "attributes": attributes,
        "messageAttributes": message_attributes,
        "md5OfBody": message::body_digest(&received.body),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.to_string(),
        "awsRegion": queue.region,
    });
    if let (Some(record), Some(digest)) = (
        record.as_object_mut(),
        message::attributes_digest(&message.attributes),
    ) {
        record.insert("md5OfMessageAttributes".to_owned(), digest.into());
    }
    QueueMessage {
        id,
        receipt,
        sent_at: message.sent_at,
        group: message.group.clone().filter(|_| order == Order::ByGroup),
        receives: received.receives,
        dead_letters: redrive
            .filter(|redrive| redrive.receives_max <= received.receives)
            .map(|redrive| redrive.target.clone()),
        trace: message.trace.clone(),
        payload: Bytes::from(record.to_string()),
    }
}

fn attribute_json(attribute: &Attribute) -> Value {
    let (name, value) = match &attribute.value {
        AttributeValue::Text(text) => ("stringValue", text.clone()),
        AttributeValue::Binary(bytes) => ("binaryValue", STANDARD.encode(bytes)),
    };
    let mut json = Map::new();
    json.insert(name.to_owned(), value.into());
    json.insert("stringListValues".to_owned(), json!([]));
    json.insert("binaryListValues".to_owned(), json!([]));
    json.insert("dataType".to_owned(), attribute.data_type.clone().into());
    Value::Object(json)
}
