//! Puts log lines under the request that they belong to.
//!
//! Lives here: the pure part: entries and lines in, text out, with the time as an argument.
//! Does not live here: the thread that prints (`console`).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use interfaces::log_sink::{LogLine, LogOrigin};
use model::ids::RequestId;

use super::events::EventLine;
use crate::printer::{Printer, Style, harmless};

/// A request that runs for longer shows its lines as they come, under its function's name.
const HELD_BACK_MAX: Duration = Duration::from_secs(2);
/// A request that has not ended after this never will: no function runs for longer than 15 minutes. Lines that come
/// after their request was shown wait for nothing, too.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(16 * 60);
/// Lines that are held back for one request; the rest are shown as they come.
const LINES_HELD_MAX: usize = 1_000;
/// Requests whose lines are held back; those beyond show theirs as they come.
const REQUESTS_HELD_MAX: usize = 2_000;
/// Bytes of one request's log that are shown, a line more or less: a terminal is no place for megabytes.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Characters that are shown of one line.
const LINE_CHARACTERS_MAX: usize = 4_000;

/// A request as it is shown.
#[derive(Debug, Clone)]
pub struct RequestLine {
    /// The invocation that its log lines carry; none when no function ran.
    pub invocation: Option<RequestId>,
    /// The method.
    pub method: String,
    /// The path, as sent.
    pub path: String,
    /// The status of the reply.
    pub status: u16,
    /// From the request's head to the reply.
    pub total: Duration,
    /// How long an instance took to start, when one had to.
    pub cold_start: Option<Duration>,
    /// The stage's cache had the reply: no function ran for it.
    pub is_kept: bool,
    /// For the developer: why it was refused or failed, and what to do.
    pub reason: Option<String>,
}

/// The lines that wait for their request.
pub(super) struct Transcript {
    printer: Printer,
    held: HashMap<RequestId, Held>,
}

struct Held {
    lines: Vec<LogLine>,
    since: Instant,
    /// The platform's `REPORT` was seen: the invocation is over.
    is_over: bool,
}

impl Transcript {
    pub(super) fn new(printer: Printer) -> Self {
        Self {
            printer,
            held: HashMap::new(),
        }
    }

    /// Takes the beginning of an invocation, from which it is counted how long it runs.
    pub(super) fn began(&mut self, invocation: Option<RequestId>, now: Instant) {
        let Some(id) = invocation.filter(|_| self.held.len() < REQUESTS_HELD_MAX) else {
            return;
        };
        self.held.entry(id).or_insert(Held {
            lines: Vec::new(),
            since: now,
            is_over: false,
        });
    }

    /// Takes a log line; the text to show now, if any.
    pub(super) fn line(&mut self, line: LogLine, now: Instant) -> Option<String> {
        let Some(id) = line.request_id.clone() else {
            return self.alone(&line);
        };
        let is_over = is_report(&line);
        if let Some(held) = self.held.get_mut(&id) {
            if is_over {
                // Its request, if it has one, is finished in a moment.
                held.is_over = true;
                held.since = now;
            }
            if held.lines.len() < LINES_HELD_MAX {
                held.lines.push(line);
                return None;
            }
            return self.alone(&line);
        }
        if self.held.len() >= REQUESTS_HELD_MAX {
            return self.alone(&line);
        }
        self.held.insert(
            id,
            Held {
                lines: vec![line],
                since: now,
                is_over,
            },
        );
        None
    }

    /// Takes a finished request; the text to show.
    pub(super) fn request(&mut self, request: &RequestLine) -> String {
        let head = self.head(request);
        self.with_lines(head, request.invocation.as_ref())
    }

    /// Takes an event that was delivered, or not; the text to show.
    pub(super) fn event(&mut self, event: &EventLine) -> String {
        let head = event.head(&self.printer);
        self.with_lines(head, event.invocation.as_ref())
    }

