//! Which addresses outside may be reached from a sandbox.
//!
//! Lives here: the decision, as a function of an address. It is asked twice: when a process wants to connect, and again
//! about the address that it did connect to.
//! Does not live here: names, which are decided by what they resolve to; who carries the bytes (`egress`).

mod claims;
mod host;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub use claims::{Claim, Claims};
pub use host::own_addresses;

/// What a sandbox may reach. Whatever is not named here is open: functions call the internet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The host's own loopback: a developer's database is there.
    pub loopback: Access,
    /// Networks behind the host: private ranges, and those that providers and carriers share.
    pub private: Access,
    /// Networks that are open though their range is closed.
    pub opened: Vec<Network>,
    /// Ports that we ourselves listen on. They are refused on the host's own addresses, whatever else is open: our
    /// door on the host trusts whoever reaches it further than it may trust a function.
    pub own_ports: BTreeSet<u16>,
    /// Where other servers like us say which ports are theirs: their doors trust as ours do.
    pub claims: Option<Claims>,
    /// The host's own addresses, besides its loopback.
    pub own_addresses: BTreeSet<IpAddr>,
}

/// Whether a range of addresses may be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// It may not.
    #[default]
    Closed,
    /// It may.
    Open,
}

/// A range of addresses, and of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// How many of the leading bits are the network's.
    pub prefix_bits: u8,
    /// Only this port of it.
    pub port: Option<u16>,
}

/// What is done about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is carried out.
    Carry,
    /// It fails at once, with "connection refused": clients do not try that again for long.
    Refuse(Reason),
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Link-local: a cloud's metadata, and neighbours on the wire.
    LinkLocal,
    /// Not an address of one host: broadcast, multicast, reserved, unspecified, or only for documents.
    NotAHost,
    /// A port of ours on the host.
    Ours,
    /// The host's loopback is closed.
    Loopback,
    /// Private networks are closed.
    Private,
}

impl Policy {
    /// The developer's own machine: databases on its loopback and network can be reached.
    pub fn of_development() -> Self {
        Self {
            loopback: Access::Open,
            private: Access::Open,
            ..Self::default()
        }
    }

    /// A server with other people's functions.
    pub fn of_server() -> Self {
        Self::default()
    }

    /// Whether we, or another server like us, listen on this port of the host.
    pub(crate) fn is_ours(&self, port: u16) -> bool {
        let is_claimed = |claims: &Claims| claims.holds(port);
        self.own_ports.contains(&port) || self.claims.as_ref().is_some_and(is_claimed)
    }

    /// May this address be reached?
    pub fn decide(&self, to: SocketAddr) -> Verdict {
        let address = unmapped(to.ip());
        if let Some(reason) = never(address) {
            return Verdict::Refuse(reason);
        }
        let is_loopback = address.is_loopback();
        if (is_loopback || self.own_addresses.contains(&address)) && self.is_ours(to.port()) {
            return Verdict::Refuse(Reason::Ours);
        }
        let closed = if is_loopback || self.own_addresses.contains(&address) {
            (self.loopback == Access::Closed).then_some(Reason::Loopback)
        } else if is_private(address) {
            (self.private == Access::Closed).then_some(Reason::Private)
        } else {
            None
        };
        match closed {
            Some(reason)
                if !self
                    .opened
                    .iter()
                    .any(|network| network.holds(address, to.port())) =>
            {
                Verdict::Refuse(reason)
            }
            Some(_) | None => Verdict::Carry,
        }
    }
}

