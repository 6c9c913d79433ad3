//! Function URLs, and replies that come in pieces.

use interfaces::invoke::Answer as Reached;
use interfaces::reply_stream::{self, HTTP_INTEGRATION_RESPONSE, ReplySink};
use model::door::Callee;
use model::function_url::{FunctionUrl, InvokeMode};
use model::ids::ApiId;
use tokio::sync::oneshot;

use super::*;

const HEAD: &[u8] = b"{\"statusCode\":201}\0\0\0\0\0\0\0\0";

type Ends = (ReplySink, oneshot::Sender<Result<Reply, NotRun>>);

/// Streams what the test writes, or does what the other fake does.
struct Streaming {
    whole: Arc<FakeInvoke>,
    content_type: Option<&'static str>,
    ends: Mutex<Option<Ends>>,
}

impl Invoke for Streaming {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Reply, NotRun>> {
        self.whole.invoke(invocation)
    }

    fn invoke_streamed(&self, invocation: Invocation) -> BoxFuture<'_, Result<Reached, NotRun>> {
        let Some(content_type) = self.content_type else {
            let replying = self.whole.invoke(invocation);
            return Box::pin(async move { replying.await.map(Reached::Whole) });
        };
        let (sink, source) = reply_stream::channel();
        let (end, ended) = oneshot::channel();
        *self.ends.lock().unwrap() = Some((sink, end));
        let stream = source.into_stream(content_type.to_owned(), ended);
        Box::pin(std::future::ready(Ok(Reached::Streamed(stream))))
    }
}

struct Door {
    handler: ApplicationHandler,
    invoke: Arc<Streaming>,
    log: Arc<FakeLog>,
    clock: Arc<StoppedClock>,
}

fn door(act: Act, content_type: Option<&'static str>) -> Door {
    let clock = Arc::new(StoppedClock::at(Timestamp::from_micros(
        1_583_349_317_135_000,
    )));
    let invoke = Arc::new(Streaming {
        whole: Arc::new(FakeInvoke {
            act: Mutex::new(act),
            seen: Mutex::default(),
        }),
        content_type,
        ends: Mutex::default(),
    });
    let log = Arc::new(FakeLog::default());
    let handler = ApplicationHandler::new(
        invoke.clone(),
        clock.clone(),
        Arc::new(FixedRandom(7)),
        log.clone(),
        AccountId::development(),
        Arc::new(LocalCounters::default()),
        crate::authorise::tests::nobody(),
    );
    let mut application = application();
    for method in &mut application.rest_apis[0].methods {
        if let RestIntegration::LambdaProxy { is_streamed, .. } = &mut method.integration {
            *is_streamed = true;
        }
    }
    let url = |id: &str, auth, invoke_mode| FunctionUrl {
        id: ApiId::new(id),
        callee: Callee {
            function: FunctionName::new("pets"),
            qualifier: Some("live".to_owned()),
        },
        auth,
        cors: Some(CorsConfiguration {
            allow_origins: vec!["https://a.example".to_owned()],
            allow_methods: vec!["GET".to_owned()],
            ..CorsConfiguration::default()
        }),
        invoke_mode,
        place: None,
    };
    application.function_urls = vec![
        url("open", AuthType::Open, InvokeMode::Buffered),
        url("streams", AuthType::Open, InvokeMode::ResponseStream),
        url("nobody", AuthType::Nobody, InvokeMode::Buffered),
        url("signed", AuthType::Iam, InvokeMode::Buffered),
    ];
    handler.swap(&application);
    Door {
        handler,
        invoke,
        log,
        clock,
    }
}

impl Door {
    async fn ask(&self, method: Method, target: &str, headers: &[(&str, &str)]) -> Response {
        let mut sent = Headers::default();
        for (name, value) in headers {
            sent.push(name, HeaderValue::from_str(value).unwrap());
        }
        let request = Request {
            method,
            target: target.to_owned(),
            version: Version::HTTP_11,
            headers: sent,
            body: Body::empty(),
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1_234)),
            scheme: crate::http::Scheme::Http,
            received_at: self.clock.instant(),
        };
        self.handler.handle(request).await
    }

    async fn get(&self, target: &str, host: &str) -> Response {
        self.ask(Method::GET, target, &[("host", host)]).await
    }

    fn ends(&self) -> Ends {
        self.invoke.ends.lock().unwrap().take().unwrap()
    }

    fn entries(&self) -> Vec<AccessEntry> {
        std::mem::take(&mut *self.log.0.lock().unwrap())
    }
}

