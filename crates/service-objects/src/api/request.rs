//! What a request is about: bucket, key, operation, parameters.
//!
//! Lives here: paths and hosts, queries, headers.
//! Does not live here: bodies (each operation), signatures (`gateway::service_door`).
//!
//! Contract: Amazon S3 User Guide, "Virtual hosting of general purpose buckets".

use std::borrow::Cow;

use aws_wire::host;
use bytes::Bytes;
use http::{HeaderMap, Method};
use interfaces::BoxFuture;
use interfaces::service::{BrokenBody, CallStream, RequestHead, ServiceCall};
use model::ids::AccountId;
use percent_encoding::percent_decode_str;
use policy::Context;

use super::operations::{self, Level, Operation};
use crate::engine::fault::{self, Fault};
use crate::engine::node::Node;
use crate::engine::receiving::Source;

/// Bytes of a key: Amazon S3 User Guide, "Naming Amazon S3 objects".
const KEY_BYTES_MAX: usize = 1_024;

/// What a path and a host name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Named {
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) query: Vec<(String, String)>,
}

/// A header, or what stands for it in the query. Whoever checks a request sees what whoever carries it out sees.
pub(super) fn header_or_query<'a>(
    headers: &'a HeaderMap,
    query: &'a [(String, String)],
    name: &str,
) -> Option<&'a str> {
    let header = headers.get(name).and_then(|value| value.to_str().ok());
    header.or_else(|| {
        let mut query = query.iter();
        let found = query.find(|(sent, _)| sent.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    })
}

/// A request that is being carried out.
pub(crate) struct Ask {
    pub(crate) operation: &'static Operation,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) call: ServiceCall,
    /// What the door knows of it.
    pub(crate) known: Context,
}

impl Named {
    /// Reads what a head is about.
    pub(crate) fn read(path_and_query: &str, headers: &HeaderMap) -> Result<Self, Fault> {
        let (path, query) = path_and_query
            .split_once('?')
            .unwrap_or((path_and_query, ""));
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| Ok((decoded(name)?, decoded(value)?)))
            .collect::<Result<_, Fault>>()?;
        let path = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = match host_bucket(headers) {
            Some(bucket) => (Some(bucket), path),
            None => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                let bucket = decoded_path(bucket)?;
                ((!bucket.is_empty()).then_some(bucket), key)
            }
        };
        let key = decoded_path(key)?;
        Ok(Self {
            key: (bucket.is_some() && !key.is_empty()).then_some(key),
            bucket,
            query,
        })
    }

    pub(crate) fn level(&self) -> Level {
        match (&self.bucket, &self.key) {
            (None, _) => Level::Service,
            (Some(_), None) => Level::Bucket,
            (Some(_), Some(_)) => Level::Object,
        }
    }

    /// The operation that is meant.
    pub(crate) fn operation(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<&'static Operation> {
        operations::find(
            method,
            self.level(),
            |name, value| {
                self.query
                    .iter()
                    .any(|(sent, with)| sent == name && value.is_none_or(|value| value == with))
            },
            |name| headers.contains_key(name),
        )
    }

    /// The same, of a head.
    pub(crate) fn of_head(head: &RequestHead<'_>) -> Option<(Self, &'static Operation)> {
        let named = Self::read(head.path_and_query, head.headers).ok()?;
        let operation = named.operation(head.method, head.headers)?;
        Some((named, operation))
    }
}

