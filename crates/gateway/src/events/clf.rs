//! The time of a request as access logs write it: `12/Mar/2020:19:03:58 +0000`.
//!
//! Lives here: that one format.
//! Does not live here: asking for the time (`interfaces::Clock`).

use model::digits;
use model::time::Timestamp;

/// With what stands around them.
const MONTHS: [&str; 12] = [
    "/Jan/", "/Feb/", "/Mar/", "/Apr/", "/May/", "/Jun/", "/Jul/", "/Aug/", "/Sep/", "/Oct/",
    "/Nov/", "/Dec/",
];

/// How long a time is in it.
const COMMON_LOG_TIME_BYTES: usize = 26;

/// A point in time in the common log format, in UTC.
pub(crate) fn common_log_time(at: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(at.epoch_us()).unwrap_or_default();
    let time = jiff::tz::Offset::UTC.to_datetime(time);
    let month = usize::try_from(time.month()).unwrap_or(1);
    let mut text = String::with_capacity(COMMON_LOG_TIME_BYTES);
    let mut add = |before: &str, number: i16, width: usize| {
        text.push_str(before);
        digits::push_padded(&mut text, u64::from(number.unsigned_abs()), width);
    };
    add("", i16::from(time.day()), 2);
    let month = MONTHS.get(month.saturating_sub(1)).unwrap_or(&"/Jan/");
    add(month, time.year(), 4);
    add(":", i16::from(time.hour()), 2);
    add(":", i16::from(time.minute()), 2);
    add(":", i16::from(time.second()), 2);
    text.push_str(" +0000");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_the_common_log_format() {
        for (epoch_s, expected) in [
            (1_583_348_638, "04/Mar/2020:19:03:58 +0000"),
            (0, "01/Jan/1970:00:00:00 +0000"),
            (-1, "31/Dec/1969:23:59:59 +0000"),
        ] {
            let at = Timestamp::from_micros(epoch_s * 1_000_000);
            assert_eq!(common_log_time(at), expected);
        }
    }
}
