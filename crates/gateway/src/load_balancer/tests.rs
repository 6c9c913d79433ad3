//! The handler from request to response, with a function that is a table.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use http::Version;
use interfaces::invoke::{FunctionError, FunctionErrorKind, NotRun, Reply, ThrottleLimit};
use model::ids::RevisionId;
use model::load_balancer::{
    Action, Condition, DefaultAction, FixedResponse, Listener, Protocol, QueryPair, Redirect, Rule,
    Values, Weighted,
};
use serde_json::Value;
use test_kit::{FixedRandom, StoppedClock};

use super::*;
use crate::http::{Headers, ResponseBody, Scheme};

/// What the function does with the next event.
#[derive(Clone)]
enum Act {
    Return(String),
    Fail,
    Throttle,
    Echo,
}

struct FakeInvoke(Act);

#[derive(Default)]
struct FakeLog(Mutex<Vec<AccessEntry>>);

impl Invoke for FakeInvoke {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Reply, NotRun>> {
        let outcome = match &self.0 {
            Act::Return(json) => Outcome::Returned(Bytes::from(json.clone())),
            Act::Fail => Outcome::Failed(FunctionError {
                kind: FunctionErrorKind::Raised,
                payload: Bytes::from_static(br#"{"errorType":"Error","errorMessage":"no"}"#),
            }),
            Act::Throttle => {
                let not_run = NotRun::Throttled {
                    function: invocation.function,
                    limit: ThrottleLimit::NothingReserved,
                };
                return Box::pin(async { Err(not_run) });
            }
            Act::Echo => {
                let event = String::from_utf8(invocation.payload.to_vec()).unwrap();
                let name = invocation.function.as_str();
                let reply = serde_json::json!({"statusCode": 200, "body": event, "headers": {"x-function": name}});
                Outcome::Returned(Bytes::from(reply.to_string()))
            }
        };
        let timings = Timings {
            queue: Duration::ZERO,
            init: None,
            handler: Duration::ZERO,
        };
        Box::pin(async move {
            Ok(Reply {
                outcome,
                timings,
                log_tail: Bytes::new(),
                executed_version: "$LATEST".to_owned(),
            })
        })
    }
}

impl AccessLog for FakeLog {
    fn record(&self, entry: AccessEntry) {
        self.0.lock().unwrap().push(entry);
    }
}

fn to(function: &str, weight: u32) -> Weighted {
    Weighted {
        group: TargetGroup {
            arn: format!("arn:{function}"),
            target: Target::Function(Callee::unqualified(FunctionName::new(function))),
            values: Values::Last,
        },
        weight,
    }
}

fn rule(priority: u32, condition: Condition, function: &str) -> Rule {
    Rule {
        priority,
        conditions: vec![condition],
        action: Action::Forward(vec![to(function, 1)]),
        place: None,
    }
}

fn listener(rules: Vec<Rule>, default: DefaultAction) -> Listener {
    Listener {
        arn: "arn:l".to_owned(),
        load_balancer: Some("arn:b".to_owned()),
        name: "shop".to_owned(),
        protocol: Protocol::Http,
        port: 80,
        rules,
        default,
        forwarded_for: ForwardedFor::Append,
        place: None,
    }
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|it| (*it).to_owned()).collect()
}

struct Bench {
    balancers: Arc<LoadBalancers>,
    log: Arc<FakeLog>,
    received_at: std::time::Instant,
}

fn bench(act: Act, listeners: Vec<Listener>) -> Bench {
    let clock = StoppedClock::at(model::time::Timestamp::from_micros(1_583_349_317_135_000));
    let received_at = clock.instant();
    let log = Arc::new(FakeLog::default());
    let balancers = LoadBalancers::new(
        Arc::new(FakeInvoke(act)),
        Arc::new(clock),
        Arc::new(FixedRandom(7)),
        log.clone(),
    );
    let balancers = balancers.below(Some("base/".to_owned()));
    balancers.swap(&Application {
        listeners,
        ..Application::empty(RevisionId::new("r1"))
    });
    Bench {
        balancers: Arc::new(balancers),
        log,
        received_at,
    }
}

impl Bench {
    /// A request as `METHOD TARGET`, with headers as `name: value`.
    async fn ask(&self, asked: &str, headers: &[&str], body: Bytes) -> (u16, Response, String) {
        let (method, target) = asked.split_once(' ').unwrap();
        let mut sent = Headers::new();
        sent.push("Host", HeaderValue::from_static("shop.example:3003"));
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap();
            sent.push(name, HeaderValue::from_str(value).unwrap());
        }
        let request = Request {
            method: method.parse().unwrap(),
            target: target.to_owned(),
            version: Version::HTTP_11,
            headers: sent,
            body: Body::whole(body),
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)),
            scheme: Scheme::Http,
            received_at: self.received_at,
        };
        let response = self.balancers.listener(0).handle(request).await;
        let ResponseBody::Whole(body) = &response.body else {
            panic!("it does not stream")
        };
        let body = String::from_utf8(body.to_vec()).unwrap();
        (response.status.as_u16(), response, body)
    }

    async fn status(&self, asked: &str, headers: &[&str]) -> u16 {
        self.ask(asked, headers, Bytes::new()).await.0
    }
}

