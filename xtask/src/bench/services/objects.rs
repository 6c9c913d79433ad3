//! Objects: put and got, small and large, over one connection and over several, beside the rate of the disk itself.
//!
//! Lives here: the rates of objects of two sizes; the rate at which the disk makes files of that size durable, and that of the
//! client against a server that does nothing: nobody is faster than these.
//! Does not live here: starting servers (`super`).

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use super::{Report, Subject, at_least};
use crate::bench::goals::Row;
use crate::bench::peers::Peers;
use crate::http::{self, Drain, now};

const SMALL_BYTES: usize = 64 * 1024;
const LARGE_BYTES: usize = 64 * 1024 * 1024;
/// The loads. Four large ones at once are as many as the machine of the page has processors, which the client needs too.
const LOADS: [Load; 4] = [
    Load::new("64 KiB", SMALL_BYTES, 1),
    Load::new("64 KiB", SMALL_BYTES, 32),
    Load::new("64 MiB", LARGE_BYTES, 1),
    Load::new("64 MiB", LARGE_BYTES, 4),
];
const BYTES_A_MIB: f64 = 1_048_576.0;

/// Objects of a size, over so many connections, each with an object of its own.
#[derive(Clone, Copy)]
struct Load {
    /// The size, as the page calls it.
    size: &'static str,
    bytes: usize,
    connections: usize,
}

/// MiB a second, of all connections together.
#[derive(Clone, Copy)]
struct Rates {
    put: f64,
    get: f64,
}

impl Load {
    const fn new(size: &'static str, bytes: usize, connections: usize) -> Self {
        Self {
            size,
            bytes,
            connections,
        }
    }

    fn name(&self) -> String {
        match self.connections {
            1 => format!("{}, 1 connection", self.size),
            connections => format!("{}, {connections} connections", self.size),
        }
    }
}

pub(super) fn measure(peers: &Peers, duration: Duration) -> Result<Report> {
    let ours = super::cloudless(peers, "cloudless-objects")?;
    let mine = rates(&ours, duration)?;
    let ministack = super::ministack(peers, "ministack-objects")?;
    let theirs = rates(&ministack, duration)?;
    let idle = nothing(duration)?;
    let folder = peers.folder("objects-disk")?;
    let mut disks = Vec::new();
    for load in LOADS {
        disks.push(disk(&folder, load, duration)?);
    }
    let mut figures = String::from(
        "Objects, in MiB a second over all connections, put / got; each connection has an object of its own. `nothing` is a server \
         that reads and writes as many bytes and does nothing with them: what client and loopback allow. The disk: files of that \
         size written and synchronised one after the other, by as many threads as there are connections.\n\n| server |",
    );
    LOADS
        .iter()
        .try_for_each(|load| write!(figures, " {} |", load.name()))?;
    figures.push_str("\n| --- | --- | --- | --- | --- |\n");
    let cell = |rates: &Rates| format!("{:.1} / {:.1}", rates.put, rates.get);
    let lines = [
        (ours.name, mine.map(|rates| cell(&rates))),
        (ministack.name, theirs.map(|rates| cell(&rates))),
        ("nothing", idle.map(|rates| cell(&rates))),
    ];
    for (name, cells) in lines {
        writeln!(figures, "| {name} | {} |", cells.join(" | "))?;
    }
    let cells: Vec<_> = disks.iter().map(|rate| format!("{rate:.1}")).collect();
    writeln!(figures, "| the disk | {} |", cells.join(" | "))?;
    let mut rows = Vec::new();
    for (((load, mine), theirs), disk) in LOADS.iter().zip(mine).zip(theirs).zip(disks) {
        let name = load.name();
        let (put, get) = (mine.put / theirs.put, mine.get / theirs.get);
        let of_disk = mine.put / disk;
        rows.push(Row::new(
            &format!("S3 put, {name}"),
            format!("{put:.1}× ministack, {of_disk:.2}× the disk"),
            vec![
                (put, at_least("ministack", 5.0)),
                (of_disk, at_least("the disk", 0.6)),
            ],
        ));
        rows.push(Row::new(
            &format!("S3 get, {name}"),
            format!("{get:.1}× ministack"),
            vec![(get, at_least("ministack", 5.0))],
        ));
    }
    Ok(Report { figures, rows })
}

fn rates(subject: &Subject, duration: Duration) -> Result<[Rates; LOADS.len()]> {
    let mut client = Client::open(subject.port)?;
    client.call(&http::object_request("PUT", "/bench", ""), 0)?;
    rates_of_port(subject.port, duration)
}

fn rates_of_port(port: u16, duration: Duration) -> Result<[Rates; LOADS.len()]> {
    let mut all = LOADS.map(|_| Rates { put: 0.0, get: 0.0 });
    for (rates, load) in all.iter_mut().zip(LOADS) {
        let body = "x".repeat(load.bytes);
        let exchanges = |method, body, reply_bytes| {
            let of_one = |number| {
                let path = format!("/bench/{number}-{}", load.bytes);
                let request = http::object_request(method, &path, body);
                let mut client = Client::open(port)?;
                Ok(move || client.call(&request, reply_bytes))
            };
            (0..load.connections)
                .map(of_one)
                .collect::<Result<Vec<_>>>()
        };
        rates.put = together(load, duration, exchanges("PUT", &body, 0)?)?;
        rates.get = together(load, duration, exchanges("GET", "", load.bytes)?)?;
    }
    Ok(all)
}

