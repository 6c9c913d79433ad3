//! The listener over real sockets: what it refuses, when it closes, and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "tests own their server, their client and their time; tables of cases are long"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gateway::http::{BodyError, Drained, Handler, Request, Response, Server, ServerLimits};
use http::{HeaderValue, StatusCode};
use interfaces::BoxFuture;
use model::time::Timestamp;
use test_kit::StoppedClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const BODY_BYTES_MAX: usize = 1_000_000;

/// Answers with what it saw. Its paths choose how it behaves.
#[derive(Default)]
struct Echo {
    calls: AtomicU64,
    /// Calls whose body was asked for and that came to their end.
    answered: AtomicU64,
}

impl Handler for Echo {
    fn handle(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let names = request.headers.iter().map(|(name, _)| name);
            let names = names.collect::<Vec<_>>().join(",");
            match request.path() {
                "/cookies" => {
                    let cookies = request.headers.get_all("cookie");
                    let cookies = cookies.map(|value| value.to_str().unwrap());
                    let shown = cookies.collect::<Vec<_>>().join(" | ");
                    return Response::new(StatusCode::OK, shown);
                }
                "/panic" => panic!("asked to"),
                "/early" => {
                    return Response::new(StatusCode::EARLY_HINTS, "x");
                }
                "/unread" => return Response::new(StatusCode::OK, "unread"),
                "/slow" => tokio::time::sleep(Duration::from_millis(400)).await,
                "/split" => {
                    return Response::new(StatusCode::OK, "x")
                        .with_header("A: b\r\nC", HeaderValue::from_static("d"));
                }
                "/own-framing" => {
                    return Response::new(StatusCode::OK, "four")
                        .with_header("Content-Length", HeaderValue::from_static("999"))
                        .with_header("Transfer-Encoding", HeaderValue::from_static("chunked"))
                        .with_header("X-Kept", HeaderValue::from_static("yes"));
                }
                "/bad-length" => {
                    return Response::new(StatusCode::OK, "")
                        .with_header("Content-Length", HeaderValue::from_static("-1"))
                        .with_header("Content-Length", HeaderValue::from_static("7"))
                        .with_header("Content-Length", HeaderValue::from_static("8"));
                }
                _ => {}
            }
            let line = format!("{} {} {names} ", request.method, request.target);
            let body = request.body.collect(BODY_BYTES_MAX).await;
            self.answered.fetch_add(1, Ordering::SeqCst);
            match body {
                Ok(body) => Response::new(StatusCode::OK, [line.as_bytes(), &body].concat()),
                Err(BodyError::TooLarge { .. }) => {
                    Response::new(StatusCode::PAYLOAD_TOO_LARGE, "too large")
                }
                Err(BodyError::TooSlow) => Response::new(StatusCode::REQUEST_TIMEOUT, "too slow"),
                Err(BodyError::CutOff | BodyError::Malformed) => {
                    Response::new(StatusCode::OK, "must not be seen")
                }
            }
        })
    }
}

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    ended: JoinHandle<Drained>,
    echo: Arc<Echo>,
}

async fn start(limits: ServerLimits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let echo = Arc::new(Echo::default());
    let clock = StoppedClock::at(Timestamp::from_micros(1_700_000_000_000_000));
    let server = Server::new(limits, Arc::new(clock));
    let ended = tokio::spawn(server.serve(listener, echo.clone(), shutdown.clone()));
    Running {
        address,
        shutdown,
        ended,
        echo,
    }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a connection of their own and reads until the server closes it.
    async fn ask(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_ref()).await.unwrap();
        read_to_end(&mut stream).await
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let ended = tokio::time::timeout(Duration::from_secs(5), read).await;
    ended.expect("the server closes the connection").unwrap();
    String::from_utf8(answer).unwrap()
}

/// Reads until the text has arrived.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains(text) {
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_buf(&mut answer));
        let bytes = read.await.expect("an answer in time").unwrap();
        assert!(
            0 < bytes,
            "closed after {}",
            String::from_utf8_lossy(&answer)
        );
    }
    String::from_utf8(answer).unwrap()
}

fn limits() -> ServerLimits {
    ServerLimits {
        head_time_max: Duration::from_millis(300),
        idle_time_max: Duration::from_millis(600),
        body_stall_max: Duration::from_millis(300),
        linger_time_max: Duration::from_millis(500),
        ..ServerLimits::default()
    }
}

