//! What a process inside reaches of the network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;

use common::Box;
use sandbox::policy::{Network, Policy};

/// A server on the host that answers every connection with who asked, and every datagram with itself.
fn host(address: &str) -> SocketAddr {
    let streams = TcpListener::bind(address).unwrap();
    let at = streams.local_addr().unwrap();
    let datagrams = UdpSocket::bind(at).unwrap();
    thread::spawn(move || {
        for stream in streams.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut asked = [0; 4];
                while stream.read_exact(&mut asked).is_ok() {
                    if stream.write_all(b"host").is_err() {
                        return;
                    }
                }
            });
        }
    });
    thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        while let Ok((count, from)) = datagrams.recv_from(&mut buffer) {
            datagrams.send_to(&buffer[..count], from).unwrap();
        }
    });
    at
}

/// The stand-in for the internet: an address of the loopback that the policy opens by name.
fn outside() -> (SocketAddr, Policy) {
    let at = host("127.0.0.2:0");
    let opened = vec![Network {
        address: at.ip(),
        prefix_bits: 32,
        port: None,
    }];
    (
        at,
        Policy {
            opened,
            ..Policy::of_server()
        },
    )
}

const CLIENTS: &str = "
import socket, sys, errno
def ask(address, family=socket.AF_INET):
    s = socket.socket(family); s.settimeout(5)
    code = s.connect_ex(address)
    if code: return errno.errorcode[code]
    try:
        s.sendall(b'ping'); return s.recv(4).decode() or 'closed'
    except OSError as error:
        return errno.errorcode[error.errno]