impl Ask {
    pub(crate) fn read(
        call: ServiceCall,
        known: Context,
    ) -> Result<Self, Box<(Fault, ServiceCall)>> {
        let named = match Named::read(&call.path_and_query, &call.headers) {
            Ok(named) => named,
            Err(fault) => return Err(Box::new((fault, call))),
        };
        let Some(operation) = named.operation(&call.method, &call.headers) else {
            let fault = Fault::from(fault::METHOD_NOT_ALLOWED)
                .with("Method", call.method.as_str())
                .with("ResourceType", "SERVICE");
            return Err(Box::new((fault, call)));
        };
        let key = named.key.unwrap_or_default();
        if KEY_BYTES_MAX < key.len() {
            let fault = Fault::from(fault::KEY_TOO_LONG)
                .with("Size", key.len().to_string())
                .with("MaxSizeAllowed", KEY_BYTES_MAX.to_string());
            return Err(Box::new((fault, call)));
        }
        Ok(Self {
            operation,
            bucket: named.bucket.unwrap_or_default(),
            key,
            query: named.query,
            call,
            known,
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.call.headers.get(name)?.to_str().ok()
    }

    /// A header that browsers cannot set: it may stand in the query of a presigned URL instead.
    pub(crate) fn header_or_query(&self, name: &str) -> Option<&str> {
        header_or_query(&self.call.headers, &self.query, name)
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(sent, _)| sent == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn version_id(&self) -> Option<&str> {
        self.query("versionId").filter(|id| !id.is_empty())
    }

    /// The account that asks, unless nobody in particular does.
    pub(crate) fn account(&self) -> &str {
        self.call.caller.account().as_str()
    }

    /// The document in the body.
    pub(crate) fn document(&self, root: &str) -> Result<Node, Fault> {
        let node = Node::read(&self.call.body).map_err(|_| Fault::from(fault::MALFORMED_XML))?;
        if node.name == root {
            Ok(node)
        } else {
            Err(fault::MALFORMED_XML.into())
        }
    }

    /// The body as it arrives.
    pub(crate) fn body(&mut self) -> Incoming {
        let announced = self
            .header("x-amz-decoded-content-length")
            .and_then(|text| text.parse().ok());
        Incoming {
            stream: self.call.stream.take(),
            whole: std::mem::take(&mut self.call.body),
            announced,
            arrived: 0,
        }
    }
}

/// The body of a request, as it arrives.
pub(crate) struct Incoming {
    stream: Option<CallStream>,
    whole: Bytes,
    announced: Option<u64>,
    arrived: u64,
}

impl Incoming {
    /// What followed behind the body, by its name.
    pub(crate) fn trailer(&self, name: &str) -> Option<&str> {
        let trailers = self.stream.as_ref()?.0.trailers();
        trailers
            .iter()
            .find(|(sent, _)| sent == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn unknown_keys_act_as(&self) -> Option<AccountId> {
        self.stream.as_ref()?.0.unknown_keys_act_as().cloned()
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Fault> {
        let Some(stream) = &mut self.stream else {
            let whole = std::mem::take(&mut self.whole);
            return Ok((!whole.is_empty()).then_some(whole));
        };
        match stream.0.next().await {
            Ok(Some(piece)) => {
                self.arrived += piece.len() as u64;
                Ok(Some(piece))
            }
            Ok(None) if self.announced.is_some_and(|bytes| bytes != self.arrived) => {
                Err(Fault::saying(
                    fault::INCOMPLETE_BODY,
                    "You did not provide the number of bytes specified by the Content-Length HTTP header",
                ))
            }
            Ok(None) => Ok(None),
            Err(BrokenBody::CutOff) => Err(fault::REQUEST_TIMEOUT.into()),
            Err(BrokenBody::NotAsSigned) => Err(fault::SHA256_MISMATCH.into()),
            Err(BrokenBody::Malformed { .. }) => Err(fault::INCOMPLETE_BODY.into()),
        }
    }
}

impl Source for Incoming {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Fault>> {
        Box::pin(self.piece())
    }
}

/// The bucket that a host names; none: the path does.
#[must_use]
pub fn host_bucket(headers: &HeaderMap) -> Option<String> {
    let host = host::of(headers)?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let bucket = bucket_of_cloud(&name).or_else(|| {
        [
            ".s3.localhost.localstack.cloud",
            ".s3.localhost",
            ".localhost",
        ]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
    })?;
    (!bucket.is_empty() && bucket != "s3" && !bucket.starts_with("s3.") && bucket != "localhost")
        .then(|| bucket.to_owned())
}

/// `bucket.s3.amazonaws.com`, `bucket.s3.REGION.amazonaws.com`, `bucket.s3.dualstack.REGION.amazonaws.com`,
/// `bucket.s3-REGION.amazonaws.com`.
fn bucket_of_cloud(name: &str) -> Option<&str> {
    let before = name.strip_suffix(".amazonaws.com")?;
    if let Some(bucket) = before.strip_suffix(".s3") {
        return Some(bucket);
    }
    let (start, region) = before.rsplit_once('.')?;
    if let Some(bucket) = start
        .strip_suffix(".s3")
        .or_else(|| start.strip_suffix(".s3.dualstack"))
    {
        return Some(bucket);
    }
    region.starts_with("s3-").then_some(start)
}

fn decoded(text: &str) -> Result<String, Fault> {
    let spaced = text.replace('+', " ");
    utf8(percent_decode_str(&spaced).decode_utf8())
}

fn decoded_path(text: &str) -> Result<String, Fault> {
    utf8(percent_decode_str(text).decode_utf8())
}

fn utf8(decoded: Result<Cow<'_, str>, std::str::Utf8Error>) -> Result<String, Fault> {
    decoded
        .map(Cow::into_owned)
        .map_err(|_| fault::INVALID_URI.into())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(host: &str, target: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_str(host).unwrap());
        let named = Named::read(target, &headers).unwrap();
        format!(
            "{:?} {:?}",
            named.bucket.unwrap_or_default(),
            named.key.unwrap_or_default()
        )
    }

    #[test]
    fn buckets_are_named_by_hosts_and_by_paths() {
        for (host, target, expected) in [
            ("localhost:4566", "/b/k/l", r#""b" "k/l""#),
            ("127.0.0.1:4566", "/b", r#""b" """#),
            ("s3.amazonaws.com", "/b/%20k", r#""b" " k""#),
            ("s3.eu-west-1.amazonaws.com", "/b//k", r#""b" "/k""#),
            ("b.s3.amazonaws.com", "/k", r#""b" "k""#),
            ("b.c.s3.eu-west-1.amazonaws.com", "/k+l", r#""b.c" "k+l""#),
            ("b.s3-eu-west-1.amazonaws.com", "/", r#""b" """#),
            ("b.localhost:4566", "/k", r#""b" "k""#),
            ("b.s3.localhost:4566", "/k", r#""b" "k""#),
            ("b.s3.localhost.localstack.cloud:4566", "/k", r#""b" "k""#),
            ("s3.localhost.localstack.cloud:4566", "/b/k", r#""b" "k""#),
            ("localhost", "/", r#""" """#),
            ("http://localhost:4566", "/b/k", r#""b" "k""#),
            ("http://b.localhost:4566", "/k", r#""b" "k""#),
            ("https://b.s3.amazonaws.com", "/k", r#""b" "k""#),
        ] {
            assert_eq!(read(host, target), expected, "{host} {target}");
        }
    }
}
