//! Rows of the report, and whether what they are about is good enough.
//!
//! Lives here: bars, aims, and how a row is written.
//! Does not live here: which bar is whose (each measurement).

/// One row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    what: String,
    measured: String,
    /// What was measured, beside what it is held to.
    checks: Vec<(f64, Goal)>,
    /// Why the row is not met whatever was measured.
    fault: Option<String>,
}

/// What a figure is held to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Goal {
    /// Which of the row's figures it is, where they are several.
    pub(super) name: &'static str,
    pub(super) side: Side,
    /// What it has to reach.
    pub(super) bar: Option<f64>,
    /// What it is meant to reach.
    pub(super) aim: Option<f64>,
    pub(super) unit: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    AtLeast,
    AtMost,
}

/// How good a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Met {
    No,
    Bar,
    Aim,
}

/// A ratio of ours to another.
pub(super) const fn times(name: &'static str, bar: f64, aim: f64) -> Goal {
    Goal {
        name,
        side: Side::AtLeast,
        bar: Some(bar),
        aim: Some(aim),
        unit: "×",
    }
}

/// What may not be exceeded.
pub(super) const fn at_most(
    name: &'static str,
    bar: Option<f64>,
    aim: Option<f64>,
    unit: &'static str,
) -> Goal {
    Goal {
        name,
        side: Side::AtMost,
        bar,
        aim,
        unit,
    }
}

impl Row {
    pub(super) fn new(what: &str, measured: String, checks: Vec<(f64, Goal)>) -> Self {
        Self {
            what: what.to_owned(),
            measured,
            checks,
            fault: None,
        }
    }

    /// One that could not be measured.
    pub(super) fn failed(what: &str, error: &anyhow::Error) -> Self {
        Self::new(what, String::new(), Vec::new()).with_fault(Some(format!("{error:#}")))
    }

    /// The same, not met when there is a fault.
    pub(super) fn with_fault(mut self, fault: Option<String>) -> Self {
        self.fault = fault;
        self
    }

    pub(super) fn line(&self) -> String {
        let goals = |value: fn(&Goal) -> Option<f64>| {
            let mut texts: Vec<String> = Vec::new();
            for (_, goal) in &self.checks {
                let text = value(goal).map(|value| goal.text(value));
                texts.extend(text.filter(|text| !texts.contains(text)));
            }
            texts.join(", ")
        };
        let met = match (&self.fault, self.met()) {
            (Some(fault), _) => format!("**no**: {}", first_line(fault)),
            (None, Met::No) => "**no**".to_owned(),
            (None, Met::Aim) if self.checks.iter().any(|(_, goal)| goal.aim.is_some()) => {
                "yes, and the aim".to_owned()
            }
            (None, Met::Bar | Met::Aim) => "yes".to_owned(),
        };
        format!(
            "| {} | {} | {} | {} | {met} |\n",
            self.what,
            self.measured,
            goals(|goal| goal.bar),
            goals(|goal| goal.aim),
        )
    }

    fn met(&self) -> Met {
        let each = self.checks.iter().map(|(value, goal)| goal.met(*value));
        each.min().unwrap_or(Met::Aim)
    }
}

impl Goal {
    fn met(&self, value: f64) -> Met {
        let reaches = |wanted: Option<f64>| {
            wanted.is_none_or(|wanted| match self.side {
                Side::AtLeast => wanted <= value,
                Side::AtMost => value <= wanted,
            })
        };
        match (reaches(self.bar), reaches(self.aim)) {
            (false, _) => Met::No,
            (true, false) => Met::Bar,
            (true, true) => Met::Aim,
        }
    }

    fn text(&self, value: f64) -> String {
        let side = match self.side {
            Side::AtLeast => "≥",
            Side::AtMost => "≤",
        };
        let name = match self.name {
            "" => String::new(),
            name => format!("{name} "),
        };
        format!("{name}{side} {value}{}", self.unit)
    }
}

/// A table's cell holds one line, and no bar.
fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .replace('|', "/")
        .chars()
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_as_good_as_its_worst_figure() {
        let row = |values: [f64; 2]| {
            let checks = vec![
                (values[0], times("", 4.0, 8.0)),
                (values[1], at_most("p50", None, Some(5.0), " ms")),
            ];
            Row::new("a", "b".to_owned(), checks)
        };
        assert_eq!(row([8.0, 5.0]).met(), Met::Aim);
        assert_eq!(row([8.0, 5.1]).met(), Met::Bar);
        assert_eq!(row([3.9, 5.0]).met(), Met::No);
        assert_eq!(
            row([8.0, 5.0]).line(),
            "| a | b | ≥ 4× | ≥ 8×, p50 ≤ 5 ms | yes, and the aim |\n"
        );
    }

    #[test]
    fn a_goal_of_several_figures_is_written_once() {
        let checks = vec![(1.0, times("", 2.0, 3.0)), (5.0, times("", 2.0, 3.0))];
        assert_eq!(
            Row::new("a", "b".to_owned(), checks).line(),
            "| a | b | ≥ 2× | ≥ 3× | **no** |\n"
        );
    }

    #[test]
    fn a_fault_is_not_met_and_is_one_line() {
        let row = Row::failed("a", &anyhow::anyhow!("one | two\nthree"));
        assert_eq!(row.line(), "| a |  |  |  | **no**: one / two |\n");
    }
}
