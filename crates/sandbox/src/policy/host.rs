//! The host's own addresses.
//!
//! Lives here: reading them from the kernel's tables.
//! Does not live here: what is done about them (`policy`).

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses that are taken note of. A machine with more has them for what it serves, and each is looked up in a tree.
const ADDRESSES_MAX: usize = 4_096;

/// Every address of the host, its loopback included, as it is now.
pub fn own_addresses() -> BTreeSet<IpAddr> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (v4, v6) = (read("/proc/net/fib_trie"), read("/proc/net/if_inet6"));
    let v4 = v4_of(&v4).map(IpAddr::V4);
    v4.chain(v6_of(&v6).map(IpAddr::V6))
        .take(ADDRESSES_MAX)
        .collect()
}

/// A leaf is an address in a line of its own, and below it what it is.
fn v4_of(table: &str) -> impl Iterator<Item = Ipv4Addr> {
    let mut leaf = None;
    table.lines().filter_map(move |line| {
        let line = line.trim_start();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.trim().parse().ok();
            return None;
        }
        leaf.filter(|_| line.starts_with("/32 host LOCAL"))
    })
}

fn v6_of(table: &str) -> impl Iterator<Item = Ipv6Addr> {
    table.lines().filter_map(|line| {
        let digits = line.split_whitespace().next()?;
        let is_whole = digits.len() == 32;
        let bits = u128::from_str_radix(digits, 16).ok()?;
        is_whole.then(|| Ipv6Addr::from_bits(bits))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_found_in_the_kernels_tables() {
        let table = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 192.168.7.0
        /24 link UNICAST
Local:
  +-- 0.0.0.0/0 2 0 2
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 192.168.7.7
        /32 host LOCAL
     |-- 192.168.7.255
        /32 link BROADCAST
";
        let found: Vec<String> = v4_of(table).map(|it| it.to_string()).collect();
        assert_eq!(found, ["127.0.0.1", "192.168.7.7"]);
        let table = "fe80000000000000021122fffe334455 02 40 20 80     eth0\n00000000000000000000000000000001 01 80 10 80       lo\nnothing\n";
        let found: Vec<String> = v6_of(table).map(|it| it.to_string()).collect();
        assert_eq!(found, ["fe80::211:22ff:fe33:4455", "::1"]);
    }

    #[test]
    fn this_machine_has_its_loopback() {
        if cfg!(target_os = "linux") {
            assert!(own_addresses().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
        }
    }
}
