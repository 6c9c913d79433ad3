//! The cloud services that keep state: one line each.
//!
//! Lives here: making each of them over what all share, and what each offers to the parts of a server.
//! Does not live here: what any of them does (its crate), joining these parts with the rest (`wiring`).

use std::path::PathBuf;
use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::clock::Clock;
use interfaces::event_sink::EventSink;
use interfaces::http_client::{HttpAnswer, HttpClient, HttpRequest, NoAnswer};
use interfaces::message_source::MessageSource;
use interfaces::random::Random;
use interfaces::record_source::RecordSource;
use interfaces::resource_provider::ResourceProvider;
use interfaces::service::CloudService;
use outbox::Outbox;
use service_topics::Notary;
use store::Store;

use deployment::records::RecordProvider;
use service_objects::NewBuckets;
use service_tables::Throughput;

use crate::notary::NoNotary;

/// What all services share.
pub(crate) struct Shared {
    /// Where state is kept.
    pub(crate) store: Arc<dyn Store>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Randomness.
    pub(crate) random: Arc<dyn Random>,
    /// Where events wait that one service sends to another, or to a function.
    pub(crate) outbox: Outbox,
    /// Who may do what.
    pub(crate) identity: service_identity::Service,
    /// The port at which functions and programs of this machine reach the services: it stands in addresses of queues. 0
    /// in a check, which serves nothing.
    pub(crate) port: u16,
    /// The folder of what is too large for the store; none in a check.
    pub(crate) folder: Option<PathBuf>,
    /// Calls addresses that users name.
    pub(crate) http: Arc<dyn HttpClient>,
    /// What new buckets let in.
    pub(crate) buckets: NewBuckets,
    /// What becomes of the throughput that is provisioned for tables.
    pub(crate) throughput: Throughput,
    /// Signs what topics send.
    pub(crate) notary: Arc<dyn Notary>,
}

/// The services. Making them starts nothing and reads nothing: a check makes them too, over a state in memory.
pub(crate) struct Services {
    pub(crate) identity: service_identity::Service,
    pub(crate) tables: service_tables::Service,
    pub(crate) queues: service_queues::Service,
    pub(crate) topics: service_topics::Service,
    pub(crate) buses: service_buses::Service,
    pub(crate) objects: service_objects::Service,
    pub(crate) logs: service_logs::Service,
    pub(crate) streams: service_streams::Service,
    pub(crate) secrets: service_secrets::Service,
}

impl Services {
    pub(crate) fn new(shared: &Shared) -> Self {
        let store = || Arc::clone(&shared.store);
        let clock = || Arc::clone(&shared.clock);
        let random = || Arc::clone(&shared.random);
        let secrets = service_secrets::Service::new(service_secrets::Parts {
            store: store(),
            clock: clock(),
            random: random(),
            authorize: Arc::new(shared.identity.clone()),
            folder: shared.folder.clone(),
        });
        Self {
            identity: shared.identity.clone(),
            tables: service_tables::Service::new(store(), clock(), random())
                .with_throughput(shared.throughput),
            queues: service_queues::Service::new(
                store(),
                clock(),
                random(),
                Arc::new(shared.identity.clone()),
                shared.port,
            ),
            topics: service_topics::Service::new(service_topics::Parts {
                store: store(),
                outbox: shared.outbox.clone(),
                clock: clock(),
                random: random(),
                authorize: Arc::new(shared.identity.clone()),
                notary: Arc::clone(&shared.notary),
                http: Arc::clone(&shared.http),
                base_url: format!("http://127.0.0.1:{}", shared.port),
            }),
            buses: service_buses::Service::new(service_buses::Parts {
                store: store(),
                clock: clock(),
                random: random(),
                outbox: shared.outbox.clone(),
                authorize: Arc::new(shared.identity.clone()),
                http: Arc::clone(&shared.http),
                seals: Some(secrets.seals()),
            }),
            streams: service_streams::Service::new(
                store(),
                clock(),
                random(),
                Arc::new(shared.identity.clone()),
            ),
            logs: service_logs::Service::new(service_logs::Parts {
                store: store(),
                clock: clock(),
                random: random(),
                outbox: shared.outbox.clone(),
                authorize: Arc::new(shared.identity.clone()),
            }),
            secrets,
            objects: service_objects::Service::new(service_objects::Parts {
                store: store(),
                folder: shared.folder.clone(),
                clock: clock(),
                random: random(),
                outbox: shared.outbox.clone(),
                authorize: Arc::new(shared.identity.clone()),
                principals: Arc::new(shared.identity.clone()),
                buckets: shared.buckets,
            }),
        }
    }

