//! What is asked of the other server.
//!
//! Lives here: path, query and headers of the request that is handed on.
//! Does not live here: where values come from (`mapping`), the connection (`http::upstream`).
//!
//! Contract: recorded exchanges. The other server sees its own name as `Host`, and the client's headers without those that
//! speak of one connection. A REST API adds `X-Forwarded-*`, an HTTP API `Forwarded` and `Via`; what a client sent under
//! those names is replaced, except that `X-Forwarded-For` grows at its end.

use std::borrow::Cow;
use std::io::Write as _;

use bytes::Bytes;
use http::{HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::mapping::{Act, Change, Part};
use super::target::Piece;
use super::{Proxy, Style};
use crate::events::Exchange;
use crate::http::Scheme;
use crate::http::upstream::{Ask, Traits};
use crate::sender::Forwarded;

/// What is left as it is in a path (RFC 3986, `pchar`).
pub(super) const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');
/// What is left as it is in names and values of a query.
pub(super) const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The same, of what has its percent-encodings already.
pub(super) const QUERY_AS_SENT: &AsciiSet = &QUERY.remove(b'%');

/// Headers of the client's own connection, and those that are written anew.
const NOT_HANDED_ON: [&str; 17] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// A request that would ask for something else than the manifest means.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misled {
    #[error("`{0}` would lead upwards from the path of the integration's URI")]
    Upwards(String),
    #[error("`{0}` cannot stand in a request line")]
    Target(String),
}

/// The request to the other server.
pub(super) fn ask(proxy: &Proxy, exchange: &Exchange<'_>, body: &Bytes) -> Result<Ask, Misled> {
    let method = match &proxy.method {
        Some(method) => method.as_str(),
        None => exchange.method,
    };
    let mut head = Vec::with_capacity(512 + exchange.headers.len() * 48);
    head.extend_from_slice(method.as_bytes());
    head.push(b' ');
    put_path(&mut head, proxy, exchange)?;
    put_query(&mut head, proxy, exchange);
    head.extend_from_slice(b" HTTP/1.1\r\n");
    put(&mut head, "Host", proxy.target.authority.as_bytes());
    put_headers(&mut head, proxy, exchange);
    let takes_body = [Method::POST, Method::PUT, Method::PATCH];
    if !body.is_empty() || takes_body.iter().any(|known| known.as_str() == method) {
        // Writing into memory does not fail.
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    head.extend_from_slice(b"\r\n");
    Ok(Ask {
        head,
        body: body.clone(),
        traits: match method {
            "HEAD" => Traits::Bodiless,
            "GET" | "OPTIONS" | "TRACE" | "PUT" | "DELETE" => Traits::Repeatable,
            _ => Traits::Once,
        },
    })
}

fn put(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

fn put_path(head: &mut Vec<u8>, proxy: &Proxy, exchange: &Exchange<'_>) -> Result<(), Misled> {
    let begin = head.len();
    let whole = |change: &&Change| change.of == Part::WholePath;
    match proxy.request.iter().find(whole) {
        Some(change) => {
            let path = change.values(proxy.style, exchange, None).concat();
            let slash = if path.starts_with('/') { "" } else { "/" };
            let path = utf8_percent_encode(&path, PATH);
            // As above.
            let _ = write!(head, "{slash}{path}");
        }
        None => put_pieces(head, &proxy.target.path, (proxy, exchange), Place::Path),
    }
    let path = head.get(begin..).unwrap_or_default();
    let shown = || String::from_utf8_lossy(path).chars().take(200).collect();
    let is_target = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#' && *byte != b'?';
    if !path.iter().all(is_target) {
        return Err(Misled::Target(shown()));
    }
    if leads_upwards(path) {
        return Err(Misled::Upwards(shown()));
    }
    Ok(())
}

fn put_pieces(
    head: &mut Vec<u8>,
    pieces: &[Piece],
    (proxy, exchange): (&Proxy, &Exchange<'_>),
    place: Place,
) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => head.extend_from_slice(text.as_bytes()),
            Piece::Variable(name) => {
                let value = variable(name, proxy, exchange);
                head.extend_from_slice(encoded(&value, place).as_bytes());
            }
        }
    }
}

/// What has its percent-encodings already keeps them: paths of REST APIs are handed on as sent. In a query a segment
/// such as `1&admin=true` would be a parameter of the client's choosing, so it is one value there.
fn encoded<'a>(value: &'a Value<'_>, place: Place) -> Cow<'a, str> {
    match (value, place) {
        (Value::AsSent(text), Place::Path) => Cow::Borrowed(text),
        (Value::AsSent(text), Place::Query) => utf8_percent_encode(text, QUERY_AS_SENT).into(),
        (Value::Decoded(text), Place::Path) => utf8_percent_encode(text, PATH).into(),
        (Value::Decoded(text), Place::Query) => utf8_percent_encode(text, QUERY).into(),
    }
}

/// Where a variable stands in a URI.
#[derive(Clone, Copy)]
enum Place {
    Path,
    Query,
}

