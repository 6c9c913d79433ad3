//! What a connection to outside costs from within a sandbox.
//!
//! Lives here: the function that measures it from where it is, and the server that it connects to.
//! Does not live here: how connections are carried.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{TURNS, median, servers};
use crate::bench::goals::{Row, at_most};
use crate::bench::peers::Peers;
use crate::http::{self, Connection};

const CODE: &str = "
import socket, time

def p50(times): return sorted(times)[len(times) // 2] * 1e6

def handler(event, context):
    address = (event['host'], event['port'])
    connects, kept = [], []
    for _ in range(300):
        start = time.perf_counter()
        one = socket.socket(); one.connect(address)
        connects.append(time.perf_counter() - start)
        one.sendall(b'ping'); one.recv(4); one.close()
    one = socket.create_connection(address); one.setsockopt(6, 1, 1)
    for _ in range(2000):
        start = time.perf_counter()
        one.sendall(b'ping'); one.recv(4)
        kept.append(time.perf_counter() - start)
    return {'connect': p50(connects), 'kept': p50(kept)}
";

pub(super) fn measure(peers: &Peers) -> Result<Vec<Row>> {
    let (host, port) = answer()?;
    let folder = peers.folder("sandbox-network")?;
    std::fs::write(folder.join("reach.py"), CODE)?;
    let manifest = format!(
        "service: network\nprovider: {{ name: aws, runtime: {} }}\nfunctions:\n  reach:\n    handler: reach.handler\n    timeout: 60\n",
        peers.python_runtime()
    );
    std::fs::write(folder.join("serverless.yml"), manifest)?;
    let both = servers(peers, &folder)?;
    let event = format!(r#"{{"host":"{host}","port":{port}}}"#);
    let (mut connect, mut kept): ([Vec<f64>; 2], [Vec<f64>; 2]) = Default::default();
    for _ in 0..TURNS {
        for (index, dev) in both.each().into_iter().enumerate() {
            let mut connection = Connection::open(dev.services_port)?;
            let request = http::invoke("network-dev-reach", &event);
            let (reply, _) = connection.exchange(&request)?;
            ensure!(reply.is_success(), "a call failed: {}", reply.body);
            let said: Value = serde_json::from_str(&reply.body)?;
            for (all, name) in [(&mut connect, "connect"), (&mut kept, "kept")] {
                let found = said.get(name).and_then(Value::as_f64);
                let found = found.with_context(|| format!("a function said: {}", reply.body))?;
                all.get_mut(index).context("no place")?.push(found);
            }
        }
    }
    let row = |what: &str, all: [Vec<f64>; 2], bar| {
        let [without, with] = all.map(median);
        let more = with - without;
        let text = format!("{more:.0} µs more (p50 with {with:.0} µs, without {without:.0} µs)");
        Row::new(
            what,
            text,
            vec![(more, at_most("", Some(bar), None, " µs"))],
        )
    };
    Ok(vec![
        row(
            "`connect` to an address outside, from Python",
            connect,
            100.0,
        ),
        row(
            "a request of 4 bytes on a kept connection there, from Python",
            kept,
            50.0,
        ),
    ])
}

/// A server outside that answers four bytes with four: on the machine's own address, where it has one besides the
/// loopback's, all of which are outside to a sandbox as well.
fn answer() -> Result<(IpAddr, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let port = listener.local_addr()?.port();
    // Nothing is sent: it is only asked which address would be used.
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let own = probe
        .connect((Ipv4Addr::new(192, 0, 2, 1), 9))
        .and_then(|()| probe.local_addr());
    // Some addresses are nobody's, and so refused, though a virtual machine may have one.
    let is_hosts = |own: &IpAddr| match own {
        IpAddr::V4(own) => !own.is_documentation() && !own.is_link_local(),
        IpAddr::V6(_) => false,
    };
    let own = own.map(|own| own.ip()).ok().filter(is_hosts);
    let host = own.unwrap_or(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.set_nodelay(true);
            std::thread::spawn(move || {
                let mut asked = [0; 4];
                while stream.read_exact(&mut asked).is_ok() && stream.write_all(b"pong").is_ok() {}
            });
        }
    });
    Ok((host, port))
}
