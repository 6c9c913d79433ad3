//! How functions are locked in here.
//!
//! Lives here: what `[sandbox]` sets, what is demanded of the machine, networks as they are written.
//! Does not live here: making sandboxes (`walls`, the crate `sandbox`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use runtimes::process::{LimitsKept, ProcessorTime};
use sandbox::policy::{Claims, Network, Policy};

/// What is asked of this machine before functions run on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Demands {
    /// A developer's own functions: what cannot be enforced is said once, and they run as any program.
    #[default]
    Development,
    /// Nothing, though it could do more: functions run as any program of the developer's does.
    Nothing,
    /// Other people's functions: without walls, or without limits that the kernel keeps, none of them runs.
    Server,
}

/// `[sandbox]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sandbox {
    /// What is asked of this machine.
    pub demands: Option<Demands>,
    /// Who keeps limits.
    pub limits: Option<LimitsKept>,
    /// How processor time is given.
    pub processor: Option<ProcessorTime>,
    /// Networks that are open whatever is demanded.
    pub open: Vec<Network>,
}

impl Sandbox {
    /// What is asked of this machine.
    #[must_use]
    pub fn demands(&self) -> Demands {
        self.demands.unwrap_or_default()
    }

    /// Who keeps limits.
    #[must_use]
    pub fn limits(&self) -> LimitsKept {
        self.limits.unwrap_or(match self.demands() {
            Demands::Development | Demands::Nothing => LimitsKept::AsCanBe,
            Demands::Server => LimitsKept::ByKernel,
        })
    }

    /// How processor time is given.
    #[must_use]
    pub fn processor(&self) -> ProcessorTime {
        self.processor.unwrap_or(match self.demands() {
            Demands::Development | Demands::Nothing => ProcessorTime::Free,
            Demands::Server => ProcessorTime::Rationed,
        })
    }

    /// What functions may reach outside their sandbox. `own_ports` are those that we listen on; others like us have their
    /// `claims`.
    #[must_use]
    pub fn policy(&self, own_ports: BTreeSet<u16>, claims: Option<Claims>) -> Policy {
        let policy = match self.demands() {
            Demands::Development | Demands::Nothing => Policy::of_development(),
            Demands::Server => Policy::of_server(),
        };
        Policy {
            own_ports,
            claims,
            opened: self.open.clone(),
            ..policy
        }
    }
}

/// `10.1.0.0/16`, `127.0.0.1:5432`, `fd00::/8`, `[fd00::/8]:5432`; a network without bits is one address.
pub(super) fn network(text: &str) -> Option<Network> {
    let (range, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (range, port) = rest.split_once(']')?;
            let port = match port {
                "" => None,
                port => Some(port.strip_prefix(':')?),
            };
            (range.contains(':').then_some(range)?, port)
        }
        // An address of the other family has more colons than one.
        None if text.matches(':').count() == 1 => {
            let (range, port) = text.split_once(':')?;
            (range, Some(port))
        }
        None => (text, None),
    };
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
        None => None,
    };
    let (address, bits) = match range.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (range, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    let prefix_bits = match bits {
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= bits_max)?,
        None => bits_max,
    };
    Some(Network {
        address,
        prefix_bits,
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, u8, Option<u16>)>) {
        let found = network(text).map(|it| (it.address.to_string(), it.prefix_bits, it.port));
        let expected = expected.map(|(address, bits, port)| (address.to_owned(), bits, port));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn networks_are_read_as_people_write_them() {
        check("10.1.0.0/16", Some(("10.1.0.0", 16, None)));
        check("127.0.0.1:5432", Some(("127.0.0.1", 32, Some(5432))));
        check("192.168.0.0/16:80", Some(("192.168.0.0", 16, Some(80))));
        check("fd00::/8", Some(("fd00::", 8, None)));
        check("::1", Some(("::1", 128, None)));
        check("[::1]:5432", Some(("::1", 128, Some(5432))));
        check("[fd00::/8]:5432", Some(("fd00::", 8, Some(5432))));
        check("[fd00::/8]", Some(("fd00::", 8, None)));
    }

    #[test]
    fn what_is_no_network_is_none() {
        for text in [
            "",
            "localhost",
            "localhost:5432",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0/8",
            "10.0.0.1:0",
            "10.0.0.1:65536",
            "10.0.0.1:",
            "[10.0.0.1]:80",
            "[::1]80",
            "[::1",
            "fd00::/129",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_server_demands_more_and_can_be_told_to_do_with_less() {
        let development = Sandbox::default();
        assert_eq!(
            (development.limits(), development.processor()),
            (LimitsKept::AsCanBe, ProcessorTime::Free)
        );
        let server = Sandbox {
            demands: Some(Demands::Server),
            ..Sandbox::default()
        };
        assert_eq!(
            (server.limits(), server.processor()),
            (LimitsKept::ByKernel, ProcessorTime::Rationed)
        );
        let told = Sandbox {
            limits: Some(LimitsKept::AsCanBe),
            processor: Some(ProcessorTime::Free),
            ..server
        };
        assert_eq!(
            (told.limits(), told.processor()),
            (LimitsKept::AsCanBe, ProcessorTime::Free)
        );
    }

    #[test]
    fn what_is_opened_is_open_but_for_our_own_ports() {
        use sandbox::policy::{Reason, Verdict};
        let server = Sandbox {
            demands: Some(Demands::Server),
            open: vec![
                network("127.0.0.1:5432").unwrap(),
                network("10.0.0.0/8").unwrap(),
            ],
            ..Sandbox::default()
        };
        let policy = server.policy(BTreeSet::from([4566]), None);
        for (to, expected) in [
            ("127.0.0.1:5432", Verdict::Carry),
            ("127.0.0.1:5433", Verdict::Refuse(Reason::Loopback)),
            ("10.2.3.4:1", Verdict::Carry),
            ("192.168.1.1:1", Verdict::Refuse(Reason::Private)),
            ("127.0.0.1:4566", Verdict::Refuse(Reason::Ours)),
            ("169.254.169.254:80", Verdict::Refuse(Reason::LinkLocal)),
        ] {
            assert_eq!(policy.decide(to.parse().unwrap()), expected, "{to}");
        }
    }
}
