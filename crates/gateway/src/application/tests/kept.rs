//! The cache of a stage, from request to request.

use std::sync::atomic::{AtomicUsize, Ordering};

use model::door::{Invalidation, MethodCache, Parameter, ParameterLocation};
use tokio::sync::Semaphore;

use super::*;

/// A function that replies with the number of its call, once it may.
struct Counting {
    calls: AtomicUsize,
    may_reply: Semaphore,
    reply: Mutex<fn(usize) -> String>,
}

fn plainly(call: usize) -> String {
    format!(r#"{{"statusCode":200,"headers":{{"X-Call":"{call}"}},"body":"{call}"}}"#)
}

impl Invoke for Counting {
    fn invoke(&self, _: Invocation) -> BoxFuture<'_, Result<Reply, NotRun>> {
        Box::pin(async move {
            let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
            self.may_reply.acquire().await.unwrap().forget();
            let reply = self.reply.lock().unwrap()(call);
            Ok(Reply {
                outcome: Outcome::Returned(Bytes::from(reply)),
                timings: Timings {
                    queue: Duration::ZERO,
                    init: None,
                    handler: Duration::ZERO,
                },
                log_tail: Bytes::new(),
                executed_version: "$LATEST".to_owned(),
            })
        })
    }
}

struct Kept {
    handler: Arc<ApplicationHandler>,
    function: Arc<Counting>,
    clock: Arc<StoppedClock>,
    log: Arc<FakeLog>,
}

fn cached(change: impl FnOnce(&mut RestMethod, &mut MethodCache)) -> Kept {
    let mut application = sample::application();
    let rest = &mut application.rest_apis[0];
    rest.cache_bytes = Some(1_000_000);
    rest.methods.truncate(1);
    let method = &mut rest.methods[0];
    method.http_method = "GET".to_owned();
    let mut rule = MethodCache {
        ttl: Duration::from_secs(60),
        key_parameters: vec![
            Parameter {
                location: ParameterLocation::Query,
                name: "q".to_owned(),
            },
            Parameter {
                location: ParameterLocation::Header,
                name: "Accept-Language".to_owned(),
            },
        ],
        namespace: None,
        invalidation: Invalidation::Open,
    };
    change(method, &mut rule);
    method.cache = Some(rule);
    let clock = Arc::new(StoppedClock::at(Timestamp::from_micros(
        1_583_349_317_135_000,
    )));
    let function = Arc::new(Counting {
        calls: AtomicUsize::new(0),
        may_reply: Semaphore::new(10_000),
        reply: Mutex::new(plainly),
    });
    let log = Arc::new(FakeLog::default());
    let handler = ApplicationHandler::new(
        function.clone(),
        clock.clone(),
        Arc::new(FixedRandom(7)),
        log.clone(),
        AccountId::development(),
        Arc::new(LocalCounters::default()),
        crate::authorise::tests::nobody(),
    );
    handler.swap(&application);
    Kept {
        handler: Arc::new(handler),
        function,
        clock,
        log,
    }
}