fn header(response: &Response, wanted: &str) -> Option<String> {
    let found = response
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map(|(_, value)| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_first_rule_that_holds_takes_the_request() {
    let pair = |key: Option<&str>, value: &str| QueryPair {
        key: key.map(str::to_owned),
        value: value.to_owned(),
    };
    let of_header = Condition::Header {
        name: "X-Kind".to_owned(),
        values: texts(&["new*"]),
    };
    let rules = vec![
        rule(1, Condition::Host(texts(&["admin.*"])), "host"),
        rule(2, Condition::Method(texts(&["PURGE"])), "method"),
        rule(3, of_header, "header"),
        rule(
            4,
            Condition::Query(vec![pair(Some("v"), "1"), pair(None, "any*")]),
            "query",
        ),
        rule(
            5,
            Condition::SourceIp(texts(&["10.0.0.0/8", "nonsense"])),
            "address",
        ),
        rule(6, Condition::Path(texts(&["/a/*"])), "path"),
    ];
    let bench = bench(Act::Echo, vec![listener(rules, DefaultAction::Unknown)]);
    for (asked, headers, expected) in [
        ("GET /a/b", &[][..], Some("path")),
        ("GET /a/b?V=1", &[], Some("query")),
        ("GET /a/b?v=2&w=ANYTHING", &[], Some("query")),
        (
            "GET /a/b",
            &["x-kind: old", "x-kind: NEWER"],
            Some("header"),
        ),
        ("PURGE /a/b", &["x-kind: new"], Some("method")),
        ("purge /a/b", &[], Some("path")),
        ("GET /A/b", &[], None),
        ("GET /b", &["X-Forwarded-For: 10.1.1.1"], None),
        ("GET /base/a/b", &[], Some("path")),
        ("GET /based/a/b", &[], None),
    ] {
        let (status, response, _) = bench.ask(asked, headers, Bytes::new()).await;
        assert_eq!(
            header(&response, "x-function").as_deref(),
            expected,
            "{asked}"
        );
        assert_eq!(status, if expected.is_some() { 200 } else { 404 });
    }
    let log = bench.log.0.lock().unwrap();
    let rules: Vec<_> = log
        .iter()
        .map(|entry| entry.route.clone().unwrap())
        .collect();
    assert_eq!(&rules[..2], ["rule 6", "rule 4"]);
    assert_eq!(rules.last().unwrap(), "default action");
}

#[tokio::test]
async fn the_function_sees_the_path_as_sent_without_the_base_path() {
    let rules = vec![rule(1, Condition::Path(texts(&["*"])), "f")];
    let bench = bench(Act::Echo, vec![listener(rules, DefaultAction::Unknown)]);
    let (_, response, event) = bench.ask("GET /base/a%20b?x=%20", &[], Bytes::new()).await;
    let event: Value = serde_json::from_str(&event).unwrap();
    assert_eq!(event["path"], "/a%20b");
    assert_eq!(event["queryStringParameters"]["x"], "%20");
    assert_eq!(event["headers"]["x-forwarded-for"], "127.0.0.1");
    assert_eq!(event["headers"]["x-forwarded-port"], "3003");
    assert_eq!(header(&response, "server").as_deref(), Some("awselb/2.0"));
}

#[tokio::test]
async fn whatever_is_wrong_with_a_function_is_a_bad_gateway() {
    let large = format!(r#"{{"statusCode":200,"body":"{}"}}"#, "a".repeat(1_048_576));
    for (act, reason) in [
        (Act::Fail, "threw"),
        (Act::Throttle, "is throttled"),
        (Act::Return("{}".to_owned()), "`statusCode`"),
        (Act::Return("1".to_owned()), "not the object"),
        (Act::Return(large), "a load balancer takes 1048576"),
    ] {
        let rules = vec![rule(1, Condition::Path(texts(&["*"])), "f")];
        let bench = bench(act, vec![listener(rules, DefaultAction::Unknown)]);
        let (status, response, body) = bench.ask("GET /", &[], Bytes::new()).await;
        assert_eq!(status, 502);
        assert!(
            body.contains("<center><h1>502 Bad Gateway</h1></center>\r\n"),
            "{body}"
        );
        assert_eq!(
            header(&response, "content-type").as_deref(),
            Some("text/html")
        );
        let log = bench.log.0.lock().unwrap();
        let message = log[0].message.as_deref().unwrap();
        assert!(message.contains(reason), "{message}");
    }
}

#[tokio::test]
async fn requests_have_limits_of_their_own() {
    let rules = vec![rule(1, Condition::Path(texts(&["*"])), "f")];
    let bench = bench(Act::Echo, vec![listener(rules, DefaultAction::Unknown)]);
    let (status, _, body) = bench
        .ask("POST /", &[], Bytes::from(vec![b'a'; 1_048_577]))
        .await;
    assert_eq!(status, 413);
    assert!(body.contains("413 Request Entity Too Large"));
    let hops = format!("X-Forwarded-For: {}", vec!["10.0.0.1"; 31].join(", "));
    assert_eq!(bench.status("GET /", &[&hops]).await, 463);
    assert_eq!(bench.status("TRACE /", &[]).await, 405);
    let upgrade = ["Connection: upgrade", "Upgrade: websocket"];
    assert_eq!(bench.status("GET /", &upgrade).await, 400);
}

#[tokio::test]
async fn a_redirect_keeps_what_it_does_not_change() {
    let redirect = |protocol: &str, host: &str, port: &str, path: &str, query: &str| {
        let redirect = Redirect {
            protocol: protocol.to_owned(),
            host: host.to_owned(),
            port: port.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            status: 301,
        };
        DefaultAction::Declared(Action::Redirect(redirect))
    };
    for (redirect, asked, expected) in [
        (
            redirect("HTTPS", "#{host}", "443", "/#{path}", "#{query}"),
            "GET /a/b?c=d",
            "http://shop.example:3004/a/b?c=d",
        ),
        (
            redirect("HTTPS", "#{host}", "8443", "/#{path}", "#{query}"),
            "GET /a",
            "https://shop.example:8443/a",
        ),
        (
            redirect(
                "#{protocol}",
                "other.example",
                "#{port}",
                "/new/#{path}",
                "from=#{host}",
            ),
            "GET /a",
            "http://other.example:3003/new/a?from=shop.example",
        ),
    ] {
        let secure = Listener {
            protocol: Protocol::Https,
            port: 443,
            ..listener(Vec::new(), DefaultAction::Unknown)
        };
        let bench = bench(Act::Fail, vec![listener(Vec::new(), redirect), secure]);
        bench.balancers.set_addresses(Addresses {
            ports: vec![3003, 3004],
            scheme: Scheme::Http,
        });
        let (status, response, body) = bench.ask(asked, &[], Bytes::new()).await;
        assert_eq!((status, body.len()), (301, 134));
        assert_eq!(header(&response, "location").as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_fixed_response_is_as_declared() {
    let fixed = FixedResponse {
        status: 404,
        content_type: Some("application/json".to_owned()),
        body: "{}".to_owned(),
    };
    let default = DefaultAction::Declared(Action::FixedResponse(fixed));
    let bench = bench(Act::Fail, vec![listener(Vec::new(), default)]);
    let (status, response, body) = bench.ask("GET /", &[], Bytes::new()).await;
    assert_eq!((status, body.as_str()), (404, "{}"));
    let media_type = header(&response, "content-type");
    assert_eq!(
        media_type.as_deref(),
        Some("application/json; charset=utf-8")
    );
}

#[tokio::test]
async fn what_has_no_function_is_unavailable() {
    let not_served = Action::NotServed {
        reason: "because".to_owned(),
    };
    let nobody = Weighted {
        group: TargetGroup {
            target: Target::Nobody,
            ..to("f", 1).group
        },
        weight: 1,
    };
    for (action, reason) in [
        (not_served, "because"),
        (Action::Forward(vec![nobody]), "has no target"),
        (Action::Forward(vec![to("f", 0)]), "weights"),
    ] {
        let bench = bench(
            Act::Echo,
            vec![listener(Vec::new(), DefaultAction::Declared(action))],
        );
        assert_eq!(bench.status("GET /", &[]).await, 503);
        let log = bench.log.0.lock().unwrap();
        let message = log[0].message.as_deref().unwrap();
        assert!(message.contains(reason), "{message}");
    }
    let none = bench(Act::Echo, Vec::new());
    assert_eq!(none.status("GET /", &[]).await, 503);
}

#[test]
fn requests_are_shared_out_by_weight() {
    let balancers = LoadBalancers::new(
        Arc::new(FakeInvoke(Act::Echo)),
        Arc::new(StoppedClock::at(model::time::Timestamp::from_micros(0))),
        Arc::new(test_kit::CountingRandom::default()),
        Arc::new(FakeLog::default()),
    );
    let share = |name: &str, weight| table::Share {
        group: to(name, 0).group,
        weight,
    };
    let shares = [share("a", 1), share("none", 0), share("b", 3)];
    let mut drawn: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..400 {
        let group = balancers.draw(&shares).unwrap();
        *drawn.entry(group.arn.clone()).or_default() += 1;
    }
    assert_eq!(drawn.get("arn:none"), None);
    let few = drawn["arn:a"];
    assert!((50..150).contains(&few), "{drawn:?}");
    assert_eq!(few + drawn["arn:b"], 400);
}
