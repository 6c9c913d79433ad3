//! Where the API of one instance is reached, and where its extensions are.
//!
//! Lives here: the listener, its name as the function sees it, connections to the function's own listeners.
//! Does not live here: serving the listener (`server`), making one inside a sandbox (`walls`).
//!
//! Both ends are in the function's own network: its sandbox's, or this machine's.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Weak};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::process::walls::{self, Cell};

/// A listener that only one instance is told of.
pub(in crate::process) struct Place {
    pub(super) listener: TcpListener,
    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub(in crate::process) shown: String,
    pub(super) network: Network,
}

impl Place {
    /// In the instance's sandbox, at the address that the cloud has; otherwise on a port of its own.
    pub(in crate::process) async fn of(cell: Option<&Arc<Cell>>) -> io::Result<Self> {
        match cell {
            Some(cell) => Self::inside(cell),
            None => Self::on_loopback().await,
        }
    }

    fn inside(cell: &Arc<Cell>) -> io::Result<Self> {
        let listener = cell.take_runtime_api();
        let listener = listener.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            shown: walls::RUNTIME_API.to_owned(),
            network: Network::Inside(Arc::downgrade(cell)),
        })
    }

    /// For instances that share the machine's network.
    async fn on_loopback() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let shown = listener.local_addr()?.to_string();
        Ok(Self {
            listener,
            shown,
            network: Network::Machine,
        })
    }
}

/// The network that an instance is in.
#[derive(Clone)]
pub(super) enum Network {
    Machine,
    /// A sandbox's, for as long as there is one.
    Inside(Weak<Cell>),
}

impl Network {
    /// Connects to a listener of an extension, which it calls `sandbox.localdomain`.
    pub(super) async fn reach_extension(&self, port: u16) -> io::Result<TcpStream> {
        let address = (Ipv4Addr::LOCALHOST, port).into();
        match self {
            Self::Machine => TcpStream::connect(address).await,
            Self::Inside(cell) => {
                let gone = || io::Error::from(io::ErrorKind::NotConnected);
                let socket = cell.upgrade().ok_or_else(gone)?.connector().await?;
                TcpSocket::from_std_stream(socket.into())
                    .connect(address)
                    .await
            }
        }
    }
}
