//! Calls that were stopped because they come from a loop.
//!
//! Lives here: counting them, around the invoker, which every call goes through.
//! Does not live here: finding loops (`invoker`), what becomes of the event (`event-delivery`), keeping metrics (`service_logs`).

use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::invoke::{Answer, Invocation, Invoke, NotRun, Reply};
use service_logs::LambdaMetrics;

/// Invokes, and counts what is stopped.
struct Counted {
    invoke: Arc<dyn Invoke>,
    metrics: LambdaMetrics,
}

/// An invoker that counts what it stops among the metrics of Lambda.
pub(crate) fn counted(invoke: Arc<dyn Invoke>, logs: &service_logs::Service) -> Arc<dyn Invoke> {
    let metrics = logs.lambda_metrics();
    Arc::new(Counted { invoke, metrics })
}

impl Counted {
    async fn count<T>(&self, outcome: Result<T, NotRun>) -> Result<T, NotRun> {
        if let Err(NotRun::Recursive { arn, .. }) = &outcome {
            self.metrics.count_dropped(arn).await;
        }
        outcome
    }
}

impl Invoke for Counted {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Reply, NotRun>> {
        Box::pin(async move {
            let outcome = self.invoke.invoke(invocation).await;
            self.count(outcome).await
        })
    }

    fn invoke_streamed(&self, invocation: Invocation) -> BoxFuture<'_, Result<Answer, NotRun>> {
        Box::pin(async move {
            let outcome = self.invoke.invoke_streamed(invocation).await;
            self.count(outcome).await
        })
    }
}
