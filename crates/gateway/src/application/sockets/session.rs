//! A connection, from its upgrade to the event that it has gone.
//!
//! Lives here: what it waits for at a time, how long it lives, and what ends it.
//! Does not live here: frames (`frames`), what becomes of a message (`sockets`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Quotas for WebSocket APIs", and recorded events of `$disconnect`: a close
//! without a code is 1005, one by `@connections` is 1000, one that was idle for too long is 1001. `$disconnect` is told once the
//! connection has closed, as well as can be.

use std::sync::Arc;

use bytes::Bytes;
use model::door::Rate;
use model::limits::{WEBSOCKET_IDLE_TIME_MAX, WEBSOCKET_LIFETIME_MAX};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Sockets;
use super::connections::{Connection, Order};
use super::frames::{Frames, Received};
use crate::http::Socket;

/// Messages of one connection that are with their functions at a time. While there are so many, no more are read.
const MESSAGES_UNDER_WAY_MAX: usize = 16;

const NO_CODE: (u16, &str) = (1005, "Client-side close frame status not set");
const LOST: (u16, &str) = (1006, "Connection lost");
const CLOSED_BY_MANAGER: (u16, &str) = (1000, "Connection Closed Normally");
const GOING_AWAY: (u16, &str) = (1001, "Going away");

/// One connection.
pub(super) struct Session {
    pub(super) sockets: Arc<Sockets>,
    pub(super) connection: Arc<Connection>,
    pub(super) orders: mpsc::Receiver<Order>,
    /// How often the account's APIs may be called.
    pub(super) account_rate: Option<Rate>,
}

/// How a connection ended: the code and reason that `$disconnect` is told.
#[derive(Debug)]
enum End {
    /// The client closed.
    ByClient(u16, String),
    /// We close.
    ByUs(u16, String),
    /// It broke.
    Lost,
}

/// What happened next.
enum Next {
    Received(Received),
    Order(Option<Order>),
    /// The answer to one of its messages.
    Answer(Option<Bytes>),
    Over,
}

impl Session {
    /// Serves the connection until it ends.
    pub(super) async fn run(mut self, socket: Socket) {
        let stop = socket.stop.clone();
        let mut frames = Frames::new(socket).await;
        let mut under_way = JoinSet::new();
        let end = self.serve(&mut frames, &mut under_way, &stop).await;
        // From here on, whoever writes to it is told that it is gone.
        self.sockets.connections.forget(&self.connection.id);
        self.orders.close();
        let (code, reason) = match &end {
            End::ByClient(code, reason) | End::ByUs(code, reason) => (*code, reason.as_str()),
            End::Lost => LOST,
        };
        let closing = async {
            match &end {
                End::ByClient(..) => frames.answer_close().await,
                End::ByUs(code, reason) => frames.close(*code, reason).await,
                End::Lost => drop(frames),
            }
        };
        let told = self.sockets.disconnected(&self.connection, (code, reason));
        let finishing = async { while under_way.join_next().await.is_some() {} };
        tokio::join!(closing, told, finishing);
    }

    async fn serve(
        &mut self,
        frames: &mut Frames,
        under_way: &mut JoinSet<Option<Bytes>>,
        stop: &CancellationToken,
    ) -> End {
        let over_at = Instant::now() + WEBSOCKET_LIFETIME_MAX;
        let mut idle_at = Instant::now() + WEBSOCKET_IDLE_TIME_MAX;
        loop {
            let has_room = under_way.len() < MESSAGES_UNDER_WAY_MAX;
            let next = tokio::select! {
                received = frames.receive(), if has_room => Next::Received(received),
                order = self.orders.recv() => Next::Order(order),
                Some(answer) = under_way.join_next(), if !under_way.is_empty() => {
                    Next::Answer(answer.ok().flatten())
                }
                () = tokio::time::sleep_until(over_at.min(idle_at)) => Next::Over,
                () = stop.cancelled() => Next::Over,
            };
            let outgoing = match next {
                Next::Over => return going_away(),
                // Its API is not there any more.
                Next::Order(None) => return going_away(),
                Next::Order(Some(Order::Close)) => {
                    let (code, reason) = CLOSED_BY_MANAGER;
                    return End::ByUs(code, reason.to_owned());
                }
                Next::Order(Some(Order::Send(message))) => Some(message),
                Next::Answer(answer) => answer,
                Next::Received(received) => match self.take(received, under_way) {
                    Some(end) => return end,
                    None => None,
                },
            };
            if let Some(message) = outgoing
                && frames.send(message).await.is_err()
            {
                return End::Lost;
            }
            idle_at = Instant::now() + WEBSOCKET_IDLE_TIME_MAX;
            self.connection.touch(self.sockets.clock.now());
        }
    }

    /// Takes what came; how the connection ends, if it does.
    fn take(&self, received: Received, under_way: &mut JoinSet<Option<Bytes>>) -> Option<End> {
        match received {
            Received::Text(text) => {
                let sockets = Arc::clone(&self.sockets);
                let connection = Arc::clone(&self.connection);
                let rate = self.account_rate;
                under_way
                    .spawn(async move { sockets.message(&connection, text.as_str(), rate).await });
                None
            }
            Received::Control => None,
            Received::Closed(None) => {
                let (code, reason) = NO_CODE;
                Some(End::ByClient(code, reason.to_owned()))
            }
            Received::Closed(Some((code, reason))) => Some(End::ByClient(code, reason)),
            Received::Bad(breach) => Some(End::ByUs(breach.code(), breach.to_string())),
            Received::Lost => Some(End::Lost),
        }
    }
}

fn going_away() -> End {
    let (code, reason) = GOING_AWAY;
    End::ByUs(code, reason.to_owned())
}
