//! The API of topics from outside: forms in, XML out, and what is left for delivery.
//!
//! Lives here: the harness; the cases are in the modules.
//! Does not live here: signatures and HTTP (`gateway`), deliveries on their way (`event-delivery`), real clients (`cloudless`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "helpers of tests fail as tests do, and a table of cases is as long as its subject"
)]

mod authorization;
mod fifo;
mod http;
mod messages;
mod resources;
mod sinks;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check, Denied};
use interfaces::http_client::{HttpAnswer, HttpClient, HttpRequest, NoAnswer};
use interfaces::service::{CloudService, ServiceCall};
use model::delivery::Delivery;
use model::ids::{AccountId, Region, RequestId};
use model::principal::Principal;
use model::time::Timestamp;
use outbox::{Outbox, Stage};
use service_topics::{Notary, Parts, Service, SignatureVersion};
use store::Store;
use store_embedded::Memory;
use test_kit::{CountingRandom, StoppedClock};

pub(crate) const BASE: &str = "http://127.0.0.1:4566";
pub(crate) const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

pub(crate) struct Server {
    pub(crate) service: Service,
    pub(crate) clock: Arc<StoppedClock>,
    pub(crate) asked: Arc<Asked>,
    outbox: Outbox,
}

/// Signs by writing down what it is shown.
struct Scribe;

impl Notary for Scribe {
    fn sign(&self, text: &[u8], version: SignatureVersion) -> Option<Vec<u8>> {
        let mut signed = format!("{version:?} ").into_bytes();
        signed.extend_from_slice(text);
        Some(signed)
    }

    fn certificate_name(&self) -> Option<String> {
        Some("SimpleNotificationService-1.pem".to_owned())
    }

    fn certificate(&self) -> Option<String> {
        Some("PEM".to_owned())
    }
}

/// Answers addresses, allows or refuses senders; remembers what it was asked.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) status: Mutex<u16>,
    pub(crate) requests: Mutex<Vec<HttpRequest>>,
    pub(crate) checks: Mutex<Vec<(Principal, Check)>>,
    pub(crate) refuses: Mutex<bool>,
}

impl HttpClient for Asked {
    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpAnswer, NoAnswer>> {
        self.requests.lock().unwrap().push(request);
        let status = *self.status.lock().unwrap();
        let answer = HttpAnswer {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        };
        Box::pin(std::future::ready(Ok(answer)))
    }
}

impl Authorize for Asked {
    fn authorize(&self, principal: &Principal, checks: &[Check]) -> Result<(), Denied> {
        let mut seen = self.checks.lock().unwrap();
        seen.extend(
            checks
                .iter()
                .map(|check| (principal.clone(), check.clone())),
        );
        if *self.refuses.lock().unwrap() {
            return Err(Denied {
                message: "no".to_owned(),
                action: String::new(),
                resource: String::new(),
                principal: String::new(),
                refusal: policy::Refusal::Denied(policy::Kind::Resource),
            });
        }
        Ok(())
    }

