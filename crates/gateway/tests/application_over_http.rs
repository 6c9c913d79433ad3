//! The application handler behind the real listener: what a client sends, what a function is given, what comes back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests own their server, their client and their time"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway::application::{AccessEntry, AccessLog, ApplicationHandler, Signers};
use gateway::http::{Drained, Server, ServerLimits};
use gateway::service_door::UnknownKeys;
use gateway::throttle::LocalCounters;
use interfaces::BoxFuture;
use interfaces::invoke::{Invocation, Invoke, NotRun, Outcome, Reply, Timings};
use interfaces::principals::{Key, Principals};
use model::application::Application;
use model::door::Callee;
use model::function::Function;
use model::ids::{AccountId, ApiId, FunctionName, LogicalId, RevisionId, StageName};
use model::principal::Credentials;
use model::rest_api::{RestApi, RestIntegration, RestMethod};
use model::time::Timestamp;
use test_kit::{Allowing, FixedRandom, StoppedClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Returns its event as the body; `?status=` chooses the status.
struct EchoFunction;

struct NoLog;

impl Invoke for EchoFunction {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Reply, NotRun>> {
        let event: serde_json::Value = serde_json::from_slice(&invocation.payload).unwrap();
        let status = event["queryStringParameters"]["status"].as_str();
        let reply = serde_json::json!({
            "statusCode": status.unwrap_or("200"),
            "body": event.to_string(),
        });
        let reply = Reply {
            outcome: Outcome::Returned(Bytes::from(reply.to_string())),
            timings: Timings::default(),
            log_tail: Bytes::new(),
            executed_version: "$LATEST".to_owned(),
        };
        Box::pin(async move { Ok(reply) })
    }
}

impl AccessLog for NoLog {
    fn record(&self, _entry: AccessEntry) {}
}

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    ended: JoinHandle<Drained>,
}

struct Nobody;

impl Principals for Nobody {
    fn find(&self, _access_key_id: &str) -> Key {
        Key::Unknown
    }

    fn issue(&self, _function: &Function) -> Credentials {
        panic!("nobody is issued keys")
    }

    fn revoke(&self, _access_key_id: &str) {}
}

async fn start() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let clock = Arc::new(StoppedClock::at(Timestamp::from_micros(
        1_700_000_000_000_000,
    )));
    let handler = ApplicationHandler::new(
        Arc::new(EchoFunction),
        clock.clone(),
        Arc::new(FixedRandom(1)),
        Arc::new(NoLog),
        AccountId::development(),
        Arc::new(LocalCounters::default()),
        Signers {
            principals: Arc::new(Nobody),
            authorize: Arc::new(Allowing),
            unknown_keys: UnknownKeys::Refused,
        },
    );
    assert_eq!(handler.swap(&application()), []);
    let shutdown = CancellationToken::new();
    let server = Server::new(ServerLimits::default(), clock);
    let ended = tokio::spawn(server.serve(listener, Arc::new(handler), shutdown.clone()));
    Running {
        address,
        shutdown,
        ended,
    }
}

fn application() -> Application {
    Application {
        rest_apis: vec![RestApi {
            methods: vec![RestMethod::new(
                "/{proxy+}",
                "ANY",
                RestIntegration::LambdaProxy {
                    callee: Callee::unqualified(FunctionName::new("echo")),
                    timeout: Duration::from_secs(29),
                    is_streamed: false,
                },
            )],
            ..RestApi::new(
                LogicalId::new("Api"),
                ApiId::new("abcdef1234"),
                StageName::new("dev"),
            )
        }],
        ..Application::empty(RevisionId::new("first"))
    }
}

impl Running {
    /// Sends bytes on a connection of their own and reads until it is closed.
    async fn ask(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .expect("the server closes the connection")
            .unwrap();
        String::from_utf8(answer).unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.ended.await.unwrap();
    }
}

fn request(line: &str, rest: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{rest}")
}

fn event(answer: &str) -> serde_json::Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn header_names_and_a_chunked_body_arrive_as_they_were_sent() {
    let server = start().await;
    let answer = server
        .ask(request(
            "POST /dev/a%20b/?q=1",
            "tEsT-HEADeR: aValUE\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let event = event(&answer);
    assert_eq!(event["headers"]["tEsT-HEADeR"], "aValUE");
    assert_eq!(event["body"], "abcde");
    assert_eq!(event["path"], "/a%20b/");
    assert_eq!(event["pathParameters"]["proxy"], "a%20b");
    server.stop().await;
}

#[tokio::test]
async fn every_response_says_where_its_time_went() {
    let server = start().await;
    for line in ["GET /dev/x", "GET /"] {
        let answer = server.ask(request(line, "\r\n")).await;
        assert!(
            answer
                .to_ascii_lowercase()
                .contains("\r\nserver-timing: gateway;dur="),
            "{answer}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_head_request_and_a_204_have_no_body() {
    let server = start().await;
    let head = server.ask(request("HEAD /dev/x", "\r\n")).await;
    assert!(
        head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let empty = server.ask(request("GET /dev/x?status=204", "\r\n")).await;
    assert!(
        empty.starts_with("HTTP/1.1 204") && empty.ends_with("\r\n\r\n"),
        "{empty}"
    );
    server.stop().await;
}

#[tokio::test]
async fn hostile_requests_are_answered_and_the_server_goes_on() {
    let server = start().await;
    let over = format!("Content-Length: {}\r\n\r\n", 10 * 1024 * 1024 + 1);
    for (line, rest, status) in [
        ("GET /dev/%zz", "\r\n", "400"),
        ("GET /dev/a%00b", "\r\n", "400"),
        ("GET /dev/../../etc/passwd", "\r\n", "200"),
        ("POST /dev/x", over.as_str(), "413"),
        ("BREW /dev/x", "\r\n", "403"),
        ("GET /dev/x?status=999", "\r\n", "502"),
    ] {
        let answer = server.ask(request(line, rest)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{line}: {answer}"
        );
    }
    let mut cut_off = TcpStream::connect(server.address).await.unwrap();
    let head = request("POST /dev/x", "Content-Length: 100\r\n\r\nonly this");
    cut_off.write_all(head.as_bytes()).await.unwrap();
    drop(cut_off);
    let answer = server.ask(request("GET /dev/x", "\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop().await;
}
