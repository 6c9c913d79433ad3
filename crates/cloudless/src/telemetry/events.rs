//! Events on the terminal: one line each, as requests have.
//!
//! Lives here: what the line says.
//! Does not live here: the lines of the function's log under it (`transcript`), delivering (`event-delivery`).

use std::time::Duration;

use event_delivery::{DeliveryLog, Event, EventResult};
use model::ids::RequestId;

use super::transcript::milliseconds;
use super::{OnConsole, Silent};
use crate::printer::{Printer, Style, harmless};

/// An event as it is shown.
#[derive(Debug, Clone)]
pub struct EventLine {
    /// The invocation that its log lines carry; none when no function was called.
    pub invocation: Option<RequestId>,
    /// The service that it comes from.
    pub kind: String,
    /// Its way: source and target.
    pub way: String,
    /// How many records it had.
    pub records: usize,
    /// How long it took.
    pub total: Duration,
    /// How long an instance took to start, when one had to.
    pub cold_start: Option<Duration>,
    /// Which try it was, from 1.
    pub attempt: u32,
    /// What came of it.
    pub result: EventResult,
}

impl EventLine {
    pub(super) fn head(&self, printer: &Printer) -> String {
        let (style, said) = match &self.result {
            EventResult::Delivered => (Style::Green, "ok"),
            EventResult::Failed {
                is_final: false, ..
            } => (Style::Yellow, "failed"),
            EventResult::Failed { is_final: true, .. } => (Style::Red, "given up"),
        };
        let kind = printer.paint(Style::Bold, &format!("{:<7}", harmless(&self.kind)));
        let said = printer.paint(style, said);
        let mut text = format!("{kind} {}", harmless(&self.way));
        if self.records != 1 {
            text.push_str(&format!(" ({} records)", self.records));
        }
        text.push_str(&format!(" {said} {}", milliseconds(self.total)));
        if let Some(cold_start) = self.cold_start {
            let note = format!(" (cold start {})", milliseconds(cold_start));
            text.push_str(&printer.paint(Style::Cyan, &note));
        }
        if 1 < self.attempt {
            let note = format!(" (try {})", self.attempt);
            text.push_str(&printer.paint(Style::Cyan, &note));
        }
        if let EventResult::Failed { reason, next, .. } = &self.result {
            for line in [reason, next] {
                let line = harmless(line).replace('\n', "\n        ");
                text.push_str(&format!("\n        {}", printer.paint(style, &line)));
            }
        }
        text
    }
}

impl DeliveryLog for OnConsole {
    fn record(&self, event: Event) {
        let way = if event.source.is_empty() {
            event.target
        } else {
            format!("{} → {}", event.source, event.target)
        };
        self.0.event(EventLine {
            invocation: event.invocation,
            kind: event.kind,
            way,
            records: event.records,
            total: event.total,
            cold_start: event.cold_start,
            attempt: event.attempt,
            result: event.result,
        });
    }
}

impl DeliveryLog for Silent {
    fn record(&self, _event: Event) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(result: EventResult) -> EventLine {
        EventLine {
            invocation: None,
            kind: "SQS".to_owned(),
            way: "jobs → work".to_owned(),
            records: 3,
            total: Duration::from_millis(12),
            cold_start: None,
            attempt: 1,
            result,
        }
    }

    #[test]
    fn an_event_has_one_line_as_a_request_has() {
        let shown = line(EventResult::Delivered).head(&Printer::plain());
        assert_eq!(shown, "SQS     jobs → work (3 records) ok 12.0 ms");
    }

    #[test]
    fn what_failed_says_why_and_what_happens_next() {
        let mut failed = line(EventResult::Failed {
            reason: "Error: no\u{1b}[2J".to_owned(),
            next: "tried again in 1 min".to_owned(),
            is_final: false,
        });
        failed.records = 1;
        failed.attempt = 2;
        assert_eq!(
            failed.head(&Printer::plain()),
            "SQS     jobs → work failed 12.0 ms (try 2)\n        Error: no\u{fffd}[2J\n        tried again in 1 min"
        );
    }
}
