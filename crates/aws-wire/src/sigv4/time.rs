//! The date formats that signatures use.
//!
//! Lives here: ISO 8601 basic format, and the HTTP date that may stand in for it.
//! Does not live here: how old a signature may be (`verification`).

use model::time::Timestamp;

const SECONDS_A_DAY: i64 = 86_400;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// As `20150830T123600Z`.
#[must_use]
pub fn basic(at: Timestamp) -> String {
    let (days, seconds) = (
        at.epoch_s().div_euclid(SECONDS_A_DAY),
        at.epoch_s().rem_euclid(SECONDS_A_DAY),
    );
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Reads `20150830T123600Z`.
#[must_use]
pub fn parse_basic(text: &str) -> Option<Timestamp> {
    let date = text.get(..8)?;
    let clock = text.get(8..)?.strip_prefix('T')?.strip_suffix('Z')?;
    if clock.len() != 6 {
        return None;
    }
    timestamp(
        [
            number(date.get(..4)?)?,
            number(date.get(4..6)?)?,
            number(date.get(6..)?)?,
        ],
        [
            number(clock.get(..2)?)?,
            number(clock.get(2..4)?)?,
            number(clock.get(4..)?)?,
        ],
    )
}

/// Reads `Sun, 30 Aug 2015 12:36:00 GMT`.
#[must_use]
pub fn parse_http(text: &str) -> Option<Timestamp> {
    let (_, text) = text.split_once(", ")?;
    let mut words = text.split(' ');
    let mut word = || words.next();
    let (day, month, year, clock, zone) = (word()?, word()?, word()?, word()?, word()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let mut parts = clock.split(':').map(number);
    let mut part = || parts.next().flatten();
    if zone != "GMT" {
        return None;
    }
    timestamp(
        [number(year)?, i64::try_from(month).ok()?, number(day)?],
        [part()?, part()?, part()?],
    )
}

fn number(digits: &str) -> Option<i64> {
    let is_number = digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

fn timestamp([year, month, day]: [i64; 3], [hour, minute, second]: [i64; 3]) -> Option<Timestamp> {
    let days = days_from_civil(year, month, day);
    // A day that the calendar lacks comes back as another one.
    let exists = (1..=12).contains(&month) && civil_from_days(days) == (year, month, day);
    let seconds = days * SECONDS_A_DAY + hour * 3_600 + minute * 60 + second;
    (exists && hour < 24 && minute < 60 && second < 61)
        .then(|| Timestamp::from_micros(seconds * 1_000_000))
}

/// Days since the epoch of a day in the proleptic Gregorian calendar, counted in eras of 400 years that begin in
/// March, so that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_as_it_was_written() {
        for (text, epoch_s) in [
            ("19700101T000000Z", 0),
            ("20150830T123600Z", 1_440_938_160),
            ("20240229T235959Z", 1_709_251_199),
            ("20000229T000000Z", 951_782_400),
            ("19691231T235959Z", -1),
        ] {
            let at = Timestamp::from_micros(epoch_s * 1_000_000);
            assert_eq!(basic(at), text);
            assert_eq!(parse_basic(text), Some(at), "{text}");
        }
        let at = Timestamp::from_micros(1_440_938_160_000_000);
        assert_eq!(parse_http("Sun, 30 Aug 2015 12:36:00 GMT"), Some(at));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "20150830",
            "20150830T1236Z",
            "20150230T000000Z",
            "20151301T000000Z",
            "20150830T240000Z",
            "20150830T126000Z",
            "2015-8-30T123600Z",
            "２０150830T123600Z",
            "20150830T123600z",
        ] {
            assert_eq!(parse_basic(text), None, "{text}");
        }
        for text in [
            "",
            "Sun, 30 Aug 2015 12:36:00 CET",
            "30 Aug 2015 12:36:00 GMT",
            "Sun, 31 Feb 2015 12:36:00 GMT",
        ] {
            assert_eq!(parse_http(text), None, "{text}");
        }
    }
}
