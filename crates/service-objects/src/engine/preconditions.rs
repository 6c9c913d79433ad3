//! What must hold for a version to be put, or deleted.
//!
//! Lives here: conditions on the newest version, locks.
//! Does not live here: the lock of a key under which they are checked (`objects`).

use model::time::Timestamp;

use super::fault::{self, Fault};
use super::version::Version;

/// What must hold of the newest version for a change to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Precondition {
    /// `If-Match`: an ETag, or `*`.
    pub(crate) matches: Option<String>,
    /// `If-None-Match`: `*`, or an ETag.
    pub(crate) matches_none: Option<String>,
    /// `x-amz-if-match-last-modified-time`.
    pub(crate) modified_at: Option<Timestamp>,
    /// `x-amz-if-match-size`.
    pub(crate) size: Option<u64>,
}

/// What a version may be deleted in spite of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bypass {
    Nothing,
    Governance,
}

/// Refuses to delete what is locked.
pub(crate) fn check_lock(version: &Version, bypass: Bypass, now: Timestamp) -> Result<(), Fault> {
    let denied = || {
        Fault::saying(
            fault::ACCESS_DENIED,
            "Access Denied because object protected by object lock.",
        )
    };
    if version.about.legal_hold == Some(true) {
        return Err(denied());
    }
    match &version.about.retention {
        Some(retention) if now < retention.until => {
            if retention.mode == "GOVERNANCE" && bypass == Bypass::Governance {
                Ok(())
            } else {
                Err(denied())
            }
        }
        Some(_) | None => Ok(()),
    }
}

impl Precondition {
    pub(crate) fn check(&self, key: &str, newest: Option<&Version>) -> Result<(), Fault> {
        let newest = newest.filter(|newest| !newest.is_delete_marker);
        let failed = |condition: &str| {
            Err(Fault::from(fault::PRECONDITION_FAILED).with("Condition", condition))
        };
        if let Some(wanted) = &self.matches {
            match newest {
                None => return Err(Fault::from(fault::NO_SUCH_KEY).with("Key", key)),
                Some(newest) if !is_tag(wanted, &newest.etag) => return failed("If-Match"),
                Some(_) => {}
            }
        }
        match (&self.matches_none, newest) {
            (Some(unwanted), Some(newest)) if is_tag(unwanted, &newest.etag) => {
                failed("If-None-Match")
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn check_deletion(&self, key: &str, found: Option<&Version>) -> Result<(), Fault> {
        let failed =
            |condition: &str| Fault::from(fault::PRECONDITION_FAILED).with("Condition", condition);
        let is_bare = self.modified_at.is_none() && self.size.is_none();
        if self.matches.is_none() && is_bare {
            return Ok(());
        }
        let found = found.filter(|found| !found.is_delete_marker);
        let Some(found) = found else {
            return Err(Fault::from(fault::NO_SUCH_KEY).with("Key", key));
        };
        if let Some(wanted) = &self.matches
            && !is_tag(wanted, &found.etag)
        {
            return Err(failed("If-Match"));
        }
        if let Some(at) = self.modified_at
            && at.epoch_s() != found.modified_at.epoch_s()
        {
            return Err(failed("x-amz-if-match-last-modified-time"));
        }
        if self.size.is_some_and(|size| size != found.size) {
            return Err(failed("x-amz-if-match-size"));
        }
        Ok(())
    }
}

/// Whether a condition names this ETag: `*` names all.
pub(crate) fn is_tag(condition: &str, etag: &str) -> bool {
    condition.split(',').any(|one| {
        let one = one.trim();
        let bare = one.strip_prefix("W/").unwrap_or(one).trim_matches('"');
        one == "*" || bare == etag
    })
}
