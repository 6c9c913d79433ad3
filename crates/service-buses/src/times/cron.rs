//! The times of a calendar.
//!
//! Lives here: reading the six fields, and the next time that they all allow.
//! Does not live here: time zones (`super`).
//!
//! Contract: Amazon EventBridge User Guide, "Setting a schedule pattern", "Cron expressions": minutes, hours, day of the month,
//! month, day of the week, year; one of the two days is `?`; `L`, `W` and `#` as there.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime, Time, Weekday};

const YEARS: (u16, u16) = (1970, 2199);
const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: BTreeSet<u16>,
    hours: BTreeSet<u16>,
    days: Days,
    months: BTreeSet<u16>,
    years: BTreeSet<u16>,
}

/// Which days of a month; any one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    OfMonth(Vec<DayOfMonth>),
    OfWeek(Vec<DayOfWeek>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum DayOfMonth {
    These(BTreeSet<u16>),
    /// So many days before the last: `L`, `L-3`.
    BeforeLast(i8),
    /// The weekday nearest to this day, in the same month: `15W`.
    WeekdayNear(i8),
    /// The last weekday: `LW`.
    LastWeekday,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum DayOfWeek {
    /// From 1, Sunday.
    These(BTreeSet<u16>),
    /// The last of these in the month: `6L`.
    Last(u16),
    /// The n-th of these: `3#2`.
    Nth(u16, i8),
}

/// A field: its bounds and the names of its values.
struct Field {
    least: u16,
    most: u16,
    names: &'static [&'static str],
}

const MINUTES: Field = plain(0, 59);
const HOURS: Field = plain(0, 23);
const DAYS_OF_MONTH: Field = plain(1, 31);
const MONTHS_OF_YEAR: Field = Field {
    least: 1,
    most: 12,
    names: &MONTHS,
};
const DAYS_OF_WEEK: Field = Field {
    least: 1,
    most: 7,
    names: &WEEKDAYS,
};
const ALL_YEARS: Field = plain(YEARS.0, YEARS.1);

const fn plain(least: u16, most: u16) -> Field {
    Field {
        least,
        most,
        names: &[],
    }
}

impl Cron {
    /// Reads six fields; none when they are none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, of_month, months, of_week, years] = fields.as_slice() else {
            return None;
        };
        let days = match (*of_month, *of_week) {
            ("?", "?") => return None,
            (of_month, "?") => Days::OfMonth(each(of_month, day_of_month)?),
            ("?", of_week) => Days::OfWeek(each(of_week, day_of_week)?),
            (_, _) => return None,
        };
        Some(Self {
            minutes: MINUTES.values(minutes)?,
            hours: HOURS.values(hours)?,
            days,
            months: MONTHS_OF_YEAR.values(months)?,
            years: ALL_YEARS.values(years)?,
        })
    }

    /// The first time after this one, to the minute; none when there is none.
    pub(crate) fn next(&self, after: DateTime) -> Option<DateTime> {
        let (date, time) = (after.date(), after.time());
        if self.is_on(date)
            && let Some(time) = self.time_after(time)
        {
            return Some(date.to_datetime(time));
        }
        let first = self.time_from(0, 0)?;
        let date = self.date_after(date)?;
        Some(date.to_datetime(first))
    }

    fn time_after(&self, time: Time) -> Option<Time> {
        let (hour, minute) = (unsigned(time.hour()), unsigned(time.minute()));
        self.time_from(hour, minute + 1)
    }

    /// The first time from this one on, which may show 60 minutes.
    fn time_from(&self, hour: u16, minute: u16) -> Option<Time> {
        let in_hour = self.minutes.range(minute..).next();
        let (hour, minute) = match in_hour {
            Some(minute) if self.hours.contains(&hour) => (hour, *minute),
            Some(_) | None => {
                let hour = self.hours.range(hour + 1..).next()?;
                (*hour, *self.minutes.first()?)
            }
        };
        Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()
    }

    fn date_after(&self, date: Date) -> Option<Date> {
        let mut date = date.tomorrow().ok()?;
        loop {
            let year = u16::try_from(date.year()).ok()?;
            let next_year = *self.years.range(year..).next()?;
            if next_year != year {
                date = Date::new(i16::try_from(next_year).ok()?, 1, 1).ok()?;
            }
            if !self.months.contains(&unsigned(date.month())) {
                date = date.last_of_month().tomorrow().ok()?;
                continue;
            }
            if self.days.include(date) {
                return Some(date);
            }
            date = date.tomorrow().ok()?;
        }
    }

    fn is_on(&self, date: Date) -> bool {
        u16::try_from(date.year()).is_ok_and(|year| self.years.contains(&year))
            && self.months.contains(&unsigned(date.month()))
            && self.days.include(date)
    }
}

