//! Times as subscribers see them.
//!
//! Lives here: the one format.
//! Does not live here: asking for the time (`interfaces::clock`).

use model::time::Timestamp;

/// As `2012-05-02T00:54:06.655Z`.
pub(crate) fn iso(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.epoch_ms()).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_three_digits_of_a_second() {
        assert_eq!(
            iso(Timestamp::from_micros(1_335_920_046_655_999)),
            "2012-05-02T00:54:06.655Z"
        );
        assert_eq!(iso(Timestamp::from_micros(0)), "1970-01-01T00:00:00.000Z");
    }
}
