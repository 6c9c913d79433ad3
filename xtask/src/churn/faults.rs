//! What happens to a server: processes of it are killed, and the code of its functions changes.
//!
//! Lives here: choosing whom, and how often.
//! Does not live here: what a request may then be answered (`load`).

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::SOURCES;
use super::load::Outcomes;
use crate::processes;
use crate::random::Random;

/// Between two kills.
const BETWEEN_MS: (u64, u64) = (1_500, 4_000);
/// How many in a hundred kills take an instance; the others take what instances are forked from.
const INSTANCES_IN_HUNDRED: u64 = 80;
/// Between two changes of code.
const CHANGED_EACH: Duration = Duration::from_secs(13);

/// Kills processes below the server at random, never the server itself.
pub(super) fn kill(root: u32, seed: u64, outcomes: &Outcomes) {
    let mut random = Random::new(seed ^ 0xfa);
    loop {
        let (least, more) = BETWEEN_MS;
        outcomes.pause(Duration::from_millis(least + random.below(more)));
        if outcomes.is_stopped() {
            return;
        }
        let leaves = processes::leaves(root);
        let candidates: Vec<_> = if random.below(100) < INSTANCES_IN_HUNDRED {
            leaves.into_iter().collect()
        } else {
            let tree = processes::tree(root);
            let inner = tree.difference(&leaves);
            inner
                .copied()
                .filter(|process| process.id != root)
                .collect()
        };
        let chosen = random.pick(&candidates).filter(|process| process.lives());
        let id = chosen.and_then(|process| Pid::from_raw(i32::try_from(process.id).ok()?));
        if let Some(id) = id {
            outcomes.killing();
            let _already_gone = kill_process(id, Signal::KILL);
        }
    }
}

/// Writes the functions' files again, a little different each time.
pub(super) fn change(folder: &Path, outcomes: &Outcomes) {
    for (turn, (file, code)) in SOURCES.iter().cycle().enumerate() {
        outcomes.pause(CHANGED_EACH);
        if outcomes.is_stopped() {
            return;
        }
        let comment = if file.ends_with(".py") { "#" } else { "//" };
        let changed = format!("{code}{comment} change {turn}\n");
        match std::fs::write(folder.join(file), changed) {
            Ok(()) => outcomes.changed(),
            Err(error) => outcomes.went_wrong(format!("{file} cannot be written: {error}")),
        }
    }
}
