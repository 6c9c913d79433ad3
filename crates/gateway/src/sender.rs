//! Whom a request is from: its address, and what it says of its way here.
//!
//! Lives here: trusted proxies, `X-Forwarded-*` as they came, the source address.
//! Does not live here: who calls (`caller`), how events show it (`events::headers`).
//!
//! Contract: the cloud takes the address of whoever connects to it, and adds it behind what `X-Forwarded-For` says. Here
//! something that the user trusts may stand between: then its word counts as far as it, and those it trusts, wrote it.
//! What anybody else sent under these names proves nothing.

use std::net::{IpAddr, SocketAddr};

use model::digits;
use policy::AddressRange;

use crate::events::header_text;
use crate::http::{Headers, Scheme};

/// Hops that are looked at from the nearest on; those before prove nothing any more.
const HOPS_MAX: usize = 64;

/// Proxies whose `X-Forwarded-*` are believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    ranges: Vec<AddressRange>,
}

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sender {
    /// The nearest address that is no trusted proxy's.
    pub(crate) source_ip: IpAddr,
    /// What it says of its way here.
    pub(crate) forwarded: Forwarded,
}

/// What `X-Forwarded-*` of an event say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forwarded {
    /// The hops up to the source, itself included.
    pub(crate) hops: String,
    /// What the client spoke to us, or to the proxy.
    pub(crate) scheme: Scheme,
    /// The port that the client called.
    pub(crate) port: String,
}

impl Forwarded {
    /// The source, as a text.
    pub(crate) fn source(&self) -> &str {
        let last = self.hops.rsplit_once(", ");
        last.map_or(self.hops.as_str(), |(_, last)| last)
    }
}

impl TrustedProxies {
    /// Trusts proxies in these ranges.
    #[must_use]
    pub fn new(ranges: Vec<AddressRange>) -> Self {
        Self { ranges }
    }

    /// Where a request came from that `peer` brought.
    pub(crate) fn sender(&self, peer: SocketAddr, scheme: Scheme, headers: &Headers) -> Sender {
        let sent: Vec<_> = headers
            .get_all("x-forwarded-for")
            .map(header_text)
            .collect();
        let sent: Vec<&str> = sent.iter().flat_map(|value| value.split(',')).collect();
        let sent: Vec<&str> = sent.into_iter().map(str::trim).collect();
        let mut source_ip = peer.ip().to_canonical();
        let mut before = sent.as_slice();
        for _hop in 0..HOPS_MAX {
            let Some((last, rest)) = before.split_last() else {
                break;
            };
            let Some(named) = address(last).filter(|_| self.holds(source_ip)) else {
                break;
            };
            (source_ip, before) = (named, rest);
        }
        let mut hops: String = before.iter().flat_map(|hop| [*hop, ", "]).collect();
        push_address(&mut hops, source_ip);
        let is_behind = self.holds(peer.ip().to_canonical());
        let said = |name: &str| headers.text(name).filter(|_| is_behind);
        let scheme = match said("x-forwarded-proto") {
            Some(said) if said.eq_ignore_ascii_case("https") => Scheme::Https,
            Some(said) if said.eq_ignore_ascii_case("http") => Scheme::Http,
            Some(_) | None => scheme,
        };
        let port = said("x-forwarded-port").filter(|port| is_port(port));
        let forwarded = Forwarded {
            hops,
            scheme,
            port: port.map_or_else(|| port_of_host(headers, scheme), str::to_owned),
        };
        Sender {
            source_ip,
            forwarded,
        }
    }

    fn holds(&self, address: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.holds(address))
    }
}

/// An address as proxies write it, with a port at times.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let plain = bare.parse::<IpAddr>().ok();
    let address = plain.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

/// Adds an address to a text. Each request shows one.
fn push_address(text: &mut String, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        text.push_str(&address.to_string());
        return;
    };
    for (part, place) in address.octets().into_iter().zip(0..) {
        if 0 < place {
            text.push('.');
        }
        digits::push(text, u64::from(part));
    }
}

