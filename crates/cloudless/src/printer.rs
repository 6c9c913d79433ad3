//! What the program says to a person: standard output, with colours only on a terminal.
//!
//! Lives here: streams, colours, the drawing of problems.
//! Does not live here: what is said (`commands`, `telemetry`).

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use model::problem::{Place, Problem, Severity};

/// Writes to standard output and standard error. A closed pipe is no error: whoever listened has heard enough.
#[derive(Debug, Clone)]
pub struct Printer {
    colours: Colours,
    /// The folder that places are relative to, for snippets.
    root: PathBuf,
}

/// Whether to colour. Meaning is never carried by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// Plain text.
    Never,
    /// ANSI colours.
    Always,
}

/// The few styles that we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// What matters.
    Bold,
    /// What matters less.
    Dim,
    /// What went wrong.
    Red,
    /// What may go wrong.
    Yellow,
    /// What went well.
    Green,
    /// Names.
    Cyan,
}

impl Printer {
    /// A printer that colours when standard output is a terminal and `NO_COLOR` is not set.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the terminal's own convention, asked for once at start"
    )]
    pub fn for_terminal(root: &Path) -> Self {
        // Problems go to one, all else to the other: a file for either is a file without colours.
        let wanted = std::io::stdout().is_terminal()
            && std::io::stderr().is_terminal()
            && std::env::var("NO_COLOR").map_or(true, |value| value.is_empty());
        Self {
            colours: if wanted {
                Colours::Always
            } else {
                Colours::Never
            },
            root: root.to_path_buf(),
        }
    }

    /// A printer without colours, for tests.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self {
            colours: Colours::Never,
            root: PathBuf::new(),
        }
    }

    /// A printer for another folder's places.
    #[must_use]
    pub fn with_root(&self, root: &Path) -> Self {
        Self {
            colours: self.colours,
            root: root.to_path_buf(),
        }
    }

    /// Writes lines to standard output.
    pub fn print(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _closed_pipe = out
            .write_all(text.as_bytes())
            .and_then(|()| out.write_all(b"\n"))
            .and_then(|()| out.flush());
    }

    /// Writes lines to standard error.
    pub fn print_error(&self, text: &str) {
        let mut out = std::io::stderr().lock();
        let _closed_pipe = out
            .write_all(text.as_bytes())
            .and_then(|()| out.write_all(b"\n"));
    }

    /// The text in this style.
    #[must_use]
    pub fn paint(&self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Red => "31",
            Style::Yellow => "33",
            Style::Green => "32",
            Style::Cyan => "36",
        };
        match self.colours {
            Colours::Never => text.to_owned(),
            Colours::Always => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }

    /// Draws one problem: what, where with the line itself, why, and what to do.
    #[must_use]
    pub fn draw(&self, problem: &Problem) -> String {
        let (style, word) = match problem.severity {
            Severity::Error => (Style::Red, "error"),
            Severity::Warning => (Style::Yellow, "warning"),
        };
        let head = self.paint(style, &format!("{word}[{}]", problem.code));
        let mut lines = vec![format!(
            "{head}: {}",
            self.paint(Style::Bold, &harmless(&problem.title))
        )];
        if let Some(place) = &problem.place {
            let shown = harmless(&place.to_string());
            lines.push(format!("  {} {shown}", self.paint(Style::Dim, "-->")));
            lines.extend(self.snippet(place, style));
        }
        let noted = [("cause", &problem.cause), ("help", &problem.help)];
        for (word, text) in noted
            .iter()
            .filter_map(|(word, text)| text.as_ref().map(|text| (word, text)))
        {
            let indented = harmless(text).replace('\n', "\n    ");
            lines.push(format!(
                "  {} {indented}",
                self.paint(Style::Dim, &format!("{word}:"))
            ));
        }
        lines.join("\n")
    }

    /// The line of the file, with the place marked under it.
    fn snippet(&self, place: &Place, style: Style) -> Vec<String> {
        const LINE_CHARACTERS_MAX: usize = 160;
        let Ok(text) = std::fs::read_to_string(self.root.join(&*place.file)) else {
            return Vec::new();
        };
        let Some(line) = text.lines().nth(place.line.saturating_sub(1) as usize) else {
            return Vec::new();
        };
        let shown: String = line
            .chars()
            .take(LINE_CHARACTERS_MAX)
            .map(visible)
            .collect();
        let column = place.column.saturating_sub(1) as usize;
        let width = (place.width.max(1) as usize)
            .min(shown.chars().count().saturating_sub(column))
            .max(1);
        let number = place.line.to_string();
        let gutter = " ".repeat(number.len());
        let bar = self.paint(Style::Dim, "|");
        vec![
            format!("  {} {bar} {shown}", self.paint(Style::Dim, &number)),
            format!(
                "  {gutter} {bar} {}{}",
                " ".repeat(column.min(LINE_CHARACTERS_MAX)),
                self.paint(style, &"^".repeat(width))
            ),
        ]
    }
}

/// A character that is safe to show: a manifest must not drive the terminal.
fn visible(character: char) -> char {
    if character == '\t' {
        ' '
    } else if character.is_control() {
        '\u{fffd}'
    } else {
        character
    }
}

/// The text without what could drive a terminal, line breaks excepted.
#[must_use]
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character == '\n' {
                character
            } else {
                visible(character)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_drawn_with_its_line_cause_and_help() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("serverless.yml"),
            "service: a\nfuntions:\n  b: c\n",
        )
        .unwrap();
        let printer = Printer::plain().with_root(folder.path());
        let place = Place {
            file: "serverless.yml".into(),
            line: 2,
            column: 1,
            width: 8,
        };
        let problem = Problem::error(
            "manifest::unknown-key",
            "`funtions` is not a key of serverless.yml",
        )
        .at(&place)
        .because("the Serverless Framework warns and goes on without it")
        .help("did you mean `functions`?");
        insta::assert_snapshot!(printer.draw(&problem), @r"
        error[manifest::unknown-key]: `funtions` is not a key of serverless.yml
          --> serverless.yml:2:1
          2 | funtions:
            | ^^^^^^^^
          cause: the Serverless Framework warns and goes on without it
          help: did you mean `functions`?
        ");
    }

    #[test]
    fn no_part_of_a_problem_can_drive_the_terminal() {
        let printer = Printer::plain();
        let escape = "\u{1b}]0;x\u{7}";
        let place = Place::start_of(escape);
        let problem = Problem::error("manifest::unknown-key", escape)
            .at(&place)
            .because(escape)
            .help(escape);
        let drawn = printer.draw(&problem);
        assert!(!drawn.contains(['\u{1b}', '\u{7}']), "{drawn:?}");
    }

    #[test]
    fn what_a_file_says_cannot_drive_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\nc"), "a\u{fffd}[2Jb\nc");
    }
}
