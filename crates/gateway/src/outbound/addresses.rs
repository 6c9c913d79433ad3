//! Addresses, and those that are never called.
//!
//! Lives here: looking names up, refusing what answers with the machine's own secrets.
//! Does not live here: connecting (`outbound`).
//!
//! Link-local addresses are where clouds tell a machine its credentials (`169.254.169.254`). Nothing that an API hands
//! requests to, and no issuer, is there.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;
/// Where a cloud tells its machines their credentials over IPv6.
const METADATA_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Looks names up as the system does, and leaves out what is never called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver;

#[derive(Debug, thiserror::Error)]
#[error("the name leads to a link-local address only")]
struct ForbiddenAddress;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            // The port is put in by whoever connects.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
            let is_allowed = |address: &SocketAddr| !is_forbidden(address.ip());
            let allowed: Vec<SocketAddr> = found.iter().copied().filter(is_allowed).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(io::Error::other(ForbiddenAddress));
            }
            Ok(allowed.into_iter())
        })
    }
}

/// Whether a URL's host is an address, rather than a name, that is never called.
pub(super) fn is_forbidden_literal(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok_and(is_forbidden)
}

/// Whether a request failed because its name led to such an address.
pub(super) fn was_forbidden(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<ForbiddenAddress>() {
            return true;
        }
        let within = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if within.is_some_and(|within| within.is::<ForbiddenAddress>()) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Whether an address is one that is never called.
pub(crate) fn is_forbidden(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address == METADATA_IPV6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_clouds_keep_credentials_is_never_called() {
        for (host, expected) in [
            ("169.254.169.254", true),
            ("[::ffff:169.254.169.254]", true),
            ("[fd00:ec2::254]", true),
            ("[fe80::1]", true),
            ("127.0.0.1", false),
            ("10.0.0.1", false),
            ("[::1]", false),
            ("example.com", false),
        ] {
            assert_eq!(is_forbidden_literal(host), expected, "{host}");
        }
    }
}
