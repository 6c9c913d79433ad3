//! The connections that are open.
//!
//! Lives here: finding one by its id, and telling it what to do.
//! Does not live here: doing it (`session`), who may ask for it (`management`).

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use model::ids::{ApiId, StageName};
use model::time::Timestamp;
use tokio::sync::mpsc;

use crate::caller::Caller;

/// Messages that wait to be sent on one connection. The next is refused: its client reads too slowly.
const MESSAGES_WAITING_MAX: usize = 64;

/// One connection, as its events show it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: String,
    pub(super) api: ApiId,
    pub(super) stage: StageName,
    pub(super) connected_at: Timestamp,
    pub(super) source_ip: IpAddr,
    pub(super) user_agent: Option<String>,
    pub(super) caller: Caller,
    /// When something came or went last, in microseconds.
    active_at: AtomicI64,
}

/// What a connection is told to do.
#[derive(Debug)]
pub(super) enum Order {
    /// To send this.
    Send(Bytes),
    /// To close: whoever manages it says so.
    Close,
}

/// Why a connection was not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTold {
    /// It is gone.
    Gone,
    /// Too much waits to be sent on it.
    Full,
}

/// All that are open. How many there are is bounded by the listeners, each of which holds one of its own.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<HashMap<String, Open>>);

#[derive(Debug, Clone)]
struct Open {
    connection: Arc<Connection>,
    orders: mpsc::Sender<Order>,
}

impl Connection {
    /// What is remembered of whoever connected.
    pub(super) fn new(
        id: String,
        (api, stage): (ApiId, StageName),
        connected_at: Timestamp,
        (source_ip, user_agent): (IpAddr, Option<String>),
        caller: Caller,
    ) -> Self {
        Self {
            id,
            api,
            stage,
            connected_at,
            source_ip,
            user_agent,
            caller,
            active_at: AtomicI64::new(connected_at.epoch_us()),
        }
    }

    /// Something came or went.
    pub(super) fn touch(&self, now: Timestamp) {
        self.active_at.store(now.epoch_us(), Ordering::Relaxed);
    }

    pub(super) fn active_at(&self) -> Timestamp {
        Timestamp::from_micros(self.active_at.load(Ordering::Relaxed))
    }
}

impl Connections {
    /// Enters a connection: it can be told things from now on.
    pub(super) fn enter(&self, connection: &Arc<Connection>) -> mpsc::Receiver<Order> {
        let (orders, receiver) = mpsc::channel(MESSAGES_WAITING_MAX);
        let open = Open {
            connection: Arc::clone(connection),
            orders,
        };
        self.open().insert(connection.id.clone(), open);
        receiver
    }

    /// Forgets a connection: it is gone.
    pub(super) fn forget(&self, id: &str) {
        self.open().remove(id);
    }

    /// Forgets those whose API is none of these any more. They close, since nobody can tell them anything.
    pub(super) fn keep(&self, apis: &BTreeSet<(ApiId, StageName)>) {
        self.open().retain(|_, open| {
            let of = (open.connection.api.clone(), open.connection.stage.clone());
            apis.contains(&of)
        });
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Connection>> {
        let open = self.open();
        open.get(id).map(|open| Arc::clone(&open.connection))
    }

    pub(super) fn tell(&self, id: &str, order: Order) -> Result<(), NotTold> {
        let open = self.open();
        let orders = &open.get(id).ok_or(NotTold::Gone)?.orders;
        orders.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotTold::Full,
            mpsc::error::TrySendError::Closed(_) => NotTold::Gone,
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
