//! `cloudless logs`: what a function has written, and what it goes on to write.
//!
//! Lives here: which group is meant, asking the running server for its events, printing them.
//! Does not live here: keeping logs, filter patterns (`service-logs`), finding the running server (`development::marker`).

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use http::Method;
use interfaces::clock::Clock as _;
use model::problem::Problem;
use model::suggestion;
use serde_json::{Value, json};

use super::dev::state_folder;
use super::fail;
use super::running::{self, NotDone};
use crate::cli::LogsArguments;
use crate::development::marker::{self, Marker};
use crate::printer::{Printer, Style, harmless};
use crate::system::RealClock;
use crate::{functions, project, settings};

/// Functions that are named where none is meant.
const LISTED_MAX: usize = 10;
/// How often a followed log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What comes later than this behind its own time is not seen by a follower.
const LATE_MS: i64 = 10_000;

/// Prints events.
pub async fn run(arguments: LogsArguments, printer: &Printer) -> ExitCode {
    let now_ms = RealClock.now().epoch_ms();
    let Some(since_ms) = since(&arguments.since, now_ms) else {
        let title = format!("`--since {}` is no time", arguments.since);
        let problem = Problem::error("logs::since", title);
        let help = "write how long ago, as 30s, 10m, 2h or 7d, or a time as 2026-01-31T12:00:00Z";
        printer.print_error(&printer.draw(&problem.help(help)));
        return ExitCode::from(2);
    };
    match logs(&arguments, since_ms, printer).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(printer, &problem),
    }
}

/// Milliseconds since the epoch.
fn since(text: &str, now_ms: i64) -> Option<i64> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_millisecond().max(0));
    }
    let unit = text.chars().last()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let unit_ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let ago = number.checked_mul(unit_ms).filter(|ago| 0 <= *ago)?;
    Some(now_ms.saturating_sub(ago).max(0))
}

/// A group of a running server.
struct Source {
    port: u16,
    region: String,
    group: String,
    /// A function's, which may not have written yet.
    is_function: bool,
}

