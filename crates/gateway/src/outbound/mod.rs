//! Requests that the gateway makes itself, over HTTP and HTTPS.
//!
//! Lives here: the client, whom it trusts, addresses that it never calls, documents of a limited size.
//! Does not live here: what the documents mean (`authorise::jwt`), what is told to clients (`replies`).
//!
//! It follows no redirects, keeps no cookies, and heeds no proxy settings. An address is checked when it has been looked
//! up, so that a name cannot lead to another one afterwards.

mod addresses;
mod trust;

#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use addresses::Resolver;

pub(crate) use addresses::is_forbidden;
pub use trust::{BadRoots, Roots};

/// Connections to one host that are kept for later requests.
const IDLE_CONNECTIONS_MAX: usize = 64;
/// How long such a connection is kept. Most servers close theirs after a minute or later.
const IDLE_MAX: Duration = Duration::from_secs(55);
/// How long one attempt to connect may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);

/// Makes requests. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Outbound {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
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
    pub fn new(roots: &Roots) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIME_MAX));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(roots.client_config())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Self { client }
    }

    /// Sends one request, and hands its answer on as it comes. How long that may take is the caller's to say.
    ///
    /// # Errors
    /// [`NoAnswer::Forbidden`] and [`NoAnswer::Unreachable`].
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, NoAnswer> {
        let host = host_of(request.uri());
        if addresses::is_forbidden_literal(&host) {
            return Err(NoAnswer::Forbidden { host });
        }
        let answer = self.client.request(request).await;
        answer.map_err(|error| {
            if addresses::was_forbidden(&error) {
                return NoAnswer::Forbidden { host };
            }
            NoAnswer::Unreachable {
                host,
                reason: innermost(&error),
            }
        })
    }

    /// Reads a whole document.
    ///
    /// # Errors
    /// Any: an answer that is not 200, that is too large or comes too slowly, is none.
    pub async fn document(&self, uri: &Uri, limits: DocumentLimits) -> Result<Bytes, NoAnswer> {
        let host = host_of(uri);
        let DocumentLimits {
            bytes_max,
            time_max,
        } = limits;
        let read = async {
            let mut request = Request::new(Full::default());
            *request.uri_mut() = uri.clone();
            let headers = request.headers_mut();
            let accept = http::HeaderValue::from_static("application/json");
            headers.insert(http::header::ACCEPT, accept);
            let answer = self.send(request).await?;
            if answer.status() != StatusCode::OK {
                return Err(NoAnswer::Status {
                    host: host.clone(),
                    status: answer.status(),
                });
            }
            let body = Limited::new(answer.into_body(), bytes_max).collect().await;
            body.map(http_body_util::Collected::to_bytes)
                .map_err(|_| NoAnswer::TooLarge {
                    host: host.clone(),
                    bytes_max,
                })
        };
        tokio::time::timeout(time_max, read)
            .await
            .unwrap_or_else(|_| {
                Err(NoAnswer::TooSlow {
                    host: host.clone(),
                    time_max,
                })
            })
    }
}

fn host_of(uri: &Uri) -> String {
    uri.host().unwrap_or_default().to_owned()
}

/// What lies at the bottom of an error: the layers above it only say that something failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
