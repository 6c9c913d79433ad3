//! The canonical form of a request: the text that is hashed and signed.
//!
//! Lives here: canonical path, query and headers, and the string to sign.
//! Does not live here: keys (`key`), comparing signatures (`verification`).

use std::fmt::Write as _;

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use sha2::{Digest, Sha256};

use super::time::basic;
use super::{ALGORITHM, CredentialScope, SignedRequest, TERMINATOR, UNSIGNED_PAYLOAD, Validity};
use model::time::Timestamp;

/// Where HTTP/2 says the host.
pub(super) const AUTHORITY: &str = ":authority";
/// Everything but RFC 3986's unreserved characters is percent-encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same, for paths.
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// What a signature says besides the request.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) scope: &'a CredentialScope,
    pub(super) signed_headers: &'a [String],
    pub(super) signed_at: Timestamp,
    pub(super) validity: Validity,
    /// What stands for the payload; none: its hash, which is made of the body.
    pub(super) payload: Option<&'a str>,
}

/// The string to sign.
pub(super) fn string_to_sign(request: SignedRequest<'_>, terms: Terms<'_>) -> String {
    let canonical = canonical_request(request, terms);
    let CredentialScope {
        date,
        region,
        service,
    } = terms.scope;
    format!(
        "{ALGORITHM}\n{}\n{date}/{region}/{service}/{TERMINATOR}\n{}",
        basic(terms.signed_at),
        hex::encode(Sha256::digest(canonical.as_bytes())),
    )
}

fn canonical_request(request: SignedRequest<'_>, terms: Terms<'_>) -> String {
    let (path, query) = request
        .path_and_query
        .split_once('?')
        .unwrap_or((request.path_and_query, ""));
    let mut text = String::with_capacity(1_024);
    text.push_str(request.method.as_str());
    text.push('\n');
    if terms.scope.service == "s3" {
        // Amazon S3 names objects by any path, so it neither tidies the path nor encodes it twice.
        let decoded: Vec<u8> = percent_decode_str(path).collect();
        text.extend(percent_encode(&decoded, ENCODED_IN_PATH));
    } else {
        push_tidy_path(&mut text, path);
    }
    text.push('\n');
    push_query(&mut text, query);
    text.push('\n');
    for name in terms.signed_headers {
        text.push_str(name);
        text.push(':');
        push_header_value(&mut text, request.headers, name);
        text.push('\n');
    }
    text.push('\n');
    for (index, name) in terms.signed_headers.iter().enumerate() {
        if 0 < index {
            text.push(';');
        }
        text.push_str(name);
    }
    text.push('\n');
    push_payload_hash(&mut text, request, terms);
    text
}

/// The path as sent, without empty and dot segments, percent-encoded once more.
fn push_tidy_path(text: &mut String, path: &str) {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    for segment in &segments {
        text.push('/');
        text.extend(percent_encode(segment.as_bytes(), ENCODED));
    }
    if segments.is_empty() || path.ends_with('/') {
        text.push('/');
    }
}

/// Pairs sorted by name and then by value, as they are encoded; the signature itself left out.
fn push_query(text: &mut String, query: &str) {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encoded_again(name), encoded_again(value)))
        .filter(|(name, _)| name != "X-Amz-Signature")
        .collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        let ampersand = if 0 < index { "&" } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{ampersand}{name}={value}");
    }
}

/// The one encoding of a text that can be encoded in many ways.
fn encoded_again(part: &str) -> String {
    let spaced = part.replace('+', " ");
    let decoded: Vec<u8> = percent_decode_str(&spaced).collect();
    percent_encode(&decoded, ENCODED).to_string()
}

/// All values of a header, trimmed, runs of blanks made one, joined by commas.
fn push_header_value(text: &mut String, headers: &HeaderMap, name: &str) {
    // On HTTP/2 some clients sign the pseudo-header that `host` was made of.
    let name = if name == AUTHORITY { "host" } else { name };
    for (index, value) in headers.get_all(name).iter().enumerate() {
        if 0 < index {
            text.push(',');
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        for (index, word) in value.split_ascii_whitespace().enumerate() {
            if 0 < index {
                text.push(' ');
            }
            text.push_str(word);
        }
    }
}

fn push_payload_hash(text: &mut String, request: SignedRequest<'_>, terms: Terms<'_>) {
    if let Some(payload) = terms.payload {
        text.push_str(payload);
        return;
    }
    let sent = request
        .headers
        .get("x-amz-content-sha256")
        .and_then(|value| value.to_str().ok());
    let is_presigned_object = terms.scope.service == "s3" && terms.validity != Validity::Header;
    if sent == Some(UNSIGNED_PAYLOAD) || (sent.is_none() && is_presigned_object) {
        text.push_str(UNSIGNED_PAYLOAD);
    } else {
        // Whatever hash the header claims, the body's own is what counts: a false claim does not verify.
        text.push_str(&hex::encode(Sha256::digest(request.body)));
    }
}
