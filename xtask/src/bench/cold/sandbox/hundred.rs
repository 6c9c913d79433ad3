//! A thousand instances in a hundred sandboxes, all busy at once.
//!
//! Lives here: how many of each.
//! Does not live here: calling them (`cold::thousand`).

use anyhow::Result;

use crate::bench::cold::thousand;
use crate::bench::goals::Row;
use crate::bench::peers::Peers;

pub(super) const WHAT: &str =
    "1,000 live instances of 100 functions, each in a sandbox of its own, on this machine";
/// Functions of each of the two languages.
const FUNCTIONS: usize = 50;

pub(super) fn measure(peers: &Peers) -> Result<Row> {
    thousand::measure_of(peers, WHAT, FUNCTIONS)
}
