//! The ports of a server.
//!
//! Lives here: taking them, which they are.
//! Does not live here: what answers at them (`wiring`), ports of load balancers (`balancers`).

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use model::problem::Problem;
use tokio::net::TcpListener;

use crate::front::Shown;

/// Bound listeners. Instances must know the services' address before anything that serves it exists.
pub struct Listeners {
    /// The applications' listener; none for a server that only runs functions.
    pub application: Option<TcpListener>,
    /// One of WebSocket APIs alone; they answer at the applications' as well.
    pub web_sockets: Option<TcpListener>,
    /// What it shows when it speaks TLS.
    pub tls: Option<Shown>,
    /// The cloud services' listener.
    pub services: TcpListener,
}

/// Takes the ports; 0 takes any.
///
/// # Errors
/// A problem that names the port and the option that chooses another.
pub async fn bind(port: Option<u16>, services_port: u16) -> Result<Listeners, Box<Problem>> {
    let application = match port {
        Some(port) => Some(listen(port, "--port").await?),
        None => None,
    };
    Ok(Listeners {
        application,
        web_sockets: None,
        tls: None,
        services: listen(services_port, "--services-port").await?,
    })
}

/// Takes a port that this option names.
///
/// # Errors
/// As [`bind`].
pub(crate) async fn listen(port: u16, option: &str) -> Result<TcpListener, Box<Problem>> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .await
        .map_err(|error| {
            let title = if error.kind() == std::io::ErrorKind::AddrInUse {
                format!("port {port} is in use")
            } else {
                format!("cannot listen on port {port}")
            };
            let other = port.checked_add(1).unwrap_or(8080);
            Box::new(
                Problem::error("server::port", title)
                    .because(error.to_string())
                    .help(format!(
                        "stop whoever uses it, or choose another: {option} {other}"
                    )),
            )
        })
}

impl Listeners {
    pub(super) fn websocket_port(&self) -> Option<u16> {
        let address = self.web_sockets.as_ref()?.local_addr().ok()?;
        Some(address.port())
    }

    /// All ports that we listen on.
    pub(super) fn own_ports(&self) -> BTreeSet<u16> {
        let (application, services) = self.ports();
        let ports = [application, services].into_iter();
        let ports = ports.chain(self.websocket_port());
        ports.filter(|port| *port != 0).collect()
    }

    pub(super) fn ports(&self) -> (u16, u16) {
        let port =
            |listener: &TcpListener| listener.local_addr().map_or(0, |address| address.port());
        (
            self.application.as_ref().map_or(0, port),
            port(&self.services),
        )
    }
}