impl Kept {
    fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &'static [u8],
    ) -> Request {
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| (*name, HeaderValue::from_str(value).unwrap()));
        Request {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            target: target.to_owned(),
            version: Version::HTTP_11,
            headers: headers.collect(),
            body: Body::whole(body),
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1_234)),
            scheme: crate::http::Scheme::Http,
            received_at: self.clock.instant(),
        }
    }

    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let request = self.request(method, target, headers, b"");
        self.handler.handle(request).await
    }

    /// The body of a `GET`.
    async fn get(&self, target: &str, headers: &[(&str, &str)]) -> String {
        text(&self.send("GET", target, headers).await)
    }

    fn cached(&self) -> Option<Cached> {
        self.log.0.lock().unwrap().last().unwrap().cached
    }

    fn calls(&self) -> usize {
        self.function.calls.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn what_the_key_names_tells_replies_apart_and_nothing_else_does() {
    let kept = cached(|_, _| {});
    assert_eq!(kept.get("/dev/pets/7", &[]).await, "1");
    assert_eq!(kept.cached(), Some(Cached::Miss));
    let first = kept.send("GET", "/dev/pets/7", &[]).await;
    assert_eq!(
        (text(&first).as_str(), header(&first, "X-Call")),
        ("1", Some("1"))
    );
    assert!(header(&first, "X-Amzn-Trace-Id").is_some());
    assert_eq!(kept.cached(), Some(Cached::Hit));
    for (target, headers, expected) in [
        ("/dev/pets/7?other=1", &[][..], "1"),
        ("/dev/pets/7", &[("X-Other", "1")], "1"),
        ("/dev/pets/7?q=a", &[], "2"),
        ("/dev/pets/7?other=2&q=a", &[], "2"),
        ("/dev/pets/7?q=", &[], "3"),
        ("/dev/pets/7", &[("accept-language", "de")], "4"),
        ("/dev/pets/7", &[("ACCEPT-LANGUAGE", "de")], "4"),
        ("/dev/pets/8", &[], "5"),
        ("/dev/pets/7", &[("Authorization", "Bearer ada")], "6"),
        ("/dev/pets/7", &[("Authorization", "Bearer bob")], "7"),
        ("/dev/pets/7", &[("Authorization", "Bearer ada")], "6"),
    ] {
        assert_eq!(
            kept.get(target, headers).await,
            expected,
            "{target} {headers:?}"
        );
    }
}

#[tokio::test]
async fn nobody_chooses_what_others_are_answered() {
    let kept = cached(|_, _| {});
    assert_eq!(kept.get("/dev/pets/7", &[("Host", "a.test")]).await, "1");
    for (headers, expected) in [
        (&[("Host", "evil.test")][..], "2"),
        (
            &[("Host", "a.test"), ("X-Forwarded-Host", "evil.test")],
            "3",
        ),
        (&[("Host", "a.test"), ("x-original-url", "/evil")], "4"),
        (&[("Host", "a.test"), ("Forwarded", "host=evil.test")], "5"),
        (&[("Host", "a.test"), ("X-Forwarded-For", "192.0.2.1")], "1"),
        (&[("Host", "a.test")], "1"),
    ] {
        assert_eq!(
            kept.get("/dev/pets/7", headers).await,
            expected,
            "{headers:?}"
        );
    }
    let with_body = |body: &'static [u8]| kept.request("GET", "/dev/pets/9", &[], body);
    let fat = kept.handler.handle(with_body(b"{}")).await;
    assert_eq!(text(&fat), "6");
    assert_eq!(text(&kept.handler.handle(with_body(b"")).await), "7");
    assert_eq!(text(&kept.handler.handle(with_body(b"{}")).await), "8");
    assert_eq!(kept.get("/dev/pets/9", &[]).await, "7");
}

#[tokio::test]
async fn a_reply_is_kept_until_its_time_is_over() {
    let kept = cached(|_, _| {});
    kept.get("/dev/pets/7", &[]).await;
    kept.clock.advance(Duration::from_millis(59_999));
    assert_eq!(kept.get("/dev/pets/7", &[]).await, "1");
    kept.clock.advance(Duration::from_millis(1));
    assert_eq!(kept.get("/dev/pets/7", &[]).await, "2");
    assert_eq!(kept.get("/dev/pets/7", &[]).await, "2");
}

#[tokio::test]
async fn a_thousand_who_miss_at_once_are_one_call() {
    let kept = Arc::new(cached(|_, _| {}));
    let free = kept.function.may_reply.available_permits();
    kept.function.may_reply.forget_permits(free);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let kept = Arc::clone(&kept);
        asking.spawn(async move { kept.get("/dev/pets/7", &[]).await });
    }
    while kept.calls() == 0 {
        tokio::task::yield_now().await;
    }
    kept.function.may_reply.add_permits(1);
    while let Some(answered) = asking.join_next().await {
        assert_eq!(answered.unwrap(), "1");
    }
    assert_eq!(kept.calls(), 1);
}

#[tokio::test]
async fn when_the_one_who_calls_is_gone_another_one_calls() {
    let kept = Arc::new(cached(|_, _| {}));
    let free = kept.function.may_reply.available_permits();
    kept.function.may_reply.forget_permits(free);
    let mut asking = tokio::task::JoinSet::new();
    let leader = {
        let kept = Arc::clone(&kept);
        asking.spawn(async move { kept.get("/dev/pets/7", &[]).await })
    };
    while kept.calls() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        let kept = Arc::clone(&kept);
        asking.spawn(async move { kept.get("/dev/pets/7", &[]).await });
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    leader.abort();
    kept.function.may_reply.add_permits(1);
    let mut answered = Vec::new();
    while let Some(one) = asking.join_next().await {
        answered.extend(one.ok());
    }
    assert_eq!(answered, vec!["2"; 10]);
}