    fn unique_id(&self, principal: &Principal) -> String {
        principal.account().to_string()
    }
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::over(Arc::new(Memory::new()))
    }

    pub(crate) fn over(store: Arc<dyn Store>) -> Self {
        let clock = StoppedClock::at(Timestamp::from_micros(1_700_000_000_250_000));
        let clock = Arc::new(clock);
        let outbox = Outbox::new(Arc::clone(&store));
        let asked = Arc::new(Asked::default());
        let service = Service::new(Parts {
            store,
            outbox: outbox.clone(),
            clock: clock.clone(),
            random: Arc::new(CountingRandom::default()),
            authorize: asked.clone(),
            notary: Arc::new(Scribe),
            http: asked.clone(),
            base_url: BASE.to_owned(),
        });
        Self {
            service,
            clock,
            asked,
            outbox,
        }
    }

    pub(crate) async fn execute(&self, call: ServiceCall) -> (u16, String) {
        let answer = self.service.execute(call).await;
        (
            answer.status,
            String::from_utf8(answer.body.to_vec()).unwrap(),
        )
    }

    /// The text between a pair of tags of an answer that must be a success.
    pub(crate) async fn get(
        &self,
        tag: &str,
        operation: &str,
        parameters: &[(&str, &str)],
    ) -> String {
        let (status, answer) = self.execute(call(operation, parameters)).await;
        assert_eq!(status, 200, "{answer}");
        between(&answer, tag).unwrap_or_default()
    }

    /// The message of a refusal.
    pub(crate) async fn refused(&self, operation: &str, parameters: &[(&str, &str)]) -> String {
        let (status, answer) = self.execute(call(operation, parameters)).await;
        assert!(400 <= status, "{answer}");
        between(&answer, "Message").unwrap()
    }

    pub(crate) async fn topic(&self, name: &str, attributes: &[(&str, &str)]) -> String {
        let attributes = entries("Attributes", attributes);
        let mut parameters = vec![("Name", name)];
        parameters.extend(
            attributes
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        self.get("TopicArn", "CreateTopic", &parameters).await
    }

    pub(crate) async fn subscribe(
        &self,
        topic: &str,
        (protocol, endpoint): (&str, &str),
        attributes: &[(&str, &str)],
    ) -> String {
        let attributes = entries("Attributes", attributes);
        let mut parameters = vec![
            ("TopicArn", topic),
            ("Protocol", protocol),
            ("Endpoint", endpoint),
            ("ReturnSubscriptionArn", "true"),
        ];
        parameters.extend(
            attributes
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        self.get("SubscriptionArn", "Subscribe", &parameters).await
    }

    /// What waits to be delivered, in order.
    pub(crate) async fn deliveries(&self) -> Vec<Delivery> {
        let mut found = Vec::new();
        for fresh in self.outbox.fresh(None, 10_000).await.unwrap().rows {
            let waiting = self.outbox.load(fresh.place, Stage::Fresh).await.unwrap();
            found.push(waiting.unwrap().delivery);
        }
        found
    }
}

pub(crate) fn entries(name: &str, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let numbered = pairs.iter().zip(1..);
    let of_one = |((key, value), number): (&(&str, &str), i32)| {
        let prefix = format!("{name}.entry.{number}");
        [
            (format!("{prefix}.key"), (*key).to_owned()),
            (format!("{prefix}.value"), (*value).to_owned()),
        ]
    };
    numbered.flat_map(of_one).collect()
}

pub(crate) fn between(text: &str, tag: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{tag}>"))?;
    let (found, _) = rest.split_once(&format!("</{tag}>"))?;
    Some(found.replace("&quot;", "\"").replace("&amp;", "&"))
}

pub(crate) fn call(operation: &str, parameters: &[(&str, &str)]) -> ServiceCall {
    let mut body = format!("Action={operation}&Version=2010-03-31");
    for (name, value) in parameters {
        write!(body, "&{name}={}", encoded(value)).unwrap();
    }
    ServiceCall {
        request_id: RequestId::new("r"),
        caller: Principal::Root {
            account: AccountId::development(),
        },
        account: AccountId::development(),
        region: Region::new("us-east-1"),
        method: ::http::Method::POST,
        path_and_query: "/".to_owned(),
        headers: ::http::HeaderMap::new(),
        body: Bytes::from(body),
        stream: None,
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A request without a signature.
pub(crate) fn visit(path_and_query: &str) -> ServiceCall {
    ServiceCall {
        caller: Principal::Anonymous {
            account: AccountId::development(),
        },
        method: ::http::Method::GET,
        path_and_query: path_and_query.to_owned(),
        body: Bytes::new(),
        ..call("", &[])
    }
}

pub(crate) fn json(body: &Bytes) -> serde_json::Value {
    serde_json::from_slice(body).unwrap()
}

pub(crate) fn headers(delivery: &Delivery) -> BTreeMap<&str, &str> {
    let all = delivery.message.attributes.iter();
    all.map(|one| (one.name.as_str(), one.value.as_str()))
        .collect()
}
