//! A client that wants its reply made anew.
//!
//! Lives here: how it says so, and what becomes of it.
//! Does not live here: who holds the permission (`authorise`), making the reply (`application`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Invalidate an API Gateway cache entry": `Cache-Control: max-age=0`, and
//! the permission `execute-api:InvalidateCache`.

use model::door::Invalidation;

use crate::http::Headers;

/// The `Warning` of a reply that was kept although the client wanted a new one.
pub(crate) const IGNORED: &str =
    "199 Cache-control headers were ignored because the caller was unauthorized.";

/// What becomes of a request that wants its reply made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// It is made anew, and kept instead of the old one.
    Made,
    /// The request is refused.
    Forbidden,
    /// The kept reply will do; the client is told.
    Warned,
    /// The kept reply will do.
    Ignored,
}

/// Whether a caller holds `execute-api:InvalidateCache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    Granted,
    Missing,
}

/// Whether a request wants its reply made anew.
pub(crate) fn asks_for_renewal(headers: &Headers) -> bool {
    headers
        .get_all("cache-control")
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|directive| {
            let directive = directive.trim_ascii();
            let parts = directive.iter().position(|byte| *byte == b'=');
            parts.is_some_and(|at| {
                let (name, value) = directive.split_at(at);
                let value = value.get(1..).unwrap_or_default().trim_ascii();
                name.trim_ascii().eq_ignore_ascii_case(b"max-age") && value == b"0"
            })
        })
}

/// What becomes of it, when the caller has the permission, or has it not.
pub(crate) fn renewal(rule: Invalidation, permission: Permission) -> Renewal {
    match rule {
        Invalidation::Open => Renewal::Made,
        Invalidation::ElseForbidden | Invalidation::ElseWarned | Invalidation::ElseIgnored
            if permission == Permission::Granted =>
        {
            Renewal::Made
        }
        Invalidation::ElseForbidden => Renewal::Forbidden,
        Invalidation::ElseWarned => Renewal::Warned,
        Invalidation::ElseIgnored => Renewal::Ignored,
    }
}