    /// Whoever makes resources: the services, and the records for the types that are nothing more here.
    pub(crate) fn providers(&self) -> Vec<Arc<dyn ResourceProvider>> {
        vec![
            self.identity.provider(),
            self.tables.provider(),
            self.queues.provider(),
            self.topics.provider(),
            self.buses.provider(),
            self.objects.provider(),
            self.secrets.provider(),
            self.logs.provider(),
            self.streams.provider(),
            Arc::new(RecordProvider::new()),
        ]
    }

    /// What stands behind the service door.
    pub(crate) fn doors(&self) -> Vec<Arc<dyn CloudService>> {
        let mut doors = self.buses.doors();
        doors.extend(self.identity.doors());
        doors.extend(self.secrets.doors());
        doors.extend(self.logs.doors());
        doors.push(Arc::new(self.tables.clone()));
        doors.push(Arc::new(self.queues.clone()));
        doors.push(Arc::new(self.topics.clone()));
        doors.push(Arc::new(self.objects.clone()));
        doors.push(Arc::new(self.streams.clone()));
        doors
    }

    /// Streams that functions are called with the records of.
    pub(crate) fn record_sources(&self) -> Vec<Arc<dyn RecordSource>> {
        vec![self.tables.record_source(), self.streams.record_source()]
    }

    /// Queues that functions are called with the messages of.
    pub(crate) fn message_sources(&self) -> Vec<Arc<dyn MessageSource>> {
        vec![self.queues.message_source()]
    }

    /// Whatever takes events.
    pub(crate) fn sinks(&self) -> Vec<Arc<dyn EventSink>> {
        let mut sinks = self.topics.sinks();
        sinks.push(self.queues.sink());
        sinks.push(self.buses.sink());
        sinks.push(self.logs.sink());
        sinks.push(self.streams.sink());
        sinks
    }

    /// What services do by themselves, for ever: items and messages expire, indexes fill, schedules fire.
    pub(crate) async fn keep(&self) {
        let tables = async { match self.tables.keep().await {} };
        let buses = async { match self.buses.keep().await {} };
        let objects = async { match self.objects.keep().await {} };
        let secrets = async { match self.secrets.keep().await {} };
        let logs = async { match self.logs.keep().await {} };
        let streams = async { match self.streams.keep().await {} };
        tokio::join!(
            tables,
            self.tables.keep_up(),
            self.queues.keep(),
            buses,
            objects,
            secrets,
            logs,
            streams,
        );
    }
}

impl Shared {
    /// Over this store.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        port: u16,
        folder: Option<PathBuf>,
    ) -> Self {
        Self {
            outbox: Outbox::new(Arc::clone(&store)),
            identity: service_identity::Service::new(
                Arc::clone(&store),
                Arc::clone(&clock),
                Arc::clone(&random),
            ),
            port,
            folder,
            store,
            clock,
            random,
            buckets: NewBuckets::default(),
            throughput: Throughput::default(),
            http: Arc::new(Nowhere),
            notary: Arc::new(NoNotary),
        }
    }

    /// The same, but new buckets let in what this says.
    pub(crate) fn with_buckets(self, buckets: NewBuckets) -> Self {
        Self { buckets, ..self }
    }

    /// The same, but this becomes of the throughput that is provisioned for tables.
    pub(crate) fn with_throughput(self, throughput: Throughput) -> Self {
        Self { throughput, ..self }
    }

    /// The same, but reaching the world, and signing what it tells it.
    pub(crate) fn reaching(self, http: Arc<dyn HttpClient>, notary: Arc<dyn Notary>) -> Self {
        Self {
            http,
            notary,
            ..self
        }
    }
}

/// Reaches nobody: a check sends nothing.
struct Nowhere;

impl HttpClient for Nowhere {
    fn send(&self, _request: HttpRequest) -> BoxFuture<'_, Result<HttpAnswer, NoAnswer>> {
        let reason = "a check sends nothing".to_owned();
        Box::pin(std::future::ready(Err(NoAnswer { reason })))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::{HeaderMap, HeaderValue, Method};
    use interfaces::service::{ServiceCall, demands};
    use model::ids::{AccountId, Region, RequestId};
    use model::principal::Principal;
    use model::time::Timestamp;
    use store_embedded::Memory;
    use test_kit::{CountingRandom, StoppedClock};

