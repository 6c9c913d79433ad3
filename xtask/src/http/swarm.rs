//! Many connections at once from one thread, without waiting for any of them.
//!
//! Lives here: load (each reply is followed by the next request) and bursts (one request on each, all at once).
//! Does not live here: threads (`bench::load`), what the requests are.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::epoll;

use super::reply::{self, Reply};
use super::{READ_BYTES, REPLY_WAIT_MAX, now};

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 256;
/// How long the kernel is waited for at once: the end of a load is noticed that late at most.
const TICK: Duration = Duration::from_millis(20);

/// Connections to one port, opened.
pub(crate) struct Swarm {
    port: u16,
    epoll: OwnedFd,
    members: Vec<Member>,
}

/// What came of a burst: for each request its reply and how long that took, counted from the first one sent.
type Burst = Vec<(Reply, Duration)>;

/// What came of a load.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// How long each success took.
    pub(crate) times: Vec<Duration>,
    /// Replies that were none, or connections that were lost.
    pub(crate) failed: usize,
    /// What one of them was.
    pub(crate) failure: Option<String>,
}

struct Member {
    stream: TcpStream,
    read: Vec<u8>,
    sent_at: Instant,
    /// The next of the requests, where they are many.
    turn: usize,
}

/// What a look at a connection found.
enum Found {
    Nothing,
    Whole(reply::Frame),
    Closed(String),
}

impl Swarm {
    pub(crate) fn open(port: u16, connections: usize) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut swarm = Self {
            port,
            epoll,
            members: Vec::new(),
        };
        for index in 0..connections {
            let member = swarm.member(index)?;
            swarm.members.push(member);
        }
        Ok(swarm)
    }

    fn member(&self, index: usize) -> Result<Member> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(
            &self.epoll,
            &stream,
            epoll::EventData::new_u64(index as u64),
            epoll::EventFlags::IN,
        )?;
        Ok(Member {
            stream,
            read: Vec::new(),
            sent_at: now(),
            turn: index,
        })
    }

    /// Another connection in place of one that the server is done with.
    fn renew(&mut self, index: usize) -> Result<()> {
        let renewed = self.member(index)?;
        if let Some(member) = self.members.get_mut(index) {
            *member = Member {
                turn: member.turn,
                ..renewed
            };
        }
        Ok(())
    }

    /// Keeps all connections busy until the end; each goes through the requests in turn.
    pub(crate) fn load(mut self, requests: &[Vec<u8>], until: Instant) -> Result<Answered> {
        let mut answered = Answered::default();
        let stride = self.members.len().max(1);
        for index in 0..self.members.len() {
            self.next(index, requests, stride)?;
        }
        let mut room = vec![0; READ_BYTES];
        let mut ready = Vec::with_capacity(EVENTS_MAX);
        while now() < until {
            self.wait(&mut ready)?;
            for index in ready.drain(..) {
                let Some(member) = self.members.get_mut(index) else {
                    continue;
                };
                let closes = match member.look(&mut room) {
                    Found::Nothing => continue,
                    Found::Whole(frame) => {
                        let took = member.sent_at.elapsed();
                        if (200..300).contains(&frame.status) {
                            answered.times.push(took);
                        } else {
                            answered.fail(&String::from_utf8_lossy(&member.read));
                        }
                        member.read.drain(..frame.length);
                        frame.closes
                    }
                    Found::Closed(why) => {
                        answered.fail(&why);
                        true
                    }
                };
                if closes {
                    self.renew(index)?;
                }
                self.next(index, requests, stride)?;
            }
        }
        Ok(answered)
    }

    /// Sends a request on each connection, and waits for all replies.
    pub(crate) fn burst(mut self, requests: &[Vec<u8>]) -> Result<Burst> {
        ensure!(
            requests.len() == self.members.len(),
            "a connection for each request"
        );
        let began = now();
        for (member, request) in self.members.iter_mut().zip(requests) {
            member.send(request)?;
        }
        let mut replies: Vec<Option<(Reply, Duration)>> = vec![None; requests.len()];
        let mut missing = requests.len();
        let mut room = vec![0; READ_BYTES];
        let mut ready = Vec::with_capacity(EVENTS_MAX);
        while missing > 0 {
            ensure!(
                began.elapsed() < REPLY_WAIT_MAX,
                "{missing} of {} requests were not answered within {REPLY_WAIT_MAX:?}",
                requests.len()
            );
            self.wait(&mut ready)?;
            for index in ready.drain(..) {
                let (Some(member), Some(place)) =
                    (self.members.get_mut(index), replies.get_mut(index))
                else {
                    continue;
                };
                match member.look(&mut room) {
                    Found::Nothing => {}
                    Found::Whole(_) if place.is_some() => bail!("a second reply to one request"),
                    Found::Whole(_) => {
                        let took = began.elapsed();
                        *place = reply::read(&member.read)?.map(|(reply, _)| (reply, took));
                        missing -= 1;
                    }
                    Found::Closed(why) => bail!("a request of a burst was not answered: {why}"),
                }
            }
        }
        Ok(replies.into_iter().flatten().collect())
    }

    fn next(&mut self, index: usize, requests: &[Vec<u8>], stride: usize) -> Result<()> {
        let Some(member) = self.members.get_mut(index) else {
            return Ok(());
        };
        let request = requests
            .get(member.turn % requests.len().max(1))
            .context("no request to send")?;
        member.turn += stride;
        member.send(request)
    }

    fn wait(&self, ready: &mut Vec<usize>) -> Result<()> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let timeout = TICK.try_into()?;
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&timeout),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        ready.extend(
            events
                .iter()
                .filter_map(|event| usize::try_from(event.data.u64()).ok()),
        );
        Ok(())
    }
}

impl Member {
    /// Requests are small, and the reply to the last one has come: the socket has room.
    fn send(&mut self, request: &[u8]) -> Result<()> {
        self.sent_at = now();
        self.stream
            .write_all(request)
            .context("a request did not fit the socket")
    }

    fn look(&mut self, room: &mut [u8]) -> Found {
        match self.stream.read(room) {
            Ok(0) => return Found::Closed("the connection was closed".to_owned()),
            Ok(count) => self.read.extend(room.iter().take(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Found::Nothing,
            Err(error) => return Found::Closed(error.to_string()),
        }
        match reply::frame(&self.read) {
            Ok(Some(frame)) => Found::Whole(frame),
            Ok(None) => Found::Nothing,
            Err(error) => Found::Closed(error.to_string()),
        }
    }
}

impl Answered {
    fn fail(&mut self, what: &str) {
        self.failed += 1;
        self.failure.get_or_insert_with(|| what.to_owned());
    }
}