/// How many MiB a second come of these, each of which moves the bytes of the load once when it is called.
fn together(
    load: Load,
    duration: Duration,
    mut moves: Vec<impl FnMut() -> Result<()> + Send>,
) -> Result<f64> {
    // The first ones warm up.
    for once in &mut moves {
        once()?;
    }
    let began = now();
    let count = std::thread::scope(|scope| {
        let running: Vec<_> = moves
            .into_iter()
            .map(|mut once| {
                scope.spawn(move || {
                    let mut count = 0;
                    while began.elapsed() < duration {
                        once()?;
                        count += 1;
                    }
                    Ok::<usize, anyhow::Error>(count)
                })
            })
            .collect();
        running.into_iter().try_fold(0, |count, thread| {
            let panicked = |_| anyhow!("a thread of the load panicked");
            Ok::<usize, anyhow::Error>(count + thread.join().map_err(panicked)??)
        })
    })?;
    Ok(mib_a_second(count * load.bytes, began))
}

/// How fast the disk makes files of this size durable.
fn disk(folder: &Path, load: Load, duration: Duration) -> Result<f64> {
    let body = vec![b'x'; load.bytes];
    let body = &body;
    let files = (0..load.connections).map(|number| {
        let path = folder.join(format!("file-{number}"));
        move || {
            let mut file = File::create(&path)?;
            file.write_all(body)?;
            Ok(file.sync_all()?)
        }
    });
    together(load, duration, files.collect())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of bytes is far below 2^52"
)]
fn mib_a_second(bytes: usize, began: Instant) -> f64 {
    bytes as f64 / BYTES_A_MIB / began.elapsed().as_secs_f64()
}

/// The rates of a server that does nothing.
fn nothing(duration: Duration) -> Result<[Rates; LOADS.len()]> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    // It has a thread a connection, which ends with it; the one that waits for more ends with this process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                return;
            };
            std::thread::spawn(move || serve_nothing(stream));
        }
    });
    rates_of_port(port, duration)
}

/// Serves one connection. The bodies that it sends are as long as the end of the path says.
fn serve_nothing(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut room = vec![0; 1024 * 1024];
    let body = vec![b'x'; 1024 * 1024];
    while let Some(mut asked) = Asked::read(&mut stream, &mut room)? {
        while 0 < asked.missing {
            let most = room.len().min(asked.missing);
            let count = stream.read(room.get_mut(..most).unwrap_or_default())?;
            ensure!(count > 0, "the connection was closed inside a request");
            asked.missing -= count;
        }
        let mut bytes = asked.reply_bytes;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        while 0 < bytes {
            let piece = body.get(..bytes.min(body.len())).unwrap_or(&body);
            stream.write_all(piece)?;
            bytes -= piece.len();
        }
    }
    Ok(())
}

/// What a request asks of the server that does nothing.
struct Asked {
    /// How much of the request's body is still to come.
    missing: usize,
    reply_bytes: usize,
}

impl Asked {
    /// The next request's head; none: the connection has ended.
    fn read(stream: &mut TcpStream, room: &mut [u8]) -> Result<Option<Self>> {
        let mut read = 0;
        loop {
            let count = stream.read(room.get_mut(read..).unwrap_or_default())?;
            if count == 0 {
                return Ok(None);
            }
            read += count;
            let arrived = room.get(..read).unwrap_or_default();
            if let Some((head, body)) = http::length(arrived)? {
                let line = arrived.split(|byte| *byte == b'\r').next();
                let line = std::str::from_utf8(line.unwrap_or_default())?;
                let wanted = line.strip_prefix("GET ").and_then(|line| {
                    let path = line.split(' ').next()?;
                    path.rsplit('-').next()?.parse().ok()
                });
                return Ok(Some(Self {
                    missing: (head + body).saturating_sub(read),
                    reply_bytes: wanted.unwrap_or(0),
                }));
            }
        }
    }
}

/// A connection that is opened again when the server closes it, as some do after each reply.
struct Client {
    port: u16,
    connection: Drain,
}

impl Client {
    fn open(port: u16) -> Result<Self> {
        Ok(Self {
            port,
            connection: Drain::open(port)?,
        })
    }

    fn call(&mut self, request: &[u8], reply_bytes: usize) -> Result<()> {
        let status = match self.connection.exchange(request, reply_bytes) {
            Ok(status) => status,
            Err(_) => {
                self.connection = Drain::open(self.port)?;
                self.connection.exchange(request, reply_bytes)?
            }
        };
        ensure!((200..300).contains(&status), "an object: status {status}");
        Ok(())
    }
}
