//! Addresses that are never called.
//!
//! Lives here: which they are.
//! Does not live here: looking names up and connecting (`http::upstream`).
//!
//! Link-local addresses are where clouds tell a machine its credentials (`169.254.169.254`). Nothing that an API hands
//! requests to, and no issuer, is there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds tell their machines their credentials besides the link-local address.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254)),
];

/// Whether an address is one that is never called.
pub(crate) fn is_forbidden(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || embedded_v4(address).is_some_and(|inside| is_forbidden(IpAddr::V4(inside)))
        }
    };
    is_link_local || METADATA.contains(&address)
}

/// The IPv4 address inside one of a translation or tunnel, which leads there through whoever translates: NAT64 (RFC 6052),
/// 6to4 (RFC 3056), IPv4-compatible (RFC 4291).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(bits(high, low)),
        [0x2002, high, low, ..] => Some(bits(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(bits(high, low)),
        _ => None,
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
            ("64:ff9b::a9fe:a9fe", true),
            ("2002:a9fe:a9fe::1", true),
            ("::169.254.169.254", true),
            ("fd20:ce::254", true),
            ("100.100.100.200", true),
            ("64:ff9b::7f00:1", false),
            ("2002:808:808::1", false),
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
