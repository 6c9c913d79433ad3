//! Addresses that are never called.
//!
//! Lives here: which they are.
//! Does not live here: looking names up and connecting (`http::upstream`).
//!
//! Link-local addresses are where clouds tell a machine its credentials (`169.254.169.254`). Nothing that an API hands
//! requests to, and no issuer, is there.

use std::net::{IpAddr, Ipv6Addr};

/// Where a cloud tells its machines their credentials over IPv6.
const METADATA_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

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
        for (address, expected) in [
            ("169.254.169.254", true),
            ("::ffff:169.254.169.254", true),
            ("fd00:ec2::254", true),
            ("fe80::1", true),
            ("127.0.0.1", false),
            ("10.0.0.1", false),
            ("::1", false),
        ] {
            assert_eq!(
                is_forbidden(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
    }
}
