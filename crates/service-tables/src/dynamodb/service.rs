//! The service as the door sees it.
//!
//! Lives here: which operation a request names, and the frame of every answer.
//! Does not live here: the operations (`operations`), signatures and request ids (`gateway::service_door`).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aws_wire::host;
use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::authorize::Check;
use interfaces::clock::Clock;
use interfaces::random::Random;
use interfaces::record_source::RecordSource;
use interfaces::resource_provider::ResourceProvider;
use interfaces::service::{CloudService, ServiceAnswer, ServiceCall};
use store::Store;

use super::checks;
use super::compression::{self, Encoding};
use super::fault::{Fault, Kind};
use super::operations::{self, Context};
use super::streams::{self, source::TableStreams};
use super::throughput::{Meter, Throughput};
use crate::engine::catalogue::{self, Catalogue};
use crate::engine::items::{AccessError, Items};
use crate::engine::keeper::Keeper;
use crate::engine::streams::log::Streams;
use crate::engine::time_to_live::Expiry;
use crate::engine::upkeep::Upkeep;
use crate::resources::Tables;

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
/// DynamoDB calls itself so.
const SERVER: &str = "Server";
/// After this long, work that failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// The operations of DynamoDB that are not carried out here. Each is refused by name.
const NOT_IMPLEMENTED: &[&str] = &[
    "CancelBulkOperation",
    "CreateBackup",
    "CreateGlobalTable",
    "DeleteBackup",
    "DeleteResourcePolicy",
    "DescribeBackup",
    "DescribeBulkOperation",
    "DescribeContributorInsights",
    "DescribeExport",
    "DescribeGlobalTable",
    "DescribeGlobalTableSettings",
    "DescribeImport",
    "DescribeKinesisStreamingDestination",
    "DescribeTableReplicaAutoScaling",
    "DisableKinesisStreamingDestination",
    "EnableKinesisStreamingDestination",
    "ExportTableToPointInTime",
    "GetResourcePolicy",
    "ImportTable",
    "ListBackups",
    "ListBulkOperations",
    "ListContributorInsights",
    "ListExports",
    "ListGlobalTables",
    "ListImports",
    "PutResourcePolicy",
    "RestoreTableFromBackup",
    "RestoreTableToPointInTime",
    "SearchVectors",
    "StartBulkPutItems",
    "UpdateContributorInsights",
    "UpdateGlobalTable",
    "UpdateGlobalTableSettings",
    "UpdateKinesisStreamingDestination",
    "UpdateTableReplicaAutoScaling",
];

/// DynamoDB. Clones share everything.
#[derive(Clone)]
pub struct Service {
    catalogue: Arc<Catalogue>,
    items: Items,
    upkeep: Arc<Upkeep>,
    streams: Streams,
    keeper: Arc<Keeper>,
    meter: Arc<Meter>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Service {
    /// DynamoDB over this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let catalogue = Arc::new(Catalogue::new(Arc::clone(&store), Arc::clone(&clock)));
        let streams = Streams::new(Arc::clone(&store));
        let items = Items::new(
            Arc::clone(&store),
            Arc::clone(&catalogue),
            Arc::clone(&clock),
            Arc::clone(streams.wakers()),
        );
        let expiry = Expiry::new(Arc::clone(&store), Arc::clone(&catalogue), items.clone());
        let keeper = Keeper::new(
            Arc::clone(&store),
            Arc::clone(&clock),
            expiry,
            streams.clone(),
        );
        Self {
            upkeep: Arc::new(Upkeep::new(store, Arc::clone(&catalogue), items.clone())),
            streams,
            keeper: Arc::new(keeper),
            meter: Arc::new(Meter::new(Throughput::default())),
            items,
            catalogue,
            clock,
            random,
        }
    }

    /// The same, but of what is provisioned becomes this.
    #[must_use]
    pub fn with_throughput(self, throughput: Throughput) -> Self {
        Self {
            meter: Arc::new(Meter::new(throughput)),
            ..self
        }
    }

    /// Makes, changes and deletes the tables of templates.
    #[must_use]
    pub fn provider(&self) -> Arc<dyn ResourceProvider> {
        Arc::new(Tables::new(
            Arc::clone(&self.catalogue),
            Arc::clone(&self.upkeep),
            self.items.clone(),
            Arc::clone(&self.clock),
            Arc::clone(&self.random),
        ))
    }

    /// Does what requests have left to be done later: fills new indexes, removes deleted ones.
    ///
    /// # Errors
    /// What the store says; what was not done stays for the next call.
    pub async fn settle(&self) -> Result<(), AccessError> {
        self.upkeep.settle().await
    }

