//! The time of a request as access logs write it: `12/Mar/2020:19:03:58 +0000`.
//!
//! Lives here: that one format.
//! Does not live here: asking for the time (`interfaces::Clock`).

use model::time::Timestamp;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A point in time in the common log format, in UTC.
pub(crate) fn common_log_time(at: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(at.epoch_us()).unwrap_or_default();
    let time = jiff::tz::Offset::UTC.to_datetime(time);
    let month = usize::try_from(time.month()).unwrap_or(1);
    format!(
        "{:02}/{}/{:04}:{:02}:{:02}:{:02} +0000",
        time.day(),
        MONTHS.get(month.saturating_sub(1)).unwrap_or(&"Jan"),
        time.year(),
        time.hour(),
        time.minute(),
        time.second()
    )
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
