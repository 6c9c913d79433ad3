//! What is sent to an engine.
//!
//! Lives here: path, query, headers and body of a call as the engine gets them, signed anew.
//! Does not live here: who may call (the door), the body's pieces (`body`).
//!
//! What was judged must be what the engine reads: a request that two servers could read in two ways is refused.

use std::collections::BTreeSet;

use aws_wire::sigv4::{PayloadClaim, Signer, sign, sign_head};
use bytes::Bytes;
use gateway::outbound::{Passing, PassingBody, is_of_one_hop};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};
use interfaces::service::{CallStream, ServiceCall};

use super::body::{Chunks, HeldBack};
use super::{Engine, authority, put};

const S3: &str = "s3";
const CONTENT_SHA256: &str = "x-amz-content-sha256";
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const CHUNKS: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
/// The caller's proof, which is not the engine's business.
const PROOFS: [HeaderName; 2] = [AUTHORIZATION, DATE];
const PROOFS_BY_NAME: [&str; 2] = ["x-amz-security-token", "x-amz-date"];
/// The same in URLs, by either version of the signature.
const PROOFS_IN_QUERY: [&str; 11] = [
    "AWSAccessKeyId",
    "Expires",
    "Signature",
    "X-Amz-Algorithm",
    "X-Amz-Content-Sha256",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];
/// Headers that change what a request is about: some engines read them in the query too.
const NOT_IN_QUERY: [&str; 2] = ["x-amz-copy-source", "x-amz-grant-"];
/// Headers of one's own, of which there may be many.
const METADATA: &str = "x-amz-meta-";

/// Why a call is not passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("its headers cannot be passed on to an engine")]
    Unreadable,
    #[error(
        "a key with `.` or `..` between its slashes is not passed on: engines read such paths in different ways"
    )]
    Dots,
    #[error("`{0}` is given twice, which engines read in different ways")]
    Twice(String),
    #[error("`{0}` is passed on as a header, not in the query")]
    InQuery(String),
    #[error("a body in signed chunks is passed on for PutObject and UploadPart alone")]
    Chunks,
}

impl Refused {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Unreadable => "InvalidRequest",
            Self::Dots | Self::Twice(_) | Self::InQuery(_) => "InvalidArgument",
            Self::Chunks => "NotImplemented",
        }
    }
}

/// The request for the engine.
pub(super) fn passing(engine: &Engine, call: ServiceCall) -> Result<Passing, Refused> {
    let service = engine.settings.service;
    let path_and_query = path_and_query(&call, service)?;
    let mut headers = headers(&call.headers)?;
    if service != S3 {
        names_are_told_once(&call)?;
    }
    put(&mut headers, "host", authority(&engine.settings))?;
    let body = body(&mut headers, call.stream, call.body, service)?;
    let region = engine.settings.region.as_deref();
    let signer = Signer {
        credentials: &engine.credentials,
        region: region.unwrap_or(call.region.as_str()),
        service,
        now: engine.clock.now(),
    };
    let method = &call.method;
    let signed = match &body {
        PassingBody::Whole(body) => sign(signer, method, &path_and_query, &mut headers, body),
        PassingBody::Streamed { .. } => sign_head(signer, method, &path_and_query, &mut headers),
    };
    signed.map_err(|_| Refused::Unreadable)?;
    Ok(Passing {
        method: call.method,
        to: engine.settings.endpoint.clone(),
        path_and_query,
        headers,
        body,
    })
}

/// The path, with the bucket in it that a host may have named; the query without what proved the caller.
fn path_and_query(call: &ServiceCall, service: &str) -> Result<String, Refused> {
    let sent = call.path_and_query.as_str();
    let (path, query) = sent.split_once('?').unwrap_or((sent, ""));
    let decoded: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
    let mut segments = decoded.split(|byte| *byte == b'/');
    if segments.any(|segment| matches!(segment, b"." | b"..")) {
        return Err(Refused::Dots);
    }
    let mut text = match service_objects::host_bucket(&call.headers).filter(|_| service == S3) {
        Some(bucket) => format!("/{bucket}{path}"),
        None => path.to_owned(),
    };
    let mut names = BTreeSet::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        if PROOFS_IN_QUERY.contains(&name.as_ref()) {
            continue;
        }
        text.push(if names.is_empty() { '?' } else { '&' });
        text.push_str(pair);
        let name = name.into_owned();
        let lower = name.to_ascii_lowercase();
        if NOT_IN_QUERY.iter().any(|begins| lower.starts_with(begins)) {
            return Err(Refused::InQuery(name));
        }
        if names.contains(&name) {
            return Err(Refused::Twice(name));
        }
        names.insert(name);
    }
    Ok(text)
}

