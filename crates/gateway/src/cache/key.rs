//! What tells the requests of a method apart.
//!
//! Lives here: the key of a reply, from the parts of a request that its method names.
//! Does not live here: reading requests (`routes`, `events::query`).

use std::sync::Arc;

use model::door::{MethodCache, Parameter, ParameterLocation};

use crate::caller::{Caller, Identity};
use crate::events::Query;
use crate::http::Headers;

/// The key of a reply. Requests with different parts have different keys: every part is preceded by its length, and
/// nothing is hashed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key(Arc<[u8]>);

/// The parts of a request.
pub(crate) struct Parts<'a> {
    /// `GET /pets/{id}`.
    pub(crate) route: &'a str,
    /// The method that was matched: a route may take several.
    pub(crate) method: &'a str,
    /// The variables of its path.
    pub(crate) path: &'a [(&'a str, &'a str)],
    pub(crate) query: &'a Query<'a>,
    pub(crate) headers: &'a Headers,
    pub(crate) caller: &'a Caller,
    /// In which form the client gets its reply, where the same reply has several.
    pub(crate) form: &'a str,
}

impl Key {
    /// The key of a request to a method with this rule.
    pub(crate) fn of(rule: &MethodCache, parts: &Parts<'_>) -> Self {
        let mut text = prefix(rule, parts.route);
        put(&mut text, parts.method.as_bytes());
        put(&mut text, parts.form.as_bytes());
        for (_, value) in parts.path {
            put(&mut text, value.as_bytes());
        }
        for parameter in &rule.key_parameters {
            put_values(&mut text, parameter, parts);
        }
        put_names(&mut text, parts.headers);
        put_caller(&mut text, parts);
        Self(text.into())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn begins_with(&self, prefix: &[u8]) -> bool {
        self.0.starts_with(prefix)
    }
}

/// What all keys of a method begin with.
pub(super) fn prefix(rule: &MethodCache, route: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(128);
    match &rule.namespace {
        Some(namespace) => {
            put(&mut text, b"namespace");
            put(&mut text, namespace.as_bytes());
        }
        None => {
            put(&mut text, b"route");
            put(&mut text, route.as_bytes());
        }
    }
    text
}

fn put(text: &mut Vec<u8>, part: &[u8]) {
    text.extend_from_slice(&(part.len() as u64).to_le_bytes());
    text.extend_from_slice(part);
}

/// All values of one parameter, behind their number.
fn put_values(text: &mut Vec<u8>, parameter: &Parameter, parts: &Parts<'_>) {
    let name = parameter.name.as_str();
    let path = || {
        let values = parts.path.iter().filter(|(known, _)| *known == name);
        values.map(|(_, value)| value.as_bytes())
    };
    let query = || parts.query.values(name).map(str::as_bytes);
    let header = || parts.headers.get_all(name).map(http::HeaderValue::as_bytes);
    match parameter.location {
        ParameterLocation::Path => put_all(text, path()),
        // Where a REST API shows one value of many, it is the last.
        ParameterLocation::Query => put_all(text, query().last().into_iter()),
        ParameterLocation::MultiValueQuery => put_all(text, query()),
        ParameterLocation::Header => put_all(text, header().last().into_iter()),
        ParameterLocation::MultiValueHeader => put_all(text, header()),
    }
}

fn put_all<'a>(text: &mut Vec<u8>, values: impl Iterator<Item = &'a [u8]>) {
    let count_at = text.len();
    put(text, &0_u64.to_le_bytes());
    let mut count = 0_u64;
    for value in values {
        count += 1;
        put(text, value);
    }
    let count_at = count_at + size_of::<u64>();
    if let Some(place) = text.get_mut(count_at..count_at + size_of::<u64>()) {
        place.copy_from_slice(&count.to_le_bytes());
    }
}

/// By which names the client calls what it calls. In the cloud its host can only be the API's; here it can be any, and a
/// reply that repeats it (in a link, say) would lead all others there. So would one that heeds a proxy's word for it.
fn put_names(text: &mut Vec<u8>, headers: &Headers) {
    let host = headers.get_all("host");
    put_all(text, host.map(http::HeaderValue::as_bytes));
    for (name, value) in headers.iter() {
        if is_another_name(name) {
            put(text, name.to_ascii_lowercase().as_bytes());
            put(text, value.as_bytes());
        }
    }
    // Where these end, whatever they hold.
    put(text, b"");
}

/// Of `X-Forwarded-*` the gateway writes three itself.
fn is_another_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix("x-forwarded-") {
        Some(rest) => !["for", "port", "proto"].contains(&rest),
        None => {
            ["forwarded", "x-host"].contains(&name.as_str())
                || name.starts_with("x-original-")
                || name.starts_with("x-rewrite-")
        }
    }
}

/// Who calls: nobody gets what was made for somebody else.
fn put_caller(text: &mut Vec<u8>, parts: &Parts<'_>) {
    let shown = parts.headers.get_all("authorization");
    put_all(text, shown.map(http::HeaderValue::as_bytes));
    put_identity(text, &parts.caller.identity);
    let key = parts.caller.key.as_ref().map(|used| used.key.id.as_bytes());
    put_all(text, key.into_iter());
}

fn put_identity(text: &mut Vec<u8>, identity: &Identity) {
    match identity {
        Identity::Open => put(text, b"open"),
        Identity::Iam(signer) => {
            put(text, b"iam");
            put(text, signer.arn.as_bytes());
            put(text, signer.unique_id.as_bytes());
        }
        Identity::Token { claims, .. } => {
            put(text, b"token");
            for (name, value) in claims.for_http() {
                put(text, name.as_bytes());
                put(text, value.as_bytes());
            }
        }
        Identity::Function { told, .. } => {
            put(text, b"function");
            put_all(text, told.principal_id.iter().map(String::as_bytes));
            let context = told.context.iter().flatten();
            for (name, value) in context {
                put(text, name.as_bytes());
                put(text, value.to_string().as_bytes());
            }
        }
    }
}
