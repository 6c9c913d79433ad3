//! `HTTP_PROXY` integrations, with a server that shows what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use model::door::HttpProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

/// What a server does with a connection's next request.
type Answering = fn(&str) -> String;

/// A server, as long as it is held.
struct Other {
    port: u16,
    connections: Arc<AtomicUsize>,
    _running: JoinSet<()>,
}

/// The request itself, as the body.
fn showing(request: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nServer: other\r\nX-Seen: 1\r\n\r\n{request}",
        request.len()
    )
}

async fn other(answering: Answering) -> Other {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let mut running = JoinSet::new();
    running.spawn(async move {
        let mut serving = JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            serving.spawn(async move {
                let mut read = vec![0; 65_536];
                while let Ok(bytes @ 1..) = stream.read(&mut read).await {
                    let request = String::from_utf8_lossy(&read[..bytes]).into_owned();
                    let answer = answering(&request);
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    if answer.contains("Connection: close") || answer.is_empty() {
                        return;
                    }
                }
            });
        }
    });
    Other {
        port,
        connections,
        _running: running,
    }
}

fn handing_on(port: u16, uri: &str, mapped: &[(&str, &str)]) -> (HttpProxy, HttpProxy) {
    let proxy = |parameters: &[(&str, &str)]| HttpProxy {
        uri: uri.replace("PORT", &port.to_string()),
        http_method: None,
        timeout: Duration::from_secs(2),
        request_parameters: parameters
            .iter()
            .map(|(to, from)| ((*to).to_owned(), (*from).to_owned()))
            .collect(),
        response_parameters: BTreeMap::new(),
    };
    let (rest, http): (Vec<_>, Vec<_>) = mapped
        .iter()
        .partition(|(to, _)| to.starts_with("integration."));
    (proxy(&rest), proxy(&http))
}

/// Both APIs with one route each, for any method, that hands on.
fn bench_of((rest, http): (HttpProxy, HttpProxy), path: &str) -> Bench {
    let mut application = sample::application();
    let api = &mut application.rest_apis[0];
    api.methods = vec![RestMethod::new(
        path,
        "ANY",
        RestIntegration::HttpProxy(rest),
    )];
    let api = &mut application.http_apis[0];
    let key = RouteKey::Path {
        http_method: "ANY".to_owned(),
        path: path.to_owned(),
    };
    api.routes = vec![HttpRoute::new(key, HttpIntegration::HttpProxy(http))];
    let bench = bench(Act::Hang);
    let problems = bench.handler.swap(&application);
    let is_expected =
        |problem: &Problem| ["gateway::route-clash", "gateway::bad-proxy"].contains(&problem.code);
    assert!(problems.iter().all(is_expected), "{problems:?}");
    bench
}

/// The request line and the headers that the other server saw, in lower case.
async fn seen(bench: &Bench, target: &str, headers: &[(&str, &str)]) -> (String, Vec<String>) {
    let response = bench
        .send("POST", target, headers, b"{\"a\":{\"b\":[7]}}")
        .await;
    let text = text(&response);
    assert_eq!(
        response.status.as_u16(),
        200,
        "{text} {:?}",
        bench.entry().message
    );
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap().to_owned();
    (line, lines.map(str::to_lowercase).collect())
}

