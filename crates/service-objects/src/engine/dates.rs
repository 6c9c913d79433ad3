//! Dates as S3 writes and reads them.
//!
//! Lives here: ISO 8601 in documents, HTTP dates in headers.
//! Does not live here: the time (`Clock`), dates of signatures (`aws_wire::sigv4::time`).

use model::time::Timestamp;

/// As `2026-11-21T22:30:00.000Z`: S3 keeps whole seconds.
pub(crate) fn iso(at: Timestamp) -> String {
    shown(at, "%Y-%m-%dT%H:%M:%S.000Z")
}

/// As `2026-11-21T22:30:00Z`.
pub(crate) fn iso_seconds(at: Timestamp) -> String {
    shown(at, "%Y-%m-%dT%H:%M:%SZ")
}

/// As `2026-11-21T22:30:00.123Z`.
pub(crate) fn iso_millis(at: Timestamp) -> String {
    let millis = at.epoch_ms().rem_euclid(1_000);
    format!("{}.{millis:03}Z", shown(at, "%Y-%m-%dT%H:%M:%S"))
}

/// As `Sat, 21 Nov 2026 22:30:00 GMT`.
pub(crate) fn http(at: Timestamp) -> String {
    shown(at, "%a, %d %b %Y %H:%M:%S GMT")
}

fn shown(at: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_second(at.epoch_s())
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime(format)
        .to_string()
}

/// Reads an HTTP date.
pub(crate) fn read_http(text: &str) -> Option<Timestamp> {
    aws_wire::sigv4::time::parse_http(text).or_else(|| read_iso(text))
}

/// Reads ISO 8601, with or without fractions; a date alone is its midnight.
pub(crate) fn read_iso(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp::from_micros(at.as_microsecond()));
    }
    let midnight = format!("{text}T00:00:00Z");
    let at = midnight.parse::<jiff::Timestamp>().ok()?;
    Some(Timestamp::from_micros(at.as_microsecond()))
}

/// The midnight (UTC) so many days after the day that follows: how S3 counts days of lifecycles.
pub(crate) fn midnight_after(at: Timestamp, days: i64) -> Timestamp {
    const DAY_S: i64 = 86_400;
    let day = at.epoch_s().div_euclid(DAY_S) + 1 + days;
    Timestamp::from_micros(day.saturating_mul(DAY_S).saturating_mul(1_000_000))
}
