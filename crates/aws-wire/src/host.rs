//! Where a client says that it sends a request to.
//!
//! Lives here: reading it from a request's headers.
//! Does not live here: what a host names: a bucket, a region, a queue (each service).

use http::HeaderMap;
use http::header::HOST;

/// The host and port of a request; none when it names none. Some clients put a scheme before it, which is part of what they
/// sign and of nothing else.
#[must_use]
pub fn of(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let bare = ["http://", "https://"]
        .into_iter()
        .find_map(|scheme| host.strip_prefix(scheme))
        .unwrap_or(host);
    (!bare.is_empty()).then_some(bare)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_host_is_told_without_a_scheme() {
        for (given, expected) in [
            ("localhost:4566", Some("localhost:4566")),
            ("http://localhost:4566", Some("localhost:4566")),
            ("https://sqs.example", Some("sqs.example")),
            ("http://", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(given))]);
            assert_eq!(of(&headers), expected, "{given}");
        }
        assert_eq!(of(&HeaderMap::new()), None);
    }
}
