//! What policies can ask about a request, whatever service it is for.
//!
//! Lives here: the global condition keys that the request itself tells, the region of one without a signature.
//! Does not live here: keys of its principal and of the time (whoever judges), a service's own (the service).
//!
//! Contract: IAM User Guide, "AWS global condition context keys", "Properties of the network" and "Properties of the
//! request".

use std::net::{IpAddr, SocketAddr};

use aws_wire::host;
use http::{HeaderMap, header};
use model::ids::Region;
use policy::Context;

use crate::http::Scheme;

/// The region of requests that name none.
const REGION: &str = "us-east-1";

/// What a connection tells of its requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) peer: SocketAddr,
    pub(super) scheme: Scheme,
}

/// The keys of one request.
pub(super) fn keys(sent: Sent, headers: &HeaderMap, region: &Region) -> Context {
    let mut context = Context::default();
    let address: IpAddr = sent.peer.ip().to_canonical();
    context.set("aws:SourceIp", address.to_string());
    let is_secure = sent.scheme == Scheme::Https;
    context.set("aws:SecureTransport", is_secure.to_string());
    context.set("aws:RequestedRegion", region.as_str());
    for (key, header) in [
        ("aws:UserAgent", header::USER_AGENT),
        ("aws:Referer", header::REFERER),
    ] {
        if let Some(value) = headers.get(header).and_then(|value| value.to_str().ok()) {
            context.set(key, value);
        }
    }
    context
}

/// The region that the host of an unsigned request names, as `sns.eu-west-1.amazonaws.com` does.
pub(super) fn region_of_host(headers: &HeaderMap) -> Region {
    let host = host::of(headers).unwrap_or_default();
    // Before it stands the service, or more; and the first label may be a bucket, which may look like one.
    let named = host
        .split('.')
        .skip(1)
        .filter(|label| is_region(label))
        .last();
    Region::new(named.unwrap_or(REGION))
}

/// `eu-west-1`, `us-gov-east-1`.
fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_lowercase());
    match parts.as_slice() {
        [area, middle @ .., number] => {
            area.len() == 2
                && matches!(middle.len(), 1 | 2)
                && std::iter::once(area).chain(middle).all(is_word)
                && number.len() == 1
                && number.bytes().all(|it| it.is_ascii_digit())
        }
        [] | [_] => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_host_of_an_unsigned_request_may_name_its_region() {
        for (host, expected) in [
            ("sns.eu-west-1.amazonaws.com", "eu-west-1"),
            ("bucket.s3.us-gov-east-1.localhost:4566", "us-gov-east-1"),
            ("my-own-1.s3.localhost", "us-east-1"),
            ("localhost:4566", "us-east-1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            assert_eq!(region_of_host(&headers).as_str(), expected, "{host}");
        }
    }
}