fn statuses(answer: &str) -> Vec<&str> {
    answer
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|part| &part[..3])
        .collect()
}

#[tokio::test]
async fn whatever_is_ambiguous_is_refused_and_nothing_behind_it_is_served() {
    let server = start(limits()).await;
    let post = "POST / HTTP/1.1\r\nHost: a\r\n";
    let chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n");
    let cases: Vec<(&str, String, &str)> = vec![
        (
            "length and chunked",
            format!("{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "400",
        ),
        (
            "two lengths",
            format!("{post}Content-Length: 0\r\nContent-Length: 5\r\n\r\n"),
            "400",
        ),
        (
            "a list of lengths",
            format!("{post}Content-Length: 0, 5\r\n\r\n"),
            "400",
        ),
        (
            "a signed length",
            format!("{post}Content-Length: +0\r\n\r\n"),
            "400",
        ),
        (
            "a length over 64 bits",
            format!("{post}Content-Length: 18446744073709551616\r\n\r\n"),
            "400",
        ),
        (
            "an empty length",
            format!("{post}Content-Length: \r\n\r\n"),
            "400",
        ),
        (
            "a space before the colon",
            format!("{post}Content-Length : 0\r\n\r\n"),
            "400",
        ),
        (
            "a folded header",
            format!("{post}X: a\r\n b\r\n\r\n"),
            "400",
        ),
        (
            "another coding",
            format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n"),
            "400",
        ),
        (
            "two codings",
            format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "400",
        ),
        (
            "chunked in HTTP/1.0",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "a chunk size in hex notation",
            format!("{chunked}0x0\r\n\r\n"),
            "400",
        ),
        ("an empty chunk size", format!("{chunked}\r\n\r\n"), "400"),
        (
            "a chunk size over 64 bits",
            format!("{chunked}10000000000000000\r\n\r\n"),
            "400",
        ),
        (
            "a chunk without its line end",
            format!("{chunked}1\r\nab0\r\n\r\n"),
            "400",
        ),
        (
            "a chunk size with a bare LF",
            format!("{chunked}1\na\r\n0\r\n\r\n"),
            "400",
        ),
        (
            "a broken chunk that nobody reads",
            "POST /unread HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
                .to_owned(),
            "400",
        ),
        ("a bare LF", "GET / HTTP/1.1\nHost: a\n\n".to_owned(), "400"),
        (
            "a bare CR in a value",
            format!("{post}X: a\rb\r\n\r\n"),
            "400",
        ),
        ("a NUL in a value", format!("{post}X: a\0b\r\n\r\n"), "400"),
        ("a NUL in a name", format!("{post}X\0: a\r\n\r\n"), "400"),
        ("no host", "GET / HTTP/1.1\r\n\r\n".to_owned(), "400"),
        (
            "two hosts",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "a host that is none",
            "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "a space in the target",
            "GET / x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "a fragment",
            "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "a bare path",
            "GET x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "an asterisk without OPTIONS",
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "a user in the authority",
            "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "another version",
            "GET / HTTP/3.0\r\nHost: a\r\n\r\n".to_owned(),
            "505",
        ),
        ("no version", "GET /\r\nHost: a\r\n\r\n".to_owned(), "400"),
        (
            "a tunnel",
            "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "501",
        ),
        (
            "what some readers take for an expectation",
            format!("{post}Expect: y 100-continue\r\n\r\n"),
            "417",
        ),
        (
            "too many headers",
            format!("{post}{}\r\n", "X: y\r\n".repeat(200)),
            "431",
        ),
        (
            "too large a head",
            format!("{post}X: {}\r\n\r\n", "y".repeat(70_000)),
            "431",
        ),
        (
            "too long a target",
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(70_000)),
            "414",
        ),
    ];
    for (name, bytes, status) in cases {
        let calls = server.echo.calls.load(Ordering::SeqCst);
        let answer = server
            .ask(format!("{bytes}GET /next HTTP/1.1\r\nHost: next\r\n\r\n"))
            .await;
        assert_eq!(statuses(&answer), [status], "{name}: {answer}");
        assert!(answer.contains("Connection: close"), "{name}: {answer}");
        let called = server.echo.calls.load(Ordering::SeqCst) - calls;
        assert!(called <= u64::from(name.contains("nobody reads")), "{name}");
    }
}

