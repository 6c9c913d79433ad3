//! What happens by itself, at its time.
//!
//! Lives here: keys and secrets that are deleted, keys that get new material, waiting for either.
//! Does not live here: asking for it (`kms`, `secretsmanager`).
//!
//! What is over is hidden at its very time, by whoever looks for it; here it is removed.

use std::convert::Infallible;
use std::time::Duration;

use store::Range;

use super::catalogue::{Catalogue, Error};
use super::cipher::new_material;
use super::keys::{DueKey, Happens, due_after, due_prefix};
use super::rows::{Key, Rotation};
use super::state::Step;

/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A day.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Catalogue {
    /// Does what is due, until it is dropped.
    pub(crate) async fn keep(&self) -> Infallible {
        loop {
            if let Err(error) = self.do_what_is_due().await {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "what is due for keys and secrets was not done");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Does what is due by now.
    pub(crate) async fn do_what_is_due(&self) -> Result<(), Error> {
        let range = Range::new(due_prefix(), due_after(self.clock.now()));
        for row in store::all_rows(&*self.store, range).await? {
            if let Some(due) = DueKey::from_bytes(&row.key) {
                match due.what {
                    Happens::DeleteKey => self.delete_key(due).await?,
                    Happens::DeleteSecret => self.delete_secret(due).await?,
                    Happens::RotateKey => self.rotate_key(due).await?,
                }
            }
        }
        Ok(())
    }

    async fn delete_key(&self, due: DueKey) -> Result<(), Error> {
        let place = due.place.clone();
        self.change(&place, |state| {
            let mut steps = Vec::new();
            let key = state.keys.get(&due.name);
            if key.is_some_and(|key| key.deleted_at == Some(due.at)) {
                let aliases = state.aliases.values();
                let named = aliases.filter(|alias| alias.target == due.name);
                steps.extend(named.map(|alias| Step::DropAlias(alias.name.clone())));
                steps.push(Step::DropKey(due.name.clone()));
            }
            steps.push(Step::DropDue(due));
            Ok(((), steps))
        })
        .await
    }

    async fn delete_secret(&self, due: DueKey) -> Result<(), Error> {
        let place = due.place.clone();
        self.change(&place, |state| {
            let mut steps = Vec::new();
            let secret = state.secrets.get(&due.name);
            let is_meant = |at: &(_, _)| at.1 == due.at;
            if let Some(secret) =
                secret.filter(|kept| kept.row.deletion.as_ref().is_some_and(is_meant))
            {
                steps.push(secret.drop());
            }
            steps.push(Step::DropDue(due));
            Ok(((), steps))
        })
        .await
    }

    async fn rotate_key(&self, due: DueKey) -> Result<(), Error> {
        let place = due.place.clone();
        let root = self.root().await?;
        let now = self.clock.now();
        self.change(&place, |state| {
            let mut steps = Vec::new();
            let key = state.keys.get(&due.name);
            // A key that rests is rotated when it is used again.
            if key.is_some_and(|key| !key.enabled || key.deleted_at.is_some()) {
                return Ok(((), steps));
            }
            let rotation = key.and_then(|key| key.rotation.as_ref());
            if let (Some(key), Some(rotation)) = (key, rotation)
                && rotation.next_at == due.at
            {
                let material = new_material((root, &*self.random), &key.id, key.spec, now, false)?;
                let days = u32::try_from(rotation.days).unwrap_or(u32::MAX);
                let next_at = now.plus(DAY * days);
                let mut rotated = Key {
                    rotation: Some(Rotation {
                        days: rotation.days,
                        next_at,
                    }),
                    ..Key::clone(key)
                };
                rotated.materials.push(material);
                steps.push(Step::SetDue(DueKey {
                    at: next_at,
                    ..due.clone()
                }));
                steps.push(Step::PutKey(rotated));
            }
            steps.push(Step::DropDue(due));
            Ok(((), steps))
        })
        .await
    }
}
