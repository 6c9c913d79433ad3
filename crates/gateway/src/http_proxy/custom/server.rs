//! Requests to other servers: `HTTP`.
//!
//! Lives here: what stands in one.
//! Does not live here: its values (`request`), the connection (`http::upstream`).
//!
//! Contract: recorded exchanges: the other server sees what was mapped, and of the client nothing else.

use std::fmt::Write as _;

use http::{HeaderValue, Method};
use percent_encoding::utf8_percent_encode;

use super::super::request::{Misled, QUERY, QUERY_AS_SENT, leads_upwards};
use super::super::target::{Piece, Target};
use super::request::Asked;
use crate::events::Exchange;
use crate::http::upstream::{Ask, Traits};

/// What is asked of another server.
pub(super) fn ask(
    target: &Target,
    method: Option<&Method>,
    exchange: &Exchange<'_>,
    asked: &Asked,
) -> Result<Ask, super::NotHandedOn> {
    let method = method.map_or(exchange.method, Method::as_str);
    let path = filled(&target.path, exchange, asked, |value| value);
    let shown = || path.chars().take(200).collect();
    let is_target = |byte: u8| byte.is_ascii_graphic() && byte != b'#' && byte != b'?';
    if !path.bytes().all(is_target) {
        return Err(Misled::Target(shown()).into());
    }
    if leads_upwards(path.as_bytes()) {
        return Err(Misled::Upwards(shown()).into());
    }
    let mut head = format!(
        "{method} {path}{} HTTP/1.1\r\n",
        query(target, exchange, asked)
    );
    let mut put = |name: &str, value: &str| {
        // A line break in a value would be a header of the client's choosing.
        if HeaderValue::from_str(value).is_ok() {
            // Writing into memory does not fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
    };
    put("Host", &target.authority);
    for (name, value) in &asked.headers {
        put(name, value);
    }
    for (name, value) in [
        ("Accept", "application/json"),
        ("Content-Type", "application/json"),
        (
            "User-Agent",
            &format!("AmazonAPIGateway_{}", exchange.api.id),
        ),
    ] {
        let has_body = !asked.body.is_empty() || name != "Content-Type";
        if has_body && asked.header(name).is_none() {
            put(name, value);
        }
    }
    put("X-Amzn-Apigateway-Api-Id", exchange.api.id.as_str());
    put("X-Amzn-Trace-Id", &exchange.trace.full);
    let _ = write!(head, "Content-Length: {}\r\n\r\n", asked.body.len());
    Ok(Ask {
        head: head.into_bytes(),
        body: asked.body.clone(),
        traits: match method {
            "HEAD" => Traits::Bodiless,
            "GET" | "OPTIONS" | "TRACE" | "PUT" | "DELETE" => Traits::Repeatable,
            _ => Traits::Once,
        },
    })
}

/// A path or a query with its variables.
pub(super) fn filled(
    pieces: &[Piece],
    exchange: &Exchange<'_>,
    asked: &Asked,
    coded: impl Fn(String) -> String,
) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Variable(name) => coded(asked.variable(name, exchange)),
    };
    pieces.iter().map(piece).collect()
}

fn query(target: &Target, exchange: &Exchange<'_>, asked: &Asked) -> String {
    let coded = |value: String| utf8_percent_encode(&value, QUERY_AS_SENT).to_string();
    let mut query = filled(&target.query, exchange, asked, coded);
    for (name, value) in &asked.query {
        let joint = if query.is_empty() { "" } else { "&" };
        let name = utf8_percent_encode(name, QUERY);
        let value = utf8_percent_encode(value, QUERY);
        // As above.
        let _ = write!(query, "{joint}{name}={value}");
    }
    if query.is_empty() {
        return query;
    }
    format!("?{query}")
}
