//! What the server says of itself, as problems look: one line each.
//!
//! Lives here: the look of such a line.
//! Does not live here: which of them are shown (`log_to_standard_error`), what functions write (`transcript`).

use std::error::Error;
use std::fmt::{self, Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::printer::{Printer, Style, harmless};

/// Draws `warning: what happened (error: why, queue: where)`.
pub(crate) struct OwnLines {
    printer: Printer,
}

impl OwnLines {
    pub(crate) fn new(printer: Printer) -> Self {
        Self { printer }
    }
}

impl<S, N> FormatEvent<S, N> for OwnLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (style, word) = match *event.metadata().level() {
            Level::ERROR => (Style::Red, "error"),
            Level::WARN => (Style::Yellow, "warning"),
            _ => (Style::Dim, "note"),
        };
        let mut said = Said::default();
        event.record(&mut said);
        let word = self.printer.paint(style, word);
        write!(writer, "{word}: {}", harmless(&said.message))?;
        if !said.others.is_empty() {
            let others = format!(" ({})", harmless(&said.others.join(", ")));
            writer.write_str(&self.printer.paint(Style::Dim, &others))?;
        }
        writeln!(writer)
    }
}

/// The parts of one event.
#[derive(Default)]
struct Said {
    message: String,
    others: Vec<String>,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.others.push(format!("{}: {value}", field.name()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = format!("{}: {value}", field.name());
        let mut next = value.source();
        while let Some(cause) = next {
            let _text_takes_all = write!(text, ": {cause}");
            next = cause.source();
        }
        self.others.push(text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.others.push(format!("{name}: {value:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_of_ours_reads_as_a_problem_does() {
        let written = Written::default();
        let into = written.clone();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(OwnLines::new(Printer::plain()))
            .with_writer(move || into.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let error = std::io::Error::other("disk\u{1b}[2J full");
            tracing::warn!(error = &error as &dyn Error, queue = %"jobs", "not deleted");
            tracing::error!("gone");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text,
            "warning: not deleted (error: disk\u{fffd}[2J full, queue: jobs)\nerror: gone\n"
        );
    }
}
