//! What the doctor found, for people and for programs.
//!
//! Lives here: one finding, all of them as aligned text, and as JSON.
//! Does not live here: finding it (`doctor`).

use serde::Serialize;
use serde_json::{Map, Value};

use crate::commands::check::counted;
use crate::printer::{Printer, Style, harmless};

/// How things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mark {
    /// As it should be.
    Ok,
    /// It works, though not as well as it could.
    Warning,
    /// Something that is needed does not work.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Finding {
    /// What it belongs to, as `interpreters`.
    pub(super) area: &'static str,
    /// What was looked at, as `Python 3.11.7`.
    pub(super) name: String,
    pub(super) mark: Mark,
    /// What was found, in one line.
    pub(super) says: String,
    /// Why it is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) help: Option<String>,
    /// The same for programs: numbers in their units, paths whole.
    pub(super) facts: Map<String, Value>,
}

/// All that was looked at.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) version: &'static str,
    pub(super) findings: Vec<Finding>,
}

impl Finding {
    pub(super) fn new(area: &'static str, name: &str, mark: Mark, says: impl Into<String>) -> Self {
        Self {
            area,
            name: name.to_owned(),
            mark,
            says: says.into(),
            cause: None,
            help: None,
            facts: Map::new(),
        }
    }

    pub(super) fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}

impl Report {
    /// The worst of all marks.
    pub(super) fn mark(&self) -> Mark {
        let marks = self.findings.iter().map(|it| it.mark);
        marks.max().unwrap_or(Mark::Ok)
    }

    /// As a document.
    pub(super) fn as_json(&self) -> String {
        let document = serde_json::json!({
            "version": self.version,
            "mark": self.mark(),
            "findings": self.findings,
        });
        format!("{document:#}")
    }

    /// As lines, areas apart, and the names of each as wide as its longest.
    pub(super) fn draw(&self, printer: &Printer) -> String {
        let mut lines = vec![format!("cloudless {}", self.version)];
        for findings in self.findings.chunk_by(|one, next| one.area == next.area) {
            let area = findings.first().map_or("", |it| it.area);
            lines.push(String::new());
            lines.push(printer.paint(Style::Bold, area));
            let width = findings.iter().map(|it| it.name.chars().count());
            let width = width.max().unwrap_or(0);
            lines.extend(findings.iter().flat_map(|it| draw(printer, it, width)));
        }
        lines.push(String::new());
        lines.push(self.summary(printer));
        lines.join("\n")
    }

    fn summary(&self, printer: &Printer) -> String {
        let count = |mark: Mark| self.findings.iter().filter(|it| it.mark == mark).count();
        let (problems, warnings) = (count(Mark::Problem), count(Mark::Warning));
        let warnings = counted(warnings, "warning");
        match self.mark() {
            Mark::Ok => printer.paint(Style::Green, "everything works here"),
            Mark::Warning => format!(
                "{}, with {warnings}",
                printer.paint(Style::Green, "everything that is needed works here")
            ),
            Mark::Problem => {
                let problems = counted(problems, "problem");
                format!("{}, {warnings}", printer.paint(Style::Red, &problems))
            }
        }
    }
}

fn draw(printer: &Printer, finding: &Finding, width: usize) -> Vec<String> {
    let (word, style) = match finding.mark {
        Mark::Ok => ("ok     ", Style::Green),
        Mark::Warning => ("warning", Style::Yellow),
        Mark::Problem => ("problem", Style::Red),
    };
    let mark = printer.paint(style, word);
    let name = harmless(&finding.name);
    let says = harmless(&finding.says);
    let mut lines = vec![format!("  {mark}  {name:<width$}  {says}")];
    let indent = " ".repeat(2 + word.len() + 2 + width + 2);
    for (word, text) in [("cause", &finding.cause), ("help", &finding.help)] {
        if let Some(text) = text {
            let text = harmless(text).replace('\n', &format!("\n{indent}  "));
            let word = printer.paint(Style::Dim, &format!("{word}:"));
            lines.push(format!("{indent}{word} {text}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_aligned_and_say_what_to_do() {
        let report = Report {
            version: "1.2.3",
            findings: vec![
                Finding::new("machine", "memory", Mark::Ok, "8.0 GiB"),
                Finding::new("ports", "3000", Mark::Warning, "is in use")
                    .because("somebody listens\nthere")
                    .help("choose another: --port 3001"),
                Finding::new("ports", "4566", Mark::Ok, "is free"),
            ],
        };
        insta::assert_snapshot!(report.draw(&Printer::plain()), @r"
        cloudless 1.2.3

        machine
          ok       memory  8.0 GiB

        ports
          warning  3000  is in use
                         cause: somebody listens
                           there
                         help: choose another: --port 3001
          ok       4566  is free

        everything that is needed works here, with 1 warning
        ");
    }

    #[test]
    fn the_worst_finding_counts() {
        let finding = |mark| Finding::new("a", "b", mark, "c");
        let report = |marks: &[Mark]| Report {
            version: "",
            findings: marks.iter().copied().map(finding).collect(),
        };
        assert_eq!(report(&[]).mark(), Mark::Ok);
        let marks = [Mark::Problem, Mark::Warning, Mark::Ok];
        assert_eq!(report(&marks).mark(), Mark::Problem);
    }
}