enum Value<'a> {
    AsSent(&'a str),
    Decoded(Cow<'a, str>),
}

fn variable<'a>(name: &str, proxy: &'a Proxy, exchange: &Exchange<'a>) -> Value<'a> {
    let meant = |change: &&Change| matches!(&change.of, Part::Variable(known) if known == name);
    let name = match proxy.request.iter().find(meant) {
        None => name,
        Some(change) => match change.from.as_slice() {
            [super::mapping::Source::Path(name)] => name,
            _ => {
                let values = change.values(proxy.style, exchange, None);
                return Value::Decoded(values.join(",").into());
            }
        },
    };
    let mut parameters = exchange.route.path_parameters(exchange.api, exchange.path);
    let value = parameters
        .find(|(known, _)| *known == name)
        .map_or("", |(_, value)| value);
    match proxy.style {
        Style::Rest => Value::AsSent(value),
        Style::Http => Value::Decoded(value.into()),
    }
}

/// Whether a segment is `..` or `.` for anybody: encoded, or set off by an encoded slash or a backslash.
pub(super) fn leads_upwards(path: &[u8]) -> bool {
    if !path.contains(&b'.') && !path.contains(&b'%') {
        return false;
    }
    let text = std::str::from_utf8(path).unwrap_or_default();
    // Twice: a server that decodes once more than it should is not rare.
    let once = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    let twice = percent_encoding::percent_decode_str(&once).decode_utf8_lossy();
    [text, &once, &twice].into_iter().any(|path| {
        path.split(['/', '\\']).any(|segment| {
            let name = segment.split(';').next().unwrap_or_default();
            name == ".." || name == "."
        })
    })
}

fn put_query(head: &mut Vec<u8>, proxy: &Proxy, exchange: &Exchange<'_>) {
    let begin = head.len();
    let next = |head: &mut Vec<u8>| {
        let is_first = head.len() == begin;
        head.push(if is_first { b'?' } else { b'&' });
    };
    if !proxy.target.query.is_empty() {
        next(head);
        put_pieces(head, &proxy.target.query, (proxy, exchange), Place::Query);
    }
    let changes = || {
        let changes = proxy.request.iter();
        changes.filter_map(|change| match &change.of {
            Part::Query(name) => Some((change, name)),
            Part::Header(_) | Part::Variable(_) | Part::WholePath | Part::Status => None,
        })
    };
    let sent = exchange.query.unwrap_or_default();
    if changes().next().is_none() {
        if !sent.is_empty() {
            next(head);
            head.extend_from_slice(sent.as_bytes());
        }
        return;
    }
    for pair in sent.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap_or_default().replace('+', " ");
        let name = crate::routes::decode(&name);
        let is_replaced =
            changes().any(|(change, known)| change.act != Act::Append && *known == name);
        if !is_replaced {
            next(head);
            head.extend_from_slice(pair.as_bytes());
        }
    }
    for (change, name) in changes().filter(|(change, _)| change.act != Act::Remove) {
        for value in change.values(proxy.style, exchange, None) {
            next(head);
            let (name, value) = (
                utf8_percent_encode(name, QUERY),
                utf8_percent_encode(&value, QUERY),
            );
            // As above.
            let _ = write!(head, "{name}={value}");
        }
    }
}

fn put_headers(head: &mut Vec<u8>, proxy: &Proxy, exchange: &Exchange<'_>) {
    let connection = exchange.headers.get_all("connection");
    let options: Vec<&[u8]> = connection
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .collect();
    let changes = || {
        let changes = proxy.request.iter();
        changes.filter_map(|change| match &change.of {
            Part::Header(name) => Some((change, name)),
            Part::Query(_) | Part::Variable(_) | Part::WholePath | Part::Status => None,
        })
    };
    for (name, value) in exchange.headers.iter() {
        let is_kept = !is_among(name, &NOT_HANDED_ON)
            && !options
                .iter()
                .any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
            && !is_own(name, proxy.style)
            && !changes().any(|(change, known)| {
                change.act != Act::Append && known.eq_ignore_ascii_case(name)
            });
        if is_kept {
            put(head, name, value.as_bytes());
        }
    }
    for (change, name) in changes().filter(|(change, _)| change.act != Act::Remove) {
        for value in change.values(proxy.style, exchange, None) {
            // A line break from a query or a body would be a header of the client's choosing.
            if let Ok(value) = HeaderValue::from_str(&value) {
                put(head, name, value.as_bytes());
            }
        }
    }
    put_own(head, proxy, exchange);
}

fn is_among(name: &str, list: &[&str]) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// What nobody but the gateway says.
fn is_own(name: &str, style: Style) -> bool {
    match style {
        Style::Rest => {
            name.eq_ignore_ascii_case("x-amzn-apigateway-api-id")
                || name.eq_ignore_ascii_case("x-http-method-override")
        }
        Style::Http => name.eq_ignore_ascii_case("via"),
    }
}

fn put_own(head: &mut Vec<u8>, proxy: &Proxy, exchange: &Exchange<'_>) {
    put(head, "X-Amzn-Trace-Id", exchange.trace.full.as_bytes());
    let Forwarded { hops, scheme, port } = exchange.forwarded;
    let scheme = match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    match proxy.style {
        Style::Rest => {
            put(head, "X-Forwarded-For", hops.as_bytes());
            put(head, "X-Forwarded-Port", port.as_bytes());
            put(head, "X-Forwarded-Proto", scheme.as_bytes());
            put(
                head,
                "x-amzn-apigateway-api-id",
                exchange.api.id.as_str().as_bytes(),
            );
        }
        Style::Http => {
            let host = exchange.headers.text("host").unwrap_or_default();
            let host = host.replace(['"', '\\'], "");
            // Writing into memory does not fail.
            let _ = match exchange.source_ip {
                std::net::IpAddr::V4(address) => write!(head, "Forwarded: for={address}"),
                std::net::IpAddr::V6(address) => write!(head, "Forwarded: for=\"[{address}]\""),
            };
            let _ = write!(head, ";host=\"{host}\";proto={scheme}\r\n");
            put(head, "Via", b"HTTP/1.1 AmazonAPIGateway");
        }
    }
}
