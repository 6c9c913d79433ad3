//! What we ask of other servers, over HTTP and HTTPS: documents that the gateway reads itself, requests that services send, or
//! that are handed on.
//!
//! Lives here: documents of a limited size, whom requests of our own trust, addresses that they never go to.
//! Does not live here: what the documents mean (`tokens`), the exchange (`http::upstream`).
//!
//! It follows no redirects, keeps no cookies, and heeds no proxy settings.

mod addresses;
mod egress;
mod passing;
mod requests;
mod trust;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};

use crate::http::upstream::{Ask, Client, Origin, Reach, Scheme, Traits, Unanswered};

pub(crate) use addresses::is_forbidden;
pub use egress::Egress;
pub use passing::{NotPassed, Passed, PassedBody, Passing, PassingBody, is_of_one_hop};
pub use trust::{BadRoots, Roots};

/// Reads documents. Clones share their connections.
#[derive(Clone)]
pub struct Outbound {
    client: Arc<Client>,
    /// Asks what users name; it shares no connections with the other.
    sent: Arc<Client>,
    /// The port of this machine at which function URLs are answered.
    home: Option<u16>,
}

/// What a document may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentLimits {
    /// Its size.
    pub bytes_max: usize,
    /// From the request to its last byte.
    pub time_max: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The address is one that is never called.
    #[error("`{host}` is an address of this machine's cloud (link-local), which is never called")]
    Forbidden {
        /// As the URL has it.
        host: String,
    },
    /// No connection, or it broke.
    #[error("no answer from `{host}`: {reason}")]
    Unreachable {
        /// As the URL has it.
        host: String,
        /// What the system, or TLS, said.
        reason: String,
    },
    /// It takes too long.
    #[error("`{host}` did not answer within {} ms", time_max.as_millis())]
    TooSlow {
        /// As the URL has it.
        host: String,
        /// How long it was waited for.
        time_max: Duration,
    },
    /// The answer is no document.
    #[error("`{host}` answered with status {status}")]
    Status {
        /// As the URL has it.
        host: String,
        /// Not 200.
        status: StatusCode,
    },
    /// The document is too large.
    #[error("the answer of `{host}` is over {bytes_max} bytes, or broke off")]
    TooLarge {
        /// As the URL has it.
        host: String,
        /// The limit.
        bytes_max: usize,
    },
}

impl Outbound {
    /// A client that trusts these.
    #[must_use]
    pub fn new(roots: Roots) -> Self {
        Self {
            client: Arc::new(Client::new(Reach::new(roots.clone()))),
            sent: Arc::new(Client::new(Reach::new(roots))),
            home: None,
        }
    }

    /// A client that trusts these, and sends what services send where this lets it.
    #[must_use]
    pub fn within(roots: Roots, egress: Egress) -> Self {
        Self {
            sent: Arc::new(Client::new(Reach::within(roots.clone(), egress))),
            ..Self::new(roots)
        }
    }

    /// The same, but what services send to function URLs goes to this port of this machine: they are served here, and no name
    /// server knows them.
    #[must_use]
    pub fn at_home(self, port: u16) -> Self {
        Self {
            home: Some(port),
            ..self
        }
    }

    /// Reads a whole document.
    ///
    /// # Errors
    /// Any: an answer that is not 200, that is too large or comes too slowly, is none.
    pub async fn document(&self, uri: &Uri, limits: DocumentLimits) -> Result<Bytes, NoAnswer> {
        let DocumentLimits {
            bytes_max,
            time_max,
        } = limits;
        let origin = origin_of(uri);
        let ask = ask(uri);
        let answered = self.client.ask(&origin, &ask, time_max, bytes_max).await;
        let answered = answered.map_err(|why| no_answer(why, time_max))?;
        if answered.status != StatusCode::OK {
            return Err(NoAnswer::Status {
                host: origin.host,
                status: answered.status,
            });
        }
        Ok(answered.body)
    }
}

fn origin_of(uri: &Uri) -> Origin {
    let (scheme, port) = match uri.scheme_str() {
        Some("https") => (Scheme::Https, 443),
        Some(_) | None => (Scheme::Http, 80),
    };
    let host = uri.host().unwrap_or_default();
    Origin {
        scheme,
        host: host.trim_matches(['[', ']']).to_ascii_lowercase(),
        port: uri.port_u16().unwrap_or(port),
    }
}

/// What is asked: a [`Uri`] has been checked, and holds nothing that could end a line.
fn ask(uri: &Uri) -> Ask {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let host = uri.host().unwrap_or_default();
    let port = uri.port().map(|port| format!(":{port}"));
    let port = port.unwrap_or_default();
    let head =
        format!("GET {target} HTTP/1.1\r\nHost: {host}{port}\r\nAccept: application/json\r\n\r\n");
    Ask {
        head: head.into_bytes(),
        body: Bytes::new(),
        traits: Traits::Repeatable,
    }
}

fn no_answer(why: Unanswered, time_max: Duration) -> NoAnswer {
    let unreachable = |host, reason| NoAnswer::Unreachable { host, reason };
    match why {
        Unanswered::Forbidden { host, address: _ } => NoAnswer::Forbidden { host },
        Unanswered::TooSlow { host } => NoAnswer::TooSlow { host, time_max },
        Unanswered::TooLarge { host, bytes_max } => NoAnswer::TooLarge { host, bytes_max },
        Unanswered::NotLetOut { host, address, why } => {
            unreachable(host, format!("{address}: {why}"))
        }
        Unanswered::Closed { host } => unreachable(host, "it closed the connection".to_owned()),
        Unanswered::Unknown { host, reason }
        | Unanswered::NoConnection { host, reason }
        | Unanswered::Malformed { host, reason } => unreachable(host, reason),
    }
}
