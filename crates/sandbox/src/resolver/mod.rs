//! The resolver inside a sandbox: names of the cloud are us, others are asked of the host.
//!
//! Lives here: serving one sandbox's port 53, what a name resolves to, the cache.
//! Does not live here: the bytes of messages (`message`), whether an address may be reached: that is decided by the
//! address, when it is connected to, so a name that changes its address gains nothing.

mod message;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::egress::has_route;
use message::{
    DATAGRAM_BYTES_MAX, Outcome, Question, TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_ZONE_TRANSFER,
};

/// Names that are remembered. When they are more, those that are out of date go first, then all.
const CACHE_NAMES_MAX: usize = 1_024;
/// How long a name is remembered: the host's resolver does not say how long it may be.
const FOUND_FOR: Duration = Duration::from_secs(10);
const NOT_FOUND_FOR: Duration = Duration::from_secs(2);
/// Questions of one sandbox that are being answered at once. More wait in the socket, and then are lost.
const ASKED_MAX: usize = 128;
/// Names that the host's resolver is asked for at once: by one sandbox, and by all. Each holds a thread until the host's
/// resolver has given up, long after we have; and those threads are what sandboxes are made by, too.
const LOOKUPS_MAX: usize = 16;
const LOOKUPS_OF_ALL_MAX: usize = 128;
/// How long the host's resolver may take: less than a client's own patience.
const LOOKUP_WAIT_MAX: Duration = Duration::from_secs(4);
const QUESTION_BYTES_MAX: usize = 4096;
/// How long a connection may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const PORT: u16 = 53;

/// What the cloud's own names are inside: an address that belongs to nobody outside, so that a port at which we do not
/// listen is nobody's either.
///
/// Contract: RFC 5737, "IPv4 Address Blocks Reserved for Documentation".
pub const CLOUD_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Resolves names for sandboxes. One for all of them: they share what is remembered.
pub struct Resolver {
    /// Suffixes of host names that are us: `amazonaws.com` is also every name below it.
    ours: Vec<String>,
    /// Who is asked for what is no address: other kinds of records.
    upstream: Option<SocketAddr>,
    cache: Mutex<HashMap<String, Remembered>>,
    /// For lookups of all sandboxes.
    lookups: Arc<Semaphore>,
}

#[derive(Clone)]
struct Remembered {
    until: Instant,
    addresses: Arc<[IpAddr]>,
}

impl Resolver {
    /// Names that end in one of `ours` are [`CLOUD_ADDRESS`], where we listen inside. `upstream` is the host's own name server,
    /// see [`upstream_of`].
    pub fn new(ours: impl IntoIterator<Item = String>, upstream: Option<SocketAddr>) -> Arc<Self> {
        let ours = ours
            .into_iter()
            .map(|suffix| suffix.to_ascii_lowercase())
            .collect();
        Arc::new(Self {
            ours,
            upstream,
            cache: Mutex::default(),
            lookups: Arc::new(Semaphore::new(LOOKUPS_OF_ALL_MAX)),
        })
    }

    /// Answers on a sandbox's two sockets until it is dropped.
    ///
    /// # Errors
    /// A socket could not be watched.
    pub async fn serve(
        self: Arc<Self>,
        datagrams: OwnedFd,
        connections: OwnedFd,
    ) -> io::Result<()> {
        let datagrams = Arc::new(UdpSocket::from_std(datagrams.into())?);
        let connections = TcpListener::from_std(connections.into())?;
        let room = Arc::new(Semaphore::new(ASKED_MAX));
        let lookups = Arc::new(Semaphore::new(LOOKUPS_MAX));
        let mut tasks = JoinSet::new();
        let mut buffer = vec![0; QUESTION_BYTES_MAX];
        loop {
            while tasks.try_join_next().is_some() {}
            // Nobody closes it.
            let Ok(permit) = room.clone().acquire_owned().await else {
                return Ok(());
            };
            tokio::select! {
                received = datagrams.recv_from(&mut buffer) => {
                    let Ok((count, from)) = received else {
                        continue;
                    };
                    let asked = buffer.get(..count).unwrap_or_default().to_vec();
                    let (resolver, socket) = (self.clone(), datagrams.clone());
                    let lookups = lookups.clone();
                    tasks.spawn(async move {
                        if let Some(answer) = resolver.answer(&asked, Transport::Datagram, &lookups).await {
                            // Whoever asked may have gone.
                            let _ = socket.send_to(&answer, from).await;
                        }
                        drop(permit);
                    });
                }
                accepted = connections.accept() => match accepted {
                    Ok((stream, _)) => {
                        let (resolver, lookups) = (self.clone(), lookups.clone());
                        tasks.spawn(async move {
                            // One that breaks off is its own loss.
                            let _ = resolver.converse(stream, &lookups).await;
                            drop(permit);
                        });
                    }
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                },
            }
        }
    }

