//! What a FIFO queue recognises again: messages that are sent twice, receives that are repeated.
//!
//! Lives here: deduplication ids and for how long they are remembered, the attempts of receives.
//! Does not live here: the order of messages (`fifo`).

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use model::limits::SQS_DEDUPLICATION_INTERVAL;
use sha2::{Digest as _, Sha256};

use super::book::Taken;
use super::cycle::{Cycle, Sending};
use super::descriptor::Scope;
use super::fifo::group_hash;
use super::keys::{ContentsId, Place};
use super::owner::{Owner, Turn};
use super::receipt::Receipt;
use super::record::{self, CorruptMessage, Message, State};
use super::request::{Failed, Received, Wish};

/// Receives whose repetition is recognised.
const ATTEMPTS_MAX: usize = 1_000;

/// Receives that can be repeated.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    receipts: HashMap<String, Vec<Receipt>>,
    order: VecDeque<(i64, String)>,
}

impl Attempts {
    /// Keeps what a receive found.
    pub(super) fn note(&mut self, wish: &Wish, found: &[Received], now_us: i64) {
        let Some(attempt) = wish.attempt.as_ref().filter(|_| !found.is_empty()) else {
            return;
        };
        while let Some((at_us, _)) = self.order.front()
            && (*at_us < now_us.saturating_sub(interval_us()) || ATTEMPTS_MAX <= self.order.len())
        {
            if let Some((_, name)) = self.order.pop_front() {
                self.receipts.remove(&name);
            }
        }
        let receipts = found.iter().map(|received| received.receipt).collect();
        self.receipts.insert(attempt.clone(), receipts);
        self.order.push_back((now_us, attempt.clone()));
    }
}

impl Owner {
    /// A message that was sent before with this deduplication id.
    pub(super) async fn known(
        &self,
        hash: &[u8; 32],
        turn: &Turn,
        cycle: &Cycle,
    ) -> Result<Option<Sending>, Failed> {
        if let Some((id, number)) = cycle.duplicates.get(hash) {
            return Ok(Some(Sending::Ordered(*id, *number)));
        }
        let row = self.store.get(&turn.contents.duplicate(hash)).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let (expires_us, id, place) = read_known(&row).ok_or(CorruptMessage)?;
        Ok((turn.now_us < expires_us).then_some(Sending::Known(id, place)))
    }

    /// Forgets deduplication ids whose time is over.
    pub(super) async fn forget_duplicates(
        &mut self,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<(), Failed> {
        let range = turn.contents.duplicates_until(turn.now_us);
        let Some((rows, _)) = self.page(range).await? else {
            return Ok(());
        };
        for row in rows {
            if let Some(hash) = ContentsId::read_duplicate(&row.key)
                && !cycle.duplicates.contains_key(&hash)
            {
                let known = self.store.get(&turn.contents.duplicate(&hash)).await?;
                let expires_us = known.and_then(|row| read_known(&row)).map(|known| known.0);
                if expires_us.is_some_and(|expires_us| expires_us <= turn.now_us) {
                    cycle.delete(turn.contents.duplicate(&hash));
                }
            }
            cycle.delete(row.key.to_vec());
        }
        Ok(())
    }

    /// The messages of a receive that is repeated; none: it is a new one.
    pub(super) async fn attempted(
        &mut self,
        wish: &Wish,
        visible_us: i64,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<Option<Vec<Received>>, Failed> {
        let receipts = wish
            .attempt
            .as_ref()
            .and_then(|attempt| self.attempts.receipts.get(attempt));
        let Some(receipts) = receipts.cloned() else {
            return Ok(None);
        };
        let mut again = Vec::new();
        for receipt in &receipts {
            let taken = self.book.taken(&receipt.identity).copied();
            let holds = taken
                .filter(|taken| taken.nonce == receipt.nonce && turn.now_us < taken.visible_us);
            let Some(taken) = holds else {
                return Ok(None);
            };
            let key = turn.contents.taken(&receipt.identity);
            let Some(row) = self.store.get(&key).await? else {
                return Ok(None);
            };
            again.push((receipt.identity, taken, key, row));
        }
        let mut found = Vec::new();
        for (identity, taken, key, row) in again {
            let (state, message) = record::decode(&row)?;
            let state = State {
                visible_us,
                ..state
            };
            cycle.put(key, record::with_state(&row, &state));
            let taken = Taken {
                visible_us,
                ..taken
            };
            self.book.take(identity, taken, turn.order, turn.now_us);
            found.push(
                self.received(identity, &state, message, turn.contents)
                    .await?,
            );
        }
        Ok(Some(found))
    }
}

/// What stands for a message among those whose duplicates are recognised; none: it has no deduplication id, which the API
/// refuses.
pub(super) fn duplicate_hash(message: &Message, scope: Scope) -> Option<[u8; 32]> {
    let mut hasher = Sha256::new();
    match scope {
        Scope::Queue => hasher.update([0]),
        Scope::Group => {
            hasher.update([1]);
            hasher.update(group_hash(message.group.as_deref().unwrap_or_default()));
        }
    }
    hasher.update(message.deduplication.as_ref()?.as_bytes());
    Some(hasher.finalize().into())
}

/// The deduplication id of a message that is recognised by its body.
pub(crate) fn content_hash(body: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn interval_us() -> i64 {
    i64::try_from(SQS_DEDUPLICATION_INTERVAL.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn remember(
    hash: &[u8; 32],
    id: &[u8; 16],
    number: u16,
    turn: &Turn,
    cycle: &mut Cycle,
) {
    cycle.duplicates.insert(*hash, (*id, number));
    let expires_us = turn.now_us.saturating_add(interval_us());
    let value = [&expires_us.to_be_bytes()[..], id].concat();
    cycle.put_stamped_value(turn.contents.duplicate(hash), value, number);
    cycle.put(
        turn.contents.duplicate_expiry(expires_us, hash),
        Bytes::new(),
    );
}

fn read_known(row: &[u8]) -> Option<(i64, [u8; 16], Place)> {
    let (expires, rest) = row.split_at_checked(8)?;
    let (id, place) = rest.split_at_checked(16)?;
    Some((
        i64::from_be_bytes(expires.try_into().ok()?),
        id.try_into().ok()?,
        place.try_into().ok()?,
    ))
}
