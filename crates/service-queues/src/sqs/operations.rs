//! The operations, by name.
//!
//! Lives here: which there are, what each is given, finding the queue that a request is about.
//! Does not live here: what each does (a file a group).

use std::sync::Arc;

use interfaces::service::ServiceCall;
use serde_json::{Map, Value};

use super::fault::{Fault, Kind};
use super::polls::Polls;
use super::request::{Input, Protocol, Request};
use super::{messages, moves, permissions, queues, receiving, sending, urls};
use crate::engine::catalogue::{Catalogue, Queue};
use crate::tasks::Tasks;

/// Members of a request or a result.
pub(crate) type Members = Map<String, Value>;

/// What a request came to.
pub(crate) type Outcome = Result<Members, Fault>;

/// All operations of Amazon SQS, sorted. Every one is carried out.
pub(crate) const OPERATIONS: &[&str] = &[
    "AddPermission",
    "CancelMessageMoveTask",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "CreateQueue",
    "DeleteMessage",
    "DeleteMessageBatch",
    "DeleteQueue",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "ListMessageMoveTasks",
    "ListQueueTags",
    "ListQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "RemovePermission",
    "SendMessage",
    "SendMessageBatch",
    "SetQueueAttributes",
    "StartMessageMoveTask",
    "TagQueue",
    "UntagQueue",
];

/// What an operation is given.
pub(crate) struct Context<'a> {
    /// The queues.
    pub(crate) catalogue: &'a Catalogue,
    /// Tasks that move messages.
    pub(crate) tasks: &'a Tasks,
    /// The call.
    pub(crate) call: &'a ServiceCall,
    /// The unique id of who calls.
    pub(crate) sender: &'a str,
    /// Where requests come in, as the caller knows it.
    pub(crate) origin: &'a str,
    /// Calls that wait for messages.
    pub(crate) polls: &'a Polls,
    /// The members of the request.
    pub(crate) input: &'a Members,
}

impl Context<'_> {
    /// The queue that the request names.
    ///
    /// # Errors
    /// It names none, or there is none such.
    pub(crate) async fn queue(&self) -> Result<Arc<Queue>, Fault> {
        let address = match self.input.text("QueueUrl") {
            Some(address) if !address.is_empty() => address,
            Some(_) | None => return Err(Fault::missing("QueueUrl")),
        };
        let (account, region, name) = urls::read(address, &self.call.account, &self.call.region);
        let found = self.catalogue.find(&account, &region, &name).await?;
        found.ok_or_else(Fault::no_queue)
    }
}

/// Carries out a request.
///
/// # Errors
/// The refusal.
pub(crate) async fn run(context: &Context<'_>, request: &Request) -> Outcome {
    if let Some(fault) = not_here(context.call, request) {
        return Err(fault);
    }
    match request.operation.as_str() {
        "AddPermission" => permissions::add(context).await,
        "CancelMessageMoveTask" => moves::cancel(context).await,
        "ChangeMessageVisibility" => messages::change(context).await,
        "ChangeMessageVisibilityBatch" => messages::change_batch(context).await,
        "CreateQueue" => queues::create(context).await,
        "DeleteMessage" => messages::delete(context).await,
        "DeleteMessageBatch" => messages::delete_batch(context).await,
        "DeleteQueue" => queues::delete(context).await,
        "GetQueueAttributes" => queues::attributes(context).await,
        "GetQueueUrl" => queues::url(context).await,
        "ListDeadLetterSourceQueues" => queues::list_sources(context).await,
        "ListMessageMoveTasks" => moves::list(context).await,
        "ListQueueTags" => queues::tags(context).await,
        "ListQueues" => queues::list(context).await,
        "PurgeQueue" => queues::purge(context).await,
        "ReceiveMessage" => receiving::receive(context).await,
        "RemovePermission" => permissions::remove(context).await,
        "SendMessage" => sending::send(context).await,
        "SendMessageBatch" => sending::send_batch(context).await,
        "SetQueueAttributes" => queues::set_attributes(context).await,
        "StartMessageMoveTask" => moves::start(context).await,
        "TagQueue" => queues::tag(context).await,
        "UntagQueue" => queues::untag(context).await,
        _ => Err(unknown(request)),
    }
}

/// At a queue's own address, only what is about that queue can be asked.
fn not_here(call: &ServiceCall, request: &Request) -> Option<Fault> {
    let path = call.path_and_query.split('?').next().unwrap_or_default();
    let is_queues = path.trim_matches('/').contains('/');
    let is_about_none = ["CreateQueue", "ListQueues"].contains(&&*request.operation);
    let is_query = request.protocol != Protocol::Json;
    (is_queues && is_about_none && is_query).then(|| invalid_here(&request.operation))
}

fn unknown(request: &Request) -> Fault {
    invalid_here(&request.operation)
}

fn invalid_here(operation: &str) -> Fault {
    Fault::new(
        Kind::InvalidAction,
        format!("The action {operation} is not valid for this endpoint."),
    )
}
