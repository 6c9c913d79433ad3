//! The kill loop over objects: after each start every object is whole, and one that was put last or since.
//!
//! Lives here: what is put, read and deleted, and what must be there afterwards.
//! Does not live here: the rounds of tables (`super`).

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::{LIFETIME_MS, ROUNDS_PER_WORD, say, start};
use crate::http::{self, Connection};
use crate::random::Random;

/// Keys of one writer.
const KEYS: usize = 4;
/// Sizes of objects: in the store, in slots of each size, in files of their own.
const BYTES: [usize; 6] = [1_000, 40_000, 65_536, 100_000, 262_144, 700_000];
/// Of so many changes one is a deletion.
const DELETE_EVERY: u64 = 8;

/// One writer and its objects.
struct Writer {
    name: String,
    keys: [Key; KEYS],
    random: Random,
}

/// What is known of one object. Each change has a number.
#[derive(Debug, Clone, Copy, Default)]
struct Key {
    /// The last change that was acknowledged.
    acknowledged: Change,
    /// One that was sent since and not answered.
    sent: Option<Change>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Change {
    #[default]
    Deleted,
    Put {
        number: u64,
        bytes: usize,
    },
}

pub(super) fn run(binary: &Path, rounds: u64, writers: usize, seed: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("template.yaml"),
        "Resources:\n  Logs:\n    Type: AWS::Logs::LogGroup\n",
    )?;
    let mut writers: Vec<_> = (0..writers)
        .map(|index| Writer {
            name: format!("w{index}"),
            keys: [Key::default(); KEYS],
            random: Random::new(seed ^ index as u64),
        })
        .collect();
    let mut random = Random::new(seed);
    let mut changes = 0;
    for round in 0..=rounds {
        let place = || format!("round {round}, seed {seed}");
        let (server, port) = start(binary, folder.path())?;
        let mut connection = Connection::open(port)?;
        if round == 0 {
            let made = http::object_request("PUT", "/kept", "");
            ensure!(connection.exchange(&made)?.0.is_success(), "no bucket");
        }
        for writer in &mut writers {
            writer.prove(&mut connection).with_context(place)?;
        }
        if round == rounds {
            break;
        }
        let (least, most) = LIFETIME_MS;
        let lifetime = Duration::from_millis(least + random.below(most - least));
        changes += std::thread::scope(|scope| {
            let running: Vec<_> = writers
                .iter_mut()
                .map(|writer| scope.spawn(move || writer.change_until_killed(port)))
                .collect();
            std::thread::sleep(lifetime);
            drop(server); // kill -9 of the whole group
            running.into_iter().try_fold(0, |all, writer| {
                let panicked = |_| anyhow::anyhow!("a writer panicked");
                Ok::<usize, anyhow::Error>(all + writer.join().map_err(panicked)??)
            })
        })
        .with_context(place)?;
        if (round + 1) % ROUNDS_PER_WORD == 0 {
            say(&format!("{} rounds, {changes} changes", round + 1));
        }
    }
    say(&format!(
        "{rounds} rounds, {changes} changes: none lost, and every object whole after each"
    ));
    Ok(())
}

impl Writer {
    fn path(&self, key: usize) -> String {
        format!("/kept/{}-{key}", self.name)
    }

    /// Puts and deletes until the server is gone: how many were answered.
    fn change_until_killed(&mut self, port: u16) -> Result<usize> {
        let Ok(mut connection) = Connection::open(port) else {
            return Ok(0);
        };
        let mut answered = 0;
        loop {
            let at = usize::try_from(self.random.below(KEYS as u64))?;
            let path = self.path(at);
            let change = if self.random.below(DELETE_EVERY) == 0 {
                Change::Deleted
            } else {
                let number = self.random.below(u64::MAX);
                let bytes = *self.random.pick(&BYTES).context("sizes")?;
                Change::Put { number, bytes }
            };
            let request = match change {
                Change::Deleted => http::object_request("DELETE", &path, ""),
                Change::Put { .. } => http::object_request("PUT", &path, &change.contents()),
            };
            let key = self.keys.get_mut(at).context("a key")?;
            key.sent = Some(change);
            let Ok((reply, _)) = connection.exchange(&request) else {
                return Ok(answered);
            };
            ensure!(reply.is_success(), "{path}: {}", reply.body);
            *key = Key {
                acknowledged: change,
                sent: None,
            };
            answered += 1;
        }
    }

    /// Reads all objects, and takes what is there for what was acknowledged.
    fn prove(&mut self, connection: &mut Connection) -> Result<()> {
        for at in 0..KEYS {
            let path = self.path(at);
            let request = http::object_request("GET", &path, "");
            let (reply, _) = connection.exchange(&request)?;
            let key = self.keys.get_mut(at).context("a key")?;
            let mut possible = [Some(key.acknowledged), key.sent].into_iter().flatten();
            let found = possible.find(|change| match change {
                Change::Deleted => reply.status == 404,
                Change::Put { .. } => reply.status == 200 && reply.body == change.contents(),
            });
            let Some(found) = found else {
                bail!(
                    "{path}: status {}, {} bytes, in place of {key:?}",
                    reply.status,
                    reply.body.len()
                );
            };
            *key = Key {
                acknowledged: found,
                sent: None,
            };
        }
        Ok(())
    }
}

impl Change {
    fn contents(&self) -> String {
        match self {
            Self::Deleted => String::new(),
            Self::Put { number, bytes } => {
                let mut text = format!("{number:020};").repeat(bytes / 21 + 1);
                text.truncate(*bytes);
                text
            }
        }
    }
}
