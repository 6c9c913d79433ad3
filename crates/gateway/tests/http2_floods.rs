//! Floods of HTTP/2 frames, written by hand: no client library sends them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "tests own their server, their client and their time"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gateway::http::{Handler, Request, Response, Server, ServerLimits};
use http::StatusCode;
use interfaces::BoxFuture;
use model::time::Timestamp;
use test_kit::StoppedClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:method GET`, `:scheme http`, `:path /`, `:authority a`, in HPACK.
const GET: &[u8] = &[0x82, 0x86, 0x84, 0x01, 0x01, b'a'];
const CANCEL: &[u8] = &[0, 0, 0, 8];

/// Answers when the test has let it.
#[derive(Default)]
struct Waiting {
    begun: AtomicUsize,
    at_once: AtomicUsize,
    at_once_max: AtomicUsize,
}

impl Handler for Waiting {
    fn handle(&self, _: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            self.begun.fetch_add(1, Ordering::SeqCst);
            let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.at_once_max.fetch_max(at_once, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(300)).await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            Response::new(StatusCode::OK, "x")
        })
    }
}

async fn start() -> (SocketAddr, Arc<Waiting>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let clock = StoppedClock::at(Timestamp::from_micros(1_700_000_000_000_000));
    let server = Server::new(ServerLimits::default(), Arc::new(clock));
    let handler = Arc::new(Waiting::default());
    tokio::spawn(server.serve(listener, handler.clone(), CancellationToken::new()));
    (address, handler)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Opens a connection and sends these frames for as long as the server takes them. The kinds of the frames that it sent
/// until it closed the connection, which it has to.
async fn flooded(address: SocketAddr, frames: impl Iterator<Item = Vec<u8>> + Send) -> Vec<u8> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let send = async move {
        let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        preface.extend(frame(SETTINGS, 0, 0, &[]));
        if writing.write_all(&preface).await.is_err() {
            return;
        }
        for frame in frames {
            if writing.write_all(&frame).await.is_err() {
                return;
            }
        }
        // The connection is the server's to close.
        std::future::pending::<()>().await;
    };
    let read = async {
        let mut seen = Vec::new();
        // A reset instead of an end is as good.
        let _ended = reading.read_to_end(&mut seen).await;
        seen
    };
    let both = async {
        tokio::pin!(read);
        tokio::select! {
            seen = &mut read => seen,
            () = send => read.await,
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(10), both).await;
    kinds(&seen.expect("the server ends the connection"))
}

fn kinds(mut bytes: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        kinds.push(head[3]);
        bytes = rest.get(length..).unwrap_or_default();
    }
    kinds
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_at_once_end_their_connection() {
    let (address, handler) = start().await;
    let frames = (0..100_000_u32).map(|number| {
        let stream = number * 2 + 1;
        let mut both = frame(HEADERS, END_STREAM | END_HEADERS, stream, GET);
        both.extend(frame(RESET, 0, stream, CANCEL));
        both
    });
    let answers = flooded(address, frames).await;
    assert!(answers.contains(&GO_AWAY), "{answers:?}");
    let streams_max = ServerLimits::default().streams_max as usize;
    assert!(handler.at_once_max.load(Ordering::SeqCst) <= streams_max);
    assert!(handler.begun.load(Ordering::SeqCst) < 1_000);
}

#[tokio::test]
async fn headers_that_never_end_end_their_connection() {
    let (address, handler) = start().await;
    // A literal header without indexing: name `x`, and a value of 100 bytes.
    let mut header = vec![0x00, 1, b'x', 100];
    header.extend([b'v'; 100]);
    for payload in [header, Vec::new()] {
        let head = std::iter::once(frame(HEADERS, END_STREAM, 1, GET));
        let more = (0..200_000).map(move |_| frame(CONTINUATION, 0, 1, &payload));
        let answers = flooded(address, head.chain(more)).await;
        assert!(answers.contains(&GO_AWAY), "{answers:?}");
    }
    assert_eq!(handler.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn empty_frames_do_not_keep_a_server_busy_for_ever() {
    let (address, _) = start().await;
    let head = std::iter::once(frame(HEADERS, END_HEADERS, 1, GET));
    let empty = (0..1_000_000).map(|_| frame(DATA, 0, 1, &[]));
    let answers = flooded(address, head.chain(empty)).await;
    assert!(!answers.is_empty());
}

#[tokio::test]
async fn a_client_that_never_reads_its_answers_is_not_answered_for_ever() {
    let (address, _) = start().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    preface.extend(frame(SETTINGS, 0, 0, &[]));
    stream.write_all(&preface).await.unwrap();
    // Pings want answers: at some point the server takes no more of them.
    let pings = frame(PING, 0, 0, &[0; 8]).repeat(1_000);
    let mut taken = 0_usize;
    let flood = async {
        while stream.write_all(&pings).await.is_ok() {
            taken += pings.len();
        }
    };
    let _stalled = tokio::time::timeout(Duration::from_secs(3), flood).await;
    assert!(taken < 64 * 1024 * 1024, "{taken} bytes were taken");
}
