//! WebSocket APIs behind the real listener: what clients send, what functions are given, what ends a connection.
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
use futures_util::{SinkExt, StreamExt};
use gateway::application::{AccessEntry, AccessLog, ApplicationHandler, Signers};
use gateway::http::{Handler, Server, ServerLimits};
use gateway::service_door::UnknownKeys;
use gateway::throttle::LocalCounters;
use interfaces::BoxFuture;
use interfaces::invoke::{
    FunctionError, FunctionErrorKind, Invocation, Invoke, NotRun, Outcome, Reply, Timings,
};
use interfaces::principals::{Key, Principals};
use model::application::Application;
use model::door::Callee;
use model::function::Function;
use model::ids::{AccountId, ApiId, FunctionName, LogicalId, RevisionId, StageName};
use model::principal::Credentials;
use model::websocket_api::{
    Replies, Selection, WebSocketApi, WebSocketIntegration, WebSocketRoute,
};
use serde_json::{Value, json};
use test_kit::{Allowing, CountingRandom, RunningClock};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

/// Answers as its events ask for, and tells all of them.
struct Chat(mpsc::UnboundedSender<Value>);

impl Invoke for Chat {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Reply, NotRun>> {
        let event: Value = serde_json::from_slice(&invocation.payload).unwrap();
        self.0.send(event.clone()).unwrap();
        let asked = &event["queryStringParameters"];
        let text = event["body"].as_str().unwrap_or_default();
        let fails = asked["throw"].is_string() || text.contains("throw");
        let outcome = if fails {
            Outcome::Failed(FunctionError {
                kind: FunctionErrorKind::Raised,
                payload: Bytes::from_static(br#"{"errorMessage":"thrown"}"#),
            })
        } else if asked["nothing"].is_string() {
            Outcome::Returned(Bytes::from_static(b"null"))
        } else {
            let mut reply = json!({"statusCode": 200, "body": event.to_string()});
            if let Some(status) = asked["status"].as_str() {
                reply["statusCode"] = status.parse::<u16>().unwrap().into();
                reply["body"] = "not you".into();
            }
            if let Some(protocol) = asked["protocol"].as_str() {
                reply["headers"] = json!({"Sec-WebSocket-Protocol": protocol, "Upgrade": "h2c"});
            }
            Outcome::Returned(Bytes::from(reply.to_string()))
        };
        let reply = Reply {
            outcome,
            timings: Timings::default(),
            log_tail: Bytes::new(),
            executed_version: "$LATEST".to_owned(),
        };
        Box::pin(async move { Ok(reply) })
    }
}

struct NoLog;

impl AccessLog for NoLog {
    fn record(&self, _entry: AccessEntry) {}
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

fn application() -> Application {
    let selection = Selection::parse("$request.body.action").unwrap();
    let (id, stage) = (ApiId::new("abcdef1234"), StageName::new("dev"));
    let mut api = WebSocketApi::new(LogicalId::new("Chat"), id, stage, selection);
    let routes = ["$connect", "$disconnect", "$default", "quiet", "mock"];
    api.routes = routes
        .map(|key| {
            let integration = match key {
                "mock" => WebSocketIntegration::Mock {
                    status: 200,
                    body: Some("pong".to_owned()),
                },
                _ => WebSocketIntegration::Lambda {
                    callee: Callee::unqualified(FunctionName::new("chat")),
                    timeout: Duration::from_secs(29),
                },
            };
            WebSocketRoute {
                replies: if key == "quiet" {
                    Replies::Dropped
                } else {
                    Replies::Sent
                },
                ..WebSocketRoute::new(key, integration)
            }
        })
        .into();
    Application {
        websocket_apis: vec![api],
        ..Application::empty(RevisionId::new("one"))
    }
}

struct Running {
    address: SocketAddr,
    handler: Arc<ApplicationHandler>,
    events: mpsc::UnboundedReceiver<Value>,
    shutdown: CancellationToken,
}

fn handler(application: &Application) -> (Arc<ApplicationHandler>, mpsc::UnboundedReceiver<Value>) {
    let (sender, events) = mpsc::unbounded_channel();
    let handler = ApplicationHandler::new(
        Arc::new(Chat(sender)),
        Arc::new(RunningClock),
        Arc::new(CountingRandom::default()),
        Arc::new(NoLog),
        AccountId::development(),
        Arc::new(LocalCounters::default()),
        Signers {
            principals: Arc::new(Nobody),
            authorize: Arc::new(Allowing),
            unknown_keys: UnknownKeys::ActAsRoot {
                account: AccountId::development(),
            },
        },
    );
    assert_eq!(handler.swap(application), []);
    (Arc::new(handler), events)
}

async fn start() -> Running {
    let (handler, events) = handler(&application());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let server = Server::new(ServerLimits::default(), Arc::new(RunningClock));
    let serving: Arc<dyn Handler> = handler.clone();
    tokio::spawn(server.serve(listener, serving, shutdown.clone()));
    Running {
        address,
        handler,
        events,
        shutdown,
    }
}

const HANDSHAKE: &str = "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUser-Agent: test\r\n";

/// Sends a request; its answer's head, and the connection.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    target: &str,
    headers: &str,
) -> (String, S) {
    let request = format!("GET {target} HTTP/1.1\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (String::from_utf8(head).unwrap(), stream)
}

impl Running {
    async fn stream(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn connect(&self, target: &str) -> (String, TcpStream) {
        ask(self.stream().await, target, HANDSHAKE).await
    }

    /// A client, and the event of its connecting.
    async fn client(&mut self) -> (WebSocketStream<TcpStream>, Value) {
        let (head, stream) = self.connect("/dev").await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let client = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        (client, self.event().await)
    }

    async fn event(&mut self) -> Value {
        let waiting = tokio::time::timeout(Duration::from_secs(10), self.events.recv());
        waiting.await.unwrap().unwrap()
    }

    /// A signed request about a connection: its status, its type of error, and its body.
    async fn manage(&self, method: &str, id: &str, body: &[u8]) -> (u16, String) {
        let id = id.replace('=', "%3D");
        let credential = "Credential=AKIDEXAMPLE/20250101/us-east-1/execute-api/aws4_request";
        let request = format!(
            "{method} /dev/%40connections/{id} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             X-Amz-Date: 20250101T000000Z\r\nContent-Length: {}\r\nAuthorization: AWS4-HMAC-SHA256 {credential}, \
             SignedHeaders=host;x-amz-date, Signature={}\r\n\r\n",
            body.len(),
            "0".repeat(64)
        );
        let mut stream = self.stream().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }
}

async fn text(client: &mut WebSocketStream<TcpStream>) -> String {
    let message = client.next().await.unwrap().unwrap();
    assert!(message.is_text(), "{message:?}");
    message.into_text().unwrap().to_string()
}

async fn closed<S: AsyncRead + AsyncWrite + Unpin>(client: &mut WebSocketStream<S>) -> u16 {
    loop {
        match client.next().await {
            Some(Ok(Message::Close(Some(close)))) => return close.code.into(),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_connection_is_told_of_from_its_beginning_to_its_end() {
    let mut running = start().await;
    let (head, stream) = running.connect("/dev?name=ada&name=bob").await;
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert!(head.contains("Upgrade: websocket\r\nConnection: Upgrade\r\n"));
    assert!(!head.contains("Content-"), "{head}");
    let mut connect = running.event().await;
    let context = connect["requestContext"].take();
    let headers = connect["headers"].take();
    assert_eq!(headers["Sec-WebSocket-Version"], "13");
    assert_eq!(headers["X-Forwarded-Proto"], "http");
    assert_eq!(headers.get("Upgrade"), None);
    connect["multiValueHeaders"].take();
    let query = json!({"name": "bob"});
    let all = json!({"name": ["ada", "bob"]});
    assert_eq!(
        connect,
        json!({"headers": null, "multiValueHeaders": null, "queryStringParameters": query,
               "multiValueQueryStringParameters": all, "requestContext": null, "isBase64Encoded": false})
    );
    let id = context["connectionId"].as_str().unwrap().to_owned();
    assert!(id.len() == 16 && id.ends_with('='), "{id}");
    let members: Vec<&String> = context.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        [
            "routeKey",
            "eventType",
            "extendedRequestId",
            "requestTime",
            "messageDirection",
            "stage",
            "connectedAt",
            "requestTimeEpoch",
            "identity",
            "requestId",
            "domainName",
            "connectionId",
            "apiId"
        ]
    );
    assert_eq!(
        context["identity"],
        json!({"userAgent": "test", "sourceIp": "127.0.0.1"})
    );
    assert_eq!(
        context["domainName"],
        "abcdef1234.execute-api.us-east-1.amazonaws.com"
    );
    assert_eq!(context["eventType"], "CONNECT");
    let client = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    talks_and_leaves(&mut running, client, &id).await;
}

async fn talks_and_leaves(running: &mut Running, mut client: WebSocketStream<TcpStream>, id: &str) {
    client.send("{\"a\": \"ünïcode\"}".into()).await.unwrap();
    let message = running.event().await;
    assert_eq!(message["body"], "{\"a\": \"ünïcode\"}");
    let context = &message["requestContext"];
    assert_eq!(
        (&context["routeKey"], &context["eventType"]),
        (&json!("$default"), &json!("MESSAGE"))
    );
    assert_eq!(context["connectionId"], id);
    assert!(context["messageId"].is_string());
    let reply: Value = serde_json::from_str(&text(&mut client).await).unwrap();
    assert_eq!(reply, message);
    client.close(None).await.unwrap();
    let end = running.event().await;
    let context = &end["requestContext"];
    assert_eq!(context["disconnectStatusCode"], 1005);
    assert_eq!(
        context["disconnectReason"],
        "Client-side close frame status not set"
    );
    assert_eq!(context["eventType"], "DISCONNECT");
    assert_eq!(end["headers"]["x-restapi"], "");
}

#[tokio::test]
async fn a_message_chooses_its_route_and_gets_its_answer() {
    let mut running = start().await;
    let (mut client, _) = running.client().await;
    for (message, route) in [
        (r#"{"action":"unknown"}"#, "$default"),
        (r#"{"action":7}"#, "$default"),
        (r#"{"action":{"a":1}}"#, "$default"),
        (r#"{"action":"$connect"}"#, "$default"),
        (r#"{"action":"$disconnect"}"#, "$default"),
        ("no JSON at all", "$default"),
    ] {
        client.send(message.into()).await.unwrap();
        let event = running.event().await;
        assert_eq!(event["requestContext"]["routeKey"], route, "{message}");
        text(&mut client).await;
    }
    client.send(r#"{"action":"quiet"}"#.into()).await.unwrap();
    assert_eq!(running.event().await["requestContext"]["routeKey"], "quiet");
    client.send(r#"{"action":"mock"}"#.into()).await.unwrap();
    assert_eq!(text(&mut client).await, "pong");
    client
        .send(r#"{"action":"quiet","throw":1}"#.into())
        .await
        .unwrap();
    let failed = text(&mut client).await;
    let failed: Value = serde_json::from_str(&failed).unwrap();
    assert_eq!(failed["message"], "Internal server error");
    assert!(failed["connectionId"].is_string() && failed["requestId"].is_string());
    client
        .send(Message::Ping(Bytes::from_static(b"are you there")))
        .await
        .unwrap();
    let pong = client.next().await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong(Bytes::from_static(b"are you there")));
}

#[tokio::test]
async fn without_a_default_route_other_messages_are_forbidden() {
    let running = start().await;
    let mut application = application();
    application.websocket_apis[0]
        .routes
        .retain(|route| route.key == "quiet");
    running.handler.swap(&application);
    let (_, stream) = running.connect("/dev").await;
    let mut client = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    client.send("hello".into()).await.unwrap();
    let answer: Value = serde_json::from_str(&text(&mut client).await).unwrap();
    assert_eq!(answer["message"], "Forbidden");
}

#[tokio::test]
async fn connecting_is_refused_as_the_function_or_the_request_gives_reason() {
    let running = start().await;
    for (target, headers, status) in [
        ("/dev?status=401", HANDSHAKE, "401 Unauthorized"),
        ("/dev?status=302", HANDSHAKE, "302 Found"),
        ("/dev?throw=1", HANDSHAKE, "502 Bad Gateway"),
        ("/dev?nothing=1", HANDSHAKE, "502 Bad Gateway"),
        ("/prod", HANDSHAKE, "403 Forbidden"),
        ("/dev/more", HANDSHAKE, "403 Forbidden"),
        (
            &format!("/dev?{}", "a".repeat(4_100)),
            HANDSHAKE,
            "414 URI Too Long",
        ),
        (
            "/dev",
            "Host: localhost\r\nUpgrade: websocket\r\n",
            "426 Upgrade Required",
        ),
        (
            "/dev",
            "Host: abcdef1234.execute-api.us-east-1.amazonaws.com\r\n",
            "426 Upgrade Required",
        ),
        (
            "/dev",
            "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
            "400 Bad Request",
        ),
        ("/dev", "Host: localhost\r\n", "404 Not Found"),
    ] {
        let (head, _) = ask(running.stream().await, target, headers).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{target}: {head}"
        );
    }
    let (head, _) = running.connect("/").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let (head, _) = running.connect("/dev?protocol=chat").await;
    let head = head.to_ascii_lowercase();
    assert!(head.contains("sec-websocket-protocol: chat\r\n"), "{head}");
    assert_eq!(head.matches("pgrade: ").count(), 1, "{head}");
}

#[tokio::test]
async fn connections_are_written_to_looked_at_and_closed() {
    let mut running = start().await;
    let (mut client, connect) = running.client().await;
    let id = connect["requestContext"]["connectionId"].as_str().unwrap();
    assert_eq!(running.manage("POST", id, b"hello").await.0, 200);
    assert_eq!(text(&mut client).await, "hello");
    let large = vec![b'a'; 128 * 1024];
    assert_eq!(running.manage("POST", id, &large).await.0, 200);
    assert_eq!(text(&mut client).await.len(), large.len());
    let (status, answer) = running
        .manage("POST", id, &vec![b'a'; 128 * 1024 + 1])
        .await;
    assert_eq!(status, 413);
    assert!(answer.contains("PayloadTooLargeException"), "{answer}");
    let (status, answer) = running.manage("GET", id, b"").await;
    assert_eq!(status, 200);
    assert!(
        answer.contains(r#""userAgent":"test""#) && answer.contains("lastActiveAt"),
        "{answer}"
    );
    let (status, answer) = running.manage("POST", "gone", b"hello").await;
    assert_eq!(status, 410);
    assert!(answer.contains("GoneException"), "{answer}");
    let (head, _) = ask(
        running.stream().await,
        &format!("/dev/@connections/{id}"),
        "Host: localhost\r\n",
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 403 "), "unsigned: {head}");
    assert_eq!(running.manage("DELETE", id, b"").await.0, 204);
    assert_eq!(closed(&mut client).await, 1000);
    let end = running.event().await;
    assert_eq!(end["requestContext"]["disconnectStatusCode"], 1000);
    assert_eq!(
        end["requestContext"]["disconnectReason"],
        "Connection Closed Normally"
    );
    assert_eq!(running.manage("POST", id, b"hello").await.0, 410);
}

#[tokio::test]
async fn a_client_that_reads_nothing_makes_writers_wait_and_not_the_server_grow() {
    let mut running = start().await;
    let (_client, connect) = running.client().await;
    let id = connect["requestContext"]["connectionId"].as_str().unwrap();
    let message = vec![b'a'; 128 * 1024];
    for _ in 0..1_000 {
        let (status, answer) = running.manage("POST", id, &message).await;
        if status == 429 {
            assert!(answer.contains("LimitExceededException"), "{answer}");
            return;
        }
        assert_eq!(status, 200);
    }
    panic!("125 MB wait for a client");
}

#[tokio::test]
async fn a_connection_outlives_its_revision_but_not_its_api() {
    let mut running = start().await;
    let (mut client, _) = running.client().await;
    running.handler.swap(&application());
    client.send("still here".into()).await.unwrap();
    text(&mut client).await;
    let nothing = Application::empty(RevisionId::new("two"));
    running.handler.swap(&nothing);
    assert_eq!(closed(&mut client).await, 1001);
}

#[tokio::test]
async fn a_server_that_ends_says_so() {
    let mut running = start().await;
    let (mut client, _) = running.client().await;
    running.shutdown.cancel();
    assert_eq!(closed(&mut client).await, 1001);
    let end = running.event().await;
    assert_eq!(end["requestContext"]["disconnectReason"], "Going away");
}

/// A frame of a client, its mask all zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        long @ 126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(long).unwrap().to_be_bytes());
        }
        longer => {
            bytes.push(0x80 | 127);
            bytes.extend((longer as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

#[tokio::test]
async fn whatever_breaks_the_framing_ends_with_its_code() {
    let mut running = start().await;
    let piece = vec![b'a'; 32 * 1024];
    let mut too_long = frame(0x01, &piece);
    for _ in 0..4 {
        too_long.extend(frame(0x00, &piece));
    }
    let mut crumbs = frame(0x01, b"a");
    for _ in 0..60_000 {
        crumbs.extend(frame(0x00, b""));
    }
    let pings: Vec<u8> = (0..200).flat_map(|_| frame(0x89, b"?")).collect();
    for (what, bytes, code) in [
        ("no mask", vec![0x81, 0x01, b'a'], 1002),
        (
            "a frame over 32 KB",
            frame(0x81, &vec![b'a'; 32 * 1024 + 1]),
            1009,
        ),
        (
            "an announced terabyte",
            [&[0x81, 0xFF][..], &(1_u64 << 40).to_be_bytes(), &[0; 4]].concat(),
            1009,
        ),
        ("a message over 128 KB", too_long, 1009),
        ("a binary message", frame(0x82, b"\x00\x01"), 1003),
        ("a text that is none", frame(0x81, b"\xFF\xFE"), 1007),
        ("a reserved bit", frame(0xC1, b"a"), 1002),
        ("a reserved opcode", frame(0x83, b"a"), 1002),
        ("a continuation of nothing", frame(0x80, b"a"), 1002),
        ("a ping in pieces", frame(0x09, b"a"), 1002),
        ("a ping over 125 bytes", frame(0x89, &[0; 126]), 1002),
        ("endless crumbs", crumbs, 1008),
        ("a flood of pings", pings, 1008),
    ] {
        let (_, mut stream) = running.connect("/dev").await;
        running.event().await;
        let (mut reading, mut writing) = stream.split();
        // The server may close before it has read all.
        let writing = async {
            let _ = writing.write_all(&bytes).await;
        };
        let reading = async {
            loop {
                let first = reading.read_u8().await.unwrap();
                let length = usize::from(reading.read_u8().await.unwrap());
                let mut payload = vec![0; length];
                reading.read_exact(&mut payload).await.unwrap();
                if first == 0x88 {
                    return u16::from_be_bytes([payload[0], payload[1]]);
                }
            }
        };
        let (_, closed) = tokio::join!(writing, reading);
        assert_eq!(closed, code, "{what}");
        let end = running.event().await;
        assert_eq!(
            end["requestContext"]["disconnectStatusCode"], code,
            "{what}"
        );
    }
}

async fn over_a_pipe(
    stop: CancellationToken,
) -> (
    WebSocketStream<DuplexStream>,
    mpsc::UnboundedReceiver<Value>,
) {
    let (handler, events) = handler(&application());
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let server = Server::new(ServerLimits::default(), Arc::new(RunningClock));
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    tokio::spawn(async move { server.serve_connection(theirs, peer, handler, stop).await });
    let (_, stream) = ask(ours, "/dev", HANDSHAKE).await;
    let client = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    (client, events)
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_ten_minutes() {
    let (mut client, _events) = over_a_pipe(CancellationToken::new()).await;
    let began = tokio::time::Instant::now();
    assert_eq!(closed(&mut client).await, 1001);
    assert_eq!(began.elapsed().as_secs(), 600);
}

#[tokio::test(start_paused = true)]
async fn no_connection_lives_longer_than_two_hours() {
    let (mut client, _events) = over_a_pipe(CancellationToken::new()).await;
    let began = tokio::time::Instant::now();
    let code = loop {
        client.send(Message::Ping(Bytes::new())).await.unwrap();
        let five_minutes = Duration::from_mins(5);
        if let Ok(code) = tokio::time::timeout(five_minutes, closed(&mut client)).await {
            break code;
        }
    };
    assert_eq!(code, 1001);
    assert_eq!(began.elapsed().as_secs(), 7_200);
}
