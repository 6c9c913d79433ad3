//! What subscribers receive, as JSON.
//!
//! Lives here: notifications, requests for consent, the event of a function; what of them is signed.
//! Does not live here: the key (`notary`), who gets which (`sending`, `confirmation`).
//!
//! Contract: Amazon SNS Developer Guide, "Parsing Amazon SNS message formats" and "Verifying the signatures of Amazon SNS
//! messages"; AWS Lambda Developer Guide, "Using AWS Lambda with Amazon SNS"; transcripts of messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::delivery::Attribute;
use serde_json::{Map, Value, json};

use crate::notary::{Notary, SignatureVersion};
use crate::refusal::Refusal;

/// A message as it was published.
#[derive(Debug, Clone)]
pub(super) struct Published<'m> {
    pub(super) id: &'m str,
    pub(super) topic_arn: &'m str,
    pub(super) subject: Option<&'m str>,
    pub(super) attributes: &'m [Attribute],
    pub(super) timestamp: &'m str,
    /// Of a message of a FIFO topic.
    pub(super) sequence: Option<&'m str>,
}

/// What proves where a message comes from.
#[derive(Debug, Clone)]
pub(super) struct Seal {
    pub(super) version: SignatureVersion,
    /// In base64.
    pub(super) signature: String,
    pub(super) certificate_url: String,
}

/// A request for consent.
#[derive(Debug, Clone)]
pub(super) struct Request<'r> {
    /// `SubscriptionConfirmation` or `UnsubscribeConfirmation`.
    pub(super) kind: &'r str,
    pub(super) id: &'r str,
    pub(super) topic_arn: &'r str,
    pub(super) token: &'r str,
    pub(super) message: &'r str,
    pub(super) subscribe_url: &'r str,
    pub(super) timestamp: &'r str,
}

impl Seal {
    /// Signs a text.
    pub(super) fn on(
        text: &str,
        version: SignatureVersion,
        notary: &dyn Notary,
        base_url: &str,
    ) -> Result<Self, Refusal> {
        let signature = notary.sign(text.as_bytes(), version);
        let certificate = notary.certificate_name();
        let (Some(signature), Some(certificate)) = (signature, certificate) else {
            tracing::error!("there is no key to sign messages of topics with");
            return Err(Refusal::internal());
        };
        Ok(Self {
            version,
            signature: STANDARD.encode(signature),
            certificate_url: format!("{base_url}/{certificate}"),
        })
    }
}

impl SignatureVersion {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "1",
            Self::Sha256 => "2",
        }
    }
}

impl Published<'_> {
    /// What is signed of a notification with this text.
    pub(super) fn to_be_signed(&self, message: &str) -> String {
        let mut fields = vec![("Message", message), ("MessageId", self.id)];
        fields.extend(self.subject.map(|subject| ("Subject", subject)));
        fields.extend([
            ("Timestamp", self.timestamp),
            ("TopicArn", self.topic_arn),
            ("Type", "Notification"),
        ]);
        lines(&fields)
    }

    /// The notification that queues and addresses get.
    pub(super) fn notification(
        &self,
        message: &str,
        seal: Option<&Seal>,
        unsubscribe_url: &str,
    ) -> String {
        let mut members = Members::default();
        members.text("Type", "Notification");
        members.text("MessageId", self.id);
        members.optional("SequenceNumber", self.sequence);
        members.text("TopicArn", self.topic_arn);
        members.optional("Subject", self.subject);
        members.text("Message", message);
        members.text("Timestamp", self.timestamp);
        members.seal(seal);
        members.text("UnsubscribeURL", unsubscribe_url);
        if !self.attributes.is_empty() {
            members.raw("MessageAttributes", &self.attributes_shown());
        }
        members.finish()
    }

    fn attributes_shown(&self) -> String {
        let lines: Vec<String> = self
            .attributes
            .iter()
            .map(|one| {
                let shown = json!({"Type": one.data_type, "Value": one.value});
                format!("    {} : {shown}", Value::from(one.name.as_str()))
            })
            .collect();
        format!("{{\n{}\n  }}", lines.join(",\n"))
    }

    /// The event that a function gets.
    pub(super) fn event(
        &self,
        message: &str,
        seal: &Seal,
        subscription_arn: &str,
        unsubscribe_url: &str,
    ) -> String {
        let of_one = |one: &Attribute| {
            let shown = json!({"Type": one.data_type, "Value": one.value});
            (one.name.clone(), shown)
        };
        let attributes: Map<String, Value> = self.attributes.iter().map(of_one).collect();
        json!({"Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription_arn,
            "Sns": {
                "Type": "Notification",
                "MessageId": self.id,
                "TopicArn": self.topic_arn,
                "Subject": self.subject,
                "Message": message,
                "Timestamp": self.timestamp,
                // The service says 1 here whatever it signed by.
                "SignatureVersion": "1",
                "Signature": seal.signature,
                "SigningCertUrl": seal.certificate_url,
                "UnsubscribeUrl": unsubscribe_url,
                "MessageAttributes": attributes,
            },
        }]})
        .to_string()
    }
}

impl Request<'_> {
    /// What is signed of it.
    pub(super) fn to_be_signed(&self) -> String {
        lines(&[
            ("Message", self.message),
            ("MessageId", self.id),
            ("SubscribeURL", self.subscribe_url),
            ("Timestamp", self.timestamp),
            ("Token", self.token),
            ("TopicArn", self.topic_arn),
            ("Type", self.kind),
        ])
    }

    /// As an address gets it.
    pub(super) fn to_json(&self, seal: &Seal) -> String {
        let mut members = Members::default();
        members.text("Type", self.kind);
        members.text("MessageId", self.id);
        members.text("Token", self.token);
        members.text("TopicArn", self.topic_arn);
        members.text("Message", self.message);
        members.text("SubscribeURL", self.subscribe_url);
        members.text("Timestamp", self.timestamp);
        members.seal(Some(seal));
        members.finish()
    }
}

fn lines(fields: &[(&str, &str)]) -> String {
    fields
        .iter()
        .map(|(name, value)| format!("{name}\n{value}\n"))
        .collect()
}

/// The members of an object, laid out as the service does.
#[derive(Default)]
struct Members {
    lines: Vec<String>,
}

impl Members {
    fn text(&mut self, name: &str, text: &str) {
        self.raw(name, &Value::from(text).to_string());
    }

    fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn raw(&mut self, name: &str, json: &str) {
        self.lines.push(format!("  \"{name}\" : {json}"));
    }

    fn seal(&mut self, seal: Option<&Seal>) {
        if let Some(seal) = seal {
            self.text("SignatureVersion", seal.version.as_str());
            self.text("Signature", &seal.signature);
            self.text("SigningCertURL", &seal.certificate_url);
        }
    }

    fn finish(self) -> String {
        format!("{{\n{}\n}}", self.lines.join(",\n"))
    }
}
