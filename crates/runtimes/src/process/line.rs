//! How an instance is spoken to.
//!
//! Lives here: the two ways, frames over a channel and the Runtime API, as one.
//! Does not live here: either of them (`link`, `runtime_api`).

use tokio::net::UnixStream;

use super::intake::Intake;
use super::link::{EventHead, Link, LinkError, Message};
use super::runtime_api::RuntimeLine;
use interfaces::runtime::Event;

/// A line to an instance's process.
pub(super) enum Line {
    /// To a bootstrap of ours.
    Frames(Link),
    /// To code that asks for its events itself.
    Api(RuntimeLine),
}

impl Line {
    /// Tells the rest of what it is to do, and waits until its init is done or has failed.
    pub(super) async fn initialize(&mut self, untold: &[u8]) -> Result<Message, LinkError> {
        match self {
            Self::Frames(link) => {
                link.send_rest(untold).await?;
                link.receive().await
            }
            Self::Api(line) => Ok(line.initialized().await),
        }
    }

    /// Gives it an event, and waits for the reply.
    pub(super) async fn exchange(
        &mut self,
        head: &EventHead<'_>,
        event: &Event,
        intake: &Intake,
    ) -> Result<Message, LinkError> {
        match self {
            Self::Frames(link) => {
                link.send_event(head, event).await?;
                loop {
                    let message = link.receive().await?;
                    if let Message::Part(part) = message {
                        intake.take(part).await;
                        continue;
                    }
                    return Ok(intake.finish(message));
                }
            }
            // The event was offered to the extensions and to it, all at once.
            Self::Api(line) => Ok(line.replied().await),
        }
    }

    /// Waits until it says anything, or is gone, when it has nothing to say. Cancel-safe.
    pub(super) async fn overhear(&mut self) -> LinkError {
        match self {
            Self::Frames(link) => link.overhear().await,
            // What it says out of turn is refused at once; that it has gone its process shows.
            Self::Api(_) => std::future::pending().await,
        }
    }

    /// Whether it has said no more than was asked for.
    pub(super) fn is_quiet(&self) -> bool {
        match self {
            Self::Frames(link) => link.is_quiet(),
            Self::Api(_) => true,
        }
    }

    /// The same, and the event loop has told of nothing that would have to be read.
    pub(super) fn is_silent(&self) -> bool {
        match self {
            Self::Frames(link) => link.is_silent(),
            Self::Api(_) => true,
        }
    }

    /// Whether its reply was read because the event loop told of it.
    pub(super) fn is_told(&self) -> bool {
        match self {
            Self::Frames(link) => link.is_told(),
            // A task of its own reads it.
            Self::Api(_) => false,
        }
    }

    /// The socket, for whoever goes on with other frames.
    pub(super) fn into_stream(self) -> Option<UnixStream> {
        match self {
            Self::Frames(link) => link.into_stream(),
            Self::Api(_) => None,
        }
    }

    /// Says that no event will follow.
    pub(super) fn close(&mut self) {
        match self {
            Self::Frames(link) => link.close(),
            // Its process is asked to end; the API has no word for it.
            Self::Api(_) => {}
        }
    }
}