    async fn converse(&self, mut stream: TcpStream, lookups: &Arc<Semaphore>) -> io::Result<()> {
        loop {
            let length = timeout(SILENCE_MAX, stream.read_u16()).await??;
            let mut asked = vec![0; usize::from(length)];
            timeout(SILENCE_MAX, stream.read_exact(&mut asked)).await??;
            let Some(answer) = self.answer(&asked, Transport::Stream, lookups).await else {
                return Ok(());
            };
            let mut framed = (answer.len() as u16).to_be_bytes().to_vec();
            framed.extend(answer);
            timeout(SILENCE_MAX, stream.write_all(&framed)).await??;
        }
    }

    /// The answer to a message; nothing for what is no question.
    async fn answer(
        &self,
        asked: &[u8],
        transport: Transport,
        lookups: &Arc<Semaphore>,
    ) -> Option<Vec<u8>> {
        let question = Question::read(asked)?;
        let bytes_max = match transport {
            Transport::Datagram => DATAGRAM_BYTES_MAX,
            Transport::Stream => usize::from(u16::MAX),
        };
        let answer = |outcome, addresses: &[IpAddr]| {
            Some(question.answer(outcome, addresses, FOUND_FOR.as_secs() as u32, bytes_max))
        };
        if self.is_ours(&question.name) {
            return answer(Outcome::Found, &[IpAddr::V4(CLOUD_ADDRESS)]);
        }
        match question.kind {
            TYPE_A | TYPE_AAAA => match self.look_up(&question.name, lookups).await {
                Ok(addresses) if addresses.is_empty() => answer(Outcome::NoSuchName, &[]),
                Ok(addresses) => answer(Outcome::Found, &addresses),
                Err(Unanswered) => answer(Outcome::Failed, &[]),
            },
            TYPE_ZONE_TRANSFER | TYPE_ANY => answer(Outcome::NotDone, &[]),
            _ => match self.upstream {
                Some(upstream) => match ask_upstream(upstream, asked, &question, transport).await {
                    Some(message) => Some(message),
                    None => answer(Outcome::Failed, &[]),
                },
                None => answer(Outcome::NotDone, &[]),
            },
        }
    }

