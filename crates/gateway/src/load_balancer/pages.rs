//! What clients see when a load balancer, and not the function, answers: the cloud's own pages.
//!
//! Lives here: the HTML of each status, and why it happened, which is told to the developer alone.
//! Does not live here: what is declared as an answer (`actions`).
//!
//! Contract: observed at the cloud: HTML with lines that end in CR LF, `Server: awselb/2.0`; the words are those of nginx.

use http::{HeaderValue, StatusCode};

use crate::http::Response;

/// `X-Forwarded-For` has too many addresses: 463, a status of the load balancer's own.
pub(super) const TOO_MANY_HOPS: StatusCode = match StatusCode::from_u16(463) {
    Ok(status) => status,
    Err(_) => StatusCode::BAD_REQUEST,
};

/// A request that the load balancer refuses, or whose function gave no reply.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) reason: String,
}

impl Refused {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
        }
    }

    /// Whatever is wrong with a function.
    pub(super) fn bad_gateway(reason: String) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, reason)
    }

    pub(super) fn page(&self) -> Response {
        page(self.status)
    }
}

/// The page of a status.
pub(super) fn page(status: StatusCode) -> Response {
    let words = match status.as_u16() {
        405 => "Not Allowed",
        408 => "Request Time-out",
        413 => "Request Entity Too Large",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        _other => status.canonical_reason().unwrap_or_default(),
    };
    let title = format!("{} {words}", status.as_u16());
    let title = title.trim_end();
    let html = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    let media_type = HeaderValue::from_static("text/html");
    Response::new(status, html).with_header("Content-Type", media_type)
}

/// Nobody here knows what a listener that is kept elsewhere does by default. It is said as HTTP APIs say it.
pub(super) fn unknown() -> Response {
    let media_type = HeaderValue::from_static("application/json");
    Response::new(StatusCode::NOT_FOUND, r#"{"message":"Not Found"}"#)
        .with_header("Content-Type", media_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::ResponseBody;

    #[test]
    fn pages_are_as_long_as_the_clouds() {
        for (status, bytes) in [(502, 122), (503, 162), (301, 134), (302, 110)] {
            let page = page(StatusCode::from_u16(status).unwrap());
            let ResponseBody::Whole(body) = page.body else {
                panic!("it does not stream")
            };
            assert_eq!(body.len(), bytes, "{status}");
        }
    }
}
