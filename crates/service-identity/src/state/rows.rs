//! Accounts as rows of the store.
//!
//! Lives here: one row a user, group, role, policy, profile, key or session; reading all, and writing what differs.
//! Does not live here: what they are (`account`).

use std::collections::HashMap;
use std::sync::Arc;

use model::ids::AccountId;
use model::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::keys::{KeyReader, KeyWriter, Owner};
use store::limits::PAGE_ROWS_MAX;
use store::{Batch, Direction, PageLimit, Range, ReadError, Row, Store};

use super::account::{Account, Table};

/// What a row holds. The numbers are on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    User = 0x01,
    Group = 0x02,
    Role = 0x03,
    Policy = 0x04,
    Profile = 0x05,
    Key = 0x06,
    Session = 0x07,
}

const KINDS: [Kind; 7] = [
    Kind::User,
    Kind::Group,
    Kind::Role,
    Kind::Policy,
    Kind::Profile,
    Kind::Key,
    Kind::Session,
];

/// Reads all accounts, without sessions that have ended.
pub(super) async fn read(
    store: &dyn Store,
    now: Timestamp,
) -> Result<HashMap<AccountId, Account>, ReadError> {
    let mut accounts = HashMap::new();
    let mut range = Range::of_prefix(KeyWriter::by_id(Owner::Identity).finish());
    loop {
        let page = store
            .scan(&range, Direction::Forward, PageLimit::rows(PAGE_ROWS_MAX))
            .await?;
        for row in &page.rows {
            take(&mut accounts, row);
        }
        match page.rows.last() {
            Some(last) if page.more => range = range.after(&last.key),
            Some(_) | None => break,
        }
    }
    for account in accounts.values_mut() {
        account
            .sessions
            .retain(|_, session| now < session.expires_at);
    }
    Ok(accounts)
}

/// What has to be written so that one account becomes the other.
pub(super) fn difference(id: &AccountId, before: &Account, after: &Account) -> Batch {
    let batch = differing(Batch::new(), id, Kind::User, (&before.users, &after.users));
    let batch = differing(batch, id, Kind::Group, (&before.groups, &after.groups));
    let batch = differing(batch, id, Kind::Role, (&before.roles, &after.roles));
    let batch = differing(batch, id, Kind::Policy, (&before.policies, &after.policies));
    let batch = differing(
        batch,
        id,
        Kind::Profile,
        (&before.profiles, &after.profiles),
    );
    let batch = differing(batch, id, Kind::Key, (&before.keys, &after.keys));
    differing(
        batch,
        id,
        Kind::Session,
        (&before.sessions, &after.sessions),
    )
}

fn differing<T: Serialize>(
    mut batch: Batch,
    account: &AccountId,
    kind: Kind,
    (before, after): (&Table<T>, &Table<T>),
) -> Batch {
    for (name, value) in after {
        let is_same = before.get(name).is_some_and(|old| Arc::ptr_eq(old, value));
        if !is_same {
            // Plain data with texts for keys: always JSON.
            let json = serde_json::to_vec(value).unwrap_or_default();
            batch = batch.put(key(account, kind, name), json);
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        batch = batch.delete(key(account, kind, name));
    }
    batch
}

fn key(account: &AccountId, kind: Kind, name: &str) -> Vec<u8> {
    KeyWriter::by_id(Owner::Identity)
        .byte(kind as u8)
        .text(account.as_str())
        .text(name)
        .finish()
}

fn take(accounts: &mut HashMap<AccountId, Account>, row: &Row) {
    let taken = taken(accounts, row);
    if taken.is_none() {
        tracing::error!("a row of identity cannot be read, and is left out");
    }
}

fn taken(accounts: &mut HashMap<AccountId, Account>, row: &Row) -> Option<()> {
    let prefix = KeyWriter::by_id(Owner::Identity).finish();
    let (kind, rest) = row.key.strip_prefix(prefix.as_slice())?.split_first()?;
    let kind = KINDS.into_iter().find(|it| *it as u8 == *kind)?;
    let mut parts = KeyReader::new(rest);
    let account = AccountId::new(parts.text().ok()?);
    let name = parts.text().ok()?;
    let account = accounts.entry(account).or_default();
    match kind {
        Kind::User => put(&mut account.users, name, &row.value),
        Kind::Group => put(&mut account.groups, name, &row.value),
        Kind::Role => put(&mut account.roles, name, &row.value),
        Kind::Policy => put(&mut account.policies, name, &row.value),
        Kind::Profile => put(&mut account.profiles, name, &row.value),
        Kind::Key => put(&mut account.keys, name, &row.value),
        Kind::Session => put(&mut account.sessions, name, &row.value),
    }
}

fn put<T: DeserializeOwned>(table: &mut Table<T>, name: String, json: &[u8]) -> Option<()> {
    let value = serde_json::from_slice(json).ok()?;
    table.insert(name, Arc::new(value));
    Some(())
}
