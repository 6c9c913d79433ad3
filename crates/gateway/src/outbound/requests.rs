//! Requests that services send to addresses of their users.
//!
//! Lives here: from a request of the seam to one on the wire, and back.
//! Does not live here: the exchange (`http::upstream`), which addresses are called (`addresses`, `egress`), retries.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use http::{HeaderName, HeaderValue, Method, Uri};
use interfaces::BoxFuture;
use interfaces::http_client::{HttpAnswer, HttpClient, HttpRequest, NoAnswer};

use super::{Outbound, origin_of};
use crate::callers::{SENT_BY_SERVICE, is_own_name};
use crate::http::upstream::{Answered, Ask, Origin, Scheme, Traits};

/// Bytes of an answer that are read, though fewer may be wanted: what is over is cut off. One that is larger still is none.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What the framing of a request is made of: nobody else sets them.
const OURS: [&str; 6] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "upgrade",
];

impl HttpClient for Outbound {
    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpAnswer, NoAnswer>> {
        Box::pin(async move {
            let uri = address(&request.url)?;
            let bytes_max = request.answer_bytes_max.max(READ_BYTES_MAX);
            let (origin, ask) = (self.origin(&uri), ask(&uri, &request)?);
            // What is at home is looked up nowhere.
            let client = if origin.host == origin_of(&uri).host {
                &self.sent
            } else {
                &self.client
            };
            let answered = client.ask(&origin, &ask, request.timeout, bytes_max);
            let answered = answered.await.map_err(|why| none(why.to_string()))?;
            Ok(answer(answered, request.answer_bytes_max))
        })
    }
}

impl Outbound {
    fn origin(&self, uri: &Uri) -> Origin {
        let origin = origin_of(uri);
        match self.home {
            Some(port) if is_function_url(&origin.host) => Origin {
                scheme: Scheme::Http,
                host: Ipv4Addr::LOCALHOST.to_string(),
                port,
            },
            Some(_) | None => origin,
        }
    }
}

/// `ID.lambda-url.REGION.on.aws`.
fn is_function_url(host: &str) -> bool {
    let labels: Vec<&str> = host.split('.').collect();
    matches!(labels.as_slice(), [_, "lambda-url", _, "on", "aws"])
}

fn none(reason: impl Into<String>) -> NoAnswer {
    NoAnswer {
        reason: reason.into(),
    }
}

fn address(url: &str) -> Result<Uri, NoAnswer> {
    let uri: Uri = url
        .parse()
        .map_err(|error| none(format!("`{url}` is no address: {error}")))?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    if is_http && uri.host().is_some_and(|host| !host.is_empty()) {
        return Ok(uri);
    }
    Err(none(format!("`{url}` is no address of HTTP or HTTPS")))
}

/// Every part was read by `http`, and holds nothing that could end a line.
fn ask(uri: &Uri, request: &HttpRequest) -> Result<Ask, NoAnswer> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let host = uri.host().unwrap_or_default();
    let port = uri
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let method = &request.method;
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}{port}\r\n");
    for (name, value) in &request.headers {
        let bad = || none(format!("`{name}` is no header that can be sent"));
        let is_ours = OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours));
        let read = HeaderName::from_bytes(name.as_bytes()).is_ok();
        let value = HeaderValue::from_str(value).ok();
        let value = value.as_ref().and_then(|value| value.to_str().ok());
        let value = value.filter(|_| read && !is_ours).ok_or_else(bad)?;
        // Writing to a text cannot fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    // Whoever may name an address is not the root of an account: here, or where another of us runs.
    if is_own_name(host) {
        let _ = write!(head, "{SENT_BY_SERVICE}: true\r\n");
    }
    let has_body = !request.body.is_empty() || *method == Method::POST || *method == Method::PUT;
    if has_body {
        let length = request.body.len();
        let _ = write!(head, "Content-Length: {length}\r\n");
    }
    head.push_str("\r\n");
    let traits = match *method {
        Method::HEAD => Traits::Bodiless,
        Method::GET | Method::PUT | Method::DELETE | Method::OPTIONS => Traits::Repeatable,
        _ => Traits::Once,
    };
    Ok(Ask {
        head: head.into_bytes(),
        body: request.body.clone(),
        traits,
    })
}

fn answer(answered: Answered, bytes_max: usize) -> HttpAnswer {
    let header = |(name, value): (String, HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_ascii_lowercase(), value)
    };
    let mut body = answered.body;
    body.truncate(bytes_max);
    HttpAnswer {
        status: answered.status.as_u16(),
        headers: answered.headers.into_iter().map(header).collect(),
        body,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    fn request(url: &str, headers: &[(&str, &str)]) -> HttpRequest {
        let header = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        HttpRequest {
            method: Method::POST,
            url: url.to_owned(),
            headers: headers.iter().map(header).collect(),
            body: Bytes::from_static(b"{}"),
            timeout: Duration::from_secs(1),
            answer_bytes_max: 10,
        }
    }

    fn head(url: &str, headers: &[(&str, &str)]) -> Result<String, NoAnswer> {
        let request = request(url, headers);
        let ask = ask(&address(url)?, &request)?;
        Ok(String::from_utf8(ask.head).unwrap())
    }

    #[test]
    fn a_request_is_written_as_it_goes_over_the_wire() {
        let head = head("http://localhost:8080/hook?a=1", &[("X-A", "b")]).unwrap();
        let expected = "POST /hook?a=1 HTTP/1.1\r\nHost: localhost:8080\r\nX-A: b\r\ncloudless-sent-by-service: true\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(head, expected);
    }

    #[test]
    fn services_say_what_they_send_where_unknown_keys_would_be_taken() {
        for (url, says_so) in [
            ("http://localhost:4566/", true),
            ("http://127.0.0.1:4566/", true),
            ("http://[::1]:4566/", true),
            ("http://sqs.us-east-1.amazonaws.com:4566/", true),
            ("https://hooks.example.com/", false),
        ] {
            let head = head(url, &[]).unwrap();
            assert_eq!(head.contains(SENT_BY_SERVICE), says_so, "{url}");
        }
    }

    #[test]
    fn function_urls_are_at_home() {
        let outbound = Outbound::new(crate::outbound::Roots::default()).at_home(3000);
        let origin = |url: &str| outbound.origin(&address(url).unwrap());
        let own = origin("https://abc.lambda-url.us-east-1.on.aws/");
        assert_eq!(
            (own.scheme, own.host.as_str(), own.port),
            (Scheme::Http, "127.0.0.1", 3000)
        );
        let other = origin("https://abc.example.com/");
        assert_eq!(
            (other.scheme, other.host.as_str(), other.port),
            (Scheme::Https, "abc.example.com", 443)
        );
    }

    #[test]
    fn nothing_that_could_be_read_as_another_request_is_written() {
        let url = "http://localhost/";
        for headers in [
            [("X-A", "b\r\nX-C: d")],
            [("X A", "b")],
            [("Content-Length", "0")],
            [("Host", "other")],
        ] {
            assert!(head(url, &headers).is_err(), "{headers:?}");
        }
        for url in ["ftp://a/", "/path", "", "http://", "http://a b/"] {
            assert!(head(url, &[]).is_err(), "{url}");
        }
    }
}