fn whole(response: &Response) -> String {
    match &response.body {
        ResponseBody::Whole(body) => String::from_utf8_lossy(body).into_owned(),
        ResponseBody::Stream(_) | ResponseBody::Upgrade(_) => panic!("it came in pieces"),
    }
}

fn stream(response: Response) -> crate::http::BodyStream {
    match response.body {
        ResponseBody::Stream(body) => body,
        body @ (ResponseBody::Whole(_) | ResponseBody::Upgrade(_)) => {
            panic!("it came whole: {body:?}")
        }
    }
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let mut headers = response.headers.iter();
    let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.and_then(|(_, value)| value.to_str().ok())
}

fn replied(outcome: Outcome) -> Result<Reply, NotRun> {
    Ok(Reply {
        outcome,
        timings: Timings::default(),
        log_tail: Bytes::new(),
        executed_version: "1".to_owned(),
    })
}

#[tokio::test]
async fn a_function_url_is_called_by_its_host_and_by_its_path() {
    let door = door(Act::Echo, None);
    for (target, host, domain) in [
        (
            "/a%20b//c?q=1",
            "open.lambda-url.us-east-1.localhost:3000",
            "open.lambda-url.us-east-1.localhost:3000",
        ),
        (
            "///a%20b//c?q=1",
            "open.lambda-url.us-east-1.localhost:3000",
            "open.lambda-url.us-east-1.localhost:3000",
        ),
        (
            "/_cloudless/url/open/a%20b//c?q=1",
            "localhost:3000",
            "open.lambda-url.us-east-1.on.aws",
        ),
    ] {
        let response = door.get(target, host).await;
        assert!(header(&response, "x-amzn-requestid").is_some());
        assert!(header(&response, "apigw-requestid").is_none());
        let event: serde_json::Value = serde_json::from_str(&whole(&response)).unwrap();
        assert_eq!(event["version"], "2.0");
        assert_eq!(event["routeKey"], "$default");
        assert_eq!(event["rawPath"], "/a%20b//c");
        assert_eq!(event["rawQueryString"], "q=1");
        let context = &event["requestContext"];
        assert_eq!(context["accountId"], "anonymous");
        assert_eq!(context["apiId"], "open");
        assert_eq!(context["domainName"], domain);
        assert_eq!(context["domainPrefix"], "open");
        assert_eq!(context["stage"], "$default");
        assert_eq!(context["http"]["path"], "/a%20b//c");
        let id = header(&response, "x-amzn-requestid").unwrap();
        assert_eq!(context["requestId"], id);
    }
    let seen = door.invoke.whole.seen.lock().unwrap();
    assert_eq!(seen[0].qualifier.as_deref(), Some("live"));
}