    use super::*;

    /// What is asked for without any permission. Contract: AWS STS API Reference.
    const FREE: [&str; 2] = ["sts GetCallerIdentity", "sts GetSessionToken"];

    fn services() -> Services {
        let clock = StoppedClock::at(Timestamp::from_micros(0));
        let random = Arc::new(CountingRandom::default());
        Services::new(&Shared::new(
            Arc::new(Memory::new()),
            Arc::new(clock),
            random,
            0,
            None,
        ))
    }

    /// The operations that are carried out, as the door's services are called, and the headers or the body that name them.
    fn operations() -> Vec<(&'static str, &'static str, Option<&'static str>)> {
        let done =
            |name: &'static str, target: Option<&'static str>, rows: Vec<(&'static str, bool)>| {
                let rows = rows.into_iter().filter(|(_, is_done)| *is_done);
                rows.map(move |(operation, _)| (name, operation, target))
            };
        let queues = service_queues::Service::operations();
        let mut all: Vec<_> = done("sqs", Some("AmazonSQS"), queues).collect();
        let buses = service_buses::event_operations().collect();
        all.extend(done("events", Some("AWSEvents"), buses));
        let streams = service_streams::operations().collect();
        all.extend(done("kinesis", Some("Kinesis_20131202"), streams));
        let keys = service_secrets::kms_operations().collect();
        all.extend(done("kms", Some("TrentService"), keys));
        let secrets = service_secrets::secretsmanager_operations().collect();
        all.extend(done("secretsmanager", Some("secretsmanager"), secrets));
        let parameters = service_secrets::ssm_operations().collect();
        all.extend(done("ssm", Some("AmazonSSM"), parameters));
        let logs = service_logs::log_operations().collect();
        all.extend(done("logs", Some("Logs_20140328"), logs));
        let metrics = service_logs::metric_operations().collect();
        all.extend(done(
            "monitoring",
            Some("GraniteServiceVersion20100801"),
            metrics,
        ));
        let topics = service_topics::operations().collect();
        all.extend(done("sns", None, topics));
        for (name, operation, is_done) in service_identity::operations() {
            all.extend(done(name, None, vec![(operation, is_done)]));
        }
        for (name, operation, is_done) in service_tables::operations() {
            let target = match name {
                "dynamodb" => "DynamoDB_20120810",
                _ => "DynamoDBStreams_20120810",
            };
            all.extend(done("dynamodb", Some(target), vec![(operation, is_done)]));
        }
        all
    }

    fn call(operation: &str, target: Option<&str>) -> ServiceCall {
        let account = AccountId::development();
        let mut headers = HeaderMap::new();
        let body = match target {
            Some(target) => {
                let target = format!("{target}.{operation}");
                headers.insert("x-amz-target", HeaderValue::from_str(&target).unwrap());
                headers.insert(
                    "content-type",
                    HeaderValue::from_static("application/x-amz-json-1.0"),
                );
                "{}".to_owned()
            }
            None => {
                headers.insert(
                    "content-type",
                    HeaderValue::from_static("application/x-www-form-urlencoded"),
                );
                format!("Action={operation}")
            }
        };
        ServiceCall {
            request_id: RequestId::new("1"),
            caller: Principal::Root {
                account: account.clone(),
            },
            account,
            region: Region::new("us-east-1"),
            method: Method::POST,
            path_and_query: "/".to_owned(),
            headers,
            body: body.into(),
            stream: None,
        }
    }

    #[tokio::test]
    async fn every_operation_asks_for_a_permission_but_those_that_need_none() {
        let doors = services().doors();
        let (mut free, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for (name, operation, target) in operations() {
            let door = doors.iter().find(|door| door.signing_name() == name);
            let door = door.unwrap_or_else(|| panic!("no service is called {name}"));
            seen.insert(name);
            if demands(&**door, &call(operation, target)).await.is_empty() {
                free.insert(format!("{name} {operation}"));
            }
        }
        assert_eq!(free.iter().map(String::as_str).collect::<Vec<_>>(), FREE);
        // Those that are called by paths and methods alone are held by tests of their own.
        let others: Vec<&str> = doors
            .iter()
            .map(|door| door.signing_name())
            .filter(|name| !seen.contains(name))
            .collect();
        assert_eq!(others, ["scheduler", "s3"]);
    }
}