impl Days {
    fn include(&self, date: Date) -> bool {
        match self {
            Self::OfMonth(days) => days.iter().any(|day| day.is(date)),
            Self::OfWeek(days) => days.iter().any(|day| day.is(date)),
        }
    }
}

impl DayOfMonth {
    fn is(&self, date: Date) -> bool {
        let last = date.days_in_month();
        match self {
            Self::These(days) => days.contains(&unsigned(date.day())),
            Self::BeforeLast(days) => date.day() == last - days,
            Self::WeekdayNear(day) => weekday_near(date, *day) == Some(date),
            Self::LastWeekday => weekday_near(date, last) == Some(date),
        }
    }
}

impl DayOfWeek {
    fn is(&self, date: Date) -> bool {
        let number = number_of(date.weekday());
        match self {
            Self::These(days) => days.contains(&number),
            Self::Last(day) => number == *day && date.days_in_month() < date.day() + 7,
            Self::Nth(day, nth) => number == *day && (date.day() - 1) / 7 + 1 == *nth,
        }
    }
}

/// The weekday nearest to a day of this date's month, which it does not leave.
fn weekday_near(date: Date, day: i8) -> Option<Date> {
    let last = date.days_in_month();
    let wanted = Date::new(date.year(), date.month(), day).ok()?;
    let day = match wanted.weekday() {
        Weekday::Saturday if day == 1 => 3,
        Weekday::Saturday => day - 1,
        Weekday::Sunday if day == last => day - 2,
        Weekday::Sunday => day + 1,
        Weekday::Monday
        | Weekday::Tuesday
        | Weekday::Wednesday
        | Weekday::Thursday
        | Weekday::Friday => day,
    };
    Date::new(date.year(), date.month(), day).ok()
}

fn number_of(weekday: Weekday) -> u16 {
    unsigned(weekday.to_sunday_one_offset())
}

fn unsigned(number: i8) -> u16 {
    u16::try_from(number).unwrap_or_default()
}

fn each<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(read).collect()
}

fn day_of_month(text: &str) -> Option<DayOfMonth> {
    if text == "L" {
        return Some(DayOfMonth::BeforeLast(0));
    }
    if text == "LW" {
        return Some(DayOfMonth::LastWeekday);
    }
    if let Some(days) = text.strip_prefix("L-") {
        let days: i8 = number(days)?;
        return (1..=30)
            .contains(&days)
            .then_some(DayOfMonth::BeforeLast(days));
    }
    if let Some(day) = text.strip_suffix('W') {
        let day: i8 = number(day)?;
        return (1..=31)
            .contains(&day)
            .then_some(DayOfMonth::WeekdayNear(day));
    }
    DAYS_OF_MONTH.element(text).map(DayOfMonth::These)
}

fn day_of_week(text: &str) -> Option<DayOfWeek> {
    if text == "L" {
        return Some(DayOfWeek::These(BTreeSet::from([7])));
    }
    if let Some((day, nth)) = text.split_once('#') {
        let nth: i8 = number(nth)?;
        let day = DAYS_OF_WEEK.value(day)?;
        return (1..=5).contains(&nth).then_some(DayOfWeek::Nth(day, nth));
    }
    if let Some(day) = text.strip_suffix('L') {
        return DAYS_OF_WEEK.value(day).map(DayOfWeek::Last);
    }
    DAYS_OF_WEEK.element(text).map(DayOfWeek::These)
}

/// Digits and nothing else.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let are_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| are_digits)
}

impl Field {
    fn values(&self, text: &str) -> Option<BTreeSet<u16>> {
        let elements: Vec<BTreeSet<u16>> = each(text, |element| self.element(element))?;
        Some(elements.into_iter().flatten().collect())
    }

    /// `*`, a value, a range, each with a step or without.
    fn element(&self, text: &str) -> Option<BTreeSet<u16>> {
        let (range, step) = match text.split_once('/') {
            None => (text, None),
            Some((range, step)) => (range, Some(number::<u16>(step)?)),
        };
        if step.is_some_and(|step| step == 0 || self.most < step) {
            return None;
        }
        let (least, most) = match range.split_once('-') {
            Some((least, most)) => (self.value(least)?, self.value(most)?),
            None if range == "*" => (self.least, self.most),
            None => {
                let least = self.value(range)?;
                (least, if step.is_some() { self.most } else { least })
            }
        };
        let by = usize::from(step.unwrap_or(1));
        (least <= most).then(|| (least..=most).step_by(by).collect())
    }

    fn value(&self, text: &str) -> Option<u16> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(position) => u16::try_from(position).ok()? + 1,
            None => number(text)?,
        };
        (self.least..=self.most).contains(&value).then_some(value)
    }
}