    fn is_ours(&self, name: &str) -> bool {
        self.ours.iter().any(|suffix| {
            name.strip_suffix(suffix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }

    /// Every address of a name that the host has a way to; none for a name that does not exist.
    async fn look_up(
        &self,
        name: &str,
        lookups: &Arc<Semaphore>,
    ) -> Result<Arc<[IpAddr]>, Unanswered> {
        if let Some(known) = self
            .cache()
            .get(name)
            .filter(|known| Instant::now() < known.until)
        {
            return Ok(known.addresses.clone());
        }
        let found = timeout(LOOKUP_WAIT_MAX, self.ask_host(name, lookups)).await;
        let mut addresses = found.map_err(|_| Unanswered)??;
        // Inside, an address that leads nowhere looks connected until it is reset: clients would not try the next one.
        let has_any = !addresses.is_empty();
        addresses.retain(|address| address.is_ipv4() || has_route(SocketAddr::new(*address, PORT)));
        if has_any && addresses.is_empty() {
            return Err(Unanswered);
        }
        let addresses: Arc<[IpAddr]> = addresses.into();
        let lasts = if addresses.is_empty() {
            NOT_FOUND_FOR
        } else {
            FOUND_FOR
        };
        self.remember(
            name,
            Remembered {
                until: Instant::now() + lasts,
                addresses: addresses.clone(),
            },
        );
        Ok(addresses)
    }

    /// What the host's resolver says, on a thread that is counted until it has said it.
    async fn ask_host(
        &self,
        name: &str,
        lookups: &Arc<Semaphore>,
    ) -> Result<Vec<IpAddr>, Unanswered> {
        let own = lookups.clone().acquire_owned().await;
        let of_all = self.lookups.clone().acquire_owned().await;
        let (Ok(own), Ok(of_all)) = (own, of_all) else {
            return Err(Unanswered);
        };
        let name = name.to_owned();
        let asking = tokio::task::spawn_blocking(move || {
            let _counted = (own, of_all);
            let found = (name.as_str(), PORT).to_socket_addrs();
            found.map_or_else(
                |_| Vec::new(),
                |found| found.map(|address| address.ip()).collect(),
            )
        });
        asking.await.map_err(|_| Unanswered)
    }

    fn remember(&self, name: &str, remembered: Remembered) {
        let mut cache = self.cache();
        if CACHE_NAMES_MAX <= cache.len() {
            let now = Instant::now();
            cache.retain(|_, known| now < known.until);
        }
        if CACHE_NAMES_MAX <= cache.len() {
            cache.clear();
        }
        cache.insert(name.to_owned(), remembered);
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The host's resolver did not answer in time.
struct Unanswered;

#[derive(Clone, Copy)]
enum Transport {
    Datagram,
    Stream,
}

/// The name server of a host, from the text of its `/etc/resolv.conf`.
pub fn upstream_of(text: &str) -> Option<SocketAddr> {
    let mut servers = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"));
    servers
        .find_map(|rest| rest.split_whitespace().next()?.parse::<IpAddr>().ok())
        .map(|address| SocketAddr::new(address, PORT))
}

async fn ask_upstream(
    to: SocketAddr,
    asked: &[u8],
    question: &Question,
    transport: Transport,
) -> Option<Vec<u8>> {
    let exchange = async {
        match transport {
            Transport::Datagram => {
                let any = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
                let socket = UdpSocket::bind(any).await.ok()?;
                socket.connect(to).await.ok()?;
                socket.send(asked).await.ok()?;
                let mut buffer = vec![0; QUESTION_BYTES_MAX];
                loop {
                    let count = socket.recv(&mut buffer).await.ok()?;
                    let message = buffer.get(..count)?;
                    if question.is_answered_by(message) {
                        return Some(message.to_vec());
                    }
                }
            }
            Transport::Stream => {
                let mut stream = TcpStream::connect(to).await.ok()?;
                stream
                    .write_u16(u16::try_from(asked.len()).ok()?)
                    .await
                    .ok()?;
                stream.write_all(asked).await.ok()?;
                let mut message = vec![0; usize::from(stream.read_u16().await.ok()?)];
                stream.read_exact(&mut message).await.ok()?;
                question.is_answered_by(&message).then_some(message)
            }
        }
    };
    timeout(LOOKUP_WAIT_MAX, exchange).await.ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_cloud_are_ours_and_others_are_not() {
        let resolver = Resolver::new(["amazonaws.com".to_owned()], None);
        for name in [
            "amazonaws.com",
            "s3.amazonaws.com",
            "abc.execute-api.eu-west-1.amazonaws.com",
        ] {
            assert!(resolver.is_ours(name), "{name}");
        }
        for name in ["notamazonaws.com", "amazonaws.com.evil.example", "com", ""] {
            assert!(!resolver.is_ours(name), "{name}");
        }
    }

    #[tokio::test]
    async fn a_lookup_waits_for_its_own_place_and_for_one_of_all() {
        let resolver = Resolver::new([], None);
        let own = Arc::new(Semaphore::new(LOOKUPS_MAX));
        let short = Duration::from_millis(50);
        assert!(
            resolver
                .ask_host("localhost", &own)
                .await
                .is_ok_and(|found| !found.is_empty())
        );
        let all = own.clone().acquire_many_owned(LOOKUPS_MAX as u32).await;
        assert!(
            timeout(short, resolver.ask_host("localhost", &own))
                .await
                .is_err()
        );
        let beside = Arc::new(Semaphore::new(LOOKUPS_MAX));
        assert!(resolver.ask_host("localhost", &beside).await.is_ok());
        drop(all);
        assert!(resolver.ask_host("localhost", &own).await.is_ok());
        let of_all = LOOKUPS_OF_ALL_MAX as u32;
        let _all = resolver.lookups.clone().acquire_many_owned(of_all).await;
        assert!(
            timeout(short, resolver.ask_host("localhost", &own))
                .await
                .is_err()
        );
    }

    #[test]
    fn the_first_name_server_is_asked() {
        let text =
            "# nameserver 1.1.1.1\nsearch example.org\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n";
        assert_eq!(upstream_of(text), Some("10.0.0.2:53".parse().unwrap()));
        assert_eq!(
            upstream_of("nameserver fd00::1\n"),
            Some("[fd00::1]:53".parse().unwrap())
        );
        assert_eq!(upstream_of("options edns0\n"), None);
    }

    #[test]
    fn the_cache_does_not_grow_without_end() {
        let resolver = Resolver::new([], None);
        for number in 0..3 * CACHE_NAMES_MAX {
            let remembered = Remembered {
                until: Instant::now() + FOUND_FOR,
                addresses: Arc::new([]),
            };
            resolver.remember(&number.to_string(), remembered);
            assert!(resolver.cache().len() <= CACHE_NAMES_MAX);
        }
    }
}
