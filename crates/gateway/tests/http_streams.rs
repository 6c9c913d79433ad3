//! Bodies that are sent while they are made, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests own their server, their client and their time"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gateway::http::{
    BodyStream, BrokenOff, Handler, Pieces, Request, Response, ResponseBody, Server, ServerLimits,
};
use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use interfaces::BoxFuture;
use model::time::Timestamp;
use test_kit::StoppedClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

type Piece = Result<&'static str, BrokenOff>;

struct FromTest(mpsc::Receiver<Piece>);

impl Pieces for FromTest {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let received = self.0.poll_recv(context);
        received
            .map(|piece| piece.map(|piece| piece.map(|text| Bytes::from_static(text.as_bytes()))))
    }
}

/// Answers with pieces that the test sends.
struct Streaming(Mutex<Option<mpsc::Receiver<Piece>>>);

impl Handler for Streaming {
    fn handle(&self, request: Request) -> BoxFuture<'_, Response> {
        let status = match request.path() {
            "/nothing" => StatusCode::NO_CONTENT,
            _ => StatusCode::OK,
        };
        let body = match self.0.lock().unwrap().take() {
            Some(pieces) => ResponseBody::Stream(BodyStream::new(FromTest(pieces))),
            None => ResponseBody::Whole(Bytes::from_static(b"another")),
        };
        let response = Response {
            status,
            headers: vec![("Content-Length".to_owned(), HeaderValue::from_static("3"))],
            body,
        };
        Box::pin(std::future::ready(response))
    }
}

async fn start(stall_max: Duration) -> (SocketAddr, mpsc::Sender<Piece>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel(1);
    let clock = StoppedClock::at(Timestamp::from_micros(1_700_000_000_000_000));
    let limits = ServerLimits {
        write_stall_max: stall_max,
        ..ServerLimits::default()
    };
    let server = Server::new(limits, Arc::new(clock));
    let handler = Arc::new(Streaming(Mutex::new(Some(receiver))));
    tokio::spawn(server.serve(listener, handler, CancellationToken::new()));
    (address, sender)
}

async fn asked(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads until the text ends so.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    let reading = async {
        while !seen.ends_with(end.as_bytes()) {
            assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "{seen:?}");
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reading)
        .await
        .unwrap();
    String::from_utf8(seen).unwrap()
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn each_piece_arrives_before_the_next_is_made_and_the_connection_goes_on() {
    let (address, pieces) = start(LONG).await;
    let mut client = asked(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
    assert!(!head.contains("Content-Length"), "{head}");
    for (piece, chunk) in [
        ("one", "3\r\none\r\n"),
        ("", ""),
        ("second", "6\r\nsecond\r\n"),
    ] {
        pieces.send(Ok(piece)).await.unwrap();
        assert_eq!(read_until(&mut client, chunk).await, chunk);
    }
    drop(pieces);
    assert_eq!(read_until(&mut client, "0\r\n\r\n").await, "0\r\n\r\n");
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert!(read_until(&mut client, "another").await.contains("200 OK"));
}

#[tokio::test]
async fn a_body_that_broke_off_has_no_end() {
    let (address, pieces) = start(LONG).await;
    let mut client = asked(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    pieces.send(Ok("one")).await.unwrap();
    pieces.send(Err(BrokenOff)).await.unwrap();
    let mut seen = String::new();
    client.read_to_string(&mut seen).await.unwrap();
    assert!(seen.ends_with("\r\n\r\n3\r\none\r\n"), "{seen}");
}

#[tokio::test]
async fn http_1_0_reads_until_the_end_of_the_connection() {
    let (address, pieces) = start(LONG).await;
    let request = "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";
    let mut client = asked(address, request).await;
    pieces.send(Ok("one")).await.unwrap();
    pieces.send(Ok("two")).await.unwrap();
    drop(pieces);
    let mut seen = String::new();
    client.read_to_string(&mut seen).await.unwrap();
    assert!(seen.ends_with("\r\n\r\nonetwo"), "{seen}");
    assert!(seen.contains("Connection: close"), "{seen}");
    assert!(!seen.contains("chunked"), "{seen}");
}

#[tokio::test]
async fn where_no_body_is_allowed_none_is_waited_for() {
    for request in [
        "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ] {
        let (address, pieces) = start(LONG).await;
        let mut client = asked(address, request).await;
        let mut seen = String::new();
        client.read_to_string(&mut seen).await.unwrap();
        assert!(seen.ends_with("\r\n\r\n"), "{seen}");
        assert!(pieces.is_closed());
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_off() {
    let (address, pieces) = start(Duration::from_millis(200)).await;
    let _client = asked(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let flood = async {
        let much = "x".repeat(64 * 1024).leak();
        while pieces.send(Ok(&*much)).await.is_ok() {}
    };
    tokio::time::timeout(Duration::from_secs(10), flood)
        .await
        .unwrap();
}

async fn http2(address: SocketAddr) -> http::Response<hyper::body::Incoming> {
    let stream = TcpStream::connect(address).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(format!("http://{address}/"));
    let request = request.body(http_body_util::Empty::<Bytes>::new()).unwrap();
    sender.send_request(request).await.unwrap()
}

#[tokio::test]
async fn http_2_sends_each_piece_as_a_frame_of_its_own() {
    let (address, pieces) = start(LONG).await;
    let mut response = http2(address).await;
    assert!(response.headers().get("content-length").is_none());
    for piece in ["one", "second"] {
        pieces.send(Ok(piece)).await.unwrap();
        let frame = response.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
    }
    drop(pieces);
    assert!(response.collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn http_2_resets_the_stream_of_a_body_that_broke_off() {
    let (address, pieces) = start(LONG).await;
    let mut response = http2(address).await;
    pieces.send(Ok("one")).await.unwrap();
    assert!(response.frame().await.unwrap().is_ok());
    pieces.send(Err(BrokenOff)).await.unwrap();
    assert!(response.frame().await.unwrap().is_err());
}

#[tokio::test]
async fn an_http_2_client_that_stops_reading_is_cut_off() {
    let (address, pieces) = start(Duration::from_millis(200)).await;
    let response = http2(address).await;
    let flood = async {
        let much = "x".repeat(64 * 1024).leak();
        while pieces.send(Ok(&*much)).await.is_ok() {}
    };
    tokio::time::timeout(Duration::from_secs(10), flood)
        .await
        .unwrap();
    drop(response);
}

#[tokio::test]
async fn a_client_that_has_gone_ends_the_pieces() {
    let (address, pieces) = start(LONG).await;
    let response = http2(address).await;
    drop(response);
    tokio::time::timeout(Duration::from_secs(5), pieces.closed())
        .await
        .unwrap();
}
