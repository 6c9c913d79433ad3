//! Waiting for what an instance says.
//!
//! Lives here: the race between its word, its end and its deadline, its log being read meanwhile.
//! Does not live here: what is made of the outcome (`instance`).

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use super::child::{Exit, Process};
use super::link::{LinkError, Message};
use super::logs::Logs;
use super::runtime_api::Companions;

/// How long is waited for the last words of a process that has ended: they are in the socket already.
const LAST_WORDS_WAIT_MAX: Duration = Duration::from_millis(50);

/// What ended an exchange.
pub(super) enum End {
    Said(Message),
    Exited(Exit),
    TimedOut,
    Broken(LinkError),
}

/// How an init ended.
pub(super) enum InitEnd {
    Ready {
        /// What the init of a template left behind that is forked anyway.
        despite: Vec<String>,
    },
    /// It may run events, and must not be forked.
    Unfit {
        reasons: Vec<String>,
    },
    Failed(InitFailure),
}

/// How an init failed.
pub(super) enum InitFailure {
    /// The bootstrap or the platform said so, in the cloud's error object.
    Said(Bytes),
    Exited(Exit),
    TimedOut,
}

/// Waits for the end of an exchange, reading the log meanwhile.
pub(super) async fn race(
    mut exchange: Pin<&mut impl Future<Output = Result<Message, LinkError>>>,
    process: &mut Process,
    logs: &mut Logs,
    deadline: impl Future<Output = ()>,
    companions: Option<&Companions>,
) -> End {
    let mut deadline = std::pin::pin!(deadline);
    loop {
        tokio::select! {
            biased;
            said = &mut exchange => return ended(said),
            () = &mut deadline => return End::TimedOut,
            exit = process.exited() => {
                // What it said before it ended counts.
                if let Some(companions) = companions {
                    companions.line().has_gone();
                }
                let last_words = tokio::time::timeout(LAST_WORDS_WAIT_MAX, &mut exchange).await;
                return match last_words {
                    Ok(Ok(message)) => End::Said(message),
                    Ok(Err(_)) | Err(_) => End::Exited(exit),
                };
            }
            () = logs.pump() => {}
        }
    }
}

/// Waits until something fails beside a process; pending when nothing runs beside it. Cancel-safe.
pub(super) async fn failed(companions: Option<&Companions>) -> super::runtime_api::Failure {
    match companions {
        Some(companions) => companions.failed().await,
        None => std::future::pending().await,
    }
}

fn ended(said: Result<Message, LinkError>) -> End {
    match said {
        Ok(message) => End::Said(message),
        Err(error) => End::Broken(error),
    }
}
