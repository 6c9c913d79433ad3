//! The URI of an integration.
//!
//! Lives here: its fixed host, and the variables of its path and query.
//! Does not live here: their values (`request`), whom the host's name leads to (`http::upstream`).

use crate::http::upstream::{Origin, Scheme};

/// A URI, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) origin: Origin,
    /// What `Host` says.
    pub(super) authority: String,
    pub(super) path: Vec<Piece>,
    pub(super) query: Vec<Piece>,
}

/// A piece of a path or a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Variable(String),
}

/// A URI to which nothing is handed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadUri {
    #[error("`{0}` is neither an http:// nor an https:// URI")]
    Scheme(String),
    #[error(
        "the host of `{0}` is not fixed: variables may stand behind it alone, or clients could choose whom we call"
    )]
    Host(String),
    #[error("`{0}` holds characters that must be percent-encoded, or braces that name no variable")]
    Text(String),
}

impl Target {
    /// Reads a URI, in which stage variables have been filled in.
    pub(super) fn parse(uri: &str) -> Result<Self, BadUri> {
        let (scheme, rest, default_port) = if let Some(rest) = behind(uri, "https://") {
            (Scheme::Https, rest, 443)
        } else if let Some(rest) = behind(uri, "http://") {
            (Scheme::Http, rest, 80)
        } else {
            return Err(BadUri::Scheme(uri.to_owned()));
        };
        let host = || BadUri::Host(uri.to_owned());
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        let behind = behind.split('#').next().unwrap_or_default();
        let (name, port) = split_port(authority).ok_or_else(host)?;
        let port = match port {
            None => default_port,
            Some(port) => port.parse().map_err(|_| host())?,
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(host());
        }
        let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
        let text = || BadUri::Text(uri.to_owned());
        Ok(Self {
            origin: Origin {
                scheme,
                host: name.to_ascii_lowercase(),
                port,
            },
            authority: authority.to_owned(),
            path: pieces(if path.is_empty() { "/" } else { path }).ok_or_else(text)?,
            query: pieces(query).ok_or_else(text)?,
        })
    }
}

fn behind<'a>(uri: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = uri.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Name and port of an authority; an IPv6 address loses its brackets.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((address, Some(port))),
            None if rest.is_empty() => Some((address, None)),
            None => None,
        };
    }
    match authority.split_once(':') {
        Some((name, port)) => Some((name, Some(port))),
        None => Some((authority, None)),
    }
}

/// Text and `{variables}`; none: a brace is alone, or the text cannot stand in a request.
pub(super) fn pieces(text: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((fixed, behind)) = rest.split_once('{') {
        let (name, behind) = behind.split_once('}')?;
        let name = name.strip_suffix('+').unwrap_or(name);
        let is_name = !name.is_empty() && name.bytes().all(is_of_name);
        if !is_name || !is_fixed(fixed) {
            return None;
        }
        if !fixed.is_empty() {
            pieces.push(Piece::Text(fixed.to_owned()));
        }
        pieces.push(Piece::Variable(name.to_owned()));
        rest = behind;
    }
    if !is_fixed(rest) {
        return None;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Some(pieces)
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:$".contains(&byte)
}

fn is_fixed(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#' && byte != b'}')
}
