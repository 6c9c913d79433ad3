//! A small HTTP/1.1 client: enough to measure servers that we start ourselves.
//!
//! Lives here: requests as bytes, one connection that is used in turn, percentiles.
//! Does not live here: reading replies (`reply`), many connections at once (`swarm`).

mod reply;
mod swarm;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

pub(crate) use reply::{Reply, length};
pub(crate) use swarm::Swarm;

/// The longest that one reply may take.
pub(crate) const REPLY_WAIT_MAX: Duration = Duration::from_secs(120);
/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// The same of bodies that are not kept.
const DRAIN_BYTES: usize = 1024 * 1024;

/// What the time is, for measuring.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A request as it goes over the wire. The peers look at `Host`, and at nothing else of it.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// A plain `GET`.
pub(crate) fn get(path: &str) -> Vec<u8> {
    request("GET", path, &[], "")
}

/// Lambda's `Invoke`, with a signature that no server of a run verifies.
pub(crate) fn invoke(function: &str, event: &str) -> Vec<u8> {
    const AUTHORISATION: &str = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=0000000000000000000000000000000000000000000000000000000000000000";
    request(
        "POST",
        &format!("/2015-03-31/functions/{function}/invocations"),
        &[
            ("X-Amz-Date", "20260101T000000Z"),
            ("Authorization", AUTHORISATION),
        ],
        event,
    )
}

/// An operation of DynamoDB or of its streams, with a signature that no server of a run verifies.
pub(crate) fn table_request(target: &str, body: &str) -> Vec<u8> {
    json_request("dynamodb", target, body)
}

/// An operation of a service that speaks JSON with a target, as `AmazonSQS.SendMessage` is one of `sqs`, with a signature that no
/// server of a run verifies.
pub(crate) fn json_request(service: &str, target: &str, body: &str) -> Vec<u8> {
    let authorisation = format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature={:064}",
        0
    );
    request(
        "POST",
        "/",
        &[
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", target),
            ("X-Amz-Date", "20260101T000000Z"),
            ("Authorization", &authorisation),
        ],
        body,
    )
}

/// A request for an object, with a signature that no server of a run verifies.
pub(crate) fn object_request(method: &str, path: &str, body: &str) -> Vec<u8> {
    const AUTHORISATION: &str = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=0000000000000000000000000000000000000000000000000000000000000000";
    request(
        method,
        path,
        &[
            ("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"),
            ("X-Amz-Date", "20260101T000000Z"),
            ("Authorization", AUTHORISATION),
        ],
        body,
    )
}

/// A kept connection, one request at a time.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_WAIT_MAX))?;
        Ok(Self {
            stream,
            read: Vec::new(),
        })
    }

    /// Sends a request whose reply nobody waits for yet.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(request)?)
    }

    /// Sends a request and reads its reply; with how long that took.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<(Reply, Duration)> {
        let began = now();
        self.send(request)?;
        let reply = self.receive()?;
        Ok((reply, began.elapsed()))
    }

    /// Reads the next reply.
    pub(crate) fn receive(&mut self) -> Result<Reply> {
        let mut room = vec![0; READ_BYTES];
        loop {
            if let Some((reply, length)) = reply::read(&self.read)? {
                self.read.drain(..length);
                return Ok(reply);
            }
            let count = self.stream.read(&mut room)?;
            ensure!(count > 0, "the connection was closed before the reply");
            self.read.extend(room.iter().take(count));
        }
    }
}

/// A kept connection for bodies that are counted and thrown away: reading a large one costs what the kernel takes for it, and
/// nothing more.
pub(crate) struct Drain {
    stream: TcpStream,
    room: Vec<u8>,
}

impl Drain {
    pub(crate) fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_WAIT_MAX))?;
        Ok(Self {
            stream,
            room: vec![0; DRAIN_BYTES],
        })
    }

    /// Sends a request, and reads its reply of so many bytes: its status.
    pub(crate) fn exchange(&mut self, request: &[u8], bytes: usize) -> Result<u16> {
        self.stream.write_all(request)?;
        let mut read = 0;
        let (status, mut left) = loop {
            let room = self.room.get_mut(read..).unwrap_or_default();
            let count = self.stream.read(room)?;
            ensure!(count > 0, "the connection was closed before the reply");
            read += count;
            let arrived = self.room.get(..read).unwrap_or_default();
            if let Some((status, head, body)) = reply::announced(arrived)? {
                ensure!(
                    body == bytes || !(200..300).contains(&status),
                    "a reply of {body} bytes in place of {bytes}"
                );
                break (status, (head + body).saturating_sub(read));
            }
        };
        while 0 < left {
            let most = self.room.len().min(left);
            let count = self
                .stream
                .read(self.room.get_mut(..most).unwrap_or_default())?;
            ensure!(count > 0, "the connection was closed inside the reply");
            left -= count;
        }
        Ok(status)
    }
}

/// The value below which this share of the sorted ones lies; zero of none.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a list that fits the memory"
    )]
    let index = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// Milliseconds, with their fraction.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<Duration> = (1..=101).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 0.5), Duration::from_millis(51));
        assert_eq!(percentile(&sorted, 0.99), Duration::from_millis(100));
        assert_eq!(percentile(&sorted, 1.0), Duration::from_millis(101));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }
}