    /// The lines of an invocation under its head.
    fn with_lines(&mut self, head: String, invocation: Option<&RequestId>) -> String {
        let mut text = head;
        let lines = invocation
            .and_then(|id| self.held.remove(id))
            .map(|held| held.lines)
            .unwrap_or_default();
        let mut shown_bytes = 0;
        for (line, index) in lines.iter().filter(|line| is_shown(line)).zip(1..) {
            if shown_bytes > REQUEST_BYTES_MAX {
                let left_out = lines.len() - index + 1;
                let note = format!("\n        ({left_out} more lines of its log are not shown)");
                text.push_str(&self.printer.paint(Style::Dim, &note));
                break;
            }
            let indented = self.indented(line);
            shown_bytes += indented.len();
            text.push('\n');
            text.push_str(&indented);
        }
        text
    }

    /// What waited too long for its request, or belongs to none: invocations that came by the Lambda API.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<String> {
        let after = |held: &Held| {
            if held.is_over {
                HELD_BACK_MAX / 8
            } else {
                HELD_BACK_MAX
            }
        };
        let due: Vec<RequestId> = self
            .held
            .iter()
            .filter(|(_, held)| {
                !held.lines.is_empty() && now.duration_since(held.since) > after(held)
            })
            .map(|(id, _)| id.clone())
            .collect();
        let mut texts = Vec::new();
        for id in due {
            let Some(held) = self.held.get_mut(&id) else {
                continue;
            };
            let lines = std::mem::take(&mut held.lines);
            if held.is_over {
                self.held.remove(&id);
            }
            texts.extend(lines.iter().filter_map(|line| self.of_nobody(line)));
        }
        self.held
            .retain(|_, held| now.duration_since(held.since) <= FORGOTTEN_AFTER);
        (!texts.is_empty()).then(|| texts.join("\n"))
    }

    /// All that still waits: nothing comes any more.
    pub(super) fn rest(&mut self) -> Option<String> {
        let held = std::mem::take(&mut self.held);
        let lines = held.values().flat_map(|held| &held.lines);
        let texts: Vec<String> = lines.filter_map(|line| self.of_nobody(line)).collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    }

    fn head(&self, request: &RequestLine) -> String {
        let style = match request.status {
            500.. => Style::Red,
            400..500 => Style::Yellow,
            _ => Style::Green,
        };
        let method = self
            .printer
            .paint(Style::Bold, &format!("{:<7}", request.method));
        let status = self.printer.paint(style, &request.status.to_string());
        let mut text = format!(
            "{method} {} {status} {}",
            harmless(&request.path),
            milliseconds(request.total)
        );
        if let Some(cold_start) = request.cold_start {
            text.push_str(&self.printer.paint(
                Style::Cyan,
                &format!(" (cold start {})", milliseconds(cold_start)),
            ));
        }
        if request.is_kept {
            text.push_str(&self.printer.paint(Style::Cyan, " (kept reply)"));
        }
        if let Some(reason) = &request.reason {
            let reason = harmless(reason).replace('\n', "\n        ");
            text.push_str(&format!("\n        {}", self.printer.paint(style, &reason)));
        }
        text
    }

    fn indented(&self, line: &LogLine) -> String {
        let bar = self.printer.paint(Style::Dim, "│");
        format!(
            "        {bar} {}",
            shown_text(line).replace('\n', &format!("\n        {bar} "))
        )
    }

    fn alone(&self, line: &LogLine) -> Option<String> {
        is_shown(line).then(|| self.named(line))
    }

    /// As [`alone`](Self::alone), for a line whose invocation has no request's line: `REPORT` says how it went.
    fn of_nobody(&self, line: &LogLine) -> Option<String> {
        (is_report(line) || is_shown(line)).then(|| self.named(line))
    }

    fn named(&self, line: &LogLine) -> String {
        let name = self.printer.paint(
            Style::Dim,
            &format!("        {} │", line.source.function.name),
        );
        let text = shown_text(line).replace('\n', &format!("\n{name} "));
        format!("{name} {text}")
    }
}

/// Whether a line is the platform's `START`.
pub(super) fn begins(line: &LogLine) -> bool {
    line.origin == LogOrigin::Platform && line.text.starts_with(b"START RequestId")
}

