//! The headers of an event: which of the request's are shown, under which names, and which are added.
//!
//! Lives here: dropping, naming, grouping, `X-Forwarded-*`.
//! Does not live here: the request's own list (`http::Headers`), headers of replies (`replies::headers`).
//!
//! Contract: recorded exchanges of a Lambda proxy integration (a regional endpoint for what is dropped, the default
//! endpoint for names). REST APIs and payload 1.0 show names as sent, but `Authorization`, `Host` and `User-Agent`
//! in that form. Payload 2.0 shows names in lower case, joins repeats by commas, and takes cookies out.
//! Differs: what CloudFront adds before an edge-optimised endpoint (`Via`, `CloudFront-*`, `X-Amz-Cf-Id`) is not made
//! up: events are those of a regional endpoint.

use std::borrow::Cow;

use http::HeaderValue;

use super::json::Writer;
use super::repeats;
use crate::http::Headers;
use crate::sender::Forwarded;

/// Never shown by a REST API.
const REST_DROPPED: [&str; 13] = [
    "connection",
    "content-length",
    "content-md5",
    "expect",
    "max-forwards",
    "proxy-authenticate",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
    "x-http-method-override",
];

/// Never shown by an HTTP API: they speak of one connection only.
const HTTP_DROPPED: [&str; 8] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Shown under these names, however they were sent.
const CANONICAL: [&str; 3] = ["Authorization", "Host", "User-Agent"];

/// Always the gateway's: what the client sent under these names is replaced, or kept inside.
const GATEWAY_OWN: [&str; 4] = [
    "X-Amzn-Trace-Id",
    "X-Forwarded-For",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
];

/// The headers of one event, grouped by name.
#[derive(Debug)]
pub(crate) struct EventHeaders<'a> {
    groups: Vec<Group<'a>>,
    cookies: Vec<Cow<'a, str>>,
}

#[derive(Debug)]
struct Group<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    /// Those behind the first, of a name that stands several times.
    others: Vec<Cow<'a, str>>,
}

/// What the gateway knows of a request beside its headers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Added<'a> {
    pub(crate) forwarded: &'a Forwarded,
    pub(crate) trace_header: &'a str,
    pub(crate) body_bytes: usize,
}

impl<'a> EventHeaders<'a> {
    /// As a REST API shows them.
    pub(crate) fn rest(sent: &'a Headers, added: &Added<'a>) -> Self {
        let mut list = Self::with_capacity(sent.len());
        for (name, value) in shown(sent, &REST_DROPPED) {
            list.push(canonical(name), text(value));
        }
        list.add(added);
        list
    }

    /// As the authorizer of a WebSocket API is shown them: all that came.
    pub(crate) fn websocket_authorizer(sent: &'a Headers, added: &Added<'a>) -> Self {
        let mut list = Self::with_capacity(sent.len());
        for (name, value) in shown(sent, &[]) {
            list.push(canonical(name), text(value));
        }
        list.add_length("content-length", sent, added);
        list.add(added);
        list
    }

    /// As an HTTP API shows them in payload 1.0.
    pub(crate) fn http_v1(sent: &'a Headers, added: &Added<'a>) -> Self {
        let mut list = Self::with_capacity(sent.len());
        for (name, value) in shown(sent, &HTTP_DROPPED) {
            list.push(canonical(name), text(value));
        }
        list.add_length("Content-Length", sent, added);
        list.add(added);
        list
    }

    /// As an HTTP API shows them in payload 2.0.
    pub(crate) fn http_v2(sent: &'a Headers, added: &Added<'a>) -> Self {
        let mut list = Self::with_capacity(sent.len());
        for (name, value) in shown(sent, &HTTP_DROPPED) {
            if name.eq_ignore_ascii_case("cookie") {
                list.push_cookies(text(value));
            } else {
                list.push(Cow::Borrowed(name), text(value));
            }
        }
        list.add_length("content-length", sent, added);
        list.add(added);
        for group in &mut list.groups {
            if group.name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                group.name.to_mut().make_ascii_lowercase();
            }
        }
        list
    }

    /// `headers` of payload 1.0: the last value of each.
    pub(crate) fn write_last_values(&self, json: &mut Writer) {
        self.write(json, repeats::last);
    }

    /// `multiValueHeaders`.
    pub(crate) fn write_all_values(&self, json: &mut Writer) {
        self.write(json, repeats::all);
    }

    /// `headers` of payload 2.0.
    pub(crate) fn write_joined_values(&self, json: &mut Writer) {
        self.write(json, repeats::joined);
    }

    /// The cookies of payload 2.0, one by one.
    pub(crate) fn cookies(&self) -> &[Cow<'a, str>] {
        &self.cookies
    }

    fn with_capacity(headers: usize) -> Self {
        Self {
            groups: Vec::with_capacity(headers + 4),
            cookies: Vec::new(),
        }
    }

    fn push(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        let known = self
            .groups
            .iter_mut()
            .find(|group| group.name.eq_ignore_ascii_case(&name));
        match known {
            Some(group) => group.others.push(value),
            None => self.groups.push(Group {
                name,
                value,
                others: Vec::new(),
            }),
        }
    }

    fn push_cookies(&mut self, header: Cow<'a, str>) {
        let cookies = header
            .split(';')
            .map(str::trim)
            .filter(|cookie| !cookie.is_empty());
        self.cookies
            .extend(cookies.map(|cookie| Cow::Owned(cookie.to_owned())));
    }

    fn add_length(&mut self, name: &'static str, sent: &Headers, added: &Added<'a>) {
        if !sent.contains(name) {
            self.push(
                Cow::Borrowed(name),
                Cow::Owned(added.body_bytes.to_string()),
            );
        }
    }

    fn add(&mut self, added: &Added<'a>) {
        // What the client says of itself comes first, what we saw last: the only part that can be trusted.
        let Forwarded { hops, scheme, port } = added.forwarded;
        for (name, value) in [
            ("X-Amzn-Trace-Id", added.trace_header),
            ("X-Forwarded-For", hops),
            ("X-Forwarded-Port", port),
            ("X-Forwarded-Proto", scheme.as_str()),
        ] {
            self.push(Cow::Borrowed(name), Cow::Borrowed(value));
        }
    }

    fn write(&self, json: &mut Writer, value: impl Fn(&[Cow<'a, str>], &mut Writer)) {
        json.open_object();
        for group in &self.groups {
            json.named(&group.name);
            if group.others.is_empty() {
                value(std::slice::from_ref(&group.value), json);
            } else {
                value(
                    &[std::slice::from_ref(&group.value), &group.others].concat(),
                    json,
                );
            }
        }
        json.close_object();
    }
}

/// A header's value as text: UTF-8 where it is, Latin-1 where it is not.
pub(crate) fn text(value: &HeaderValue) -> Cow<'_, str> {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(
            value
                .as_bytes()
                .iter()
                .map(|byte| char::from(*byte))
                .collect(),
        ),
    }
}

/// What is neither dropped nor replaced by the gateway's own.
fn shown<'a>(
    sent: &'a Headers,
    dropped: &'static [&'static str],
) -> impl Iterator<Item = (&'a str, &'a HeaderValue)> {
    sent.iter().filter(move |(name, _)| {
        let is = |known: &&'static str| known.eq_ignore_ascii_case(name);
        !dropped.iter().any(is) && !GATEWAY_OWN.iter().any(is)
    })
}

fn canonical(name: &str) -> Cow<'_, str> {
    let known = CANONICAL
        .iter()
        .find(|known| known.eq_ignore_ascii_case(name));
    Cow::Borrowed(known.map_or(name, |known| *known))
}