#[tokio::test]
async fn path_query_headers_and_body_are_handed_on_and_the_clients_connection_is_not() {
    let other = other(showing).await;
    let bench = bench_of(
        handing_on(other.port, "http://127.0.0.1:PORT/in/{proxy}?fixed=1", &[]),
        "/pets/{proxy+}",
    );
    for (target, line) in [
        (
            "/dev/pets/a%20b/c?q=%2F&q=2",
            "POST /in/a%20b/c?fixed=1&q=%2F&q=2 HTTP/1.1",
        ),
        (
            "/http/pets/a%20b/c%22?q=%2F&q=2",
            "POST /in/a%20b/c%22?fixed=1&q=%2F&q=2 HTTP/1.1",
        ),
    ] {
        let headers = [
            ("Host", "localhost:3000"),
            ("X-Mine", "1"),
            ("Connection", "x-hop, keep-alive"),
            ("X-Hop", "1"),
            ("TE", "trailers"),
            ("Transfer-Encoding", "chunked"),
            ("Content-Length", "99"),
            ("Proxy-Authorization", "secret"),
            ("X-Forwarded-Proto", "gopher"),
            ("Forwarded", "for=evil"),
        ];
        let (asked, lines) = seen(&bench, target, &headers).await;
        assert_eq!(asked, line);
        assert!(
            lines.contains(&format!("host: 127.0.0.1:{}", other.port)),
            "{lines:?}"
        );
        assert!(lines.contains(&"x-mine: 1".to_owned()));
        assert!(
            lines.contains(&"content-length: 15".to_owned()),
            "{lines:?}"
        );
        assert_eq!(lines.last().unwrap(), "{\"a\":{\"b\":[7]}}");
        let hidden = [
            "x-hop",
            "te:",
            "transfer-",
            "secret",
            "gopher",
            "evil",
            "connection:",
            "localhost:3000\r",
        ];
        for hidden in hidden {
            assert!(
                !lines
                    .iter()
                    .any(|line| line.starts_with(hidden) || line.contains(&format!(" {hidden}"))),
                "{hidden} {lines:?}"
            );
        }
    }
    let rest = bench.send("GET", "/dev/pets/a", &[], b"").await;
    assert_eq!(header(&rest, "x-amzn-Remapped-Server"), Some("other"));
    assert_eq!(
        (header(&rest, "X-Seen"), header(&rest, "Server")),
        (Some("1"), None)
    );
    assert_eq!(other.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn mappings_set_append_and_remove() {
    let other = other(showing).await;
    let mapped = [
        (
            "integration.request.path.proxy",
            "method.request.querystring.to",
        ),
        ("integration.request.header.X-Stage", "stageVariables.none"),
        ("integration.request.header.X-Fixed", "'fixed'"),
        (
            "integration.request.header.X-Ip",
            "context.identity.sourceIp",
        ),
        (
            "integration.request.header.X-Deep",
            "method.request.body.a.b[0]",
        ),
        (
            "integration.request.querystring.h",
            "method.request.header.X-Mine",
        ),
        ("overwrite:path", "/moved/${request.path.proxy}"),
        ("append:header.X-Mine", "$request.querystring.to"),
        ("remove:header.X-Gone", "''"),
        ("overwrite:querystring.q", "$request.body.a.b[0]"),
        ("append:header.X-Deep", "7"),
    ];
    let bench = bench_of(
        handing_on(other.port, "http://127.0.0.1:PORT/in/{proxy}", &mapped),
        "/pets/{proxy+}",
    );
    let headers = [("X-Mine", "mine"), ("X-Gone", "1")];
    let (line, lines) = seen(&bench, "/dev/pets/a?to=x%2Fy&q=1", &headers).await;
    assert_eq!(line, "POST /in/x/y?to=x%2Fy&q=1&h=mine HTTP/1.1");
    for expected in [
        "x-fixed: fixed",
        "x-ip: 127.0.0.1",
        "x-deep: 7",
        "x-gone: 1",
    ] {
        assert!(lines.contains(&expected.to_owned()), "{expected} {lines:?}");
    }
    let (line, lines) = seen(&bench, "/http/pets/a/b?to=x%2Fy&q=1", &headers).await;
    assert_eq!(line, "POST /moved/a/b?to=x%2Fy&q=7 HTTP/1.1");
    for expected in ["x-mine: mine", "x-mine: x/y", "x-deep: 7"] {
        assert!(lines.contains(&expected.to_owned()), "{expected} {lines:?}");
    }
    assert!(!lines.contains(&"x-gone: 1".to_owned()));
}

#[tokio::test]
async fn an_http_apis_answers_are_changed_by_their_status() {
    let other = other(|_| {
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\nX-B: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n".to_owned()
    })
    .await;
    let (rest, mut http) = handing_on(other.port, "http://127.0.0.1:PORT/", &[]);
    let changes = [
        ("overwrite:statuscode", "410"),
        (
            "append:header.x-c",
            "$response.header.x-a-${stageVariables.none}",
        ),
        ("overwrite:header.X-B", "$response.header.X-A"),
        ("remove:header.X-A", "''"),
    ];
    let changes = changes.map(|(to, from)| (to.to_owned(), from.to_owned()));
    http.response_parameters
        .insert("404".to_owned(), changes.into_iter().collect());
    let bench = bench_of((rest, http), "/pets");
    let response = bench.send("GET", "/http/pets", &[], b"").await;
    assert_eq!(
        (response.status.as_u16(), text(&response).as_str()),
        (410, "{}")
    );
    assert_eq!(
        (header(&response, "x-a"), header(&response, "x-b")),
        (None, Some("1"))
    );
    let response = bench.send("GET", "/dev/pets", &[], b"").await;
    assert_eq!(
        (response.status.as_u16(), header(&response, "x-b")),
        (404, Some("2"))
    );
}

#[tokio::test]
async fn nobody_is_led_upwards_or_elsewhere() {
    let other = other(showing).await;
    let bench = bench_of(
        handing_on(other.port, "http://127.0.0.1:PORT/in/{proxy}", &[]),
        "/pets/{proxy+}",
    );
    for path in [
        "..",
        "a/..",
        "a/../..",
        "%2e%2e",
        "a%2f..%2fb",
        "%252e%252e/a",
        "..%5ca",
        "a/..;x=1/b",
        ".",
    ] {
        for stage in ["/dev", "/http"] {
            let response = bench
                .send("GET", &format!("{stage}/pets/{path}"), &[], b"")
                .await;
            assert_eq!(
                response.status.as_u16(),
                400,
                "{stage} {path} {}",
                text(&response)
            );
        }
    }
    assert_eq!(other.connections.load(Ordering::Relaxed), 0);
    for uri in [
        "http://{proxy}/in",
        "http://{proxy}.example.com/",
        "http://a@127.0.0.1/",
        "file:///etc/passwd",
        "http://127.0.0.1:{proxy}/",
        "http:///in",
    ] {
        let bench = bench_of(handing_on(0, uri, &[]), "/pets/{proxy+}");
        let response = bench.send("GET", "/dev/pets/a", &[], b"").await;
        assert_eq!(response.status.as_u16(), 500, "{uri}");
    }
    let bench = bench_of(
        handing_on(0, "http://169.254.169.254/latest/{proxy}", &[]),
        "/pets/{proxy+}",
    );
    let response = bench.send("GET", "/dev/pets/meta-data", &[], b"").await;
    assert_eq!(response.status.as_u16(), 500);
    assert!(bench.entry().message.unwrap().contains("link-local"));
}

#[tokio::test]
async fn a_segment_of_the_path_is_one_value_of_the_query() {
    let other = other(showing).await;
    let bench = bench_of(
        handing_on(
            other.port,
            "http://127.0.0.1:PORT/in?id={id}&role=reader",
            &[],
        ),
        "/pets/{id}",
    );
    for (stage, id, expected) in [
        ("/dev", "1&role=admin", "id=1%26role%3Dadmin"),
        ("/http", "1&role=admin", "id=1%26role%3Dadmin"),
        ("/dev", "a+b;c", "id=a%2Bb%3Bc"),
        ("/dev", "1%26role=admin", "id=1%26role%3Dadmin"),
        ("/dev", "a%20b", "id=a%20b"),
    ] {
        let (line, _) = seen(&bench, &format!("{stage}/pets/{id}"), &[]).await;
        assert_eq!(
            line,
            format!("POST /in?{expected}&role=reader HTTP/1.1"),
            "{stage} {id}"
        );
    }
}

#[tokio::test]
async fn a_line_break_in_a_mapped_value_is_no_header() {
    let other = other(showing).await;
    let mapped = [
        (
            "integration.request.header.X-Mine",
            "method.request.querystring.q",
        ),
        ("append:header.X-Mine", "$request.querystring.q"),
    ];
    let bench = bench_of(
        handing_on(other.port, "http://127.0.0.1:PORT/", &mapped),
        "/pets",
    );
    for stage in ["/dev", "/http"] {
        let (_, lines) = seen(&bench, &format!("{stage}/pets?q=a%0D%0AX-Evil:%201"), &[]).await;
        assert!(
            !lines.iter().any(|line| line.starts_with("x-evil")),
            "{lines:?}"
        );
    }
}

#[tokio::test]
async fn servers_that_do_not_answer_are_told_from_those_that_answer_nonsense() {
    let cases: [(Answering, u16, u16, &str); 6] = [
        (|_| String::new(), 504, 503, "closed the connection"),
        (
            |_| "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nab".to_owned(),
            502,
            500,
            "cut off",
        ),
        (|_| "SSH-2.0\r\n\r\n".to_owned(), 502, 500, "status line"),
        (
            |_| {
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                    .to_owned()
            },
            502,
            500,
            "encoding",
        ),
        (
            |_| "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_owned(),
            502,
            500,
            "over the limit",
        ),
        (
            |_| "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_owned(),
            504,
            503,
            "in time",
        ),
    ];
    for (answering, rest, http, message) in cases {
        let other = other(answering).await;
        let bench = bench_of(
            handing_on(other.port, "http://127.0.0.1:PORT/", &[]),
            "/pets",
        );
        for (stage, expected) in [("/dev", rest), ("/http", http)] {
            let response = bench.send("POST", &format!("{stage}/pets"), &[], b"").await;
            let said = bench.entry().message.unwrap();
            assert_eq!(response.status.as_u16(), expected, "{said}");
            assert!(said.contains(message), "{said}");
        }
    }
    let bench = bench_of(handing_on(1, "http://127.0.0.1:PORT/", &[]), "/pets");
    let response = bench.send("GET", "/dev/pets", &[], b"").await;
    assert_eq!(
        text(&response),
        r#"{"message": "Network error communicating with endpoint"}"#
    );
}

#[tokio::test]
async fn answers_without_a_length_or_a_body_are_read_to_their_end() {
    let other = other(|request| {
        if request.starts_with("HEAD") {
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_owned()
        } else if request.starts_with("DELETE") {
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n".to_owned()
        } else {
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end".to_owned()
        }
    })
    .await;
    let bench = bench_of(
        handing_on(other.port, "http://127.0.0.1:PORT/", &[]),
        "/pets",
    );
    for (method, status, body) in [
        ("HEAD", 200, ""),
        ("DELETE", 204, ""),
        ("GET", 200, "to the end"),
        ("GET", 200, "to the end"),
    ] {
        let response = bench.send(method, "/http/pets", &[], b"").await;
        assert_eq!(
            (response.status.as_u16(), text(&response).as_str()),
            (status, body),
            "{method}"
        );
    }
}
