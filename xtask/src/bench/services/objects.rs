//! Objects: put and got, small and large, beside the rate of the disk itself.
//!
//! Lives here: the rates of objects of two sizes; the rate at which the disk makes files of that size durable, and that of the
//! client against a server that does nothing: nobody is faster than these.
//! Does not live here: starting servers (`super`).

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Report, Subject, at_least};
use crate::bench::goals::Row;
use crate::bench::peers::Peers;
use crate::http::{self, Drain, now};

/// Bytes of an object, and how the page calls it.
const SIZES: [(usize, &str); 2] = [(64 * 1024, "64 KiB"), (64 * 1024 * 1024, "64 MiB")];
const BYTES_A_MIB: f64 = 1_048_576.0;

/// MiB a second.
struct Rates {
    put: f64,
    get: f64,
}

pub(super) fn measure(peers: &Peers, duration: Duration) -> Result<Report> {
    let ours = super::cloudless(peers, "cloudless-objects")?;
    let mine = rates(&ours, duration)?;
    let ministack = super::ministack(peers, "ministack-objects")?;
    let theirs = rates(&ministack, duration)?;
    let idle = nothing(duration)?;
    let folder = peers.folder("objects-disk")?;
    let mut figures = String::from(
        "Objects over one connection, in MiB a second, put / got. The last line is a server that reads and writes as many bytes \
         and does nothing with them: what client and loopback allow. The disk: files of that size written and synchronised, one \
         after the other.\n\n| server | 64 KiB | 64 MiB |\n| --- | --- | --- |\n",
    );
    let lines = [
        (ours.name, &mine),
        (ministack.name, &theirs),
        ("nothing", &idle),
    ];
    for (name, [small, large]) in lines {
        let cell = |rates: &Rates| format!("{:.1} / {:.1}", rates.put, rates.get);
        writeln!(figures, "| {name} | {} | {} |", cell(small), cell(large))?;
    }
    let mut rows = Vec::new();
    for ((bytes, name), (mine, theirs)) in SIZES.into_iter().zip(mine.iter().zip(&theirs)) {
        let disk = disk(&folder, bytes, duration)?;
        writeln!(figures, "\nThe disk, {name}: {disk:.1} MiB a second.")?;
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

fn rates(subject: &Subject, duration: Duration) -> Result<[Rates; 2]> {
    let mut client = Client::open(subject.port)?;
    client.call(&http::object_request("PUT", "/bench", ""), 0)?;
    let [small, large] = SIZES;
    Ok([
        client.rates(small.0, duration)?,
        client.rates(large.0, duration)?,
    ])
}

/// How fast the disk makes files of this size durable.
fn disk(folder: &std::path::Path, bytes: usize, duration: Duration) -> Result<f64> {
    let body = vec![b'x'; bytes];
    let began = now();
    let mut written = 0;
    while began.elapsed() < duration {
        let mut file = File::create(folder.join("file"))?;
        file.write_all(&body)?;
        file.sync_all()?;
        written += bytes;
    }
    Ok(mib_a_second(written, began))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of bytes is far below 2^52"
)]
fn mib_a_second(bytes: usize, began: Instant) -> f64 {
    bytes as f64 / BYTES_A_MIB / began.elapsed().as_secs_f64()
}

/// The rates of a server that does nothing.
fn nothing(duration: Duration) -> Result<[Rates; 2]> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    std::thread::scope(|scope| {
        // It ends with the client's connection.
        let served = scope.spawn(|| serve_nothing(&listener));
        let mut client = Client::open(port)?;
        let [small, large] = SIZES;
        let rates = [
            client.rates(small.0, duration)?,
            client.rates(large.0, duration)?,
        ];
        drop(client);
        let served = served.join();
        served.map_err(|_| anyhow::anyhow!("the server that does nothing panicked"))??;
        Ok(rates)
    })
}

/// Takes one connection. The bodies that it sends are as long as the last one that it read.
fn serve_nothing(listener: &TcpListener) -> Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut room = vec![0; 1024 * 1024];
    let body = vec![b'x'; 1024 * 1024];
    let mut object = 0;
    while let Some((is_put, mut left)) = head(&mut stream, &mut room)? {
        if is_put {
            object = left.1;
        }
        while 0 < left.0 {
            let most = room.len().min(left.0);
            left.0 -= stream.read(room.get_mut(..most).unwrap_or_default())?;
        }
        let mut bytes = if is_put { 0 } else { object };
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

/// Whether the next request puts something; how much of its body is still to come, and how long it is in all.
fn head(stream: &mut TcpStream, room: &mut [u8]) -> Result<Option<(bool, (usize, usize))>> {
    let mut read = 0;
    loop {
        let count = stream.read(room.get_mut(read..).unwrap_or_default())?;
        if count == 0 {
            return Ok(None);
        }
        read += count;
        let arrived = room.get(..read).unwrap_or_default();
        if let Some((head, body)) = http::length(arrived)? {
            let left = (head + body).saturating_sub(read);
            return Ok(Some((arrived.starts_with(b"PUT"), (left, body))));
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

    fn rates(&mut self, bytes: usize, duration: Duration) -> Result<Rates> {
        let body = "x".repeat(bytes);
        let put = http::object_request("PUT", "/bench/object", &body);
        let get = http::object_request("GET", "/bench/object", "");
        Ok(Rates {
            put: self.rate(&put, (bytes, 0), duration)?,
            get: self.rate(&get, (bytes, bytes), duration)?,
        })
    }

    /// The rate of an exchange that moves so many bytes, and has a reply of so many.
    fn rate(
        &mut self,
        request: &[u8],
        (bytes, reply_bytes): (usize, usize),
        duration: Duration,
    ) -> Result<f64> {
        // The first one warms up.
        self.call(request, reply_bytes)?;
        let began = now();
        let mut moved = 0;
        while began.elapsed() < duration {
            self.call(request, reply_bytes)?;
            moved += bytes;
        }
        Ok(mib_a_second(moved, began))
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