#[tokio::test]
async fn nobody_gets_a_cookie_that_is_set_for_somebody_else() {
    let kept = Arc::new(cached(|_, _| {}));
    *kept.function.reply.lock().unwrap() = |call| {
        format!(r#"{{"statusCode":200,"headers":{{"Set-Cookie":"id={call}"}},"body":"{call}"}}"#)
    };
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let kept = Arc::clone(&kept);
        asking.spawn(async move { kept.get("/dev/pets/7", &[]).await });
    }
    let mut answered = BTreeSet::new();
    while let Some(one) = asking.join_next().await {
        answered.insert(one.unwrap());
    }
    assert_eq!(answered.len(), 20);
}

#[tokio::test]
async fn replies_of_any_status_are_kept_but_what_the_gateway_says_is_not() {
    let kept = cached(|_, _| {});
    *kept.function.reply.lock().unwrap() =
        |call| format!(r#"{{"statusCode":404,"body":"{call}"}}"#);
    assert_eq!(kept.get("/dev/pets/7", &[]).await, "1");
    assert_eq!(kept.get("/dev/pets/7", &[]).await, "1");
    *kept.function.reply.lock().unwrap() = |_| "no reply".to_owned();
    kept.get("/dev/pets/8", &[]).await;
    kept.get("/dev/pets/8", &[]).await;
    assert_eq!(kept.calls(), 3);
}

#[tokio::test]
async fn a_reply_is_made_anew_for_whoever_may_ask_for_it() {
    let ask = [("Cache-Control", "no-cache, max-age=0")];
    for (rule, status, body, warning) in [
        (Invalidation::Open, 200, "2", None),
        (
            Invalidation::ElseForbidden,
            403,
            r#"{"message":"Forbidden"}"#,
            None,
        ),
        (
            Invalidation::ElseWarned,
            200,
            "1",
            Some("199 Cache-control headers were ignored because the caller was unauthorized."),
        ),
        (Invalidation::ElseIgnored, 200, "1", None),
    ] {
        let kept = cached(|_, cache| cache.invalidation = rule);
        assert_eq!(
            kept.get("/dev/pets/7", &[("Cache-Control", "max-age=10")])
                .await,
            "1"
        );
        let response = kept.send("GET", "/dev/pets/7", &ask).await;
        assert_eq!(
            (response.status.as_u16(), text(&response).as_str()),
            (status, body),
            "{rule:?}"
        );
        assert_eq!(header(&response, "Warning"), warning, "{rule:?}");
        let expected = if body == "2" { "2" } else { "1" };
        assert_eq!(kept.get("/dev/pets/7", &[]).await, expected, "{rule:?}");
    }
}

#[tokio::test]
async fn a_method_for_all_methods_keeps_replies_to_get_alone() {
    let kept = cached(|method, _| method.http_method = "ANY".to_owned());
    for (method, expected) in [("GET", "1"), ("POST", "2"), ("POST", "3"), ("GET", "1")] {
        let response = kept.send(method, "/dev/pets/7", &[]).await;
        assert_eq!(text(&response), expected, "{method}");
    }
    let kept = cached(|method, _| method.http_method = "POST".to_owned());
    for _ in 0..2 {
        assert_eq!(text(&kept.send("POST", "/dev/pets/7", &[]).await), "1");
    }
}

#[tokio::test]
async fn a_stage_or_one_route_of_it_is_emptied_and_what_was_under_way_is_not_kept() {
    let kept = Arc::new(cached(|_, _| {}));
    let table = kept.handler.table();
    let api = table
        .api(
            &sample::application().rest_apis[0].id,
            &StageName::new("dev"),
        )
        .unwrap();
    let (id, stage) = (api.id.clone(), api.stage.clone());
    kept.get("/dev/pets/7", &[]).await;
    assert!(kept.handler.flush_cache(&id, &stage, None));
    assert_eq!(kept.get("/dev/pets/7", &[]).await, "2");
    assert!(
        kept.handler
            .flush_cache(&id, &stage, Some("GET /pets/{id}"))
    );
    assert!(!kept.handler.flush_cache(&id, &stage, Some("GET /nothing")));
    let free = kept.function.may_reply.available_permits();
    kept.function.may_reply.forget_permits(free);
    let asking = {
        let kept = Arc::clone(&kept);
        let mut set = tokio::task::JoinSet::new();
        set.spawn(async move { kept.get("/dev/pets/7", &[]).await });
        set
    };
    while kept.calls() < 3 {
        tokio::task::yield_now().await;
    }
    assert!(kept.handler.flush_cache(&id, &stage, None));
    kept.function.may_reply.add_permits(10);
    assert_eq!(asking.join_all().await, ["3"]);
    assert_eq!(kept.get("/dev/pets/7", &[]).await, "4");
}
