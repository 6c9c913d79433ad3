//! Places in a text.
//!
//! Lives here: how long each line is, and places that never run past the end of one.
//! Does not live here: finding what stands at a place (the readers).

use std::sync::Arc;

use model::problem::Place;
use saphyr_parser::{Marker, Span};

/// The lines of one file.
#[derive(Debug)]
pub(super) struct Lines {
    file: Arc<str>,
    lengths: Vec<u32>,
}

impl Lines {
    pub(super) fn new(file: &str, text: &str) -> Self {
        let length = |line: &str| u32::try_from(line.chars().count()).unwrap_or(u32::MAX);
        Self {
            file: file.into(),
            lengths: text.lines().map(length).collect(),
        }
    }

    /// Where a span begins, as wide as it is on its first line.
    pub(super) fn place(&self, span: Span) -> Place {
        let line = number(span.start.line()).max(1);
        let column = number(span.start.col()).saturating_add(1);
        let width = if span.start.line() == span.end.line() {
            number(span.end.col().saturating_sub(span.start.col()))
        } else {
            self.length(line).saturating_sub(column - 1)
        };
        self.clamped(line, column, width)
    }

    /// One character.
    pub(super) fn place_of_mark(&self, mark: Marker) -> Place {
        let line = number(mark.line()).max(1);
        self.clamped(line, number(mark.col()).saturating_add(1), 1)
    }

    /// A mark past the last line (an unexpected end of the file) stands at the last character that there is.
    fn clamped(&self, line: u32, column: u32, width: u32) -> Place {
        let last = number(self.lengths.len()).max(1);
        let (line, column) = if last < line {
            (last, self.length(last).max(1))
        } else {
            (line, column)
        };
        Place {
            file: self.file.clone(),
            line,
            column,
            width: width
                .min(self.length(line).saturating_sub(column - 1))
                .max(1),
        }
    }

    fn length(&self, line: u32) -> u32 {
        usize::try_from(line)
            .ok()
            .and_then(|line| self.lengths.get(line.checked_sub(1)?))
            .copied()
            .unwrap_or(0)
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
