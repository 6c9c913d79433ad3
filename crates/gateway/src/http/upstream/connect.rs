//! New connections to other servers.
//!
//! Lives here: looking up names, addresses to which nothing is handed on, TLS.
//! Does not live here: keeping connections (`pool`), which server is asked (`http_proxy`).
//!
//! What is refused is looked at after the name was looked up, and the connection is made to the very address that was
//! looked at: a name that means one address at first and another one later helps nobody.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::wire::Stream;
use super::{Origin, Scheme, Unanswered};
use crate::outbound::{Egress, Roots, is_forbidden};

/// How long one address may take to answer, before the next is tried.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Whom connections can be made to.
pub(crate) struct Reach {
    roots: Roots,
    egress: Egress,
    /// Made when it is needed first: most applications never need it.
    tls: OnceLock<TlsConnector>,
}

impl Reach {
    /// Servers whose certificates these believe.
    pub(crate) fn new(roots: Roots) -> Self {
        Self::within(roots, Egress::default())
    }

    /// The same, at addresses where this lets requests go.
    pub(crate) fn within(roots: Roots, egress: Egress) -> Self {
        Self {
            roots,
            egress,
            tls: OnceLock::new(),
        }
    }
}

/// Opens a connection to a server.
pub(super) async fn open(origin: &Origin, reach: &Reach) -> Result<Box<dyn Stream>, Unanswered> {
    let host = origin.host.as_str();
    let unknown = |reason: String| Unanswered::Unknown {
        host: host.to_owned(),
        reason,
    };
    let found = tokio::net::lookup_host((host, origin.port)).await;
    let found = found.map_err(|error| unknown(error.to_string()))?;
    let mut last = unknown("it has no address".to_owned());
    for address in found.take(ADDRESSES_MAX) {
        if is_forbidden(address.ip()) {
            return Err(Unanswered::Forbidden {
                host: host.to_owned(),
                address: address.ip(),
            });
        }
        if let Some(why) = reach.egress.why_closed(address) {
            return Err(Unanswered::NotLetOut {
                host: host.to_owned(),
                address,
                why,
            });
        }
        match connect(address).await {
            Ok(stream) => return secured(origin, stream, reach).await,
            Err(reason) => {
                last = Unanswered::NoConnection {
                    host: origin.to_string(),
                    reason,
                };
            }
        }
    }
    Err(last)
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let connecting = tokio::time::timeout(CONNECT_MAX, TcpStream::connect(address)).await;
    let stream = connecting
        .map_err(|_| format!("{address} does not answer"))?
        .map_err(|error| format!("{address}: {error}"))?;
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    Ok(stream)
}

async fn secured(
    origin: &Origin,
    stream: TcpStream,
    reach: &Reach,
) -> Result<Box<dyn Stream>, Unanswered> {
    if origin.scheme == Scheme::Http {
        return Ok(Box::new(stream));
    }
    let failed = |reason: String| Unanswered::NoConnection {
        host: origin.to_string(),
        reason,
    };
    let connector = || TlsConnector::from(Arc::new(reach.roots.client_config()));
    let connector = reach.tls.get_or_init(connector);
    let name = ServerName::try_from(origin.host.clone());
    let name = name.map_err(|error| failed(error.to_string()))?;
    let stream = connector.connect(name, stream).await;
    Ok(Box::new(stream.map_err(|error| failed(error.to_string()))?))
}

impl std::fmt::Display for Origin {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(out, "{scheme}://{}:{}", self.host, self.port)
    }
}
