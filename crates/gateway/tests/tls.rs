//! TLS on a listener, as clients of rustls and hyper see it. The certificates beside this file certify nothing that exists.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "tests own their server, their client and their time"
)]

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use gateway::http::{
    BadCertificate, CertificateText, Handler, Request, Response, Server, ServerLimits, Tls,
};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use interfaces::BoxFuture;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use test_kit::RunningClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

const API: CertificateText<'_> = CertificateText {
    certificate: include_bytes!("certificates/api.pem"),
    key: include_bytes!("certificates/api.key.pem"),
};
const SHOP: CertificateText<'_> = CertificateText {
    certificate: include_bytes!("certificates/shop.pem"),
    key: include_bytes!("certificates/shop.key.pem"),
};
/// More than a socket takes at once.
const LARGE_BYTES: usize = 8 * 1024 * 1024;

/// Answers with the request's scheme and version; to `/large` with a large body.
struct Telling;

impl Handler for Telling {
    fn handle(&self, request: Request) -> BoxFuture<'_, Response> {
        let body = match request.path() {
            "/large" => Bytes::from(vec![b'a'; LARGE_BYTES]),
            _ => format!("{} {:?}", request.scheme.as_str(), request.version).into(),
        };
        Box::pin(std::future::ready(Response::new(
            http::StatusCode::OK,
            body,
        )))
    }
}

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    server: JoinSet<usize>,
}

impl Running {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server = Server::new(ServerLimits::default(), Arc::new(RunningClock))
            .secured(Tls::new(&[API, SHOP]).unwrap());
        let serving = server.serve(listener, Arc::new(Telling), shutdown.clone());
        let mut server = JoinSet::new();
        server.spawn(async { serving.await.connections_cut });
        Self {
            address,
            shutdown,
            server,
        }
    }

    /// A connection to this host's name, which speaks this.
    async fn connect(&self, host: &'static str, protocol: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        for text in [API, SHOP] {
            roots
                .add(CertificateDer::from_pem_slice(text.certificate).unwrap())
                .unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(host).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.expect(host)
    }
}

#[tokio::test]
async fn each_name_is_shown_its_own_certificate_and_both_versions_are_spoken() {
    let running = Running::start().await;
    // The client would refuse a certificate that is not for the name.
    for host in [
        "api.example",
        "v1.api.example",
        "shop.example",
        "www.shop.example",
    ] {
        let stream = running.connect(host, "http/1.1").await;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let mut driving = JoinSet::new();
        driving.spawn(connection);
        let request = http::Request::get("/").header("host", host);
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let reply = sender.send_request(request).await.unwrap();
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "https HTTP/1.1");
    }
    let stream = running.connect("api.example", "h2").await;
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let request = http::Request::get("https://api.example/");
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let reply = sender.send_request(request).await.unwrap();
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "https HTTP/2.0");
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let running = Running::start().await;
    let mut stream = running.connect("api.example", "http/1.1").await;
    let request = b"GET /large HTTP/1.1\r\nhost: api.example\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    let head = reply.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    assert_eq!(reply.len() - head - 4, LARGE_BYTES);
}

#[tokio::test]
async fn whoever_speaks_plain_http_is_told_so_and_silence_does_not_hold_the_end_up() {
    let mut running = Running::start().await;
    let mut plain = TcpStream::connect(running.address).await.unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut reply = String::new();
    plain.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    assert!(
        reply.ends_with("this port speaks HTTPS: write https://\n"),
        "{reply}"
    );
    let _silent = TcpStream::connect(running.address).await.unwrap();
    running.connect("api.example", "http/1.1").await;
    running.shutdown.cancel();
    assert_eq!(running.server.join_next().await.unwrap().unwrap(), 0);
}

#[test]
fn certificates_that_cannot_be_shown_are_refused_with_the_reason() {
    let mixed = CertificateText {
        key: SHOP.key,
        ..API
    };
    let swapped = CertificateText {
        certificate: API.key,
        key: API.certificate,
    };
    for (texts, number, reason) in [
        (vec![], 0, "there is no certificate"),
        (
            vec![API, mixed],
            1,
            "the key is not that of the certificate",
        ),
        (vec![swapped], 0, "there is none in it"),
        (
            vec![CertificateText { key: b"", ..API }],
            0,
            "the key cannot be read",
        ),
    ] {
        let (found, bad): (usize, BadCertificate) = Tls::new(&texts).unwrap_err();
        assert_eq!(found, number, "{bad}");
        assert!(bad.to_string().contains(reason), "{bad}");
    }
}