impl Network {
    fn holds(&self, address: IpAddr, port: u16) -> bool {
        if self.port.is_some_and(|only| only != port) {
            return false;
        }
        match (unmapped(self.address), address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => same_bits(
                u128::from(network.to_bits()),
                u128::from(address.to_bits()),
                32,
                self.prefix_bits,
            ),
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_bits(network.to_bits(), address.to_bits(), 128, self.prefix_bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// An IPv4 address that is written as an IPv6 one is that IPv4 address: to the kernel, too.
pub fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn same_bits(one: u128, other: u128, width: u32, prefix_bits: u8) -> bool {
    let shift = width.saturating_sub(u32::from(prefix_bits));
    one.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
}

fn never(address: IpAddr) -> Option<Reason> {
    match address {
        IpAddr::V4(address) => never_v4(address),
        IpAddr::V6(address) => never_v6(address),
    }
}

fn never_v4(address: Ipv4Addr) -> Option<Reason> {
    let [first, ..] = address.octets();
    if address.is_link_local() {
        Some(Reason::LinkLocal)
    } else if first == 0 || 224 <= first || address.is_documentation() {
        Some(Reason::NotAHost)
    } else {
        None
    }
}

fn never_v6(address: Ipv6Addr) -> Option<Reason> {
    // A cloud's metadata has a unique-local address besides the link-local one.
    const METADATA: [Ipv6Addr; 2] = [
        Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254),
        Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254),
    ];
    if address.is_unicast_link_local() || METADATA.contains(&address) {
        return Some(Reason::LinkLocal);
    }
    if address.is_unspecified()
        || address.is_multicast()
        || address.segments()[0] & 0xffc0 == 0xfec0
    {
        return Some(Reason::NotAHost);
    }
    // An IPv4 address in another dress reaches what that address reaches, through whoever translates.
    embedded_v4(address).and_then(|embedded| {
        never_v4(embedded).or_else(|| embedded.is_loopback().then_some(Reason::NotAHost))
    })
}

/// The IPv4 address inside one of a translation or tunnel: NAT64, 6to4, IPv4-compatible.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let bits = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(bits(high, low)),
        [0x2002, high, low, ..] => Some(bits(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(bits(high, low)),
        _ => None,
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            // 100.64.0.0/10 is shared address space, and a cloud's metadata for some; 198.18.0.0/15 is for benchmarks.
            address.is_private()
                || (first == 100 && second & 0xc0 == 64)
                || (first == 198 && second & 0xfe == 18)
                || (first == 192 && second == 0 && address.octets()[2] == 0)
        }
        IpAddr::V6(address) => {
            address.is_unique_local()
                || embedded_v4(address).is_some_and(|embedded| is_private(IpAddr::V4(embedded)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Policy {
        let mut policy = match text {
            "dev" => Policy::of_development(),
            _ => Policy::of_server(),
        };
        policy.own_ports = BTreeSet::from([3000, 4566]);
        policy.own_addresses = BTreeSet::from([
            "192.168.7.7".parse().unwrap(),
            "198.51.99.7".parse().unwrap(),
        ]);
        if text == "serve, 10.1.0.0/16 and loopback 5432 opened" {
            let network = |address: &str, prefix_bits, port| Network {
                address: address.parse().unwrap(),
                prefix_bits,
                port,
            };
            policy.opened = vec![
                network("10.1.0.0", 16, None),
                network("127.0.0.0", 8, Some(5432)),
                network("::", 0, Some(1)),
            ];
        }
        policy
    }

    fn check(which: &str, to: &str, expected: &str) {
        let verdict = match policy(which).decide(to.parse().unwrap()) {
            Verdict::Carry => "carried".to_owned(),
            Verdict::Refuse(reason) => format!("{reason:?}"),
        };
        assert_eq!(verdict, expected, "{which}: {to}");
    }

    #[test]
    fn the_internet_is_open() {
        for to in [
            "93.184.215.14:443",
            "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:443",
            "8.8.8.8:53",
        ] {
            check("dev", to, "carried");
            check("serve", to, "carried");
        }
    }

    #[test]
    fn link_local_addresses_are_never_reached() {
        for to in [
            "169.254.169.254:80",
            "169.254.170.2:80",
            "[fe80::1]:80",
            "[fd00:ec2::254]:80",
            "[::ffff:169.254.169.254]:80",
            "[64:ff9b::a9fe:a9fe]:80",
            "[2002:a9fe:a9fe::]:80",
            "[::169.254.169.254]:80",
        ] {
            check("dev", to, "LinkLocal");
            check("serve", to, "LinkLocal");
        }
    }

    #[test]
    fn our_own_ports_are_never_reached() {
        for to in [
            "127.0.0.1:4566",
            "127.9.9.9:3000",
            "[::1]:4566",
            "[::ffff:127.0.0.1]:3000",
            "192.168.7.7:4566",
            "198.51.99.7:3000",
        ] {
            check("dev", to, "Ours");
            check("serve", to, "Ours");
        }
        check("dev", "192.168.7.8:4566", "carried");
    }

    #[test]
    fn the_loopback_of_the_host_is_open_in_development_only() {
        for to in [
            "127.0.0.1:5432",
            "[::1]:5432",
            "[::ffff:127.0.0.1]:5432",
            "192.168.7.7:5432",
        ] {
            check("dev", to, "carried");
            check("serve", to, "Loopback");
        }
    }

    #[test]
    fn private_networks_are_open_in_development_only() {
        for to in [
            "10.0.0.1:1",
            "172.16.0.1:1",
            "192.168.1.1:1",
            "100.100.100.200:80",
            "[fd12::1]:1",
            "[::ffff:10.0.0.1]:1",
            "[64:ff9b::a00:1]:1",
        ] {
            check("dev", to, "carried");
            check("serve", to, "Private");
        }
        check("serve", "172.32.0.1:1", "carried");
        check("serve", "100.128.0.1:1", "carried");
    }

    #[test]
    fn a_server_opens_what_it_names() {
        let opened = "serve, 10.1.0.0/16 and loopback 5432 opened";
        check(opened, "10.1.255.255:9", "carried");
        check(opened, "[::ffff:10.1.2.3]:9", "carried");
        check(opened, "10.2.0.0:9", "Private");
        check(opened, "127.0.0.1:5432", "carried");
        check(opened, "127.0.0.1:5433", "Loopback");
        check(opened, "127.0.0.1:4566", "Ours");
        check(opened, "[fd12::1]:1", "carried");
        check(opened, "10.9.9.9:1", "Private");
    }

    #[test]
    fn nothing_opens_link_local_addresses_or_our_own_ports() {
        let everything =
            ["0.0.0.0", "::", "169.254.0.0", "fe80::", "127.0.0.0"].map(|address| Network {
                address: address.parse().unwrap(),
                prefix_bits: 0,
                port: None,
            });
        let opened = Policy {
            opened: everything.into(),
            ..policy("serve")
        };
        for (to, expected) in [
            ("169.254.169.254:80", Verdict::Refuse(Reason::LinkLocal)),
            (
                "[::ffff:169.254.169.254]:80",
                Verdict::Refuse(Reason::LinkLocal),
            ),
            ("[fe80::1]:80", Verdict::Refuse(Reason::LinkLocal)),
            ("[fd00:ec2::254]:80", Verdict::Refuse(Reason::LinkLocal)),
            ("127.0.0.1:4566", Verdict::Refuse(Reason::Ours)),
            ("192.168.7.7:3000", Verdict::Refuse(Reason::Ours)),
            ("10.0.0.1:80", Verdict::Carry),
            ("[::1]:5432", Verdict::Carry),
        ] {
            assert_eq!(opened.decide(to.parse().unwrap()), expected, "{to}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for to in [
            "0.0.0.0:80",
            "255.255.255.255:1",
            "224.0.0.1:1",
            "240.0.0.1:1",
            "192.0.2.1:443",
            "[::]:80",
            "[ff02::1]:1",
            "[64:ff9b::7f00:1]:1",
            "[fec0::1]:1",
        ] {
            check("dev", to, "NotAHost");
        }
    }
}