def tell(address, how='sendto', family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(1)
    try:
        if how == 'sendto': s.sendto(b'ping', address)
        elif how == 'sendmsg': s.sendmsg([b'ping'], [], 0, address)
        else:
            s.connect(address); s.send(b'ping')
        data, peer = s.recvfrom(10)
        return data.decode(), peer[:2] == address[:2] or peer[1] == address[1]
    except socket.timeout: return 'nothing'
    except OSError as error: return errno.errorcode[error.errno]
";

#[test]
fn connections_and_datagrams_are_carried_out() {
    let (at, policy) = outside();
    let inside = Box::new().open(policy);
    let port = at.port();
    let code = format!(
        "{CLIENTS}
there = ('127.0.0.2', {port})
print(ask(there), ask(there))
print(ask(('::ffff:127.0.0.2', {port}), socket.AF_INET6))
for how in ('sendto', 'sendmsg', 'connect'): print(tell(there, how))
print(tell(('::ffff:127.0.0.2', {port}), 'sendto', socket.AF_INET6))
s = socket.create_connection(there); print(s.getpeername() == there)
"
    );
    assert_eq!(
        inside.python(&code),
        "host host\nhost\n('ping', True)\n('ping', True)\n('ping', True)\n('ping', True)\nTrue"
    );
}

#[test]
fn what_the_policy_refuses_fails_at_once() {
    let secret = host("127.0.0.1:0");
    let inside = Box::new().open(Policy::of_server());
    let code = format!(
        "{CLIENTS}
import time
start = time.monotonic()
for address in (('169.254.169.254', 80), ('127.0.0.1', {port}), ('127.9.9.9', {port}), ('0.0.0.0', {port}), ('10.0.0.1', 80), ('192.168.0.1', 80), ('100.64.0.1', 80)):
    print(ask(address), tell(address))
for address in (('::1', {port}), ('fe80::1', 80, 0, 1), ('fd00:ec2::254', 80), ('::ffff:169.254.169.254', 80), ('::ffff:127.0.0.1', {port}), ('fc00::1', 80)):
    print(ask(address, socket.AF_INET6))
print(time.monotonic() - start < 5)
",
        port = secret.port()
    );
    let text = inside.python(&code);
    for line in text.lines().filter(|line| *line != "True") {
        // A datagram to a closed port of the loopback is lost without a word, as on any machine.
        assert!(
            matches!(
                line,
                "ECONNREFUSED" | "ECONNREFUSED ECONNREFUSED" | "ECONNREFUSED nothing"
            ),
            "{text}"
        );
    }
    assert!(text.ends_with("True"), "{text}");
}

#[test]
fn in_development_the_loopback_of_the_host_is_open_but_for_our_own_ports() {
    let database = host("127.0.0.1:0");
    let door = host("127.0.0.1:0");
    let mut policy = Policy::of_development();
    policy.own_ports.insert(door.port());
    let inside = Box::new().open(policy);
    let code = format!(
        "{CLIENTS}
print(ask(('127.0.0.1', {open})), ask(('::ffff:127.0.0.1', {open}), socket.AF_INET6), tell(('127.0.0.1', {open})))
print(ask(('127.0.0.1', {door})), ask(('127.0.0.3', {door})), ask(('0.0.0.0', {door})), tell(('127.0.0.1', {door})))
",
        open = database.port(),
        door = door.port()
    );
    let text = inside.python(&code);
    assert_eq!(
        text,
        "host host ('ping', True)\nECONNREFUSED ECONNREFUSED ECONNREFUSED nothing"
    );
}

#[test]
fn the_hosts_ipv6_is_carried_in_development_and_link_local_addresses_are_refused_at_once() {
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let database = host("[::1]:0");
    let inside = Box::new().open(Policy::of_development());
    let code = format!(
        "{CLIENTS}
import time
v6 = socket.AF_INET6
print(ask(('::1', {port}), v6), *(tell(('::1', {port}), how, v6) for how in ('sendto', 'sendmsg', 'connect')))
start = time.monotonic()
for address in ('169.254.169.254', '169.254.170.2'):
    print(ask((address, 80)), ask(('::ffff:' + address, 80), v6))
print(ask(('fe80::1', 80, 0, 1), v6), ask(('fd00:ec2::254', 80), v6))
print(time.monotonic() - start < 0.5)
for how in ('sendto', 'sendmsg', 'connect'):
    print(tell(('169.254.169.254', 53), how), tell(('::ffff:169.254.169.254', 53), how, v6), tell(('fd00:ec2::254', 53), how, v6))
",
        port = database.port()
    );
    let echo = "('ping', True)";
    let mut expected = vec![format!("host {echo} {echo} {echo}")];
    expected.extend(["ECONNREFUSED ECONNREFUSED"; 3].map(str::to_owned));
    expected.push("True".to_owned());
    expected.extend(["ECONNREFUSED ECONNREFUSED ECONNREFUSED"; 3].map(str::to_owned));
    assert_eq!(inside.python(&code).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_function_waits_for_a_server_of_its_own_on_a_port_that_stays_free() {
    let inside = Box::new().open(Policy::of_development());
    let code = format!(
        "{CLIENTS}
import threading
print(ask(('127.0.0.1', 18734)))
server = socket.create_server(('127.0.0.1', 18734))
def serve():
    s, _ = server.accept(); s.recv(4); s.sendall(b'mine')
threading.Thread(target=serve).start()
print(ask(('127.0.0.1', 18734)))
"
    );
    assert_eq!(inside.python(&code), "ECONNREFUSED\nmine");
}

#[test]
fn many_connect_at_once_and_all_are_carried() {
    let (at, policy) = outside();
    let inside = Box::new().open(policy);
    let code = format!(
        "{CLIENTS}
import threading
results = []
threads = [threading.Thread(target=lambda: results.append(ask(('127.0.0.2', {})))) for _ in range(150)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(results), set(results))
",
        at.port()
    );
    assert_eq!(inside.python(&code), "150 {'host'}");
}

#[test]
fn an_outside_port_that_is_closed_shows_as_a_reset() {
    let (_, policy) = outside();
    let inside = Box::new().open(policy);
    let code = format!("{CLIENTS}\nprint(ask(('127.0.0.2', 9)))");
    let text = inside.python(&code);
    assert!(
        text == "ECONNRESET" || text == "ECONNREFUSED" || text == "EPIPE",
        "{text}"
    );
}

#[test]
fn a_large_body_comes_through_whole() {
    let server = TcpListener::bind("127.0.0.2:0").unwrap();
    let at = server.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let part = vec![7u8; 1 << 20];
        for _ in 0..64 {
            stream.write_all(&part).unwrap();
        }
    });
    let opened = vec![Network {
        address: at.ip(),
        prefix_bits: 32,
        port: None,
    }];
    let inside = Box::new().open(Policy {
        opened,
        ..Policy::of_server()
    });
    let code = format!(
        "
import socket
s = socket.create_connection(('127.0.0.2', {})); n = 0
while data := s.recv(1 << 20):
    assert not data.strip(b'\\7'); n += len(data)
print(n >> 20)",
        at.port()
    );
    assert_eq!(inside.python(&code), "64");
}

#[test]
fn names_of_the_cloud_are_inside_and_others_are_as_on_the_host() {
    let mut inside = Box::new();
    let datagrams = inside
        .sandbox
        .take_listener(common::listen(
            "127.0.0.1:53",
            sandbox::SocketKind::Datagram,
        ))
        .unwrap();
    let connections = inside
        .sandbox
        .take_listener(common::listen("127.0.0.1:53", sandbox::SocketKind::Stream))
        .unwrap();
    let resolver = sandbox::Resolver::new(["amazonaws.com".to_owned()], None);
    let serving = inside.runtime.spawn(resolver.serve(datagrams, connections));
    let code = "
import socket, struct
def look(name):
    try: return sorted({a[4][0] for a in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)})
    except socket.gaierror as error: return error.errno
print(look('s3.eu-west-1.amazonaws.com'), look('x.execute-api.eu-west-1.amazonaws.com'), look('nothing.invalid') < 0)
def ask(kind, stream):
    message = bytes([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + b'\\x09amazonaws\\x03com\\0' + struct.pack('!HH', kind, 1)
    if stream:
        s = socket.create_connection(('127.0.0.1', 53), 2); s.sendall(struct.pack('!H', len(message)) + message)
        answer = s.recv(600)[2:]
    else:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); s.sendto(message, ('127.0.0.1', 53))
        answer = s.recv(600)
    return answer[3] & 15, answer[7], answer[-4:] if answer[7] else None
print(ask(1, False), ask(1, True), ask(28, False), ask(65, False))
";
    let text = inside.python(&code.replace("\\\\", "\\"));
    serving.abort();
    let address = "b'\\xc0\\x00\\x02\\x01'";
    assert_eq!(
        text,
        format!(
            "['192.0.2.1'] ['192.0.2.1'] True\n(0, 1, {address}) (0, 1, {address}) (0, 0, None) (0, 0, None)"
        )
    );
}

#[test]
fn sockets_of_its_own_work_by_name_and_by_path() {
    let inside = Box::new();
    let code = "
import socket, os, threading
os.chdir('/tmp')
for name in ('\\0abstract', '/tmp/socket', 'relative', '/tmp/./x'):
    server = socket.socket(socket.AF_UNIX); server.bind(name); server.listen()
    client = socket.socket(socket.AF_UNIX); client.settimeout(2); client.connect(name)
    server.accept()[0].sendall(b'mine'); print(client.recv(4))
try: socket.socket(socket.AF_UNIX).connect('/tmp/nothing')
except OSError as error: print(error.strerror)
";
    assert_eq!(
        inside.python(code),
        "b'mine'\nb'mine'\nb'mine'\nb'mine'\nNo such file or directory"
    );
}

#[test]
fn all_of_it_holds_for_an_ordinary_user_too() {
    common::again_as_an_ordinary_user("all_of_it_holds_for_an_ordinary_user_too");
}
