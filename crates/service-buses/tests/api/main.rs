//! The APIs of buses and schedules from outside: JSON in, JSON out, and what is left for delivery.
//!
//! Lives here: the harness; the cases are in the modules.
//! Does not live here: signatures and HTTP (`gateway`), deliveries on their way (`event-delivery`), real clients (`cloudless`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "helpers of tests fail as tests do, and a table of cases is as long as its subject"
)]

mod archives;
mod destinations;
mod events;
mod firing;
mod resources;
mod roles;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use interfaces::BoxFuture;
use interfaces::authorize::Authorize;
use interfaces::clock::Clock;
use interfaces::http_client::{HttpAnswer, HttpClient, HttpRequest, NoAnswer};
use interfaces::service::{CloudService, ServiceCall};
use model::delivery::Delivery;
use model::ids::{AccountId, Region, RequestId};
use model::principal::Principal;
use outbox::Outbox;
use serde_json::Value;
use service_buses::{Parts, Service};
use store::Store;
use store::sealing::{NoSeal, Seal, Seals};
use test_kit::{Allowing, CountingRandom};

pub(crate) const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/r";

pub(crate) struct Server {
    pub(crate) service: Service,
    pub(crate) asked: Arc<Asked>,
    pub(crate) outbox: Outbox,
}

/// Answers every request with the next status, 200 when there is none, and writes them down.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) requests: Mutex<Vec<HttpRequest>>,
    pub(crate) statuses: Mutex<Vec<u16>>,
}

/// A seal that turns bytes around.
struct Turned;

impl Seals for Turned {
    fn seal(&self) -> BoxFuture<'_, Result<Arc<dyn Seal>, NoSeal>> {
        Box::pin(std::future::ready(Ok(Arc::new(Self) as Arc<dyn Seal>)))
    }
}

impl Seal for Turned {
    fn close(&self, _name: &str, plain: &[u8]) -> Option<Vec<u8>> {
        Some(plain.iter().rev().copied().collect())
    }

    fn open(&self, name: &str, closed: &[u8]) -> Option<Vec<u8>> {
        self.close(name, closed)
    }
}

impl HttpClient for Asked {
    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpAnswer, NoAnswer>> {
        self.requests.lock().unwrap().push(request);
        let status = self.statuses.lock().unwrap().pop().unwrap_or(200);
        Box::pin(std::future::ready(Ok(HttpAnswer {
            status,
            headers: Vec::new(),
            body: Bytes::from_static(br#"{"access_token": "t0"}"#),
        })))
    }
}

impl Server {
    pub(crate) fn over(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self::judged(store, clock, Arc::new(Allowing))
    }

    pub(crate) fn judged(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        authorize: Arc<dyn Authorize>,
    ) -> Self {
        let outbox = Outbox::new(Arc::clone(&store));
        let asked = Arc::<Asked>::default();
        let service = Service::new(Parts {
            store,
            clock,
            random: Arc::new(CountingRandom::default()),
            outbox: outbox.clone(),
            authorize,
            http: asked.clone(),
            seals: Some(Arc::new(Turned)),
        });
        Self {
            service,
            asked,
            outbox,
        }
    }

    fn door(&self, name: &str) -> Arc<dyn CloudService> {
        let doors = self.service.doors();
        doors
            .into_iter()
            .find(|door| door.signing_name() == name)
            .unwrap()
    }

    /// Calls an operation of EventBridge; its status and body.
    pub(crate) async fn events(&self, operation: &str, body: Value) -> (u16, Value) {
        let mut headers = HeaderMap::new();
        let target = format!("AWSEvents.{operation}");
        headers.insert("x-amz-target", HeaderValue::from_str(&target).unwrap());
        let call = call(Method::POST, "/", headers, &body);
        read(self.door("events").execute(call).await)
    }

    /// Calls the Scheduler; its status and body.
    pub(crate) async fn scheduler(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let call = call(method, path, HeaderMap::new(), &body);
        read(self.door("scheduler").execute(call).await)
    }

    /// What waits to be delivered.
    pub(crate) async fn deliveries(&self) -> Vec<Delivery> {
        let fresh = self.outbox.fresh(None, 10_000).await.unwrap();
        let whole = fresh.rows.into_iter().filter_map(|row| row.whole);
        whole.map(|waiting| waiting.delivery).collect()
    }

    /// A rule with a target, which has to be taken.
    pub(crate) async fn rule(&self, rule: Value, target: Value) {
        let name = rule["Name"].clone();
        let bus = rule.get("EventBusName").cloned();
        let (status, answer) = self.events("PutRule", rule).await;
        assert_eq!(status, 200, "{answer}");
        let mut body = serde_json::json!({"Rule": name, "Targets": [target]});
        if let Some(bus) = bus {
            body["EventBusName"] = bus;
        }
        let (status, answer) = self.events("PutTargets", body).await;
        assert_eq!(
            (status, &answer["FailedEntryCount"]),
            (200, &0.into()),
            "{answer}"
        );
    }
}

fn call(method: Method, path: &str, headers: HeaderMap, body: &Value) -> ServiceCall {
    ServiceCall {
        request_id: RequestId::new("r"),
        caller: Principal::Root {
            account: AccountId::development(),
        },
        account: AccountId::development(),
        region: Region::new("us-east-1"),
        method,
        path_and_query: path.to_owned(),
        headers,
        body: if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        },
        stream: None,
    }
}

fn read(answer: interfaces::service::ServiceAnswer) -> (u16, Value) {
    let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    (answer.status, body)
}

pub(crate) fn body(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.message.body).unwrap()
}
