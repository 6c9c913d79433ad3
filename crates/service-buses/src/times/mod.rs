//! When schedules fire.
//!
//! Lives here: `rate`, `cron` and `at` expressions, and the next time after a given one, in a time zone. Pure.
//! Does not live here: firing (`engine::clockwork`), which schedules there are (`engine`).
//!
//! Contract: Amazon EventBridge User Guide, "Setting a schedule pattern for scheduled rules"; Amazon EventBridge Scheduler User
//! Guide, "Schedule types": a time that the clock skips in spring is skipped, one that comes twice in autumn counts once.

mod cron;
#[cfg(test)]
mod tests;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use model::time::Timestamp;

pub(crate) use cron::Cron;

/// Times that are tried before a schedule counts as never firing again: those that a clock skips follow each other rarely.
const TRIES_MAX: usize = 1_000;
const MICROS: i64 = 1_000_000;

/// When something fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    /// Every so many seconds.
    Rate { every_s: i64 },
    /// At the times of a calendar.
    Cron(Box<Cron>),
    /// Once.
    At(DateTime),
}

impl Expression {
    /// Reads the expression of a rule: number and unit of a rate have to agree, and nothing happens but once and again.
    pub(crate) fn of_rule(text: &str) -> Option<Self> {
        if let Some(inner) = inside(text, "rate") {
            let (number, unit) = inner.split_once(' ')?;
            if (number == "1") == unit.ends_with('s') {
                return None;
            }
        }
        Self::of_schedule(text).filter(|read| match read {
            Self::Rate { .. } | Self::Cron(_) => true,
            Self::At(_) => false,
        })
    }

    /// Reads the expression of a schedule.
    pub(crate) fn of_schedule(text: &str) -> Option<Self> {
        if let Some(inner) = inside(text, "rate") {
            let (number, unit) = inner.split_once(' ')?;
            let unit_s = match unit {
                "minute" | "minutes" => 60,
                "hour" | "hours" => 3_600,
                "day" | "days" => 86_400,
                _ => return None,
            };
            let is_whole = number.bytes().all(|byte| byte.is_ascii_digit());
            let number: i64 = number
                .parse()
                .ok()
                .filter(|number| is_whole && 0 < *number)?;
            let every_s = number.checked_mul(unit_s)?;
            return Some(Self::Rate { every_s });
        }
        if let Some(inner) = inside(text, "cron") {
            return Cron::parse(inner).map(Box::new).map(Self::Cron);
        }
        let inner = inside(text, "at")?;
        // Seconds are demanded, zones and fractions are not taken.
        let has_shape = inner.len() == 19 && inner.as_bytes().get(10) == Some(&b'T');
        let at: DateTime = inner.parse().ok().filter(|_| has_shape)?;
        Some(Self::At(at))
    }

    /// The first time after this one; none when it never fires again. Rates count from `anchor`.
    pub(crate) fn next(
        &self,
        zone: &TimeZone,
        anchor: Timestamp,
        after: Timestamp,
    ) -> Option<Timestamp> {
        match self {
            Self::Rate { every_s } => {
                let every_us = every_s.checked_mul(MICROS)?;
                let passed_us = after.epoch_us().checked_sub(anchor.epoch_us())?;
                if passed_us < 0 {
                    return Some(anchor);
                }
                let rounds = passed_us.checked_div(every_us)?.checked_add(1)?;
                let since_us = rounds.checked_mul(every_us)?;
                let at_us = anchor.epoch_us().checked_add(since_us)?;
                Some(Timestamp::from_micros(at_us))
            }
            Self::Cron(cron) => {
                let mut local = local(zone, after)?;
                for _ in 0..TRIES_MAX {
                    local = cron.next(local)?;
                    if let Some(at) = instant(zone, local).filter(|at| after < *at) {
                        return Some(at);
                    }
                }
                None
            }
            Self::At(local) => {
                let at = zone.to_ambiguous_zoned(*local).compatible().ok()?;
                Some(of_jiff(at.timestamp())).filter(|at| after < *at)
            }
        }
    }
}

/// Reads the name of a time zone.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// `2022-01-01T00:00:00Z`, to the second.
pub(crate) fn iso(at: Timestamp) -> String {
    let seconds = jiff::Timestamp::from_second(at.epoch_s()).unwrap_or_default();
    seconds.to_string()
}

/// Reads `2022-01-01T00:00:00Z`.
pub(crate) fn parse_iso(text: &str) -> Option<Timestamp> {
    text.parse().ok().map(of_jiff)
}

fn inside<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.strip_prefix(name)?
        .strip_prefix('(')?
        .strip_suffix(')')
}

fn local(zone: &TimeZone, at: Timestamp) -> Option<DateTime> {
    let at = jiff::Timestamp::from_microsecond(at.epoch_us()).ok()?;
    Some(zone.to_datetime(at))
}

/// The moment at which clocks show this; the first of two, none for one that they skip.
fn instant(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Gap { .. } => None,
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
            ambiguous.earlier().ok().map(of_jiff)
        }
    }
}

fn of_jiff(at: jiff::Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_microsecond())
}