/// The port that the client called, as its `Host` says.
fn port_of_host(headers: &Headers, scheme: Scheme) -> String {
    let host = headers.text("host").unwrap_or_default();
    let port = host.rsplit_once(':').map(|(_, port)| port);
    let usual = match scheme {
        Scheme::Http => "80",
        Scheme::Https => "443",
    };
    port.filter(|port| is_port(port))
        .unwrap_or(usual)
        .to_owned()
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<u16>().is_ok_and(|port| port != 0)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn sender(peer: &str, sent: &[(&str, &str)]) -> Sender {
        let ranges = ["10.0.0.0/8", "fd00::/8"].map(|text| AddressRange::read(text).unwrap());
        let proxies = TrustedProxies::new(ranges.to_vec());
        let mut headers = Headers::new();
        for (name, value) in sent {
            headers.push(name, HeaderValue::from_str(value).unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 40_000);
        proxies.sender(peer, Scheme::Http, &headers)
    }

    #[test]
    fn the_source_is_the_nearest_address_that_is_no_proxys() {
        for (peer, sent, source, shown) in [
            ("203.0.113.9", "", "203.0.113.9", "203.0.113.9"),
            (
                "203.0.113.9",
                "198.51.100.1",
                "203.0.113.9",
                "198.51.100.1, 203.0.113.9",
            ),
            ("10.0.0.1", "203.0.113.9", "203.0.113.9", "203.0.113.9"),
            (
                "10.0.0.1",
                "6.6.6.6, 203.0.113.9",
                "203.0.113.9",
                "6.6.6.6, 203.0.113.9",
            ),
            (
                "10.0.0.1",
                "6.6.6.6, 203.0.113.9, 10.9.9.9",
                "203.0.113.9",
                "6.6.6.6, 203.0.113.9",
            ),
            ("10.0.0.1", "10.0.0.7,10.0.0.8", "10.0.0.7", "10.0.0.7"),
            (
                "10.0.0.1",
                "203.0.113.9, evil",
                "10.0.0.1",
                "203.0.113.9, evil, 10.0.0.1",
            ),
            ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9", "203.0.113.9"),
            ("fd00::1", "[2001:db8::1]:80", "2001:db8::1", "2001:db8::1"),
            (
                "::ffff:10.0.0.1",
                "203.0.113.9",
                "203.0.113.9",
                "203.0.113.9",
            ),
        ] {
            let headers: Vec<_> = [("X-Forwarded-For", sent)]
                .into_iter()
                .filter(|_| !sent.is_empty())
                .collect();
            let found = sender(peer, &headers);
            assert_eq!(found.source_ip.to_string(), source, "{peer} {sent}");
            assert_eq!(found.forwarded.hops, shown, "{peer} {sent}");
        }
        let twice = [
            ("x-forwarded-for", "6.6.6.6"),
            ("X-Forwarded-For", "203.0.113.9"),
        ];
        assert_eq!(
            sender("10.0.0.1", &twice).source_ip.to_string(),
            "203.0.113.9"
        );
    }

    #[test]
    fn scheme_and_port_are_believed_of_a_trusted_proxy_alone() {
        let sent = [
            ("Host", "api.example.com"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Port", "8443"),
        ];
        let behind = sender("10.0.0.1", &sent).forwarded;
        assert_eq!(
            (behind.scheme, behind.port.as_str()),
            (Scheme::Https, "8443")
        );
        let without_port = sender("10.0.0.1", &sent[..2]).forwarded;
        assert_eq!(without_port.port, "443");
        let stranger = sender("203.0.113.9", &sent).forwarded;
        assert_eq!(
            (stranger.scheme, stranger.port.as_str()),
            (Scheme::Http, "80")
        );
        let odd = sender(
            "10.0.0.1",
            &[
                ("X-Forwarded-Proto", "gopher"),
                ("X-Forwarded-Port", "x"),
                ("Host", "a:99999"),
            ],
        )
        .forwarded;
        assert_eq!((odd.scheme, odd.port.as_str()), (Scheme::Http, "80"));
    }
}
