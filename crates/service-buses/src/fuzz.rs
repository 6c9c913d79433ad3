//! Entry points for the fuzz targets, which lie outside of the workspace.
//!
//! Lives here: one function for each parser that is not public otherwise.
//! Does not live here: patterns, paths and templates (`patterns`, which are public).

use jiff::tz::TimeZone;
use model::time::Timestamp;

use crate::times::{self, Expression};

/// Reads an expression, and asks when it fires after a time: later, or never, and in no endless search.
pub fn expression(text: &str, zone: &str, after_s: u32) {
    let zone = times::zone(zone).unwrap_or(TimeZone::UTC);
    let after = Timestamp::from_micros(i64::from(after_s) * 1_000_000);
    let read = [Expression::of_rule(text), Expression::of_schedule(text)];
    for expression in read.into_iter().flatten() {
        let next = expression.next(&zone, after, after);
        assert!(next.is_none_or(|next| after < next), "it goes forward");
    }
}
