//! Where the API of one instance is reached, and where its extensions are.
//!
//! Lives here: the listener, its name as the function sees it, connections to the function's own listeners.
//! Does not live here: serving the listener (`server`).
//!
//! Both ends are in the function's own network: where that is one of its own, as in a sandbox, this is the file that
//! changes.

use std::io;
use std::net::Ipv4Addr;

use tokio::net::{TcpListener, TcpStream};

/// A listener that only one instance is told of.
pub(in crate::process) struct Place {
    pub(super) listener: TcpListener,
    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub(in crate::process) shown: String,
}

impl Place {
    /// A port of its own on the loopback interface, for instances that share the machine's network.
    pub(in crate::process) async fn on_loopback() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let shown = listener.local_addr()?.to_string();
        Ok(Self { listener, shown })
    }
}

/// Connects to a listener of an extension, which it calls `sandbox.localdomain`.
pub(super) async fn reach_extension(port: u16) -> io::Result<TcpStream> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await
}
