//! What `cloudless dev` says once it is ready.

use std::time::Duration;

use gateway::routes::{AnsweredBy, RouteRow, routes_table};
use model::application::{Application, Trigger};

use crate::pipeline::Loaded;
use crate::printer::{Printer, Style, harmless};
use crate::wiring::Server;

/// Ways of events that are listed.
const TRIGGERS_SHOWN_MAX: usize = 40;
/// Characters of a source up to which targets stand below one another.
const SOURCE_WIDTH_MAX: usize = 40;

/// Name, routes, events, addresses, and how long it took.
pub(super) fn banner(
    printer: &Printer,
    server: &Server,
    loaded: &Loaded,
    application: &Application,
    took: Duration,
) -> String {
    let stage = loaded
        .stage
        .as_ref()
        .map_or_else(String::new, |stage| format!("stage {stage}, "));
    let title = printer.paint(
        Style::Bold,
        &format!("Cloudless {}", env!("CARGO_PKG_VERSION")),
    );
    let mut lines = vec![
        format!(
            "{title}  {} ({stage}{})",
            harmless(loaded.stack.as_str()),
            loaded.region
        ),
        String::new(),
    ];
    let rows = routes_table(application);
    if rows.is_empty() && application.triggers.is_empty() {
        lines.push("  no routes; `cloudless invoke FUNCTION` runs a function".to_owned());
    }
    lines.extend(
        route_lines(printer, &rows)
            .into_iter()
            .map(|line| format!("  {line}")),
    );
    lines.extend(
        trigger_lines(printer, &application.triggers)
            .into_iter()
            .map(|line| format!("  {line}")),
    );
    lines.push(String::new());
    lines.extend(server_lines(printer, server, application));
    lines.push(format!(
        "  {}\n",
        printer.paint(
            Style::Green,
            &format!("ready in {:.2} s", took.as_secs_f64())
        )
    ));
    lines.join("\n")
}

/// The routes as a table: method, path, who answers, and in brackets what stands before it.
pub(crate) fn route_lines(printer: &Printer, rows: &[RouteRow]) -> Vec<String> {
    let width = rows
        .iter()
        .map(|row| row.path.chars().count())
        .max()
        .unwrap_or_default();
    rows.iter()
        .map(|row| {
            let method = printer.paint(Style::Bold, &format!("{:<7}", row.method));
            let conditions = [
                row.authorizer.clone(),
                row.throttle.clone(),
                row.cache.as_ref().map(|ttl| format!("cached {ttl}")),
                row.conditions.clone(),
            ];
            let conditions: String = conditions
                .into_iter()
                .flatten()
                .map(|condition| format!("  [{}]", harmless(&condition)))
                .collect();
            format!(
                "{method} {:<width$}  {}{}",
                harmless(&row.path),
                printer.paint(
                    style_of(&row.answered_by),
                    &harmless(&row.answered_by.to_string())
                ),
                printer.paint(Style::Dim, &conditions)
            )
        })
        .collect()
}

/// What sets functions going besides requests, as a table like that of the routes; its end may be cut off.
pub(crate) fn trigger_lines(printer: &Printer, triggers: &[Trigger]) -> Vec<String> {
    let shown = triggers.iter().take(TRIGGERS_SHOWN_MAX);
    let width = shown.clone().map(|row| row.source.chars().count()).max();
    let width = width.unwrap_or_default().min(SOURCE_WIDTH_MAX);
    let mut lines: Vec<String> = shown
        .map(|row| {
            let kind = printer.paint(Style::Bold, &format!("{:<8}", row.kind));
            let target = printer.paint(Style::Dim, &format!("→ {}", harmless(&row.target)));
            let off = match row.is_enabled {
                true => String::new(),
                false => printer.paint(Style::Yellow, "  [disabled]"),
            };
            format!("{kind} {:<width$}  {target}{off}", harmless(&row.source))
        })
        .collect();
    if let more @ 1.. = triggers.len().saturating_sub(TRIGGERS_SHOWN_MAX) {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// Where the server is reached, with which keys, and what to know of it.
fn server_lines(printer: &Printer, server: &Server, application: &Application) -> Vec<String> {
    let (port, services_port) = server.ports();
    let scheme = match server.secured() {
        Some(_) => "https",
        None => "http",
    };
    let mut lines = vec![format!(
        "  APIs      {}",
        printer.paint(Style::Cyan, &format!("{scheme}://localhost:{port}"))
    )];
    let web_sockets = if scheme == "https" { "wss" } else { "ws" };
    lines.extend(application.websocket_apis.iter().map(|api| {
        let address = format!(
            "{web_sockets}://localhost:{}/{}",
            server.websocket_port(),
            api.stage
        );
        format!(
            "  WebSocket {}  {}",
            printer.paint(Style::Cyan, &address),
            printer.paint(Style::Dim, &harmless(&api.name))
        )
    }));
    // Browsers and curl take any name below `localhost` for this machine.
    lines.extend(application.function_urls.iter().map(|url| {
        let address = format!(
            "http://{}.lambda-url.{}.localhost:{port}",
            url.id, application.region
        );
        format!(
            "  URL       {}  {}",
            printer.paint(Style::Cyan, &address),
            printer.paint(Style::Dim, &harmless(url.callee.function.as_str()))
        )
    }));
    let balancers = application.listeners.iter().zip(server.balancer_ports());
    lines.extend(balancers.map(|(listener, port)| {
        let address = format!("{scheme}://localhost:{port}");
        format!(
            "  ALB       {}  {}",
            printer.paint(Style::Cyan, &address),
            printer.paint(
                Style::Dim,
                &harmless(&format!("{}:{}", listener.name, listener.port))
            )
        )
    }));
    // A key that nobody gave a value is found here alone, as where the Serverless Framework deploys it.
    lines.extend(application.api_keys.iter().map(|key| {
        format!(
            "  API key   {}  {}",
            harmless(key.value.reveal()),
            printer.paint(Style::Dim, &harmless(&key.name))
        )
    }));
    lines.push(format!(
        "  Services  {}",
        printer.paint(Style::Cyan, &format!("http://localhost:{services_port}"))
    ));
    if let Some(Some(authority)) = server.secured() {
        lines.push(format!(
            "  Trust     {} (it certifies localhost alone)",
            harmless(&authority.display().to_string())
        ));
    }
    if let Some(why) = server.not_locked_in() {
        lines.push(format!(
            "  Functions are not locked in on this machine: {}",
            harmless(why)
        ));
    }
    lines
}

fn style_of(answered_by: &AnsweredBy) -> Style {
    match answered_by {
        AnsweredBy::Function(_)
        | AnsweredBy::Server { .. }
        | AnsweredBy::Gateway
        | AnsweredBy::Mock
        | AnsweredBy::LoadBalancer { .. } => Style::Dim,
        AnsweredBy::Nobody { .. } => Style::Red,
    }
}
