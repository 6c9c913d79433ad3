//! The periods of quotas.
//!
//! Lives here: when the period began that a moment lies in.
//! Does not live here: counting (`local`).
//!
//! Contract: Amazon API Gateway API Reference, `QuotaSettings`: days, weeks from Sunday and months, each from midnight UTC.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::door::QuotaPeriod;
use model::time::Timestamp;

/// When the period began that holds this moment.
pub(super) fn began_at(period: QuotaPeriod, now: Timestamp) -> Timestamp {
    let at = jiff::Timestamp::from_microsecond(now.epoch_us()).unwrap_or_default();
    let today = at.to_zoned(TimeZone::UTC).date();
    let first = match period {
        QuotaPeriod::Day => today,
        QuotaPeriod::Week => {
            let behind = i32::from(today.weekday().to_sunday_zero_offset());
            today
                .checked_sub(jiff::Span::new().days(behind))
                .unwrap_or(today)
        }
        QuotaPeriod::Month => today.first_of_month(),
    };
    midnight(first).unwrap_or(now)
}

fn midnight(date: Date) -> Option<Timestamp> {
    let zoned = date.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_at_midnight_utc() {
        for (period, now, expected) in [
            (
                QuotaPeriod::Day,
                "2026-11-21T23:59:59.999999Z",
                "2026-11-21T00:00:00Z",
            ),
            (
                QuotaPeriod::Day,
                "2026-11-22T00:00:00Z",
                "2026-11-22T00:00:00Z",
            ),
            // A Saturday, and the Sunday after it.
            (
                QuotaPeriod::Week,
                "2026-11-21T10:00:00Z",
                "2026-11-15T00:00:00Z",
            ),
            (
                QuotaPeriod::Week,
                "2026-11-22T00:00:00Z",
                "2026-11-22T00:00:00Z",
            ),
            (
                QuotaPeriod::Week,
                "2026-12-01T00:00:00Z",
                "2026-11-29T00:00:00Z",
            ),
            (
                QuotaPeriod::Month,
                "2026-11-30T10:00:00Z",
                "2026-11-01T00:00:00Z",
            ),
        ] {
            let read = |text: &str| {
                let at: jiff::Timestamp = text.parse().unwrap();
                Timestamp::from_micros(at.as_microsecond())
            };
            assert_eq!(began_at(period, read(now)), read(expected), "{now}");
        }
    }
}
