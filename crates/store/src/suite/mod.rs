//! The conformance suite: what every store must do, checked from outside.
//!
//! Lives here: the list of promises; each is a function in a module below, and panics when it is broken.
//! Does not live here: what only one implementation promises (its own tests: files, restarts, crashes).

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a suite is a test: it tells of a broken promise by panicking"
)]

mod basics;
mod contention;
mod model;

use std::sync::Arc;

use crate::Store;

/// Makes an empty store; each promise is checked on a store of its own.
pub type Factory<'a> = &'a (dyn Fn() -> Arc<dyn Store> + Sync);

/// Random histories that are compared with the model in one run.
const HISTORIES: u64 = 12;

/// Checks every promise. Call it on a runtime with more than one worker, so that contention is real.
///
/// # Panics
/// When a promise is broken; the text says which, and the seed where there is one.
pub async fn run(factory: Factory<'_>) {
    basics::what_was_committed_is_read(&*factory()).await;
    basics::a_failed_check_applies_nothing_and_names_itself(&*factory()).await;
    basics::checks_do_not_see_the_writes_of_their_own_batch(&*factory()).await;
    basics::scans_keep_range_direction_and_limits(&*factory()).await;
    basics::versionstamps_stand_where_they_were_asked_for(&*factory()).await;
    basics::sizes_are_limited(&*factory()).await;
    basics::keys_and_values_may_be_empty(&*factory()).await;
    contention::one_of_many_creators_wins(factory()).await;
    contention::no_increment_is_lost(factory()).await;
    contention::stamps_follow_the_order_of_commits(factory()).await;
    contention::a_reader_never_sees_half_a_batch(factory()).await;
    for seed in 1..=HISTORIES {
        model::a_random_history_agrees_with_the_model(&*factory(), seed).await;
    }
}