/// Whether anything comes of a line, shown or not: `REPORT` says that its invocation is over.
pub(super) fn matters(line: &LogLine) -> bool {
    is_report(line) || is_shown(line)
}

fn shown_text(line: &LogLine) -> String {
    let text = String::from_utf8_lossy(&line.text);
    let shown: String = text.chars().take(LINE_CHARACTERS_MAX).collect();
    harmless(&shown)
}

/// The platform's routine lines repeat what the request's own line says.
fn is_shown(line: &LogLine) -> bool {
    const ROUTINE: &[&[u8]] = &[
        b"INIT_START",
        b"START RequestId",
        b"END RequestId",
        b"REPORT RequestId",
    ];
    line.origin != LogOrigin::Platform || !ROUTINE.iter().any(|start| line.text.starts_with(start))
}

fn is_report(line: &LogLine) -> bool {
    line.origin == LogOrigin::Platform && line.text.starts_with(b"REPORT RequestId")
}

/// `4.1 ms`, `1.25 s`.
pub(super) fn milliseconds(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1000.0;
    if milliseconds < 1000.0 {
        format!("{milliseconds:.1} ms")
    } else {
        format!("{:.2} s", milliseconds / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use interfaces::log_sink::LogSource;
    use model::function::Function;
    use model::ids::InstanceId;
    use model::time::Timestamp;

    use super::*;

    fn line(function: &Arc<Function>, request: &str, origin: LogOrigin, text: &str) -> LogLine {
        let source = LogSource {
            function: Arc::clone(function),
            instance: InstanceId::new("i"),
        };
        LogLine {
            source: Arc::new(source),
            request_id: Some(RequestId::new(request)),
            at: Timestamp::from_micros(0),
            origin,
            text: text.to_owned().into(),
        }
    }

    fn request(invocation: &str) -> RequestLine {
        RequestLine {
            invocation: Some(RequestId::new(invocation)),
            method: "GET".to_owned(),
            path: "/hello".to_owned(),
            status: 200,
            total: Duration::from_millis(2),
            cold_start: None,
            is_kept: false,
            reason: None,
        }
    }

    /// A transcript without colours, the time at which it begins, and a function.
    fn begin() -> (Transcript, Instant, Arc<Function>) {
        let printer = Printer::plain();
        let clock = test_kit::StoppedClock::at(Timestamp::from_micros(0));
        let now = interfaces::clock::Clock::instant(&clock);
        let hello = Arc::new(test_kit::function("hello"));
        (Transcript::new(printer), now, hello)
    }

    #[test]
    fn only_lines_of_which_nothing_comes_do_not_matter() {
        let (_, _, hello) = begin();
        let says = |origin, text| matters(&line(&hello, "r", origin, text));
        for text in ["REPORT RequestId: r", "[cloudless] a note"] {
            assert!(says(LogOrigin::Platform, text), "{text}");
        }
        for text in [
            "INIT_START Runtime",
            "START RequestId: r",
            "END RequestId: r",
        ] {
            assert!(!says(LogOrigin::Platform, text), "{text}");
            assert!(says(LogOrigin::Stdout, text), "{text}");
        }
    }

    #[test]
    fn how_long_a_request_runs_is_counted_from_its_beginning() {
        let (mut transcript, began_at, hello) = begin();
        let start = line(&hello, "r", LogOrigin::Platform, "START RequestId: r");
        assert!(begins(&start));
        transcript.began(start.request_id, began_at);
        let late = began_at + HELD_BACK_MAX;
        let said = line(&hello, "r", LogOrigin::Stdout, "late");
        assert_eq!(transcript.line(said, late), None);
        let after = late + Duration::from_millis(1);
        assert_eq!(
            transcript.overdue(after).as_deref(),
            Some("        hello │ late")
        );
    }

    #[test]
    fn lines_stand_under_their_request_and_routine_ones_are_left_out() {
        let (mut transcript, now, hello) = begin();
        for (origin, text) in [
            (LogOrigin::Platform, "START RequestId: 1"),
            (LogOrigin::Stdout, "one\ntwo\u{1b}[2J"),
            (LogOrigin::Platform, "REPORT RequestId: 1"),
        ] {
            assert_eq!(transcript.line(line(&hello, "1", origin, text), now), None);
        }
        assert_eq!(
            transcript.request(&request("1")),
            "GET     /hello 200 2.0 ms\n        │ one\n        │ two\u{fffd}[2J"
        );
    }

    #[test]
    fn a_requests_line_says_where_its_reply_came_from() {
        let (mut transcript, _, _) = begin();
        for (cold_start, is_kept, note) in [
            (None, false, ""),
            (
                Some(Duration::from_millis(9)),
                false,
                " (cold start 9.0 ms)",
            ),
            (None, true, " (kept reply)"),
        ] {
            let line = RequestLine {
                cold_start,
                is_kept,
                ..request("1")
            };
            let expected = format!("GET     /hello 200 2.0 ms{note}");
            assert_eq!(transcript.request(&line), expected);
        }
    }

    #[test]
    fn an_invocation_without_a_request_has_its_report() {
        let (mut transcript, now, hello) = begin();
        for text in [
            "START RequestId: 1",
            "END RequestId: 1",
            "REPORT RequestId: 1\tDuration: 2.00 ms",
        ] {
            transcript.line(line(&hello, "1", LogOrigin::Platform, text), now);
        }
        assert_eq!(
            transcript.overdue(now + HELD_BACK_MAX).as_deref(),
            Some("        hello │ REPORT RequestId: 1 Duration: 2.00 ms")
        );
    }

    #[test]
    fn a_long_request_that_is_over_still_has_a_moment_for_its_line() {
        let (mut transcript, now, hello) = begin();
        let platform = |text| line(&hello, "1", LogOrigin::Platform, text);
        transcript.line(platform("START RequestId: 1"), now);
        let end = now + HELD_BACK_MAX / 2;
        transcript.line(platform("REPORT RequestId: 1"), end);
        assert_eq!(transcript.overdue(end), None);
    }

    #[test]
    fn lines_of_a_long_request_are_shown_under_the_functions_name() {
        let (mut transcript, now, hello) = begin();
        transcript.line(line(&hello, "1", LogOrigin::Stdout, "early"), now);
        assert_eq!(transcript.overdue(now + HELD_BACK_MAX), None);
        let later = now + HELD_BACK_MAX + Duration::from_millis(1);
        let shown = transcript.overdue(later);
        assert_eq!(shown.as_deref(), Some("        hello │ early"));
        assert_eq!(
            transcript.request(&request("1")),
            "GET     /hello 200 2.0 ms"
        );
    }

    #[test]
    fn a_line_after_its_request_was_shown_takes_no_place_for_ever() {
        let (mut transcript, now, hello) = begin();
        transcript.request(&request("1"));
        transcript.line(line(&hello, "1", LogOrigin::Stdout, "late"), now);
        transcript.overdue(now + 2 * HELD_BACK_MAX);
        assert_eq!(transcript.held.len(), 1);
        transcript.overdue(now + 2 * FORGOTTEN_AFTER);
        assert_eq!(transcript.held.len(), 0);
    }

    #[test]
    fn what_waits_at_the_end_is_shown() {
        let (mut transcript, now, hello) = begin();
        transcript.line(line(&hello, "1", LogOrigin::Stdout, "last words"), now);
        assert_eq!(
            transcript.rest().as_deref(),
            Some("        hello │ last words")
        );
        assert_eq!(transcript.rest(), None);
    }

    #[test]
    fn lines_beyond_the_limit_of_a_request_are_shown_as_they_come() {
        let (mut transcript, now, hello) = begin();
        let flood = || line(&hello, "1", LogOrigin::Stdout, "x");
        for _line in 0..LINES_HELD_MAX {
            assert_eq!(transcript.line(flood(), now), None);
        }
        let shown = transcript.line(flood(), now);
        assert_eq!(shown.as_deref(), Some("        hello │ x"));
    }
}