async fn logs(
    arguments: &LogsArguments,
    since_ms: i64,
    printer: &Printer,
) -> Result<(), Box<Problem>> {
    let located = project::locate(&arguments.project.dir)?;
    let (settings, _) = settings::read(&located.root);
    let state = state_folder(arguments.state.clone(), &settings, &located)?;
    let marker = marker::read(&state).ok_or_else(no_server)?;
    if !running::is_up(marker.services_port).await {
        return Err(no_server());
    }
    let region = arguments.project.region.as_ref().unwrap_or(&marker.region);
    let source = source(&marker, &arguments.name, region).await;
    let mut from_ms = since_ms;
    let mut seen: BTreeSet<String> = BTreeSet::new();
    loop {
        let events = source
            .events(from_ms, arguments.filter.as_deref(), || {
                unknown(&marker, &arguments.name)
            })
            .await?;
        for event in events {
            if seen.insert(text(&event, "eventId")) {
                let line = if arguments.json {
                    event.to_string()
                } else {
                    line(&event, printer)
                };
                printer.print(&line);
                let at_ms = event.get("timestamp").and_then(Value::as_i64).unwrap_or(0);
                from_ms = from_ms.max(at_ms - LATE_MS);
            }
        }
        if !arguments.follow {
            return Ok(());
        }
        // Ids begin with their time: those that cannot be asked for again are forgotten.
        seen = seen.split_off(&format!("{:018}", from_ms.max(0)));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The group of a function, or the one of this name.
async fn source(marker: &Marker, wanted: &str, region: &str) -> Source {
    let of = |group: String, is_function| Source {
        port: marker.services_port,
        region: region.to_owned(),
        group,
        is_function,
    };
    let name = functions::find(&marker.functions, wanted);
    // A function that was made by the API is in no template.
    let name = name.or_else(|| (!wanted.contains('/')).then_some(wanted));
    let Some(name) = name else {
        return of(wanted.to_owned(), false);
    };
    let path = format!("/2015-03-31/functions/{name}/configuration");
    let nothing = (&[][..], bytes::Bytes::new());
    let asked = running::lambda(marker.services_port, region, (Method::GET, &path), nothing).await;
    match asked {
        Ok(configuration) => {
            let group = configuration
                .get("LoggingConfig")
                .map(|config| text(config, "LogGroup"));
            let group = group.filter(|group| !group.is_empty());
            of(group.unwrap_or_else(|| format!("/aws/lambda/{name}")), true)
        }
        Err(_) => of(wanted.to_owned(), false),
    }
}

impl Source {
    async fn events(
        &self,
        from_ms: i64,
        filter: Option<&str>,
        unknown: impl Fn() -> Box<Problem>,
    ) -> Result<Vec<Value>, Box<Problem>> {
        let mut events = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut asked = json!({"logGroupName": self.group, "startTime": from_ms});
            for (name, value) in [("filterPattern", filter), ("nextToken", token.as_deref())] {
                if let (Some(value), Value::Object(members)) = (value, &mut asked) {
                    members.insert(name.to_owned(), value.into());
                }
            }
            let answer = running::logs(self.port, &self.region, "FilterLogEvents", &asked).await;
            let mut answer = match answer {
                Ok(answer) => answer,
                Err(NotDone::Refused { code, .. }) if code == "ResourceNotFoundException" => {
                    return match self.is_function {
                        true => Ok(Vec::new()),
                        false => Err(unknown()),
                    };
                }
                Err(why) => {
                    let problem =
                        Problem::error("logs::refused", "the running server did not tell the log");
                    return Err(Box::new(problem.because(why.words())));
                }
            };
            if let Some(Value::Array(more)) = answer.get_mut("events").map(Value::take) {
                events.extend(more);
            }
            token = answer
                .get("nextToken")
                .and_then(Value::as_str)
                .map(str::to_owned);
            if token.is_none() {
                return Ok(events);
            }
        }
    }
}

/// An event as a terminal shows it.
fn line(event: &Value, printer: &Printer) -> String {
    let at = event.get("timestamp").and_then(Value::as_i64).unwrap_or(0);
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
    let at = printer.paint(
        Style::Dim,
        &at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
    );
    let message = text(event, "message");
    let message = message.trim_end();
    let of_platform = [
        "START RequestId: ",
        "END RequestId: ",
        "REPORT RequestId: ",
        "INIT_START ",
    ];
    let style = match message {
        line if of_platform.iter().any(|start| line.starts_with(start)) => Style::Dim,
        line if line.contains("ERROR") || line.contains("Error:") => Style::Red,
        line if line.contains("WARN") => Style::Yellow,
        _ => Style::Plain,
    };
    format!("{at} {}", printer.paint(style, &harmless(message)))
}

fn text(value: &Value, name: &str) -> String {
    value
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn no_server() -> Box<Problem> {
    Box::new(
        Problem::error(
            "logs::no-server",
            "no `cloudless dev` of this project is running",
        )
        .because("logs are read from a running server")
        .help("start `cloudless dev`, or name its state: --state DIR"),
    )
}

fn unknown(marker: &Marker, wanted: &str) -> Box<Problem> {
    let title = format!("no function and no log group is called `{wanted}`");
    let problem = Problem::error("logs::unknown", title);
    let known: Vec<String> = marker
        .functions
        .keys()
        .map(|id| functions::written_name(id))
        .collect();
    let listed: Vec<String> = known
        .iter()
        .take(LISTED_MAX)
        .map(|name| format!("`{name}`"))
        .collect();
    let problem = match known.len() {
        0 => problem,
        count if LISTED_MAX < count => {
            problem.because(format!("functions are {} and more", listed.join(", ")))
        }
        _ => problem.because(format!("functions are {}", listed.join(", "))),
    };
    let known = known.iter().map(String::as_str);
    Box::new(match suggestion::nearest(wanted, known) {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => problem.help(
            "name a function of the project, its logical id, or a log group as `/aws/lambda/NAME`",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_such_or_by_how_long_ago_they_were() {
        let now_ms = 1_700_000_000_000;
        for (text, wanted) in [
            ("10m", Some(now_ms - 600_000)),
            ("1d", Some(now_ms - 86_400_000)),
            ("2023-11-14T22:13:20Z", Some(now_ms)),
            ("-1m", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(since(text, now_ms), wanted, "{text}");
        }
    }
}