/// Forms name what they are about, some of it in the address.
fn names_are_told_once(call: &ServiceCall) -> Result<(), Refused> {
    let kind = call.headers.get(CONTENT_TYPE);
    let kind = kind.map_or(&b""[..], HeaderValue::as_bytes);
    if !kind.starts_with(b"application/x-www-form-urlencoded") {
        return Ok(());
    }
    let query = call.path_and_query.split_once('?');
    let query = query.map_or("", |(_, query)| query);
    let mut names = BTreeSet::new();
    let form = String::from_utf8_lossy(&call.body);
    for pair in query.split('&').chain(form.split('&')) {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        let name = name.replace('+', " ");
        let name = percent_encoding::percent_decode_str(&name).decode_utf8_lossy();
        let name = name.into_owned();
        if !name.is_empty() && !names.insert(name.clone()) {
            return Err(Refused::Twice(name));
        }
    }
    Ok(())
}

fn headers(sent: &HeaderMap) -> Result<HeaderMap, Refused> {
    let mut headers = HeaderMap::new();
    for (name, value) in sent {
        let text = name.as_str();
        if is_of_one_hop(name) || PROOFS.contains(name) || PROOFS_BY_NAME.contains(&text) {
            continue;
        }
        let is_ours = text.starts_with("x-amz-") && !text.starts_with(METADATA);
        if is_ours && headers.contains_key(name) {
            return Err(Refused::Twice(text.to_owned()));
        }
        headers.append(name.clone(), value.clone());
    }
    // It stays for telling how long a body is, and is set by the framing.
    if let Some(length) = sent.get(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, length.clone());
    }
    headers.remove(HOST);
    Ok(headers)
}

fn body(
    headers: &mut HeaderMap,
    stream: Option<CallStream>,
    whole: Bytes,
    service: &str,
) -> Result<PassingBody, Refused> {
    let length = headers.remove(CONTENT_LENGTH);
    if service != S3 {
        headers.remove(CONTENT_SHA256);
        return Ok(PassingBody::Whole(whole));
    }
    // What is no claim was refused when the body was taken, where it was taken as it arrives.
    let claim = PayloadClaim::of(headers).map_err(|_| Refused::Unreadable)?;
    let Some(stream) = stream else {
        if claim.is_chunked() {
            return Err(Refused::Chunks);
        }
        // The body is here: its own hash is signed.
        let hash = aws_wire::sigv4::payload_hash(&whole);
        put(headers, CONTENT_SHA256, &hash)?;
        return Ok(PassingBody::Whole(whole));
    };
    let body = HeldBack::new(stream);
    let number = |value: Option<&HeaderValue>| value?.to_str().ok()?.parse().ok();
    match claim {
        PayloadClaim::SignedChunks { trailer: true } | PayloadClaim::UnsignedChunks => {
            put(headers, CONTENT_SHA256, CHUNKS)?;
            Ok(PassingBody::Streamed {
                body: Box::new(Chunks::new(body)),
                bytes: None,
            })
        }
        PayloadClaim::SignedChunks { trailer: false } => {
            let bytes = number(headers.get(DECODED_LENGTH));
            headers.remove(DECODED_LENGTH);
            without_chunks(headers)?;
            put(headers, CONTENT_SHA256, UNSIGNED)?;
            Ok(PassingBody::Streamed {
                body: Box::new(body),
                bytes,
            })
        }
        PayloadClaim::Hash(_) | PayloadClaim::Unsigned => {
            if claim == PayloadClaim::Unsigned {
                put(headers, CONTENT_SHA256, UNSIGNED)?;
            }
            Ok(PassingBody::Streamed {
                body: Box::new(body),
                bytes: number(length.as_ref()),
            })
        }
    }
}

/// The encoding of a body that is no longer in chunks of S3's.
fn without_chunks(headers: &mut HeaderMap) -> Result<(), Refused> {
    let Some(encoding) = headers.remove(CONTENT_ENCODING) else {
        return Ok(());
    };
    let encoding = encoding.to_str().map_err(|_| Refused::Unreadable)?;
    let others = encoding.split(',').map(str::trim);
    let others: Vec<&str> = others
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    put(headers, "content-encoding", &others.join(","))
}
