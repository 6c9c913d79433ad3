//! Asking the owner of a queue, and waiting for its reply.
//!
//! Lives here: one function a request.
//! Does not live here: what is done about them (`owner`).

use std::sync::Arc;
use std::time::Duration;

use model::arn::Arn;
use tokio::sync::oneshot;

use super::catalogue::{Catalogue, CatalogueError, Queue};
use super::receipt::Receipt;
use super::request::{
    Counts, Failed, Moved, Outcomes, Outgoing, ReceiveError, Received, Request, Sent, Wish,
};

/// A queue could not be asked, or could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// It is not there any more.
    #[error("the queue does not exist")]
    Missing,
    /// Too many messages are in flight.
    #[error("too many messages are in flight")]
    OverLimit,
    /// The store failed.
    #[error(transparent)]
    Failed(#[from] Failed),
    /// The catalogue could not be read or written.
    #[error(transparent)]
    Catalogue(CatalogueError),
}

impl From<CatalogueError> for AskError {
    fn from(error: CatalogueError) -> Self {
        match error {
            CatalogueError::Missing => Self::Missing,
            error @ (CatalogueError::DeletedRecently
            | CatalogueError::Read(_)
            | CatalogueError::Commit(_)
            | CatalogueError::Descriptor(_)) => Self::Catalogue(error),
        }
    }
}

impl From<ReceiveError> for AskError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::OverLimit => Self::OverLimit,
            ReceiveError::Failed(failed) => Self::Failed(failed),
        }
    }
}

impl Catalogue {
    /// Keeps messages.
    pub(crate) async fn send_messages(
        &self,
        queue: &Queue,
        messages: Vec<Outgoing>,
    ) -> Result<Vec<Sent>, AskError> {
        self.ask(queue, |reply| Request::Send { messages, reply })
            .await
    }

    /// Receives messages. What was received when it is dropped is visible again.
    pub(crate) async fn receive(
        &self,
        queue: &Queue,
        wish: Wish,
    ) -> Result<Vec<Received>, AskError> {
        self.ask(queue, |reply| Request::Receive { wish, reply })
            .await
    }

    /// Deletes messages.
    pub(crate) async fn delete_messages(
        &self,
        queue: &Queue,
        receipts: Vec<Receipt>,
    ) -> Result<Outcomes, AskError> {
        self.ask(queue, |reply| Request::Delete { receipts, reply })
            .await
    }

    /// Changes for how long messages are in flight.
    pub(crate) async fn change_visibility(
        &self,
        queue: &Queue,
        changes: Vec<(Receipt, Duration)>,
    ) -> Result<Outcomes, AskError> {
        self.ask(queue, |reply| Request::Change { changes, reply })
            .await
    }

    /// Counts the messages.
    pub(crate) async fn count(&self, queue: &Queue) -> Result<Counts, AskError> {
        self.ask(queue, |reply| Request::Count { reply }).await
    }

    /// Moves messages to other queues.
    pub(crate) async fn move_messages(
        &self,
        queue: &Arc<Queue>,
        messages_max: usize,
        destination: Option<Arn>,
    ) -> Result<Moved, AskError> {
        self.ask(queue, |reply| Request::Move {
            messages_max,
            destination,
            reply,
        })
        .await
    }

    async fn ask<T, E: Into<AskError>>(
        &self,
        queue: &Queue,
        request: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Request,
    ) -> Result<T, AskError> {
        let (reply, replied) = oneshot::channel();
        self.send(queue, request(reply)).await?;
        // An owner that ends without a reply does so because its queue is deleted.
        replied
            .await
            .map_err(|_| AskError::Missing)?
            .map_err(Into::into)
    }
}