#[tokio::test]
async fn names_are_shown_as_sent_and_requests_may_be_pipelined() {
    let server = start(limits()).await;
    let answer = server
        .ask(
            "\r\nPOST /a?b=%zz HTTP/1.1\r\nHOST: x\r\nX-cAsE: 1\r\nContent-Length: 3\r\n\r\nabc\
             POST /b HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: Chunked\r\n\r\n2;e=1\r\nde\r\n1\r\nf\r\n0\r\nT: u\r\n\r\n\
             HEAD /c HTTP/1.1\r\nhost: x\r\n\r\n\
             OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n\
             GET http://other:1?q HTTP/1.1\r\nhost: x\r\nConnection: Close\r\n\r\n",
        )
        .await;
    assert_eq!(
        statuses(&answer),
        ["200", "200", "200", "200", "200"],
        "{answer}"
    );
    assert!(answer.contains("\r\n\r\nPOST /a?b=%zz HOST,X-cAsE,Content-Length abc"));
    assert!(answer.contains("POST /b host,Transfer-Encoding def"));
    assert!(
        answer.contains("Content-Length: 13\r\n\r\nHTTP/1.1 200"),
        "{answer}"
    );
    assert!(answer.contains("Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"));
    assert!(answer.ends_with("GET /?q host,Connection "), "{answer}");
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_continue() {
    let server = start(limits()).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n";
    let mut stream = server.connect().await;
    stream
        .write_all(format!("{head}Content-Length: 2\r\n\r\n").as_bytes())
        .await
        .unwrap();
    read_until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
    stream.write_all(b"ok").await.unwrap();
    let answer = read_until(&mut stream, "Content-Length ok").await;
    assert_eq!(statuses(&answer), ["200"]);
    // Too large a body is not even asked for.
    let mut stream = server.connect().await;
    stream
        .write_all(format!("{head}Content-Length: 2000000\r\n\r\n").as_bytes())
        .await
        .unwrap();
    assert_eq!(statuses(&read_to_end(&mut stream).await), ["413"]);
}

#[tokio::test]
async fn another_expectation_is_passed_over_and_does_not_move_the_next_request() {
    let server = start(limits()).await;
    for value in ["", "200", "100", "wonders"] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: {value}\r\n");
        let requests = format!(
            "{head}Content-Length: 2\r\n\r\nok{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
        );
        let mut stream = server.connect().await;
        stream.write_all(requests.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert_eq!(statuses(&answer), ["200", "200"], "{value}: {answer}");
        assert!(answer.contains("Content-Length ok"), "{answer}");
        assert!(answer.ends_with(" no"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_arrives_whole_however_it_is_cut() {
    let server = start(limits()).await;
    let body = "0123456789".repeat(50_000);
    let mut stream = server.connect().await;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for piece in body.as_bytes().chunks(77_777) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        stream.write_all(piece).await.unwrap();
    }
    let answer = read_until(&mut stream, &body).await;
    assert!(answer.starts_with("HTTP/1.1 200"));
    // The connection goes on, here with chunks.
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    for piece in body.as_bytes().chunks(77_777) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        stream.write_all(&chunk).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    read_until(&mut stream, &body).await;
}

#[tokio::test]
async fn a_body_that_is_too_large_too_slow_or_cut_off_ends_its_connection() {
    let server = start(limits()).await;
    let large = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n{}",
        "x".repeat(3_000_000)
    );
    assert_eq!(statuses(&server.ask(large).await), ["413"]);
    let many = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        format!("{:x}\r\n{}\r\n", 100_000, "x".repeat(100_000)).repeat(20)
    );
    assert_eq!(statuses(&server.ask(many).await), ["413"]);
    let slow = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab";
    assert_eq!(statuses(&server.ask(slow).await), ["408"]);
    let mut stream = server.connect().await;
    stream.write_all(slow.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    read_to_end(&mut stream).await;
    assert_eq!(
        statuses(
            &server
                .ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                .await
        ),
        ["200"]
    );
}

#[tokio::test]
async fn a_body_that_nobody_read_is_not_taken_for_a_request() {
    let server = start(limits()).await;
    let answer = server
        .ask("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 70\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    assert_eq!(statuses(&answer), ["200"], "{answer}");
    assert_eq!(server.echo.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_panic_and_a_hostile_header_end_one_request_alone() {
    let server = start(limits()).await;
    let answer = server
        .ask(
            "GET /panic HTTP/1.1\r\nHost: a\r\n\r\nGET /split HTTP/1.1\r\nHost: a\r\n\r\n\
             GET /early HTTP/1.1\r\nHost: a\r\n\r\n\
             GET /own-framing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        .await;
    assert_eq!(statuses(&answer), ["500", "500", "500", "200"], "{answer}");
    assert!(
        !answer.contains("C: d") && !answer.contains("999"),
        "{answer}"
    );
    assert!(
        answer.contains("X-Kept: yes") && answer.ends_with("four"),
        "{answer}"
    );
}

#[tokio::test]
async fn slow_heads_and_idle_connections_are_ended() {
    let server = start(limits()).await;
    assert_eq!(statuses(&server.ask("GET / HTTP/1.1\r\nHo").await), ["408"]);
    assert_eq!(server.ask("").await, "");
    let idle_after = server.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(statuses(&idle_after), ["200"]);
}

#[tokio::test]
async fn http_1_0_closes_unless_it_asks_to_stay() {
    let server = start(limits()).await;
    let answer = server
        .ask("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n")
        .await;
    assert_eq!(statuses(&answer), ["200"]);
    let answer = server
        .ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n")
        .await;
    assert_eq!(statuses(&answer), ["200", "200"]);
    assert!(answer.contains("Connection: keep-alive"));
}

#[tokio::test]
async fn a_connection_too_many_is_told_so() {
    let server = start(ServerLimits {
        connections_max: 1,
        ..limits()
    })
    .await;
    let mut first = server.connect().await;
    first
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut first, "200 OK").await;
    let second = server.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(statuses(&second), ["503"]);
    assert!(second.ends_with("too many connections\n"));
}

#[tokio::test]
async fn a_shutdown_answers_what_was_sent_and_then_ends() {
    let server = start(limits()).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut idle, "200 OK").await;
    server.shutdown.cancel();
    // It was on its way when the shutdown began.
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(statuses(&read_to_end(&mut idle).await), ["200"]);
    let answer = read_to_end(&mut busy).await;
    assert_eq!(statuses(&answer), ["200", "200"]);
    assert!(answer.contains("Connection: close"));
    let drained = tokio::time::timeout(Duration::from_secs(2), server.ended).await;
    assert_eq!(drained.unwrap().unwrap(), Drained { connections_cut: 0 });
}

#[tokio::test]
async fn a_drain_ends_at_its_limit() {
    let server = start(ServerLimits {
        drain_time_max: Duration::from_millis(50),
        ..limits()
    })
    .await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    while server.echo.calls.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.shutdown.cancel();
    assert_eq!(server.ended.await.unwrap(), Drained { connections_cut: 1 });
}

/// Speaks HTTP/2 with prior knowledge.
async fn http2_client(
    server: &Running,
) -> (
    hyper::client::conn::http2::SendRequest<http_body_util::Full<bytes::Bytes>>,
    JoinHandle<()>,
) {
    let stream = hyper_util::rt::TokioIo::new(server.connect().await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (sender, connection) = hyper::client::conn::http2::handshake(executor, stream)
        .await
        .unwrap();
    let running = tokio::spawn(async move {
        let _ = connection.await;
    });
    (sender, running)
}

async fn http2_ask(
    sender: &mut hyper::client::conn::http2::SendRequest<http_body_util::Full<bytes::Bytes>>,
    method: &str,
    path: &str,
    body: Vec<u8>,
) -> (u16, http::HeaderMap, Vec<u8>) {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("http://host.test{path}"))
        .header("x-one", "1")
        .body(http_body_util::Full::new(bytes::Bytes::from(body)))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = http_body_util::BodyExt::collect(body).await.unwrap();
    (
        parts.status.as_u16(),
        parts.headers,
        body.to_bytes().to_vec(),
    )
}

#[tokio::test]
async fn http_2_is_served_with_prior_knowledge() {
    let server = start(limits()).await;
    let (mut sender, running) = http2_client(&server).await;
    let (status, headers, body) = http2_ask(&mut sender, "POST", "/a?b", b"hi".to_vec()).await;
    assert_eq!(
        (status, body.as_slice()),
        (200, &b"POST /a?b host,x-one,content-length hi"[..])
    );
    assert_eq!(headers["date"], "Tue, 14 Nov 2023 22:13:20 GMT");
    let (status, headers, body) = http2_ask(&mut sender, "HEAD", "/a", Vec::new()).await;
    assert_eq!((status, body.len()), (200, 0));
    assert_ne!(headers["content-length"], "0");
    let large = vec![b'x'; BODY_BYTES_MAX + 1];
    assert_eq!(http2_ask(&mut sender, "POST", "/", large).await.0, 413);
    let whole = vec![b'x'; BODY_BYTES_MAX];
    assert_eq!(http2_ask(&mut sender, "POST", "/", whole).await.0, 200);
    assert_eq!(
        http2_ask(&mut sender, "GET", "/panic", Vec::new()).await.0,
        500
    );
    assert_eq!(
        http2_ask(&mut sender, "GET", "/split", Vec::new()).await.0,
        500
    );
    let (status, headers, _) = http2_ask(&mut sender, "GET", "/own-framing", Vec::new()).await;
    assert_eq!(
        (status, &headers["content-length"]),
        (200, &HeaderValue::from(4))
    );
    let (_, headers, _) = http2_ask(&mut sender, "HEAD", "/bad-length", Vec::new()).await;
    let lengths: Vec<_> = headers.get_all("content-length").iter().collect();
    assert_eq!(lengths, ["7"]);
    // A shutdown lets the request under way be answered.
    let slow = http2_ask(&mut sender, "GET", "/slow", Vec::new());
    let shutdown = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.shutdown.cancel();
    };
    let ((status, ..), ()) = tokio::join!(slow, shutdown);
    assert_eq!(status, 200);
    drop(sender);
    running.await.unwrap();
    assert_eq!(server.ended.await.unwrap(), Drained { connections_cut: 0 });
}

#[tokio::test]
async fn cookies_that_http_2_sends_apart_are_one_header() {
    let server = start(limits()).await;
    let (mut sender, _running) = http2_client(&server).await;
    for (sent, seen) in [
        (&[][..], ""),
        (&["a=1"], "a=1"),
        (&["a=1", "b=2; c=3", "d=4"], "a=1; b=2; c=3; d=4"),
    ] {
        let mut request = http::Request::builder().uri("http://host.test/cookies");
        for cookie in sent {
            request = request.header("cookie", *cookie);
        }
        let request = request.body(http_body_util::Full::default()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let body = http_body_util::BodyExt::collect(response.into_body());
        assert_eq!(body.await.unwrap().to_bytes(), seen, "{sent:?}");
    }
}

#[tokio::test]
async fn http_2_refuses_what_http_1_refuses() {
    let server = start(limits()).await;
    let (mut sender, _running) = http2_client(&server).await;
    let headers_max = ServerLimits::default().headers_max;
    let many = |count: usize| -> Vec<(String, &str)> {
        (0..count)
            .map(|number| (format!("h{number}"), "v"))
            .collect()
    };
    let one = |name: &str, value: &'static str| vec![(name.to_owned(), value)];
    for (promise, uri, headers, status) in [
        (
            "the same host twice is one",
            "http://a.test/",
            one("host", "a.test"),
            200,
        ),
        ("two hosts", "http://a.test/", one("host", "b.test"), 400),
        (
            "a user's name before the host",
            "http://me@a.test/",
            Vec::new(),
            400,
        ),
        (
            "as many headers as may be",
            "http://a.test/",
            many(headers_max),
            200,
        ),
        ("more headers", "http://a.test/", many(headers_max + 1), 431),
    ] {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(http_body_util::Full::default()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), status, "{promise}");
    }
}

#[tokio::test]
async fn a_handler_runs_to_its_end_when_its_http_2_stream_is_reset() {
    let server = start(limits()).await;
    let (mut sender, _running) = http2_client(&server).await;
    let reset = http2_ask(&mut sender, "GET", "/slow", Vec::new());
    let given_up = tokio::time::timeout(Duration::from_millis(100), reset).await;
    assert!(given_up.is_err());
    assert_eq!(server.echo.answered.load(Ordering::SeqCst), 0);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(server.echo.answered.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_idle_http_2_connection_is_ended() {
    let server = start(limits()).await;
    let (mut sender, running) = http2_client(&server).await;
    assert_eq!(http2_ask(&mut sender, "GET", "/", Vec::new()).await.0, 200);
    let ended = tokio::time::timeout(Duration::from_secs(3), running).await;
    ended.expect("the server ends it").unwrap();
}
