//! Places in a text.
//!
//! Lives here: how long each line is, and places that never run past the end of one.
//! Does not live here: finding what stands at a place (the readers).

use std::collections::BTreeMap;
use std::sync::Arc;

use model::problem::Place;
use saphyr_parser::{Marker, Span};

/// Quoted texts are measured on lines up to this many characters: to look into a line again and again would take
/// long where a whole file is one line.
const MEASURED_LINE_CHARS_MAX: u32 = 1_000;

/// The lines of one file.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    file: Arc<str>,
    lines: Vec<Line<'a>>,
    ends_with_line_end: bool,
    /// How far each line was indented before it was scanned (see `indentation`), by its number.
    indented: BTreeMap<u32, usize>,
}

#[derive(Debug)]
struct Line<'a> {
    text: &'a str,
    chars: u32,
}

impl<'a> Lines<'a> {
    pub(super) fn new(file: &str, text: &'a str, indented: BTreeMap<u32, usize>) -> Self {
        let line = |text: &'a str| Line {
            text,
            chars: number(text.chars().count()),
        };
        Self {
            file: file.into(),
            lines: text.lines().map(line).collect(),
            ends_with_line_end: text.ends_with('\n'),
            indented,
        }
    }

    /// The last line of the file, without its indentation, if this span reaches it and it has no line end.
    pub(super) fn last_line_without_end(&self, span: Span) -> Option<&'a str> {
        let reaches_end = self.lines.len() <= span.end.line();
        let last = self.lines.last()?;
        (reaches_end && !self.ends_with_line_end).then(|| last.text.trim_start())
    }

    /// Where a quoted text begins. The scanner's span reaches over what follows the closing quote.
    pub(super) fn place_of_quoted(&self, span: Span, quote: char) -> Place {
        let mut place = self.place(span);
        let Some(line) = self.line(place.line) else {
            return place;
        };
        if span.start.line() != span.end.line() || MEASURED_LINE_CHARS_MAX < line.chars {
            return place;
        }
        let mut characters = line.text.chars().skip(self.column(span.start));
        let mut width = 1;
        if !characters.by_ref().any(|character| {
            width += 1;
            character == quote
        }) {
            return place;
        }
        let mut is_escaped = false;
        for character in characters {
            if character == quote && !is_escaped {
                place.width = width.min(place.width);
                return place;
            }
            // A doubled single quote ends the text one character early, which only narrows the mark.
            is_escaped = quote == '"' && character == '\\' && !is_escaped;
            width += 1;
        }
        place
    }

    /// Where a span begins, as wide as it is on its first line.
    pub(super) fn place(&self, span: Span) -> Place {
        let line = number(span.start.line()).max(1);
        let column = number(self.column(span.start)).saturating_add(1);
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
        self.clamped(line, number(self.column(mark)).saturating_add(1), 1)
    }

    /// Where the tab stands that ends a plain text: the scanner marks the text's beginning, lines before.
    pub(super) fn tab_behind(&self, mark: &Place, info: &str) -> Option<Place> {
        if !info.contains("found a tab") {
            return None;
        }
        let behind = (mark.line..=number(self.lines.len())).skip(1);
        let mut tabs = behind.filter_map(|line| {
            let text = self.line(line)?.text;
            let tab = text.find('\t')?;
            let is_indentation = text.get(..tab)?.trim().is_empty();
            is_indentation.then(|| self.clamped(line, number(tab).saturating_add(1), 1))
        });
        tabs.next()
    }

    /// A mark past the last line (an unexpected end of the file) stands at the last character that there is.
    fn clamped(&self, line: u32, column: u32, width: u32) -> Place {
        let last = number(self.lines.len()).max(1);
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

    /// The column that a mark has in the file, counted from 0.
    fn column(&self, mark: Marker) -> usize {
        let shift = self.indented.get(&number(mark.line()));
        mark.col().saturating_sub(shift.copied().unwrap_or(0))
    }

    fn length(&self, line: u32) -> u32 {
        self.line(line).map_or(0, |line| line.chars)
    }

    fn line(&self, line: u32) -> Option<&Line<'a>> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        self.lines.get(index)
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
