//! Documents from a server that is a few lines of text.

use std::time::Duration;

use interfaces::http_client::{HttpClient as _, HttpRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

const LIMITS: DocumentLimits = DocumentLimits {
    bytes_max: 16,
    time_max: Duration::from_millis(300),
};

/// What comes of a document whose server answers so.
async fn read(answer: &'static str) -> Result<Bytes, NoAnswer> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _read = stream.read(&mut [0; 1024]).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let uri = format!("http://127.0.0.1:{port}/").parse().unwrap();
    Outbound::new(Roots::default()).document(&uri, LIMITS).await
}

#[tokio::test]
async fn a_document_is_read_whole_or_not_at_all() {
    let whole = read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    assert_eq!(whole, Ok(Bytes::from_static(b"{}")));
    let long = read("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n01234567890123456").await;
    assert!(matches!(
        long,
        Err(NoAnswer::TooLarge { bytes_max: 16, .. })
    ));
    let slow = read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{").await;
    assert!(matches!(slow, Err(NoAnswer::TooSlow { .. })));
    let moved =
        read("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(moved.await, Err(NoAnswer::Status { status, .. }) if status == 302));
}

#[tokio::test]
async fn link_local_addresses_are_refused_before_anything_is_sent() {
    let uri = "http://169.254.169.254/latest/meta-data".parse().unwrap();
    let outbound = Outbound::new(Roots::default());
    let refused = outbound.document(&uri, LIMITS).await;
    assert!(matches!(refused, Err(NoAnswer::Forbidden { .. })));
}

fn request(url: String) -> HttpRequest {
    HttpRequest {
        method: http::Method::POST,
        url,
        headers: Vec::new(),
        body: Bytes::new(),
        timeout: Duration::from_secs(1),
        answer_bytes_max: 10,
    }
}

#[tokio::test]
async fn what_services_send_goes_nowhere_that_is_closed_whatever_it_is_called_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let egress = Egress::new(move |address| (address.port() == port).then(|| "closed".to_owned()));
    let outbound = Outbound::within(Roots::default(), egress);
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let refused = outbound
            .send(request(format!("http://{host}:{port}/")))
            .await;
        let reason = refused.unwrap_err().reason;
        assert!(
            reason.ends_with("where nothing is sent: closed"),
            "{reason}"
        );
    }
    let waiting = tokio::time::timeout(Duration::from_millis(20), listener.accept()).await;
    assert!(waiting.is_err(), "a connection was made");
    // Function URLs are at home, wherever that is; documents are for ourselves.
    let home = outbound.at_home(port);
    let url = "http://abc.lambda-url.us-east-1.on.aws/".to_owned();
    let (_, accepted) = tokio::join!(home.send(request(url)), async {
        let accepted = listener.accept().await;
        accepted.is_ok()
    });
    assert!(accepted);
}

#[test]
fn a_file_without_certificates_is_no_list_of_authorities() {
    for pem in [
        "",
        "no PEM at all",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        assert!(Roots::default().adding(pem.as_bytes()).is_err(), "{pem}");
    }
}