    /// Takes up what the last process left undone, in every account and region, then does what requests leave to be done later,
    /// for ever.
    pub async fn keep_up(&self) {
        if let Err(error) = self.take_up().await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(
                error,
                "could not look for what the last process left undone"
            );
        }
        loop {
            if let Err(error) = self.settle().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "an index or a deleted table could not be seen to yet"
                );
                drop(error);
                tokio::time::sleep(AGAIN_AFTER).await;
                continue;
            }
            self.upkeep.wait().await;
        }
    }

    async fn take_up(&self) -> Result<(), catalogue::Error> {
        for (account, region) in self.keeper.regions().await? {
            self.upkeep.ask_to_purge(&account, &region);
            self.upkeep.find_unfinished(&account, &region).await?;
        }
        Ok(())
    }

    /// Deletes items that expire and removes records of streams after their day, until it is dropped.
    pub async fn keep(&self) -> Infallible {
        self.keeper.run().await
    }

    /// The streams of tables, for whoever calls functions with their records.
    #[must_use]
    pub fn record_source(&self) -> Arc<dyn RecordSource> {
        Arc::new(TableStreams::new(
            self.streams.clone(),
            Arc::clone(&self.clock),
        ))
    }

    async fn answer(&self, call: ServiceCall) -> ServiceAnswer {
        let (status, body) = match self.carry_out(&call).await {
            Ok(body) => (200, body),
            Err(fault) => (fault.kind.status(), fault.to_json()),
        };
        match compression::wished(&call.headers, body.len()) {
            None => framed(status, None, body),
            Some(encoding) => {
                let (encoding, body) = compression::answer(encoding, body);
                framed(status, encoding, body)
            }
        }
    }

    async fn checked(&self, call: &ServiceCall) -> Vec<Check> {
        let asked = checks::Asked {
            catalogue: &self.catalogue,
            account: &call.account,
            region: &call.region,
            operation: operation(call).unwrap_or_default(),
        };
        match compression::request(&call.headers, &call.body) {
            Ok(body) => checks::of(asked, &body).await,
            // It is refused for that.
            Err(_) => Vec::new(),
        }
    }

    async fn carry_out(&self, call: &ServiceCall) -> Result<Vec<u8>, Fault> {
        let body = compression::request(&call.headers, &call.body)?;
        let target = target(call);
        if let Some(target) = target.strip_prefix(streams::TARGET_PREFIX) {
            let context = streams::Context {
                streams: &self.streams,
                clock: &*self.clock,
                account: &call.account,
                region: &call.region,
            };
            let answered = streams::run(&context, target, &body).await;
            return answered.unwrap_or_else(|| Err(unknown(target)));
        }
        let target = target.strip_prefix(TARGET_PREFIX).unwrap_or_default();
        let context = Context {
            catalogue: &self.catalogue,
            items: &self.items,
            upkeep: &self.upkeep,
            keeper: &self.keeper,
            meter: &self.meter,
            host: host::of(&call.headers).unwrap_or_default(),
            clock: &*self.clock,
            shared_clock: &self.clock,
            random: &*self.random,
            account: &call.account,
            region: &call.region,
        };
        match operations::run(&context, target, &body).await {
            Some(answered) => answered,
            None => Err(unknown(target)),
        }
    }
}

/// Every operation of Amazon DynamoDB and Amazon DynamoDB Streams by its service, as botocore calls it, with whether it is
/// carried out.
pub fn operations() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    let carried_out = checks::operations().map(|(name, is_of_streams)| {
        let service = if is_of_streams {
            "dynamodbstreams"
        } else {
            "dynamodb"
        };
        (service, name, true)
    });
    let refused = NOT_IMPLEMENTED
        .iter()
        .map(|name| ("dynamodb", *name, false));
    carried_out.chain(refused)
}

impl CloudService for Service {
    fn signing_name(&self) -> &'static str {
        "dynamodb"
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        Box::pin(self.checked(call))
    }

    /// What is not carried out is refused by its name.
    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        let operation = operation(call);
        !checks::operations().any(|(name, _)| Some(name) == operation)
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(self.answer(call))
    }
}

fn target(call: &ServiceCall) -> &str {
    let target = call.headers.get("x-amz-target");
    target
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn operation(call: &ServiceCall) -> Option<&str> {
    let target = target(call);
    let of_streams = target.strip_prefix(streams::TARGET_PREFIX);
    of_streams.or_else(|| target.strip_prefix(TARGET_PREFIX))
}

fn unknown(target: &str) -> Fault {
    let message = if NOT_IMPLEMENTED.binary_search(&target).is_ok() {
        format!("The operation {target} is not implemented by Cloudless yet")
    } else {
        String::new()
    };
    Fault::new(Kind::UnknownOperation, message)
}

fn framed(status: u16, encoding: Option<Encoding>, body: Vec<u8>) -> ServiceAnswer {
    // SDKs check it: the header is how DynamoDB tells a damaged answer from a whole one. It is about the body as it is sent.
    let checksum = crc32fast::hash(&body);
    let mut headers = vec![
        ("content-type", CONTENT_TYPE.to_owned()),
        ("server", SERVER.to_owned()),
        ("x-amz-crc32", checksum.to_string()),
    ];
    headers.extend(encoding.map(|encoding| ("content-encoding", encoding.name().to_owned())));
    ServiceAnswer {
        status,
        headers,
        body: Bytes::from(body),
        rest: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_what_is_not_implemented_is_sorted() {
        assert!(NOT_IMPLEMENTED.is_sorted());
    }
}