#[tokio::test]
async fn a_function_url_answers_for_its_function_in_lambdas_words() {
    let throttled = NotRun::Throttled {
        function: FunctionName::new("pets"),
        limit: ThrottleLimit::ReservedConcurrency,
    };
    let failed = Act::Fail(FunctionErrorKind::Raised, "{}");
    for (act, id, status, body) in [
        (failed, "open", 502, "Internal Server Error"),
        (Act::NotRun(throttled), "open", 429, "Rate Exceeded."),
        (
            Act::Return("{\"statusCode\":99}"),
            "open",
            502,
            "Internal Server Error",
        ),
        (Act::Echo, "nobody", 403, r#"{"Message":"Forbidden"}"#),
        (Act::Echo, "signed", 403, r#"{"Message":"Forbidden"}"#),
        (Act::Echo, "unknown", 404, "Not Found"),
    ] {
        let door = door(act, None);
        let host = format!("{id}.lambda-url.us-east-1.on.aws");
        let response = door.get("/", &host).await;
        assert_eq!(response.status.as_u16(), status, "{id}");
        assert!(whole(&response).contains(body), "{}", whole(&response));
        assert!(door.entries()[0].message.is_some());
    }
}

#[tokio::test]
async fn a_function_url_answers_preflights_by_its_own_configuration() {
    let door = door(Act::Return("{\"statusCode\":200}"), None);
    let host = ("host", "open.lambda-url.us-east-1.on.aws");
    let origin = ("origin", "https://a.example");
    let asked = ("access-control-request-method", "GET");
    let preflight = door.ask(Method::OPTIONS, "/", &[host, origin, asked]).await;
    assert_eq!(preflight.status.as_u16(), 204);
    assert_eq!(
        header(&preflight, "access-control-allow-methods"),
        Some("GET")
    );
    let response = door.ask(Method::GET, "/", &[host, origin]).await;
    let allowed = header(&response, "access-control-allow-origin");
    assert_eq!(allowed, Some("https://a.example"));
    assert_eq!(door.invoke.whole.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_reply_in_pieces_begins_before_it_ends() {
    for (target, host) in [
        ("/", "streams.lambda-url.us-east-1.on.aws"),
        (REST, "localhost"),
    ] {
        let door = door(Act::Hang, Some(HTTP_INTEGRATION_RESPONSE));
        let asking = door.get(target, host);
        let writing = async {
            tokio::task::yield_now().await;
            let (sink, end) = door.ends();
            sink.write(Bytes::from_static(HEAD)).await.unwrap();
            sink.write(Bytes::from_static(b"one")).await.unwrap();
            (sink, end)
        };
        let (response, (sink, end)) = tokio::join!(asking, writing);
        assert_eq!(response.status.as_u16(), 201);
        let mut body = stream(response);
        assert_eq!(body.next().await.unwrap().unwrap(), "one");
        assert!(door.entries().is_empty());
        sink.write(Bytes::from_static(b"two")).await.unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), "two");
        drop(sink);
        door.clock.advance(Duration::from_secs(7));
        end.send(replied(Outcome::Returned(Bytes::new()))).unwrap();
        assert!(body.next().await.is_none());
        let entries = door.entries();
        assert_eq!(entries[0].total, Duration::from_secs(7));
        assert_eq!((entries[0].status, &entries[0].message), (201, &None));
        assert!(entries[0].timings.is_some());
    }
}

#[tokio::test]
async fn a_failure_behind_the_first_piece_breaks_the_body_off_and_is_logged() {
    let door = door(Act::Hang, Some("text/event-stream"));
    let response = door.get("/", "streams.lambda-url.us-east-1.on.aws").await;
    assert_eq!(header(&response, "content-type"), Some("text/event-stream"));
    let mut body = stream(response);
    let (sink, end) = door.ends();
    drop(sink);
    let failed = Outcome::Failed(FunctionError {
        kind: FunctionErrorKind::Exited,
        payload: Bytes::from_static(b"{}"),
    });
    end.send(replied(failed)).unwrap();
    assert!(body.next().await.unwrap().is_err());
    let message = door.entries()[0].message.clone().unwrap();
    assert!(
        message.starts_with("the reply broke off: function `pets`"),
        "{message}"
    );
}

#[tokio::test]
async fn a_client_that_goes_is_logged_once() {
    let door = door(Act::Hang, Some("text/event-stream"));
    let response = door.get("/", "streams.lambda-url.us-east-1.on.aws").await;
    drop(response);
    let entries = door.entries();
    assert_eq!(entries.len(), 1);
    assert!(
        entries[0]
            .message
            .as_ref()
            .unwrap()
            .contains("the function goes on")
    );
}

#[tokio::test(start_paused = true)]
async fn a_rest_api_waits_five_minutes_for_the_next_piece() {
    let door = door(Act::Hang, Some(HTTP_INTEGRATION_RESPONSE));
    let asking = door.get(REST, "localhost");
    let writing = async {
        tokio::task::yield_now().await;
        let ends = door.ends();
        ends.0.write(Bytes::from_static(HEAD)).await.unwrap();
        ends
    };
    let (response, _ends) = tokio::join!(asking, writing);
    let mut body = stream(response);
    let began_at = tokio::time::Instant::now();
    assert!(body.next().await.unwrap().is_err());
    assert_eq!(began_at.elapsed().as_secs(), 300);
    let message = door.entries()[0].message.clone().unwrap();
    assert!(message.contains("300 s"), "{message}");
}

#[tokio::test]
async fn a_function_that_does_not_stream_replies_whole_or_is_refused() {
    let door = door(Act::Return("{\"statusCode\":202,\"body\":\"b\"}"), None);
    let url = door.get("/", "streams.lambda-url.us-east-1.on.aws").await;
    assert_eq!((url.status.as_u16(), whole(&url).as_str()), (202, "b"));
    let rest = door.get(REST, "localhost").await;
    assert_eq!(rest.status.as_u16(), 502);
    let message = door.entries()[1].message.clone().unwrap();
    assert!(message.contains("awslambda.streamifyResponse"), "{message}");
}
