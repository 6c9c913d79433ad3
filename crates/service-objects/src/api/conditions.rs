//! Conditions of requests.
//!
//! Lives here: `If-Match` and its like on reads, on sources of copies, and on writes.
//! Does not live here: checking those of writes (`engine::objects`, under the lock of the key).
//!
//! Contract: Amazon S3 User Guide, "Add preconditions to S3 operations with conditional requests"; RFC 9110, section 13.

use super::request::Ask;
use crate::engine::dates;
use crate::engine::fault::{self, Fault};
use crate::engine::preconditions::{Precondition, is_tag};
use crate::engine::version::Version;

struct Names {
    matches: &'static str,
    matches_none: &'static str,
    modified: &'static str,
    unmodified: &'static str,
}

/// Checks the conditions of a read.
pub(crate) fn check_read(ask: &Ask, version: &Version) -> Result<(), Fault> {
    let names = Names {
        matches: "if-match",
        matches_none: "if-none-match",
        modified: "if-modified-since",
        unmodified: "if-unmodified-since",
    };
    check(ask, version, &names, fault::NOT_MODIFIED)
}

/// Checks the conditions on the source of a copy.
pub(crate) fn check_source(ask: &Ask, version: &Version) -> Result<(), Fault> {
    let names = Names {
        matches: "x-amz-copy-source-if-match",
        matches_none: "x-amz-copy-source-if-none-match",
        modified: "x-amz-copy-source-if-modified-since",
        unmodified: "x-amz-copy-source-if-unmodified-since",
    };
    check(ask, version, &names, fault::PRECONDITION_FAILED)
}

fn check(ask: &Ask, version: &Version, names: &Names, unchanged: fault::Kind) -> Result<(), Fault> {
    let failed =
        |condition: &str| Fault::from(fault::PRECONDITION_FAILED).with("Condition", condition);
    let date = |name: &str| ask.header(name).and_then(dates::read_http);
    let modified_s = version.modified_at.epoch_s();
    match (ask.header(names.matches), date(names.unmodified)) {
        (Some(wanted), _) if !is_tag(wanted, &version.etag) => return Err(failed("If-Match")),
        (Some(_), _) => {}
        (None, Some(at)) if at.epoch_s() < modified_s => {
            return Err(failed("If-Unmodified-Since"));
        }
        (None, _) => {}
    }
    let is_unchanged = match (ask.header(names.matches_none), date(names.modified)) {
        (Some(unwanted), _) => is_tag(unwanted, &version.etag),
        (None, Some(at)) => modified_s <= at.epoch_s(),
        (None, None) => false,
    };
    if !is_unchanged {
        return Ok(());
    }
    Err(if unchanged == fault::NOT_MODIFIED {
        Fault::from(unchanged)
            .with_header("etag", version.quoted_etag())
            .with_header("last-modified", dates::http(version.modified_at))
    } else {
        failed("If-None-Match")
    })
}

/// The conditions of a write.
pub(crate) fn of_write(ask: &Ask) -> Result<Precondition, Fault> {
    let condition = Precondition {
        matches: ask.header("if-match").map(str::to_owned),
        matches_none: ask.header("if-none-match").map(str::to_owned),
        ..Precondition::default()
    };
    Ok(condition)
}

/// The conditions of a deletion.
pub(crate) fn of_deletion(ask: &Ask) -> Precondition {
    Precondition {
        matches: ask.header("if-match").map(str::to_owned),
        matches_none: None,
        modified_at: ask
            .header("x-amz-if-match-last-modified-time")
            .and_then(dates::read_http),
        size: ask
            .header("x-amz-if-match-size")
            .and_then(|text| text.parse().ok()),
    }
}
