//! Objects: put and got, small and large, beside the rate of the disk itself.
//!
//! Lives here: the rates of objects of two sizes, the rate at which the disk makes files of that size durable.
//! Does not live here: starting servers (`super`).

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Report, Subject, at_least};
use crate::bench::goals::Row;
use crate::bench::peers::Peers;
use crate::http::{self, Connection, now};

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
    let folder = peers.folder("objects-disk")?;
    let mut figures = String::from(
        "Objects over one connection, in MiB a second, put / got; the disk: files of that size written and synchronised, one \
         after the other.\n\n| server | 64 KiB | 64 MiB |\n| --- | --- | --- |\n",
    );
    for (subject, rates) in [(&ours, &mine), (&ministack, &theirs)] {
        let [small, large] = rates;
        let cell = |rates: &Rates| format!("{:.1} / {:.1}", rates.put, rates.get);
        writeln!(
            figures,
            "| {} | {} | {} |",
            subject.name,
            cell(small),
            cell(large)
        )?;
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
    client.call(&http::object_request("PUT", "/bench", ""))?;
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

/// A connection that is opened again when the server closes it, as some do after each reply.
struct Client {
    port: u16,
    connection: Connection,
}

impl Client {
    fn open(port: u16) -> Result<Self> {
        Ok(Self {
            port,
            connection: Connection::open(port)?,
        })
    }

    fn rates(&mut self, bytes: usize, duration: Duration) -> Result<Rates> {
        let body = "x".repeat(bytes);
        let put = http::object_request("PUT", "/bench/object", &body);
        let get = http::object_request("GET", "/bench/object", "");
        Ok(Rates {
            put: self.rate(&put, bytes, duration)?,
            get: self.rate(&get, bytes, duration)?,
        })
    }

    fn rate(&mut self, request: &[u8], bytes: usize, duration: Duration) -> Result<f64> {
        // The first one warms up.
        self.call(request)?;
        let began = now();
        let mut moved = 0;
        while began.elapsed() < duration {
            self.call(request)?;
            moved += bytes;
        }
        Ok(mib_a_second(moved, began))
    }

    fn call(&mut self, request: &[u8]) -> Result<()> {
        let reply = match self.connection.exchange(request) {
            Ok((reply, _)) => reply,
            Err(_) => {
                self.connection = Connection::open(self.port)?;
                self.connection.exchange(request)?.0
            }
        };
        ensure!(reply.is_success(), "an object: {}", reply.body);
        Ok(())
    }
}
